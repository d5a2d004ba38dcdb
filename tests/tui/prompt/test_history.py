"""The file of old requests is one for both prompts."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.presentation.past_requests import LONGEST_REQUEST, read_requests, written_request
from equitr_coder.repl.history import open_history
from equitr_coder.tui.prompt.history import History

REQUESTS = ("one line", "two\nlines", "+plus\n# hash\n\nblank", "é漢")


def test_what_the_inline_prompt_kept_is_known(tmp_path: Path) -> None:
    inline = open_history(tmp_path / "history")
    for text in REQUESTS:
        inline.append_string(text)

    assert tuple(History(tmp_path / "history").requests) == REQUESTS


def test_what_it_keeps_the_inline_prompt_knows(tmp_path: Path) -> None:
    history = History(tmp_path / "home" / "history")
    for text in REQUESTS:
        history.add(text)

    assert tuple(reversed(list(open_history(tmp_path / "home" / "history").load_history_strings()))) == REQUESTS


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "home" / "history"
    History(path).add("secret")

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_long_request_is_not_kept_in_the_file(tmp_path: Path) -> None:
    history = History(tmp_path / "history")
    history.add("x" * (LONGEST_REQUEST + 1))

    assert len(history.requests) == 1
    assert list(History(tmp_path / "history").requests) == []


def test_a_home_that_cannot_be_written_costs_the_history_only(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    history = History(tmp_path / "file" / "history")
    history.add("said")

    assert list(history.requests) == ["said"]


def test_of_a_very_long_file_the_end_is_read(tmp_path: Path) -> None:
    history = History(tmp_path / "history")
    for number in range(100):
        history.add(f"request {number}")

    read = History(tmp_path / "history", at_most=200).requests

    assert read[-1] == "request 99"
    assert len(read) < 10


@pytest.mark.parametrize(("wanted", "before", "found"), [("FIX", None, 2), ("fix", 2, 0), ("fix", 0, None)])
def test_the_newest_request_with_a_text(wanted: str, before: int | None, found: int | None) -> None:
    history = History()
    for text in ("fix a", "add", "fix b"):
        history.add(text)

    assert history.newest_with(wanted, before) == found


@given(st.lists(st.text(alphabet="a+# \n", min_size=1)))
def test_what_is_written_is_read(requests: list[str]) -> None:
    written = "".join(written_request(text, datetime(2026, 1, 1, tzinfo=UTC)) for text in requests)

    assert read_requests(written) == requests
