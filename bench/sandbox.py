"""Measures what a command pays for its sandbox: `true` in each kind, against `true` without one; prints a table.

`python bench/sandbox.py [--runs 200]`. In milliseconds. The last column is the processor time of this process alone:
the rest is the kernel's, most of it for making and taking down namespaces. On a machine that does other work the
first columns say little; the last one still does.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from equitr_coder.adapters.sandbox.choice import choose_executor
from equitr_coder.ports import Executor, Place

KINDS = {"none": "off", "bubblewrap": "bubblewrap", "landlock": "landlock"}


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


async def measure(executor: Executor, place: Place, runs: int) -> tuple[list[float], float]:
    """Milliseconds of each command, and the processor time of this process for one."""
    await executor.run("true", place, timeout=30)
    times: list[float] = []
    ours = time.process_time()
    for _ in range(runs):
        started = time.perf_counter()
        await executor.run("true", place, timeout=30)
        times.append((time.perf_counter() - started) * 1000)
    return times, (time.process_time() - ours) * 1000 / runs


async def main(runs: int) -> None:
    print(f"{'sandbox':<12}{'median':>9}{'min':>9}{'p95':>9}{'overhead':>10}{'ours':>8}   {runs} commands each")
    plain = 0.0
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        place = worktree(home)
        environ = {"PATH": os.environ["PATH"], "HOME": str(home)}
        for kind, mode in KINDS.items():
            executor = await choose_executor(mode=mode, home=home / ".equitr", readable=[], environ=environ)
            if executor.confinement.kind != kind:
                print(f"{kind:<12} not here: {executor.confinement.reason}")
                continue
            times, ours = await measure(executor, place, runs)
            median, p95 = statistics.median(times), statistics.quantiles(times, n=20)[-1]
            plain = plain if kind != "none" else median
            print(f"{kind:<12}{median:>9.1f}{min(times):>9.1f}{p95:>9.1f}{median - plain:>10.1f}{ours:>8.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    asyncio.run(main(parser.parse_args().runs))
