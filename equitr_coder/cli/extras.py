"""`demo`, `completion` and `version`."""

from __future__ import annotations

from typing import Any

import click

from equitr_coder import __version__
from equitr_coder.cli.doors import Invocation
from equitr_coder.cli.program import NAME, CommonCommand, program

_ALIAS = "EQUITR-coder"
_VARIABLE = "_EQUITRCODER_COMPLETE"


@click.command(cls=CommonCommand)
@click.pass_obj
def demo(invocation: Invocation) -> object:
    """Watch the whole product work, offline: planning, six tasks, three workers, merge, receipts, money.

    The models are scripted. It leaves a real git repository whose tests pass.
    """
    return _demo(invocation)


@click.command(cls=CommonCommand)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_obj
def completion(invocation: Invocation, shell: str) -> None:
    """Print the completion script of SHELL, for both names of the command.

    \b
    bash: eval "$(equitrcoder completion bash)"
    zsh:  eval "$(equitrcoder completion zsh)"
    fish: equitrcoder completion fish | source
    """
    invocation.doors.streams.stdout.write(completion_script(shell))


@click.command(cls=CommonCommand)
@click.pass_obj
def version(invocation: Invocation) -> None:
    """Print the version."""
    invocation.doors.streams.stdout.write(f"{NAME} {__version__}\n")


def completion_script(shell: str) -> str:
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    scripts = []
    for name in (NAME, _ALIAS):
        completer: Any = kind(program, {}, name, _VARIABLE)
        scripts.append(completer.source_template % completer.source_vars())
    return "\n".join(script.strip() + "\n" for script in scripts)


async def _demo(invocation: Invocation) -> int:
    import asyncio

    from equitr_coder.cli.door import console
    from equitr_coder.cli.exit_codes import ExitCode
    from equitr_coder.domain.errors import UserError

    screen = console(invocation)
    try:
        return await invocation.doors.run_demo(screen.record)
    except asyncio.CancelledError as error:  # how an interrupt arrives
        raise UserError(
            "interrupted", hint="`equitrcoder demo` begins it anew", exit_code=ExitCode.INTERRUPTED
        ) from error
