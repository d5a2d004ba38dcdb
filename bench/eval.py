"""Runs the small tasks of eval_tasks/ on the user's own configured models, under one cap, and stores what came out.

`python bench/eval.py --budget 2.00`. A task counts as solved when its check passes afterwards on the files that the run
left in the user's checkout, with the check's own files as they were at the start. bench/README.md explains the figures.
"""

import argparse
import asyncio
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NoReturn

from bench.trial import (
    CAP_REACHED,
    HEAD,
    INTERRUPTED,
    NOT_FINISHED,
    PROVIDER,
    SOLVED,
    USAGE,
    EvalTask,
    Outcome,
    Setup,
    load_tasks,
    prompts_hash,
    run_task,
)
from equitr_coder import __version__
from equitr_coder.adapters.sandbox.choice import choose_executor
from equitr_coder.domain.money import ZERO
from equitr_coder.presentation.figures import dollars, exact
from equitr_coder.settings.home import equitr_home

RESULTS = Path(__file__).with_name("results")


@dataclass
class Report:
    """Written anew after every task, so that nothing paid for is lost."""

    path: Path
    about: Mapping[str, Any]
    names: Sequence[str]
    outcomes: list[Outcome] = field(default_factory=list)
    stopped: str = ""
    """Why it ended before the last task."""

    @property
    def spent(self) -> Decimal:
        return sum((outcome.usd for outcome in self.outcomes), ZERO)

    @property
    def unfinished(self) -> list[str]:
        """Tasks that were not run, or not to their end."""
        finished = {outcome.task for outcome in self.outcomes if outcome.result != NOT_FINISHED}
        return [name for name in self.names if name not in finished]

    def add(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self.write()

    def write(self) -> None:
        done = [outcome for outcome in self.outcomes if outcome.result != NOT_FINISHED]
        content = {
            **self.about,
            "stopped": self.stopped or None,
            "totals": {
                "solved": sum(outcome.result == SOLVED for outcome in done),
                "finished": len(done),
                "usd": exact(self.spent),
                "tool_calls": sum(outcome.tool_calls for outcome in self.outcomes),
                "malformed_calls": sum(outcome.malformed_calls for outcome in self.outcomes),
            },
            "not_run": self.unfinished,
            "tasks": [outcome.as_json() for outcome in self.outcomes],
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        partial.replace(self.path)


def refuse(message: str, hint: str, code: int = USAGE) -> NoReturn:
    print(f"error: {message}\nhint: {hint}", file=sys.stderr)
    raise SystemExit(code)


def configured_models(setup: Setup) -> dict[str, str]:
    """Model by role, as the product itself says. Refuses when a role that is needed has none."""
    ran = subprocess.run(
        setup.command("models", "--output", "json"),
        cwd=setup.repos,
        env=setup.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode != 0:
        sys.stderr.write(ran.stderr)
        raise SystemExit(ran.returncode)
    named = {row["role"]: row["name"] for row in json.loads(ran.stdout)["configured"]}
    needed = ("supervisor", "worker") if setup.multi else ("single",)
    if missing := [role for role in needed if not named.get(role)]:
        refuse(f"no model is configured for: {', '.join(missing)}", "run `equitrcoder` to choose models, or name them")
    return {role: named[role] for role in needed}


_STANDS_IN_THE_WAY = {
    CAP_REACHED: "the cap is reached",
    INTERRUPTED: "interrupted",
    USAGE: "the configuration does not allow a run",
    PROVIDER: "the provider failed",
}


def evaluate(tasks: Sequence[EvalTask], setup: Setup, report: Report, budget: Decimal) -> int:
    """Task after task until all are run or something stands in the way of every further one; the exit code."""
    print(HEAD, flush=True)
    code, said = 0, ""
    for task in tasks:
        left = budget - report.spent
        if left <= 0:
            code = CAP_REACHED
            break
        try:
            outcome, said = run_task(task, setup, left)
        except KeyboardInterrupt:
            code = INTERRUPTED
            break
        report.add(outcome)
        print(outcome.as_row(), flush=True)
        if outcome.exit_code in _STANDS_IN_THE_WAY:
            code = outcome.exit_code
            break
    report.stopped = _STANDS_IN_THE_WAY.get(code, "")
    report.write()
    if code not in (0, CAP_REACHED):
        sys.stderr.write(said)
    finish(report, budget)
    return 0 if code == CAP_REACHED else code


def finish(report: Report, budget: Decimal) -> None:
    done = [outcome for outcome in report.outcomes if outcome.result != NOT_FINISHED]
    solved = sum(outcome.result == SOLVED for outcome in done)
    print(f"\nsolved {solved} of {len(done)}; {dollars(report.spent)} of {dollars(budget)}")
    if report.stopped:
        print(f"stopped: {report.stopped}; not run, or not to the end: {', '.join(report.unfinished) or 'none'}")
    print(f"stored in {report.path}")


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=usd, required=True, metavar="USD", help="cap of all tasks together")
    parser.add_argument("--mode", choices=("multi", "single"), default="multi", help="workers, or one agent in place")
    parser.add_argument("--only", default="", metavar="01,07", help="tasks whose names begin so")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER", help="where the result is stored")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the repositories, new, in this folder")
    for name in ("--model", "--supervisor-model", "--worker-model"):
        parser.add_argument(name, metavar="NAME", help="as for equitrcoder")
    return parser.parse_args(given)


def usd(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no amount") from error
    if not amount.is_finite() or amount <= 0:
        raise argparse.ArgumentTypeError("it must be more than 0")
    return amount


def chosen(tasks: Iterable[EvalTask], only: str) -> list[EvalTask]:
    prefixes = tuple(part.strip() for part in only.split(",") if part.strip())
    found = [task for task in tasks if not prefixes or task.name.startswith(prefixes)]
    if not found:
        refuse(f"no task begins with {only!r}", "leave --only out to run all")
    return found


def main(given: Sequence[str] | None = None) -> int:
    wanted = arguments(given)
    tasks = chosen(load_tasks(), wanted.only)
    named = {
        "--model": wanted.model,
        "--supervisor-model": wanted.supervisor_model,
        "--worker-model": wanted.worker_model,
    }
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="equitr-eval-home-")))
        own = equitr_home(os.environ)
        if (own / "config.yaml").exists():
            shutil.copy(own / "config.yaml", home)
        if (own / "profiles").is_dir():
            shutil.copytree(own / "profiles", home / "profiles")
        repos = wanted.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="equitr-eval-")))
        repos.mkdir(parents=True, exist_ok=True)
        if taken := [task.name for task in tasks if (repos / task.name).exists()]:
            refuse(f"{repos / taken[0]} exists", "give --keep a new folder")
        models = tuple(part for name, value in named.items() if value for part in (name, value))
        executor = asyncio.run(choose_executor(mode="auto", home=home, readable=(), environ=os.environ))
        setup = Setup(home=home, repos=repos.absolute(), multi=wanted.mode == "multi", models=models, executor=executor)
        now = datetime.now(UTC)
        about = {
            "date": now.isoformat(timespec="seconds"),
            "version": __version__,
            "python": platform.python_version(),
            "system": platform.platform(),
            "sandbox": executor.confinement.kind,
            "mode": wanted.mode,
            "models": configured_models(setup),
            "prompts": prompts_hash(home),
            "budget": exact(wanted.budget),
        }
        print(", ".join(f"{role} {name}" for role, name in about["models"].items()), flush=True)
        if not executor.confinement.is_confined:
            print(f"no sandbox: {executor.confinement.reason}; agents cannot run commands", flush=True)
        report = Report(wanted.results / f"{now:%Y-%m-%dT%H%M%SZ}.json", about, [task.name for task in tasks])
        return evaluate(tasks, setup, report, wanted.budget)


if __name__ == "__main__":
    sys.exit(main())
