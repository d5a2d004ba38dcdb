from collections.abc import Callable
from pathlib import Path

import pytest

from equitr_coder.adapters.git.repository import GitRepository, open_repository
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import CommitId, RunId
from tests.adapters.git.stage import Checkout, FileJournal


@pytest.fixture
def plain(tmp_path: Path) -> Checkout:
    """A folder with files and no git."""
    made = Checkout(tmp_path / "plain folder")
    made.write("main.py", "print('hello')\n")
    made.write("deep/tool", "#!/bin/sh\n", executable=True)
    made.write(".gitignore", "*.log\n")
    made.write("debug.log", "ignored\n")
    return made


@pytest.fixture
def at(home: Path, journal: FileJournal) -> Callable[[Path], GitRepository]:
    return lambda root: GitRepository(root, home=home, store=journal)


async def test_a_plain_folder_becomes_a_repository_with_its_files(
    plain: Checkout, at: Callable[[Path], GitRepository]
) -> None:
    plain.write("node_modules/x/index.js", "x\n")
    plain.write(".env", "KEY=secret\n")

    state = await at(plain.root).ensure()

    assert (state.root, state.branch, state.has_commits, state.untracked) == (plain.root, "main", True, ())
    assert plain.git("log", "--format=%s|%an") == "Initial commit|Ada Lovelace"
    assert plain.listed("HEAD") == {".gitignore": "100644", "deep/tool": "100755", "main.py": "100644"}
    assert plain.status() == ""


async def test_a_folder_that_does_not_exist_is_made(tmp_path: Path, at: Callable[[Path], GitRepository]) -> None:
    root = tmp_path / "new" / "project"

    state = await at(root).ensure()

    assert state.has_commits
    assert Checkout(root).listed("HEAD") == {}


async def test_an_empty_repository_gets_an_empty_first_commit(
    make_checkout: Callable[[str], Checkout], at: Callable[[Path], GitRepository]
) -> None:
    empty = make_checkout("empty")

    state = await at(empty.root).ensure()

    assert state.head == empty.head
    assert empty.git("log", "--format=%s") == "Initial commit"


async def test_what_is_staged_and_what_is_not_goes_into_a_first_commit(
    make_checkout: Callable[[str], Checkout], at: Callable[[Path], GitRepository]
) -> None:
    fresh = make_checkout("fresh")
    fresh.write("staged.txt", "staged\n")
    fresh.git("add", "staged.txt")
    fresh.write("other.txt", "other\n")

    await at(fresh.root).ensure()

    assert set(fresh.listed("HEAD")) == {"other.txt", "staged.txt"}
    assert fresh.status() == ""


async def test_a_repository_with_commits_is_left_alone(checkout: Checkout, repository: GitRepository) -> None:
    checkout.write("src/app.py", "changed\n")
    head, status = checkout.head, checkout.status()

    state = await repository.ensure()

    assert (state.head, checkout.head, checkout.status()) == (head, head, status)


async def test_the_users_name_for_the_first_branch_is_kept(
    plain: Checkout, at: Callable[[Path], GitRepository], user: Path
) -> None:
    (user / ".gitconfig").write_text("[init]\ndefaultBranch = trunk\n")

    assert (await at(plain.root).ensure()).branch == "trunk"
    assert plain.git("log", "--format=%an <%ae>") == "EQUITR Coder <equitrcoder@localhost>"


async def test_the_first_branch_is_main_when_nothing_is_said(
    plain: Checkout, at: Callable[[Path], GitRepository], user: Path
) -> None:
    (user / ".gitconfig").write_text("")

    assert (await at(plain.root).ensure()).branch == "main"


async def test_the_home_folder_and_what_holds_it_never_become_a_repository(
    user: Path, at: Callable[[Path], GitRepository], home: Path, journal: FileJournal
) -> None:
    for root in (user, user.parent, Path("/")):
        with pytest.raises(UserError, match="is no project folder"):
            await at(root).ensure()
        opened = await open_repository(root, home=home, store=journal, shadow_ok=True)
        assert not (await opened.inspect()).is_repository
        with pytest.raises(UserError, match="is no project folder"):
            await opened.snapshot(root)

    assert not (user / ".git").exists()
    assert not (home / "git").exists()


async def test_repositories_inside_a_plain_folder_stay_out_of_it(
    plain: Checkout, at: Callable[[Path], GitRepository]
) -> None:
    inner = Checkout(plain.root / "inner")
    inner.root.mkdir()
    inner.git("init", "-q")
    inner.write("a.txt", "a\n")
    inner.commit()

    await at(plain.root).ensure()

    assert "inner" not in str(plain.listed("HEAD"))


# ---------------------------------------------------------------- the shadow


@pytest.fixture
async def shadow(plain: Checkout, home: Path, journal: FileJournal) -> GitRepository:
    return await open_repository(plain.root, home=home, store=journal, shadow_ok=True)


async def test_a_shadow_takes_and_gives_back_without_a_git_folder(plain: Checkout, shadow: GitRepository) -> None:
    plain.write("node_modules/x.js", "x\n")
    before = await shadow.snapshot(plain.root)
    files = plain.files()
    plain.write("main.py", "print('changed')\n")
    plain.write("new/file.txt", "x\n")
    plain.remove("deep/tool")
    after = await shadow.snapshot(plain.root)

    assert await shadow.changed(before, after) == {
        "deep/tool": "deleted",
        "main.py": "modified",
        "new/file.txt": "created",
    }
    assert "+print('changed')" in await shadow.diff(before, after)
    assert await shadow.list_tree(before) == [".gitignore", "deep/tool", "main.py"]
    assert await shadow.restore_files(after, before, plain.root) == []
    assert plain.files() == files
    assert (shadow.git_dir() / "HEAD").exists()
    assert not (plain.root / ".git").exists()


async def test_a_folder_with_a_shadow_is_still_a_plain_one(plain: Checkout, shadow: GitRepository) -> None:
    await shadow.snapshot(plain.root)

    state = await shadow.inspect()

    assert (state.is_repository, state.root) == (False, plain.root)
    assert await shadow.recover_landings() == ()


async def test_nothing_lands_on_a_shadow(plain: Checkout, shadow: GitRepository) -> None:
    with pytest.raises(UserError, match="is no git repository"):
        await shadow.land(RunId("run-1"), "main", CommitId("0"), CommitId("1"))
    with pytest.raises(UserError, match="is no git repository"):
        await shadow.add_worktree(plain.root.parent / "w", CommitId("0"))


async def test_a_shadow_gives_way_to_a_real_repository(plain: Checkout, shadow: GitRepository) -> None:
    tree = await shadow.snapshot(plain.root)

    state = await shadow.ensure()

    assert state.is_repository
    assert shadow.git_dir() == plain.root / ".git"
    assert await shadow.snapshot(plain.root) == tree == plain.tree


async def test_without_leave_for_a_shadow_a_plain_folder_is_refused(
    plain: Checkout, home: Path, journal: FileJournal
) -> None:
    with pytest.raises(UserError, match="is no git repository") as caught:
        await open_repository(plain.root, home=home, store=journal, shadow_ok=False)

    assert caught.value.hint == f"Make it one: git init '{plain.root}'"


async def test_a_repository_is_opened_as_it_is(checkout: Checkout, home: Path, journal: FileJournal) -> None:
    opened = await open_repository(checkout.root / "src", home=home, store=journal, shadow_ok=True)

    assert opened.git_dir() == checkout.root / ".git"
    assert not (home / "git").exists()
