from pathlib import Path
from typing import get_args

import pytest

from equitr_coder.domain import events
from equitr_coder.domain.errors import StopReason

PAGE = (Path(__file__).parents[2] / "docs" / "events.md").read_text()
TYPES = get_args(get_args(events.Event)[0])


@pytest.mark.parametrize("event", TYPES, ids=lambda event: event.model_fields["type"].default)
def test_the_page_names_every_event_and_each_of_its_fields(event: type[events.EventBase]) -> None:
    name = event.model_fields["type"].default
    section = PAGE.split(f"## {name}\n")[1].split("\n## ")[0]
    common = {*events.AgentEvent.model_fields, "type"}

    missing = [field for field in event.model_fields if field not in common and f"`{field}`" not in section]

    assert missing == []


def test_the_page_lists_every_reason() -> None:
    assert [reason for reason in StopReason if f"`{reason.value}`" not in PAGE] == []
