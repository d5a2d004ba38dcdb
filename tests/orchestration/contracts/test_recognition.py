import pytest

from equitr_coder.orchestration.contracts.checking import described
from equitr_coder.orchestration.contracts.recognition import (
    JsonSchema,
    OpenApi,
    PromisedTests,
    PythonStub,
    recognise,
)

DEF = "def total(prices: list[int]) -> int: ...\n"
PYTEST = "from orders import total\n\ndef test_total():\n    assert total([1]) == 1\n"
UNITTEST = "import unittest\n\nclass Totals(unittest.TestCase):\n    def test_total(self): ...\n"


def files_of(content: str) -> list[str]:
    contract = recognise(content)
    assert isinstance(contract, PythonStub), contract
    return [file for file, _ in contract.sections]


@pytest.mark.parametrize(
    ("content", "files"),
    [
        (DEF, [""]),
        (f"# shop/orders.py\n{DEF}", ["shop/orders.py"]),
        (f"# file: shop/orders.py\n{DEF}", ["shop/orders.py"]),
        (f"# a.py\n{DEF}\n# b.pyi\nclass B: ...\n", ["a.py", "b.pyi"]),
        (f"Words.\n\n```python\n# a.py\n{DEF}```\n\nMore:\n\n~~~py\nclass B: ...\n~~~\n", ["a.py", ""]),
        (f"### `shop/orders.py`\n```python\n{DEF}```\n", ["shop/orders.py"]),
        ("# limits.py\nMOST = 3\n", ["limits.py"]),
        ("async def fetch(url: str) -> bytes\n", [""]),
    ],
)
def test_python_is_recognised_with_the_files_it_names(content: str, files: list[str]) -> None:
    assert files_of(content) == files


@pytest.mark.parametrize(
    ("content", "file", "is_unittest"),
    [
        (PYTEST, "", False),
        (f"# tests/test_total.py\n{PYTEST}", "tests/test_total.py", False),
        (UNITTEST, "", True),
        (f"import pytest\n{UNITTEST}", "", False),
        (f"```python\n{PYTEST}```", "", False),
        ("class TestTotal:\n    def test_one(self): ...\n", "", False),
    ],
)
def test_a_test_module_is_recognised_with_what_runs_it(content: str, file: str, is_unittest: bool) -> None:
    contract = recognise(content)

    assert isinstance(contract, PromisedTests)
    assert (contract.file, contract.is_unittest) == (file, is_unittest)
    assert "tests are run" in described(content)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ('{"type": "object", "properties": {}}', JsonSchema),
        ('```json\n{"$schema": "https://json-schema.org/draft/2020-12/schema"}\n```', JsonSchema),
        ("title: Order\ntype: object\nproperties:\n  id: {type: integer}\n", JsonSchema),
        ('{"openapi": "3.1.0", "info": {}, "paths": {}}', OpenApi),
        ("openapi: 3.1.0\npaths:\n  /orders: {}\n", OpenApi),
    ],
)
def test_documents_are_recognised(content: str, kind: type) -> None:
    assert isinstance(recognise(content), kind)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "The service answers with a list.",
        "status: pending",
        "x = 1\n",
        '{"id": 1, "total": 3}',
        "[1, 2]",
        "interface Order { id: number }",
        "CREATE TABLE orders (id INTEGER PRIMARY KEY);",
        "def is a word, and class another",
        "type: poem\ntitle: Ode\n",
    ],
)
def test_words_and_other_languages_are_not_guessed_at(content: str) -> None:
    assert recognise(content) is None
    assert "nothing in it can be compared" in described(content)
