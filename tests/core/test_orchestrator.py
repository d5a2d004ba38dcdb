"""The documented snippet, on the real product with the scripted model."""

import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from equitr_coder.core.config import Config, config_manager
from equitr_coder.core.orchestrator import AgentOrchestrator
from equitr_coder.domain.errors import UserError

CHAT = {
    "when": {"lacks": "hand_in"},
    "reply": {"text": "A cache needs a key.", "usage": {"input": 1000, "output": 100}},
}
WORK = {
    "when": {"offers": "hand_in"},
    "turns": [
        {"calls": [{"name": "write_file", "arguments": {"path": "cache.py", "content": "CACHE = {}\n"}}]},
        {"calls": [{"name": "hand_in", "arguments": {"summary": "The cache is there."}}]},
    ],
}
PLANNING = {
    "when": {"offers": "submit_plan"},
    "reply": {
        "calls": [
            {
                "name": "submit_plan",
                "arguments": {
                    "title": "Cache",
                    "tasks": [
                        {"id": "T1", "title": "Cache", "files": ["cache.py"], "check": "test -f cache.py"},
                    ],
                    "sync_points": [],
                },
            }
        ]
    },
}


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, and a home whose configuration names scripted models."""
    (tmp_path / "script.yaml").write_text(yaml.safe_dump({"rules": [PLANNING, CHAT, WORK]}))
    (tmp_path / "config.yaml").write_text(
        "llm:\n  model: scripted/strong\n  script: script.yaml\n"
        "  models:\n    worker: scripted/weak\n"
        "  prices:\n    scripted/strong: {input: 2, output: 10}\n    scripted/weak: {input: 1, output: 5}\n"
        "orchestrator:\n  plan: never\n"
    )
    for name in ("EQUITR_LLM__MODEL", "EQUITR_LLM__BUDGET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("EQUITR_HOME", str(tmp_path))
    folder = tmp_path / "repo"
    folder.mkdir()
    (folder / "README.md").write_text("hello\n")
    for arguments in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "first"]):
        identity = ["-c", "user.name=Me", "-c", "user.email=me@localhost", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)
    return folder


def loaded(**changes: Any) -> Config:
    config = config_manager.load_config("default")
    for name, value in changes.items():
        setattr(config.orchestrator, name, value)
    return config


async def test_single_agent_answers_with_its_exact_cost(repo: Path) -> None:
    result = await AgentOrchestrator(loaded(), repo).run("What does a cache need?")

    assert (result["content"], result["status"], result["reason"]) == ("A cache needs a key.", "completed", None)
    assert result["cost"] == Decimal("0.003")
    assert f"${result['cost']:.4f}" == "$0.0030"
    assert result["cost_by_model"] == {"scripted/strong": Decimal("0.003")}
    assert (result["epic"], result["landed"], result["branch"]) == (None, None, None)


async def test_multi_agent_builds_in_a_worktree_and_lands(repo: Path) -> None:
    result = await AgentOrchestrator(loaded(use_multi_agent=True), str(repo)).run("Add a cache")

    assert (result["status"], result["epic"], result["landed"]) == ("completed", "epic-001", True)
    assert [(task["id"], task["state"], task["receipt"]) for task in result["tasks"]] == [("T1", "done", None)]
    assert list(result["cost_by_model"]) == ["scripted/weak"]
    assert (repo / "cache.py").read_text() == "CACHE = {}\n"


async def test_plan_is_approved_and_no_question_is_asked(repo: Path) -> None:
    config = loaded(use_multi_agent=True, plan="always")
    config.collaboration.planning.min_subtasks = 1

    result = await AgentOrchestrator(config, repo).run("Add a cache")

    assert result["reason"] is None, result
    assert result["tasks"][0]["state"] == "done"
    assert result["tasks"][0]["receipt"]["checks"][0]["command"] == "test -f cache.py"


async def test_budget_that_is_reached_pauses_with_its_reason(repo: Path) -> None:
    config = loaded()
    config.llm.budget = 0.000001

    result = await AgentOrchestrator(config, repo).run("x")

    assert (result["status"], result["reason"], result["cost"]) == ("paused", "budget_exceeded", Decimal(0))
    assert result["content"]


async def test_missing_folder_is_an_error_and_not_made(repo: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        await AgentOrchestrator(loaded(), repo / "new").run("x")

    assert not (repo / "new").exists()


async def test_wrong_value_is_named_when_the_run_starts(repo: Path) -> None:
    with pytest.raises(UserError, match=r"orchestrator\.max_workers"):
        await AgentOrchestrator(loaded(max_workers="many"), repo).run("x")
