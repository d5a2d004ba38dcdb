import pytest
from prompt_toolkit.input.vt100_parser import Vt100Parser
from prompt_toolkit.key_binding import KeyPress

from equitr_coder.repl.type_ahead import TypeAhead


def keys(typed: str) -> list[KeyPress]:
    pressed: list[KeyPress] = []
    parser = Vt100Parser(pressed.append)
    parser.feed(typed)
    parser.flush()
    return pressed


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("fix it", "fix it"),
        ("fix it\r", "fix it"),
        ("one\rtwo\n", "one\ntwo"),
        ("fixx\x7f it", "fix it"),
        ("wrong\x15right", "right"),
        ("one\rwrong\x15two", "one\ntwo"),
        ("keep this word\x17", "keep this "),
        ("one\rword\x17two", "one\ntwo"),
        ("a\x1b[Db\x1b[3~", "ab"),
        ("\x1b[200~two\r\nlines\x1b[201~", "two\nlines"),
        ("漢字", "漢字"),
    ],
)
def test_keys_become_the_text_they_would_have_made(typed: str, text: str) -> None:
    ahead = TypeAhead()
    ahead.press(keys(typed))

    assert ahead.take() == text
    assert ahead.take() == ""


def test_interrupts_are_counted_and_leave_the_text_alone() -> None:
    ahead = TypeAhead()

    assert ahead.press(keys("on\x03e\x03")) == 2
    assert ahead.take() == "one"
