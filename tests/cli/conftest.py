"""An in-memory `RunApi` that plays a log, the people who answer it, and a six-task epic to play."""

import asyncio
import io
import os
import select
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

import pytest

from equitr_coder.__main__ import start
from equitr_coder.cli.doors import Doors, Streams
from equitr_coder.domain import commands as c
from equitr_coder.domain import events as e
from equitr_coder.domain import queries as q
from equitr_coder.domain.approvals import Approval
from equitr_coder.domain.epic import Plan, SyncPoint, Task, TaskState, agent_names
from equitr_coder.domain.errors import StopReason, UserError
from equitr_coder.domain.ids import (
    AgentName,
    CallId,
    CommitId,
    EpicId,
    RequestId,
    RunId,
    SessionId,
    TaskId,
    TreeId,
)
from equitr_coder.domain.models import AssistantMessage, Purpose, Tier
from equitr_coder.domain.money import Usage
from equitr_coder.domain.receipts import CheckResult, Receipt
from equitr_coder.domain.run_view import RunView, fold
from equitr_coder.domain.runs import RunKind, RunOptions, RunState
from equitr_coder.ports import RunApi, ShownDelta
from equitr_coder.testing.events import assert_well_formed

RUN = RunId("run-7k2m9x4q")
BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GOLDEN = Path(__file__).parent / "golden"


@dataclass(frozen=True)
class Until:
    """A place in a log where the run waits. `react` gives what follows a command; None goes on waiting."""

    react: Callable[[c.Command], Sequence[e.Event] | None]


Step = e.Event | Until


class ReplayApi:
    """Implements `ports.RunApi` for one run whose log is given; further runs are there to be listed."""

    def __init__(
        self,
        steps: Sequence[Step] = (),
        *,
        answers: Sequence[q.Answer] = (),
        others: Sequence[RunView] = (),
        multi_agent: bool = False,
        already: int = 0,
        on_event: Callable[[e.Event], None] = lambda _: None,
        on_submit: Callable[[c.Command], None] = lambda _: None,
    ) -> None:
        """`already` steps are told before anybody connects; the hooks run before an event or command takes effect."""
        self._on_event = on_event
        self._on_submit = on_submit
        self.submitted: list[c.Command] = []
        self.queried: list[q.Query] = []
        self.connected: list[dict[str, Any]] = []
        self.log: list[e.Event] = []
        self._steps = list(steps)
        self._answers = [answer for answer in answers if not isinstance(answer, q.ConfigAnswer)]
        self._others = list(others)
        self._commands: asyncio.Queue[c.Command] = asyncio.Queue()
        self._interrupted = False
        value = "true" if multi_agent else "false"
        entry = q.ConfigEntry(key="orchestrator.use_multi_agent", value=value, source="default")
        given = [answer for answer in answers if isinstance(answer, q.ConfigAnswer)]
        self._config = given[0] if given else q.ConfigAnswer(entries=(entry,))
        for _ in range(already):
            step = self._steps.pop(0)
            assert not isinstance(step, Until)
            self._stamp(step)

    async def submit(self, command: c.Command) -> RunId:
        self._on_submit(command)
        view = fold(self.log)
        if isinstance(command, c.AnswerQuestion) and command.question not in view.questions:
            raise UserError(f"no open question {command.question}", hint="it was answered already")
        self.submitted.append(command)
        if isinstance(command, c.Interrupt):
            self._interrupted = True
        await self._commands.put(command)
        return RUN

    async def events(self, run: RunId, *, after: int = 0, deltas: bool = False) -> AsyncIterator[e.Event | ShownDelta]:
        assert run == RUN
        for event in [event for event in self.log if event.seq > after]:
            yield event
        self._take_start()
        for step in self._steps:
            if self._interrupted:
                yield self._stamp(e.RunPaused(reason=StopReason.INTERRUPTED, detail="interrupted"))
                break
            if isinstance(step, Until):
                async for event in self._wait(step):
                    yield event
                if self.log and isinstance(self.log[-1], e.RunPaused | e.RunFinished):
                    break
            else:
                yield self._stamp(step)
        assert_well_formed(self.log)

    async def view(self, run: RunId) -> RunView:
        assert run == RUN
        return fold(self.log)

    async def runs(self, *, unfinished_only: bool = False) -> Sequence[RunView]:
        mine = [fold(self.log)] if self.log else []
        views = [*mine, *self._others]
        return [view for view in views if not (unfinished_only and view.state.is_final)]

    async def query(self, query: q.Query) -> q.Answer:
        if isinstance(query, q.ConfigQuery):  # every command asks it, for the warnings
            return self._config
        if isinstance(query, q.RunsQuery) and not self._answers:
            return q.RunsAnswer(runs=())
        self.queried.append(query)
        return self._answers.pop(0)

    async def _wait(self, step: Until) -> AsyncIterator[e.Event]:
        while True:
            command = await self._commands.get()
            if isinstance(command, c.Interrupt):
                yield self._stamp(e.RunPaused(reason=StopReason.INTERRUPTED, detail="interrupted"))
                return
            following = step.react(command)
            if following is not None:
                for event in following:
                    yield self._stamp(event)
                return

    def _take_start(self) -> None:
        while not self._commands.empty():
            command = self._commands.get_nowait()
            if isinstance(command, c.Interrupt):
                self._interrupted = True

    def _stamp(self, event: e.Event) -> e.Event:
        self._on_event(event)
        at = BEGIN + timedelta(seconds=len(self.log))
        stamped = event.model_copy(update={"seq": len(self.log) + 1, "at": at, "run": RUN})
        self.log.append(stamped)
        return stamped


def check_fits(api: ReplayApi) -> RunApi:
    """Never called: the type checker holds the fake to the port."""
    return api


@dataclass
class Result:
    code: int
    out: str
    err: str


@dataclass
class Command:
    """Runs the command line on a fake and says what came of it."""

    home: Path
    environ: dict[str, str] = field(default_factory=lambda: {"NO_COLOR": "1"})
    prompts: list[bool] = field(default_factory=list)
    screens: list[str] = field(default_factory=list)

    def __call__(
        self, *arguments: str, api: ReplayApi | None = None, stdin: str = "", streams: Streams | None = None
    ) -> Result:
        used = streams or Streams(stdin=io.StringIO(stdin), stdout=io.StringIO(), stderr=io.StringIO())
        code = start(list(arguments), self.doors(api or ReplayApi(), used))
        return Result(code, _text(used.stdout), _text(used.stderr))

    def doors(self, api: ReplayApi, streams: Streams) -> Doors:
        @asynccontextmanager
        async def connect(
            *, repo: Path, flags: Mapping[str, tuple[object, str]], create_repo: bool
        ) -> AsyncIterator[RunApi]:
            api.connected.append({"repo": repo, "flags": dict(flags), "create_repo": create_repo})
            yield api

        async def open_prompt(api: RunApi, *, planning: bool) -> int:
            self.prompts.append(planning)
            return 0

        async def open_screen(
            connect: Callable[[], AbstractAsyncContextManager[RunApi]],
            *,
            first_run: Callable[[RunApi], Awaitable[bool]],
            mode: str,
            folder: Path,
            theme: str | None,
        ) -> int:
            async with connect():
                self.screens.append(mode)
            return 0

        def run_demo(say: Callable[[str], None]) -> Awaitable[int]:
            async def play() -> int:
                say("The models are scripted.")
                return 0

            return play()

        environ = {"HOME": str(self.home), "TERM": "xterm", **self.environ}
        return Doors(
            connect=connect,
            open_prompt=open_prompt,
            open_screen=open_screen,
            run_demo=run_demo,
            environ=environ,
            streams=streams,
        )


def _text(stream: TextIO) -> str:
    return stream.getvalue() if isinstance(stream, io.StringIO) else ""


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(home=tmp_path)


class Person:
    """Somebody at a real terminal: waits for a prompt, types the answer. Runs beside the command, in a thread."""

    def __init__(self, lines: Sequence[tuple[str, str]]) -> None:
        self._lines = lines
        self._master, slave = os.openpty()
        self._stdin = os.fdopen(os.dup(slave), "r", encoding="utf-8")
        self._stdout = os.fdopen(slave, "w", encoding="utf-8")
        self._thread = threading.Thread(target=self._talk, daemon=True)
        self._done = threading.Event()
        self.seen = ""

    @property
    def streams(self) -> Streams:
        return Streams(stdin=self._stdin, stdout=self._stdout, stderr=self._stdout)

    def __enter__(self) -> "Person":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(timeout=10)
        self._stdin.close()
        self._stdout.close()
        os.close(self._master)

    def _talk(self) -> None:
        position = 0
        for prompt, answer in self._lines:
            while (found := self.seen.find(prompt, position)) < 0:
                if not self._read():
                    return
            position = found + len(prompt)
            os.write(self._master, answer.encode())
        while self._read():
            continue

    def _read(self) -> bool:
        """False when the command is over and nothing more can come."""
        while not select.select([self._master], [], [], 0.05)[0]:
            if self._done.is_set():
                return False
        self.seen += os.read(self._master, 65536).decode("utf-8", "replace").replace("\r\n", "\n")
        return True


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compare with a file under `golden/`; UPDATE_GOLDEN=1 writes it instead."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if os.environ.get("UPDATE_GOLDEN"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return compare


# ---------------------------------------------------------------- a six-task epic

PLAN = Plan(
    title="Bookmark service",
    tasks=(
        Task(
            id=TaskId("T1"), title="Project layout", specialization="infrastructure", todos=("Create package", "Add CI")
        ),
        Task(
            id=TaskId("T2"),
            title="Storage",
            specialization="backend",
            needs=(TaskId("T1"),),
            files=("src/store.py",),
            todos=("Save bookmarks", "Load bookmarks"),
            check="python -m pytest tests/test_store.py",
        ),
        Task(id=TaskId("T3"), title="Search", specialization="backend", needs=(TaskId("T1"),), check="pytest -q"),
        Task(
            id=TaskId("T4"),
            title="Command line",
            specialization="cli",
            needs=(TaskId("T2"), TaskId("T3")),
            check="true",
        ),
        Task(id=TaskId("T5"), title="Tests", specialization="qa", needs=(TaskId("T4"),), priority="low", check="true"),
        Task(id=TaskId("T6"), title="Readme", specialization="docs", needs=(TaskId("T1"),)),
    ),
    sync_points=(
        SyncPoint(
            id="store-api",
            type="contracts",
            description="Functions of the store",
            producer=TaskId("T2"),
            consumers=(TaskId("T4"),),
        ),
    ),
)
NAMES = agent_names(PLAN)
PLANNER = AgentName("planner")
BRANCH = "equitr/epic-001"


def started(kind: RunKind = RunKind.EPIC, **options: Any) -> e.RunStarted:
    is_chat = kind is RunKind.CHAT
    given: dict[str, Any] = {"multi_agent": not is_chat, "budget": Decimal("10.00"), **options}
    return e.RunStarted(
        kind=kind,
        request="Build a bookmark service",
        workspace="/home/me/bookmarks",
        options=RunOptions(**given),
        epic=None if is_chat else EpicId("epic-001"),
        supervisor_model=None if is_chat else "strong/planner",
        worker_model="weak/coder",
        base_branch="main",
        base_commit=CommitId("b" * 40),
    )


def call(number: int, agent: str, usd: str, *, task: str | None = None, strong: bool = False) -> list[e.Event]:
    """One settled model call of a round price."""
    purpose = {"planner": Purpose.PLANNING, "supervisor": Purpose.ESCALATION}.get(agent, Purpose.WORK)
    common: dict[str, Any] = {
        "session": SessionId(agent),
        "agent": AgentName(agent),
        "task": TaskId(task) if task else None,
        "call": CallId(f"c{number}"),
        "model": "strong/planner" if strong else "weak/coder",
        "tier": Tier.STRONG if strong else Tier.WEAK,
        "purpose": purpose,
    }
    usage = Usage(input=1000, cache_read=500, output=200)
    return [
        e.ModelCallReserved(**common, usd=Decimal("0.5"), input_bound=2000, max_tokens=8192),
        e.ModelCallSettled(**common, usage=usage, usd=Decimal(usd), latency_ms=1200),
    ]


def changed(task: str, state: TaskState, attempt: int = 1, **rest: Any) -> e.TaskChanged:
    return e.TaskChanged(task=TaskId(task), state=state, agent=NAMES[TaskId(task)], attempt=attempt, **rest)


def landed(task: str, *, attempt: int = 1, checked: bool = True) -> list[e.Event]:
    """The end of a task: queued, merged, proven or not, done."""
    commit = CommitId(task.lower() * 20)
    command = PLAN.task(TaskId(task)).check or "true"
    check = CheckResult(command=command, exit_code=0, duration_ms=1300, output_hash="0" * 64, tree=TreeId("7" * 40))
    receipt = Receipt(task=TaskId(task), commit=commit, tree=TreeId("7" * 40), checks=(check,), at=BEGIN)
    proof: list[e.Event] = [e.ReceiptStored(task=TaskId(task), receipt=receipt)] if checked else []
    return [
        e.MergeQueued(task=TaskId(task), attempt=attempt, commit=commit),
        e.MergeLanded(task=TaskId(task), target=BRANCH, old=CommitId("b" * 40), commit=commit),
        *proof,
        changed(task, TaskState.DONE, attempt, detail=f"{task} is finished"),
    ]


def whole_task(task: str, *, number: int, usd: str, checked: bool = True) -> list[e.Event]:
    agent = NAMES[TaskId(task)]
    return [
        changed(task, TaskState.WORKING),
        *call(number, agent, usd, task=task),
        changed(task, TaskState.REVIEW),
        *landed(task, checked=checked),
    ]


def document(
    name: str, *, by: str = "planner", revision: int = 1, content: str = "# Title\n\ntext\n"
) -> e.DocumentWritten:
    return e.DocumentWritten.model_validate({"name": name, "content": content, "revision": revision, "by": by})


def planning(*, by: str = "yes_flag") -> list[e.Event]:
    return [
        *call(1, "planner", "0.0301", strong=True),
        document("requirements"),
        document("design"),
        document("todos", by="host", content=TODOS),
        e.PlanSubmitted(plan=PLAN, gaps=("T6 has no check",)),
        approved(by),
    ]


def approved(by: str = "user") -> e.PlanApproved:
    return e.PlanApproved.model_validate(
        {
            "plan": PLAN,
            "by": by,
            "branch": BRANCH,
            "base": "b" * 40,
            "base_branch": "main",
            "commit": "d" * 40,
            "documents_at": "docs",
        }
    )


TODOS = "# Todos\n\n## T1 Project layout (Medium)\n\n- [ ] 1. Create package\n"


def question(text: str, number: int, options: tuple[str, ...] = ()) -> e.QuestionAsked:
    return e.QuestionAsked(
        session=SessionId("planner"), agent=PLANNER, question=RequestId(f"q{number}"), text=text, options=options
    )


def approval(what: str = "rm -rf build", *, confined: bool = True, partly: str = "") -> e.ApprovalRequested:
    return e.ApprovalRequested(
        approval=Approval(
            id=RequestId("a1"),
            session=SessionId("T2.1"),
            agent=NAMES[TaskId("T2")],
            task=TaskId("T2"),
            tool="run_command",
            what=what,
            why="it deletes files",
            confined=confined,
            partly=partly,
        )
    )


def working(task: str, number: int) -> dict[str, Any]:
    """The fields of an agent's event."""
    return {"session": SessionId(f"{task}.{number}"), "agent": NAMES[TaskId(task)], "task": TaskId(task)}


def successful_epic() -> list[e.Event]:
    """Six tasks: one asks the supervisor, one is sent back once, one is reviewed, one has no check."""
    return [
        started(yes=True, can_ask=False),
        *planning(),
        *whole_task("T1", number=2, usd="0.0010"),
        changed("T2", TaskState.WORKING),
        changed("T3", TaskState.WORKING),
        e.EscalationAsked(
            **working("T2", 1), escalation=RequestId("e1"), question="Which file format?\nJSON or SQLite?"
        ),
        *call(3, "supervisor", "0.0120", task="T2", strong=True),
        e.EscalationAnswered(**working("T2", 1), escalation=RequestId("e1"), answer="JSON.", usd=Decimal("0.0120")),
        e.ModelCallReserved(
            **working("T3", 1),
            call=CallId("c4"),
            model="weak/coder",
            tier=Tier.WEAK,
            purpose=Purpose.WORK,
            usd=Decimal("0.5"),
            input_bound=2000,
            max_tokens=8192,
        ),
        e.ModelCallFailed(
            **working("T3", 1),
            call=CallId("c4"),
            model="weak/coder",
            tier=Tier.WEAK,
            purpose=Purpose.WORK,
            kind="rate_limited",
            message="too many requests",
            retry_in=3.0,
        ),
        *call(5, NAMES[TaskId("T3")], "0.0025", task="T3"),
        changed("T3", TaskState.REVIEW),
        e.MergeRejected(
            task=TaskId("T3"), attempt=1, reason=StopReason.CHECK_FAILED, detail="`pytest -q` exit 1\n1 failed"
        ),
        changed("T3", TaskState.READY, reason=StopReason.CHECK_FAILED, detail="`pytest -q` exit 1\n1 failed"),
        e.BudgetWarned(account="run", usd=Decimal("8.0100"), limit=Decimal("10.00")),
        changed("T2", TaskState.REVIEW),
        e.ReviewGiven(session=SessionId("review.T2"), agent=AgentName("reviewer"), task=TaskId("T2"), approved=True),
        *landed("T2"),
        changed("T3", TaskState.WORKING, attempt=2),
        *call(6, NAMES[TaskId("T3")], "0.0030", task="T3"),
        changed("T3", TaskState.REVIEW, attempt=2),
        *landed("T3", attempt=2),
        *whole_task("T4", number=7, usd="0.0040"),
        *whole_task("T5", number=8, usd="0.0050"),
        *whole_task("T6", number=9, usd="0.0007", checked=False),
        e.MergeLanded(target=BRANCH, old=CommitId("t6" * 20), commit=CommitId("e" * 40)),
        e.MergeLanded(target="main", old=CommitId("b" * 40), commit=CommitId("e" * 40)),
        e.RunFinished(state=RunState.COMPLETED, content="T1: T1 is finished", landed=True),
    ]


def failing_epic() -> list[e.Event]:
    """T2 fails three times, T4 and T5 wait for it in vain, the rest is done."""
    attempts: list[e.Event] = []
    for attempt in (1, 2, 3):
        attempts += [
            changed("T2", TaskState.WORKING, attempt=attempt),
            changed("T2", TaskState.READY, attempt=attempt, reason=StopReason.CHECK_FAILED, detail="exit 1: 2 failed"),
        ]
    return [
        started(yes=True, can_ask=False),
        *planning(),
        *whole_task("T1", number=2, usd="0.0010"),
        *attempts,
        changed("T2", TaskState.FAILED, attempt=3, reason=StopReason.CHECK_FAILED, detail="exit 1: 2 failed"),
        e.TaskChanged(
            task=TaskId("T4"),
            state=TaskState.BLOCKED,
            reason=StopReason.PREREQUISITE_FAILED,
            detail="T2 did not finish",
        ),
        e.TaskChanged(
            task=TaskId("T5"),
            state=TaskState.BLOCKED,
            reason=StopReason.PREREQUISITE_FAILED,
            detail="T2 did not finish",
        ),
        *whole_task("T3", number=3, usd="0.0020"),
        *whole_task("T6", number=4, usd="0.0007", checked=False),
        e.RunFinished(
            state=RunState.FAILED, reason=StopReason.CHECK_FAILED, landed=False, hint="git merge equitr/epic-001"
        ),
    ]


def chat(*, answer: str = "The typo is gone.") -> list[e.Event]:
    common: dict[str, Any] = {"session": SessionId("chat"), "agent": AgentName("assistant")}
    arguments = '{"path": "README.md", "api_key": "sk-secret"}'
    return [
        started(RunKind.CHAT),
        *call(1, "assistant", "0.0012"),
        e.ToolCalled(**common, call=CallId("t1"), name="edit_file", arguments=arguments),
        e.ToolReturned(
            **common, call=CallId("t1"), name="edit_file", text="Edited.", summary="README.md +1 -1", duration_ms=12
        ),
        e.FileChanged(**common, path="README.md", change="modified", added=1, removed=1),
        *call(2, "assistant", "0.0008"),
        e.MessageAdded(**common, message=AssistantMessage(text=answer)),
        e.RunFinished(state=RunState.COMPLETED, content=answer),
    ]


@pytest.fixture
def logs() -> "Logs":
    return Logs()


class Logs:
    """The builders above, for tests (which cannot import this file)."""

    api = ReplayApi
    result = Result
    configured = q.ProposalAnswer(configured=True, proposals=(), looked_for=())
    until = Until
    person = Person
    run = RUN
    plan = PLAN
    started = staticmethod(started)
    planning = staticmethod(planning)
    approved = staticmethod(approved)
    question = staticmethod(question)
    approval = staticmethod(approval)
    document = staticmethod(document)
    changed = staticmethod(changed)
    whole_task = staticmethod(whole_task)
    call = staticmethod(call)
    successful_epic = staticmethod(successful_epic)
    failing_epic = staticmethod(failing_epic)
    chat = staticmethod(chat)
