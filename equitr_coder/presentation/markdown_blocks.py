"""Markdown cut where it may be cut: blocks that can be drawn once and for all while the last one still grows."""

import re

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_CONTINUES = re.compile(r"^(?: {2,}|\t)\S|^ {0,3}(?:[-*+]|\d{1,9}[.)])\s")
"""A line after a blank one that may belong to a list before it."""
_LONGEST = 200
"""Lines of code after which a fence is cut, so that a long file is not drawn anew for each of its lines."""


def blocks_of(text: str) -> list[str]:
    """`text` in pieces that together read the same. Cuts are made at blank lines outside fenced code and lists; a text
    that grows keeps all its pieces but the last.
    """
    blocks: list[str] = []
    lines: list[str] = []
    fence = opening = ""
    fenced = 0
    is_list = False

    def close() -> None:
        nonlocal lines, is_list
        if any(line.strip() for line in lines):
            blocks.append("\n".join(lines).strip("\n"))
        lines, is_list = [], False

    for line in text.split("\n"):
        found = _FENCE.match(line)
        if fence:
            lines.append(line)
            fenced += 1
            if found and found[1][0] == fence[0] and len(found[1]) >= len(fence) and not line.strip(" `~"):
                fence = ""
                close()
            elif fenced >= _LONGEST:
                lines.append(fence)
                close()
                lines, fenced = [opening], 0
            continue
        if found:
            if not is_list:
                close()
            fence, opening, fenced = found[1], line, 0
            lines.append(line)
            continue
        if lines and not lines[-1].strip() and line.strip() and not (is_list and _CONTINUES.match(line)):
            close()
        if _CONTINUES.match(line) and not any(before.strip() for before in lines):
            is_list = True
        lines.append(line)
    close()
    return blocks
