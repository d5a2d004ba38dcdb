"""Every text that a model is sent, against the files in `golden/`. A change there is a change of behaviour: read it.

`UPDATE_GOLDEN=1 pytest tests/prompts` writes the files anew.
"""

import os
from collections.abc import Mapping
from difflib import unified_diff
from pathlib import Path

_GOLDEN = Path(__file__).parent / "golden"


def test_every_text_is_as_its_golden_file_says(texts: Mapping[str, str]) -> None:
    if os.environ.get("UPDATE_GOLDEN") == "1":
        _GOLDEN.mkdir(exist_ok=True)
        for stale in _GOLDEN.glob("*.txt"):
            stale.unlink()
        for name, text in texts.items():
            (_GOLDEN / f"{name}.txt").write_text(f"{text}\n", encoding="utf-8")

    kept = {file.stem: file.read_text(encoding="utf-8") for file in _GOLDEN.glob("*.txt")}
    differences = [
        line
        for name in sorted({*texts, *kept})
        for line in unified_diff(
            kept.get(name, "").splitlines(),
            f"{texts[name]}\n".splitlines() if name in texts else [],
            f"golden/{name}.txt",
            f"{name} now",
            lineterm="",
        )
    ]

    assert not differences, "\n".join([*differences, "", "If this is meant: UPDATE_GOLDEN=1 pytest tests/prompts"])
