"""Every key and command on one page, made of the key tables; and the palette, which finds one of them."""

from collections.abc import Sequence

from equitr_coder.domain.frozen import frozen
from equitr_coder.presentation.fuzzy import narrowed
from equitr_coder.presentation.rows import Ink, Row, Span, apart, beside, fit, row
from equitr_coder.presentation.slash import SlashCommand
from equitr_coder.presentation.text import shown_on_one_line
from equitr_coder.presentation.wrapping import wrapped
from equitr_coder.tui.draw.frame import head, nothing

_KEY = 20


@frozen
class Entry:
    """One thing that can be done."""

    shown: str
    """The key, or the command with its arguments."""
    label: str
    action: str
    """Textual's action for a key; the command's name."""
    section: str
    is_command: bool = False

    @property
    def words(self) -> str:
        return f"{self.label} {self.shown}"


def command_entries(commands: Sequence[SlashCommand]) -> list[Entry]:
    return [Entry(command.usage, command.help, command.name, "commands", is_command=True) for command in commands]


def matching(entries: Sequence[Entry], typed: str) -> list[Entry]:
    """For help: those in which every typed word stands, in their order."""
    words = typed.casefold().split()
    return [entry for entry in entries if all(word in entry.words.casefold() for word in words)]


def help_head(under: str, typed: str, width: int, *, is_typing: bool) -> Row:
    cursor = Span("_", Ink.ACCENT) if is_typing else Span("")
    filtered = row(Span("filter: ", Ink.DIM), shown_on_one_line(typed), cursor)
    about = filtered if typed or is_typing else row(Span(f"of {under or 'the screen'}, then everywhere", Ink.DIM))
    return head("help", about, row(Span("/ filters, Esc goes back", Ink.DIM)), width)


def help_rows(entries: Sequence[Entry], typed: str, width: int) -> list[Row]:
    """Sections in their order; two columns where there is room. A label is broken, never cut."""
    shown = matching(entries, typed)
    if not shown:
        return nothing(f"No key or command has {typed!r}.", "Esc clears the filter.", width)
    rows: list[Row] = []
    for section in dict.fromkeys(entry.section for entry in shown):
        mine = [entry for entry in shown if entry.section == section]
        rows += [(), row(" ", Span(section, Ink.ACCENT, bold=True))]
        has_columns = width >= 110 and not mine[0].is_command
        half = width // 2 if has_columns else width
        cells = [_entry(entry, half, _widest(mine)) for entry in mine]
        if not has_columns:
            rows += [line for cell in cells for line in cell]
            continue
        middle = (len(cells) + 1) // 2
        for index in range(middle):
            left, right = cells[index], cells[index + middle] if index + middle < len(cells) else []
            for line in range(max(len(left), len(right))):
                pair = [side[line] if line < len(side) else () for side in (left, right)]
                rows.append(beside([(pair[0], half), (pair[1], width - half)]))
    return rows[1:]


def _widest(entries: Sequence[Entry]) -> int:
    return min(max(len(entry.shown) for entry in entries) + 2, 30)


def _entry(entry: Entry, width: int, column: int) -> list[Row]:
    lines = wrapped(entry.label, width - column - 3)
    first = row("  ", Span(f"{entry.shown:<{column}}", bold=True), lines[0])
    return [first, *(row(" " * (column + 2), line) for line in lines[1:])]


def found(entries: Sequence[Entry], typed: str) -> list[Entry]:
    """For the palette: what the letters match, best first; a key or command that is named itself before all others."""
    named = typed.strip().casefold()
    matched = narrowed(typed, entries, lambda entry: entry.words)
    return sorted(matched, key=lambda entry: not named or not entry.shown.casefold().startswith(named))


def palette_head(typed: str, width: int) -> Row:
    return head(
        "palette",
        row("> ", shown_on_one_line(typed), Span("_", Ink.ACCENT)),
        row(Span("Enter does it", Ink.DIM)),
        width,
    )


def palette_rows(entries: Sequence[Entry], typed: str, width: int) -> list[Row]:
    """What it does, and its key at the right."""
    shown = found(entries, typed)
    if not shown:
        return nothing(f"Nothing is called {typed!r}.", "F1 lists every key and command.", width)
    return [
        fit(apart(row(" ", entry.label), row(Span(entry.shown, Ink.ACCENT), " "), width), width, padded=False)
        for entry in shown
    ]
