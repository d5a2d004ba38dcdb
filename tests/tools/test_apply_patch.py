import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.domain.approvals import Touches
from equitr_coder.domain.errors import ToolFailure
from equitr_coder.tools.apply_patch import ApplyPatch
from equitr_coder.tools.edits.apply import Hunk, apply_hunks
from equitr_coder.tools.edits.change import EditError, change_of_lines
from equitr_coder.tools.edits.file_change import UpdateFile
from equitr_coder.tools.edits.formats import parse_patch
from equitr_coder.tools.read_file import ReadFile

CODE = """\
class A:
    def name(self):
        return 1

class B:
    def name(self):
        return 1
"""


def hunk(number: int, anchor: str, old: tuple[str, ...], new: tuple[str, ...], *, at_end: bool = False) -> Hunk:
    return Hunk(number, change_of_lines(old, new), (anchor,) if anchor else (), at_end=at_end)


def patch(*lines: str) -> str:
    return "\n".join(["*** Begin Patch", *lines, "*** End Patch"])


@pytest.fixture
def tool(workspace: Any) -> ApplyPatch:
    return ApplyPatch(workspace)


@pytest.fixture
async def known(workspace: Any, outputs: Any, session: Any, tmp_path: Path) -> Path:
    """`a.py`, `b.txt` and `c.txt`, on disk and read."""
    for name, text in (("a.py", CODE), ("b.txt", "one\ntwo\nthree\n"), ("c.txt", "gone\n")):
        (tmp_path / name).write_text(text)
        await session.call(ReadFile(workspace, outputs), {"path": name})
    return tmp_path


def content(folder: Path) -> dict[str, str]:
    return {file.relative_to(folder).as_posix(): file.read_text() for file in folder.rglob("*") if file.is_file()}


async def test_files_are_changed_added_moved_and_deleted_in_one_step(
    tool: ApplyPatch, session: Any, known: Path
) -> None:
    result = await session.call(
        tool,
        {
            "patch": patch(
                "*** Update File: a.py",
                "@@ class B:",
                "     def name(self):",
                "-        return 1",
                "+        return 2",
                "*** Update File: b.txt",
                "*** Move to: deep/d.txt",
                " one",
                "-two",
                "+2",
                "*** Delete File: c.txt",
                "*** Add File: new/e.txt",
                "+first",
                "+",
                "+third",
            )
        },
    )

    assert content(known) == {
        "a.py": CODE[::-1].replace("1 nruter", "2 nruter", 1)[::-1],
        "deep/d.txt": "one\n2\nthree\n",
        "new/e.txt": "first\n\nthird\n",
    }
    assert "    7\t        return 2" in result.for_model
    assert "deep/d.txt: moved from b.txt, reads now\n    1\tone\n    2\t2\n    3\tthree" in result.for_model
    assert "c.txt: deleted" in result.for_model
    assert "new/e.txt: created, lines: 3" in result.for_model
    assert set(result.seen) == {"a.py", "deep/d.txt", "new/e.txt"}


def test_it_says_every_path_it_writes(tool: ApplyPatch) -> None:
    text = patch(
        "*** Update File: b.txt", "*** Move to: d.txt", "-a", "+b", "*** Delete File: c.txt", "*** Add File: e", "+x"
    )

    assert tool.touches(tool.parse({"patch": text})) == Touches(writes=("b.txt", "d.txt", "c.txt", "e"))


def test_one_path_outside_the_workspace_refuses_the_whole_patch(tool: ApplyPatch) -> None:
    text = patch("*** Add File: a", "+x", "*** Add File: ../b", "+x")

    with pytest.raises(ToolFailure, match="leads out of the workspace"):
        tool.touches(tool.parse({"patch": text}))


async def test_every_place_that_does_not_fit_is_named_and_nothing_is_changed(
    tool: ApplyPatch, session: Any, known: Path
) -> None:
    (known / "late.txt").write_text("theirs\n")
    (known / "c.txt").write_text("changed\n")
    before = content(known)

    failure = await session.failure(
        tool,
        {
            "patch": patch(
                "*** Update File: b.txt",
                "-one",
                "+1",
                "*** Update File: a.py",
                "     def name(self):",
                "-        return 1",
                "+        return 2",
                "*** Delete File: c.txt",
                "*** Add File: late.txt",
                "+mine",
                "*** Update File: absent.txt",
                "-x",
                "+y",
            )
        },
    )

    assert failure.startswith("The patch does not fit; no byte was changed:\n")
    assert "a.py: hunk 1 fits 2 places, lines 2, 6; add context lines" in failure
    assert "c.txt: c.txt changed on disk" in failure
    assert "late.txt: exists already" in failure
    assert "absent.txt: There is no absent.txt." in failure
    assert "b.txt:" not in failure
    assert content(known) == before


@pytest.mark.parametrize("failing", ["a.py", "deep/d.txt", "b.txt", "c.txt", "e.txt"])
@pytest.mark.parametrize("how", ["failing", "interrupting"])
async def test_a_write_that_fails_midway_is_taken_back_whole(
    tool: ApplyPatch, session: Any, known: Path, workspace: Any, failing: str, how: str
) -> None:
    before = content(known)
    getattr(workspace, how).add(failing)
    text = patch(
        "*** Update File: a.py",
        "-class A:",
        "+class AA:",
        "*** Update File: b.txt",
        "*** Move to: deep/d.txt",
        "*** Delete File: c.txt",
        "*** Add File: e.txt",
        "+x",
    )

    if how == "failing":
        failure = await session.failure(tool, {"patch": text})
        assert "No space left on device. No file was changed." in failure
    else:
        with pytest.raises(asyncio.CancelledError):
            await session.call(tool, {"patch": text})

    assert content(known) == before


async def test_what_could_not_be_put_back_is_named(tool: ApplyPatch, session: Any, known: Path, workspace: Any) -> None:
    class FailsTwice(set[str]):
        """Lets the first write of `a.py` through, and fails what comes after it."""

        def __contains__(self, path: object) -> bool:
            if path == "b.txt":
                self.add("a.py")
                return True
            return super().__contains__(path)

    workspace.failing = FailsTwice()
    text = patch("*** Update File: a.py", "-class A:", "+class AA:", "*** Update File: b.txt", "-one", "+1")

    assert "These could not be put back: a.py." in await session.failure(tool, {"patch": text})


async def test_line_ends_of_a_patched_file_are_kept(
    tool: ApplyPatch, session: Any, workspace: Any, outputs: Any, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\r\ntwo\r\n")
    await session.call(ReadFile(workspace, outputs), {"path": "a.txt"})

    await session.call(tool, {"patch": patch("*** Update File: a.txt", " one", "-two", "+2").replace("\n", "\r\n")})

    assert (tmp_path / "a.txt").read_bytes() == b"one\r\n2\r\n"


async def test_a_patched_file_that_no_longer_parses_is_noted(tool: ApplyPatch, session: Any, known: Path) -> None:
    result = await session.call(tool, {"patch": patch("*** Update File: a.py", "-class A:", "+class A")})

    assert "Note: a.py was written, but has a syntax error at line 1" in result.for_model


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("    *** Begin Patch\n*** Delete File: x\n    *** End Patch", "indented unevenly"),
        ("*** Update File: x\n-a\n+b\n*** End Patch", 'first line must be "*** Begin Patch"'),
        ("*** Begin Patch\n*** Update File: x\n-a\n+b", "was the patch cut off?"),
        (patch(), "holds no file section"),
        (patch("what"), "line 2 of the patch: expected"),
        (patch("*** Update File: x"), "the section of x changes nothing"),
        (patch("*** Update File: x", "a"), "lines of a change begin with"),
        (patch("*** Add File: x", "a"), 'every line of a new file begins with "+"'),
        (patch("*** Add File:", "+a"), "the path is missing"),
        (patch("*** Update File: x", "*** Move to:", "-a", "+b"), "the new path is missing"),
        (patch("*** Update File: x", "@@ def f():"), 'nothing is changed after "@@ def f():"'),
    ],
)
def test_what_is_not_a_patch_is_refused_with_the_reason(text: str, what: str) -> None:
    with pytest.raises(EditError) as caught:
        parse_patch(text)

    assert what in str(caught.value)


async def test_one_file_in_two_sections_is_refused(tool: ApplyPatch, session: Any, known: Path) -> None:
    text = patch("*** Update File: b.txt", "-one", "+1", "*** Update File: ./b.txt", "-two", "+2")

    assert "b.txt: named more than once" in await session.failure(tool, {"patch": text})


def test_blank_lines_between_sections_are_no_content() -> None:
    spaced = patch("*** Update File: x", " a", "-b", "+c", "", "", "*** Delete File: y", "")
    dense = patch("*** Update File: x", " a", "-b", "+c", "*** Delete File: y")

    assert parse_patch(spaced) == parse_patch(dense)


def test_a_blank_line_inside_a_hunk_is_a_blank_line_of_the_file() -> None:
    (change,) = parse_patch(patch("*** Update File: x", " a", "", "-b", "+c"))
    assert isinstance(change, UpdateFile)

    assert apply_hunks("a\n\nb\n", change.hunks).text == "a\n\nc\n"


def test_a_patch_in_a_code_fence_is_read() -> None:
    assert parse_patch(f"```\n{patch('*** Add File: a', '+x')}\n```") == parse_patch(patch("*** Add File: a", "+x"))


@pytest.mark.parametrize(
    ("lines", "after"),
    [
        (["@@ class A:", "     def name(self):", "-        return 1", "+        return 2"], (3, 2)),
        (["@@ class B:", "     def name(self):", "-        return 1", "+        return 2"], (7, 2)),
        (["@@ -5,3 +5,3 @@ class B:", "     def name(self):", "-        return 1", "+        return 2"], (7, 2)),
        (["@@ class B:", " class B:", "     def name(self):", "-        return 1", "+        return 2"], (7, 2)),
        ([" class B:", "     def name(self):", "-        return 1", "+        return 2"], (7, 2)),
        (["-        return 1", "+        return 2", "*** End of File"], (7, 2)),
        (["@@", "-        return 1", "+        return 2", "*** End of File"], (7, 2)),
    ],
)
def test_a_hunk_finds_its_place_by_context_by_the_line_above_or_at_the_end(
    lines: list[str], after: tuple[int, int]
) -> None:
    (change,) = parse_patch(patch("*** Update File: x", *lines))
    assert isinstance(change, UpdateFile)

    patched = apply_hunks(CODE, change.hunks)

    number, value = after
    expected = CODE.split("\n")
    expected[number - 1] = f"        return {value}"
    assert patched.text == "\n".join(expected)
    assert patched.spans == ((number, number),)


def test_hunks_are_applied_in_the_order_of_the_file() -> None:
    (change,) = parse_patch(
        patch("*** Update File: x", "-one", "+1", "@@", "-three", "+3", "@@", "+four", "*** End of File")
    )
    assert isinstance(change, UpdateFile)

    assert apply_hunks("one\ntwo\nthree", change.hunks).text == "1\ntwo\n3\nfour"


def test_hunks_with_one_place_each_may_stand_in_any_order() -> None:
    hunks = (hunk(1, "", ("two",), ("2",)), hunk(2, "", ("one",), ("1",)))

    assert apply_hunks("one\ntwo\nthree\n", hunks).text == "1\n2\nthree\n"


def test_of_two_places_the_one_behind_the_hunk_before_is_meant() -> None:
    hunks = (hunk(1, "", ("b",), ("B",)), hunk(2, "", ("a",), ("A",)))

    assert apply_hunks("a\nb\na\n", hunks).text == "a\nB\nA\n"


def test_hunks_that_overlap_are_refused() -> None:
    hunks = (hunk(1, "", ("one", "two"), ("1", "2")), hunk(2, "", ("two", "three"), ("2", "3")))

    with pytest.raises(EditError, match="two hunks change the same lines, from line 2 on"):
        apply_hunks("one\ntwo\nthree\n", hunks)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (hunk(1, "class C:", ("x",), ("y",)), 'no line reads "class C:"'),
        (hunk(1, "def name(self):", ("x",), ("y",)), "is at lines 2, 6; take another line"),
        (hunk(1, "", ("        return 3",), ("y",)), "line 3: the file has '        return 1'"),
        (hunk(1, "", ("class A:",), ("y",), at_end=True), "hunk 1 does not fit"),
    ],
)
def test_a_hunk_without_a_place_says_why(change: Hunk, what: str) -> None:
    with pytest.raises(EditError) as caught:
        apply_hunks(CODE, (change,))

    assert what in str(caught.value)


def test_lines_that_only_come_go_after_the_line_named_or_to_the_end() -> None:
    assert apply_hunks("a\nb\n", (hunk(1, "a", (), ("x",)),)).text == "a\nx\nb\n"
    assert apply_hunks("a\nb\n", (hunk(1, "", (), ("x",)),)).text == "a\nb\nx\n"
    assert apply_hunks("", (hunk(1, "", (), ("x",)),)).text == "x\n"


def test_removing_every_line_leaves_an_empty_file() -> None:
    assert apply_hunks("a\n", (hunk(1, "", ("a",), ()),)).text == ""


LINES = st.lists(st.sampled_from(["a", "b", "c", "", " d", "e"]), min_size=1, max_size=20)


@given(before=LINES, after=LINES)
def test_a_patch_that_replaces_a_whole_file_gives_exactly_the_new_one(before: list[str], after: list[str]) -> None:
    text = patch("*** Update File: x", *(f"-{line}" for line in before), *(f"+{line}" for line in after))
    (change,) = parse_patch(text)
    assert isinstance(change, UpdateFile)

    patched = apply_hunks("".join(f"{line}\n" for line in before), change.hunks)

    assert patched.text == "".join(f"{line}\n" for line in after)


@given(before=LINES, start=st.integers(0, 19), count=st.integers(1, 5), new=LINES)
def test_a_patch_changes_the_lines_it_names_or_nothing(
    before: list[str], start: int, count: int, new: list[str]
) -> None:
    start = min(start, len(before) - 1)
    old = before[start : start + count]
    source = "".join(f"{line}\n" for line in before)
    places = [i for i in range(len(before) - len(old) + 1) if before[i : i + len(old)] == old]
    change = hunk(1, "", tuple(old), tuple(new))

    if len(places) > 1:
        with pytest.raises(EditError, match="places"):
            apply_hunks(source, (change,))
    else:
        expected = [*before[:start], *new, *before[start + len(old) :]]
        assert apply_hunks(source, (change,)).text == "".join(f"{line}\n" for line in expected)
