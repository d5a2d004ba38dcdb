"""`policy explain`: what the policy says of a tool call, why, and which rule decided."""

from __future__ import annotations

import click

from equitr_coder.cli.doors import Invocation
from equitr_coder.cli.exit_codes import ExitCode
from equitr_coder.cli.options import connect, output_option
from equitr_coder.cli.program import CommonGroup

_MODES = ("plan", "ask", "auto", "yolo")


@click.group("policy", cls=CommonGroup)
def policy() -> None:
    """What agents may do here, and which rule says so."""


@policy.command("explain")
@click.argument("tool")
@click.argument("input", nargs=-1, required=True)
@click.option("--mode", type=click.Choice(_MODES), help="As if permission.mode were this.")
@output_option("text", "json")
@click.pass_obj
def explain(invocation: Invocation, tool: str, input: tuple[str, ...], mode: str | None, output: str) -> object:  # noqa: A002
    """Say whether a call of TOOL would run, ask or be refused, and which rule decides.

    INPUT is the command of run_command, or the path of a tool that reads or writes a file. Runs nothing and asks no
    model. Exit code: 0 it runs, 5 it asks, 1 it is refused.
    """
    return _explain(invocation, tool, " ".join(input), mode, output)


async def _explain(invocation: Invocation, tool: str, given: str, mode: str | None, output: str) -> int:
    from equitr_coder.cli.door import console
    from equitr_coder.domain.approvals import PermissionMode, Verdict
    from equitr_coder.domain.queries import PolicyAnswer, PolicyQuery
    from equitr_coder.presentation.listings import policy_lines

    async with connect(invocation) as api:
        asked = PolicyQuery(tool=tool, input=given, mode=PermissionMode(mode) if mode is not None else None)
        answer = await api.query(asked)
    assert isinstance(answer, PolicyAnswer)
    screen = console(invocation)
    if output == "json":
        screen.record(answer.model_dump_json(exclude={"type"}))
    else:
        screen.say(policy_lines(answer))
    codes = {Verdict.ALLOW: ExitCode.DONE, Verdict.ASK: ExitCode.APPROVAL, Verdict.DENY: ExitCode.UNFINISHED}
    return codes[answer.decision.verdict]
