import fnmatch
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.adapters.local.globs import compile_glob
from equitr_coder.adapters.local.workspace import LocalWorkspace
from equitr_coder.domain.errors import ToolFailure
from tests.adapters.local.conftest import git


def put(root: Path, *names: str, text: str = "x\n") -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


async def test_a_repository_lists_what_git_would_track(repository: Path, workspace: LocalWorkspace) -> None:
    put(repository, "b.py", "src/a.py", "src/deep/c.txt", "build/out.o", "ö b.txt", "gone.py", "kept.log")
    put(repository, ".gitignore", text="build/\n*.log\n")
    git("add", "-f", "b.py", "gone.py", "kept.log", cwd=repository)
    (repository / "gone.py").unlink()
    (repository / "link").symlink_to("src")

    assert await workspace.list() == [
        ".gitignore", "b.py", "kept.log", "link", "src/a.py", "src/deep/c.txt", "ö b.txt",
    ]  # fmt: skip
    assert await workspace.list("src") == ["src/a.py", "src/deep/c.txt"]
    assert await workspace.list("src/a.py") == ["src/a.py"]
    assert await workspace.list(limit=2) == [".gitignore", "b.py"]


async def test_a_repository_inside_is_listed_without_its_git(repository: Path, workspace: LocalWorkspace) -> None:
    put(repository, "inner/a.py", "b.py")
    git("init", "-q", cwd=repository / "inner")

    assert await workspace.list() == ["b.py", "inner/a.py"]


async def test_a_plain_folder_is_walked_without_the_usual_bulk(root: Path, workspace: LocalWorkspace) -> None:
    put(
        root, "a.py", "node_modules/x/index.js", ".venv/lib/x.py", "src/__pycache__/a.pyc", "src/b.py", ".github/ci.yml"
    )
    (root / "loop").symlink_to(root)

    assert await workspace.list() == [".github/ci.yml", "a.py", "loop", "src/b.py"]
    assert await workspace.list("node_modules") == ["node_modules/x/index.js"]


async def test_a_folder_that_a_repository_further_up_ignores_is_listed(repository: Path) -> None:
    put(repository, ".gitignore", text="scratch/\n")
    put(repository, "scratch/a.py", "sub/b.py")

    assert await LocalWorkspace(repository / "scratch").list() == ["a.py"]
    assert await LocalWorkspace(repository / "sub").list() == ["b.py"]


async def test_without_git_a_repository_is_walked(repository: Path, with_engine: Callable[..., LocalWorkspace]) -> None:
    put(repository, "a.py")

    assert await with_engine(repository, "python").list() == ["a.py"]


async def test_names_that_are_no_text_are_left_out(root: Path, workspace: LocalWorkspace) -> None:
    (Path(os.fsdecode(os.fsencode(root) + b"/\xff.txt"))).write_text("x")
    put(root, "a.txt")

    assert await workspace.list() == ["a.txt"]


async def test_names_with_line_ends_and_dashes_are_files(repository: Path, workspace: LocalWorkspace) -> None:
    put(repository, "a\nb.txt", "-n.txt", ":(top)x", "*.txt")

    assert await workspace.list() == ["*.txt", "-n.txt", ":(top)x", "a\nb.txt"]
    assert await workspace.list("*.txt") == ["*.txt"]


async def test_listing_and_searching_run_nothing_that_the_repository_names(
    repository: Path, with_engine: Callable[..., LocalWorkspace]
) -> None:
    mark = repository.parent / "ran"
    git("config", "core.fsmonitor", f"touch {mark};", cwd=repository)
    put(repository, "a.py", text="one\n")
    git("-c", "core.fsmonitor=false", "add", "a.py", cwd=repository)

    for engine in ("git", "rg"):
        assert await with_engine(repository, engine).list() == ["a.py"]
        assert (await with_engine(repository, engine).search("one")).per_file == {"a.py": 1}
    assert not mark.exists()


async def test_a_missing_folder_is_a_failure(workspace: LocalWorkspace) -> None:
    with pytest.raises(ToolFailure, match="There is no src"):
        await workspace.list("src")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.py", ["a.py", "src/b.py", "src/deep/c.py", "tests/b.py"]),
        ("/*.py", ["a.py"]),
        ("./*.py", ["a.py", "src/b.py", "src/deep/c.py", "tests/b.py"]),
        ("**/*.py", ["a.py", "src/b.py", "src/deep/c.py", "tests/b.py"]),
        ("src/**", ["src/b.py", "src/deep/B.PY", "src/deep/c.py"]),
        ("src/", ["src/b.py", "src/deep/B.PY", "src/deep/c.py"]),
        ("src/*.py", ["src/b.py"]),
        ("src/**/*.py", ["src/b.py", "src/deep/c.py"]),
        ("**/deep/*", ["src/deep/B.PY", "src/deep/c.py"]),
        ("b.*", ["src/b.py", "tests/b.py"]),
        ("B.*", ["src/deep/B.PY"]),
        ("*.{py,md}", ["a.py", "r.md", "src/b.py", "src/deep/c.py", "tests/b.py"]),
        ("{src,tests}/**/*.py", ["src/b.py", "src/deep/c.py", "tests/b.py"]),
        ("[ab].py", ["a.py", "src/b.py", "tests/b.py"]),
        ("[!a].py", ["src/b.py", "src/deep/c.py", "tests/b.py"]),
        ("?.md", ["r.md"]),
        ("[", []),
        ("x{", []),
    ],
)
async def test_patterns_choose_files(workspace: LocalWorkspace, pattern: str, expected: list[str]) -> None:
    put(workspace.root, "a.py", "r.md", "src/b.py", "src/deep/c.py", "src/deep/B.PY", "tests/b.py")

    assert await workspace.list(pattern=pattern) == expected


async def test_a_pattern_counts_from_the_folder_or_from_the_root(workspace: LocalWorkspace) -> None:
    put(workspace.root, "src/b.py", "src/deep/c.py")

    assert await workspace.list("src", "deep/*.py") == ["src/deep/c.py"]
    assert await workspace.list("src", "src/deep/*.py") == ["src/deep/c.py"]
    assert await workspace.list("src", "/*.py") == ["src/b.py"]


@given(st.text("ab*?[]!^-{},./\\", max_size=14), st.text("ab./-", min_size=1, max_size=8))
def test_every_text_is_a_pattern(pattern: str, path: str) -> None:
    compile_glob(pattern).match(path)


@given(st.text("ab*?", min_size=1, max_size=8), st.text("ab", min_size=1, max_size=8))
def test_a_pattern_for_one_name_agrees_with_the_shells(pattern: str, name: str) -> None:
    if "**" not in pattern:
        assert bool(compile_glob(pattern).match(name)) == fnmatch.fnmatchcase(name, pattern)
