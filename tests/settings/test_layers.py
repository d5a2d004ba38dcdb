import os
from collections.abc import Callable, Mapping
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from equitr_coder.settings.layers import LoadedSettings, load_settings
from equitr_coder.settings.trust import FileTrustStore

if TYPE_CHECKING:
    from tests.settings.conftest import Machine

Entry = Callable[[LoadedSettings, str], tuple[str, str]]

STRONGEST_FIRST = ("flag", "environment", "project", "user")
SOURCES = {
    "flag": ("5", "flag --max-workers"),
    "environment": ("4", "environment EQUITR_ORCHESTRATOR__MAX_WORKERS"),
    "project": ("7", "project {repo}/.equitr/config.yaml:2"),
    "user": ("6", "user {home}/config.yaml:3"),
    "default": ("3", "default"),
}
SUBSETS = [subset for size in range(5) for subset in combinations(STRONGEST_FIRST, size)]


@pytest.mark.parametrize("present", SUBSETS, ids=lambda subset: "+".join(subset) or "none")
def test_the_strongest_source_that_is_there_wins(present: tuple[str, ...], machine: "Machine", entry: Entry) -> None:
    flags: Mapping[str, tuple[object, str]] = {}
    if "user" in present:
        machine.user("# mine\norchestrator:\n  max_workers: 6\n")
    if "project" in present:
        machine.project("orchestrator:\n  max_workers: 7\n")
        machine.trust()
    if "environment" in present:
        machine.environ["EQUITR_ORCHESTRATOR__MAX_WORKERS"] = "4"
    if "flag" in present:
        flags = {"orchestrator.max_workers": (5, "--max-workers")}

    loaded = machine.load(flags)

    winner = next((source for source in STRONGEST_FIRST if source in present), "default")
    value, source = SOURCES[winner]
    assert entry(loaded, "orchestrator.max_workers") == (value, source.format(home=machine.home, repo=machine.repo))
    assert loaded.settings.orchestrator.max_workers == int(value)


def test_layers_are_joined_key_by_key(machine: "Machine", entry: Entry) -> None:
    user = machine.user("llm: {model: a/one, budget: 3}\n")
    project = machine.project("llm:\n  budget: 2.50\n")
    machine.trust()

    loaded = machine.load()

    assert entry(loaded, "llm.model") == ("a/one", f"user {user}:1")
    assert entry(loaded, "llm.budget") == ("2.50", f"project {project}:2")
    assert entry(loaded, "llm.retries") == ("4", "default")


def test_a_project_that_is_not_trusted_is_shown_and_changes_nothing(machine: "Machine", entry: Entry) -> None:
    project = machine.project("llm:\n  api_base: https://elsewhere.example\n  nonsense: 1\n")

    loaded = machine.load()

    assert loaded.settings.llm.api_base is None
    assert entry(loaded, "llm.api_base") == ("null", "default")
    ignored = [item for item in loaded.entries if item.source.startswith("ignored")]
    assert [(item.key, item.value, item.source) for item in ignored] == [
        ("llm.api_base", "https://elsewhere.example", f"ignored: untrusted {project}:2")
    ]
    (warning,) = loaded.warnings
    assert "not trusted" in warning
    assert "equitrcoder trust" in warning


@pytest.mark.parametrize("text", ["llm: [", "\x00", "a: &a [*a]", "- 1", "5", ""])
def test_a_broken_project_that_is_not_trusted_is_no_error(text: str, machine: "Machine") -> None:
    machine.project(text)

    assert machine.load().settings.llm.model is None


def test_a_change_after_trusting_makes_the_project_untrusted_again(machine: "Machine") -> None:
    machine.project("llm: {budget: 1}\n")
    machine.trust()
    assert machine.load().settings.llm.budget == 1

    machine.project("llm: {budget: 100}\n")

    assert machine.load().settings.llm.budget == 10


def test_the_users_own_home_is_never_taken_for_a_project(machine: "Machine", entry: Entry) -> None:
    own = machine.repo / ".equitr"
    config = machine.project("llm: {budget: 1}\n")

    loaded = load_settings(home=own, repo=machine.repo, environ={}, flags={}, trust=FileTrustStore(own))

    assert entry(loaded, "llm.budget") == ("1", f"user {config}:1")
    assert loaded.warnings == ()


def test_no_files_and_no_repository_give_the_defaults(tmp_path: Path) -> None:
    loaded = load_settings(
        home=tmp_path / "absent", repo=None, environ={}, flags={}, trust=FileTrustStore(tmp_path / "absent")
    )

    assert {item.source for item in loaded.entries} == {"default"}
    assert loaded.warnings == ()
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_is_a_file_counts_as_empty(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("not a folder")

    loaded = load_settings(home=home, repo=tmp_path, environ={}, flags={}, trust=FileTrustStore(home))

    assert loaded.settings.llm.model is None


def test_a_configuration_that_cannot_be_read_is_a_warning(machine: "Machine") -> None:
    (machine.home / "config.yaml").mkdir(parents=True)

    loaded = machine.load()

    (warning,) = loaded.warnings
    assert "is a folder, not a file" in warning
    assert str(machine.home / "config.yaml") in warning


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
def test_a_configuration_without_permission_is_a_warning(machine: "Machine") -> None:
    machine.user("llm: {model: x}\n").chmod(0)

    assert "cannot be read" in machine.load().warnings[0]


def test_a_key_without_a_value_is_not_set_and_said(machine: "Machine") -> None:
    machine.user("llm:\n  budget:\nchecks:\n")

    loaded = machine.load()

    assert loaded.settings.llm.budget == Decimal("10.00")
    (warning,) = loaded.warnings
    assert warning.endswith("config.yaml:2: llm.budget has no value; it is taken as not set")


@pytest.mark.parametrize("text", ["unlimited", "null", "Unlimited"])
def test_only_an_explicit_word_lifts_the_budget(text: str, machine: "Machine", entry: Entry) -> None:
    machine.user(f"llm:\n  budget: {text}\n")

    loaded = machine.load()

    assert loaded.settings.llm.budget is None
    assert entry(loaded, "llm.budget")[0] == "unlimited"


def test_null_in_a_stronger_layer_takes_a_value_back(machine: "Machine") -> None:
    machine.user("llm: {model: m, api_base: 'http://localhost:1'}\n")
    machine.project("llm: {api_base: null}\n")
    machine.trust()

    assert machine.load().settings.llm.api_base is None


def test_prices_of_all_layers_count_each_with_its_source(machine: "Machine", entry: Entry) -> None:
    machine.user("llm:\n  prices:\n    stub/a: {input: 1, output: 2}\n    gpt-9.1: {input: 3, output: 4}\n")
    machine.environ["EQUITR_LLM__PRICES"] = "{stub/a: {input: 5, output: 6}}"

    loaded = machine.load()

    assert entry(loaded, "llm.prices.stub/a") == ("{input: 5, output: 6}", "environment EQUITR_LLM__PRICES")
    assert entry(loaded, 'llm.prices."gpt-9.1"') == ("{input: 3, output: 4}", f"user {machine.home}/config.yaml:4")


def test_limits_of_different_layers_are_judged_together(machine: "Machine") -> None:
    machine.user("collaboration: {planning: {min_subtasks: 9, max_subtasks: 12}}\n")
    machine.project("collaboration:\n  planning:\n    max_subtasks: 5\n")
    machine.trust()

    assert machine.refused() == (
        "REPO/.equitr/config.yaml:3: collaboration.planning: min_subtasks (9) is more than max_subtasks (5)\n"
        "correct line 3 of REPO/.equitr/config.yaml"
    )


def test_a_stronger_layer_may_mend_what_is_wrong_together(machine: "Machine") -> None:
    machine.user("collaboration: {planning: {min_subtasks: 9}}\n")
    machine.environ["EQUITR_COLLABORATION__PLANNING__MAX_SUBTASKS"] = "9"

    assert machine.load().settings.collaboration.planning.max_subtasks == 9


def test_paths_start_at_the_place_that_names_them(machine: "Machine") -> None:
    machine.environ["HOME"] = "/home/somebody"
    machine.user("llm: {script: mine.yaml}\nsandbox: {read: [~/.cache/pip, /opt]}\n")

    of_user = machine.load().settings
    machine.project("llm: {script: demo/ours.yaml}\n")
    machine.trust()
    of_project = machine.load().settings
    of_flag = machine.load({"llm.script": ("here.yaml", "script")}).settings

    assert of_user.llm.script == str(machine.home / "mine.yaml")
    assert of_user.sandbox.read == ("/home/somebody/.cache/pip", "/opt")
    assert of_project.llm.script == str(machine.repo / "demo/ours.yaml")
    assert of_flag.llm.script == "here.yaml"


@pytest.mark.parametrize("value", [None, "unlimited"])
def test_a_flag_may_lift_the_budget(value: str | None, machine: "Machine", entry: Entry) -> None:
    loaded = machine.load({"llm.budget": (value, "--budget")})

    assert loaded.settings.llm.budget is None
    assert entry(loaded, "llm.budget") == ("unlimited", "flag --budget")


def test_secrets_are_masked_wherever_they_hide(machine: "Machine") -> None:
    machine.user(
        "llm: {api_base: 'https://me:hunter2@host.example/v1?api_key=abc123&x=1'}\n"
        "checks: {default: 'curl -H \"Authorization: Bearer topsecret\" https://host.example?token=zzz'}\n"
        "permission: {allow: ['deploy sk-proj-abcdefghijklmnop *']}\n"
    )

    shown = " ".join(item.value for item in machine.load().entries)

    for secret in ("hunter2", "abc123", "topsecret", "zzz", "sk-proj"):
        assert secret not in shown
    assert "host.example/v1" in shown
    assert machine.load().settings.llm.api_base == "https://me:hunter2@host.example/v1?api_key=abc123&x=1"
