from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.tools.edit_file import EditFile
from equitr_coder.tools.excerpt import changed_lines, lines_of
from equitr_coder.tools.nearest import explain_miss, nearest
from equitr_coder.tools.read_file import ReadFile

CODE = """\
import os


def total(items):
    result = 0
    for item in items:
        result += item.price
    return result


def count(items):
    return len(items)
"""


@pytest.fixture
def tool(workspace: Any) -> EditFile:
    return EditFile(workspace)


@pytest.fixture
async def known(workspace: Any, outputs: Any, session: Any, tmp_path: Path) -> Path:
    """`a.py` on disk and read."""
    (tmp_path / "a.py").write_text(CODE)
    await session.call(ReadFile(workspace, outputs), {"path": "a.py"})
    return tmp_path / "a.py"


async def test_a_text_that_occurs_once_is_replaced_and_shown_with_its_surroundings(
    tool: EditFile, session: Any, known: Path
) -> None:
    result = await session.call(tool, {"path": "a.py", "old_text": "    result = 0\n", "new_text": "    result = 1\n"})

    assert known.read_text() == CODE.replace("result = 0", "result = 1")
    assert result.for_model == (
        "Edited a.py in 1 place. It reads now:\n"
        "    2\t\n    3\t\n    4\tdef total(items):\n    5\t    result = 1\n"
        "    6\t    for item in items:\n    7\t        result += item.price\n    8\t    return result"
    )
    assert result.for_user == "edited a.py (1 place)"


async def test_one_edit_may_follow_another_without_reading_again(tool: EditFile, session: Any, known: Path) -> None:
    await session.call(tool, {"path": "a.py", "old_text": "result = 0", "new_text": "result = 1"})
    await session.call(tool, {"path": "a.py", "old_text": "result = 1", "new_text": "result = 2"})

    assert "result = 2" in known.read_text()


async def test_a_text_that_occurs_often_is_refused_with_its_lines(tool: EditFile, session: Any, known: Path) -> None:
    failure = await session.failure(tool, {"path": "a.py", "old_text": "items", "new_text": "things"})

    assert failure == (
        "a.py: old_text occurs 4 times, starting at lines 4, 6, 11, 12. Add neighbouring lines to old_text until it "
        "fits one place, or set replace_all; no byte was changed."
    )
    assert known.read_text() == CODE


async def test_overlapping_occurrences_are_ambiguous(tool: EditFile, session: Any, known: Path) -> None:
    known.write_text("aaa\n")
    session.seen["a.py"] = await tool._workspace.digest("a.py")

    assert "occurs 2 times" in await session.failure(tool, {"path": "a.py", "old_text": "aa", "new_text": "b"})
    await session.call(tool, {"path": "a.py", "old_text": "aa", "new_text": "b", "replace_all": True})
    assert known.read_text() == "ba\n"


async def test_replace_all_replaces_every_occurrence(tool: EditFile, session: Any, known: Path) -> None:
    result = await session.call(tool, {"path": "a.py", "old_text": "items", "new_text": "things", "replace_all": True})

    assert known.read_text() == CODE.replace("items", "things")
    assert "in 4 places" in result.for_model
    assert "   11\tdef count(things):" in result.for_model


async def test_a_difference_in_whitespace_alone_is_named(tool: EditFile, session: Any, known: Path) -> None:
    failure = await session.failure(
        tool,
        {"path": "a.py", "old_text": "  for item in items:\n\tresult += item.price\n", "new_text": "x"},
    )

    assert "The nearest text differs only in whitespace, lines 6-7:" in failure
    assert "    7\t        result += item.price" in failure
    assert "line 7: the file has '        result += item.price', old_text has '\\tresult += item.price'" in failure
    assert known.read_text() == CODE


async def test_the_nearest_text_is_shown_with_what_differs(tool: EditFile, session: Any, known: Path) -> None:
    failure = await session.failure(
        tool,
        {"path": "a.py", "old_text": "    for item in items:\n        result += item.cost\n", "new_text": "x"},
    )

    assert "The nearest text is, lines 6-7:" in failure
    assert "line 7: the file has '        result += item.price', old_text has '        result += item.cost'" in failure


async def test_a_text_like_nothing_in_the_file_gets_no_invented_neighbour(
    tool: EditFile, session: Any, known: Path
) -> None:
    failure = await session.failure(tool, {"path": "a.py", "old_text": "SELECT * FROM users", "new_text": "x"})

    assert "Nothing in the file resembles it" in failure


async def test_quoted_line_numbers_are_taken_off(tool: EditFile, session: Any, known: Path) -> None:
    result = await session.call(
        tool,
        {
            "path": "a.py",
            "old_text": "    5\t    result = 0\n    6\t    for item",
            "new_text": "    5\t    a = 0\n    for item",
        },
    )

    assert known.read_text() == CODE.replace("result = 0", "a = 0")
    assert result.for_model.startswith("Edited a.py in 1 place, line numbers disregarded. It reads now:")


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [("result = 0", "result = 0", "identical"), ("", "x", "old_text is empty"), ("a\r\n", "a\n", "identical")],
)
async def test_an_edit_that_says_nothing_is_refused(
    tool: EditFile, session: Any, known: Path, old: str, new: str, what: str
) -> None:
    assert what in await session.failure(tool, {"path": "a.py", "old_text": old, "new_text": new})
    assert known.read_text() == CODE


async def test_a_file_that_was_not_read_or_changed_since_is_not_edited(
    tool: EditFile, session: Any, known: Path
) -> None:
    (known.parent / "b.py").write_text(CODE)
    known.write_text(CODE + "# theirs\n")
    edit = {"old_text": "result = 0", "new_text": "result = 1"}

    assert "has not been read" in await session.failure(tool, {"path": "b.py", **edit})
    assert "Read it again" in await session.failure(tool, {"path": "a.py", **edit})
    assert "There is no c.py." in await session.failure(tool, {"path": "c.py", **edit})
    assert known.read_text() == CODE + "# theirs\n"


async def test_line_ends_mark_and_encoding_survive_an_edit(
    tool: EditFile, session: Any, workspace: Any, outputs: Any, tmp_path: Path
) -> None:
    reader = ReadFile(workspace, outputs)
    (tmp_path / "crlf.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\nthree\r\n")
    (tmp_path / "latin.txt").write_bytes("größe\nlänge\n".encode("latin-1"))
    for name in ("crlf.txt", "latin.txt"):
        await session.call(reader, {"path": name})

    await session.call(tool, {"path": "crlf.txt", "old_text": "one\r\ntwo\r\n", "new_text": "1\n2\n"})
    await session.call(tool, {"path": "latin.txt", "old_text": "länge", "new_text": "höhe"})

    assert (tmp_path / "crlf.txt").read_bytes() == b"\xef\xbb\xbf1\r\n2\r\nthree\r\n"
    assert (tmp_path / "latin.txt").read_bytes() == "größe\nhöhe\n".encode("latin-1")


async def test_a_file_of_mixed_line_ends_keeps_each_of_them(
    tool: EditFile, session: Any, workspace: Any, outputs: Any, tmp_path: Path
) -> None:
    (tmp_path / "mixed.txt").write_bytes(b"one\r\ntwo\r\nthree\nfour\n")
    await session.call(ReadFile(workspace, outputs), {"path": "mixed.txt"})

    await session.call(tool, {"path": "mixed.txt", "old_text": "one\ntwo\n", "new_text": "1\n2\n"})
    await session.call(tool, {"path": "mixed.txt", "old_text": "three\r\nfour", "new_text": "3\r\n4"})

    assert (tmp_path / "mixed.txt").read_bytes() == b"1\r\n2\r\n3\n4\n"


async def test_deleting_lines_shows_what_closed_up_around_them(tool: EditFile, session: Any, known: Path) -> None:
    result = await session.call(tool, {"path": "a.py", "old_text": "    result = 0\n", "new_text": ""})

    assert "    4\tdef total(items):\n    5\t    for item in items:" in result.for_model


async def test_deleting_everything_says_that_the_file_is_empty(tool: EditFile, session: Any, known: Path) -> None:
    assert (
        "(the file is empty now)"
        in (await session.call(tool, {"path": "a.py", "old_text": CODE, "new_text": ""})).for_model
    )


async def test_an_edit_that_breaks_the_syntax_stands_and_is_noted(tool: EditFile, session: Any, known: Path) -> None:
    result = await session.call(tool, {"path": "a.py", "old_text": "def count(items):", "new_text": "def count(items:"})

    assert "syntax error at line 11" in result.for_model
    assert "def count(items:" in known.read_text()


def test_the_nearest_text_of_a_large_file_is_found() -> None:
    lines = [f"    value_{n} = compute({n}, {n + 1})" for n in range(20_000)]

    found = nearest("\n".join(lines), "    value_9000 = compute(9000, 9002)\n    value_9001 = compute(9001, 9002)")

    assert found is not None
    assert found.first == 9001


def test_words_scattered_over_a_file_do_not_hide_the_place_where_they_stand_together() -> None:
    scattered = [word for word in ("alpha", "beta", "gamma", "delta") for _ in range(5)]

    found = nearest("\n".join([*scattered, "alpha beta", "gamma delta 1"]), "alpha beta\ngamma delta 2")

    assert found is not None
    assert found.first == 21


def test_shown_line_numbers_are_those_of_the_file_when_only_a_part_is_searched() -> None:
    assert "line 12:" in explain_miss("a = 1\nb = 2\n", "b = 3", quoted_as="the hunk", first=11)


@given(st.lists(st.sampled_from(["a", "b", "", " a"]), min_size=1, max_size=12), st.data())
def test_changed_lines_show_each_line_once_with_its_true_number(lines: list[str], data: st.DataObject) -> None:
    text = "".join(f"{line}\n" for line in lines)
    firsts = sorted(data.draw(st.sets(st.integers(1, len(lines)), min_size=1, max_size=3)))

    shown = changed_lines(text, [(first, first) for first in firsts])

    rows = [row.split("\t", 1) for row in shown.split("\n") if "\t" in row]
    numbers = [int(row[0]) for row in rows]
    assert numbers == sorted(set(numbers))
    assert set(firsts) <= set(numbers)
    assert all(lines_of(text)[number - 1] == row[1] for number, row in zip(numbers, rows, strict=True))


@given(st.text(alphabet="ab \n\t", max_size=60), st.text(alphabet="ab \n\t", min_size=1, max_size=20))
def test_any_miss_can_be_explained(text: str, wanted: str) -> None:
    assert explain_miss(text, wanted, quoted_as="old_text")
