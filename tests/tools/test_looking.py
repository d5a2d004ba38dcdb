from pathlib import Path
from typing import Any

import pytest

from equitr_coder.domain.approvals import Touches
from equitr_coder.ports import Tool
from equitr_coder.tools.list_files import ListFiles
from equitr_coder.tools.search import Search


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name in ("README.md", "src/app.py", "src/deep/util.py", "tests/test_app.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"# {name}\nimport os\n")
    return tmp_path


async def test_files_are_listed_below_a_folder_and_by_pattern(workspace: Any, session: Any, files: Path) -> None:
    tool = ListFiles(workspace)

    everything = await session.call(tool, {})
    folder = await session.call(tool, {"path": "src", "glob": None})
    pattern = await session.call(tool, {"path": "", "glob": "*.md"})

    assert everything.for_model == "README.md\nsrc/app.py\nsrc/deep/util.py\ntests/test_app.py"
    assert folder.for_model == "src/app.py\nsrc/deep/util.py"
    assert pattern.for_model == "README.md"
    assert everything.for_user == "listed .: 4 files"


async def test_nothing_found_is_said_in_words(workspace: Any, session: Any, files: Path) -> None:
    assert (await session.call(ListFiles(workspace), {"glob": "*.rs"})).for_model == "No files matching *.rs under .."
    assert (
        "No line under src matches zebra"
        in (await session.call(Search(workspace), {"pattern": "zebra", "path": "src"})).for_model
    )


async def test_a_large_tree_is_counted_by_folder(workspace: Any, session: Any, tmp_path: Path) -> None:
    for number in range(310):
        folder = tmp_path / f"pkg{number % 3}" / "inner" / "deep"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{number}.txt").write_text("")
    (tmp_path / "top.txt").write_text("")

    rows = (await session.call(ListFiles(workspace), {})).for_model.split("\n")

    assert rows[0].startswith("[311 files: too many to list.")
    assert rows[1:] == ["./: 1", "pkg0/inner/: 104", "pkg1/inner/: 103", "pkg2/inner/: 103"]


async def test_hits_are_grouped_by_file_with_line_numbers(workspace: Any, session: Any, files: Path) -> None:
    result = await session.call(Search(workspace), {"pattern": "import|#", "path": "src"})

    assert result.for_model == (
        "src/app.py\n    1\t# src/app.py\n    2\timport os\n"
        "src/deep/util.py\n    1\t# src/deep/util.py\n    2\timport os"
    )
    assert result.for_user == "searched import|#: 4 hits"


async def test_too_many_hits_are_counted_per_file(workspace: Any, session: Any, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x\n" * 90)
    (tmp_path / "b.txt").write_text("x\n" * 200)

    rows = (await session.call(Search(workspace), {"pattern": "x"})).for_model.split("\n")

    assert rows[-1] == ("[only the first 100 hits are shown. Hits per file: b.txt 200, a.txt 90. Narrow the search.]")
    assert sum(row.endswith("\tx") for row in rows) == 100


async def test_hits_are_cut_by_what_they_cost_to_read(workspace: Any, session: Any, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(("x" * 290 + "\n") * 40)
    (tmp_path / "b.txt").write_text(("é" * 290 + "x\n") * 40)

    text = (await session.call(Search(workspace), {"pattern": "x"})).for_model
    rows = text.split("\n")

    assert len(text.encode()) < 16_200
    assert rows[-1] == "[only the first 46 hits are shown. Hits per file: a.txt 40, b.txt 40. Narrow the search.]"
    assert len(rows) == 46 + 3


async def test_a_very_long_line_is_shortened(workspace: Any, session: Any, tmp_path: Path) -> None:
    (tmp_path / "a.min.js").write_text("x" * 10_000)

    assert len((await session.call(Search(workspace), {"pattern": "x"})).for_model) < 400


def test_looking_only_reads(workspace: Any, files: Path) -> None:
    tools: list[tuple[Tool, dict[str, str]]] = [
        (ListFiles(workspace), {"path": "src"}),
        (Search(workspace), {"pattern": "x", "path": "src"}),
    ]

    assert [tool.touches(tool.parse(arguments)) for tool, arguments in tools] == [Touches(reads=("src",))] * 2
