"""A model's summary of what a session drops. Paid like every call, in a session of its own; one that is in the log
already is used and not paid again. What cannot be used is worth nothing, and never stops the work.
"""

from collections.abc import Callable, Sequence

from equitr_coder.domain.errors import BudgetRefused, ModelError, UserError
from equitr_coder.domain.events import MessageAdded
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import summarised, summary_session
from equitr_coder.domain.models import (
    AssistantMessage,
    Message,
    ModelRequest,
    ModelSpec,
    Purpose,
    SystemMessage,
    ToolMessage,
    UserMessage,
)
from equitr_coder.domain.run_view import SessionView
from equitr_coder.engine.model_call import Caller, ModelCalls
from equitr_coder.engine.prompts import system_prompt
from equitr_coder.ports import EventSink

_MAX_TOKENS = 2048
_LONGEST = 6_000
"""Characters of a summary that are used."""
_FEWEST_WORDS = 8
"""Different words below which an answer is no summary."""
_SAID, _ANSWERED, _RETURNED = 4_000, 1_500, 500
"""Characters of one message that are shown: of the user, of the agent, of a tool."""


@frozen
class Summary:
    text: str
    why_not: str = ""
    """Why there is none."""


class Summarizer:
    """Of one session."""

    def __init__(
        self,
        *,
        events: EventSink,
        caller: Caller,
        model: ModelSpec,
        calls_of: Callable[[Caller], ModelCalls],
        room: int = 60_000,
    ) -> None:
        """`room` is how many characters the model is shown."""
        self._events = events
        self._caller = caller
        self._model = model
        self._calls_of = calls_of
        self._room = room

    def left_open(self, start: int) -> int | None:
        """Up to where a summary was asked for that nothing has been made of; `start` is the first message kept now."""
        found = (summarised(session, self._caller.session) for session in self._events.view.sessions)
        return max((upto for upto in found if upto is not None and upto > start), default=None)

    async def summarize(self, session: SessionView, upto: int) -> Summary:
        """Of the messages before number `upto`, the first one left out."""
        name = summary_session(session.id, upto)
        caller = Caller(name, self._caller.agent, self._caller.task, Purpose.COMPACTION)
        known = self._events.view.sessions.get(name)
        if known is None or not known.messages:
            told = material(session, upto, self._room)
            who = {"session": name, "agent": caller.agent, "task": caller.task}
            await self._events.record(
                MessageAdded(**who, message=SystemMessage(text=system_prompt("summarizer", {}))),
                MessageAdded(**who, message=UserMessage(text=told)),
            )
        asked = self._events.view.sessions[name]
        if isinstance(asked.messages[-1], AssistantMessage):
            return _usable(asked.messages[-1])
        try:
            reply = await self._calls_of(caller).call(self._request(asked))
        except (ModelError, BudgetRefused, UserError) as error:
            return Summary("", why_not=str(error))
        return _usable(reply.message)

    def _request(self, asked: SessionView) -> ModelRequest:
        return ModelRequest(
            model=self._model,
            system=asked.system,
            messages=tuple(asked.messages),
            max_tokens=min(_MAX_TOKENS, self._model.max_tokens),
            session=asked.id,
        )


def material(session: SessionView, upto: int, room: int) -> str:
    """The task, the summary before this one, and what has come since: the newest whole, the oldest left out first."""
    before = session.compacted[-1] if session.compacted else None
    start = before.upto if before is not None else 1
    rows: list[str] = []
    left = room - _SAID - (len(before.summary) if before is not None else 0)
    for message in reversed(session.messages[start:upto]):
        row = _shown(message)
        left -= len(row) + 2
        if left < 0:
            rows.append("[earlier messages are left out]")
            break
        rows.append(row)
    task = _ends(session.messages[0].text, _SAID)
    summary = before.summary if before is not None else ""
    earlier = [f"# Your summary of what came before\n\n{summary}"] if summary else []
    return "\n\n".join(
        [f"# The task\n\n{task}", *earlier, "# The part to summarise", *reversed(rows), "Write the summary now."]
    )


def _shown(message: Message) -> str:
    match message:
        case AssistantMessage():
            calls: Sequence[str] = [f"{call.name} {_ends(call.arguments, _RETURNED)}" for call in message.calls]
            return "\n".join(filter(None, ("AGENT:", _ends(message.text.strip(), _ANSWERED), *calls)))
        case ToolMessage():
            return f"RESULT of {message.name}:\n{_ends(message.text.strip(), _RETURNED)}"
        case _:
            return f"USER:\n{_ends(message.text.strip(), _SAID)}"


def _usable(answer: AssistantMessage) -> Summary:
    text = answer.text.strip()
    if answer.calls:
        return Summary("", why_not="the summary came as tool calls")
    if not text:
        return Summary("", why_not="the summary was empty")
    if len(set(text.lower().split())) < _FEWEST_WORDS:
        return Summary("", why_not="the summary made no sense")
    return Summary(_ends(text, _LONGEST))


def _ends(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters ...]\n{text[-half:]}"
