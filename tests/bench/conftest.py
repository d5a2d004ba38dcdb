"""The evaluation as a user runs it: their home and configuration; only the models' server is scripted."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Ended, Stage, stage, tools

__all__ = ["stage", "tools"]

PROGRAM = Path(__file__).parents[2] / "bench" / "eval.py"


@dataclass(frozen=True)
class Evaluation:
    user: Stage
    results: Path

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, str(PROGRAM), "--results", str(self.results), *arguments],
            env=self.user.environ,
            cwd=self.user.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> Ended:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=100)
        return Ended(process.returncode, out, err)

    @property
    def result(self) -> dict[str, Any]:
        """What the only run stored."""
        (path,) = self.results.iterdir()
        loaded = json.loads(path.read_text(encoding="utf-8"))
        assert isinstance(loaded, dict)
        return loaded

    def task(self, name: str) -> dict[str, Any]:
        return next(dict(task) for task in self.result["tasks"] if task["task"] == name)


OpenEvaluation = Callable[[Stage], Evaluation]


@pytest.fixture
def evaluation(tmp_path: Path) -> OpenEvaluation:
    return lambda user: Evaluation(user, tmp_path / "results")
