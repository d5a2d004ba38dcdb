"""`RunApi` for runs on this machine: takes commands, owns running runs, answers what the log can answer."""

import asyncio
import logging
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, assert_never

from equitr_coder.domain import commands as c
from equitr_coder.domain import queries as q
from equitr_coder.domain.attachments import Attachments, with_attachments
from equitr_coder.domain.errors import ModelErrorKind, StopReason, UserError
from equitr_coder.domain.escalations import EscalationRow, escalation_rows
from equitr_coder.domain.events import (
    Event,
    MessageAdded,
    ModelCallFailed,
    RunPaused,
    RunRenamed,
    RunResumed,
    RunStarted,
)
from equitr_coder.domain.ids import RunId, epic_id, new_id
from equitr_coder.domain.images import Image, require_few
from equitr_coder.domain.metrics import measure
from equitr_coder.domain.models import Tier
from equitr_coder.domain.run_view import RunView, fold
from equitr_coder.domain.runs import PlanMode, RunKind, RunOptions
from equitr_coder.domain.strengths import Candidate
from equitr_coder.planning.size import starts_with_plan
from equitr_coder.ports import Clock, EventStore, Redactor, Repository, RepoState, RunKit, ShownDelta
from equitr_coder.session import answers
from equitr_coder.session import kept as kept_text
from equitr_coder.session.approvals import ApprovalDesk, QuestionDesk
from equitr_coder.session.audit import AuditLog
from equitr_coder.session.hub import Hub
from equitr_coder.session.live_run import KitFactory, LiveRun
from equitr_coder.session.moved import require_unmoved
from equitr_coder.session.said import cancelled, queued
from equitr_coder.workflows.assignment import assign, measured
from equitr_coder.workflows.chat import ChatRun, images_of, next_message
from equitr_coder.workflows.rewinding import Rewinding
from equitr_coder.workflows.told import told, tried_again

_log = logging.getLogger(__name__)

_POLL_SECONDS = 0.25
_EPIC_REF = re.compile(r"/equitr/epic-(\d+)(?:/|$)")
_AS_CONFIGURED = c.StartRun(kind=RunKind.EPIC, request="")
_PLANNED = c.StartRun(kind=RunKind.EPIC, request="", plan=PlanMode.ALWAYS)
MakeOptions = Callable[[c.StartRun], RunOptions]
Attach = Callable[[str], Awaitable[Attachments | None]]
TakesImages = Callable[[RunOptions, str, Tier], bool | None]
"""Of the model with this name, called as the configuration says; None when nobody knows."""
ModelNames = Callable[[RunOptions, str | None], tuple[str | None, str | None]]
"""Supervisor's and worker's model names for a run, under an override of the model. Raises UserError or ModelError when
a model, its price under a budget or its key is missing: before anything is recorded or paid."""


class LocalRunApi:
    """Implements `ports.RunApi`; an async context manager. Leaving it pauses what still runs."""

    def __init__(
        self,
        *,
        checkout: Path,
        store: EventStore,
        clock: Clock,
        repository: Repository,
        make_kit: KitFactory,
        make_options: MakeOptions,
        model_names: ModelNames,
        workers: Callable[[], Sequence[Candidate]],
        answer: Callable[[q.Query], Awaitable[q.Answer]],
        attach: Attach,
        takes_images: TakesImages,
        user: str = "",
        redactor: Redactor | None = None,
    ) -> None:
        """`attach` reads what a request mentions with `@`; `takes_images` says whether a model can be shown images.
        `user` is the name of the local user, recorded with every run. `redactor` takes held keys out of what goes
        through this door, both ways, and out of every event.
        """
        self._redactor = redactor
        self._checkout = checkout
        self._store = store
        self._clock = clock
        self._repository = repository
        self._make_kit = make_kit
        self._make_options = make_options
        self._model_names = model_names
        self._workers = workers
        self._answer = answer
        self._attach = attach
        self._takes_images = takes_images
        self._user = user
        self._live: dict[RunId, LiveRun] = {}
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for live in self._live.values():
            await live.interrupt()
        await self._group.__aexit__(None, None, None)
        for live in self._live.values():
            await self._forget_steps(live)

    async def _forget_steps(self, live: LiveRun) -> None:
        """Nobody can undo a finished turn of a chat once this door is closed."""
        if live.hub.view.kind is not RunKind.CHAT:
            return
        try:
            async with self._store.lock_run(live.hub.view.run):
                await ChatRun(live.kit).forget()
        except UserError as error:  # what stays is a ref more; the turn itself has ended well
            _log.warning("the steps of %s are still kept: %s", live.hub.view.run, error)

    # ---------------------------------------------------------------- commands

    async def submit(self, command: c.Command) -> RunId:
        return await self._submit(command if self._redactor is None else self._redactor.value(command))

    async def _submit(self, command: c.Command) -> RunId:
        match command:
            case c.StartRun():
                return await self._start(command)
            case c.ResumeRun():
                return await self._resume(command)
            case c.SendMessage() | c.QueueMessage() | c.CancelMessage():
                return await self._hear(command)
            case c.AnswerQuestion() | c.ResolveApproval():
                await self._running(command.run).answer(command)
            case c.ApprovePlan() | c.ReviseDocument() | c.EditDocument() | c.RejectPlan():
                await self._running(command.run).decide(command)
            case c.Interrupt() | c.CloseRun():
                live = self._live.get(command.run)
                if live is not None:
                    await live.interrupt()
            case c.UndoChange() | c.RedoChange() | c.RewindChange():
                await self._rewind(command)
            case c.ResolveConflict() | c.AbortConflict():
                await self._settle(command)
            case c.AssignTasks() | c.RenameRun():
                return await self._mark(command)
            case c.HoldTask() | c.ReleaseTask() | c.StopTask() | c.RaiseBudget():
                await self._direct(command)
            case _ as unreachable:
                assert_never(unreachable)
        return command.run

    async def _hear(self, command: c.SendMessage | c.QueueMessage | c.CancelMessage) -> RunId:
        match command:
            case c.SendMessage():
                return await self._continue_chat(command)
            case c.QueueMessage():
                return await self._queue(command)
            case c.CancelMessage():
                await self._take_back(command)
                return command.run

    def _running(self, run: RunId) -> LiveRun:
        live = self._live.get(run)
        if live is None or not live.is_running:
            raise UserError(f"{run} does not run in this process", hint=f"equitrcoder resume {run}")
        return live

    async def _start(self, command: c.StartRun) -> RunId:
        if not command.request.strip():
            raise UserError("there is nothing to do", hint='say what you want: equitrcoder chat "..."')
        options = self._make_options(command)
        supervisor, worker = self._model_names(options, command.model)
        state = await self._ready_repository(command.kind)
        attachments = await self._attach(command.request)
        if attachments is not None and attachments.images:
            tier = _first_reader(command.kind, options, command.request)
            self._require_sight(attachments.images, options, _named(tier, options, supervisor, worker), tier)
        run = RunId(new_id("run"))
        with_epic = command.kind is not RunKind.CHAT
        above = await self._highest_epic() if with_epic else 0
        number = await self._store.create_run(run, str(self._checkout), with_epic=with_epic, above=above)
        in_worktrees = command.kind is not RunKind.CHAT
        started = RunStarted(
            kind=command.kind,
            request=command.request,
            workspace=str(self._checkout),
            options=options,
            epic=epic_id(number) if number is not None else None,
            supervisor_model=supervisor,
            worker_model=worker,
            base_branch=state.branch,
            base_commit=state.head,
            unseen=(*state.dirty, *state.untracked) if in_worktrees and state.is_repository else (),
            user=self._user,
            attachments=attachments,
        )
        await self._go(run, lambda _: [started], message=None)
        return run

    def _require_sight(
        self, images: Sequence[Image], options: RunOptions, model: str | None, tier: Tier, *, kept: Sequence[Image] = ()
    ) -> None:
        """Before anything is recorded or paid. `kept` are the images that the conversation holds already.

        Raises:
            UserError: there are too many, or the model that reads the request is not known to take images.
        """
        require_few([*kept, *images])
        takes = self._takes_images(options, model, tier) if model is not None else None
        if not takes:
            what = "is not known to take images" if takes is None else "takes no images"
            hint = "choose another model, set llm.images to yes if it does take them, or leave the `@` out"
            raise UserError(f"{model} {what}, and the request shows it @{images[0].path}", hint=hint)

    async def _highest_epic(self) -> int:
        """Of the epics whose branch or kept work is in the repository, whoever made them.

        Raises:
            UserError: a branch named `equitr` leaves no room for theirs.
        """
        branches = await self._repository.refs("refs/heads/equitr")
        if "refs/heads/equitr" in branches:
            raise UserError(
                "the branch `equitr` is in the way of branches named equitr/epic-NNN",
                hint="rename it: git branch -m equitr equitr-old",
            )
        names = [*branches, *await self._repository.refs("refs/equitr")]
        return max((int(found[1]) for name in names if (found := _EPIC_REF.search(name))), default=0)

    async def _resume(self, command: c.ResumeRun) -> RunId:
        found = await self._find(command.run)
        await self._ready_repository(found.kind)

        if command.approve and found.plan is not None and not found.is_approved:
            self._make_options(_PLANNED)  # says so where epics are turned off

        def opening(view: RunView) -> Sequence[Event]:
            name = view.epic or view.run
            tries_again = command.run is not None and view.can_be_tried_again
            again = [event for task in view.tasks.values() for event in tried_again(task)] if tries_again else []
            if view.state.is_final and not tries_again:
                hint = "equitrcoder runs lists what can be resumed"
                raise UserError(f"{name} has ended ({view.state.value})", hint=hint)
            options = view.options.model_copy(
                update={
                    "rounds": view.options.rounds + (self._make_options(_AS_CONFIGURED).rounds if tries_again else 0),
                    "yes": command.yes,
                    "can_ask": command.can_ask,
                    "approve_plan": command.approve,
                    "plan_only": False,
                    "budget": view.options.budget if command.budget is None else command.budget,
                }
            )
            supervisor, worker = self._model_names(options, None)
            if view.images and not (view.is_approved and view.documents):
                tier = _first_reader(view.kind, options, view.request)
                self._require_sight(view.images, options, _named(tier, options, supervisor, worker), tier)
            resumed = RunResumed(options=options, supervisor_model=supervisor, worker_model=worker)
            return [resumed, *again, *_charge_open_calls(view)]

        await self._go(found.run, opening, message=None)
        return found.run

    async def _continue_chat(self, command: c.SendMessage) -> RunId:
        live = self._live.get(command.run)
        if live is not None and not await live.has_stopped():
            raise UserError("the agent is still working", hint="wait for it, or interrupt it first")
        attachments = await self._attach(command.text)
        text = with_attachments(command.text, attachments)
        images = attachments.images if attachments is not None else ()

        def opening(view: RunView) -> Sequence[Event]:
            if view.kind is not RunKind.CHAT:
                raise UserError(f"{command.run} is not a chat", hint="start a new run with your request")
            if images:
                kept = images_of(view)
                self._require_sight(images, view.options, view.worker_model, Tier.WEAK, kept=kept)
            resumed = RunResumed(
                options=view.options,
                supervisor_model=view.supervisor_model,
                worker_model=view.worker_model,
                attachments=attachments.model_copy(update={"text": ""}) if attachments is not None else None,
            )
            return [resumed, *_charge_open_calls(view), *next_message(view, text, images)]

        await self.view(command.run)  # says so when there is no such run
        await self._go(command.run, opening, message=text)
        return command.run

    async def _queue(self, command: c.QueueMessage) -> RunId:
        if not command.text.strip():
            raise UserError("there is nothing to say", hint="type the message first")
        live = self._live.get(command.run)
        if live is not None and await live.hub.record_made(lambda view: queued(view, command)):
            return command.run
        if command.to is not None:
            raise UserError(
                f"{command.to} is not at work in this process", hint=f"equitrcoder resume {command.run} goes on"
            )
        return await self._continue_chat(c.SendMessage(run=command.run, text=command.text))

    async def _take_back(self, command: c.CancelMessage) -> None:
        live = self._live.get(command.run)
        if live is not None and live.is_running:
            is_gone = await live.hub.record_made(lambda view: cancelled(view, command.message))
        else:
            await self.view(command.run)  # says so when there is no such run
            async with self._at_rest(command.run) as hub:
                is_gone = await hub.record_made(lambda view: cancelled(view, command.message))
        if not is_gone:
            hint = "what was delivered cannot be taken back; say something else instead"
            raise UserError(f"no message {command.message} waits", hint=hint)

    async def _rewind(self, command: c.UndoChange | c.RedoChange | c.RewindChange) -> None:
        live = self._live.get(command.run)
        if live is None:
            raise UserError(f"{command.run} is not open here", hint="undo works in the session that made the change")
        if not await live.has_stopped():
            raise UserError("the agent is still working", hint="interrupt it first")
        async with self._store.lock_run(command.run):
            await Rewinding(live.kit).follow(command)

    async def _settle(self, command: c.ResolveConflict | c.AbortConflict) -> None:
        """A person's word on a conflict: to the run that works here, or into the log of one that waits."""
        from equitr_coder.workflows.conflicts import open_ones, settled

        live = self._live.get(command.run)
        if live is not None and not await live.has_stopped():
            await live.tell(*await settled(live.hub.view, self._repository, command))
            return
        await self.view(command.run)  # says so when there is no such run
        async with self._at_rest(command.run) as hub:
            view = hub.view
            events = await settled(view, self._repository, command)
            resumed = RunResumed(
                options=view.options, supervisor_model=view.supervisor_model, worker_model=view.worker_model
            )
            left = [found.conflict.id for found in open_ones(view) if found.conflict.id != command.conflict]
            name = view.epic or view.run
            paused = RunPaused(
                reason=StopReason.CONFLICT_OPEN if left else StopReason.INTERRUPTED,
                detail=f"{', '.join(left)} still waits for your word" if left else f"{command.conflict} is settled",
                hint="`equitrcoder conflict list` shows what waits" if left else f"equitrcoder resume {name}",
            )
            await hub.record(resumed, *events, paused)

    async def _direct(self, command: c.HoldTask | c.ReleaseTask | c.StopTask | c.RaiseBudget) -> None:
        """A person's word on a task, or more money: to the run that works here. On a task also into the log of a run
        that waits.
        """
        live = self._live.get(command.run)
        if isinstance(command, c.RaiseBudget) or (live is not None and not await live.has_stopped()):
            await self._running(command.run).direct(command)
            return
        await self.view(command.run)  # says so when there is no such run
        async with self._at_rest(command.run) as hub:
            await hub.record(*told(hub.view, command))

    async def _assign(self, command: c.AssignTasks) -> RunId:
        run = (await self._find(command.run)).run
        live = self._live.get(run)
        if live is not None and live.is_running:
            raise UserError(f"{command.run} is at work here", hint="interrupt it first; `resume` goes on")
        async with self._at_rest(run) as hub:
            strengths = await measured(self._store, str(self._checkout))
            await hub.record(*assign(hub.view, self._workers(), strengths, task=command.task, to=command.to))
        return run

    async def _mark(self, command: c.AssignTasks | c.RenameRun) -> RunId:
        match command:
            case c.AssignTasks():
                return await self._assign(command)
            case c.RenameRun():
                return await self._rename(command)

    async def _rename(self, command: c.RenameRun) -> RunId:
        title = " ".join(command.title.split())
        if not title:
            raise UserError("the new name is empty", hint="type a few words that you will know it by")
        run = (await self._find(command.run)).run
        renamed = RunRenamed(title=title)
        live = self._live.get(run)
        if live is not None and live.is_running:
            await live.tell(renamed)
        else:
            async with self._at_rest(run) as hub:
                await hub.record(renamed)
        return run

    @asynccontextmanager
    async def _at_rest(self, run: RunId) -> AsyncIterator[Hub]:
        """Own a run that nobody drives, as its log stands now: since it ended here, another process may have gone on
        with it.
        """
        async with self._store.lock_run(run):
            view = fold(await self._store.read(run), RunView(run=run))
            yield self._hub(run, view)
            self._live.pop(run, None)

    def _hub(self, run: RunId, view: RunView) -> Hub:
        return Hub(run=run, store=self._store, clock=self._clock, view=view, redactor=self._redactor)

    async def _go(self, run: RunId, opening: Callable[[RunView], Sequence[Event]], *, message: str | None) -> None:
        """Own the run, then decide by its log as it stands now how it starts or goes on. `message` is what the user
        says next, unless the opening has recorded it already.
        """
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._store.lock_run(run))
            view = fold(await self._store.read(run), RunView(run=run))
            hub = self._hub(run, view)
            events = opening(view)
            await hub.record(*events)
            approvals, questions = ApprovalDesk(hub, self._clock), QuestionDesk(hub)
            kit = await self._make_kit(hub, approvals, questions)
            live = LiveRun(hub=hub, kit=kit, approvals=approvals, questions=questions, resources=stack.pop_all())
            self._live[run] = live
            is_said = any(isinstance(event, MessageAdded) for event in events)
            live.start(self._group, None if is_said else message)

    async def _ready_repository(self, kind: RunKind) -> RepoState:
        """What would stop the run later stops it now, before money is spent."""
        # A home or a repository that cannot be written says so here, before anything is paid.
        await self._store.clear_journal("probe")
        await self._repository.recover_landings()
        state = await self._repository.inspect()
        if not state.is_repository and state.root in (Path.home(), Path("/")):
            raise UserError(f"{state.root} is no project folder", hint="cd to a project, or name one with --repo")
        if kind is RunKind.CHAT:
            return state
        if not state.is_repository and not os.access(state.root, os.W_OK | os.X_OK):
            raise UserError(
                f"{state.root} cannot be written, and a repository would have to be made there",
                hint="check its mode and its disk, or work in a copy",
            )
        if state.is_bare:
            raise UserError("this is a bare repository", hint="run it in a checkout: git clone PATH and cd into it")
        if state.in_progress:
            raise UserError(
                f"a {state.in_progress} is unfinished in this repository", hint="finish or abort it, then start again"
            )
        return state

    # ---------------------------------------------------------------- what happened

    async def events(self, run: RunId, *, after: int = 0, deltas: bool = False) -> AsyncIterator[Event | ShownDelta]:
        live = self._live.get(run)
        if live is not None:
            async for item in live.hub.follow(after=after, deltas=deltas):
                yield item
            return
        position = after
        while True:
            was_owned = self._store.is_owned(run)
            for event in await self._store.read(run, after=position):
                position = event.seq
                yield event
            if not was_owned:
                return
            await self._clock.sleep(_POLL_SECONDS)

    async def view(self, run: RunId) -> RunView:
        live = self._live.get(run)
        if live is not None:
            return live.hub.view
        events = await self._store.read(run)
        if not events:
            raise UserError(f"there is no run {run}", hint="equitrcoder runs lists them")
        return fold(events)

    async def runs(self, *, unfinished_only: bool = False) -> Sequence[RunView]:
        if unfinished_only:
            listed = await self._listed(q.RunsQuery(unfinished_only=True))
            return [await self._money(row.run) for row in listed.runs]
        views, _ = await self._readable(str(self._checkout))
        return views

    async def _readable(self, workspace: str | None) -> tuple[Sequence[RunView], Sequence[RunId]]:
        """The runs of a workspace, or of all, without their transcripts, newest first; and those whose log cannot be
        read.
        """
        views: list[RunView] = []
        unreadable: list[RunId] = []
        for row in await self._store.runs(workspace):
            try:
                view = await self._money(row.run)
            except UserError:
                unreadable.append(row.run)
            else:
                views += [view] if view.seq else []
        return views, unreadable

    async def _listed(self, query: q.RunsQuery) -> q.RunsAnswer:
        """Every log is folded once; how a run stands is kept until its log grows."""
        known = await self._store.summaries(kept_text.SUMMARY)
        rows: list[q.RunSummary] = []
        unreadable: list[RunId] = []
        fresh: dict[RunId, tuple[int, str]] = {}
        for row in await self._store.runs(None if query.everywhere else str(self._checkout)):
            alive = self._store.is_owned(row.run)
            kept = kept_text.summary_from(known.get(row.run)) if row.run not in self._live else None
            if kept is not None:
                rows.append(kept.model_copy(update={"alive": alive}))
                continue
            try:
                view = await self._money(row.run)
            except UserError:
                unreadable.append(row.run)
                continue
            summary = answers.run_summary(view, alive=alive)
            if summary is not None:
                rows.append(summary)
                if self._is_all_stored(row.run):
                    fresh[row.run] = (view.seq, kept_text.text_of(summary))
        await self._store.keep_summaries(kept_text.SUMMARY, fresh)
        wanted = [one for one in rows if not (query.unfinished_only and one.state.is_final)]
        return q.RunsAnswer(runs=tuple(wanted), unreadable=tuple(unreadable))

    def _is_all_stored(self, run: RunId) -> bool:
        """What is kept for a list says of how many records of the log it holds: a view may be ahead of them."""
        live = self._live.get(run)
        return live is None or live.hub.is_all_stored

    async def query(self, query: q.Query) -> q.Answer:
        answer = await self._answered(query)
        return answer if self._redactor is None else self._redactor.value(answer)

    async def _answered(self, query: q.Query) -> q.Answer:
        match query:
            case q.RunsQuery():
                return await self._listed(query)
            case q.CostQuery():
                return await self._cost(query.run)
            case q.ConflictQuery():
                from equitr_coder.workflows.conflicts import conflict_answer

                return await conflict_answer(await self.view(query.run), self._repository, query.conflict)
            case q.MetricsQuery() | q.EscalationsQuery() | q.AuditQuery() | q.AuditVerifyQuery():
                return await self._told(query)
            case q.DiffQuery():
                return await answers.diff_answer(
                    await self.view(query.run), self._repository, self._checkout, state=query.state, task=query.task
                )
            case q.VerifyQuery() | q.ReplayQuery() | q.WhyQuery() | q.PruneQuery():
                return await self._look_back(query)
            case _:
                return await self._answer(query)

    async def _told(self, query: q.MetricsQuery | q.EscalationsQuery | q.AuditQuery | q.AuditVerifyQuery) -> q.Answer:
        """From the events of the log themselves, not from what they come to."""
        match query:
            case q.MetricsQuery():
                return await self._metrics(query.run)
            case q.EscalationsQuery():
                return await self._escalations(query.run)
            case q.AuditQuery() | q.AuditVerifyQuery():
                return await AuditLog(self._store, self._checkout).answer(query)

    async def _look_back(self, query: q.VerifyQuery | q.ReplayQuery | q.WhyQuery | q.PruneQuery) -> q.Answer:
        """What takes the parts of a run that is over."""
        match query:
            case q.VerifyQuery():
                return await self._verify(query)
            case q.ReplayQuery():
                return await self._replay(query)
            case q.WhyQuery():
                return await self._why(query)
            case q.PruneQuery():
                return await self._prune(query)

    async def _why(self, query: q.WhyQuery) -> q.WhyAnswer:
        from equitr_coder.workflows import why

        blamed = await self._repository.blame(query.path, query.line)
        rows = await self._store.runs(str(self._checkout))
        origin = why.origin_of(blamed.message) if blamed.commit is not None else None
        if origin is not None and any(row.run == origin.run for row in rows):
            log = await self._store.read(origin.run)
            if log:
                return why.of_commit(blamed, origin, fold(log), log)
        for row in rows:
            if row.epic_number is None and (log := await self._store.read(row.run)):
                found = why.of_chat(blamed, fold(log), log)
                if found is not None:
                    return found
        return why.of_nobody(blamed)

    async def _replay(self, query: q.ReplayQuery) -> q.ReplayAnswer:
        from equitr_coder.workflows.replay import Replay

        run = answers.find_run(query.run, await self._store.runs(str(self._checkout)))
        log = await self._store.read(run)
        return await Replay(await self._kit_of(fold(log, RunView(run=run)))).run(log)

    async def _verify(self, query: q.VerifyQuery) -> q.VerifyAnswer:
        from equitr_coder.workflows.verify import Verification  # loads what merging needs

        view = await self._money(answers.find_run(query.run, await self._store.runs(str(self._checkout))))
        return await Verification(await self._kit_of(view)).run(view, query.task)

    async def _prune(self, query: q.PruneQuery) -> q.PruneAnswer:
        from equitr_coder.workflows.prune import Pruning, chosen, logs_alone

        rows = list((await self._listed(q.RunsQuery())).runs)
        if query.run is not None:
            wanted = answers.find_run(query.run, await self._store.runs(str(self._checkout)))
            rows = [row for row in rows if row.run == wanted]
        views = [await self._money(run) for run in chosen(rows, before=query.before, keep=query.keep)]
        is_repository = (await self._repository.inspect()).is_repository
        if not views or not (is_repository or query.logs):
            return q.PruneAnswer(runs=(), deleted=query.delete)
        owned = {view.run for view in views if self._store.is_owned(view.run)}
        if is_repository:
            kit = await self._kit_of(views[0])
            pruning = Pruning(repository=self._repository, worktrees=kit.worktrees)
            answer = await pruning.prune(views, owned=owned, delete=query.delete, logs=query.logs)
        else:
            answer = q.PruneAnswer(runs=tuple(logs_alone(views, owned)), deleted=query.delete)
        if query.logs and query.delete and answer.runs:
            async with AsyncExitStack() as locks:
                for run in answer.runs:
                    await locks.enter_async_context(self._store.lock_run(run.run))
                await self._store.bury([run.run for run in answer.runs], "prune")
        return answer

    async def _kit_of(self, view: RunView) -> RunKit:
        """The parts of a run that is only looked at."""
        hub = self._hub(view.run, view)
        return await self._make_kit(hub, ApprovalDesk(hub, self._clock), QuestionDesk(hub))

    async def _cost(self, name: str | None) -> q.CostAnswer:
        if name is None:
            return await self._cost_of_all()
        found = await self._money(answers.find_run(name, await self._store.runs(str(self._checkout))))
        return answers.cost_answer([answers.run_money(found)] if found.seq else [], is_one_run=True)

    async def _cost_of_all(self) -> q.CostAnswer:
        """As `_listed`: what was read of a log is kept until it grows."""
        known = await self._store.summaries(kept_text.MONEY)
        runs: list[q.RunMoney] = []
        unreadable: list[RunId] = []
        fresh: dict[RunId, tuple[int, str]] = {}
        for row in await self._store.runs(str(self._checkout)):
            kept = kept_text.money_from(known.get(row.run)) if row.run not in self._live else None
            if kept is not None:
                runs.append(kept)
                continue
            try:
                view = await self._money(row.run)
            except UserError:
                unreadable.append(row.run)
                continue
            if view.seq:
                runs.append(money := answers.run_money(view))
                if self._is_all_stored(row.run):
                    fresh[row.run] = (view.seq, kept_text.text_of(money))
        await self._store.keep_summaries(kept_text.MONEY, fresh)
        return answers.cost_answer(runs, is_one_run=False, unreadable=unreadable)

    async def _metrics(self, name: str | None) -> q.MetricsAnswer:
        rows = await self._store.runs(str(self._checkout))
        if not rows:
            raise UserError("there is no run here yet", hint="equitrcoder chat -M starts one with workers")
        events = await self._store.read(rows[0].run if name is None else answers.find_run(name, rows))
        if not events:
            raise UserError("the run has not begun yet", hint="equitrcoder runs lists what has")
        return q.MetricsAnswer(metrics=measure(events))

    async def _escalations(self, name: str | None) -> q.EscalationsAnswer:
        index = await self._store.runs(str(self._checkout))
        rows: list[EscalationRow] = []
        unreadable: list[RunId] = []
        for run in [row.run for row in index] if name is None else [answers.find_run(name, index)]:
            try:
                rows += escalation_rows(await self._store.read(run, transcripts=False))
            except UserError:
                if name is not None:
                    raise
                unreadable.append(run)
        return q.EscalationsAnswer(rows=tuple(rows), unreadable=tuple(unreadable))

    async def _money(self, run: RunId) -> RunView:
        """A view without transcripts, which money does not need."""
        live = self._live.get(run)
        return live.hub.view if live is not None else fold(await self._store.read(run, transcripts=False))

    async def _find(self, name: str | None) -> RunView:
        """A run by its id or epic id; without a name the newest unfinished one that nobody runs."""
        if name is None:
            listed = (await self._listed(q.RunsQuery())).runs
            waiting = next((row for row in listed if not row.state.is_final), None)
            if waiting is not None:
                return await self._money(waiting.run)
            await require_unmoved(self._store, self._repository, self._checkout, name)
            newest = await self._money(listed[0].run) if listed else None
            failed = newest if newest is not None and newest.can_be_tried_again else None
            again = f"equitrcoder resume {failed.epic or failed.run} tries again what failed; " if failed else ""
            raise UserError("there is no unfinished run here", hint=f"{again}equitrcoder runs lists them all")
        for row in await self._store.runs(str(self._checkout)):
            if name in (row.run, epic_id(row.epic_number) if row.epic_number is not None else None):
                found = await self._money(row.run)
                if not found.seq:
                    raise UserError(f"{name} has no log any more", hint=f"equitrcoder audit verify {row.run} tells why")
                return found
        await require_unmoved(self._store, self._repository, self._checkout, name)
        raise UserError(f"there is no run or epic {name} in this workspace", hint="equitrcoder runs lists them")


def _first_reader(kind: RunKind, options: RunOptions, request: str) -> Tier:
    """Of the model that the request is told first."""
    is_planned = kind is not RunKind.CHAT and starts_with_plan(kind, options.plan, request)
    return Tier.STRONG if is_planned else Tier.WEAK


def _named(tier: Tier, options: RunOptions, supervisor: str | None, worker: str | None) -> str | None:
    return supervisor if tier is Tier.STRONG and options.multi_agent else worker


def _charge_open_calls(view: RunView) -> list[Event]:
    """Calls that a dead process left open: nobody knows what they cost, so they cost their reservation."""
    return [
        ModelCallFailed(
            session=row.session,
            agent=row.agent,
            task=row.task,
            call=row.call,
            model=row.model,
            tier=row.tier,
            purpose=row.purpose,
            kind=ModelErrorKind.INTERRUPTED,
            message="the process ended before the answer",
            usd=row.reserved,
        )
        for row in view.ledger.values()
        if row.is_open
    ]
