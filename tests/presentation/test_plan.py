from equitr_coder.domain.epic import Plan, Task
from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.planned_commands import Standing
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


def test_review_shows_every_command_that_will_run_unasked_and_for_which_task() -> None:
    plan = Plan(
        title="Shop",
        tasks=(
            Task(id=ONE, title="Cart", check="pytest -q cart", commands=("npm ci", "printf '\u202etxt.exe'")),
            Task(id=OTHER, title="Prices"),
        ),
    )
    standing = Standing(
        default_check="make test", gate=("ruff check .",), setup="make deps", after_edit=(("*.py", "ruff format"),)
    )

    lines = [line.text for line in plan_lines(plan, standing=standing)]

    at = lines.index("Approving it lets these run in the sandbox without asking, as they stand:")
    assert lines[at + 1 : at + 9] == [
        "  each worktree  make deps",
        "  T1  pytest -q cart",
        "  T1  ruff check .",
        "  T1  npm ci",
        "  T1  printf '\\u202etxt.exe'",
        "  T2  make test",
        "  T2  ruff check .",
        "  after an edit of *.py  ruff format",
    ]
    assert not any("Approving it" in line.text for line in plan_lines(Plan(title="x", tasks=(plan.tasks[1],))))


def test_a_command_that_is_wider_than_the_terminal_shows_whole() -> None:
    command = "make  " + "x" * 100 + "  ; rm -rf build"
    plan = Plan(title="Shop", tasks=(Task(id=ONE, title="Cart", commands=(command,)),))

    lines = [line.text for line in plan_lines(plan, width=40)]

    at = next(number for number, line in enumerate(lines) if line.startswith("  T1  make"))
    whole = lines[at] + "".join(line.removeprefix("      ") for line in lines[at + 1 :] if line.startswith("      "))
    assert whole == f"  T1  {command}"
    assert all(len(line) <= 40 for line in lines)
