"""From a model's tool call to its result: decode, validate, permit, approve, record the intent, run, cap, record.

The only place where `ToolFailure` is caught. A step whose result is recorded is never run again.
"""

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from equitr_coder.domain.approvals import Approval, Verdict
from equitr_coder.domain.errors import ToolFailure
from equitr_coder.domain.events import FileChanged, ToolCalled, ToolReturned
from equitr_coder.domain.ids import AgentName, RequestId, SessionId, TaskId, TreeId
from equitr_coder.domain.models import ToolCall
from equitr_coder.domain.tools import ToolEnd
from equitr_coder.ports import (
    Approvals,
    Deadline,
    EventSink,
    Outputs,
    Policy,
    Repository,
    Tool,
    ToolContext,
    ToolResult,
)

_CAP = 48_000
"""Characters of one result that reach the model; tools cap themselves well below."""


@dataclass(frozen=True)
class Desk:
    """Whose calls are dispatched, and in which tree."""

    session: SessionId
    agent: AgentName
    task: TaskId | None
    confined: bool
    """Whether commands run in the sandbox."""
    may_rerun: bool
    """Whether a call that a crash interrupted may run again: its effects stay in a worktree that was reset."""


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
        tree: "TreeWatch | None",
    ) -> None:
        self._desk = desk
        self._tools = tools
        self._policy = policy
        self._approvals = approvals
        self._events = events
        self._outputs = outputs
        self._deadline = deadline
        self._tree = tree

    async def run(self, call: ToolCall) -> ToolEnd | None:
        """Run one call and record its result; returns the end of the session when the tool ended it.

        Raises:
            RunStopped: approval is needed and nobody is there to answer; the call stays open.
        """
        interrupted = call.id in self._events.view.sessions[self._desk.session].running_tools
        started = time.monotonic()
        announced, writes = interrupted, False
        try:
            tool, arguments = self._decode(call)
            touches = tool.touches(arguments)
            writes = bool(touches.writes or touches.command is not None or touches.unknown)
            if interrupted and writes and not (self._desk.may_rerun and (self._desk.confined or not touches.command)):
                raise ToolFailure(
                    "This call was interrupted by a crash and may have taken effect in part. Look at the state before "
                    "you go on."
                )
            await self._permit(call, tool.spec.name, touches)
            if not announced:
                # From here on the call may have had an effect; before, it certainly had none.
                await self._events.record(self._announcement(call))
                announced = True
            context = ToolContext(
                session=self._desk.session,
                agent=self._desk.agent,
                task=self._desk.task,
                call=call.id,
                seen=self._events.view.sessions[self._desk.session].seen,
            )
            result = await tool.run(arguments, context)
        except ToolFailure as failure:
            result = ToolResult(for_model=str(failure), for_user=_first_line(str(failure)), is_error=True)
        duration_ms = round((time.monotonic() - started) * 1000)
        await self._record(call, result, announced=announced, writes=writes, duration_ms=duration_ms)
        return result.ends

    def _announcement(self, call: ToolCall) -> ToolCalled:
        return ToolCalled(**self._who(), call=call.id, name=call.name, arguments=call.arguments)

    def _decode(self, call: ToolCall) -> tuple[Tool, Any]:
        tool = self._tools.get(call.name)
        if tool is None:
            offered = ", ".join(sorted(self._tools))
            raise ToolFailure(f"There is no tool named {call.name!r}. Offered are: {offered}.")
        try:
            arguments = json.loads(call.arguments) if call.arguments.strip() else {}
            json.dumps(arguments, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise ToolFailure(
                f"The arguments of {call.name} hold half of a surrogate pair, which is no text. Nothing was run."
            ) from error
        except (ValueError, RecursionError) as error:
            why = "they are nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise ToolFailure(
                f"The arguments of {call.name} are not valid JSON: {why}. Nothing was run. Call it again with one "
                "JSON object."
            ) from error
        if not isinstance(arguments, dict):
            raise ToolFailure(
                f"The arguments of {call.name} must be one JSON object, not {type(arguments).__name__}. "
                "Nothing was run."
            )
        return tool, tool.parse(arguments)

    async def _permit(self, call: ToolCall, name: str, touches: Any) -> None:
        decision = self._policy.decide(name, touches)
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
            inside=touches.command is not None and self._desk.confined,
        )
        with self._deadline.paused():
            answer = await self._approvals.ask(approval)
        if not answer.allowed:
            note = f" They said: {answer.note}" if answer.note else ""
            raise ToolFailure(f"The user did not allow this.{note} Do it another way, or say what you need.")

    async def _record(
        self, call: ToolCall, result: ToolResult, *, announced: bool, writes: bool, duration_ms: int
    ) -> None:
        changes: list[FileChanged] = []
        tree: TreeId | None = None
        if self._tree is not None:
            before, tree = self._tree.current, self._tree.current
            if writes and announced:
                tree = await self._tree.look()
            if before is not None and tree is not None and before != tree:
                changes = [
                    FileChanged(**self._who(), path=path, change=change, added=added, removed=removed)
                    for path, change, added, removed in await self._tree.changes(before, tree)
                ]
        returned = ToolReturned(
            **self._who(),
            call=call.id,
            name=call.name,
            text=await self._cap(result.for_model),
            is_error=result.is_error,
            summary=result.for_user or _first_line(result.for_model),
            tree=tree,
            seen=dict(result.seen),
            ends=result.ends,
            duration_ms=duration_ms,
        )
        before_it = [] if announced else [self._announcement(call)]
        await self._events.record(*before_it, *changes, returned)

    async def _cap(self, text: str) -> str:
        if len(text) <= _CAP:
            return text
        output = await self._outputs.keep(text)
        half = _CAP // 2
        cut = len(text) - 2 * half
        gap = f'[... {cut} characters left out; read_file("output:{output}") opens all ...]'
        return f"{text[:half]}\n{gap}\n{text[-half:]}"

    def _who(self) -> dict[str, Any]:
        return {"session": self._desk.session, "agent": self._desk.agent, "task": self._desk.task}


class TreeWatch:
    """The tree of the session's files after each step that may have written."""

    def __init__(
        self, repository: Repository, look: Callable[[], Awaitable[TreeId]], *, current: TreeId | None
    ) -> None:
        self._repository = repository
        self._look = look
        self.current = current

    async def look(self) -> TreeId:
        self.current = await self._look()
        return self.current

    async def changes(self, before: TreeId, after: TreeId) -> list[tuple[str, str, int, int]]:
        """Path, kind of change, lines added and removed."""
        kinds = await self._repository.changed(before, after)
        lines = await self._repository.numstat(before, after)
        return [(path, kind, *lines.get(path, (0, 0))) for path, kind in sorted(kinds.items())]


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0][:200]
