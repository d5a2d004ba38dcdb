"""Files that somebody else changes while an edit is under way, and files at the limits of size."""

from pathlib import Path

import pytest

from equitr_coder.adapters.local.workspace import LARGEST_TEXT, LocalWorkspace
from equitr_coder.domain.errors import ToolFailure
from equitr_coder.ports import FileText
from equitr_coder.tools.apply_patch import ApplyPatch
from equitr_coder.tools.edit_file import EditFile
from tests.edits.conftest import Desk


class Shared(LocalWorkspace):
    """A workspace in which somebody writes `theirs` after each read and before the write that follows it."""

    theirs: bytes | None = b"theirs\n"

    async def write(self, path: str, text: str, *, expected: str | None, like: FileText | None = None) -> str:
        if self.theirs is None:
            (self.root / path).unlink(missing_ok=True)
        else:
            (self.root / path).write_bytes(self.theirs)
        return await super().write(path, text, expected=expected, like=like)


@pytest.fixture
def shared(tmp_path: Path) -> Desk:
    return Desk(Shared(tmp_path))


PATCH = {"patch": "*** Begin Patch\n*** Update File: a.txt\n-a\n+b\n*** End Patch"}
EDIT = {"path": "a.txt", "old_text": "a", "new_text": "b"}
NEW = {"path": "a.txt", "old_text": "", "new_text": "mine\n"}


async def test_what_was_written_between_read_and_write_stays(shared: Desk) -> None:
    shared.write({"a.txt": b"a\n"})
    await shared.read_all()

    with pytest.raises(ToolFailure, match="changed on disk"):
        await shared.call(EditFile(shared.workspace), EDIT)
    assert shared.content() == {"a.txt": b"theirs\n"}
    shared.write({"a.txt": b"a\n"})
    with pytest.raises(ToolFailure, match="changed on disk"):
        await shared.call(ApplyPatch(shared.workspace), PATCH)
    assert shared.content() == {"a.txt": b"theirs\n"}


async def test_a_file_that_appeared_meanwhile_is_not_overwritten(shared: Desk) -> None:
    with pytest.raises(ToolFailure, match="exists already"):
        await shared.call(EditFile(shared.workspace), NEW)

    assert shared.content() == {"a.txt": b"theirs\n"}


async def test_a_file_that_went_meanwhile_does_not_come_back(tmp_path: Path) -> None:
    workspace = Shared(tmp_path)
    workspace.theirs = None
    desk = Desk(workspace)
    desk.write({"a.txt": b"a\n"})
    await desk.read_all()

    with pytest.raises(ToolFailure, match="no longer there"):
        await desk.call(EditFile(desk.workspace), EDIT)

    assert desk.content() == {}


@pytest.mark.parametrize("mode", [0o755, 0o600, 0o444])
async def test_the_mode_of_a_file_is_kept(desk: Desk, mode: int) -> None:
    desk.write({"a.txt": b"a\n"})
    (desk.root / "a.txt").chmod(mode)
    await desk.read_all()

    await desk.call(EditFile(desk.workspace), EDIT)
    assert (desk.root / "a.txt").stat().st_mode & 0o777 == mode
    await desk.call(ApplyPatch(desk.workspace), {"patch": PATCH["patch"].replace("-a\n+b", "-b\n+c")})
    assert (desk.root / "a.txt").stat().st_mode & 0o777 == mode
    assert desk.content() == {"a.txt": b"c\n"}


async def test_the_mode_of_a_file_that_moves_is_kept(desk: Desk) -> None:
    desk.write({"a.txt": b"a\n"})
    (desk.root / "a.txt").chmod(0o755)
    await desk.read_all()

    moved = "*** Begin Patch\n*** Update File: a.txt\n*** Move to: b.txt\n*** End Patch"
    await desk.call(ApplyPatch(desk.workspace), {"patch": moved})

    assert (desk.root / "b.txt").stat().st_mode & 0o777 == 0o755


async def test_a_line_as_long_as_a_file_may_be(desk: Desk) -> None:
    line = b"x" * (LARGEST_TEXT - 1)
    desk.write({"a.txt": line + b"a"})
    desk.seen["a.txt"] = str(await desk.workspace.digest("a.txt"))

    await desk.call(EditFile(desk.workspace), EDIT)
    assert desk.content() == {"a.txt": line + b"b"}
    with pytest.raises(ToolFailure, match="would be larger than 10 MB"):
        await desk.call(EditFile(desk.workspace), {**EDIT, "old_text": "b", "new_text": "bb"})
    with pytest.raises(ToolFailure, match="does not occur"):
        await desk.call(EditFile(desk.workspace), {**EDIT, "old_text": "nowhere  \nelse"})
    assert desk.content() == {"a.txt": line + b"b"}
