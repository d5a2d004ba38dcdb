from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from equitr_coder.settings.yaml_text import YamlError, read, write

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
AMOUNTS = st.decimals(min_value=0, max_value=10**9, places=4, allow_nan=False)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | AMOUNTS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def as_floats(value: Any) -> Any:
    if isinstance(value, list):
        return [as_floats(item) for item in value]
    if isinstance(value, dict):
        return {key: as_floats(item) for key, item in value.items()}
    return float(value) if isinstance(value, Decimal) else value


@settings(deadline=None)
@given(VALUES)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert read(f"value: {write(value)}", name="t").plain() == {"value": value}


@settings(deadline=None)
@given(VALUES)
def test_any_yaml_reader_reads_what_is_written(value: Any) -> None:
    assert yaml.safe_load(f"value: {write(value)}") == {"value": as_floats(value)}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10.00", Decimal("10.00")),
        ("1e-6", Decimal("0.000001")),
        ("010", 10),
        ("1_000", 1000),
        ("1:30", "1:30"),
        ("2026-11-21", "2026-11-21"),
        ("off", "off"),
        ("yes", "yes"),
        ("True", True),
        ("~", None),
        ("'5'", "5"),
        ("9" * 5000, "9" * 5000),
        (".inf", ".inf"),
    ],
)
def test_plain_values_mean_what_they_say(text: str, value: Any) -> None:
    found = read(f"v: {text}", name="t").plain()["v"]

    assert found == value
    assert type(found) is type(value)


def test_a_node_knows_its_line() -> None:
    node = read("# c\na:\n  b:\n    - x\n    - y\n", name="t")

    assert isinstance(node.value, dict)
    inner = node.value["a"].value
    assert isinstance(inner, dict)
    assert (node.value["a"].line, inner["b"].line) == (2, 3)


def test_aliases_repeat_their_anchor() -> None:
    assert read("a: &x {k: 1}\nb: *x\n", name="t").plain() == {"a": {"k": 1}, "b": {"k": 1}}


BOMB = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))

REFUSED = {
    "duplicate": ("a: 1\nb: 2\na: 3\n", 3, "the key a stands here and on line 1"),
    "nested duplicate": ("a:\n  b: 1\n  b: 2\n", 3, "the key b stands here and on line 2"),
    "alias bomb": (BOMB, 5, "more than 20000 values, counting what aliases repeat"),
    "alias of itself": ("a: &a [*a]\n", 1, "the alias *a has no anchor before it"),
    "unknown alias": ("a: *b\n", 1, "the alias *b has no anchor before it"),
    "deep": ("a: " + "[" * 5000, 1, "nested deeper than 32 levels"),
    "tag": ("a: !!python/object/apply:os.system [id]\n", 1, "tags are not allowed here: "),
    "merge key": ("a: &a {k: 1}\nb:\n  <<: *a\n", 3, "merge keys (<<) are not allowed here"),
    "two documents": ("a: 1\n---\nb: 2\n", 2, "a second document begins here; one is allowed"),
    "list as a key": ("? [a]\n: b\n", 1, "a key must be plain text"),
    "tab": ("a:\n\tb: 1\n", 2, ""),
    "control character": ("a: 1\nb: \x07\n", 2, "a character that YAML does not allow"),
    "long": ("a: " + "x" * 1_000_001, 1, "it is longer than 1000000 characters"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_usable_is_refused_with_its_line(case: str) -> None:
    text, line, problem = REFUSED[case]

    with pytest.raises(YamlError) as caught:
        read(text, name="f")

    assert str(caught.value).startswith(f"f:{line}: not usable YAML: {problem}")
    assert caught.value.hint == f"correct line {line} of f"


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(YamlError):
        read(text, name="t").plain()
