"""Which projects' `.equitr/` the user trusts, by content hash; kept in the user's own home, never in a repository."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import unified_diff
from pathlib import Path
from typing import Any

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.queries import TrustAnswer
from equitr_coder.ports import TrustStore
from equitr_coder.settings.files import read_optional, write_atomically
from equitr_coder.settings.project import hash_of, read_project

VERSION = 1


class FileTrustStore:
    """`HOME/trust.json`: absolute workspace path -> content hash. Fails closed: what cannot be read is not trusted."""

    def __init__(self, home: Path) -> None:
        self._file = home / "trust.json"
        self._lock = home / "locks" / "trust.lock"

    def trusted_hash(self, workspace: Path) -> str | None:
        try:
            return self._read().get(str(workspace.resolve()))
        except OSError:
            return None

    def trust(self, workspace: Path, content_hash: str, files: Mapping[str, bytes] | None = None) -> None:
        with self._changing() as workspaces:
            kept = {name: data.decode("utf-8", "surrogateescape") for name, data in (files or {}).items()}
            write_atomically(self._copy(workspace), json.dumps(kept, indent=2, sort_keys=True) + "\n")
            workspaces[str(workspace.resolve())] = content_hash

    def trusted_files(self, workspace: Path) -> Mapping[str, bytes] | None:
        """Only to show what has changed since: a copy that is damaged is none."""
        try:
            kept = json.loads(self._copy(workspace).read_text(encoding="utf-8"))
            files = {name: text.encode("utf-8", "surrogateescape") for name, text in kept.items()}
        except (OSError, ValueError, AttributeError):
            return None
        return files if hash_of(files) == self.trusted_hash(workspace) else None

    def forget(self, workspace: Path) -> None:
        with self._changing() as workspaces:
            workspaces.pop(str(workspace.resolve()), None)
            self._copy(workspace).unlink(missing_ok=True)

    def _copy(self, workspace: Path) -> Path:
        name = hashlib.sha256(os.fsencode(workspace.resolve())).hexdigest()[:24]
        return self._file.with_name("trusted") / f"{name}.json"

    def _read(self) -> dict[str, str]:
        text = read_optional(self._file)
        if text is None:
            return {}
        try:
            return _workspaces(json.loads(text))
        except ValueError as error:
            raise UserError(
                f"{self._file} is damaged", hint=f"delete {self._file}, then `equitrcoder trust` the projects again"
            ) from error

    @contextmanager
    def _changing(self) -> Iterator[dict[str, str]]:
        """The map, written back when the block ends; two processes never lose each other's entry."""
        try:
            self._lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            stream = self._lock.open("a")
        except OSError as error:
            raise UserError(
                f"cannot write {self._lock}: {error.strerror or error}",
                hint="set EQUITR_HOME to a folder you can write to",
            ) from error
        with stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            workspaces = self._read()
            yield workspaces
            write_atomically(
                self._file, json.dumps({"version": VERSION, "workspaces": workspaces}, indent=2, sort_keys=True) + "\n"
            )


def trust_answer(repo: Path, *, home: Path, trust: TrustStore) -> TrustAnswer:
    """What stands in the project's `.equitr/` and whether it is trusted as it is now; if not, how it differs from what
    was.
    """
    project = read_project(repo, home=home, trust=trust)
    known = trust.trusted_hash(repo.resolve()) if project.files else None
    return TrustAnswer(
        present=bool(project.files),
        trusted=project.is_trusted,
        changed=known is not None and not project.is_trusted,
        files=tuple(sorted(project.files)),
        content_hash=project.content_hash,
        diff="" if project.is_trusted else _difference(trust.trusted_files(repo.resolve()) or {}, project.files),
    )


def set_trust(
    repo: Path, *, home: Path, trust: TrustStore, trusted: bool, content_hash: str | None = None
) -> TrustAnswer:
    """Accept the project's `.equitr/` as it is now, or withdraw that. The answer's `diff` says what was accepted that
    had not been before. With `content_hash` only that content is accepted: what a person has been shown.

    Raises:
        UserError: there is nothing to trust, it is another content by now, or the store cannot be written.
    """
    if not trusted:
        trust.forget(repo.resolve())
        return trust_answer(repo, home=home, trust=trust)
    found = read_project(repo, home=home, trust=trust)
    if not found.files:
        raise UserError(
            f"{found.folder} holds no settings to trust", hint="put a config.yaml there first, or change --repo"
        )
    if content_hash is not None and content_hash != found.content_hash:
        raise UserError(
            f"{found.folder} changed after it was shown", hint="look at it again with `equitrcoder trust --show`"
        )
    diff = _difference(trust.trusted_files(repo.resolve()) or {}, found.files)
    trust.trust(repo.resolve(), found.content_hash, found.files)
    return trust_answer(repo, home=home, trust=trust).model_copy(update={"diff": diff})


def _difference(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> str:
    """Unified, over all files by name."""
    lines: list[str] = []
    for name in sorted(before.keys() | after.keys()):
        old, new = (_lines(files.get(name, b"")) for files in (before, after))
        source = name if name in before else "/dev/null"
        target = name if name in after else "/dev/null"
        lines += unified_diff(old, new, source, target, lineterm="")
    return "\n".join(lines)


def _lines(data: bytes) -> list[str]:
    """Only line feeds end a line: other characters that end one for some readers stay in it, where they are shown."""
    lines = data.decode("utf-8", "backslashreplace").split("\n")
    return lines[:-1] if not lines[-1] else [*lines, "(no line end)"]


def _workspaces(document: Any) -> dict[str, str]:
    match document:
        case {"version": int(version), "workspaces": dict(workspaces)} if version == VERSION:
            if all(isinstance(key, str) and isinstance(value, str) for key, value in workspaces.items()):
                return workspaces
    raise ValueError("not a trust file")
