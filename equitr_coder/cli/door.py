"""Shared steps of the commands that start or continue a run."""

from typing import cast

from equitr_coder.cli.console import Console
from equitr_coder.cli.doors import Invocation
from equitr_coder.cli.reporters import Output, reporter
from equitr_coder.cli.terminal import Terminal
from equitr_coder.cli.watch import Watch
from equitr_coder.domain.queries import ConfigAnswer, ConfigQuery
from equitr_coder.ports import RunApi
from equitr_coder.presentation.listings import is_multi_agent


def console(invocation: Invocation) -> Console:
    return Console(invocation.doors.streams, invocation.doors.environ, invocation.doors.redact)


def watch(invocation: Invocation, api: RunApi, output: str) -> Watch:
    screen = console(invocation)
    prints = reporter(cast(Output, output), screen, verbose=bool(invocation.given.get("verbose")))
    return Watch(api, prints, screen, invocation.doors.streams)


def can_ask(invocation: Invocation, output: str = "text") -> bool:
    """Whether a person is there: a terminal on both sides, and output that is meant for people."""
    return output == "text" and Terminal.is_there(invocation.doors.streams)


async def wants_workers(api: RunApi) -> bool:
    """Whether the configuration, with the flags of this call, asks for supervisor and workers."""
    answer = await api.query(ConfigQuery())
    assert isinstance(answer, ConfigAnswer)
    return is_multi_agent(answer)
