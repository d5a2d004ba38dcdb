"""docs/guarantees.md claims nothing without a test: every test that it names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guarantees.md").read_text()


def test_every_test_that_the_page_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/.]+\.py)::(\w+)`", PAGE)

    missing = [
        (path, name)
        for path, name in named
        if not re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE)
    ]

    assert missing == []
    assert len(set(named)) >= 30


def test_every_guarantee_names_its_test() -> None:
    claims, limits = PAGE.split("## What is not guaranteed")
    lines = re.split(r"\n(?=- |\| )", claims.split("## Kill it anywhere")[1])
    silent = [line for line in lines if line.startswith(("- ", "| **")) and "test" not in line]

    assert silent == []
    assert limits.count("- **") >= 6
