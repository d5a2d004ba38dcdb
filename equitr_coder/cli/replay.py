"""`replay`: an epic built again from its log."""

from __future__ import annotations

import click

from equitr_coder.cli.doors import Invocation
from equitr_coder.cli.options import connect, output_option
from equitr_coder.cli.program import CommonCommand


@click.command(cls=CommonCommand)
@click.argument("run")
@output_option("text", "json")
@click.pass_obj
def replay(invocation: Invocation, run: str, output: str) -> object:
    """Build RUN again from its log, and compare every tree, commit and ledger row. Asks no model, moves no branch.

    RUN is an epic, a run, or the beginning of its id. Exit code 1 at the first difference, which is named.
    """
    return _replay(invocation, run, output)


async def _replay(invocation: Invocation, run: str, output: str) -> int:
    from equitr_coder.cli.door import console
    from equitr_coder.domain.queries import ReplayAnswer, ReplayQuery
    from equitr_coder.presentation.replay import replay_lines

    async with connect(invocation) as api:
        answer = await api.query(ReplayQuery(run=run))
    assert isinstance(answer, ReplayAnswer)
    screen = console(invocation)
    if output == "json":
        screen.record(answer.model_dump_json(exclude={"type"}))
    else:
        screen.say(replay_lines(answer))
    return 0 if answer.difference is None else 1
