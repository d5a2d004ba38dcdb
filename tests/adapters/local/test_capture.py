from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.adapters.local.capture import Capture


@given(st.lists(st.binary(max_size=40), max_size=30), st.integers(2, 60))
def test_head_and_tail_are_kept_whatever_the_pieces(pieces: list[bytes], cap: int) -> None:
    capture = Capture(cap)
    for piece in pieces:
        capture.add(piece)
    whole = b"".join(pieces)

    output = capture.output()

    assert capture.is_truncated == (len(whole) > cap)
    if len(whole) <= cap:
        assert output == whole
    else:
        head, tail = whole[: cap - cap // 2], whole[len(whole) - cap // 2 :]
        assert output == head + b"\n[... %d bytes left out ...]\n" % (len(whole) - cap) + tail


def test_a_flood_is_held_in_little_memory() -> None:
    capture = Capture(1000)
    for _ in range(1000):
        capture.add(b"x" * 10_000)

    assert len(capture._tail) < 200_000
    assert capture.output().endswith(b"x" * 500)
