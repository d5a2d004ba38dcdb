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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import yaml

from equitr_coder.testing.script import ScriptedReply, calls, says
from equitr_coder.testing.server import ServerInThread, serve_in_thread

TURNS = 60


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

    def run(self, *arguments: str) -> tuple[float, float]:
        """Start time (monotonic) and peak memory in MB of one call of the product."""
        started = time.monotonic()
        code = (
            "import resource, subprocess, sys; r = subprocess.run(sys.argv[1:]).returncode; "
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr); sys.exit(r)"
        )
        ran = subprocess.run(
            [sys.executable, "-c", code, sys.executable, "-m", "equitr_coder", *arguments],
            cwd=self.repo,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode != 0:
            raise SystemExit(f"the measured run failed: {ran.stdout}{ran.stderr}")
        return started, int(ran.stderr.splitlines()[-1]) / 1024


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
        (repo / "README.md").write_text("# Bench\n" * 20)
        git(made, "add", "-A")
        git(made, "-c", "user.name=b", "-c", "user.email=b@localhost", "commit", "-qm", "start")
        yield made


def git(on: User, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=on.repo, env=on.environ, check=True)


def one_shot(adapter: str, runs: int) -> dict[str, list[float]]:
    """Start to first request, peak memory and size of the first request of a one-shot chat."""
    rows: dict[str, list[float]] = {"start to first request, s": [], "peak memory, MB": [], "first request, bytes": []}
    with user([says("done")], adapter=adapter) as someone:
        someone.run("chat", "hello")  # warms bytecode and disk caches
        for _ in range(runs):
            before = len(someone.server.requests)
            started, memory = someone.run("chat", "hello")
            request = someone.server.requests[before]
            rows["start to first request, s"].append(request.started - started)
            rows["peak memory, MB"].append(memory)
            rows["first request, bytes"].append(len(json.dumps(request.body)))
    return rows


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
    program = Path(sys.executable).with_name("equitrcoder")
    for name in ("--version", "--help"):
        figures = rows[f"{name}, CPU ms"] = []
        for _ in range(runs + 1):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([str(program), name], capture_output=True, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            figures.append((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000)
        figures.pop(0)
    return rows


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
    for adapter in given.adapters.split(","):
        show(f"one-shot chat, {adapter} adapter", one_shot(adapter, given.runs))
    read = lambda number: calls("read_file", path="README.md", limit=number % 20 + 1)
    write = lambda number: calls("write_file", path=f"f{number}.txt", content=str(number))
    command = lambda number: calls("run_command", command=f"head -n {number % 20 + 1} README.md")
    show("60 turns, reading a file", between_turns("direct", given.runs, read))
    show("60 turns, writing a file", between_turns("direct", max(1, given.runs // 2), write))
    show("60 turns, a sandboxed command", between_turns("direct", max(1, given.runs // 2), command))


if __name__ == "__main__":
    main()
