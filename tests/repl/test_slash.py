import pytest

from equitr_coder.domain.errors import UserError
from equitr_coder.presentation.slash import SLASH_COMMANDS, is_slash, read_slash, slash_help_lines


@pytest.mark.parametrize("text", ["/help", "/model stub/x", "/", "/plan a\tshop ", "/HELP", "/undo\n"])
def test_one_line_that_begins_with_a_slash_and_a_name_is_a_command(text: str) -> None:
    assert is_slash(text)


@pytest.mark.parametrize("text", ["", " /help", "/usr/bin is full", "//x", "/help\nme", "help", "/plan a\nshop"])
def test_paths_several_lines_and_a_leading_space_are_not(text: str) -> None:
    assert not is_slash(text)


@pytest.mark.parametrize(
    ("text", "name", "rest"),
    [
        ("/help", "/help", ""),
        ("/Help", "/help", ""),
        ("/model  stub/x ", "/model", "stub/x"),
        ("/mu on", "/multi-agent", "on"),
        ("/plan a shop", "/plan", "a shop"),
    ],
)
def test_a_command_is_read_whole_or_by_an_unmistakable_beginning(text: str, name: str, rest: str) -> None:
    command, argument = read_slash(text)

    assert (command.name, argument) == (name, rest)


@pytest.mark.parametrize(
    ("text", "guess"),
    [("/c", "did you mean /cost or /clear? "), ("/modle x", "did you mean /model? "), ("/zzz", "")],
)
def test_an_unclear_command_is_refused_with_what_was_meant(text: str, guess: str) -> None:
    with pytest.raises(UserError, match="there is no command") as caught:
        read_slash(text)

    assert caught.value.hint.startswith(f"{guess}/help lists the commands")


def test_help_has_one_line_for_each_command() -> None:
    assert len(slash_help_lines()) == len(SLASH_COMMANDS)
    assert [command.name for command in SLASH_COMMANDS] == (
        [
            "/help",
            "/status",
            "/cost",
            "/model",
            "/multi-agent",
            "/plan",
            "/run",
            "/diff",
            "/undo",
            "/redo",
            "/rewind",
            "/trust",
            "/clear",
            "/quit",
        ]
    )
