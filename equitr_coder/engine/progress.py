"""Whether a session gets anywhere: read off its transcript alone. Pure; what to do about it is decided elsewhere."""

from collections.abc import Sequence

from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.models import AssistantMessage, ToolMessage, UserMessage
from equitr_coder.domain.run_view import SessionView
from equitr_coder.engine.context import first_kept

LONGEST_CIRCLE = 3
"""Steps of the longest circle that is looked for."""
_LOOKED_AT = 24
"""Steps that are looked at for a circle: more than any limit that is set on them."""
_REMEMBERED = 80
"""Steps that are looked at for news."""
_SHOWN = 4
"""Steps that stand for a session that has stopped getting anywhere."""


@frozen
class Step:
    """One answer of the model, what came of its calls, and the files after it."""

    calls: tuple[tuple[str, str], ...]
    """Names and arguments, as they came."""
    results: tuple[str | None, ...]
    files: int | None


@frozen
class Circle:
    """The last `length` steps were those of `round` again and again: the same calls, results and files."""

    round: tuple[Step, ...]
    length: int
    is_exact: bool = True
    """False where steps do not follow each other in the same order, and yet none brings anything new."""

    @property
    def rounds(self) -> int:
        return self.length // len(self.round)

    @property
    def tools(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for step in self.round for name, _ in step.calls))


def circle(session: SessionView) -> Circle | None:
    """The circle that the session has been in for the most steps, of as few steps as possible; None when there is none.

    Results that differ are progress, so polling is no circle; nor is a command that says the same and changes files.
    An answer without calls ends any circle.
    """
    steps = _last_steps(session, _LOOKED_AT)
    found: Circle | None = None
    for period in range(1, LONGEST_CIRCLE + 1):
        length = period + _repeated(steps, period)
        if length > max(period, found.length if found is not None else 0) and None not in steps[-length:]:
            found = Circle(round=tuple(step for step in steps[-period:] if step is not None), length=length)
    return found


def standstill(session: SessionView) -> Circle | None:
    """The last steps of which none brought anything new: every result had come before, with the files as they were
    then. What is no longer sent does not count as known, so reading again after a compaction is no standstill.
    """
    steps = _last_steps(session, _REMEMBERED, since=first_kept(session))
    known: set[tuple[tuple[str | None, ...], int | None]] = set()
    length = 0
    for step in steps:
        found = None if step is None else (step.results, step.files)
        length = length + 1 if found is not None and found in known else 0
        if found is not None:
            known.add(found)
    if length == 0:
        return None
    last = dict.fromkeys(step for step in steps[-min(length, _SHOWN) :] if step is not None)
    return Circle(round=tuple(last), length=length, is_exact=False)


def steps_since(session: SessionView, opening: str) -> int | None:
    """How many answers have come since the user's side said something that begins so; None when it never did."""
    steps = 0
    for message in reversed(session.messages):
        if isinstance(message, UserMessage) and message.text.startswith(opening):
            return steps
        steps += isinstance(message, AssistantMessage)
    return None


def _repeated(steps: Sequence[Step | None], period: int) -> int:
    """How many of the last steps equal the one `period` before them."""
    count = 0
    for step, before in zip(reversed(steps), reversed(steps[:-period]), strict=False):
        if step is None or step != before:
            break
        count += 1
    return count


def _last_steps(session: SessionView, most: int, *, since: int = 0) -> list[Step | None]:
    """Oldest first, of the messages from number `since` on; None for an answer without calls."""
    steps: list[Step | None] = []
    results: dict[str, str] = {}
    after: int | None = None
    prints = list(session.files)
    for message in reversed(session.messages[since:]):
        match message:
            case ToolMessage():
                found = prints.pop() if prints else None
                after = found if not results else after
                results[message.call] = message.text
            case AssistantMessage():
                calls = tuple((call.name, call.arguments) for call in message.calls)
                told = tuple(results.get(call.id) for call in message.calls)
                steps.append(Step(calls=calls, results=told, files=after) if calls else None)
                results, after = {}, None
                if len(steps) == most:
                    break
            case _:
                pass
    return steps[::-1]
