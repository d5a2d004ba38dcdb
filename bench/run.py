"""Measures the product as a whole process against the scripted server at zero latency; prints a table.

`python bench/run.py [--runs 5]`. Figures are medians; the machine's noise shows in min and max. Record them, with the
machine and the date, in bench/README.md.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import yaml

from equitr_coder.testing.chunks import pieces
from equitr_coder.testing.script import ScriptedReply, calls, says
from equitr_coder.testing.server import ServerInThread, serve_in_thread

PROGRAM = Path(sys.executable).with_name("equitrcoder")
TURNS = 60
CHUNKS = 4000


@dataclass(frozen=True)
class User:
    """A fresh home and repository on the scripted server."""

    home: Path
    repo: Path
    server: ServerInThread

    @property
    def environ(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return kept | {"HOME": str(self.home)}

    def run(self, *arguments: str) -> "Ran":
        """One call of the product as a process of its own."""
        with tempfile.TemporaryFile() as said:
            started = time.monotonic()
            process = subprocess.Popen(
                [str(PROGRAM), *arguments],
                cwd=self.repo,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                said.seek(0)
                raise SystemExit(f"the measured run failed: {said.read().decode()}")
        return Ran(started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


@dataclass(frozen=True)
class Ran:
    """Start (monotonic, s), CPU seconds (git and sandbox included) and peak memory (MB) of one process."""

    started: float
    cpu: float
    memory: float


@contextmanager
def user(replies: Sequence[ScriptedReply], *, adapter: str) -> Iterator[User]:
    with serve_in_thread(replies) as server, tempfile.TemporaryDirectory() as folder:
        home, repo = Path(folder, "home"), Path(folder, "repo")
        repo.mkdir(parents=True)
        (home / ".equitr").mkdir(parents=True)
        model = "openai/bench" if adapter == "litellm" else "stub/bench"
        config = {
            "llm": {
                "model": model,
                "adapter": adapter,
                "api_base": server.url,
                "prices": {model: {"input": 1, "output": 1}},
            },
            "orchestrator": {"max_iterations": TURNS + 10},
        }
        (home / ".equitr" / "config.yaml").write_text(yaml.safe_dump(config))
        made = User(home, repo, server)
        git(made, "init", "-q")
        (repo / "README.md").write_text("".join(f"line {number} of the bench\n" for number in range(1, TURNS + 1)))
        git(made, "add", "-A")
        git(made, "-c", "user.name=b", "-c", "user.email=b@localhost", "commit", "-qm", "start")
        yield made


def git(on: User, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=on.repo, env=on.environ, check=True)


def one_shots(adapters: Sequence[str], runs: int) -> dict[str, dict[str, list[float]]]:
    """A one-shot chat, and one whose answer streams in `CHUNKS` pieces. The adapters take turns, so that a change of
    the machine meets all of them alike.
    """
    figures: dict[str, dict[str, list[float]]] = {adapter: defaultdict(list) for adapter in adapters}
    short, long = [says("done")], [says(" ".join(f"word{number}" for number in range(CHUNKS)))]
    with ExitStack() as stack:
        users = {
            adapter: [stack.enter_context(user(replies, adapter=adapter)) for replies in (short, long)]
            for adapter in adapters
        }
        for turn in range(runs + 1):
            for adapter, (brief, wordy) in users.items():
                rows = figures[adapter] if turn else defaultdict(list)  # the first warms bytecode and disk caches
                before = len(brief.server.requests)
                ran = brief.run("chat", "hello")
                request = brief.server.requests[before]
                rows["start to first request, s"].append(request.started - ran.started)
                rows["peak memory, MB"].append(ran.memory)
                rows["first request, bytes"].append(len(json.dumps(request.body)))
                streamed = wordy.run("chat", "hello")
                rows["CPU of 1,000 chunks, s"].append((streamed.cpu - ran.cpu) / chunks_of(long[0]) * 1000)
    return figures


def chunks_of(reply: ScriptedReply) -> int:
    return len(list(pieces(reply.text)))


def between_turns(adapter: str, runs: int, reply: Callable[[int], ScriptedReply]) -> dict[str, list[float]]:
    """Milliseconds between the end of a reply and the next request, at turn 5 and at turn 50."""
    rows: dict[str, list[float]] = {"between turns at turn 5, ms": [], "between turns at turn 50, ms": []}
    with user([*(reply(number) for number in range(TURNS)), says("done")], adapter=adapter) as someone:
        for _ in range(runs):
            before = len(someone.server.requests)
            someone.run("chat", "--yes", "go on")
            seen = someone.server.requests[before:]
            gaps = [(later.started - (earlier.ended or 0)) * 1000 for earlier, later in pairwise(seen)]
            # Five neighbours stand for a turn, so that one hiccup of the machine does not.
            rows["between turns at turn 5, ms"].append(statistics.median(gaps[3:8]))
            rows["between turns at turn 50, ms"].append(statistics.median(gaps[48:53]))
    return rows


def start_up(runs: int) -> dict[str, list[float]]:
    """CPU seconds of calls that need no model."""
    rows: dict[str, list[float]] = {}
    for name in ("--version", "--help"):
        figures = rows[f"{name}, CPU ms"] = []
        for _ in range(runs + 1):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([str(PROGRAM), name], capture_output=True, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            figures.append((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000)
        figures.pop(0)
    return rows


def ratios(one: dict[str, list[float]], other: dict[str, list[float]]) -> dict[str, list[float]]:
    return {name: [a / b for a, b in zip(one[name], other[name], strict=True)] for name in one}


def show(title: str, rows: dict[str, list[float]]) -> None:
    print(f"\n{title}")
    for name, figures in rows.items():
        low, middle, high = min(figures), statistics.median(figures), max(figures)
        print(f"  {name:<34} {middle:10.3f}   (min {low:.3f}, max {high:.3f}, n {len(figures)})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--adapters", default="direct,litellm")
    given = parser.parse_args()
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores")
    show("start-up", start_up(given.runs))
    adapters = given.adapters.split(",")
    measured = one_shots(adapters, given.runs)
    for adapter in adapters:
        show(f"one-shot chat, {adapter} adapter", measured[adapter])
    if len(adapters) == 2:
        show(f"{adapters[0]} / {adapters[1]}, pair by pair", ratios(*(measured[adapter] for adapter in adapters)))
    # Each step brings something new: a session whose steps do not is stopped.
    read = lambda number: calls("read_file", path="README.md", offset=number + 1, limit=1)
    write = lambda number: calls("write_file", path=f"f{number}.txt", content=str(number))
    command = lambda number: calls("run_command", command=f"sed -n {number + 1}p README.md")
    show("60 turns, reading a file", between_turns("direct", given.runs, read))
    show("60 turns, writing a file", between_turns("direct", max(1, given.runs // 2), write))
    show("60 turns, a sandboxed command", between_turns("direct", max(1, given.runs // 2), command))


if __name__ == "__main__":
    main()
