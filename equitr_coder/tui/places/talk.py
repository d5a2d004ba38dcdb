"""The conversation: with one agent, or with the supervisor while it plans."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal

from equitr_coder.domain.runs import RunKind
from equitr_coder.tui.keys import Key
from equitr_coder.tui.place import Place
from equitr_coder.tui.transcript_pane import TranscriptPane


class Talk(Place):
    NAME: ClassVar[str] = "talk"
    TITLE: ClassVar[str] = "conversation"
    KEYS: ClassVar[tuple[Key, ...]] = (Key(("y",), "y", "copy this block", "copy_block", "talk"),)

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield TranscriptPane(id="transcript")

    def show(self) -> None:
        run, lobby, pane = self.desk.run, self.desk.lobby, self.query_one(TranscriptPane)
        if run is None:
            pane.tell(lobby.blocks if lobby is not None else [])
            return
        is_chat = run.view.kind is RunKind.CHAT
        sessions = [
            text for session, text in run.open_text.items() if is_chat or run.view.sessions[session].task is None
        ]
        queued = [sent.content for sent in run.view.users_waiting]
        pane.tell(run.transcript.blocks, opened=sessions[-1] if sessions else "", queued=queued)

    def unfold(self) -> None:
        self.query_one(TranscriptPane).action_unfold()

    def action_copy_block(self) -> None:
        self.query_one(TranscriptPane).action_copy_block()
