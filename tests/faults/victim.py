"""One user whose process dies: a home, a repository, a scripted provider, and the real command."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from equitr_coder.adapters.sqlite.store import SqliteStore
from equitr_coder.domain.events import Event
from equitr_coder.domain.run_view import RunView, fold
from equitr_coder.domain.runs import RunState
from equitr_coder.testing.backend import Recorded
from equitr_coder.testing.script import Rule
from equitr_coder.testing.server import ServerInThread
from tests import warm
from tests.faults.points import Point

_DRIVER = Path(__file__).with_name("driver.py")
_PRICES = {
    "stub/strong": {"input": 10, "output": 30, "cache_read": 1},
    "stub/weak": {"input": 1, "output": 3, "cache_read": "0.1"},
}
_KEPT = ("PATH", "LANG", "PYTHONPATH")
_RESUME = ("resume", "--yes")


@dataclass(frozen=True)
class Play:
    """What is asked of the product, and what the models answer."""

    rules: tuple[Rule, ...]
    command: tuple[str, ...]
    words: Mapping[str, str] = field(default_factory=dict)
    """File -> the word it has to hold wherever its task is on a branch."""
    is_green: Callable[[Mapping[str, str]], bool] = lambda _: True
    """What else has to hold for the files of a branch."""
    config: Mapping[str, Any] = field(default_factory=dict)
    base: Mapping[str, str] = field(default_factory=dict)
    """What lies in the repository beside its README."""
    go_on: tuple[str, ...] = _RESUME
    """How a person goes on with what is unfinished; `EPIC` stands for its name."""
    pauses: bool = False
    """The command itself stops short of the end: a plan to be approved."""


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def brief(self) -> str:
        return f"exit {self.code}\n{self.out[-2000:]}\n{self.err[-4000:]}"

    @property
    def trouble(self) -> tuple[str, str]:
        """The two lines of an error."""
        error, hint = self.err.strip().splitlines()[-2:]
        assert error.startswith("error: "), self.brief
        assert hint.startswith("hint: "), self.brief
        return error.removeprefix("error: "), hint.removeprefix("hint: ")


@dataclass(frozen=True)
class Death:
    """What stood in the log, and what the server had seen, when the process was dead."""

    point: str
    log: Sequence[Event]
    seen: int


@dataclass
class Victim:
    folder: Path
    play: Play
    server: ServerInThread
    deaths: list[Death] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=lambda: {"repo": "repo", "home": "home"})
    """Where the repository and the user's home are by now."""

    @property
    def repo(self) -> Path:
        return self.folder / self.places["repo"]

    @property
    def home(self) -> Path:
        return self.folder / self.places["home"] / ".equitr"

    @property
    def environ(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return kept | {"HOME": str(self.folder / self.places["home"])}

    @property
    def requests(self) -> Sequence[Recorded]:
        return self.server.requests

    def prepare(self) -> None:
        self.repo.mkdir(parents=True)
        self.home.mkdir(parents=True)
        config: dict[str, dict[str, Any]] = {
            "llm": {
                "api_base": self.server.url,
                "model": "stub/strong",
                "models": {"supervisor": "stub/strong", "worker": "stub/weak"},
                "prices": _PRICES,
            },
            "orchestrator": {"max_workers": 2, "worktree_pool": 1},
        }
        for section, values in self.play.config.items():
            config[section] = config.get(section, {}) | values
        (self.home / "config.yaml").write_text(yaml.safe_dump(config))
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "A User")
        self.git("config", "user.email", "user@example.invalid")
        for name, text in {"README.md": "# Words\n", **self.play.base}.items():
            (self.repo / name).write_text(text)
        self.git("add", "-A")
        self.git("commit", "-qm", "start")

    def move(self, what: str, name: str) -> None:
        """The repository (`repo`) or the user's home (`home`) gets another name."""
        (self.folder / self.places[what]).rename(self.folder / name)
        self.places[what] = name

    def git(self, *arguments: str) -> str:
        ran = subprocess.run(
            ["git", *arguments], cwd=self.repo, env=self.environ, capture_output=True, text=True, check=True
        )
        return ran.stdout.rstrip("\n")

    # ---------------------------------------------------------------- the command

    def run(self, *arguments: str, timeout: float = 120) -> Ended:
        """The command as installed."""
        return self._ended(self.start(*arguments), timeout)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """The same, left running."""
        return warm.start(arguments, cwd=self.repo, environ=self.environ)

    def next_command(self) -> tuple[str, ...] | None:
        """What the person types now; None when everything is done."""
        logs = self.logs()
        for view in map(fold, logs):
            if not view.state.is_final:
                return tuple(word.replace("EPIC", view.epic or "EPIC") for word in self.play.go_on)
        return None if logs else self.play.command

    def count(self) -> dict[str, int]:
        """Play undisturbed: how often each kind of point was passed until the end."""
        counts: dict[str, int] = {}
        while (command := self.next_command()) is not None:
            ended, passed = self.drive(command, None)
            assert ended.code == 0 or (self.play.pauses and ended.code == 5), ended.brief
            for kind, number in passed.items():
                counts[kind] = max(counts.get(kind, 0), number)
        return counts

    def kill(self, point: Point) -> bool:
        """Go on until this point and die there; False when it was never reached."""
        command = self.next_command()
        while command is not None:
            ended, _ = self.drive(command, point)
            if ended.code == -signal.SIGKILL:
                self.note_death(str(point))
                return True
            assert ended.code == 0 or (self.play.pauses and ended.code == 5), ended.brief
            command = self.next_command() if self.play.pauses else None
        return False

    def note_death(self, point: str) -> None:
        self.deaths.append(Death(point, self.log_or_nothing, len(self.requests)))

    def finish(self) -> None:
        """One command goes on to the end, in a fresh process; a play that pauses needs two."""
        for _ in range(1 + self.play.pauses):
            command = self.next_command()
            if command is None:
                return
            ended = self.run(*command)
            assert ended.code == 0 or (self.play.pauses and ended.code == 5), ended.brief
        assert self.next_command() is None, f"still unfinished: {[fold(log).detail for log in self.logs()]}"

    def drive(
        self, command: Sequence[str], point: Point | None, *, signals: Sequence[int] = (signal.SIGKILL,)
    ) -> tuple[Ended, dict[str, int]]:
        """The command, to whose process these signals happen at the point; and what it passed, if it lived to tell."""
        told = self._told
        told.unlink(missing_ok=True)
        spec = self._spec(point, signals)
        process = warm.start([spec, *command], cwd=self.repo, environ=self.environ, script=_DRIVER)
        ended = self._ended(process, 120)
        return ended, json.loads(told.read_text()) if told.exists() else {}

    def driven(self, point: Point) -> list[str]:
        """The program that dies at the point, without its arguments: for a terminal."""
        return [sys.executable, str(_DRIVER), self._spec(point, (signal.SIGKILL,))]

    def _spec(self, point: Point | None, signals: Sequence[int]) -> str:
        kill = [point.kind, point.when, point.number] if point is not None else None
        return json.dumps({"kill": kill, "counts": str(self._told), "signals": [int(number) for number in signals]})

    @property
    def _told(self) -> Path:
        return self.folder / "counts.json"

    def _ended(self, process: "subprocess.Popen[str]", timeout: float) -> Ended:
        with process:
            try:
                out, err = process.communicate(timeout=timeout)
            except BaseException:
                process.kill()
                raise
        return Ended(process.returncode, out, err)

    # ---------------------------------------------------------------- what is left of it

    def logs(self) -> list[Sequence[Event]]:
        """Of every run that has begun, newest first."""
        return read_logs(self.home)

    def journals(self, prefix: str) -> Mapping[str, Mapping[str, Any]]:
        async def read() -> Mapping[str, Mapping[str, Any]]:
            store = SqliteStore(self.home)
            try:
                return await store.open_journals(prefix)
            finally:
                await store.close()

        return asyncio.run(read())

    @property
    def log(self) -> Sequence[Event]:
        [log] = self.logs()
        return log

    @property
    def chain_faults(self) -> list[str]:
        """What `audit verify` finds."""
        return verified(self.home)

    @property
    def log_or_nothing(self) -> Sequence[Event]:
        logs = self.logs()
        return logs[0] if logs else ()

    @property
    def view(self) -> RunView:
        return fold(self.log)

    @property
    def is_done(self) -> bool:
        return self.view.state is RunState.COMPLETED

    @property
    def files(self) -> dict[str, str]:
        """What the user's checkout holds, without the number of the epic."""
        tracked = self.git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
        epic = self.view.epic or "no epic"
        return {
            name.replace(epic, "EPIC"): (self.repo / name).read_text().replace(epic, "EPIC") for name in tracked if name
        }


def verified(home: Path) -> list[str]:
    async def verify() -> list[str]:
        store = SqliteStore(home)
        try:
            chains, index = await store.verify()
        finally:
            await store.close()
        return [fault.what for fault in (*index, *(fault for chain in chains for fault in chain.faults))]

    return asyncio.run(verify())


def read_logs(home: Path) -> list[Sequence[Event]]:
    async def read() -> list[Sequence[Event]]:
        store = SqliteStore(home)
        try:
            return [log for row in await store.runs() if (log := await store.read(row.run))]
        finally:
            await store.close()

    return asyncio.run(read())
