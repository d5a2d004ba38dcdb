from collections.abc import Callable
from pathlib import Path

import pytest

from equitr_coder.adapters.git.files import FileOps
from equitr_coder.adapters.git.repository import GitRepository
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import CommitId, RunId
from equitr_coder.ports import Landing
from tests.adapters.git.stage import Checkout, FileJournal

RUN = RunId("run-1")
TAKE = "git merge equitr/epic-001"


@pytest.fixture
def work(checkout: Checkout) -> CommitId:
    """A result on `equitr/epic-001`; the checkout itself is back at its first commit."""
    old = checkout.head
    checkout.git("switch", "-q", "-c", "equitr/epic-001")
    checkout.write("src/app.py", "print('two')\n")
    checkout.write("src/new module.py", "x = 1\n")
    checkout.git("mv", "README.md", "docs.md")
    (checkout.root / "run.sh").chmod(0o644)
    checkout.link("latest", "src/app.py")
    new = checkout.commit("epic")
    checkout.git("switch", "-q", "main")
    assert checkout.head == old
    return new


async def test_landing_moves_branch_index_and_files(
    checkout: Checkout, repository: GitRepository, work: CommitId
) -> None:
    old = checkout.head

    landing = await repository.land(RUN, "main", old, work)

    assert landing == Landing(landed=True, old=old, new=work)
    assert checkout.head == work
    assert checkout.git("diff-files") == ""
    assert checkout.status() == ""
    assert checkout.files() == {
        ".gitignore": "  *.log\nbuild/\n",
        "docs.md": "  # Project\n",
        "latest": "-> src/app.py",
        "run.sh": "  #!/bin/sh\n",
        "src/app.py": "  print('two')\n",
        "src/new module.py": "  x = 1\n",
    }
    assert checkout.git("symbolic-ref", "HEAD") == "refs/heads/main"
    assert "equitrcoder: land run-1" in checkout.git("reflog", "-1", "main")
    assert "equitrcoder: land run-1" in checkout.git("reflog", "-1", "HEAD")


async def test_landing_leaves_nothing_of_its_own_behind(
    checkout: Checkout, repository: GitRepository, work: CommitId, journal: FileJournal
) -> None:
    before = {path.name for path in (checkout.root / ".git").iterdir()}

    await repository.land(RUN, "main", checkout.head, work)

    assert {path.name for path in (checkout.root / ".git").iterdir()} == before
    assert await journal.open_journals("") == {}


async def test_landing_again_says_that_it_is_landed(
    checkout: Checkout, repository: GitRepository, work: CommitId
) -> None:
    old = checkout.head
    await repository.land(RUN, "main", old, work)

    assert await repository.land(RUN, "main", old, work) == Landing(landed=True, old=old, new=work)


async def test_untracked_ignored_and_merely_touched_files_do_not_stop_a_landing(
    checkout: Checkout, repository: GitRepository, work: CommitId
) -> None:
    checkout.write("scratch.txt", "mine\n")
    checkout.write("build/out.log", "mine too\n")
    (checkout.root / "src" / "app.py").touch()

    landing = await repository.land(RUN, "main", checkout.head, work)

    assert landing.landed
    assert checkout.status() == "?? scratch.txt"
    assert (checkout.root / "build/out.log").read_text() == "mine too\n"


async def test_a_file_named_in_both_trees_but_unchanged_is_not_written(
    checkout: Checkout, repository: GitRepository, work: CommitId
) -> None:
    before = (checkout.root / ".gitignore").stat()

    await repository.land(RUN, "main", checkout.head, work)

    assert (checkout.root / ".gitignore").stat() == before


async def test_the_folder_of_a_deleted_file_goes_with_it(checkout: Checkout, repository: GitRepository) -> None:
    checkout.write("deep/er/only.txt", "x\n")
    old = checkout.commit("deep")
    checkout.git("switch", "-q", "-c", "equitr/epic-001")
    checkout.git("rm", "-q", "deep/er/only.txt")
    new = checkout.commit("shallow")
    checkout.git("switch", "-q", "main")

    assert (await repository.land(RUN, "main", old, new)).landed
    assert not (checkout.root / "deep").exists()


def dirty(checkout: Checkout) -> None:
    checkout.write("src/app.py", "mine\n")


def dirty_elsewhere(checkout: Checkout) -> None:
    checkout.write(".gitignore", "mine\n")


def staged(checkout: Checkout) -> None:
    checkout.write("extra.py", "mine\n")
    checkout.git("add", "extra.py")


def deleted(checkout: Checkout) -> None:
    checkout.remove("run.sh")


def in_the_way(checkout: Checkout) -> None:
    checkout.write("src/new module.py", "mine\n")


def ignored_in_the_way(checkout: Checkout) -> None:
    (checkout.root / ".git/info/exclude").write_text("docs.md\n")
    checkout.write("docs.md", "mine\n")


def folder_in_the_way(checkout: Checkout) -> None:
    checkout.write("latest/file", "mine\n")


def link_in_the_way(checkout: Checkout) -> None:
    checkout.link("docs.md", "nowhere")


def hidden_change(checkout: Checkout) -> None:
    checkout.git("update-index", "--assume-unchanged", "src/app.py")
    checkout.write("src/app.py", "mine\n")


def skipped(checkout: Checkout) -> None:
    checkout.git("update-index", "--skip-worktree", "src/app.py")
    checkout.write("src/app.py", "mine\n")


def locked(checkout: Checkout) -> None:
    (checkout.root / ".git/index.lock").write_text("")


def sparse(checkout: Checkout) -> None:
    checkout.git("sparse-checkout", "set", "docs")


def bisecting(checkout: Checkout) -> None:
    checkout.write(".git/BISECT_LOG", "")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (dirty, "src/app.py has uncommitted changes."),
        (dirty_elsewhere, ".gitignore has uncommitted changes."),
        (staged, "extra.py has uncommitted changes."),
        (deleted, "run.sh has uncommitted changes."),
        (in_the_way, "src/new module.py is in the way and not tracked."),
        (ignored_in_the_way, "docs.md is in the way and not tracked."),
        (folder_in_the_way, "latest/file is in the way and not tracked."),
        (link_in_the_way, "docs.md is in the way and not tracked."),
        (hidden_change, "src/app.py is marked assume-unchanged or skip-worktree."),
        (skipped, "src/app.py is marked assume-unchanged or skip-worktree."),
        (locked, "Another git command is at work (index.lock exists)."),
        (sparse, "The checkout is sparse."),
        (bisecting, "A bisect is unfinished."),
    ],
)
async def test_a_landing_that_would_touch_what_is_the_users_is_refused_and_changes_nothing(
    checkout: Checkout,
    repository: GitRepository,
    work: CommitId,
    journal: FileJournal,
    spoil: Callable[[Checkout], None],
    reason: str,
) -> None:
    old = checkout.head
    spoil(checkout)
    files, status, inside = checkout.files(), checkout.status(), sorted((checkout.root / ".git").iterdir())

    landing = await repository.land(RUN, "main", old, work)

    assert landing == Landing(landed=False, reason=reason, command=TAKE)
    assert (checkout.head, checkout.files(), checkout.status()) == (old, files, status)
    assert sorted((checkout.root / ".git").iterdir()) == inside
    assert await journal.open_journals("") == {}


async def test_on_another_branch_the_command_leads_back(
    checkout: Checkout, repository: GitRepository, work: CommitId
) -> None:
    old = checkout.head
    checkout.git("switch", "-q", "-c", "topic")

    landing = await repository.land(RUN, "main", old, work)

    assert landing.reason == "`topic` is checked out, not `main`."
    assert landing.command == f"git switch main && {TAKE}"
    checkout.shell(landing.command)
    assert checkout.head == work


async def test_with_a_detached_head_the_command_leads_back(
    checkout: Checkout, repository: GitRepository, work: CommitId
) -> None:
    old = checkout.head
    checkout.git("switch", "-q", "--detach")

    landing = await repository.land(RUN, "main", old, work)

    assert landing.reason == "No branch is checked out, `main` should be."
    assert landing.command == f"git switch main && {TAKE}"


async def test_a_branch_that_moved_on_is_merged_by_the_user(
    checkout: Checkout, repository: GitRepository, work: CommitId
) -> None:
    old = checkout.head
    checkout.write("mine.txt", "mine\n")
    checkout.commit("meanwhile")

    landing = await repository.land(RUN, "main", old, work)

    assert landing.reason == "`main` has moved on since the run started."
    assert landing.command == "git merge equitr/epic-001"


async def test_an_unfinished_merge_stops_a_landing(
    checkout: Checkout, repository: GitRepository, work: CommitId
) -> None:
    old = checkout.head
    checkout.git("switch", "-q", "-c", "theirs")
    checkout.write("src/app.py", "print('theirs')\n")
    checkout.commit("theirs")
    checkout.git("switch", "-q", "main")
    checkout.git("merge", "--no-ff", "--no-commit", "theirs")

    landing = await repository.land(RUN, "main", old, work)

    assert landing == Landing(landed=False, reason="A merge is unfinished.", command=TAKE)


async def test_a_result_that_does_not_follow_is_refused(checkout: Checkout, repository: GitRepository) -> None:
    checkout.git("switch", "-q", "--orphan", "equitr/epic-001")
    stranger = checkout.commit("stranger")
    checkout.git("switch", "-q", "main")

    landing = await repository.land(RUN, "main", checkout.head, stranger)

    assert landing.reason == "The result does not follow from `main`."
    assert landing.command == "git merge --allow-unrelated-histories equitr/epic-001"
    checkout.shell(f"{landing.command} -m both")
    assert checkout.git("log", "--format=%s", "-1", "HEAD^2") == "stranger"


async def test_without_a_branch_the_command_names_the_commit(
    checkout: Checkout, repository: GitRepository, work: CommitId
) -> None:
    checkout.git("branch", "-q", "-D", "equitr/epic-001")
    dirty(checkout)

    landing = await repository.land(RUN, "main", checkout.head, work)

    assert landing.command == f"git merge {work}"


async def test_a_filter_of_the_repositorys_own_configuration_is_left_to_the_user(
    checkout: Checkout, repository: GitRepository, tmp_path: Path
) -> None:
    trap = tmp_path / "ran"
    checkout.write(".gitattributes", "*.secret filter=vault\n")
    checkout.write("a.secret", "one\n")
    old = checkout.commit("secret")
    checkout.git("switch", "-q", "-c", "equitr/epic-001")
    checkout.write("a.secret", "two\n")
    new = checkout.commit("changed")
    checkout.git("switch", "-q", "main")
    checkout.git("config", "filter.vault.clean", f"touch '{trap}'; cat")
    checkout.git("config", "filter.vault.smudge", f"touch '{trap}'; cat")

    landing = await repository.land(RUN, "main", old, new)

    assert landing.reason == "a.secret goes through the filter `vault` of this repository's configuration."
    assert not trap.exists()


async def test_submodules_are_carried_along_and_never_moved(
    checkout: Checkout, repository: GitRepository, make_checkout: Callable[[str], Checkout]
) -> None:
    library = make_checkout("library")
    library.write("lib.py", "1\n")
    library.commit("lib")
    checkout.git("submodule", "add", "-q", str(library.root), "lib")
    old = checkout.commit("with submodule")
    checkout.git("switch", "-q", "-c", "equitr/epic-001")
    checkout.write("src/app.py", "print('two')\n")
    new = checkout.commit("beside it")
    library.write("lib.py", "2\n")
    library.commit("lib again")
    checkout.git("-C", "lib", "pull", "-q")
    moved = checkout.commit("moves it")
    checkout.git("switch", "-q", "main")
    checkout.git("submodule", "update", "-q")
    checkout.write("lib/lib.py", "the user's work in the submodule\n")

    assert (await repository.land(RUN, "main", old, new)).landed
    assert checkout.status() == " M lib"
    refused = await repository.land(RUN, "main", new, moved)
    assert refused.reason == "It changes the submodule lib."


async def test_line_ends_are_converted_as_git_would(checkout: Checkout, repository: GitRepository) -> None:
    checkout.write("a.txt", "one\n")
    old = checkout.commit("lf")
    checkout.git("switch", "-q", "-c", "equitr/epic-001")
    checkout.write(".gitattributes", "a.txt text eol=crlf\n")
    checkout.write("a.txt", "two\r\n")
    new = checkout.commit("crlf")
    checkout.git("switch", "-q", "main")

    assert (await repository.land(RUN, "main", old, new)).landed
    assert (checkout.root / "a.txt").read_bytes() == b"two\r\n"
    assert checkout.status() == ""


async def test_a_split_index_is_landed_on(checkout: Checkout, repository: GitRepository, work: CommitId) -> None:
    checkout.git("update-index", "--split-index")

    assert (await repository.land(RUN, "main", checkout.head, work)).landed
    assert checkout.status() == ""


class Meddling(FileOps):
    """A user who saves a file in the middle of a landing."""

    def __init__(self, meddle: Callable[[], object]) -> None:
        self._meddle = meddle
        self._is_done = False

    def put(self, source: Path, target: Path) -> None:
        super().put(source, target)
        if not self._is_done:
            self._is_done = True
            self._meddle()


async def test_a_file_saved_in_the_middle_of_a_landing_is_kept_and_the_rest_is_put_back(
    checkout: Checkout, home: Path, journal: FileJournal, work: CommitId
) -> None:
    old = checkout.head
    meddling = Meddling(lambda: checkout.write("src/app.py", "saved by hand\n"))
    repository = GitRepository(checkout.root, home=home, store=journal, files=meddling)

    landing = await repository.land(RUN, "main", old, work)

    assert landing == Landing(landed=False, reason="src/app.py changed during the landing.", command=TAKE)
    assert checkout.head == old
    assert checkout.status() == " M src/app.py"
    assert (checkout.root / "src/app.py").read_text() == "saved by hand\n"
    assert await journal.open_journals("") == {}


async def test_a_branch_moved_in_the_middle_of_a_landing_is_left_where_it_went(
    checkout: Checkout, home: Path, journal: FileJournal, work: CommitId
) -> None:
    old = checkout.head
    other = CommitId(checkout.git("commit-tree", "-p", old, "-m", "other", f"{old}^{{tree}}"))
    meddling = Meddling(lambda: checkout.git("update-ref", "refs/heads/main", other))
    repository = GitRepository(checkout.root, home=home, store=journal, files=meddling)

    landing = await repository.land(RUN, "main", old, work)

    assert landing.reason == "`main` has moved on since the run started."
    assert checkout.head == other
    assert checkout.status() == ""


class BeforeTheLock(FileOps):
    """A user who does something after the first look, before the index is locked."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act

    def claim(self, source: Path, target: Path) -> bool:
        self._act()
        return super().claim(source, target)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (dirty, "src/app.py has uncommitted changes."),
        (in_the_way, "src/new module.py is in the way and not tracked."),
        (lambda checkout: checkout.git("switch", "-q", "-c", "topic"), "`topic` is checked out, not `main`."),
    ],
)
async def test_everything_is_looked_at_again_under_the_lock(
    checkout: Checkout,
    home: Path,
    journal: FileJournal,
    work: CommitId,
    act: Callable[[Checkout], object],
    reason: str,
) -> None:
    acting = BeforeTheLock(lambda: act(checkout))
    repository = GitRepository(checkout.root, home=home, store=journal, files=acting)
    old = checkout.head

    landing = await repository.land(RUN, "main", old, work)

    assert (landing.landed, landing.reason) == (False, reason)
    assert (checkout.head, await journal.open_journals("")) == (old, {})
    assert not (checkout.root / "docs.md").exists()
    assert not (checkout.root / ".git/index.lock").exists()


class FullDisk(FileOps):
    def put(self, source: Path, target: Path) -> None:
        if target.name == "new module.py":
            raise OSError(28, "No space left on device", str(target))
        super().put(source, target)


async def test_a_full_disk_in_the_middle_of_a_landing_puts_everything_back(
    checkout: Checkout, home: Path, journal: FileJournal, work: CommitId
) -> None:
    files, old = checkout.files(), checkout.head
    repository = GitRepository(checkout.root, home=home, store=journal, files=FullDisk())

    landing = await repository.land(RUN, "main", old, work)

    assert landing.reason.startswith("No space left on device: ")
    assert (checkout.files(), checkout.status(), checkout.head) == (files, "", old)


async def test_a_folder_that_is_no_repository_has_nothing_to_recover(
    tmp_path: Path, home: Path, journal: FileJournal
) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()

    assert await GitRepository(plain, home=home, store=journal).recover_landings() == ()


async def test_a_bare_repository_is_not_landed_on(tmp_path: Path, home: Path, journal: FileJournal) -> None:
    bare = Checkout(tmp_path / "bare.git")
    bare.root.mkdir()
    bare.git("init", "-q", "--bare")

    with pytest.raises(UserError, match="bare repository"):
        await GitRepository(bare.root, home=home, store=journal).land(RUN, "main", CommitId("0"), CommitId("1"))
