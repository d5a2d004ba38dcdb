"""Finds what is no longer sent to a session's model: its own transcript, ranked by words. Local and deterministic.

Ranking is Okapi BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009) with its
usual constants, over pieces of messages; names count whole and by their parts.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import SessionId
from equitr_coder.domain.models import AssistantMessage, Message, ToolMessage, UserMessage
from equitr_coder.domain.run_view import SessionView
from equitr_coder.engine.context import first_kept
from equitr_coder.ports import EventSink, Excerpt, Outputs

_K1, _B = 1.2, 0.75
_PIECE = 700
"""Characters of a piece that is ranked and shown."""
_MOST = 8
_WORD = re.compile(r"[^\W_]+(?:[_./:-]+[^\W_]+)*")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")


@frozen
class _Piece:
    number: int
    """Of its message in the transcript."""
    title: str
    text: str


class TranscriptMemory:
    """Implements `ports.Memory` for one session."""

    def __init__(self, events: EventSink, session: SessionId, outputs: Outputs) -> None:
        self._events = events
        self._session = session
        self._outputs = outputs

    async def find(self, query: str) -> Sequence[Excerpt]:
        session = self._events.view.sessions[self._session]
        found: list[Excerpt] = []
        for piece in ranked(query, list(_left_out(session)))[:_MOST]:
            whole = _text(session.messages[piece.number])
            found.append(Excerpt(title=piece.title, text=piece.text, output=await self._outputs.keep(whole)))
        return found

    @property
    def is_empty(self) -> bool:
        session = self._events.view.sessions.get(self._session)
        return session is None or session.cuts == 0


def ranked(query: str, pieces: Sequence[_Piece]) -> list[_Piece]:
    """Pieces that share a word with the query, best first; of equals the newer."""
    bags = [Counter(words(piece.text)) for piece in pieces]
    mean = sum(bag.total() for bag in bags) / len(bags) if bags else 0.0
    wanted = dict.fromkeys(words(query))
    weights = {word: _rarity(sum(word in bag for bag in bags), len(bags)) for word in wanted}
    scores: list[tuple[float, int]] = []
    for number, bag in enumerate(bags):
        norm = _K1 * (1 - _B + _B * bag.total() / mean) if mean else _K1
        score = sum(weights[word] * bag[word] * (_K1 + 1) / (bag[word] + norm) for word in wanted if bag[word])
        if score > 0:
            scores.append((score, number))
    return [pieces[number] for _, number in sorted(scores, reverse=True)]


def words(text: str) -> Iterator[str]:
    """Lower case; a name such as `retry_limit` or `src/App.tsx` counts as itself and as each of its parts."""
    for found in _WORD.finditer(text):
        whole = found[0].lower()
        yield whole
        parts = [part.lower() for part in _PART.findall(found[0])]
        if len(parts) > 1:
            yield from parts


def _rarity(holding: int, all_pieces: int) -> float:
    return math.log(1 + (all_pieces - holding + 0.5) / (holding + 0.5))


def _left_out(session: SessionView) -> Iterator[_Piece]:
    start = first_kept(session)
    calls = {call.id: call for m in session.messages if isinstance(m, AssistantMessage) for call in m.calls}
    for number, message in enumerate(session.messages):
        is_dropped = 0 < number < start
        if not is_dropped and not (isinstance(message, ToolMessage) and message.call in session.elided):
            continue
        match message:
            case ToolMessage():
                made = calls.get(message.call)
                title = f"result of {message.name} {made.arguments[:120] if made is not None else ''}".rstrip()
            case UserMessage():
                title = "said to you"
            case _:
                title = "your own words and calls"
        for text in _pieces(_text(message)):
            yield _Piece(number, f"message {number}, {title}", text)


def _text(message: Message) -> str:
    if not isinstance(message, AssistantMessage):
        return message.text
    calls = (f"{call.name} {call.arguments}" for call in message.calls)
    return "\n".join(filter(None, (message.text, *calls)))


def _pieces(text: str) -> Iterator[str]:
    """Cut at line ends where there are some."""
    piece = ""
    for line in (part for whole in text.splitlines() for part in _parts(whole)):
        if len(piece) + len(line) > _PIECE and piece.strip():
            yield piece.strip("\n")
            piece = ""
        piece += f"{line}\n"
    if piece.strip():
        yield piece.strip("\n")


def _parts(line: str) -> Iterator[str]:
    """A line, or a long one in pieces, cut at blanks where there are some."""
    while len(line) > _PIECE:
        cut = line.rfind(" ", _PIECE // 2, _PIECE) + 1 or _PIECE
        yield line[:cut]
        line = line[cut:]
    yield line
