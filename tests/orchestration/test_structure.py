"""What structural merging keeps, and above all what it leaves alone."""

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equitr_coder.orchestration.structure import merge_structure
from equitr_coder.orchestration.structure.facts import facts_of

BASE = '''"""A shop."""

import os

from shop.models import Book

APPS = [
    "core",  # first
]
ROUTES = {"home": 1}
__all__ = ["first"]


class Shop:
    """Sells."""

    name = "shop"

    def open(self):
        return True


def first():
    return os.name
'''


def merged(ours: str, theirs: str, base: str | None = BASE, path: str = "app.py") -> str | None:
    result = merge_structure(path, None if base is None else base.encode(), ours.encode(), theirs.encode())
    return None if result is None else result.decode()


def put(text: str, after: str, what: str) -> str:
    assert after in text
    return text.replace(after, after + what, 1)


GROWN = [
    pytest.param(
        put(BASE, "import os\n", "import json\n"),
        put(BASE, "import os\n", "import re\n"),
        put(BASE, "import os\n", "import json\nimport re\n"),
        id="an import each",
    ),
    pytest.param(
        put(BASE, "import Book", ", Cart"),
        put(BASE, "import Book", ", User"),
        put(BASE, "import Book", ", Cart, User"),
        id="a name each from one module",
    ),
    pytest.param(
        put(BASE, "import os\n", "from json import dumps\n"),
        put(BASE, "import os\n", "from json import loads\n"),
        put(BASE, "import os\n", "from json import dumps, loads\n"),
        id="the same new module, another name each",
    ),
    pytest.param(
        put(BASE, "# first\n", '    "cart",\n'),
        put(BASE, "# first\n", '    "user",  # theirs\n'),
        put(BASE, "# first\n", '    "cart",\n    "user",  # theirs\n'),
        id="a row each of a list",
    ),
    pytest.param(
        BASE.replace('{"home": 1}', '{"home": 1, "cart": 2}'),
        BASE.replace('{"home": 1}', '{"home": 1, "user": 3}'),
        BASE.replace('{"home": 1}', '{"home": 1, "cart": 2, "user": 3}'),
        id="a key each of a dictionary",
    ),
    pytest.param(
        BASE.replace('["first"]', '["first", "cart"]'),
        BASE.replace('["first"]', '[\n    "first",\n    "user",\n]'),
        BASE.replace('["first"]', '[\n    "first",\n    "cart",\n    "user",\n]'),
        id="one side laid the list out anew",
    ),
    pytest.param(
        put(BASE, "return True\n", "\n    def close(self):\n        return False\n"),
        put(BASE, "return True\n", "\n    @property\n    def rich(self):\n        return 1\n"),
        put(
            BASE,
            "return True\n",
            "\n    def close(self):\n        return False\n\n    @property\n    def rich(self):\n        return 1\n",
        ),
        id="a method each",
    ),
    pytest.param(
        BASE + "\n\ndef cart():\n    return 1\n",
        BASE + "\n\n# theirs\nasync def user():\n    return 1\n",
        BASE + "\n\ndef cart():\n    return 1\n\n\n# theirs\nasync def user():\n    return 1\n",
        id="a function each at the end",
    ),
    pytest.param(
        BASE + "\n\ndef cart():\n    return 1",
        BASE + "\n\nclass User:\n    pass",
        BASE + "\n\ndef cart():\n    return 1\n\n\nclass User:\n    pass",
        id="and no line end there",
    ),
    pytest.param(
        BASE.replace("    return os.name\n", "    return os.sep\n") + "\n\ndef cart():\n    return 1\n",
        put(BASE, "return True\n", "\n    def close(self):\n        return 2\n") + "\n\ndef user():\n    return 1\n",
        put(
            BASE.replace("    return os.name\n", "    return os.sep\n"),
            "return True\n",
            "\n    def close(self):\n        return 2\n",
        )
        + "\n\ndef cart():\n    return 1\n\n\ndef user():\n    return 1\n",
        id="and each changed something else of its own",
    ),
]


@pytest.mark.parametrize(("ours", "theirs", "expected"), GROWN)
def test_what_both_sides_added_is_kept_ours_first(ours: str, theirs: str, expected: str) -> None:
    assert merged(ours, theirs) == expected


@pytest.mark.parametrize(("ours", "theirs", "expected"), GROWN)
def test_line_ends_and_encoding_stay(ours: str, theirs: str, expected: str) -> None:
    base, left, right = (
        f"# -*- coding: latin-1 -*-\n# ä\n{text}".replace("\n", "\r\n") for text in (BASE, ours, theirs)
    )

    result = merge_structure("app.py", *(text.encode("latin-1") for text in (base, left, right)))

    assert result == f"# -*- coding: latin-1 -*-\n# ä\n{expected}".replace("\n", "\r\n").encode("latin-1")


def test_files_that_both_made_are_merged_too() -> None:
    ours, theirs = "from a import b\n\n\ndef one():\n    return b\n", "import re\n\n\ndef two():\n    return re\n"

    assert merged(ours, theirs, None) == (
        "from a import b\nimport re\n\n\ndef one():\n    return b\n\n\ndef two():\n    return re\n"
    )


LEFT_ALONE = {
    "the same function changed": (BASE.replace("os.name", "1"), BASE.replace("os.name", "2")),
    "the same name added": (BASE + "\n\ndef cart():\n    return 1\n", BASE + "\n\ndef cart():\n    return 2\n"),
    "the same name as function and class": (
        BASE + "\n\ndef cart():\n    return 1\n",
        BASE + "\n\nclass cart:\n    pass\n",
    ),
    "the same name from two modules": (
        put(BASE, "import os\n", "from a import cart\n"),
        put(BASE, "import os\n", "from b import cart\n"),
    ),
    "an import and a definition of one name": (
        put(BASE, "import os\n", "import cart\n"),
        BASE + "\n\ndef cart():\n    return 2\n",
    ),
    "the same key with other values": (
        BASE.replace('{"home": 1}', '{"home": 1, "a": 1}'),
        BASE.replace('{"home": 1}', '{"home": 1, "a": 2}'),
    ),
    "the same value changed": (BASE.replace('{"home": 1}', '{"home": 2}'), BASE.replace('{"home": 1}', '{"home": 3}')),
    "deleted and changed": (BASE[: BASE.index("def first")], BASE.replace("os.name", "2")),
    "both renamed the same": (BASE.replace("def first", "def one"), BASE.replace("def first", "def two")),
    "both changed an element": (BASE.replace('"core"', '"one"'), BASE.replace('"core"', '"two"')),
    "statements where order matters": (BASE + "\nfirst()\n", BASE + "\nprint(1)\n"),
    "both changed the head of a class": (
        BASE.replace("class Shop:", "class Shop(A):"),
        BASE.replace("class Shop:", "class Shop(B):"),
    ),
    "both changed the documentation": (BASE.replace("A shop", "One shop"), BASE.replace("A shop", "The shop")),
    "no Python": (BASE + "\ndef (:\n", BASE + "\n\ndef two():\n    pass\n"),
    "two on a line": (BASE + "\nx = 1; y = 2\n", BASE + "\n\ndef two():\n    pass\n"),
    "one took away what the other uses": (
        BASE.replace("import os\n", "import json\n").replace("os.name", "json"),
        BASE + "\n\ndef two():\n    return os.sep\n",
    ),
    "mixed line ends": (BASE.replace("\n", "\r\n") + "\r\n\r\ndef a(): pass\r\n", BASE + "\n\ndef two():\n    pass\n"),
    "moved": (
        BASE.replace("import os\n", "").replace("import Book\n", "import Book\nimport os\n"),
        put(BASE, "import os\n", "import re\n"),
    ),
}


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_what_takes_a_judgement_is_left_alone(name: str) -> None:
    ours, theirs = LEFT_ALONE[name]

    assert merged(ours, theirs) is None
    assert merged(theirs, ours) is None


def test_a_name_that_stands_twice_is_not_understood() -> None:
    base = "x = 1\nx = 2\n"

    assert merged(base + "\n\ndef a():\n    pass\n", base + "\n\ndef b():\n    pass\n", base) is None


def test_other_files_are_not_touched() -> None:
    assert merged("a\nb\n", "a\nc\n", "a\n", "notes.txt") is None
    assert merged('{"a": 1, "b": 2}', '{"a": 1, "c": 2}', '{"a": 1}', "data.json") is None


@pytest.mark.parametrize(
    ("path", "base", "ours", "theirs", "expected"),
    [
        (".gitignore", "*.pyc\n", "*.pyc\n.env\n", "*.pyc\nbuild/\n", "*.pyc\n.env\nbuild/\n"),
        (".gitignore", "*.pyc\n", "*.pyc\n.env\n", "*.pyc\n!keep.pyc\n", None),
        (".gitignore", "*.pyc\n", "*.pyo\n", "*.pyc\nbuild/\n", None),
        ("requirements.txt", "a==1\n", "a==1\nb==1\n", "a==1\nc==1\n", "a==1\nb==1\nc==1\n"),
        ("requirements-dev.txt", "a==1", "a==1\nb==1", "a==1\nc==1", "a==1\nb==1\nc==1"),
        ("requirements.txt", "a==1\n", "a==1\nb_x==1\n", "a==1\nB-X==2\n", None),
        ("requirements.txt", "a==1\n", "a==1\nb==1\n", "a==1\n-r other.txt\n", None),
        ("CHANGELOG.md", "# New\n\n- a\n", "# New\n\n- b\n- a\n", "# New\n\n- c\n- a\n", "# New\n\n- b\n- c\n- a\n"),
        ("CHANGELOG.md", "# Log\n", "# Log\n\n## 1.1\n", "# Log\n\n## 1.2\n", None),
        (".gitignore", "a\r\n", "a\r\nb\r\n", "a\r\nc\r\n", "a\r\nb\r\nc\r\n"),
    ],
)
def test_lists_of_lines_take_the_lines_of_both(
    path: str, base: str, ours: str, theirs: str, expected: str | None
) -> None:
    assert merged(ours, theirs, base, path) == expected


# ---------------------------------------------------------------- laws

NAMES = st.sampled_from([f"n{number}" for number in range(12)])
BODIES = st.sampled_from(["return 1", "return 2", "x = [1]\n    return x", "yield"])


@st.composite
def modules(draw: st.DrawFn) -> str:
    parts = [f"import {name}" for name in draw(st.lists(NAMES.map(lambda n: f"m_{n}"), unique=True, max_size=3))]
    froms = draw(st.lists(NAMES.map(lambda n: f"f_{n}"), unique=True, max_size=3))
    parts += [f"from base import {', '.join(froms)}"] if froms else []
    rows = draw(st.lists(NAMES, unique=True, max_size=4))
    layout = draw(st.booleans())
    listed = "\n".join(f"    '{row}'," for row in rows)
    parts.append(f"ROWS = [\n{listed}\n]" if layout and rows else f"ROWS = [{', '.join(repr(row) for row in rows)}]")
    keys = draw(st.dictionaries(NAMES, st.integers(0, 2), max_size=3))
    parts.append(f"KEYS = {{{', '.join(f'{key!r}: {value}' for key, value in keys.items())}}}")
    for name, body in draw(st.dictionaries(NAMES, BODIES, max_size=4)).items():
        parts.append(f"\n\n# about {name}\ndef {name}():\n    {body}")
    methods = draw(st.dictionaries(NAMES, BODIES, min_size=1, max_size=3))
    inner = "\n\n".join(
        f"    def {name}(self):\n        {body.replace(chr(10), chr(10) + '    ')}" for name, body in methods.items()
    )
    parts.append(f"\n\nclass Thing:\n{inner}")
    return "\n".join(parts) + draw(st.sampled_from(["\n", ""]))


@given(modules(), modules())
@settings(max_examples=40, deadline=None)
def test_a_side_that_changed_nothing_gives_way(base: str, changed: str) -> None:
    assert merged(base, changed, base) == changed
    assert merged(changed, base, base) == changed
    assert merged(changed, changed, base) == changed


@given(modules(), modules(), modules())
@settings(max_examples=60, deadline=None)
def test_a_merge_says_the_same_whichever_side_is_first(base: str, ours: str, theirs: str) -> None:
    one, other = merged(ours, theirs, base), merged(theirs, ours, base)

    if one is not None and other is not None:
        assert facts_of(ast.parse(one).body) == facts_of(ast.parse(other).body)


@st.composite
def grown(draw: st.DrawFn) -> tuple[str, str, str, set[str]]:
    """A module, and two that each put something of their own into it."""
    base = draw(modules())
    base = base if base.endswith("\n") else f"{base}\n"
    sides: list[str] = []
    put_in: set[str] = set()
    for side in ("ours", "theirs"):
        names = [f"{side}_{name}" for name in draw(st.lists(NAMES, unique=True, min_size=1, max_size=3))]
        text = base
        for name in names:
            match draw(st.integers(0, 3)):
                case 0:
                    text = f"import {name}\n{text}"
                case 1:
                    text += f"\n\ndef {name}():\n    return 1\n"
                case 2:
                    text += f"\n    def {name}(self):\n        return 2\n" if "\n\ndef ours" not in text else ""
                    if name not in text:
                        text += f"\n\nclass {name}:\n    pass\n"
                case 3:
                    text = text.replace("KEYS = {", f"KEYS = {{'{name}': 9, ", 1).replace(", }", "}")
            put_in.add(name)
        sides.append(text)
    return base, sides[0], sides[1], put_in


@given(grown())
@settings(max_examples=60, deadline=None)
def test_nothing_is_lost_and_nothing_is_invented(case: tuple[str, str, str, set[str]]) -> None:
    base, ours, theirs, put_in = case

    result = merged(ours, theirs, base)

    if result is None:
        return
    facts = [facts_of(ast.parse(text).body) for text in (base, ours, theirs, result)]
    assert all(found is not None for found in facts)
    before, left, right, after = (set(found or ()) for found in facts)
    assert after == left | right
    assert before <= after
    assert all(name in result for name in put_in)


def test_the_cases_of_the_laws_are_merged_as_a_rule() -> None:
    """Laws that only ever saw None would prove nothing."""
    tried, done = 0, 0

    @given(grown())
    @settings(max_examples=50, deadline=None, derandomize=True)
    def count(case: tuple[str, str, str, set[str]]) -> None:
        nonlocal tried, done
        base, ours, theirs, _ = case
        tried += 1
        done += merged(ours, theirs, base) is not None

    count()
    assert done > tried / 3
