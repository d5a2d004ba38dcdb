from equitr_coder.presentation.text import Line, Tone
from equitr_coder.repl.screen import Screen


def screen(*, colour: bool = False) -> tuple[Screen, list[str]]:
    written: list[str] = []
    return Screen(written.append, colour=colour, columns=lambda: 80), written


def test_a_line_after_streamed_text_begins_a_line() -> None:
    shown, written = screen()

    shown.stream("half")
    shown.stream(" a line")
    shown.say("whole")
    shown.stream("ended\n")
    shown.say("next")

    assert "".join(written) == "half a line\nwhole\nended\nnext\n"


def test_nothing_to_show_does_not_break_a_streamed_line() -> None:
    shown, written = screen()

    shown.stream("half")
    shown.show([])
    shown.stream(" a line")

    assert "".join(written) == "half a line"


def test_an_error_is_two_lines_whatever_it_says() -> None:
    shown, written = screen()

    shown.complain("two\nlines", "do\nthis")
    shown.complain("no hint", "")

    assert "".join(written) == "error: two lines\nhint: do this\nerror: no hint\n"


def test_colour_repeats_the_tone_only_where_there_is_colour() -> None:
    shown, written = screen(colour=True)
    shown.show([Line("bad \x1b[0m", Tone.BAD)])
    assert written == ["\x1b[31mbad \\x1b[0m\x1b[0m\n"]

    shown, written = screen()
    shown.show([Line("bad", Tone.BAD)])
    assert written == ["bad\n"]
