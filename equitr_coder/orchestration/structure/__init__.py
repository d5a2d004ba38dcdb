"""Merging what both sides added to one file, by what the file says instead of by its lines. Pure: bytes to bytes.

Strictly conservative: what is not understood in every part is not merged, and stays a conflict.
"""

from pathlib import PurePosixPath

from equitr_coder.orchestration.structure.line_lists import is_line_list, merge_lines
from equitr_coder.orchestration.structure.python import merge_python

_LONGEST = 1_000_000
"""Bytes; a file beyond is data, not source."""


def merge_structure(path: str, base: bytes | None, ours: bytes, theirs: bytes) -> bytes | None:
    """The file with what both sides did to it; None when that takes a judgement. `base` is None when both made it."""
    if ours == theirs:
        return ours
    if base is not None and base in (ours, theirs):
        return theirs if base == ours else ours
    if max(len(ours), len(theirs), len(base or b"")) > _LONGEST:
        return None
    if PurePosixPath(path).suffix in (".py", ".pyi"):
        return merge_python(base or b"", ours, theirs)
    return merge_lines(path, base, ours, theirs) if base is not None and is_line_list(path) else None
