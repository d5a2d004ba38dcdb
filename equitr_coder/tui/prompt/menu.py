"""The menu of completions: it opens upward over what is above the prompt and moves nothing."""

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from equitr_coder.presentation.completion import Kind, Offer
from equitr_coder.presentation.rows import Ink, Row, Span, apart, beside, fit, row, width_of

MOST_ROWS = 8
_GAP = "  "


def menu_rows(offers: Sequence[Offer], selected: int, width: int, height: int = MOST_ROWS) -> list[Row]:
    """The offers around the selected one. Commands have their help beside them, files their mark at the right."""
    first = min(max(selected - height // 2, 0), max(len(offers) - height, 0))
    shown = offers[first : first + height]
    column = max((width_of(row(offer.shown)) for offer in shown), default=0)
    rows = []
    for number, offer in enumerate(shown, start=first):
        is_selected = number == selected
        name = Span(offer.shown, Ink.ACCENT if is_selected else Ink.TEXT, bold=is_selected)
        note = Span(offer.note, Ink.DIM)
        head = Span("> " if is_selected else "  ", Ink.ACCENT, bold=True)
        if offer.kind is Kind.FILE:
            line = apart(row(head, name), row(note), width)
        else:
            line = fit(
                beside([(row(head, name), column + 2), (row(note), max(0, width - column - 4))], gap=_GAP), width
            )
        rows.append(tuple(span._replace(reverse=True) for span in line) if is_selected else line)
    return rows


class CompletionMenu(Widget):
    """Mounted by the app on the Screen, whose layers must include `overlay`; a `Prompt` fills, shows and hides it."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"menu--text", "menu--dim", "menu--accent"}
    DEFAULT_CSS = """
    CompletionMenu {
        layer: overlay; position: absolute; display: none; background: $panel; height: 0; width: 0;
    }
    CompletionMenu > .menu--text { color: $foreground; background: $panel; }
    CompletionMenu > .menu--dim { color: $text-muted; background: $panel; }
    CompletionMenu > .menu--accent { color: $accent; background: $panel; }
    """
    ALLOW_SELECT = False

    class Clicked(Message):
        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 (as Textual names it)
        super().__init__(id=id)
        self.offers: tuple[Offer, ...] = ()
        self.selected = 0
        self._rows: list[Row] = []
        self._first = 0

    @property
    def is_open(self) -> bool:
        return bool(self.offers)

    def open(self, offers: Sequence[Offer], above: Region, selected: int = 0) -> None:
        """`above` is where the prompt stands on the screen."""
        self.offers, self.selected = tuple(offers), selected
        height = min(len(offers), MOST_ROWS, max(above.y, 1))
        self._rows = menu_rows(self.offers, selected, max(above.width - 2, 1), height)
        self._first = min(max(selected - height // 2, 0), max(len(offers) - height, 0))
        self.styles.width, self.styles.height = max(above.width - 2, 1), height
        self.styles.offset = (above.x + 1, above.y - height)
        self.display = True
        self.refresh()

    def close(self) -> None:
        if self.offers:
            self.offers, self._rows = (), []
            self.display = False

    def render_line(self, y: int) -> Strip:
        if y >= len(self._rows):
            return Strip.blank(self.size.width)
        pieces = []
        for span in self._rows[y]:
            known = {Ink.DIM: "menu--dim", Ink.ACCENT: "menu--accent"}.get(span.ink, "menu--text")
            style = self.get_component_rich_style(known)
            if span.bold or span.reverse:
                style += Style(bold=span.bold or None, reverse=span.reverse or None)
            pieces.append(Segment(span.text, style))
        return Strip(pieces).adjust_cell_length(self.size.width)

    def on_click(self, event: events.Click) -> None:
        event.stop()
        if event.y < len(self._rows):
            self.post_message(self.Clicked(self._first + event.y))
