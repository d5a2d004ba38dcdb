"""What a session's model is sent, derived from its transcript: old results as their stand-ins, a dropped middle as its
records. Pure; when to leave out what is decided in `compaction`.

What was sent is an exact prefix of what is sent next, until an event says that something is left out from then on.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from equitr_coder.domain.ids import CallId
from equitr_coder.domain.image_tokens import typical_tokens
from equitr_coder.domain.models import AssistantMessage, Message, ToolMessage, ToolSpec, UserMessage
from equitr_coder.domain.run_view import SessionView

_PER_MESSAGE = 24
"""Bytes allowed for role and separators of one message."""
_BYTES_PER_IMAGE_TOKEN = 3
"""What text is taken to have, until an answer tells."""
_WORTH = 1_000
"""Bytes of a result below which its stand-in saves next to nothing."""
_KEPT_STEPS = 3
"""Last answers whose results are never left out as long as older ones will do."""
_KEPT_RESULTS = frozenset({"ask_user", "ask_supervisor"})
"""What people and the supervisor have decided goes last."""
_LINE = 100


def sent_messages(session: SessionView) -> tuple[Message, ...]:
    """In the order in which they are sent; the system prompt stands before them."""
    return tuple(_as_sent(message, session.elided) for message in _kept(session))


def first_kept(session: SessionView) -> int:
    """Number of the first message after the opening one that is still sent."""
    return session.compacted[-1].upto if session.compacted else 1


def size(messages: Iterable[Message]) -> int:
    """Bytes of UTF-8, with what separates messages; an image as the text that takes as many tokens."""
    return sum(map(size_of, messages))


def size_of(message: Message) -> int:
    written = _PER_MESSAGE + _bytes(message.text)
    if isinstance(message, AssistantMessage):
        written += sum(_PER_MESSAGE + _bytes(call.name) + _bytes(call.arguments) for call in message.calls)
    elif isinstance(message, UserMessage):
        written += sum(_PER_MESSAGE + _BYTES_PER_IMAGE_TOKEN * typical_tokens(one.size) for one in message.images)
    return written


def size_of_tools(tools: Iterable[ToolSpec]) -> int:
    return sum(_bytes(tool.model_dump_json()) for tool in tools)


def tokens_in(size: float, bytes_per_token: float) -> int:
    return math.ceil(size / bytes_per_token)


def results_to_leave_out(session: SessionView, excess: float, *, even_recent: bool = False) -> tuple[ToolMessage, ...]:
    """Oldest first, as many as make the next request `excess` bytes smaller, or all there are.

    With `even_recent` those of the last steps too.
    """
    messages = session.messages
    answers = [number for number, message in enumerate(messages) if isinstance(message, AssistantMessage)]
    protected = 0 if even_recent else _KEPT_STEPS
    end = answers[-protected] if 0 < protected <= len(answers) else (len(messages) if even_recent else 0)
    chosen: list[ToolMessage] = []
    for message in messages[first_kept(session) : end]:
        if excess <= 0:
            break
        if _can_be_left_out(message, session.elided):
            assert isinstance(message, ToolMessage)
            chosen.append(message)
            excess -= saved_by(message)
    return tuple(chosen)


def saved_by(message: ToolMessage) -> int:
    """Bytes that its stand-in saves, about."""
    return max(0, _bytes(message.text) - _WORTH // 2)


def stand_in(message: ToolMessage, output: str) -> str:
    """One line that says what stood there and how to get it back. `output` is the id under which the whole is kept."""
    lines = [line.strip() for line in message.text.splitlines() if line.strip()] or [""]
    first, last = _shortened(lines[0]), _shortened(lines[-1])
    what = f'"{first}"' if len(lines) == 1 else f'"{first}" to "{last}"'
    return (
        f"[Left out to save room: this result of {len(message.text)} characters, {what}. "
        f'read_file("output:{output}") opens all of it.]'
    )


def cut_after(session: SessionView, tail: float) -> int | None:
    """Number of the message from which on everything is kept when the middle is dropped: as early as `tail` bytes
    allow, and never between a call and its result. None when nothing could be dropped.
    """
    start = first_kept(session)
    best: int | None = None
    left = tail
    for number in range(len(session.messages) - 1, start, -1):
        message = session.messages[number]
        left -= size_of(_as_sent(message, session.elided))
        if best is not None and left < 0:
            break
        if not isinstance(message, ToolMessage):
            best = number
    return best


def _kept(session: SessionView) -> Sequence[Message]:
    if not session.compacted:
        return session.messages
    last = session.compacted[-1]
    return [session.messages[0], UserMessage(text=last.text), *session.messages[last.upto :]]


def _as_sent(message: Message, elided: Mapping[CallId, str]) -> Message:
    match message:
        case AssistantMessage() if not message.calls and not message.text.strip():
            return AssistantMessage(text="(no answer)")  # providers refuse an empty one; the log keeps it as it came
        case ToolMessage() if message.call in elided:
            return message.model_copy(update={"text": elided[message.call]})
        case _:
            return message


def _can_be_left_out(message: Message, elided: Mapping[CallId, str]) -> bool:
    return (
        isinstance(message, ToolMessage)
        and message.call not in elided
        and message.name not in _KEPT_RESULTS
        and _bytes(message.text) > _WORTH
    )


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _shortened(line: str) -> str:
    return line if len(line) <= _LINE else f"{line[:_LINE]}..."
