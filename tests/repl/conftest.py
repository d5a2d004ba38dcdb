"""An interactive session with a person at it: real keys through a pipe, a captured screen, runs played from memory."""

import asyncio
import codecs
import io
import os
import select
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output

from equitr_coder.cli.answers import Answers
from equitr_coder.cli.review import Review
from equitr_coder.domain import commands as c
from equitr_coder.domain import events as e
from equitr_coder.domain import queries as q
from equitr_coder.domain.approvals import Approval
from equitr_coder.domain.epic import Plan, Task
from equitr_coder.domain.errors import StopReason, UserError
from equitr_coder.domain.ids import AgentName, CallId, CommitId, EpicId, RequestId, RunId, SessionId, TaskId
from equitr_coder.domain.models import AssistantMessage, Purpose, Tier, UserMessage
from equitr_coder.domain.money import Usage
from equitr_coder.domain.run_view import RunView, fold
from equitr_coder.domain.runs import RunKind, RunOptions, RunState
from equitr_coder.ports import RunApi, ShownDelta
from equitr_coder.presentation.person import Person
from equitr_coder.repl.keyboard import Keyboard
from equitr_coder.repl.line_editor import LineEditor
from equitr_coder.repl.plain_lines import PlainLines
from equitr_coder.repl.prompt import hold_session
from tests.repl.pane import Pane

BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WAIT = 20.0
CTRL_C, CTRL_D = "\x03", "\x04"
COLUMNS = 100


# ---------------------------------------------------------------- what a run does


@dataclass(frozen=True)
class Says:
    """Text that streams."""

    text: str


@dataclass
class Gate:
    """A place where the run works until the test opens it, or somebody interrupts."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Until:
    """A place where the run waits for a command. `react` gives what follows it; None goes on waiting."""

    react: Callable[[c.Command], Sequence[e.Event] | None]


Step = e.Event | Says | Gate | Until
_STOPS = e.RunPaused | e.RunFinished
_PAUSED = e.RunPaused(reason=StopReason.INTERRUPTED, detail="interrupted")


class PlayedApi:
    """Implements `ports.RunApi`: each request takes the next of `turns` and plays it to whoever follows the run."""

    def __init__(
        self, *turns: Sequence[Step], others: Sequence[Sequence[e.Event]] = (), multi_agent: bool = False
    ) -> None:
        """`others` are the logs of runs that were there before."""
        self.submitted: list[c.Command] = []
        self.queried: list[q.Query] = []
        self.files: tuple[str, ...] = ("README.md", "src/main.py")
        self.diff = ""
        self.refuses: UserError | None = None
        """Raised by the next command."""
        self._turns = list(turns)
        self._pending: dict[RunId, list[Step]] = {}
        self._logs: dict[RunId, list[e.Event]] = {}
        self._interrupted: dict[RunId, asyncio.Event] = {}
        self._commands: asyncio.Queue[c.Command] = asyncio.Queue()
        self._multi_agent = multi_agent
        for log in others:
            run = self._open()
            for event in log:
                self._stamp(run, event)

    async def submit(self, command: c.Command) -> RunId:
        if self.refuses is not None:
            refusal, self.refuses = self.refuses, None
            raise refusal
        self.submitted.append(command)
        match command:
            case c.StartRun():
                run = self._open()
                self._pending[run] = [_started(command, len(self._logs)), *self._turns.pop(0)]
            case c.SendMessage():
                run = command.run
                self._begin(run)
                self._stamp(run, e.RunResumed(options=RunOptions(budget=Decimal("10.00"))))
                said = e.MessageAdded(**WHO, message=UserMessage(text=command.text))
                self._pending[run] = [said, *self._turns.pop(0)]
            case c.ResumeRun():
                run = next(run for run in self._logs if command.run in (run, fold(self._logs[run]).epic))
                self._begin(run)
                options = fold(self._logs[run]).options.model_copy(update={"approve_plan": command.approve})
                self._stamp(run, e.RunResumed(options=options))
                self._pending[run] = list(self._turns.pop(0))
            case c.Interrupt():
                run = command.run
                self._interrupted[run].set()
            case c.UndoChange() | c.RedoChange() | c.RewindChange():
                run = command.run
                for step in self._turns.pop(0):
                    assert isinstance(step, e.EventBase)
                    self._stamp(run, step)
            case _:
                run = command.run
        await self._commands.put(command)
        return run

    async def events(self, run: RunId, *, after: int = 0, deltas: bool = False) -> AsyncIterator[e.Event | ShownDelta]:
        for event in [event for event in self._logs[run] if event.seq > after]:
            yield event
        steps = self._pending.pop(run, [])
        while steps:
            step = steps.pop(0)
            if self._interrupted[run].is_set():
                step = _PAUSED
            match step:
                case Says():
                    if deltas:
                        yield ShownDelta(run, SessionId("chat"), AgentName("assistant"), None, step.text)
                case Gate():
                    step.reached.set()
                    await _first(step.opened.wait(), self._interrupted[run].wait())
                    if self._interrupted[run].is_set():
                        steps[:0] = [_PAUSED]
                case Until():
                    steps[:0] = await self._reaction(run, step)
                case _:
                    yield self._stamp(run, step)
                    if isinstance(step, _STOPS):
                        return

    async def view(self, run: RunId) -> RunView:
        return fold(self._logs[run])

    async def runs(self, *, unfinished_only: bool = False) -> Sequence[RunView]:
        views = [fold(log) for log in reversed(self._logs.values())]
        return [view for view in views if not (unfinished_only and view.state.is_final)]

    async def query(self, query: q.Query) -> q.Answer:
        self.queried.append(query)
        match query:
            case q.ConfigQuery():
                return _config(multi_agent=self._multi_agent)
            case q.ModelsQuery():
                return MODELS
            case q.FilesQuery():
                return q.FilesAnswer(files=self.files)
            case q.DiffQuery():
                return q.DiffAnswer(text=self.diff)
            case q.RunsQuery():
                return q.RunsAnswer(runs=tuple(_row(view) for view in await self.runs(unfinished_only=True)))
            case q.CostQuery():
                assert query.run is not None
                total = fold(self._logs[RunId(query.run)]).spent
                rows = (q.CostRow(name="weak/coder", calls=1, usage=Usage(input=10, output=2), usd=total),)
                cap = Decimal("10.00")
                nothing: tuple[q.CostRow, ...] = ()
                return q.CostAnswer(
                    total=total,
                    held=Decimal(0),
                    limit=cap,
                    by_model=rows,
                    by_agent=nothing,
                    by_purpose=nothing,
                    by_task=nothing,
                )
            case _:
                raise AssertionError(query)

    def _open(self) -> RunId:
        run = RunId(f"run-{len(self._logs) + 1}")
        self._logs[run] = []
        self._begin(run)
        return run

    def _begin(self, run: RunId) -> None:
        self._interrupted[run] = asyncio.Event()

    async def _reaction(self, run: RunId, step: Until) -> Sequence[e.Event]:
        while True:
            command = await self._commands.get()
            if isinstance(command, c.Interrupt):
                return [_PAUSED]
            following = step.react(command)
            if following is not None:
                return following

    def _stamp(self, run: RunId, event: e.Event) -> e.Event:
        log = self._logs[run]
        at = BEGIN + timedelta(seconds=len(log))
        stamped = event.model_copy(update={"seq": len(log) + 1, "at": at, "run": run})
        log.append(stamped)
        return stamped


def check_fits(api: PlayedApi) -> RunApi:
    """Never called: the type checker holds the fake to the port."""
    return api


async def _first(*waits: Awaitable[object]) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_wait(wait)) for wait in waits]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()


async def _wait(wait: Awaitable[object]) -> None:
    await wait


# ---------------------------------------------------------------- values

WHO: dict[str, Any] = {"session": SessionId("chat"), "agent": AgentName("assistant")}
PLANNER: dict[str, Any] = {"session": SessionId("planner"), "agent": AgentName("planner")}
PLAN = Plan(
    title="Bookmark service",
    tasks=(Task(id=TaskId("T1"), title="Storage", check="true"), Task(id=TaskId("T2"), title="Search")),
)
MODELS = q.ModelsAnswer(
    configured=(
        q.ConfiguredModel(role="single", name="weak/coder"),
        q.ConfiguredModel(role="supervisor", name="strong/planner"),
        q.ConfiguredModel(role="worker", name="weak/coder"),
    )
)


def _config(*, multi_agent: bool) -> q.ConfigAnswer:
    values = {"orchestrator.use_multi_agent": str(multi_agent).lower(), "llm.budget": "10.00"}
    return q.ConfigAnswer(entries=tuple(q.ConfigEntry(key=key, value=values[key], source="default") for key in values))


def _started(command: c.StartRun, number: int) -> e.RunStarted:
    is_chat = command.kind is RunKind.CHAT
    return e.RunStarted(
        kind=command.kind,
        request=command.request,
        workspace="/home/me/bookmarks",
        options=RunOptions(budget=Decimal("10.00"), multi_agent=not is_chat),
        epic=None if is_chat else EpicId(f"epic-{number:03d}"),
        supervisor_model=None if is_chat else "strong/planner",
        worker_model=command.model or "weak/coder",
    )


def _row(view: RunView) -> q.RunSummary:
    return q.RunSummary(
        run=view.run,
        kind=view.kind,
        epic=view.epic,
        title=view.request,
        state=view.state,
        phase=view.phase,
        done=0,
        tasks=len(view.tasks),
        usd=view.spent,
        budget=view.options.budget,
        started=BEGIN,
        last=BEGIN,
        alive=False,
    )


def reserved(call: str = "c1", usd: str = "0.5") -> e.ModelCallReserved:
    return e.ModelCallReserved(**WHO, **_call(call), usd=Decimal(usd), input_bound=2000, max_tokens=8192)


def settled(call: str = "c1", usd: str = "0.0012") -> e.ModelCallSettled:
    return e.ModelCallSettled(**WHO, **_call(call), usage=Usage(input=1000, output=200), usd=Decimal(usd))


def failed(call: str = "c1", *, retry_in: float | None = None) -> e.ModelCallFailed:
    return e.ModelCallFailed(**WHO, **_call(call), kind="auth", message="the key was refused", retry_in=retry_in)


def _call(call: str) -> dict[str, Any]:
    return {"call": CallId(call), "model": "weak/coder", "tier": Tier.WEAK, "purpose": Purpose.CHAT}


def answered(text: str) -> e.MessageAdded:
    return e.MessageAdded(**WHO, message=AssistantMessage(text=text))


def reply(text: str, *, usd: str = "0.0012", call: str = "c1") -> list[Step]:
    """A turn that streams one answer."""
    return [reserved(call), Says(text), answered(text), settled(call, usd), finished(text)]


def finished(text: str = "") -> e.RunFinished:
    return e.RunFinished(state=RunState.COMPLETED, content=text)


def changed(path: str, change: str = "modified") -> e.FileChanged:
    return e.FileChanged.model_validate({**WHO, "path": path, "change": change, "added": 2, "removed": 1})


def asks_permission(what: str = "rm -rf build") -> e.ApprovalRequested:
    return e.ApprovalRequested(
        approval=Approval(id=RequestId("a1"), **WHO, tool="run_command", what=what, why="it deletes files")
    )


def resolved(command: c.Command) -> Sequence[e.Event] | None:
    """What follows the answer to `asks_permission`."""
    if not isinstance(command, c.ResolveApproval):
        return None
    return [e.ApprovalResolved(approval=command.approval, answer=command.answer)]


def said(command: c.Command) -> Sequence[e.Event] | None:
    """What follows a line for the agent at work."""
    if not isinstance(command, c.QueueMessage):
        return None
    kind = "steer" if command.steer else "queue"
    return [e.MessageSent(id=RequestId("u1"), sender="user", to="chat", kind=kind, content=command.text)]


def taken_back(command: c.Command) -> Sequence[e.Event] | None:
    return [e.MessageCancelled(message=command.message)] if isinstance(command, c.CancelMessage) else None


def question(text: str, options: tuple[str, ...] = ()) -> e.QuestionAsked:
    return e.QuestionAsked(**PLANNER, question=RequestId("q1"), text=text, options=options)


def question_answered(command: c.Command) -> Sequence[e.Event] | None:
    if isinstance(command, c.RejectPlan):
        return [e.RunFinished(state=RunState.CANCELLED, reason=StopReason.DECLINED)]
    if not isinstance(command, c.AnswerQuestion):
        return None
    return [e.QuestionAnswered(question=command.question, answer=command.answer)]


def approved_by(command: c.Command) -> Sequence[e.Event] | None:
    return [plan_approved()] if isinstance(command, c.ApprovePlan) else None


def plan_approved() -> e.PlanApproved:
    return e.PlanApproved(
        plan=PLAN, by="user", branch="equitr/epic-001", base=CommitId("b" * 40), commit=CommitId("d" * 40)
    )


# ---------------------------------------------------------------- the person


class Tape(io.StringIO):
    """What the terminal was sent, and how that looks."""

    encoding = "utf-8"

    def __init__(self) -> None:
        super().__init__()
        self.grew = asyncio.Event()
        self._pane = Pane(COLUMNS)

    def write(self, text: str) -> int:
        self._pane.feed(text)
        self.grew.set()
        return super().write(text)

    @property
    def text(self) -> str:
        return self._pane.text

    @property
    def height(self) -> int:
        return self._pane.height


class Session:
    """The person's side of an open session."""

    def __init__(
        self, tape: Tape, send: Callable[[str], None], unread: int, *, drain: Callable[[], None] = lambda: None
    ) -> None:
        """`unread` is the descriptor the program reads keys from; `drain` reads what is on its way to the tape."""
        self.tape = tape
        self._drain = drain
        self.types = send
        self._unread = unread
        self._position = 0
        self.task: asyncio.Task[int]

    def pastes(self, text: str) -> None:
        """As a terminal brackets it."""
        self.types(f"\x1b[200~{text}\x1b[201~")

    async def heard(self) -> None:
        """Wait until the program has read every key."""
        while select.select([self._unread], [], [], 0)[0]:  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0)

    async def sees(self, text: str) -> None:
        """Wait until the text appears after what was seen before."""
        await self._until(lambda: self.tape.text.find(text, self._position) >= 0, f"never saw {text!r}")
        self._position = self.tape.text.index(text, self._position) + len(text)

    async def shows(self, text: str) -> None:
        """Wait until the text stands somewhere on the screen."""
        await self._until(lambda: text in self.tape.text, f"never saw {text!r}")

    async def asks(self, prompt: str = "you>") -> None:
        """Wait for an empty prompt."""
        await self._until(lambda: self.tape.text.endswith(f"\n{prompt}"), "no empty prompt")
        self._position = len(self.tape.text)

    async def ends(self) -> int:
        async with asyncio.timeout(WAIT):
            return await self.task

    async def _until(self, holds: Callable[[], bool], complaint: str) -> None:
        try:
            async with asyncio.timeout(WAIT):
                while not holds():
                    if self.task.done():
                        self._drain()
                        assert holds(), f"{complaint}, and it has ended:\n{self.tape.text}"
                        return
                    self.tape.grew.clear()
                    await _first(self.tape.grew.wait(), asyncio.wait([self.task]))
        except TimeoutError:
            raise AssertionError(f"{complaint}:\n{self.tape.text}") from None


@asynccontextmanager
async def attend(api: PlayedApi, *, planning: bool = False, history: Path | None = None) -> AsyncIterator[Session]:
    """A session on a terminal that can draw."""
    tape = Tape()
    output = Vt100_Output(tape, get_size=lambda: Size(rows=40, columns=COLUMNS), term="xterm", enable_cpr=False)
    with create_pipe_input() as keys:
        keyboard = LineEditor(history=history, terminal=(keys, output))
        async with _held(api, keyboard, Session(tape, keys.send_text, keys.fileno()), planning=planning) as session:
            yield session


@asynccontextmanager
async def attend_plainly(api: PlayedApi, *, planning: bool = False) -> AsyncIterator[Session]:
    """A session on a terminal that can only print: a real one, which edits and echoes by itself."""
    tape = Tape()
    master, slave = os.openpty()
    decoder = codecs.getincrementaldecoder("utf-8")()

    def read() -> None:
        tape.write(decoder.decode(os.read(master, 65536)))

    def drain() -> None:
        while select.select([master], [], [], 0)[0]:
            read()

    loop = asyncio.get_running_loop()
    loop.add_reader(master, read)
    with os.fdopen(slave, "r", encoding="utf-8") as stdin, os.fdopen(os.dup(slave), "w", encoding="utf-8") as screen:
        keyboard = PlainLines(stdin=stdin, screen=screen)
        session = Session(tape, lambda text: void(os.write(master, text.encode())), stdin.fileno(), drain=drain)
        try:
            async with _held(api, keyboard, session, planning=planning) as held:
                yield held
        finally:
            loop.remove_reader(master)
            os.close(master)


def void(_: object) -> None: ...


@asynccontextmanager
async def _held(api: PlayedApi, keyboard: Keyboard, session: Session, *, planning: bool) -> AsyncIterator[Session]:
    """Open while the person is there; ended when they have not left by then."""

    def attendants(door: RunApi, person: Person) -> list[Answers | Review]:
        return [Answers(door, person), Review(door, person)]

    async with asyncio.TaskGroup() as group:
        opened = hold_session(api, keyboard, planning=planning, attendants=attendants)
        session.task = group.create_task(opened)
        try:
            yield session
        finally:
            session.task.cancel()


@pytest.fixture
def history(tmp_path: Path) -> Path:
    return tmp_path / "home" / "history"
