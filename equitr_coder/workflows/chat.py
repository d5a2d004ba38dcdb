"""Single-agent chat in the user's own checkout, behind a checkpoint that `undo` restores. Commits nothing."""

from typing import Any

from equitr_coder.domain.approvals import ApprovalAnswer
from equitr_coder.domain.events import (
    ApprovalResolved,
    CheckpointTaken,
    Event,
    MessageAdded,
    RunFinished,
    ToolCalled,
    ToolReturned,
)
from equitr_coder.domain.ids import AgentName, RequestId, SessionId, TreeId
from equitr_coder.domain.images import Image
from equitr_coder.domain.models import AssistantMessage, Purpose, StopCause, ToolCall, UserMessage
from equitr_coder.domain.run_view import RunView, SessionView
from equitr_coder.domain.runs import RunState
from equitr_coder.engine.context import sent_messages
from equitr_coder.engine.inbox import Inbox
from equitr_coder.engine.model_call import Caller
from equitr_coder.engine.step_trees import is_readable, release
from equitr_coder.ports import Agent, AgentOrder, RunKit

_NOT_RUN = "This call was not run: the user interrupted you before it and wrote the message that follows."
_CUT_OFF = (
    "This call was interrupted by the user and may have taken effect in part. Look at the state before you go on."
)
_TAKEN_BACK = (
    "(Since your last turn the user has undone or redone changes of yours. These files are not as you left them; read "
    "them before you go on: {paths})"
)
SESSION = SessionId("chat")
AGENT = AgentName("assistant")


class ChatRun:
    """One turn: the user's message, the agent's work, its answer. The next message continues the same session."""

    def __init__(self, kit: RunKit) -> None:
        self._kit = kit
        self._inbox = Inbox(kit.events, Caller(SESSION, AGENT, None, Purpose.CHAT))

    async def run(self, message: str | None) -> None:
        """`message` is None for the first turn (the run's request), when a broken turn is continued, and when the
        message is in the log already (`next_message`).
        """
        view = self._kit.events.view
        session = view.sessions.get(SESSION)
        tree = session.tree if session is not None else None
        if session is None or message is not None or not await self._can_go_on_from(session):
            tree = await self._checkpoint()
        outcome = await self._agent(tree).run(message)
        while not await self._end(outcome.text):
            # The user said something meanwhile: a turn of its own, which can be undone by itself.
            tree = await self._checkpoint()
            await self._inbox.deliver_next()
            outcome = await self._agent(tree).run()

    async def _end(self, text: str) -> bool:
        """Whether the run has ended: not while something that the user has queued waits."""
        why = _shortcoming(text, self._kit.events.view.sessions[SESSION].last_stop)
        state = RunState.FAILED if why else RunState.COMPLETED
        finished = RunFinished(state=state, content=text, detail=why)
        return await self._kit.events.record_made(lambda view: [] if view.waiting_for(SESSION) else [finished])

    def _agent(self, tree: TreeId | None) -> Agent:
        view = self._kit.events.view
        return self._kit.spawner.spawn(
            AgentOrder(
                profile="chat",
                session=SESSION,
                agent=AGENT,
                task=None,
                purpose=Purpose.CHAT,
                first_message=view.opening,
                images=view.images,
                root=self._kit.checkout,
                can_write=True,
                in_place=True,
                max_iterations=view.options.max_iterations,
                tree=tree,
            )
        )

    async def _can_go_on_from(self, session: SessionView) -> bool:
        """Whether this turn has its checkpoint, and git still has the files of its last step."""
        said = max((at for at, what in enumerate(session.messages) if isinstance(what, UserMessage)), default=0)
        is_saved = said == 0 or (bool(session.checkpoints) and session.checkpoints[-1][0] > said)
        return is_saved and session.tree is not None and await is_readable(self._kit.repository, session.tree)

    async def forget(self) -> None:
        """The last turn has ended and nobody can undo it any more: git may have its steps."""
        if self._kit.events.view.state.is_final:
            await release(self._kit.repository, self._kit.events.view.run)

    async def _checkpoint(self) -> TreeId:
        repository = self._kit.repository
        session = self._kit.events.view.sessions.get(SESSION)
        # Ignored files that the chat has written are a part of its trees; without them here they would seem to be new.
        tree = await repository.snapshot(self._kit.checkout, also=session.changed if session is not None else ())
        run, started = self._kit.events.view.run, self._kit.events.view.started
        kept = await repository.commit_tree(tree, [], f"{run}: before a turn", at=started)
        await repository.move_ref(f"refs/equitr/checkpoints/{run}/{kept[:12]}", kept, None)
        await self._kit.events.record(CheckpointTaken(session=SESSION, agent=AGENT, tree=tree))
        return tree


def images_of(view: RunView) -> list[Image]:
    """What its next request shows the model."""
    session = view.sessions.get(SESSION)
    if session is None or not session.messages:
        return list(view.images)
    return [one for message in sent_messages(session) if isinstance(message, UserMessage) for one in message.images]


def next_message(view: RunView, text: str, images: tuple[Image, ...] = ()) -> list[Event]:
    """What the log gets, in one transaction, when the user speaks again: the calls that an interruption left without a
    result are closed, then the message. Empty when the chat has not begun: its request is told first then.
    """
    session = view.sessions.get(SESSION)
    if session is None or not session.messages:
        return []
    events: list[Event] = []
    open_calls = set(session.unanswered)
    last = next((said for said in reversed(session.messages) if isinstance(said, AssistantMessage)), None)
    for call in last.calls if last is not None else ():
        if call.id in open_calls:
            events += _closed(view, call, has_run=call.id in session.running_tools)
    if session.taken_back:
        text = f"{text}\n\n{_TAKEN_BACK.format(paths=', '.join(sorted(session.taken_back)))}"
    return [*events, MessageAdded(session=SESSION, agent=AGENT, message=UserMessage(text=text, images=images))]


def _closed(view: RunView, call: ToolCall, *, has_run: bool) -> list[Event]:
    who: dict[str, Any] = {"session": SESSION, "agent": AGENT}
    events: list[Event] = []
    approval = RequestId(f"{SESSION}:{call.id}")
    if approval in view.approvals:
        refused = ApprovalAnswer(allowed=False, note="the user went on with another message")
        events.append(ApprovalResolved(approval=approval, answer=refused))
    if not has_run:
        events.append(ToolCalled(**who, call=call.id, name=call.name, arguments=call.arguments))
    text = _CUT_OFF if has_run else _NOT_RUN
    events.append(ToolReturned(**who, call=call.id, name=call.name, text=text, is_error=True, summary="not run"))
    return events


def _shortcoming(text: str, stop: StopCause) -> str:
    """Why the last answer is not a whole one; empty when it is."""
    match stop:
        case StopCause.LENGTH:
            return "the model's answer was cut off at llm.max_tokens"
        case StopCause.FILTERED:
            return "the model's answer was withheld by the provider's filter"
        case _:
            return "" if text.strip() else "the model's answer was empty"
