"""docs/money.md claims nothing without a test: every test that it names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "money.md").read_text()


def test_every_test_that_the_page_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/.]+\.py)::(\w+)`", PAGE)

    missing = [
        (path, name)
        for path, name in named
        if not re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE)
    ]

    assert missing == []
    assert len(set(named)) >= 35


def test_every_key_that_the_page_names_is_a_key_of_the_configuration() -> None:
    default = (ROOT / "config" / "default.yaml").read_text()
    keys = {key for path in re.findall(r"`llm((?:\.\w+)+)`", PAGE) for key in path.strip(".").split(".")}

    assert keys >= {"budget", "limits", "task", "agent", "workflows", "prices"}
    assert [key for key in keys if not re.search(rf"^ +{key}:", default, re.MULTILINE)] == []
