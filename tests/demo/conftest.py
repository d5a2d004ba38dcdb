"""The demo as a process, once for all tests of this folder, watched from inside for every connection it opens."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from equitr_coder.app import Overrides, open_api
from equitr_coder.demo.story import Story, load_story
from equitr_coder.domain.run_view import RunView

SECONDS = 90.0
"""Far more than it takes, for machines with much else to do."""
# Runs `python -m equitr_coder` and writes down the address of every connection and of every look-up of a name.
WATCHED = """
import json, runpy, sys
log = open(sys.argv.pop(1), "a", buffering=1)
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        address = arguments[1] if event != "socket.getaddrinfo" else arguments[0]
        log.write(json.dumps([event, address if isinstance(address, str) else list(address)]) + "\\n")
sys.addaudithook(watch)
sys.argv[0] = "equitrcoder"
runpy.run_module("equitr_coder", run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True)
class Played:
    """A demo that has ended: what it said, and what it left."""

    code: int
    out: str
    err: str
    connections: tuple[tuple[str, Any], ...]
    """Audit event and address."""
    folder: Path
    user_home: Path

    @property
    def checkout(self) -> Path:
        return self.folder / "stockroom"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def run(self, *command: str) -> str:
        ran = subprocess.run(command, cwd=self.checkout, capture_output=True, text=True, check=True)
        return ran.stdout + ran.stderr


def environ_of(folder: Path) -> dict[str, str]:
    """A user with a key, and settings of their own that must not matter here."""
    home, temporary = folder / "home", folder / "tmp"
    home.mkdir()
    temporary.mkdir()
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "OPENAI_API_KEY": "sk-not-for-the-demo",
        "EQUITR_LLM__MODEL": "openai/real-model",
        "EQUITR_LLM__BUDGET": "0.01",
        "PYTHONWARNINGS": "error::ResourceWarning",
    }


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("demo")
    environ, log = environ_of(folder), folder / "connections"
    ended = subprocess.run(
        [sys.executable, "-c", WATCHED, str(log), "demo"],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    (left,) = (folder / "tmp").glob("equitr-demo-*")
    connections = tuple(tuple(json.loads(line)) for line in log.read_text().splitlines())
    return Played(ended.returncode, ended.stdout, ended.stderr, connections, left, Path(environ["HOME"]))


@pytest.fixture
async def view(played: Played) -> RunView:
    """The run of the demo, folded from the log it left."""
    async with open_api(Overrides(repo=played.checkout, home=played.home, environ={})) as api:
        (run,) = await api.runs()
        return await api.view(run.run)


Retold = Callable[..., Story]


@pytest.fixture
def retold() -> Retold:
    """`retold(**changes)`: the story told without pauses, with some of its parts changed."""

    def tell(**changes: object) -> Story:
        story = load_story()
        rules = tuple(
            rule.model_copy(update={"turns": tuple(turn.model_copy(update={"delay": 0.0}) for turn in rule.turns)})
            for rule in story.script.rules
        )
        return story.model_copy(update={"script": story.script.model_copy(update={"rules": rules})} | changes)

    return tell
