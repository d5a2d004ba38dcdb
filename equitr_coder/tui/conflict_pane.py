"""One conflict with both sides; `[` and `]` go from side to side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Vertical

from equitr_coder.presentation.rows import Ink, Row, Span, row
from equitr_coder.tui.draw.conflict import SIDES, Side, conflict_head, conflict_keys, conflict_side
from equitr_coder.tui.rows_pane import Bar, RowsPane

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from equitr_coder.domain.queries import ConflictAnswer
    from equitr_coder.domain.run_view import ConflictView, RunView


class ConflictPane(Vertical):
    DEFAULT_CSS = """
    ConflictPane #conflict-head { height: auto; max-height: 7; }
    ConflictPane #conflict-keys { height: 1; }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's
        super().__init__(id=id)
        self._side: Side = "theirs"
        self._shown: tuple[RunView, ConflictView, ConflictAnswer | None] | None = None

    def compose(self) -> ComposeResult:
        yield Bar(id="conflict-head")
        yield RowsPane(id="conflict-side")
        yield Bar(id="conflict-keys")

    def tell(self, view: RunView, found: ConflictView, answer: ConflictAnswer | None) -> None:
        """`answer` is None until the door has said what both sides are."""
        self._shown = view, found, answer
        width = self.size.width
        if not width:
            return
        self.query_one("#conflict-head", Bar).show(conflict_head(view, found, width, side=self._side))
        self.query_one("#conflict-side", RowsPane).show(conflict_side(answer, width - 1, side=self._side))
        self.query_one("#conflict-keys", Bar).show([_keys(view, found)])

    def turn(self, by: int) -> None:
        self._side = SIDES[(SIDES.index(self._side) + by) % len(SIDES)]
        if self._shown is not None:
            self.tell(*self._shown)

    def on_resize(self) -> None:
        if self._shown is not None:
            self.tell(*self._shown)


def _keys(view: RunView, found: ConflictView) -> Row:
    known = conflict_keys(found, view)
    if not known:
        return row(Span(" nothing to decide here now", Ink.DIM))
    return row(Span(" " + "  ".join(f"{key} {words}" for key, words in known), Ink.DIM))
