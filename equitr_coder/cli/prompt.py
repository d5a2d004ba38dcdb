"""Opens the interactive session: the screen, or with `--inline` the prompt, after a first configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from equitr_coder.cli.doors import Invocation
from equitr_coder.cli.options import connect
from equitr_coder.domain.errors import UserError

if TYPE_CHECKING:
    from equitr_coder.domain.queries import ProposalAnswer
    from equitr_coder.ports import RunApi


_CANNOT_DRAW = ("", "dumb", "unknown")


async def open_session(invocation: Invocation, *, planning: bool, inline: bool) -> int:
    """The screen when a terminal is there that can show it; the prompt when `inline`, or when it can only write lines.

    Raises:
        UserError: there is no terminal; names the command that needs none.
    """
    from equitr_coder.cli.terminal import Terminal

    is_there = Terminal.is_there(invocation.doors.streams)
    if is_there and not inline and invocation.doors.environ.get("TERM", "").lower() not in _CANNOT_DRAW:
        return await _open_screen(invocation, planning=planning)  # nothing is imported before its first frame
    from equitr_coder.cli.door import console
    from equitr_coder.cli.first_run import first_run, first_run_text

    if not is_there:
        async with connect(invocation) as api:
            answer = await _proposal(api)
        if not answer.configured:
            console(invocation).aside(first_run_text(answer))
        raise UserError(
            "the interactive session needs a terminal on standard input and output",
            hint='without one use `equitrcoder chat "TEXT"`, or pipe the text into `equitrcoder chat`',
        )
    async with connect(invocation, create_repo=True) as api:
        answer = await _proposal(api)
        if answer.configured:
            return await invocation.doors.open_prompt(api, planning=planning)
        written = await first_run(api, answer, Terminal(invocation.doors.streams))
    if not written:
        return 2
    async with connect(invocation, create_repo=True) as api:
        return await invocation.doors.open_prompt(api, planning=planning)


async def _open_screen(invocation: Invocation, *, planning: bool) -> int:
    from equitr_coder.cli.options import repo

    async def configure(api: RunApi) -> bool:
        from equitr_coder.cli.first_run import first_run
        from equitr_coder.cli.terminal import Terminal

        return await first_run(api, await _proposal(api), Terminal(invocation.doors.streams))

    return await invocation.doors.open_screen(
        lambda: connect(invocation, create_repo=True, warns=False),
        first_run=configure,
        mode="plan" if planning else "",
        folder=repo(invocation),
        theme=invocation.given.get("theme"),
    )


async def _proposal(api: RunApi) -> ProposalAnswer:
    from equitr_coder.domain.queries import ProposalAnswer, ProposalQuery

    answer = await api.query(ProposalQuery())
    assert isinstance(answer, ProposalAnswer)
    return answer
