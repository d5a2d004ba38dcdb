"""Everything a model is sent that we wrote: system prompts, tools, first messages. One text per golden file."""

import json
from collections.abc import Mapping

import pytest

from equitr_coder.domain.artifacts import Artifact
from equitr_coder.domain.epic import ArtifactType, Plan, Priority, SyncPoint, Task
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.ids import TaskId, TreeId
from equitr_coder.domain.models import ToolSpec
from equitr_coder.domain.receipts import CheckResult
from equitr_coder.engine import coaching
from equitr_coder.engine.edit_failures import FailedEdit
from equitr_coder.engine.progress import Circle, Step
from equitr_coder.engine.prompts import system_prompt
from equitr_coder.orchestration import briefing
from equitr_coder.planning.messages import first_message
from equitr_coder.planning.plan_rules import PlanRules
from equitr_coder.tools.apply_patch import ApplyPatch
from equitr_coder.tools.ask_supervisor import AskSupervisor
from equitr_coder.tools.ask_user import AskUser
from equitr_coder.tools.edit_file import EditFile
from equitr_coder.tools.hand_in import HandIn
from equitr_coder.tools.list_files import ListFiles
from equitr_coder.tools.publish_artifact import PublishArtifact
from equitr_coder.tools.read_artifact import ReadArtifact
from equitr_coder.tools.read_file import ReadFile
from equitr_coder.tools.recall import Recall
from equitr_coder.tools.review import Review
from equitr_coder.tools.run_command import RunCommand
from equitr_coder.tools.search import Search
from equitr_coder.tools.submit_plan import SubmitPlan
from equitr_coder.tools.tick_todo import TickTodo
from equitr_coder.tools.write_document import WriteDocument
from equitr_coder.tools.write_file import WriteFile

PLATFORM = "Commands run in a sandbox on Linux, without network."

SPECS: tuple[ToolSpec, ...] = (
    ReadFile.spec,
    WriteFile.spec,
    EditFile.spec,
    ApplyPatch.spec,
    ListFiles.spec,
    Search.spec,
    RunCommand.spec,
    Recall.spec,
    TickTodo.spec,
    HandIn.spec,
    PublishArtifact.spec,
    ReadArtifact.spec,
    AskSupervisor.spec,
    AskUser.spec,
    WriteDocument.spec,
    SubmitPlan.spec,
    Review.spec,
)

PLAN = Plan(
    title="Bookshop",
    tasks=(
        Task(
            id=TaskId("T1"),
            title="Store books",
            description="A SQLite table of books (2.1).",
            type="database",
            specialization="database",
            priority=Priority.HIGH,
            files=("shop/store.py", "tests/test_store.py"),
            todos=("Write the table", "Write the tests"),
            check="python -m pytest -q tests/test_store.py",
        ),
        Task(
            id=TaskId("T2"),
            title="Serve books",
            description="GET /books answers with all books, sorted by title (2.2).",
            type="api",
            specialization="backend",
            needs=(TaskId("T1"),),
            files=("shop/api.py", "tests/test_api.py"),
            todos=("Write GET /books", "Test an empty shop"),
            check="python -m pytest -q tests/test_api.py",
        ),
    ),
    sync_points=(
        SyncPoint(
            id="S1",
            type=ArtifactType.TYPES,
            description="Book in shop/store.py",
            producer=TaskId("T1"),
            consumers=(TaskId("T2"),),
        ),
    ),
)

BOOK = Artifact(
    sync_point="S1",
    type=ArtifactType.TYPES,
    version=2,
    content="# shop/store.py\n@dataclass\nclass Book:\n    title: str\n",
    digest="",
    producer=TaskId("T1"),
)

PROMISED = (
    SyncPoint(id="S2", description="GET /books", producer=TaskId("T2"), consumers=(TaskId("T3"), TaskId("T4"))),
    SyncPoint(id="S3", type=ArtifactType.SCHEMAS, producer=TaskId("T1"), consumers=(TaskId("T2"),)),
)

DOCUMENTS = {
    "requirements": "# Bookshop: requirements\n\n## 1. Overview\nA list of books.\n",
    "design": "# Bookshop: design\n\n## 1. Architecture\nSQLite behind one HTTP service.\n",
    "todos": "- [ ] 1. Write the table\n",
}

RESULT = CheckResult(
    command="python -m pytest -q tests/test_api.py",
    exit_code=0,
    output_tail="2 passed in 0.05s\n",
    tree=TreeId("0" * 40),
)

CIRCLE = Circle(
    round=(Step(calls=(("run_command", '{"command": "make test"}'),), results=("exit 2\nno rule for test",), files=1),),
    length=6,
)

REFUSED = (
    "The user did not allow this: a.py leaves its footprint (shop/api.py). Do it another way, or say what you need.",
) * 2

DIFF = "--- a/shop/api.py\n+++ b/shop/api.py\n@@ -1 +1 @@\n-BOOKS = None\n+BOOKS = sorted(books)\n"
MARKED = b"<<<<<<< 1111111\nBOOKS = sorted(books)\n=======\nBOOKS = list(books)\n>>>>>>> 2222222\n"


def _prompts() -> dict[str, str]:
    both = {"has_supervisor": True, "can_ask_user": True}
    return {
        "prompt.worker": system_prompt("worker", {}),
        "prompt.worker.with_supervisor": system_prompt("worker", both),
        "prompt.worker.with_platform": system_prompt("worker", {**both, "platform": PLATFORM}),
        "prompt.planner": system_prompt("planner", {}),
        "prompt.planner.can_ask_user": system_prompt("planner", both),
        "prompt.chat": system_prompt("chat", {}),
        "prompt.supervisor": system_prompt("supervisor", {}),
        "prompt.reviewer": system_prompt("reviewer", {}),
        "prompt.merger": system_prompt("merger", {}),
        "prompt.summarizer": system_prompt("summarizer", {}),
    }


def _tools() -> dict[str, str]:
    return {
        f"tool.{spec.name}": f"{spec.description}\n\n{json.dumps(spec.parameters, indent=2, ensure_ascii=False)}"
        for spec in SPECS
    }


def _messages() -> dict[str, str]:
    task = PLAN.tasks[1]
    assert task.check is not None
    notes = [
        briefing.AttemptNote(1, StopReason.CHECK_FAILED, "exit 1\nE   KeyError: 'title'"),
        briefing.AttemptNote(2, StopReason.MERGE_CONFLICT, "clashes in: shop/api.py"),
    ]
    checks = (task.check, "python -m ruff check .")
    direct = Task(id=TaskId("T1"), title="Fix the typo", description="Fix the typo in README.md", check="make docs")
    return {
        "message.merge": briefing.merge_message(
            mine=(task, DIFF),
            landed=[(PLAN.tasks[0], DIFF)],
            files={"shop/api.py": MARKED, "logo.png": b"\0", "old.py": None},
            paths=("shop/api.py", "logo.png", "old.py"),
            documents_at="docs",
        ),
        "message.merge.red": briefing.merge_message(
            mine=(task, DIFF),
            landed=[(PLAN.tasks[0], DIFF)],
            files={},
            paths=("shop/api.py",),
            detail="`make test` ended with exit code 2 on the merged tree. Its last output:\nno rule for test",
        ),
        "message.merge_story": briefing.merge_story(("shop/api.py",), PLAN.tasks[::-1], "kept both"),
        "message.merge_nudge": briefing.MERGE_NUDGE,
        "message.worker": briefing.worker_message(
            plan=PLAN,
            task=task,
            documents=DOCUMENTS,
            check_commands=checks,
            others_holding={TaskId("T1"): ("shop/store.py",)},
        ),
        "message.worker.with_sync_points": briefing.worker_message(
            plan=PLAN,
            task=task,
            documents=DOCUMENTS,
            check_commands=checks,
            results={TaskId("T1"): "Add the table of books\npython -m pytest -q tests/test_store.py: 3 passed"},
            sharing=briefing.Sharing(
                arrived=((PLAN.sync_points[0], BOOK),),
                pending=(PROMISED[1],),
                promised=((PROMISED[0], None),),
            ),
        ),
        "message.worker.third_attempt": briefing.worker_message(
            plan=PLAN,
            task=task,
            documents=DOCUMENTS,
            check_commands=checks,
            previous=notes,
            guidance="Sort by `book.title`; rows are tuples (shop/store.py:12).",
        ),
        "message.worker.direct": briefing.worker_message(
            plan=Plan(title="Fix the typo", tasks=(direct,)),
            task=direct,
            documents={},
            request="Fix the typo in README.md",
            check_commands=("make docs",),
        ),
        "message.planner": first_message(
            "Build a bookshop.",
            listing="README.md\nshop/api.py",
            rules=PlanRules(),
            can_ask=True,
            default_check="make test",
        ),
        "message.planner.nobody_to_ask": first_message("Build it.", listing="", rules=PlanRules(), can_ask=False),
        "message.opening_question": briefing.opening_question(task),
        "message.doubt_question": briefing.doubt_question(
            task, "Serve GET /books\nOpen: sorting", 0.3, {"shop/api.py": "modified", "tests/test_api.py": "created"}
        ),
        "message.circle_nudge": coaching.nudge(CIRCLE),
        "message.circle_question": coaching.circle_question(CIRCLE),
        "message.circle_advice": f"{coaching.ADVICE}Read shop/store.py:12.",
        "message.edits_question": coaching.edits_question(
            (FailedEdit("edit_file", "a.py: old_text does not occur; no byte was changed:\nNothing resembles it."),)
        ),
        "message.edits_advice": f"{coaching.EDIT_ADVICE}Quote shop/api.py:3.",
        "message.footprint_question": coaching.footprint_question(REFUSED),
        "message.footprint_advice": f"{coaching.FOOTPRINT_ADVICE}Put it into shop/api.py.",
        "message.failure_question": briefing.failure_question(task, notes),
        "message.advice": briefing.advice_message(
            task=task,
            question="Are rows tuples or Books?",
            files={"shop/store.py": "def books() -> list[tuple[str, str]]: ...\n"},
            tree=("shop/api.py", "shop/store.py"),
            git_status="## HEAD (no branch)\n M shop/api.py",
            documents_at="docs",
        ),
        "message.review": briefing.review_message(
            task=task, diff=DIFF, results=(RESULT,), requirements=DOCUMENTS["requirements"], documents_at="docs"
        ),
        "message.hand_in_nudge": briefing.HAND_IN_NUDGE,
        "message.review_nudge": briefing.REVIEW_NUDGE,
    }


@pytest.fixture(scope="session")
def specs() -> Mapping[str, ToolSpec]:
    return {spec.name: spec for spec in SPECS}


@pytest.fixture(scope="session")
def texts() -> Mapping[str, str]:
    return {**_prompts(), **_tools(), **_messages()}
