from pathlib import Path
from typing import Any

import pytest

from equitr_coder.domain.approvals import Touches
from equitr_coder.domain.errors import ToolFailure
from equitr_coder.tools.read_file import ReadFile


@pytest.fixture
def tool(workspace: Any, outputs: Any) -> ReadFile:
    return ReadFile(workspace, outputs)


async def test_lines_are_numbered_and_the_digest_is_remembered(tool: ReadFile, session: Any, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one\n\n\tthree\n")

    result = await session.call(tool, {"path": "a.py"})

    assert result.for_model == "    1\tone\n    2\t\n    3\t\tthree"
    assert session.seen == {"a.py": await tool._workspace.digest("a.py")}


async def test_a_window_of_a_long_file_says_how_to_go_on(tool: ReadFile, session: Any, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("".join(f"line {n}\n" for n in range(1, 2001)))

    first = (await session.call(tool, {"path": "a.txt"})).for_model.split("\n")
    window = (await session.call(tool, {"path": "a.txt", "offset": 1999, "limit": 1})).for_model
    last = (await session.call(tool, {"path": "a.txt", "offset": 1999})).for_model

    assert (first[0], first[799]) == ("    1\tline 1", "  800\tline 800")
    assert first[800:] == ['[lines 1-800 of 2000; go on with read_file(path="a.txt", offset=801)]']
    assert window.split("\n")[0] == " 1999\tline 1999"
    assert last == " 1999\tline 1999\n 2000\tline 2000"


async def test_following_the_hints_shows_every_line_exactly_once(tool: ReadFile, session: Any, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("".join(f"{'x' * 150} {n}\n" for n in range(1, 1501)))
    shown: list[str] = []
    offset = 1

    while True:
        page = (await session.call(tool, {"path": "a.txt", "offset": offset})).for_model.split("\n")
        assert len("\n".join(page).encode()) < 42_000
        shown += [line for line in page if not line.startswith("[")]
        if not page[-1].startswith("["):
            break
        offset = int(page[-1].rpartition("offset=")[2].rstrip(")]"))

    assert [int(line.split("\t")[0]) for line in shown] == list(range(1, 1501))


async def test_one_endless_line_is_shortened_not_dropped(tool: ReadFile, session: Any, tmp_path: Path) -> None:
    (tmp_path / "min.js").write_text("a" * 100_000)

    shown = (await session.call(tool, {"path": "min.js"})).for_model

    assert shown.endswith("… [98000 more characters in this line]")
    assert len(shown) < 2_100


async def test_an_empty_file_is_said_to_be_empty_and_counts_as_read(
    tool: ReadFile, session: Any, tmp_path: Path
) -> None:
    (tmp_path / "a.py").write_text("")

    result = await session.call(tool, {"path": "a.py"})

    assert result.for_model == "[a.py is empty]"
    assert "a.py" in session.seen


async def test_an_offset_past_the_end_names_the_last_line(tool: ReadFile, session: Any, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("one\ntwo\n")

    assert "a.py ends at line 2; offset 9" in await session.failure(tool, {"path": "a.py", "offset": 9})


async def test_a_kept_output_opens_like_a_file_and_touches_none(tool: ReadFile, session: Any, outputs: Any) -> None:
    name = await outputs.keep("first\nsecond\n")

    result = await session.call(tool, {"path": f"output:{name}", "offset": 2})

    assert result.for_model == "    2\tsecond"
    assert result.seen == {}
    assert tool.touches(tool.parse({"path": f"output:{name}"})) == Touches()
    assert "no kept output output:none" in await session.failure(tool, {"path": "output:none"})


def test_a_path_that_leaves_the_workspace_is_refused_before_anything_is_read(tool: ReadFile) -> None:
    with pytest.raises(ToolFailure, match="leads out of the workspace"):
        tool.touches(tool.parse({"path": "../secret"}))
