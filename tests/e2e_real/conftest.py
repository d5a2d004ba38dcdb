"""A user with a real package in a repository of their own, two defects planted in it, and a scripted provider."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from equitr_coder.testing.script import Rule
from tests.e2e.conftest import OpenStage, Stage, stage, tools
from tests.e2e_real.source import UnobtainableError, fetch, unpack

__all__ = ["stage", "tools"]


@dataclass(frozen=True)
class Defect:
    """An exact piece of the package's code, what it is replaced by, and the test of its own that sees it."""

    file: str
    right: str
    wrong: str
    test: str

    @property
    def check(self) -> str:
        return f"python -m pytest -q {self.test}"


RANGE_END = Defect(
    file="boltons/strutils.py",
    right="range(min(range_limits), max(range_limits)+1)",
    wrong="range(min(range_limits), max(range_limits))",
    test="tests/test_strutils.py::test_parse_int_list",
)
OVERLAP = Defect(
    file="boltons/iterutils.py",
    right="input_offset = input_offset + initial_chunk_len - overlap_size",
    wrong="input_offset = input_offset + initial_chunk_len",
    test="tests/test_iterutils.py::test_chunk_ranges",
)
DEFECTS = (RANGE_END, OVERLAP)

WHOLE_SUITE = "python -m pytest -q"
GATE = " ".join([WHOLE_SUITE, *(f"--deselect {defect.test}" for defect in DEFECTS)])
"""Everything that was green has to stay green; each task's own check is one of the two tests that are red."""


def run_tests(user: Stage, *selected: str) -> "subprocess.CompletedProcess[str]":
    """The package's tests in the user's checkout."""
    return subprocess.run(
        ["python", "-m", "pytest", "-q", *selected],
        cwd=user.repo,
        env=user.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.fixture
def archive() -> Path:
    try:
        return fetch()
    except UnobtainableError as error:
        pytest.skip(f"the source distribution cannot be had: {error}")


OpenPackage = Callable[[Sequence[Rule]], Stage]


@pytest.fixture
def package(stage: OpenStage, archive: Path, tmp_path: Path) -> OpenPackage:
    """`package(rules)`: the package in a repository, with its own suite as the gate and the defects planted."""

    def open_package(rules: Sequence[Rule]) -> Stage:
        user = stage(rules, config={"checks": {"gate": [GATE]}, "orchestrator": {"max_attempts": 1}})
        del user.environ["PYTHONWARNINGS"]  # their tests are not ours to be strict with
        user.put_first_on_path(Path(sys.executable).parent)
        published = tmp_path / "published"
        unpack(archive, published)
        published.rename(user.repo / "package")
        (user.repo / "README.md").unlink()
        for path in (user.repo / "package").iterdir():
            path.rename(user.repo / path.name)
        (user.repo / "package").rmdir()
        user.commit({".gitignore": "__pycache__/\n.pytest_cache/\n"}, "as published")
        for defect in DEFECTS:
            code = user.read(defect.file)
            broken = code.replace(defect.right, defect.wrong)
            assert (code.count(defect.right), broken.count(defect.wrong)) == (1, 1), "a defect is one exact place"
            user.write({defect.file: broken})
        user.git("commit", "-qam", "two changes that nobody tested")
        return user

    return open_package
