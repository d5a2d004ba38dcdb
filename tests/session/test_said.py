"""What the user says while the agent works: queued for a turn of its own, or said before the next step; once, or not at
all when it is taken back in time.
"""

import itertools
from collections.abc import Sequence

import pytest

from equitr_coder.domain import commands as c
from equitr_coder.domain import events as e
from equitr_coder.domain.approvals import ApprovalAnswer
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import RequestId, RunId
from equitr_coder.domain.run_view import fold
from equitr_coder.domain.runs import PlanMode, RunKind, RunState
from equitr_coder.ports import RunApi
from equitr_coder.testing.events import assert_well_formed
from equitr_coder.testing.script import Rule, always, calls, says
from tests.session.chats import OpenUser, User, dying, ended, start, user_messages, wait_for_approval, writes

WAITS = calls("run_command", command="touch made")
"""Waits for a permission: the moment in which the user speaks."""


def script() -> list[Rule]:
    return [
        always(says("You said first."), last="not allow"),
        always(says("You said steered."), last="steered"),
        always(says("You said queued two."), last="queued two"),
        always(says("You said queued."), last="queued"),
        always(WAITS, last="first"),
        always(says("Going on.")),
    ]


async def go_on(api: RunApi, run: RunId, asked: e.ApprovalRequested) -> None:
    refused = ApprovalAnswer(allowed=False)
    await api.submit(c.ResolveApproval(run=run, approval=asked.approval.id, answer=refused))


def answers(log: Sequence[e.Event]) -> list[str]:
    return [
        event.message.text
        for event in log
        if isinstance(event, e.MessageAdded) and event.message.role == "assistant" and event.message.text
    ]


async def test_what_is_queued_is_a_turn_of_its_own_in_its_order(user: OpenUser) -> None:
    someone = user(*script())
    async with someone.door() as api:
        run = await start(api)
        asked = await wait_for_approval(api, run)
        await api.submit(c.QueueMessage(run=run, text="queued one"))
        await api.submit(c.QueueMessage(run=run, text="queued two"))
        await go_on(api, run, asked)
        log = await ended(api, run)

    assert user_messages(log) == ["first", "queued one", "queued two"]
    assert answers(log) == ["You said first.", "You said queued.", "You said queued two."]
    assert fold(log).content == "You said queued two."
    assert len([event for event in log if isinstance(event, e.CheckpointTaken)]) == 3
    assert [event.id for event in log if isinstance(event, e.MessageSent)] == ["u1", "u2"]
    assert_well_formed(log)


async def test_a_queued_turn_is_undone_by_itself(user: OpenUser) -> None:
    someone = user(
        always(says("Done."), last="Created"),
        always(writes("a.txt", "one\n"), last="not allow"),
        always(writes("b.txt", "two\n"), last="queued"),
        always(WAITS, last="first"),
    )
    async with someone.door() as api:
        run = await start(api)
        asked = await wait_for_approval(api, run)
        await api.submit(c.QueueMessage(run=run, text="queued"))
        await go_on(api, run, asked)
        await ended(api, run)
        await api.submit(c.UndoChange(run=run))

    assert (someone.repo / "a.txt").exists()
    assert not (someone.repo / "b.txt").exists()


async def test_what_steers_is_said_before_the_next_call_of_the_same_turn(user: OpenUser) -> None:
    someone = user(*script())
    async with someone.door() as api:
        run = await start(api)
        asked = await wait_for_approval(api, run)
        await api.submit(c.QueueMessage(run=run, text="queued"))
        await api.submit(c.QueueMessage(run=run, text="steered", steer=True))
        await go_on(api, run, asked)
        log = await ended(api, run)

    assert user_messages(log) == ["first", "steered", "queued"]
    assert answers(log) == ["You said steered.", "You said queued."]
    bodies = [request.body["messages"] for request in someone.server.requests]
    assert all(later[: len(earlier)] == earlier for earlier, later in itertools.pairwise(bodies))
    assert bodies[1][-1] == {"role": "user", "content": "steered"}
    assert_well_formed(log)


async def test_what_is_taken_back_in_time_is_never_delivered(user: OpenUser) -> None:
    someone = user(*script())
    async with someone.door() as api:
        run = await start(api)
        asked = await wait_for_approval(api, run)
        await api.submit(c.QueueMessage(run=run, text="queued"))
        await api.submit(c.QueueMessage(run=run, text="steered", steer=True))
        await api.submit(c.CancelMessage(run=run, message=RequestId("u1")))
        await api.submit(c.CancelMessage(run=run, message=RequestId("u2")))
        with pytest.raises(UserError, match="no message u1 waits"):
            await api.submit(c.CancelMessage(run=run, message=RequestId("u1")))
        await go_on(api, run, asked)
        log = await ended(api, run)
        with pytest.raises(UserError, match="no message u7 waits"):
            await api.submit(c.CancelMessage(run=run, message=RequestId("u7")))

    assert user_messages(log) == ["first"]
    assert answers(log) == ["You said first."]
    assert_well_formed(log)


async def test_what_was_delivered_cannot_be_taken_back(user: OpenUser) -> None:
    someone = user(*script())
    async with someone.door() as api:
        run = await start(api)
        asked = await wait_for_approval(api, run)
        await api.submit(c.QueueMessage(run=run, text="queued"))
        await go_on(api, run, asked)
        await ended(api, run)

        with pytest.raises(UserError) as caught:
            await api.submit(c.CancelMessage(run=run, message=RequestId("u1")))

    assert "delivered cannot be taken back" in caught.value.hint


async def test_what_comes_after_the_end_is_the_next_message(user: OpenUser) -> None:
    someone = user(*script())
    async with someone.door() as api:
        run = await start(api)
        await go_on(api, run, await wait_for_approval(api, run))
        await ended(api, run)
        await api.submit(c.QueueMessage(run=run, text="queued"))
        log = await ended(api, run)

    assert user_messages(log) == ["first", "queued"]
    assert fold(log).state is RunState.COMPLETED
    assert_well_formed(log)


@pytest.mark.parametrize(
    ("after", "kind"),
    [
        (None, "queue"),
        (None, "steer"),
        ("approval_resolved", "queue"),
        ("approval_resolved", "steer"),
        ("tool_returned", "queue"),
        ("tool_returned", "steer"),
        ("message_added", "steer"),
        ("checkpoint_taken", "queue"),
    ],
)
async def test_a_death_in_between_loses_nothing_and_delivers_once(user: OpenUser, after: str | None, kind: str) -> None:
    someone = user(*script())
    run = await spoken(someone, steer=kind == "steer")
    again = c.ResumeRun(run=run, yes=True, can_ask=True)
    if after is not None:
        await dying(someone, again, after=after)

    async with someone.door() as api:
        await api.submit(again)
        log = await ended(api, run)

    said = "steered" if kind == "steer" else "queued"
    assert user_messages(log).count(said) == 1
    assert f"You said {said}." in answers(log)
    assert fold(log).state is RunState.COMPLETED
    assert_well_formed(log)


async def spoken(someone: User, *, steer: bool) -> RunId:
    """A run that waits for a permission, to which something was said; the door is closed, so it is paused."""
    async with someone.door() as api:
        run = await start(api)
        await wait_for_approval(api, run)
        await api.submit(c.QueueMessage(run=run, text="steered" if steer else "queued", steer=steer))
    return run


async def test_a_paused_run_keeps_what_was_said_and_lets_it_be_taken_back(user: OpenUser) -> None:
    someone = user(*script())
    run = await spoken(someone, steer=False)

    async with someone.door() as api:
        await api.submit(c.CancelMessage(run=run, message=RequestId("u1")))
        log = await ended(api, run)
        assert isinstance(log[-1], e.MessageCancelled)
        await api.submit(c.ResumeRun(run=run, yes=True, can_ask=True))
        await ended(api, run)
        view = await api.view(run)

    assert not view.waiting_for("chat")
    assert_well_formed(log)


async def test_nobody_can_be_reached_where_nobody_is(user: OpenUser) -> None:
    someone = user(*script())
    async with someone.door() as api:
        run = await start(api)
        asked = await wait_for_approval(api, run)
        for command, words in (
            (c.QueueMessage(run=run, text="  "), "nothing to say"),
            (c.QueueMessage(run=run, text="x", to="T1", steer=True), "no task T1"),
            (c.QueueMessage(run=RunId("run-none"), text="x"), "there is no run run-none"),
        ):
            with pytest.raises(UserError, match=words):
                await api.submit(command)
        await go_on(api, run, asked)
        await ended(api, run)


async def test_the_worker_of_a_task_is_steered_before_its_next_step(user: OpenUser) -> None:
    someone = user(
        always(calls("hand_in", summary="as steered"), last="steered"),
        always(WAITS, offers="hand_in", last="first"),
    )
    async with someone.door() as api:
        run = await api.submit(
            c.StartRun(kind=RunKind.EPIC, request="first", plan=PlanMode.NEVER, multi_agent=False, rounds=1)
        )
        asked = await wait_for_approval(api, run)
        with pytest.raises(UserError, match="each with a task of its own") as caught:
            await api.submit(c.QueueMessage(run=run, text="queued", to="T1"))
        assert "T1" in caught.value.hint
        with pytest.raises(UserError, match="no open task 'T9'"):
            await api.submit(c.QueueMessage(run=run, text="steered", to="T9", steer=True))
        await api.submit(c.QueueMessage(run=run, text="steered", to="t1", steer=True))
        await go_on(api, run, asked)
        log = await ended(api, run)

    [delivered] = [event for event in log if isinstance(event, e.MessageAdded) and event.delivers]
    assert (delivered.session, delivered.delivers) == ("T1.1", ("u1",))
    assert someone.server.requests[-1].body["messages"][-1] == {"role": "user", "content": "steered"}
    assert_well_formed(log)
