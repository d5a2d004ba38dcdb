import asyncio
import codecs
import hashlib
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.adapters.local.text import decode, encode
from equitr_coder.adapters.local.workspace import LARGEST_TEXT, LocalWorkspace
from equitr_coder.domain.errors import ToolFailure
from equitr_coder.ports import FileText, Workspace


def fits_the_port(root: Path) -> Workspace:
    return LocalWorkspace(root)


async def test_a_file_is_read_with_its_digest(workspace: LocalWorkspace) -> None:
    (workspace.root / "a.txt").write_bytes(b"one\ntwo\n")

    found = await workspace.read("a.txt")

    assert found == FileText("a.txt", "one\ntwo\n", hashlib.sha256(b"one\ntwo\n").hexdigest())
    assert await workspace.digest("a.txt") == found.digest
    assert await workspace.digest("b.txt") is None


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"one\r\ntwo\r\n", "one\ntwo\n"),
        (b"one\r\ntwo\n", "one\r\ntwo\n"),
        (b"one\rtwo\r\n", "one\rtwo\r\n"),
        (b"one\r\r\ntwo", "one\r\r\ntwo"),
        (codecs.BOM_UTF8 + b"one\n", "one\n"),
        (codecs.BOM_UTF16_LE + "ö\r\nx\r\n".encode("utf-16-le"), "ö\nx\n"),
        (codecs.BOM_UTF16_BE + "ö\n".encode("utf-16-be"), "ö\n"),
        ("Größe\n".encode("latin-1"), "Größe\n"),
        (b"", ""),
        (b"no line end", "no line end"),
    ],
)
async def test_text_comes_back_to_disk_as_it_was(workspace: LocalWorkspace, data: bytes, text: str) -> None:
    (workspace.root / "a.txt").write_bytes(data)

    found = await workspace.read("a.txt")
    await workspace.write("a.txt", found.text, expected=found.digest, like=found)

    assert found.text == text
    assert (workspace.root / "a.txt").read_bytes() == data


async def test_new_lines_take_the_style_of_the_file(workspace: LocalWorkspace) -> None:
    (workspace.root / "a.txt").write_bytes(codecs.BOM_UTF8 + b"one\r\n")

    found = await workspace.read("a.txt")
    await workspace.write("a.txt", "one\ntwo\r\nthree\n", expected=found.digest, like=found)

    assert (workspace.root / "a.txt").read_bytes() == codecs.BOM_UTF8 + b"one\r\ntwo\r\nthree\r\n"


@given(st.binary(max_size=60) | st.text(max_size=40).map(str.encode) | st.text("a\r\n", max_size=12).map(str.encode))
def test_what_is_decoded_encodes_to_the_same_bytes(data: bytes) -> None:
    for head in (b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        try:
            found = decode("a", head + data)
        except ToolFailure:
            continue
        assert encode("a", found.text, found) == head + data


@pytest.mark.parametrize(
    "data",
    [
        b"\x7fELF\x02\0\0",
        b"text\0",
        b"\x89PNG\r\n\x1a\n\xff\x01",
        codecs.BOM_UTF32_LE + b"a\0\0\0",
        codecs.BOM_UTF16_LE + b"a",
    ],
)
async def test_binary_files_are_refused(workspace: LocalWorkspace, data: bytes) -> None:
    (workspace.root / "a.bin").write_bytes(data)

    with pytest.raises(ToolFailure, match="binary"):
        await workspace.read("a.bin")


async def test_a_huge_file_is_refused(workspace: LocalWorkspace) -> None:
    with (workspace.root / "huge").open("wb") as file:
        file.truncate(LARGEST_TEXT + 1)

    with pytest.raises(ToolFailure, match="larger than 10 MB"):
        await workspace.read("huge")
    with pytest.raises(ToolFailure, match="larger than 10 MB"):
        await workspace.write("new", "x" * (LARGEST_TEXT + 1), expected=None)


async def test_a_character_the_encoding_lacks_writes_nothing(workspace: LocalWorkspace) -> None:
    (workspace.root / "a.txt").write_bytes("Größe".encode("latin-1"))
    found = await workspace.read("a.txt")

    with pytest.raises(ToolFailure, match=r"8-bit encoding that is not known, so '\\u2192'"):
        await workspace.write("a.txt", "Größe →", expected=found.digest, like=found)
    with pytest.raises(ToolFailure):
        await workspace.write("b.txt", "\ud800", expected=None)

    assert [entry.name for entry in workspace.root.iterdir()] == ["a.txt"]
    assert await workspace.digest("a.txt") == found.digest


async def test_a_missing_file_is_named_with_what_is_near(workspace: LocalWorkspace) -> None:
    (workspace.root / "server.py").write_text("")

    with pytest.raises(ToolFailure, match=r"There is no sever\.py\. Similar names there: server\.py\."):
        await workspace.read("sever.py")
    with pytest.raises(ToolFailure, match="There is no folder src either"):
        await workspace.read("src/server.py")


async def test_a_new_file_gets_its_folders(workspace: LocalWorkspace) -> None:
    digest = await workspace.write("src/deep/a.py", "x = 1\n", expected=None)

    assert (workspace.root / "src/deep/a.py").read_text() == "x = 1\n"
    assert digest == await workspace.digest("src/deep/a.py")


async def test_a_file_that_changed_since_is_not_overwritten(workspace: LocalWorkspace) -> None:
    (workspace.root / "a.txt").write_text("one")
    found = await workspace.read("a.txt")
    (workspace.root / "a.txt").write_text("two")

    with pytest.raises(ToolFailure, match="changed on disk"):
        await workspace.write("a.txt", "three", expected=found.digest)
    with pytest.raises(ToolFailure, match="changed on disk"):
        await workspace.delete("a.txt", expected=found.digest)
    with pytest.raises(ToolFailure, match="exists already"):
        await workspace.write("a.txt", "three", expected=None)

    assert (workspace.root / "a.txt").read_text() == "two"
    assert [entry.name for entry in workspace.root.iterdir()] == ["a.txt"]


async def test_a_file_that_is_gone_is_not_made_again(workspace: LocalWorkspace) -> None:
    with pytest.raises(ToolFailure, match="no longer there"):
        await workspace.write("deep/a.txt", "x", expected="0" * 64)
    with pytest.raises(ToolFailure, match=r"There is no|no longer there"):
        await workspace.delete("a.txt", expected="0" * 64)

    assert list(workspace.root.iterdir()) == []


async def test_of_many_writers_with_one_digest_exactly_one_wins(workspace: LocalWorkspace) -> None:
    # Large, so that the checks of two writers overlap unless something keeps them apart.
    (workspace.root / "a.txt").write_text("start" * 1_000_000)
    found = await workspace.read("a.txt")

    async def write(number: int, path: str, expected: str | None) -> bool:
        try:
            await workspace.write(path, f"{number}", expected=expected)
        except ToolFailure:
            return False
        return True

    changed = await asyncio.gather(*(write(number, "a.txt", found.digest) for number in range(8)))
    created = await asyncio.gather(*(write(number, "b.txt", None) for number in range(20)))

    assert changed.count(True) == 1
    assert (workspace.root / "a.txt").read_text() == str(changed.index(True))
    assert created.count(True) == 1
    assert (workspace.root / "b.txt").read_text() == str(created.index(True))


async def test_the_mode_of_a_file_is_kept(workspace: LocalWorkspace) -> None:
    path = workspace.root / "run.sh"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o751)
    found = await workspace.read("run.sh")

    await workspace.write("run.sh", "#!/bin/sh\ntrue\n", expected=found.digest, like=found)

    assert stat.S_IMODE(path.stat().st_mode) == 0o751


@pytest.mark.skipif(os.getuid() != 0, reason="only root may give files away")
async def test_root_does_not_take_a_users_file(workspace: LocalWorkspace) -> None:
    path = workspace.root / "a.txt"
    path.write_text("one")
    os.chown(path, 1234, 1234)
    found = await workspace.read("a.txt")

    await workspace.write("a.txt", "two", expected=found.digest)

    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 1234)


async def test_another_name_of_the_same_file_keeps_its_content(workspace: LocalWorkspace) -> None:
    outside = workspace.root.parent / "outside.txt"
    outside.write_text("one")
    (workspace.root / "a.txt").hardlink_to(outside)
    found = await workspace.read("a.txt")

    await workspace.write("a.txt", "two", expected=found.digest)

    assert outside.read_text() == "one"
    assert (workspace.root / "a.txt").read_text() == "two"


async def test_a_file_is_deleted(workspace: LocalWorkspace) -> None:
    (workspace.root / "a.txt").write_text("one")
    found = await workspace.read("a.txt")

    await workspace.delete("a.txt", expected=found.digest)

    assert list(workspace.root.iterdir()) == []
    with pytest.raises(ToolFailure, match="folder"):
        await workspace.delete(".", expected=found.digest)


@pytest.mark.parametrize("path", ["a.txt/b.txt", "x" * 300])
async def test_a_path_the_system_cannot_have_is_a_failure_in_words(workspace: LocalWorkspace, path: str) -> None:
    (workspace.root / "a.txt").write_text("one")

    with pytest.raises(ToolFailure):
        await workspace.read(path)
    with pytest.raises(ToolFailure):
        await workspace.write(path, "x", expected=None)
