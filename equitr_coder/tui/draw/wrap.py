"""Text over several rows: at spaces for words, at the edge for commands, which must stay exact."""

from equitr_coder.presentation.text import cells, prose, visible

_TAB = 4


def words(text: str, width: int) -> list[str]:
    """Paragraphs of prose, broken at spaces; a longer word is broken at the edge."""
    lines: list[str] = []
    for paragraph in prose(text).split("\n"):
        lines += _paragraph(paragraph.expandtabs(_TAB), max(1, width))
    return lines


def exact(text: str, width: int) -> list[str]:
    """A command to the letter: control characters as `\\x1b`, tabs as `\\t`, broken at the edge alone."""
    lines: list[str] = []
    for line in visible(text).replace("\t", "\\t").split("\n"):
        lines += _chunks(line, max(1, width))
    return lines


def _paragraph(text: str, width: int) -> list[str]:
    if cells(text) <= width:
        return [text]
    indent = text[: len(text) - len(text.lstrip())][: width // 2]
    lines, line = [], indent
    for word in text.split():
        joined = f"{line}{'' if line == indent else ' '}{word}"
        if cells(joined) <= width:
            line = joined
            continue
        if line != indent:
            lines.append(line)
        *full, line = _chunks(f"{indent}{word}", width)
        lines += full
    return [*lines, line]


def _chunks(line: str, width: int) -> list[str]:
    """At least one, however short."""
    chunks, begin, used = [], 0, 0
    for at, character in enumerate(line):
        size = cells(character)
        if used + size > width and at > begin:
            chunks.append(line[begin:at])
            begin, used = at, 0
        used += size
    return [*chunks, line[begin:]]
