import base64
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.adapters.keys.held import HeldKeys, hold_environment
from equitr_coder.adapters.models.providers import KEY_VARIABLES
from equitr_coder.domain.commands import StartRun
from equitr_coder.domain.runs import RunKind

KEY = "shop-k3y-Ab3dEf6hIj9kLm2n"


def holding(**keys: str) -> HeldKeys:
    held = HeldKeys()
    for name, value in keys.items():
        held.hold(name, value)
    return held


def test_a_key_becomes_its_name_in_text_and_bytes() -> None:
    held = holding(SHOP_KEY=KEY)

    assert held.text(f"<{KEY}>") == "<[key SHOP_KEY]>"
    assert held.data(b"\xff" + KEY.encode() + b"\n") == b"\xff[key SHOP_KEY]\n"
    assert KEY[3:18] not in held.text(base64.b64encode(f"id:{KEY}:end".encode()).decode())


def test_a_replaced_key_is_held_still() -> None:
    held = holding(SHOP_KEY=KEY)
    held.hold("SHOP_KEY", "another-k3y-of-the-shop")

    assert held.text(f"{KEY} another-k3y-of-the-shop") == "[key SHOP_KEY] [key SHOP_KEY]"


def test_a_value_without_a_key_is_the_very_same_and_one_with_it_is_of_its_type() -> None:
    held = holding(SHOP_KEY=KEY)
    clean = StartRun(kind=RunKind.CHAT, request='say "hello"')

    assert held.value(clean) is clean
    assert held.value(StartRun(kind=RunKind.CHAT, request=f'say "{KEY}"')) == StartRun(
        kind=RunKind.CHAT, request='say "[key SHOP_KEY]"'
    )


@given(st.lists(st.integers(min_value=0, max_value=60), max_size=8), st.text("xk-", max_size=20))
def test_no_piece_of_a_stream_shows_a_part_that_completes_a_key(cuts: list[int], before: str) -> None:
    held = holding(SHOP_KEY=KEY)
    text = f"{before}{KEY} and more"
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    shown, kept = "", ""

    for start, end in pairwise(places):
        piece = held.text(kept + text[start:end])
        held_back = held.unfinished(piece)
        shown, kept = shown + piece[: len(piece) - held_back], piece[len(piece) - held_back :]

    assert shown + kept == held.text(text)


def test_marks_are_those_of_held_keys() -> None:
    held = holding(SHOP_KEY=KEY)

    assert held.marks("a [key SHOP_KEY] and a [key OTHER]") == ["[key SHOP_KEY]"]


def test_the_environment_s_keys_are_held_by_their_names() -> None:
    held = HeldKeys()
    environ = {
        "OPENAI_API_KEY": f" {KEY}\n",
        "MINE": "my-own-k3y",
        "PATH": "/usr/bin:/bin:/usr/local/bin",
        "X_API_KEY": "",
    }

    hold_environment(held, environ, ["MINE"])

    assert held.text(f"{KEY} my-own-k3y /usr/bin:/bin:/usr/local/bin") == (
        "[key OPENAI_API_KEY] [key MINE] /usr/bin:/bin:/usr/local/bin"
    )
    assert all(name.endswith("_API_KEY") for name in KEY_VARIABLES)
