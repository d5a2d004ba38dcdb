"""Measures the store: what the hash chain costs an append, how large a log is, how fast it opens at 100 MB.

The same records go, in turns, into a store and into a plain table without chain and compression, on the same disk.
Then the commands that look at all runs are timed as processes on the large store, in turns with those of `--against`,
another checkout.
"""

import argparse
import asyncio
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from equitr_coder.adapters.sqlite import chain
from equitr_coder.adapters.sqlite.store import SqliteStore
from equitr_coder.domain.events import (
    Event,
    MessageAdded,
    ModelCallReserved,
    ModelCallSettled,
    RunFinished,
    RunStarted,
    ToolCalled,
    ToolReturned,
)
from equitr_coder.domain.ids import AgentName, CallId, EpicId, RunId, SessionId, TaskId
from equitr_coder.domain.models import AssistantMessage, Purpose, Tier, ToolCall
from equitr_coder.domain.money import Price, Usage
from equitr_coder.domain.runs import RunKind, RunOptions, RunState
from equitr_coder.session.backlog import Backlog

_AT = datetime(2026, 11, 30, tzinfo=UTC)
_SOURCE = "".join(path.read_text() for path in sorted(Path(__file__).parents[1].glob("equitr_coder/domain/*.py")))
_TRANSCRIPT = ("message_added", "tool_returned")


def steps(run: RunId, count: int, dice: random.Random) -> Iterator[list[Event]]:
    """Batches as a worker's steps record them; sizes spread as those of real sessions do."""
    seq = 0
    usage, price = Usage(input=9000, output=300), Price(input=1, output=3, source="config llm.prices")

    def text(middle: float, spread: float) -> str:
        size = min(48_000, int(dice.lognormvariate(middle, spread)))
        start = dice.randrange(len(_SOURCE) - size)
        return _SOURCE[start : start + size]

    for step in range(count):
        who = {"session": SessionId("T1.1"), "agent": AgentName("backend_worker_1"), "task": TaskId("T1")}
        call = CallId(f"call_{step}")
        paid = {"call": call, "model": "openai/gpt-large", "tier": Tier.WEAK, "purpose": Purpose.WORK}
        arguments = f'{{"path":"src/a.py","content":{text(6, 1.2)!r}}}'
        said = AssistantMessage(text=text(5.3, 1), calls=(ToolCall(id=call, name="edit_file", arguments=arguments),))
        batches: list[list[Event]] = [
            [ModelCallReserved(**who, **paid, usd="0.0123", input_bound=12_000, max_tokens=4096)],
            [
                ModelCallSettled(**who, **paid, usage=usage, usd="0.0099", price=price, provider="openai"),
                MessageAdded(**who, message=said),
            ],
            [ToolCalled(**who, call=call, name="edit_file", arguments=arguments)],
            [ToolReturned(**who, call=call, name="edit_file", text=text(7.3, 1.2), tree="a" * 40)],
        ]
        for batch in batches:
            stamped = []
            for event in batch:
                seq += 1
                stamped.append(event.model_copy(update={"seq": seq, "at": _AT, "run": run}))
            yield stamped


def plain(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(
        "CREATE TABLE events (run TEXT NOT NULL, seq INTEGER NOT NULL, type TEXT NOT NULL, body TEXT NOT NULL, "
        "PRIMARY KEY (run, seq)) WITHOUT ROWID"
    )
    return connection


async def cost_of_the_chain(folder: Path, count: int) -> None:
    run, dice = RunId("run-1"), random.Random(1)
    store = SqliteStore(folder / "chained")
    await store.create_run(run, "/w", with_epic=False)
    other = plain(folder / "plain.db")
    ours: list[float] = []
    theirs: list[float] = []
    hashing = 0.0
    previous = chain.GENESIS
    with closing(other):
        for batch in steps(run, count, dice):
            started = time.perf_counter()
            await store.append(Backlog(lambda _: None, batch))
            ours.append(time.perf_counter() - started)

            def write(batch: list[Event] = batch) -> None:
                rows = [(e.run, e.seq, e.type, e.model_dump_json(exclude_none=True)) for e in batch]
                other.execute("BEGIN IMMEDIATE")
                other.executemany("INSERT INTO events VALUES (?, ?, ?, ?)", rows)
                other.execute("COMMIT")

            started = time.perf_counter()
            write()
            theirs.append(time.perf_counter() - started)
            records = [chain.Record(e.run, e.seq, e.type, e.model_dump_json(exclude_none=True)) for e in batch]
            started = time.perf_counter()
            for record in records:
                previous = chain.link(previous, record)
            hashing += time.perf_counter() - started
    await store.close()
    print(f"appends                    {len(ours)}")
    print(f"with chain, median         {statistics.median(ours) * 1e6:.0f} us")
    print(f"plain table, median        {statistics.median(theirs) * 1e6:.0f} us")
    print(f"SHA-256 alone, per append  {hashing / len(ours) * 1e6:.1f} us ({hashing / sum(ours):.1%} of an append)")


def whole_run(run: RunId, number: int, repo: Path, dice: random.Random) -> list[list[Event]]:
    """A run that has ended, with 400 steps between its beginning and its end."""
    started = RunStarted(
        kind=RunKind.EPIC, request="shop", workspace=str(repo), options=RunOptions(), epic=EpicId(f"epic-{number:03}")
    )
    ended = RunFinished(state=RunState.COMPLETED)
    batches: list[list[Event]] = [[started], *steps(run, 400, dice), [ended]]
    seq = 0
    stamped = []
    for batch in batches:
        events = []
        for event in batch:
            seq += 1
            events.append(event.model_copy(update={"seq": seq, "at": _AT, "run": run}))
        stamped.append(events)
    return stamped


def timed_commands(home: Path, repo: Path, checkouts: list[Path]) -> None:
    """Median of five, and the first time, when nothing of this home is known yet."""
    for arguments in (["runs"], ["cost"], ["resume"], ["prune", "--dry-run", "--keep", "1000"]):
        took: dict[Path, list[float]] = {checkout: [] for checkout in checkouts}
        for round_ in range(6):
            for checkout in checkouts if round_ % 2 else reversed(checkouts):
                environ = {**os.environ, "EQUITR_HOME": str(home), "PYTHONPATH": str(checkout)}
                started = time.perf_counter()
                subprocess.run(
                    [sys.executable, "-m", "equitr_coder", *arguments],
                    cwd=repo,
                    env=environ,
                    capture_output=True,
                    check=False,
                )
                took[checkout].append(time.perf_counter() - started)
        for checkout, seconds in took.items():
            words = " ".join(arguments[:1])
            rest = statistics.median(seconds[1:])
            print(f"{words:10} {checkout.name:12} first {seconds[0] * 1000:.0f} ms, then {rest * 1000:.0f} ms")


def make_repository(repo: Path) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "init", "-q", str(repo)], check=True)
    subprocess.run(["git", "-C", str(repo), *who, "commit", "-q", "--allow-empty", "-m", "start"], check=True)


async def size_and_opening(folder: Path, megabytes: int, against: list[Path]) -> None:
    home, repo, dice = folder / "large", folder / "repo", random.Random(2)
    make_repository(repo)
    store, number, text = SqliteStore(home), 0, 0
    path = home / "equitr.db"
    while not path.exists() or path.stat().st_size < megabytes * 1_000_000:
        number += 1
        run = RunId(f"run-{number}")
        await store.create_run(run, str(repo), with_epic=True)
        batches = whole_run(run, number, repo, dice)
        bodies = (e for batch in batches for e in batch if e.type in _TRANSCRIPT)
        text += sum(len(e.model_dump_json(include={"message", "text"})) for e in bodies)
        await store.append(Backlog(lambda _: None, *batches))
    await store.close()
    size = path.stat().st_size
    print(f"store                      {size / 1e6:.0f} MB, {number} runs")
    print(f"store / transcripts        {size / text:.2f}")
    for words in ("opens and lists runs", "again"):
        store = SqliteStore(home)
        started = time.perf_counter()
        await store.runs(str(repo))
        listed = time.perf_counter() - started
        await store.read(RunId("run-1"))
        whole = time.perf_counter() - started
        await store.close()
        print(f"{words:26} {listed * 1000:.0f} ms, with one run of 2000 events read {whole * 1000:.0f} ms")
    store = SqliteStore(home)
    started = time.perf_counter()
    chains, index = await store.verify()
    print(f"verify of everything       {time.perf_counter() - started:.1f} s, {sum(c.records for c in chains)} records")
    assert not index
    assert not any(c.faults for c in chains)
    await store.close()
    timed_commands(home, repo, [Path(__file__).parents[1], *against])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=500, help="steps of an agent to append, four transactions each")
    parser.add_argument("--megabytes", type=int, default=100, help="size of the store that is opened")
    parser.add_argument("--against", type=Path, action="append", default=[], help="another checkout to compare with")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="equitr-bench-", dir=Path(__file__).parent) as folder:
        asyncio.run(cost_of_the_chain(Path(folder), given.steps))
        asyncio.run(size_and_opening(Path(folder), given.megabytes, given.against))


if __name__ == "__main__":
    main()
