"""`runs` and `resume`."""

from __future__ import annotations

import click

from equitr_coder.cli.doors import Invocation
from equitr_coder.cli.options import connect, output_option, raised_budget, yes_option
from equitr_coder.cli.program import CommonCommand


@click.command(cls=CommonCommand)
@click.option("--unfinished", is_flag=True, help="Only those that can be resumed.")
@output_option("text", "json")
@click.pass_obj
def runs(invocation: Invocation, unfinished: bool, output: str) -> object:
    """List the runs of this workspace, newest first."""
    return _runs(invocation, unfinished, output)


@click.command(cls=CommonCommand)
@click.argument("run", required=False)
@yes_option()
@output_option()
@click.pass_obj
def resume(invocation: Invocation, run: str | None, yes: bool, output: str) -> object:
    """Go on with RUN (a run or an epic), or with the newest unfinished run of this workspace.

    Finished steps and settled calls are not repeated. --budget sets a new limit for the whole run.
    """
    return _resume(invocation, run, yes, output)


async def _runs(invocation: Invocation, unfinished: bool, output: str) -> int:
    from datetime import UTC, datetime

    from equitr_coder.cli.door import console
    from equitr_coder.domain.queries import RunsAnswer, RunsQuery
    from equitr_coder.presentation.listings import runs_lines

    async with connect(invocation) as api:
        answer = await api.query(RunsQuery(unfinished_only=unfinished))
    assert isinstance(answer, RunsAnswer)
    screen = console(invocation)
    if output == "json":
        screen.record(answer.model_dump_json(include={"runs", "unreadable"}))
    else:
        screen.say(runs_lines(answer.runs, now=datetime.now(UTC), width=screen.width, unreadable=answer.unreadable))
    return 0


async def _resume(invocation: Invocation, run: str | None, yes: bool, output: str) -> int:
    from equitr_coder.cli.door import can_ask, watch
    from equitr_coder.domain.commands import ResumeRun

    async with connect(invocation) as api:
        command = ResumeRun(run=run, budget=raised_budget(invocation), yes=yes, can_ask=can_ask(invocation, output))
        return await watch(invocation, api, output).follow(command)
