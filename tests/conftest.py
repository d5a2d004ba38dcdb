"""For every test: laws are held to their content, never to the clock; what failed is listed for a second look."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("steady", deadline=None)
settings.load_profile("steady")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """The file that `FAILED_TESTS` names gets a line for each (`make unit` runs them again, alone)."""
    listed = os.environ.get("FAILED_TESTS")
    if report.failed and listed and "PYTEST_XDIST_WORKER" not in os.environ:
        with Path(listed).open("a") as file:
            file.write(re.sub(r"@[\w-]+$", "", report.nodeid) + "\n")  # without the name of an xdist group
