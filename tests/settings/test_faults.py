from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.settings.conftest import Machine

FILE = "HOME/config.yaml"

BROKEN = {
    "wrong number": (
        "llm:\n  model: m\n  budget: ten\n",
        f"{FILE}:3: llm.budget: expected a number of US dollars of at least 0, or the word unlimited; "
        f"found the text 'ten'\ncorrect line 3 of {FILE}",
    ),
    "quoted number": (
        'orchestrator:\n  max_workers: "3"\n',
        f"{FILE}:2: orchestrator.max_workers: expected a whole number of at least 1; found the text '3'\n"
        f"correct line 2 of {FILE}",
    ),
    "zero workers": (
        "orchestrator: {max_workers: 0}\n",
        f"{FILE}:1: orchestrator.max_workers: expected a whole number of at least 1; found the number 0\n"
        f"correct line 1 of {FILE}",
    ),
    "fraction for a count": (
        "llm: {retries: 1.5}\n",
        f"{FILE}:1: llm.retries: expected a whole number of at least 0; found the number 1.5\ncorrect line 1 of {FILE}",
    ),
    "boolean for a count": (
        "llm: {max_tokens: true}\n",
        f"{FILE}:1: llm.max_tokens: expected a whole number of at least 1; found true\ncorrect line 1 of {FILE}",
    ),
    "text for a switch": (
        "collaboration:\n  enabled: maybe\n",
        f"{FILE}:2: collaboration.enabled: expected true or false; found the text 'maybe'\ncorrect line 2 of {FILE}",
    ),
    "unknown word": (
        "collaboration:\n  conflict_resolution:\n    mode: yolo\n",
        f"{FILE}:3: collaboration.conflict_resolution.mode: "
        "expected one of 'auto_merge', 'merge_review' or 'manual'; found the text 'yolo'\n"
        f"correct line 3 of {FILE}",
    ),
    "unknown plan mode": (
        "orchestrator: {plan: sometimes}\n",
        f"{FILE}:1: orchestrator.plan: expected one of 'auto', 'always' or 'never'; found the text 'sometimes'\n"
        f"correct line 1 of {FILE}",
    ),
    "value for a section": (
        "llm: gpt-4o\n",
        f"{FILE}:1: llm: expected a section: keys with values, indented under it; found the text 'gpt-4o'\n"
        f"correct line 1 of {FILE}",
    ),
    "text for fallbacks": (
        "llm:\n  models:\n    worker: {model: m, fallbacks: b/m}\n",
        f"{FILE}:3: llm.models.worker.fallbacks: expected a list, such as [first, second]; found the text 'b/m'\n"
        f"correct line 3 of {FILE}",
    ),
    "misspelt key of a fallback": (
        "llm:\n  models:\n    worker: {model: m, fallbacks: [{model: b/m, api_bas: x}]}\n",
        f"{FILE}:3: llm.models.worker.fallbacks.0.api_bas: there is no such key\n"
        "did you mean llm.models.worker.fallbacks.0.api_base?",
    ),
    "misspelt key of a command after edits": (
        "checks:\n  after_edit: [{globs: '*.py', command: x}]\n",
        f"{FILE}:2: checks.after_edit.0.globs: there is no such key\ndid you mean checks.after_edit.0.glob?",
    ),
    "wrong timeout of a command after edits": (
        "checks:\n  after_edit: [{command: x, timeout: 0}]\n",
        f"{FILE}:2: checks.after_edit.timeout: expected a number of seconds greater than 0; found the number 0\n"
        f"correct line 2 of {FILE}",
    ),
    "number for commands after edits": (
        "checks:\n  after_edit: 5\n",
        f"{FILE}:2: checks.after_edit: expected a list, such as [first, second]; found the number 5\n"
        f"correct line 2 of {FILE}",
    ),
    "unknown way of editing": (
        "llm:\n  edit_format: whole\n",
        f"{FILE}:2: llm.edit_format: expected one of 'auto', 'edit_file', 'apply_patch', 'unified_diff' or "
        f"'search_replace'; found the text 'whole'\ncorrect line 2 of {FILE}",
    ),
    "section for a value": (
        "llm:\n  model: {name: m}\n",
        f"{FILE}:2: llm.model: expected text; found a section\ncorrect line 2 of {FILE}",
    ),
    "list for everything": (
        "- llm\n",
        f"{FILE}:1: the file: expected a section: keys with values, indented under it; found a list\n"
        f"correct line 1 of {FILE}",
    ),
    "text for a list": (
        "checks:\n  gate: make lint\n",
        f"{FILE}:2: checks.gate: expected a list of texts, such as [first, second]; found the text 'make lint'\n"
        f"correct line 2 of {FILE}",
    ),
    "null where a value must be": (
        "llm:\n  timeout: null\n",
        f"{FILE}:2: llm.timeout: expected a number of seconds greater than 0; found null\ncorrect line 2 of {FILE}",
    ),
    "no address": (
        "llm:\n  api_base: localhost:4000\n",
        f"{FILE}:2: llm.api_base: expected an address that begins with http:// or https://; "
        f"found the text 'localhost:4000'\ncorrect line 2 of {FILE}",
    ),
    "relative host path": (
        "sandbox:\n  read:\n    - /opt\n    - cache\n",
        f"{FILE}:2: sandbox.read: expected absolute paths, or paths that begin with ~/; found the text 'cache'\n"
        f"correct line 2 of {FILE}",
    ),
    "too hot": (
        "llm: {models: {worker: {model: m, temperature: 3}}}\n",
        f"{FILE}:1: llm.models.worker.temperature: expected a number from 0 to 2; found the number 3\n"
        f"correct line 1 of {FILE}",
    ),
    "misspelt key": (
        "llm:\n  budgte: 5\n",
        f"{FILE}:2: llm.budgte: there is no such key\ndid you mean llm.budget?",
    ),
    "misspelt section": (
        "orchestrater:\n  max_workers: 5\n",
        f"{FILE}:1: orchestrater: there is no such key\ndid you mean orchestrator?",
    ),
    "key of another section": (
        "llm:\n  max_workers: 5\n",
        f"{FILE}:2: llm.max_workers: there is no such key\ndid you mean orchestrator.max_workers?",
    ),
    "nothing like it": (
        "sandbox:\n  zebra: 5\n",
        f"{FILE}:2: sandbox.zebra: there is no such key\nknown here: mode, read, network, limits",
    ),
    "a key in the file": (
        "llm:\n  api_key: sk-ant-0123456789abcdef\n",
        f"{FILE}:2: llm.api_key: there is no such key\n"
        "keep the key in an environment variable and put the variable's name in api_key_env",
    ),
    "a key instead of its variable": (
        "llm:\n  api_key_env: sk-ant-0123456789abcdef\n",
        f"{FILE}:2: llm.api_key_env: expected the name of an environment variable (never the key itself); "
        f"found what looks like a key\ncorrect line 2 of {FILE}",
    ),
    "half a price": (
        "llm:\n  prices:\n    stub/x: {input: 1}\n",
        f"{FILE}:3: llm.prices.stub/x.output: it is missing\nadd `output` there",
    ),
    "misspelt price": (
        "llm:\n  prices:\n    stub/x: {input: 1, outptu: 2, output: 3}\n",
        f"{FILE}:3: llm.prices.stub/x.outptu: there is no such key\ndid you mean llm.prices.stub/x.output?",
    ),
    "negative price": (
        "llm:\n  prices:\n    stub/x: {input: -1, output: 2}\n",
        f"{FILE}:3: llm.prices.stub/x.input: expected a number of US dollars of at least 0; found the number -1\n"
        f"correct line 3 of {FILE}",
    ),
    "price said twice": (
        "llm:\n  prices:\n    stub/x: {input: 1, input_cost_per_token: 1e-6, output: 2}\n",
        f"{FILE}:3: llm.prices.stub/x: input and input_cost_per_token say the same; keep one\ncorrect line 3 of {FILE}",
    ),
    "subtasks the wrong way round": (
        "collaboration:\n  planning:\n    min_subtasks: 9\n",
        f"{FILE}:3: collaboration.planning: min_subtasks (9) is more than max_subtasks (8)\ncorrect line 3 of {FILE}",
    ),
    "duplicate key": (
        "llm:\n  model: a\nchecks: {}\nllm:\n  budget: 5\n",
        f"{FILE}:4: not usable YAML: the key llm stands here and on line 1\ncorrect line 4 of {FILE}",
    ),
    "several at once": (
        "llm:\n  budgte: 5\n  timeout: soon\nzebra: 1\n",
        f"{FILE}:2: llm.budgte: there is no such key\n"
        f"did you mean llm.budget?; also wrong: zebra ({FILE}:4), llm.timeout ({FILE}:3)",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_each_fault_names_file_line_key_and_what_was_expected(case: str, machine: "Machine") -> None:
    text, expected = BROKEN[case]
    machine.user(text)

    assert machine.refused() == expected


def test_text_that_is_no_yaml_names_the_line(machine: "Machine") -> None:
    machine.user("llm:\n  model: [a, b\nchecks: {}\n")

    message, hint = machine.refused().split("\n")

    assert message.startswith(f"{FILE}:3: not usable YAML: ")
    assert hint == f"correct line 3 of {FILE}"


def test_a_file_that_is_not_utf8_names_the_line(machine: "Machine") -> None:
    machine.user("").write_bytes(b"llm:\n  model: caf\xe9\n")

    assert machine.refused() == f"{FILE}:2: not UTF-8 text\nsave {FILE} as UTF-8"


def test_line_ends_and_marks_of_other_systems_are_read(machine: "Machine") -> None:
    machine.user("").write_bytes(b"\xef\xbb\xbfllm:\r\n  model: m\r\n  budget: x\r\n")

    assert machine.refused().startswith(f"{FILE}:3: llm.budget: expected a number")


def test_a_wrong_value_is_said_even_when_a_stronger_layer_hides_it(machine: "Machine") -> None:
    machine.user("llm:\n  budget: ten\n")
    machine.environ["EQUITR_LLM__BUDGET"] = "5"

    assert machine.refused().startswith(f"{FILE}:2: llm.budget: ")


def test_a_trusted_project_is_held_to_the_same_rules(machine: "Machine") -> None:
    machine.project("checks:\n  timeout: -1\n")
    machine.trust()

    assert machine.refused() == (
        "REPO/.equitr/config.yaml:2: checks.timeout: expected a number of seconds greater than 0; "
        "found the number -1\ncorrect line 2 of REPO/.equitr/config.yaml"
    )


def test_a_wrong_flag_is_named(machine: "Machine") -> None:
    refused = machine.refused({"orchestrator.max_workers": (0, "--max-workers")})

    assert refused == (
        "flag --max-workers: orchestrator.max_workers: expected a whole number of at least 1; found the number 0\n"
        "give --max-workers such a value"
    )


def test_no_error_shows_a_key(machine: "Machine") -> None:
    machine.user("llm:\n  budget: sk-ant-0123456789abcdef\n")

    assert "0123456789" not in machine.refused()
