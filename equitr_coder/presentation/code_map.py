"""A map of the repository as lines."""

from equitr_coder.domain.code_map import CodeMap, file_rows
from equitr_coder.presentation.text import Line, Tone, plural, shown_on_one_line


def map_lines(drawn: CodeMap) -> list[Line]:
    """As models see it, with a line at the end that says how many files it was drawn from."""
    if not drawn.files:
        return [Line("No definitions found: there are no source files here in a language that is known.")]
    lines: list[Line] = []
    for file in drawn.files:
        head, *rows = file_rows(file)
        lines.append(Line(shown_on_one_line(head), Tone.STRONG))
        lines += [Line(row) for row in rows]
    unread = f", {drawn.unread} of them not read yet" if drawn.unread else ""
    return [*lines, Line(""), Line(f"{len(drawn.files)} of {plural(drawn.sources, 'source file')}{unread}", Tone.DIM)]
