from equitr_coder.domain.approvals import Approval, ApprovalAnswer, Scope
from equitr_coder.domain.claims import beyond, claims_at_work, granted, holder
from equitr_coder.domain.epic import Plan, Task, TaskState
from equitr_coder.domain.events import ApprovalResolved
from equitr_coder.domain.ids import AgentName, RequestId, RunId, SessionId, TaskId
from equitr_coder.domain.run_view import RunView, TaskView

ONE, TWO, THREE = TaskId("T1"), TaskId("T2"), TaskId("T3")


def view_of(**states: TaskState) -> RunView:
    """T1 claims `a.py`, T2 `b.py`, T3 did not say."""
    files = {ONE: ("a.py",), TWO: ("b.py",), THREE: ()}
    plan = Plan(title="p", tasks=tuple(Task(id=name, title=name, files=entries) for name, entries in files.items()))
    tasks = {name: TaskView(name, state=states.get(name, TaskState.WORKING), attempt=1) for name in files}
    return RunView(run=RunId("r"), plan=plan, tasks=tasks)


def allow(
    view: RunView,
    task: TaskId,
    *paths: str,
    scope: Scope = Scope.ONCE,
    allowed: bool = True,
    inside: bool = False,
    confined: bool = True,
) -> None:
    asked = Approval(
        id=RequestId(f"q{len(view.grants)}"),
        session=SessionId(f"{task}.1"),
        agent=AgentName("w"),
        task=task,
        tool="write_file",
        what="w",
        why="y",
        inside=inside,
        confined=confined,
        paths=paths,
    )
    view.grants.append(
        (asked, ApprovalResolved(approval=asked.id, answer=ApprovalAnswer(allowed=allowed, scope=scope)))
    )


def test_what_a_person_allowed_by_name_is_granted_and_held_before_it_is_written() -> None:
    view = view_of()
    allow(view, ONE, "README.md", "a.py")
    allow(view, ONE, "no.md", allowed=False)
    allow(view, TWO, "two.md")

    assert granted(view, ONE) == {"README.md", "a.py"}
    assert beyond(view, ONE) == ("README.md",)
    assert holder(view, "README.md", besides=TWO) == ONE
    assert holder(view, "README.md", besides=ONE) is None


def test_a_wider_yes_grants_what_was_written_under_it() -> None:
    view = view_of()
    view.tasks[ONE].files["x.py"] = view.tasks[TWO].files["y.py"] = "created"
    assert granted(view, ONE) == frozenset()

    allow(view, ONE, "w.py", scope=Scope.TASK)
    assert granted(view, ONE) == {"w.py", "x.py"}
    assert granted(view, TWO) == frozenset()

    allow(view, THREE, scope=Scope.RUN)
    assert granted(view, TWO) == {"y.py"}


def test_a_yes_to_a_command_is_none_to_files() -> None:
    view = view_of()
    view.tasks[ONE].files["x.py"] = "created"
    allow(view, ONE, scope=Scope.RUN, inside=True)
    allow(view, ONE, scope=Scope.RUN, confined=False)

    assert granted(view, ONE) == frozenset()


def test_only_tasks_that_have_begun_and_not_ended_hold_anything() -> None:
    view = view_of(T1=TaskState.READY, T2=TaskState.DONE)
    assert set(claims_at_work(view)) == {ONE, THREE}
    assert holder(view, "b.py", besides=ONE) is None

    view.tasks[ONE].attempt = 0
    assert set(claims_at_work(view)) == {THREE}


def test_a_task_that_did_not_say_holds_what_it_has_touched() -> None:
    view = view_of()
    view.tasks[THREE].files["c.py"] = "modified"

    assert holder(view, "c.py", besides=ONE) == THREE
    assert claims_at_work(view, besides=ONE)[THREE].shown == ("c.py",)
