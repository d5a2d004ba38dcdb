import asyncio
import itertools
from decimal import Decimal

import pytest

from equitr_coder.domain.approvals import ApprovalAnswer, Scope, Verdict
from equitr_coder.domain.errors import BudgetRefused, ModelError, RunStopped, StopReason
from equitr_coder.domain.events import (
    ApprovalRequested,
    ModelCallFailed,
    ModelCallReserved,
    ModelCallSettled,
    ToolCalled,
    ToolReturned,
)
from equitr_coder.domain.ids import RequestId
from equitr_coder.domain.models import ToolMessage
from equitr_coder.domain.runs import RunOptions
from equitr_coder.ports import ToolContext
from equitr_coder.testing.events import assert_well_formed
from equitr_coder.testing.script import ScriptedCall, ScriptedReply, ScriptedUsage, always, calls, fails, says
from tests.engine.conftest import SESSION, Always, Bench, OpenBench

USED = ScriptedUsage(input=900, output=100)


async def test_an_answer_and_its_price_are_one_transaction_after_a_durable_reservation(bench: OpenBench) -> None:
    b = await bench(says("hi", usage=USED))

    outcome = await b.agent().run()

    assert outcome.text == "hi"
    assert await b.kinds() == [
        "run_started",
        "message_added",
        "message_added",
        "model_call_reserved",
        "message_added",
        "model_call_settled",
    ]
    settled = (await b.events())[-1]
    assert isinstance(settled, ModelCallSettled)
    assert settled.usd == Decimal("0.001")
    assert b.ledger.spent == Decimal("0.001")
    assert b.ledger.held == 0
    assert_well_formed(await b.events())


async def test_a_refused_budget_sends_nothing(bench: OpenBench) -> None:
    b = await bench(says("never"), budget="0.0001")

    with pytest.raises(BudgetRefused):
        await b.agent().run()

    assert list(b.model.requests) == []
    assert "model_call_reserved" not in await b.kinds()


async def test_what_was_sent_is_a_prefix_of_what_is_sent_next(bench: OpenBench) -> None:
    b = await bench(*(calls("note", text=str(n)) for n in range(6)), says("done"))

    await b.agent().run()

    sent = [request.messages for request in b.model.requests]
    assert len(sent) == 7
    for earlier, later in itertools.pairwise(sent):
        assert later[: len(earlier)] == earlier


async def test_a_rate_limit_costs_nothing_and_waits_as_long_as_it_says(bench: OpenBench) -> None:
    b = await bench(always(fails(429, retry_after=7), times=1), always(says("late")))

    async with asyncio.TaskGroup() as group:
        task = group.create_task(b.agent().run())
        async for event in b.hub.follow(after=0, deltas=False):
            if isinstance(event, ModelCallFailed):
                break
        assert len(b.model.requests) == 1
        await b.clock.advance(7)

    assert task.result().text == "late"
    failed = next(event for event in await b.events() if isinstance(event, ModelCallFailed))
    assert (failed.usd, failed.retry_in) == (Decimal(0), 7)
    assert_well_formed(await b.events())


async def test_a_cancelled_call_is_charged_at_its_reservation(bench: OpenBench) -> None:
    b = await bench(ScriptedReply(hang=True))
    task = asyncio.get_running_loop().create_task(b.agent().run())
    await b.model.backend.reached(1)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    events = await b.events()
    reserved = next(event for event in events if isinstance(event, ModelCallReserved))
    failed = next(event for event in events if isinstance(event, ModelCallFailed))
    assert failed.usd == reserved.usd == b.ledger.spent
    assert b.ledger.held == 0


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (ScriptedCall(name="note", raw="{not json"), "not valid JSON"),
        (ScriptedCall(name="note", raw="[1]"), "one JSON object"),
        (ScriptedCall(name="note", arguments={"txt": "a"}), "takes `text`"),
        (ScriptedCall(name="nope", arguments={}), "no tool named"),
    ],
)
async def test_a_bad_call_is_an_error_the_model_sees_and_the_loop_goes_on(
    bench: OpenBench, bad: ScriptedCall, words: str
) -> None:
    b = await bench(says("", bad), calls("note", text="better"), says("done"))

    outcome = await b.agent().run()

    assert outcome.text == "done"
    assert b.note.notes == ["better"]
    result = next(m for m in b.hub.view.sessions[SESSION].messages if isinstance(m, ToolMessage))
    assert result.is_error
    assert words in result.text


async def test_the_step_limit_ends_a_session_that_never_stops(bench: OpenBench) -> None:
    b = await bench(*(calls("note", text=str(n)) for n in range(9)))

    with pytest.raises(RunStopped) as stopped:
        await b.agent(steps=3).run()

    assert stopped.value.reason is StopReason.MAX_ITERATIONS
    assert len(b.model.requests) == 3


async def test_every_call_of_an_answer_gets_its_result_even_after_the_one_that_ends_the_session(
    bench: OpenBench,
) -> None:
    b = await bench(
        says("", ScriptedCall(name="hand_in", arguments={}), ScriptedCall(name="note", arguments={"text": "after"}))
    )

    outcome = await b.agent().run()

    assert outcome.end is not None
    assert outcome.end.kind == "handed_in"
    assert b.note.notes == ["after"]
    assert b.hub.view.sessions[SESSION].unanswered == ()


async def test_an_ended_session_asks_nothing_when_it_is_continued(bench: OpenBench) -> None:
    b = await bench(calls("hand_in"))
    await b.agent().run()

    again = await b.agent().run()

    assert again.end is not None
    assert len(b.model.requests) == 1


@pytest.mark.parametrize("what", [{"writes": True}, {"command": True}, {}])
async def test_a_tool_is_announced_before_it_runs_and_durably_where_it_may_do_something(
    bench: OpenBench, what: dict[str, bool]
) -> None:
    b = await bench(calls("note", text="true"), says("done"))
    seen: list[tuple[bool, bool]] = []

    class Spy(type(b.note)):  # type: ignore[misc]
        async def run(self, arguments: object, context: ToolContext) -> object:
            is_in_view = context.call in b.hub.view.sessions[context.session].running_tools
            stored = await b.store.read(b.hub.view.run)
            seen.append((is_in_view, any(isinstance(event, ToolCalled) for event in stored)))
            return await super().run(arguments, context)

    b.note = Spy(**what)
    await b.agent().run()

    [(is_in_view, is_in_log)] = seen
    assert is_in_view
    assert is_in_log or not what
    order = [kind for kind in await b.kinds() if kind.startswith(("tool", "model_call"))]
    assert order == [
        "model_call_reserved", "model_call_settled", "tool_called", "tool_returned", "model_call_reserved",
        "model_call_settled",
    ]  # fmt: skip


async def interrupted_bench(bench: OpenBench, **note: bool) -> Bench:
    """The log of a process that died after announcing a tool call."""
    b = await bench(calls("note", text="x"), says("done"))
    for name, value in note.items():
        setattr(b.note, name, value)

    class DiedError(Exception):
        pass

    b.note.dies = DiedError()
    with pytest.raises(DiedError):
        await b.agent().run()
    b.note.dies = None
    return b


async def test_an_interrupted_call_runs_again_in_a_worktree_without_asking_the_model_again(bench: OpenBench) -> None:
    b = await interrupted_bench(bench, writes=True)

    await b.agent(may_rerun=True).run()

    assert b.note.notes == ["x"]
    assert len(b.model.requests) == 2
    assert (await b.kinds()).count("tool_called") == 1
    assert_well_formed(await b.events())


async def test_an_interrupted_writing_call_is_not_repeated_in_the_users_checkout(bench: OpenBench) -> None:
    b = await interrupted_bench(bench, writes=True)

    await b.agent(may_rerun=False).run()

    assert b.note.notes == []
    returned = next(event for event in await b.events() if isinstance(event, ToolReturned))
    assert returned.is_error
    assert "interrupted" in returned.text


async def test_a_denied_call_never_runs(bench: OpenBench) -> None:
    b = await bench(calls("note", text="x"), says("done"))

    await b.agent(policy=Always(Verdict.DENY)).run()

    assert b.note.notes == []


async def test_with_nobody_to_ask_the_call_stays_open_and_the_run_stops(bench: OpenBench) -> None:
    b = await bench(calls("note", text="x"), says("done"), options=RunOptions(can_ask=False))

    with pytest.raises(RunStopped) as stopped:
        await b.agent(policy=Always(Verdict.ASK)).run()

    assert stopped.value.reason is StopReason.APPROVAL_NEEDED
    assert b.note.notes == []
    assert len(b.hub.view.approvals) == 1
    assert len(b.model.requests) == 1


async def test_yes_answers_what_stays_inside_and_nothing_else(bench: OpenBench) -> None:
    b = await bench(calls("note", text="x"), says("done"), options=RunOptions(can_ask=False, yes=True))
    b.note.command = True
    await b.agent(policy=Always(Verdict.ASK)).run()
    assert b.note.notes == ["x"]


async def test_yes_does_not_let_a_task_leave_its_footprint(bench: OpenBench) -> None:
    b = await bench(calls("note", text="x"), says("done"), options=RunOptions(can_ask=False, yes=True))
    b.note.writes = True

    await b.agent(policy=Always(Verdict.ASK)).run()

    assert b.note.notes == []
    assert not b.hub.view.grants[0][1].answer.allowed


async def test_an_answer_for_the_run_covers_later_calls(bench: OpenBench) -> None:
    b = await bench(calls("note", text="x"), calls("note", text="y"), says("done"))

    async with asyncio.TaskGroup() as group:
        group.create_task(b.agent(policy=Always(Verdict.ASK)).run())
        async for event in b.hub.follow(after=0, deltas=False):
            if isinstance(event, ApprovalRequested):
                break
        asked = next(iter(b.hub.view.approvals))
        await b.desk.resolve(RequestId(asked), ApprovalAnswer(allowed=True, scope=Scope.RUN))

    assert b.note.notes == ["x", "y"]
    assert (await b.kinds()).count("approval_requested") == 1


async def test_an_approval_given_before_a_restart_is_not_asked_again(bench: OpenBench) -> None:
    b = await bench(calls("note", text="x"), says("done"), options=RunOptions(can_ask=False))
    with pytest.raises(RunStopped):
        await b.agent(policy=Always(Verdict.ASK)).run()
    await b.desk.resolve(next(iter(b.hub.view.approvals)), ApprovalAnswer(allowed=True))

    await b.agent(policy=Always(Verdict.ASK)).run()

    assert b.note.notes == ["x"]
    assert (await b.kinds()).count("approval_requested") == 1


async def test_a_failure_that_retrying_cannot_help_is_tried_once(bench: OpenBench) -> None:
    b = await bench(fails(400))

    with pytest.raises(ModelError):
        await b.agent().run()

    assert len(b.model.requests) == 1
