"""The steps of a chat that changed files, as a numbered list."""

from equitr_coder.domain.file_history import START, FileState
from equitr_coder.domain.models import UserMessage
from equitr_coder.domain.run_view import RunView
from equitr_coder.presentation.tables import table
from equitr_coder.presentation.text import Line, Tone, shown_on_one_line

_NAMED = 3
_SHORT = 60


def history_lines(view: RunView, *, width: int | None = None) -> list[Line]:
    """One line a step under the message that asked for it; `*` marks where the files are."""
    session = next((each for each in view.sessions.values() if each.history.states), None)
    if session is None:
        return [Line("nothing was changed")]
    lines, turn = [], 0
    rows = table([_row(state) for state in session.history.states], margin="")
    asked = [message.text.strip().split("\n", 1)[0] for message in session.messages if isinstance(message, UserMessage)]
    if len(asked) != session.history.turn:
        asked = []  # a turn that was broken off and begun anew counts twice
    for state, row in zip(session.history.states, rows, strict=True):
        if state.turn not in (turn, 0) and state.turn <= len(asked):
            lines.append(Line(f"  > {shown_on_one_line(asked[state.turn - 1])[:_SHORT]}", Tone.DIM))
        turn = state.turn
        is_here = state.number == session.history.position
        lines.append(Line(f"{'*' if is_here else ' '} {row}"[:width], Tone.STRONG if is_here else Tone.PLAIN))
    return [*lines, Line("/rewind N goes to one of them, /diff N shows what it changed")]


def _row(state: FileState) -> tuple[str, ...]:
    if state.number == START:
        return ("0", "as it was before the conversation", "")
    names = ", ".join(state.paths[:_NAMED])
    more = len(state.paths) - _NAMED
    from_where = "" if state.parent in (None, state.number - 1) else f"from {state.parent}"
    return (str(state.number), f"{state.what} {names}{f' and {more} more' if more > 0 else ''}", from_where)
