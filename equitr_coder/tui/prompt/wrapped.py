"""How a draft stands on the rows of the prompt. Pure."""

from collections.abc import Callable

from equitr_coder.domain.frozen import frozen
from equitr_coder.presentation.text import cells, visible

_TAB = "    "
_MOST_KEPT = 2_000


@frozen
class WrappedRow:
    start: int
    """Index into the draft's text of its first character."""
    end: int
    """After its last one; a line feed belongs to no row."""
    is_last: bool
    """Whether its line ends with it: only there the cursor stands after the last character."""


class Wrapping:
    """Breaks lines at blanks where it can. Lines already broken are remembered, so that a key costs one line."""

    def __init__(self, label: Callable[[str], str | None]) -> None:
        """`label` says what a character is shown as, or None when it stands for itself."""
        self._label = label
        self._width = 0
        self._known: dict[str, list[tuple[int, int]]] = {}

    def shown(self, character: str) -> str:
        label = self._label(character)
        if label is not None:
            return label
        return _TAB if character == "\t" else visible(character)

    def rows(self, text: str, width: int) -> list[WrappedRow]:
        width = max(width, 1)
        if width != self._width or len(self._known) > _MOST_KEPT:
            self._known, self._width = {}, width
        rows: list[WrappedRow] = []
        place = 0
        for line in text.split("\n"):
            pieces = self._known.get(line)
            if pieces is None:
                pieces = self._known[line] = self._pieces(line, width)
            rows.extend(
                WrappedRow(place + start, place + end, number == len(pieces))
                for number, (start, end) in enumerate(pieces, start=1)
            )
            place += len(line) + 1
        return rows

    def column(self, text: str, row: WrappedRow, index: int) -> int:
        """Cells of the row before the character at `index`."""
        return sum(cells(self.shown(each)) for each in text[row.start : index])

    def index(self, text: str, row: WrappedRow, column: int) -> int:
        """The character that stands in a cell of the row, or the last place of the row."""
        used = 0
        for index in range(row.start, row.end):
            used += cells(self.shown(text[index]))
            if used > column:
                return index
        return row.end if row.is_last or row.end == row.start else row.end - 1

    def _pieces(self, line: str, width: int) -> list[tuple[int, int]]:
        pieces: list[tuple[int, int]] = []
        start = used = blank = 0
        for index, character in enumerate(line):
            its = cells(self.shown(character))
            while used + its > width and index > start:
                end = blank if blank > start else index
                pieces.append((start, end))
                used = sum(cells(self.shown(each)) for each in line[end:index])
                start = end
            used += its
            if character in " \t":
                blank = index + 1
        pieces.append((start, len(line)))
        if used >= width:
            pieces.append((len(line), len(line)))  # the cursor after a full row stands on the next
        return pieces


def row_of(rows: list[WrappedRow], cursor: int) -> int:
    """The number of the row on which the cursor stands."""
    return next(
        number
        for number, row in enumerate(rows)
        if row.start <= cursor and (cursor < row.end or (cursor == row.end and row.is_last))
    )
