"""`cost`: where the money went, in the terminal, for programs, or as a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from equitr_coder.cli.doors import Invocation
from equitr_coder.cli.options import connect, output_option
from equitr_coder.cli.program import CommonCommand, usage_error
from equitr_coder.domain.errors import UserError

if TYPE_CHECKING:
    from equitr_coder.cli.console import Console
    from equitr_coder.domain.queries import CostAnswer
    from equitr_coder.presentation.cost_report import Paper

_HEAD = 100
"""Characters by which a page of ours is known."""
_GROUPS = ("model", "agent", "task", "purpose", "day")


@click.command(cls=CommonCommand)
@click.argument("run", required=False)
@click.option("--by", type=click.Choice(_GROUPS), help="Show one breakdown, in full.")
@output_option("text", "json", "csv")
@click.option("--html", "page", metavar="FILE", help="Write a page with charts; it needs nothing but itself.")
@click.option("--forecasts", is_flag=True, help="Past forecasts against what was spent.")
@click.pass_obj
def cost(
    invocation: Invocation, run: str | None, by: str | None, output: str, page: str | None, forecasts: bool
) -> object:
    """Show what RUN cost: a run, the beginning of its id, or an epic. Without RUN: all runs of this workspace.

    csv has one line per model call, json the calls and every group; days are UTC.
    """
    if output == "csv" and (by is not None or forecasts):
        raise usage_error("--output csv has one line per call, and goes neither with --by nor with --forecasts")
    if forecasts and (by is not None or page is not None):
        raise usage_error("--forecasts goes neither with --by nor with --html")
    return _cost(invocation, run, by=by, output=output, page=page, forecasts=forecasts)


async def _cost(
    invocation: Invocation, run: str | None, *, by: str | None, output: str, page: str | None, forecasts: bool
) -> int:
    from equitr_coder.cli.door import console
    from equitr_coder.domain.queries import CostAnswer, CostQuery

    async with connect(invocation) as api:
        answer = await api.query(CostQuery(run=run))
    assert isinstance(answer, CostAnswer)
    screen = console(invocation)
    if page is not None:
        _write_page(page, answer)
        if output == "text":
            screen.note(f"wrote {page}")
            return 0
    if forecasts:
        _show_forecasts(screen, answer, output)
    else:
        _show(screen, answer, by=by, output=output, paper=_paper(invocation, screen))
    return 0


def _show(screen: Console, answer: CostAnswer, *, by: str | None, output: str, paper: Paper) -> None:
    from equitr_coder.presentation.cost_data import calls_csv, cost_data
    from equitr_coder.presentation.cost_report import report_lines

    match output:
        case "json":
            screen.data(cost_data(answer, by=by))
        case "csv":
            screen.record(calls_csv(answer.calls).removesuffix("\n"))
        case _:
            screen.say(report_lines(answer, by=by, paper=paper))


def _show_forecasts(screen: Console, answer: CostAnswer, output: str) -> None:
    from equitr_coder.presentation.cost_forecast import forecasts_data, forecasts_lines

    if output == "json":
        screen.data(forecasts_data(answer.runs))
    else:
        screen.say(forecasts_lines(answer.runs, width=screen.width))


def _paper(invocation: Invocation, screen: Console) -> Paper:
    """Blocks only where a person with a capable terminal looks at them."""
    from equitr_coder.presentation.cost_report import Paper

    environ, stream = invocation.doors.environ, invocation.doors.streams.stdout
    is_plain = bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb"
    speaks_utf8 = (stream.encoding or "").lower().replace("-", "") == "utf8"
    return Paper(width=screen.width, has_blocks=stream.isatty() and speaks_utf8 and not is_plain)


def _write_page(name: str, answer: CostAnswer) -> None:
    from equitr_coder.presentation.cost_page import cost_page

    try:
        path = Path(name).expanduser()
    except RuntimeError as error:
        raise UserError(f"cannot write {name}: there is no such user", hint="name the folder itself") from error
    page = cost_page(answer)
    try:
        if path.is_file() and not path.read_bytes()[:_HEAD].startswith(page[:_HEAD].encode()):
            raise UserError(f"{path} is there and is no page of ours", hint="name another file, or remove it first")
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror}", hint="name a file in a folder that exists and can be written"
        ) from error
