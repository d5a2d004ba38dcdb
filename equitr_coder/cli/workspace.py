"""`models`, `config-cmd`, `trust` and `doctor`: what is set up here, and whether it works."""

from __future__ import annotations

import click

from equitr_coder.cli.doors import Invocation
from equitr_coder.cli.options import connect, output_option
from equitr_coder.cli.program import CommonCommand


@click.command(cls=CommonCommand)
@click.option("--discover", is_flag=True, help="Ask the endpoint what it offers.")
@output_option("text", "json")
@click.pass_obj
def models(invocation: Invocation, discover: bool, output: str) -> object:
    """Show the model of each tier with its provider, key variable and price."""
    return _models(invocation, discover, output)


@click.command("config-cmd", cls=CommonCommand)
@output_option("text", "json")
@click.pass_obj
def config_cmd(invocation: Invocation, output: str) -> object:
    """Show every configuration key, its value and where the value comes from."""
    return _config(invocation, output)


@click.command(cls=CommonCommand)
@click.option("--withdraw", is_flag=True, help="Stop trusting it.")
@click.option("--show", is_flag=True, help="Only show what would be accepted, or how it has changed since.")
@click.pass_obj
def trust(invocation: Invocation, withdraw: bool, show: bool) -> object:
    """Accept this workspace's .equitr folder as it is now. When its content changes it is ignored again."""
    return _trust(invocation, trusted=None if show else not withdraw)


@click.command(cls=CommonCommand)
@output_option("text", "json")
@click.pass_obj
def doctor(invocation: Invocation, output: str) -> object:
    """Check this machine, the configuration and the repository; exit code 2 when something must be mended."""
    return _doctor(invocation, output)


async def _models(invocation: Invocation, discover: bool, output: str) -> int:
    from equitr_coder.cli.door import console
    from equitr_coder.domain.queries import ModelsAnswer, ModelsQuery
    from equitr_coder.presentation.listings import models_lines

    async with connect(invocation) as api:
        answer = await api.query(ModelsQuery(discover=discover))
    assert isinstance(answer, ModelsAnswer)
    screen = console(invocation)
    if output == "json":
        screen.record(answer.model_dump_json(exclude={"type"}))
    else:
        screen.say(models_lines(answer, width=screen.width))
    return 0


async def _config(invocation: Invocation, output: str) -> int:
    from equitr_coder.cli.door import console
    from equitr_coder.domain.queries import ConfigAnswer, ConfigQuery
    from equitr_coder.presentation.listings import config_lines

    async with connect(invocation) as api:
        answer = await api.query(ConfigQuery())
    assert isinstance(answer, ConfigAnswer)
    screen = console(invocation)
    if output == "json":
        screen.record(answer.model_dump_json(exclude={"type"}))
    else:
        screen.say(config_lines(answer, width=screen.width))
    return 0


async def _trust(invocation: Invocation, *, trusted: bool | None) -> int:
    """`trusted` is None when it is only looked at."""
    from equitr_coder.cli.door import console
    from equitr_coder.domain.queries import SetTrust, TrustAnswer, TrustQuery
    from equitr_coder.presentation.listings import trust_lines

    async with connect(invocation, warns=False) as api:
        answer = await api.query(TrustQuery() if trusted is None else SetTrust(trusted=trusted))
    assert isinstance(answer, TrustAnswer)
    console(invocation).say(trust_lines(answer))
    return 0


async def _doctor(invocation: Invocation, output: str) -> int:
    from equitr_coder.cli.door import console
    from equitr_coder.domain.queries import DoctorAnswer, DoctorQuery
    from equitr_coder.presentation.listings import doctor_lines

    async with connect(invocation) as api:
        answer = await api.query(DoctorQuery())
    assert isinstance(answer, DoctorAnswer)
    screen = console(invocation)
    if output == "json":
        screen.record(answer.model_dump_json(exclude={"type"}))
    else:
        screen.say(doctor_lines(answer))
    return 2 if any(finding.state == "bad" for finding in answer.findings) else 0
