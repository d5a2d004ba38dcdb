"""Nothing connects anywhere but to the configured endpoint."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from equitr_coder.testing.script import always, call, says
from tests.e2e.conftest import OpenStage, Stage
from tests.e2e.scenes import file_of, hands_in, plans, task, worker, writes

PLANNED = ("chat", "-M", "--plan", "always", "--yes", "build words")
_WATCHED = """
import os, sys
told = open({told!r}, "a", buffering=1)
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        told.write(f"{{event}} {{arguments[1] if event != 'socket.getaddrinfo' else arguments[:2]}}\\n")
sys.addaudithook(watch)
from equitr_coder.__main__ import main
sys.exit(main())
"""
"""The command, with every connection and every question for an address written down as the interpreter makes it."""


def open_user(stage: OpenStage, **config: object) -> Stage:
    return stage(
        [
            plans(task("T1")),
            worker(
                "T1",
                says("", call("run_command", command="git fetch https://example.invalid/x.git")),
                says("", writes(file_of("T1"), "T1-built\n")),
                says("", hands_in()),
            ),
            always(says("Hello.")),
        ],
        config=config,
    )


def connections(user: Stage, folder: Path, *arguments: str) -> list[str]:
    """What the process itself asked to be connected to."""
    told = folder / "told"
    script = folder / "watched.py"
    script.write_text(_WATCHED.format(told=str(told)))
    ran = subprocess.run(
        [sys.executable, str(script), *arguments],
        cwd=user.repo, env=user.environ, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return told.read_text().splitlines()


def endpoint(user: Stage) -> tuple[str, int]:
    found = urlsplit(user.server.url)
    assert found.hostname is not None
    assert found.port is not None
    return found.hostname, found.port


def assert_only(user: Stage, told: list[str]) -> None:
    host, port = endpoint(user)
    assert told, "the endpoint at least was asked"
    strangers = [line for line in told if not (host in line and str(port) in line)]
    assert not strangers


@pytest.mark.parametrize("arguments", [("chat", "hello"), PLANNED], ids=["chat", "planned"])
def test_a_run_connects_to_its_endpoint_and_nowhere_else(
    stage: OpenStage, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    user = open_user(stage)

    assert_only(user, connections(user, tmp_path, *arguments))


@pytest.mark.slow
def test_neither_does_the_library_that_knows_other_providers(stage: OpenStage, tmp_path: Path) -> None:
    user = open_user(stage, llm={"adapter": "litellm"})

    assert_only(user, connections(user, tmp_path, "chat", "hello"))


def test_the_demo_connects_to_its_own_server_alone(stage: OpenStage, tmp_path: Path) -> None:
    user = open_user(stage)
    demo = tmp_path / "demo"
    demo.mkdir()
    user.environ["TMPDIR"] = str(demo)

    told = connections(user, tmp_path, "demo")

    ports = set(re.findall(r"127\.0\.0\.1', (\d+)", "\n".join(told)))
    assert len(ports) == 1
    assert not [line for line in told if "127.0.0.1" not in line]


@pytest.mark.skipif(shutil.which("strace") is None, reason="looks at the system calls of every child with strace")
def test_no_child_process_connects_anywhere(stage: OpenStage, tmp_path: Path) -> None:
    user = open_user(stage, sandbox={"mode": "off"})
    traced = tmp_path / "traced"
    probe = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("processes cannot be traced here")

    subprocess.run(
        [
            *("strace", "-f", "-qq", "-e", "trace=connect", "-o", str(traced)),
            *(sys.executable, "-m", "equitr_coder", *PLANNED),
        ],
        cwd=user.repo, env=user.environ, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip

    host, port = endpoint(user)
    calls = [line for line in traced.read_text().splitlines() if "AF_INET" in line]
    assert calls
    assert not [line for line in calls if f"htons({port})" not in line or host not in line]
