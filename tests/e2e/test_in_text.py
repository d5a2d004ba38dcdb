"""A sample of the main runs once more, with models that know no native tools: the text protocol is forced."""

import pytest

from tests.e2e.test_chat import (
    test_a_dirty_checkout_is_worked_on_in_place,
    test_a_subfolder_means_its_repository,
)
from tests.e2e.test_merging import test_parallel_edits_of_one_file_are_merged
from tests.e2e.test_spine import (
    test_a_chat_edits_the_checkout_and_answers,
    test_a_planned_epic_is_built_proven_and_landed,
)

__all__ = (
    "test_a_chat_edits_the_checkout_and_answers",
    "test_a_dirty_checkout_is_worked_on_in_place",
    "test_a_planned_epic_is_built_proven_and_landed",
    "test_a_subfolder_means_its_repository",
    "test_parallel_edits_of_one_file_are_merged",
)


@pytest.fixture
def tools() -> str:
    return "text"
