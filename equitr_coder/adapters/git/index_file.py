"""A checkout's index, read and written without a git for it: the plain kind that `git read-tree` leaves (version 2 of
gitformat-index(5)). Of every other kind nothing is said here, and git itself must be asked.
"""

import hashlib
import os
import struct
from collections.abc import Mapping
from typing import NamedTuple

from equitr_coder.adapters.git.entries import Entry
from equitr_coder.adapters.git.folder_state import Stamp

_HEAD = struct.Struct(">4sII")
_STAT = struct.Struct(">10I")
_FLAGS = struct.Struct(">H")
_EXTENSION = struct.Struct(">4sI")
_LONGEST_NAME = 0xFFF
_HASHES = {40: hashlib.sha1, 64: hashlib.sha256}
"""By the letters of an object's id."""
_WORD = 0xFFFFFFFF


class IndexEntry(NamedTuple):
    entry: Entry
    raw: bytes
    """As it stands in the file, with what the system said of the file when it was written."""

    def is_of(self, stamp: Stamp) -> bool:
        """Whether the system says the same now; to the nanosecond, where git is content with the second."""
        _, size, written, changed, inode = stamp
        said = _STAT.unpack_from(self.raw)
        now = (*divmod(changed, 10**9), *divmod(written, 10**9), inode, size)
        return (*said[:4], said[5], said[9]) == tuple(number & _WORD for number in now)


def read_index(data: bytes, id_letters: int) -> Mapping[bytes, IndexEntry] | None:
    """Path -> entry. None of what is damaged, and of what holds more than files that were checked out: conflicts,
    flags, a part of itself in another file.
    """
    id_size, digest = id_letters // 2, _HASHES[id_letters]
    body, checksum = memoryview(data)[:-id_size], data[-id_size:]
    if len(body) < _HEAD.size or digest(body).digest() != checksum:
        return None
    try:
        return _read(data, body, id_size)
    except (struct.error, ValueError):
        return None


def _read(data: bytes, body: memoryview, id_size: int) -> Mapping[bytes, IndexEntry] | None:
    signature, version, count = _HEAD.unpack_from(body)
    if (signature, version) != (b"DIRC", 2):
        return None
    found: dict[bytes, IndexEntry] = {}
    at, about = _HEAD.size, _STAT.size + id_size
    for _ in range(count):
        (flags,) = _FLAGS.unpack_from(body, at + about)
        if flags & ~_LONGEST_NAME:
            return None
        name = at + about + _FLAGS.size
        end = data.index(b"\0", name)
        after = at + _padded(end - at)
        mode = int.from_bytes(body[at + 24 : at + 28], "big")
        blob = bytes(body[at + _STAT.size : at + about]).hex()
        found[data[name:end]] = IndexEntry(Entry(f"{mode:06o}", blob), data[at:after])
        at = after
    return found if _are_optional(body[at:]) else None


def write_index(entries: Mapping[bytes, bytes], id_letters: int) -> bytes:
    """Of paths and their entries as `raw`."""
    ordered = [raw for _, raw in sorted(entries.items())]
    body = b"".join((_HEAD.pack(b"DIRC", 2, len(ordered)), *ordered))
    return body + _HASHES[id_letters](body).digest()


def raw_entry(path: bytes, entry: Entry, about: os.stat_result) -> bytes:
    """Of a file that stands there as the entry says, with what the system says of it."""
    stamp = (
        *divmod(about.st_ctime_ns, 10**9), *divmod(about.st_mtime_ns, 10**9), about.st_dev, about.st_ino,
        int(entry.mode, 8), about.st_uid, about.st_gid, about.st_size,
    )  # fmt: skip
    head = _STAT.pack(*(number & _WORD for number in stamp)) + bytes.fromhex(entry.blob)
    raw = head + _FLAGS.pack(min(len(path), _LONGEST_NAME)) + path
    return raw.ljust(_padded(len(raw)), b"\0")


def _padded(size: int) -> int:
    """With one to eight NUL, so that entries begin at multiples of eight."""
    return size + 8 - size % 8


def _are_optional(extensions: memoryview) -> bool:
    """Whether all that follows the entries may be left out: what has a capital first letter."""
    at = 0
    while at < len(extensions):
        signature, size = _EXTENSION.unpack_from(extensions, at)
        if not signature[:1].isupper():
            return False
        at += _EXTENSION.size + size
    return at == len(extensions)
