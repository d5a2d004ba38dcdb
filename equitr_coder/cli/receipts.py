"""`verify` and `prune`: proofs run again, and what finished runs have left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from equitr_coder.cli.doors import Invocation
from equitr_coder.cli.options import connect, moment, output_option
from equitr_coder.cli.program import CommonCommand

if TYPE_CHECKING:
    from equitr_coder.domain.queries import PruneQuery


@click.command(cls=CommonCommand)
@click.argument("run")
@click.option("--task", metavar="T", help="Only this task's receipt.")
@output_option("text", "json")
@click.pass_obj
def verify(invocation: Invocation, run: str, task: str | None, output: str) -> object:
    """Run the checks of RUN's receipts again, each on a clean checkout of its tree.

    RUN is a run, the beginning of its id, or an epic. Exit 0 when every check is green again. Asks no model.
    """
    return _verify(invocation, run, task, output)


@click.command(cls=CommonCommand)
@click.option("--run", metavar="RUN", help="Only what this run has left.")
@click.option("--older-than", metavar="SPAN", help="Only runs that ended longer ago: 12h, 30d, 8w; or before a date.")
@click.option("--keep", metavar="N", type=click.IntRange(min=0), help="Leave the newest N finished runs alone.")
@click.option("--logs", is_flag=True, help="Their logs and outputs too; a tombstone tells what was there.")
@click.option("--dry-run", is_flag=True, help="Only show what would go.")
@click.option("--yes", "-y", is_flag=True, help="Delete it, without asking.")
@output_option("text", "json")
@click.pass_obj
def prune(
    invocation: Invocation,
    run: str | None,
    older_than: str | None,
    keep: int | None,
    logs: bool,
    dry_run: bool,
    yes: bool,
    output: str,
) -> object:
    """Show what finished runs have left in git and on disk, and delete it with --yes (or a yes at the terminal).

    Kept refs, worktrees, checkpoints of chats; with --logs what happened in them as well. Branches stay, and so does
    everything of runs that can go on.
    """
    from equitr_coder.domain.queries import PruneQuery

    query = PruneQuery(run=run, before=moment(older_than), keep=keep, logs=logs, delete=yes and not dry_run)
    return _prune(invocation, query, dry_run, output)


async def _verify(invocation: Invocation, run: str, task: str | None, output: str) -> int:
    from equitr_coder.cli.door import console
    from equitr_coder.domain.queries import VerifyAnswer, VerifyQuery
    from equitr_coder.presentation.receipts import verify_lines

    async with connect(invocation) as api:
        answer = await api.query(VerifyQuery(run=run, task=task))
    assert isinstance(answer, VerifyAnswer)
    screen = console(invocation)
    if output == "json":
        screen.record(answer.model_dump_json())
    else:
        screen.say(verify_lines(answer))
    return 0 if answer.is_green else 1


async def _prune(invocation: Invocation, query: PruneQuery, dry_run: bool, output: str) -> int:
    from equitr_coder.cli.door import can_ask, console
    from equitr_coder.domain.queries import PruneAnswer
    from equitr_coder.presentation.receipts import prune_lines

    screen = console(invocation)
    async with connect(invocation) as api:
        answer = await api.query(query)
        assert isinstance(answer, PruneAnswer)
        if output == "json":
            screen.record(answer.model_dump_json())
            return 0
        screen.say(prune_lines(answer))
        if answer.deleted or dry_run or not answer.runs:
            return 0
        if not can_ask(invocation, output):
            screen.note("Nothing was deleted; add --yes to delete it")
            return 0
        if not await says_yes(invocation, "Delete this"):
            screen.note("Nothing was deleted")
            return 0
        gone = await api.query(query.model_copy(update={"delete": True}))
        assert isinstance(gone, PruneAnswer)
        screen.say(prune_lines(gone)[-2:])
    return 0


async def says_yes(invocation: Invocation, question: str) -> bool:
    """What the person at the terminal types."""
    import asyncio

    streams = invocation.doors.streams
    streams.stdout.write(f"{question}? Type yes: ")
    streams.stdout.flush()
    return (await asyncio.to_thread(streams.stdin.readline)).strip().lower() == "yes"
