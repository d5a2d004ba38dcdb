"""The options that stand before or after any subcommand, and what they mean for the configuration."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from equitr_coder.cli.doors import Flags, Invocation
from equitr_coder.domain.errors import UserError

if TYPE_CHECKING:
    from equitr_coder.ports import RunApi

_KEYS = {
    "model": "llm.model",
    "supervisor_model": "llm.models.supervisor.model",
    "worker_model": "llm.models.worker.model",
    "budget": "llm.budget",
    "max_workers": "orchestrator.max_workers",
    "multi_agent": "orchestrator.use_multi_agent",
}

THEMES = ("dark", "light", "high-contrast", "ansi16", "none")
OUTPUTS = ("text", "json", "stream-json")


UNLIMITED = "unlimited"
_AGO = re.compile(r"(\d{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Dollars(click.ParamType["Decimal | str"]):
    """An amount of US dollars, exact; or the word for no limit, as in the configuration."""

    name = "USD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal | str:
        if isinstance(value, Decimal):
            return value
        if str(value).lower() == UNLIMITED:
            return UNLIMITED
        try:
            amount = Decimal(str(value).removeprefix("$"))
        except InvalidOperation:
            self.fail(f"{value!r} is not an amount of US dollars such as 2.50, nor the word {UNLIMITED}", param, ctx)
        if not amount.is_finite() or amount < 0:
            self.fail(f"{value!r} is not an amount of US dollars of at least 0", param, ctx)
        return amount


def common_options() -> list[click.Option]:
    """Fresh copies of the common options, for the program or one of its commands."""

    def option(*names: str, help_text: str, **settings: Any) -> click.Option:
        return click.Option(names, help=help_text, expose_value=False, callback=_remember, default=None, **settings)

    count = click.IntRange(min=1)
    return [
        option("--repo", help_text="Repository to work on [default: here].", metavar="PATH"),
        option("--model", help_text="Model to use, as provider/model.", metavar="NAME"),
        option("--supervisor-model", help_text="Model that plans, advises and reviews.", metavar="NAME"),
        option("--worker-model", help_text="Model that does the tasks.", metavar="NAME"),
        option("--budget", help_text="Hard limit of this run in US dollars, or `unlimited`.", type=Dollars()),
        option("--max-workers", help_text="Workers at one time.", type=count, metavar="N"),
        option("--multi-agent", "-M", help_text="A supervisor plans, workers build in parallel.", is_flag=True),
        option("--verbose", help_text="One line for each model and tool call, on stderr.", is_flag=True),
        option("--debug", help_text="Show the traceback of an internal error.", is_flag=True),
        option("--theme", help_text="Colours of the full screen.", type=click.Choice(THEMES)),
        option("--inline", help_text="Interactive use as a prompt, in the terminal's own scrollback.", is_flag=True),
    ]


def yes_option() -> Callable[[Any], Any]:
    text = "Approve the plan, and what the policy asks inside sandbox, footprint and budget."
    return click.option("--yes", "-y", is_flag=True, help=text)


def output_option(*choices: str) -> Callable[[Any], Any]:
    return click.option("--output", type=click.Choice(choices or OUTPUTS), default="text", help="Form of the output.")


def flags(invocation: Invocation) -> Flags:
    """The common options that set configuration keys."""
    return {
        key: (invocation.given[name], f"--{name.replace('_', '-')}")
        for name, key in _KEYS.items()
        if name in invocation.given
    }


def budget(invocation: Invocation) -> Decimal | None:
    """The amount given with `--budget`. None leaves it to the configuration, which `--budget unlimited` is part of."""
    given = invocation.given.get("budget")
    return given if isinstance(given, Decimal) else None


def raised_budget(invocation: Invocation) -> Decimal | None:
    """The new limit of a run that goes on; None keeps its own.

    Raises:
        UserError: the word for no limit was given; a limit can be raised, not lifted.
    """
    if invocation.given.get("budget") == UNLIMITED:
        raise UserError(
            "the limit of a run that has begun cannot be lifted", hint="name an amount, for example --budget 50"
        )
    return budget(invocation)


def moment(text: str | None) -> datetime | None:
    """A date, a time, or so long ago (`90m`, `12h`, `7d`, `2w`); without a zone it is UTC.

    Raises:
        UserError: it is none of these.
    """
    if text is None:
        return None
    if ago := _AGO.fullmatch(text):
        return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UserError(
            f"{text!r} is neither a time nor a span",
            hint="for example 2026-11-30, 2026-11-30T14:00, 90m, 12h, 7d or 2w",
        ) from error
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def repo(invocation: Invocation) -> Path:
    return Path(invocation.given.get("repo", ".")).expanduser()


@asynccontextmanager
async def connect(invocation: Invocation, *, create_repo: bool = False, warns: bool = True) -> AsyncIterator[RunApi]:
    """The door to the workspace that the options name. What its configuration warns of is said once per call."""
    doors = invocation.doors
    async with doors.connect(repo=repo(invocation), flags=flags(invocation), create_repo=create_repo) as api:
        if warns:
            await _warn(invocation, api)
        yield api


async def _warn(invocation: Invocation, api: RunApi) -> None:
    from equitr_coder.domain.queries import ConfigAnswer, ConfigQuery
    from equitr_coder.presentation.listings import warning_lines
    from equitr_coder.presentation.text import paint

    answer = await api.query(ConfigQuery())
    assert isinstance(answer, ConfigAnswer)
    stderr = invocation.doors.streams.stderr
    fresh = [warning for warning in answer.warnings if warning not in invocation.warned]
    invocation.warned.update(fresh)
    stderr.write("".join(f"{paint(line, colour=False)}\n" for line in warning_lines(fresh)))
    stderr.flush()


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value is not None and not ctx.resilient_parsing:
        ctx.find_root().obj.given[param.name] = value
