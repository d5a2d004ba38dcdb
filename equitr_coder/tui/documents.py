"""The planning documents beside the conversation, filling as they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Vertical

from equitr_coder.presentation.review import DOCUMENTS, DocumentName
from equitr_coder.tui.document_editing import DocumentEditing
from equitr_coder.tui.draw.documents import document_rows, document_tabs
from equitr_coder.tui.draw.frame import rule
from equitr_coder.tui.rows_pane import Bar, RowsPane

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from equitr_coder.domain.ids import RunId
    from equitr_coder.domain.run_view import RunView
    from equitr_coder.tui.desk import Desk


class Documents(Vertical):
    """A document counts as looked at when it is turned away from, or marked so: until then its changes stand out."""

    DEFAULT_CSS = """
    Documents { width: 1fr; height: 1fr; }
    Documents #documents-tabs { height: 2; }
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(id="documents")
        self._desk = desk
        self.chosen: DocumentName = "requirements"
        self.looked_at: dict[str, str] = {}
        """Name -> what stood there when the person last looked."""
        self._of: RunId | None = None
        self._is_turned = False
        """Whether the person chose the document; until then the newest one is shown."""
        self._editing = DocumentEditing(desk)

    def compose(self) -> ComposeResult:
        yield Bar(id="documents-tabs")
        yield RowsPane(id="documents-rows")

    @property
    def pane(self) -> RowsPane:
        return self.query_one("#documents-rows", RowsPane)

    def draw(self, view: RunView) -> None:
        if view.run != self._of:
            self._of, self._is_turned, self.looked_at = view.run, False, {}
        if not self._is_turned and view.documents:
            newest = max(view.documents.values(), key=lambda document: document.seq)
            if newest.name != self.chosen:
                self._leave(view)
                self.chosen = newest.name
        if (document := view.documents.get(self.chosen)) is not None:
            self.looked_at.setdefault(self.chosen, document.content)
        width = self.size.width
        tabs = document_tabs(view, self.chosen, self.looked_at, width)
        self.query_one("#documents-tabs", Bar).show([tabs, rule(width)])
        self.pane.show(document_rows(view, self.chosen, self.looked_at, width - 1))

    def turn(self, view: RunView, by: int) -> None:
        self._leave(view)
        self._is_turned = True
        self.chosen = DOCUMENTS[(DOCUMENTS.index(self.chosen) + by) % len(DOCUMENTS)]
        self.pane.scroll_home(animate=False)
        self.draw(view)

    def mark_looked_at(self, view: RunView) -> None:
        self._leave(view)
        self.draw(view)

    def _leave(self, view: RunView) -> None:
        if (document := view.documents.get(self.chosen)) is not None:
            self.looked_at[self.chosen] = document.content

    def edit(self, view: RunView) -> None:
        self._desk.do(self._editing.edit(self.app, view, self.chosen))
