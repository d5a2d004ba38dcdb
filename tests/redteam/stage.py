"""One task of a real run, with real git, gate, proofs and merge queue; only the agent is played: it does to its files
what it likes, past every tool and every permission.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from equitr_coder.adapters.git.repository import open_repository
from equitr_coder.adapters.sqlite.store import SqliteStore
from equitr_coder.app.overrides import Overrides
from equitr_coder.app.workshop import Workshop
from equitr_coder.domain.approvals import Approval, ApprovalAnswer
from equitr_coder.domain.epic import Plan, Task, TaskState
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.events import ApprovalRequested, ApprovalResolved, MessageAdded, PlanApproved, RunStarted
from equitr_coder.domain.ids import AgentName, EpicId, RequestId, RunId, SessionId, TaskId
from equitr_coder.domain.models import AssistantMessage
from equitr_coder.domain.receipts import Receipt
from equitr_coder.domain.runs import RunKind, RunOptions
from equitr_coder.domain.tools import ToolEnd
from equitr_coder.ports import AgentOrder, AgentOutcome
from equitr_coder.session.approvals import ApprovalDesk, QuestionDesk
from equitr_coder.session.hub import Hub
from equitr_coder.settings.layers import load_settings
from equitr_coder.settings.trust import FileTrustStore
from equitr_coder.workflows.epic import Decision, Decisions, EpicRun

Act = Callable[[Path], None]
T1 = TaskId("T1")
SESSION = SessionId("T1.1")
BRANCH = "equitr/epic-001"
RUN = RunId("run-redteam")


def put(path: str, text: str | bytes, *, mode: int | None = None) -> Act:
    def act(root: Path) -> None:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode() if isinstance(text, str) else text)
        if mode is not None:
            target.chmod(mode)

    return act


def swap(path: str, old: str, new: str) -> Act:
    def act(root: Path) -> None:
        text = (root / path).read_text()
        assert old in text, f"{old!r} is not in {path}"
        (root / path).write_text(text.replace(old, new))

    return act


def gone(*paths: str) -> Act:
    def act(root: Path) -> None:
        for path in paths:
            (root / path).unlink()

    return act


def move(old: str, new: str) -> Act:
    def act(root: Path) -> None:
        (root / new).parent.mkdir(parents=True, exist_ok=True)
        (root / old).rename(root / new)

    return act


def link(path: str, target: str) -> Act:
    def act(root: Path) -> None:
        (root / path).unlink(missing_ok=True)
        (root / path).symlink_to(target)

    return act


def mode(path: str, bits: int) -> Act:
    return lambda root: (root / path).chmod(bits)


@dataclass(frozen=True)
class Case:
    """What one worker does. `reason` is why it is sent back; None when it is accepted."""

    name: str
    acts: Sequence[Act]
    reason: StopReason | None = None
    base: Mapping[str, str | None] = field(default_factory=dict)
    """Files on top of the common ones; None takes one away."""
    check: str | None = "python3 -m unittest tests.test_shop"
    says: str | None = "it is built"
    """Summary of its hand-in; None: it ends in plain text."""
    allowed: Sequence[str] = ()
    """Files of the proof that a person allowed it to change."""
    task: dict[str, Any] = field(default_factory=dict)
    needs: str = ""
    """A program without which the case means nothing."""

    def __str__(self) -> str:
        return self.name


@dataclass
class Verdict:
    reason: StopReason | None
    detail: str
    receipt: Receipt | None
    landed: bool


@dataclass
class PlayedAgent:
    """Implements `ports.AgentSpawner` and `ports.Agent`."""

    case: Case
    hub: Hub
    root: Path | None = None

    def spawn(self, order: AgentOrder, **_: Any) -> "PlayedAgent":
        self.root = order.root
        return self

    async def run(self, message: str | None = None) -> AgentOutcome:
        assert self.root is not None
        if message is None:
            for act in self.case.acts:
                act(self.root)
        said = AssistantMessage(text=self.case.says or "All done.")
        await self.hub.record(MessageAdded(session=SESSION, agent=AgentName("worker"), task=T1, message=said))
        end = ToolEnd(kind="handed_in", summary=self.case.says) if self.case.says is not None else None
        return AgentOutcome(text=self.case.says or "All done, every test passes.", end=end, iterations=1)


async def play(case: Case, files: Mapping[str, str], folder: Path) -> Verdict:
    home, checkout = folder / "home", folder / "repo"
    home.mkdir()
    checkout.mkdir()
    for path, text in {**files, **case.base}.items():
        if text is not None:
            put(path, text)(checkout)
    environ = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(home), "LANG": "C.UTF-8"}
    store = SqliteStore(home)
    try:
        repository = await open_repository(checkout, home=home, store=store, shadow_ok=True)
        state = await repository.ensure()
        assert state.head is not None
        trust = FileTrustStore(home)
        workshop = Workshop(
            overrides=Overrides(repo=checkout, environ=environ, home=home),
            home=home,
            checkout=checkout,
            loaded=load_settings(home=home, repo=checkout, environ=environ, flags={}, trust=trust),
            store=store,
            repository=repository,
        )
        task = Task.model_validate({"id": "T1", "title": "the price is 2", "check": case.check} | case.task)
        plan = Plan(title="Shop", tasks=(task,))
        hub = Hub(run=RUN, store=store, clock=workshop.clock)
        options = RunOptions(yes=True, can_ask=False, rounds=1, review="none")
        await store.create_run(RUN, str(checkout), with_epic=True)
        await repository.move_ref(f"refs/heads/{BRANCH}", state.head, None)
        await hub.record(
            RunStarted(
                kind=RunKind.EPIC,
                request="the price is 2",
                workspace=str(checkout),
                options=options,
                epic=EpicId("epic-001"),
            ),
            PlanApproved(
                plan=plan, by="direct", branch=BRANCH, base=state.head, base_branch=state.branch, commit=state.head
            ),
        )
        if case.allowed:
            await _allow(hub, case.allowed)
        kit = await workshop.make_kit(hub, ApprovalDesk(hub, workshop.clock), QuestionDesk(hub))
        run = EpicRun(replace(kit, spawner=PlayedAgent(case, hub)), _nobody_decides())
        await run.run()
        view = hub.view.tasks[T1]
        assert view.state in (TaskState.DONE, TaskState.FAILED)
        landed = await repository.resolve("HEAD") != state.head
        assert landed is (await repository.resolve(f"refs/heads/{BRANCH}") != state.head)
        return Verdict(view.reason, view.detail, view.receipt, landed=landed)
    finally:
        await store.close()


def _nobody_decides() -> Decisions:
    async def never() -> Decision:
        raise AssertionError("the plan is approved")

    return Decisions(next=never, accept=lambda: None, refuse=lambda _: None)


async def _allow(hub: Hub, paths: Sequence[str]) -> None:
    """As if a person had said yes when the agent's tool asked."""
    approval = Approval(
        id=RequestId("T1.1:c1"), session=SESSION, agent=AgentName("worker"), task=T1, tool="write_file",
        what=f"write_file {', '.join(paths)}", why="it proves the task", inside=False, paths=tuple(paths),
        is_about_proof=True,
    )  # fmt: skip
    answer = ApprovalAnswer(allowed=True, by="user")
    await hub.record(ApprovalRequested(approval=approval), ApprovalResolved(approval=approval.id, answer=answer))
