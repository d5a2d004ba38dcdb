import re
from pathlib import Path

from equitr_coder.testing.script import Rule, ScriptedReply, call, calls, rule, says
from tests.examples.conftest import EXAMPLES, OpenUser

CHECK = "python3 -m unittest"
READ = calls("read_file", path="shop.py")
MEND = calls("edit_file", path="shop.py", old_text="price // 10", new_text="price // 5")
SPOIL = calls("edit_file", path="shop.py", old_text="price // 10", new_text="price // 4")
MEND_AGAIN = calls("edit_file", path="shop.py", old_text="price // 4", new_text="price // 5")
PLAN = {
    "title": "Right tax",
    "tasks": [
        {
            "id": "T1",
            "title": "Tax",
            "description": "A fifth of the price (2.1).",
            "files": ["shop.py"],
            "todos": ["mend tax()"],
            "check": CHECK,
        },
        {
            "id": "T2",
            "title": "Notes",
            "description": "Say how tax is computed (2.2).",
            "needs": ["T1"],
            "files": ["NOTES.md"],
            "todos": ["write NOTES.md"],
            "check": "grep -q fifth NOTES.md",
        },
    ],
}


def works_on(task: str, *replies: ScriptedReply) -> Rule:
    return rule(*replies, model="weak", offers="hand_in", first=f"Your task: {task}")


PLANNED = [
    rule(calls("submit_plan", **PLAN), model="strong", offers="submit_plan"),
    works_on("T1", READ, MEND, calls("hand_in", summary="A fifth now.")),
    works_on(
        "T2",
        says("", call("write_file", path="NOTES.md", content="Tax is a fifth.\n"), call("hand_in", summary="Noted.")),
    ),
]


def test_the_one_shot_edits_the_checkout_and_shows_what_is_uncommitted(user: OpenUser) -> None:
    shop = user([rule(READ, MEND, says("Tax is a fifth of the price now."), model="weak")])

    ended = shop.run("one_shot.sh", "Tax is wrong")

    assert ended.returncode == 0, ended.stderr
    assert "Tax is a fifth of the price now." in ended.stdout
    assert ended.stdout.endswith("What is uncommitted now:\n M shop.py\n")
    assert shop.git("log", "--format=%s") == "start"


def test_the_one_shot_without_a_request_asks_for_a_tour_of_the_project(user: OpenUser) -> None:
    shop = user([rule(says("It is a shop."), first="what this project does")])

    ended = shop.run("one_shot.sh")

    assert ended.returncode == 0, ended.stderr
    assert "It is a shop." in ended.stdout


def test_the_planned_epic_is_planned_then_built_and_landed(user: OpenUser) -> None:
    shop = user(PLANNED)

    ended = shop.run("planned_epic.sh", "Correct the tax and write down how it is computed")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    planned, _, built = ended.stdout.partition("Plan approved by you")
    assert "epic-001 awaits approval: Right tax (2 tasks)" in planned
    assert "0/2 tasks done" in planned
    assert "2/2 tasks done (100.0%)" in built
    assert shop.git("status", "--porcelain") == ""
    assert (shop.repo / "NOTES.md").exists()


def test_the_planned_epic_needs_to_be_told_what_to_build(user: OpenUser) -> None:
    shop = user(PLANNED)

    ended = shop.run("planned_epic.sh")

    assert ended.returncode != 0
    assert "say what to build" in ended.stderr
    assert shop.server.requests == ()


def test_the_budget_loop_works_and_checks_until_the_check_passes(user: OpenUser) -> None:
    shop = user(
        [
            rule(READ, MEND_AGAIN, calls("hand_in", summary="right"), first="Earlier attempts"),
            rule(READ, SPOIL, calls("hand_in", summary="wrong"), model="weak"),
        ]
    )

    ended = shop.run("budget_loop.sh", "Make the tests pass", CHECK)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.endswith("The check passes, and the work is on your branch.\n")
    assert "price // 5" in (shop.repo / "shop.py").read_text()


def test_the_budget_loop_says_which_limit_ended_it(user: OpenUser) -> None:
    shop = user([rule(READ, calls("hand_in", summary="nothing done"), model="weak")])

    out_of_rounds = shop.run("budget_loop.sh", "Make the tests pass", CHECK)
    out_of_money = shop.run(
        "budget_loop.sh", "Make the tests pass", CHECK, EQUITR_LLM__PRICES="{local/weak: {input: 9000, output: 9000}}"
    )

    assert out_of_rounds.returncode == 1
    assert "The rounds are used up" in out_of_rounds.stdout
    assert out_of_money.returncode == 3
    assert "The budget is used up" in out_of_money.stdout
    assert shop.git("log", "--format=%s", "main") == "start"


def test_the_python_door_prints_cost_and_content(user: OpenUser) -> None:
    shop = user(PLANNED)

    ended = shop.run("python_door.py", "Build the whole tax engine from scratch: architecture, rounding and notes")

    assert ended.returncode == 0, ended.stderr
    first, second = ended.stdout.split("\n", 1)
    assert re.fullmatch(r"Cost: \$0\.\d{4}", first)
    assert second == "Content: T1: A fifth now.\nT2: Noted.\n"
    assert "price // 5" in (shop.repo / "shop.py").read_text()


def test_every_example_is_in_the_readme_and_says_what_it_needs() -> None:
    examples = {path.name for path in EXAMPLES.iterdir() if path.suffix in (".sh", ".py")}
    readme = (EXAMPLES / "README.md").read_text()

    assert examples == {"one_shot.sh", "planned_epic.sh", "budget_loop.sh", "python_door.py"}
    assert all(f"`{name}" in readme for name in examples)
    assert all("eeds" in _head(EXAMPLES / name) for name in examples)


def _head(path: Path) -> str:
    return "\n".join(path.read_text().splitlines()[:15])
