import os
from collections.abc import Callable
from pathlib import Path

import pytest

from equitr_coder.adapters.git.intent import Journal
from equitr_coder.adapters.git.process import GitProcess
from equitr_coder.adapters.git.repository import GitRepository
from equitr_coder.domain.errors import UserError
from equitr_coder.ports import EventStore, Repository, RepoState
from tests.adapters.git.stage import Checkout, FileJournal


@pytest.fixture
def at(home: Path, journal: FileJournal) -> Callable[[Path], GitRepository]:
    return lambda root: GitRepository(root, home=home, store=journal)


def fits(repository: GitRepository, store: EventStore) -> tuple[Repository, Journal]:
    """Never called: for the type checker, the adapter is the port and the event store can be its journal."""
    return repository, store


async def test_a_clean_checkout(checkout: Checkout, repository: GitRepository) -> None:
    assert await repository.inspect() == RepoState(
        root=checkout.root,
        is_repository=True,
        has_commits=True,
        branch="main",
        head=checkout.head,
        dirty=(),
        untracked=(),
        has_identity=True,
    )
    assert repository.git_dir() == checkout.root / ".git"


async def test_what_is_uncommitted_is_named(checkout: Checkout, repository: GitRepository) -> None:
    checkout.write("src/app.py", "changed\n")
    checkout.write("staged file.txt", "x\n")
    checkout.git("add", "staged file.txt")
    checkout.git("mv", "README.md", "READ ME.md")
    checkout.write("new file.txt", "x\n")
    checkout.write("folder/inside.txt", "x\n")
    checkout.write("debug.log", "ignored\n")

    state = await repository.inspect()

    assert state.dirty == ("READ ME.md", "README.md", "src/app.py", "staged file.txt")
    assert state.untracked == ("folder/", "new file.txt")


async def test_a_folder_of_a_repository_is_seen_as_the_whole(
    checkout: Checkout, at: Callable[[Path], GitRepository]
) -> None:
    repository = at(checkout.root / "src")

    assert (await repository.inspect()).root == checkout.root
    assert await repository.snapshot(checkout.root / "src") == checkout.tree


async def test_a_plain_folder_and_one_that_does_not_exist(tmp_path: Path, at: Callable[[Path], GitRepository]) -> None:
    (tmp_path / "plain").mkdir()

    for root in (tmp_path / "plain", tmp_path / "missing"):
        state = await at(root).inspect()
        assert (state.root, state.is_repository, state.has_commits) == (root, False, False)
    with pytest.raises(UserError, match="no git repository"):
        await at(tmp_path / "plain").snapshot(tmp_path / "plain")


async def test_a_folder_the_repository_around_it_ignores_is_a_plain_one(
    checkout: Checkout, at: Callable[[Path], GitRepository]
) -> None:
    inside = checkout.root / "build" / "generated project"
    inside.mkdir(parents=True)
    repository = at(inside)

    assert not (await repository.inspect()).is_repository
    state = await repository.ensure()

    assert (state.root, state.has_commits) == (inside, True)
    assert checkout.status() == ""


async def test_no_commit_yet(make_checkout: Callable[[str], Checkout], at: Callable[[Path], GitRepository]) -> None:
    empty = make_checkout("empty")

    state = await at(empty.root).inspect()

    assert (state.is_repository, state.has_commits, state.branch, state.head) == (True, False, "main", None)


async def test_a_detached_head(checkout: Checkout, repository: GitRepository) -> None:
    checkout.git("switch", "-q", "--detach")

    state = await repository.inspect()

    assert (state.branch, state.head) == (None, checkout.head)


@pytest.mark.parametrize("config", ["", "[user]\nname = Only A Name\n", "[user]\nuseConfigOnly = false\n"])
async def test_no_identity(repository: GitRepository, user: Path, config: str) -> None:
    (user / ".gitconfig").write_text(config)

    assert not (await repository.inspect()).has_identity


async def test_an_identity_from_the_environment(
    checkout: Checkout, home: Path, journal: FileJournal, user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (user / ".gitconfig").write_text("")
    monkeypatch.setenv("GIT_COMMITTER_NAME", "Ada")
    monkeypatch.setenv("GIT_COMMITTER_EMAIL", "ada@example.org")

    assert (await GitRepository(checkout.root, home=home, store=journal).inspect()).has_identity


async def test_submodules_and_lfs_are_noticed(
    checkout: Checkout, repository: GitRepository, make_checkout: Callable[[str], Checkout]
) -> None:
    library = make_checkout("library")
    library.commit("lib")
    checkout.git("submodule", "add", "-q", str(library.root), "third party/lib")
    checkout.write(".gitattributes", "*.bin filter=lfs\n")
    checkout.commit("submodule")
    before = await repository.inspect()
    checkout.write("model.bin", "pointer\n")
    checkout.commit("model")
    library_there = Checkout(checkout.root / "third party/lib")
    library_there.write("untracked", "x\n")

    state = await repository.inspect()

    assert not before.uses_lfs
    assert (state.submodules, state.uses_lfs, state.dirty) == (("third party/lib",), True, ())


async def test_a_bare_repository_is_named_as_such(tmp_path: Path, at: Callable[[Path], GitRepository]) -> None:
    bare = Checkout(tmp_path / "bare.git")
    bare.root.mkdir()
    bare.git("init", "-q", "--bare")

    state = await at(bare.root).inspect()

    assert (state.is_repository, state.is_bare) == (True, True)
    with pytest.raises(UserError, match="bare repository"):
        await at(bare.root).ensure()


async def test_an_unfinished_merge_and_rebase_are_named(checkout: Checkout, repository: GitRepository) -> None:
    checkout.git("switch", "-q", "-c", "theirs")
    checkout.write("src/app.py", "theirs\n")
    checkout.commit("theirs")
    checkout.git("switch", "-q", "main")
    checkout.write("src/app.py", "ours\n")
    checkout.commit("ours")
    checkout.git("merge", "theirs", check=False)
    merging = await repository.inspect()
    checkout.git("merge", "--abort")
    checkout.git("rebase", "theirs", check=False)
    rebasing = await repository.inspect()

    assert (merging.in_progress, merging.dirty) == ("merge", ("src/app.py",))
    assert rebasing.in_progress == "rebase"


def head_removed(checkout: Checkout) -> None:
    checkout.remove(".git/HEAD")


def emptied(checkout: Checkout) -> None:
    (checkout.root / ".git").rename(checkout.root.parent / "away")
    (checkout.root / ".git").mkdir()


def led_nowhere(checkout: Checkout) -> None:
    emptied(checkout)
    (checkout.root / ".git").rmdir()
    checkout.write(".git", "gitdir: /nowhere\n")


def commit_lost(checkout: Checkout) -> None:
    (checkout.root / f".git/objects/{checkout.head[:2]}/{checkout.head[2:]}").unlink()


def index_broken(checkout: Checkout) -> None:
    checkout.write(".git/index", "nonsense")


def config_broken(checkout: Checkout) -> None:
    checkout.write(".git/config", "[core\n")


def from_the_future(checkout: Checkout) -> None:
    checkout.git("config", "core.repositoryFormatVersion", "99")


@pytest.mark.parametrize(
    "spoil", [head_removed, emptied, led_nowhere, commit_lost, index_broken, config_broken, from_the_future]
)
async def test_a_broken_repository_stops_in_two_lines(
    checkout: Checkout, repository: GitRepository, spoil: Callable[[Checkout], None]
) -> None:
    spoil(checkout)

    with pytest.raises(UserError, match="git cannot read the repository") as caught:
        await repository.inspect()

    assert "\n" not in str(caught.value)
    assert caught.value.hint == f"Run: git -C '{checkout.root}' fsck"


async def test_a_repository_of_another_user_is_named_with_the_command_that_trusts_it(
    checkout: Checkout, repository: GitRepository
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(checkout.root, 12345, 12345)
    os.chown(checkout.root / ".git", 12345, 12345)

    with pytest.raises(UserError, match="belongs to another user") as caught:
        await repository.inspect()

    assert caught.value.hint.endswith(f"git config --global --add safe.directory '{checkout.root}'")


async def test_looking_changes_nothing(checkout: Checkout, repository: GitRepository) -> None:
    (checkout.root / "src/app.py").touch()
    before = {path: path.stat().st_mtime_ns for path in (checkout.root / ".git").rglob("*")}

    await repository.inspect()
    await repository.status_text(checkout.root)

    assert {path: path.stat().st_mtime_ns for path in (checkout.root / ".git").rglob("*")} == before


async def test_the_state_in_words(checkout: Checkout, repository: GitRepository) -> None:
    checkout.write("src/app.py", "changed\n")
    checkout.write("new file.txt", "x\n")

    assert await repository.status_text(checkout.root) == '## main\n M src/app.py\n?? "new file.txt"\n'


async def test_an_old_git_is_refused(checkout: Checkout, home: Path, journal: FileJournal, tmp_path: Path) -> None:
    old = Checkout(tmp_path / "bin").write("git", "#!/bin/sh\necho git version 2.30.2\n", executable=True)
    process = GitProcess({**os.environ, "PATH": f"{old.parent}:{os.environ['PATH']}"})

    with pytest.raises(UserError, match=r"git version 2.30.2 is too old"):
        await GitRepository(checkout.root, home=home, store=journal, git=process).inspect()
