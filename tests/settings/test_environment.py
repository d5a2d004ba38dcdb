from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from equitr_coder.domain.runs import PlanMode

if TYPE_CHECKING:
    from tests.settings.conftest import Machine

READ: list[tuple[str, str, tuple[str, ...], Any]] = [
    ("EQUITR_LLM__BUDGET", "5", ("llm", "budget"), Decimal(5)),
    ("EQUITR_LLM__BUDGET", "0.10", ("llm", "budget"), Decimal("0.10")),
    ("EQUITR_LLM__BUDGET", "null", ("llm", "budget"), None),
    ("EQUITR_LLM__BUDGET", "unlimited", ("llm", "budget"), None),
    ("EQUITR_LLM__MODEL", "openai/x", ("llm", "model"), "openai/x"),
    ("EQUITR_LLM__MODEL", "4.1", ("llm", "model"), "4.1"),
    ("EQUITR_LLM__MODEL", "null", ("llm", "model"), None),
    ("EQUITR_LLM__TEMPERATURE", "0.2", ("llm", "temperature"), 0.2),
    ("EQUITR_LLM__TIMEOUT", "1e1", ("llm", "timeout"), 10.0),
    ("EQUITR_LLM__MODELS__WORKER", "stub/w", ("llm", "models", "worker", "model"), "stub/w"),
    ("EQUITR_LLM__MODELS__WORKER", "{model: w, temperature: 1}", ("llm", "models", "worker", "temperature"), 1.0),
    ("EQUITR_LLM__MODELS__WORKER__API_KEY_ENV", "MY_KEY", ("llm", "models", "worker", "api_key_env"), "MY_KEY"),
    ("EQUITR_LLM__MODELS", "{supervisor: s}", ("llm", "models", "supervisor", "model"), "s"),
    ("EQUITR_ORCHESTRATOR__USE_MULTI_AGENT", "true", ("orchestrator", "use_multi_agent"), True),
    ("EQUITR_ORCHESTRATOR__USE_MULTI_AGENT", "YES", ("orchestrator", "use_multi_agent"), True),
    ("EQUITR_COLLABORATION__ENABLED", "off", ("collaboration", "enabled"), False),
    ("EQUITR_ORCHESTRATOR__PLAN", "never", ("orchestrator", "plan"), PlanMode.NEVER),
    ("EQUITR_SANDBOX__MODE", "off", ("sandbox", "mode"), "off"),
    ("EQUITR_CHECKS__DEFAULT", "echo 'a: b' # c", ("checks", "default"), "echo 'a: b' # c"),
    ("EQUITR_CHECKS__GATE", "[make lint, 'make: test']", ("checks", "gate"), ("make lint", "make: test")),
    ("EQUITR_CHECKS__GATE", "- make lint\n- make test", ("checks", "gate"), ("make lint", "make test")),
    ("EQUITR_CHECKS__GATE", "[]", ("checks", "gate"), ()),
]


@pytest.mark.parametrize(("variable", "text", "path", "expected"), READ)
def test_a_variable_is_read_by_the_type_of_its_key(
    variable: str, text: str, path: tuple[str, ...], expected: Any, machine: "Machine"
) -> None:
    machine.environ[variable] = text

    found: Any = machine.load().settings
    for part in path:
        found = getattr(found, part)

    assert found == expected
    assert type(found) is type(expected)


REFUSED = {
    ("EQUITR_LLM__BUDGET", "ten"): (
        "environment EQUITR_LLM__BUDGET: llm.budget: expected a number of US dollars of at least 0, or the word "
        "unlimited; found the text 'ten'\ncorrect or unset EQUITR_LLM__BUDGET"
    ),
    ("EQUITR_LLM__BUGDET", "5"): (
        "environment EQUITR_LLM__BUGDET: llm.bugdet: there is no such key\ndid you mean llm.budget?"
    ),
    ("EQUITR_ZEBRA__X", "5"): (
        "environment EQUITR_ZEBRA__X: zebra: there is no such key\n"
        "known here: llm, orchestrator, checks, collaboration, context, permission, sandbox"
    ),
    ("EQUITR_LLM__BUDGET__X", "5"): (
        "environment EQUITR_LLM__BUDGET__X: llm.budget: expected a number of US dollars of at least 0, or the word "
        "unlimited; found a section\ncorrect or unset EQUITR_LLM__BUDGET__X"
    ),
    ("EQUITR_LLM_BUDGET", "5"): (
        "environment EQUITR_LLM_BUDGET: llm.budget: a variable of this name is not read\n"
        "write two underscores between the parts: EQUITR_LLM__BUDGET"
    ),
    ("EQUITR_CHECKS__GATE", "make lint"): (
        "environment EQUITR_CHECKS__GATE: checks.gate: expected a list of texts, such as [first, second]; "
        "found the text 'make lint'\ncorrect or unset EQUITR_CHECKS__GATE"
    ),
}


@pytest.mark.parametrize(("variable", "text"), REFUSED)
def test_a_variable_that_cannot_be_meant_so_is_an_error(variable: str, text: str, machine: "Machine") -> None:
    machine.environ[variable] = text

    assert machine.refused() == REFUSED[variable, text]


def test_broken_yaml_names_the_variable(machine: "Machine") -> None:
    machine.environ["EQUITR_CHECKS__GATE"] = "[make lint"

    message, hint = machine.refused().split("\n")

    assert message.startswith("environment EQUITR_CHECKS__GATE: checks.gate: not usable YAML: ")
    assert hint == "correct or unset EQUITR_CHECKS__GATE"


def test_variables_that_are_no_configuration_are_left_alone(machine: "Machine") -> None:
    machine.environ |= {
        "EQUITR_HOME": "/x",
        "EQUITR_GLYPHS": "ascii",
        "EQUITR_": "",
        "OTHER__X": "1",
        "LLM__BUDGET": "x",
    }

    loaded = machine.load()

    assert {entry.source for entry in loaded.entries} == {"default"}
    assert loaded.warnings == ()


def test_an_empty_variable_is_not_set_and_said(machine: "Machine") -> None:
    machine.environ["EQUITR_LLM__BUDGET"] = ""

    loaded = machine.load()

    assert loaded.settings.llm.budget == 10
    assert loaded.warnings == ("EQUITR_LLM__BUDGET is empty; it is taken as not set",)


def test_the_more_specific_variable_wins(machine: "Machine") -> None:
    machine.environ |= {
        "EQUITR_LLM__MODELS__WORKER": "{model: a, temperature: 1}",
        "EQUITR_LLM__MODELS__WORKER__MODEL": "b",
        "EQUITR_LLM": "{models: {worker: c}, budget: 1}",
    }

    llm = machine.load().settings.llm

    assert (llm.models.worker.model, llm.models.worker.temperature, llm.budget) == ("b", 1.0, Decimal(1))
