"""The law of edits: exactly the intended bytes, or none.

The oracle knows nothing of the code under test. A file is built of three parts; the middle one holds a word that stands
nowhere else. The quote is made from the middle by one slip, and the bytes that must come out are put together from the
parts, with the slip undone by the rule that the slip itself states.
"""

import asyncio
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from equitr_coder.adapters.local.workspace import LocalWorkspace
from equitr_coder.domain.edits import UNCHANGED
from equitr_coder.domain.errors import ToolFailure
from equitr_coder.ports import Tool
from equitr_coder.tools.apply_patch import ApplyPatch
from equitr_coder.tools.edit_file import EditFile
from tests.edits.conftest import Desk

WORDS = st.sampled_from(
    ["a", "b()", "return x", "}", "{", "if (a) {", "x = 1", "“q”", "é", "# \u2028 \f", "", "-- n", "@@"]
)
INDENTS = st.sampled_from(["", "  ", "    ", "        "])
LINES = st.lists(st.builds(str.__add__, INDENTS, WORDS).map(str.rstrip), max_size=6)
ENDS = st.sampled_from(["\n", "\r\n"])
CODECS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])
MARK, NEW = "NEEDLE = 1", "THREAD = 2"


def ended(lines: Sequence[str], end: str) -> str:
    return "".join(f"{line}{end}" for line in lines)


class Planted:
    """A file with one place, and the same lines as a quote of them: `middle` is what stands in the file."""

    def __init__(self, above: list[str], middle: list[str], below: list[str], *, end: str, codec: str) -> None:
        self.above, self.middle, self.below, self.end, self.codec = above, middle, below, end, codec

    def bytes_with(self, middle: Sequence[str]) -> bytes:
        return (ended(self.above, self.end) + ended(middle, self.end) + ended(self.below, self.end)).encode(self.codec)


@st.composite
def planted(draw: st.DrawFn, indents: st.SearchStrategy[str] = INDENTS) -> Planted:
    indent = draw(indents)
    before = [f"{indent}{line}" if line else "" for line in draw(LINES)]
    after = [f"{indent}{line}" if line else "" for line in draw(LINES)]
    return Planted(
        draw(LINES),
        [*before, f"{indent}{MARK}", *after],
        draw(LINES),
        end=draw(ENDS),
        codec=draw(CODECS),
    )


def with_new(lines: Sequence[str]) -> list[str]:
    """The one intended change: in the marked line the new text stands for the old one."""
    return [line.replace(MARK, NEW) for line in lines]


Write = Callable[[Sequence[str], Sequence[str]], tuple[type[Tool], dict[str, object]]]


def as_edit(old: Sequence[str], new: Sequence[str]) -> tuple[type[Tool], dict[str, object]]:
    return EditFile, {"path": "f", "old_text": ended(old, "\n"), "new_text": ended(new, "\n")}


def hunk(old: Sequence[str], new: Sequence[str]) -> list[str]:
    lines = []
    for before, after in zip(old, new, strict=True):
        lines += [f" {before}"] if before == after else [f"-{before}", f"+{after}"]
    return lines


def as_patch(old: Sequence[str], new: Sequence[str]) -> tuple[type[Tool], dict[str, object]]:
    lines = ["*** Begin Patch", "*** Update File: f", "@@", *hunk(old, new), "*** End Patch"]
    return ApplyPatch, {"patch": "\n".join(lines)}


def as_diff(old: Sequence[str], new: Sequence[str]) -> tuple[type[Tool], dict[str, object]]:
    lines = ["--- a/f", "+++ b/f", "@@ -3,99 +8,1 @@", *hunk(old, new)]
    return ApplyPatch, {"patch": "\n".join(lines) + "\n"}


def as_block(old: Sequence[str], new: Sequence[str]) -> tuple[type[Tool], dict[str, object]]:
    lines = ["f", "<<<<<<< SEARCH", *old, "=======", *new, ">>>>>>> REPLACE"]
    return ApplyPatch, {"patch": "\n".join(lines) + "\n"}


FORMATS = pytest.mark.parametrize("write", [as_edit, as_patch, as_diff, as_block])
LAW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def outcome(before: bytes, tool: type[Tool], arguments: Mapping[str, object]) -> bytes | str:
    """The bytes after the edit, or what the model is told when it was refused."""

    async def run() -> bytes | str:
        with tempfile.TemporaryDirectory() as folder:
            desk = Desk(LocalWorkspace(Path(folder)))
            desk.write({"f": before})
            await desk.read_all()
            try:
                await desk.call(tool(desk.workspace), arguments)  # type: ignore[call-arg]
            except ToolFailure as failure:
                assert desk.content() == {"f": before}
                return str(failure)
            (only,) = desk.content().values()
            return only

    return asyncio.run(run())


def made(place: Planted, write: Write, old: Sequence[str], new: Sequence[str]) -> bytes | str:
    tool, arguments = write(old, new)
    return outcome(place.bytes_with(place.middle), tool, arguments)


@FORMATS
@LAW
@given(place=planted())
def test_an_exact_quote_gives_the_intended_bytes(write: Write, place: Planted) -> None:
    assert made(place, write, place.middle, with_new(place.middle)) == place.bytes_with(with_new(place.middle))


@FORMATS
@LAW
@given(place=planted(), blanks=st.sampled_from([" ", "\t", "  \t"]), data=st.data())
def test_blanks_at_line_ends_of_the_file_stay_where_lines_stay(
    write: Write, place: Planted, blanks: str, data: st.DataObject
) -> None:
    quoted = list(place.middle)
    place.middle = [line + blanks if data.draw(st.booleans()) and MARK not in line else line for line in quoted]

    assert made(place, write, quoted, with_new(quoted)) == place.bytes_with(with_new(place.middle))


@FORMATS
@LAW
@given(place=planted(), shift=st.sampled_from(["  ", "    ", "\t"]))
def test_a_block_that_was_quoted_too_far_right_is_put_where_it_stands(write: Write, place: Planted, shift: str) -> None:
    def moved(lines: Sequence[str]) -> list[str]:
        return [shift + line if line else "" for line in lines]

    result = made(place, write, moved(place.middle), moved(with_new(place.middle)))

    assert result == place.bytes_with(with_new(place.middle))


@FORMATS
@LAW
@given(place=planted(indents=st.sampled_from(["    ", "        "])))
def test_a_block_that_was_quoted_too_far_left_is_put_where_it_stands(write: Write, place: Planted) -> None:
    def moved(lines: Sequence[str]) -> list[str]:
        return [line.removeprefix("    ") for line in lines]

    result = made(place, write, moved(place.middle), moved(with_new(place.middle)))

    assert result == place.bytes_with(with_new(place.middle))


@FORMATS
@LAW
@given(place=planted(indents=st.sampled_from(["    ", "        "])))
def test_tabs_of_the_file_stay_tabs(write: Write, place: Planted) -> None:
    def tabbed(lines: Sequence[str]) -> list[str]:
        bare = [line.lstrip(" ") for line in lines]
        return ["\t" * ((len(line) - len(b)) // 4) + b for line, b in zip(lines, bare, strict=True)]

    # Two columns are no tab: only steps of four can be told.
    def steps(lines: Sequence[str]) -> list[str]:
        bare = [line.lstrip(" ") for line in lines]
        return [" " * ((len(line) - len(b)) // 4 * 4) + b for line, b in zip(lines, bare, strict=True)]

    quoted = steps(place.middle)
    place.middle = tabbed(place.middle)

    assert made(place, write, quoted, with_new(quoted)) == place.bytes_with(with_new(place.middle))


@FORMATS
@LAW
@given(place=planted(), number=st.integers(1, 5000))
def test_copied_line_numbers_are_taken_off(write: Write, place: Planted, number: int) -> None:
    def numbered(lines: Sequence[str]) -> list[str]:
        return [f"{index:>5}\t{line}" for index, line in enumerate(lines, number)]

    result = made(place, write, numbered(place.middle), numbered(with_new(place.middle)))

    assert result == place.bytes_with(with_new(place.middle))


@FORMATS
@LAW
@given(place=planted(), quotes=st.sampled_from(['"q"', "'q'", "- q", "q\u00a0q"]))
def test_typographic_signs_of_the_file_stay(write: Write, place: Planted, quotes: str) -> None:
    typeset = quotes.translate({34: "“", 39: "’", 45: "–"})
    quoted = [f"{line} {quotes}" if MARK in line else line for line in place.middle]
    place.middle = [f"{line} {typeset}" if MARK in line else line for line in place.middle]

    assert made(place, write, quoted, with_new(quoted)) == place.bytes_with(with_new(place.middle))


@FORMATS
@LAW
@given(place=planted())
def test_what_stands_in_no_place_or_in_two_changes_nothing(write: Write, place: Planted) -> None:
    twice = Planted(place.middle, place.above, place.middle, end=place.end, codec=place.codec)
    absent = [line.replace(MARK, "NOWHERE = 3") for line in place.middle]

    for result in (
        made(twice, write, place.middle, with_new(place.middle)),
        made(place, write, absent, with_new(place.middle)),
    ):
        assert isinstance(result, str)
        assert UNCHANGED in result


@LAW
@given(
    before=st.text(alphabet="ab \t\n\r“\"'\u2028\f1:|", max_size=40),
    old=st.text(alphabet="ab \t\n\r“\"'\u2028\f1:|", max_size=12),
    new=st.text(alphabet="xy \t\n", max_size=8),
)
def test_any_edit_leaves_what_stands_around_its_place(before: str, old: str, new: str) -> None:
    """Whatever is done: no more lines are touched than were quoted, and what is exact is done exactly."""
    data = before.encode()
    tool, arguments = EditFile, {"path": "f", "old_text": old, "new_text": new}

    result = outcome(data, tool, arguments)

    if isinstance(result, str):
        assert UNCHANGED in result
        return
    if "\r" not in before + old and before.count(old) == 1:
        assert result == before.replace(old, new).encode()
    lines, now = data.split(b"\n"), result.split(b"\n")
    head = next((n for n, (a, b) in enumerate(zip(lines, now, strict=False)) if a != b), min(len(lines), len(now)))
    tail = next((n for n, (a, b) in enumerate(zip(lines[::-1], now[::-1], strict=False)) if a != b), len(lines) - head)
    assert len(lines) - head - tail <= old.count("\n") + 1
