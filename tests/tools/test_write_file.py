from pathlib import Path
from typing import Any

import pytest

from equitr_coder.domain.approvals import Touches
from equitr_coder.tools.read_file import ReadFile
from equitr_coder.tools.write_file import WriteFile


@pytest.fixture
def tool(workspace: Any) -> WriteFile:
    return WriteFile(workspace)


@pytest.fixture
def reader(workspace: Any, outputs: Any) -> ReadFile:
    return ReadFile(workspace, outputs)


async def test_a_new_file_is_created_with_its_folders_and_may_be_written_again(
    tool: WriteFile, session: Any, tmp_path: Path
) -> None:
    created = await session.call(tool, {"path": "src/deep/a.txt", "content": "one\n"})
    replaced = await session.call(tool, {"path": "src/deep/a.txt", "content": "one\ntwo\n"})

    assert created.for_model == "Created src/deep/a.txt, 1 line."
    assert replaced.for_model == "Replaced src/deep/a.txt, 2 lines."
    assert (tmp_path / "src/deep/a.txt").read_text() == "one\ntwo\n"


async def test_an_existing_file_that_was_not_read_is_not_replaced(
    tool: WriteFile, session: Any, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("mine")

    failure = await session.failure(tool, {"path": "a.txt", "content": "other"})

    assert "has not been read in this session" in failure
    assert 'read_file("a.txt")' in failure
    assert (tmp_path / "a.txt").read_text() == "mine"


async def test_a_file_that_changed_since_it_was_read_is_not_replaced(
    tool: WriteFile, reader: ReadFile, session: Any, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("first")
    await session.call(reader, {"path": "a.txt"})
    (tmp_path / "a.txt").write_text("theirs")

    failure = await session.failure(tool, {"path": "a.txt", "content": "mine"})

    assert "changed on disk since it was read" in failure
    assert (tmp_path / "a.txt").read_text() == "theirs"


async def test_line_ends_mark_and_encoding_of_a_replaced_file_are_kept(
    tool: WriteFile, reader: ReadFile, session: Any, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\n")
    await session.call(reader, {"path": "a.txt"})

    await session.call(tool, {"path": "a.txt", "content": "three\nfour\r\n"})

    assert (tmp_path / "a.txt").read_bytes() == b"\xef\xbb\xbfthree\r\nfour\r\n"


async def test_a_new_file_given_with_windows_line_ends_keeps_them(
    tool: WriteFile, session: Any, tmp_path: Path
) -> None:
    await session.call(tool, {"path": "a.bat", "content": "one\r\ntwo\r\n"})
    await session.call(tool, {"path": "b.txt", "content": "one\r\ntwo\n"})

    assert (tmp_path / "a.bat").read_bytes() == b"one\r\ntwo\r\n"
    assert (tmp_path / "b.txt").read_bytes() == b"one\ntwo\n"


async def test_writing_what_is_there_already_writes_nothing(
    tool: WriteFile, reader: ReadFile, session: Any, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("same\n")
    await session.call(reader, {"path": "a.txt"})

    result = await session.call(tool, {"path": "a.txt", "content": "same\n"})

    assert "nothing was written" in result.for_model


@pytest.mark.parametrize(
    ("path", "content", "line", "what"),
    [
        ("a.py", "x = 1\ndef f(:\n    pass\n", 2, "read as Python 3."),
        ("a.json", '{"a": 1,\n "b": }', 2, "Expecting value"),
        ("a.toml", "a = 1\nb = = 2\n", 2, "Invalid value"),
        ("a.toml", "a = '", 1, "end of document"),
        ("a.yaml", "a: 1\nb: [1, 2\nc: 3\n", 3, "expected"),
        ("a.yml", "a: *nowhere: x: y\n", 1, ""),
        ("a.py", "x = '\0'\n", 1, "null bytes"),
        ("a.json", "[" * 100_000, 1, "nested too deeply"),
        ("a.py", "(" * 100_000, 1, "too"),
    ],
)
async def test_a_file_that_does_not_parse_is_written_with_a_note(
    tool: WriteFile, session: Any, tmp_path: Path, path: str, content: str, line: int, what: str
) -> None:
    result = await session.call(tool, {"path": path, "content": content})

    assert f"syntax error at line {line}: " in result.for_model
    assert what in result.for_model
    assert (tmp_path / path).read_text() == content
    assert not result.is_error


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("a.py", 'print("\\d")\n'),
        ("a.json", "[1]"),
        ("a.toml", "a = 1\n"),
        ("a.yaml", "a: !Ref b\n---\nc: 1\n"),
        ("a.js", "function ("),
        ("py", "def ("),
    ],
)
async def test_a_file_that_parses_or_is_of_no_known_kind_has_no_note(
    tool: WriteFile, session: Any, path: str, content: str
) -> None:
    assert "syntax error" not in (await session.call(tool, {"path": path, "content": content})).for_model


def test_it_says_which_file_it_writes(tool: WriteFile) -> None:
    assert tool.touches(tool.parse({"path": "./src/../a.txt", "content": ""})) == Touches(writes=("a.txt",))
