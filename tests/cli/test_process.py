"""The real process: what it loads, what it costs, what it leaves on a closed pipe, and its completion scripts."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from equitr_coder import __version__
from equitr_coder.cli.extras import completion_script

HEAVY = {
    "asyncio",
    "cryptography",
    "equitr_coder.app",
    "equitr_coder.domain.events",
    "httpx",
    "keyring",
    "litellm",
    "prompt_toolkit",
    "pydantic",
    "sqlite3",
    "textual",
    "tiktoken",
    "yaml",
}
MAIN = [sys.executable, "-m", "equitr_coder"]


def run(*arguments: str, home: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MAIN, *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "HOME": str(home), **environ},
        check=False,
        timeout=60,
    )


def loaded(*arguments: str, home: Path) -> set[str]:
    """Modules that the call has loaded when it ends."""
    script = (
        "import atexit, json, sys\n"
        "atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))\n"
        f"sys.argv = ['equitrcoder', *{list(arguments)!r}]\n"
        "from equitr_coder.__main__ import main\n"
        "sys.exit(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        check=False,
        timeout=60,
    )
    assert done.returncode in (0, 2), done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [("--version",), ("version",), ("--help",), ("chat", "--help"), ("chta",)])
def test_help_version_and_typing_errors_load_nothing_heavy(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert loaded(*arguments, home=tmp_path) & HEAVY == set()


def test_commands_that_use_no_stored_key_load_nothing_of_the_key_store(tmp_path: Path) -> None:
    for arguments in (("runs",), ("keys", "list"), ("chat", "hello")):  # the last has no model, so it ends with 2
        assert loaded(*arguments, home=tmp_path) & {"cryptography", "keyring"} == set()


def test_version_does_not_even_load_the_command_line(tmp_path: Path) -> None:
    assert "click" not in loaded("--version", home=tmp_path)


def test_version_and_help_leave_nothing_in_the_home(tmp_path: Path) -> None:
    run("--version", home=tmp_path)
    run("--help", home=tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_version_names_the_program(tmp_path: Path) -> None:
    done = run("--version", home=tmp_path)

    assert (done.returncode, done.stdout, done.stderr) == (0, f"equitrcoder {__version__}\n", "")


@pytest.mark.parametrize(
    "arguments", [("--help",), ("chat", "--help"), ("epic", "--help"), ("chta",), ("completion", "zsh")]
)
def test_no_escape_byte_leaves_when_piped(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = run(*arguments, home=tmp_path, TERM="xterm-256color", FORCE_COLOR="1")

    assert "\x1b" not in done.stdout + done.stderr


def test_closed_pipe_ends_the_process_without_a_word(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)

    done = subprocess.run(
        [*MAIN, "completion", "bash"],
        stdout=writing,
        stderr=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        check=False,
        timeout=60,
    )
    os.close(writing)

    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ("completion", "bash"), ("config-cmd",)])
def test_output_that_cannot_be_written_is_two_lines_and_exit_1(
    tmp_path: Path, arguments: tuple[str, ...], unbuffered: str
) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*MAIN, *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONUNBUFFERED": unbuffered},
            check=False,
            timeout=60,
        )

    assert done.returncode == 1
    error, hint = done.stderr.splitlines()
    assert error == "error: cannot write standard output: No space left on device"
    assert hint.startswith("hint: make room there")


def test_narrow_encoding_does_not_end_a_command(tmp_path: Path) -> None:
    done = run("chat", "--check", "é", "--plan", "naïve", "hi", home=tmp_path, PYTHONIOENCODING="ascii")

    assert done.returncode == 2
    assert "na\\xefve" in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_is_as_it_was_read(shell: str, golden: Callable[[str, str], None]) -> None:
    golden(f"completion.{shell}", completion_script(shell))


@pytest.mark.parametrize("name", ["equitrcoder", "EQUITR-coder"])
def test_completion_script_serves_both_names(name: str) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert name in completion_script(shell)


def test_bash_accepts_the_completion_script() -> None:
    done = subprocess.run(["bash", "-n"], input=completion_script("bash"), text=True, capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("equitrcoder ep", ["epic"]),
        ("equitrcoder epic s", ["status", "stop"]),
        ("equitrcoder epic h", ["hold"]),
        ("equitrcoder epic release --r", ["--run", "--repo"]),
        ("equitrcoder chat --out", ["--output"]),
        ("equitrcoder chat --output st", ["stream-json"]),
        ("equitrcoder --supervisor", ["--supervisor-model"]),
    ],
)
def test_completion_offers_commands_options_and_values(tmp_path: Path, words: str, offered: list[str]) -> None:
    count = len(words.split()) - 1

    done = run(home=tmp_path, _EQUITRCODER_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(count))

    assert [line.partition(",")[2] for line in done.stdout.splitlines()] == offered
