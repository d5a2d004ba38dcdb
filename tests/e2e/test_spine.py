from equitr_coder.testing.script import call, calls, rule, says
from tests.e2e.conftest import OpenStage
from tests.e2e.scenes import DESIGN, REQUIREMENTS


def test_a_chat_edits_the_checkout_and_answers(stage: OpenStage) -> None:
    user = stage(
        [
            calls("read_file", path="README.md"),
            calls("edit_file", path="README.md", old_text="# Shop", new_text="# The Shop"),
            says("Renamed the shop."),
        ]
    )

    ended = user.run("chat", "rename the shop")

    assert ended.code == 0, ended.brief
    assert "Renamed the shop." in ended.out
    assert (user.repo / "README.md").read_text() == "# The Shop\n"
    assert user.git("log", "--oneline").count("\n") == 0
    assert user.git("status", "--porcelain") == " M README.md"


PLAN = {
    "title": "Greeting",
    "tasks": [
        {
            "id": "T1",
            "title": "greet",
            "description": "write greet.py",
            "files": ["greet.py"],
            "todos": ["write greet()"],
            "check": "python3 -c 'import greet; assert greet.greet() == \"hi\"'",
        },
        {
            "id": "T2",
            "title": "shout",
            "description": "write shout.py on top of greet",
            "needs": ["T1"],
            "files": ["shout.py"],
            "todos": ["write shout()"],
            "check": "python3 -c 'import shout; assert shout.shout() == \"HI\"'",
        },
    ],
    "sync_points": [],
}


def test_a_planned_epic_is_built_proven_and_landed(stage: OpenStage) -> None:
    user = stage(
        [
            rule(
                calls("write_document", name="requirements", content=REQUIREMENTS),
                calls("write_document", name="design", content=DESIGN),
                calls("submit_plan", **PLAN),
                model="strong",
                offers="submit_plan",
            ),
            rule(
                calls("write_file", path="greet.py", content="def greet():\n    return 'hi'\n"),
                calls("hand_in", summary="greets"),
                model="weak",
                first="Your task: T1",
            ),
            rule(
                calls(
                    "write_file",
                    path="shout.py",
                    content="import greet\n\ndef shout():\n    return greet.greet().upper()\n",
                ),
                says("", call("hand_in", summary="shouts")),
                model="weak",
                first="Your task: T2",
            ),
        ]
    )

    ended = user.run("chat", "-M", "--plan", "always", "--yes", "build a greeting")

    assert ended.code == 0, ended.out + ended.err
    assert user.git("status", "--porcelain") == ""
    assert (user.repo / "shout.py").exists()
    assert "- [x]" in (user.repo / "docs/todos.md").read_text()
