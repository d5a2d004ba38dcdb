"""What is said when a run that was followed has ended: a line or two for a turn of a chat, the summary for the rest."""

from decimal import Decimal

from equitr_coder.domain.run_view import RunView
from equitr_coder.domain.runs import RunKind, RunState
from equitr_coder.presentation.figures import dollars, limit
from equitr_coder.presentation.summary import summary_lines, trouble
from equitr_coder.presentation.text import Line, Tone
from equitr_coder.repl.following import Followed
from equitr_coder.repl.screen import Screen

_SEND_AGAIN = "send it again, or choose another model with /model NAME"


def say_ending(screen: Screen, followed: Followed, *, spent_before: Decimal) -> None:
    """`spent_before` is what the run had cost when it began to be followed."""
    view = followed.view
    if followed.was_abandoned:
        return
    if view.kind is RunKind.CHAT:
        screen.show(_turn(followed, spent_before))
    else:
        screen.show([Line(""), *summary_lines(view, followed.tally)])
        if view.state is RunState.PAUSED:
            screen.say("/run goes on with it here.")
    found = trouble(view)
    if found is not None:
        message, hint = found
        screen.complain(message, _hint_here(view, hint))


def _turn(followed: Followed, spent_before: Decimal) -> list[Line]:
    view, files = followed.view, followed.tally.files
    lines = [
        Line(f"  {change} {path} (+{added} -{removed})") for path, (change, added, removed) in sorted(files.items())
    ]
    if followed.was_stopped:
        taken_back = " What it wrote stays; /undo takes it back." if files else ""
        lines.append(Line(f"Stopped.{taken_back}", Tone.WARN))
    cost = view.spent - spent_before
    if cost:
        lines.append(Line(f"{dollars(cost)}, together {dollars(view.spent)} of {limit(view.options.budget)}", Tone.DIM))
    return lines


def _hint_here(view: RunView, hint: str) -> str:
    """A chat goes on with its next message; only other runs need the command that resumes them."""
    is_plain_resume = hint == f"equitrcoder resume {view.run}"
    return _SEND_AGAIN if view.kind is RunKind.CHAT and is_plain_resume else hint
