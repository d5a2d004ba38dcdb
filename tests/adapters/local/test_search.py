from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from equitr_coder.adapters.local.workspace import LocalWorkspace
from equitr_coder.domain.errors import ToolFailure
from equitr_coder.ports import SearchHit, SearchResult
from tests.adapters.local.conftest import Engines, git

ENGINES = ["rg", "git", "python"]


@pytest.fixture
def project(repository: Path) -> Path:
    files = {
        "a.py": b"def one():\n    return two()\n\ndef two():\n    return 2\n",
        "src/b.py": b"from a import one\r\nprint(one())\r\n",
        "src/bom.txt": b"\xef\xbb\xbfone at the start\n",
        "src/latin.txt": "one Größe\n".encode("latin-1"),
        "z.bin": b"one\0two\n",
        "wide.txt": "one\n".encode("utf-16"),
        "ignored/c.py": b"one\n",
        "tracked.log": b"one\n",
        "- n.txt": b"one\n",
        ".hidden/d.py": b"one",
        ".gitignore": b"ignored/\n*.log\n",
        "large.txt": b"one\n" + b"x" * 1_000_000,
        "long.txt": b"y" * 500 + b"one\n",
        ".rgignore": b"a.py\n",
    }
    for name, data in files.items():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_bytes(data)
    (repository / "alias.py").symlink_to("a.py")
    (repository / "etc").symlink_to("/etc")
    git("add", "-f", "a.py", "tracked.log", cwd=repository)
    return repository


@pytest.mark.parametrize("engine", ENGINES)
async def test_all_engines_find_the_same(project: Path, with_engine: Engines, engine: str) -> None:
    workspace = with_engine(project, engine)
    if engine == "python":  # without git nothing is known of what is tracked in spite of an ignore file
        (project / ".gitignore").write_text("ignored/\n")

    result = await workspace.search("one")

    assert result == SearchResult(
        hits=(
            SearchHit("- n.txt", 1, "one"),
            SearchHit(".hidden/d.py", 1, "one"),
            SearchHit("a.py", 1, "def one():"),
            SearchHit("long.txt", 1, "y" * 300),
            SearchHit("src/b.py", 1, "from a import one"),
            SearchHit("src/b.py", 2, "print(one())"),
            SearchHit("src/bom.txt", 1, "one at the start"),
            SearchHit("src/latin.txt", 1, "one Gr\ufffd\ufffde"),
            SearchHit("tracked.log", 1, "one"),
        ),
        per_file={
            "- n.txt": 1, ".hidden/d.py": 1, "a.py": 1, "long.txt": 1, "src/b.py": 2, "src/bom.txt": 1,
            "src/latin.txt": 1, "tracked.log": 1,
        },
        is_complete=True,
    )  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"^def \w+\(\):$", [("a.py", 1), ("a.py", 4)]),
        (r"one\(\)\)$", [("src/b.py", 2)]),
        (r"\btwo\b", [("a.py", 2), ("a.py", 4)]),
        (r"(?i)DEF TWO", [("a.py", 4)]),
        (r"return (?=2)", [("a.py", 5)]),
        (r"return\s\d", [("a.py", 5)]),
        (r"^$", [("a.py", 3)]),
        (r"-> nothing", []),
        (r"one\(\)\)\s", []),
        (r"one\(\)\).", []),
        (r"one\(\)\)[^x]", []),
        (r"import one[^x]*$", [("src/b.py", 1)]),
        (r"\<two", []),
        (r"\bone\(\)\Z", []),
        (r"^def[[:space:]]+two", [("a.py", 4)]),
        (r"\Adef two", [("a.py", 4)]),
        (r"(o)n|(t)w\2", [(".hidden/d.py", 1), ("a.py", 1), ("src/b.py", 1), ("src/b.py", 2)]),
        (r"retur[a-z&&n]", [("a.py", 2), ("a.py", 5)]),
        (r"return 2{,1}$", [("a.py", 5)]),
        (r"(?<=print\()one", [("src/b.py", 2)]),
    ],
)
async def test_patterns_mean_the_same_to_all_engines(
    project: Path, with_engine: Engines, engine: str, pattern: str, expected: list[tuple[str, int]]
) -> None:
    result = await with_engine(project, engine).search(pattern, glob="*.py")

    assert [(hit.path, hit.line) for hit in result.hits] == expected


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("pattern", "lines"),
    [
        (r"\w{6}", [1]),
        (r"^\w+$", [3, 4]),
        (r"größe", []),
        (r"(?i)GRÖßER", [1]),
        (r"\d", [1, 2]),
        (r"^.{4}$", [4]),
    ],
)
async def test_letters_of_any_script_are_letters_to_all_engines(
    root: Path, with_engine: Engines, engine: str, pattern: str, lines: list[int]
) -> None:
    git("init", "-q", cwd=root)
    (root / "a.txt").write_text("Größer 12\n٣ drei\nß\n日本語訳\n")

    assert [hit.line for hit in (await with_engine(root, engine).search(pattern)).hits] == lines


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("is_repository", [True, False])
async def test_what_ignore_files_take_out_is_not_searched(
    root: Path, with_engine: Engines, engine: str, is_repository: bool
) -> None:
    if is_repository:
        git("init", "-q", cwd=root)
    names = (
        "a.py", "b.log", "kept.log", "gen/c.py", "gen/deep/d.py", "src/e.py", "src/f.tmp", "src/old/g.py",
        "vendor/h.py", ".hidden/i.py", "sub/j.py", "sub/k.txt",
    )  # fmt: skip
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("one\n")
    (root / ".gitignore").write_text("*.log\n!kept.log\n/gen/\n")
    (root / "src/.gitignore").write_text("*.tmp\n")
    (root / ".equitrignore").write_text("vendor/\nold\n*.txt\n")
    (root / "sub/.equitrignore").write_text("!k.txt\nj.py\n")
    if is_repository:
        git("add", "a.py", "vendor/h.py", cwd=root)
    workspace = with_engine(root, engine)

    found = list((await workspace.search("one")).per_file)
    listed = [path for path in await workspace.list() if not path.endswith("ignore")]

    assert found == listed == [".hidden/i.py", "a.py", "kept.log", "src/e.py", "sub/k.txt"]
    assert list((await workspace.search("one", "vendor/h.py")).per_file) == ["vendor/h.py"]


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_search_can_be_narrowed(project: Path, with_engine: Engines, engine: str) -> None:
    workspace = with_engine(project, engine)

    async def paths(path: str = ".", glob: str | None = None) -> list[str]:
        return list((await workspace.search("one", path, glob)).per_file)

    assert await paths("src") == ["src/b.py", "src/bom.txt", "src/latin.txt"]
    assert await paths("src", "*.txt") == ["src/bom.txt", "src/latin.txt"]
    assert await paths("src/b.py") == ["src/b.py"]
    assert await paths("ignored/c.py") == ["ignored/c.py"]
    assert await paths(glob="/*.py") == ["a.py"]
    assert await paths(glob="*.rs") == []


@pytest.mark.parametrize("engine", ENGINES)
async def test_hits_beyond_the_limit_are_counted(root: Path, with_engine: Engines, engine: str) -> None:
    git("init", "-q", cwd=root)
    (root / "a.txt").write_text("one\n" * 7)
    (root / "b.txt").write_text("one\n" * 5)

    result = await with_engine(root, engine).search("one", limit=8)

    assert [(hit.path, hit.line) for hit in result.hits] == [("a.txt", n) for n in range(1, 8)] + [("b.txt", 1)]
    assert result.per_file == {"a.txt": 7, "b.txt": 5}
    assert not result.is_complete


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("pattern", ["one(", "[a", "*x", "(?P<n"])
async def test_an_invalid_pattern_says_how_to_search_for_text(
    project: Path, with_engine: Engines, engine: str, pattern: str
) -> None:
    with pytest.raises(ToolFailure, match=r"not a valid regular expression.*plain text, escape it"):
        await with_engine(project, engine).search(pattern)


@pytest.mark.parametrize("engine", ENGINES)
async def test_an_invalid_pattern_is_told_even_where_there_is_nothing_to_search(
    root: Path, with_engine: Engines, engine: str
) -> None:
    with pytest.raises(ToolFailure, match="not a valid regular expression"):
        await with_engine(root, engine).search("one(")


@pytest.mark.parametrize("pattern", ["a\nb", "a\0b"])
async def test_a_pattern_over_several_lines_is_refused(workspace: LocalWorkspace, pattern: str) -> None:
    with pytest.raises(ToolFailure, match="line by line"):
        await workspace.search(pattern)


async def test_a_pattern_that_looks_like_an_option_is_a_pattern(project: Path, with_engine: Engines) -> None:
    (project / "a.py").write_text("x --files y\n")
    for engine in ENGINES:
        result = await with_engine(project, engine).search("--files")
        assert list(result.per_file) == ["a.py"]


async def test_many_files_need_several_runs(repository: Path, with_engine: Engines) -> None:
    folder = repository / ("d" * 100)
    folder.mkdir()
    for number in range(1200):
        (folder / f"{number:04}.txt").write_text("one\n")

    for engine in ENGINES:
        result = await with_engine(repository, engine).search("one", limit=3)
        assert [hit.path for hit in result.hits] == [f"{folder.name}/000{n}.txt" for n in range(3)]
        assert len(result.per_file) == 1200


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12, deadline=None)
@given(
    st.lists(st.text("ab \t\r1_", max_size=6), max_size=8), st.sampled_from(["a", "^a", "b$", r"\s", r"a.?b", "[^a]"])
)
def test_engines_agree_on_any_text(
    repository: Path, with_engine: Callable[[Path, str], LocalWorkspace], lines: list[str], pattern: str
) -> None:
    import asyncio

    # A CR inside a line is a line end to some engines and a character to others.
    text = "\n".join(line.replace("\r", "") for line in lines)
    (repository / "a.txt").write_text(text)

    async def results() -> list[SearchResult]:
        return [await with_engine(repository, engine).search(pattern) for engine in ENGINES]

    first, *others = asyncio.run(results())
    assert all(other == first for other in others)
