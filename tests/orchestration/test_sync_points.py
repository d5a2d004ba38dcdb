from collections.abc import Callable, Sequence

import pytest

from equitr_coder.domain.artifacts import MOST_BYTES, SyncState, digest_of
from equitr_coder.domain.epic import Plan, SyncPoint, Task, TaskState
from equitr_coder.domain.errors import ToolFailure
from equitr_coder.domain.events import (
    ArtifactConsumed,
    ArtifactProduced,
    Event,
    MessageAdded,
    MessageSent,
    PlanApproved,
    TaskChanged,
)
from equitr_coder.domain.ids import AgentName, CallId, CommitId, SessionId, TaskId
from equitr_coder.domain.models import UserMessage
from equitr_coder.domain.run_view import RunView, fold
from equitr_coder.orchestration.mailbox import Mailbox
from equitr_coder.orchestration.sync_points import SyncPoints
from equitr_coder.ports import ToolContext

T1, T2, T3, T4 = (TaskId(f"T{number}") for number in range(1, 5))
PLAN = Plan(
    title="Shop",
    tasks=tuple(Task(id=task, title=f"title of {task}") for task in (T1, T2, T3, T4)),
    sync_points=(
        SyncPoint(id="S1", producer=T1, consumers=(T2, T3), description="orders"),
        SyncPoint(id="S2", producer=T1, consumers=(T3,)),
    ),
)


class Log:
    """An event sink in memory; a transaction is one list."""

    def __init__(self) -> None:
        approved = PlanApproved(plan=PLAN, by="user", branch="b", base=CommitId("c"), commit=CommitId("c"))
        self.transactions: list[Sequence[Event]] = []
        self._view = fold([approved])

    @property
    def view(self) -> RunView:
        return self._view

    async def record(self, *events: Event) -> None:
        self.note(*events)

    def note(self, *events: Event) -> None:
        if events:
            self.transactions.append(events)
            fold(events, self._view)

    async def record_made(self, make: Callable[[RunView], Sequence[Event]]) -> bool:
        events = make(self._view)
        await self.record(*events)
        return bool(events)

    async def flush(self) -> None: ...

    def show(self, session: SessionId, agent: AgentName, task: TaskId | None, text: str) -> None:
        raise AssertionError("nothing is streamed here")


class Desk:
    def __init__(self) -> None:
        self.log = Log()
        self.points = SyncPoints(plan=PLAN, events=self.log, mailbox=Mailbox(self.log))

    async def publish(self, task: TaskId, name: str, content: str) -> str:
        return await self.points.publish(context(task), name, content)

    async def read(self, task: TaskId, name: str) -> str:
        return (await self.points.read(context(task), name)).content

    async def put(self, task: TaskId, state: TaskState) -> None:
        await self.log.record(TaskChanged(task=task, state=state, attempt=1))

    @property
    def letters(self) -> list[tuple[str, str, str]]:
        return [(sent.id, sent.to, sent.topic) for sent in self.log.view.messages]

    @property
    def states(self) -> list[SyncState]:
        return [point.state for point in self.log.view.sync_points.values()]


def context(task: TaskId) -> ToolContext:
    return ToolContext(session=SessionId(f"{task}.1"), agent=AgentName("worker"), task=task, call=CallId("c"), seen={})


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_an_early_read_says_that_it_is_pending_and_gives_nothing(desk: Desk) -> None:
    with pytest.raises(ToolFailure, match="S1 is pending: T1 has not published it yet") as caught:
        await desk.read(T2, "S1")

    assert "A message comes as soon as it is there" in str(caught.value)
    assert desk.log.transactions == []


async def test_a_read_of_what_will_never_come_says_so(desk: Desk) -> None:
    await desk.put(T1, TaskState.FAILED)

    with pytest.raises(ToolFailure, match="S1 will not come: T1 ended as failed"):
        await desk.read(T2, "S1")


async def test_a_version_and_its_letters_are_one_transaction(desk: Desk) -> None:
    told = await desk.publish(T1, "S1", "one")

    [transaction] = desk.log.transactions
    produced, *letters = transaction
    assert isinstance(produced, ArtifactProduced)
    assert (produced.artifact.version, produced.artifact.digest, produced.by) == (1, digest_of("one"), "worker")
    assert [(s.to, s.topic) for s in letters if isinstance(s, MessageSent)] == [
        (T2, "artifact_produced"),
        (T3, "artifact_produced"),
    ]
    assert told.startswith("Published S1, version 1, for T2, T3.")


async def test_the_same_content_again_makes_no_version_and_a_former_one_does(desk: Desk) -> None:
    for content in ("one", "one", "two", "one"):
        await desk.publish(T1, "S1", content)

    assert [version.content for version in desk.points.view("S1").versions] == ["one", "two", "one"]


async def test_it_is_consumed_when_every_consumer_has_read_the_newest_version(desk: Desk) -> None:
    await desk.publish(T1, "S1", "one")
    seen = [desk.states[0]]
    for task in (T2, T3):
        assert await desk.read(task, " s1 ") == "one"
        seen.append(desk.states[0])
    await desk.publish(T1, "S1", "two")
    seen.append(desk.states[0])

    assert seen == ["produced", "produced", "consumed", "produced"]


async def test_reading_twice_is_recorded_once(desk: Desk) -> None:
    await desk.publish(T1, "S1", "one")
    await desk.read(T2, "S1")
    await desk.read(T2, "S1")

    consumed = [event for events in desk.log.transactions for event in events if isinstance(event, ArtifactConsumed)]
    assert len(consumed) == 1


async def test_a_new_version_is_told_to_readers_and_to_those_at_work_and_to_nobody_else(desk: Desk) -> None:
    await desk.put(T2, TaskState.WORKING)
    await desk.publish(T1, "S1", "one")
    await desk.publish(T1, "S1", "two")
    await desk.read(T2, "S1")
    await desk.put(T2, TaskState.DONE)
    await desk.publish(T1, "S1", "three")
    await desk.put(T3, TaskState.FAILED)
    await desk.publish(T1, "S2", "nobody is left")

    assert desk.letters == [
        ("m1", "T2", "artifact_produced"),
        ("m2", "T3", "artifact_produced"),
        ("m3", "T2", "artifact_updated"),
        ("m4", "T2", "artifact_updated"),
    ]


@pytest.mark.parametrize(
    ("task", "name", "words"),
    [
        (T2, "S1", "S1 is not yours to publish, only T1 publishes it. Your task may publish: none"),
        (T4, "S1", "only T1 publishes it"),
        (T1, "S7", "There is no sync point 'S7'. Your task may publish: S1, S2"),
    ],
)
async def test_only_the_producer_publishes(desk: Desk, task: TaskId, name: str, words: str) -> None:
    with pytest.raises(ToolFailure) as caught:
        await desk.publish(task, name, "one")

    assert words in str(caught.value)
    assert desk.log.transactions == []


@pytest.mark.parametrize("task", [T1, T2, T4])
async def test_only_listed_consumers_read(desk: Desk, task: TaskId) -> None:
    await desk.publish(T1, "S2", "one")

    with pytest.raises(ToolFailure, match="your task is none of its consumers"):
        await desk.read(task, "S2")


@pytest.mark.parametrize("content", [" \n\t", "x" * (MOST_BYTES + 1), "half a pair: \ud83d"])
async def test_what_cannot_be_kept_is_refused(desk: Desk, content: str) -> None:
    with pytest.raises(ToolFailure, match="Nothing was published"):
        await desk.publish(T1, "S1", content)

    assert desk.log.transactions == []


async def test_a_first_message_counts_as_reading_what_stands_in_it_whole(desk: Desk) -> None:
    await desk.publish(T1, "S1", "short")
    await desk.publish(T1, "S2", "long " * 10_000)
    sharing = desk.points.sharing(T3)

    await desk.points.hand_over(T3, AgentName("worker"), SessionId("T3.1"), sharing)

    assert {name: point.read for name, point in desk.log.view.sync_points.items()} == {"S1": {T3: 1}, "S2": {}}
    assert desk.points.news(T3) == ("m2", "m3")


async def test_a_session_that_is_in_the_log_is_handed_nothing_new(desk: Desk) -> None:
    session = SessionId("T2.1")
    await desk.log.record(
        MessageAdded(session=session, agent=AgentName("worker"), task=T2, message=UserMessage(text="begin"))
    )
    await desk.publish(T1, "S1", "later")

    await desk.points.hand_over(T2, AgentName("worker"), session, desk.points.sharing(T2))

    assert desk.points.view("S1").read == {}


async def test_who_watches_is_called_after_every_version(desk: Desk) -> None:
    seen: list[int] = []
    desk.points.watch(lambda: seen.append(len(desk.points.view("S1").versions)))

    for content in ("one", "one", "two"):
        await desk.publish(T1, "S1", content)

    assert seen == [1, 2]


async def test_letters_written_at_the_same_time_have_different_ids(desk: Desk) -> None:
    import asyncio

    async with asyncio.TaskGroup() as group:
        for name in ("S1", "S2"):
            group.create_task(desk.publish(T1, name, f"of {name}"))

    assert [mail for mail, _, _ in desk.letters] == ["m1", "m2", "m3"]
