"""Edits through the real command: formats, the way out of failed ones, and the project's own commands after them."""

import itertools
import json
import sys

import pytest

from equitr_coder.testing.script import ScriptedCall, always, call, calls, rule, says
from tests.e2e.conftest import OpenStage
from tests.e2e.scenes import documents, system_message

DIRECT = ("chat", "-M", "--plan", "never", "--yes", "--check", "test -f a.txt", "--output", "stream-json")
READ = calls("read_file", path="README.md")
DIFF = "--- a/README.md\n+++ b/README.md\n@@ -7,1 +7,1 @@\n-# Shop\n+# The Shop\n"
BLOCK = "README.md\n<<<<<<< SEARCH\n# Shop\n=======\n# The Shop\n>>>>>>> REPLACE"


def misses(number: int) -> ScriptedCall:
    return call("edit_file", path="README.md", old_text=f"nowhere {number}", new_text="x")


def test_a_chat_takes_a_unified_diff(stage: OpenStage) -> None:
    user = stage([READ, calls("apply_patch", patch=DIFF), says("Renamed.")])

    ended = user.run("chat", "rename the shop")

    assert ended.code == 0, ended.brief
    assert user.read("README.md") == "# The Shop\n"


def test_a_model_without_tools_writes_blocks_into_its_answer(stage: OpenStage) -> None:
    user = stage(
        [
            says('<tool_call>\n{"name":"read_file","arguments":{"path":"README.md"}}\n</tool_call>'),
            says(f"I rename it.\n\n{BLOCK}\n"),
            says("Renamed."),
        ],
        config={"llm": {"tools": "text"}},
    )

    ended = user.run("chat", "rename the shop", "--output", "stream-json")

    assert ended.code == 0, ended.brief
    assert user.read("README.md") == "# The Shop\n"
    assert [event["name"] for event in ended.of("tool_called")] == ["read_file", "apply_patch"]
    assert "SEARCH" not in ended.events[-1]["content"]


def test_the_prompt_recommends_a_format_and_all_tools_stay(stage: OpenStage) -> None:
    user = stage([says("Hello.")], config={"llm": {"edit_format": "unified_diff"}})

    ended = user.run("chat", "hello")

    assert ended.code == 0, ended.brief
    [request] = user.server.requests
    assert "written as a unified diff" in system_message(request)
    assert {"edit_file", "apply_patch"} <= set(request.tools)


@pytest.mark.native
def test_the_second_failed_edit_offers_the_other_format_and_the_prefix_is_kept(stage: OpenStage) -> None:
    user = stage([READ, *(says("", misses(number)) for number in range(2)), says("I give up.")])

    ended = user.run("chat", "rename the shop", "--output", "stream-json")

    assert ended.code == 0, ended.brief
    told = [event["text"] for event in ended.of("tool_returned", name="edit_file")]
    assert ["apply_patch instead" in text for text in told] == [False, True]
    bodies = [request.body for request in user.server.requests]
    assert all(body["tools"] == bodies[0]["tools"] for body in bodies)
    for earlier, later in itertools.pairwise(bodies):
        assert later["messages"][: len(earlier["messages"])] == earlier["messages"]


def test_the_third_failed_edit_of_a_task_goes_to_the_supervisor(stage: OpenStage) -> None:
    user = stage(
        [
            always(says("Write a.txt."), model="strong"),
            rule(
                READ,
                *(says("", misses(number)) for number in range(3)),
                says("", call("write_file", path="a.txt", content="a\n"), call("hand_in", summary="done")),
                model="weak",
            ),
        ]
    )

    ended = user.run(*DIRECT, "write a")

    assert ended.code == 0, ended.brief
    [asked] = ended.of("escalation_asked")
    assert (asked["trigger"], asked["automatic"]) == ("failed_edits", True)
    assert "old_text does not occur" in asked["question"]
    assert "It answers:\nWrite a.txt." in json.dumps(user.asked("weak")[-1].messages, ensure_ascii=False).replace(
        "\\n", "\n"
    )


def test_commands_after_an_edit_run_in_the_sandbox_and_their_changes_are_matched(stage: OpenStage) -> None:
    formatter = (
        f"{sys.executable} -c \"import sys; p = sys.argv[1]; s = open(p).read(); open(p, 'w').write(s.upper())\""
    )
    user = stage(
        [
            READ,
            calls("edit_file", path="README.md", old_text="Shop", new_text="Bookshop"),
            calls("edit_file", path="README.md", old_text="# BOOKSHOP", new_text="# books"),
            says("Done."),
        ],
        config={"checks": {"after_edit": [{"glob": "*.md", "command": f"{formatter} {{file}}"}]}},
    )

    ended = user.run("chat", "rename the shop", "--output", "stream-json")

    assert ended.code == 0, ended.brief
    assert user.read("README.md") == "# BOOKS\n"
    first, second = (event["text"] for event in ended.of("tool_returned", name="edit_file"))
    assert "    1\t# BOOKSHOP" in first
    assert "It changed README.md" in first
    assert "    1\t# BOOKS" in second
    assert len(ended.of("file_changed", path="README.md")) == 2


def test_a_command_after_an_edit_keeps_to_the_footprint(stage: OpenStage) -> None:
    plan = {
        "title": "Work",
        "tasks": [
            {
                "id": "T1",
                "title": "a",
                "description": "write a.txt",
                "files": ["a.txt"],
                "todos": [],
                "check": "test -f a.txt",
            }
        ],
        "sync_points": [],
    }
    user = stage(
        [
            rule(says("", *documents(), call("submit_plan", **plan)), model="strong", offers="submit_plan"),
            rule(
                calls("write_file", path="a.txt", content="a\n"),
                calls("hand_in", summary="done"),
                model="weak",
            ),
        ],
        config={"checks": {"after_edit": "touch beside.txt"}, "orchestrator": {"footprint": "refuse"}},
    )

    ended = user.run("chat", "-M", "--plan", "always", "--yes", "--output", "stream-json", "build it")

    assert ended.code == 0, ended.brief
    [written] = ended.of("tool_returned", name="write_file")
    assert "[The host put back" in written["text"]
    assert not (user.repo / "beside.txt").exists()
    assert user.read("a.txt") == "a\n"


def test_config_cmd_shows_the_commands_after_edits(stage: OpenStage) -> None:
    user = stage([], config={"checks": {"after_edit": [{"glob": "*.py", "command": "ruff format {file}"}]}})

    ended = user.run("config-cmd")

    assert ended.code == 0, ended.brief
    [line] = [line for line in ended.out.splitlines() if "checks.after_edit" in line]
    assert "ruff format {file}" in line
    assert "*.py" in line
