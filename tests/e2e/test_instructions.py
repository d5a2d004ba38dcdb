"""The project's own instructions, through the real command."""

from pathlib import Path
from typing import Any

import pytest

from equitr_coder.testing.backend import Recorded
from equitr_coder.testing.script import always, says
from tests.e2e.conftest import OpenStage
from tests.e2e.scenes import builds, first_message, plans, system_message, task

PLANNED = ("chat", "-M", "--plan", "always", "--yes")


def said(request: Recorded, text: str) -> int:
    """How often a model reads it."""
    return sum(str(message["content"]).count(text) for message in request.messages)


def test_the_roots_instructions_stand_once_in_every_agents_system_prompt(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2")), builds("T1"), builds("T2")])
    user.commit({"AGENTS.md": "Use tabs.\n"})

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 0, ended.brief
    block = '<instructions path="AGENTS.md">\nUse tabs.\n</instructions>'
    for request in (*user.asked("strong"), *user.asked("weak")):
        assert block in system_message(request)
        assert said(request, "Use tabs.") == 1


def test_a_worker_gets_those_of_its_folders_the_nearest_last(stage: OpenStage) -> None:
    first, second = task("T1"), task("T2")
    folder = str(first["files"][0]).split("/")[0]
    nested: dict[str, Any] = first | {"files": [*first["files"], "src/api/routes.py"]}
    user = stage([plans(nested, second), builds("T1"), builds("T2")])
    user.commit(
        {
            "AGENTS.md": "Rule 1.\n",
            "src/AGENTS.md": "Rule 2.\n",
            "src/api/AGENTS.md": "Rule 3.\n",
            "web/AGENTS.md": "Rule 4.\n",
        }
    )

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 0, ended.brief
    messages = [first_message(request) for request in user.asked("weak")]
    [mine] = {text for text in messages if "# Your task: T1" in text}
    [other] = {text for text in messages if "# Your task: T2" in text}
    assert folder not in ("src", "web")
    assert mine.endswith(
        '<instructions path="src/AGENTS.md">\nRule 2.\n</instructions>\n\n'
        '<instructions path="src/api/AGENTS.md">\nRule 3.\n</instructions>'
    )
    assert "Rule" not in other
    assert len({system_message(request) for request in user.asked("weak")}) == 1


@pytest.mark.parametrize("is_trusted", [True, False])
def test_those_of_the_equitr_folder_count_once_it_is_trusted(stage: OpenStage, is_trusted: bool) -> None:
    user = stage([always(says("Hello."))])
    user.commit({"AGENTS.md": "Rule 1.\n", ".equitr/instructions.md": "Rule 2.\n"})
    if is_trusted:
        assert user.run("trust").code == 0

    ended = user.run("chat", "hi")

    assert ended.code == 0, ended.brief
    [request] = user.server.requests
    assert said(request, "Rule 1.") == 1
    assert said(request, "Rule 2.") == int(is_trusted)
    assert not is_trusted or system_message(request).index("Rule 1.") < system_message(request).index("Rule 2.")


@pytest.mark.native
def test_long_instructions_are_cut_and_that_is_told(stage: OpenStage) -> None:
    user = stage([always(says("Hello."))])
    user.commit({"AGENTS.md": "A rule of many words.\n" * 2_000})

    user.run("chat", "hi")

    [request] = user.server.requests
    assert len(system_message(request)) < 20_000
    assert "more characters; read_file opens all of AGENTS.md ...]\n</instructions>" in system_message(request)


def test_instructions_that_lead_out_of_the_repository_are_not_read(stage: OpenStage, tmp_path: Path) -> None:
    user = stage([always(says("Hello."))])
    (tmp_path / "secret").write_text("a secret\n")
    (user.repo / "AGENTS.md").symlink_to(tmp_path / "secret")

    ended = user.run("chat", "hi")

    assert ended.code == 0, ended.brief
    [request] = user.server.requests
    assert said(request, "a secret") == 0
    assert "# Instructions of the project" not in system_message(request)


def test_a_link_inside_the_repository_is_followed(stage: OpenStage) -> None:
    user = stage([always(says("Hello."))])
    user.commit({"docs/rules.md": "Rule 1.\n"})
    (user.repo / "AGENTS.md").symlink_to("docs/rules.md")

    user.run("chat", "hi")

    [request] = user.server.requests
    assert said(request, "Rule 1.") == 1
