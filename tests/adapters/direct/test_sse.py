from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from equitr_coder.adapters.direct.sse import EventStream


def payloads(*pieces: bytes) -> list[str]:
    stream = EventStream()
    found = [payload for piece in pieces for payload in stream.feed(piece)]
    return [*found, *stream.close()]


STREAM = (
    b"\xef\xbb\xbf: hello\r\n\r\n"
    b'data: {"text": "gr\xc3\xbc\xc3\x9fe \xf0\x9f\x8e\x89"}\r\n\r\n'
    b": keep-alive\n\n"
    b"event: message\nid: 7\ndata:no space\n\n"
    b"data: two\r\ndata: lines\r\n\r\n"
    b'data: {"a": 1}\ndata: {"b": 2}\n'
    b"database: not a payload\nretry: 10\n\n"
    b"data: last\rdata: [DONE]"
)
WHOLE = ['{"text": "grüße 🎉"}', "no space", "two\nlines", '{"a": 1}', '{"b": 2}', "last\n[DONE]"]


def test_payloads_are_found_among_comments_and_other_fields() -> None:
    assert payloads(STREAM) == WHOLE


@given(st.lists(st.integers(0, len(STREAM)), max_size=40))
@example(list(range(len(STREAM))))
def test_where_the_bytes_are_cut_makes_no_difference(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:end] for start, end in pairwise(places)]

    assert payloads(*pieces) == WHOLE


def test_a_line_end_split_between_pieces_ends_one_line_only() -> None:
    assert payloads(b"data: a\r", b"\ndata: b\r\n\r", b"\ndata: c\r\n\r\n") == ["a\nb", "c"]


def test_a_payload_is_handed_out_as_soon_as_its_blank_line_is_there() -> None:
    stream = EventStream()

    assert stream.feed(b"data: a\n") == []
    assert stream.feed(b"\n") == ["a"]
    assert stream.close() == []
