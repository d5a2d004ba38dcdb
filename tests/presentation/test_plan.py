from equitr_coder.domain.epic import Plan, Task
from equitr_coder.domain.ids import TaskId
from equitr_coder.presentation.plan import plan_lines

ONE, OTHER, LAST = TaskId("T1"), TaskId("T2"), TaskId("T3")


def test_review_says_which_tasks_take_turns_and_over_what() -> None:
    plan = Plan(
        title="Shop",
        tasks=(
            Task(id=ONE, title="Cart", files=("shop/**",)),
            Task(id=OTHER, title="Prices", files=("shop/prices.py",)),
            Task(id=LAST, title="Readme", files=("shop/README.md", "README.md"), needs=(ONE,)),
        ),
    )

    turns = [line.text for line in plan_lines(plan) if "take turns" in line.text]

    assert turns == ["  T1 and T2 take turns: both claim shop/prices.py"]
