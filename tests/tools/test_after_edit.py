from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from equitr_coder.ports import Place
from equitr_coder.tools.after_edit import AfterEdit, EditCheck, differing_lines
from equitr_coder.tools.apply_patch import ApplyPatch
from equitr_coder.tools.edit_file import EditFile
from equitr_coder.tools.read_file import ReadFile
from equitr_coder.tools.write_file import WriteFile


@pytest.fixture
def after(workspace: Any, executor: Any, tmp_path: Path) -> Any:
    def make(*checks: tuple[str, str]) -> AfterEdit:
        place = Place(root=tmp_path, stands_for=tmp_path)
        return AfterEdit(workspace, executor, place, [EditCheck(glob, command, 10) for glob, command in checks])

    return make


@pytest.fixture
async def known(workspace: Any, outputs: Any, session: Any, tmp_path: Path) -> Path:
    """`a.py` and `b/c.txt`, on disk and read."""
    (tmp_path / "b").mkdir()
    for name, text in (("a.py", "x = 1\ny = 2\nz = 3\n"), ("b/c.txt", "one\n")):
        (tmp_path / name).write_text(text)
        await session.call(ReadFile(workspace, outputs), {"path": name})
    return tmp_path


EDIT = {"path": "a.py", "old_text": "x = 1", "new_text": "x=1"}


async def test_a_command_that_passes_is_told_in_one_line(workspace: Any, session: Any, known: Path, after: Any) -> None:
    result = await session.call(EditFile(workspace, after(("*.py", "test -f {file}"))), EDIT)

    assert result.for_model.endswith("\nAfter the edit `test -f a.py` passed.")


async def test_a_command_that_fails_shows_head_and_tail_of_what_it_says(
    workspace: Any, session: Any, known: Path, after: Any
) -> None:
    command = "for i in $(seq 100); do echo line $i; done; exit 3"

    result = await session.call(EditFile(workspace, after(("*", command))), EDIT)

    told = result.for_model.split("After the edit ")[1].split("\n")
    assert told[0].endswith("ended with exit 3:")
    assert told[1:5] == ["line 1", "line 2", "line 3", "line 4"]
    assert told[5] == "[... 88 lines left out ...]"
    assert told[6:] == [f"line {number}" for number in range(93, 101)]
    assert not result.is_error
    assert (known / "a.py").read_text() == "x=1\ny = 2\nz = 3\n"


async def test_what_a_formatter_makes_of_the_file_is_shown_and_later_edits_match_it(
    workspace: Any, session: Any, known: Path, after: Any
) -> None:
    tool = EditFile(workspace, after(("*.py", "sed -i 's/^x=1/x = 1  # formatted/' {file}")))

    result = await session.call(tool, EDIT)
    await session.call(tool, {"path": "a.py", "old_text": "x = 1  # formatted\n", "new_text": "x = 5\n"})

    assert "    1\tx = 1  # formatted\n" in result.for_model
    assert "It changed a.py; what is shown here is the file after it." in result.for_model
    assert (known / "a.py").read_text() == "x = 5\ny = 2\nz = 3\n"


async def test_the_syntax_is_judged_after_the_formatter(workspace: Any, session: Any, known: Path, after: Any) -> None:
    result = await session.call(EditFile(workspace, after(("*", "echo '(' >> {file}"))), EDIT)

    assert "has a syntax error at line 4" in result.for_model


@pytest.mark.parametrize(
    ("glob", "paths"),
    [("*", ["a.py", "b/c.txt"]), ("*.py", ["a.py"]), ("c.*", ["b/c.txt"]), ("b/**", ["b/c.txt"]), ("c/*", [])],
)
async def test_a_glob_says_which_files_a_command_is_for(
    workspace: Any, session: Any, known: Path, after: Any, glob: str, paths: Sequence[str]
) -> None:
    patch = (
        "*** Begin Patch\n*** Update File: a.py\n-x = 1\n+x = 2\n*** Update File: b/c.txt\n-one\n+two\n*** End Patch"
    )

    await session.call(ApplyPatch(workspace, after((glob, "echo {file} >> ran"))), {"patch": patch})

    ran = known / "ran"
    assert (ran.read_text().split() if ran.exists() else []) == paths


async def test_a_command_that_names_no_file_runs_once_for_all(
    workspace: Any, session: Any, known: Path, after: Any
) -> None:
    patch = "*** Begin Patch\n*** Update File: a.py\n-x = 1\n+x = 2\n*** Add File: d\n+d\n*** End Patch"

    await session.call(ApplyPatch(workspace, after(("*", "echo once >> ran"))), {"patch": patch})

    assert (known / "ran").read_text() == "once\n"


async def test_a_patch_shows_each_file_as_the_formatter_left_it(
    workspace: Any, session: Any, known: Path, after: Any
) -> None:
    patch = "*** Begin Patch\n*** Update File: b/c.txt\n*** Move to: d.txt\n-one\n+two\n*** End Patch"

    result = await session.call(ApplyPatch(workspace, after(("*", "echo three >> {file}"))), {"patch": patch})

    assert "    1\ttwo\n    2\tthree" in result.for_model
    assert session.seen["d.txt"] == await workspace.digest("d.txt")


async def test_a_new_file_is_checked_too(workspace: Any, session: Any, known: Path, after: Any) -> None:
    tool = WriteFile(workspace, after(("*", "sed -i 's/a/b/' {file}")))

    result = await session.call(tool, {"path": "n w.txt", "content": "a\n"})
    await session.call(tool, {"path": "n w.txt", "content": "c\n"})

    assert "    1\tb" in result.for_model
    assert (known / "n w.txt").read_text() == "c\n"


@pytest.mark.parametrize("name", ["-rf", "a b'c.txt", "$(touch x).txt", "ü.txt"])
async def test_a_path_is_a_path_and_nothing_else_to_the_shell(
    workspace: Any, session: Any, known: Path, after: Any, name: str
) -> None:
    tool = WriteFile(workspace, after(("*", "cat {file} > out")))

    await session.call(tool, {"path": name, "content": "content\n"})

    assert (known / "out").read_text() == "content\n"
    assert not (known / "x").exists()


async def test_a_command_that_hangs_is_ended(
    workspace: Any, session: Any, known: Path, executor: Any, tmp_path: Path
) -> None:
    place = Place(root=tmp_path, stands_for=tmp_path)
    after = AfterEdit(workspace, executor, place, [EditCheck("*", "sleep 60", 0.2)])

    result = await session.call(EditFile(workspace, after), EDIT)

    assert "`sleep 60` timed out after 0.2 s and was killed" in result.for_model


async def test_a_file_that_the_command_removed_or_broke_is_told(
    workspace: Any, session: Any, known: Path, after: Any
) -> None:
    broken = await session.call(EditFile(workspace, after(("*", "printf 'a\\0b' > {file}"))), EDIT)
    (known / "a.py").write_text("x = 1\n")
    session.seen["a.py"] = await workspace.digest("a.py")
    await session.call(EditFile(workspace, after(("*", "rm {file}"))), EDIT)

    assert "It left a.py unreadable: a.py is binary." in broken.for_model
    assert not (known / "a.py").exists()


async def test_nothing_runs_after_an_edit_that_failed(workspace: Any, session: Any, known: Path, after: Any) -> None:
    await session.failure(EditFile(workspace, after(("*", "touch ran"))), {**EDIT, "old_text": "nowhere"})

    assert not (known / "ran").exists()


@pytest.mark.parametrize(
    ("before", "now", "spans"),
    [
        ("a\nb\nc\n", "a\nB\nc\n", ((2, 2),)),
        ("a\nb\nc\nd\n", "A\nb\nc\nD\n", ((1, 1), (4, 4))),
        ("a\nb\n", "a\n", ((2, 1),)),
        ("a\n", "a\n", ()),
        ("x\n" * 2000, "y\n" * 3000, ((1, 3000),)),
    ],
)
def test_differing_lines_are_those_of_the_new_text(before: str, now: str, spans: Any) -> None:
    assert differing_lines(before, now) == spans
