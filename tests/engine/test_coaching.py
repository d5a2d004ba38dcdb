from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from equitr_coder.domain.events import EscalationTrigger
from equitr_coder.domain.ids import AgentName, CallId, RunId, SessionId
from equitr_coder.domain.models import AssistantMessage, ToolCall, ToolMessage, UserMessage
from equitr_coder.domain.run_view import RunView, SessionView
from equitr_coder.engine.boundary import put_back_words
from equitr_coder.engine.coaching import ADVICE, NUDGE, Coach, footprint_refusals
from equitr_coder.ports import ToolContext
from tests.engine.test_guards import SESSION, Log


@dataclass
class Overseer:
    """Answers every report, or none; keeps what it was asked."""

    answer: str | None = "Do it so."
    asked: list[EscalationTrigger] = field(default_factory=list)

    async def advise(self, context: ToolContext, question: str, files: Sequence[str]) -> str:
        raise AssertionError("the worker asks nothing here")

    async def second_opinion(self, context: ToolContext, summary: str, confidence: float) -> str | None:
        raise AssertionError("nothing is handed in here")

    async def report(
        self, trigger: EscalationTrigger, question: str, *, key: str = "", files: Sequence[str] = ()
    ) -> str | None:
        self.asked.append(trigger)
        return self.answer


async def coached(rounds: Sequence[str], *, overseer: Overseer | None, steps: int = 14) -> list[tuple[int, str]]:
    """What a session that goes round in this circle is told, and after how many steps."""
    log, told = Log(), []
    for number in range(steps):
        word = await Coach(log, SESSION, overseer).word()
        if word is not None:
            told.append((number, word))
            log.session.messages.append(UserMessage(text=word))
        name = rounds[number % len(rounds)]
        log.step((name, f"result of {name}"))
    return told


@pytest.mark.parametrize(("circle", "first", "second"), [("a", 3, 6), ("ab", 6, 9), ("abc", 6, 9)])
async def test_the_evidence_comes_first_then_the_supervisor_each_once(circle: str, first: int, second: int) -> None:
    overseer = Overseer()

    told = await coached(circle, overseer=overseer)

    assert [(number, word[: len(NUDGE)]) for number, word in told] == [(first, NUDGE), (second, ADVICE[: len(NUDGE)])]
    assert overseer.asked == [EscalationTrigger.NO_PROGRESS]


async def test_without_a_supervisor_or_without_an_answer_there_is_the_evidence_alone() -> None:
    assert [number for number, _ in await coached("a", overseer=None)] == [3]
    assert [number for number, _ in await coached("a", overseer=Overseer(answer=None))] == [3]


async def test_a_longer_round_is_told_when_ten_steps_brought_nothing_new() -> None:
    told = await coached("abcd", overseer=Overseer(), steps=24)

    assert [number for number, _ in told] == [14, 17]
    assert "the last 10 steps (c, d, a, b) brought nothing that had not been seen before" in told[0][1]
    assert told[1][1].startswith(ADVICE)


PUT_BACK = put_back_words({"b.py": "b.py leaves its footprint (a.py)"}, set(), "")


def session_with(*results: ToolMessage) -> SessionView:
    return SessionView(SessionId("s"), AgentName("a"), None, messages=[UserMessage(text="go"), *results])


def result(text: str, *, is_error: bool = False) -> ToolMessage:
    return ToolMessage(call=CallId("c"), name="run_command", text=text, is_error=is_error)


def test_refusals_are_what_the_host_says_and_not_what_a_command_prints() -> None:
    refused = result("The user did not allow this: b.py leaves its footprint (a.py).", is_error=True)
    put_back = result(f"built\n{PUT_BACK}")
    session = session_with(
        refused,
        put_back,
        result("grep: it leaves its footprint"),
        result(f"{PUT_BACK}\nsaid the log"),
        result("exit code 1", is_error=True),
    )

    assert footprint_refusals(session) == (refused.text, put_back.text)


async def test_after_two_refusals_the_supervisor_is_asked_once() -> None:
    view = RunView(RunId("r"))
    log = Log(view)
    session = view.sessions[SESSION] = session_with()
    overseer = Overseer()
    coach = Coach(log, SESSION, overseer)
    told = []
    for number in range(4):
        word = await coach.word()
        if word is not None:
            told.append(number)
            session.messages.append(UserMessage(text=word))
        call = ToolCall(id=CallId(f"c{number}"), name="write_file", arguments=f'{{"path": "{number}"}}')
        session.messages += [AssistantMessage(calls=(call,)), result(f"{number} leaves its footprint", is_error=True)]

    assert told == [2]
    assert overseer.asked == [EscalationTrigger.FOOTPRINT]
