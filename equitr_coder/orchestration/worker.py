"""One task from its first attempt to done or failed: worktree, agent, hand-in, merge, and again with the reason."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from equitr_coder.domain.epic import Plan, Task, TaskState
from equitr_coder.domain.errors import ModelError, RunStopped, StopReason
from equitr_coder.domain.events import TaskChanged
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import AgentName, CommitId, SessionId, TaskId, TreeId
from equitr_coder.domain.models import Purpose, UserMessage
from equitr_coder.domain.run_view import TaskView
from equitr_coder.domain.runs import RunOptions
from equitr_coder.engine.guards import ATTEMPT_STOPS, SESSION_FAILURES, AttemptDeadline
from equitr_coder.engine.step_trees import is_readable
from equitr_coder.orchestration import briefing
from equitr_coder.orchestration.advice import Advice
from equitr_coder.orchestration.conflict_log import ended_with
from equitr_coder.orchestration.conflicts import merged_by_structure
from equitr_coder.orchestration.forecast import Forecasts
from equitr_coder.orchestration.markers import marked_paths
from equitr_coder.orchestration.merge_queue import MergeQueue
from equitr_coder.orchestration.outcomes import HandIn, SentBack
from equitr_coder.orchestration.worktrees import Worktrees
from equitr_coder.ports import AgentOrder, AgentSpawner, EventSink, Repository, ToolEnd, Workspace

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
    options: RunOptions
    has_supervisor: bool
    max_escalations: int
    ref_prefix: str
    """`refs/equitr/epic-NNN/`: where hand-ins are kept."""


class TaskWorker:
    def __init__(
        self,
        *,
        terms: WorkerTerms,
        repository: Repository,
        worktrees: Worktrees,
        spawner: AgentSpawner,
        queue: MergeQueue,
        events: EventSink,
        open_workspace: Callable[[Path], Workspace],
        forecasts: Forecasts,
    ) -> None:
        self._terms = terms
        self._repository = repository
        self._worktrees = worktrees
        self._spawner = spawner
        self._queue = queue
        self._events = events
        self._open_workspace = open_workspace
        self._forecasts = forecasts

    async def work(self, task: Task) -> None:
        """Ends with the task done or failed.

        Raises:
            RunStopped: the whole run must stop or wait (budget, approval, interruption); the task stays as it is and
                a resume goes on in the middle of its attempt.
            ModelError: the provider is of no use at the moment; likewise.
        """
        view = self._events.view.tasks[task.id]
        while True:
            if view.state not in (TaskState.WORKING, TaskState.REVIEW):
                if view.attempt >= self._terms.options.rounds:
                    await self._fail(task, view)
                    return
                await self._begin(task, view)
            elif view.state is TaskState.WORKING and view.tree is not None:
                await self._take_up(task, view, view.tree)
            refusal = await self._attempt(task, view)
            if refusal is None:
                await self._worktrees.close(task.id)
                return
            if refusal.reason is StopReason.CHECK_UNPROVEN:
                await self._change(task, TaskState.FAILED, view, refusal)
                return
            await self._change(task, TaskState.READY, view, refusal)

    async def _take_up(self, task: Task, view: TaskView, tree: TreeId) -> None:
        """After a crash: the files as the last recorded step left them, or the next attempt when git has lost them."""
        if await is_readable(self._repository, tree):
            await self._worktrees.reset(task.id, _base(view), tree)
        else:
            await self._begin(task, view)  # no failure of the task: it begins again even after its last attempt

    async def _begin(self, task: Task, view: TaskView) -> None:
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
                view.tree, [_base(view)], f"{task.id}: left by attempt {attempt - 1}"
            )
            await self._repository.move_ref(f"{self._terms.ref_prefix}{task.id}.{attempt - 1}-left", left, None)
            forecast = await self._repository.forecast(base, left)
            clean = forecast.tree or await merged_by_structure(self._repository, forecast)
            restart_from = clean or forecast.marked_tree
            if restart_from is not None:
                await self._keep_start(task, attempt, restart_from, base)
        path = await self._worktrees.open(task.id, base, restart_from)
        tree = restart_from or await self._repository.tree_of(base)
        await self._events.record(
            *end_of_last,
            TaskChanged(
                task=task.id,
                state=TaskState.WORKING,
                agent=self._terms.names[task.id],
                attempt=attempt,
                worktree=str(path),
                tree=tree,
                base=base,
            ),
        )

    async def _keep_start(self, task: Task, attempt: int, tree: TreeId, base: CommitId) -> None:
        """The log names this tree until the first step that writes has one of its own."""
        start = await self._repository.commit_tree(tree, [base], f"{task.id}: start of attempt {attempt}")
        ref = f"{self._terms.ref_prefix}{task.id}.{attempt}-start"
        await self._repository.move_ref(ref, start, await self._repository.resolve(ref))

    async def _attempt(self, task: Task, view: TaskView) -> SentBack | None:
        if view.state is TaskState.WORKING:
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
            refusal = await self._take_in(task, view, end)
            if refusal is not None:
                return refusal
        assert view.commit is not None
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
            workspace=workspace,
            spawner=self._spawner,
            repository=self._repository,
            events=self._events,
            deadline=deadline,
            asker=self._terms.names[task.id],
            limit=self._terms.max_escalations,
        )
        async with deadline.running():
            guidance = await self._guidance(task, view, advice)
            agent = self._spawner.spawn(
                self._order(task, view, workspace.root, guidance),
                advisor=advice,
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
        """Before the last attempt, and after at least one failure, the supervisor is asked by the host."""
        is_last = view.attempt >= self._terms.options.rounds and view.attempt > 1
        if not (is_last and self._terms.has_supervisor):
            return None
        question = briefing.failure_question(task, _notes(view))
        return await advice.guide(view.attempt, question)

    def _order(self, task: Task, view: TaskView, root: Path, guidance: str | None) -> AgentOrder:
        checks = self._queue.checks(task)
        return AgentOrder(
            profile="worker",
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
                request=self._terms.request,
                documents_at=self._terms.documents_at,
            ),
            root=root,
            can_write=True,
            has_supervisor=self._terms.has_supervisor,
            max_iterations=self._terms.options.max_iterations,
            footprint=task.files,
            approved_commands=checks,
            protected=self._terms.document_paths,
            tree=view.tree,
        )

    async def _take_in(self, task: Task, view: TaskView, end: ToolEnd) -> SentBack | None:
        """Commit what stands in the worktree on a kept ref; the host commits, never the worker."""
        base = _base(view)
        tree = await self._repository.snapshot(self._worktrees.path(task.id))
        tree = await self._without_document_changes(tree, base)
        if view.attempt > 1:
            marked = await self._still_marked(base, tree)
            if marked:
                return SentBack(StopReason.MERGE_CONFLICT, f"conflict markers are left in: {', '.join(marked)}", marked)
        message = f"{task.id}: {task.title} (attempt {view.attempt})"
        commit = await self._repository.commit_tree(
            tree, [base], message, author=f"{self._terms.names[task.id]} <equitrcoder@localhost>"
        )
        ref = f"{self._terms.ref_prefix}{task.id}.{view.attempt}"
        kept = await self._repository.resolve(ref)
        await self._repository.move_ref(ref, commit, kept)
        await self._events.record(
            TaskChanged(
                task=task.id,
                state=TaskState.REVIEW,
                agent=self._terms.names[task.id],
                attempt=view.attempt,
                detail=end.summary,
                tree=tree,
                commit=commit,
            )
        )
        return None

    async def _still_marked(self, base: CommitId, tree: TreeId) -> tuple[str, ...]:
        changed = await self._repository.changed(base, tree)
        return await marked_paths(
            self._repository, tree, (path for path, change in changed.items() if change != "deleted")
        )

    async def _without_document_changes(self, tree: TreeId, base: CommitId) -> TreeId:
        changed = await self._repository.changed(base, tree)
        touched = [path for path in self._terms.document_paths if path in changed]
        if not touched:
            return tree
        return await self._repository.tree_with(
            tree, {path: await self._repository.show_file(base, path) for path in touched}
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


def _base(view: TaskView) -> CommitId:
    assert view.base is not None, "an attempt records its base when it begins"
    return view.base


def _notes(view: TaskView) -> Sequence[briefing.AttemptNote]:
    return [briefing.AttemptNote(number, reason, detail) for number, reason, detail in view.history]
