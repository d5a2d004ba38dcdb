"""An epic from request to landing: plan (or a direct task), approve, execute, land. Each phase can be entered again."""

from collections.abc import Awaitable, Callable
from typing import Literal

from equitr_coder.domain.code_map import map_text
from equitr_coder.domain.commands import (
    ApprovePlan,
    EditDocument,
    HoldTask,
    RejectPlan,
    ReleaseTask,
    ReviseDocument,
    StopTask,
)
from equitr_coder.domain.epic import Plan, Task, TaskState
from equitr_coder.domain.errors import EquitrError, RunStopped, StopReason, UserError
from equitr_coder.domain.events import MergeLanded, PlanApproved, PlanSubmitted, RunFinished, TaskAssigned
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import CommitId, EpicId, TaskId
from equitr_coder.domain.planned_commands import Standing, approved_with
from equitr_coder.domain.run_view import RunView
from equitr_coder.domain.runs import RunState
from equitr_coder.engine.step_trees import release
from equitr_coder.orchestration.head_start import HeadStart, beside_work
from equitr_coder.orchestration.merge_queue import moved_away
from equitr_coder.orchestration.probe import LONGEST, UntouchedTree
from equitr_coder.orchestration.worktrees import Worktrees
from equitr_coder.planning.conversation import Conversation
from equitr_coder.planning.drafts import PLANNER, Facts, PlanningOptions
from equitr_coder.planning.file_tree import missing_paths
from equitr_coder.planning.forecast import Forecaster
from equitr_coder.planning.plan_rules import PlanRules
from equitr_coder.planning.size import starts_with_plan
from equitr_coder.ports import CheckProbe, Landing, RunKit
from equitr_coder.workflows.assignment import assign_free, measured, require_profiles
from equitr_coder.workflows.crew import Crew, open_gate, open_pool, open_worktrees
from equitr_coder.workflows.documents import (
    NAMES,
    place_documents,
    planned_at,
    planned_message,
    ticked,
    ticked_at,
    ticks_message,
)

_LISTED_FILES = 5000
_By = Literal["user", "yes_flag"]
"""Who approves."""
Decision = ApprovePlan | ReviseDocument | EditDocument | RejectPlan


@frozen
class Decisions:
    """What the person decides while a plan waits for approval."""

    next: Callable[[], Awaitable[Decision]]
    """The next decision."""
    accept: Callable[[], None]
    """The last decision was taken; whoever gave it may go on."""
    refuse: Callable[[UserError], None]
    """The last decision made no sense; the plan still waits."""


class EpicRun:
    def __init__(self, kit: RunKit, decisions: Decisions) -> None:
        self._kit = kit
        self._decisions = decisions
        self._crew: Crew | None = None
        self._worktrees: Worktrees | None = None
        """Those of the planning, when this process has done it."""

    @property
    def _view(self) -> RunView:
        return self._kit.events.view

    @property
    def _epic(self) -> EpicId:
        assert self._view.epic is not None, "epics and loops are numbered when they start"
        return self._view.epic

    async def run(self) -> None:
        """Ends with `run_finished` recorded.

        Raises:
            RunStopped, ModelError, UserError: the run must wait; everything done is kept and a resume goes on.
        """
        if not self._view.is_approved and not await self._prepare():
            return
        stop = await self._execute()
        if stop is not None:
            raise stop
        await self._finish()

    def look_again(self) -> None:
        """Something came from outside that a task may have waited for."""
        if self._crew is not None:
            self._crew.supervisor.look_again()

    async def direct(self, command: HoldTask | ReleaseTask | StopTask) -> None:
        """The person's word on one task.

        Raises:
            UserError: nothing is being built, or it makes no sense for this task now.
        """
        if self._crew is None:
            raise UserError("nothing is being built yet", hint="approve the plan first")
        supervisor = self._crew.supervisor
        match command:
            case HoldTask():
                await supervisor.hold(command.task)
            case ReleaseTask():
                await supervisor.release(command.task)
            case StopTask():
                await supervisor.stop(command.task)

    # ---------------------------------------------------------------- plan

    async def _prepare(self) -> bool:
        """From the request to an approved plan; False when the person rejected it."""
        if not self._is_planned():
            await self._approve(self._direct_plan(), by="direct", has_documents=False)
            return True
        worktrees = open_worktrees(self._kit, open_pool(self._kit))
        try:
            by = await self._plan(worktrees)
            if by is not None:
                plan = self._view.plan
                assert plan is not None
                await self._approve(plan, by=by, has_documents=True)
                self._worktrees = worktrees
        finally:
            if self._worktrees is None:
                await worktrees.close_all()
        if by is None:
            await self._kit.events.record(
                RunFinished(state=RunState.CANCELLED, reason=StopReason.DECLINED, content="The plan was not approved.")
            )
        return by is not None

    async def _plan(self, worktrees: Worktrees) -> _By | None:
        """Until the plan is approved or, with None, rejected; the worktrees for its first tasks are made meanwhile."""
        head = (await self._kit.repository.inspect()).head
        options = self._view.options
        is_built_next = not options.plan_only and (options.approve_plan or options.yes or options.can_ask)
        ahead = HeadStart(worktrees, head, workers=options.max_workers if is_built_next else 0)

        async def plan() -> _By | None:
            conversation = await self._conversation(worktrees, head, ahead.expect)
            await conversation.plan()
            return await self._wait_for_approval(conversation)

        return await ahead.beside(plan)

    async def _conversation(
        self, worktrees: Worktrees, head: CommitId | None, expect: Callable[[Plan], None]
    ) -> Conversation:
        terms, options = self._kit.terms, self._view.options
        listing = await self._kit.open_workspace(self._kit.checkout).list(limit=_LISTED_FILES)
        return Conversation(
            spawner=self._kit.spawner,
            sink=self._kit.events,
            questions=self._kit.questions,
            facts=Facts(
                request=self._view.request,
                root=self._kit.checkout,
                listing="\n".join(listing),
                code_map=await self._map(),
                attachments=self._view.attachments.text if self._view.attachments is not None else "",
                images=self._view.images,
            ),
            options=PlanningOptions(
                rules=PlanRules(
                    auto_split=terms.auto_split,
                    min_subtasks=terms.min_tasks,
                    max_subtasks=terms.max_tasks,
                    sync_point_types=terms.artifact_types,
                    detect_sync_points=terms.detect_sync_points,
                ),
                default_check=terms.default_check,
                independent_tests=terms.independent_tests,
                standing=self._standing,
                can_ask=options.can_ask and not options.yes,
            ),
            probe=self._probe(worktrees, head),
            expect=expect,
            forecast=Forecaster(
                store=self._kit.store,
                prices=self._kit.prices,
                events=self._kit.events,
                workspace=str(self._kit.checkout),
                max_escalations=terms.max_escalations,
                cap=terms.workflow_limit,
            ).forecast,
        )

    async def _map(self) -> str:
        """Of the checkout, for the request. A planner that has begun holds one in its first message."""
        session = self._view.sessions.get(PLANNER)
        if session is not None and session.messages:
            return ""
        return map_text(await self._kit.code_maps.draw(self._kit.checkout, self._view.request))

    def _probe(self, worktrees: Worktrees, head: CommitId | None) -> CheckProbe | None:
        """What runs planned checks on the files as they are; None when nothing is committed yet."""
        if head is None:
            return None
        timeout = min(self._kit.terms.check_timeout, LONGEST)
        return UntouchedTree(gate=open_gate(self._kit, worktrees, timeout=timeout), commit=head)

    def _is_planned(self) -> bool:
        if self._view.plan is not None or self._view.documents:
            return True
        return starts_with_plan(self._view.kind, self._view.options.plan, self._view.request)

    def _direct_plan(self) -> Plan:
        request = self._view.request.strip()
        title = request.splitlines()[0]
        short = title if len(title) <= 72 else f"{title[:71].rstrip()}…"
        task = Task(
            id=TaskId("T1"),
            title=short,
            description=request,
            check=self._view.options.check,
            todos=(),
        )
        return Plan(title=short, tasks=(task,))

    async def _wait_for_approval(self, conversation: Conversation) -> _By | None:
        options = self._view.options
        if options.plan_only:
            raise RunStopped(
                StopReason.APPROVAL_NEEDED, "the plan waits for approval", hint=f"equitrcoder epic run {self._epic}"
            )
        if options.approve_plan:
            return "user"
        if options.yes:
            return "yes_flag"
        if not options.can_ask:
            raise RunStopped(
                StopReason.APPROVAL_NEEDED,
                "the plan is saved and waits for approval, and nobody is here to give it",
                hint=f"equitrcoder epic run {self._epic} approves and executes it; or start again with --yes",
            )
        while True:
            match await self._decisions.next():
                case ApprovePlan():
                    self._decisions.accept()
                    return "user"
                case RejectPlan():
                    self._decisions.accept()
                    return None
                case ReviseDocument() as revision:
                    self._decisions.accept()
                    await self._revise(conversation, revision)
                case EditDocument() as edit:
                    try:
                        await conversation.edit(edit.name, edit.content)
                    except UserError as error:
                        self._decisions.refuse(error)
                    else:
                        self._decisions.accept()

    async def _revise(self, conversation: Conversation, revision: ReviseDocument) -> None:
        try:
            await conversation.revise(revision.name, revision.request)
        except UserError as error:
            # The plan stands; whoever reviews it reads why nothing changed.
            view = self._view
            assert view.plan is not None
            gaps = (*view.gaps, f"not revised: {error}")
            await self._kit.events.record(
                PlanSubmitted(plan=view.plan, gaps=gaps, forecast=view.forecast, standing=view.standing)
            )

    async def _approve(self, plan: Plan, *, by: Literal["user", "yes_flag", "direct"], has_documents: bool) -> None:
        repository = self._kit.repository
        state = await repository.ensure()
        base = state.head
        assert base is not None, "a repository that was ensured has a commit"
        branch = f"equitr/{self._epic}"
        folder: str | None = None
        commit = base
        if has_documents:
            documents = {name: self._view.documents[name].content for name in NAMES if name in self._view.documents}
            folder, files = await place_documents(repository, self._kit.checkout, base, self._epic, documents)
            tree = await repository.tree_with(await repository.tree_of(base), files)
            commit = await repository.commit_tree(
                tree,
                [base],
                planned_message(self._epic, plan, self._view.run),
                at=planned_at(self._view),
            )
        await self._make_branch(branch, commit)
        await self._kit.events.record(
            *(await self._assignments() if has_documents else []),
            PlanApproved(
                plan=plan,
                by=by,
                branch=branch,
                base=base,
                base_branch=state.branch,
                commit=commit,
                documents_at=folder,
                # What was shown, whatever the configuration says by now.
                commands=approved_with(plan, self._view.standing or self._standing),
            ),
        )

    @property
    def _standing(self) -> Standing:
        terms = self._kit.terms
        return Standing(
            default_check=terms.default_check,
            gate=terms.gate_checks,
            setup=terms.setup,
            after_edit=terms.after_edit,
        )

    async def _assignments(self) -> list[TaskAssigned]:
        """Where there is more than one worker profile, whoever fits best does what nobody was given."""
        workers = self._kit.terms.workers
        if len(workers) < 2:
            return []
        strengths = await measured(self._kit.store, str(self._kit.checkout))
        return assign_free(self._view, workers, strengths)

    async def _make_branch(self, branch: str, commit: CommitId) -> None:
        """The integration branch at `commit`. One that this run made before it died, and that nothing has been built
        upon yet, is moved there; anybody else's stops the run.
        """
        repository, store, ref = self._kit.repository, self._kit.store, f"refs/heads/{branch}"
        made = (await store.open_journals(self._branch_journal)).get(self._branch_journal, {}).get("commits", [])
        there = await repository.resolve(ref)
        is_ours = there is None or there in made
        if is_ours:
            # Before the branch: killed in between, the next of us knows it.
            await store.write_journal(self._branch_journal, {"commits": [*made, commit]})
        if not is_ours or not await repository.move_ref(ref, commit, there):
            raise UserError(
                f"the branch {branch} exists already and holds something else",
                hint=f"rename or delete it first: git branch -m {branch} {branch}-old",
            )

    @property
    def _branch_journal(self) -> str:
        return f"branch:{self._view.run}"

    # ---------------------------------------------------------------- execute

    async def _execute(self) -> EquitrError | None:
        worktrees = self._worktrees or open_worktrees(self._kit, open_pool(self._kit))
        try:
            require_profiles(self._view, self._kit.terms.workers)
            await self._kit.store.clear_journal(
                self._branch_journal
            )  # the approval is recorded, and with it the branch
            crew = self._crew = Crew(self._kit, worktrees)
            await crew.recover()
            tip, options = self._view.tip, self._view.options
            assert tip is not None, "an epic is approved before it is built"
            most = min(options.max_workers, len(self._view.tasks))
            half = -(-most // 2)  # of what begins together not all is at the same step
            more = min(half, len(self._view.tasks) - most) if most > 1 else 0  # a single worker waits for the landing
            stop = await beside_work(worktrees, tip, checks=half, tasks=more, work=crew.supervisor.run)
            await crew.close()
            if stop is None:
                await worktrees.close_all()
        finally:
            worktrees.release()
        return stop

    # ---------------------------------------------------------------- land

    async def _finish(self) -> None:
        view, plan = self._view, self._view.plan
        assert plan is not None
        assert view.branch is not None
        await self._kit.events.flush()  # branches move from here on
        await self._tick_todos(plan)
        tip, base = view.tip, view.base_commit
        assert tip is not None
        assert base is not None
        if any(view.tasks[task.id].state is not TaskState.DONE for task in plan.tasks):
            has_work = any(view.tasks[task.id].state is TaskState.DONE for task in plan.tasks)
            await self._record_end(RunState.FAILED, landed=False, hint=f"git merge {view.branch}" if has_work else "")
            return
        if view.base_branch is None:
            hint = f"git merge {view.branch}"
            await self._record_end(RunState.COMPLETED, landed=False, hint=hint, why="HEAD is detached")
            return
        repository = self._kit.repository
        if await self._has_landed(view.base_branch, base, tip):
            landing = Landing(landed=True)  # moved before a crash
        else:
            landing = await repository.land(view.run, view.base_branch, base, tip)
        if landing.landed:
            await self._kit.events.record(MergeLanded(target=view.base_branch, old=base, commit=tip))
        await self._record_end(RunState.COMPLETED, landed=landing.landed, hint=landing.command, why=landing.reason)

    async def _has_landed(self, branch: str, base: CommitId, tip: CommitId) -> bool:
        """Whether the user's branch holds the work already: it is there, or merging it would change nothing."""
        repository = self._kit.repository
        now = await repository.resolve(f"refs/heads/{branch}")
        if now is None or now == base:
            return False
        return now == tip or (await repository.forecast(now, tip)).tree == await repository.tree_of(now)

    async def _tick_todos(self, plan: Plan) -> None:
        """The ticks of done tasks, as one commit of the host."""
        view, repository = self._view, self._kit.repository
        if view.documents_at is None or view.branch is None or view.tip is None:
            return
        done = {task.id for task in plan.tasks if view.tasks[task.id].state is TaskState.DONE}
        if not done:
            return
        path = f"{view.documents_at}/todos.md"
        content = ticked(self._epic, plan, done)
        tree = await repository.tree_with(await repository.tree_of(view.tip), {path: content})
        if tree == await repository.tree_of(view.tip):
            return
        old, ref = view.tip, f"refs/heads/{view.branch}"
        now = await repository.resolve(ref)
        if now is not None and now != old and await repository.tree_of(now) == tree:
            commit: CommitId = now  # moved before a crash
        else:
            commit = await repository.commit_tree(
                tree, [old], ticks_message(self._epic, done, view.run), at=ticked_at(view)
            )
            if not await repository.move_ref(ref, commit, old):
                raise moved_away(view.branch, old, await repository.resolve(ref))
        await self._kit.events.record(MergeLanded(target=view.branch, old=old, commit=commit))

    async def _record_end(self, state: RunState, *, landed: bool, hint: str, why: str = "") -> None:
        view = self._view
        if state is RunState.COMPLETED:  # one that failed can be resumed
            await release(self._kit.repository, view.run)
        failed = [task for task in view.tasks.values() if task.state is not TaskState.DONE]
        summaries = [
            f"{task.id}: {task.detail.strip()}" if len(view.tasks) > 1 else task.detail.strip()
            for task in view.tasks.values()
            if task.state is TaskState.DONE and task.detail.strip()
        ]
        reason = next((task.reason for task in failed if task.reason is not None), None)
        await self._kit.events.record(
            RunFinished(
                state=state,
                reason=reason,
                content="\n".join(summaries),
                detail="" if landed else why,
                landed=landed,
                hint=hint,
                missing_paths=await self._missing_paths() if state is RunState.COMPLETED else (),
            )
        )

    async def _missing_paths(self) -> tuple[str, ...]:
        design = self._view.documents.get("design")
        if design is None or design.by == "host" or self._view.tip is None:
            return ()
        return missing_paths(design.content, await self._kit.repository.list_tree(self._view.tip))
