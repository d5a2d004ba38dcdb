import asyncio
import os
import shutil
from pathlib import Path

import pytest

from equitr_coder.adapters.git.repository import GitRepository
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import CommitId, TreeId
from tests.adapters.git.stage import Checkout, FileJournal


@pytest.fixture
def path(home: Path) -> Path:
    return home / "worktrees" / "a run" / "T1 ♥"


@pytest.fixture
def later(checkout: Checkout) -> CommitId:
    old = checkout.head
    checkout.git("switch", "-q", "-c", "later")
    checkout.write("src/app.py", "print('later')\n")
    checkout.write("added.txt", "added\n")
    later = checkout.commit("later")
    checkout.git("switch", "-q", "main")
    assert checkout.head == old
    return later


async def test_a_worktree_holds_the_commit_with_a_detached_head(
    checkout: Checkout, repository: GitRepository, path: Path
) -> None:
    checkout.write("untracked.txt", "not in it\n")

    await repository.add_worktree(path, checkout.head)

    worktree = Checkout(path)
    assert worktree.git("rev-parse", "HEAD", "--symbolic-full-name", "HEAD") == f"{checkout.head}\nHEAD"
    assert worktree.status() == ""
    assert set(worktree.files()) == {".gitignore", "README.md", "run.sh", "src/app.py"}
    assert checkout.status() == "?? untracked.txt"


async def test_an_existing_worktree_is_reset_to_exactly_the_commit(
    repository: GitRepository, checkout: Checkout, path: Path, later: CommitId
) -> None:
    await repository.add_worktree(path, checkout.head)
    worktree = Checkout(path)
    worktree.write("src/app.py", "spoiled\n")
    worktree.write("stray/file.txt", "stray\n")
    worktree.write("build/cached.o", "ignored\n")
    worktree.remove("README.md")
    worktree.git("add", "-A")

    await repository.add_worktree(path, later)

    assert worktree.status() == ""
    assert worktree.head == later
    assert set(worktree.files()) == {".gitignore", "README.md", "added.txt", "run.sh", "src/app.py"}


def vanish(checkout: Checkout, path: Path) -> None:
    shutil.rmtree(path)


def vanish_locked(checkout: Checkout, path: Path) -> None:
    checkout.git("worktree", "lock", "--reason", "mine", str(path))
    shutil.rmtree(path)


def replace_by_file(checkout: Checkout, path: Path) -> None:
    shutil.rmtree(path)
    path.write_text("a file now")


def replace_by_link(checkout: Checkout, path: Path) -> None:
    shutil.rmtree(path)
    target = checkout.root / "precious"
    target.mkdir()
    (target / "file").write_text("precious")
    path.symlink_to(target)


def forget_registration(checkout: Checkout, path: Path) -> None:
    shutil.rmtree(checkout.root / ".git/worktrees")


def rewrite_git_file(checkout: Checkout, path: Path) -> None:
    (path / ".git").write_text("gitdir: /nowhere\n")


def git_file_to_folder(checkout: Checkout, path: Path) -> None:
    (path / ".git").unlink()
    Checkout(path).git("init", "-q")


def leave_locks(checkout: Checkout, path: Path) -> None:
    (inside,) = (checkout.root / ".git/worktrees").iterdir()
    (inside / "index.lock").write_text("")
    (inside / "HEAD.lock").write_text("")


def damage_index(checkout: Checkout, path: Path) -> None:
    (inside,) = (checkout.root / ".git/worktrees").iterdir()
    (inside / "index").write_text("nonsense")


def damage_head(checkout: Checkout, path: Path) -> None:
    (inside,) = (checkout.root / ".git/worktrees").iterdir()
    (inside / "HEAD").write_text("nonsense")


def start_merge(checkout: Checkout, path: Path) -> None:
    worktree = Checkout(path)
    worktree.write("src/app.py", "conflict\n")
    worktree.commit("conflict")
    worktree.git("merge", "later", check=False)
    assert "UU" in worktree.status()


def switch_branch(checkout: Checkout, path: Path) -> None:
    Checkout(path).git("switch", "-q", "-c", "escape")


def close_folder(checkout: Checkout, path: Path) -> None:
    (path / "src").chmod(0)


@pytest.mark.parametrize(
    "spoil",
    [
        vanish, vanish_locked, replace_by_file, replace_by_link, forget_registration, rewrite_git_file,
        git_file_to_folder, leave_locks, damage_index, damage_head, start_merge, switch_branch, close_folder,
    ],
)  # fmt: skip
async def test_whatever_happened_to_a_worktree_it_is_made_good(
    checkout: Checkout, repository: GitRepository, path: Path, later: CommitId, spoil: object
) -> None:
    await repository.add_worktree(path, checkout.head)
    await repository.snapshot(path)
    assert callable(spoil)
    spoil(checkout, path)

    await repository.add_worktree(path, later)

    worktree = Checkout(path)
    assert not path.is_symlink()
    assert worktree.git("rev-parse", "HEAD", "--symbolic-full-name", "HEAD") == f"{later}\nHEAD"
    assert worktree.status() == ""
    assert worktree.files().keys() == {".gitignore", "README.md", "added.txt", "run.sh", "src/app.py"}
    assert await repository.snapshot(path) == checkout.git("rev-parse", f"{later}^{{tree}}")
    assert checkout.git("worktree", "list").count("\n") == 1
    assert not (checkout.root / "precious").exists() or (checkout.root / "precious/file").exists()


def move_home(checkout: Checkout, path: Path) -> None:
    """As when the home folder has another name: git has the worktree where it stood before."""
    (inside,) = (checkout.root / ".git/worktrees").iterdir()
    (inside / "gitdir").write_text(f"{path.parent / 'before' / path.name / '.git'}\n")


def lose_mark(checkout: Checkout, path: Path) -> None:
    (inside,) = (checkout.root / ".git/worktrees").iterdir()
    (inside / "equitrcoder").unlink()


def lose_head(checkout: Checkout, path: Path) -> None:
    (inside,) = (checkout.root / ".git/worktrees").iterdir()
    (inside / "HEAD").unlink()


@pytest.mark.parametrize(
    ("happen", "keeps_head"),
    [
        (leave_locks, True), (rewrite_git_file, True), (move_home, True), (lose_mark, True),
        (forget_registration, False), (lose_head, False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["T1", "T1 ♥"], ids=["written by us", "registered by git"])
async def test_a_worktree_is_taken_up_with_its_files_whatever_git_remembers_of_it(
    checkout: Checkout,
    repository: GitRepository,
    home: Path,
    later: CommitId,
    happen: object,
    keeps_head: bool,
    name: str,
) -> None:
    path = home / "worktrees" / "a run" / name
    await repository.add_worktree(path, checkout.head)
    worktree = Checkout(path)
    worktree.write("build/cached.o", "ignored\n")
    worktree.write("mine.txt", "untracked\n")
    worktree.remove("README.md")
    assert callable(happen)
    happen(checkout, path)
    before = worktree.files()

    assert await repository.take_up_worktree(path, later)

    assert worktree.files() == before
    assert checkout.git("worktree", "list", "--porcelain").count("worktree ") == 2
    assert [found.name for found in path.parent.iterdir()] == [name]
    assert (worktree.head == later) == (not keeps_head)
    assert worktree.git("rev-parse", "--symbolic-full-name", "HEAD") == "HEAD"
    assert " D README.md" in worktree.status()
    tree = checkout.git("rev-parse", f"{later}^{{tree}}")
    await repository.restore(path, TreeId(tree))
    assert await repository.snapshot(path) == tree
    assert (path / "build/cached.o").read_text() == "ignored\n"
    assert await repository.take_up_worktree(path, checkout.head)
    await repository.remove_worktree(path)
    assert not (checkout.root / ".git/worktrees").exists()


async def test_nothing_is_taken_up_where_nothing_stands(
    checkout: Checkout, repository: GitRepository, path: Path, tmp_path: Path
) -> None:
    assert not await repository.take_up_worktree(path, checkout.head)
    await repository.add_worktree(path, checkout.head)
    replace_by_link(checkout, path)
    assert not await repository.take_up_worktree(path, checkout.head)
    assert (checkout.root / "precious/file").read_text() == "precious"
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "file").write_text("theirs")
    with pytest.raises(UserError, match="no worktree of ours"):
        await repository.take_up_worktree(theirs, checkout.head)


async def test_a_worktree_that_was_moved_with_the_home_folder_is_renamed_and_removed_as_any_other(
    checkout: Checkout, repository: GitRepository, home: Path
) -> None:
    old, new = home / "worktrees" / "run" / "T1", home / "worktrees" / "pool" / "tree"
    await repository.add_worktree(old, checkout.head)
    move_home(checkout, old)

    assert await repository.move_worktree(old, new)
    assert checkout.git("worktree", "list", "--porcelain").count(f"worktree {new}\n") == 1
    move_home(checkout, new)
    await repository.add_worktree(new, checkout.head)
    assert Checkout(new).status() == ""
    move_home(checkout, new)
    await repository.remove_worktree(new)
    assert not (checkout.root / ".git/worktrees").exists()


async def test_a_removed_worktree_leaves_no_trace(
    checkout: Checkout, repository: GitRepository, path: Path, home: Path
) -> None:
    await repository.add_worktree(path, checkout.head)
    Checkout(path).write("stray/deep.txt", "x\n")
    (path / "stray").chmod(0o500)
    await repository.snapshot(path)

    await repository.remove_worktree(path)
    await repository.remove_worktree(path)

    assert not path.exists()
    assert checkout.git("worktree", "list", "--porcelain").count("worktree ") == 1
    assert not (checkout.root / ".git/worktrees").exists()
    assert not list((home / "git").glob("*/index"))


async def test_removing_a_worktree_follows_no_link_out_of_it(
    checkout: Checkout, repository: GitRepository, path: Path, tmp_path: Path
) -> None:
    precious = Checkout(tmp_path / "precious")
    precious.write("file", "precious\n")
    await repository.add_worktree(path, checkout.head)
    (path / "link").symlink_to(precious.root)

    await repository.remove_worktree(path)

    assert precious.files() == {"file": "  precious\n"}


async def test_many_worktrees_are_added_and_removed_at_the_same_time(
    checkout: Checkout, home: Path, journal: FileJournal, later: CommitId
) -> None:
    one, two = (GitRepository(checkout.root, home=home, store=journal) for _ in range(2))
    paths = [home / "worktrees" / str(number) / "task" for number in range(6)]

    await asyncio.gather(*((one, two)[number % 2].add_worktree(path, later) for number, path in enumerate(paths)))

    assert {Checkout(path).head for path in paths} == {later}
    assert [Checkout(path).status() for path in paths] == [""] * 6
    await asyncio.gather(*(one.remove_worktree(path) for path in paths))
    assert checkout.git("worktree", "list").count("\n") == 0


async def test_a_folder_that_is_not_ours_is_never_cleared(
    checkout: Checkout, repository: GitRepository, tmp_path: Path
) -> None:
    mine = Checkout(tmp_path / "mine")
    mine.write("file", "mine\n")
    checkout.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))

    for path in (mine.root, tmp_path / "side"):
        with pytest.raises(UserError, match="no worktree of ours"):
            await repository.add_worktree(path, checkout.head)
        with pytest.raises(UserError, match="no worktree of ours"):
            await repository.remove_worktree(path)
    with pytest.raises(UserError, match="the repository itself"):
        await repository.remove_worktree(checkout.root)

    assert mine.files() == {"file": "  mine\n"}
    assert Checkout(tmp_path / "side").status() == ""


async def test_lfs_files_stay_pointers_when_only_the_repository_configures_the_filter(
    checkout: Checkout, repository: GitRepository, path: Path
) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"
    checkout.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")
    checkout.write("model.bin", pointer)
    commit = checkout.commit("lfs")
    for part in ("clean", "smudge", "process"):
        checkout.git("config", f"filter.lfs.{part}", "false")
    checkout.git("config", "filter.lfs.required", "true")

    await repository.add_worktree(path, commit)
    Checkout(path).write("other.txt", "x\n")
    os.utime(path / "model.bin")
    tree = await repository.snapshot(path)

    assert (path / "model.bin").read_text() == pointer
    assert await repository.show_file(tree, "model.bin") == pointer.encode()
    assert (await repository.inspect()).uses_lfs


async def test_a_filter_the_user_installed_for_herself_does_its_work(
    checkout: Checkout, repository: GitRepository, path: Path, user: Path
) -> None:
    with (user / ".gitconfig").open("a") as writing:
        writing.write('[filter "upper"]\nclean = tr A-Z a-z\nsmudge = tr a-z A-Z\n')
    checkout.write(".gitattributes", "*.up filter=upper\n")
    checkout.write("a.up", "LOUD\n")
    commit = checkout.commit("filtered")

    await repository.add_worktree(path, commit)
    Checkout(path).write("b.up", "NEW\n")
    tree = await repository.snapshot(path)

    assert (path / "a.up").read_text() == "LOUD\n"
    assert await repository.show_file(tree, "b.up") == b"new\n"


async def test_a_snapshot_of_a_worktree_that_is_gone_says_so(repository: GitRepository, home: Path) -> None:
    with pytest.raises(UserError, match="is no checkout of"):
        await repository.snapshot(home / "worktrees" / "never")


async def test_a_worktree_whose_maker_died_before_it_was_marked_is_ours_when_it_is_taken_up(
    checkout: Checkout, repository: GitRepository, home: Path
) -> None:
    path = home / "worktrees" / "T1"
    path.parent.mkdir(parents=True)
    checkout.git("worktree", "add", "--detach", "--no-checkout", "--quiet", str(path), checkout.head)

    await repository.add_worktree(path, checkout.head)

    Checkout(path).write("src/app.py", "print('two')\n")
    await repository.restore(path, await repository.tree_of(checkout.head))
    assert Checkout(path).files()["src/app.py"] == "  print('one')\n"


async def use_roughly(path: Path) -> None:
    """What an agent may leave in its worktree."""
    worktree = Checkout(path)
    worktree.write("stray/deep/file.txt", "untracked\n")
    worktree.write("build/cached.o", "ignored\n")
    worktree.write("note.log", "ignored\n")
    worktree.write("README.md", "# Altered\n")
    worktree.remove("run.sh")
    (path / "src/app.py").chmod(0o600)
    worktree.write("inner/file", "a repository of its own\n")
    Checkout(path / "inner").git("init", "-q")
    Checkout(path / "inner").commit("inner")
    worktree.link("beyond", "/etc")
    worktree.write("closed/file", "in a folder that cannot be written\n")
    worktree.write("build/closed/file", "in an ignored one\n")
    for folder in ("closed", "build/closed", "stray"):
        (path / folder).chmod(0o500)
    (path / "src").chmod(0o777)


async def test_nothing_of_an_earlier_use_stays_in_a_worktree_that_was_moved(
    checkout: Checkout, repository: GitRepository, home: Path, later: CommitId
) -> None:
    old, waiting, new = (home / "worktrees" / name for name in ("run-1/T1", "pool/tree-1", "run-2/T9"))
    await repository.add_worktree(old, checkout.head)
    await repository.snapshot(old)
    await use_roughly(old)
    await repository.snapshot(old)

    assert await repository.move_worktree(old, waiting)
    assert await repository.move_worktree(waiting, new)
    await repository.add_worktree(new, later)

    worktree, fresh = Checkout(new), home / "worktrees" / "run-2" / "T10"
    await repository.add_worktree(fresh, later)
    assert worktree.git("rev-parse", "HEAD", "--symbolic-full-name", "HEAD") == f"{later}\nHEAD"
    assert worktree.status() == ""
    assert worktree.git("status", "--porcelain", "--ignored") == ""
    assert modes(new) == modes(fresh)
    assert worktree.files() == Checkout(fresh).files()
    assert await repository.snapshot(new) == checkout.git("rev-parse", f"{later}^{{tree}}")
    assert not old.exists()
    assert not waiting.exists()
    assert checkout.git("worktree", "list").count("\n") == 2
    assert "prunable" not in checkout.git("worktree", "list", "--porcelain")


def modes(root: Path) -> dict[str, int]:
    return {path.relative_to(root).as_posix(): path.lstat().st_mode for path in (root, *root.rglob("*"))}


async def test_a_snapshot_after_a_reset_sees_what_was_changed_since_by_files_and_by_the_index(
    checkout: Checkout, repository: GitRepository, path: Path
) -> None:
    await repository.add_worktree(path, checkout.head)
    first = await repository.snapshot(path)
    Checkout(path).write("staged.txt", "staged\n")
    Checkout(path).git("add", "-A")
    staged = await repository.snapshot(path)
    Checkout(path).write("src/app.py", "print('two')\n")
    altered = await repository.snapshot(path)
    await repository.add_worktree(path, checkout.head)

    assert first == await repository.tree_of(checkout.head)
    assert await repository.list_tree(staged) == [".gitignore", "README.md", "run.sh", "src/app.py", "staged.txt"]
    assert await repository.show_file(altered, "src/app.py") == b"print('two')\n"
    assert await repository.snapshot(path) == first


async def test_files_in_the_folder_of_a_submodule_do_not_stay(
    checkout: Checkout, repository: GitRepository, path: Path, tmp_path: Path
) -> None:
    library = Checkout(tmp_path / "library")
    library.root.mkdir()
    library.git("init", "-q")
    library.write("lib.py", "x = 1\n")
    library.commit("library")
    checkout.git("submodule", "--quiet", "add", str(library.root), "vendor/library")
    commit = checkout.commit("with a submodule")
    await repository.add_worktree(path, commit)
    folder = Checkout(path / "vendor/library")
    folder.write("planted.py", "planted\n")
    folder.git("init", "-q")

    await repository.add_worktree(path, commit)

    assert list(folder.root.iterdir()) == []
    assert Checkout(path).status() == ""


async def test_what_is_no_worktree_of_ours_is_not_moved_and_nothing_is_moved_onto_another(
    checkout: Checkout, repository: GitRepository, home: Path, tmp_path: Path
) -> None:
    mine, other, foreign = home / "worktrees" / "a", home / "worktrees" / "b", tmp_path / "side"
    await repository.add_worktree(mine, checkout.head)
    await repository.add_worktree(other, checkout.head)
    checkout.git("worktree", "add", "-q", "--detach", str(foreign))

    assert not await repository.move_worktree(mine, other)
    assert not await repository.move_worktree(foreign, home / "worktrees" / "c")
    assert not await repository.move_worktree(home / "worktrees" / "none", home / "worktrees" / "c")

    assert {Checkout(path).status() for path in (mine, other, foreign)} == {""}


async def test_a_worktree_is_moved_to_one_place_only_however_many_ask(
    checkout: Checkout, home: Path, journal: FileJournal
) -> None:
    asking = [GitRepository(checkout.root, home=home, store=journal) for _ in range(4)]
    waiting = home / "worktrees" / "pool" / "tree"
    await asking[0].add_worktree(waiting, checkout.head)

    moved = await asyncio.gather(
        *(one.move_worktree(waiting, home / "worktrees" / f"run-{number}") for number, one in enumerate(asking))
    )

    assert sorted(moved) == [False, False, False, True]
    assert Checkout(home / "worktrees" / f"run-{moved.index(True)}").status() == ""


@pytest.mark.parametrize("was_renamed", [False, True])
async def test_a_move_that_was_cut_off_is_made_good_at_either_place(
    checkout: Checkout, repository: GitRepository, home: Path, was_renamed: bool
) -> None:
    old, new = home / "worktrees" / "pool" / "tree", home / "worktrees" / "run" / "T1"
    await repository.add_worktree(old, checkout.head)
    new.parent.mkdir()
    (inside,) = (checkout.root / ".git/worktrees").iterdir()
    (inside / "gitdir").write_text(f"{new / '.git'}\n")
    if was_renamed:
        old.rename(new)

    await repository.remove_worktree(old)
    await repository.add_worktree(new, checkout.head)

    assert Checkout(new).status() == ""
    assert not old.exists()
    assert checkout.git("worktree", "list").count("\n") == 1
    assert "prunable" not in checkout.git("worktree", "list", "--porcelain")


async def test_the_users_own_pruning_and_gc_leave_a_worktree_of_ours_alone(
    checkout: Checkout, repository: GitRepository, home: Path
) -> None:
    old, new = home / "worktrees" / "pool" / "tree", home / "worktrees" / "run" / "T1"
    await repository.add_worktree(old, checkout.head)
    await repository.move_worktree(old, new)

    checkout.git("worktree", "prune", "--expire", "now")
    checkout.git("gc", "-q", "--prune=now")

    assert Checkout(new).status() == ""
    assert checkout.git("worktree", "list").count("\n") == 1


async def test_git_is_measured_for_whoever_asks_for_it(checkout: Checkout, repository: GitRepository) -> None:
    async def snapshots(count: int) -> int:
        with repository.measured() as git:
            for number in range(count):
                checkout.write(f"file{number}.txt", f"{number}\n")
                await repository.snapshot(checkout.root)
        return git.commands

    await repository.inspect()
    one, three = await asyncio.gather(snapshots(1), snapshots(3))

    assert 0 < one < three
    assert await snapshots(0) == 0


async def test_git_forgets_worktrees_of_ours_that_somebody_has_deleted_and_no_others(
    checkout: Checkout, repository: GitRepository, home: Path, tmp_path: Path
) -> None:
    folder = home / "worktrees" / "run-1"
    for name in ("gone", "stands"):
        await repository.add_worktree(folder / name, checkout.head)
    await repository.add_worktree(home / "worktrees" / "run-2" / "elsewhere", checkout.head)
    checkout.git("worktree", "add", "-q", "--detach", str(folder / "hers"), "HEAD")
    for place in (folder / "gone", folder / "hers", folder.parent / "run-2" / "elsewhere"):
        shutil.rmtree(place)

    await repository.forget_worktrees(folder)

    listed = checkout.git("worktree", "list", "--porcelain")
    left = {Path(line.removeprefix("worktree ")).name for line in listed.splitlines() if line.startswith("worktree ")}
    assert left == {checkout.root.name, "stands", "hers", "elsewhere"}
    await repository.add_worktree(folder / "gone", checkout.head)
    assert Checkout(folder / "gone").status() == ""
