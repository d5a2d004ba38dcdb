"""One run as the screen knows it: folds of its events, and what streams and is not stored yet."""

from dataclasses import dataclass, field

from equitr_coder.domain.events import Event, MessageAdded, ModelCallFailed
from equitr_coder.domain.ids import RunId, SessionId
from equitr_coder.domain.models import AssistantMessage
from equitr_coder.domain.run_view import RunView, apply
from equitr_coder.domain.runs import RunState
from equitr_coder.ports import ShownDelta
from equitr_coder.presentation.happenings import Happenings
from equitr_coder.tui.transcript import Transcript


@dataclass
class FollowedRun:
    view: RunView
    happenings: Happenings = field(default_factory=Happenings)
    transcript: Transcript = field(default_factory=Transcript)
    """Of the conversation with the person."""
    open_text: dict[SessionId, str] = field(default_factory=dict)
    """What an open model call has said so far. Lossy: the stored message replaces it."""
    is_followed: bool = True
    """Whether its events still come; not of one that is only looked at."""
    version: int = 0
    """Rises with every event and every streamed piece."""

    @property
    def run(self) -> RunId:
        return self.view.run

    @property
    def is_live(self) -> bool:
        """Whether it works in this process now."""
        return self.is_followed and self.view.state in (RunState.INITIALIZING, RunState.RUNNING, RunState.AGGREGATING)

    def take(self, item: Event | ShownDelta) -> None:
        self.version += 1
        if isinstance(item, ShownDelta):
            # A piece that comes after its call has ended is told already.
            if any(row.is_open and row.session == item.session for row in self.view.ledger.values()):
                self.open_text[item.session] = self.open_text.get(item.session, "") + item.text
            return
        apply(self.view, item)
        self.happenings.add(item)
        self.transcript.take(item, self.view)
        match item:
            case MessageAdded(message=AssistantMessage()) | ModelCallFailed():
                self.open_text.pop(item.session, None)
            case _:
                pass
