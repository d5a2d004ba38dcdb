"""Sees clashes coming: each time a worker's files change they are merged, among git's objects only, with what has
landed and with what the others have so far. Who would clash is told while it is still cheap to give way.
"""

import asyncio
from collections.abc import Sequence
from functools import partial

from equitr_coder.domain.conflicts import Conflict, ConflictStage
from equitr_coder.domain.epic import Plan, TaskState
from equitr_coder.domain.events import ConflictResolved, Event, MessageSent
from equitr_coder.domain.ids import CommitId, RequestId, TaskId, TreeId
from equitr_coder.domain.overlaps import is_ordered
from equitr_coder.domain.run_view import ConflictView, TaskView
from equitr_coder.orchestration.conflict_log import ConflictLog, landed_since
from equitr_coder.orchestration.conflicts import merged_by_structure
from equitr_coder.orchestration.mailbox import HOST
from equitr_coder.ports import EventSink, Repository

_IN_FLIGHT = frozenset({TaskState.WORKING, TaskState.REVIEW})
_SHOWN = 2_000
"""Characters of the other's change that a worker is shown."""
TOPIC = "conflict_forecast"


class Forecasts:
    """One for a run. Tasks whose changed files are disjoint cost nothing; others one merge in memory a pair."""

    def __init__(self, *, plan: Plan, log: ConflictLog, repository: Repository, events: EventSink) -> None:
        self._plan = plan
        self._log = log
        self._repository = repository
        self._events = events
        self._turn = asyncio.Lock()
        self._commits: dict[tuple[TreeId, CommitId], CommitId] = {}

    def of(self, task: TaskId) -> "TaskForecast":
        return TaskForecast(self, task)

    async def look(self, task: TaskId) -> None:
        """Compare the task's files as its last step left them."""
        async with self._turn:
            mine = self._events.view.tasks[task]
            if mine.tree is None or mine.base is None:
                return
            clashes = {**await self._with_landed(mine), **await self._with_siblings(mine)}
            await self._tell(mine, clashes)
            await self._close_passed(task, clashes)

    # ---------------------------------------------------------------- what would clash

    async def _with_siblings(self, mine: TaskView) -> dict[TaskId, tuple[str, ...]]:
        found: dict[TaskId, tuple[str, ...]] = {}
        for other in list(self._events.view.tasks.values()):
            if other.id == mine.id or other.state not in _IN_FLIGHT or is_ordered(self._plan, mine.id, other.id):
                continue
            shared = set(mine.files) & set(other.files)
            if shared and (paths := await self._clash(await self._commit(other), await self._commit(mine), shared)):
                found[other.id] = paths
        return found

    async def _with_landed(self, mine: TaskView) -> dict[TaskId, tuple[str, ...]]:
        tip, base = self._events.view.tip, mine.base
        if tip is None or base is None or tip == base:
            return {}
        tasks = [landing.task for landing in landed_since(self._events.view, base) if landing.task is not None]
        shared = {task: set(mine.files) & set(self._events.view.tasks[task].files) for task in tasks if task != mine.id}
        both = {path for paths in shared.values() for path in paths}
        paths = await self._clash(tip, await self._commit(mine), both) if both else ()
        return {task: hit for task, files in shared.items() if (hit := tuple(path for path in paths if path in files))}

    async def _clash(self, ours: CommitId | None, theirs: CommitId | None, shared: set[str]) -> tuple[str, ...]:
        if ours is None or theirs is None:
            return ()
        forecast = await self._repository.forecast(ours, theirs)
        if forecast.tree is not None or await merged_by_structure(self._repository, forecast) is not None:
            return ()
        return tuple(path for path in forecast.conflicts if path in shared)

    async def _commit(self, task: TaskView) -> CommitId | None:
        if task.tree is None or task.base is None:
            return None
        key = (task.tree, task.base)
        if key not in self._commits:
            self._commits[key] = await self._repository.commit_tree(task.tree, [task.base], f"{task.id}: so far")
        return self._commits[key]

    # ---------------------------------------------------------------- who is told

    async def _tell(self, mine: TaskView, clashes: dict[TaskId, tuple[str, ...]]) -> None:
        for other, paths in clashes.items():
            told = [found.conflict.paths for found in self._open(mine.id) if other in found.conflict.tasks]
            known = {path for paths_told in told for path in paths_told}
            fresh = tuple(path for path in paths if path not in known)
            if not fresh:
                continue
            draft = Conflict(
                id=RequestId(""),
                stage=ConflictStage.FORECAST,
                tasks=(mine.id, other),
                paths=fresh,
                ours=self._events.view.tip,
                attempt=mine.attempt,
            )
            letters = await self._letters(mine.id, other, fresh)
            await self._log.open(draft, partial(_posted, letters))

    async def _close_passed(self, task: TaskId, clashes: dict[TaskId, tuple[str, ...]]) -> None:
        events: list[Event] = []
        for found in self._open(task):
            others = [other for other in found.conflict.tasks if other != task]
            if not any(set(found.conflict.paths) & set(clashes.get(other, ())) for other in others):
                events.append(ConflictResolved(conflict=found.conflict.id, how="passed"))
        await self._events.record(*events)

    async def _letters(self, task: TaskId, other: TaskId, paths: Sequence[str]) -> list[MessageSent]:
        """To both while both are at work; to the one that is, when the other has landed."""
        view = self._events.view
        has_landed = view.tasks[other].state is TaskState.DONE
        letters = [await self._letter(task, other, paths, has_landed=has_landed)]
        return letters if has_landed else [*letters, await self._letter(other, task, paths, has_landed=False)]

    async def _letter(self, to: TaskId, about: TaskId, paths: Sequence[str], *, has_landed: bool) -> MessageSent:
        other = self._events.view.tasks[about]
        diff = ""
        if other.base is not None and other.tree is not None:
            diff = (await self._repository.diff(other.base, other.tree, paths=paths)).strip()
        shown = diff if len(diff) <= _SHOWN else f"{diff[:_SHOWN]}\n[the rest is left out]"
        state = "has landed with a change" if has_landed else "is changing the same lines as you"
        content = (
            f"{about} ({self._plan.task(about).title}) {state} in: {', '.join(paths)}. As both stand now they cannot "
            "be merged, and whoever comes second has to do it again. Do your task, make the smallest change there, and "
            f"where you can put yours beside theirs instead of on the same lines. What {about} did there:\n{shown}"
        )
        return MessageSent(id=RequestId(""), sender=HOST, to=to, topic=TOPIC, content=content)

    def _open(self, task: TaskId) -> list[ConflictView]:
        return [
            found
            for found in self._events.view.conflicts.values()
            if found.is_open and found.conflict.stage is ConflictStage.FORECAST and task in found.conflict.tasks
        ]


def _posted(letters: Sequence[MessageSent], conflict: RequestId) -> list[Event]:
    """Named after the conflict, so that no other message of the run has the name."""
    return [letter.model_copy(update={"id": RequestId(f"{conflict}.{letter.to}")}) for letter in letters]


class TaskForecast:
    """Implements `ports.StepWatcher` for the session of one task."""

    def __init__(self, forecasts: Forecasts, task: TaskId) -> None:
        self._forecasts = forecasts
        self._task = task

    async def stepped(self) -> None:
        await self._forecasts.look(self._task)
