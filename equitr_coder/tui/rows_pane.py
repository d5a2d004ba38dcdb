"""A pane of rows: lists, transcripts, diffs and help alike. Virtual, and only rows that changed are drawn anew."""

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from equitr_coder.presentation.rows import Row, text_of
from equitr_coder.tui.glyphs import in_ascii
from equitr_coder.tui.theme import DEFAULT, cursor_style, span_style

Printable = Row | Strip
"""A row by its meaning, or one that is drawn already (Markdown)."""

_KEPT = 4096
"""Drawn rows that are kept; a screen shows a hundred."""


class RowsPane(ScrollView, can_focus=True):
    """`show` gives it its rows. With `has_cursor` one row is chosen and the arrow keys move it; else they scroll."""

    DEFAULT_CSS = """
    RowsPane { overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; scrollbar-gutter: stable; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "step(-1)", show=False),
        Binding("down", "step(1)", show=False),
        Binding("pageup", "leaf(-1)", show=False),
        Binding("pagedown", "leaf(1)", show=False),
        Binding("home", "to_start", show=False),
        Binding("end", "to_end", show=False),
        Binding("enter", "choose", show=False),
    ]

    class Chosen(Message):
        """Enter, or a click, on a row."""

        def __init__(self, pane: "RowsPane", index: int) -> None:
            super().__init__()
            self.pane = pane
            self.index = index

        @property
        def control(self) -> "RowsPane":
            return self.pane

    class Copied(Message):
        """Text that the person wants in the clipboard."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class CursorMoved(Message):
        def __init__(self, pane: "RowsPane", index: int) -> None:
            super().__init__()
            self.pane = pane
            self.index = index

        @property
        def control(self) -> "RowsPane":
            return self.pane

    def __init__(self, *, has_cursor: bool = False, follows: bool = False, id: str | None = None) -> None:  # noqa: A002 - Textual's
        """`follows`: what is added below is scrolled to, unless the person has scrolled up."""
        super().__init__(id=id)
        self._rows: list[Printable] = []
        self._has_cursor = has_cursor
        self._follows = follows
        self._is_at_end = True
        self._drawn: dict[tuple[Row, Style], Strip] = {}
        self.cursor = 0
        """Index of the chosen row."""

    # ------------------------------------------------------------ what it shows

    def show(self, rows: Sequence[Printable]) -> None:
        """Replace the rows. The place scrolled to and the chosen row are kept where they can be."""
        old, self._rows = self._rows, list(rows)
        if len(old) != len(self._rows):
            self.virtual_size = Size(max(1, self.content_size.width), len(self._rows))
            self.cursor = max(0, min(self.cursor, len(self._rows) - 1))
        top = self.scroll_offset.y
        for y in range(top, top + self.size.height):
            if _at(old, y) != _at(self._rows, y):
                self.refresh(Region(0, y - top, self.size.width, 1))
        self._keep_end()

    def _keep_end(self) -> None:
        if self._follows and self._is_at_end:
            self.scroll_end(animate=False, immediate=True)
            self.call_after_refresh(self.scroll_end, animate=False)  # once the new size is known

    @property
    def rows(self) -> Sequence[Printable]:
        return self._rows

    @property
    def text(self) -> str:
        return "\n".join(_text(line) for line in self._rows)

    # ------------------------------------------------------------ drawing

    def render_line(self, y: int) -> Strip:
        at = self.scroll_offset.y + y
        width, base = self.size.width, self.rich_style
        if at >= len(self._rows):
            return Strip.blank(width, base)
        strip = self._strip(self._rows[at], base).crop_extend(0, width, base)
        if self._has_cursor and at == self.cursor and self.has_focus:
            strip = _over(strip, cursor_style(self._theme))
        selection = self.text_selection
        if selection is not None and (span := selection.get_span(at)) is not None:
            strip = self._selected(strip, *span)
        return strip.apply_offsets(0, at)

    @property
    def _theme(self) -> str:
        name: str = getattr(self.app, "ink_theme", DEFAULT)
        return name

    def _strip(self, line: Printable, base: Style) -> Strip:
        is_ascii = bool(getattr(self.app, "is_ascii", False))
        if isinstance(line, Strip):
            segments = [Segment(in_ascii(piece.text) if is_ascii else piece.text, piece.style) for piece in line]
            return Strip(Segment.apply_style(segments, base))
        found = self._drawn.get((line, base))
        if found is None:
            if len(self._drawn) >= _KEPT:
                self._drawn.clear()
            theme = self._theme
            found = self._drawn[line, base] = Strip(
                [
                    Segment(in_ascii(span.text) if is_ascii else span.text, base + span_style(theme, span))
                    for span in line
                ]
            )
        return found

    def _selected(self, strip: Strip, start: int, end: int) -> Strip:
        stop = strip.cell_length if end == -1 else min(end, strip.cell_length)
        style = self.screen.get_component_rich_style("screen--selection")
        parts = strip.divide([start, stop, strip.cell_length])
        return Strip.join([parts[0], _over(parts[1], style), *parts[2:]]) if len(parts) > 1 else strip

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        return selection.extract(self.text), "\n"

    def selection_updated(self, selection: Selection | None) -> None:  # noqa: ARG002 - Textual's signature
        self.refresh()

    def forget_drawn(self) -> None:
        """The theme has changed."""
        self._drawn.clear()
        self.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if new_value >= self.max_scroll_y:
            self._is_at_end = True
        elif new_value < old_value:
            self._is_at_end = False  # what is added below does not move the place; the person does

    def on_resize(self) -> None:
        self.virtual_size = Size(max(1, self.content_size.width), len(self._rows))
        self._keep_end()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    # ------------------------------------------------------------ keys and mouse

    def action_step(self, by: int) -> None:
        if self._has_cursor:
            self.move_cursor(self.cursor + by)
        else:
            self.scroll_relative(y=by, animate=False)

    def action_leaf(self, by: int) -> None:
        rows = max(1, self.size.height - 1) * by
        if self._has_cursor:
            self.move_cursor(self.cursor + rows)
        else:
            self.scroll_relative(y=rows, animate=False)

    def action_to_start(self) -> None:
        if self._has_cursor:
            self.move_cursor(0)
        else:
            self.scroll_home(animate=False)

    def action_to_end(self) -> None:
        if self._has_cursor:
            self.move_cursor(len(self._rows) - 1)
        else:
            self._is_at_end = True
            self.scroll_end(animate=False)

    def action_choose(self) -> None:
        if self._has_cursor and self._rows:
            self.post_message(self.Chosen(self, self.cursor))

    def move_cursor(self, to: int) -> None:
        to = max(0, min(to, len(self._rows) - 1))
        if to == self.cursor:
            return
        top = self.scroll_offset.y
        for at in (self.cursor, to):
            self.refresh(Region(0, at - top, self.size.width, 1))
        self.cursor = to
        if to < top:
            self.scroll_to(y=to, animate=False)
        elif to >= top + self.size.height:
            self.scroll_to(y=to - self.size.height + 1, animate=False)
        self.post_message(self.CursorMoved(self, to))

    def on_click(self, event: events.Click) -> None:
        if not self._has_cursor:
            return
        at = self.scroll_offset.y + event.y
        if at < len(self._rows):
            was = self.cursor
            self.move_cursor(at)
            if at == was:
                self.post_message(self.Chosen(self, at))


class Bar(RowsPane, can_focus=False):
    """Rows that stand still: headers, rules, footers."""

    DEFAULT_CSS = "Bar { overflow-y: hidden; scrollbar-size-vertical: 0; scrollbar-gutter: auto; height: 1; }"


def _at(rows: Sequence[Printable], y: int) -> Printable | None:
    return rows[y] if 0 <= y < len(rows) else None


def _over(strip: Strip, style: Style) -> Strip:
    """With `style` over what the pieces have of their own; `Strip.apply_style` lays it under that."""
    return Strip(Segment.apply_style(strip, post_style=style), strip.cell_length)


def _text(line: Printable) -> str:
    return line.text if isinstance(line, Strip) else text_of(line)
