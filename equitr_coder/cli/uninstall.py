"""`uninstall`: what the product has left on this machine, and its removal."""

from __future__ import annotations

import click

from equitr_coder.cli.doors import Invocation
from equitr_coder.cli.options import connect, output_option
from equitr_coder.cli.program import CommonCommand


@click.command(cls=CommonCommand)
@click.option("--dry-run", is_flag=True, help="Only show what would go.")
@click.option("--yes", "-y", is_flag=True, help="Remove it, without asking.")
@output_option("text", "json")
@click.pass_obj
def uninstall(invocation: Invocation, dry_run: bool, yes: bool, output: str) -> object:
    """Show worktrees, refs and state of every workspace, and remove them with --yes (or a yes at the terminal).

    Branches stay, and so do your configuration, profiles, teams, workflows and knowledge. The logs of all runs go.
    """
    return _uninstall(invocation, yes and not dry_run, dry_run, output)


async def _uninstall(invocation: Invocation, delete: bool, dry_run: bool, output: str) -> int:
    from equitr_coder.cli.door import can_ask, console
    from equitr_coder.cli.receipts import says_yes
    from equitr_coder.domain.queries import UninstallAnswer, UninstallQuery
    from equitr_coder.presentation.uninstall import uninstall_lines

    screen = console(invocation)
    async with connect(invocation) as api:
        answer = await api.query(UninstallQuery(delete=delete))
        assert isinstance(answer, UninstallAnswer)
        if output == "json":
            screen.record(answer.model_dump_json(exclude={"type"}))
            return 0
        screen.say(uninstall_lines(answer))
        if answer.deleted or dry_run or answer.is_empty:
            return 0
        if not can_ask(invocation, output):
            screen.note("Nothing was removed; add --yes to remove it")
            return 0
        if not await says_yes(invocation, "Remove this"):
            screen.note("Nothing was removed")
            return 0
        gone = await api.query(UninstallQuery(delete=True))
        assert isinstance(gone, UninstallAnswer)
        screen.say(uninstall_lines(gone)[-2:])
    return 0
