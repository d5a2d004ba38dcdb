"""The examples as a user runs them: in a repository of their own, with nothing but variables to say which model."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from equitr_coder.testing.script import Rule
from equitr_coder.testing.server import ServerInThread, serve_in_thread

EXAMPLES = Path(__file__).parents[2] / "examples"
TEST = """import unittest

import shop


class TaxTest(unittest.TestCase):
    def test_tax_is_a_fifth(self) -> None:
        self.assertEqual(shop.tax(50), 10)
"""


@dataclass
class User:
    repo: Path
    server: ServerInThread
    environ: dict[str, str]

    def run(self, example: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        program = [sys.executable] if example.endswith(".py") else ["/bin/sh"]
        return subprocess.run(
            [*program, str(EXAMPLES / example), *arguments],
            cwd=self.repo,
            env=self.environ | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def git(self, *arguments: str) -> str:
        ran = subprocess.run(
            ["git", *arguments], cwd=self.repo, env=self.environ, capture_output=True, text=True, check=True
        )
        return ran.stdout.rstrip("\n")


OpenUser = Callable[[Sequence[Rule]], User]


@pytest.fixture
def user(tmp_path: Path) -> Iterator[OpenUser]:
    """`user(rules)`: somebody with a shop whose tax is wrong, and a local server that plays `rules`."""
    with ExitStack() as stack:

        def open_user(rules: Sequence[Rule]) -> User:
            server = stack.enter_context(serve_in_thread(rules))
            repo, home = tmp_path / "repo", tmp_path / "home"
            repo.mkdir()
            home.mkdir()
            environ = {
                "HOME": str(home),
                "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
                "PYTHONWARNINGS": "error::ResourceWarning",
                "EQUITR_LLM__API_BASE": server.url,
                "EQUITR_LLM__MODEL": "local/weak",
                "EQUITR_LLM__MODELS__SUPERVISOR": "local/strong",
                "EQUITR_LLM__PRICES": "{local/strong: {input: 10, output: 30}, local/weak: {input: 1, output: 3}}",
            }
            made = User(repo, server, environ)
            for name, content in {
                "shop.py": "def tax(price):\n    return price // 10\n",
                "test_shop.py": TEST,
                ".gitignore": "__pycache__/\n",
            }.items():
                (repo / name).write_text(content)
            made.git("init", "-q", "-b", "main")
            made.git("config", "user.name", "A User")
            made.git("config", "user.email", "user@example.invalid")
            made.git("add", "-A")
            made.git("commit", "-qm", "start")
            return made

        yield open_user
