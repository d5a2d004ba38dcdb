"""A machine without any sandbox: what runs unasked there is agreed to first, once, and before money is spent."""

from pathlib import Path
from typing import Any

import pytest

from equitr_coder.testing.script import says
from tests.e2e.conftest import Ended, OpenStage, Stage
from tests.e2e.scenes import file_of, hands_in, word_of, worker, writes

BUILD = ("chat", "-M", "--plan", "never", "--check", f"grep -q built {file_of('T1')}", f"build it: {word_of('T1')}")
BUILDS = worker("T1", says("", writes(file_of("T1"), "T1-built\n"), hands_in()))


@pytest.fixture
def bare(stage: OpenStage, tmp_path: Path) -> "Bare":
    return Bare(stage, tmp_path)


class Bare:
    """Opens stages where bubblewrap is there and cannot work."""

    def __init__(self, stage: OpenStage, folder: Path) -> None:
        self._stage, self._folder = stage, folder / "broken"

    def __call__(self, script: list[Any], *, mode: str = "bubblewrap", **config: Any) -> Stage:
        self._folder.mkdir()
        program = self._folder / "bwrap"
        program.write_text("#!/bin/sh\necho 'bwrap: no namespaces here' >&2\nexit 1\n")
        program.chmod(0o755)
        user = self._stage(script, config={"sandbox": {"mode": mode}, **config})
        user.put_first_on_path(self._folder)
        return user


def is_stopped_before_it_spends(ended: Ended, user: Stage) -> bool:
    lines = [line.strip() for line in ended.text.splitlines() if line.strip()]
    [at] = [at for at, line in enumerate(lines) if "would run with your rights" in line]
    return ended.code == 5 and "sandbox.mode: off" in " ".join(lines[at:]) and not user.server.requests


def test_with_nobody_to_ask_it_stops_before_it_spends(bare: Bare) -> None:
    user = bare([BUILDS])

    ended = user.run(*BUILD, "--yes")

    assert is_stopped_before_it_spends(ended, user), ended.brief
    assert "Traceback" not in ended.text


def test_a_yes_at_the_terminal_counts_for_the_whole_run(bare: Bare) -> None:
    user = bare([BUILDS])

    with user.terminal(*BUILD, "--yes") as terminal:
        terminal.answer("once", prompt="allow>")
        code = terminal.wait()

    assert code == 0, terminal.screen
    assert "WITHOUT a sandbox, with your rights" in terminal.screen
    assert terminal.screen.count("allow>") == 1
    assert user.read(file_of("T1")) == "T1-built\n"


def test_a_no_at_the_terminal_ends_it_and_the_next_start_asks_again(bare: Bare) -> None:
    user = bare([BUILDS])

    with user.terminal(*BUILD, "--yes") as terminal:
        terminal.answer("no", prompt="allow>")
        code = terminal.wait()

    assert code == 5, terminal.screen
    assert not user.server.requests

    with user.terminal("resume") as terminal:
        terminal.answer("once", prompt="allow>")
        code = terminal.wait()

    assert code == 0, terminal.screen


def test_who_turned_the_sandbox_off_is_not_asked(bare: Bare) -> None:
    user = bare([BUILDS], mode="off")

    ended = user.run(*BUILD, "--yes")

    assert ended.code == 0, ended.brief


def test_a_project_cannot_turn_it_off_for_its_user(bare: Bare) -> None:
    user = bare([BUILDS])
    folder = user.repo / ".equitr"
    folder.mkdir()
    (folder / "config.yaml").write_text("sandbox: {mode: off}\n")
    assert user.run("trust").code == 0

    ended = user.run(*BUILD, "--yes")

    assert is_stopped_before_it_spends(ended, user), ended.brief


def test_a_chat_is_asked_only_when_something_runs_after_an_edit(bare: Bare) -> None:
    user = bare([says("Hello.")], checks={"after_edit": [{"glob": "*.py", "command": "true"}]})

    assert is_stopped_before_it_spends(user.run("chat", "hello"), user)

    user.configure({"sandbox": {"mode": "bubblewrap"}})
    ended = user.run("chat", "hello")
    assert ended.code == 0, ended.brief
