"""`chat`, `loop`, `interactive` and `tui`: one request, a checked loop, an open session."""

from __future__ import annotations

import click

from equitr_coder.cli.doors import Invocation
from equitr_coder.cli.options import budget, connect, output_option, yes_option
from equitr_coder.cli.program import CommonCommand, usage_error
from equitr_coder.domain.errors import UserError


@click.command(cls=CommonCommand)
@click.argument("text", nargs=-1)
@click.option("--plan", type=click.Choice(["auto", "always", "never"]), help="With -M: plan before building.")
@click.option("--check", metavar="CMD", help="Shell command that proves the work.")
@yes_option()
@output_option()
@click.pass_obj
def chat(
    invocation: Invocation, text: tuple[str, ...], plan: str | None, check: str | None, yes: bool, output: str
) -> object:
    """Do one request and exit. TEXT is read from standard input when it is not given there.

    A single agent works in your checkout. With -M the work is planned, built by workers in worktrees and merged.
    """
    request = " ".join(text) or _piped(invocation)
    if not request.strip():
        raise usage_error("there is no text to work on")
    return _chat(invocation, request, plan, check, yes, output)


@click.command(cls=CommonCommand)
@click.argument("goal")
@click.option("--check", metavar="CMD", help="Shell command that decides; without it `checks.default`.")
@click.option("--max-iterations", type=click.IntRange(min=1), metavar="N", help="Rounds of work and check.")
@yes_option()
@output_option()
@click.pass_obj
def loop(
    invocation: Invocation, goal: str, check: str | None, max_iterations: int | None, yes: bool, output: str
) -> object:
    """Work on GOAL in a worktree until the check passes, the budget is reached or the rounds are used up."""
    if not goal.strip():
        raise usage_error("there is no goal to work on")
    return _loop(invocation, goal, check, max_iterations, yes, output)


@click.command(cls=CommonCommand)
@click.pass_obj
def interactive(invocation: Invocation) -> object:
    """Open the interactive session; with -M it starts with supervisor and workers on."""
    return _session(invocation)


@click.command(cls=CommonCommand)
@click.pass_obj
def tui(invocation: Invocation) -> object:
    """Open the full screen; with --inline the prompt."""
    return _session(invocation)


def _session(invocation: Invocation) -> object:
    from equitr_coder.cli.prompt import open_session

    return open_session(invocation, planning=False, inline=bool(invocation.given.get("inline")))


async def _chat(
    invocation: Invocation, request: str, plan: str | None, check: str | None, yes: bool, output: str
) -> int:
    from equitr_coder.cli.door import can_ask, wants_workers, watch
    from equitr_coder.domain.commands import StartRun
    from equitr_coder.domain.runs import PlanMode, RunKind

    async with connect(invocation, create_repo=True) as api:
        with_workers = await wants_workers(api)
        if plan is not None and not with_workers:
            raise UserError("--plan needs supervisor and workers", hint="add -M, or leave --plan out")
        if "max_workers" in invocation.given and not with_workers:
            raise UserError("--max-workers needs supervisor and workers", hint="add -M, or leave --max-workers out")
        command = StartRun(
            kind=RunKind.EPIC if with_workers else RunKind.CHAT,
            request=request,
            plan=PlanMode(plan) if plan else None,
            check=check,
            budget=budget(invocation),
            max_workers=invocation.given.get("max_workers"),
            yes=yes,
            can_ask=can_ask(invocation, output),
        )
        return await watch(invocation, api, output).follow(command)


async def _loop(
    invocation: Invocation, goal: str, check: str | None, rounds: int | None, yes: bool, output: str
) -> int:
    from equitr_coder.cli.door import can_ask, watch
    from equitr_coder.domain.commands import StartRun
    from equitr_coder.domain.runs import RunKind

    async with connect(invocation, create_repo=True) as api:
        command = StartRun(
            kind=RunKind.LOOP,
            request=goal,
            check=check,
            budget=budget(invocation),
            rounds=rounds,
            yes=yes,
            can_ask=can_ask(invocation, output),
        )
        return await watch(invocation, api, output).follow(command)


def _piped(invocation: Invocation) -> str:
    stdin = invocation.doors.streams.stdin
    if stdin.isatty():
        return ""
    try:
        text = stdin.read()
        text.encode("utf-8")
    except UnicodeError as error:
        hint = "convert it, for example: iconv -f UTF-16 -t UTF-8"
        raise UserError("standard input is not UTF-8 text", hint=hint) from error
    if "\0" in text:
        raise UserError("standard input is not text", hint="pipe the words of your request, not a file's bytes")
    return text
