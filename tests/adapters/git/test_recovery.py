"""What the user may do between the death of a landing and the next start, and what becomes of it."""

import asyncio
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from equitr_coder.adapters.git.files import FileOps
from equitr_coder.adapters.git.repository import GitRepository
from equitr_coder.domain.ids import CommitId, RunId
from tests.adapters.git.fuses import Fuse, Killed, fused_repository
from tests.adapters.git.stage import Checkout, FileJournal

RUN = RunId("run-1")
LOCK = ".git/index.lock"


@pytest.fixture
def old(checkout: Checkout) -> CommitId:
    for name in "abc":
        checkout.write(f"{name}.txt", "old\n")
    return checkout.commit("old")


@pytest.fixture
def new(checkout: Checkout, old: CommitId) -> CommitId:
    checkout.git("switch", "-q", "-c", "equitr/epic-001")
    for name in "abcd":
        checkout.write(f"{name}.txt", "new\n")
    new = checkout.commit("new")
    checkout.git("switch", "-q", "main")
    return new


@pytest.fixture
def die(checkout: Checkout, home: Path, tmp_path: Path, old: CommitId, new: CommitId) -> "Die":
    return Die(checkout, home, tmp_path / "journal.json", old, new)


class Die:
    def __init__(self, checkout: Checkout, home: Path, journal: Path, old: CommitId, new: CommitId) -> None:
        self._about = (checkout, home, journal, old, new)

    async def before(self, step: str) -> None:
        checkout, home, journal, old, new = self._about
        dying = fused_repository(checkout.root, home=home, journal=journal, fuse=Fuse(before=step))
        with pytest.raises(Killed):
            await dying.land(RUN, "main", old, new)


def texts(checkout: Checkout) -> dict[str, str]:
    return {path.stem: path.read_text().strip() for path in sorted(checkout.root.glob("?.txt"))}


async def test_a_half_landing_nobody_touched_is_completed(
    checkout: Checkout, repository: GitRepository, die: Die, new: CommitId, journal: FileJournal
) -> None:
    await die.before("put c.txt")
    assert texts(checkout) == {"a": "new", "b": "new", "c": "old"}

    told = await repository.recover_landings()

    assert told == [f"The landing of run-1 on main was completed at {new[:9]}."]
    assert (checkout.head, checkout.status()) == (new, "")
    assert texts(checkout) == {"a": "new", "b": "new", "c": "new", "d": "new"}
    assert not (checkout.root / LOCK).exists()
    assert await journal.open_journals("") == {}


async def test_a_file_the_user_changed_meanwhile_stays_and_the_rest_is_undone(
    checkout: Checkout, repository: GitRepository, die: Die, old: CommitId
) -> None:
    await die.before("put c.txt")
    checkout.write("b.txt", "mine\n")

    told = await repository.recover_landings()

    assert told == [
        "The landing of run-1 on main was undone; left as found: b.txt. To take it: git merge equitr/epic-001"
    ]
    assert (checkout.head, checkout.status()) == (old, " M b.txt")
    assert texts(checkout) == {"a": "old", "b": "mine", "c": "old"}


async def test_a_file_the_user_put_where_one_was_to_come_stays(
    checkout: Checkout, repository: GitRepository, die: Die, old: CommitId
) -> None:
    await die.before("put d.txt")
    checkout.write("d.txt/mine", "mine\n")

    told = await repository.recover_landings()

    assert "left as found: d.txt" in told[0]
    assert (checkout.head, checkout.status()) == (old, "?? d.txt/")
    assert (checkout.root / "d.txt/mine").read_text() == "mine\n"


class SavingInBetween(FileOps):
    """A user who saves a file while a recovery is at work."""

    def __init__(self, save: Callable[[], object], *, times: int) -> None:
        self._save = save
        self._times = times

    def make_empty(self, folder: Path) -> None:
        if self._times and folder.name == "files":
            self._times -= 1
            self._save()
        super().make_empty(folder)


async def test_a_file_saved_during_the_recovery_stays_too(
    checkout: Checkout, home: Path, journal: FileJournal, die: Die, old: CommitId
) -> None:
    await die.before("put c.txt")
    saving = SavingInBetween(lambda: checkout.write("c.txt", "mine\n"), times=1)
    repository = GitRepository(checkout.root, home=home, store=journal, files=saving)

    told = await repository.recover_landings()

    assert "was undone; left as found: c.txt" in told[0]
    assert (checkout.head, checkout.status()) == (old, " M c.txt")
    assert (checkout.root / "c.txt").read_text() == "mine\n"


class NoRoom(FileOps):
    def put(self, source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device", str(target))


async def test_a_recovery_that_cannot_write_waits_for_the_next_start(
    checkout: Checkout, repository: GitRepository, home: Path, journal: FileJournal, die: Die, new: CommitId
) -> None:
    await die.before("put c.txt")

    told = await GitRepository(checkout.root, home=home, store=journal, files=NoRoom()).recover_landings()

    assert told[0].startswith("The landing of run-1 on main is unfinished and waits: No space left on device")
    assert list(await journal.open_journals("")) == ["landing:run-1"]
    assert "was completed" in (await repository.recover_landings())[0]
    assert (checkout.head, checkout.status()) == (new, "")


async def test_before_the_first_file_nothing_is_done(
    checkout: Checkout, repository: GitRepository, die: Die, old: CommitId
) -> None:
    await die.before("copy index")
    assert (checkout.root / LOCK).exists()

    told = await repository.recover_landings()

    assert "was undone" in told[0]
    assert (checkout.head, checkout.status()) == (old, "")


async def test_a_folder_emptied_by_the_last_act_of_a_killed_process_goes_too(
    checkout: Checkout, repository: GitRepository, home: Path, tmp_path: Path
) -> None:
    checkout.write("deep/er/only.txt", "x\n")
    checkout.write("a.txt", "old\n")
    old = checkout.commit("deep")
    checkout.git("switch", "-q", "-c", "equitr/epic-001")
    checkout.git("rm", "-q", "deep/er/only.txt")
    checkout.write("a.txt", "new\n")
    new = checkout.commit("shallow")
    checkout.git("switch", "-q", "main")
    dying = Die(checkout, home, tmp_path / "journal.json", old, new)
    await dying.before("take away only.txt")
    checkout.remove("deep/er/only.txt")

    await repository.recover_landings()

    assert (checkout.head, checkout.status()) == (new, "")
    assert not (checkout.root / "deep").exists()


async def test_somebody_elses_lock_is_left_alone_and_the_landing_waits(
    checkout: Checkout, repository: GitRepository, die: Die, new: CommitId, journal: FileJournal
) -> None:
    await die.before("put c.txt")
    (checkout.root / LOCK).write_text("somebody else's")

    told = await repository.recover_landings()

    assert told == [
        "The landing of run-1 on main is unfinished and waits: "
        f"{checkout.root / LOCK} is another git command's; remove it if none is running."
    ]
    assert (checkout.root / LOCK).read_text() == "somebody else's"
    assert texts(checkout) == {"a": "new", "b": "new", "c": "old"}
    assert list(await journal.open_journals("")) == ["landing:run-1"]

    (checkout.root / LOCK).unlink()
    assert "was completed" in (await repository.recover_landings())[0]
    assert (checkout.head, checkout.status()) == (new, "")


async def test_after_the_users_own_reset_nothing_is_left_to_do(
    checkout: Checkout, repository: GitRepository, die: Die, old: CommitId
) -> None:
    await die.before("put c.txt")
    (checkout.root / LOCK).unlink()
    checkout.git("reset", "-q", "--hard")

    told = await repository.recover_landings()

    assert "was undone" in told[0]
    assert (checkout.head, checkout.status()) == (old, "")


async def test_a_commit_of_the_users_on_top_of_a_half_landing_is_kept(
    checkout: Checkout, repository: GitRepository, die: Die
) -> None:
    await die.before("put c.txt")
    (checkout.root / LOCK).unlink()
    checkout.write("mine.py", "mine\n")
    checkout.git("add", "mine.py", "a.txt")
    checkout.git("commit", "-q", "-m", "mine, with half of theirs")
    mine = checkout.head

    told = await repository.recover_landings()

    assert "was undone" in told[0]
    assert "git merge equitr/epic-001" in told[0]
    assert (checkout.head, checkout.status()) == (mine, "")
    assert texts(checkout) == {"a": "new", "b": "old", "c": "old"}


async def test_what_the_user_staged_meanwhile_stays_staged(
    checkout: Checkout, repository: GitRepository, die: Die, new: CommitId
) -> None:
    await die.before("put c.txt")
    (checkout.root / LOCK).unlink()
    checkout.write("src/app.py", "staged\n")
    checkout.git("add", "src/app.py")
    checkout.write("src/app.py", "and changed again\n")

    await repository.recover_landings()

    assert checkout.head == new
    assert checkout.status() == "MM src/app.py"
    assert checkout.git("show", ":src/app.py") == "staged"


async def test_a_file_changed_after_the_branch_moved_stays_on_top_of_the_result(
    checkout: Checkout, repository: GitRepository, die: Die, new: CommitId
) -> None:
    await die.before("replace index")
    checkout.write("b.txt", "mine\n")

    told = await repository.recover_landings()

    assert told == [f"The landing of run-1 on main was completed at {new[:9]}; left as found: b.txt."]
    assert (checkout.head, checkout.status()) == (new, " M b.txt")


async def test_a_finished_landing_whose_journal_is_open_touches_no_file_of_the_users(
    checkout: Checkout, repository: GitRepository, die: Die, new: CommitId
) -> None:
    await die.before("clear journal")
    checkout.write("a.txt", "old\n")

    told = await repository.recover_landings()

    assert "was completed" in told[0]
    assert (checkout.head, checkout.status()) == (new, " M a.txt")


async def test_the_users_own_merge_of_the_result_counts_as_completed(
    checkout: Checkout, repository: GitRepository, die: Die, new: CommitId
) -> None:
    await die.before("put c.txt")
    (checkout.root / LOCK).unlink()
    checkout.git("reset", "-q", "--hard")
    checkout.git("merge", "-q", "--ff-only", "equitr/epic-001")
    checkout.write("mine.py", "mine\n")
    mine = checkout.commit("on top")

    assert "was completed" in (await repository.recover_landings())[0]
    assert (checkout.head, checkout.status()) == (mine, "")


async def test_a_conflicted_index_is_the_users_to_resolve_first(
    checkout: Checkout, repository: GitRepository, die: Die, old: CommitId
) -> None:
    await die.before("put c.txt")
    (checkout.root / LOCK).unlink()
    checkout.git("reset", "-q", "--hard")
    checkout.git("switch", "-q", "-c", "other")
    checkout.write("a.txt", "other\n")
    checkout.commit("other")
    checkout.git("merge", "equitr/epic-001", check=False)
    before = checkout.status()
    assert "AA" in before or "UU" in before

    told = await repository.recover_landings()

    assert told == [
        "The landing of run-1 on main is unfinished and waits: "
        "a merge has conflicts; resolve it, then start equitrcoder again."
    ]
    assert checkout.status() == before
    assert not (checkout.root / LOCK).exists()


async def test_a_landing_of_another_workspace_is_not_ours_to_settle(
    die: Die, home: Path, journal: FileJournal, tmp_path: Path
) -> None:
    await die.before("put c.txt")
    elsewhere = Checkout(tmp_path / "elsewhere")
    elsewhere.root.mkdir()
    elsewhere.git("init", "-q")
    elsewhere.commit()

    assert await GitRepository(elsewhere.root, home=home, store=journal).recover_landings() == []
    assert list(await journal.open_journals("")) == ["landing:run-1"]


async def test_landing_again_settles_what_was_open_first(
    checkout: Checkout, repository: GitRepository, die: Die, old: CommitId, new: CommitId
) -> None:
    await die.before("put c.txt")

    assert (await repository.land(RUN, "main", old, new)).landed
    assert (checkout.head, checkout.status()) == (new, "")


async def test_a_recovery_waits_for_a_landing_that_is_alive(
    checkout: Checkout, home: Path, journal: FileJournal, old: CommitId, new: CommitId
) -> None:
    lands, looks = (GitRepository(checkout.root, home=home, store=journal) for _ in range(2))

    landing, told = await asyncio.gather(lands.land(RUN, "main", old, new), looks.recover_landings())

    assert landing.landed
    assert told == []
    assert (checkout.head, checkout.status()) == (new, "")


async def test_a_cancelled_landing_is_undone_before_it_ends(
    checkout: Checkout, home: Path, journal: FileJournal, old: CommitId, new: CommitId
) -> None:
    cancelling = Cancelling(before="put b.txt")
    repository = fused_repository(checkout.root, home=home, journal=home.parent / "journal.json", fuse=cancelling)

    async with asyncio.TaskGroup() as group:
        cancelling.task = group.create_task(repository.land(RUN, "main", old, new))

    assert cancelling.task.cancelled()
    assert (checkout.head, checkout.status()) == (old, "")
    assert texts(checkout) == {"a": "old", "b": "old", "c": "old"}
    assert await journal.open_journals("") == {}


class Cancelling(Fuse):
    """Somebody presses Ctrl-C at a step; the process lives on."""

    task: "asyncio.Task[object]"

    def step(self, name: str) -> None:
        if name == self._before:
            self._before = ""
            self.task.cancel()


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from equitr_coder.adapters.git.process import GitProcess
from tests.adapters.git.fuses import Fuse, fused_repository

class Shot(Fuse):
    def die(self, name):
        os.kill(os.getpid(), signal.SIGKILL)

class ShotWhileGitRuns(Fuse):
    def die(self, name):
        self._is_burnt = False
        self._before = ""
        asyncio.get_running_loop().call_later(0.002, os.kill, os.getpid(), signal.SIGKILL)

root, home, journal, step, during, old, new = sys.argv[1:]
fuse = (ShotWhileGitRuns if during == "during" else Shot)(before=step)
repository = fused_repository(Path(root), home=Path(home), journal=Path(journal), fuse=fuse)
asyncio.run(repository.land("run-1", "main", old, new))
"""


@pytest.mark.parametrize(
    ("step", "when"),
    [
        ("put file 30.txt", "before"),
        ("take away gone 30.txt", "before"),
        ("git checkout-index", "during"),
        ("git update-index", "during"),
        ("git update-ref", "before"),
        ("git update-ref", "during"),
        ("replace index", "before"),
        ("delete index.lock", "before"),
    ],
)
def test_a_process_that_is_really_killed_leaves_old_or_new_and_nothing_between(
    checkout: Checkout, repository: GitRepository, home: Path, tmp_path: Path, step: str, when: str
) -> None:
    for number in range(60):
        checkout.write(f"file {number}.txt", "old\n" * number)
        checkout.write(f"gone {number}.txt", "gone\n")
    old = checkout.commit("old")
    checkout.git("switch", "-q", "-c", "equitr/epic-001")
    for number in range(60):
        checkout.write(f"file {number}.txt", "new\n" * number + "\n")
        checkout.remove(f"gone {number}.txt")
    new = checkout.commit("new")
    files = {new: checkout.files()}
    checkout.git("switch", "-q", "main")
    files[old] = checkout.files()

    arguments = [str(checkout.root), str(home), str(tmp_path / "journal.json"), step, when, old, new]
    died = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False, capture_output=True)
    assert died.returncode == -signal.SIGKILL, shlex.join(arguments) + died.stderr.decode()
    asyncio.run(repository.recover_landings())

    assert checkout.files() == files[checkout.head]
    assert checkout.status() == ""
    assert not (checkout.root / LOCK).exists()
    checkout.git("fsck", "--strict")
