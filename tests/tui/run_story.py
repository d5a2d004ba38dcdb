"""Runs as lists of events, told step by step: what the screens of a run are tested with. No agent, no clock."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from equitr_coder.domain import events as e
from equitr_coder.domain.approvals import Approval, ApprovalAnswer
from equitr_coder.domain.artifacts import Artifact, digest_of
from equitr_coder.domain.conflicts import Conflict, ConflictStage, ConflictState
from equitr_coder.domain.epic import ArtifactType, Plan, SyncPoint, Task, TaskState
from equitr_coder.domain.errors import ModelErrorKind, StopReason
from equitr_coder.domain.forecasts import CostRange, Forecast, TaskForecast
from equitr_coder.domain.ids import AgentName, CallId, CommitId, EpicId, RequestId, RunId, SessionId, TaskId, TreeId
from equitr_coder.domain.models import AssistantMessage, Purpose, Tier, ToolCall, UserMessage
from equitr_coder.domain.money import Usage
from equitr_coder.domain.panel import Voice, dissent
from equitr_coder.domain.receipts import CheckResult, Receipt
from equitr_coder.domain.run_view import RunView, fold
from equitr_coder.domain.runs import RunKind, RunOptions, RunState
from equitr_coder.presentation.bounds import Bounds
from equitr_coder.presentation.dashboard import Dashboard, dashboard
from equitr_coder.presentation.happenings import Happenings, happenings_of

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
STRONG, WEAK = "big-planner", "small-coder"
BOUNDS = Bounds(windows={WEAK: 128_000, STRONG: 200_000}, questions=5)


def _task(name: str, title: str, area: str, *needs: str, todos: int = 3) -> Task:
    return Task(
        id=TaskId(name),
        title=title,
        specialization=area,
        needs=tuple(TaskId(need) for need in needs),
        todos=tuple(f"{title}: step {number}" for number in range(1, todos + 1)),
        check="pytest -q",
    )


PLAN = Plan(
    title="CSV import",
    tasks=(
        _task("T1", "schema: import tables", "backend", todos=2),
        _task("T2", "api: POST /import", "backend", "T1"),
        _task("T3", "parser", "backend", "T1"),
        _task("T4", "ui: upload form", "frontend", "T1", todos=5),
        _task("T5", "report of bad rows", "backend", "T1", todos=4),
        _task("T6", "perf: 50,000 rows < 20 s", "qa", "T1", todos=2),
        _task("T7", "docs", "docs", "T5"),
        _task("T8", "e2e test", "qa", "T4", "T6"),
        _task("T9", "changelog", "docs", "T8", todos=1),
    ),
    sync_points=(
        SyncPoint(
            id="OrderRow", type=ArtifactType.TYPES, producer=TaskId("T1"), consumers=(TaskId("T3"), TaskId("T5"))
        ),
        SyncPoint(
            id="ImportApi", type=ArtifactType.INTERFACES, producer=TaskId("T2"), consumers=(TaskId("T4"), TaskId("T6"))
        ),
        SyncPoint(id="Report", type=ArtifactType.SCHEMAS, producer=TaskId("T5"), consumers=(TaskId("T7"),)),
    ),
)

FORECAST = Forecast(
    tasks=tuple(
        TaskForecast(
            task=task.id,
            cost=CostRange(low=Decimal("0.15"), likely=Decimal("0.25"), high=Decimal("0.40")),
            past_tasks=6,
        )
        for task in PLAN.tasks
    ),
    total=CostRange(low=Decimal("1.35"), likely=Decimal("2.25"), high=Decimal("3.60")),
    past_tasks=6,
    basis="same_model",
)


@dataclass
class Story:
    """Events as they happen; `wait` moves the time on."""

    budget: Decimal | None = Decimal("5.00")
    workers: int = 3
    plan: Plan = PLAN
    events: list[e.Event] = field(default_factory=list)
    now: datetime = START
    calls: int = 0
    attempts: dict[str, int] = field(default_factory=dict)
    reserved: dict[CallId, e.ModelCallReserved] = field(default_factory=dict)

    def tell(self, *events: e.Event) -> "Story":
        for event in events:
            stamp = {"seq": len(self.events) + 1, "at": self.now, "run": RunId("run-41")}
            self.events.append(event.model_copy(update=stamp))
        return self

    def wait(self, seconds: float) -> "Story":
        self.now += timedelta(seconds=seconds)
        return self

    @property
    def view(self) -> RunView:
        return fold(self.events)

    @property
    def happenings(self) -> Happenings:
        return happenings_of(self.events)

    def board(self, after: float = 0, bounds: Bounds = BOUNDS) -> Dashboard:
        return dashboard(self.view, self.happenings, self.now + timedelta(seconds=after), bounds=bounds)

    # ------------------------------------------------------------ beginnings

    def begin(self, forecast: Forecast | None = FORECAST) -> "Story":
        self.tell(
            e.RunStarted(
                kind=RunKind.EPIC,
                request="Add CSV import for orders",
                workspace="/w",
                options=RunOptions(budget=self.budget, max_workers=self.workers, multi_agent=True),
                epic=EpicId("epic-041"),
                supervisor_model=STRONG,
                worker_model=WEAK,
                base_branch="main",
            ),
            e.PlanSubmitted(plan=self.plan, forecast=forecast),
        )
        return self

    def approve(self) -> "Story":
        commit = CommitId("4f1c2ab" + "0" * 33)
        return self.tell(
            e.PlanApproved(plan=self.plan, by="user", branch="equitr/epic-041", base=commit, commit=commit)
        )

    # ------------------------------------------------------------ who does what

    def session(self, task: str) -> SessionId:
        return SessionId(f"{task}.{self.attempts.get(task, 1)}")

    def who(self, task: str, session: str | None = None) -> dict[str, Any]:
        return {
            "session": SessionId(session or self.session(task)),
            "agent": AgentName(f"worker_{task}"),
            "task": TaskId(task),
        }

    def work(self, task: str, tier: Tier | None = None) -> "Story":
        self.attempts[task] = self.attempts.get(task, 0) + 1
        return self.tell(
            e.TaskChanged(
                task=TaskId(task),
                state=TaskState.WORKING,
                agent=AgentName(f"worker_{task}"),
                attempt=self.attempts[task],
                tier=tier,
            )
        )

    def change(self, task: str, state: TaskState, reason: StopReason | None = None, detail: str = "") -> "Story":
        attempt = self.attempts.get(task, 0)
        return self.tell(e.TaskChanged(task=TaskId(task), state=state, attempt=attempt, reason=reason, detail=detail))

    def hand_in(self, task: str) -> "Story":
        self.change(task, TaskState.REVIEW, detail="done as asked")
        return self.tell(e.MergeQueued(task=TaskId(task), attempt=self.attempts[task], commit=CommitId("c" * 40)))

    def land(self, task: str, commit: str = "4f1c2ab") -> "Story":
        landed = CommitId(commit.ljust(40, "0"))
        check = CheckResult(command="pytest -q", exit_code=0, duration_ms=2100, tree=TreeId("7" * 40), tests=12)
        receipt = Receipt(task=TaskId(task), commit=landed, tree=TreeId("7" * 40), checks=(check,), at=self.now)
        return self.tell(
            e.MergeLanded(task=TaskId(task), target="equitr/epic-041", old=landed, commit=landed),
            e.ReceiptStored(task=TaskId(task), receipt=receipt),
            e.TaskChanged(
                task=TaskId(task), state=TaskState.DONE, attempt=self.attempts[task], detail="done", commit=landed
            ),
        )

    # ------------------------------------------------------------ money

    def reserve(
        self, task: str | None, usd: str, tier: Tier = Tier.WEAK, purpose: Purpose = Purpose.WORK, session: str = ""
    ) -> CallId:
        self.calls += 1
        call = CallId(f"c{self.calls}")
        common = self._call(call, task, tier, purpose, session)
        self.reserved[call] = e.ModelCallReserved(**common, usd=Decimal(usd), input_bound=9000, max_tokens=4000)
        self.tell(self.reserved[call])
        return call

    def settle(self, call: CallId, usd: str, usage: Usage | None = None) -> "Story":
        row = self.reserved[call]
        used = usage or Usage(input=3000, cache_read=7000, output=400)
        common = self._call(call, row.task, row.tier, row.purpose, row.session)
        return self.tell(e.ModelCallSettled(**common, usage=used, usd=Decimal(usd)))

    def spend(
        self, task: str | None, usd: str, tier: Tier = Tier.WEAK, purpose: Purpose = Purpose.WORK, session: str = ""
    ) -> "Story":
        return self.settle(self.reserve(task, usd, tier, purpose, session), usd)

    def _call(self, call: CallId, task: str | None, tier: Tier, purpose: Purpose, session: str) -> dict[str, Any]:
        who: dict[str, Any] = (
            self.who(task, session or None)
            if task is not None
            else {"session": SessionId(session or "planner"), "agent": AgentName("supervisor"), "task": None}
        )
        return {**who, "call": call, "model": STRONG if tier is Tier.STRONG else WEAK, "tier": tier, "purpose": purpose}

    # ------------------------------------------------------------ steps

    def act(
        self,
        task: str,
        name: str,
        arguments: str,
        summary: str | None,
        *,
        text: str = "",
        files: Iterable[tuple[str, int, int]] = (),
        is_error: bool = False,
    ) -> "Story":
        """A tool call; without a summary it is still running."""
        self.calls += 1
        call, who = CallId(f"t{self.calls}"), self.who(task)
        self.tell(
            e.MessageAdded(**who, message=AssistantMessage(calls=(ToolCall(id=call, name=name, arguments=arguments),))),
            e.ToolCalled(**who, call=call, name=name, arguments=arguments),
        )
        if summary is None:
            return self
        changes = [e.FileChanged(**who, path=p, change="modified", added=a, removed=r) for p, a, r in files]
        return self.tell(
            *changes,
            e.ToolReturned(**who, call=call, name=name, text=text or summary, summary=summary, is_error=is_error),
        )

    def say(self, task: str, text: str) -> "Story":
        return self.tell(e.MessageAdded(**self.who(task), message=AssistantMessage(text=text)))

    def told(self, task: str, text: str) -> "Story":
        return self.tell(e.MessageAdded(**self.who(task), message=UserMessage(text=text)))

    # ------------------------------------------------------------ asking

    def ask_permission(self, task: str, what: str, number: int = 1, **fields: Any) -> "Story":
        known = {
            "id": RequestId(f"a{number}"),
            "tool": "run_command",
            "what": what,
            "why": "it may do more than read",
            **self.who(task),
            **fields,
        }
        return self.tell(e.ApprovalRequested(approval=Approval(**known)))

    def allow(self, number: int = 1) -> "Story":
        return self.tell(e.ApprovalResolved(approval=RequestId(f"a{number}"), answer=ApprovalAnswer(allowed=True)))

    def ask_question(self, text: str, *options: str, task: str | None = None, number: int = 1) -> "Story":
        planner: dict[str, Any] = {"session": SessionId("planner"), "agent": AgentName("supervisor"), "task": None}
        who = self.who(task) if task is not None else planner
        return self.tell(e.QuestionAsked(**who, question=RequestId(f"q{number}"), text=text, options=options))

    def escalate(self, task: str, question: str, number: int = 1) -> "Story":
        return self.tell(
            e.EscalationAsked(**self.who(task, f"ask.{number}"), escalation=RequestId(f"e{number}"), question=question)
        )

    def answer(self, task: str, words: str, usd: str, number: int = 1) -> "Story":
        who = self.who(task, f"ask.{number}")
        answered = e.EscalationAnswered(**who, escalation=RequestId(f"e{number}"), answer=words, usd=Decimal(usd))
        return self.tell(answered)

    def clash(self, number: int, *tasks: str, path: str = "orders/service.py") -> "Story":
        mine = self.attempts.get(tasks[0], 1)
        conflict = Conflict(
            id=RequestId(f"C{number}"),
            stage=ConflictStage.MERGE,
            tasks=tuple(TaskId(task) for task in tasks),
            paths=(path,),
            detail="both change create()",
            attempt=mine,
        )
        return self.tell(
            e.ConflictFound(conflict=conflict),
            e.ConflictChanged(conflict=conflict.id, state=ConflictState.ESCALATED, worktree="/h/worktrees/C1"),
        )

    def divide(self, number: int, task: str) -> "Story":
        """Its reviewers disagree, and the supervisor hands it on to the person."""
        said = (("reviewer_1", True, ()), ("reviewer_2", False, ("a.py:1 is wrong",)), ("reviewer_3", None, ("late",)))
        conflict = Conflict(
            id=RequestId(f"C{number}"),
            kind="finding",
            stage=ConflictStage.REVIEW,
            tasks=(TaskId(task),),
            detail="1 approved, 1 rejected, 1 gave no verdict",
            attempt=self.attempts.get(task, 1),
            voices=tuple(
                Voice(agent=AgentName(agent), session=SessionId(f"review.{agent}"), approved=approved, reasons=reasons)
                for agent, approved, reasons in said
            ),
        )
        return self.tell(
            e.ConflictFound(conflict=conflict),
            e.ConflictChanged(conflict=conflict.id, state=ConflictState.ESCALATED, detail="a matter of taste"),
        )

    def decide(self, number: int, *, approved: bool) -> "Story":
        against = dissent(self.view.conflicts[RequestId(f"C{number}")].conflict.voices, approved=approved)
        return self.tell(
            e.ConflictResolved(conflict=RequestId(f"C{number}"), how="user", approved=approved, dissent=against)
        )

    def clear(self, number: int) -> "Story":
        return self.tell(e.ConflictResolved(conflict=RequestId(f"C{number}"), how="user"))

    def publish(self, point: str, version: int = 1) -> "Story":
        promised = self.plan.point(point)
        assert promised is not None
        artifact = Artifact(
            sync_point=point,
            type=promised.type,
            version=version,
            content="{}",
            digest=digest_of("{}"),
            producer=promised.producer,
        )
        return self.tell(e.ArtifactProduced(task=promised.producer, artifact=artifact))

    def read(self, point: str, *tasks: str, version: int = 1) -> "Story":
        return self.tell(*(e.ArtifactConsumed(task=TaskId(task), sync_point=point, version=version) for task in tasks))

    def limited(self, task: str, seconds: float) -> "Story":
        call = self.reserve(task, "0.02")
        common = self._call(call, task, Tier.WEAK, Purpose.WORK, "")
        kind = ModelErrorKind.RATE_LIMITED
        return self.tell(e.ModelCallFailed(**common, kind=kind, message="slow down", retry_in=seconds))

    def pause(self, reason: StopReason, detail: str = "", hint: str = "equitrcoder resume epic-041") -> "Story":
        return self.tell(e.RunPaused(reason=reason, detail=detail, hint=hint))

    def finish(self) -> "Story":
        return self.tell(
            e.MergeLanded(target="main", old=CommitId("a" * 40), commit=CommitId("4f1c2ab".ljust(40, "0"))),
            e.RunFinished(state=RunState.COMPLETED, content="all done", landed=True),
        )


def begun() -> Story:
    """Approved, nothing has started."""
    story = Story().begin()
    story.spend(None, "0.14", Tier.STRONG, Purpose.PLANNING)
    return story.wait(20).approve()


def at_work() -> Story:
    """The picture of the design: one task merged, two in review, three at work, of which one asks, one clashes."""
    story = begun()
    story.work("T1").wait(30).spend("T1", "0.11").publish("OrderRow").wait(60)
    story.hand_in("T1").wait(10).land("T1")
    story.work("T2").work("T3").work("T4").wait(20)
    story.read("OrderRow", "T3", "T5").spend("T2", "0.20").spend("T3", "0.24").publish("ImportApi").wait(200)
    story.hand_in("T3").wait(10).hand_in("T2").wait(4)
    story.work("T5").work("T6", tier=Tier.STRONG).wait(30)
    story.told("T4", "Build the upload form.")
    story.act("T4", "read_file", '{"path": "web/app.tsx"}', "read web/app.tsx")
    story.act("T4", "edit_file", '{"path": "web/upload.tsx"}', "edited web/upload.tsx (1 place)",
              files=[("web/upload.tsx", 42, 3)])  # fmt: skip
    story.act("T4", "tick_todo", '{"number": 9}', "todo 9: ui: upload form: step 1")
    story.act("T4", "run_command", '{"command": "npm test -- upload"}', "exit 0: npm test -- upload")
    story.spend("T4", "0.19").say("T4", "Form posts; next the progress bar.")
    story.act("T4", "run_command", '{"command": "npm run build"}', None)
    story.spend("T5", "0.14").spend("T6", "0.35", Tier.STRONG)
    story.act("T5", "read_file", '{"path": "orders/report.py"}', "read orders/report.py").wait(20)
    story.ask_permission("T5", "alembic upgrade head", inside=False).wait(21)
    story.escalate("T6", "Is it 201 or 202?").spend("T6", "0.06", Tier.STRONG, Purpose.ESCALATION, "ask.1")
    story.answer("T6", "keep 201; W1 must change", "0.06").wait(9)
    story.reserve("T4", "0.05")
    story.reserve("T6", "0.32", Tier.STRONG)
    return story


def clashing() -> Story:
    """As `at_work`; then T3 does not fit to what has landed, and the person is asked."""
    return at_work().land("T2", "5e2d3bc").clash(1, "T3", "T2").wait(65)
