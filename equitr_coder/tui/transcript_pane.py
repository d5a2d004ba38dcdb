"""Draws a transcript: closed blocks once, the open answer as it grows. Only the newest blocks are held as rows."""

from collections.abc import Sequence
from typing import assert_never

from rich.segment import Segment
from textual.strip import Strip

from equitr_coder.domain.ids import CallId
from equitr_coder.presentation.markdown_blocks import blocks_of
from equitr_coder.presentation.rows import Ink, Span, row, text_of, toned
from equitr_coder.presentation.text import plural, prose, visible
from equitr_coder.presentation.wrapping import wrapped
from equitr_coder.tui.draw.markdown import markdown_strips
from equitr_coder.tui.rows_pane import Printable, RowsPane
from equitr_coder.tui.theme import DEFAULT
from equitr_coder.tui.transcript import Answered, Block, Planned, Said, Step, Told, plain

_WINDOW = 400
"""Blocks that are drawn; scrolling to the top shows as many more."""
_MARGIN = 6
"""Columns before the text: who speaks stands in them."""
_BAR = 1
"""Columns of the scrollbar, which stands over the last of them once there is one."""
_RESULT_LINES = 400
_READS = {"read_file": "read", "list_files": "listed", "search": "searched", "recall": "recalled"}


class TranscriptPane(RowsPane):
    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's
        super().__init__(follows=True, id=id)
        self._blocks: Sequence[Block] = ()
        self._first = 0
        self._open = ""
        self._queued: Sequence[str] = ()
        self._rendered: dict[tuple[Block, int, str, bool], list[Printable]] = {}
        self._starts: list[tuple[int, int]] = []
        """Row and block index, in order."""
        self._shown: tuple[object, ...] = ()
        self.unfolded: set[CallId] = set()
        self.is_unfolded = False
        """Whether the output of every tool call is shown."""

    def tell(self, blocks: Sequence[Block], *, opened: str = "", queued: Sequence[str] = ()) -> None:
        """`opened` is what the agent is saying now; `queued` is what the person said and the agent has not got."""
        if len(blocks) < len(self._blocks) or self._blocks is not blocks:
            self._first = max(0, len(blocks) - _WINDOW)
            self._rendered.clear()
        self._blocks, self._open, self._queued = blocks, opened, tuple(queued)
        shown = (len(blocks), opened, self._queued, self.size.width, self._theme, self.is_unfolded, self._first)
        if shown == self._shown:
            return
        self._shown = shown
        if len(blocks) - self._first > 2 * _WINDOW and self._is_at_end:
            self._first = len(blocks) - _WINDOW
            self._rendered.clear()
        self._draw_all()

    def on_resize(self) -> None:
        super().on_resize()
        self._rendered.clear()
        self.tell(self._blocks, opened=self._open, queued=self._queued)

    def forget_drawn(self) -> None:
        super().forget_drawn()
        self._rendered.clear()
        self.tell(self._blocks, opened=self._open, queued=self._queued)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if new_value <= 0 < self._first and old_value > new_value:
            before = len(self.rows)
            self._first = max(0, self._first - _WINDOW)
            self._draw_all()
            self.scroll_to(y=len(self.rows) - before, animate=False)

    def action_unfold(self) -> None:
        """Show or fold what tools gave."""
        self.is_unfolded = not self.is_unfolded
        self._rendered.clear()
        self.tell(self._blocks, opened=self._open, queued=self._queued)

    def action_copy_block(self) -> None:
        """The block at the top of what is seen, or the last one when the end is seen."""
        if not self._blocks:
            return
        at = len(self._blocks) - 1
        if not self._is_at_end:
            top = self.scroll_offset.y
            at = max((index for start, index in self._starts if start <= top), default=self._first)
        self.post_message(self.Copied(plain(self._blocks[at])))

    # ------------------------------------------------------------ drawing

    def _draw_all(self) -> None:
        rows: list[Printable] = []
        self._starts = []
        if self._first:
            rows.append(row(Span(f"{plural(self._first, 'earlier block')}: scroll up", Ink.DIM)))
        reads: list[Step] = []
        for index in range(self._first, len(self._blocks)):
            block = self._blocks[index]
            if isinstance(block, Step) and block.name in _READS and not block.is_error and not self.is_unfolded:
                reads.append(block)
                continue
            rows += _reads(reads)
            reads = []
            if isinstance(block, Answered) and block.opens and rows and _says_something(rows[-1]):
                rows.append(())
            self._starts.append((len(rows), index))
            rows += self._block(block)
        rows += _reads(reads)
        if self._open.strip():
            rows += self._answer_open(prose(self._open))
        rows += [row("    ", Span("queued", Ink.ASK), " ", " ".join(text.split())) for text in self._queued]
        self.show(rows)

    @property
    def _room(self) -> int:
        return max(20, self.content_size.width - _MARGIN - _BAR)

    def _block(self, block: Block) -> list[Printable]:
        key = (block, self._room, self._theme, self.is_unfolded)
        found = self._rendered.get(key)
        if found is None:
            found = self._rendered[key] = self._drawn_block(block)
        return found

    def _drawn_block(self, block: Block) -> list[Printable]:
        match block:
            case Said():
                lines: list[Printable] = [
                    row(Span(_who("you") if number == 0 else " " * _MARGIN, Ink.ACCENT, bold=True), text)
                    for number, text in enumerate(_wrapped(block.text, self._room))
                ]
                return [(), *lines, ()]
            case Answered():
                return [*self._markdown(block.text, _short(block.agent) if block.opens else ""), ()]
            case Step():
                return self._step(block)
            case Told():
                return [
                    piece
                    for line in block.lines
                    for piece in (toned(" " * _MARGIN + text, line.tone) for text in _wrapped(line.text, self._room))
                ]
            case Planned():
                return [
                    toned(" " * _MARGIN + text, line.tone)
                    for line in block.lines(self._room)
                    for text in wrapped(visible(line.text), self._room)
                ]
            case _ as unreachable:
                assert_never(unreachable)

    def _markdown(self, text: str, who: str) -> list[Printable]:
        theme = getattr(self.app, "ink_theme", DEFAULT)
        strips = markdown_strips(text, width=self._room, theme=theme)
        margin = Segment(" " * _MARGIN)
        lines: list[Printable] = [Strip([margin, *strip]) for strip in strips]
        if who and lines:
            head = row(Span(_who(who), Ink.INFO, bold=True))
            lines[0] = Strip([*self._strip(head, self.rich_style), *strips[0]])
        return lines

    def _answer_open(self, text: str) -> list[Printable]:
        """Blocks that are closed come from the store of drawn ones: they will stand in the log with the same text."""
        blocks = blocks_of(text.strip())
        agent = self._speaker
        rows: list[Printable] = []
        for number, part in enumerate(blocks[:-1]):
            rows += self._block(Answered(part, agent, opens=number == 0))
        if blocks:
            rows += self._markdown(blocks[-1], _short(agent) if len(blocks) == 1 else "")
        return rows

    @property
    def _speaker(self) -> str:
        return next((block.agent for block in reversed(self._blocks) if isinstance(block, Answered)), "assistant")

    def _step(self, block: Step) -> list[Printable]:
        mark = Span("! ", Ink.BAD) if block.is_error else Span("- ", Ink.DIM)
        words = f" {block.words}" if block.words else ""
        head = row(" " * _MARGIN, mark, Span(block.name, Ink.TEXT), Span(words, Ink.DIM))
        if not self.is_unfolded:
            return [head]
        lines = block.result.splitlines()
        shown = [row(" " * (_MARGIN + 2), Span(line.expandtabs(4), Ink.DIM)) for line in lines[:_RESULT_LINES]]
        if len(lines) > _RESULT_LINES:
            shown.append(row(" " * (_MARGIN + 2), Span(f"... {len(lines) - _RESULT_LINES} more lines", Ink.DIM)))
        return [head, *shown]


def _reads(steps: Sequence[Step]) -> list[Printable]:
    """Looking around is told in one row: `[read 14 files, searched 3 times]  Ctrl+O opens`."""
    if not steps:
        return []
    counts: dict[str, int] = {}
    for step in steps:
        counts[step.name] = counts.get(step.name, 0) + 1
    nouns = {"read_file": "file", "list_files": "folder", "search": "time", "recall": "time"}
    words = ", ".join(f"{_READS[name]} {plural(count, nouns[name])}" for name, count in counts.items())
    return [row(" " * _MARGIN, Span(f"[{words}]", Ink.DIM))]


def _says_something(line: Printable) -> bool:
    return bool((line.text if isinstance(line, Strip) else text_of(line)).strip())


def _who(name: str) -> str:
    return f" {name[: _MARGIN - 2]:<{_MARGIN - 1}}"


def _short(agent: str) -> str:
    return {"supervisor": "sup", "planner": "sup", "assistant": "ai"}.get(agent, agent)[: _MARGIN - 2]


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` cells, cut at spaces where there are some; never empty."""
    from rich.cells import cell_len, chop_cells

    lines: list[str] = []
    for line in visible(text).expandtabs(4).split("\n"):
        rest = line
        while cell_len(rest) > width:
            head = chop_cells(rest, width)[0]
            cut = head.rfind(" ")
            head = head[: cut + 1] if cut > width // 3 else head
            lines.append(head.rstrip())
            rest = rest[len(head) :]
        lines.append(rest)
    return lines or [""]
