"""One conflict: what clashes, both sides and the merge as it stands, and what can be done about it."""

from typing import Literal

from equitr_coder.domain.conflicts import ConflictStage, ConflictState
from equitr_coder.domain.queries import ConflictAnswer
from equitr_coder.domain.run_view import ConflictView, RunView
from equitr_coder.presentation.rows import Ink, Row, Span, fit, row
from equitr_coder.presentation.sharing import conflict_words, resolved_words
from equitr_coder.presentation.text import prose
from equitr_coder.presentation.waits import waits_for_person
from equitr_coder.tui.draw.wrap import exact, words

Side = Literal["ours", "theirs", "merge"]
SIDES: tuple[Side, ...] = ("ours", "theirs", "merge")
_RULE = "─"
_INKS = {"+": Ink.OK, "-": Ink.BAD, "@": Ink.ACCENT}


def conflict_head(view: RunView, found: ConflictView, width: int, *, side: Side) -> list[Row]:
    """What clashes, who is on which side, the state, and the tabs."""
    conflict = found.conflict
    number, _, words_of_it = conflict_words(conflict).partition(": ")
    title = f" {number} ({conflict.kind}): {words_of_it}"
    state, ink = _state(view, found)
    names = {
        "ours": f"what has landed ({','.join(conflict.tasks[1:]) or 'the branch'})",
        "theirs": f"what {conflict.tasks[0]} handed in",
        "merge": "the proposed merge" if found.state is ConflictState.PROPOSED else "the merge so far",
    }
    tabs: list[str | Span] = [" "]
    for one in SIDES:
        tabs += [Span(names[one], Ink.ACCENT if one == side else Ink.DIM, bold=one == side), "  |  "]
    told = [line for text in (conflict.detail, found.detail) if text for line in words(text, width - 2)[:2]]
    return [
        fit(line, width)
        for line in (
            row(Span(title, bold=True)),
            row(Span(f" {state}", ink)),
            *(row(Span(f" {line}", Ink.DIM)) for line in dict.fromkeys(told)),
            row(*tabs[:-1]),
            row(Span(_RULE * width, Ink.DIM)),
        )
    ]


def conflict_side(answer: ConflictAnswer | None, width: int, *, side: Side) -> list[Row]:
    """The diff of one side; a word while it is being fetched, and where there is none."""
    if answer is None:
        return [fit(row(Span(" reading...", Ink.DIM)), width)]
    text = {"ours": answer.ours, "theirs": answer.theirs, "merge": answer.merged}[side]
    if not text.strip():
        return [fit(row(Span(" nothing here", Ink.DIM)), width)]
    return diff_rows(text, width)


def diff_rows(text: str, width: int) -> list[Row]:
    """A unified diff; its signs stay, so that it reads without colours."""
    drawn = []
    for line in prose(text).rstrip("\n").split("\n"):
        ink = _INKS.get(line[:1], Ink.TEXT)
        if line.startswith(("diff ", "index ", "--- ", "+++ ")):
            ink = Ink.DIM
        if "<<<<<<<" in line or ">>>>>>>" in line or "=======" in line:
            ink = Ink.ASK
        drawn += [fit(row(" ", Span(piece, ink)), width) for piece in exact(line.expandtabs(4), width - 1)]
    return drawn


def conflict_keys(found: ConflictView, view: RunView) -> list[tuple[str, str]]:
    """Key and what it does, of what makes sense now; nothing when it is no matter of the person's."""
    if not waits_for_person(view, found) or found.conflict.kind == "finding":
        return []
    keys = [("e", "my edits")]
    if found.conflict.stage is ConflictStage.MERGE:
        keys += [("o", "what has landed"), ("t", "what was handed in")]
    if found.commit is not None:
        keys.append(("m", "the proposal"))
    return [*keys, ("a", "back to its worker")]


def _state(view: RunView, found: ConflictView) -> tuple[str, Ink]:
    if found.resolved is not None:
        return resolved_words(found.resolved), Ink.OK
    if waits_for_person(view, found):
        where = f": edit the files in {found.worktree}, or choose below" if found.worktree else ""
        return f"waits for you{where}", Ink.ASK
    return found.state.value, Ink.TEXT
