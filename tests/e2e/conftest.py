"""The product as a process: its own HOME, a real repository, a real store; only the model's server is scripted."""

import copy
import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from equitr_coder.testing.backend import Recorded
from equitr_coder.testing.script import Rule, Script, ScriptedReply, as_script
from equitr_coder.testing.server import ServerInThread, serve_in_thread
from tests import warm
from tests.e2e.terminal import Terminal

PRICES = {
    "stub/strong": {"input": 10, "output": 30, "cache_read": 1},
    "stub/weak": {"input": 1, "output": 3, "cache_read": "0.1"},
}


@dataclass
class Ended:
    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Both streams."""
        return f"{self.out}\n{self.err}"

    @property
    def brief(self) -> str:
        """For the message of a failed assertion."""
        return f"exit {self.code}\n{self.out[-3000:]}\n{self.err[-2000:]}"

    @property
    def events(self) -> list[dict[str, Any]]:
        """Of `--output stream-json`."""
        return [json.loads(line) for line in self.out.splitlines()]

    def of(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """Events of one type whose fields have these values."""
        return [
            event
            for event in self.events
            if event["type"] == kind and all(event.get(name) == value for name, value in fields.items())
        ]

    def task(self, name: str) -> dict[str, Any]:
        """A task of `--output json`."""
        return next(dict(task) for task in self.result["tasks"] if task["id"] == name)

    @property
    def result(self) -> dict[str, Any]:
        """Of `--output json`."""
        loaded = json.loads(self.out)
        assert isinstance(loaded, dict)
        return loaded

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]


@dataclass
class Stage:
    """One user: a home, a repository and a scripted provider."""

    home: Path
    repo: Path
    server: ServerInThread
    environ: dict[str, str] = field(default_factory=dict)
    own_git: dict[str, str] = field(default_factory=dict)
    """More environment for the git of the test itself, where the user's configuration would stop it."""

    @property
    def equitr_home(self) -> Path:
        return self.home / ".equitr"

    def configure(self, changes: Mapping[str, Any] | None = None) -> None:
        """Write the user's config: both tiers on the scripted server, priced; `changes` are deep-merged."""
        config: dict[str, Any] = {
            "llm": {
                "api_base": self.server.url,
                "models": {"supervisor": "stub/strong", "worker": "stub/weak"},
                "prices": copy.deepcopy(PRICES),
            }
        }
        _merge(config, changes or {})
        self.equitr_home.mkdir(parents=True, exist_ok=True)
        (self.equitr_home / "config.yaml").write_text(yaml.safe_dump(config))

    def start(
        self, *arguments: str, cwd: Path | None = None, stdin: Any = subprocess.DEVNULL
    ) -> "subprocess.Popen[str]":
        return warm.start(arguments, cwd=cwd or self.repo, environ=self.environ, stdin=stdin)

    def run(self, *arguments: str, stdin: str | None = None, cwd: Path | None = None, timeout: float = 60) -> Ended:
        process = self.start(*arguments, cwd=cwd, stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL)
        try:
            out, err = process.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            raise AssertionError(f"did not end within {timeout} s\n--- stdout\n{out}\n--- stderr\n{err}") from None
        return Ended(process.returncode, out, err)

    def terminal(self, *arguments: str, cwd: Path | None = None) -> Terminal:
        """The same command for a person who can be asked."""
        return Terminal(*arguments, cwd=cwd or self.repo, environ=self.environ)

    def git(self, *arguments: str) -> str:
        ran = subprocess.run(
            ["git", *arguments],
            cwd=self.repo,
            env=self.environ | self.own_git,
            capture_output=True,
            text=True,
            check=True,
        )
        return ran.stdout.rstrip("\n")

    def write(self, files: Mapping[str, str]) -> None:
        for name, content in files.items():
            path = self.repo / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)

    def commit(self, files: Mapping[str, str], message: str = "start") -> str:
        self.write(files)
        self.git("add", "-A")
        self.git("commit", "-qm", message)
        return self.git("rev-parse", "HEAD")

    def read(self, name: str) -> str:
        return (self.repo / name).read_text()

    def tip(self, ref: str = "HEAD") -> str:
        return self.git("rev-parse", ref)

    def asked(self, model: str) -> list[Recorded]:
        """Requests that the server saw for a model, as it was named on the wire."""
        return [request for request in self.server.requests if request.model == model]

    def wait_for(self, model: str, *, contains: str = "", count: int = 1) -> Recorded:
        """Wait until the server has got the `count`-th request for a model that has this text in its messages."""
        looked_at = 0
        while True:
            self.server.reached(looked_at + 1)
            request = self.server.requests[looked_at]
            looked_at += 1
            if request.model == model and contains in json.dumps(request.messages):
                count -= 1
                if count == 0:
                    return request

    def open_gate(self, name: str) -> None:
        """Let the reply go that waits at a gate of `scenes.held`; waits until there is one."""
        body = {"model": f"gate-{name}", "messages": [{"role": "user", "content": "open"}]}
        request = urllib.request.Request(
            f"{self.server.url}/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200

    def put_first_on_path(self, folder: Path) -> None:
        self.environ["PATH"] = f"{folder}:{self.environ['PATH']}"


OpenStage = Callable[..., Stage]


_TOOLS = os.environ.get("EQUITR_E2E_TOOLS", "native")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if _TOOLS != "native":
        for item in items:
            if item.get_closest_marker("native"):
                item.add_marker(pytest.mark.skip(reason="reads native tool calls on the wire"))


@pytest.fixture
def tools() -> str:
    """How tools are offered to the scripted models: `native` or `text`. EQUITR_E2E_TOOLS=text forces it everywhere."""
    return _TOOLS


@pytest.fixture
def stage(tmp_path: Path, tools: str) -> Iterator[OpenStage]:
    """`stage(script, config={...}, repo=True)` opens a scripted server and a fresh user."""
    with ExitStack() as stack:

        def open_stage(
            script: Script | Sequence[Rule] | Sequence[ScriptedReply],
            *,
            config: Mapping[str, Any] | None = None,
            repo: bool = True,
        ) -> Stage:
            if tools == "text":
                script = as_script(script).model_copy(update={"tools_as_text": True})
                config = {**(config or {}), "llm": {"tools": "text", **(config or {}).get("llm", {})}}
            server = stack.enter_context(serve_in_thread(script))
            home, folder = tmp_path / "home", tmp_path / "repo"
            home.mkdir()
            folder.mkdir()
            environ = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
            environ |= {"HOME": str(home), "PYTHONWARNINGS": "error::ResourceWarning"}
            made = Stage(home, folder, server, environ)
            made.configure(config)
            if repo:
                made.git("init", "-q", "-b", "main")
                made.git("config", "user.name", "A User")
                made.git("config", "user.email", "user@example.invalid")
                made.commit({"README.md": "# Shop\n"})
            return made

        yield open_stage


def _merge(base: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = value
