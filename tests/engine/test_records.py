import json
from typing import Any

from equitr_coder.domain.approvals import Approval, ApprovalAnswer
from equitr_coder.domain.epic import Plan, Task
from equitr_coder.domain.events import ApprovalRequested, ApprovalResolved, PlanApproved
from equitr_coder.domain.ids import AgentName, CallId, CommitId, RequestId, RunId, SessionId, TaskId
from equitr_coder.domain.models import AssistantMessage, Message, ToolCall, ToolMessage, UserMessage
from equitr_coder.domain.run_view import RunView, SessionView, fold
from equitr_coder.engine.coaching import NUDGE
from equitr_coder.engine.records import records

S = SessionId("T1.1")
T1 = TaskId("T1")


def step(at: int, name: str, result: str, /, *, failed: bool = False, **arguments: Any) -> list[Message]:
    call = ToolCall(id=CallId(f"c{at}"), name=name, arguments=json.dumps(arguments))
    return [
        AssistantMessage(text="", calls=(call,)),
        ToolMessage(call=call.id, name=name, text=result, is_error=failed),
    ]


def kept(*messages: Message, view: RunView | None = None, room: int = 20_000, task: TaskId | None = None) -> str:
    session = SessionView(S, AgentName("a"), task, messages=[UserMessage(text="the task"), *messages])
    return records(session, view or RunView(RunId("r")), len(session.messages), room=room)


def test_the_users_words_stand_as_they_were_said_and_the_first_message_is_not_told_twice() -> None:
    said = "Keep  it at 5.\n\n  - and no `eval`"

    text = kept(UserMessage(text=said), AssistantMessage(text="yes"), UserMessage(text=f"{NUDGE}x"))

    assert said in text
    assert "the task" not in text
    assert NUDGE not in text


def test_long_words_lose_their_middle_and_short_ones_nothing() -> None:
    rule, log = "never touch the vendor folder", "x" * 40_000

    text = kept(UserMessage(text=rule), UserMessage(text=log), UserMessage(text="use tabs"), room=4_000)

    assert rule in text
    assert "use tabs" in text
    assert len(text) < 4_000
    assert "characters ...]" in text


def test_answers_and_permissions_are_decisions() -> None:
    approval = Approval(
        id=RequestId("a"), session=S, agent=AgentName("a"), task=T1, tool="run_command", what="rm -rf build", why=""
    )
    refused = ApprovalAnswer(allowed=False, note="move it instead")
    other = approval.model_copy(update={"id": RequestId("b"), "session": SessionId("T2.1"), "what": "dropdb shop"})
    view = fold(
        [
            event
            for one in (approval, other)
            for event in (ApprovalRequested(approval=one), ApprovalResolved(approval=one.id, answer=refused))
        ]
    )

    text = kept(*step(1, "ask_user", "The user answers: SQLite", question="Which database?"), view=view)

    assert "- Which database? -> The user answers: SQLite" in text
    assert "- refused: rm -rf build (move it instead)" in text
    assert "dropdb" not in text


def test_what_failed_is_told_unless_it_went_well_later() -> None:
    text = kept(
        *step(1, "run_command", "exit 1 in 0.1 s\nE  KeyError: 'title'", command="pytest -q"),
        *step(2, "run_command", "exit 2 in 0.1 s\nno rule", command="make test"),
        *step(3, "edit_file", "old_text occurs 0 times", failed=True, path="a.py"),
        *step(4, "run_command", "exit 0 in 0.1 s\n1 passed", command="pytest -q"),
    )

    assert "make test" in text
    assert "exit 2 in 0.1 s ... no rule" in text
    assert "old_text occurs 0 times" in text
    assert "KeyError" not in text


def test_open_todos_changed_files_and_names_are_listed() -> None:
    plan = Plan(title="Shop", tasks=(Task(id=T1, title="t", todos=("write it", "test it")),))
    view = fold([PlanApproved(plan=plan, by="user", branch="b", base=CommitId("c"), commit=CommitId("c"))])

    text = kept(
        UserMessage(text="Look at `Order.total` in shop/orders.py"),
        *step(1, "tick_todo", "Ticked 1: write it", number=1),
        *step(2, "write_file", "Created shop/new.py", path="shop/new.py", content="x"),
        *step(3, "apply_patch", "ok", patch="*** Begin Patch\n*** Update File: shop/old.py\n*** End Patch"),
        *step(4, "write_file", "refused", failed=True, path="shop/never.py", content="x"),
        view=view,
        task=T1,
    )

    assert "## Open todos\n- 2. test it" in text
    assert "- shop/new.py (written)" in text
    assert "- shop/old.py (patched)" in text
    assert "never.py (" not in text
    assert "Order.total" in text.split("## Names that came up")[1]
    assert "shop/orders.py" in text.split("## Names that came up")[1]


def test_nothing_to_record_is_nothing() -> None:
    assert kept(AssistantMessage(text="so")) == ""
