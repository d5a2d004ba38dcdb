"""The bench of parallel work plays and reads its figures from the product; nothing is said of how large they are."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(600)
PROGRAM = Path(__file__).parents[2] / "bench" / "parallel.py"


def run(*arguments: str) -> str:
    ended = subprocess.run([sys.executable, str(PROGRAM), *arguments], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_each_number_of_workers_has_its_row_of_figures() -> None:
    printed = run("--tasks", "2", "--latency", "0", "--files", "3", "--workers", "1,2").splitlines()

    head = next(number for number, line in enumerate(printed) if line.split()[:1] == ["workers"])
    rows = [line.split() for line in printed[head + 1 :]]
    assert [row[0] for row in rows] == ["1", "2"]
    assert rows[0][2] == "1.00"
    assert all(float(row[1]) > 0 and float(row[-1]) > 0 for row in rows)


@pytest.mark.slow
def test_one_agent_is_set_against_four_workers_and_new_worktrees_against_kept_ones() -> None:
    alone = run("--tasks", "2", "--latency", "0", "--files", "3", "--workers", "2", "--single")
    leased = run("--lease", "3")

    assert "saved" in alone.splitlines()[-1]
    assert "out of the pool" in leased.splitlines()[-1]
