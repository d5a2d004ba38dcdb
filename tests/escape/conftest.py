import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.escape.machine import Machine

PATH = f"{Path(sys.base_prefix) / 'bin'}:/usr/local/bin:/usr/bin:/bin"


@pytest.fixture(scope="session")
def scratch() -> Iterator[Machine]:
    folder = Path(tempfile.mkdtemp(prefix="equitr-escape-"))
    try:
        (folder / "m").mkdir()
        with Machine(folder / "m", PATH) as made:
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)
