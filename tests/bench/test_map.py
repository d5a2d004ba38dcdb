"""The bench of finding things plays on generated repositories; nothing is said of how large its figures are."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "bench" / "map.py"


@pytest.mark.slow
def test_every_row_has_a_figure_and_every_engine_finds_the_same(tmp_path: Path) -> None:
    argv = [sys.executable, str(PROGRAM), "--files", "120", "--megabytes", "0.5", "--keep", str(tmp_path / "kept")]

    played = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert played.returncode == 0, played.stderr
    rows = [line.strip("| ").split(" | ") for line in played.stdout.splitlines() if line.startswith("| ")][1:]
    assert all(re.match(r"[\d.]+ (s|ms|MB)", figure) for _, figure in rows)
    assert sum("first map (" in what for what, _ in rows) == 2
    found = [what.split(": ")[1] for what, _ in rows if " hits)" in what]
    assert found[:3] == found[3:6] == found[6:9]
    assert not found[1].startswith("a common word (0")
