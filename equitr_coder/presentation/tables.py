"""Plain columns. With a width the one elastic column gives way; without one nothing is ever cut."""

from collections.abc import Sequence

from equitr_coder.presentation.text import cells, pad, shorten

_GAP = "  "


def table(
    rows: Sequence[Sequence[str]],
    *,
    header: Sequence[str] = (),
    width: int | None = None,
    elastic: int = -1,
    margin: str = "  ",
) -> list[str]:
    """Left-aligned lines. `elastic` is the index of the column that gives way when the table is wider than `width`."""
    flat = [[" ".join(cell.split()) for cell in row] for row in rows]
    every = [list(header), *flat] if header else flat
    if not every:
        return []
    widths = [max(cells(row[column]) for row in every) for column in range(len(every[0]))]
    if width is not None:
        excess = cells(margin) + sum(widths) + len(_GAP) * (len(widths) - 1) - width
        if excess > 0:
            widths[elastic] = max(8, widths[elastic] - excess)
    return [
        (margin + _GAP.join(pad(shorten(cell, size), size) for cell, size in zip(row, widths, strict=True))).rstrip()
        for row in every
    ]
