"""A patch in whichever of the three formats it was written."""

import re

from equitr_coder.tools.edits.begin_patch import BEGIN, parse_begin_patch
from equitr_coder.tools.edits.change import EditError
from equitr_coder.tools.edits.file_change import FileChange
from equitr_coder.tools.edits.search_replace import has_search_block, parse_search_replace
from equitr_coder.tools.edits.unified_diff import is_unified_diff, parse_unified_diff

_HEREDOC = re.compile(r"(?:apply_patch\s+)?<<[-~]?\s*(['\"]?)(\w+)\1\s*$")


def parse_patch(text: str) -> tuple[FileChange, ...]:
    """The changes of a patch, one for each file.

    Raises:
        EditError: it is in none of the formats, or breaks the one that it is in.
    """
    written = text.replace("\r\n", "\n").strip("\n").split("\n")
    lines = _unindented(_unwrapped(written))
    if lines and lines[0].strip() == BEGIN:
        return parse_begin_patch(lines)
    if has_search_block(written):
        return parse_search_replace(written)  # a fence around a block may hold its path
    if is_unified_diff(lines):
        return parse_unified_diff(lines)
    return parse_begin_patch(lines)


def _unwrapped(lines: list[str]) -> list[str]:
    """Without a code fence or a here-document around it."""
    if len(lines) > 2 and lines[0].startswith("```") and lines[-1].strip() == "```":
        lines = _stripped(lines[1:-1])
    if len(lines) > 2 and (opened := _HEREDOC.match(lines[0])) and lines[-1].strip() == opened[2]:
        lines = _stripped(lines[1:-1])
    return lines


def _stripped(lines: list[str]) -> list[str]:
    return "\n".join(lines).strip("\n").split("\n")


def _unindented(lines: list[str]) -> list[str]:
    """A patch that stands in a list or a quote is indented as a whole."""
    front = lines[0][: len(lines[0]) - len(lines[0].lstrip(" \t"))]
    if not front or lines[0].strip() != BEGIN:
        return lines
    if any(line.strip() and not line.startswith(front) for line in lines):
        raise EditError("the patch is indented unevenly: no line of it may be moved to the right")
    return [line[len(front) :] for line in lines]
