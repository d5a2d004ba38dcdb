from collections.abc import Sequence

from equitr_coder.domain.epic import Plan, Task
from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.overlaps import Overlap, overlaps

A, B, C = TaskId("A"), TaskId("B"), TaskId("C")


def plan(**needs: Sequence[TaskId]) -> Plan:
    return Plan(
        title="three", tasks=tuple(Task(id=name, title=name, needs=tuple(needs.get(name, ()))) for name in (A, B, C))
    )


def test_two_tasks_that_edit_one_file_overlap_in_it() -> None:
    assert overlaps(plan(), {A: ["a.py", "b.py"], B: ["a.py", "c.py"], C: ["d.py"]}) == (Overlap((A, B), ("a.py",)),)


def test_disjoint_tasks_do_not_overlap() -> None:
    assert overlaps(plan(), {A: ["a.py"], B: ["b.py"]}) == ()


def test_each_pair_is_reported_once() -> None:
    found = overlaps(plan(), dict.fromkeys((A, B, C), ("a.py",)))

    assert [overlap.tasks for overlap in found] == [(A, B), (A, C), (B, C)]


def test_tasks_that_a_path_of_needs_orders_do_not_overlap() -> None:
    assert overlaps(plan(B=[A], C=[B]), dict.fromkeys((A, B, C), ("a.py",))) == ()
