"""A worktree that is brought from one tree to another without a git for it is what git would have made of it."""

import asyncio
import errno
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from equitr_coder.adapters.git.files import FileOps
from equitr_coder.adapters.git.index_file import read_index, write_index
from equitr_coder.adapters.git.repository import GitRepository
from equitr_coder.domain.ids import CommitId
from tests.adapters.git.stage import Checkout, FileJournal

Files = Mapping[str, tuple[str, bool]]
"""Path -> what it holds, and whether it can be executed."""


def put(checkout: Checkout, files: Files) -> None:
    checkout.empty()
    for path, (content, executable) in files.items():
        checkout.write(path, content, executable=executable)


def commit_of(checkout: Checkout, files: Files) -> CommitId:
    put(checkout, files)
    return checkout.commit()


def without_stat(checkout: Checkout) -> str:
    return checkout.git("ls-files", "-s", "-z")


async def assert_as_git_makes_it(repository: GitRepository, worktree: Checkout, commit: CommitId, beside: Path) -> None:
    """Files, modes, index, HEAD; and git finds nothing to be told about."""
    made = Checkout(beside)
    worktree.git("worktree", "add", "-q", "--detach", str(beside), commit)
    try:
        assert worktree.files() == made.files()
        assert modes(worktree.root) == modes(beside)
        assert without_stat(worktree) == without_stat(made)
        assert worktree.git("rev-parse", "HEAD") == commit
        assert worktree.git("--no-optional-locks", "status", "--porcelain", "--ignored") == ""
        assert worktree.git("diff-files", "--name-only") == ""  # by the stamps alone: the index is not refreshed for it
        assert await repository.snapshot(worktree.root) == made.git("rev-parse", "HEAD^{tree}")
    finally:
        worktree.git("worktree", "remove", "--force", str(beside))


def modes(root: Path) -> dict[str, int]:
    return {path.relative_to(root).as_posix(): path.lstat().st_mode for path in root.rglob("*") if path.name != ".git"}


async def switched(repository: GitRepository, path: Path, commit: CommitId) -> int:
    """How many git processes it took."""
    with repository.measured() as git:
        await repository.add_worktree(path, commit)
    return git.commands


@pytest.fixture
def path(home: Path) -> Path:
    return home / "worktrees" / "a run" / "T1"


async def test_what_a_task_left_becomes_what_the_next_one_begins_with_and_no_git_is_started(
    checkout: Checkout, repository: GitRepository, path: Path, tmp_path: Path
) -> None:
    old = checkout.head
    new = commit_of(
        checkout,
        {
            "README.md": ("# Project\n", False),
            "src/app.py": ("print('two')\n", False),
            "src/deep/er/new.py": ("new = 1\n", True),
            "run.sh": ("#!/bin/sh\n", False),
            ".gitignore": ("*.log\nbuild/\n", False),
            "with space/♥.txt": ("♥\n", False),
        },
    )
    await repository.add_worktree(path, old)
    await repository.snapshot(path)
    worktree = Checkout(path)
    worktree.write("made/by/task.py", "task = 1\n")
    worktree.write("src/app.py", "print('task')\n")
    worktree.remove("README.md")
    await repository.snapshot(path)

    assert await switched(repository, path, new) == 0
    await assert_as_git_makes_it(repository, worktree, new, tmp_path / "beside")
    assert await switched(repository, path, old) == 0
    await assert_as_git_makes_it(repository, worktree, old, tmp_path / "beside")


NAMES = ("a", "a.b", "a-b", "b/c", "b/d", "b/e/f", "c", "c/x", "with space", "ü/♥", "z" * 120)
CONTENTS = ("", "one\n", "two\n", "no end", "\r\n", "\0bin\n" * 50)
TREES = st.dictionaries(
    st.sampled_from(NAMES), st.tuples(st.sampled_from(CONTENTS), st.booleans()), min_size=1, max_size=7
).filter(lambda files: not any(other.startswith(f"{path}/") for path in files for other in files))
STEPS = st.lists(st.tuples(TREES, TREES, st.booleans()), min_size=1, max_size=4)


@settings(
    max_examples=25, deadline=None, phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(steps=STEPS)
def test_any_way_from_tree_to_tree_ends_as_git_would_have_ended_it(
    steps: list[tuple[Files, Files, bool]],
    make_checkout: Callable[[str], Checkout],
    tmp_path_factory: pytest.TempPathFactory,
    journal: FileJournal,
) -> None:
    """Each step: what the branch brings, what a task makes of it, and whether that is looked at."""

    async def play(folder: Path) -> None:
        root = folder / "project"
        root.mkdir()
        checkout = Checkout(root)
        checkout.git("init", "-q")
        repository = GitRepository(root, home=folder / "home", store=journal)
        path = folder / "home" / "worktrees" / "run" / "T1"
        for number, (wanted, left, is_looked_at) in enumerate(steps):
            commit = commit_of(checkout, wanted)
            await repository.add_worktree(path, commit)
            await assert_as_git_makes_it(repository, Checkout(path), commit, folder / f"beside{number}")
            put(Checkout(path), left)
            if is_looked_at:
                await repository.snapshot(path)

    folder = tmp_path_factory.mktemp("switch")
    asyncio.run(play(folder))
    shutil.rmtree(folder)


async def test_what_is_written_right_after_is_seen_by_git_and_by_the_next_snapshot(
    checkout: Checkout, repository: GitRepository, path: Path, later: CommitId
) -> None:
    await repository.add_worktree(path, checkout.head)
    await repository.snapshot(path)
    worktree = Checkout(path)
    for _ in range(30):
        assert await switched(repository, path, later) == 0
        worktree.write("src/app.py", "print('later')\n".replace("later", "after"))  # of the same size
        assert worktree.git("--no-optional-locks", "status", "--porcelain") == " M src/app.py"
        assert await repository.show_file(await repository.snapshot(path), "src/app.py") == b"print('after')\n"
        assert await switched(repository, path, checkout.head) == 0
        await repository.snapshot(path)


@pytest.fixture
def later(checkout: Checkout) -> CommitId:
    checkout.git("switch", "-q", "-c", "later")
    checkout.write("src/app.py", "print('later')\n")
    checkout.write("added.txt", "added\n")
    commit = checkout.commit("later")
    checkout.git("switch", "-q", "main")
    return commit


def as_only_for_her(root: Path) -> None:
    (root / "README.md").chmod(0o600)


def as_read_only(root: Path) -> None:
    (root / "README.md").chmod(0o444)


def as_of_a_later_day(root: Path) -> None:
    os.utime(root / "README.md", (4e9, 4e9))


def as_two_names_of_one_file(root: Path) -> None:
    (root / "run.sh").unlink()
    os.link(root / "README.md", root / "run.sh")


def as_a_name_outside(root: Path) -> None:
    os.link(root / "README.md", root.parent / "outside")


def as_what_comes_next_with_another_mode(root: Path) -> None:
    (root / "added.txt").write_text("added\n")
    (root / "added.txt").chmod(0o600)


@pytest.mark.parametrize(
    "leave",
    [
        as_only_for_her, as_read_only, as_of_a_later_day, as_two_names_of_one_file, as_a_name_outside,
        as_what_comes_next_with_another_mode,
    ],
)  # fmt: skip
@pytest.mark.parametrize("goes_on_to", ["later", "same"])
async def test_what_a_task_left_of_a_file_that_is_in_no_tree_does_not_reach_the_next_checkout(
    checkout: Checkout,
    repository: GitRepository,
    path: Path,
    later: CommitId,
    tmp_path: Path,
    leave: Callable[[Path], None],
    goes_on_to: str,
) -> None:
    """A gate would be green by it, and no other checkout of the commit."""
    gate = path.with_name("gate-1")
    wanted = later if goes_on_to == "later" else checkout.head
    await repository.add_worktree(path, checkout.head)
    await repository.snapshot(path)
    passed = (path / "README.md").stat().st_ctime_ns
    while (path / ".git").stat().st_ctime_ns == passed:  # until the clock of the file system has gone on
        (path / ".git").chmod(0o644)
    leave(path)
    await repository.snapshot(path)
    assert await repository.move_worktree(path, gate)

    assert await switched(repository, gate, wanted) == 0

    await assert_as_git_makes_it(repository, Checkout(gate), wanted, tmp_path / "beside")
    files = [found for found in gate.rglob("*") if found.is_file() and found.name != ".git"]
    assert [found.name for found in files if found.stat().st_nlink > 1 or found.stat().st_mtime > 3e9] == []


def attributes(checkout: Checkout) -> None:
    checkout.write(".gitattributes", "*.txt text eol=crlf\n")


def attributes_of_a_folder(checkout: Checkout) -> None:
    checkout.write("src/.gitattributes", "*.py text eol=crlf\n")
    checkout.write("src/app.py", "print('crlf')\r\n")


def attributes_of_the_repository(checkout: Checkout) -> None:
    checkout.write("app.txt", "one\ntwo\n")
    (checkout.root / ".git" / "info").mkdir(exist_ok=True)
    (checkout.root / ".git" / "info" / "attributes").write_text("*.txt text eol=crlf\n")


def line_ends(checkout: Checkout) -> None:
    checkout.write("app.txt", "one\ntwo\n")
    checkout.git("config", "core.autocrlf", "true")


def a_link(checkout: Checkout) -> None:
    checkout.link("link", "src/app.py")


def shared(checkout: Checkout) -> None:
    checkout.write("app.txt", "one\n")
    checkout.git("config", "core.sharedRepository", "group")


def many_files(checkout: Checkout) -> None:
    for number in range(60):
        checkout.write(f"many/{number}.txt", f"{number}\n")


def much(checkout: Checkout) -> None:
    for number in range(5):
        checkout.write(f"much/{number}.bin", os.urandom(1 << 20) * 2)


def names_that_git_reads(checkout: Checkout) -> None:
    checkout.write(".gitignore", "*.txt\n")


def a_submodule(checkout: Checkout) -> None:
    library = checkout.root / "library"
    library.mkdir()
    inner = Checkout(library)
    inner.git("init", "-q")
    inner.write("lib.py", "lib = 1\n")
    inner.commit()


def another_index(checkout: Checkout) -> None:
    checkout.write("app.txt", "one\n")
    checkout.git("config", "index.version", "4")


@pytest.mark.parametrize(
    "change",
    [
        attributes, attributes_of_a_folder, attributes_of_the_repository, line_ends, a_link, shared, many_files, much,
        names_that_git_reads, a_submodule, another_index,
    ],
)  # fmt: skip
async def test_what_more_than_names_and_bytes_decides_is_gits(
    checkout: Checkout, repository: GitRepository, path: Path, tmp_path: Path, change: Callable[[Checkout], None]
) -> None:
    old = checkout.head
    change(checkout)
    new = checkout.commit()
    await repository.add_worktree(path, old)
    await repository.snapshot(path)

    assert await switched(repository, path, new) > 0
    beside = tmp_path / "beside"
    checkout.git("worktree", "add", "-q", "--detach", str(beside), new)
    assert Checkout(path).files() == Checkout(beside).files()
    assert Checkout(path).status() == ""


async def test_a_repository_of_longer_ids_is_switched_as_well(
    tmp_path: Path, home: Path, journal: FileJournal, path: Path
) -> None:
    (tmp_path / "long").mkdir()
    checkout = Checkout(tmp_path / "long")
    checkout.git("init", "-q", "--object-format=sha256")
    old = commit_of(checkout, {"a.txt": ("one\n", False), "b/c.txt": ("same\n", False)})
    new = commit_of(checkout, {"a.txt": ("two\n", False), "b/c.txt": ("same\n", False), "d": ("new\n", True)})
    repository = GitRepository(checkout.root, home=home, store=journal)
    await repository.add_worktree(path, old)
    await repository.snapshot(path)

    assert await switched(repository, path, new) == 0
    await assert_as_git_makes_it(repository, Checkout(path), new, tmp_path / "beside")


async def test_an_index_that_somebody_has_changed_is_gits(
    checkout: Checkout, repository: GitRepository, path: Path, later: CommitId, tmp_path: Path
) -> None:
    await repository.add_worktree(path, checkout.head)
    await repository.snapshot(path)
    worktree = Checkout(path)
    worktree.git("update-index", "--assume-unchanged", "README.md")

    assert await switched(repository, path, later) > 0
    await assert_as_git_makes_it(repository, worktree, later, tmp_path / "beside")


KEPT = {".gitignore": ("*.log\nbuild/\n", False)}


class Failing(FileOps):
    """Its `number`-th operation fails, before or after it was done."""

    def __init__(self, number: int, *, after: bool) -> None:
        self.left = number
        self._after = after

    def check_out(self, path: Path, content: bytes, *, is_executable: bool) -> None:
        self._pass(lambda: FileOps.check_out(self, path, content, is_executable=is_executable))

    def delete_tracked(self, path: Path, *, below: Path) -> None:
        self._pass(lambda: FileOps.delete_tracked(self, path, below=below))

    def replace_index(self, index: Path, data: bytes) -> None:
        self._pass(lambda: FileOps.replace_index(self, index, data))

    def _pass(self, work: Callable[[], None]) -> None:
        self.left -= 1
        if self.left or self._after:
            work()
        if self.left == 0:
            raise OSError(errno.ENOSPC, "no room")


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(1, 8))
async def test_what_breaks_off_is_made_good_by_git(
    checkout: Checkout, home: Path, journal: FileJournal, path: Path, tmp_path: Path, number: int, after: bool
) -> None:
    old = checkout.head
    new = commit_of(checkout, {**KEPT, "README.md": ("new\n", False), "a/b": ("1\n", False), "c": ("2\n", True)})
    files = Failing(number, after=after)
    repository = GitRepository(checkout.root, home=home, store=journal, files=files)
    await repository.add_worktree(path, old)
    await repository.snapshot(path)

    await repository.add_worktree(path, new)

    assert files.left <= 0
    await assert_as_git_makes_it(repository, Checkout(path), new, tmp_path / "beside")
    await repository.add_worktree(path, old)
    await assert_as_git_makes_it(repository, Checkout(path), old, tmp_path / "beside")


async def test_a_lock_that_somebody_holds_is_not_broken_by_the_switch(
    checkout: Checkout, repository: GitRepository, path: Path, later: CommitId, monkeypatch: pytest.MonkeyPatch
) -> None:
    await repository.add_worktree(path, checkout.head)
    await repository.snapshot(path)
    lock = Path(Checkout(path).git("rev-parse", "--absolute-git-dir")) / "index.lock"
    real = FileOps.replace_index

    def meanwhile(files: FileOps, index: Path, data: bytes) -> None:
        lock.write_text("somebody's")
        try:
            real(files, index, data)
        finally:
            assert lock.read_text() == "somebody's"
            lock.unlink()

    monkeypatch.setattr(FileOps, "replace_index", meanwhile)
    await repository.add_worktree(path, later)

    assert Checkout(path).head == later
    assert Checkout(path).status() == ""


# ---------------------------------------------------------------- the index itself


def test_what_git_wrote_is_read_and_written_again_to_the_letter(checkout: Checkout) -> None:
    put(checkout, {f"d{number}/f{'x' * number}": (f"{number}\n", number % 3 == 0) for number in range(40)})
    checkout.git("add", "-A")
    data = (checkout.root / ".git" / "index").read_bytes()

    entries = read_index(data, 40)

    assert entries is not None
    shown = "".join(f"{one.entry.mode} {one.entry.blob} 0\t{os.fsdecode(path)}\0" for path, one in entries.items())
    assert shown.rstrip("\0") == checkout.git("ls-files", "-s", "-z").rstrip("\0")
    written = write_index({path: one.raw for path, one in entries.items()}, 40)
    assert written[:-20] == data[: len(written) - 20]
    assert list(read_index(written, 40) or ()) == list(entries)


@pytest.mark.parametrize(
    "way",
    [
        "update-index --assume-unchanged README.md",
        "update-index --skip-worktree README.md",
        "update-index --split-index",
        "update-index --index-version 4",
        "add -N new.txt",
    ],
)
def test_an_index_that_says_more_than_what_was_checked_out_is_not_read(checkout: Checkout, way: str) -> None:
    checkout.write("new.txt", "new\n")
    index = checkout.root / ".git" / "index"
    assert read_index(index.read_bytes(), 40) is not None
    checkout.git(*way.split())

    assert read_index(index.read_bytes(), 40) is None


def test_an_index_with_conflicts_is_not_read(checkout: Checkout) -> None:
    base = checkout.head
    checkout.git("switch", "-q", "-c", "side")
    checkout.write("README.md", "side\n")
    checkout.commit()
    checkout.git("switch", "-q", "main")
    checkout.write("README.md", "main\n")
    checkout.commit()
    checkout.git("merge", "-q", "side", check=False)

    assert base
    assert read_index((checkout.root / ".git" / "index").read_bytes(), 40) is None


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_index_is_not_read(checkout: Checkout, data: st.DataObject) -> None:
    whole = (checkout.root / ".git" / "index").read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    torn = data.draw(
        st.sampled_from([whole[:at], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :], whole + b"\0"])
    )

    assert read_index(torn, 40) is None
