"""Text broken to a width in terminal cells."""

from equitr_coder.presentation.text import cells


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` cells, broken at spaces where there are some; leading spaces stay, and what fits
    is left as it is. An empty text is one empty line.
    """
    width = max(1, width)
    if cells(text) <= width:
        return [text]
    body = text.lstrip(" ")
    indent = min(len(text) - len(body), max(0, width - 2))
    return [" " * indent + piece for piece in pieces(body, width - indent)] or [""]


def chunked(text: str, width: int) -> list[str]:
    """Lines of at most `width` cells that, joined, are the text to the character; an empty text is one empty line."""
    found, rest = [], text
    while rest:
        fitting = max(1, _fitting(rest, max(1, width)))
        found.append(rest[:fitting])
        rest = rest[fitting:]
    return found or [""]


def pieces(text: str, width: int) -> list[str]:
    """As `wrapped`, of a text that begins with a word; an empty text has none."""
    found, line, used = [], "", 0
    for word in text.split(" "):
        rest, size = word, cells(word)
        while rest:
            gap = 1 if line else 0
            if used + gap + size <= max(width, 1):
                line, used, rest = line + " " * gap + rest, used + gap + size, ""
            elif line:
                found.append(line)
                line, used = "", 0
            else:
                fitting = max(1, _fitting(rest, width))
                found.append(rest[:fitting])
                rest = rest[fitting:]
                size = cells(rest)
    return [*found, line] if line else found


def _fitting(text: str, width: int) -> int:
    taken = 0
    for index, character in enumerate(text):
        taken += cells(character)
        if taken > width:
            return index
    return len(text)
