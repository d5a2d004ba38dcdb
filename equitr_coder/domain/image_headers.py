"""What an image file is, by its bytes: kind and size, without decoding a pixel. Pure.

Sources: PNG, W3C Recommendation, 5.2 to 5.3 and 11.2.1; JPEG, ITU-T T.81, B.1 and B.2; GIF89a specification, 17, 18
and 27; WebP, RFC 9649, 2.4 to 2.7.
"""

import zlib
from collections.abc import Iterator

from equitr_coder.domain.images import MediaType, Size

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_GIF = (b"GIF87a", b"GIF89a")
_GIF_END = 0x3B
_NO_FRAME = frozenset({0xC4, 0xC8, 0xCC})
"""Of the markers C0 to CF, those that begin no frame: Huffman tables, a reserved one, arithmetic conditioning."""
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length: TEM, the restarts, the start of the image."""
_SCAN, _END = 0xDA, b"\xff\xd9"


def media_type(head: bytes) -> MediaType | None:
    """By the first 12 bytes; None for what is no image of these kinds."""
    if head.startswith(_PNG):
        return "image/png"
    if head.startswith(_JPEG):
        return "image/jpeg"
    if head.startswith(_GIF):
        return "image/gif"
    return "image/webp" if head[:4] == b"RIFF" and head[8:12] == b"WEBP" else None


def read_size(data: bytes) -> Size:
    """Of a whole file of a kind that `media_type` knows.

    Raises:
        ValueError: it is cut short or damaged, as far as that shows without decoding; says where.
    """
    match media_type(data):
        case "image/png":
            size = _png(data)
        case "image/jpeg":
            size = _jpeg(data)
        case "image/gif":
            size = _gif(data)
        case "image/webp":
            size = _webp(data)
        case None:
            raise ValueError("it is no PNG, JPEG, GIF or WebP")
    if not (size.width and size.height):
        raise ValueError(f"its header says {size.width}x{size.height} pixels")
    return size


def _png(data: bytes) -> Size:
    chunks = _png_chunks(data)
    kind, header = next(chunks)
    if kind != b"IHDR" or len(header) != 13:
        raise ValueError("it has no PNG header")
    if b"IDAT" not in [kind for kind, _ in chunks]:  # all of them are looked at
        raise ValueError("it has no pixels")
    return Size(int.from_bytes(header[:4]), int.from_bytes(header[4:8]))


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content, to the end of the image, each checked against its sum."""
    at = len(_PNG)
    while True:
        length = int.from_bytes(data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length
        if at > len(data):
            raise ValueError("it is cut short")
        if zlib.crc32(kind + body) != int.from_bytes(data[at - 4 : at]):
            raise ValueError("a part of it is damaged")
        yield kind, body
        if kind == b"IEND":
            return


def _jpeg(data: bytes) -> Size:
    size: Size | None = None
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:  # decoders pass over what stands between two segments
            at = data.find(b"\xff", at)
            if at < 0:
                break
            continue
        marker = data[at + 1]
        if marker == 0xFF or marker in _ALONE:  # a marker may be filled up with FF before it
            at += 1 if marker == 0xFF else 2
            continue
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME and at + 9 <= len(data):
            size = Size(int.from_bytes(data[at + 7 : at + 9]), int.from_bytes(data[at + 5 : at + 7]))
        if marker == _SCAN:
            if data.find(_END, at) < 0:
                break
            if size is None:
                raise ValueError("it has no JPEG header")
            return size
        length = int.from_bytes(data[at + 2 : at + 4])
        if length < 2:
            raise ValueError("a part of it is damaged")
        at += 2 + length
    raise ValueError("it is cut short")


def _gif(data: bytes) -> Size:
    if len(data) < 14 or data.rstrip(b"\0")[-1] != _GIF_END:
        raise ValueError("it is cut short")
    return Size(int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little"))


def _webp(data: bytes) -> Size:
    if len(data) < 30 or int.from_bytes(data[4:8], "little") + 8 > len(data):
        raise ValueError("it is cut short")
    match data[12:16]:
        case b"VP8X":
            return Size(int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1)
        case b"VP8L" if data[20] == 0x2F:
            bits = int.from_bytes(data[21:25], "little")
            return Size((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
        case b"VP8 " if data[23:26] == b"\x9d\x01\x2a":
            width, height = data[26:28], data[28:30]
            return Size(int.from_bytes(width, "little") & 0x3FFF, int.from_bytes(height, "little") & 0x3FFF)
        case _:
            raise ValueError("it has no WebP header")
