"""`audit`: who did what, and whether the log is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from equitr_coder.cli.doors import Invocation
from equitr_coder.cli.options import connect, moment, output_option
from equitr_coder.cli.program import CommonGroup

if TYPE_CHECKING:
    from datetime import datetime


@click.group(cls=CommonGroup)
def audit() -> None:
    """Show who did what, and verify that the log is whole.

    The log of a run is append-only and each record holds the hash of the one before: docs/audit.md.
    """


@audit.command()
@click.argument("run", required=False)
@click.option("--agent", metavar="NAME", help="Only what this agent did.")
@click.option("--tool", metavar="NAME", help="Only calls of this tool.")
@click.option("--task", metavar="T", help="Only what belongs to this task.")
@click.option(
    "--since", metavar="WHEN", help="Only from then on: 2026-11-30, 2026-11-30T14:00, or 90m, 12h, 7d, 2w ago."
)
@click.option("--all", "everywhere", is_flag=True, help="Of every workspace.")
@output_option("text", "json")
@click.pass_obj
def show(
    invocation: Invocation,
    run: str | None,
    agent: str | None,
    tool: str | None,
    task: str | None,
    since: str | None,
    everywhere: bool,
    output: str,
) -> object:
    """List every model call, tool call, merge and word of a person in RUN: a run, the beginning of its id, or an epic.

    With who, model, arguments, decision and rule, money, outcome. Without RUN: all runs of this workspace. Times are
    UTC.
    """
    return _show(invocation, run, agent, tool, task, moment(since), everywhere, output)


@audit.command()
@click.argument("run", required=False)
@click.option("--head", metavar="HASH", help="A head of RUN that was noted down before: it must still be in its chain.")
@click.option("--all", "everywhere", is_flag=True, help="Of every workspace.")
@output_option("text", "json")
@click.pass_obj
def verify(invocation: Invocation, run: str | None, head: str | None, everywhere: bool, output: str) -> object:
    """Follow the hash chain of RUN, or of all runs of this workspace; exit code 1 when something does not fit.

    Finds changed, dropped, moved and cut-off records, and changed or missing outputs.
    """
    return _verify(invocation, run, head, everywhere, output)


async def _show(
    invocation: Invocation,
    run: str | None,
    agent: str | None,
    tool: str | None,
    task: str | None,
    since: datetime | None,
    everywhere: bool,
    output: str,
) -> int:
    from equitr_coder.cli.door import console
    from equitr_coder.domain.queries import AuditAnswer, AuditQuery
    from equitr_coder.presentation.audit import audit_lines

    query = AuditQuery(run=run, agent=agent, tool=tool, task=task, since=since, everywhere=everywhere)
    async with connect(invocation) as api:
        answer = await api.query(query)
    assert isinstance(answer, AuditAnswer)
    screen = console(invocation)
    if output == "json":
        screen.record(answer.model_dump_json(include={"rows", "unreadable"}))
    else:
        screen.say(audit_lines(answer, width=screen.width))
    return 0


async def _verify(invocation: Invocation, run: str | None, head: str | None, everywhere: bool, output: str) -> int:
    from equitr_coder.cli.door import console
    from equitr_coder.domain.queries import AuditVerifyAnswer, AuditVerifyQuery
    from equitr_coder.presentation.audit import audit_verify_lines

    async with connect(invocation) as api:
        answer = await api.query(AuditVerifyQuery(run=run, head=head, everywhere=everywhere))
    assert isinstance(answer, AuditVerifyAnswer)
    screen = console(invocation)
    if output == "json":
        screen.record(answer.model_dump_json(include={"chains", "index"}))
    else:
        screen.say(audit_verify_lines(answer))
    return 0 if answer.is_whole else 1
