from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.engine.instructions import MOST, folder_block, general_block

texts = st.text("ab\n", min_size=1, max_size=60).map(lambda text: text * 400)


def test_no_instructions_no_block() -> None:
    assert general_block([]) == folder_block([]) == ""


def test_what_fits_is_shown_whole() -> None:
    shown = general_block([("AGENTS.md", "a\nb"), (".equitr/instructions.md", "c")])

    assert shown.endswith(
        '<instructions path="AGENTS.md">\na\nb\n</instructions>\n\n'
        '<instructions path=".equitr/instructions.md">\nc\n</instructions>'
    )


@given(st.lists(texts, min_size=1, max_size=4))
def test_those_of_folders_are_capped_together_and_the_nearest_is_cut_last(found: list[str]) -> None:
    instructions = [(f"{number}/AGENTS.md", text) for number, text in enumerate(found)]

    shown = folder_block(instructions)

    assert len(shown) < MOST + 1_000
    is_whole = [f'"{path}">\n{text}\n</instructions>' in shown for path, text in instructions]
    assert is_whole == sorted(is_whole)
    assert all(is_whole) == (sum(map(len, found)) <= MOST)
    assert all(
        whole or f"read_file opens all of {path} ...]" in shown
        for whole, (path, _) in zip(is_whole, instructions, strict=True)
    )
