"""Builds an epic again from its log, without any model, and compares every tree, commit and ledger row with the log.

What a model said is taken from the log; edits are made again by the tools themselves, commits and merges by the code
that made them, at the times that the log gives. What a command changed is taken from git by the recorded tree while git
still has that; else the command runs again. Works in worktrees of its own; no ref moves.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal

from equitr_coder.domain import events as e
from equitr_coder.domain.epic import Task, TaskState
from equitr_coder.domain.errors import ToolFailure, UserError
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import CallId, CommitId, RunId, SessionId, TaskId, TreeId, new_id
from equitr_coder.domain.models import AssistantMessage, ToolCall
from equitr_coder.domain.money import ZERO
from equitr_coder.domain.queries import ReplayAnswer, ReplayDifference
from equitr_coder.domain.run_view import RunView, apply
from equitr_coder.engine.repair import read_arguments
from equitr_coder.engine.step_trees import is_readable
from equitr_coder.orchestration.conflict_log import standing_commit
from equitr_coder.orchestration.conflicts import merged_by_structure
from equitr_coder.orchestration.footprints import Footprints
from equitr_coder.orchestration.merge_queue import merge_message, signature
from equitr_coder.orchestration.outcomes import HandIn
from equitr_coder.orchestration.worker import hand_in_message, left_message, without_changes
from equitr_coder.orchestration.worktrees import RunPlaces, Worktrees
from equitr_coder.ports import Repository, RunKit, Tool, ToolContext
from equitr_coder.workflows.crew import open_pool
from equitr_coder.workflows.documents import (
    NAMES,
    place_documents,
    planned_at,
    planned_message,
    ticked,
    ticked_at,
    ticks_message,
)

_EDITS = frozenset({"write_file", "edit_file", "apply_patch"})
_COMMAND = "run_command"


class Replay:
    def __init__(self, kit: RunKit) -> None:
        """`kit` is that of a run that is only looked at."""
        self._kit = kit

    async def run(self, log: Sequence[e.Event]) -> ReplayAnswer:
        """Up to the first difference, or to the end.

        Raises:
            UserError: the log is not that of an approved epic, or git has lost the commit that it began with.
        """
        view = self._kit.events.view
        if view.plan is None or not view.is_approved or view.base_commit is None:
            raise UserError(
                f"{view.epic or view.run} is no epic that was built", hint="`equitrcoder runs` lists epics and loops"
            )
        if not await is_readable(self._kit.repository, TreeId(view.base_commit)):
            raise UserError(
                f"git no longer has {view.base_commit[:12]}, the commit that {view.epic} began with",
                hint="fetch it again; without it nothing can be built on it",
            )
        async with self._worktrees() as worktrees:
            built = _Rebuilding(self._kit, worktrees, log)
            try:
                await built.follow()
            except _DiffersError as found:
                built.answer.difference = found.difference
        return built.answer.value(view)

    @asynccontextmanager
    async def _worktrees(self) -> AsyncIterator[Worktrees]:
        kit = self._kit
        # Owned as a run's folder is, or another process would take it for what a dead one has left.
        name = RunId(new_id("replay"))
        places = RunPlaces(
            root=kit.worktrees / name, checkout=kit.checkout, git_dir=kit.repository.git_dir(), links=kit.links
        )
        worktrees = Worktrees(
            repository=kit.repository,
            places=places,
            preparation=kit.preparation,
            pool=open_pool(kit),
            leases=kit.leases,
            gate_slots=1,
        )
        async with kit.store.lock_run(name):
            try:
                yield worktrees
            finally:
                await worktrees.close_all()


class _DiffersError(Exception):
    def __init__(self, event: e.Event, what: str, was: object, now: object) -> None:
        super().__init__(what)
        self.difference = ReplayDifference(seq=event.seq, what=what, was=str(was), now=str(now))


@frozen
class _Step:
    called: e.ToolCalled
    returned: e.ToolReturned
    changed: frozenset[str]
    """Paths that the log says it changed."""


@dataclass
class _Attempt:
    base: CommitId
    tree: TreeId
    """As far as it has been replayed."""
    is_replayed: bool = False


@dataclass
class _Tally:
    edits: int = 0
    commands: int = 0
    commands_again: int = 0
    steps: int = 0
    commits: int = 0
    calls: int = 0
    usd: Decimal = ZERO
    taken: int = 0
    tip: CommitId | None = None
    difference: ReplayDifference | None = field(default=None)

    def value(self, view: RunView) -> ReplayAnswer:
        return ReplayAnswer(
            run=view.run,
            epic=view.epic,
            steps=self.steps,
            edits=self.edits,
            commands=self.commands,
            commands_again=self.commands_again,
            commits=self.commits,
            taken=self.taken,
            calls=self.calls,
            usd=self.usd,
            tip=self.tip,
            difference=self.difference,
        )


class _Rebuilding:
    def __init__(self, kit: RunKit, worktrees: Worktrees, log: Sequence[e.Event]) -> None:
        self._kit = kit
        self._worktrees = worktrees
        self._log = log
        self._view = RunView(run=kit.events.view.run)
        plan = kit.events.view.plan
        assert plan is not None, "only approved epics are replayed"
        self._plan = plan
        self._steps = _steps(log)
        self._attempts: dict[tuple[TaskId, int], _Attempt] = {}
        self._handed: dict[tuple[TaskId, int], HandIn] = {}
        self._said: dict[SessionId, dict[CallId, ToolCall]] = defaultdict(dict)
        self.answer = _Tally()

    @property
    def _repository(self) -> Repository:
        return self._kit.repository

    async def follow(self) -> None:
        for event in self._log:
            await self._look(event)
            apply(self._view, event)
        self._ledger()

    async def _look(self, event: e.Event) -> None:
        """Before the event counts: everything it rests on does."""
        match event:
            case e.MessageAdded(message=AssistantMessage() as said):
                self._said[event.session].update({call.id: call for call in said.calls})
            case e.ToolCalled():
                self._asked(event)
            case e.ModelCallSettled():
                self._settled(event)
            case e.PlanApproved():
                await self._approved(event)
            case e.TaskChanged(state=TaskState.WORKING):
                await self._begins(event)
            case e.TaskChanged(state=TaskState.REVIEW):
                await self._hands_in(event)
            case e.TaskChanged(state=TaskState.READY | TaskState.FAILED | TaskState.CANCELLED):
                await self._ends(event)
            case e.MergeLanded():
                await self._lands(event)
            case _:
                pass

    # ---------------------------------------------------------------- words and money

    def _asked(self, event: e.ToolCalled) -> None:
        call = self._said[event.session].get(event.call)
        if call is None or (call.name, call.arguments) != (event.name, event.arguments):
            was = call.arguments if call is not None else "no such call"
            raise _DiffersError(
                event, f"the call {event.name} of {event.session} is not what the model asked for", event.arguments, was
            )

    def _settled(self, event: e.ModelCallSettled) -> None:
        self.answer.calls += 1
        cost = event.usage.reported_usd
        if cost is None:
            cost = event.price.cost(event.usage) if event.price is not None else ZERO
        if cost != event.usd:
            raise _DiffersError(event, f"the price of call {event.call}", event.usd, cost)
        self.answer.usd += cost

    def _ledger(self) -> None:
        """The replayed ledger against the one that everything else reads."""
        mine = list(self._view.ledger.values())
        theirs = list(self._kit.events.view.ledger.values())
        failed = sum((row.usd for row in mine if row.failed is not None), ZERO)
        self.answer.usd += failed
        for one, other in zip(mine, theirs, strict=True):
            if one != other:
                raise _DiffersError(self._log[-1], f"the ledger's row of call {other.call}", other, one)
        if self.answer.usd != self._kit.events.view.spent:
            raise _DiffersError(self._log[-1], "what was spent", self._kit.events.view.spent, self.answer.usd)

    # ---------------------------------------------------------------- trees and commits

    def _same(self, event: e.Event, what: str, was: object, now: object) -> None:
        if was != now:
            raise _DiffersError(event, what, was, now)

    async def _approved(self, event: e.PlanApproved) -> None:
        commit, view = event.base, self._view
        if event.documents_at is not None and view.epic is not None:
            documents = {name: view.documents[name].content for name in NAMES if name in view.documents}
            _, files = await place_documents(
                self._repository, self._kit.checkout, event.base, view.epic, documents, at=event.documents_at
            )
            tree = await self._repository.tree_with(await self._repository.tree_of(event.base), files)
            message = planned_message(view.epic, event.plan, view.run)
            commit = await self._repository.commit_tree(tree, [event.base], message, at=planned_at(view))
            self.answer.commits += 1
        self._same(event, "the commit of the planning documents", event.commit, commit)
        self.answer.tip = commit

    async def _begins(self, event: e.TaskChanged) -> None:
        assert event.base is not None, "an attempt records its base when it begins"
        task, attempt = event.task, event.attempt
        tree = await self._repository.tree_of(event.base)
        before = self._attempts.get((task, attempt - 1))
        if event.tree is not None and event.tree != tree:
            tree = await self._goes_on(event, before)
        self._same(event, f"the tree that attempt {attempt} at {task} begins with", event.tree or tree, tree)
        self._attempts[task, attempt] = _Attempt(base=event.base, tree=tree)

    async def _goes_on(self, event: e.TaskChanged, before: _Attempt | None) -> TreeId:
        """From what the last attempt left, merged with what has landed since."""
        assert event.tree is not None
        assert event.base is not None
        repository = self._repository
        if before is not None:
            footprints = Footprints(plan=self._plan, repository=repository, events=self._kit.events)
            task, attempt = self._plan.task(event.task), event.attempt - 1
            left = await repository.commit_tree(
                await footprints.within(event.task, before.base, before.tree),
                [before.base],
                left_message(task, attempt),
                at=self._view.last_call(_session(event.task, attempt)),
            )
            forecast = await repository.forecast(event.base, left)
            made = forecast.tree or await merged_by_structure(repository, forecast) or forecast.marked_tree
            if made == event.tree:
                return made
        return await self._taken(event, event.tree)

    async def _taken(self, event: e.Event, tree: TreeId) -> TreeId:
        """As the log names it, where it was made by nobody whom the log can tell to do it again."""
        if not await is_readable(self._repository, tree):
            raise _DiffersError(event, "a tree that a conflict or a command left", tree, "git no longer has it")
        self.answer.taken += 1
        return tree

    async def _hands_in(self, event: e.TaskChanged) -> None:
        attempt = await self._replayed(event)
        task = self._plan.task(event.task)
        assert event.agent is not None, "a hand-in names its agent"
        at = self._kit.events.view.documents_at
        documents = tuple(f"{at}/{name}.md" for name in NAMES) if at else ()
        tree = await without_changes(self._repository, attempt.tree, attempt.base, documents)
        self._same(event, f"the tree that {task.id} handed in", event.tree, tree)
        commit = await self._repository.commit_tree(
            tree,
            [attempt.base],
            hand_in_message(task, event.attempt),
            author=signature(event.agent),
            at=self._view.last_call(_session(task.id, event.attempt)),
        )
        self.answer.commits += 1
        self._same(event, f"the commit that {task.id} handed in", event.commit, commit)
        self._handed[task.id, event.attempt] = HandIn(
            task=task, attempt=event.attempt, agent=event.agent, commit=commit, base=attempt.base, summary=event.detail
        )

    async def _ends(self, event: e.TaskChanged) -> None:
        if (event.task, event.attempt) in self._attempts:
            await self._replayed(event)

    async def _lands(self, event: e.MergeLanded) -> None:
        view = self._view
        if event.task is not None:
            self._same(event, f"what {event.task} is merged with", event.old, self.answer.tip)
            commit = await self._merged(event, self._plan.task(event.task))
            self._same(event, f"the commit of {event.task} on {event.target}", event.commit, commit)
            self.answer.tip = commit
        elif event.target == view.branch and view.epic is not None and view.documents_at is not None:
            self._same(event, "what the ticks are put upon", event.old, self.answer.tip)
            done = {task.id for task in self._plan.tasks if view.tasks[task.id].state is TaskState.DONE}
            files: Mapping[str, bytes | None] = {f"{view.documents_at}/todos.md": ticked(view.epic, self._plan, done)}
            tree = await self._repository.tree_with(await self._repository.tree_of(event.old), files)
            message = ticks_message(view.epic, done, view.run)
            commit = await self._repository.commit_tree(tree, [event.old], message, at=ticked_at(view))
            self.answer.commits += 1
            self._same(event, "the commit of the ticked todos", event.commit, commit)
            self.answer.tip = commit
        else:
            self._same(event, f"what landed on {event.target}", event.commit, self.answer.tip)

    async def _merged(self, event: e.MergeLanded, task: Task) -> CommitId:
        attempt = self._view.tasks[task.id].attempt
        handed = self._handed[task.id, attempt]
        theirs = standing_commit(self._view, task.id, attempt, handed.commit)
        forecast = await self._repository.forecast(event.old, theirs)
        tree = forecast.tree or await merged_by_structure(self._repository, forecast)
        if tree is None:
            tree = await self._taken(event, await self._repository.tree_of(event.commit))
        self.answer.commits += 1
        return await self._repository.commit_tree(
            tree,
            [event.old],
            merge_message(handed, self._view.run),
            author=signature(handed.agent),
            at=self._view.last_call(_session(task.id, attempt)),
        )

    # ---------------------------------------------------------------- steps

    async def _replayed(self, event: e.TaskChanged) -> _Attempt:
        """The attempt, with all its steps made again."""
        attempt = self._attempts[event.task, event.attempt]
        if attempt.is_replayed:
            return attempt
        attempt.is_replayed = True
        session = _session(event.task, event.attempt)
        steps = self._steps.get(session, ())
        self.answer.steps += len(steps)
        if not any(_wrote(step, attempt.tree) for step in steps):
            return attempt
        root = await self._worktrees.open(event.task, attempt.base, attempt.tree)
        try:
            tools = self._kit.workbench(self._worktrees.place(root))
            seen: dict[str, str] = {}
            for step in steps:
                await self._again(step, attempt, tools, seen)
                seen |= step.returned.seen
        finally:
            self._worktrees.close(event.task)
        return attempt

    async def _again(self, step: _Step, attempt: _Attempt, tools: Mapping[str, Tool], seen: Mapping[str, str]) -> None:
        returned = step.returned
        was = returned.tree if returned.tree is not None else attempt.tree
        root = self._worktrees.path(TaskId(returned.task or ""))
        self.answer.commands += returned.name == _COMMAND
        if returned.name in _EDITS and not returned.is_error:
            self.answer.edits += 1
            await self._use(step, tools, seen)
        elif was == attempt.tree:
            return
        elif await is_readable(self._repository, was):
            self.answer.taken += 1
            await self._repository.restore(root, was)
        else:
            self.answer.commands_again += 1
            await self._use(step, tools, seen)
            # What the host put back after the command is no part of the step.
            now = await self._repository.snapshot(root)
            kept = await self._repository.mixed(attempt.tree, now, sorted(step.changed))
            await self._repository.restore(root, kept)
        now = await self._repository.snapshot(root)
        self._same(returned, f"the tree after {returned.name} ({returned.session}, call {returned.call})", was, now)
        attempt.tree = now

    async def _use(self, step: _Step, tools: Mapping[str, Tool], seen: Mapping[str, str]) -> None:
        called = step.called
        tool = tools[called.name]
        call = ToolCall(id=called.call, name=called.name, arguments=called.arguments)
        context = ToolContext(session=called.session, agent=called.agent, task=called.task, call=called.call, seen=seen)
        try:
            await tool.run(tool.parse(read_arguments(call, tool.spec)), context)
        except ToolFailure as failure:
            raise _DiffersError(step.returned, f"{called.name} ({called.session})", "was done", failure) from failure


def _session(task: TaskId, attempt: int) -> SessionId:
    return SessionId(f"{task}.{attempt}")


def _wrote(step: _Step, tree: TreeId) -> bool:
    is_edit = step.returned.name in _EDITS and not step.returned.is_error
    return is_edit or step.returned.tree not in (None, tree)


def _steps(log: Iterable[e.Event]) -> Mapping[SessionId, Sequence[_Step]]:
    """Of each session, in order."""
    called: dict[tuple[SessionId, CallId], e.ToolCalled] = {}
    changed: dict[SessionId, set[str]] = defaultdict(set)
    steps: dict[SessionId, list[_Step]] = defaultdict(list)
    for event in log:
        match event:
            case e.ToolCalled():
                called[event.session, event.call] = event
            case e.FileChanged():
                changed[event.session].add(event.path)
            case e.ToolReturned() if (event.session, event.call) in called:
                paths = frozenset(changed.pop(event.session, ()))
                steps[event.session].append(_Step(called.pop((event.session, event.call)), event, paths))
            case _:
                pass
    return steps
