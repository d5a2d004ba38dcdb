"""How the demo speaks: headings, and what happens with the second in which it happened. Text only."""

import shutil
from collections.abc import Callable, Iterable
from datetime import datetime
from textwrap import wrap

from equitr_coder.domain.events import Event, ToolReturned
from equitr_coder.domain.run_view import RunView
from equitr_coder.presentation.progress import call_lines, progress_lines
from equitr_coder.presentation.text import Line, paint, visible

_SPOKEN_FOR = frozenset({"ask_user", "write_document", "submit_plan", "ask_supervisor", "review", "hand_in"})
"""Tools whose effect has a line of its own."""
_STAMP = 9


class Screen:
    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._width = max(40, shutil.get_terminal_size(fallback=(130, 24)).columns - _STAMP)
        self._started: datetime | None = None

    def heading(self, text: str) -> None:
        self._say("")
        self._say(f"== {text} ==")

    def lines(self, lines: Iterable[Line | str]) -> None:
        for line in lines:
            self._say(paint(line, colour=False) if isinstance(line, Line) else paint(Line(line), colour=False))

    def event(self, event: Event, view: RunView) -> None:
        """What a person who follows the run reads, and each tool call of an agent."""
        shown = progress_lines(event, view, width=self._width)
        if isinstance(event, ToolReturned) and event.name not in _SPOKEN_FOR:
            shown = [*shown, *(Line(f"  {text}") for text in call_lines(event))]
        stamp = self._stamp(event)
        for line in shown:
            self._say(f"{stamp:>{_STAMP - 2}}  {paint(line, colour=False)}")
            stamp = ""

    def documents(self, view: RunView) -> None:
        """What stands in the documents, by their headings; the todos are those of the plan."""
        for name in ("requirements", "design"):
            lines = view.documents[name].content.splitlines()
            headings = ", ".join(line.lstrip("# ") for line in lines if line.startswith("##"))
            for text in wrap(visible(f"{name}.md: {headings}"), width=self._width, subsequent_indent="  "):
                self._say(f"{'':>{_STAMP}}{text}")

    def _stamp(self, event: Event) -> str:
        if event.at is None:
            return ""
        self._started = self._started or event.at
        return f"{(event.at - self._started).total_seconds():.1f} s"
