"""The transcript of one session as blocks, made as its messages come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from equitr_coder.domain.models import AssistantMessage, Message, SystemMessage, ToolMessage, UserMessage
from equitr_coder.presentation.actions import subject
from equitr_coder.presentation.markdown_blocks import blocks_of
from equitr_coder.presentation.text import first_line, prose
from equitr_coder.tui.transcript import Answered, Block, Said, Step

if TYPE_CHECKING:
    from equitr_coder.domain.ids import CallId
    from equitr_coder.domain.run_view import SessionView


class LaneBlocks:
    """Of whichever session it was asked for last."""

    def __init__(self) -> None:
        self._session: SessionView | None = None
        self._blocks: list[Block] = []
        self._taken = 0
        self._about: dict[CallId, str] = {}

    def of(self, session: SessionView | None) -> list[Block]:
        """The same list as long as it is the same session."""
        if session is None:
            return []
        if self._session is not session:
            self._session, self._blocks, self._taken, self._about = session, [], 0, {}
        for message in session.messages[self._taken :]:
            self._blocks += self._drawn(message, session)
        self._taken = len(session.messages)
        return self._blocks

    def _drawn(self, message: Message, session: SessionView) -> list[Block]:
        match message:
            case SystemMessage():
                return []
            case UserMessage():
                return [Said(prose(message.text).strip())]
            case AssistantMessage():
                self._about.update((call.id, subject(call.name, call.arguments)) for call in message.calls)
                said = blocks_of(prose(message.text).strip()) if message.text.strip() else []
                return [Answered(block, session.agent, opens=number == 0) for number, block in enumerate(said)]
            case ToolMessage():
                about = self._about.get(message.call, "")
                words = first_line(prose(message.text if message.is_error or not about else about))
                return [Step(message.call, message.name, words, prose(message.text), message.is_error)]
