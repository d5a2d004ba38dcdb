"""The planning phase against a planner that keeps its transcript in the event log as the engine does."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from equitr_coder.domain.epic import Plan
from equitr_coder.domain.errors import RunStopped, StopReason, ToolFailure, UserError
from equitr_coder.domain.events import (
    DocumentWritten,
    Event,
    MessageAdded,
    ModelCallSettled,
    PlanApproved,
    PlanSubmitted,
    QuestionAnswered,
    QuestionAsked,
    RunStarted,
    ToolCalled,
    ToolReturned,
)
from equitr_coder.domain.ids import AgentName, CallId, CommitId, RequestId, RunId, SessionId, TaskId
from equitr_coder.domain.models import (
    AssistantMessage,
    Message,
    Purpose,
    SystemMessage,
    Tier,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from equitr_coder.domain.money import ZERO, Usage
from equitr_coder.domain.run_view import RunView, SessionView, apply
from equitr_coder.domain.runs import RunKind, RunOptions
from equitr_coder.planning import messages
from equitr_coder.planning.conversation import Conversation, Phase
from equitr_coder.planning.documents import render_todos
from equitr_coder.planning.drafts import PLANNER, DraftBook, Facts, PlanningOptions
from equitr_coder.planning.plan_rules import PlanRules
from equitr_coder.planning.structure import design_problems, requirements_problems
from equitr_coder.ports import (
    Advisor,
    Agent,
    AgentOrder,
    AgentOutcome,
    Artifacts,
    Deadline,
    Drafts,
    EventSink,
    Guard,
    Questions,
    StepWatcher,
    ToolEnd,
)

REQUEST = "Build a bookshop.\n\n  Keep *this* line as it is: RabbitMQ, JWT, Helm."

REQUIREMENTS = """\
# Bookshop: requirements

## 1. Overview
Books, RabbitMQ.

## 2. Features
- R1 List books

## 3. Non-functional requirements
- Fast
"""

DESIGN = """\
# Bookshop: design

## 1. Architecture
One process.

## 2. Deployment
Helm.
"""

PLAN: dict[str, Any] = {
    "title": "Bookshop",
    "tasks": [
        {"id": "T1", "title": "Schema", "priority": "High", "todos": ["Write tables"], "check": "make schema"},
        {"id": "T2", "title": "List books (R1)", "needs": ["T1"], "todos": ["List books"], "check": "make books"},
    ],
}
CYCLE: dict[str, Any] = {
    "title": "Round",
    "tasks": [{"id": "A", "title": "a", "needs": ["B"]}, {"id": "B", "title": "b", "needs": ["A"]}],
}


# ---------------------------------------------------------------- the surroundings


class Log:
    """A real event sink in memory: stamps, folds, keeps."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.commits: list[int] = []
        """How many events were stored after each transaction."""
        self._view = RunView(run=RunId("run-1"))

    async def record(self, *events: Event) -> None:
        self.note(*events)

    def note(self, *events: Event) -> None:
        for event in events:
            stamped = event.model_copy(update={"seq": len(self.events) + 1, "run": RunId("run-1")})
            self.events.append(stamped)
            apply(self._view, stamped)
        self.commits.append(len(self.events))

    async def flush(self) -> None: ...

    def show(self, session: SessionId, agent: AgentName, task: TaskId | None, text: str) -> None: ...

    @property
    def view(self) -> RunView:
        return self._view

    def kinds(self, *types: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, types)]


@dataclass(frozen=True)
class Says:
    """One scripted reply: plain text, or calls of (tool, arguments); arguments may be raw text."""

    text: str = ""
    calls: tuple[tuple[str, Any], ...] = ()


def writes(name: str, content: str) -> tuple[str, dict[str, str]]:
    return ("write_document", {"name": name, "content": content})


def submits(plan: Any) -> tuple[str, Any]:
    return ("submit_plan", plan)


class Killed(BaseException):
    """The process died at this point."""


@dataclass
class Model:
    """The planner model: its replies in order, and what it was sent."""

    replies: list[Says]
    requests: list[list[Message]] = field(default_factory=list)

    def answer(self, transcript: Sequence[Message]) -> Says:
        self.requests.append(list(transcript))
        if not self.replies:
            raise Killed
        return self.replies.pop(0)


class Planner:
    """Implements `ports.Agent` over the log; the transcript in it is continued, open calls are run first."""

    def __init__(self, order: AgentOrder, drafts: Drafts, log: Log, model: Model) -> None:
        self.order = order
        self._drafts = drafts
        self._log = log
        self._model = model
        self._guards: tuple[Guard, ...] = (drafts,) if isinstance(drafts, DraftBook) else ()

    async def run(self, message: str | None = None) -> AgentOutcome:
        if PLANNER not in self._log.view.sessions:
            await self._add(SystemMessage(text="plan"), UserMessage(text=self.order.first_message))
        if message is not None:
            await self._finish_calls()
            await self._add(UserMessage(text=message))
        while True:
            end = await self._finish_calls()
            session = self._session()
            last = session.messages[-1]
            if end is not None or isinstance(last, AssistantMessage):
                text = last.text if isinstance(last, AssistantMessage) else ""
                return AgentOutcome(text=text, end=end, iterations=session.calls_made)
            for guard in self._guards:
                guard.check(session.calls_made)
            if session.calls_made >= self.order.max_iterations:
                raise RunStopped(StopReason.MAX_ITERATIONS, "too many steps")
            await self._ask_model(session)

    async def _ask_model(self, session: SessionView) -> None:
        said = self._model.answer(session.messages)
        number = session.calls_made
        calls = tuple(
            ToolCall(
                id=CallId(f"call_{number}_{index}"),
                name=name,
                arguments=arguments if isinstance(arguments, str) else json.dumps(arguments),
            )
            for index, (name, arguments) in enumerate(said.calls)
        )
        who: dict[str, Any] = {"session": PLANNER, "agent": self.order.agent}
        settled = ModelCallSettled(
            **who,
            call=CallId(f"m{number}"),
            model="strong",
            tier=Tier.STRONG,
            purpose=Purpose.PLANNING,
            usage=Usage(),
            usd=ZERO,
        )
        reply = MessageAdded(**who, message=AssistantMessage(text=said.text, calls=calls))
        await self._log.record(settled, reply)

    async def _finish_calls(self) -> ToolEnd | None:
        session = self._session()
        answers = [message for message in session.messages if isinstance(message, AssistantMessage)]
        for call in answers[-1].calls if answers else ():
            if call.id in session.unanswered:
                await self._run(call)
        return session.end

    async def _run(self, call: ToolCall) -> None:
        who: dict[str, Any] = {"session": PLANNER, "agent": self.order.agent, "call": call.id, "name": call.name}
        await self._log.record(ToolCalled(**who, arguments=call.arguments))
        ends: ToolEnd | None = None
        is_error = False
        try:
            text, ends = await self._call(call)
        except (ToolFailure, ValidationError, ValueError) as error:
            text, is_error = str(error), True
        await self._log.record(ToolReturned(**who, text=text, is_error=is_error, ends=ends))

    async def _call(self, call: ToolCall) -> tuple[str, ToolEnd | None]:
        arguments = json.loads(call.arguments)
        if call.name == "write_document":
            return await self._drafts.write(arguments["name"], arguments["content"]), None
        plan = Plan.model_validate(arguments)
        problems = await self._drafts.submit(plan)
        if problems is not None:
            raise ToolFailure(problems)
        return "submitted", ToolEnd(kind="plan_submitted", plan=plan)

    async def _add(self, *added: Message) -> None:
        await self._log.record(
            *(MessageAdded(session=PLANNER, agent=self.order.agent, message=message) for message in added)
        )

    def _session(self) -> SessionView:
        return self._log.view.sessions[PLANNER]


class Spawner:
    def __init__(self, log: Log, model: Model) -> None:
        self.orders: list[AgentOrder] = []
        self._log = log
        self._model = model

    def spawn(
        self,
        order: AgentOrder,
        *,
        advisor: Advisor | None = None,
        drafts: Drafts | None = None,
        artifacts: Artifacts | None = None,
        deadline: Deadline | None = None,
        watcher: StepWatcher | None = None,
    ) -> Agent:
        assert drafts is not None
        self.orders.append(order)
        return Planner(order, drafts, self._log, self._model)


class User:
    """Implements `ports.Questions`: answers in order, and remembers answers by call as the log does."""

    def __init__(self, log: Log, *answers: str) -> None:
        self.asked: list[str] = []
        self._log = log
        self._answers = list(answers)

    async def ask(
        self, session: SessionId, agent: AgentName, task: TaskId | None, call: CallId, text: str, options: Sequence[str]
    ) -> str:
        question = RequestId(f"{session}:{call}")
        given = [event for event in self._log.kinds(QuestionAnswered) if event.question == question]
        if given:
            return str(given[0].answer)
        if question not in self._log.view.questions:
            await self._log.record(QuestionAsked(session=session, agent=agent, question=question, text=text))
        self.asked.append(text)
        if not self._answers:
            raise Killed
        answer = self._answers.pop(0)
        await self._log.record(QuestionAnswered(question=question, answer=answer))
        return answer


@dataclass
class Desk:
    """One run's planning; `again` is the same run in a new process."""

    log: Log
    model: Model
    user: User | None
    options: PlanningOptions
    spawner: Spawner = field(init=False)
    conversation: Conversation = field(init=False)

    def __post_init__(self) -> None:
        self.spawner = Spawner(self.log, self.model)
        self.conversation = Conversation(
            spawner=self.spawner,
            sink=self.log,
            questions=self.user,
            facts=Facts(request=REQUEST, root=Path("/repo"), listing="a.py\nb.py\n"),
            options=self.options,
        )

    def again(self, *replies: Says, answers: Sequence[str] | None = None) -> "Desk":
        user = User(self.log, *answers) if answers is not None else self.user
        return Desk(self.log, Model(list(replies)), user, self.options)

    @property
    def documents(self) -> dict[str, DocumentWritten]:
        return self.log.view.documents

    def answers(self, tool: str) -> list[str]:
        """What the model was told by `tool`, in order."""
        transcript = self.log.view.sessions[PLANNER].messages
        return [message.text for message in transcript if isinstance(message, ToolMessage) and message.name == tool]

    def told(self) -> list[str]:
        transcript = self.log.view.sessions[PLANNER].messages
        return [message.text for message in transcript if isinstance(message, UserMessage)]


def desk(*replies: Says, answers: Sequence[str] | None = (), **options: Any) -> Desk:
    """A fresh run; `answers=None` means nobody is there."""
    log = Log()
    user = User(log, *answers) if answers is not None else None
    return Desk(log, Model(list(replies)), user, PlanningOptions(can_ask=answers is not None, **options))


DOCUMENTS = Says(calls=(writes("requirements", REQUIREMENTS), writes("design", DESIGN)))
SUBMITTED = Says(calls=(submits(PLAN),))


@pytest.fixture
async def planned() -> Desk:
    """A plan with all documents waits for approval; nobody answers questions."""
    ready = desk(DOCUMENTS, SUBMITTED, answers=None)
    await ready.conversation.plan()
    assert ready.conversation.phase is Phase.AWAITING_APPROVAL
    return ready


def type_check(log: Log, conversation: Conversation, spawner: Spawner, user: User, model: Model) -> None:
    """Never called: each fits its port."""
    sink: EventSink = log
    questions: Questions = user
    drafts: Drafts = conversation
    guard: Guard = conversation.guard
    agent: Agent = Planner(spawner.orders[0], drafts, log, model)
    del sink, questions, guard, agent


# ---------------------------------------------------------------- asking and drafting


async def test_questions_in_plain_text_go_to_the_user_one_at_a_time_until_the_plan_is_submitted() -> None:
    talk = desk(Says("Which stack?"), Says("Which broker?"), DOCUMENTS, SUBMITTED, answers=["FastAPI", "RabbitMQ"])

    await talk.conversation.plan()

    assert talk.user is not None
    assert talk.user.asked == ["Which stack?", "Which broker?"]
    assert talk.told()[1:] == ["FastAPI", "RabbitMQ"]
    assert [message.text for message in talk.model.requests[-1] if isinstance(message, UserMessage)][1:] == [
        "FastAPI",
        "RabbitMQ",
    ]
    assert talk.log.view.plan == Plan.model_validate(PLAN)


async def test_the_planner_is_ordered_with_the_request_verbatim_first_and_read_only() -> None:
    talk = desk(SUBMITTED, answers=["-"], default_check="make test")

    await talk.conversation.plan()

    (order,) = talk.spawner.orders
    assert order.first_message.startswith(f"{REQUEST}\n\n<repository>\na.py\nb.py\n</repository>")
    assert "`make test`" in order.first_message
    assert (order.profile, order.session, order.purpose, order.task) == ("planner", PLANNER, Purpose.PLANNING, None)
    assert (order.root, order.can_write, order.in_place, order.can_ask_user) == (Path("/repo"), False, True, True)


async def test_phases_follow_the_log() -> None:
    talk = desk(Says(calls=(writes("design", DESIGN),)), answers=None)
    later = talk.again(SUBMITTED)
    phases = [talk.conversation.phase]

    with pytest.raises(Killed):
        await talk.conversation.plan()
    phases.append(talk.conversation.phase)
    await later.conversation.plan()
    phases.append(later.conversation.phase)
    await approve(later)
    phases.append(later.conversation.phase)

    assert phases == [Phase.ASKING, Phase.DRAFTING, Phase.AWAITING_APPROVAL, Phase.APPROVED]


async def test_a_document_without_a_section_is_kept_and_sent_back() -> None:
    poor = REQUIREMENTS[: REQUIREMENTS.index("## 3.")]
    first = Says(calls=(writes("requirements", poor), writes("docs/design.md", DESIGN)))
    talk = desk(first, Says(calls=(writes("Requirements.md", REQUIREMENTS),)), SUBMITTED, answers=None)

    await talk.conversation.plan()

    told = talk.answers("write_document")
    assert "- requirements.md has no section on non-functional requirements\n" in told[0]
    assert told[1:] == ["design.md is stored (revision 1).", "requirements.md is stored (revision 2)."]
    written = [event for event in talk.log.kinds(DocumentWritten) if event.name == "requirements"]
    assert [(event.content, event.revision, event.by, len(event.problems)) for event in written] == [
        (poor, 1, "planner", 1),
        (REQUIREMENTS, 2, "planner", 0),
    ]
    assert talk.log.view.gaps == ()


async def test_what_stays_missing_is_a_gap_of_the_plan() -> None:
    poor = REQUIREMENTS[: REQUIREMENTS.index("## 3.")]
    talk = desk(Says(calls=(writes("requirements", poor), writes("design", DESIGN))), SUBMITTED, answers=None)

    await talk.conversation.plan()

    assert talk.log.view.gaps == ("requirements.md has no section on non-functional requirements",)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("todos.md", "x", "rendered from submit_plan"),
        ("readme", "x", "There is no document named 'readme'"),
        ("design", " \n", "the content of design is empty"),
    ],
)
async def test_other_documents_are_not_stored(name: str, content: str, said: str) -> None:
    talk = desk(Says(calls=(writes(name, content),)), DOCUMENTS, SUBMITTED, answers=None)

    await talk.conversation.plan()

    assert said in talk.answers("write_document")[0]
    assert len(talk.log.kinds(DocumentWritten)) == 3


async def test_the_plan_comes_with_its_rendered_todos_in_one_step(planned: Desk) -> None:
    todos, submitted = planned.log.kinds(DocumentWritten, PlanSubmitted)[-2:]

    assert (todos.name, todos.content, todos.revision) == ("todos", render_todos(submitted.plan), 1)
    assert submitted.seq == todos.seq + 1


async def test_documents_nobody_wrote_are_put_together_and_marked_as_such() -> None:
    talk = desk(SUBMITTED, answers=None)

    await talk.conversation.plan()

    requirements, design = talk.documents["requirements"], talk.documents["design"]
    assert (requirements.by, design.by) == ("host", "host")
    assert "> Build a bookshop.\n>\n>   Keep *this* line" in requirements.content
    assert "was not written by the planner" in design.content
    assert (requirements_problems(requirements.content), design_problems(design.content)) == ((), ())
    assert [gap.split(";")[0] for gap in talk.log.view.gaps] == [
        "requirements.md was not written by the planner",
        "design.md was not written by the planner",
    ]


# ---------------------------------------------------------------- plans that cannot be used


async def test_a_cycle_is_quoted_to_the_planner_and_a_valid_plan_taken() -> None:
    talk = desk(DOCUMENTS, Says(calls=(submits(CYCLE),)), SUBMITTED, answers=None)

    await talk.conversation.plan()

    assert "- cycle: A → B → A\n" in talk.answers("submit_plan")[0]
    assert len(talk.log.kinds(PlanSubmitted)) == 1


async def test_junk_twice_and_then_a_plan_takes_three_calls() -> None:
    junk = Says(calls=(submits("{nonsense"),))
    talk = desk(junk, junk, SUBMITTED, answers=None)

    await talk.conversation.plan()

    assert len(talk.model.requests) == 3
    assert talk.log.view.plan is not None


@pytest.mark.parametrize("plan", [CYCLE, "{nonsense", {"title": "no tasks", "tasks": []}])
async def test_the_fourth_bad_plan_in_a_row_ends_planning_and_no_plan_is_made_up(plan: Any) -> None:
    talk = desk(*[Says(calls=(submits(plan),))] * 9, answers=["-"])

    with pytest.raises(RunStopped) as stopped:
        await talk.conversation.plan()

    assert stopped.value.reason is StopReason.BAD_PLAN
    assert len(talk.model.requests) == 4
    assert talk.log.kinds(PlanSubmitted, DocumentWritten) == []


async def test_bad_plans_are_counted_across_a_restart() -> None:
    bad = Says(calls=(submits(CYCLE),))
    talk = desk(bad, bad, answers=None)
    with pytest.raises(Killed):
        await talk.conversation.plan()

    later = talk.again(bad, bad, bad)
    with pytest.raises(RunStopped):
        await later.conversation.plan()

    assert len(later.model.requests) == 2


THREE = PlanRules(min_subtasks=3)
LONGER: dict[str, Any] = {**PLAN, "tasks": [*PLAN["tasks"], {"id": "T3", "title": "Docs", "needs": ["T2"]}]}


async def test_a_plan_of_too_few_tasks_is_sent_back_once_and_a_larger_one_taken() -> None:
    talk = desk(DOCUMENTS, SUBMITTED, Says(calls=(submits(LONGER),)), answers=None, rules=THREE)

    await talk.conversation.plan()

    assert "the plan has 2 tasks; at least 3 are wanted" in talk.answers("submit_plan")[0]
    assert talk.log.view.plan is not None
    assert len(talk.log.view.plan.tasks) == 3


async def test_too_few_tasks_again_end_planning_also_after_a_restart() -> None:
    talk = desk(DOCUMENTS, SUBMITTED, answers=None, rules=THREE)
    with pytest.raises(Killed):
        await talk.conversation.plan()

    later = talk.again(SUBMITTED, SUBMITTED)
    with pytest.raises(RunStopped) as stopped:
        await later.conversation.plan()

    assert stopped.value.reason is StopReason.BAD_PLAN
    assert "at least 3 tasks (collaboration.planning.min_subtasks) and submitted 2 again" in str(stopped.value)
    assert len(later.model.requests) == 1
    assert later.log.kinds(PlanSubmitted) == []


async def test_the_user_may_have_a_plan_made_smaller_than_the_planner_could() -> None:
    talk = desk(DOCUMENTS, Says(calls=(submits(LONGER),)), answers=None, rules=THREE)
    await talk.conversation.plan()

    later = talk.again(SUBMITTED)
    await later.conversation.revise("todos", "without docs")

    assert later.log.view.plan == Plan.model_validate(PLAN)
    assert "the plan has 2 tasks, fewer than collaboration.planning.min_subtasks (3)" in later.log.view.gaps


async def test_requirements_that_no_task_covers_are_told_in_one_go_and_of_an_edit_noted() -> None:
    first, second = PLAN["tasks"]
    covering = {**PLAN, "tasks": [first, {**second, "covers": ["R1"]}]}
    wrong = {**PLAN, "tasks": [{**first, "covers": ["R7"]}, {**second, "needs": ["T9"]}]}
    talk = desk(DOCUMENTS, Says(calls=(submits(wrong),)), Says(calls=(submits(covering),)), answers=None)

    await talk.conversation.plan()
    await talk.conversation.edit("requirements", REQUIREMENTS.replace("List books", "List books\n- R2 Sell books"))

    (told,) = talk.answers("submit_plan")[:1]
    for problem in (
        "needs T9",
        "no task covers requirement R1: List books",
        "task T1 covers R7, which is not a number",
    ):
        assert problem in told
    assert talk.log.view.gaps == ("no task covers requirement R2: Sell books",)


async def test_an_order_that_cannot_work_is_refused_of_the_planner_and_noted_of_the_user() -> None:
    apart = {**PLAN, "tasks": [PLAN["tasks"][0], {"id": "T2", "title": "Tests", "type": "tests", "check": "make test"}]}
    after = {**apart, "tasks": [apart["tasks"][0], {**apart["tasks"][1], "needs": ["T1"]}]}
    talk = desk(DOCUMENTS, Says(calls=(submits(apart),)), Says(calls=(submits(after),)), answers=None)

    await talk.conversation.plan()
    await talk.conversation.edit("todos", talk.documents["todos"].content.replace("Needs: T1", "Needs: -"))

    assert "T2 (tests) needs no task" in talk.answers("submit_plan")[0]
    assert "T2 is for tests, but needs no task: it may run before what it tests" in talk.log.view.gaps


async def test_an_answer_of_the_user_gives_the_planner_new_tries() -> None:
    bad = Says(calls=(submits(CYCLE),))
    talk = desk(bad, bad, bad, Says("Which first?"), bad, SUBMITTED, answers=["A"])

    await talk.conversation.plan()

    assert talk.conversation.phase is Phase.AWAITING_APPROVAL


@pytest.mark.parametrize("bad", [CYCLE, "{nonsense"])
async def test_a_run_that_ended_in_bad_plans_has_new_tries_when_it_is_resumed(bad: Any) -> None:
    talk = desk(*[Says(calls=(submits(bad),))] * 4, answers=None)
    with pytest.raises(RunStopped):
        await talk.conversation.plan()

    later = talk.again(Says(calls=(submits(bad),)), SUBMITTED)
    await later.conversation.plan()

    assert later.conversation.phase is Phase.AWAITING_APPROVAL


async def test_a_guard_that_stops_a_hopeless_planner_is_reported_as_a_bad_plan() -> None:
    class NoLimit(Planner):
        def __init__(self, order: AgentOrder, drafts: Drafts, log: Log, model: Model) -> None:
            super().__init__(order, drafts, log, model)
            self._guards = ()

    class Bare(Spawner):
        def spawn(self, order: AgentOrder, *, drafts: Drafts | None = None, **_: Any) -> Agent:
            assert drafts is not None
            return NoLimit(order, drafts, self._log, self._model)

    talk = desk()
    model = Model([Says(calls=(submits("{"),))] * 9)
    conversation = Conversation(
        spawner=Bare(talk.log, model),
        sink=talk.log,
        questions=None,
        facts=Facts(request=REQUEST, root=Path("/repo")),
        options=PlanningOptions(max_iterations=6),
    )

    with pytest.raises(RunStopped, match="too many steps") as stopped:
        await conversation.plan()

    assert stopped.value.reason is StopReason.BAD_PLAN


async def test_with_nobody_to_answer_text_is_answered_once_and_then_ends_planning() -> None:
    talk = desk(Says("Which stack?"), Says("Please tell me."), Says("Hello?"), answers=None)

    with pytest.raises(RunStopped, match=r"Please tell me\.") as stopped:
        await talk.conversation.plan()

    assert stopped.value.reason is StopReason.BAD_PLAN
    assert talk.told()[1:] == [messages.DECIDE_YOURSELF]
    assert not talk.spawner.orders[0].can_ask_user


async def test_with_nobody_to_answer_the_planner_decides_itself() -> None:
    talk = desk(Says("Which stack?"), SUBMITTED, answers=None)

    await talk.conversation.plan()

    assert talk.conversation.phase is Phase.AWAITING_APPROVAL


async def test_empty_answers_are_no_questions() -> None:
    talk = desk(*[Says(" ")] * 9)

    with pytest.raises(RunStopped, match="its answers were empty"):
        await talk.conversation.plan()

    assert talk.told()[1:] == [messages.NOTHING_SAID] * 3
    assert talk.user is not None
    assert talk.user.asked == []


async def test_limits_of_the_configuration_reach_the_planner_and_bind_it() -> None:
    talk = desk(SUBMITTED, SUBMITTED, answers=None, rules=PlanRules(auto_split=False))

    with pytest.raises(Killed):
        await talk.conversation.plan()

    assert "exactly 1 (splitting is off)" in talk.told()[0]
    assert "splitting is off" in talk.answers("submit_plan")[0]


# ---------------------------------------------------------------- revising


async def test_revising_the_design_changes_nothing_else(planned: Desk) -> None:
    before = {name: document.content for name, document in planned.documents.items()}
    other_plan = {**PLAN, "title": "Other"}
    sneaky = Says(
        calls=(writes("requirements", "# other"), writes("design", DESIGN + "SQLite.\n"), submits(other_plan))
    )
    later = planned.again(sneaky, Says("Done."))

    await later.conversation.revise("design.md", "use SQLite")

    assert {name: document.content for name, document in later.documents.items()} == {
        **before,
        "design": DESIGN + "SQLite.\n",
    }
    assert later.log.view.plan == Plan.model_validate(PLAN)
    assert "a change of design.md only, and requirements.md stays" in later.answers("write_document")[2]
    assert later.told()[-1].startswith("Revise design.md (to revision 2). The user asks:\n\nuse SQLite\n\n")
    assert f"<design.md>\n{DESIGN}\n</design.md>" in later.told()[-1]


async def test_a_revision_ends_when_the_same_plan_is_submitted_again(planned: Desk) -> None:
    later = planned.again(Says(calls=(writes("design", DESIGN + "x\n"), submits(PLAN))))

    await later.conversation.revise("design", "add x")

    assert later.documents["design"].revision == 2
    assert len(later.log.kinds(PlanSubmitted)) == 1


async def test_gaps_follow_a_revised_document(planned: Desk) -> None:
    later = planned.again(
        Says(calls=(writes("requirements", REQUIREMENTS.replace("- R1", "- Vouchers\n- R1")),)), Says("Done.")
    )

    await later.conversation.revise("requirements", "vouchers")

    assert later.log.view.gaps == ("requirement without a task: Vouchers (requirements.md, line 7)",)
    assert later.log.view.plan == Plan.model_validate(PLAN)


async def test_revising_the_todos_has_the_plan_submitted_again(planned: Desk) -> None:
    before = {name: document.content for name, document in planned.documents.items()}
    longer = {**PLAN, "tasks": [*PLAN["tasks"], {"id": "T3", "title": "Docs", "needs": ["T2"], "check": "make docs"}]}
    later = planned.again(Says(calls=(writes("design", "# other"), submits(longer))))

    await later.conversation.revise("todos", "add docs")

    assert later.log.view.plan is not None
    assert [task.id for task in later.log.view.plan.tasks] == ["T1", "T2", "T3"]
    assert (later.documents["todos"].revision, later.documents["design"].content) == (2, before["design"])
    assert "- [ ] 3. Docs" in later.documents["todos"].content


async def test_a_question_during_a_revision_goes_to_the_user() -> None:
    talk = desk(DOCUMENTS, SUBMITTED, answers=["SQLite"])
    await talk.conversation.plan()
    talk.model.replies += [Says("Which database?"), Says(calls=(writes("design", DESIGN + "SQLite\n"),)), Says("Done.")]

    await talk.conversation.revise("design", "another database")

    assert talk.user is not None
    assert talk.user.asked == ["Which database?"]
    assert talk.documents["design"].content.endswith("SQLite\n")


async def test_a_planner_that_leaves_the_document_as_it_was_is_told_once_and_the_plan_stands(planned: Desk) -> None:
    later = planned.again(Says("Fine as it is."), Says("No."))

    with pytest.raises(UserError, match=r"left design\.md as it was: No\.") as refused:
        await later.conversation.revise("design", "use SQLite")

    assert "still waits for approval" in refused.value.hint
    assert later.told()[-1] == messages.not_revised("design")
    assert later.conversation.phase is Phase.AWAITING_APPROVAL

    third = later.again(Says(calls=(writes("design", DESIGN + "y\n"),)), Says("Done."))
    await third.conversation.plan()
    assert third.model.requests == []
    await third.conversation.revise("design", "really")
    assert third.documents["design"].content == DESIGN + "y\n"


async def test_every_revision_is_nudged_anew(planned: Desk) -> None:
    for text in ("SQLite\n", "Redis\n"):
        later = planned.again(Says("Hm."), Says(calls=(writes("design", DESIGN + text),)), Says("Done."))

        await later.conversation.revise("design", text)

        assert later.documents["design"].content == DESIGN + text


async def test_a_revision_that_ends_in_bad_plans_leaves_the_plan_and_the_next_one_starts_afresh(planned: Desk) -> None:
    bad = Says(calls=(submits(CYCLE),))
    later = planned.again(*[bad] * 4)

    with pytest.raises(UserError, match=r"left todos\.md as it was"):
        await later.conversation.revise("todos", "shorter")

    assert later.log.view.plan == Plan.model_validate(PLAN)
    third = later.again(bad, Says(calls=(submits({**PLAN, "title": "Shop"}),)))
    await third.conversation.revise("todos", "once more")
    assert third.log.view.plan is not None
    assert third.log.view.plan.title == "Shop"


@pytest.mark.parametrize(
    ("name", "request_text", "problem"),
    [("readme", "x", "no document named 'readme'"), ("design", "  ", "request for revision is empty")],
)
async def test_a_revision_that_makes_no_sense_costs_no_call(
    planned: Desk, name: str, request_text: str, problem: str
) -> None:
    later = planned.again()

    with pytest.raises(UserError, match=problem):
        await later.conversation.revise(name, request_text)

    assert later.model.requests == []


async def test_nothing_can_be_revised_before_there_is_a_plan() -> None:
    with pytest.raises(UserError, match="no plan to revise yet"):
        await desk().conversation.revise("design", "x")


# ---------------------------------------------------------------- editing by hand


async def test_the_users_todos_become_the_plan_with_their_ticks(planned: Desk) -> None:
    text = planned.documents["todos"].content
    text = text.replace("- [ ] 1. Write tables", "- [ ] write  tables \n- [x] - [ ] Index them\n- [ ] Write tables")

    await planned.conversation.edit("docs/todos.md", text)

    plan = planned.log.view.plan
    assert plan is not None
    assert plan.task(TaskId("T1")).todos == ("write tables", "Index them")
    todos = planned.documents["todos"]
    assert (todos.content, todos.by, todos.revision) == (render_todos(plan, {2}), "user", 2)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("- [ ] 1. Write tables", "tables!", "todos.md, line 9: `tables!` is not part of a todo list"),
        ("Needs: -", "Needs: T2", "todos.md: cycle: T1 → T2 → T1"),
        ("`make schema`", "true", "the check of task T1 proves nothing: `true` always succeeds"),
    ],
)
async def test_todos_that_make_no_plan_are_refused_and_nothing_is_stored(
    planned: Desk, old: str, new: str, problem: str
) -> None:
    before = len(planned.log.events)

    with pytest.raises(UserError) as refused:
        await planned.conversation.edit("todos", planned.documents["todos"].content.replace(old, new))

    assert problem in str(refused.value)
    assert len(planned.log.events) == before


async def test_the_users_own_document_is_kept_as_it_is_and_shown_at_the_next_revision(planned: Desk) -> None:
    mine = "# mine\n\nNo sections.  \n"
    await planned.conversation.edit("requirements", mine)

    assert (planned.documents["requirements"].content, planned.documents["requirements"].by) == (mine, "user")
    assert planned.log.view.gaps[0] == "requirements.md has no section on overview"

    later = planned.again(Says(calls=(writes("design", DESIGN + "z\n"),)), Says("Done."))
    await later.conversation.revise("design", "z")
    assert f"<requirements.md edited by the user>\n{mine}\n</requirements.md>" in later.told()[-1]


@pytest.mark.parametrize("name", ["requirements", "design", "todos"])
async def test_a_document_that_is_saved_without_a_change_is_no_revision(planned: Desk, name: str) -> None:
    before = len(planned.log.events)

    await planned.conversation.edit(name, planned.documents[name].content + "\n")

    assert len(planned.log.events) == before


@pytest.mark.parametrize(
    ("name", "content", "problem"), [("notes", "x", "no document named"), ("design", " ", "would be empty")]
)
async def test_an_edit_that_makes_no_sense_is_refused(planned: Desk, name: str, content: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        await planned.conversation.edit(name, content)


async def test_todos_cannot_be_edited_before_there_is_a_plan() -> None:
    with pytest.raises(UserError, match="no plan yet"):
        await desk().conversation.edit("todos", "# x\n\n## T1. y\n")


async def test_an_approved_plan_is_fixed(planned: Desk) -> None:
    await approve(planned)

    with pytest.raises(UserError, match="approved and fixed"):
        await planned.conversation.edit("design", "x")
    with pytest.raises(UserError, match="approved and fixed"):
        await planned.conversation.revise("design", "x")
    with pytest.raises(ToolFailure, match="approved and fixed"):
        await planned.conversation.write("design", "x")
    with pytest.raises(ToolFailure, match="approved and fixed"):
        await planned.conversation.submit(Plan.model_validate(CYCLE))


# ---------------------------------------------------------------- restarts


async def test_an_answer_given_before_a_crash_is_not_asked_for_again() -> None:
    talk = desk(Says("Which stack?"), answers=["FastAPI"])
    with pytest.raises(Killed):
        await talk.conversation.plan()
    log = Log()
    for event in talk.log.events:
        if isinstance(event, MessageAdded) and event.message == UserMessage(text="FastAPI"):
            break
        await log.record(event)

    later = Desk(log, Model([SUBMITTED]), User(log), talk.options)
    await later.conversation.plan()

    assert later.user is not None
    assert later.user.asked == []
    assert later.told()[1:] == ["FastAPI"]


async def test_an_open_question_is_asked_again_without_asking_the_model() -> None:
    talk = desk(Says("Which stack?"), answers=[])
    with pytest.raises(Killed):
        await talk.conversation.plan()

    later = talk.again(SUBMITTED, answers=["FastAPI"])
    await later.conversation.plan()

    assert later.user is not None
    assert later.user.asked == ["Which stack?"]
    assert len(later.model.requests) == 1
    assert len(later.log.kinds(QuestionAsked)) == 1


async def test_planning_killed_after_any_step_ends_with_the_same_documents_and_no_call_twice() -> None:
    replies = [Says("Which stack?"), DOCUMENTS, Says(calls=(submits(CYCLE),)), SUBMITTED]
    whole = desk(*replies, answers=["FastAPI"])
    await whole.conversation.plan()
    expected = {name: (found.content, found.revision, found.by) for name, found in whole.documents.items()}

    for cut in (0, *whole.log.commits):
        log = Log()
        await log.record(*whole.log.events[:cut])
        settled = log.view.sessions[PLANNER].calls_made if PLANNER in log.view.sessions else 0
        later = Desk(log, Model(replies[settled:]), User(log, "FastAPI"), whole.options)

        await later.conversation.plan()

        found = {name: (document.content, document.revision, document.by) for name, document in later.documents.items()}
        assert found == expected, cut
        assert later.log.view.plan == whole.log.view.plan
        assert len(later.log.kinds(PlanSubmitted)) == 1, cut


async def test_a_plan_that_waits_for_approval_costs_no_call_after_a_restart(planned: Desk) -> None:
    later = planned.again()

    await later.conversation.plan()

    assert (later.model.requests, later.spawner.orders) == ([], [])


async def test_a_revision_cut_short_is_finished_after_a_restart(planned: Desk) -> None:
    later = planned.again()
    with pytest.raises(Killed):
        await later.conversation.revise("design", "use SQLite")
    requirements = planned.documents["requirements"]

    third = later.again(
        Says(calls=(writes("requirements", "# other"), writes("design", DESIGN + "SQLite\n"))), Says("Done.")
    )
    await third.conversation.plan()

    assert third.documents["design"].content == DESIGN + "SQLite\n"
    assert third.documents["requirements"] == requirements
    assert sum(text.startswith("Revise design.md") for text in third.told()) == 1


async def approve(ready: Desk) -> None:
    plan = ready.log.view.plan
    assert plan is not None
    await ready.log.record(
        RunStarted(kind=RunKind.EPIC, request=REQUEST, workspace="/repo", options=RunOptions()),
        PlanApproved(plan=plan, by="user", branch="b", base=CommitId("1"), commit=CommitId("2")),
    )
