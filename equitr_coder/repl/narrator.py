"""Tells one run on the screen while it happens: streamed text of a chat as it comes, everything else as lines."""

from equitr_coder.domain.events import BudgetReached, Event, MessageAdded, ModelCallFailed, RunResumed
from equitr_coder.domain.ids import SessionId
from equitr_coder.domain.models import AssistantMessage
from equitr_coder.domain.run_view import RunView
from equitr_coder.domain.runs import RunKind
from equitr_coder.ports import ShownDelta
from equitr_coder.presentation.progress import attachment_lines, progress_lines
from equitr_coder.presentation.text import Line, Tone, prose
from equitr_coder.repl.screen import Screen
from equitr_coder.repl.streamed import StreamedText


class Narrator:
    """`view` is the fold of the run's events, changed in place by whoever follows it."""

    def __init__(self, screen: Screen, view: RunView) -> None:
        self._screen = screen
        self._view = view
        self._streams: dict[SessionId, StreamedText] = {}

    def stream(self, delta: ShownDelta) -> None:
        """Only of a chat, and only while a call of its session is open: a piece that comes later is told already."""
        is_open = any(row.is_open and row.session == delta.session for row in self._view.ledger.values())
        if self._view.kind is RunKind.CHAT and is_open:
            self._screen.stream(self._streams.setdefault(delta.session, StreamedText()).feed(delta.text))

    def tell(self, event: Event) -> None:
        """`event` is in the view already."""
        if self._view.kind is not RunKind.CHAT:
            self._screen.show(progress_lines(event, self._view, width=self._screen.width))
            return
        match event:
            case MessageAdded(message=AssistantMessage(text=text)) if event.session in self._streams:
                self._finish(self._streams.pop(event.session), text)
            case ModelCallFailed():
                self._streams.pop(event.session, None)  # the next try begins its answer anew
                if event.retry_in is not None:
                    self._progress(event)
            case BudgetReached():
                pass  # the end of the turn says it
            case RunResumed():
                self._screen.show(attachment_lines(event.attachments))  # a turn that begins is no news
            case _:
                self._progress(event)

    def _progress(self, event: Event) -> None:
        self._screen.show(progress_lines(event, self._view, width=self._screen.width))

    def _finish(self, streamed: StreamedText, whole: str) -> None:
        rest = streamed.finish(whole)
        if rest is not None:
            self._screen.stream(rest)
            self._screen.end_line()
            return
        self._screen.say("(parts of this were lost while it streamed; the whole answer:)", Tone.DIM)
        self._screen.show(Line(line) for line in prose(whole).strip().splitlines())
