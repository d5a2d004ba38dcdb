from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from equitr_coder.domain.approvals import Touches
from equitr_coder.domain.artifacts import Artifact
from equitr_coder.domain.epic import ArtifactType, Plan, Priority, SyncPoint, Task
from equitr_coder.domain.errors import ToolFailure
from equitr_coder.domain.events import EscalationTrigger
from equitr_coder.domain.ids import AgentName, CallId, SessionId, TaskId
from equitr_coder.domain.tools import ToolEnd
from equitr_coder.ports import Tool, ToolContext
from equitr_coder.tools.ask_supervisor import AskSupervisor
from equitr_coder.tools.ask_user import AskUser
from equitr_coder.tools.hand_in import HandIn
from equitr_coder.tools.pass_on import PassOn
from equitr_coder.tools.publish_artifact import PublishArtifact
from equitr_coder.tools.read_artifact import ReadArtifact
from equitr_coder.tools.review import Review
from equitr_coder.tools.submit_plan import SubmitPlan
from equitr_coder.tools.tick_todo import TickTodo
from equitr_coder.tools.toolset import Toolset
from equitr_coder.tools.write_document import WriteDocument


class RecordedAdvisor:
    def __init__(self, *, opinion: str | None = "Test an empty list.") -> None:
        self.asked: list[tuple[CallId, str, Sequence[str]]] = []
        self._opinion = opinion

    async def report(
        self, trigger: EscalationTrigger, question: str, *, key: str = "", files: Sequence[str] = ()
    ) -> str | None:
        raise AssertionError("tools report nothing")

    async def second_opinion(self, context: ToolContext, summary: str, confidence: float) -> str | None:
        return self._opinion

    async def advise(self, context: ToolContext, question: str, files: Sequence[str]) -> str:
        self.asked.append((context.call, question, files))
        return "Publish an event."


class AnsweringUser:
    def __init__(self) -> None:
        self.asked: list[tuple[str, Sequence[str]]] = []

    async def ask(
        self, session: SessionId, agent: AgentName, task: TaskId | None, call: CallId, text: str, options: Sequence[str]
    ) -> str:
        self.asked.append((text, options))
        return "SQLite"


class KeptArtifacts:
    def __init__(self) -> None:
        self.published: list[tuple[str, str]] = []

    async def publish(self, context: ToolContext, sync_point: str, content: str) -> str:
        self.published.append((sync_point, content))
        return f"Published {sync_point}."

    async def read(self, context: ToolContext, sync_point: str) -> Artifact:
        _, content = self.published[-1]
        return Artifact(
            sync_point=sync_point, type=ArtifactType.TYPES, version=2, content=content, digest="", producer=TaskId("T1")
        )


class RefusingDrafts:
    """Refuses as often as told, then accepts."""

    def __init__(self, *refusals: str) -> None:
        self.refusals = list(refusals)
        self.written: dict[str, str] = {}
        self.plans: list[Plan] = []

    async def write(self, name: str, content: str) -> str:
        self.written[name] = content
        return f"{name}.md is stored."

    async def submit(self, plan: Plan) -> str | None:
        self.plans.append(plan)
        return self.refusals.pop(0) if self.refusals else None


async def test_an_artifact_is_published_as_it_is_and_a_json_object_as_its_text(session: Any) -> None:
    artifacts = KeptArtifacts()
    tool = PublishArtifact(artifacts)

    told = await session.call(tool, {"sync_point": "S1", "content": " one \n"})
    await session.call(tool, {"sync_point": "S1", "content": {"type": "object"}})

    assert told.for_model == "Published S1."
    assert artifacts.published == [("S1", " one \n"), ("S1", '{\n  "type": "object"\n}')]
    assert tool.touches(tool.parse({"sync_point": "S1", "content": "x"})) == Touches()


async def test_an_artifact_is_read_to_the_letter_and_whole_while_it_leaves_room_to_work(session: Any) -> None:
    artifacts = KeptArtifacts()
    artifacts.published = [("S1", "é" * 60_000)]
    read = await session.call(ReadArtifact(artifacts), {"sync_point": "S1"})
    artifacts.published = [("S1", "é" * 70_000)]
    cut = await session.call(ReadArtifact(artifacts), {"sync_point": "S1"})

    assert (read.for_model, read.is_whole, read.for_user) == ("é" * 60_000, True, "read S1, version 2")
    assert (len(cut.for_model), cut.is_whole) == (70_000, False)


async def test_a_todo_of_the_task_is_ticked_and_a_foreign_one_refused(session: Any) -> None:
    tool = TickTodo({7: "Write the model", 8: "Test it"})

    assert (await session.call(tool, {"number": "7"})).for_model == "Ticked 7: Write the model"
    assert await session.failure(tool, {"number": 1}) == "1 is not a todo of this task. Its todos: 7, 8."


async def test_handing_in_ends_the_session_with_the_summary(session: Any) -> None:
    result = await session.call(HandIn(), {"summary": " Fix total().\nTests pass.\n"})

    assert result.ends == ToolEnd(kind="handed_in", summary="Fix total().\nTests pass.")
    assert result.for_user == "handed in: Fix total()."


@pytest.mark.parametrize(
    ("given", "is_unsure"), [(0.49, True), (20, True), (0, True), (0.5, False), (1, False), (100, False), (None, False)]
)
async def test_an_unsure_hand_in_gets_a_second_opinion_first(
    session: Any, given: float | None, is_unsure: bool
) -> None:
    result = await session.call(HandIn(RecordedAdvisor()), {"summary": "x", "confidence": given})

    assert (result.ends is None) == is_unsure
    assert ("Test an empty list." in result.for_model) == is_unsure


async def test_an_unsure_hand_in_is_taken_when_there_is_no_more_advice(session: Any) -> None:
    result = await session.call(HandIn(RecordedAdvisor(opinion=None)), {"summary": "x", "confidence": 0.1})

    assert result.ends == ToolEnd(kind="handed_in", summary="x")
    assert "between 0 and 1" in await session.failure(HandIn(), {"summary": "x", "confidence": 101})


async def test_a_question_to_the_supervisor_carries_its_files(session: Any, workspace: Any) -> None:
    advisor = RecordedAdvisor()
    tool = AskSupervisor(advisor, workspace)

    result = await session.call(tool, {"question": "Call or event?", "files": ["./src/../a.py"]})

    assert advisor.asked == [("call_1", "Call or event?", ["a.py"])]
    assert result.for_model == "The supervisor answers:\nPublish an event."
    assert tool.touches(tool.parse({"question": "x", "files": ["a.py"]})) == Touches(reads=("a.py",))


async def test_a_question_cannot_carry_files_from_outside_nor_a_whole_project(session: Any, workspace: Any) -> None:
    tool = AskSupervisor(RecordedAdvisor(), workspace)

    assert "leads out of the workspace" in await session.failure(tool, {"question": "x", "files": ["../secret"]})
    assert "at most 10 items" in await session.failure(tool, {"question": "x", "files": [f"{n}.py" for n in range(11)]})


async def test_the_user_is_asked_with_options(session: Any) -> None:
    user = AnsweringUser()

    result = await session.call(AskUser(user), {"question": "Which store?", "options": '["SQLite", "PostgreSQL"]'})

    assert user.asked == [("Which store?", ("SQLite", "PostgreSQL"))]
    assert result.for_model == "The user answers: SQLite"


@pytest.mark.parametrize("name", ["requirements", "requirements.md", "docs/Requirements.md", " REQUIREMENTS "])
async def test_a_document_is_written_under_its_plain_name(session: Any, name: str) -> None:
    drafts = RefusingDrafts()

    result = await session.call(WriteDocument(drafts), {"name": name, "content": "# R"})

    assert drafts.written == {"requirements": "# R"}
    assert result.for_model == "requirements.md is stored."


async def test_the_todo_list_is_not_written_by_hand(session: Any) -> None:
    tool = WriteDocument(RefusingDrafts())

    assert "todos.md is rendered from the plan" in await session.failure(tool, {"name": "todos.md", "content": "x"})
    assert "should be 'requirements' or 'design'" in await session.failure(tool, {"name": "notes", "content": "x"})


TASK = {"id": "T1", "title": "Database"}


async def test_a_plan_with_only_what_is_required_is_accepted(session: Any) -> None:
    drafts = RefusingDrafts()

    result = await session.call(SubmitPlan(drafts), {"title": "Shop", "tasks": [TASK]})

    plan = Plan(title="Shop", tasks=(Task(id=TaskId("T1"), title="Database"),))
    assert drafts.plans == [plan]
    assert result.ends == ToolEnd(kind="plan_submitted", summary="Shop", plan=plan)


async def test_every_field_of_a_plan_reaches_it(session: Any) -> None:
    drafts = RefusingDrafts()
    full = {
        "id": 2,
        "title": "API",
        "description": "POST /orders",
        "type": "api",
        "specialization": "backend",
        "priority": " High ",
        "needs": "T1",
        "files": ["orders/**"],
        "todos": ["Write it"],
        "check": "pytest",
        "critical": "true",
    }
    point = {"id": "S1", "type": "Contract", "description": "orders API", "producer": "2", "consumers": ["T1"]}

    await session.call(SubmitPlan(drafts), {"title": "Shop", "tasks": [TASK, full], "sync_points": point})

    (plan,) = drafts.plans
    assert plan.tasks[1] == Task(
        id=TaskId("2"),
        title="API",
        description="POST /orders",
        type="api",
        specialization="backend",
        priority=Priority.HIGH,
        needs=(TaskId("T1"),),
        files=("orders/**",),
        todos=("Write it",),
        check="pytest",
        critical=True,
    )
    assert plan.sync_points == (
        SyncPoint(
            id="S1",
            type=ArtifactType.CONTRACTS,
            description="orders API",
            producer=TaskId("2"),
            consumers=(TaskId("T1"),),
        ),
    )


async def test_null_fields_of_a_plan_count_as_left_out(session: Any) -> None:
    drafts = RefusingDrafts()
    nulls: Mapping[str, Any] = dict.fromkeys(
        ("description", "type", "specialization", "priority", "needs", "files", "todos", "check", "critical")
    )

    await session.call(SubmitPlan(drafts), {"title": "Shop", "tasks": [{**TASK, **nulls}], "sync_points": None})

    assert drafts.plans == [Plan(title="Shop", tasks=(Task(id=TaskId("T1"), title="Database"),))]


async def test_everything_wrong_with_the_shape_of_a_plan_is_listed_at_once(session: Any) -> None:
    tasks = [
        {"id": "T 1", "title": "A", "priority": "urgent"},
        {"title": "", "need": ["T1"]},
        {"id": "T3", "title": "C", "needs": [["T1"]]},
    ]
    points = [{"id": "S1", "type": "secrets"}]

    failure = await session.failure(SubmitPlan(RefusingDrafts()), {"tasks": tasks, "sync_points": points})

    for part in (
        "10 arguments are wrong",
        "- title: missing",
        '- tasks[0].id: "T 1": String should match pattern',
        "- tasks[0].priority: \"urgent\": should be 'high', 'medium' or 'low'",
        "- tasks[1].id: missing",
        '- tasks[1].title: ""',
        "- tasks[1].need: no such argument; did you mean needs?",
        '- tasks[2].needs[0]: ["T1"]',
        "- sync_points[0].type: \"secrets\": should be 'types', 'schemas', 'contracts' or 'interfaces'",
        "- sync_points[0].producer: missing",
    ):
        assert part in failure


async def test_a_plan_that_is_refused_goes_back_in_the_words_of_the_host(session: Any) -> None:
    tool = SubmitPlan(RefusingDrafts("cycle: T1 → T2 → T1"))

    assert await session.failure(tool, {"title": "Shop", "tasks": [TASK]}) == "cycle: T1 → T2 → T1"
    assert (await session.call(tool, {"title": "Shop", "tasks": [TASK]})).ends is not None


@pytest.mark.parametrize(
    ("arguments", "end"),
    [
        ({"verdict": "approve"}, ToolEnd(kind="reviewed", approved=True)),
        ({"verdict": "Approved", "reasons": None}, ToolEnd(kind="reviewed", approved=True)),
        (
            {"verdict": "reject", "reasons": ["a.py:3 is wrong", " "]},
            ToolEnd(kind="reviewed", approved=False, reasons=("a.py:3 is wrong",), summary="a.py:3 is wrong"),
        ),
    ],
)
async def test_a_verdict_ends_the_review(session: Any, arguments: dict[str, Any], end: ToolEnd) -> None:
    assert (await session.call(Review(), arguments)).ends == end


async def test_a_rejection_without_reasons_and_an_unknown_verdict_are_refused(session: Any) -> None:
    assert "A rejection needs reasons" in await session.failure(Review(), {"verdict": "reject", "reasons": ["  "]})
    assert "should be 'approve' or 'reject'" in await session.failure(Review(), {"verdict": "maybe"})


async def test_a_verdict_is_handed_on_with_what_is_to_be_weighed(session: Any) -> None:
    ended = (await session.call(PassOn(), {"why": " Who needs the old format? "})).ends

    assert ended == ToolEnd(kind="passed_on", summary="Who needs the old format?")
    assert "why" in await session.failure(PassOn(), {"why": ""})


def test_tools_that_touch_nothing_say_so(session: Any) -> None:
    drafts = RefusingDrafts()
    tools: list[tuple[Tool, dict[str, Any]]] = [
        (HandIn(), {"summary": "x"}),
        (Review(), {"verdict": "approve"}),
        (PassOn(), {"why": "x"}),
        (TickTodo({1: "x"}), {"number": 1}),
        (AskUser(AnsweringUser()), {"question": "x"}),
        (WriteDocument(drafts), {"name": "design", "content": "x"}),
        (SubmitPlan(drafts), {"title": "x", "tasks": [TASK]}),
    ]

    assert [tool.touches(tool.parse(arguments)) for tool, arguments in tools] == [Touches()] * 7


def test_a_toolset_keeps_its_order_when_it_is_narrowed() -> None:
    tools = Toolset([HandIn(), Review(), TickTodo({})])

    assert [spec.name for spec in tools.specs] == ["hand_in", "review", "tick_todo"]
    assert list(tools.only(["tick_todo", "hand_in", "absent"])) == ["hand_in", "tick_todo"]
    assert list(tools.without(["review"])) == ["hand_in", "tick_todo"]
    assert tools["review"].spec.name == "review"
    assert tools.get("absent") is None
    assert len(tools) == 3


def test_two_tools_of_one_name_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="two tools are named hand_in"):
        Toolset([HandIn(), HandIn()])


async def test_a_failure_of_the_port_reaches_the_model_unchanged(session: Any, workspace: Any) -> None:
    class Exhausted:
        async def advise(self, context: ToolContext, question: str, files: Sequence[str]) -> str:
            raise ToolFailure("There are no more questions.")

    assert (
        await session.failure(AskSupervisor(Exhausted(), workspace), {"question": "x"})
        == "There are no more questions."
    )
