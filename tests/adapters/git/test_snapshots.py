import asyncio
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from equitr_coder.adapters.git import snapshots
from equitr_coder.adapters.git.process import GitOutput, GitProcess
from equitr_coder.adapters.git.repository import GitRepository
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import TreeId
from tests.adapters.git.stage import Checkout, FileJournal

REGULAR, EXECUTABLE, LINK, SUBMODULE = "100644", "100755", "120000", "160000"


@pytest.fixture
async def worktree(checkout: Checkout, repository: GitRepository, home: Path) -> Checkout:
    path = home / "worktrees" / "a task"
    await repository.add_worktree(path, checkout.head)
    return Checkout(path)


class Counting(GitProcess):
    def __init__(self) -> None:
        super().__init__()
        self.commands: list[str] = []

    async def run(
        self,
        *arguments: str,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        config: Sequence[tuple[str, str]] = (),
        stdin: bytes = b"",
        accept: Sequence[int] = (0,),
        hold: Sequence[int] = (),
    ) -> GitOutput:
        self.commands.append(arguments[0])
        return await super().run(*arguments, cwd=cwd, env=env, config=config, stdin=stdin, accept=accept, hold=hold)


async def test_an_unchanged_checkout_is_the_tree_of_its_commit(checkout: Checkout, repository: GitRepository) -> None:
    assert await repository.snapshot(checkout.root) == checkout.tree


async def test_a_snapshot_holds_every_kind_of_file_and_no_ignored_one(
    checkout: Checkout, repository: GitRepository
) -> None:
    checkout.write("src/app.py", "print('changed')\n")
    checkout.write("new file.txt", "new\n")
    checkout.write("line\nbreak.txt", "x\n")
    checkout.write("ünïcode ♥/dätei.txt", "x\n")
    checkout.write(":(glob)*.txt", "x\n")
    checkout.write("-flag", "x\n")
    checkout.write('quote".txt', "x\n")
    checkout.write("tool", "#!/bin/sh\n", executable=True)
    checkout.link("link", "src/app.py")
    checkout.link("dangling", "nowhere")
    checkout.write("debug.log", "ignored\n")
    checkout.write("build/out.txt", "ignored\n")
    checkout.remove("run.sh")
    (checkout.root / "README.md").rename(checkout.root / "READ ME.md")

    tree = await repository.snapshot(checkout.root)

    assert checkout.listed(tree) == {
        ".gitignore": REGULAR,
        "READ ME.md": REGULAR,
        "src/app.py": REGULAR,
        "new file.txt": REGULAR,
        "line\nbreak.txt": REGULAR,
        "ünïcode ♥/dätei.txt": REGULAR,
        ":(glob)*.txt": REGULAR,
        "-flag": REGULAR,
        'quote".txt': REGULAR,
        "tool": EXECUTABLE,
        "link": LINK,
        "dangling": LINK,
    }
    assert checkout.git("show", f"{tree}:src/app.py") == "print('changed')"
    assert checkout.git("show", f"{tree}:link") == "src/app.py"


async def test_a_file_name_that_is_not_utf_8_is_kept(checkout: Checkout, repository: GitRepository) -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    checkout.write(name, "x\n")

    tree = await repository.snapshot(checkout.root)

    assert name in checkout.listed(tree)
    assert name in await repository.list_tree(tree)


async def test_a_snapshot_touches_neither_index_nor_refs(checkout: Checkout, repository: GitRepository) -> None:
    checkout.write("staged.txt", "staged\n")
    checkout.git("add", "staged.txt")
    checkout.write("staged.txt", "and changed\n")
    checkout.write("untracked.txt", "x\n")
    index, refs, status = (
        (checkout.root / ".git/index").read_bytes(),
        checkout.git("for-each-ref"),
        checkout.status(),
    )

    tree = await repository.snapshot(checkout.root)

    assert checkout.git("show", f"{tree}:staged.txt") == "and changed"
    assert (checkout.root / ".git/index").read_bytes() == index
    assert (checkout.git("for-each-ref"), checkout.status()) == (refs, status)


async def test_changes_of_kind_are_followed_from_snapshot_to_snapshot(
    checkout: Checkout, repository: GitRepository
) -> None:
    root = checkout.root
    await repository.snapshot(root)
    checkout.remove("README.md")
    checkout.write("README.md/inside/deep.txt", "x\n")
    (root / "src/app.py").unlink()
    (root / "src").rmdir()
    checkout.write("src", "a file now\n")
    (root / "run.sh").chmod(0o644)
    first = await repository.snapshot(root)

    assert checkout.listed(first) == {
        ".gitignore": REGULAR,
        "README.md/inside/deep.txt": REGULAR,
        "src": REGULAR,
        "run.sh": REGULAR,
    }

    (root / "README.md/inside/deep.txt").unlink()
    (root / "README.md/inside").rmdir()
    (root / "README.md").rmdir()
    checkout.link("README.md", "src")
    (root / "run.sh").chmod(0o755)
    second = await repository.snapshot(root)

    assert checkout.listed(second) == {
        ".gitignore": REGULAR,
        "README.md": LINK,
        "src": REGULAR,
        "run.sh": EXECUTABLE,
    }


async def test_a_folder_replaced_by_a_link_is_a_link(
    checkout: Checkout, repository: GitRepository, tmp_path: Path
) -> None:
    elsewhere = Checkout(tmp_path / "elsewhere")
    elsewhere.write("app.py", "not ours\n")
    elsewhere.write("secret.py", "not ours\n")
    (checkout.root / "src").rename(checkout.root / "moved")
    checkout.link("src", str(elsewhere.root))

    tree = await repository.snapshot(checkout.root)

    assert checkout.listed(tree)["src"] == LINK
    assert not [path for path in checkout.listed(tree) if path.startswith("src/")]


async def test_what_lies_behind_an_ignored_link_is_gone(
    checkout: Checkout, repository: GitRepository, tmp_path: Path
) -> None:
    elsewhere = Checkout(tmp_path / "elsewhere")
    elsewhere.write("app.py", "not ours\n")
    checkout.write(".gitignore", "/src\n")
    (checkout.root / "src").rename(checkout.root / "moved")
    checkout.link("src", str(elsewhere.root))

    tree = await repository.snapshot(checkout.root)

    assert set(checkout.listed(tree)) == {".gitignore", "README.md", "run.sh", "moved/app.py"}


async def test_devices_and_pipes_are_no_files(checkout: Checkout, repository: GitRepository) -> None:
    os.mkfifo(checkout.root / "pipe")
    checkout.remove("run.sh")
    os.mkfifo(checkout.root / "run.sh")

    tree = await repository.snapshot(checkout.root)

    assert set(checkout.listed(tree)) == {".gitignore", "README.md", "src/app.py"}


async def test_a_file_saved_twice_within_the_clocks_grain_is_seen(
    checkout: Checkout, repository: GitRepository
) -> None:
    for number in range(20):
        checkout.write("src/app.py", f"{number:04}\n")
        tree = await repository.snapshot(checkout.root)
        assert checkout.git("show", f"{tree}:src/app.py") == f"{number:04}"


async def test_a_change_as_old_as_the_index_is_seen_by_its_content(
    checkout: Checkout, repository: GitRepository
) -> None:
    checkout.git("config", "core.trustctime", "false")
    moment = (1_700_000_000_000_000_000,) * 2
    os.utime(checkout.write("src/app.py", "print('abc')\n"), ns=moment)
    checkout.git("add", "src/app.py")
    os.utime(checkout.root / ".git/index", ns=moment)
    with (checkout.root / "src/app.py").open("w") as same_file:
        same_file.write("print('xyz')\n")
    os.utime(checkout.root / "src/app.py", ns=moment)

    tree = await repository.snapshot(checkout.root)

    assert checkout.git("show", f"{tree}:src/app.py") == "print('xyz')"


async def test_without_a_commit_the_files_are_a_tree_all_the_same(
    make_checkout: Callable[[str], Checkout], home: Path, journal: FileJournal
) -> None:
    empty = make_checkout("empty")
    repository = GitRepository(empty.root, home=home, store=journal)

    nothing = await repository.snapshot(empty.root)
    empty.write("a.txt", "a\n")
    something = await repository.snapshot(empty.root)

    assert empty.listed(nothing) == {}
    assert empty.listed(something) == {"a.txt": REGULAR}


async def test_tracked_files_follow_the_users_index(checkout: Checkout, repository: GitRepository) -> None:
    checkout.write("forced.log", "x\n")
    without = await repository.snapshot(checkout.root)
    checkout.git("add", "-f", "forced.log")
    with_it = await repository.snapshot(checkout.root)
    checkout.git("rm", "-q", "--cached", "forced.log")
    again = await repository.snapshot(checkout.root)

    assert "forced.log" not in checkout.listed(without)
    assert "forced.log" in checkout.listed(with_it)
    assert again == without


async def test_conflicted_files_are_taken_as_they_stand(checkout: Checkout, repository: GitRepository) -> None:
    checkout.git("switch", "-q", "-c", "theirs")
    checkout.write("src/app.py", "theirs\n")
    checkout.remove("run.sh")
    checkout.commit("theirs")
    checkout.git("switch", "-q", "main")
    checkout.write("src/app.py", "ours\n")
    checkout.write("run.sh", "changed\n")
    checkout.commit("ours")
    checkout.git("merge", "theirs", check=False)

    tree = await repository.snapshot(checkout.root)

    assert "<<<<<<<" in checkout.git("show", f"{tree}:src/app.py")
    assert "run.sh" in checkout.listed(tree)


async def test_a_conflict_whose_file_is_already_one_of_the_sides_is_taken_too(
    checkout: Checkout, repository: GitRepository
) -> None:
    blob = checkout.git("rev-parse", "HEAD:README.md")
    checkout.git("update-index", "--force-remove", "README.md")
    checkout.shell(f"printf '100644 {blob} 2\\tREADME.md\\n' | git update-index --index-info")
    assert checkout.status() == "AU README.md"

    assert await repository.snapshot(checkout.root) == checkout.tree


async def test_huge_untracked_files_of_the_user_are_left_out(
    checkout: Checkout, repository: GitRepository, worktree: Checkout
) -> None:
    for place in (checkout, worktree):
        with place.write("data.bin", "").open("wb") as writing:
            writing.truncate(snapshots.LARGE + 1)

    assert "data.bin" not in checkout.listed(await repository.snapshot(checkout.root))
    assert "data.bin" in checkout.listed(await repository.snapshot(worktree.root))


async def test_our_own_home_inside_the_checkout_is_never_taken(checkout: Checkout, journal: FileJournal) -> None:
    home = checkout.root / "my [home]"
    Checkout(home).write("equitr.db", "secret\n")
    repository = GitRepository(checkout.root, home=home, store=journal)

    assert await repository.snapshot(checkout.root) == checkout.tree


async def test_line_ends_are_stored_as_git_stores_them(checkout: Checkout, repository: GitRepository) -> None:
    checkout.git("config", "core.autocrlf", "true")
    checkout.git("config", "core.safecrlf", "true")
    checkout.write("windows.txt", b"one\r\ntwo\r\n")

    tree = await repository.snapshot(checkout.root)

    assert await repository.show_file(tree, "windows.txt") == b"one\ntwo\n"


async def test_a_sparse_checkout_keeps_the_files_it_does_not_show(
    checkout: Checkout, repository: GitRepository
) -> None:
    checkout.git("sparse-checkout", "set", "--cone", "docs")
    assert not (checkout.root / "src").exists()

    assert await repository.snapshot(checkout.root) == checkout.tree


async def test_a_worktree_of_a_sparse_checkout_is_complete(
    checkout: Checkout, repository: GitRepository, home: Path
) -> None:
    checkout.git("sparse-checkout", "set", "--cone", "docs")
    path = home / "worktrees" / "full"
    await repository.add_worktree(path, checkout.head)

    assert (path / "src/app.py").exists()
    assert await repository.snapshot(path) == checkout.tree


# ---------------------------------------------------------------- repositories inside


def trapped(folder: Path, trap: Path) -> Checkout:
    """A repository whose configuration runs a command as soon as git looks into it."""
    folder.mkdir(parents=True, exist_ok=True)
    nested = Checkout(folder)
    nested.git("init", "-q")
    nested.write("inner.txt", "inner\n")
    nested.write("deep/er.txt", "inner\n")
    nested.commit("inner")
    nested.write(".git/info/attributes", "* filter=trap\n")
    nested.git("config", "core.fsmonitor", f"touch '{trap}'; false")
    nested.git("config", "filter.trap.clean", f"touch '{trap}'; cat")
    nested.write("inner.txt", "outer\n")
    nested.git("status")
    assert trap.exists(), "the trap works"
    trap.unlink()
    return nested


async def test_a_repository_an_agent_made_is_taken_as_its_files_and_never_looked_into(
    repository: GitRepository, worktree: Checkout, tmp_path: Path
) -> None:
    trap = tmp_path / "ran"
    trapped(worktree.root / "vendor/inside", trap)

    worktree.write("vendor/inside/debug.log", "ignored by the outer one\n")

    trees = [await repository.snapshot(worktree.root) for _ in range(3)]
    worktree.write("vendor/inside/inner.txt", "again\n")
    later = await repository.snapshot(worktree.root)
    await repository.status_text(worktree.root)
    await repository.restore(worktree.root, trees[0])

    assert len(set(trees)) == 1
    assert set(worktree.listed(later)) >= {"vendor/inside/inner.txt", "vendor/inside/deep/er.txt"}
    assert not [path for path in worktree.listed(later) if ".git/" in path or path.endswith(".log")]
    assert await repository.show_file(later, "vendor/inside/inner.txt") == b"again\n"
    assert not trap.exists()


async def test_the_folder_of_a_submodule_is_not_looked_into_and_its_commit_stays(
    checkout: Checkout,
    repository: GitRepository,
    home: Path,
    make_checkout: Callable[[str], Checkout],
    tmp_path: Path,
) -> None:
    library = make_checkout("library")
    library.write("lib.py", "1\n")
    library.commit("lib")
    checkout.git("submodule", "add", "-q", str(library.root), "lib")
    commit = checkout.commit("with a submodule")
    path = home / "worktrees" / "with submodule"
    await repository.add_worktree(path, commit)
    before = await repository.snapshot(path)
    trap = tmp_path / "ran"
    trapped(path / "lib", trap)

    trees = {await repository.snapshot(path) for _ in range(2)}
    await repository.status_text(path)
    await repository.add_worktree(path, commit)

    assert trees == {before}
    assert checkout.listed(before)["lib"] == SUBMODULE
    assert not trap.exists()


async def test_a_removed_submodule_folder_is_no_change(
    checkout: Checkout, repository: GitRepository, make_checkout: Callable[[str], Checkout]
) -> None:
    library = make_checkout("library")
    library.commit("lib")
    checkout.git("submodule", "add", "-q", str(library.root), "lib")
    checkout.commit("with a submodule")
    (checkout.root / "lib").rename(checkout.root.parent / "away")

    assert await repository.snapshot(checkout.root) == checkout.tree


async def test_a_repository_inside_the_users_checkout_is_somebody_elses(
    checkout: Checkout, repository: GitRepository, tmp_path: Path
) -> None:
    trapped(checkout.root / "other project", tmp_path / "ran")

    assert await repository.snapshot(checkout.root) == checkout.tree


# ---------------------------------------------------------------- cost and survival


async def test_an_unchanged_snapshot_starts_no_git_and_a_changed_one_three(
    checkout: Checkout, home: Path, journal: FileJournal
) -> None:
    counting = Counting()
    repository = GitRepository(checkout.root, home=home, store=journal, git=counting)
    await repository.snapshot(checkout.root)
    counting.commands.clear()

    await repository.snapshot(checkout.root)
    assert counting.commands == []

    counting.commands.clear()
    checkout.write("src/app.py", "changed\n")
    await repository.snapshot(checkout.root)
    assert counting.commands == ["ls-files", "update-index", "write-tree"]


async def test_a_thousand_files_are_taken_and_restored(
    checkout: Checkout, repository: GitRepository, worktree: Checkout
) -> None:
    for number in range(1200):
        worktree.write(f"many/{number % 7}/file {number}.txt", f"{number}\n")
    tree = await repository.snapshot(worktree.root)
    before = worktree.files()
    for number in range(0, 1200, 3):
        worktree.remove(f"many/{number % 7}/file {number}.txt")

    await repository.restore(worktree.root, tree)

    assert len(worktree.listed(tree)) == 1204
    assert worktree.files() == before


async def test_a_lock_left_by_a_killed_git_of_ours_is_no_obstacle(
    repository: GitRepository, worktree: Checkout, home: Path
) -> None:
    worktree.write(".gitattributes", "*.crlf text\n")  # git must look, by its index
    tree = await repository.snapshot(worktree.root)
    (index,) = (home / "git").glob("*/index")
    index.with_name("index.lock").write_text("")
    worktree.write("a.txt", "a\n")

    assert await repository.snapshot(worktree.root) != tree
    index.with_name("index.lock").write_text("")
    await repository.restore(worktree.root, tree)
    assert not (worktree.root / "a.txt").exists()


@pytest.mark.parametrize("content", [b"", b"DIRC\0\0\0\2", b"nonsense" * 100])
async def test_a_damaged_index_of_ours_is_made_anew(
    checkout: Checkout, repository: GitRepository, worktree: Checkout, home: Path, content: bytes
) -> None:
    worktree.write(".gitattributes", "*.crlf text\n")  # git must look, by its index
    await repository.snapshot(worktree.root)
    (index,) = (home / "git").glob("*/index")
    index.write_bytes(content)
    worktree.write("a.txt", "a\n")

    tree = await repository.snapshot(worktree.root)

    assert set(worktree.listed(tree)) == {*checkout.listed(checkout.tree), "a.txt", ".gitattributes"}


async def test_objects_the_user_pruned_are_written_again(
    checkout: Checkout, repository: GitRepository, worktree: Checkout
) -> None:
    worktree.write("a.txt", "a\n")
    tree = await repository.snapshot(worktree.root)
    checkout.git("prune", "--expire=now")

    assert await repository.snapshot(worktree.root) == tree
    assert await repository.show_file(tree, "a.txt") == b"a\n"


class DyingAt(GitProcess):
    def __init__(self, command: str) -> None:
        super().__init__()
        self._command = command

    async def run(
        self,
        *arguments: str,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        config: Sequence[tuple[str, str]] = (),
        stdin: bytes = b"",
        accept: Sequence[int] = (0,),
        hold: Sequence[int] = (),
    ) -> GitOutput:
        if arguments[0] == self._command:
            raise KeyboardInterrupt
        return await super().run(*arguments, cwd=cwd, env=env, config=config, stdin=stdin, accept=accept, hold=hold)


@pytest.mark.parametrize("command", ["update-index", "write-tree"])
def test_a_snapshot_killed_half_way_is_not_taken_for_a_whole_one(
    checkout: Checkout, repository: GitRepository, home: Path, journal: FileJournal, command: str
) -> None:
    before = asyncio.run(repository.snapshot(checkout.root))
    checkout.write("a.txt", "a\n")
    dying = GitRepository(checkout.root, home=home, store=journal, git=DyingAt(command))
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(dying.snapshot(checkout.root))

    tree = asyncio.run(repository.snapshot(checkout.root))

    assert tree != before
    assert "a.txt" in checkout.listed(tree)


async def test_snapshots_of_one_checkout_at_the_same_time_agree(repository: GitRepository, worktree: Checkout) -> None:
    worktree.write("a.txt", "a\n")

    assert len(set(await asyncio.gather(*(repository.snapshot(worktree.root) for _ in range(4))))) == 1


async def test_a_cancelled_snapshot_ends_its_git_and_leaves_the_next_one_free(
    repository: GitRepository, worktree: Checkout
) -> None:
    for number in range(300):
        worktree.write(f"{number}.txt", "x\n" * number)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await repository.snapshot(worktree.root)

    tree = await repository.snapshot(worktree.root)

    assert len(worktree.listed(tree)) == 304


async def test_an_unreadable_folder_or_file_is_named(
    checkout: Checkout, repository: GitRepository, worktree: Checkout
) -> None:
    if os.geteuid() == 0:
        pytest.skip("root can read everything")
    worktree.write("closed.txt", "x\n").chmod(0)

    with pytest.raises(UserError, match=r"closed\.txt"):
        await repository.snapshot(worktree.root)


# ---------------------------------------------------------------- restore


async def test_restore_makes_a_worktree_equal_a_tree_and_keeps_ignored_files(
    checkout: Checkout, repository: GitRepository, worktree: Checkout
) -> None:
    worktree.write("made.txt", "made\n")
    worktree.link("link", "made.txt")
    (worktree.root / "run.sh").chmod(0o644)
    tree = await repository.snapshot(worktree.root)
    before = worktree.files()
    worktree.write("made.txt", "spoiled\n")
    worktree.remove("link")
    worktree.write("link/now a folder", "x\n")
    worktree.remove("README.md")
    (worktree.root / "run.sh").chmod(0o755)
    worktree.write("later/stray.txt", "x\n")
    worktree.write("debug.log", "ignored\n")
    trapped(worktree.root / "nested", worktree.root / "ran")

    await repository.restore(worktree.root, tree)

    assert worktree.files() == before | {"debug.log": "  ignored\n"}
    assert await repository.snapshot(worktree.root) == tree


async def test_restore_takes_back_the_folders_an_agent_closed(repository: GitRepository, worktree: Checkout) -> None:
    tree = await repository.snapshot(worktree.root)
    worktree.write("closed/stray.txt", "x\n")
    worktree.write("src/app.py", "spoiled\n")
    (worktree.root / "closed").chmod(0o555)
    (worktree.root / "src").chmod(0)

    await repository.restore(worktree.root, tree)

    assert await repository.snapshot(worktree.root) == tree
    assert not (worktree.root / "closed").exists()


async def test_restore_never_writes_through_a_link(
    repository: GitRepository, worktree: Checkout, tmp_path: Path
) -> None:
    outside = Checkout(tmp_path / "outside")
    outside.write("app.py", "the user's\n")
    outside.write("other.py", "the user's\n")
    tree = await repository.snapshot(worktree.root)
    (worktree.root / "src/app.py").unlink()
    (worktree.root / "src").rmdir()
    worktree.link("src", str(outside.root))

    await repository.restore(worktree.root, tree)

    assert outside.files() == {"app.py": "  the user's\n", "other.py": "  the user's\n"}
    assert (worktree.root / "src/app.py").read_text() == "print('one')\n"


async def test_the_users_checkout_is_never_restored_wholesale(checkout: Checkout, repository: GitRepository) -> None:
    checkout.write("mine.txt", "mine\n")

    with pytest.raises(UserError, match="no worktree of ours"):
        await repository.restore(checkout.root, TreeId(checkout.tree))

    assert (checkout.root / "mine.txt").exists()


async def test_a_git_file_that_an_agent_rewrote_leads_nowhere(
    checkout: Checkout, repository: GitRepository, worktree: Checkout, tmp_path: Path
) -> None:
    evil = trapped(tmp_path / "evil", tmp_path / "ran")
    (worktree.root / ".git").write_text(f"gitdir: {evil.root / '.git'}\n")
    worktree.write("a.txt", "a\n")

    tree = await repository.snapshot(worktree.root)
    await repository.restore(worktree.root, TreeId(checkout.tree))

    assert set(checkout.listed(tree)) == {*checkout.listed(checkout.tree), "a.txt"}
    assert not (tmp_path / "ran").exists()


NAMES = st.text(st.sampled_from("ab .é\n"), min_size=1, max_size=3).filter(lambda name: name not in {".", ".."})
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
CONTENT = st.binary(max_size=20)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.dictionaries(PATHS, CONTENT, max_size=6), second=st.dictionaries(PATHS, CONTENT, max_size=6))
def test_restoring_a_snapshot_brings_back_every_byte(
    tmp_path: Path, first: dict[str, bytes], second: dict[str, bytes]
) -> None:
    folder = tmp_path / f"{time.monotonic_ns()}-{random.random()}"
    main = Checkout(folder / "main")
    main.root.mkdir(parents=True)
    main.git("init", "-q")
    commit = main.commit("empty")
    repository = GitRepository(main.root, home=folder / "home", store=FileJournal(folder / "journal.json"))
    worktree = Checkout(folder / "home" / "worktrees" / "w")

    async def play() -> tuple[dict[str, str], dict[str, str]]:
        await repository.add_worktree(worktree.root, commit)
        fill(worktree, first)
        before = worktree.files()
        tree = await repository.snapshot(worktree.root)
        worktree.empty()
        fill(worktree, second)
        await repository.snapshot(worktree.root)
        await repository.restore(worktree.root, tree)
        return before, worktree.files()

    before, after = asyncio.run(play())

    assert after == before


def fill(checkout: Checkout, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        target = checkout.root / path
        if not any(parent.is_file() for parent in target.parents) and not target.is_dir():
            checkout.write(path, content)


async def test_ignored_files_of_one_snapshot_are_no_part_of_the_next(
    checkout: Checkout, repository: GitRepository
) -> None:
    checkout.write("secret.log", "key\n")
    checkout.write("forced.log", "tracked though ignored\n")
    checkout.git("add", "-f", "forced.log")
    plain = await repository.snapshot(checkout.root)
    also = ("secret.log", "forced.log", "src/app.py")

    with_it = await repository.snapshot(checkout.root, also=also)
    checkout.write("secret.log", "another key\n")
    await repository.snapshot(checkout.root, also=also)
    without = await repository.snapshot(checkout.root)

    assert set(await repository.list_tree(with_it)) - set(await repository.list_tree(plain)) == {"secret.log"}
    assert without == plain
