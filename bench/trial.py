"""One task of the evaluation: a fresh repository, one run of the product, the check on what it left, the figures."""

import asyncio
import hashlib
import importlib
import json
import os
import pkgutil
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from equitr_coder import tools
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.events import EVENTS, Event, ModelCallFailed, ToolReturned
from equitr_coder.domain.models import ToolSpec
from equitr_coder.domain.money import ZERO, Usage
from equitr_coder.domain.run_view import fold
from equitr_coder.engine import prompts
from equitr_coder.ports import Executor, Place
from equitr_coder.presentation.figures import dollars, duration, exact
from equitr_coder.settings.shipped import config_dir

TASKS = Path(__file__).with_name("eval_tasks")
CHECK_SECONDS = 60.0
JUDGES = "tests"
"""Folder of a task that holds its check; it is put back as it was before the check is run."""

SOLVED, UNSOLVED, NOT_FINISHED = "solved", "unsolved", "not finished"

_MALFORMED = re.compile(
    r"There is no tool named "
    r"|The arguments of \S+ (are not valid JSON|must be one JSON object)"
    r"|\S+ did nothing: (an argument is|\d+ arguments are) wrong"
    r"|The patch cannot be read"
)
"""How the product answers a call that it could not even decode; a call that was refused or failed is not malformed."""

CAP_REACHED, INTERRUPTED, USAGE, PROVIDER = 3, 130, 2, 4
"""The product's exit codes after which no further task can do better."""

_NOT_THE_MODELS = (StopReason.MODEL_ERROR, StopReason.INTERNAL_ERROR)
"""Ends that say nothing of what the models can do."""


@dataclass(frozen=True)
class EvalTask:
    """`files/` is the repository at the start; `solution.patch` and `decoy.patch` are for the tests of the tasks."""

    name: str
    kind: str
    request: str
    check: str
    folder: Path


def load_tasks(folder: Path = TASKS) -> list[EvalTask]:
    found = []
    for path in sorted(folder.glob("*/task.yaml")):
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
        found.append(EvalTask(path.parent.name, given["kind"], given["request"].strip(), given["check"], path.parent))
    return found


def lay_out(task: EvalTask, repo: Path) -> None:
    """A fresh repository with the task's files in one commit, whatever git is configured to do here."""
    shutil.copytree(task.folder / "files", repo)
    (repo / ".gitignore").write_text("__pycache__/\n", encoding="utf-8")
    for arguments in (
        ("init", "-q", "-b", "main"),
        ("config", "core.autocrlf", "false"),
        ("config", "commit.gpgsign", "false"),
        ("config", "user.name", "Eval"),
        ("config", "user.email", "eval@localhost"),
        ("add", "-A"),
        ("-c", "core.hooksPath=/dev/null", "commit", "-qm", "start"),
    ):
        subprocess.run(["git", *arguments], cwd=repo, check=True, stdout=subprocess.DEVNULL)


@dataclass(frozen=True)
class Verdict:
    passed: bool
    output: str


async def judge(task: EvalTask, repo: Path, executor: Executor) -> Verdict:
    """Run the check on a copy of the files in `repo`, with the check's own files as they were at the start."""
    with tempfile.TemporaryDirectory(prefix="equitr-eval-") as folder:
        copy = Path(folder, "copy")
        shutil.copytree(repo, copy, symlinks=True, ignore=shutil.ignore_patterns(".git", "__pycache__"))
        judges = copy / JUDGES
        if judges.is_symlink() or judges.is_file():
            judges.unlink()
        shutil.rmtree(judges, ignore_errors=True)
        shutil.copytree(task.folder / "files" / JUDGES, judges)
        ran = await executor.run(task.check, Place(root=copy), timeout=CHECK_SECONDS, clean=True)
    return Verdict(ran.exit_code == 0 and not ran.timed_out, ran.output.decode(errors="replace"))


def is_malformed(result: ToolReturned) -> bool:
    return result.is_error and _MALFORMED.match(result.text) is not None


def prompts_hash(home: Path) -> str:
    """SHA-256 over everything that shapes a request: prompts, tool names, descriptions and schemas, agent profiles."""
    parts = {path.name: path.read_text(encoding="utf-8") for path in Path(prompts.__file__).parent.glob("*.md")}
    for module in pkgutil.iter_modules(tools.__path__, f"{tools.__name__}."):
        for item in vars(importlib.import_module(module.name)).values():
            spec = getattr(item, "spec", None)
            if isinstance(item, type) and isinstance(spec, ToolSpec):
                parts[f"tool {spec.name}"] = json.dumps(spec.model_dump(mode="json"), sort_keys=True)
    for folder in (config_dir() / "profiles", home / "profiles"):
        parts |= {f"profile {path.name}": path.read_text(encoding="utf-8") for path in folder.glob("*.yaml")}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


# ---------------------------------------------------------------- one run


@dataclass(frozen=True)
class Setup:
    """How every task is run and judged: in a home with a copy of the user's configuration, nothing else of theirs."""

    home: Path
    repos: Path
    multi: bool
    models: tuple[str, ...]
    """Model options as given, handed on."""
    executor: Executor

    @property
    def environ(self) -> dict[str, str]:
        return {**os.environ, "EQUITR_HOME": str(self.home)}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "equitr_coder", *arguments, *self.models]

    def chat(self, task: EvalTask, repo: Path, left: Decimal) -> list[str]:
        common = ("--yes", "--output", "stream-json", "--budget", exact(left), "--repo", str(repo))
        if self.multi:
            return self.command("chat", "-M", "--plan", "never", "--check", task.check, *common, task.request)
        return self.command("chat", *common, f"{task.request}\n\nThe check is: {task.check}")


@dataclass(frozen=True)
class Process:
    exit_code: int
    events: Sequence[Event]
    said: str
    """Standard error."""
    seconds: float


def run_chat(command: Sequence[str], *, cwd: Path, environ: Mapping[str, str]) -> Process:
    """Run the product to its end. Ctrl-C is handed on once, and the product then ends by itself, with its log whole."""
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    interrupted = False
    try:
        out, err = process.communicate()
    except KeyboardInterrupt:
        interrupted = True
        process.send_signal(signal.SIGINT)
        try:
            out, err = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
    events = [EVENTS.validate_json(line) for line in out.splitlines() if line.startswith(b"{")]
    code = INTERRUPTED if interrupted else process.returncode
    return Process(code, events, err.decode(errors="replace"), time.monotonic() - started)


@dataclass(frozen=True)
class Outcome:
    """One task as it ended. `exit_code`, `reason` and `detail` are the product's own words; `result` is ours."""

    task: str
    kind: str
    result: str
    exit_code: int
    reason: str | None
    detail: str
    usd: Decimal
    usage: Usage
    model_calls: int
    failed_model_calls: int
    tool_calls: int
    tool_errors: int
    malformed_calls: int
    attempts: int
    escalations: int
    seconds: float
    by_model: Mapping[str, Decimal] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            **vars(self),
            "usd": exact(self.usd),
            "usage": self.usage.model_dump(),
            "seconds": round(self.seconds, 1),
            "by_model": {name: exact(usd) for name, usd in self.by_model.items()},
        }

    def as_row(self) -> str:
        tokens = f"{self.usage.total_input}/{self.usage.output}"
        return (
            f"{self.task:<20} {self.result:<14} {dollars(self.usd):>9} {tokens:>15} {self.model_calls:>6}"
            f" {self.malformed_calls:>5}/{self.tool_calls:<5} {self.attempts:>8} {self.escalations:>6}"
            f" {duration(self.seconds):>13}  {self._why()}"
        ).rstrip()

    def _why(self) -> str:
        if self.result == SOLVED:
            return ""
        return self.reason or f"exit {self.exit_code}"


HEAD = (
    f"{'task':<20} {'result':<14} {'cost':>9} {'tokens in/out':>15} {'calls':>6} {'malf./tools':<11} {'attempts':>8}"
    f" {'asked':>6} {'time':>13}  why"
)


def measure(task: EvalTask, process: Process, verdict: Verdict) -> Outcome:
    """An open reservation counts as spent, as the product itself counts it after a crash."""
    view = fold(process.events)
    usage, by_model = Usage(), dict[str, Decimal]()
    for row in view.ledger.values():
        usage = usage.plus(row.usage)
        by_model[row.model] = by_model.get(row.model, ZERO) + (row.reserved if row.is_open else row.usd)
    returned = [event for event in process.events if isinstance(event, ToolReturned)]
    failures = [(one.reason or view.reason, one.detail or view.detail) for one in view.tasks.values() if one.reason]
    reason, detail = failures[0] if failures else (view.reason, view.detail)
    ran_to_its_end = (
        process.exit_code not in (CAP_REACHED, INTERRUPTED, USAGE, PROVIDER) and reason not in _NOT_THE_MODELS
    )
    result = SOLVED if verdict.passed else UNSOLVED
    return Outcome(
        task=task.name,
        kind=task.kind,
        result=result if ran_to_its_end else NOT_FINISHED,
        exit_code=process.exit_code,
        reason=reason.value if reason is not None else None,
        detail=detail or process.said.strip()[-2000:],
        usd=view.spent + view.held,
        usage=usage,
        model_calls=sum(session.calls_made for session in view.sessions.values()),
        failed_model_calls=sum(isinstance(event, ModelCallFailed) for event in process.events),
        tool_calls=len(returned),
        tool_errors=sum(event.is_error for event in returned),
        malformed_calls=sum(map(is_malformed, returned)),
        attempts=sum(one.attempt for one in view.tasks.values()) if view.tasks else 1,
        escalations=len(view.escalations),
        seconds=process.seconds,
        by_model=by_model,
    )


def run_task(task: EvalTask, setup: Setup, left: Decimal) -> tuple[Outcome, str]:
    """The outcome, and what the product said on standard error."""
    repo = setup.repos / task.name
    lay_out(task, repo)
    process = run_chat(setup.chat(task, repo, left), cwd=repo, environ=setup.environ)
    try:
        verdict = asyncio.run(judge(task, repo, setup.executor))
    except KeyboardInterrupt:
        process, verdict = replace(process, exit_code=INTERRUPTED), Verdict(passed=False, output="")
    return measure(task, process, verdict), process.said
