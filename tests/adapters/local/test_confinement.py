import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from equitr_coder.adapters.local.workspace import LocalWorkspace
from equitr_coder.domain.errors import ToolFailure


@pytest.fixture
def outside(root: Path) -> Path:
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("secret")
    return outside


@pytest.mark.parametrize(
    "path",
    [
        "../outside/secret.txt",
        "a/../../outside/secret.txt",
        "/etc/passwd",
        "//etc/passwd",
        "/proc/self/cwd/a.txt",
        "/proc/self/root/etc/passwd",
        "../tree-too/a.txt",
        "..",
        "",
        "a\0b",
        "a\ud800b",
        "./../outside",
    ],
)
async def test_a_path_out_of_the_workspace_is_refused(workspace: LocalWorkspace, outside: Path, path: str) -> None:
    (workspace.root.parent / "tree-too").mkdir()

    with pytest.raises(ToolFailure):
        workspace.relative(path)
    with pytest.raises(ToolFailure):
        await workspace.read(path)
    with pytest.raises(ToolFailure):
        await workspace.write(path, "x", expected=None)
    assert sorted(entry.name for entry in outside.iterdir()) == ["secret.txt"]


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("out", "../outside"),
        ("out", "/proc/self/root"),
        ("out", "/proc/self/cwd/../outside"),
        ("deep/out", "../../outside"),
        ("a/../out", "../outside"),
    ],
)
async def test_a_link_out_of_the_workspace_is_refused(
    workspace: LocalWorkspace, outside: Path, link: str, target: str
) -> None:
    (workspace.root / "deep").mkdir()
    (workspace.root / "a").mkdir()
    (workspace.root / link).symlink_to(target)

    for path in (link, f"{link}/secret.txt", f"{link}/new.txt"):
        with pytest.raises(ToolFailure):
            await workspace.read(path)
        with pytest.raises(ToolFailure):
            await workspace.write(path, "x", expected=None)
    assert (outside / "secret.txt").read_text() == "secret"
    assert not (outside / "new.txt").exists()


async def test_a_chain_of_links_is_followed_to_its_end(workspace: LocalWorkspace, outside: Path) -> None:
    (workspace.root / "one").symlink_to("two")
    (workspace.root / "two").symlink_to(workspace.root / "three")
    (workspace.root / "three").symlink_to(outside / "secret.txt")

    with pytest.raises(ToolFailure, match="outside the workspace"):
        workspace.relative("one")


def test_a_circle_of_links_is_refused(workspace: LocalWorkspace) -> None:
    (workspace.root / "one").symlink_to("two")
    (workspace.root / "two").symlink_to("one")

    with pytest.raises(ToolFailure, match="circle"):
        workspace.relative("one")


async def test_a_link_inside_means_its_target(workspace: LocalWorkspace) -> None:
    (workspace.root / "real").mkdir()
    (workspace.root / "real/a.txt").write_text("a")
    (workspace.root / "alias").symlink_to(workspace.root / "real")

    found = await workspace.read("alias/a.txt")
    await workspace.write("alias/a.txt", "b", expected=found.digest)

    assert found.path == "real/a.txt"
    assert (workspace.root / "real/a.txt").read_text() == "b"
    assert (workspace.root / "alias").is_symlink()


async def test_an_absolute_link_counts_from_the_top(workspace: LocalWorkspace) -> None:
    (workspace.root / "deep").mkdir()
    (workspace.root / "real").mkdir()
    (workspace.root / "deep/alias").symlink_to(workspace.root / "real")

    assert workspace.relative("deep/alias/a.txt") == "real/a.txt"


async def test_a_dangling_link_inside_is_written_through(workspace: LocalWorkspace) -> None:
    (workspace.root / "alias").symlink_to("real.txt")

    await workspace.write("alias", "new", expected=None)

    assert (workspace.root / "alias").is_symlink()
    assert (workspace.root / "real.txt").read_text() == "new"


def test_paths_come_back_canonical(workspace: LocalWorkspace) -> None:
    (workspace.root / "src").mkdir()

    assert workspace.relative("./src//a.py") == "src/a.py"
    assert workspace.relative(f"{workspace.root}/src/../b.py") == "b.py"
    assert workspace.relative(str(workspace.root)) == "."
    assert workspace.relative("src/") == "src"
    assert workspace.relative("missing/deep/a.py") == "missing/deep/a.py"


def test_a_root_behind_a_link_may_be_named_by_either_name(root: Path) -> None:
    alias = root.parent / "alias"
    alias.symlink_to(root)
    workspace = LocalWorkspace(alias)

    assert workspace.root == root
    assert workspace.relative(f"{alias}/a.txt") == workspace.relative(f"{root}/a.txt") == "a.txt"


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        ".git",
        "sub/.git/hooks/pre-commit",
        ".GIT/config",
        ".Git",
        ".git./config",
        ".git /config",
        "git~1/config",
        ".git::$INDEX_ALLOCATION/config",
        ".g\u200cit/config",
        "a/../.git/config",
        ".git\\config",
        "alias/config",
    ],
)
async def test_git_is_out_of_bounds(workspace: LocalWorkspace, path: str) -> None:
    (workspace.root / ".git").mkdir()
    (workspace.root / ".git/config").write_text("[core]")
    (workspace.root / "alias").symlink_to(".git")

    with pytest.raises(ToolFailure, match=r"\.git"):
        await workspace.read(path)
    with pytest.raises(ToolFailure, match=r"\.git"):
        await workspace.write(path, "x", expected=None)
    with pytest.raises(ToolFailure, match=r"\.git"):
        await workspace.delete(path, expected="")
    assert [entry.name for entry in (workspace.root / ".git").iterdir()] == ["config"]


@pytest.mark.parametrize("path", [".gitignore", ".github/workflows/ci.yml", "git", "a.git/x"])
async def test_names_that_only_look_like_git_are_files(workspace: LocalWorkspace, path: str) -> None:
    await workspace.write(path, "x", expected=None)

    assert (await workspace.read(path)).text == "x"


async def test_project_settings_can_be_read_and_not_written(workspace: LocalWorkspace) -> None:
    (workspace.root / ".equitr").mkdir()
    (workspace.root / ".equitr/config.yaml").write_text("a: 1\n")

    found = await workspace.read(".equitr/config.yaml")

    assert found.text == "a: 1\n"
    for path in (".equitr/config.yaml", ".equitr/new.yaml", ".EQUITR/new.yaml"):
        with pytest.raises(ToolFailure, match="settings"):
            await workspace.write(path, "a: 2\n", expected=found.digest)
    with pytest.raises(ToolFailure, match="settings"):
        await workspace.delete(".equitr/config.yaml", expected=found.digest)


async def test_a_link_put_there_in_between_is_not_followed(workspace: LocalWorkspace, outside: Path) -> None:
    """The path was resolved while `deep` was a folder; when it is opened it is a link."""
    from equitr_coder.adapters.local.paths import folder_of

    (workspace.root / "deep").symlink_to(outside)

    with pytest.raises(OSError, match=r"Not a directory|Too many levels"), folder_of(workspace.root, ("deep", "x")):
        pass


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
async def test_what_is_no_regular_file_is_refused_at_once(workspace: LocalWorkspace, kind: str) -> None:
    path = workspace.root / "thing"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")

    with pytest.raises(ToolFailure):
        await workspace.read("thing")
    with pytest.raises(ToolFailure):
        await workspace.write("thing", "x", expected=None)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(st.lists(st.sampled_from(["..", ".", "", "a", "link", "up", "abs", ".git", "x.txt", "/"]), max_size=8))
def test_no_path_ever_resolves_to_a_place_outside(workspace: LocalWorkspace, parts: list[str]) -> None:
    root = workspace.root
    (root / "a").mkdir(exist_ok=True)
    for name, target in (("link", "a"), ("up", ".."), ("abs", "/"), ("a/up", "../..")):
        if not (root / name).is_symlink():
            (root / name).symlink_to(target)

    try:
        found = workspace.relative("/".join(parts))
    except ToolFailure:
        return

    assert Path(os.path.realpath(root / found)).is_relative_to(root)
    assert ".git" not in found.split("/")
