"""Plain columns. With a width the elastic column gives way first, then very wide ones, then columns are left out;
without one nothing is ever cut.
"""

from collections.abc import Sequence

from equitr_coder.presentation.text import cells, pad, shorten

_GAP = "  "
_READABLE = 12
"""Columns that the elastic one keeps before others are left out for it."""
_WIDE = 30
"""Columns that any other one keeps before some are left out."""
_LEAST = 4


def table(
    rows: Sequence[Sequence[str]],
    *,
    header: Sequence[str] = (),
    width: int | None = None,
    elastic: int = -1,
    spare: Sequence[int] = (),
    margin: str = "  ",
) -> list[str]:
    """Left-aligned lines. `elastic` is the index of the column that gives way when the table is wider than `width`;
    `spare` are those that may be left out, the first one first.
    """
    flat = [[" ".join(cell.split()) for cell in row] for row in rows]
    every = [list(header), *flat] if header else flat
    if not every:
        return []
    count = len(every[0])
    widths = {column: max(cells(row[column]) for row in every) for column in range(count)}
    if width is not None:
        _fit(widths, width - cells(margin), elastic=elastic % count, spare=spare)
    return [
        (margin + _GAP.join(pad(shorten(row[column], size), size) for column, size in widths.items())).rstrip()
        for row in every
    ]


def fits(rows: Sequence[Sequence[str]], width: int | None, *, margin: str = "  ") -> bool:
    """Whether the table needs no cut."""
    return width is None or all(cells(line) <= width for line in table(rows, margin=margin))


def _fit(widths: dict[int, int], room: int, *, elastic: int, spare: Sequence[int]) -> None:
    """Make the columns fit into `room` where that is possible at all."""
    natural = dict(widths)
    for column in (None, *spare):
        if column is not None:
            del natural[column]
        widths.clear()
        widths.update(natural)
        excess = _total(widths) - room
        if excess > 0:
            widths[elastic] = max(min(natural[elastic], _READABLE), natural[elastic] - excess)
            _cut_widest(widths, room, least=_WIDE)
        if _total(widths) <= room:
            return
    _cut_widest(widths, room, least=_LEAST)


def _cut_widest(widths: dict[int, int], room: int, *, least: int) -> None:
    while _total(widths) > room and max(widths.values()) > least:
        widest = max(widths, key=lambda column: widths[column])
        widths[widest] -= 1


def _total(widths: dict[int, int]) -> int:
    return sum(widths.values()) + len(_GAP) * (len(widths) - 1)
