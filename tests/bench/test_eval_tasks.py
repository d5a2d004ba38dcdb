"""Every task of the evaluation can be failed and can be solved, and its check tells the two apart."""

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from bench.trial import EvalTask, judge, lay_out, load_tasks
from equitr_coder.adapters.sandbox.choice import choose_executor
from equitr_coder.ports import Executor

TASKS = load_tasks()
each_task = pytest.mark.parametrize(
    "task",
    [pytest.param(task, marks=() if number % 5 == 0 else pytest.mark.slow) for number, task in enumerate(TASKS)],
    ids=lambda task: task.name,
)
"""One in five; all of them in `make test-bench`."""


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Executor:
    home = tmp_path_factory.mktemp("home")
    return asyncio.run(choose_executor(mode="auto", home=home, readable=(), environ=os.environ))


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return tmp_path / "repo"


def patched(task: EvalTask, patch: str, repo: Path) -> Path:
    """The task's files with one of its patches."""
    shutil.copytree(task.folder / "files", repo)
    subprocess.run(["git", "init", "-q"], cwd=repo, check=True)
    subprocess.run(["git", "apply", str(task.folder / patch)], cwd=repo, check=True)
    return repo


def git(repo: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=repo, check=True, capture_output=True).stdout


def test_there_are_twenty_of_them() -> None:
    assert [task.name[:2] for task in TASKS] == [f"{number:02}" for number in range(1, 21)]


@each_task
async def test_the_check_fails_on_the_start_for_the_reason_the_task_is_about(
    task: EvalTask, executor: Executor
) -> None:
    verdict = await judge(task, task.folder / "files", executor)

    assert not verdict.passed
    symptom = yaml.safe_load((task.folder / "task.yaml").read_text(encoding="utf-8"))["fails_with"]
    assert symptom in verdict.output


@each_task
async def test_the_check_passes_with_the_solution(task: EvalTask, repo: Path, executor: Executor) -> None:
    verdict = await judge(task, patched(task, "solution.patch", repo), executor)

    assert verdict.passed, verdict.output
    assert b" b/tests/" not in (task.folder / "solution.patch").read_bytes(), "a solution leaves the check alone"


@each_task
async def test_the_check_sees_through_a_plausible_wrong_solution(
    task: EvalTask, repo: Path, executor: Executor
) -> None:
    verdict = await judge(task, patched(task, "decoy.patch", repo), executor)

    assert not verdict.passed


async def test_a_check_that_the_model_weakened_is_put_back(repo: Path, executor: Executor) -> None:
    task = TASKS[0]
    lay_out(task, repo)
    (test,) = (repo / "tests").iterdir()
    test.write_text("", encoding="utf-8")
    assert not (await judge(task, repo, executor)).passed

    shutil.rmtree(repo / "tests")
    (repo / "tests").symlink_to("/tmp")

    assert not (await judge(task, repo, executor)).passed


def test_the_start_is_a_clean_repository_with_its_bytes_as_they_are(repo: Path) -> None:
    task = next(task for task in TASKS if task.name == "03_crlf")

    lay_out(task, repo)

    assert git(repo, "status", "--porcelain") == b""
    assert git(repo, "log", "--format=%s") == b"start\n"
    assert b"\r\n" in (repo / "transfer.ini").read_bytes()
    assert git(repo, "show", "HEAD:transfer.ini") == (repo / "transfer.ini").read_bytes()
