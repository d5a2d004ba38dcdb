"""The matrix (docs/test-matrix.md) and the tests name each other."""

import ast
import re
from pathlib import Path

FOLDER = Path(__file__).parent
PAGE = FOLDER.parents[1] / "docs" / "test-matrix.md"
APART = {"test_matrix.py"}


def test_every_case_of_the_matrix_is_a_test_and_every_test_is_in_the_matrix() -> None:
    listed = set()
    module = ""
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            module = line.rpartition(": ")[2]
        row = re.fullmatch(r"\| [A-Z]\d+ \|.*\| (\w+) \|", line)
        if row:
            listed.add(f"{module}::test_{row[1]}")
    written = {
        f"{path.name}::{node.name}"
        for path in FOLDER.glob("test_*.py")
        if path.name not in APART
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }

    assert listed == written


def test_every_id_of_the_matrix_is_used_once() -> None:
    ids = re.findall(r"^\| ([A-Z]\d+) \|", PAGE.read_text(), flags=re.MULTILINE)

    assert sorted(ids) == sorted(set(ids))
    assert len(ids) > 100
