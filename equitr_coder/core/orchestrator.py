"""Runs one request from Python, without a terminal, and returns what came of it."""

import os
from decimal import Decimal
from pathlib import Path
from typing import Any, TypedDict

from equitr_coder.core.config import Config
from equitr_coder.domain.commands import StartRun
from equitr_coder.domain.queries import ConfigAnswer, ConfigQuery
from equitr_coder.domain.run_view import RunView
from equitr_coder.domain.runs import RunKind
from equitr_coder.presentation.cost import by_model
from equitr_coder.presentation.listings import is_multi_agent
from equitr_coder.presentation.outcome import outcome


class RunResult(TypedDict):
    content: str
    """The answer; when the run stopped early, why."""
    cost: Decimal
    """US dollars; `f"{cost:.4f}"` works."""
    cost_by_model: dict[str, Decimal]
    status: str
    """`completed`, `failed`, `cancelled`, or `paused`: then `equitrcoder resume RUN` goes on."""
    reason: str | None
    """Why it ended early, from the closed list of reasons."""
    tasks: list[dict[str, Any]]
    run: str
    epic: str | None
    landed: bool | None
    """Whether your branch has the work; False means it stays on `branch`. None: there was nothing to land."""
    branch: str | None


class AgentOrchestrator:
    """Runs requests on one repository.

    Nobody is asked anything, as with `equitrcoder chat --yes`: a plan is approved, and so is whatever the policy asks
    inside sandbox, footprint and budget. It never overrides a deny rule, trust, footprint, network, budget or a manual
    conflict; what would need a person pauses the run with the reason `approval_needed`.

    With `config.orchestrator.use_multi_agent` the supervisor plans large requests and workers build in worktrees;
    without it one agent works in the checkout.
    """

    def __init__(self, config: Config, repo: str | Path = ".") -> None:
        self._config = config
        self._repo = Path(repo)

    async def run(self, text: str) -> RunResult:
        """Do one request. Works inside a running event loop; cancelling it pauses the run, everything kept.

        Raises:
            UserError: the repository or the configuration cannot be used; `hint` says what to do.
        """
        from equitr_coder.app import Overrides, open_api

        flags = {key: (value, "python") for key, value in self._config.changes.items()}
        overrides = Overrides(repo=self._repo, environ=dict(os.environ), flags=flags)
        async with open_api(overrides) as api:
            settings = await api.query(ConfigQuery())
            assert isinstance(settings, ConfigAnswer)
            kind = RunKind.EPIC if is_multi_agent(settings) else RunKind.CHAT
            run = await api.submit(StartRun(kind=kind, request=text, yes=True, can_ask=False))
            async for _ in api.events(run):
                continue
            return _result(await api.view(run))


def _result(view: RunView) -> RunResult:
    shown = outcome(view)
    return RunResult(
        content=view.content or view.detail,
        cost=view.spent,
        cost_by_model={row.name: row.usd for row in by_model(view)},
        status=shown["status"],
        reason=shown["reason"],
        tasks=shown["tasks"],
        run=view.run,
        epic=view.epic,
        landed=view.landed,
        branch=view.branch,
    )
