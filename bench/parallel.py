"""Many workers on the real command: 24 independent tasks, 4 model calls of 300 ms each, a trivial check, real git.

`python bench/parallel.py [--workers 1,8] [--tasks 24]` plays the same script with each number of workers and prints
what `equitrcoder metrics` says of each run, the speed against the first, and the memory of all processes at their peak.
With `--single` the same work is also done by one agent in a chat, against 4 workers; with `--lease 5000` it measures
what a worktree of so many files costs, new and out of the pool. Record figures, with the machine, its load and the
date, in bench/README.md.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from equitr_coder.testing.script import Rule, ScriptedReply, call, rule, says
from equitr_coder.testing.server import serve_in_thread

PROGRAM = Path(sys.executable).with_name("equitrcoder")
PRICES = {"stub/strong": {"input": 10, "output": 30}, "stub/weak": {"input": 1, "output": 3}}
REQUIREMENTS = "# Requirements\n\n## 1. Overview\nWords.\n\n## 2. Features\n- 2.1 words\n\n## 3. Other\n- 3.1 plain\n"
DESIGN = "# Design\n\n## 1. Architecture\nFiles.\n\n## 2. Parts\nFiles.\n\n## 3. Deployment\nNone.\n"
GOALS = "utilization above 90 %, overhead under 3 %, 8 workers at least 6 times as fast as one"


@dataclass(frozen=True)
class Work:
    """What is done: so many tasks, so many model calls of each, so many seconds a call."""

    tasks: int = 24
    latency: float = 0.3
    files: int = 50
    """Files of the repository."""
    planning: float = 0.0
    """Seconds until the plan comes."""
    checking: float = 0.0
    """Seconds of each check."""

    def names(self) -> list[str]:
        return [f"T{number}" for number in range(1, self.tasks + 1)]

    def script(self) -> list[Rule]:
        plan = call("submit_plan", title="Words", tasks=[self._task(name) for name in self.names()], sync_points=[])
        documents = [
            call("write_document", name=name, content=text)
            for name, text in (("requirements", REQUIREMENTS), ("design", DESIGN))
        ]
        reply = says("", *documents, plan).model_copy(update={"delay": self.planning})
        planner = rule(reply, model="strong", offers="submit_plan")
        return [planner, *(self._worker(name) for name in self.names())]

    def _worker(self, name: str) -> Rule:
        replies = [
            says("", call("read_file", path="README.md")),
            says("", call("write_file", path=f"{name.lower()}.txt", content=f"{_word(name)}\n")),
            says("", call("run_command", command=f"cat {name.lower()}.txt")),
            says("", call("hand_in", summary=f"{name} is written")),
        ]
        slow = [reply.model_copy(update={"delay": self.latency}) for reply in replies]
        return rule(*slow, model="weak", offers="hand_in", first=[_word(name)])

    def _task(self, name: str) -> dict[str, Any]:
        return {
            "id": name,
            "title": f"word of {name}",
            "description": f"Write {name.lower()}.txt with the word {_word(name)}.",
            "files": [f"{name.lower()}.txt"],
            "todos": [f"write {name.lower()}.txt"],
            "check": self._check(name),
        }

    def _check(self, name: str) -> str:
        greps = f"grep -q {_word(name)} {name.lower()}.txt"
        return f"sleep {self.checking:g} && {greps}" if self.checking else greps

    def alone(self) -> list[ScriptedReply]:
        """The same steps by one agent in a chat: what its workers do, one after the other."""
        replies: list[ScriptedReply] = []
        for name in self.names():
            replies += [
                says("", call("read_file", path="README.md")),
                says("", call("write_file", path=f"{name.lower()}.txt", content=f"{_word(name)}\n")),
                says("", call("run_command", command=f"cat {name.lower()}.txt")),
                says("", call("run_command", command=self._check(name))),
            ]
        slow = [reply.model_copy(update={"delay": self.latency}) for reply in replies]
        return [*slow, says("all is written")]


def _word(name: str) -> str:
    return f"{name}-built"


@dataclass(frozen=True)
class Ran:
    metrics: Mapping[str, Any]
    seconds: float
    """From the start of the process to its end."""
    memory: float
    """MB; the most that all processes of the run held at once (proportional set size). 0 when nobody looked."""


@dataclass(frozen=True)
class User:
    folder: Path
    url: str

    @property
    def repo(self) -> Path:
        return self.folder / "repo"

    @property
    def environ(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return kept | {"HOME": str(self.folder / "home")}

    def prepare(self, work: Work, *, workers: int, pool: int | None = None) -> None:
        config: dict[str, Any] = {
            "llm": {
                "api_base": self.url,
                "model": "stub/weak",
                "models": {"supervisor": "stub/strong", "worker": "stub/weak"},
                "prices": PRICES,
            },
            "orchestrator": {"max_workers": workers, "review": "none", "max_iterations": work.tasks * 4 + 10},
            "collaboration": {"planning": {"max_subtasks": max(8, work.tasks)}},
        }
        if pool is not None:
            config["orchestrator"]["worktree_pool"] = pool
        (self.folder / "home" / ".equitr").mkdir(parents=True)
        (self.folder / "home" / ".equitr" / "config.yaml").write_text(yaml.safe_dump(config))
        self.repo.mkdir()
        self.git("init", "-q", "-b", "main")
        (self.repo / "README.md").write_text("# Words\n")
        for number in range(work.files):
            path = self.repo / "src" / f"part{number % 20}" / f"module{number}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f'"""Module {number}."""\n' * 20)
        self.git("config", "user.name", "b")
        self.git("config", "user.email", "b@localhost")
        self.git("add", "-A")
        self.git("commit", "-qm", "start")

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.repo, env=self.environ, check=True)

    def run(self, *arguments: str, watched: bool = False) -> Ran:
        """With `watched` its memory is looked at meanwhile, which disturbs the times."""
        started = time.monotonic()
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                [str(PROGRAM), *arguments],
                cwd=self.repo,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
            with memory_of(process.pid) if watched else nullcontext([0.0]) as peak:
                code = process.wait()
            if code != 0:
                said.seek(0)
                raise SystemExit(f"the measured run failed: {said.read().decode()}")
        return Ran(self.metrics(), time.monotonic() - started, peak[0])

    def metrics(self) -> Mapping[str, Any]:
        asked = [str(PROGRAM), "metrics", "--output", "json"]
        ran = subprocess.run(asked, cwd=self.repo, env=self.environ, check=True, capture_output=True, text=True)
        found: Mapping[str, Any] = json.loads(ran.stdout)
        return found


@contextmanager
def memory_of(leader: int, every: float = 0.2) -> Iterator[list[float]]:
    """Looks again and again; the first item is the peak so far, in MB."""
    peak, ended = [0.0], threading.Event()

    def watch() -> None:
        while not ended.wait(every):
            peak[0] = max(peak[0], sum(_held_by(pid) for pid in _family(leader)) / 1024)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()


def _family(leader: int) -> set[int]:
    """It and what it has started, by the lists that the kernel keeps: looking at every process disturbs the run."""
    found, pending = {leader}, [leader]
    while pending:
        with suppress(OSError):  # it has ended meanwhile
            for listed in list(Path(f"/proc/{pending.pop()}/task").glob("*/children")):
                with suppress(OSError):
                    fresh = {int(pid) for pid in listed.read_text().split()} - found
                    found |= fresh
                    pending += fresh
    return found


def _held_by(pid: int) -> int:
    """KB, shared pages divided among who shares them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def play(work: Work, workers: int, *, watched: bool = False) -> Ran:
    """The planned run, on a fresh user."""
    with serve_in_thread(work.script()) as server, tempfile.TemporaryDirectory() as folder:
        user = User(Path(folder), server.url)
        user.prepare(work, workers=workers)
        return user.run("chat", "-M", "--plan", "always", "--yes", "write the words", watched=watched)


def play_alone(work: Work) -> Ran:
    with serve_in_thread(work.alone()) as server, tempfile.TemporaryDirectory() as folder:
        user = User(Path(folder), server.url)
        user.prepare(work, workers=1)
        return user.run("chat", "--yes", "write the words")


def cells(ran: Ran, first: Ran, memory: float) -> list[str]:
    metrics, tasks = ran.metrics, ran.metrics["tasks"]
    return [
        f"{metrics['execution']:.2f}",
        f"{first.metrics['execution'] / metrics['execution']:.2f}",
        f"{100 * metrics['utilization']:.1f} %",
        f"{100 * metrics['overhead']:.1f} %",
        f"{100 * metrics['execution_overhead']:.1f} %",
        f"{100 * metrics['worker_overhead']:.1f} %",
        f"{1000 * metrics['git'] / len(tasks):.0f}",
        f"{metrics['git_commands'] / len(tasks):.1f}",
        f"{1000 * sum(task['merge'] for task in tasks) / len(tasks):.0f}",
        f"{1000 * metrics['queue'] / len(tasks):.0f}",
        f"{max(task['waiting'] for task in tasks[: metrics['workers']]):.2f}",
        f"{memory:.0f}",
    ]


HEAD = (
    "workers", "wall, s", "speed", "utilization", "overhead", "at work", "of workers", "git/task, ms", "git/task",
    "merge/task, ms", "queue/task, ms", "last start, s", "memory, MB",
)  # fmt: skip


def show(rows: Sequence[Sequence[str]]) -> None:
    for row in rows:
        print("".join(f"{cell:>15}" for cell in row), flush=True)


def leases(files: int, runs: int = 3) -> tuple[list[float], list[float]]:
    """Seconds until the worktree of a task is ready: new ones, and ones that the run before has left."""
    work = Work(tasks=1, latency=0.0, files=files)
    made: list[float] = []
    kept: list[float] = []
    with serve_in_thread(work.script()) as server:
        for _ in range(runs):
            with tempfile.TemporaryDirectory() as folder:
                user = User(Path(folder), server.url)
                user.prepare(work, workers=1)
                for seconds in (made, kept):
                    ran = user.run("chat", "-M", "--plan", "always", "--yes", "write the words")
                    seconds.append(ran.metrics["tasks"][0]["worktree"])
                    user.git("reset", "-q", "--hard", "HEAD~3")  # the documents, the task, the ticks
                    user.git("clean", "-fdq")
    return made, kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", default="1,8")
    parser.add_argument("--tasks", type=int, default=24)
    parser.add_argument("--files", type=int, default=50, help="files of the repository")
    parser.add_argument("--latency", type=float, default=0.3, help="seconds of each model call")
    parser.add_argument("--planning", type=float, default=0.0, help="seconds until the plan comes")
    parser.add_argument("--checking", type=float, default=0.0, help="seconds of each check")
    parser.add_argument("--single", action="store_true", help="also one agent in a chat against 4 workers")
    parser.add_argument("--lease", type=int, metavar="FILES", help="worktrees of so many files instead")
    given = parser.parse_args()
    work = Work(
        tasks=given.tasks,
        latency=given.latency,
        files=given.files,
        planning=given.planning,
        checking=given.checking,
    )
    machine = f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores"
    print(f"{machine}, load {os.getloadavg()[0]:.1f}")
    if given.lease:
        made, kept = (statistics.median(seconds) for seconds in leases(given.lease))
        print(f"both worktrees of a task, {given.lease} files: new {made:.2f} s, out of the pool {kept:.2f} s")
        return
    print(f"{work.tasks} tasks, 4 calls of {work.latency:g} s each, {work.files} files; goals: {GOALS}")
    show([HEAD])
    first: Ran | None = None
    for workers in map(int, given.workers.split(",")):
        ran = play(work, workers)
        first = first or ran
        memory = play(work, workers, watched=True).memory
        show([[str(workers), *cells(ran, first, memory)]])
    if given.single:
        alone, together = play_alone(work), play(work, 4)
        saved = 1 - together.metrics["wall"] / alone.metrics["wall"]
        walls = f"{alone.metrics['wall']:.2f} s and {together.metrics['wall']:.2f} s"
        print(f"one agent, and a planner with 4 workers, whole runs: {walls}; saved {100 * saved:.0f} % (goal: 30 %)")


if __name__ == "__main__":
    main()
