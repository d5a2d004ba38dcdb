"""A run as events for the places where one reads and decides: an epic about CSV import that awaits approval."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from equitr_coder.domain import events as e
from equitr_coder.domain.epic import ArtifactType, Plan, Priority, SyncPoint, Task, TaskState
from equitr_coder.domain.forecasts import CostRange, Forecast, TaskForecast
from equitr_coder.domain.ids import AgentName, CallId, CommitId, EpicId, RequestId, RunId, SessionId, TaskId, TreeId
from equitr_coder.domain.models import Purpose, Tier
from equitr_coder.domain.money import Price, Usage
from equitr_coder.domain.queries import (
    ConfigAnswer,
    ConfigEntry,
    ConfiguredModel,
    CostAnswer,
    ModelsAnswer,
    RunsAnswer,
    RunSummary,
)
from equitr_coder.domain.receipts import CheckResult, Receipt
from equitr_coder.domain.run_view import RunView, fold
from equitr_coder.domain.runs import PlanMode, RunKind, RunOptions, RunState
from equitr_coder.session.answers import cost_answer, run_money

SIZES = ((80, 24), (120, 36), (200, 50))
BEGIN = datetime(2026, 3, 4, 9, 0, tzinfo=UTC)
RUN = RunId("run-41c0ffee")
HEAD = CommitId("4f1c2ab" + "0" * 33)

REQUIREMENTS = """# Requirements

## Import

- R1 Import a CSV of up to 50,000 orders
- R2 A bad row never aborts the file
- R3 Report bad rows with line numbers

## Speed

- R4 50,000 rows take less than 20 s
"""
OLDER_REQUIREMENTS = REQUIREMENTS.replace("R3 Report bad rows with line numbers", "R3 Log bad rows")
DESIGN = """# Design

## Parser

Reads rows with `csv.DictReader`.

```python
def rows(path): ...
```

## Service

Creates orders.
"""
PLAN = Plan(
    title="CSV import",
    tasks=(
        Task(
            id=TaskId("T1"), title="schema: import tables", specialization="backend", priority=Priority.HIGH,
            files=("orders/schema.py",), todos=("import table", "migration"), check="pytest tests/test_schema.py -q",
            covers=("R1",),
        ),
        Task(
            id=TaskId("T2"), title="api: POST /import", specialization="backend", needs=(TaskId("T1"),),
            files=("orders/api.py",), todos=("route",), check="pytest tests/test_api.py -q", covers=("R1",),
        ),
        Task(
            id=TaskId("T3"), title="Parser: rows -> orders", description="Rows of the file become orders.",
            specialization="backend", needs=(TaskId("T1"),), files=("orders/csv_in.py", "orders/service.py"),
            todos=("reader with encoding guess", "row -> OrderRow", "collect errors with line numbers"),
            check="pytest tests/test_csv_in.py -q", covers=("R1", "R2", "R3"),
        ),
        Task(
            id=TaskId("T4"), title="ui: upload form", specialization="frontend", needs=(TaskId("T2"),),
            files=("web/upload.tsx",), todos=("form", "progress bar"), check="npm test -- upload",
        ),
        Task(
            id=TaskId("T5"), title="report of bad rows", specialization="backend", needs=(TaskId("T1"),),
            files=("orders/service.py", "orders/report.py"), todos=("report",), covers=("R3",),
        ),
        Task(
            id=TaskId("T6"), title="docs", specialization="docs", needs=(TaskId("T3"), TaskId("T4")),
            files=("docs/import.md",), todos=("page",), check="none",
        ),
    ),
    sync_points=(
        SyncPoint(
            id="S1", type=ArtifactType.TYPES, description="OrderRow type", producer=TaskId("T1"),
            consumers=(TaskId("T3"), TaskId("T5")),
        ),
    ),
)  # fmt: skip
TODOS = "# CSV import\n\n## T1. schema: import tables (High Priority)\n\n- [ ] 1. import table\n"
GAPS = (
    "no task covers requirement R4: 50,000 rows take less than 20 s",
    "T5 has no check: its result will be unchecked",
    "T3 and T5 run one after the other: both claim orders/service.py",
    "service without a task: Audit log",
)
RANGE = CostRange(low=Decimal("0.15"), likely=Decimal("0.21"), high=Decimal("0.30"))
FORECAST = Forecast(
    tasks=tuple(TaskForecast(task=task.id, cost=RANGE, past_tasks=6) for task in PLAN.tasks),
    total=CostRange(low=Decimal("1.10"), likely=Decimal("1.40"), high=Decimal("1.90")),
    past_tasks=6,
    basis="same_model",
    left=Decimal("4.86"),
)
PLANNER: dict[str, Any] = {"session": SessionId("planner"), "agent": AgentName("planner")}
PRICE = Price(input=Decimal("0.2"), output=Decimal("0.8"), source="config llm.prices")


def stamped(events: Iterable[e.Event], *, run: RunId = RUN, begin: datetime = BEGIN) -> list[e.Event]:
    """As the hub would: numbered, a minute apart."""
    return [
        event.model_copy(update={"seq": number, "at": begin + timedelta(minutes=number), "run": run})
        for number, event in enumerate(events, 1)
    ]


def view_of(*events: e.Event) -> RunView:
    return fold(stamped(events))


def started(**changes: Any) -> e.RunStarted:
    given: dict[str, Any] = {
        "kind": RunKind.EPIC,
        "request": "Add CSV import for orders, see @docs/orders.md",
        "workspace": "/home/me/shop",
        "options": RunOptions(multi_agent=True, plan=PlanMode.ALWAYS, budget=Decimal("5.00")),
        "epic": EpicId("epic-041"),
        "supervisor_model": "big/planner",
        "worker_model": "small/coder",
        "base_branch": "main",
        "base_commit": HEAD,
    }
    return e.RunStarted(**given | changes)


def written(name: str, content: str, revision: int = 1, **changes: Any) -> e.DocumentWritten:
    fields: dict[str, Any] = {"by": "host" if name == "todos" else "planner", **changes}
    return e.DocumentWritten(name=name, content=content, revision=revision, **fields)


def paid(call: str, usd: str, **changes: Any) -> Sequence[e.Event]:
    """A call of the planner's, reserved at twice its cost, and settled."""
    given: dict[str, Any] = {
        **PLANNER, "call": CallId(call), "model": "big/planner", "tier": Tier.STRONG, "purpose": Purpose.PLANNING,
    } | changes  # fmt: skip
    return (
        e.ModelCallReserved(**given, usd=2 * Decimal(usd), input_bound=2000, max_tokens=800),
        e.ModelCallSettled(
            **given, usage=Usage(input=1200, cache_read=600, output=300), usd=Decimal(usd), price=PRICE,
            price_source="config llm.prices", provider="big", latency_ms=900,
        ),
    )  # fmt: skip


DRAFTING: tuple[e.Event, ...] = (
    started(),
    *paid("c1", "0.06"),
    written("requirements", OLDER_REQUIREMENTS),
    e.QuestionAsked(**PLANNER, question=RequestId("q1"), text="Duplicate order numbers?", options=("skip", "refuse")),
    e.QuestionAnswered(question=RequestId("q1"), answer="skip"),
    written("requirements", REQUIREMENTS, 2, problems=("R4 has no way to be measured",)),
)
PLANNED: tuple[e.Event, ...] = (
    *DRAFTING,
    *paid("c2", "0.08"),
    written("design", DESIGN),
    written("todos", TODOS),
    e.PlanSubmitted(plan=PLAN, gaps=GAPS, forecast=FORECAST),
)
SOUND = Plan(title="Readme", tasks=(Task(id=TaskId("T1"), title="write it", files=("README.md",), check="true"),))
SOUND_PLANNED: tuple[e.Event, ...] = (
    started(request="Write a readme"),
    written("requirements", "# Requirements\n\n- R1 There is a readme\n"),
    written("design", "# Design\n"),
    written("todos", "# Readme\n"),
    e.PlanSubmitted(plan=SOUND),
)
MODELS = ModelsAnswer(
    configured=(
        ConfiguredModel(
            role="supervisor", name="big/planner", provider="big", endpoint="https://big.test/v1",
            key="BIG_API_KEY is set", price=Price(input=Decimal("1.1"), output=Decimal("4.4"), source="data file"),
        ),
        ConfiguredModel(
            role="worker", name="small/coder", provider="small", endpoint="https://small.test/v1",
            key="SMALL_API_KEY is not set", price=PRICE,
        ),
        ConfiguredModel(role="worker", name="odd/one", note="fallback 1 of the worker", provider="odd",
                        key="ODD_API_KEY is set"),
    )
)  # fmt: skip

CONFIG = ConfigAnswer(
    entries=(
        ConfigEntry(key="llm.model", value="big/planner", source="user /home/me/.equitr/config.yaml:2"),
        ConfigEntry(key="llm.models.worker.model", value="small/coder", source="flag --worker-model"),
        ConfigEntry(key="llm.budget", value="5.00", source="default", note="of one run"),
        ConfigEntry(
            key="checks.default", value='"yes | make"', source="project /home/me/src/shop/.equitr/config.yaml:4"
        ),
        ConfigEntry(key="llm.api_base", value="https://***@host.test/v1", source="environment EQUITR_LLM__API_BASE"),
        ConfigEntry(key="orchestrator.review", value="critical", source="ignored: untrusted /home/me/src/shop/.equitr"),
    )
)
DIFF = """diff --git a/orders/csv_in.py b/orders/csv_in.py
new file mode 100644
index 0000000..2222222
--- /dev/null
+++ b/orders/csv_in.py
@@ -0,0 +1,3 @@
+import csv
+
+def rows(path): return list(csv.DictReader(open(path)))
diff --git a/orders/service.py b/orders/service.py
index 1111111..2222222 100644
--- a/orders/service.py
+++ b/orders/service.py
@@ -86,4 +86,6 @@ def create(self, row)
     def create(self, row: OrderRow) -> Order:
-        return self._repo.add(row)
+        if self._repo.exists(row.number):
+            raise DuplicateOrder(row.number)
+        return self._repo.add(row, now)

     def close(self) -> None:
@@ -120,2 +122,2 @@ class Service:
-    limit = 10
+    limit  =  10
     name = "orders"
diff --git a/logo.png b/logo.png
new file mode 100644
index 0000000..3333333
Binary files /dev/null and b/logo.png differ
diff --git a/run.sh b/run.sh
old mode 100644
new mode 100755
diff --git a/old.md b/docs/new.md
similarity index 100%
rename from old.md
rename to docs/new.md
"""


def working(task: str, **changes: Any) -> e.TaskChanged:
    fields: dict[str, Any] = {
        "state": TaskState.WORKING,
        "attempt": 1,
        "base": HEAD,
        "tree": TreeId("7" * 40),
    } | changes
    return e.TaskChanged(task=TaskId(task), agent=AgentName(f"worker_{task}"), **fields)


def receipt(task: str, command: str) -> e.ReceiptStored:
    check = CheckResult(command=command, exit_code=0, duration_ms=2100, tree=TreeId("7" * 40))
    made = Receipt(task=TaskId(task), commit=HEAD, tree=TreeId("7" * 40), checks=(check,), at=BEGIN)
    return e.ReceiptStored(task=TaskId(task), receipt=made)


APPROVED = e.PlanApproved(
    plan=PLAN, by="user", branch="equitr/epic-041", base=HEAD, commit=HEAD, documents_at="docs", base_branch="main"
)
WORK: dict[str, Any] = {
    "session": SessionId("T3.1"), "agent": AgentName("backend_worker_3"), "task": TaskId("T3"),
    "model": "small/coder", "tier": Tier.WEAK, "purpose": Purpose.WORK,
}  # fmt: skip
BUILT: tuple[e.Event, ...] = (
    *PLANNED,
    APPROVED,
    working("T3", worktree="/home/me/.equitr/worktrees/T3"),
    *paid("c3", "0.24", **WORK),
    e.FileChanged(**{key: WORK[key] for key in ("session", "agent", "task")}, path="orders/service.py",
                  change="modified", added=4, removed=2),
    e.TaskChanged(task=TaskId("T3"), state=TaskState.REVIEW, attempt=1),
    e.MergeLanded(task=TaskId("T3"), target="equitr/epic-041", old=HEAD, commit=CommitId("9" * 40)),
    receipt("T3", "pytest tests/test_csv_in.py -q"),
    *paid("c4", "0.05", **WORK)[:1],
)  # fmt: skip


def summary(run: str, title: str, state: RunState, **changes: Any) -> RunSummary:
    given: dict[str, Any] = {
        "run": RunId(run), "kind": RunKind.EPIC, "epic": None, "title": title, "state": state, "phase": state.value,
        "done": 0, "tasks": 0, "usd": Decimal("0.31"), "budget": Decimal("5.00"), "started": BEGIN, "last": BEGIN,
        "alive": False, "workspace": "/home/me/shop",
    }  # fmt: skip
    return RunSummary(**given | changes)


RUNS = RunsAnswer(
    runs=(
        summary("run-41c0ffee", "CSV import", RunState.PAUSED, epic=EpicId("epic-041"), done=1, tasks=9,
                usd=Decimal("1.82"), last=BEGIN + timedelta(minutes=18)),
        summary("run-40aaaaaa", "Search page", RunState.PAUSED, epic=EpicId("epic-040"), phase="awaiting approval",
                usd=Decimal("0.12"), last=BEGIN - timedelta(days=1)),
        summary("run-39bbbbbb", "Fix flaky auth", RunState.COMPLETED, epic=EpicId("epic-039"), done=4, tasks=4,
                last=BEGIN - timedelta(days=3)),
        summary("run-38cccccc", "why is it slow?", RunState.RUNNING, kind=RunKind.CHAT, phase="working", tasks=0,
                usd=Decimal("0.02"), last=BEGIN - timedelta(days=40), budget=None),
        summary("run-37dddddd", "Elsewhere", RunState.FAILED, epic=EpicId("epic-002"), workspace="/home/me/other",
                done=1, tasks=2, last=BEGIN - timedelta(days=400)),
    ),
    unreadable=(RunId("run-broken"),),
)  # fmt: skip


def cost_of(view: RunView) -> CostAnswer:
    """As the door adds it up."""
    return cost_answer([run_money(view)], is_one_run=True)
