"""`map`: the definitions of this repository that matter most for a request."""

from __future__ import annotations

import click

from equitr_coder.cli.doors import Invocation
from equitr_coder.cli.options import connect, output_option
from equitr_coder.cli.program import CommonCommand


@click.command("map", cls=CommonCommand)
@click.argument("request", nargs=-1)
@click.option("--tokens", type=click.IntRange(min=1), help="Most tokens of the map; the configuration's otherwise.")
@output_option("text", "json")
@click.pass_obj
def show_map(invocation: Invocation, request: tuple[str, ...], tokens: int | None, output: str) -> object:
    """Show the definitions that matter most for REQUEST, as the planner and the supervisor see them.

    Without REQUEST: for the repository as a whole. Asks no model and costs nothing.
    """
    return _map(invocation, " ".join(request), tokens, output)


async def _map(invocation: Invocation, request: str, tokens: int | None, output: str) -> int:
    from equitr_coder.cli.door import console
    from equitr_coder.domain.queries import MapAnswer, MapQuery
    from equitr_coder.presentation.code_map import map_lines

    async with connect(invocation) as api:
        answer = await api.query(MapQuery(request=request, tokens=tokens))
    assert isinstance(answer, MapAnswer)
    screen = console(invocation)
    if output == "json":
        screen.record(answer.map.model_dump_json())
    else:
        screen.say(map_lines(answer.map))
    return 0
