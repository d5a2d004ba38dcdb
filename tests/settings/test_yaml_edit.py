from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.domain.errors import UserError
from equitr_coder.settings.yaml_edit import with_value
from equitr_coder.settings.yaml_text import read, write

FILE = """# mine
llm:
  model: a/b   # the good one
  budget: 5.00
  # cheaper at night
  models:
    worker: {model: c/d, temperature: 0}

checks:
  gate:
    - make lint
    - make types
# the end
"""


def changed(text: str, key: str, value: str | None) -> str:
    return with_value(text, key.split("."), value, name="config.yaml")


@pytest.mark.parametrize(
    ("key", "value", "before", "after"),
    [
        ("llm.model", "x/y", "model: a/b   # the good one", "model: x/y   # the good one"),
        ("llm.budget", "0.50", "budget: 5.00", "budget: 0.50"),
        ("llm.models.worker.model", "x/y", "{model: c/d,", "{model: x/y,"),
        ("llm.models.worker.max_tokens", "9", "temperature: 0}", "temperature: 0, max_tokens: 9}"),
        ("llm.models.worker", "x", "worker: {model: c/d, temperature: 0}", "worker: x"),
        ("llm.max_tokens", "9", "temperature: 0}\n", "temperature: 0}\n  max_tokens: 9\n"),
        ("checks.gate", "[make]", "gate:\n    - make lint\n    - make types\n", "gate: [make]\n"),
        ("checks.default", "make", "    - make types\n", "    - make types\n  default: make\n"),
        (
            "tools.shell.network",
            "true",
            "    - make types\n",
            "    - make types\ntools:\n  shell:\n    network: true\n",
        ),
        ("llm.model", None, "  model: a/b   # the good one\n", ""),
        ("checks.gate", None, "  gate:\n    - make lint\n    - make types\n", ""),
        ("llm.models.worker.model", None, "model: c/d, ", ""),
        ("llm.models.worker.temperature", None, ", temperature: 0", ""),
        ("llm.provider", None, "", ""),
    ],
)
def test_one_value_changes_and_every_comment_stays(key: str, value: str | None, before: str, after: str) -> None:
    assert changed(FILE, key, value) == FILE.replace(before, after, 1)


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("", "llm:\n  budget: 5\n"),
        ("# nothing yet", "# nothing yet\nllm:\n  budget: 5\n"),
        ("llm:   # models\nchecks: {}\n", "llm:   # models\n  budget: 5\nchecks: {}\n"),
        ("llm:\r\n  model: m", "llm:\r\n  model: m\r\n  budget: 5\r\n"),
        ("{llm: {}}\n", "{llm: {budget: 5}}\n"),
        ("llm:\n  budget:   # open\n", "llm:\n  budget: 5   # open\n"),
        ("llm:\n  budget: |\n    3\nchecks: {}\n", "llm:\n  budget: 5\nchecks: {}\n"),
        ("é: 'ü'\nllm: {budget: 'ö'} # ä\n", "é: 'ü'\nllm: {budget: 5} # ä\n"),
    ],
)
def test_a_value_finds_its_place_in_any_style(text: str, after: str) -> None:
    shown = changed(text, "llm.budget", "5")

    assert read(shown, name="x").plain()["llm"]["budget"] == 5
    assert shown.splitlines() == after.splitlines()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("a: &x {b: 1}\nc: *x\n", "c.b"),  # would change `a` too
        ("llm: words\n", "llm.budget"),
    ],
)
def test_what_would_touch_more_is_refused(text: str, key: str) -> None:
    with pytest.raises(UserError, match="cannot be changed"):
        changed(text, key, "5")


def test_a_value_that_is_no_yaml_is_refused() -> None:
    with pytest.raises(UserError, match="not usable YAML"):
        changed(FILE, "llm.budget", "[1")
    with pytest.raises(UserError):
        changed(FILE, "llm.budget", "1\nllm: 2")


_KEYS = st.sampled_from(["a", "b", "c d", "e.f"])
_VALUES: st.SearchStrategy[Any] = st.one_of(
    st.integers(-9, 9), st.booleans(), st.text("ab:#'\"é ", max_size=6), st.lists(st.integers(0, 9), max_size=3)
)
_TREES: st.SearchStrategy[Any] = st.recursive(_VALUES, lambda inner: st.dictionaries(_KEYS, inner, max_size=3))


def _block(tree: Any, depth: int = 0) -> str:
    if not isinstance(tree, dict) or not tree:
        return f" {write(tree)}  # note\n"
    lines = [f"{'  ' * depth}{write(key)}:{_block(value, depth + 1)}" for key, value in tree.items()]
    return ("\n# section\n" if depth else "") + "".join(lines)


@given(tree=st.dictionaries(_KEYS, _TREES, max_size=3), path=st.lists(_KEYS, min_size=1, max_size=3), value=_VALUES)
def test_setting_a_value_changes_it_alone_and_taking_it_out_brings_the_rest_back(
    tree: dict[str, Any], path: list[str], value: Any
) -> None:
    text = _block(tree) if tree else "# empty\n"
    place: Any = tree
    for part in path[:-1]:
        place = place.get(part, {}) if isinstance(place, dict) else None
    is_in_the_way = not isinstance(place, dict)
    if is_in_the_way:
        with pytest.raises(UserError):
            with_value(text, path, write(value), name="x")
        return

    after = with_value(text, path, write(value), name="x")

    assert after.count("# note") >= text.count("# note") - _notes(place.get(path[-1]))
    found = read(after, name="x").plain()
    for part in path:
        found = found[part]
    assert found == value
    again = with_value(after, path, None, name="x")
    assert with_value(again, path, write(value), name="x") != again


def _notes(tree: Any) -> int:
    return sum(map(_notes, tree.values())) if isinstance(tree, dict) and tree else 1 if tree is not None else 0
