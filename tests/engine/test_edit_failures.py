from collections.abc import Sequence

import pytest

from equitr_coder.domain.edits import UNCHANGED
from equitr_coder.domain.events import EscalationTrigger
from equitr_coder.domain.ids import AgentName, CallId, RunId, SessionId
from equitr_coder.domain.models import AssistantMessage, Message, ToolMessage, UserMessage
from equitr_coder.domain.run_view import RunView, SessionView
from equitr_coder.engine.coaching import EDIT_ADVICE, Coach
from equitr_coder.engine.edit_failures import failed_in_a_row, other_format
from tests.engine.test_coaching import Overseer
from tests.engine.test_guards import SESSION, Log

MISS = f"a.py: old_text does not occur; {UNCHANGED}."
BOTH = ("edit_file", "apply_patch")


def result(tool: str, told: str = MISS, *, fails: bool = True) -> ToolMessage:
    return ToolMessage(call=CallId("c"), name=tool, text=told, is_error=fails)


def session(*messages: Message) -> SessionView:
    return SessionView(SessionId("s"), AgentName("a"), None, messages=[UserMessage(text="go"), *messages])


@pytest.mark.parametrize(
    ("before", "count"),
    [
        ([], 0),
        ([result("edit_file")], 1),
        ([result("edit_file"), result("apply_patch")], 2),
        ([result("edit_file"), result("read_file", fails=False), result("edit_file")], 2),
        ([result("edit_file"), result("edit_file", "Edited a.py", fails=False), result("edit_file")], 1),
        ([result("edit_file"), result("write_file", "Replaced a.py", fails=False)], 0),
        ([result("edit_file"), result("edit_file", "Refused: a.py leaves its footprint")], 1),
        ([result("edit_file", "a.py has not been read in this session; nothing was changed.")], 0),
        ([result("run_command", f"cat log\n{UNCHANGED}")], 0),
    ],
)
def test_failed_edits_count_until_one_changes_a_file(before: Sequence[ToolMessage], count: int) -> None:
    assert len(failed_in_a_row(session(*before))) == count


def test_the_second_failure_in_one_format_offers_the_other() -> None:
    assert other_format(session(), "edit_file", MISS, BOTH) == ""
    assert "apply_patch instead" in other_format(session(result("edit_file")), "edit_file", MISS, BOTH)
    assert "edit_file instead" in other_format(session(result("apply_patch")), "apply_patch", MISS, BOTH)


@pytest.mark.parametrize(
    ("before", "tool", "told", "offered"),
    [
        (result("apply_patch"), "edit_file", MISS, BOTH),
        (result("edit_file"), "edit_file", "Refused: it is locked", BOTH),
        (result("edit_file"), "edit_file", MISS, ("edit_file",)),
        (result("edit_file"), "run_command", MISS, BOTH),
    ],
)
def test_nothing_is_offered_for_another_reason(
    before: ToolMessage, tool: str, told: str, offered: Sequence[str]
) -> None:
    assert other_format(session(before), tool, told, offered) == ""


async def coached(results: Sequence[ToolMessage], overseer: Overseer | None) -> list[tuple[int, str]]:
    """What is said, and after how many results."""
    view = RunView(RunId("r"))
    log = Log(view)
    view.sessions[SESSION] = session()
    told = []
    for number, each in enumerate([*results, None]):
        word = await Coach(log, SESSION, overseer).word()
        if word is not None:
            told.append((number, word))
            view.sessions[SESSION].messages.append(UserMessage(text=word))
        if each is not None:
            view.sessions[SESSION].messages += [AssistantMessage(text=f"step {number}"), each]
    return told


async def test_three_failed_edits_in_a_row_go_to_the_supervisor_once() -> None:
    overseer = Overseer()
    failing = [result(BOTH[number % 2]) for number in range(6)]

    told = await coached(failing, overseer)

    assert told == [(3, f"{EDIT_ADVICE}Do it so.")]
    assert overseer.asked == [EscalationTrigger.FAILED_EDITS]


async def test_two_failed_edits_do_not() -> None:
    overseer = Overseer()

    await coached([result("edit_file"), result("edit_file"), result("edit_file", "Edited", fails=False)] * 3, overseer)

    assert overseer.asked == []


async def test_without_a_supervisor_nothing_is_said() -> None:
    assert await coached([result("edit_file")] * 4, None) == []
