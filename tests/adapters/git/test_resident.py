"""Gits that stay: what they answer is what a command of its own says, and their death is nobody's."""

import asyncio
import gc
import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from equitr_coder.adapters.git.entries import Change, Entry, changes_between, compare_trees, tree_entries
from equitr_coder.adapters.git.failures import GitError
from equitr_coder.adapters.git.meter import measured
from equitr_coder.adapters.git.objects import READING
from equitr_coder.adapters.git.repository import GitRepository
from equitr_coder.adapters.git.runner import Git
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import CommitId, TreeId
from tests.adapters.git.stage import Checkout, FileJournal

NAMES = st.sampled_from(["a", "b", "a.txt", "ä", "two words", "a-b", "\udcff"])
_PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
_ENTRIES = st.tuples(st.sampled_from(["100644", "100755", "120000", "160000"]), st.sampled_from([b"", b"x\n", b"y\0"]))
TREES = st.dictionaries(_PATHS, _ENTRIES, max_size=8)
SLOWLY = settings(
    max_examples=15,
    deadline=None,
    phases=(Phase.reuse, Phase.generate),  # every example is a dozen commands
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


async def tree_made_of(git: Git, checkout: Checkout, files: dict[str, tuple[str, bytes]]) -> str:
    """By commands of their own; where a file and a folder have one name, the last one stays."""
    index = checkout.root / ".git" / "made"
    index.unlink(missing_ok=True)
    for path, (mode, content) in files.items():
        said = await git.run("hash-object", "-w", "--stdin", stdin=content or b"\n")
        await git.run(
            "update-index", "--add", "--replace", "-z", "--index-info",
            index=index, stdin=f"{mode} {said.line}\t".encode() + os.fsencode(path) + b"\0",
        )  # fmt: skip
    return (await git.run("write-tree", "--missing-ok", index=index)).line


@SLOWLY
@given(old=TREES, new=TREES)
async def test_trees_compared_here_differ_as_git_says(
    checkout: Checkout, repository: GitRepository, old: dict[str, tuple[str, bytes]], new: dict[str, tuple[str, bytes]]
) -> None:
    git = await repository.open()
    before, after = await tree_made_of(git, checkout, old), await tree_made_of(git, checkout, new)

    compared = await compare_trees(git, before, after)

    said = (await git.run("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", before, after)).records
    assert compared == {path: _change(about) for about, path in zip(said[::2], said[1::2], strict=True)}
    assert await repository.list_tree(TreeId(before)) == _files(await git.run("ls-tree", "-r", "-z", before))
    assert await repository.list_tree(TreeId(after)) == _files(await git.run("ls-tree", "-r", "-z", after))
    listed = await tree_entries(git, after)
    assert await tree_entries(git, after, [*listed, *old]) == listed


def _change(about: str) -> Change:
    modes, blobs = about.removeprefix(":").split(" ")[:2], about.split(" ")[2:4]
    was, now = (None if mode == "000000" else Entry(mode, blob) for mode, blob in zip(modes, blobs, strict=True))
    return Change(was, now)


def _files(said: object) -> list[str]:
    records: list[str] = said.records  # type: ignore[attr-defined]
    return [record.partition("\t")[2] for record in records if " commit " not in record.partition("\t")[0]]


async def test_questions_about_known_objects_start_no_command(checkout: Checkout, repository: GitRepository) -> None:
    git = await repository.open()
    first, tree = checkout.head, TreeId(checkout.tree)
    checkout.write("src/more.py", b"\0" * 200_000)
    second = checkout.commit()
    await git.configuration()

    with measured() as seen:
        assert await repository.tree_of(first) == tree
        assert await repository.changed(first, second) == {"src/more.py": "created"}
        assert await repository.show_file(second, "src/more.py") == b"\0" * 200_000
        assert await repository.show_file(second, "src") is None
        assert await repository.show_file(second, "not/there") is None

    assert seen.commands == 0


@pytest.mark.parametrize("format_", ["sha1", "sha256"])
async def test_both_kinds_of_ids_are_read(tmp_path: Path, home: Path, journal: FileJournal, format_: str) -> None:
    made = Checkout(tmp_path / "other")
    made.root.mkdir()
    made.git("init", "-q", f"--object-format={format_}")
    made.write("a/b", "1\n")
    old = made.commit()
    made.git("gc", "-q")
    made.write("a/c", "2\n")
    new = made.commit()
    repository = GitRepository(made.root, home=home, store=journal)

    with measured() as seen:
        git = await repository.open()
        found = await compare_trees(git, old, new)

    assert found is not None
    assert list(found) == ["a/c"]
    assert seen.commands <= 2  # where is the repository, what is its configuration


async def test_one_that_dies_is_replaced(checkout: Checkout, repository: GitRepository) -> None:
    git = await repository.open()
    tree = checkout.tree
    assert await repository.show_file(checkout.head, "README.md") is not None
    for _ in range(2):
        _kill(git, READING)

        assert await repository.show_file(TreeId(tree), "README.md") is not None


async def test_one_that_dies_between_two_refs_is_replaced(checkout: Checkout, repository: GitRepository) -> None:
    await repository.keep("refs/equitr/keep/r/one", checkout.head)
    git = await repository.open()
    [arguments] = [one for one in git._shared.residents if one[0] == "update-ref"]
    _kill(git, arguments)

    await repository.keep("refs/equitr/keep/r/two", checkout.head)

    assert set(await repository.refs("refs/equitr/")) == {"refs/equitr/keep/r/one", "refs/equitr/keep/r/two"}


def _kill(git: Git, arguments: tuple[str, ...]) -> None:
    _, resident = git._shared.residents[arguments]
    assert resident._running is not None
    process = resident._running._process
    os.kill(process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


async def test_what_is_missing_is_said_by_git_itself(repository: GitRepository) -> None:
    nothing = TreeId("1" * 40)

    with pytest.raises(UserError, match="git cannot read the repository"):
        await repository.changed(nothing, nothing.replace("1", "2"))  # type: ignore[arg-type]
    with pytest.raises(UserError, match="git cannot read the repository"):
        await repository.show_file(nothing, "a")


async def test_refs_are_deleted_all_or_none(checkout: Checkout, repository: GitRepository) -> None:
    names = [f"refs/equitr/keep/r/{number}" for number in range(1500)]
    checkout.shell("seq 0 1499 | sed 's|.*|create refs/equitr/keep/r/& HEAD|' | git update-ref --stdin")

    for some in (names, names[:20]):
        with pytest.raises(GitError, match="invalid ref format"):
            await repository.delete_refs([*some, "refs/equitr/no..name"])
        assert len(await repository.refs("refs/equitr/")) == len(names)
    await repository.delete_refs(names)

    assert not await repository.refs("refs/equitr/")


async def test_a_question_that_is_cancelled_leaves_nothing_behind(
    checkout: Checkout, repository: GitRepository
) -> None:
    git = await repository.open()
    await repository.keep("refs/equitr/keep/r/one", checkout.head)
    asking = asyncio.gather(*(git.objects.read([checkout.head]) for _ in range(5)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    assert await changes_between(git, checkout.head, checkout.head) == {}
    assert [found.kind for found in await git.objects.read([checkout.head]) or [] if found] == ["commit"]


async def test_they_end_with_the_repository(checkout: Checkout, home: Path, journal: FileJournal) -> None:
    def stands(pid: int) -> bool:
        return Path(f"/proc/{pid}").exists()

    for closes in (True, False):
        repository = GitRepository(checkout.root, home=home, store=journal)
        await repository.keep("refs/equitr/keep/r/one", CommitId(checkout.head))
        await repository.changed(checkout.head, checkout.head)
        git = await repository.open()
        pids = [r._running._process.pid for _, r in git._shared.residents.values() if r._running]
        assert pids

        if closes:
            repository.close()
        del repository, git
        gc.collect()

        assert not any(map(stands, pids))
