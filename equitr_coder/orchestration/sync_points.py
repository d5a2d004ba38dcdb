"""What tasks promise each other: publishing, reading, and telling those whom it concerns. All of it is events."""

from collections.abc import Callable, Sequence
from typing import Literal

from equitr_coder.domain.artifacts import MOST_BYTES, Artifact, digest_of
from equitr_coder.domain.epic import Plan, SyncPoint, TaskState
from equitr_coder.domain.errors import ToolFailure
from equitr_coder.domain.events import ArtifactConsumed, ArtifactProduced, Event
from equitr_coder.domain.ids import AgentName, RequestId, SessionId, TaskId
from equitr_coder.domain.run_view import SyncPointView
from equitr_coder.orchestration.briefing import Sharing
from equitr_coder.orchestration.contracts.checking import described
from equitr_coder.orchestration.mailbox import Mailbox
from equitr_coder.ports import EventSink, ToolContext

PRODUCED = "artifact_produced"
UPDATED = "artifact_updated"

_LOST = frozenset({TaskState.FAILED, TaskState.BLOCKED, TaskState.CANCELLED})
_AT_WORK = frozenset({TaskState.WORKING, TaskState.REVIEW})


class SyncPoints:
    """Implements `ports.Artifacts` for one run."""

    def __init__(self, *, plan: Plan, events: EventSink, mailbox: Mailbox) -> None:
        self._plan = plan
        self._events = events
        self._mailbox = mailbox
        self._watchers: list[Callable[[], None]] = []

    def watch(self, watcher: Callable[[], None]) -> None:
        """Called after every version that was produced: a task that waits for it may start now."""
        self._watchers.append(watcher)

    def view(self, sync_point: str) -> SyncPointView:
        return self._events.view.sync_points[sync_point]

    async def publish(self, context: ToolContext, sync_point: str, content: str) -> str:
        point = self._find(sync_point)
        if point is None or point.producer != context.task:
            raise ToolFailure(self._refused(sync_point, point, self._plan.produced_by(_task(context)), "publish"))
        if not content.strip():
            raise ToolFailure("Nothing was published: the content is empty. Give all of it.")
        size = _size(content)
        if size > MOST_BYTES:
            raise ToolFailure(
                f"Nothing was published: {size} bytes are more than the {MOST_BYTES} an artifact may have. Put it into "
                "a file of your task, and publish what others need to know of it."
            )
        newest = self.view(point.id).newest
        if newest is not None and newest.content == content:
            return f"{point.id} stands as it was published (version {newest.version})."
        await self._mailbox.post(lambda: self.production(point, content, by="worker", agent=context.agent))
        self.wake()
        made = self.view(point.id).newest
        assert made is not None, "it has just been recorded"
        to = ", ".join(point.consumers) or "nobody"
        return f"Published {point.id}, version {made.version}, for {to}. {described(content)}"

    async def read(self, context: ToolContext, sync_point: str) -> Artifact:
        point, task = self._find(sync_point), _task(context)
        if point is None or task not in point.consumers:
            raise ToolFailure(self._refused(sync_point, point, self._plan.consumed_by(task), "read"))
        newest = self.view(point.id).newest
        if newest is None:
            raise ToolFailure(self._pending(point))
        await self._consume(task, context.agent, [newest])
        return newest

    def sharing(self, task: TaskId) -> Sharing:
        """What the first message of a task's session says of sync points."""
        arrived: list[tuple[SyncPoint, Artifact]] = []
        pending: list[SyncPoint] = []
        for point in self._plan.consumed_by(task):
            newest = self.view(point.id).newest
            if newest is not None:
                arrived.append((point, newest))
            else:
                pending.append(point)
        promised = tuple((point, self.view(point.id).newest) for point in self._plan.produced_by(task))
        return Sharing(tuple(arrived), tuple(pending), promised)

    def news(self, task: TaskId) -> tuple[RequestId, ...]:
        """Letters to a task that only say what its first message holds."""
        view = self._events.view
        return tuple(
            sent.id
            for sent in view.messages
            if sent.to == task and sent.topic in (PRODUCED, UPDATED) and sent.id not in view.delivered
        )

    async def hand_over(self, task: TaskId, agent: AgentName, session: SessionId, sharing: Sharing) -> None:
        """A new session's first message counts as reading what stands in it whole; one that is in the log said what it
        said.
        """
        known = self._events.view.sessions.get(session)
        if known is None or not known.messages:
            await self._consume(
                task, agent, [artifact for _, artifact in sharing.arrived if sharing.is_shown(artifact)]
            )

    def production(
        self,
        point: SyncPoint,
        content: str,
        *,
        by: Literal["worker", "host", "user"],
        agent: AgentName | None = None,
        letters_before: int = 0,
    ) -> list[Event]:
        """A new version, and a letter to each consumer that it concerns; to be recorded as one transaction."""
        known = self.view(point.id)
        artifact = Artifact(
            sync_point=point.id,
            type=point.type,
            version=len(known.versions) + 1,
            content=content,
            digest=digest_of(content),
            producer=point.producer,
        )
        events: list[Event] = [ArtifactProduced(task=point.producer, agent=agent, artifact=artifact, by=by)]
        for number, consumer in enumerate(self._concerned(known), start=letters_before + 1):
            old = known.read.get(consumer)
            events.append(
                self._mailbox.letter(
                    consumer,
                    _letter(point, artifact, old, by),
                    topic=PRODUCED if artifact.version == 1 else UPDATED,
                    number=number,
                )
            )
        return events

    def readers(self, point: SyncPoint) -> list[TaskId]:
        """Consumers that build on it: at work, or done with some version of it."""
        known, tasks = self.view(point.id), self._events.view.tasks
        return [
            consumer
            for consumer in point.consumers
            if tasks[consumer].state not in _LOST and (consumer in known.read or tasks[consumer].state in _AT_WORK)
        ]

    def wake(self) -> None:
        for watcher in self._watchers:
            watcher()

    def _concerned(self, known: SyncPointView) -> list[TaskId]:
        """The first version concerns all who still need it; a later one those who know of an earlier."""
        if known.versions:
            return self.readers(known.point)
        tasks = self._events.view.tasks
        return [consumer for consumer in known.point.consumers if not tasks[consumer].state.is_final]

    async def _consume(self, task: TaskId, agent: AgentName, artifacts: Sequence[Artifact]) -> None:
        await self._events.record(
            *(
                ArtifactConsumed(task=task, agent=agent, sync_point=one.sync_point, version=one.version)
                for one in artifacts
                if self.view(one.sync_point).read.get(task, 0) < one.version
            )
        )

    def _find(self, sync_point: str) -> SyncPoint | None:
        name = sync_point.strip().casefold()
        return next((point for point in self._plan.sync_points if point.id.casefold() == name), None)

    def _refused(self, asked: str, point: SyncPoint | None, own: Sequence[SyncPoint], verb: str) -> str:
        listed = ", ".join(one.id for one in own) or "none"
        if point is None:
            return f"There is no sync point {asked.strip()!r}. Your task may {verb}: {listed}."
        who = f"only {point.producer} publishes it" if verb == "publish" else "your task is none of its consumers"
        return f"Refused: {point.id} is not yours to {verb}, {who}. Your task may {verb}: {listed}."

    def _pending(self, point: SyncPoint) -> str:
        producer = self._events.view.tasks[point.producer]
        if producer.state in _LOST:
            return (
                f"{point.id} will not come: {point.producer} ended as {producer.state.value}. Do what does not depend "
                "on it, follow the planning documents for the rest, and say so in the summary."
            )
        return (
            f"{point.id} is pending: {point.producer} has not published it yet. Do what does not depend on it. A "
            "message comes as soon as it is there; asking again before that is of no use."
        )


def _task(context: ToolContext) -> TaskId:
    return context.task if context.task is not None else TaskId("")


def _size(content: str) -> int:
    try:
        return len(content.encode())
    except UnicodeEncodeError as error:
        raise ToolFailure("Nothing was published: the content holds characters that are no Unicode text.") from error


def _letter(point: SyncPoint, artifact: Artifact, old: int | None, by: str) -> str:
    what = f"{point.id} ({point.type.value})" + (f", {point.description.strip()}" if point.description.strip() else "")
    if artifact.version == 1:
        who = (
            f"{point.producer}'s work has landed, and the host wrote down what it holds" if by == "host" else "is there"
        )
        return f'{what}: {who} (from {point.producer}, version 1). read_artifact("{point.id}") gives it.'
    read = f"You have read version {old}. " if old is not None else ""
    return (
        f"{what} has changed: version {artifact.version} replaces what was published before. {read}Read it "
        f'(read_artifact("{point.id}")) and bring your work in line with it.'
    )
