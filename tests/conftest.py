"""For every test: laws are held to their content, never to the clock; what failed is listed for a second look."""

import os
import re
import signal
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # Begun in the background of a script, where the shell has it ignored: the programs under test must hear it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("steady", deadline=None)
settings.load_profile("steady")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """The file that `FAILED_TESTS` names gets a line for each (`make unit` runs them again, alone)."""
    listed = os.environ.get("FAILED_TESTS")
    if report.failed and listed and "PYTEST_XDIST_WORKER" not in os.environ:
        with Path(listed).open("a") as file:
            file.write(re.sub(r"@[\w-]+$", "", report.nodeid) + "\n")  # without the name of an xdist group


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`sample(n)`: of the cases of a test one in n is in the default run, the others are slow."""
    seen: Counter[str] = Counter()
    for item in items:
        if sample := item.get_closest_marker("sample"):
            family = item.nodeid.partition("[")[0]
            if seen[family] % sample.args[0]:
                item.add_marker(pytest.mark.slow)
            seen[family] += 1
