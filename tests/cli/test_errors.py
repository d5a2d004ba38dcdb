"""Every error is two lines on stderr and an exit code; only a bug leaves a log."""

import asyncio
import io
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from equitr_coder.__main__ import leading, platform_refusal, start
from equitr_coder.adapters.keys.held import HeldKeys
from equitr_coder.cli.doors import Streams
from equitr_coder.domain.errors import BudgetRefused, ModelError, ModelErrorKind, RunStopped, StopReason, UserError
from equitr_coder.domain.redaction import without_shapes
from equitr_coder.ports import RunApi

if TYPE_CHECKING:
    from tests.cli.conftest import Command, Logs, Result


def failing(
    command: "Command",
    logs: "Logs",
    error: BaseException,
    arguments: Sequence[str] = ("runs",),
    redact: Callable[[str], str] = without_shapes,
) -> "Result":
    """What the command line makes of an error that opening the workspace raises."""
    streams = Streams(stdin=io.StringIO(), stdout=io.StringIO(), stderr=io.StringIO())

    def connect(
        *, repo: Path, flags: Mapping[str, tuple[object, str]], create_repo: bool
    ) -> AbstractAsyncContextManager[RunApi]:
        raise error

    doors = replace(command.doors(logs.api(), streams), connect=connect, redact=redact)
    code = start(arguments, doors)
    assert isinstance(streams.stdout, io.StringIO)
    assert isinstance(streams.stderr, io.StringIO)
    return logs.result(code, streams.stdout.getvalue(), streams.stderr.getvalue())


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (UserError("no such folder", hint="name another"), 2, "error: no such folder\nhint: name another\n"),
        (UserError("it moved", hint="look", exit_code=1), 1, "error: it moved\nhint: look\n"),
        (
            ModelError("openai is down", kind=ModelErrorKind.SERVER, provider="openai", hint="try later"),
            4,
            "error: openai is down\nhint: try later\n",
        ),
        (
            ModelError("openai is down", kind=ModelErrorKind.SERVER, provider="openai"),
            4,
            "error: openai is down\nhint: `equitrcoder doctor` checks providers, keys and prices\n",
        ),
        (
            BudgetRefused("a call needs $1", account="run", hint="raise it"),
            3,
            "error: a call needs $1\nhint: raise it\n",
        ),
        (
            RunStopped(StopReason.APPROVAL_NEEDED, "nobody is there", hint="--yes"),
            5,
            "error: nobody is there\nhint: --yes\n",
        ),
        (
            KeyboardInterrupt(),
            130,
            "error: interrupted\nhint: `equitrcoder runs` shows what can be resumed\n",
        ),
        (UserError("two\nlines \x1b[31m", hint="one"), 2, "error: two lines \\x1b[31m\nhint: one\n"),
    ],
)
def test_intended_error_is_two_lines_and_its_exit_code(
    command: "Command", logs: "Logs", error: BaseException, code: int, words: str
) -> None:
    result = failing(command, logs, error)

    assert (result.code, result.out, result.err) == (code, "", words)


def test_error_inside_task_groups_is_reported_like_a_bare_one(command: "Command", logs: "Logs") -> None:
    inner = ExceptionGroup("inner", [ValueError("a bug"), UserError("no such folder", hint="name another")])

    result = failing(command, logs, ExceptionGroup("outer", [inner]))

    assert (result.code, result.err) == (2, "error: no such folder\nhint: name another\n")


def test_interrupt_goes_before_the_errors_it_caused() -> None:
    group = BaseExceptionGroup("both", [UserError("x", hint="y"), KeyboardInterrupt()])

    assert isinstance(leading(group), KeyboardInterrupt)


def test_cancelled_command_is_not_a_bug_without_a_name(command: "Command", logs: "Logs") -> None:
    result = failing(command, logs, asyncio.CancelledError())

    assert result.code == 70


def test_bug_is_one_line_and_a_private_log_with_the_traceback(command: "Command", logs: "Logs") -> None:
    result = failing(command, logs, ZeroDivisionError("division by zero"))

    (log,) = (command.home / ".equitr" / "logs").iterdir()
    assert result.code == 70
    assert result.err == (
        "error: internal error: ZeroDivisionError: division by zero\n"
        f"hint: the traceback is in {log}; please report it with what you did\n"
    )
    assert "Traceback" in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_debug_shows_the_traceback_of_a_bug(command: "Command", logs: "Logs") -> None:
    result = failing(command, logs, ZeroDivisionError("division by zero"), ["--debug", "runs"])

    assert result.err.startswith("Traceback")


def test_bug_is_reported_when_the_home_cannot_be_written(
    command: "Command", logs: "Logs", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    command.home = tmp_path / "file"

    result = failing(command, logs, ZeroDivisionError("division by zero"))

    assert f"the traceback is in {tmp_path}/error-" in result.err


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (
            ["chta", "hi"],
            "there is no command `equitrcoder chta`",
            "did you mean `equitrcoder chat`? `equitrcoder --help` lists the commands",
        ),
        (["xyzzy"], "there is no command `equitrcoder xyzzy`", "`equitrcoder --help` lists the commands"),
        (
            ["epic", "stat"],
            "there is no command `equitrcoder epic stat`",
            "did you mean `equitrcoder epic status`? `equitrcoder epic --help` lists the commands",
        ),
        (
            ["chat", "--bugdet", "3", "hi"],
            "there is no option --bugdet for `equitrcoder chat`",
            "did you mean --budget? `equitrcoder chat --help` lists the options",
        ),
        (["chat"], "there is no text to work on", "usage: equitrcoder chat [OPTIONS] [TEXT]..."),
        (["chat", "  "], "there is no text to work on", "usage: equitrcoder chat [OPTIONS] [TEXT]..."),
        (["loop"], "missing argument 'GOAL'", "usage: equitrcoder loop [OPTIONS] GOAL"),
        (["loop", " "], "there is no goal to work on", "usage: equitrcoder loop [OPTIONS] GOAL"),
        (["epic"], "missing command", "usage: equitrcoder epic create|run|status|assign|hold|release|stop|list ..."),
        (["epic", "run"], "missing argument 'EPIC'", "usage: equitrcoder epic run [OPTIONS] EPIC"),
        (
            ["chat", "hi", "--plan", "maybe"],
            "invalid value for '--plan': 'maybe' is not one of 'auto', 'always', 'never'",
            "usage: equitrcoder chat [OPTIONS] [TEXT]...",
        ),
        (
            ["chat", "hi", "--budget", "lots"],
            "invalid value for '--budget': 'lots' is not an amount of US dollars such as 2.50, nor the word unlimited",
            "usage: equitrcoder chat [OPTIONS] [TEXT]...",
        ),
        (
            ["chat", "hi", "--budget", "-1"],
            "invalid value for '--budget': '-1' is not an amount of US dollars of at least 0",
            "usage: equitrcoder chat [OPTIONS] [TEXT]...",
        ),
        (
            ["epic", "status", "nope"],
            "there is no epic 'nope' in this workspace",
            "`equitrcoder epic list` lists them",
        ),
        (
            ["interactive"],
            "the interactive session needs a terminal on standard input and output",
            'without one use `equitrcoder chat "TEXT"`, or pipe the text into `equitrcoder chat`',
        ),
    ],
)
def test_wrong_call_is_one_clear_line_and_what_was_meant(
    command: "Command", logs: "Logs", arguments: list[str], error: str, hint: str
) -> None:
    result = command(*arguments, api=logs.api(answers=[logs.configured]))

    assert (result.code, result.out) == (2, "")
    assert result.err == f"error: {error}\nhint: {hint}\n"


def test_native_windows_is_refused_with_a_line_that_names_wsl2() -> None:
    refusal = platform_refusal("win32")

    assert refusal is not None
    assert "WSL2" in refusal[1]
    assert platform_refusal("linux") is platform_refusal("darwin") is None


@pytest.mark.parametrize("arguments", [["runs"], ["--debug", "runs"]])
def test_no_key_is_in_what_is_said_of_an_error_or_in_its_log(
    command: "Command", logs: "Logs", arguments: list[str]
) -> None:
    held, shaped = "shop-k3y-Ab3dEf6hIj9k", "sk-proj-Ab3dEf6hIj9kLm2nOp5qRs8t"
    keys = HeldKeys()
    keys.hold("SHOP_KEY", held)

    for error in (RuntimeError(f"{held} {shaped}"), UserError(f"no {held}", hint=f"try {shaped}")):
        result = failing(command, logs, error, arguments, redact=keys.shown)

        written = [path.read_text() for path in command.home.rglob("error-*.log")]
        assert result.err
        assert isinstance(error, UserError) or written
        for text in (result.out, result.err, *written):
            assert held not in text
            assert shaped not in text
