import os
import signal

from equitr_coder.domain import commands as c
from equitr_coder.domain.ids import RunId
from equitr_coder.domain.runs import RunKind
from tests.repl.conftest import (
    CTRL_D,
    Gate,
    PlayedApi,
    Until,
    asks_permission,
    attend_plainly,
    finished,
    reply,
    resolved,
)


async def test_a_session_without_a_single_escape_code() -> None:
    api = PlayedApi(reply("The \x1b[1manswer\x1b[0m."))

    async with attend_plainly(api) as person:
        await person.sees("[multi-agent off  model weak/coder  $0.0000 of $10.00]")
        await person.asks()
        person.types("hi\n")
        await person.sees("The \\x1b[1manswer\\x1b[0m.")
        await person.sees("[multi-agent off  model weak/coder  $0.0012 of $10.00]")
        await person.asks()
        person.types("/quit\n")

        assert await person.ends() == 0
    assert "\x1b" not in person.tape.getvalue()


async def test_the_status_is_told_only_when_it_has_changed() -> None:
    async with attend_plainly(PlayedApi()) as person:
        await person.asks()
        person.types("/model\n")
        await person.sees("supervisor  strong/planner")
        await person.asks()

    assert person.tape.text.count("[multi-agent off") == 1


async def test_a_backslash_at_the_end_goes_on_with_the_next_line() -> None:
    api = PlayedApi(reply("Read."))

    async with attend_plainly(api) as person:
        await person.asks()
        person.types("one\\\n")
        await person.asks("...>")
        person.types("two\n")
        await person.sees("Read.")

    assert api.submitted == [c.StartRun(kind=RunKind.CHAT, request="one\ntwo", multi_agent=False)]


async def test_a_permission_is_never_answered_by_what_was_typed_before() -> None:
    gate = Gate()
    api = PlayedApi([gate, asks_permission(), Until(resolved), finished()], reply("Also done."))

    async with attend_plainly(api) as person:
        await person.asks()
        person.types("clean up\n")
        await gate.reached.wait()
        person.types("run\n")
        await person.sees("run")
        gate.opened.set()
        await person.asks("allow>")
        person.types("no\n")
        await person.sees("refused by you")
        await person.sees("You typed 1 line before this prompt:\nrun\nEnter alone sends it")
        await person.asks()
        person.types("\n")
        await person.sees("Also done.")

    assert api.submitted[-1] == c.SendMessage(run=RunId("run-1"), text="run")


async def test_what_was_typed_ahead_gives_way_to_something_else() -> None:
    gate = Gate()
    api = PlayedApi([gate, *reply("Done.")], reply("That."))

    async with attend_plainly(api) as person:
        await person.asks()
        person.types("one\n")
        await gate.reached.wait()
        person.types("two\n")
        await person.sees("two")
        gate.opened.set()
        await person.sees("Enter alone sends it; anything else takes its place.")
        await person.asks()
        person.types("three\n")
        await person.sees("That.")

    assert api.submitted[-1] == c.SendMessage(run=RunId("run-1"), text="three")


async def test_ctrl_c_stops_the_agent_and_twice_at_the_prompt_leaves() -> None:
    gate = Gate()

    async with attend_plainly(PlayedApi([gate])) as person:
        await person.asks()
        person.types("go\n")
        await gate.reached.wait()
        interrupt()
        await person.sees("Stopping; Ctrl-C again leaves.")
        await person.sees("Stopped.")
        await person.asks()
        interrupt()
        await person.sees("resume with: equitrcoder resume run-1")

        assert await person.ends() == 0


async def test_ctrl_c_at_a_permission_stops_the_run() -> None:
    async with attend_plainly(PlayedApi([asks_permission(), Until(resolved), finished()])) as person:
        await person.asks()
        person.types("clean up\n")
        await person.asks("allow>")
        interrupt()
        await person.sees("Stopped.")
        await person.asks()


async def test_ctrl_c_still_stops_the_agent_after_a_question_was_answered() -> None:
    gate = Gate()

    async with attend_plainly(PlayedApi([asks_permission(), Until(resolved), gate])) as person:
        await person.asks()
        person.types("clean up\n")
        await person.asks("allow>")
        person.types("once\n")
        await gate.reached.wait()
        interrupt()
        await person.sees("Stopped.")
        await person.asks()


async def test_ctrl_d_leaves() -> None:
    async with attend_plainly(PlayedApi()) as person:
        await person.asks()
        person.types(CTRL_D)

        assert await person.ends() == 0


def interrupt() -> None:
    """What the terminal driver does for Ctrl-C: this pty controls no process."""
    os.kill(os.getpid(), signal.SIGINT)
