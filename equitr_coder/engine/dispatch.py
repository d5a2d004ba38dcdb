"""From a model's tool call to its result: decode, validate, permit, approve, record the intent, run, cap, record.

The only place where `ToolFailure` is caught. A step whose result is recorded is never run again.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from equitr_coder.domain.approvals import Approval, ApprovalAnswer, Decision, Touches, Verdict
from equitr_coder.domain.errors import ToolFailure
from equitr_coder.domain.events import CheckpointTaken, Event, FileChanged, ToolCalled, ToolReturned
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import AgentName, RequestId, SessionId, TaskId
from equitr_coder.domain.models import ToolCall
from equitr_coder.domain.refusals import is_unattended
from equitr_coder.domain.tools import ToolEnd, output_id
from equitr_coder.engine.boundary import beyond, digest, put_back_words, question
from equitr_coder.engine.command_classes import destruction
from equitr_coder.engine.edit_failures import other_format
from equitr_coder.engine.read_only import is_read_only
from equitr_coder.engine.repair import cut_off, read_arguments
from equitr_coder.engine.step_trees import FileStep, TreeWatch
from equitr_coder.ports import (
    Approvals,
    Deadline,
    EventSink,
    Outputs,
    Policy,
    StepWatcher,
    Tool,
    ToolContext,
    ToolResult,
)

_CAP = 48_000
"""Characters of one result that reach the model; tools cap themselves well below."""
_ROUNDS = 3
"""How often files are put back after one command: a `.gitignore` that is put back may uncover others."""
_PUT_BACK = "files outside its footprint were put back"


@frozen
class Desk:
    """Whose calls are dispatched, and in which tree."""

    session: SessionId
    agent: AgentName
    task: TaskId | None
    confined: bool
    """Whether commands run in the sandbox."""
    may_rerun: bool
    """Whether a call that a crash interrupted may run again: its effects stay in a worktree that was reset."""
    partly: str = ""
    """What a sandbox that is there, and is not enough, does not hold."""


class Dispatcher:
    def __init__(
        self,
        *,
        desk: Desk,
        tools: Mapping[str, Tool],
        policy: Policy,
        approvals: Approvals,
        events: EventSink,
        outputs: Outputs,
        deadline: Deadline,
        tree: TreeWatch | None,
        watcher: StepWatcher | None = None,
    ) -> None:
        self._desk = desk
        self._tools = tools
        self._policy = policy
        self._approvals = approvals
        self._events = events
        self._outputs = outputs
        self._deadline = deadline
        self._tree = tree
        self._watcher = watcher

    async def run(self, call: ToolCall) -> ToolEnd | None:
        """Run one call and record its result; returns the end of the session when the tool ended it.

        Raises:
            RunStopped: approval is needed for a session without a task, and nobody is there; the call stays open.
        """
        interrupted = call.id in self._events.view.sessions[self._desk.session].running_tools
        started = time.monotonic()
        announced, touches, decision = interrupted, Touches(), None
        try:
            tool, arguments = self._decode(call)
            touches = tool.touches(arguments)
            if (
                interrupted
                and _may_write(touches)
                and not (self._desk.may_rerun and (self._desk.confined or not touches.command))
            ):
                raise ToolFailure(
                    "This call was interrupted by a crash and may have taken effect in part. Look at the state before "
                    "you go on."
                )
            decision = self._policy.decide(tool.spec.name, touches)
            await self._permit(call, tool.spec.name, touches, decision)
            if not announced:
                covering = await self._cover(touches)
                intent: list[Event] = [*covering, self._announcement(call, decision)]
                if _may_write(touches):
                    # From here on the call may have had an effect; before, it certainly had none.
                    await self._events.record(*intent)
                else:
                    self._events.note(*intent)
                announced = True
            context = ToolContext(
                session=self._desk.session,
                agent=self._desk.agent,
                task=self._desk.task,
                call=call.id,
                seen=self._events.view.sessions[self._desk.session].seen,
            )
            started = time.monotonic()  # neither the permission nor the log are the tool's own time
            result = await tool.run(arguments, context)
        except ToolFailure as failure:
            session = self._events.view.sessions[self._desk.session]
            told = str(failure) + other_format(session, call.name, str(failure), self._tools)
            result = ToolResult(for_model=told, for_user=_first_line(told), is_error=True)
        duration_ms = round((time.monotonic() - started) * 1000)
        announcement = None if announced else self._announcement(call, decision)
        await self._record(call, result, touches, announcement=announcement, duration_ms=duration_ms)
        return result.ends

    def _announcement(self, call: ToolCall, decision: Decision | None) -> ToolCalled:
        return ToolCalled(
            **self._who(),
            call=call.id,
            name=call.name,
            arguments=call.arguments,
            verdict=decision.verdict if decision is not None else None,
            rule=decision.reason if decision is not None else "",
        )

    async def _cover(self, touches: Touches) -> list[CheckpointTaken]:
        """What must be kept before the call: files that git ignores and it may write, and before a command that may
        delete or overwrite, what a person has changed since the last step.
        """
        if self._tree is None:
            return []
        taken: list[CheckpointTaken] = []
        if _may_reach_ignored(touches):
            await self._tree.cover_ignored()
            why = destruction(touches.command) if touches.command is not None else ""
            if why and await self._tree.checkpoint():
                taken.append(CheckpointTaken(**self._who(), tree=self._tree.current, before=why))
        if covered := await self._tree.cover(touches.writes):
            taken.append(CheckpointTaken(**self._who(), tree=self._tree.current, covers=covered))
        return taken

    def _covering(self, step: FileStep) -> list[CheckpointTaken]:
        """What the step made a part of the trees, and what nobody can take back, as far as it was not said before."""
        known = self._events.view.sessions[self._desk.session].uncovered
        uncovered = tuple(name for name in step.uncovered if name not in known)
        if not (step.covers or uncovered):
            return []
        return [CheckpointTaken(**self._who(), tree=step.before, covers=step.covers, uncovered=uncovered)]

    def _decode(self, call: ToolCall) -> tuple[Tool, Any]:
        session = self._events.view.sessions[self._desk.session]
        if cut := cut_off(call, session, self._events.view.ledger.values()):
            raise ToolFailure(cut)
        tool = self._tools.get(call.name)
        if tool is None:
            offered = ", ".join(sorted(self._tools))
            raise ToolFailure(f"There is no tool named {call.name!r}. Offered are: {offered}.")
        return tool, tool.parse(read_arguments(call, tool.spec))

    async def _permit(self, call: ToolCall, name: str, touches: Any, decision: Decision) -> None:
        if decision.verdict is Verdict.ALLOW:
            return
        if decision.verdict is Verdict.DENY:
            raise ToolFailure(f"Refused: {decision.reason}")
        what = touches.command if touches.command is not None else f"{name} {', '.join(touches.writes)}"
        approval = Approval(
            id=RequestId(f"{self._desk.session}:{call.id}"),
            session=self._desk.session,
            agent=self._desk.agent,
            task=self._desk.task,
            tool=name,
            what=what,
            why=decision.reason,
            confined=self._desk.confined or touches.command is None,
            partly=self._desk.partly if touches.command is not None else "",
            inside=touches.command is not None and self._desk.confined,
            paths=touches.writes,
            is_about_proof=decision.is_about_proof,
        )
        with self._deadline.paused():
            answer = await self._approvals.ask(approval)
        if not answer.allowed:
            why = f": {decision.reason}" if decision.reason else ""
            advice = decision.when_alone or "Do it another way, or say what you need."
            if is_unattended(answer):
                raise ToolFailure(f"Refused{why}; {answer.note}. {advice}")
            note = f" They said: {answer.note}" if answer.note else ""
            raise ToolFailure(f"The user did not allow this{why}.{note} {advice}")
        self._still_permit(name, touches)

    def _still_permit(self, name: str, touches: Touches) -> None:
        """While the person thought, another task may have begun that holds the file."""
        decision = self._policy.decide(name, touches)
        if decision.verdict is Verdict.DENY:
            raise ToolFailure(f"Refused: {decision.reason}")

    async def _record(
        self,
        call: ToolCall,
        result: ToolResult,
        touches: Touches,
        *,
        announcement: ToolCalled | None,
        duration_ms: int,
    ) -> None:
        """`announcement` is that of a call which had no chance to do anything, and comes together with its result."""
        changes: list[FileChanged] = []
        covering: list[CheckpointTaken] = []
        if self._tree is not None and announcement is None and _may_write(touches):
            step = await self._tree.look(touches.writes, has_run=_may_reach_ignored(touches))
            covering = self._covering(step)
            # A formatter that runs after an edit may reach further than the edit was allowed to.
            is_more = not step.changes.keys() <= set(touches.writes)
            if step.changes and (touches.command is not None or touches.unknown or is_more):
                step, words = await self._hold(self._tree, step, call, touches)
                result = _with_words(result, words)
            changes = [
                FileChanged(**self._who(), path=path, change=change, added=added, removed=removed)
                for path, (change, added, removed) in sorted(step.changes.items())
            ]
            await self._tree.finish(step)
        text, kept = (result.for_model, None) if result.is_whole else await self._cap(result.for_model)
        returned = ToolReturned(
            **self._who(),
            call=call.id,
            name=call.name,
            text=text,
            is_error=result.is_error,
            summary=result.for_user or _first_line(result.for_model),
            tree=self._tree.current if self._tree is not None else None,
            seen=dict(result.seen),
            ends=result.ends,
            duration_ms=duration_ms,
            kept=(*result.kept, *((kept,) if kept is not None else ())),
        )
        before_it = [] if announcement is None else [announcement]
        self._events.note(*before_it, *covering, *changes, returned)
        if changes and self._watcher is not None:
            await self._watcher.stepped()

    async def _hold(
        self, tree: TreeWatch, step: FileStep, call: ToolCall, touches: Touches
    ) -> tuple[FileStep, list[str]]:
        """Hold a command to what its session may write: the rest stays when a person allows it, else is put back.

        Only in a worktree: in the user's own checkout nothing is ever taken back unasked.
        """
        told: list[str] = []
        if not self._desk.may_rerun:
            return step, told
        task = self._events.view.tasks.get(self._desk.task) if self._desk.task is not None else None
        allowed = {*(task.files if task is not None else ()), *touches.writes}
        command = touches.command or call.name
        for _ in range(_ROUNDS):
            found = beyond(self._policy, call.name, step.changes, allowed=allowed)
            refused, said = dict(found.forbidden), ""
            if found.asks:
                answer = await self._allow(call, command, found.asks, is_about_proof=found.is_about_proof)
                if answer.allowed:
                    # Another task may hold one of them by now.
                    refused.update(beyond(self._policy, call.name, found.asks, allowed=()).forbidden)
                    allowed.update(found.asks.keys() - refused.keys())
                else:
                    refused.update(found.asks)
                    said = _refusal(answer)
            if not refused:
                break
            told.append(put_back_words(refused, _created(step), said))
            step = await tree.put_back(step, refused)
        return step, told

    async def _allow(
        self, call: ToolCall, command: str, reasons: Mapping[str, str], *, is_about_proof: bool
    ) -> ApprovalAnswer:
        """A person's answer for files that a command changed. The same files are asked about once for a task."""
        view, name = self._events.view, digest(reasons)
        for asked, resolved in view.grants:
            is_this = asked.task == self._desk.task and asked.id.endswith(f":{name}")
            if is_this and (resolved.answer.allowed or resolved.answer.by == "user"):
                return resolved.answer
        approval = Approval(
            id=RequestId(f"{self._desk.session}:{call.id}:{name}"),
            session=self._desk.session,
            agent=self._desk.agent,
            task=self._desk.task,
            tool=call.name,
            what=question(command, reasons),
            why=next(iter(reasons.values())),
            confined=True,
            inside=False,
            paths=tuple(sorted(reasons)),
            is_about_proof=is_about_proof,
        )
        with self._deadline.paused():
            return await self._approvals.ask(approval)

    async def _cap(self, text: str) -> tuple[str, str | None]:
        """What the model reads, and the digest of the whole when that is not all of it."""
        if len(text) <= _CAP:
            return text, None
        output = await self._outputs.keep(text)
        half = _CAP // 2
        cut = len(text) - 2 * half
        gap = f'[... {cut} characters left out; read_file("output:{output_id(output)}") opens all ...]'
        return f"{text[:half]}\n{gap}\n{text[-half:]}", output

    def _who(self) -> dict[str, Any]:
        return {"session": self._desk.session, "agent": self._desk.agent, "task": self._desk.task}


def _created(step: FileStep) -> set[str]:
    return {path for path, (change, _, _) in step.changes.items() if change == "created"}


def _may_write(touches: Touches) -> bool:
    return bool(touches.writes or touches.command is not None or touches.unknown)


def _may_reach_ignored(touches: Touches) -> bool:
    """Whether files may change that nobody has named."""
    return touches.unknown or (touches.command is not None and not is_read_only(touches.command))


def _refusal(answer: ApprovalAnswer) -> str:
    note = f" They said: {answer.note}." if answer.note else ""
    return f"The user did not allow it.{note}" if answer.by == "user" else f"It was not allowed: {answer.note}."


def _with_words(result: ToolResult, words: Sequence[str]) -> ToolResult:
    if not words:
        return result
    told = "\n".join((result.for_model, *words))
    return replace(result, for_model=told, for_user=f"{result.for_user or _first_line(result.for_model)}; {_PUT_BACK}")


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0][:200]
