"""`metrics`: where the time of a run went."""

from __future__ import annotations

import click

from equitr_coder.cli.doors import Invocation
from equitr_coder.cli.options import connect, output_option
from equitr_coder.cli.program import CommonCommand


@click.command(cls=CommonCommand)
@click.argument("run", required=False)
@output_option("text", "json")
@click.pass_obj
def metrics(invocation: Invocation, run: str | None, output: str) -> object:
    """Show where the time of RUN went: a run, the beginning of its id, or an epic. Without RUN: the newest run.

    Computed from the run's log each time it is asked. Times in json are seconds, shares lie between 0 and 1.
    """
    return _metrics(invocation, run, output)


async def _metrics(invocation: Invocation, run: str | None, output: str) -> int:
    from equitr_coder.cli.door import console
    from equitr_coder.domain.queries import MetricsAnswer, MetricsQuery
    from equitr_coder.presentation.metrics import metrics_lines

    async with connect(invocation) as api:
        answer = await api.query(MetricsQuery(run=run))
    assert isinstance(answer, MetricsAnswer)
    screen = console(invocation)
    if output == "json":
        screen.record(answer.metrics.model_dump_json())
    else:
        screen.say(metrics_lines(answer.metrics, width=screen.width))
    return 0
