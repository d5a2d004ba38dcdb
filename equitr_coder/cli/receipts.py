"""`verify` and `prune`: proofs run again, and what finished runs have left."""

from __future__ import annotations

import click

from equitr_coder.cli.doors import Invocation
from equitr_coder.cli.options import connect, output_option
from equitr_coder.cli.program import CommonCommand


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
@click.option("--yes", "-y", is_flag=True, help="Delete it, without asking.")
@output_option("text", "json")
@click.pass_obj
def prune(invocation: Invocation, run: str | None, yes: bool, output: str) -> object:
    """Show what finished runs have left in git and on disk, and delete it with --yes (or a yes at the terminal).

    Kept refs, worktrees, checkpoints of chats. Branches stay, and so does everything of runs that can go on.
    """
    return _prune(invocation, run, yes, output)


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


async def _prune(invocation: Invocation, run: str | None, yes: bool, output: str) -> int:
    from equitr_coder.cli.door import can_ask, console
    from equitr_coder.domain.queries import PruneAnswer, PruneQuery
    from equitr_coder.presentation.receipts import prune_lines

    screen = console(invocation)
    async with connect(invocation) as api:
        answer = await api.query(PruneQuery(run=run, delete=yes))
        assert isinstance(answer, PruneAnswer)
        if output == "json":
            screen.record(answer.model_dump_json())
            return 0
        screen.say(prune_lines(answer))
        if answer.deleted or not answer.runs:
            return 0
        if not can_ask(invocation, output):
            screen.note("Nothing was deleted; add --yes to delete it")
            return 0
        if not await _says_yes(invocation):
            screen.note("Nothing was deleted")
            return 0
        gone = await api.query(PruneQuery(run=run, delete=True))
        assert isinstance(gone, PruneAnswer)
        screen.say(prune_lines(gone)[-2:])
    return 0


async def _says_yes(invocation: Invocation) -> bool:
    import asyncio

    streams = invocation.doors.streams
    streams.stdout.write("Delete this? Type yes: ")
    streams.stdout.flush()
    return (await asyncio.to_thread(streams.stdin.readline)).strip().lower() == "yes"
