"""The process: starts the command line, wires it to the product, turns every error into two lines and an exit code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from equitr_coder import __version__

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path
    from typing import TextIO

    from equitr_coder.adapters.keys.held import HeldKeys
    from equitr_coder.cli.doors import Doors
    from equitr_coder.ports import RunApi
    from equitr_coder.presentation.person import Person

_VERSION_CALLS = (["--version"], ["version"])
_NO_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"
_INTERRUPTED, _INTERNAL, _PIPE_CLOSED, _UNWRITTEN = 130, 70, 141, 1


def main() -> int:
    """Entry of both commands; returns the exit code."""
    arguments = sys.argv[1:]
    _open_missing_streams()
    if arguments in _VERSION_CALLS:
        return _print_version()
    refusal = platform_refusal(sys.platform)
    if refusal is not None:
        return _say(*refusal, code=2)
    import os

    environ = dict(os.environ)
    # pydantic would read the metadata of every installed distribution to find plugins, of which we want none.
    os.environ.setdefault(_NO_PLUGINS, "__all__")
    code = start(arguments, _doors(environ))
    _leave_quietly()
    return code


def _print_version() -> int:
    try:
        sys.stdout.write(f"equitrcoder {__version__}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        return _pipe_closed()
    except OSError as error:
        return _unwritten(error)
    return 0


def _leave_quietly() -> None:
    """The work is done and said: an impatient Ctrl-C must not end in a traceback of the interpreter's."""
    import signal

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _open_missing_streams() -> None:
    """Daemons start programs with closed standard streams; for us they are empty and silent."""
    import os

    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123 - for the life of the process
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123


def start(arguments: Sequence[str], doors: Doors) -> int:
    """Run the command line behind `doors`; every error ends here."""
    import gc
    import signal

    # Starting makes a hundred thousand objects that stay; looking through them again and again is 40 ms for nothing.
    gc.disable()

    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = _run(arguments, doors)
        doors.streams.stdout.flush()
        return code
    except BrokenPipeError:
        return _pipe_closed()
    except BaseException as error:
        try:
            return _report(error, arguments, doors)
        except BrokenPipeError:
            return _pipe_closed()
        except OSError:  # standard error takes nothing either: there is nobody to tell
            _silence(sys.stderr)
            return _UNWRITTEN
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def platform_refusal(platform: str) -> tuple[str, str] | None:
    """Message and hint where the product cannot run."""
    if platform == "win32":
        return ("native Windows is not supported", "run equitrcoder inside WSL2: https://aka.ms/wsl")
    return None


def require_text(text: str, what: str) -> None:
    """Raises UserError when `text` came from bytes that are not UTF-8: no model could be sent it."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        from equitr_coder.domain.errors import UserError

        raise UserError(
            f"{what} is not UTF-8 text", hint="convert it, for example: iconv -f UTF-16 -t UTF-8"
        ) from error


def _run(arguments: Sequence[str], doors: Doors) -> int:
    from equitr_coder.cli.program import run

    for argument in arguments:
        require_text(argument, "an argument")
    outcome = run(arguments, doors)
    if isinstance(outcome, int):
        return int(outcome)
    import asyncio

    _watch_children_without_threads()
    return int(asyncio.run(outcome))


def _watch_children_without_threads() -> None:
    """As Python 3.12 and later do by themselves where the kernel can: a run starts a thousand short processes."""
    if sys.version_info >= (3, 12) or sys.platform != "linux":
        return
    import asyncio
    import os

    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return
    asyncio.get_event_loop_policy().set_child_watcher(asyncio.PidfdChildWatcher())


def _report(error: BaseException, arguments: Sequence[str], doors: Doors) -> int:
    """Two lines for what was meant to stop, a log for what was not."""
    from equitr_coder.domain.errors import ModelError, RunStopped, UserError

    cause = leading(error)
    refused = _refused_output(cause, doors)
    if refused is not None:
        return _unwritten(refused, doors=doors)
    match cause:
        case SystemExit():
            return cause.code if isinstance(cause.code, int) else 0
        case KeyboardInterrupt():
            return _say("interrupted", "`equitrcoder runs` shows what can be resumed", code=_INTERRUPTED, doors=doors)
        case BrokenPipeError():
            return _pipe_closed()
        case UserError():
            return _say(str(cause), cause.hint, code=cause.exit_code, doors=doors)
        case ModelError():
            hint = cause.hint or "`equitrcoder doctor` checks providers, keys and prices"
            return _say(str(cause), hint, code=4, doors=doors)
        case RunStopped():
            from equitr_coder.cli.exit_codes import reason_code

            hint = cause.hint or "`equitrcoder runs` shows what can be resumed"
            return _say(str(cause), hint, code=reason_code(cause.reason), doors=doors)
        case _:
            return _internal(error, cause, debug="--debug" in arguments, doors=doors)


def leading(error: BaseException) -> BaseException:
    """What to report of a group: an interrupt before an intended error, an intended error before a bug."""
    from equitr_coder.domain.errors import EquitrError

    leaves = _leaves(error)
    for rank in (KeyboardInterrupt, EquitrError, BrokenPipeError):
        for leaf in leaves:
            if isinstance(leaf, rank):
                return leaf
    return leaves[0]


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


def _say(message: str, hint: str, *, code: int, doors: Doors | None = None) -> int:
    from equitr_coder.domain.redaction import without_shapes
    from equitr_coder.presentation.text import shown_on_one_line

    stream, redact = (doors.streams.stderr, doors.redact) if doors is not None else (sys.stderr, without_shapes)
    stream.write(f"error: {shown_on_one_line(redact(message))}\n")
    stream.write(f"hint: {shown_on_one_line(redact(hint))}\n" if hint else "")
    stream.flush()
    return int(code)


def _internal(error: BaseException, cause: BaseException, *, debug: bool, doors: Doors) -> int:
    import traceback

    from equitr_coder.domain.redaction import without_assignments

    text = without_assignments(doors.redact("".join(traceback.format_exception(error))))
    log = _write_log(text, doors.environ)
    if debug:
        doors.streams.stderr.write(text)
    hint = f"the traceback is in {log}; please report it with what you did" if log else "run it again with --debug"
    return _say(f"internal error: {type(cause).__name__}: {cause}", hint, code=_INTERNAL, doors=doors)


def _write_log(text: str, environ: Mapping[str, str]) -> Path | None:
    """The log's path, readable by its owner alone; None when neither the home nor the temporary folder takes it."""
    import os
    import tempfile
    from datetime import UTC, datetime
    from pathlib import Path

    name = f"error-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.log"
    for folder in (_home(environ) / "logs", Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
        except OSError:
            continue  # a read-only home must not hide the error itself
        return folder / name
    return None


def _home(environ: Mapping[str, str]) -> Path:
    """As `settings.home` has it, without what that module loads."""
    from pathlib import Path

    return Path(environ.get("EQUITR_HOME") or Path(environ.get("HOME", "/")) / ".equitr")


def _refused_output(cause: BaseException, doors: Doors) -> OSError | None:
    """Why standard output takes nothing, such as a full disk; None when it does."""
    import errno

    if isinstance(cause, OSError) and cause.filename is None and cause.errno in (errno.ENOSPC, errno.EIO, errno.EDQUOT):
        return cause  # a stream's error names no file
    try:
        doors.streams.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        return error
    return None


def _unwritten(error: OSError, *, doors: Doors | None = None) -> int:
    _silence(sys.stdout)
    hint = "make room there or send the output elsewhere; a run that was cut off can be resumed"
    return _say(f"cannot write standard output: {error.strerror or error}", hint, code=_UNWRITTEN, doors=doors)


def _pipe_closed() -> int:
    """The reader went away: say nothing more."""
    _silence(sys.stdout)
    _silence(sys.stderr)
    return _PIPE_CLOSED


def _silence(stream: TextIO) -> None:
    """Nothing more reaches it, not even what is flushed at interpreter exit."""
    import os

    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, stream.fileno())
    except OSError:
        pass  # not a real file: nothing will be flushed to it
    finally:
        os.close(nothing)


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _doors(environ: Mapping[str, str]) -> Doors:
    """`environ` is what the person gave us: what commands and settings see."""
    from contextlib import asynccontextmanager
    from functools import cache

    from equitr_coder.cli.doors import Doors
    from equitr_coder.cli.hidden_prompt import HiddenPrompt

    prompt = HiddenPrompt()

    @cache
    def held() -> HeldKeys:
        from equitr_coder.adapters.keys.held import HeldKeys, hold_environment

        found = HeldKeys()
        hold_environment(found, environ)
        return found

    async def open_prompt(api: RunApi, *, planning: bool) -> int:
        from equitr_coder.domain.queries import UnlockKeys

        await api.query(UnlockKeys())
        prompt.close()
        return await _open_prompt(api, planning=planning, redact=lambda text: held().shown(text))

    @asynccontextmanager
    async def connect(
        *, repo: Path, flags: Mapping[str, tuple[object, str]], create_repo: bool
    ) -> AsyncIterator[RunApi]:
        from equitr_coder import app

        overrides = app.Overrides(
            repo=repo,
            home=None,
            environ=environ,
            flags=flags,
            create_repo=create_repo,
            held=held(),
            ask_secret=prompt.ask,
        )
        async with app.open_api(overrides) as api:
            _collect_garbage()
            yield api

    async def open_screen(
        connect: Callable[[], AbstractAsyncContextManager[RunApi]],
        *,
        first_run: Callable[[RunApi], Awaitable[bool]],
        mode: str,
        folder: Path,
        theme: str | None,
    ) -> int:
        from equitr_coder.tui import opening
        from equitr_coder.tui.theme import DEFAULT

        def load() -> None:
            from importlib import import_module

            import_module("equitr_coder.app")
            import_module("equitr_coder.tui.engine_parts")

        def history() -> Path:
            from equitr_coder.settings.home import equitr_home

            return equitr_home(environ) / "history"

        async def unlock(api: RunApi) -> None:
            from equitr_coder.domain.queries import UnlockKeys

            await api.query(UnlockKeys())
            prompt.close()

        # The name stands in adapters.keys.stored too, which is not to be loaded before the first frame.
        has_keys = (_home(environ) / "keys").exists()
        engine = opening.Engine(
            connect=connect,
            load=load,
            first_run=first_run,
            mode=mode,
            history=history,
            redact=lambda text: held().shown(text),
            unlock=unlock if has_keys else None,
        )
        return await opening.open_screen(
            engine, folder=folder, environ=environ, theme=theme or DEFAULT, edit=_edit_text
        )

    return Doors(
        connect=connect,
        open_prompt=open_prompt,
        open_screen=open_screen,
        run_demo=_run_demo,
        environ=environ,
        redact=lambda text: held().shown(text),
        ask_secret=prompt.ask,
    )


def _edit_text(text: str) -> str | None:
    from equitr_coder.cli.review import edit_text

    return edit_text(text)


async def _open_prompt(api: RunApi, *, planning: bool, redact: Callable[[str], str]) -> int:
    import os

    from equitr_coder.cli.answers import Answers
    from equitr_coder.cli.review import Review
    from equitr_coder.repl.prompt import open_prompt
    from equitr_coder.settings.home import equitr_home

    def attendants(door: RunApi, person: Person) -> list[Answers | Review]:
        return [Answers(door, person), Review(door, person)]

    history = equitr_home(os.environ) / "history"
    return await open_prompt(api, planning=planning, attendants=attendants, history=history, redact=redact)


def _run_demo(say: Callable[[str], None]) -> Awaitable[int]:
    from equitr_coder.demo import run_demo

    _collect_garbage()
    return run_demo(say)


def _collect_garbage() -> None:
    """From here on, and never among what starting made."""
    import gc

    gc.freeze()
    gc.enable()


if __name__ == "__main__":
    sys.exit(main())
