"""What is known of a checkout without asking git is what git would say."""

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from equitr_coder.adapters.git.known_files import KnownFiles
from equitr_coder.adapters.git.meter import measured
from equitr_coder.adapters.git.repository import GitRepository
from equitr_coder.domain.ids import CommitId, TreeId
from tests.adapters.git.stage import Checkout, FileJournal

_PATHS = st.sampled_from(
    [
        "README.md",
        "src/app.py",
        "src/new.py",
        "new/deep/file",
        "kept.log",
        ".gitignore",
        "src/.gitattributes",
        "\xfc~ b",
    ]
)
_CONTENTS = st.sampled_from(["one\n", "two\n", "*.log\n", "crlf\r\n", "*.py eol=crlf\n"])
_SETTINGS = st.sampled_from(
    [(), (), ("core.autocrlf", "input"), ("core.fileMode", "false"), ("core.symlinks", "false")]
)


def _write(where: Path, path: str, content: str) -> None:
    """The old time and the old size where that is possible: only the content tells."""
    target = where / path
    if target.is_dir() or not _may_be(target.parent, where):
        return
    before = target.stat() if target.is_file() else None
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content)
    if before is not None:
        os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))


def _may_be(folder: Path, where: Path) -> bool:
    return all(
        parent.is_dir() or not os.path.lexists(parent) for parent in (folder, *folder.parents) if parent != where
    )


def _remove(where: Path, path: str, _content: str) -> None:
    if (where / path).is_file():
        (where / path).unlink()


def _make_executable(where: Path, path: str, _content: str) -> None:
    if (where / path).is_file():
        (where / path).chmod(0o755)


def _make_folder(where: Path, path: str, _content: str) -> None:
    if _may_be((where / path).parent, where):
        (where / f"{path}.d" / "empty").mkdir(parents=True, exist_ok=True)


def _close_folder(where: Path, path: str, _content: str) -> None:
    if (where / path).parent != where and (where / path).parent.is_dir():
        (where / path).parent.chmod(0o700)


def _link(where: Path, path: str, content: str) -> None:
    if not (where / path).exists() and _may_be((where / path).parent, where):
        (where / path).parent.mkdir(parents=True, exist_ok=True)
        (where / path).unlink(missing_ok=True)
        (where / path).symlink_to(content.strip())


def _put_in_place_of_its_folder(where: Path, path: str, content: str) -> None:
    folder = (where / path).parent
    if folder != where and folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)
        folder.write_text(content)


_ACTS = st.tuples(
    st.sampled_from(
        [_write, _write, _remove, _make_executable, _make_folder, _close_folder, _link, _put_in_place_of_its_folder]
    ),
    _PATHS,
    _CONTENTS,
)
_ROUNDS = st.lists(st.lists(_ACTS, max_size=3), min_size=1, max_size=5)
_SLOWLY = settings(
    max_examples=10,
    deadline=None,
    phases=(Phase.reuse, Phase.generate),  # every example is a hundred commands: shrinking takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
async def commits(checkout: Checkout) -> list[CommitId]:
    """Of the same few files, in different states."""
    found = [checkout.head]
    checkout.write("src/new.py", "new\n")
    checkout.write("README.md", "# Other\n", executable=True)
    found.append(checkout.commit())
    checkout.remove("src/new.py")
    checkout.remove("src/app.py")
    shutil.rmtree(checkout.root / "src", ignore_errors=True)
    checkout.write("src", "a file\n")
    found.append(checkout.commit())
    return found


@_SLOWLY
@given(rounds=_ROUNDS, setting=_SETTINGS)
async def test_a_snapshot_is_what_a_repository_that_knows_nothing_takes(
    checkout: Checkout,
    commits: list[CommitId],
    tmp_path_factory: pytest.TempPathFactory,
    rounds: list[list[tuple[Callable[[Path, str, str], None], str, str]]],
    setting: tuple[str, ...],
) -> None:
    home = tmp_path_factory.mktemp("home")
    for name in ("core.autocrlf", "core.fileMode", "core.symlinks"):
        checkout.git("config", "--unset", name, check=False)
    if setting:
        checkout.git("config", *setting)
    repository = GitRepository(checkout.root, home=home, store=FileJournal(home / "journal"))
    place = home / "worktrees" / "one"
    await repository.add_worktree(place, commits[0])
    for acts in rounds:
        for act, path, content in acts:
            act(place, path, content)

        known = await repository.snapshot(place)

        fresh = GitRepository(checkout.root, home=home / "other", store=FileJournal(home / "journal"))
        assert known == await fresh.snapshot(place)
        fresh.close()
    repository.close()


@_SLOWLY
@given(rounds=_ROUNDS, order=st.lists(st.integers(0, 2), min_size=5, max_size=5))
async def test_a_worktree_that_is_used_again_is_as_a_new_one(
    checkout: Checkout,
    commits: list[CommitId],
    tmp_path_factory: pytest.TempPathFactory,
    rounds: list[list[tuple[Callable[[Path, str, str], None], str, str]]],
    order: list[int],
) -> None:
    home = tmp_path_factory.mktemp("home")
    repository = GitRepository(checkout.root, home=home, store=FileJournal(home / "journal"))
    new, used = home / "worktrees" / "new", home / "worktrees" / "used"
    for number, acts in zip(order, rounds, strict=False):
        await repository.add_worktree(used, commits[number])
        await repository.add_worktree(new, commits[number])

        assert Checkout(used).files() == Checkout(new).files()
        assert _folders(used) == _folders(new)
        assert Checkout(used).git("status", "--porcelain", "--ignored") == ""
        assert await repository.snapshot(used) == await repository.tree_of(commits[number])
        for act, path, content in acts:
            act(used, path, content)
        await repository.snapshot(used)
        await repository.remove_worktree(new)
    repository.close()


def _folders(root: Path) -> dict[str, int]:
    return {
        str(Path(where).relative_to(root)): Path(where).stat().st_mode
        for where, _, _ in os.walk(root)
        if ".git" not in where
    }


async def test_the_next_use_of_a_worktree_that_nobody_touched_starts_no_git(
    repository: GitRepository, commits: list[CommitId], home: Path
) -> None:
    place = home / "worktrees" / "one"
    await repository.add_worktree(place, commits[1])
    assert await repository.snapshot(place) == await repository.tree_of(commits[1])

    with measured() as seen:
        await repository.add_worktree(place, commits[1])
        assert await repository.snapshot(place) == await repository.tree_of(commits[1])

    assert seen.commands == 0


async def test_a_few_files_that_are_written_are_a_tree_without_a_git_for_it(
    repository: GitRepository, commits: list[CommitId], home: Path
) -> None:
    place = home / "worktrees" / "one"
    await repository.add_worktree(place, commits[0])
    await repository.snapshot(place)  # the first one reads which files the commit has
    (place / "new.txt").write_text("1\n")
    with measured() as seen:
        await repository.snapshot(place)
    assert seen.commands == 1, "whether the new file is ignored"
    (place / "new.txt").unlink()
    (place / "src" / "app.py").write_text("two\n")

    with measured() as seen:
        tree = await repository.snapshot(place)

    assert seen.commands == 0
    assert await repository.changed(commits[0], tree) == {"src/app.py": "modified"}


async def test_a_file_that_went_and_came_back_as_an_ignored_one_is_no_part_of_the_tree(
    repository: GitRepository, commits: list[CommitId], home: Path
) -> None:
    place = home / "worktrees" / "one"
    await repository.add_worktree(place, commits[0])
    (place / "own.tmp").write_text("1\n")
    (place / ".gitattributes").write_text("*.crlf text\n")  # git must look, by its index
    assert set(await repository.changed(commits[0], await repository.snapshot(place))) == {".gitattributes", "own.tmp"}
    (place / ".gitattributes").unlink()
    await repository.snapshot(place)
    (place / "own.tmp").unlink()
    assert await repository.changed(commits[0], await repository.snapshot(place)) == {}
    (place / "own.tmp").write_text("1\n")
    with (place / ".gitignore").open("a") as rules:
        rules.write("*.tmp\n")

    tree = await repository.snapshot(place)

    assert await repository.changed(commits[0], tree) == {".gitignore": "modified"}


async def test_what_is_not_ignored_any_more_is_taken(
    checkout: Checkout, repository: GitRepository, commits: list[CommitId], home: Path
) -> None:
    exclude = checkout.root / ".git" / "info" / "exclude"
    exclude.parent.mkdir(exist_ok=True)
    exclude.write_text("seen.txt\n")
    place = home / "worktrees" / "one"
    await repository.add_worktree(place, commits[0])
    (place / "seen.txt").write_text("x\n")
    assert await repository.changed(commits[0], await repository.snapshot(place)) == {}

    exclude.write_text("")

    assert await repository.changed(commits[0], await repository.snapshot(place)) == {"seen.txt": "created"}


@pytest.mark.parametrize("attributes", ["* text eol=crlf\n", "*.py text\n"])
async def test_files_that_git_converts_are_left_to_it(
    checkout: Checkout, repository: GitRepository, home: Path, attributes: str
) -> None:
    checkout.write(".gitattributes", attributes)
    checkout.write("src/app.py", "one\ntwo\n")
    first = checkout.commit()
    checkout.write("src/app.py", "one\nthree\n")
    second = checkout.commit()
    place = home / "worktrees" / "one"

    for commit in (first, second, first, second):
        await repository.add_worktree(place, commit)

        assert await repository.snapshot(place) == await repository.tree_of(commit)
        assert Checkout(place).git("status", "--porcelain") == ""


async def test_a_tree_that_is_gone_is_not_said_to_be_there(
    checkout: Checkout, repository: GitRepository, commits: list[CommitId], home: Path
) -> None:
    place = home / "worktrees" / "one"
    await repository.add_worktree(place, commits[0])
    (place / "own.txt").write_text("x\n")
    tree = await repository.snapshot(place)
    checkout.git("gc", "-q", "--prune=now")
    assert checkout.git("cat-file", "-t", tree, check=False) == ""

    again = await repository.snapshot(place)

    assert again == tree
    assert checkout.git("cat-file", "-t", again) == "tree"


async def test_a_tree_that_is_gone_from_memory_too_is_taken_anew(
    checkout: Checkout,
    repository: GitRepository,
    commits: list[CommitId],
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("equitr_coder.adapters.git.objects._MOST_ENTRIES", 1)
    place = home / "worktrees" / "one"
    await repository.add_worktree(place, commits[0])
    await repository.snapshot(place)
    (place / "src" / "app.py").write_text("two\n")
    tree = await repository.snapshot(place)
    checkout.git("gc", "-q", "--prune=now")
    await repository.show_file(await repository.tree_of(commits[1]), "README.md")  # reads another tree

    assert await repository.snapshot(place) == tree
    assert checkout.git("cat-file", "-t", tree) == "tree"


async def test_a_folder_that_went_is_seen(repository: GitRepository, commits: list[CommitId], home: Path) -> None:
    place = home / "worktrees" / "one"
    await repository.add_worktree(place, commits[0])
    await repository.snapshot(place)
    shutil.rmtree(place / "src")

    tree = await repository.snapshot(place)

    assert await repository.changed(commits[0], tree) == {"src/app.py": "deleted"}
    await repository.add_worktree(place, commits[0])
    assert await repository.snapshot(place) == TreeId(await repository.tree_of(commits[0]))


async def test_files_asked_for_at_once_are_each_those_of_their_own_tree(
    checkout: Checkout, repository: GitRepository, home: Path, journal: FileJournal
) -> None:
    base, commits = checkout.head, []
    for name in ("one", "two", "three"):
        checkout.git("reset", "-q", "--hard", base)
        checkout.write(f"{name}.txt", f"{name}\n")
        commits.append(checkout.commit())
    git, known = await repository.open(), KnownFiles(home)
    await known.files(git, base)
    other = GitRepository(checkout.root, home=home, store=journal)  # nothing is known there yet
    await other.list_tree(base)

    found = await asyncio.gather(*(known.files(git, commit) for commit in commits))
    listed = await asyncio.gather(*(other.list_tree(commit) for commit in commits))

    for commit, files, paths in zip(commits, found, listed, strict=True):
        there = checkout.git("ls-tree", "-r", "--name-only", commit).splitlines()
        assert sorted(files) == sorted(paths) == there
