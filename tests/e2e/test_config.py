import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from equitr_coder.testing.script import always, says
from tests.e2e.conftest import OpenStage, Stage
from tests.e2e.scenes import builds, plans, task

PLANNED = ("chat", "-M", "--plan", "always", "--yes")


def shown(user: Stage, key: str, *flags: str) -> tuple[str, str]:
    """Value and source of a key, as `config-cmd` shows them."""
    ended = user.run("config-cmd", *flags)
    assert ended.code == 0, ended.brief
    line = next(line for line in ended.out.splitlines() if line.split()[:1] == [key])
    value, source = line.split(None, 2)[1:]
    return value, source


def project(user: Stage, config: dict[str, Any]) -> None:
    user.write({".equitr/config.yaml": yaml.safe_dump(config)})


def test_flags_beat_environment_beats_project_beats_user_beats_defaults(stage: OpenStage) -> None:
    user = stage([says("Never asked.")])

    value, source = shown(user, "llm.budget")
    assert (value, source) == ("10.00", "default")

    user.configure({"llm": {"budget": "9.00"}})
    value, source = shown(user, "llm.budget")
    assert value == "9.00"
    assert source.startswith(f"user {user.equitr_home / 'config.yaml'}")

    project(user, {"llm": {"budget": "8.00"}})
    assert user.run("trust").code == 0
    value, source = shown(user, "llm.budget")
    assert value == "8.00"
    assert source.startswith("project")
    assert ".equitr/config.yaml" in source

    user.environ["EQUITR_LLM__BUDGET"] = "7.00"
    value, source = shown(user, "llm.budget")
    assert value == "7.00"
    assert "EQUITR_LLM__BUDGET" in source

    value, source = shown(user, "llm.budget", "--budget", "6.00")
    assert value == "6.00"
    assert "flag" in source or "--budget" in source
    assert not user.server.requests


def test_a_home_that_cannot_be_written_is_no_error(stage: OpenStage) -> None:
    user = stage([says("Never asked.")])
    home = user.home

    for name in ("/proc/no-such-home", str(home.parent / "not-there")):
        user.environ["HOME"] = name
        version = user.run("--version")
        config = user.run("config-cmd")

        assert version.code == 0, version.brief
        assert config.code == 0, config.brief
        assert "llm.budget" in config.out
        assert "Traceback" not in config.text
    assert not (home.parent / "not-there").exists()


def test_a_projects_settings_count_only_once_trusted(stage: OpenStage) -> None:
    user = stage([always(says("Hello."))])
    project(user, {"llm": {"budget": "8.00"}, "permission": {"allow": ["*"]}})

    before = user.run("config-cmd")
    assert before.code == 0, before.brief
    assert shown(user, "llm.budget")[0] == "10.00"
    assert "ignored: untrusted" in before.out

    offered = user.run("trust", "--show")
    assert offered.code == 0, offered.brief
    assert ".equitr is ignored: nobody has trusted it" in offered.out
    assert "+++ config.yaml" in offered.out
    assert "ignored: untrusted" in user.run("config-cmd").out
    trusted = user.run("trust")
    assert trusted.code == 0, trusted.brief
    assert shown(user, "llm.budget")[0] == "8.00"
    assert "untrusted" not in user.run("config-cmd").out

    project(user, {"llm": {"budget": "8.50"}})
    assert shown(user, "llm.budget")[0] == "10.00"

    assert user.run("trust").code == 0
    assert shown(user, "llm.budget")[0] == "8.50"
    assert user.run("trust", "--withdraw").code == 0
    assert shown(user, "llm.budget")[0] == "10.00"


def test_trust_asks_and_accepts_exactly_what_was_shown(stage: OpenStage) -> None:
    user = stage([always(says("Hello."))])
    project(user, {"llm": {"budget": "8.00"}})

    with user.terminal("trust") as refusing:
        refusing.press("y\r")  # before anything was shown, which is no answer
        before = refusing.expect("exactly this? [y/N]")
        assert "+  budget: '8.00'" in before
        refusing.press("\r")
        refusing.expect("Nothing was trusted.")
        assert refusing.wait() == 0
    assert shown(user, "llm.budget")[0] == "10.00"

    with user.terminal("trust") as person:
        person.expect("exactly this? [y/N]")
        project(user, {"llm": {"budget": "9.00"}, "permission": {"allow": ["*"]}})
        person.press("y\r")
        again = person.expect("exactly this? [y/N]")
        assert "changed after it was shown" in again
        assert "+  budget: '9.00'" in again
        assert "ignored: untrusted" in user.run("config-cmd").out
        person.press("y\r")
        person.expect(".equitr is trusted as it is now")
        assert person.wait() == 0
    assert shown(user, "llm.budget")[0] == "9.00"

    project(user, {"llm": {"budget": "7.00"}, "permission": {"allow": ["*"]}})
    with user.terminal("trust") as changed:
        diff = changed.expect("exactly this? [y/N]")
        assert "its content has changed since it was trusted" in diff
        assert "-  budget: '9.00'" in diff
        assert "+  budget: '7.00'" in diff
        assert "+permission" not in diff
        changed.press("yes\r")
        assert changed.wait() == 0
    assert shown(user, "llm.budget")[0] == "7.00"


def test_a_hash_accepts_only_the_content_that_was_reviewed(stage: OpenStage) -> None:
    user = stage([always(says("Hello."))])
    project(user, {"llm": {"budget": "8.00"}})
    [reviewed] = re.findall(r"^hash ([0-9a-f]{64})$", user.run("trust", "--show").out, re.MULTILINE)
    project(user, {"llm": {"budget": "9.00"}})

    refused = user.run("trust", "--hash", reviewed)
    assert refused.code == 2, refused.brief
    assert "changed after it was shown" in refused.err
    assert "equitrcoder trust --show" in refused.err
    assert user.run("trust", "--hash", reviewed[:12]).code == 2
    assert user.run("trust", "--hash", reviewed, "--show").code == 2
    assert shown(user, "llm.budget")[0] == "10.00"

    project(user, {"llm": {"budget": "8.00"}})
    with user.terminal("trust", "--hash", reviewed) as unasked:
        assert unasked.wait() == 0, unasked.screen
    assert shown(user, "llm.budget")[0] == "8.00"


CUSTOM = """
# ~/.equitr/config.yaml
llm:
  provider: "litellm"
  model: "gpt-4o"  # Supervisor
  api_base: "http://localhost:4000"

  models:
    supervisor:
      provider: "litellm"
      model: "gpt-4o"
      temperature: 0.1
    worker:
      provider: "litellm"
      model: "gpt-3.5-turbo"
      temperature: 0.3

orchestrator:
  use_multi_agent: true
  max_iterations: 15
"""


def test_the_guides_custom_block_works(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1"), task("T2"), model="gpt-4o"),
            builds("T1", model="gpt-3.5-turbo"),
            builds("T2", model="gpt-3.5-turbo"),
        ]
    )
    (user.equitr_home / "config.yaml").write_text(CUSTOM.replace("http://localhost:4000", user.server.url))
    user.environ["OPENAI_API_KEY"] = "sk-of-the-guide"

    ended = user.run("chat", "--plan", "always", "--yes", "build words")

    assert ended.code == 0, ended.brief
    sent = {(request.model, request.body["temperature"]) for request in user.server.requests}
    assert sent == {("gpt-4o", 0.1), ("gpt-3.5-turbo", 0.3)}
    assert shown(user, "orchestrator.max_iterations")[0] == "15"


def test_temperature_is_inherited_where_a_tier_has_none(stage: OpenStage) -> None:
    user = stage(
        [plans(task("T1"), task("T2")), *map(builds, ("T1", "T2")), always(says("Hello."))],
        config={
            "llm": {"temperature": 0.2, "models": {"supervisor": {"model": "stub/strong", "temperature": 0.7}}},
        },
    )

    ended = user.run(*PLANNED, "build words")
    assert ended.code == 0, ended.brief
    assert {request.body["temperature"] for request in user.asked("strong")} == {0.7}
    assert {request.body["temperature"] for request in user.asked("weak")} == {0.2}

    user.configure()
    assert user.run("chat", "hello").code == 0
    assert "temperature" not in user.server.requests[-1].body


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("llm: {budget: 1\n", ["line"]),
        ("llm:\n  budget: much\n", ["llm.budget", "number"]),
        ("orchestrator:\n  max_workers: many\n", ["orchestrator.max_workers", "number"]),
        ("orchestrator:\n  use_multi_agent: 7\n", ["orchestrator.use_multi_agent", "true"]),
        ("llm:\n  modle: stub/x\n", ["llm.modle", "llm.model"]),
        ("orchestrator: [1, 2]\n", ["orchestrator"]),
        (
            "collaboration:\n  conflict_resolution:\n    mode: yolo\n",
            ["collaboration.conflict_resolution.mode", "auto_merge", "merge_review", "manual"],
        ),
        ("orchestrator:\n  max_workers: 0\n", ["orchestrator.max_workers", "1"]),
    ],
    ids=["yaml", "money", "number", "boolean", "unknown", "section", "choice", "bound"],
)
def test_faults_name_file_key_and_what_is_expected(stage: OpenStage, text: str, named: list[str]) -> None:
    user = stage([says("Never asked.")])
    path = user.equitr_home / "config.yaml"
    path.write_text(text)

    ended = user.run("chat", "hello")

    assert ended.code == 2, ended.brief
    assert str(path) in ended.err
    for name in named:
        assert name in ended.err, ended.err
    assert "Traceback" not in ended.err
    assert ended.out == ""
    assert not user.server.requests


SAMPLES = {
    "collaboration": """
# .docrunch/config.yaml
collaboration:
  enabled: true

  planning:
    auto_split: true # Auto-split large tasks
    min_subtasks: 2
    max_subtasks: 8

  sync_points:
    auto_detect: true
    types: [types, schemas, contracts, interfaces]

  conflict_resolution:
    mode: merge_review # auto_merge, merge_review, manual
""",
    "quick start": """
orchestrator:
  use_multi_agent: true

llm:
  model: "gpt-4o"  # Supervisor model
  # Worker model uses the same by default, but you can configure separately
""",
    "custom": CUSTOM,
    "budget": """
llm:
  budget: 10.0  # $10 USD limit
""",
    "development": """
orchestrator:
  use_multi_agent: true
llm:
  model: "gpt-4o-mini"
""",
    "production": """
orchestrator:
  use_multi_agent: true
llm:
  model: "gpt-4o"  # Supervisor
  # Worker uses same by default, configure separately if needed
""",
}


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_sample_of_the_guides_loads(stage: OpenStage, sample: str) -> None:
    user = stage([says("Never asked.")])
    (user.equitr_home / "config.yaml").write_text(SAMPLES[sample])

    ended = user.run("config-cmd")

    assert ended.code == 0, ended.brief
    assert ended.err == ""
    assert "user" in ended.out


def test_keys_are_never_shown(stage: OpenStage) -> None:
    user = stage([says("Never asked.")], config={"llm": {"api_key_env": "SHOP_KEY"}})
    user.environ |= {"SHOP_KEY": "sk-a-secret", "OPENAI_API_KEY": "sk-another", "EQUITR_LLM__API_KEY_ENV": "SHOP_KEY"}

    said = "".join(
        user.run(*arguments).text
        for arguments in (
            ("config-cmd",),
            ("config-cmd", "--output", "json"),
            ("models",),
            ("models", "--output", "json"),
            ("doctor",),
        )
    )

    assert "SHOP_KEY" in said
    assert "sk-a-secret" not in said
    assert "sk-another" not in said


def test_flags_are_shown_as_sources(stage: OpenStage) -> None:
    user = stage([says("Never asked.")])

    ended = user.run("config-cmd", "-M", "--budget", "3", "--model", "stub/x", "--output", "json")

    assert ended.code == 0, ended.brief
    assert isinstance(json.loads(ended.out), dict)
    for key, value in (("orchestrator.use_multi_agent", "true"), ("llm.budget", "3")):
        seen, source = shown(user, key, "-M", "--budget", "3", "--model", "stub/x")
        assert seen.startswith(value)
        assert "flag" in source or "--" in source
    assert "stub/x" in user.run("models", "--model", "stub/x").out
    assert Path(user.equitr_home / "config.yaml").exists()


def test_what_does_not_count_is_said_once_on_stderr(stage: OpenStage) -> None:
    user = stage([always(says("Hello."))])
    project(user, {"llm": {"budget": "8.00"}})

    for arguments in (("runs", "--output", "json"), ("models",), ("chat", "--output", "json", "hello")):
        ended = user.run(*arguments)
        assert ended.code == 0, ended.brief
        assert ended.err.count("is not trusted") == 1, ended.brief
        assert "is not trusted" not in ended.out
    assert "not trusted" not in user.run("trust").err

    (user.equitr_home / "config.yaml").unlink()
    (user.equitr_home / "config.yaml").mkdir()
    told = user.run("models")
    assert "config.yaml is a folder, not a file" in told.err


def test_a_profile_that_names_no_tool_stops_before_money_is_spent(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2"))])
    folder = user.equitr_home / "profiles"
    folder.mkdir()
    (folder / "worker.yaml").write_text("extends: worker\ntools: [read_file, write_fill, hand_in]\n")

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 2, ended.brief
    assert ended.err.splitlines() == [
        f"error: {folder / 'worker.yaml'}:2: tools: there is no tool write_fill",
        "hint: did you mean write_file?",
    ]
    assert not user.server.requests
    assert json.loads(user.run("runs", "--output", "json").out)["runs"] == []
