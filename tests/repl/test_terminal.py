"""The real program in a real terminal (tmux): what only the two of them together can show."""

import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from equitr_coder.testing.script import Rule, always, call, calls, rule, says
from equitr_coder.testing.server import ServerInThread, serve_in_thread

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed: no terminal to test in"),
]

PRICES = {"stub/strong": {"input": 10, "output": 30}, "stub/weak": {"input": 1, "output": 3}}
WAIT = 30.0
EDITOR = """#!/bin/sh
echo 'editing; one line to add:'
read -r line
printf '%s\\n' "$line" >> "$1"
"""
PLAN = {
    "title": "Greeting",
    "tasks": [
        {
            "id": "T1",
            "title": "greet",
            "description": "write greet.txt",
            "todos": ["greet"],
            "check": "grep hi greet.txt",
        },
        {
            "id": "T2",
            "title": "leave",
            "description": "write leave.txt",
            "todos": ["leave"],
            "check": "grep bye leave.txt",
        },
    ],
    "sync_points": [],
}
REQUIREMENTS = """# Requirements

## 1. Overview
A greeting.

## 2. Features
- R1 greet

## 3. Non-functional requirements
- fast
"""
DESIGN = "# Design\n\n## 1. Architecture\nTwo files.\n\n## 2. Deployment\nNone.\n"


def building(task: str, path: str, content: str) -> Rule:
    written = calls("write_file", path=path, content=content)
    return rule(written, calls("hand_in", summary=f"wrote {path}"), model="weak", first=f"Your task: {task}")


class Terminal:
    """A tmux pane with the program in it, and the keys of the person before it."""

    def __init__(self, folder: Path, server: ServerInThread, socket: str) -> None:
        self.home, self.repo, self.raw = folder / "home", folder / "repo", folder / "raw"
        self.server = server
        self._socket = socket
        self.home.mkdir()
        self.repo.mkdir()
        config = {
            "api_base": server.url,
            "models": {"supervisor": "stub/strong", "worker": "stub/weak"},
            "prices": PRICES,
        }
        (self.home / ".equitr").mkdir()
        (self.home / ".equitr" / "config.yaml").write_text(yaml.safe_dump({"llm": config}))
        self._git("init", "-q", "-b", "main")
        self._git("config", "user.name", "A User")
        self._git("config", "user.email", "user@example.invalid")
        (self.repo / "README.md").write_text("# Shop\n")
        (self.repo / ".gitignore").write_text("*.log\n")
        (self.repo / "shop.log").write_text("ignored\n")
        self._git("add", "-A")
        self._git("commit", "-qm", "start")

    def start(self, *arguments: str, term: str | None = None) -> None:
        """Run the program; when it has left, its exit code and the terminal's echo flag are printed."""
        editor = self.home / "editor"
        editor.write_text(EDITOR)
        editor.chmod(0o755)
        environ = {"HOME": self.home, "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "EDITOR": editor}
        given = " ".join(f"{name}='{value}'" for name, value in environ.items())
        terminal = f"TERM={term}" if term else "TERM=$TERM"
        program = f"env -i {given} {terminal} '{sys.executable}' -m equitr_coder {' '.join(arguments)}"
        after = "echo left with $?; stty -a | grep -o -w -e '-\\{0,1\\}echo' -e '-\\{0,1\\}icanon'; cat"
        self._tmux("new-session", "-d", "-x", "100", "-y", "30", "-c", str(self.repo), "cat")
        self._tmux("pipe-pane", f"cat > '{self.raw}'")
        self._tmux("respawn-pane", "-k", "-c", str(self.repo), f"{program}; {after}")

    def types(self, text: str) -> None:
        self._tmux("send-keys", "-l", text)

    def presses(self, *keys: str) -> None:
        """By tmux's names: `Enter`, `C-c`, `M-Enter`."""
        self._tmux("send-keys", *keys)

    def pastes(self, text: str) -> None:
        self._tmux("set-buffer", text)
        self._tmux("paste-buffer", "-p")

    def sees(self, *texts: str) -> str:
        """Wait until all of them stand on the pane or in its scrollback; returns everything that stands there."""
        return self._until(lambda shown: all(text in shown for text in texts), f"never saw {texts}")

    def asks(self, prompt: str = "you>") -> None:
        """Wait for an empty prompt."""
        self._until(lambda shown: _before_status(shown) == prompt, f"no empty {prompt}")

    def ask(self, what: str) -> str:
        """A format of tmux, filled in."""
        return self._tmux("display-message", "-p", what).strip()

    def kill(self) -> None:
        subprocess.run([*self._base, "kill-server"], capture_output=True, check=False)

    def _until(self, holds: Callable[[str], bool], complaint: str) -> str:
        deadline = time.monotonic() + WAIT
        while not holds(shown := self._tmux("capture-pane", "-p", "-S", "-")):
            assert time.monotonic() < deadline, f"{complaint}:\n{shown}"
            time.sleep(0.03)  # the pane tells nobody that it has changed
        return shown

    @property
    def _base(self) -> list[str]:
        return ["tmux", "-L", self._socket, "-f", "/dev/null"]

    def _tmux(self, *arguments: str) -> str:
        ran = subprocess.run([*self._base, *arguments], capture_output=True, text=True, check=True)
        return ran.stdout

    def _git(self, *arguments: str) -> str:
        ran = subprocess.run(["git", *arguments], cwd=self.repo, capture_output=True, text=True, check=True)
        return ran.stdout


def _before_status(shown: str) -> str:
    """The last line that says something, the status line left out."""
    lines = [line.rstrip() for line in shown.splitlines() if line.strip()]
    while lines and lines[-1].startswith(("multi-agent", "planning")):
        lines.pop()
    return lines[-1] if lines else ""


Open = Callable[[Sequence[Rule]], Terminal]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Open]:
    with ExitStack() as stack:

        def open_terminal(rules: Sequence[Rule]) -> Terminal:
            server = stack.enter_context(serve_in_thread(rules))
            opened = Terminal(tmp_path, server, f"equitr-{uuid.uuid4().hex[:12]}")
            stack.callback(opened.kill)
            return opened

        yield open_terminal


def test_a_chat_is_told_in_the_scrollback_and_can_be_undone(terminal: Open) -> None:
    edit = {"path": "README.md", "old_text": "# Shop", "new_text": "# The Shop"}
    user = terminal(
        [
            rule(
                says("I look first.", call("read_file", path="README.md")),
                calls("edit_file", **edit),
                says("Renamed.\n" + "\n".join(f"line {number}" for number in range(60))),
                first="rename",
            )
        ]
    )

    user.start("--inline", "interactive")
    user.sees("/help lists the commands", "multi-agent off  model stub/weak  $0.0000 of $10.00")
    user.types("rename it")
    user.presses("Enter")
    user.sees("I look first.", "line 59", "  modified README.md (+1 -1)", "together $0.0")
    user.asks()
    assert user.ask("#{alternate_on}#{mouse_any_flag}") == "00"
    assert (user.repo / "README.md").read_text() == "# The Shop\n"
    user.types("/diff")
    user.presses("Enter")
    user.sees("-# Shop", "+# The Shop")
    user.asks()
    user.types("/undo")
    user.presses("Enter")
    user.sees("taken back: README.md")
    user.asks()
    assert (user.repo / "README.md").read_text() == "# Shop\n"
    user.types("/quit")
    user.presses("Enter")
    shown = user.sees("left with 0")

    assert shown.count("line 30") == 1
    assert "resume with" not in shown


def test_ctrl_c_stops_a_silent_model_and_twice_leaves_a_sane_terminal(terminal: Open) -> None:
    user = terminal([rule(says("I think about", hang=True, cut_after=1), first="think")])

    user.start("--inline", "interactive")
    user.asks()
    user.types("think")
    user.presses("Enter")
    user.server.reached(1)
    user.presses("C-c")
    user.sees("Stopping; Ctrl-C again leaves.", "Stopped.")
    user.asks()
    user.presses("C-c")
    shown = user.sees("resume with: equitrcoder resume run-", "left with 0", "icanon")

    assert "Traceback" not in shown
    assert "-echo" not in shown
    assert "-icanon" not in shown


def test_keys_typed_while_the_agent_works_answer_nothing_and_are_not_lost(terminal: Open) -> None:
    slow = says("", call("run_command", command="touch made"), delay=1.0)
    user = terminal([rule(slow, says("I made nothing."), says("Once, then."), first="make")])

    user.start("--inline", "interactive")
    user.asks()
    user.types("make it")
    user.presses("Enter")
    user.server.reached(1)
    user.types("once")
    user.presses("Enter")
    user.sees("u1 waits for the end of this turn: once")
    user.types("later")
    user.sees("assistant wants to use run_command:")
    user.asks("allow>")
    assert not (user.repo / "made").exists()
    user.types("no")
    user.presses("Enter")
    user.sees("refused by you", "I made nothing.", "> once", "Once, then.", "you> later")

    assert not (user.repo / "made").exists()


def test_planning_asks_and_quitting_leaves_no_trace(terminal: Open) -> None:
    user = terminal([always(calls("ask_user", question="Which database?", options=["SQLite"]), offers="submit_plan")])

    user.start("--inline", "--multi-agent")
    user.sees("What would you like to build?", "planning  supervisor stub/strong  worker stub/weak  $0.0000 of $10.00")
    user.types("a shop")
    user.presses("Enter")
    user.sees("planner asks: Which database?", "  1  SQLite")
    user.asks("your answer>")
    user.types("/quit")
    user.presses("Enter")
    user.sees("left with 0")

    assert user._git("status", "--porcelain") == ""
    assert user._git("log", "--oneline", "--all").count("\n") == 1
    assert not (user.repo / "docs").exists()


def test_pasted_lines_wait_and_ignored_files_are_not_offered(terminal: Open) -> None:
    user = terminal([always(says("Read."))])

    user.start("--inline", "interactive")
    user.asks()
    user.types("see @sho")
    user.presses("Tab")
    user.types(" @REA")
    user.presses("Tab")
    user.sees("you> see @sho @README.md")
    user.presses("C-c")
    user.sees("Ctrl-C again leaves.")
    user.asks()
    user.pastes("/quit\nis the first\nof three lines\n")
    user.sees("of three lines")
    assert not user.server.requests
    user.presses("Enter")
    user.sees("Read.")

    first: Any = user.server.requests[0].body
    assert first["messages"][-1]["content"] == "/quit\nis the first\nof three lines"


def test_a_dumb_terminal_gets_no_escape_code(terminal: Open) -> None:
    user = terminal([always(says("Fine \x1b[31mred\x1b[0m."))])

    user.start("--inline", "interactive", term="dumb")
    user.sees("[multi-agent off  model stub/weak  $0.0000 of $10.00]")
    user.types("hi")
    user.presses("Enter")
    user.sees("Fine \\x1b[31mred\\x1b[0m.")
    user.asks()
    user.types("/quit")
    user.presses("Enter")
    user.sees("left with 0")

    assert b"\x1b" not in user.raw.read_bytes()


def test_a_terminated_session_leaves_a_sane_terminal(terminal: Open) -> None:
    user = terminal([always(says("Fine."))])

    user.start("--inline", "interactive")
    user.asks()
    shell = int(user.ask("#{pane_pid}"))
    program = subprocess.run(["pgrep", "-P", str(shell)], capture_output=True, text=True, check=True).stdout
    os.kill(int(program), 15)
    shown = user.sees("left with 130", "icanon")

    assert "-echo" not in shown
    assert "-icanon" not in shown


def test_a_plan_is_edited_stopped_and_then_built_in_the_same_session(terminal: Open) -> None:
    planner = rule(
        calls("write_document", name="requirements", content=REQUIREMENTS),
        calls("write_document", name="design", content=DESIGN),
        calls("submit_plan", **PLAN),
        model="strong",
        offers="submit_plan",
    )
    user = terminal([planner, building("T1", "greet.txt", "hi\n"), building("T2", "leave.txt", "bye\n")])

    user.start("--inline")
    user.sees("What would you like to build?")
    user.types("a greeting")
    user.presses("Enter")
    user.sees("Plan: Greeting", "Review the plan:")
    user.asks("review>")
    user.types("edit design")
    user.presses("Enter")
    user.sees("one line to add:")
    user.types("And it is kind.")
    user.presses("Enter")
    user.sees("design is changed.")
    user.asks("review>")
    user.presses("C-c")
    user.sees("Paused (interrupted)", "/run goes on with it here.")
    user.asks()
    user.types("/run")
    user.presses("Enter")
    user.sees("Plan approved by you", "Summary: 2 done, 0 failed", "Landed on main")
    user.asks()
    user.types("/quit")
    user.presses("Enter")
    shown = user.sees("left with 0")

    assert "resume with" not in shown
    assert (user.repo / "greet.txt").read_text() == "hi\n"
    assert "And it is kind." in (user.repo / "docs" / "design.md").read_text()
