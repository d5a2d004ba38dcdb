"""Image files of any size, made here: real ones where that takes a few bytes, else a real frame around nothing."""

import struct
import zlib

_RIFF = b"RIFF"


def png(width: int = 3, height: int = 2, *, filler: int = 0) -> bytes:
    """Whole and real, in grey; `filler` is how many bytes of text it carries."""
    rows = zlib.compress((b"\0" + b"\x80" * width) * height, 9)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")]
    if filler:
        parts.insert(1, (b"tEXt", b"Comment\0" + b"x" * filler))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in parts)


def headed_png(width: int, height: int) -> bytes:
    """Says that it is so large, and holds a single row."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0")), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in parts)


def jpeg(width: int, height: int, *, frame: int = 0xC0) -> bytes:
    """`frame` is the marker that begins it: baseline, progressive, ..."""
    tables = b"\xff\xc4" + struct.pack(">H", 4) + b"\x07\x07"
    shape = struct.pack(">HBHHBBBB", 11, 8, height, width, 1, 1, 0x11, 0)
    scan = b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 0, 63, 0) + b"\x12\xff\x00\x34"
    return (
        b"\xff\xd8\xff\xe0"
        + struct.pack(">H", 7)
        + b"JFIF\0"
        + tables
        + b"\xff\xff"
        + bytes([frame])
        + shape
        + (scan + b"\xff\xd9")
    )


def gif(width: int, height: int) -> bytes:
    shape = struct.pack("<HHBBB", width, height, 0x80, 0, 0)
    image = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x44\x01\x00"
    return b"GIF89a" + shape + b"\0\0\0\xff\xff\xff" + image + b";"


def webp(width: int, height: int, *, kind: bytes) -> bytes:
    """`kind` is `VP8 `, `VP8L` or `VP8X`."""
    match kind:
        case b"VP8X":
            body = b"\0\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        case b"VP8L":
            body = b"\x2f" + ((width - 1) | (height - 1) << 14).to_bytes(4, "little") + b"\0" * 5
        case _:
            body = b"\x10\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height) + b"\0\0"
    content = b"WEBP" + kind + struct.pack("<I", len(body)) + body
    return _RIFF + struct.pack("<I", len(content)) + content


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
