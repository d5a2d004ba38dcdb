"""`keys set`, `list`, `test`, `rotate` and `remove`: the user's own keys. A key is typed or piped, no argument."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from equitr_coder.cli.doors import Invocation
from equitr_coder.cli.options import connect, output_option
from equitr_coder.cli.program import CommonGroup
from equitr_coder.domain.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from equitr_coder.domain.queries import Answer, Query

_LARGEST = 65_536


def _stdin_option() -> Callable[[Any], Any]:
    return click.option("--stdin", "piped", is_flag=True, help="Read the key from standard input.")


def _no_more_arguments() -> Callable[[Any], Any]:
    return click.argument("surplus", nargs=-1, metavar="", type=click.UNPROCESSED)


@click.group(cls=CommonGroup, no_args_is_help=False)
def keys() -> None:
    """Keep provider keys in the operating system's keyring, or encrypted in a file; list, test, rotate, remove them.

    NAME is a provider (openai) or a variable (OPENAI_API_KEY). What the environment holds comes before what is stored.
    """


@keys.command("set")
@click.argument("name")
@_no_more_arguments()
@_stdin_option()
@click.pass_obj
def set_key(invocation: Invocation, name: str, surplus: tuple[str, ...], piped: bool) -> object:
    """Store the key NAME; asks for it without showing it."""
    _refuse(surplus, name)
    return _put(invocation, name, piped=piped, replaces=False)


@keys.command("list")
@output_option("text", "json")
@click.pass_obj
def list_keys(invocation: Invocation, output: str) -> object:
    """List the keys that are stored or in the environment, where each comes from, and what is missing. Shows no key."""
    return _list(invocation, output)


@keys.command("test")
@click.argument("name")
@_no_more_arguments()
@output_option("text", "json")
@click.pass_obj
def try_key(invocation: Invocation, name: str, surplus: tuple[str, ...], output: str) -> object:
    """Ask the provider whether it takes the key NAME. Costs nothing; exit code 4 when it does not."""
    _refuse(surplus, name)
    return _test(invocation, name, output)


@keys.command("rotate")
@click.argument("name", required=False)
@_no_more_arguments()
@_stdin_option()
@click.option("--master", is_flag=True, help="Encrypt all keys anew, by another passphrase or EQUITR_NEW_MASTER_KEY.")
@click.pass_obj
def rotate_key(invocation: Invocation, name: str | None, surplus: tuple[str, ...], piped: bool, master: bool) -> object:
    """Replace the stored key NAME by a new one, which is tested first. Runs at work use it from their next call on.

    Revoke the old key at its provider when this is done.
    """
    _refuse(surplus, name or "NAME")
    if master:
        if name is not None or piped:
            raise UserError("--master stands alone", hint="usage: equitrcoder keys rotate --master")
        return _rotate_master(invocation)
    if name is None:
        raise UserError("which key?", hint="equitrcoder keys rotate NAME, or --master for what encrypts them all")
    return _put(invocation, name, piped=piped, replaces=True)


@keys.command("remove")
@click.argument("name")
@_no_more_arguments()
@click.pass_obj
def remove_key(invocation: Invocation, name: str, surplus: tuple[str, ...]) -> object:
    """Delete the stored key NAME."""
    _refuse(surplus, name)
    return _remove(invocation, name)


def _refuse(surplus: tuple[str, ...], name: str) -> None:
    """Raises UserError; what was given is not repeated."""
    if surplus:
        raise UserError(
            "a key does not belong on the command line: shells keep a history of it, and `ps` shows it",
            hint=f"`equitrcoder keys set {name if name.isidentifier() else 'NAME'}` asks for it without showing it; "
            "if that was a key, replace it at its provider",
        )


async def _put(invocation: Invocation, name: str, *, piped: bool, replaces: bool) -> int:
    from pydantic import SecretStr

    from equitr_coder.domain.queries import KeyNamed, KeyNameQuery, SetKey

    async with connect(invocation, warns=False) as api:
        named = await api.query(KeyNameQuery(name=name))
        assert isinstance(named, KeyNamed)
        if replaces and not named.is_stored:
            raise UserError(f"{named.name} is not stored", hint=f"store it with: equitrcoder keys set {named.name}")
        value = SecretStr(_value(invocation, named.name, piped=piped))
        answer = await api.query(SetKey(name=named.name, value=value, replaces=replaces))
    return _say_changed(invocation, answer, "rotated in" if named.is_stored else "stored in")


def _value(invocation: Invocation, name: str, *, piped: bool) -> str:
    if piped:
        return invocation.doors.streams.stdin.read(_LARGEST)
    typed = invocation.doors.ask_secret(f"key {name}: ")
    if typed is None:
        hint = f"pipe it, for example: pass show {name} | equitrcoder keys set {name} --stdin"
        raise UserError(f"nobody is here to type the key {name}", hint=hint)
    return typed


async def _rotate_master(invocation: Invocation) -> int:
    from equitr_coder.domain.queries import RotateMaster

    return _say_changed(invocation, await _ask(invocation, RotateMaster()), "encrypted anew:")


async def _remove(invocation: Invocation, name: str) -> int:
    from equitr_coder.domain.queries import RemoveKey

    return _say_changed(invocation, await _ask(invocation, RemoveKey(name=name)), "removed from")


async def _list(invocation: Invocation, output: str) -> int:
    from equitr_coder.cli.door import console
    from equitr_coder.domain.queries import KeysAnswer, KeysQuery
    from equitr_coder.presentation.keys import keys_lines

    answer = await _ask(invocation, KeysQuery())
    assert isinstance(answer, KeysAnswer)
    screen = console(invocation)
    if output == "json":
        screen.record(answer.model_dump_json(exclude={"type"}))
    else:
        screen.say(keys_lines(answer, width=screen.width))
    return 0


async def _test(invocation: Invocation, name: str, output: str) -> int:
    from equitr_coder.cli.door import console
    from equitr_coder.cli.exit_codes import ExitCode
    from equitr_coder.domain.queries import KeyTested, TestKey
    from equitr_coder.presentation.keys import tested_lines

    answer = await _ask(invocation, TestKey(name=name))
    assert isinstance(answer, KeyTested)
    screen = console(invocation)
    if output == "json":
        screen.record(answer.model_dump_json(exclude={"type"}))
    else:
        screen.say(tested_lines(answer))
    return ExitCode.DONE if answer.outcome == "ok" else ExitCode.PROVIDER


async def _ask(invocation: Invocation, query: Query) -> Answer:
    async with connect(invocation, warns=False) as api:
        return await api.query(query)


def _say_changed(invocation: Invocation, answer: Answer, verb: str) -> int:
    from equitr_coder.cli.door import console
    from equitr_coder.domain.queries import KeyChanged
    from equitr_coder.presentation.keys import changed_lines

    assert isinstance(answer, KeyChanged)
    console(invocation).say(changed_lines(answer, verb))
    return 0
