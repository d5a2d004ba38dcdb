"""The conversation: with one agent, or with the supervisor while it plans, the documents beside it."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal

from equitr_coder.domain.run_view import RunView
from equitr_coder.domain.runs import RunKind
from equitr_coder.tui.documents import Documents
from equitr_coder.tui.keys import Key
from equitr_coder.tui.place import Place
from equitr_coder.tui.transcript_pane import TranscriptPane

_BESIDE_FROM = 100
"""Columns from which conversation and documents stand beside each other."""


class Talk(Place):
    NAME: ClassVar[str] = "talk"
    TITLE: ClassVar[str] = "conversation"
    KEYS: ClassVar[tuple[Key, ...]] = (
        Key(("y",), "y", "copy this block", "copy_block", "talk"),
        Key(("left_square_bracket",), "[", "document before", "turn_document(-1)", "talk"),
        Key(("right_square_bracket",), "]", "next document", "turn_document(1)", "talk"),
        Key(("v",), "v", "document looked at", "looked_at", "talk"),
        Key(("ctrl+g",), "Ctrl+G", "edit document", "edit_document", "talk"),
    )

    DEFAULT_CSS = """
    Talk #transcript { width: 1fr; }
    Talk #documents { border-left: solid $line; }
    Talk.-alone #documents { border-left: none; }
    """

    shows_documents = False
    """F2: the documents alone."""
    _is_turning = False

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield TranscriptPane(id="transcript")
            yield Documents(self.desk)

    def show(self) -> None:
        run, lobby, pane = self.desk.run, self.desk.lobby, self.query_one(TranscriptPane)
        self._lay_out()
        if run is None:
            pane.tell(lobby.blocks if lobby is not None else [])
            return
        is_chat = run.view.kind is RunKind.CHAT
        sessions = [
            text for session, text in run.open_text.items() if is_chat or run.view.sessions[session].task is None
        ]
        queued = [sent.content for sent in run.view.users_waiting]
        pane.tell(run.transcript.blocks, opened=sessions[-1] if sessions else "", queued=queued)
        if (view := self._planned) is not None and self.documents.display:
            self.documents.draw(view)

    @property
    def documents(self) -> Documents:
        return self.query_one(Documents)

    @property
    def _planned(self) -> RunView | None:
        """The run in focus when it has documents, or will have."""
        view = self.desk.run.view if self.desk.run is not None else None
        if view is None or view.kind is RunKind.CHAT:
            return None
        return view if view.documents or not view.is_approved else None

    def _lay_out(self) -> None:
        is_planned, is_wide = self._planned is not None, self.size.width >= _BESIDE_FROM
        if not is_planned:
            self.shows_documents = False
        has_documents = is_planned and (is_wide or self.shows_documents)
        transcript = self.query_one(TranscriptPane)
        transcript.display = not self.shows_documents
        self.documents.display = has_documents
        self.documents.styles.width = "1fr" if self.shows_documents else max(40, self.size.width * 43 // 100)
        self.set_class(self.shows_documents, "-alone")

    def turn_documents(self) -> None:
        """F2: the documents in the whole width, and back."""
        if self._planned is None:
            self.desk.say("there are no documents yet", "Shift+Tab to plan, and say what you want built")
            return
        self.shows_documents = not self.shows_documents
        self._lay_out()
        self._is_turning = True
        self.call_after_refresh(self._drawn_anew)

    @property
    def is_settled(self) -> bool:
        return not self._is_turning

    def _drawn_anew(self) -> None:
        self._is_turning = False
        self.show()
        if self.shows_documents:
            self.documents.pane.focus()
        else:
            self.screen.query_one("#prompt").focus()

    def back(self) -> bool:
        if self.shows_documents:
            self.turn_documents()
            return True
        return False

    def action_turn_document(self, by: int) -> None:
        if (view := self._planned) is not None:
            self.documents.turn(view, by)

    def action_looked_at(self) -> None:
        if (view := self._planned) is not None:
            self.documents.mark_looked_at(view)

    def action_edit_document(self) -> None:
        if (view := self._planned) is not None:
            self.documents.edit(view)

    def unfold(self) -> None:
        self.query_one(TranscriptPane).action_unfold()

    def action_copy_block(self) -> None:
        self.query_one(TranscriptPane).action_copy_block()
