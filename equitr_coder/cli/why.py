"""`why`: where a line of code comes from."""

from __future__ import annotations

import click

from equitr_coder.cli.doors import Invocation
from equitr_coder.cli.options import connect, output_option
from equitr_coder.cli.program import CommonCommand, usage_error


@click.command(cls=CommonCommand)
@click.argument("place", metavar="FILE:LINE")
@output_option("text", "json")
@click.pass_obj
def why(invocation: Invocation, place: str, output: str) -> object:
    """Tell which task, requirement, model, message, price and receipt the line FILE:LINE of this checkout comes from.

    FILE is named from the root of the repository. Asks git and the log, no model.
    """
    path, colon, number = place.rpartition(":")
    if not colon or not path or not number.isdecimal():
        raise usage_error(f"{place!r} is not a file and a line such as src/app.py:12")
    return _why(invocation, path, int(number), output)


async def _why(invocation: Invocation, path: str, line: int, output: str) -> int:
    from equitr_coder.cli.door import console
    from equitr_coder.domain.queries import WhyAnswer, WhyQuery
    from equitr_coder.presentation.why import why_lines

    async with connect(invocation) as api:
        answer = await api.query(WhyQuery(path=path, line=line))
    assert isinstance(answer, WhyAnswer)
    screen = console(invocation)
    if output == "json":
        screen.record(answer.model_dump_json(exclude={"type"}))
    else:
        screen.say(why_lines(answer, width=screen.width))
    return 0
