"""One task from its first attempt to done or failed: worktree, agent, hand-in, merge, and again with the reason."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from equitr_coder.domain.claims import claims_at_work
from equitr_coder.domain.epic import Plan, Task, TaskState
from equitr_coder.domain.errors import ModelError, RunStopped, StopReason
from equitr_coder.domain.events import EscalationTrigger, TaskChanged
from equitr_coder.domain.footprint import claim_of
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import AgentName, CommitId, SessionId, TaskId, TreeId
from equitr_coder.domain.images import Image
from equitr_coder.domain.models import Purpose, Tier, UserMessage
from equitr_coder.domain.refusals import told, unattended
from equitr_coder.domain.run_view import TaskView
from equitr_coder.domain.runs import RunOptions
from equitr_coder.domain.strengths import WORKER
from equitr_coder.domain.task_graph import NO_FREE_WORKER
from equitr_coder.engine.guards import ATTEMPT_STOPS, SESSION_FAILURES, AttemptDeadline
from equitr_coder.engine.step_trees import is_readable
from equitr_coder.orchestration import briefing
from equitr_coder.orchestration.advice import Advice, Quota
from equitr_coder.orchestration.conflict_log import ended_with
from equitr_coder.orchestration.conflicts import merged_by_structure
from equitr_coder.orchestration.footprints import Footprints
from equitr_coder.orchestration.forecast import Forecasts
from equitr_coder.orchestration.markers import left_words, marked_paths
from equitr_coder.orchestration.merge_queue import MergeQueue, signature
from equitr_coder.orchestration.outcomes import WOULD_STEER, HandIn, SentBack
from equitr_coder.orchestration.seats import Seats
from equitr_coder.orchestration.stopwatch import Stopwatch, stopwatch
from equitr_coder.orchestration.sync_points import SyncPoints
from equitr_coder.orchestration.worktrees import Worktrees
from equitr_coder.ports import AgentOrder, AgentSpawner, Clock, CodeMaps, EventSink, Repository, ToolEnd, Workspace

HeldFiles = Callable[[Task, Sequence[str], CommitId], Awaitable[Mapping[str, str]]]
"""Files that prove a task by the given checks on a commit: its agent changes none of them unasked."""
_LOST = "git has no longer the files that its last step left (a ref under refs/equitr/keep/ is gone)"


@frozen
class WorkerTerms:
    """What is the same for all workers of a run."""

    plan: Plan
    names: Mapping[TaskId, AgentName]
    documents: Mapping[str, str]
    documents_at: str
    """Folder of the documents on the branch."""
    document_paths: tuple[str, ...]
    """Paths on the branch that only the host may change."""
    request: str
    images: tuple[Image, ...]
    """Shown with the request, which only a direct task is told."""
    options: RunOptions
    has_supervisor: bool
    max_escalations: int
    has_stronger_attempt: bool
    """Whether a task whose attempts have all failed gets one more, by the supervisor's model."""
    is_complex: Callable[[Task], bool]
    """Whether the supervisor is asked before the first attempt."""
    ref_prefix: str
    """`refs/equitr/epic-NNN/`: where hand-ins are kept."""

    @property
    def is_direct(self) -> bool:
        """Whether the one task is the request itself, with nothing planned around it."""
        return not self.documents and len(self.plan.tasks) == 1

    @property
    def attempts(self) -> int:
        return self.options.rounds + (self.has_supervisor and self.has_stronger_attempt)

    def is_stronger(self, attempt: int) -> bool:
        """Whether this attempt is the one by the supervisor's model."""
        return self.options.rounds < attempt <= self.attempts


class TaskWorker:
    def __init__(
        self,
        *,
        terms: WorkerTerms,
        repository: Repository,
        worktrees: Worktrees,
        spawner: AgentSpawner,
        queue: MergeQueue,
        footprints: Footprints,
        events: EventSink,
        clock: Clock,
        open_workspace: Callable[[Path], Workspace],
        forecasts: Forecasts,
        quota: Quota,
        code_maps: CodeMaps,
        sync_points: SyncPoints,
        held: HeldFiles,
        seats: Seats,
    ) -> None:
        self._terms = terms
        self._repository = repository
        self._worktrees = worktrees
        self._spawner = spawner
        self._queue = queue
        self._footprints = footprints
        self._events = events
        self._clock = clock
        self._open_workspace = open_workspace
        self._forecasts = forecasts
        self._quota = quota
        self._code_maps = code_maps
        self._sync_points = sync_points
        self._held = held
        self._seats = seats

    async def work(self, task: Task) -> None:
        """Ends with the task done or failed, or handed in where something that it needs has not landed yet.

        Raises:
            RunStopped: the whole run must stop or wait (budget, approval, interruption); the task stays as it is and
                a resume goes on in the middle of its attempt.
            ModelError: the provider is of no use at the moment; likewise.
        """
        with stopwatch(self._repository, self._clock) as watch:
            await self._work(task, watch)

    async def _work(self, task: Task, watch: Stopwatch) -> None:
        view = self._events.view.tasks[task.id]
        while True:
            if view.state not in (TaskState.WORKING, TaskState.REVIEW):
                if view.attempt >= self._terms.attempts:
                    await self._fail(task, view)
                    return
                await self._begin(task, view)
            elif view.tree is not None:
                await self._take_up(task, view, view.tree)
            refusal = await self._attempt(task, view)
            if refusal is None:
                if view.state is TaskState.DONE:
                    self._worktrees.close(task.id)
                self._events.note(*watch.take(task.id, view.attempt))
                return
            self._events.note(*watch.take(task.id, view.attempt))
            if refusal.reason is StopReason.CHECK_UNPROVEN:
                await self._change(task, TaskState.FAILED, view, refusal)
                return
            await self._change(task, TaskState.READY, view, refusal)

    async def _take_up(self, task: Task, view: TaskView, tree: TreeId) -> None:
        """After a crash: the files as the last recorded step or the hand-in left them (a reviewer looks into those), or
        the next attempt when git has lost them.
        """
        if not await is_readable(self._repository, tree):
            await self._begin(task, view)  # no failure of the task: it begins again even after its last attempt
            return
        await self._worktrees.reset(task.id, _base(view), tree)
        if view.state is TaskState.REVIEW and await self._repository.resolve(str(view.commit)) is None:
            await self._hand_in(task, view, tree, view.detail)  # somebody deleted its ref, and git the commit

    async def _begin(self, task: Task, view: TaskView) -> None:
        if view.attempt:
            await self._come_back(task)
        base = self._queue.tip
        attempt = view.attempt + 1
        restart_from: TreeId | None = None
        end_of_last: list[TaskChanged] = []
        if view.tree is not None and not await is_readable(self._repository, view.tree):
            lost = SentBack(StopReason.INTERRUPTED, f"{_LOST}, so the task begins anew from what has been finished")
            end_of_last = [self._changed(task, TaskState.READY, view, lost)]
        elif view.tree is not None:
            # What the last attempt left is where this one starts, merged with what has landed since; where that
            # clashes the files hold conflict markers.
            left = await self._repository.commit_tree(
                await self._footprints.within(task.id, _base(view), view.tree),
                [_base(view)],
                left_message(task, attempt - 1),
                at=self._last_call(task, attempt - 1),
            )
            await self._repository.move_ref(f"{self._terms.ref_prefix}{task.id}.{attempt - 1}-left", left, None)
            forecast = await self._repository.forecast(base, left)
            clean = forecast.tree or await merged_by_structure(self._repository, forecast)
            restart_from = clean or forecast.marked_tree
            if restart_from is not None:
                await self._keep_start(task, attempt, restart_from, base)
        path = await self._worktrees.open(task.id, base, restart_from)
        tree = restart_from or await self._repository.tree_of(base)
        await self._seats.sit(task.id)
        self._events.note(
            *end_of_last,
            TaskChanged(
                task=task.id,
                state=TaskState.WORKING,
                agent=self._terms.names[task.id],
                attempt=attempt,
                worktree=str(path),
                tree=tree,
                base=base,
                tier=Tier.STRONG if self._terms.is_stronger(attempt) else None,
                profile=view.assigned.profile if view.assigned is not None else WORKER,
            ),
        )

    async def _come_back(self, task: Task) -> None:
        """Sent back, it may find others at work."""
        if not self._seats.has_one(task.id):
            self._events.note(TaskChanged(task=task.id, state=TaskState.WAITING, detail=NO_FREE_WORKER))
        await self._seats.sit(task.id)

    async def _keep_start(self, task: Task, attempt: int, tree: TreeId, base: CommitId) -> None:
        """The log names this tree until the first step that writes has one of its own."""
        start = await self._repository.commit_tree(
            tree, [base], f"{task.id}: start of attempt {attempt}", at=self._last_call(task, attempt - 1)
        )
        await self._repository.keep(f"{self._terms.ref_prefix}{task.id}.{attempt}-start", start)

    async def _attempt(self, task: Task, view: TaskView) -> SentBack | None:
        if view.state is TaskState.WORKING:
            await self._seats.sit(task.id)
            try:
                end = await self._run_agent(task, view)
            except RunStopped as stopped:
                if stopped.reason not in ATTEMPT_STOPS:
                    raise
                return SentBack(stopped.reason, str(stopped))
            except ModelError as error:
                if error.kind not in SESSION_FAILURES:
                    raise
                return SentBack(SESSION_FAILURES[error.kind], str(error))
            if end is None:
                return SentBack(StopReason.NO_HAND_IN, "it answered in plain text and never called hand_in")
            self._seats.leave_soon(task.id)
            refusal = await self._take_in(task, view, end)
            if refusal is not None:
                return refusal
        assert view.commit is not None
        self._seats.leave(task.id)
        if not all(self._events.view.tasks[need].state is TaskState.DONE for need in task.needs):
            return None  # it began with a sync point of a task that is still at work: it lands after that task
        return await self._queue.merge(
            HandIn(
                task=task,
                attempt=view.attempt,
                agent=self._terms.names[task.id],
                commit=view.commit,
                base=_base(view),
                summary=view.detail,
            )
        )

    async def _run_agent(self, task: Task, view: TaskView) -> ToolEnd | None:
        deadline = AttemptDeadline(self._terms.options.worker_timeout)
        workspace = self._open_workspace(self._worktrees.path(task.id))
        advice = Advice(
            task=task,
            attempt=view.attempt,
            workspace=workspace,
            spawner=self._spawner,
            repository=self._repository,
            events=self._events,
            deadline=deadline,
            asker=self._terms.names[task.id],
            limit=self._terms.max_escalations,
            quota=self._quota,
            code_maps=self._code_maps,
        )
        async with deadline.running():
            guidance = await self._guidance(task, view, advice)
            order = await self._order(task, view, workspace.root, guidance)
            await self._sync_points.hand_over(task.id, order.agent, order.session, self._sync_points.sharing(task.id))
            agent = self._spawner.spawn(
                order,
                advisor=advice,
                artifacts=self._sync_points,
                deadline=deadline,
                watcher=self._forecasts.of(task.id),
            )
            outcome = await agent.run()
            if outcome.end is None and not self._was_nudged(SessionId(f"{task.id}.{view.attempt}")):
                outcome = await agent.run(briefing.HAND_IN_NUDGE)
        return outcome.end

    def _was_nudged(self, session: SessionId) -> bool:
        messages = self._events.view.sessions[session].messages
        return any(isinstance(m, UserMessage) and m.text == briefing.HAND_IN_NUDGE for m in messages)

    async def _guidance(self, task: Task, view: TaskView, advice: Advice) -> str | None:
        """The supervisor is asked by the host before the first attempt at a complex task, and before the last one of
        a task that has failed. What it said once is told again in later attempts.
        """
        if not self._terms.has_supervisor:
            return None
        if view.attempt == 1 and self._terms.is_complex(task):
            return await advice.report(EscalationTrigger.COMPLEX_TASK, briefing.opening_question(task))
        if view.attempt == self._terms.options.rounds and view.attempt > 1:
            await advice.report(EscalationTrigger.REPEATED_FAILURE, briefing.failure_question(task, _notes(view)))
        said = (advice.recall(EscalationTrigger.COMPLEX_TASK), advice.recall(EscalationTrigger.REPEATED_FAILURE))
        return "\n\n".join(text for text in said if text) or None

    async def _order(self, task: Task, view: TaskView, root: Path, guidance: str | None) -> AgentOrder:
        checks = self._queue.checks(task)
        is_stronger = self._terms.is_stronger(view.attempt)
        held = await self._held(task, checks, _base(view))
        approved = self._events.view.approved_commands
        return AgentOrder(
            profile=view.profiles.get(view.attempt, WORKER),
            session=SessionId(f"{task.id}.{view.attempt}"),
            agent=self._terms.names[task.id],
            task=task.id,
            purpose=Purpose.WORK,
            first_message=briefing.worker_message(
                plan=self._terms.plan,
                task=task,
                documents=self._terms.documents,
                previous=_notes(view),
                guidance=guidance,
                check_commands=checks,
                others_holding=self._held_by_others(task),
                request=self._terms.request,
                documents_at=self._terms.documents_at,
                sharing=self._sync_points.sharing(task.id),
                results=self._results(task),
                held=[path for path, what in held.items() if what != WOULD_STEER],
                refused=told(unattended(self._events.view, task.id)),
            ),
            images=self._terms.images if self._terms.is_direct else (),
            root=root,
            can_write=True,
            has_supervisor=self._terms.has_supervisor and not is_stronger,
            tier=Tier.STRONG if is_stronger else None,
            max_iterations=self._terms.options.max_iterations,
            footprint=claim_of(task).files,
            approved_commands=approved.get(task.id, ()) if approved is not None else checks,
            protected=self._terms.document_paths,
            tree=view.tree,
            variables=self._worktrees.place(root).variables,
            delivers=self._sync_points.news(task.id),
            held=held,
        )

    def _results(self, task: Task) -> Mapping[TaskId, str]:
        """What came of the tasks that it needs."""
        tasks = self._events.view.tasks
        return {need: tasks[need].detail for need in task.needs if tasks[need].state is TaskState.DONE}

    def _held_by_others(self, task: Task) -> dict[TaskId, tuple[str, ...]]:
        claims = claims_at_work(self._events.view, besides=task.id)
        return {other: claim.shown for other, claim in claims.items()}

    async def _take_in(self, task: Task, view: TaskView, end: ToolEnd) -> SentBack | None:
        """Commit what stands in the worktree on a kept ref; the host commits, never the worker."""
        base = _base(view)
        tree = await self._repository.snapshot(self._worktrees.path(task.id))
        tree = await without_changes(self._repository, tree, base, self._terms.document_paths)
        if view.attempt > 1:
            marked = await self._still_marked(base, tree)
            if marked:
                return SentBack(StopReason.MERGE_CONFLICT, left_words(marked), marked)
        await self._hand_in(task, view, tree, end.summary)
        return None

    async def _hand_in(self, task: Task, view: TaskView, tree: TreeId, summary: str) -> None:
        base = _base(view)
        # The commit is dated by the last call: with that on the disk, one that is made again after a death is the same.
        await self._events.flush()
        commit = await self._repository.commit_tree(
            tree,
            [base],
            hand_in_message(task, view.attempt),
            author=signature(self._terms.names[task.id]),
            at=self._last_call(task, view.attempt),
        )
        await self._repository.keep(f"{self._terms.ref_prefix}{task.id}.{view.attempt}", commit)
        self._events.note(
            TaskChanged(
                task=task.id,
                state=TaskState.REVIEW,
                agent=self._terms.names[task.id],
                attempt=view.attempt,
                detail=summary,
                tree=tree,
                commit=commit,
                touched=await self._footprints.touched(base, commit),
            )
        )

    def _last_call(self, task: Task, attempt: int) -> datetime | None:
        return self._events.view.last_call(SessionId(f"{task.id}.{attempt}"))

    async def _still_marked(self, base: CommitId, tree: TreeId) -> tuple[str, ...]:
        changed = await self._repository.changed(base, tree)
        return await marked_paths(
            self._repository, tree, (path for path, change in changed.items() if change != "deleted")
        )

    async def _fail(self, task: Task, view: TaskView) -> None:
        reason = view.reason or StopReason.CHECK_FAILED
        failed = self._changed(task, TaskState.FAILED, view, SentBack(reason, view.detail))
        await self._events.record(failed, *ended_with(self._events.view, task.id, None))

    async def _change(self, task: Task, state: TaskState, view: TaskView, why: SentBack) -> None:
        await self._events.record(self._changed(task, state, view, why))

    def _changed(self, task: Task, state: TaskState, view: TaskView, why: SentBack) -> TaskChanged:
        return TaskChanged(
            task=task.id,
            state=state,
            agent=self._terms.names[task.id],
            attempt=view.attempt,
            reason=why.reason,
            detail=why.detail,
        )


def hand_in_message(task: Task, attempt: int) -> str:
    return f"{task.id}: {task.title} (attempt {attempt})"


def left_message(task: Task, attempt: int) -> str:
    return f"{task.id}: left by attempt {attempt}"


async def without_changes(repository: Repository, tree: TreeId, base: CommitId, paths: Collection[str]) -> TreeId:
    """The tree with these paths as they are in `base`."""
    changed = await repository.changed(base, tree)
    touched = [path for path in paths if path in changed]
    if not touched:
        return tree
    return await repository.tree_with(tree, {path: await repository.show_file(base, path) for path in touched})


def _base(view: TaskView) -> CommitId:
    assert view.base is not None, "an attempt records its base when it begins"
    return view.base


def _notes(view: TaskView) -> Sequence[briefing.AttemptNote]:
    return [briefing.AttemptNote(number, reason, detail) for number, reason, detail in view.history]
