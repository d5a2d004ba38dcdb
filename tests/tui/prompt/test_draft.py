"""Laws of the text being written."""

from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.tui.prompt.draft import Draft, Editing
from equitr_coder.tui.prompt.wrapped import Wrapping, row_of

TEXT = st.text(alphabet="ab \n\té漢\U000f0000\U000f0001\x1b", max_size=40)
PASTES = st.lists(st.one_of(TEXT, TEXT.map(lambda text: text + "\n" * 7)), max_size=5)


def pasted(pieces: list[str]) -> Editing:
    editing = Editing()
    for piece in pieces:
        editing.paste(piece)
    return editing


@given(PASTES)
def test_what_was_pasted_is_sent_as_it_was(pieces: list[str]) -> None:
    assert pasted(pieces).text == "".join(pieces)


@given(PASTES, PASTES)
def test_what_is_typed_and_pasted_in_turn_is_sent_as_it_was(typed: list[str], pastes: list[str]) -> None:
    editing = Editing()
    for first, second in zip(typed, pastes, strict=False):
        editing.type(first)
        editing.paste(second)

    assert editing.text == "".join(first + second for first, second in zip(typed, pastes, strict=False))


@given(PASTES, st.data())
def test_undo_takes_back_each_change_and_redo_brings_it_again(pieces: list[str], data: st.DataObject) -> None:
    editing = pasted(pieces)
    before = editing.draft
    start = data.draw(st.integers(0, len(before.text)))
    end = data.draw(st.integers(start, len(before.text)))

    editing.kill(start, end)
    after = editing.draft
    if after != before:
        editing.undo()
    assert editing.draft == before
    if after != before:
        editing.redo()
        assert editing.draft == after


@given(PASTES, st.data())
def test_a_kill_and_a_yank_leave_the_text(pieces: list[str], data: st.DataObject) -> None:
    editing = pasted(pieces)
    before = editing.text
    start = data.draw(st.integers(0, len(editing.draft.text)))

    editing.kill(start, len(editing.draft.text))
    editing.yank()

    assert editing.text == before


@given(PASTES)
def test_unfolded_pastes_are_the_same_text(pieces: list[str]) -> None:
    editing = pasted(pieces)
    before = editing.text
    for _ in pieces:
        editing.expand()

    assert editing.text == before


@given(PASTES, st.integers(1, 30))
def test_every_character_stands_on_one_row(pieces: list[str], width: int) -> None:
    editing = pasted(pieces)
    wrapping = Wrapping(lambda each: editing.label(each) if each in editing.chips else None)
    text = editing.draft.text

    rows = wrapping.rows(text, width)

    on_rows = [index for row in rows for index in range(row.start, row.end)]
    assert on_rows == [index for index, each in enumerate(text) if each != "\n"]
    for cursor in range(len(text) + 1):
        assert rows[row_of(rows, cursor)].start <= cursor
    for row in rows:
        if row.end - row.start > 1:
            assert wrapping.column(text, row, row.end) <= width


@given(PASTES, st.integers(2, 30))
def test_a_cell_leads_to_the_character_in_it(pieces: list[str], width: int) -> None:
    editing = pasted(pieces)
    wrapping = Wrapping(lambda each: editing.label(each) if each in editing.chips else None)
    text = editing.draft.text

    for row in wrapping.rows(text, width):
        for index in range(row.start, row.end):
            assert wrapping.index(text, row, wrapping.column(text, row, index)) >= index


def test_kills_one_after_another_come_back_together() -> None:
    editing = Editing()
    editing.become(Draft("one two three", 7))
    editing.kill(editing.draft.blank_left, editing.draft.cursor)
    editing.kill(editing.draft.blank_left, editing.draft.cursor)
    editing.kill(editing.draft.cursor, len(editing.draft.text))
    assert editing.draft.text == ""

    editing.yank()

    assert editing.draft.text == "one two three"


def test_a_label_says_how_much_was_pasted() -> None:
    editing = Editing()
    editing.paste("a\n" * 42)
    editing.paste("b" * 5000)

    assert [editing.label(chip) for chip in editing.chips] == ["[pasted 42 lines]", "[pasted 1 line, 5000 characters]"]


def test_a_private_character_from_outside_is_no_chip() -> None:
    editing = Editing()
    editing.paste("a\n" * 42)
    chip = editing.draft.text
    editing.paste(chip)

    assert editing.text == "a\n" * 42 + chip
