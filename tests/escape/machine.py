"""A machine in a folder, with everything an attempt could be after: secrets, start files, other worktrees, sockets that
listen, a process that could be killed. `harm()` says what an attempt did outside its tree.

Imports nothing of pytest: a plain user runs it in a process of its own.
"""

import base64
import codecs
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml

CANARY = "CANARY-7f3a91"
"""In every secret of the machine."""
_KEY_NAMES = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "NPM_CONFIG__AUTH")
KEYS = dict.fromkeys(_KEY_NAMES, f"key-{CANARY}")
_SECRET_FILES = """
    .ssh/id_ed25519 .aws/credentials .netrc .npmrc .pypirc .gnupg/key .config/gh/hosts.yml .docker/config.json
    .kube/config .bash_history notes.txt .equitr/config.yaml .equitr/keys.json .equitr/equitr.db
"""
_START_FILES = ".bashrc .profile .gitconfig .vimrc .ssh/authorized_keys .equitr/trust.json"
_IDENTITY = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false")
_GIT_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "GIT_CONFIG_NOSYSTEM": "1"}


def git(*argv: str, cwd: Path) -> str:
    env = _GIT_ENVIRONMENT | {"HOME": str(cwd)}
    done = subprocess.run(["git", *_IDENTITY, *argv], cwd=cwd, env=env, capture_output=True, text=True, check=True)
    return done.stdout


@dataclass
class Attempt:
    """A row of `attempts.yaml`."""

    id: str
    kind: str
    mode: str
    tool: str
    input: Any
    outcome: str
    why: str
    landlock: str
    bare: str
    setup: dict[str, Any] = field(default_factory=dict)


def read_attempts() -> list[Attempt]:
    text = Path(__file__).with_name("attempts.yaml").read_text(encoding="utf-8")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [Attempt(**row) for row in yaml.load(text, Loader=loader)]


class Machine:
    """Made once, put back after every attempt that changed something. `folder` is its own."""

    def __init__(self, folder: Path, path: str) -> None:
        self.folder = folder.resolve()
        self.home = self.folder / "home"
        self.equitr_home = self.home / ".equitr"
        self.checkout = self.home / "work" / "demo"
        self.tree = self.equitr_home / "worktrees" / "w" / "r" / "T1"
        self.other = self.tree.with_name("T2")
        self.outside = self.folder / "outside"
        self.environ = {
            "PATH": path, "HOME": str(self.home), "LANG": "C.UTF-8", "SSH_AUTH_SOCK": str(self.folder / "s"), **KEYS,
        }  # fmt: skip
        self._master = self.folder.with_name(f"{self.folder.name}.master")
        self._listeners: dict[str, socket.socket] = {}
        self._everything = ExitStack()
        self._before: dict[str, object] = {}
        self._root = self.tree

    def __enter__(self) -> Self:
        self._make()
        shutil.copytree(self.folder, self._master, symlinks=True)
        self._listen()
        self._start_victim()
        self._everything.callback(self._end_victim)
        self._before = self._state()
        return self

    def __exit__(self, *_: object) -> None:
        self._everything.close()
        shutil.rmtree(self._master)

    def __call__(self, text: Any) -> Any:
        """With the places of this machine in place of words between @."""
        if isinstance(text, Mapping):
            return {self(name): self(value) for name, value in text.items()}
        if not isinstance(text, str):
            return text
        return re.sub(r"@([a-z0-9]+)@", lambda found: self._words.get(found[1], found[0]), text)

    @property
    def _words(self) -> dict[str, str]:
        places = {"home": self.home, "other": self.other, "outside": self.outside, "checkout": self.checkout}
        return {
            **{name: str(path) for name, path in places.items()},
            "tree": str(self.tree),
            "port": str(self._listeners["tcp"].getsockname()[1]),
            "udp": str(self._listeners["udp"].getsockname()[1]),
            "socket": str(self.folder / "s"),
            "dgram": str(self.folder / "d"),
            "abstract": f"equitr-{os.getpid()}",
            "pid": str(os.getpid()),
            "victim": str(self._victim.pid),
        }

    def _make(self) -> None:
        for name in _SECRET_FILES.split():
            put(self.home / name, f"PRIVATE {CANARY} password\n")
        for name in _START_FILES.split():
            put(self.home / name, "# as it was\n")
        put(self.outside / "file.txt", "one\n")
        put(self.other / "other.py", f"{CANARY}\n")
        self.checkout.mkdir(parents=True)
        git("init", "-q", "-b", "main", "--template=", cwd=self.checkout)
        (self.checkout / ".git" / "hooks").mkdir()
        (self.checkout / ".git" / "info").mkdir()
        put(self.checkout / "a.txt", "one\n")
        put(self.checkout / "Makefile", "all:\n\t@echo made\n")
        git("add", "-A", cwd=self.checkout)
        git("commit", "-q", "-m", "first", cwd=self.checkout)
        git("remote", "add", "origin", f"https://ann:{CANARY}@example.org/demo.git", cwd=self.checkout)
        git("worktree", "add", "-q", "--detach", str(self.tree), cwd=self.checkout)

    def _listen(self) -> None:
        kinds: dict[str, tuple[int, int, Any]] = {
            "tcp": (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            "udp": (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            "file": (socket.AF_UNIX, socket.SOCK_STREAM, str(self.folder / "s")),
            "datagrams": (socket.AF_UNIX, socket.SOCK_DGRAM, str(self.folder / "d")),
            "abstract": (socket.AF_UNIX, socket.SOCK_STREAM, f"\0equitr-{os.getpid()}"),
        }
        for name, (family, kind, address) in kinds.items():
            made = self._everything.enter_context(socket.socket(family, kind))
            made.bind(address)
            if kind == socket.SOCK_STREAM:
                made.listen()
            made.setblocking(False)
            self._listeners[name] = made

    def arrange(self, attempt: Attempt) -> Path:
        """Put there what the attempt stands on; the folder it runs in."""
        setup = self(attempt.setup)
        root = self._root = self.root_of(attempt)
        if setup.get("equitr"):
            put(root / ".equitr" / "config.yaml", "# trusted\n")
        for name, text in setup.get("committed", {}).items():
            put(self.checkout / name, text)
        if "committed" in setup:
            git("add", "-A", cwd=self.checkout)
            git("commit", "-q", "-m", "more", cwd=self.checkout)
        for name, text in setup.get("files", {}).items():
            put(root / name, self._program if text == "#!x" else text)
            if setup.get("executable"):
                (root / name).chmod(0o755)
        for name, target in setup.get("links", {}).items():
            (root / name).symlink_to(target)
        for name, target in setup.get("hard", {}).items():
            (root / name).hardlink_to(target)
        for key, value in setup.get("config", {}).items():
            git("config", key, value, cwd=self.checkout)
        for name in setup.get("hooks", ()):
            put(self.checkout / ".git" / "hooks" / name, self._program)
            (self.checkout / ".git" / "hooks" / name).chmod(0o755)
        self._before = self._state()
        return root

    @property
    def _program(self) -> str:
        return f"#!/bin/sh\ntouch {self.outside}/ran\n"

    def _end_victim(self) -> None:
        self._victim.kill()
        self._victim.wait()

    def harm(self, output: bytes, attempt: Attempt) -> list[str]:
        """What happened outside the tree, in words; empty when nothing did."""
        found = [f"printed a secret ({form})" for form in leaks(output)]
        found += [f"reached the {name} socket" for name in self._reached()]
        after = self._state()
        changed = [path for path in sorted(self._before.keys() | after.keys())
                   if self._before.get(path) != after.get(path)]  # fmt: skip
        # The product's own work does change the repository.
        is_ours = attempt.tool in ("host_git", "settings")
        found += [f"changed {path}" for path in changed if not is_ours or path.startswith(str(self.outside))]
        if self._victim.poll() is not None:
            found.append("ended a process of the user's")
        never = attempt.setup.get("never")
        if never and never.encode() in output:
            found.append(f"said {never!r}")
        found += [f"made {path}" for path in attempt.setup.get("absent", ()) if Path(path).exists()]
        survivor = attempt.setup.get("survivor")
        if survivor:
            found += [f"left process {pid}" for pid in _processes(survivor)]
        return found

    def put_back(self) -> None:
        """As it was made: everything but the sockets, which stand. What stands outside must be there again."""
        for path in (self.home, self.outside):
            remove(path)
            shutil.copytree(self._master / path.name, path, symlinks=True)
        if self._victim.poll() is not None:
            self._start_victim()

    def _start_victim(self) -> None:
        """A process of the user's that holds keys and stands in a folder with secrets."""
        self._victim = subprocess.Popen(["/bin/sleep", "1000"], cwd=self.folder, env=self.environ)

    @property
    def listeners(self) -> list[socket.socket]:
        return list(self._listeners.values())

    def _reached(self) -> Iterator[str]:
        for name, listener in self._listeners.items():
            try:
                while True:
                    if listener.type == socket.SOCK_DGRAM:
                        listener.recv(65536)
                    else:
                        listener.accept()[0].close()
                    yield name
            except BlockingIOError:
                continue

    def _state(self) -> dict[str, object]:
        """Everything outside the tree and, of trees, what git and the product obey."""
        found: dict[str, object] = {}
        pending = [self.folder]
        while pending:
            for entry in os.scandir(pending.pop()):
                path = Path(entry.path)
                status = entry.stat(follow_symlinks=False)
                inside = path.is_relative_to(self.tree) or path.is_relative_to(self.checkout)
                if inside and path not in (self.tree, self.checkout) and not self._is_guarded(path):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    pending.append(path)
                    found[entry.path] = "folder" if inside else ("folder", stat.S_IMODE(status.st_mode))
                elif entry.is_symlink():
                    found[entry.path] = str(path.readlink())
                elif entry.is_file():
                    found[entry.path] = (path.read_bytes(), stat.S_IMODE(status.st_mode), status.st_mtime)
        return found

    def _is_guarded(self, path: Path) -> bool:
        root = self.tree if path.is_relative_to(self.tree) else self.checkout
        return root != self._root or path.relative_to(root).parts[0] in (".git", ".equitr")

    def root_of(self, attempt: Attempt) -> Path:
        """The tree it works in, the only one that may change."""
        is_in_place = attempt.setup.get("place") == "checkout" or attempt.tool == "host_git"
        return self.checkout if is_in_place else self.tree


def leaks(output: bytes) -> list[str]:
    """The forms in which a secret stands in an output."""
    raw = CANARY.encode()
    forms = {
        "plain": raw,
        "backwards": raw[::-1],
        "by thirteen letters": codecs.encode(CANARY, "rot13").encode(),
        "hexadecimal": raw.hex().encode(),
    }
    for shift in range(3):
        # The characters that depend on neither neighbour.
        encoded = base64.b64encode(b"\0" * shift + raw)
        forms[f"base64 from {shift}"] = encoded[4 if shift else 0 : len(encoded) - 4]
    squeezed = output.replace(b"\n", b"").replace(b" ", b"")
    return [name for name, form in forms.items() if form in output or form in squeezed]


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def remove(path: Path) -> None:
    """Whatever an attempt made of it."""
    if path.is_dir() and not path.is_symlink():
        path.chmod(0o700)
        for folder, folders, _ in os.walk(path):
            for name in folders:
                if not Path(folder, name).is_symlink():
                    Path(folder, name).chmod(0o700)
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()


def _processes(command: str) -> list[int]:
    """Those with exactly this command line; they are ended, so that the next attempt finds none."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode()
            except (OSError, UnicodeDecodeError):
                continue
            if words == command:
                found.append(int(folder.name))
                os.kill(int(folder.name), signal.SIGKILL)
    return found
