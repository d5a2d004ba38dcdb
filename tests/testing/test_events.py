"""`assert_well_formed` accepts a sound log and names the event that breaks each promise."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from equitr_coder.domain import events as e
from equitr_coder.domain.approvals import Approval, ApprovalAnswer
from equitr_coder.domain.errors import ModelErrorKind, StopReason
from equitr_coder.domain.ids import AgentName, CallId, RequestId, RunId, SessionId
from equitr_coder.domain.models import Purpose, Tier, UserMessage
from equitr_coder.domain.money import Usage
from equitr_coder.domain.runs import RunKind, RunOptions, RunState
from equitr_coder.testing import assert_well_formed

START = datetime(2026, 1, 1, tzinfo=UTC)
WHO: dict[str, Any] = {"session": SessionId("chat"), "agent": AgentName("worker")}
CALL: dict[str, Any] = {"model": "m", "tier": Tier.WEAK, "purpose": Purpose.CHAT, **WHO}


def started() -> e.RunStarted:
    return e.RunStarted(kind=RunKind.CHAT, request="x", workspace="/w", options=RunOptions())


def reserved(call: str = "1") -> e.ModelCallReserved:
    return e.ModelCallReserved(call=CallId(call), usd=Decimal(1), input_bound=1, max_tokens=1, **CALL)


def settled(call: str = "1") -> e.ModelCallSettled:
    return e.ModelCallSettled(call=CallId(call), usage=Usage(), usd=Decimal(1), **CALL)


def failed(call: str = "1") -> e.ModelCallFailed:
    return e.ModelCallFailed(call=CallId(call), kind=ModelErrorKind.SERVER, message="x", **CALL)


def called(call: str = "t1") -> e.ToolCalled:
    return e.ToolCalled(call=CallId(call), name="f", arguments="{}", session=SessionId("chat"), agent=AgentName("a"))


def returned(call: str = "t1") -> e.ToolReturned:
    return e.ToolReturned(call=CallId(call), name="f", text="x", session=SessionId("chat"), agent=AgentName("a"))


def asked() -> e.QuestionAsked:
    return e.QuestionAsked(question=RequestId("q1"), text="?", session=SessionId("chat"), agent=AgentName("a"))


def requested() -> e.ApprovalRequested:
    approval = Approval(
        id=RequestId("a1"), session=SessionId("chat"), agent=AgentName("a"), tool="run_command", what="ls", why="x"
    )
    return e.ApprovalRequested(approval=approval)


ANSWERED = e.QuestionAnswered(question=RequestId("q1"), answer="!")
RESOLVED = e.ApprovalResolved(approval=RequestId("a1"), answer=ApprovalAnswer(allowed=True))
ESCALATED = e.EscalationAnswered(
    escalation=RequestId("e1"), answer="x", session=SessionId("chat"), agent=AgentName("a")
)
SAID = e.MessageSent(id=RequestId("u1"), sender="user", to="chat", kind="queue", content="x")
CANCELLED = e.MessageCancelled(message=RequestId("u1"))
DELIVERED = e.MessageAdded(**WHO, message=UserMessage(text="x"), delivers=(RequestId("u1"),))
ELIDED = e.ContextElided(**WHO, results={CallId("t1"): "[left out]"}, tokens_before=2, tokens_after=1)
WARNED = e.BudgetWarned(account="run", usd=Decimal(8), limit=Decimal(10))
PAUSED = e.RunPaused(reason=StopReason.INTERRUPTED)
RESUMED = e.RunResumed(options=RunOptions())
FINISHED = e.RunFinished(state=RunState.COMPLETED)


def compacted(upto: int) -> e.ContextCompacted:
    return e.ContextCompacted(**WHO, upto=upto, text="...", why="window", limit=1, tokens_before=2, tokens_after=1)


def log(*events: e.Event) -> list[e.Event]:
    return [
        event.model_copy(update={"seq": number, "at": START + timedelta(seconds=number), "run": RunId("run-1")})
        for number, event in enumerate(events, start=1)
    ]


@pytest.mark.parametrize(
    "events",
    [
        [started(), reserved(), settled(), called(), returned(), reserved("2"), failed("2"), FINISHED],
        [started(), asked(), ANSWERED, requested(), RESOLVED, WARNED, PAUSED, RESUMED, FINISHED],
        [started(), reserved(), reserved("2"), settled("2"), settled()],
        [started(), called(), RESUMED, called(), returned()],
        [started(), reserved(), called()],
        [started(), SAID, DELIVERED, FINISHED],
        [started(), SAID, PAUSED, CANCELLED, RESUMED, FINISHED],
        [started(), called(), returned(), ELIDED, compacted(3), compacted(5)],
        [],
    ],
)
def test_a_sound_log_passes(events: list[e.Event]) -> None:
    assert_well_formed(log(*events))


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([reserved()], r"event 1 \(model_call_reserved, seq 1\): run_started is first"),
        ([started(), started()], "run_started is first, and only there"),
        ([started(), settled()], "call 1 was never reserved"),
        ([started(), failed()], "call 1 was never reserved"),
        ([started(), reserved(), settled(), settled()], "call 1 is closed already"),
        ([started(), reserved(), settled(), failed()], "call 1 is closed already"),
        ([started(), reserved(), reserved()], "call 1 was reserved before"),
        ([started(), reserved(), FINISHED], r"the run ended with open model calls: \['1'\]"),
        ([started(), reserved(), PAUSED], "the run ended with open model calls"),
        ([started(), returned()], "tool call t1 was never made"),
        ([started(), called(), returned(), returned()], "tool call t1 has its result already"),
        ([started(), called(), returned(), called()], "tool call t1 has its result already"),
        ([started(), ANSWERED], "question q1 was never asked"),
        ([started(), asked(), ANSWERED, ANSWERED], "question q1 has its answer already"),
        ([started(), asked(), asked()], "question q1 was asked before"),
        ([started(), RESOLVED], "approval a1 was never asked"),
        ([started(), requested(), RESOLVED, RESOLVED], "approval a1 has its answer already"),
        ([started(), ESCALATED], "escalation e1 was never asked"),
        ([started(), WARNED, WARNED], "run was warned before"),
        ([started(), CANCELLED], "message u1 cannot be cancelled: it is unknown"),
        ([started(), SAID, CANCELLED, DELIVERED], "message u1 cannot be delivered: it is cancelled"),
        ([started(), SAID, DELIVERED, DELIVERED], "message u1 cannot be delivered: it is delivered"),
        ([started(), SAID, DELIVERED, CANCELLED], "message u1 cannot be cancelled: it is delivered"),
        ([started(), called(), ELIDED], "tool call t1 has no result that could be left out"),
        ([started(), called(), returned(), ELIDED, ELIDED], "tool call t1 has no result that could be left out"),
        ([started(), compacted(5), compacted(5)], "nothing before message 5 is left to be dropped"),
        ([started(), FINISHED, SAID], "only run_resumed, or what a person decides meanwhile, may follow"),
        ([started(), FINISHED, called()], "only run_resumed, or what a person decides meanwhile, may follow"),
        ([started(), PAUSED, reserved()], "only run_resumed, or what a person decides meanwhile, may follow"),
        ([started(), FINISHED, PAUSED], "only run_resumed, or what a person decides meanwhile, may follow"),
    ],
)
def test_each_broken_promise_is_named(events: list[e.Event], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        assert_well_formed(log(*events))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seq": 3}, "seq must be 2"),
        ({"at": None}, "at must be an aware time"),
        ({"at": datetime(2026, 1, 1)}, "at must be an aware time"),  # noqa: DTZ001 (the naive time is the point)
        ({"at": START}, "earlier than the event before it"),
        ({"run": RunId("run-2")}, "run is run-2, before it was run-1"),
    ],
)
def test_stamps_are_checked(change: dict[str, Any], words: str) -> None:
    events = log(started(), called())
    events[1] = events[1].model_copy(update=change)

    with pytest.raises(AssertionError, match=words):
        assert_well_formed(events)
