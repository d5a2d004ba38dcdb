"""A sample of the main runs once more, with models that know no native tools: the text protocol is forced."""

import pytest

from tests.e2e.test_chat import *  # noqa: F403
from tests.e2e.test_spine import *  # noqa: F403


@pytest.fixture
def tools() -> str:
    return "text"
