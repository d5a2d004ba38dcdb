"""Measures what a command pays for its sandbox: `true` through the executor in each kind, against `true` through the
one without a sandbox, in turns; prints a table.

`python bench/sandbox.py [--runs 200] [--pause 0.1]`. In milliseconds. `ready` is bubblewrap as a session uses it: after
each command the sandbox of the next is made, while the model is asked; `--pause` stands for that answer. `ours` is the
processor time of this process alone, the pause included. `chrt -r 1` before it keeps other work of the machine out.
"""

import argparse
import asyncio
import contextlib
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from equitr_coder.adapters.sandbox.choice import choose_executor
from equitr_coder.adapters.sandbox.standby import Standbys
from equitr_coder.ports import Executor, Place

MODES = {"none": "off", "bubblewrap": "bubblewrap", "ready": "bubblewrap", "landlock": "landlock"}


def worktree(home: Path) -> Place:
    checkout, tree = home / "demo", home / ".equitr" / "worktrees" / "T1"
    checkout.mkdir()
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    for words in (
        ("init", "-q"),
        (*identity, "commit", "-q", "--allow-empty", "-m", "first"),
        ("worktree", "add", "-q", "--detach", str(tree)),
    ):
        subprocess.run(["git", *words], cwd=checkout, check=True)
    return Place(root=tree, stands_for=checkout, git_dir=checkout / ".git")


async def one(executor: Executor, place: Place) -> float:
    """Milliseconds of a command."""
    started = time.perf_counter()
    await executor.run("true", place, timeout=30)
    return (time.perf_counter() - started) * 1000


async def main(runs: int, pause: float) -> None:
    print(f"{'sandbox':<12}{'median':>9}{'min':>9}{'p95':>9}{'overhead':>10}{'ours':>8}   {runs} commands each")
    standbys = Standbys()
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(standbys):
        home = Path(folder)
        place = worktree(home)
        environ = {"PATH": os.environ["PATH"], "HOME": str(home)}
        executors: dict[str, Executor] = {}
        for name, mode in MODES.items():
            executor = await choose_executor(
                mode=mode,
                home=home / ".equitr",
                readable=[],
                environ=environ,
                standbys=standbys if name == "ready" else None,
            )
            if executor.confinement.kind == ("bubblewrap" if name == "ready" else name):
                executors[name] = executor
                await one(executor, place)
            else:
                print(f"{name:<12} not here: {executor.confinement.reason}")
        times: dict[str, list[float]] = {name: [] for name in executors}
        ours = dict.fromkeys(executors, 0.0)
        for _ in range(runs):
            for name, executor in executors.items():
                await asyncio.sleep(pause)
                before = time.process_time()
                times[name].append(await one(executor, place))
                await asyncio.sleep(0)  # what was left for later is done
                ours[name] += (time.process_time() - before) * 1000 / runs
        plain = statistics.median(times["none"])
        for name, taken in times.items():
            median, p95 = statistics.median(taken), statistics.quantiles(taken, n=20)[-1]
            print(f"{name:<12}{median:>9.1f}{min(taken):>9.1f}{p95:>9.1f}{median - plain:>10.1f}{ours[name]:>8.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--pause", type=float, default=0.1)
    given = parser.parse_args()
    asyncio.run(main(given.runs, given.pause))
