"""What a person does with git between the death of the process and the resume loses nothing: the run goes on, or says
in two lines what to do first.
"""

import shutil
import subprocess
from collections.abc import Callable

import pytest

from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.events import TaskChanged, ToolReturned
from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.runs import RunState
from tests.faults.conftest import OpenVictim, Undisturbed
from tests.faults.laws import assert_money, assert_nothing_lost
from tests.faults.plays import DIRECT, EPIC, OVERTAKEN, REVIEWED, SHORT
from tests.faults.points import Point, moments_of
from tests.faults.victim import Play, Victim

AFTER_A_STEP = Point("append.tool_returned", "after", 9)
IN_A_GATE = Point("executor.run", "after", 4)
IN_SHORT_GATE = Point("executor.run", "after", 3)
"""After the two of planning, which look whether the checks pass already."""

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
slow = pytest.mark.slow


def _collect_garbage(victim: Victim) -> None:
    victim.git("gc", "--quiet", "--prune=now")


def _remove_worktrees(victim: Victim) -> None:
    shutil.rmtree(victim.home / "worktrees")


def _clear_away_everything(victim: Victim) -> None:
    _remove_worktrees(victim)
    victim.git("worktree", "prune")
    _collect_garbage(victim)


def _delete_refs(victim: Victim, below: str) -> None:
    for ref in victim.git("for-each-ref", "--format=%(refname)", below).splitlines():
        victim.git("update-ref", "-d", ref)


def _lose_the_steps(victim: Victim) -> None:
    """As if somebody had deleted the refs that keep them."""
    _delete_refs(victim, "refs/equitr/keep")
    _clear_away_everything(victim)


def _lose_what_was_handed_in(victim: Victim) -> None:
    _delete_refs(victim, "refs/equitr/epic-001")
    _collect_garbage(victim)


def _lose_all_but_the_branch(victim: Victim) -> None:
    _delete_refs(victim, "refs/equitr")
    _clear_away_everything(victim)


def _commit(victim: Victim) -> None:
    (victim.repo / "mine.txt").write_text("the user's\n")
    victim.git("add", "-A")
    victim.git("commit", "-qm", "the user's own")


@pytest.mark.parametrize("number", [5, *(pytest.param(n, marks=slow) for n in (1, 2, 3, 4))])
def test_a_step_is_kept_until_the_log_names_the_next_one(
    victim: OpenVictim, undisturbed: Undisturbed, number: int
) -> None:
    killed = victim(EPIC)
    assert killed.kill(Point("repository.keep", "after", number))
    _collect_garbage(killed)
    killed.finish()
    assert_nothing_lost(killed, undisturbed(EPIC).files)


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(_collect_garbage, id="garbage is collected", marks=slow),
        pytest.param(_remove_worktrees, id="worktrees go", marks=slow),
        pytest.param(_clear_away_everything, id="garbage and worktrees go"),
    ],
)
def test_an_attempt_goes_on_when_what_it_stood_on_is_cleared_away(
    victim: OpenVictim, undisturbed: Undisturbed, act: Callable[[Victim], None]
) -> None:
    killed = victim(EPIC)
    assert killed.kill(AFTER_A_STEP)
    act(killed)
    killed.finish()
    assert_nothing_lost(killed, undisturbed(EPIC).files)


@slow
def test_an_attempt_that_starts_from_merged_files_survives_the_garbage_collection(
    victim: OpenVictim, undisturbed: Undisturbed
) -> None:
    killed = victim(OVERTAKEN)
    assert killed.kill(Point("T1.working", "after", 2))
    assert killed.view.tasks[TaskId("T2")].state is TaskState.DONE
    task = killed.view.tasks[TaskId("T1")]
    assert (task.state, task.attempt) == (TaskState.WORKING, 2)
    _clear_away_everything(killed)
    killed.finish()
    assert_nothing_lost(killed, undisturbed(OVERTAKEN).files)
    assert killed.view.tasks[TaskId("T1")].attempt == 2


@slow
def test_a_landing_counts_although_the_user_committed_on_top_of_it(victim: OpenVictim) -> None:
    killed = victim(EPIC)
    assert killed.kill(Point("repository.land", "after", 1))
    _commit(killed)
    killed.finish()
    assert (killed.view.state, killed.view.landed) == (RunState.COMPLETED, True)
    assert killed.git("status", "--porcelain") == ""
    assert_money(killed)


@slow
@pytest.mark.parametrize(
    "point",
    [
        Point("append.plan_submitted", "after", 1),
        Point("store.write_journal", "after", 1),
        Point("repository.move_ref", "after", 1),
        Point("append.plan_approved", "before", 1),
    ],
    ids=str,
)
def test_a_commit_of_the_user_before_the_approval_is_built_upon(victim: OpenVictim, point: Point) -> None:
    killed = victim(EPIC)
    assert killed.kill(point)
    _commit(killed)
    killed.finish()
    assert killed.view.state is RunState.COMPLETED
    assert (killed.repo / "mine.txt").read_text() == "the user's\n"
    assert killed.view.landed
    assert_money(killed)


@slow
@pytest.mark.parametrize("play", [EPIC, DIRECT], ids=["planned", "direct"])
def test_a_run_that_dies_twice_around_its_branch_knows_it_still(victim: OpenVictim, play: Play) -> None:
    killed = victim(play)
    assert killed.kill(Point("repository.move_ref", "after", 1))
    _commit(killed)
    assert killed.kill(Point("store.write_journal", "after", 1))
    killed.finish()
    assert (killed.view.state, killed.view.landed) == (RunState.COMPLETED, True)
    assert_money(killed)


@slow
def test_a_branch_of_somebody_elses_is_never_taken_for_our_own(victim: OpenVictim) -> None:
    killed = victim(EPIC)
    assert killed.kill(Point("store.write_journal", "after", 1))
    killed.git("branch", "equitr/epic-001")
    theirs = killed.git("rev-parse", "equitr/epic-001")
    _commit(killed)
    killed.run("resume", "--yes")
    assert (killed.view.state, killed.view.reason) == (RunState.PAUSED, StopReason.BLOCKED)
    assert "equitr/epic-001 exists already" in killed.view.detail
    assert "git branch -m equitr/epic-001" in killed.view.hint
    assert killed.git("rev-parse", "equitr/epic-001") == theirs


@slow
@pytest.mark.parametrize(
    ("play", "point", "state"),
    [
        pytest.param(
            SHORT, Point("append.tool_returned", "after", 4), TaskState.WORKING, id="in the middle of an attempt"
        ),
        pytest.param(OVERTAKEN, Point("T1.ready", "after", 1), TaskState.READY, id="between two attempts"),
        pytest.param(SHORT, Point("T1.review", "after", 1), TaskState.REVIEW, id="handed in"),
    ],
)
def test_a_task_whose_steps_git_has_lost_begins_anew_and_says_so(
    victim: OpenVictim, undisturbed: Undisturbed, play: Play, point: Point, state: TaskState
) -> None:
    killed = victim(play)
    assert killed.kill(point)
    task = killed.view.tasks[TaskId("T1")]
    assert (task.state, task.attempt) == (state, 1)
    (_lose_all_but_the_branch if state is TaskState.REVIEW else _lose_the_steps)(killed)
    killed.finish()
    assert killed.files == undisturbed(play).files
    assert killed.view.state is RunState.COMPLETED
    [said] = [e for e in killed.log if isinstance(e, TaskChanged) and e.reason is StopReason.INTERRUPTED]
    assert "begins anew" in said.detail
    assert killed.view.tasks[said.task].attempt == 2
    assert_money(killed)


@pytest.mark.parametrize("act", [_lose_what_was_handed_in, pytest.param(_clear_away_everything, marks=slow)])
def test_what_was_handed_in_lands_although_its_ref_or_its_worktree_is_gone(
    victim: OpenVictim, undisturbed: Undisturbed, act: Callable[[Victim], None]
) -> None:
    killed = victim(SHORT)
    assert killed.kill(Point("T1.review", "after", 1))
    act(killed)
    killed.finish()
    assert_nothing_lost(killed, undisturbed(SHORT).files)
    assert killed.view.tasks[TaskId("T1")].attempt == 1


@slow
def test_a_reviewer_finds_the_files_of_a_task_whose_worktree_is_gone(
    victim: OpenVictim, undisturbed: Undisturbed
) -> None:
    killed = victim(REVIEWED)
    assert killed.kill(Point("T1.review", "after", 1))
    _remove_worktrees(killed)
    killed.finish()
    assert_nothing_lost(killed, undisturbed(REVIEWED).files)
    [read, _] = [e.text for e in killed.log if isinstance(e, ToolReturned) and e.session.startswith("review")]
    assert "T1-built" in read


@slow
def test_a_run_that_has_ended_keeps_no_steps(victim: OpenVictim) -> None:
    played = victim(EPIC)
    played.finish()
    assert played.git("for-each-ref", "refs/equitr/keep") == ""
    assert "dangling commit" not in played.git("fsck")


def test_an_edit_of_the_user_during_an_open_landing_stays(victim: OpenVictim) -> None:
    killed = victim(SHORT)
    assert killed.kill(Point("store.write_journal", "after", 4))
    (killed.repo / "README.md").write_text("# Mine\n")
    killed.finish()
    assert (killed.view.state, killed.view.landed) == (RunState.COMPLETED, False)
    assert killed.git("status", "--porcelain").strip() == "M README.md"
    assert (killed.repo / "README.md").read_text() == "# Mine\n"
    assert_money(killed)


# ---------------------------------------------------------------- locks that nobody holds


def _leave(*parts: str) -> Callable[[Victim], None]:
    def act(victim: Victim) -> None:
        lock = victim.repo.joinpath(".git", *parts)
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.write_bytes(b"")

    return act


def _leave_in_worktrees(victim: Victim) -> None:
    for folder in (victim.repo / ".git" / "worktrees").iterdir():
        for name in ("index.lock", "HEAD.lock", "locked"):
            (folder / name).write_text("")


def _leave_at_home(victim: Victim) -> None:
    for folder in (victim.home / "git").iterdir():
        (folder / "index.lock").write_text("")
    for lock in (victim.home / "locks").iterdir():
        lock.write_text("1")  # the process of this number lives and is no owner


def _remove(pattern: str, *, base: str) -> Callable[[Victim], None]:
    def act(victim: Victim) -> None:
        found = list({"git": victim.repo / ".git", "home": victim.home}[base].glob(pattern))
        assert found
        for path in found:
            shutil.rmtree(path)

    return act


def _move_home(victim: Victim) -> None:
    victim.move("home", "another home")


def _move_a_worktree(victim: Victim) -> None:
    [folder] = victim.home.glob("worktrees/*/*/T2")
    folder.rename(victim.folder / "aside")


def _prune_while_home_is_away(victim: Victim) -> None:
    """As on a disk that is not always there."""
    victim.move("home", "another home")
    victim.git("worktree", "prune", "--expire=now")
    victim.move("home", "home")


def _build_in_a_worktree(victim: Victim) -> None:
    """A branch and a commit of the user's, in the folder of a task."""
    [folder] = victim.home.glob("worktrees/*/*/T2")
    victim.git("-C", str(folder), "switch", "-qc", "mine")
    victim.git("-C", str(folder), "commit", "-q", "--allow-empty", "-m", "mine")


def _pack_refs(victim: Victim) -> None:
    victim.git("pack-refs", "--all")


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(_leave_in_worktrees, id="locks in worktrees", marks=slow),
        pytest.param(_leave_at_home, id="locks at home"),
        pytest.param(_remove("worktrees/*/*/T*", base="home"), id="folders of tasks go", marks=slow),
        pytest.param(_remove("worktrees/*/*/gate-*", base="home"), id="folders of gates go", marks=slow),
        pytest.param(_remove("worktrees/*", base="git"), id="git forgets the worktrees"),
        pytest.param(_prune_while_home_is_away, id="worktrees are pruned", marks=slow),
        pytest.param(_move_home, id="home is moved", marks=slow),
        pytest.param(_move_a_worktree, id="a worktree is moved", marks=slow),
        pytest.param(_build_in_a_worktree, id="a branch in a worktree", marks=slow),
        pytest.param(_pack_refs, id="refs are packed", marks=slow),
        pytest.param(_remove("git", base="home"), id="indexes and locks at home go"),
    ],
)
def test_what_is_left_lying_or_is_gone_is_put_right_by_the_resume(
    victim: OpenVictim, undisturbed: Undisturbed, act: Callable[[Victim], None]
) -> None:
    killed = victim(EPIC)
    assert killed.kill(IN_A_GATE)
    act(killed)
    killed.finish()
    assert_nothing_lost(killed, undisturbed(EPIC).files)


@slow
@pytest.mark.parametrize(
    "point",
    [
        *(Point("repository.take_up_worktree", when, 1) for when in moments_of("repository.take_up_worktree")),
        *(Point("git.read-tree", when, number) for number in (1, 2) for when in moments_of("git.read-tree")),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "act",
    [
        pytest.param(_remove("worktrees/*", base="git"), id="forgotten"),
        pytest.param(_move_home, id="home is moved"),
    ],
)
def test_a_worktree_that_is_put_right_when_the_process_dies_again_is_put_right_then(
    victim: OpenVictim, undisturbed: Undisturbed, act: Callable[[Victim], None], point: Point
) -> None:
    killed = victim(EPIC)
    assert killed.kill(IN_A_GATE)
    act(killed)
    assert killed.kill(point)
    killed.finish()
    assert_nothing_lost(killed, undisturbed(EPIC).files)


# ---------------------------------------------------------------- what only the person can decide


def _delete_branch(victim: Victim) -> None:
    victim.git("branch", "-D", "equitr/epic-001")


def _build_on_branch(victim: Victim) -> None:
    """A commit of the user's on the integration branch, made elsewhere."""
    theirs = victim.git("commit-tree", "-p", "equitr/epic-001", "-m", "theirs", "equitr/epic-001^{tree}")
    victim.git("branch", "-f", "equitr/epic-001", theirs)


def _look_at_branch(victim: Victim) -> None:
    victim.git("switch", "-q", "equitr/epic-001")


def _look_at_branch_elsewhere(victim: Victim) -> None:
    victim.git("worktree", "add", "-q", "../look", "equitr/epic-001")


_LOCK_BRANCH = _leave("refs/heads/equitr/epic-001.lock")
_LOCK_REFS = _leave("packed-refs.lock")


def _do(command: str) -> Callable[[Victim, str], None]:
    """What the hint says, `{}` being what it names after its last colon or word."""

    def act(victim: Victim, hint: str) -> None:
        subprocess.run(command.format(hint=hint.rpartition(": ")[2], path=hint.rsplit(maxsplit=1)[-1]), shell=True,
                       cwd=victim.repo, env=victim.environ, check=True)  # fmt: skip

    return act


@pytest.mark.parametrize(
    "point", [Point("append.tool_called", "after", 4), pytest.param(IN_SHORT_GATE, marks=slow)], ids=str
)
@pytest.mark.parametrize(
    ("act", "words", "mend"),
    [
        pytest.param(_delete_branch, "is gone", "{hint}", id="branch deleted"),
        pytest.param(_build_on_branch, "was moved by somebody else", "{hint}", id="branch moved"),
        pytest.param(_look_at_branch, "is checked out", "{hint}", id="branch checked out", marks=slow),
        pytest.param(
            _look_at_branch_elsewhere,
            "is checked out",
            "{hint} && git worktree remove ../look",
            id="branch in a worktree of the user's",
            marks=slow,
        ),
        pytest.param(_LOCK_BRANCH, "epic-001.lock exists", "rm {path}", id="branch locked", marks=slow),
        pytest.param(_LOCK_REFS, "packed-refs.lock exists", "rm {path}", id="refs locked", marks=slow),
    ],
)
def test_a_resume_stops_in_two_lines_that_say_what_to_do_and_then_goes_on(
    victim: OpenVictim, undisturbed: Undisturbed, point: Point, act: Callable[[Victim], None], words: str, mend: str
) -> None:
    killed = victim(SHORT)
    assert killed.kill(point)
    act(killed)
    refs = killed.git("for-each-ref", "--format=%(objectname)", "refs/heads").splitlines()
    asked = len(killed.requests)

    stopped = killed.run("resume", "--yes")
    error, hint = stopped.trouble

    assert stopped.code in (1, 2), stopped.brief
    assert words in error
    if act in (_delete_branch, _build_on_branch, _look_at_branch, _look_at_branch_elsewhere):
        assert len(killed.requests) == asked, "nothing is paid before that is mended"
    _do(mend)(killed, hint)
    killed.finish()
    assert_nothing_lost(killed, undisturbed(SHORT).files)
    assert all(killed.git("branch", "--all", "--contains", commit) for commit in refs), "the user's commits are kept"


@pytest.mark.parametrize("name", [None, pytest.param("epic-001", marks=slow)])
def test_a_repository_that_was_moved_is_told_where_its_run_goes_on(
    victim: OpenVictim, undisturbed: Undisturbed, name: str | None
) -> None:
    killed = victim(SHORT)
    assert killed.kill(IN_SHORT_GATE)
    stood = killed.repo
    killed.move("repo", "moved")
    asked = len(killed.requests)

    stopped = killed.run("resume", *([name] if name else []), "--yes")
    error, hint = stopped.trouble

    assert stopped.code == 2, stopped.brief
    assert error == f"epic-001 was begun when this repository was {stood}"
    assert len(killed.requests) == asked
    _do("{hint}")(killed, hint)
    killed.places["repo"] = "repo"
    killed.finish()
    assert_nothing_lost(killed, undisturbed(SHORT).files)


@slow
def test_another_repository_is_not_taken_for_one_that_was_moved(victim: OpenVictim) -> None:
    killed = victim(SHORT)
    assert killed.kill(IN_SHORT_GATE)
    killed.move("repo", "moved")
    killed.places["repo"] = "other"
    killed.repo.mkdir()
    plain = killed.run("resume", "--yes")
    assert plain.trouble[0] == "there is no unfinished run here"
    assert [path.name for path in killed.repo.iterdir()] == []
    killed.git("init", "-q", "-b", "main")
    assert killed.run("resume", "epic-001", "--yes").trouble[0] == "there is no run or epic epic-001 in this workspace"


def _switch(victim: Victim) -> None:
    victim.git("switch", "-qc", "other")


def _detach(victim: Victim) -> None:
    victim.git("switch", "-q", "--detach")


def _edit(victim: Victim) -> None:
    (victim.repo / "README.md").write_text("# Mine\n")


def _rewrite(victim: Victim) -> None:
    """From the first commit on, as whoever takes a secret out of a history does."""
    victim.git("commit", "-q", "--amend", "-m", "written anew")


def _put_in_the_way(victim: Victim) -> None:
    (victim.repo / "t1.txt").write_text("mine\n")


@pytest.mark.parametrize(
    ("act", "words", "first"),
    [
        pytest.param(_commit, "has moved on", "true", id="user commits"),
        pytest.param(_rewrite, "has moved on", "true", id="history is rewritten", marks=slow),
        pytest.param(_switch, "`other` is checked out", "true", id="user switches", marks=slow),
        pytest.param(_detach, "No branch is checked out", "true", id="HEAD is detached", marks=slow),
        pytest.param(_edit, "has uncommitted changes", "git commit -qam mine", id="user edits"),
        pytest.param(_put_in_the_way, "is in the way", "mv t1.txt aside.txt", id="a file in the way", marks=slow),
        pytest.param(_leave("index.lock"), "index.lock exists", "rm .git/index.lock", id="index locked", marks=slow),
    ],
)
def test_a_checkout_that_is_not_as_it_was_is_left_alone_and_the_command_that_lands_is_told(
    victim: OpenVictim,
    undisturbed: Undisturbed,
    act: Callable[[Victim], None],
    words: str,
    first: str,
) -> None:
    killed = victim(SHORT)
    assert killed.kill(IN_SHORT_GATE)
    act(killed)
    head = killed.git("rev-parse", "HEAD")

    killed.finish()

    view = killed.view
    assert (view.state, view.landed) == (RunState.COMPLETED, False)
    assert words in view.detail
    assert killed.git("rev-parse", "HEAD") == head
    assert_money(killed)
    subprocess.run(first, shell=True, cwd=killed.repo, env=killed.environ, check=True)
    subprocess.run(
        view.hint, shell=True, cwd=killed.repo, env=killed.environ | {"GIT_MERGE_AUTOEDIT": "no"}, check=True
    )
    wanted = undisturbed(SHORT).files
    there = killed.files
    assert {name: there.get(name) for name in wanted if name != "README.md"} == {
        name: text for name, text in wanted.items() if name != "README.md"
    }
