"""Paths of the workspace that stand for what is elsewhere: readable as commands see them, never writable."""

import hashlib
from pathlib import Path

import pytest

from equitr_coder.adapters.local.workspace import LocalWorkspace
from equitr_coder.domain.errors import ToolFailure


@pytest.fixture
def linked(tmp_path: Path) -> LocalWorkspace:
    checkout, worktree = tmp_path / "checkout", tmp_path / "worktree"
    (checkout / "web" / "deps" / "pkg").mkdir(parents=True)
    (checkout / "web" / "deps" / "pkg" / "index.js").write_text("library\n")
    (checkout / ".env.test").write_text("A=1\n")
    (checkout / "secret").write_text("not linked\n")
    (checkout / "web" / "deps" / "out").symlink_to(checkout / "secret")
    (checkout / "web" / "deps" / "main").symlink_to("pkg/index.js")
    (worktree / "web").mkdir(parents=True)
    (worktree / "web" / "app.js").write_text("own\n")
    links = {"web/deps": checkout / "web" / "deps", ".env.test": checkout / ".env.test", "gone": checkout / "gone"}
    return LocalWorkspace(worktree, links=links)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("web/deps/pkg/index.js", "library\n"),
        ("web/deps/main", "library\n"),
        ("web/../web/deps/pkg/index.js", "library\n"),
        (".env.test", "A=1\n"),
        ("web/app.js", "own\n"),
    ],
)
async def test_a_linked_file_is_read_like_any_other(linked: LocalWorkspace, path: str, text: str) -> None:
    found = await linked.read(path)

    assert found.text == text
    assert await linked.digest(path) == found.digest == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("path", ["web/deps/out", "web/deps", "web/deps/pkg/indx.js", "gone/x", "web/deps/../../.git"])
async def test_nothing_else_is_reached_through_a_link(linked: LocalWorkspace, path: str) -> None:
    with pytest.raises(ToolFailure) as failure:
        await linked.read(path)

    assert "not linked" not in str(failure.value)


async def test_a_missing_linked_file_names_similar_ones(linked: LocalWorkspace) -> None:
    with pytest.raises(ToolFailure, match=r"Similar names there: index\.js"):
        await linked.read("web/deps/pkg/indx.js")


async def test_a_link_is_never_written_nor_deleted(linked: LocalWorkspace, tmp_path: Path) -> None:
    digest = await linked.digest("web/deps/pkg/index.js")
    assert digest is not None

    with pytest.raises(ToolFailure, match=r"web/deps is a link to the user's own checkout"):
        await linked.write("web/deps/pkg/new.js", "x", expected=None)
    with pytest.raises(ToolFailure, match="cannot be written"):
        await linked.write("web/deps/pkg/index.js", "x", expected=digest)
    with pytest.raises(ToolFailure, match="cannot be deleted"):
        await linked.delete("web/deps/pkg/index.js", expected=digest)

    assert (tmp_path / "checkout" / "web" / "deps" / "pkg" / "index.js").read_text() == "library\n"
    assert not (tmp_path / "worktree" / "web" / "deps").exists()


async def test_links_are_left_out_of_lists_and_searches(linked: LocalWorkspace) -> None:
    assert await linked.list() == ["web/app.js"]
    assert not (await linked.search("library")).hits
    with pytest.raises(ToolFailure, match="neither listed nor searched"):
        await linked.list("web/deps")
    with pytest.raises(ToolFailure, match="neither listed nor searched"):
        await linked.search("library", "web/deps/pkg")
