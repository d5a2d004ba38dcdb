"""Every attempt of `attempts.yaml`, for real: inside the sandbox it must hold, and outside it must do its harm."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

from equitr_coder.adapters.sandbox.bubblewrap import BubblewrapExecutor
from equitr_coder.adapters.sandbox.choice import choose_executor
from equitr_coder.adapters.sandbox.limits import Limits
from equitr_coder.ports import Executor
from tests.adapters.sandbox.test_standby import Counted
from tests.escape.conftest import PATH
from tests.escape.machine import Attempt, Machine, read_attempts
from tests.escape.play import play, play_bare

ATTEMPTS = read_attempts()
PLAIN_USER = 65534
_PACKAGES = ("equitr_coder", "pydantic", "yaml")


def by_id(attempt: Attempt) -> str:
    return attempt.id


@pytest.fixture(scope="session")
def bubblewrap(scratch: Machine) -> str:
    chosen = asyncio.run(choose_executor(mode="auto", home=scratch.equitr_home, readable=[], environ=scratch.environ))
    if chosen.confinement.kind != "bubblewrap":
        pytest.skip(chosen.confinement.reason)
    program = shutil.which("bwrap", path=scratch.environ["PATH"])
    assert program is not None
    return program


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=by_id)
async def test_it_is_held(attempt: Attempt, scratch: Machine, bubblewrap: str) -> None:
    def make_executor(machine: Machine, limits: Limits) -> Executor:
        return BubblewrapExecutor(
            program=bubblewrap, version="tested", home=machine.equitr_home, readable=[], environ=machine.environ,
            limits=limits,
        )  # fmt: skip

    outcome = await play(attempt, scratch, make_executor)

    assert outcome.faults(attempt) == [], outcome.said


COMMANDS = [one for one in ATTEMPTS if one.tool == "run_command"]
# Each third in the default run; `make test-escape` runs them all.
READY = [pytest.param(one, marks=[pytest.mark.slow] if at % 3 else []) for at, one in enumerate(COMMANDS)]


@pytest.mark.parametrize("attempt", READY, ids=[one.id for one in COMMANDS])
async def test_it_is_held_by_a_sandbox_that_was_made_before(
    attempt: Attempt, scratch: Machine, bubblewrap: str
) -> None:
    with contextlib.closing(Counted()) as standbys:

        def make_executor(machine: Machine, limits: Limits) -> Executor:
            return BubblewrapExecutor(
                program=bubblewrap, version="tested", home=machine.equitr_home, readable=[], environ=machine.environ,
                limits=limits, standbys=standbys,
            )  # fmt: skip

        outcome = await play(attempt, scratch, make_executor, is_ready=True)

    assert outcome.faults(attempt) == [], outcome.said
    assert standbys.taken in ([False, True], [])  # [] where no sandbox could be set up


HARMFUL = [
    one
    for one in ATTEMPTS
    if one.bare == "escapes" and ("needs" not in one.setup or shutil.which(one.setup["needs"], path=PATH))
]
SAMPLED = [pytest.param(one, marks=[pytest.mark.slow] if at % 3 else []) for at, one in enumerate(HARMFUL)]


@pytest.mark.parametrize("attempt", SAMPLED, ids=[one.id for one in HARMFUL])
@pytest.mark.usefixtures("bubblewrap")
def test_it_would_do_harm_without_a_sandbox(attempt: Attempt, scratch: Machine) -> None:
    assert play_bare(attempt, scratch) != []


@pytest.fixture(scope="session")
def plain_python() -> tuple[list[str], dict[str, str]]:
    """The command line of a Python that a plain user may run, and its environment."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root, to become a plain user")
    places = [str(Path(str(import_module(name).__file__)).parent.parent) for name in _PACKAGES]
    env = {
        "PYTHONPATH": ":".join(dict.fromkeys([*places, str(Path(__file__).parents[2])])),
        "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/",
    }  # fmt: skip
    plain = ["setpriv", f"--reuid={PLAIN_USER}", f"--regid={PLAIN_USER}", "--clear-groups", "/usr/bin/python3"]
    asked = [*plain, "-c", "from equitr_coder.adapters.sandbox.choice import why_no_landlock as w; print(w())"]
    said = subprocess.run(asked, env=env, capture_output=True, text=True, check=False)
    if said.returncode != 0 or said.stdout.strip():
        pytest.skip(f"a plain user cannot do this here: {said.stdout.strip() or said.stderr.strip()[-300:]}")
    return plain, env


@pytest.mark.parametrize("kind", sorted({one.kind for one in ATTEMPTS if one.tool == "run_command"}))
def test_landlock_holds_what_it_can_as_a_plain_user(kind: str, plain_python: tuple[list[str], dict[str, str]]) -> None:
    """All of a kind in one process: a plain user needs an interpreter and a folder that are not root's own."""
    plain, env = plain_python
    with tempfile.TemporaryDirectory(prefix="equitr-plain-", ignore_cleanup_errors=True) as folder:
        machine = Path(folder, "m")
        machine.mkdir()
        for path in (Path(folder), machine):
            os.chown(path, PLAIN_USER, PLAIN_USER)

        done = subprocess.run(
            [*plain, "-m", "tests.escape.plain_user", str(machine), kind],
            env=env, capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["faults"] == {}
    assert (said["user"], said["sandbox"]) == (PLAIN_USER, "landlock")
    expected = {one.id for one in ATTEMPTS if (one.kind, one.tool, one.landlock) == (kind, "run_command", "holds")}
    assert set(said["played"]) == expected


def test_the_suite_is_as_broad_as_it_says() -> None:
    kinds = Counter(attempt.kind for attempt in ATTEMPTS)

    assert len({attempt.id for attempt in ATTEMPTS}) == len(ATTEMPTS) >= 150
    assert {"file", "network", "git-config", "hooks", "symlink", "environment", "shell", "project-config", "mcp",
            "resources", "prompt"} <= set(kinds)  # fmt: skip
    assert {attempt.outcome for attempt in ATTEMPTS} == {"held", "refused", "bounded", "ignored"}
    assert {attempt.landlock for attempt in ATTEMPTS} == {"holds", "cannot"}
    assert {attempt.bare for attempt in ATTEMPTS} == {"escapes", "unsafe", "nothing"}
