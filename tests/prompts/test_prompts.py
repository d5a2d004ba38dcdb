import importlib.util
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.models import ToolSpec
from equitr_coder.engine.prompts import prompt_names, system_prompt
from equitr_coder.planning.coverage import read_requirements
from equitr_coder.planning.gaps import find_gaps
from equitr_coder.planning.plan_rules import PlanRules, validate
from equitr_coder.planning.services import read_edges, read_services
from equitr_coder.planning.structure import design_problems, requirements_problems
from equitr_coder.tools.edits.apply import apply_hunks
from equitr_coder.tools.edits.file_change import AddFile, DeleteFile, UpdateFile
from equitr_coder.tools.edits.formats import parse_patch
from equitr_coder.tools.submit_plan import SubmitPlanArguments

CHANGING = ("write_file", "edit_file", "apply_patch")
LOOKING = ("read_file", "list_files", "search")
SHARING = ("publish_artifact", "read_artifact")
WORKER_TOOLS = (*LOOKING, *CHANGING, "run_command", "recall", "tick_todo", "hand_in", *SHARING, "ask_supervisor")
TOOLS_OF = {
    "worker": {*WORKER_TOOLS},
    "chat": {*WORKER_TOOLS} - {"tick_todo", "hand_in", "ask_supervisor", *SHARING},
    "planner": {*LOOKING, "recall", "ask_user", "write_document", "submit_plan"},
    "supervisor": {*LOOKING, "ask_user"},
    "reviewer": {*LOOKING, "review"},
    "merger": {*LOOKING, *CHANGING, "hand_in"},
    "summarizer": set(),
}
CASES = ("architecture decisions", "complex bugs", "design patterns", "large refactors")


def _worker_text(specs: Mapping[str, ToolSpec], offered: Sequence[str] = WORKER_TOOLS) -> str:
    tools = [
        {
            "type": "function",
            "function": {"name": name, "description": specs[name].description, "parameters": specs[name].parameters},
        }
        for name in offered
    ]
    prompt = system_prompt("worker", {"has_supervisor": True, "platform": "A sandbox on Linux."})
    return prompt + json.dumps(tools, ensure_ascii=False)


def test_a_workers_prompt_and_tools_stay_under_four_thousand_tokens_by_length(specs: Mapping[str, ToolSpec]) -> None:
    without_sync_points = [name for name in WORKER_TOOLS if name not in SHARING]

    assert len(_worker_text(specs, without_sync_points).encode()) / 3.5 < 4000


def test_a_workers_prompt_and_tools_stay_under_four_thousand_tokens_by_count(
    specs: Mapping[str, ToolSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec("litellm")
    assert found is not None
    assert found.submodule_search_locations
    shipped = Path(found.submodule_search_locations[0]) / "litellm_core_utils" / "tokenizers"
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(shipped))
    import tiktoken

    counts = [len(tiktoken.get_encoding(name).encode(_worker_text(specs))) for name in ("o200k_base", "cl100k_base")]

    assert max(counts) < 4000


@pytest.mark.parametrize("name", sorted(TOOLS_OF))
def test_a_prompt_speaks_only_of_tools_that_are_offered_with_it(name: str, specs: Mapping[str, ToolSpec]) -> None:
    prompt = system_prompt(name, {"has_supervisor": True, "can_ask_user": True})

    named = {tool for tool in specs if "_" in tool and re.search(rf"\b{tool}\b", prompt)}

    assert named <= TOOLS_OF[name]


@pytest.mark.parametrize("name", sorted(TOOLS_OF))
def test_a_tool_of_a_profile_speaks_only_of_tools_that_every_owner_has(
    name: str, specs: Mapping[str, ToolSpec]
) -> None:
    owned = TOOLS_OF[name]

    for tool in owned:
        named = {other for other in specs if "_" in other and re.search(rf"\b{other}\b", specs[tool].description)}
        assert named <= owned | {*CHANGING}


def _between(text: str, start: str, end: str) -> str:
    begin = text.index(start)
    return text[begin : text.index(end, begin)] + "\n"


def test_there_are_no_other_prompts() -> None:
    assert set(prompt_names()) == set(TOOLS_OF)


def test_a_worker_with_a_supervisor_is_told_the_four_cases_to_ask_in() -> None:
    prompt = system_prompt("worker", {"has_supervisor": True})

    assert all(case in prompt for case in CASES)
    assert "ask_supervisor" in prompt


def test_a_worker_without_a_supervisor_hears_nothing_of_one() -> None:
    prompt = system_prompt("worker", {"has_supervisor": False})

    assert "supervisor" not in prompt.lower()


def test_a_planner_who_cannot_ask_is_told_to_decide_and_to_write_it_down() -> None:
    asking, deciding = (system_prompt("planner", {"can_ask_user": can}) for can in (True, False))

    assert "one question at a time" in asking
    assert "ask_user" not in deciding
    assert "Assumptions" in deciding


@pytest.mark.parametrize("name", sorted(TOOLS_OF.keys() - {"summarizer"}))
def test_the_platform_stands_last_so_that_the_rest_is_the_same_everywhere(name: str) -> None:
    plain = system_prompt(name, {})
    here = system_prompt(name, {"platform": "macOS {{has_supervisor}} {{if x}}"})

    assert here == f"{plain}\n\nmacOS {{{{has_supervisor}}}} {{{{if x}}}}"


def test_nothing_of_the_template_language_is_left(texts: Mapping[str, str]) -> None:
    assert not [name for name, text in texts.items() if "{{" in text or "}}" in text.replace("}}}", "")]


def test_an_unknown_prompt_is_refused_with_the_known_names() -> None:
    with pytest.raises(UserError) as caught:
        system_prompt("../worker", {})

    assert "chat, merger, planner, reviewer, summarizer, supervisor, worker" in caught.value.hint


def test_every_tool_description_is_short_and_has_an_example(specs: Mapping[str, ToolSpec]) -> None:
    for spec in specs.values():
        assert "Example" in spec.description
        assert len(spec.description) < 1400


def test_the_example_patch_applies_to_files_like_those_it_names(specs: Mapping[str, ToolSpec]) -> None:
    found = re.search(r"^Example: (.*)$", specs["apply_patch"].description, re.MULTILINE)
    assert found is not None
    changes = parse_patch(json.loads(found.group(1))["patch"])
    before = "import os\nimport re\n\n\ndef mean(items):\n    return total(items)\n"

    update, added, moved, deleted = changes

    assert isinstance(update, UpdateFile)
    assert apply_hunks(before, update.hunks).text == (
        "import os\n\n\ndef mean(items):\n    return total(items) / len(items)\n"
    )
    assert added == AddFile("src/new.py", 'NAME = "new"\n')
    assert moved == UpdateFile("src/old.py", "src/kept.py", ())
    assert deleted == DeleteFile("src/gone.py")


def test_the_documents_that_the_planner_is_shown_have_nothing_missing() -> None:
    prompt = system_prompt("planner", {})
    requirements = _between(prompt, "# Shop: requirements", "\n\nFeatures has")
    service = _between(prompt, "### 2.1 Orders service", "\n\nOther parts")
    headings = re.findall(r'"(## \d\. \w+)"', prompt)

    assert requirements_problems(requirements) == ()
    assert [found.number for found in read_requirements(requirements)] == ["2.1.1", "2.1.2"]
    assert headings == ["## 1. Architecture", "## 2. Parts", "## 3. Deployment"]
    stock = service.replace("2.1 Orders", "2.2 Inventory").replace(
        "Dependencies: Inventory service", "Dependencies: none"
    )
    architecture, parts, deployment = headings
    design = f"# Shop: design\n{architecture}\nTwo.\n{parts}\n{service}\n{stock}\n{deployment}\nNone.\n"
    assert design_problems(design) == ()
    assert [edge.needs for edge in read_edges(read_services(design)) if edge.service == "Orders service"] == [
        "Inventory service"
    ]


def test_the_tasks_and_sync_points_that_the_planner_is_shown_leave_no_gap() -> None:
    prompt = system_prompt("planner", {})
    task, point = (json.loads(found) for found in re.findall(r" (\{\"(?:description|id)\".*\})$", prompt, re.MULTILINE))
    check = re.search(r"configuration: `(.*?)`", prompt)
    assert check is not None
    given = {
        "title": "Shop",
        "tasks": [
            {"id": "T1", "title": "Order", "description": "Order", "check": check.group(1), "files": ["README.md"]},
            {**task, "id": "T2", "title": "API", "needs": ["T1"], "check": "pytest -q", "files": ["api.py"]},
        ],
        "sync_points": [point],
    }
    wanted = "## 2. Features\n- 2.1.1 Zebra\n- 2.1.2 Quagga\n- 2.1.3 Okapi\n- 2.2.1 Tapir\n"

    plan, problems = validate(SubmitPlanArguments.model_validate(given).to_plan(), PlanRules())

    assert problems == ()
    gaps = find_gaps(plan, requirements=wanted, design="", rules=PlanRules())
    assert gaps == ("no task covers requirement 2.2.1: Tapir",)


def test_the_examples_of_tools_are_arguments_that_fit_their_schema(specs: Mapping[str, ToolSpec]) -> None:
    checked = 0
    for spec in specs.values():
        found = re.search(r"^Example: (\{.*\})$", spec.description, re.MULTILINE)
        if found is None:
            continue
        example = json.loads(found.group(1))
        assert set(example) <= set(spec.parameters["properties"])
        assert set(spec.parameters["required"]) <= set(example)
        checked += 1

    assert checked >= 12
