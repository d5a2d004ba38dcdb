"""Changes that stand in an answer's text as themselves: SEARCH/REPLACE blocks, a patch, or fenced unified diffs. Pure.

They become one call of `apply_patch`, which reads all three forms; here they are only recognised. A model writes blocks
to have them made, so they count beside other calls. A diff it also shows to tell what it did, so one counts only where
no other call stands in the answer, and only in a code block that begins with the headers of a file.
"""

import re
from collections.abc import Sequence

from equitr_coder.adapters.models.text_tools.find import Found
from equitr_coder.adapters.models.text_tools.written import Written

TOOL = "apply_patch"

_OPEN = re.compile(r"[ \t]*<{5,9} ?SEARCH>?[ \t]*")
_CLOSE = re.compile(r"[ \t]*>{5,9} ?REPLACE[ \t]*")
_FENCE = re.compile(r"[ \t]*(?:```|~~~)")
_DIFF_FENCE = re.compile(r"```(?:diff|patch|udiff)?[ \t]*")
_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_NOT_A_LINE = re.compile(r"[^\n]")

Span = tuple[int, int]
"""Lines, the last one not included."""


def find_edits(text: str, *, beside_calls: bool) -> Found | None:
    """The changes as one call; None when there are none. `beside_calls`: the answer also holds other calls."""
    lines = text.replace("\r\n", "\n").split("\n")
    # Thoughts are blanked out, line by line, so that nothing in them is found.
    said = _THOUGHT.sub(lambda match: _NOT_A_LINE.sub(" ", match[0]), "\n".join(lines)).split("\n")
    span = _patch(said) or _blocks(said)
    if span is not None:
        return _found(lines, [span], [span])
    diffs = [] if beside_calls else _diffs(said)
    return _found(lines, diffs, [(start + 1, stop - 1) for start, stop in diffs]) if diffs else None


def _patch(lines: Sequence[str]) -> Span | None:
    start = next((index for index, line in enumerate(lines) if line.rstrip() == "*** Begin Patch"), None)
    if start is None:
        return None
    stop = next((index for index in range(start, len(lines)) if lines[index].rstrip() == "*** End Patch"), None)
    return _with_fence(lines, start, stop + 1) if stop is not None else None


def _blocks(lines: Sequence[str]) -> Span | None:
    """From the path above the first block to the end of the last one."""
    opens = [index for index, line in enumerate(lines) if _OPEN.fullmatch(line)]
    closes = [index for index, line in enumerate(lines) if _CLOSE.fullmatch(line)]
    if not opens or not closes or closes[-1] < opens[0]:
        return None
    start, stop = _with_fence(lines, opens[0], closes[-1] + 1)
    above = start - 1
    while above >= 0 and not lines[above].strip():
        above -= 1
    start = above if above >= 0 else start
    return _with_fence(lines, start, stop)


def _with_fence(lines: Sequence[str], start: int, stop: int) -> Span:
    if start > 0 and _FENCE.match(lines[start - 1]):
        start -= 1
        if stop < len(lines) and _FENCE.match(lines[stop]):
            stop += 1
    return start, stop


def _diffs(lines: Sequence[str]) -> list[Span]:
    found = []
    at = 0
    while at < len(lines):
        if not _FENCE.match(lines[at]):
            at += 1
            continue
        end = next((index for index in range(at + 1, len(lines)) if lines[index].strip() == "```"), None)
        if end is None:
            break
        if _DIFF_FENCE.fullmatch(lines[at]) and _is_diff(lines[at + 1 : end]):
            found.append((at, end + 1))
        at = end + 1
    return found


def _is_diff(lines: Sequence[str]) -> bool:
    """It begins with a file's headers, and a hunk follows them."""
    heads = [index for index, line in enumerate(lines[:8]) if line.startswith("--- ")]
    if not heads or heads[0] + 2 >= len(lines) or (heads[0] > 0 and not lines[0].startswith("diff --git ")):
        return False
    return lines[heads[0] + 1].startswith("+++ ") and lines[heads[0] + 2].startswith("@@")


def _found(lines: Sequence[str], taken: Sequence[Span], quoted: Sequence[Span]) -> Found:
    patch = "\n".join("\n".join(lines[start:stop]) for start, stop in quoted)
    rest, end = [], 0
    for start, stop in taken:
        rest.append("\n".join(lines[end:start]).strip())
        end = stop
    rest.append("\n".join(lines[end:]).strip())
    return Found((Written(TOOL, {"patch": patch}),), patch, "\n\n".join(filter(None, rest)))
