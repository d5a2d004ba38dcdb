"""One user whose process dies: a home, a repository, a scripted provider, and what must hold afterwards."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from equitr_coder.adapters.sqlite.store import SqliteStore
from equitr_coder.domain.events import Event, ModelCallFailed, ModelCallSettled
from equitr_coder.domain.run_view import RunView, fold
from equitr_coder.domain.runs import RunState
from equitr_coder.testing.events import assert_well_formed
from equitr_coder.testing.script import Rule
from equitr_coder.testing.server import ServerInThread, serve_in_thread

_DRIVER = Path(__file__).with_name("driver.py")
_PRICES = {
    "stub/strong": {"input": 10, "output": 30, "cache_read": 1},
    "stub/weak": {"input": 1, "output": 3, "cache_read": "0.1"},
}
_MOST_RESUMES = 4


@dataclass(frozen=True)
class Play:
    """What is asked of the product."""

    rules: tuple[Rule, ...]
    kind: str
    request: str


@dataclass
class Victim:
    folder: Path
    play: Play
    server: ServerInThread

    @property
    def repo(self) -> Path:
        return self.folder / "repo"

    @property
    def home(self) -> Path:
        return self.folder / "home" / ".equitr"

    @property
    def environ(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
        return kept | {"HOME": str(self.folder / "home")}

    def prepare(self) -> None:
        self.repo.mkdir(parents=True)
        self.home.mkdir(parents=True)
        config = {
            "llm": {
                "api_base": self.server.url,
                "model": "stub/strong",
                "models": {"supervisor": "stub/strong", "worker": "stub/weak"},
                "prices": _PRICES,
            },
            "orchestrator": {"max_workers": 2},
        }
        (self.home / "config.yaml").write_text(yaml.safe_dump(config))
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "A User")
        self.git("config", "user.email", "user@example.invalid")
        (self.repo / "README.md").write_text("# Words\n")
        self.git("add", "-A")
        self.git("commit", "-qm", "start")

    def git(self, *arguments: str) -> str:
        ran = subprocess.run(
            ["git", *arguments], cwd=self.repo, env=self.environ, capture_output=True, text=True, check=True
        )
        return ran.stdout.rstrip("\n")

    def go(self, kill: Sequence[Any] | None = None) -> dict[str, int] | None:
        """Play until the end or the kill; how often each point was passed, or None when it was killed."""
        spec = {"kind": self.play.kind, "request": self.play.request, "kill": kill}
        ran = subprocess.run(
            [sys.executable, str(_DRIVER), str(self.repo), str(self.home), json.dumps(spec)],
            cwd=self.repo,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        if kill is not None and ran.returncode == -signal.SIGKILL:
            return None
        assert ran.returncode == 0, f"exit {ran.returncode}\n{ran.stdout[-2000:]}\n{ran.stderr[-4000:]}"
        counts: dict[str, int] = json.loads(ran.stdout)
        return counts

    def finish(self) -> None:
        """Resume in fresh processes until nothing is unfinished."""
        for _ in range(_MOST_RESUMES):
            self.go()
            if self.logs() and all(fold(log).state.is_final for log in self.logs()):
                return
        raise AssertionError(f"still unfinished: {[fold(log).detail for log in self.logs()]}")

    def logs(self) -> list[Sequence[Event]]:
        """Of every run that has begun."""
        import asyncio

        async def read() -> list[Sequence[Event]]:
            store = SqliteStore(self.home)
            try:
                return [log for row in await store.runs() if (log := await store.read(row.run))]
            finally:
                await store.close()

        return asyncio.run(read())

    @property
    def log(self) -> Sequence[Event]:
        [log] = self.logs()
        return log

    @property
    def view(self) -> RunView:
        return fold(self.log)

    @property
    def files(self) -> dict[str, str]:
        """What the user's checkout holds, without the number of the epic."""
        tracked = self.git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
        epic = self.view.epic or "no epic"
        return {
            name.replace(epic, "EPIC"): (self.repo / name).read_text().replace(epic, "EPIC") for name in tracked if name
        }


def assert_nothing_lost(victim: Victim, expected: dict[str, str]) -> None:
    """The laws that hold however often the process died."""
    view = victim.view
    assert view.state is RunState.COMPLETED, f"{view.state} {view.reason} {view.detail} {view.content}"
    assert victim.files == expected
    assert_money(victim)
    assert not list((victim.home / "worktrees").rglob("gate-*")), "worktrees are left behind"
    assert not (victim.repo / ".git" / "index.lock").exists()
    if victim.play.kind == "epic":
        assert victim.git("status", "--porcelain") == ""
        assert victim.git("rev-parse", "HEAD") == victim.git("rev-parse", f"equitr/{view.epic}")
        assert victim.git("symbolic-ref", "HEAD") == "refs/heads/main"
        assert len(victim.git("worktree", "list").splitlines()) == 1
        assert all(task.receipt is not None for task in view.tasks.values())
        for task in view.tasks.values():
            assert task.receipt is not None
            assert victim.git("rev-parse", f"{task.commit}^{{tree}}") == task.receipt.tree
            assert all(check.passed and check.tree == task.receipt.tree for check in task.receipt.checks)
        tasks = [line for line in victim.git("log", "--format=%s", "main").splitlines() if line[:1] == "T"]
        assert sorted(tasks) == sorted(f"{t.id}: title of {t.id}" for t in view.tasks.values()), "one commit a task"


def assert_money(victim: Victim) -> None:
    log, view = victim.log, victim.view
    assert_well_formed(log)
    assert view.held == 0
    settled = [event for event in log if isinstance(event, ModelCallSettled)]
    failed = [event for event in log if isinstance(event, ModelCallFailed)]
    charged = [event.usd for event in settled] + [event.usd for event in failed]
    assert view.spent == sum(charged, Decimal(0))
    bodies = [json.dumps(request.body, sort_keys=True) for request in victim.server.requests]
    assert len(settled) == len(set(bodies)), "an answer is settled once for every different request"
    assert len(bodies) - len(set(bodies)) <= len(failed), "a request whose answer is stored is never sent again"
    assert all(request.status == 200 for request in victim.server.requests)


OpenVictim = Callable[[Play], Victim]
Undisturbed = Callable[[Play], dict[str, str]]


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The files that a play leaves when nothing happens to it."""
    known: list[tuple[Play, dict[str, str]]] = []

    def files(play: Play) -> dict[str, str]:
        found = next((files for other, files in known if other is play), None)
        if found is None:
            with serve_in_thread(list(play.rules)) as server:
                calm = Victim(tmp_path_factory.mktemp("calm"), play, server)
                calm.prepare()
                calm.go()
                found = calm.files
                assert_nothing_lost(calm, found)
            known.append((play, found))
        return found

    return files


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[OpenVictim]:
    with ExitStack() as stack:

        def open_victim(play: Play) -> Victim:
            made = Victim(tmp_path, play, stack.enter_context(serve_in_thread(list(play.rules))))
            made.prepare()
            return made

        yield open_victim
