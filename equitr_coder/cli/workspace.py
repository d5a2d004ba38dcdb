"""`models`, `config-cmd`, `trust` and `doctor`: what is set up here, and whether it works."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from equitr_coder.cli.doors import Invocation
from equitr_coder.cli.options import connect, output_option
from equitr_coder.cli.program import CommonCommand

if TYPE_CHECKING:
    from equitr_coder.ports import RunApi


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
@click.option("--yes", "-y", is_flag=True, help="Accept it without asking.")
@click.option(
    "--hash", "content_hash", metavar="HASH", help="Accept it only if this is its content, as --show names it."
)
@click.pass_obj
def trust(invocation: Invocation, withdraw: bool, show: bool, yes: bool, content_hash: str | None) -> object:
    """Show this workspace's .equitr folder, or what changed in it, and accept exactly that.

    At a terminal it asks first. When the content changes it is ignored again.
    """
    if withdraw + show + (yes or content_hash is not None) > 1:
        raise click.UsageError("--withdraw, --show and accepting (--yes, --hash) exclude each other")
    if withdraw or show:
        return _look_or_withdraw(invocation, withdraw=withdraw)
    return _trust(invocation, asks=not yes and content_hash is None, content_hash=content_hash)


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


async def _look_or_withdraw(invocation: Invocation, *, withdraw: bool) -> int:
    from equitr_coder.cli.door import console
    from equitr_coder.domain.queries import SetTrust, TrustAnswer, TrustQuery
    from equitr_coder.presentation.listings import trust_lines

    async with connect(invocation, warns=False) as api:
        answer = await api.query(SetTrust(trusted=False) if withdraw else TrustQuery())
    assert isinstance(answer, TrustAnswer)
    console(invocation).say(trust_lines(answer))
    return 0


async def _trust(invocation: Invocation, *, asks: bool, content_hash: str | None) -> int:
    from equitr_coder.cli.door import can_ask, console
    from equitr_coder.domain.queries import SetTrust, TrustAnswer
    from equitr_coder.presentation.listings import trust_lines

    async with connect(invocation, warns=False) as api:
        if asks and can_ask(invocation):
            return await _ask_for_trust(invocation, api)
        answer = await api.query(SetTrust(trusted=True, content_hash=content_hash))
    assert isinstance(answer, TrustAnswer)
    console(invocation).say(trust_lines(answer))
    return 0


async def _ask_for_trust(invocation: Invocation, api: RunApi) -> int:
    """What is accepted is what stood on the screen: if it changes before the answer, it is shown and asked again."""
    from equitr_coder.cli.door import console
    from equitr_coder.cli.terminal import Terminal
    from equitr_coder.presentation.listings import trust_lines
    from equitr_coder.presentation.text import Line
    from equitr_coder.presentation.trusting import CHANGED, Trusting

    streams = invocation.doors.streams
    screen, terminal = console(invocation), Terminal(streams)
    show = screen.say if streams.stdout.isatty() else screen.aside
    trusting = Trusting(api.query)
    answer = await trusting.look()
    if not answer.present:
        await trusting.accept()  # says why not
    show(trust_lines(answer))
    while answer.present and not answer.trusted:
        said = await terminal.ask("Trust exactly this? [y/N] ", fresh=True)
        if said is None or said.lower() not in ("y", "yes"):
            show([Line("Nothing was trusted.")])
            return 0
        accepted = await trusting.accept()
        if accepted is not None:
            show(trust_lines(accepted)[:1])
            return 0
        answer = trusting.shown or answer
        show([CHANGED, *trust_lines(answer)])
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
