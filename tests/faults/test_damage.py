"""Disks that are full, and records that are torn: the run goes on, or two lines say what is wrong and what to do."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from equitr_coder.domain.events import Event, TaskChanged
from equitr_coder.domain.run_view import fold
from equitr_coder.domain.runs import RunState
from equitr_coder.testing.events import assert_well_formed
from tests.faults.conftest import OpenVictim, Undisturbed
from tests.faults.laws import assert_laws, assert_nothing_lost
from tests.faults.plays import SHORT
from tests.faults.points import Point
from tests.faults.victim import Ended, Victim, read_logs

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
slow = pytest.mark.slow


# ---------------------------------------------------------------- torn records


def _read_beside(victim: Victim) -> list[Event]:
    """The log, from a copy: whoever reads a store folds its last records into the database."""
    copy = victim.folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(victim.home, copy)
    logs = read_logs(copy)
    return list(logs[0]) if logs else []


def _tear(path: Path, *, keep: int) -> None:
    path.chmod(0o600)
    os.truncate(path, keep)


@pytest.mark.parametrize(
    "point",
    [
        Point("append.model_call_settled", "after", 2),
        Point("append.merge_landed", "after", 1),
        pytest.param(Point("append.run_started", "after", 1), marks=slow),
        pytest.param(Point("append.plan_approved", "after", 1), marks=slow),
        pytest.param(Point("append.tool_returned", "after", 4), marks=slow),
        pytest.param(Point("append.task_changed", "after", 2), marks=slow),
        pytest.param(Point("store.clear_journal", "after", 3), marks=slow),
        pytest.param(Point("append.run_finished", "after", 1), marks=slow),
    ],
    ids=str,
)
def test_a_torn_last_record_costs_that_record_and_no_other(
    victim: OpenVictim, undisturbed: Undisturbed, point: Point
) -> None:
    killed = victim(SHORT)
    ended, _ = killed.drive(killed.play.command, point)
    assert ended.code == -signal.SIGKILL, ended.brief
    before = _read_beside(killed)
    wal = killed.home / "equitr.db-wal"
    _tear(wal, keep=wal.stat().st_size - 1000)
    there = _read_beside(killed)
    assert there == before[: len(there)]
    if point.kind.startswith("append."):
        assert point.kind.removeprefix("append.") in {event.type for event in before[len(there) :]}

    killed.finish()

    assert killed.view.state is RunState.COMPLETED
    assert killed.files == undisturbed(SHORT).files
    assert_well_formed(killed.log)
    assert killed.git("status", "--porcelain") == ""


def test_a_damaged_store_is_named_and_nothing_else_is_touched(victim: OpenVictim) -> None:
    killed = victim(SHORT)
    assert killed.kill(Point("executor.run", "after", 1))
    assert killed.log  # reading folds the last records into the database
    store = killed.home / "equitr.db"
    refs = killed.git("for-each-ref")
    with store.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (store.stat().st_size - 4096))

    stopped = killed.run("resume", "--yes")
    error, hint = stopped.trouble

    assert stopped.code == 2, stopped.brief
    assert "damaged" in error
    assert "move it away" in hint
    assert killed.git("for-each-ref") == refs
    assert killed.git("status", "--porcelain") == ""


def test_a_torn_output_is_written_again(victim: OpenVictim, undisturbed: Undisturbed) -> None:
    killed = victim(SHORT)
    assert killed.kill(Point("store.put_blob", "after", 1))
    [blob] = [path for path in (killed.home / "blobs").rglob("*") if path.is_file()]
    whole = blob.read_bytes()
    _tear(blob, keep=len(whole) // 2)

    killed.finish()

    assert blob.read_bytes() == whole
    assert_nothing_lost(killed, undisturbed(SHORT).files)


def _object(victim: Victim, name: str) -> Path:
    found = victim.git("rev-parse", name)
    return victim.repo / ".git" / "objects" / found[:2] / found[2:]


@pytest.mark.parametrize("keep", [0, 20])
def test_a_torn_object_of_git_begins_the_attempt_anew_and_says_so(
    victim: OpenVictim, undisturbed: Undisturbed, keep: int
) -> None:
    killed = victim(SHORT)
    assert killed.kill(Point("append.tool_returned", "after", 4))
    [step] = killed.git("for-each-ref", "--format=%(refname)", "refs/equitr/keep").splitlines()
    _tear(_object(killed, step), keep=keep)

    ended = killed.run("resume", "--yes")

    if ended.code:
        error, hint = ended.trouble
        assert "git cannot read the repository" in error
        assert "fsck" in hint
        return
    assert killed.files == undisturbed(SHORT).files
    assert any(isinstance(e, TaskChanged) and "begins anew" in e.detail for e in killed.log)


def test_a_torn_ref_of_ours_is_named_before_anything_is_paid(victim: OpenVictim) -> None:
    killed = victim(SHORT)
    assert killed.kill(Point("append.tool_called", "after", 4))
    asked = len(killed.requests)
    _tear(killed.repo / ".git" / "refs/heads/equitr/epic-001", keep=0)

    stopped = killed.run("resume", "--yes")

    assert stopped.code in (1, 2), stopped.brief
    assert stopped.trouble
    assert len(killed.requests) == asked


@slow
def test_when_the_users_own_ref_is_torn_the_work_is_done_beside_it(victim: OpenVictim) -> None:
    killed = victim(SHORT)
    assert killed.kill(Point("append.tool_called", "after", 4))
    _tear(killed.repo / ".git" / "refs/heads/main", keep=0)

    ended = killed.run("resume", "--yes")

    assert ended.code == 0, ended.brief
    assert "Not landed: `main` names no commit any more: its ref is lost or damaged." in ended.out
    assert killed.git("show", "equitr/epic-001:t2.txt") == "T2-built"
    assert (killed.repo / ".git" / "refs/heads/main").read_bytes() == b"", "not ours to mend"


# ---------------------------------------------------------------- full disks

_SCRIPT = """
{command}
first=$?
echo "first $first"
rm -f "$FILLER"
test $first -eq 0 && exit
{command_again}
echo "then $?"
"""


def _on_small_disk(victim: Victim, folder: Path, *, size: int, free: int) -> Ended:
    """The command behind a disk of `size` bytes at `folder`, filled up to `free`; and `resume` when it is not."""
    program = f"{sys.executable} -m equitr_coder"
    words = " ".join(f"'{word}'" for word in victim.play.command)
    kept = victim.folder / "kept"
    script = _SCRIPT.format(command=f"{program} {words}", command_again=f"{program} resume --yes || {program} {words}")
    shutil.copytree(folder, kept)
    prepare = (
        f"cp -a {kept}/. {folder}/ && dd if=/dev/zero of={folder}/filler bs=1000 2>/dev/null; "
        f"truncate -s $(( $(stat -c %s {folder}/filler) - {free} )) {folder}/filler"
    )
    ran = subprocess.run(
        ["bwrap", "--dev-bind", "/", "/", "--size", str(size), "--tmpfs", str(folder), "sh", "-c",
         f"{prepare}; cd {victim.repo}; {script}\ncp -a {folder}/. {kept}/"],
        cwd=victim.folder, env=victim.environ | {"FILLER": str(folder / "filler")},
        capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    shutil.rmtree(folder)
    kept.rename(folder)
    return Ended(ran.returncode, ran.stdout, ran.stderr)


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="makes disks of a size")
@pytest.mark.parametrize(
    ("place", "free"),
    [
        ("home", 20_000),
        ("home", 150_000),
        ("repo", 20_000),
        *(pytest.param("home", n, marks=slow) for n in (100_000, 250_000, 400_000)),
        *(pytest.param("repo", n, marks=slow) for n in (40_000, 60_000, 80_000, 100_000)),
    ],
)
def test_a_disk_that_fills_up_stops_in_two_lines_and_then_goes_on(
    victim: OpenVictim, undisturbed: Undisturbed, place: str, free: int
) -> None:
    short = victim(SHORT)

    ran = _on_small_disk(short, short.folder / place, size=6_000_000, free=free)

    codes = [line for line in ran.out.splitlines() if line.startswith(("first ", "then "))]
    assert codes[0] != "first 0", "the disk never filled up"
    assert codes[-1] == "then 0", ran.brief
    errors = [line for line in ran.err.splitlines() if line.startswith("error: ")]
    assert "full" in errors[0] or "No space" in errors[0], ran.brief
    assert "Traceback" not in ran.err, ran.brief
    done = [fold(log) for log in short.logs()]
    assert done[0].state is RunState.COMPLETED, ran.brief
    if len(done) == 1:
        assert short.files == undisturbed(SHORT).files
        assert_laws(short)
