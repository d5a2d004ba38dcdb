"""`escalations`: what went to the supervisor, what it said, what that cost, and what came of it."""

from __future__ import annotations

import click

from equitr_coder.cli.doors import Invocation
from equitr_coder.cli.options import connect, output_option
from equitr_coder.cli.program import CommonCommand


@click.command(cls=CommonCommand)
@click.argument("run", required=False)
@output_option("text", "json")
@click.pass_obj
def escalations(invocation: Invocation, run: str | None, output: str) -> object:
    """Show what went to the supervisor in RUN: a run, the beginning of its id, or an epic. Without RUN: in all runs.

    Each with its question, files, answer, price and what happened next. Times are UTC. json has the whole texts.
    """
    return _escalations(invocation, run, output)


async def _escalations(invocation: Invocation, run: str | None, output: str) -> int:
    from equitr_coder.cli.door import console
    from equitr_coder.domain.queries import EscalationsAnswer, EscalationsQuery
    from equitr_coder.presentation.escalations import escalations_lines

    async with connect(invocation) as api:
        answer = await api.query(EscalationsQuery(run=run))
    assert isinstance(answer, EscalationsAnswer)
    screen = console(invocation)
    if output == "json":
        rows = [row.model_dump(mode="json") for row in answer.rows]
        screen.data({"escalations": rows, "unreadable": list(answer.unreadable)})
    else:
        screen.say(escalations_lines(answer, width=screen.width))
    return 0
