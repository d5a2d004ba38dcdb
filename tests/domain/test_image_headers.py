from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from equitr_coder.domain.image_headers import media_type, read_size
from equitr_coder.domain.images import MediaType, Size
from tests.pictures import gif, headed_png, jpeg, png, webp

SIDES = st.integers(1, 16_383)
MAKERS: dict[str, tuple[MediaType, object]] = {
    "png": ("image/png", headed_png),
    "jpeg": ("image/jpeg", jpeg),
    "jpeg, progressive": ("image/jpeg", lambda width, height: jpeg(width, height, frame=0xC2)),
    "gif": ("image/gif", gif),
    "webp, lossy": ("image/webp", lambda width, height: webp(width, height, kind=b"VP8 ")),
    "webp, lossless": ("image/webp", lambda width, height: webp(width, height, kind=b"VP8L")),
    "webp, extended": ("image/webp", lambda width, height: webp(width, height, kind=b"VP8X")),
}


@pytest.mark.parametrize(("kind", "make"), MAKERS.values(), ids=MAKERS)
@given(width=SIDES, height=SIDES)
@example(width=1, height=16_383)
def test_kind_and_size_are_read_from_the_bytes(kind: MediaType, make: object, width: int, height: int) -> None:
    assert callable(make)
    data = make(width, height)

    assert media_type(data[:12]) == kind
    assert read_size(data) == Size(width, height)


@pytest.mark.parametrize(("kind", "make"), MAKERS.values(), ids=MAKERS)
@given(cut=st.integers(1, 60))
def test_what_is_cut_short_is_an_error_and_never_a_crash(kind: MediaType, make: object, cut: int) -> None:
    del kind
    assert callable(make)
    whole = make(640, 480)

    with pytest.raises(ValueError, match=r"^it "):
        read_size(whole[: max(0, len(whole) - cut)])


@given(at=st.integers(8, len(png()) - 1), bit=st.integers(0, 7))
def test_one_turned_bit_of_a_png_shows(at: int, bit: int) -> None:
    data = bytearray(png())
    data[at] ^= 1 << bit

    with pytest.raises(ValueError, match=r"^(?:it|a part of it) "):
        read_size(bytes(data))


@given(
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF\0\0\0\0WEBP"]),
    st.binary(max_size=80),
)
def test_no_bytes_make_it_crash(head: bytes, rest: bytes) -> None:
    size = Size(1, 1)
    with suppress(ValueError):
        size = read_size(head + rest)

    assert min(size) > 0


@pytest.mark.parametrize("data", [b"", b"<svg/>", b"BM\0\0", b"II*\0", b"%PDF-1.7", b"RIFF\0\0\0\0WAVE"])
def test_other_kinds_are_none_of_ours(data: bytes) -> None:
    assert media_type(data) is None


def test_an_image_without_pixels_is_an_error() -> None:
    with pytest.raises(ValueError, match="0x5 pixels"):
        read_size(gif(0, 5))
