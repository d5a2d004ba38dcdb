import shutil
import subprocess
import sys

import pytest

from equitr_coder.testing.script import always, says
from tests.adapters.sqlite.test_chain import old_store
from tests.e2e.conftest import Ended, OpenStage, Stage
from tests.e2e.scenes import builds, plans, task

pytestmark = pytest.mark.skipif(shutil.which("bwrap") is None, reason="makes disks that stop root too")

REQUESTS = pytest.mark.parametrize(
    "arguments", [("chat", "hello"), ("chat", "-M", "--plan", "always", "--yes", "hello")], ids=["single", "planned"]
)


def run_among(user: Stage, mounts: list[str], script: str, *arguments: str) -> Ended:
    """The product behind `mounts` of bubblewrap, after the shell `script`."""
    ran = subprocess.run(
        [
            "bwrap", "--dev-bind", "/", "/", *mounts, "sh", "-c", f'{script}; exec "$@"', "sh",
            sys.executable, "-m", "equitr_coder", *arguments,
        ],
        cwd=user.home, env=user.environ, capture_output=True, check=False, text=True, timeout=60,
    )  # fmt: skip
    return Ended(ran.returncode, ran.stdout, ran.stderr)


def assert_two_lines(user: Stage, ended: Ended, *words: str) -> None:
    assert ended.code == 2, ended.brief
    assert not user.server.requests
    error, hint = ended.err.strip().splitlines()
    assert error.startswith("error: "), ended.brief
    assert hint.startswith("hint: "), ended.brief
    for word in words:
        assert word in ended.err, ended.brief


@REQUESTS
def test_a_repository_on_a_read_only_disk_costs_nothing(stage: OpenStage, arguments: tuple[str, ...]) -> None:
    user = stage([always(says("done"))])

    ended = run_among(user, ["--ro-bind", str(user.repo), str(user.repo)], f"cd {user.repo}", *arguments)

    assert_two_lines(user, ended, "cannot be written", str(user.repo / ".git"))


@REQUESTS
def test_a_repository_on_a_full_disk_costs_nothing(stage: OpenStage, arguments: tuple[str, ...]) -> None:
    user = stage([always(says("done"))])
    fill = (
        f"cd {user.repo} && git init -q && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m start && "
        "dd if=/dev/zero of=.git/filler bs=4096 2>/dev/null"
    )

    ended = run_among(user, ["--size", "1000000", "--tmpfs", str(user.repo)], fill, *arguments)

    assert_two_lines(user, ended, "full", "Free some space")


def test_a_plain_folder_on_a_read_only_disk_costs_no_plan(stage: OpenStage) -> None:
    user = stage([always(says("done"))], repo=False)

    ended = run_among(
        user,
        ["--ro-bind", str(user.repo), str(user.repo)],
        f"cd {user.repo}",
        *("chat", "-M", "--plan", "always", "--yes", "hello"),
    )

    assert_two_lines(user, ended, "cannot be written", str(user.repo))


def test_a_disk_that_fills_while_workers_work_fails_no_task(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2", needs=("T1",))), builds("T1"), builds("T2")])
    worktrees = user.equitr_home / "worktrees"
    worktrees.mkdir()

    ended = run_among(
        user,
        ["--size", "4096", "--tmpfs", str(worktrees)],
        f"cd {user.repo}",
        *("chat", "-M", "--plan", "always", "--yes", "hello"),
    )

    assert ended.code == 2, ended.brief
    assert "full" in ended.err or "No space" in ended.err, ended.brief
    assert "internal_error" not in ended.text, ended.brief
    resumed = user.run("resume", "--yes", "--output", "json")
    assert resumed.code == 0, resumed.brief
    assert [resumed.task(name)["attempts"] for name in ("T1", "T2")] == [1, 1]


def test_a_home_on_a_full_disk_loses_nothing_that_was_written_before(stage: OpenStage) -> None:
    user = stage([always(says("done"))])
    home, command = user.equitr_home, f"{sys.executable} -m equitr_coder"
    config = user.home / "config.yaml"
    config.write_bytes((home / "config.yaml").read_bytes())
    script = (
        f"cd {user.repo} && cp {config} {home}/config.yaml && {command} chat hello >/dev/null && "
        f"dd if=/dev/zero of={home}/filler bs=512 2>/dev/null; "
        f"{command} chat again 2>&1 >/dev/null; echo code=$?; rm {home}/filler"
    )

    ended = run_among(user, ["--size", "1000000", "--tmpfs", str(home)], script, "audit", "verify")

    assert ended.code == 0, ended.brief
    error, hint, code, run, whole = ended.out.strip().splitlines()
    assert error.startswith("error: "), ended.brief
    assert "full" in error, ended.brief
    assert hint.startswith("hint: "), ended.brief
    assert code == "code=2"
    assert ": whole, " in run, ended.brief
    assert whole == "1 run: every record is what was stored, in its order"


def test_an_older_store_that_cannot_be_copied_stays_as_it_is(stage: OpenStage) -> None:
    user = stage([always(says("done"))])
    home = user.equitr_home
    path = user.home / "old.db"
    old_store(path)
    script = (
        f"cd {user.repo} && cp {path} {home}/equitr.db && dd if=/dev/zero of={home}/filler bs=512 2>/dev/null; "
        f"{sys.executable} -m equitr_coder runs 2>&1; echo code=$?; rm {home}/filler"
    )

    ended = run_among(user, ["--size", "600000", "--tmpfs", str(home)], script, "audit", "verify", "--all")

    error, _hint, code, *chains = ended.out.strip().splitlines()
    assert ended.code == 0, ended.brief
    assert error.startswith("error: "), ended.brief
    assert code == "code=2"
    assert [": whole, 3 records" in line for line in chains[:-1]] == [True, True], ended.brief
