"""Bytes to text and back. What is decoded encodes to the same bytes again; what cannot do that is refused."""

import codecs
import hashlib
from typing import Literal

from equitr_coder.domain.errors import ToolFailure
from equitr_coder.ports import FileText

_WIDE_BOMS = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_BOMS = {"utf-8": codecs.BOM_UTF8, "utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}
_FALLBACK = "latin-1"
"""Gives every byte back; for old text in one of the 8-bit encodings."""
_ASCII = frozenset(map(chr, range(128)))
_CONTROLS = frozenset(range(32)) - frozenset(b"\t\n\v\f\r\x1b\b") | {127}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def is_binary(head: bytes) -> bool:
    """git's rule: a NUL within the first 8000 bytes."""
    return b"\0" in head[:8000]


def decode(path: str, data: bytes) -> FileText:
    """Raises ToolFailure for what is no text."""
    encoding, bom, text = _text(path, data)
    newline: Literal["\n", "\r\n", "\r"] = "\n"
    # Only when all line ends agree: mixed ones are shown as they are, and so come back as they were.
    if "\r\n" in text and text.count("\r\n") == text.count("\n") == text.count("\r"):
        newline = "\r\n"
        text = text.replace("\r\n", "\n")
    elif "\r" in text and "\n" not in text:
        newline = "\r"
        text = text.replace("\r", "\n")
    return FileText(path=path, text=text, digest=sha256(data), newline=newline, encoding=encoding, bom=bom)


def encode(path: str, text: str, like: FileText | None) -> bytes:
    """The bytes of `text` in the manner of `like`, or as UTF-8.

    Raises:
        ToolFailure: the file's encoding has no way to write a character of `text`, or it is not known which one it has.
    """
    # Some 8-bit encoding: a letter that is there already goes back as its byte, any other could become a wrong one.
    is_guess = like is not None and like.encoding == _FALLBACK
    if like is not None and is_guess and (new := sorted(set(text) - set(like.text) - _ASCII)):
        raise ToolFailure(
            f"{path} is in an 8-bit encoding that is not known, so {new[0]!a} cannot be written there; nothing was "
            "written. Do without such letters, or convert the file to UTF-8 first, as a change of its own."
        )
    encoding, bom, newline = (like.encoding, like.bom, like.newline) if like is not None else ("utf-8", False, "\n")
    if newline != "\n":
        text = text.replace("\r\n", "\n").replace("\n", newline)
    try:
        data = text.encode(encoding)
    except UnicodeEncodeError as error:
        character = text[error.start]
        raise ToolFailure(
            f"{path} is written in {encoding}, which has no {character!a}; nothing was written."
        ) from error
    return _BOMS[encoding] + data if bom else data


def _text(path: str, data: bytes) -> tuple[str, bool, str]:
    for mark, encoding in _WIDE_BOMS:
        if data.startswith(mark):
            return encoding, True, _decode_wide(path, data[len(mark) :], encoding)
    if b"\0" in data:
        raise ToolFailure(f"{path} is binary.")
    bom = data.startswith(codecs.BOM_UTF8)
    try:
        return "utf-8", bom, data[len(codecs.BOM_UTF8) if bom else 0 :].decode("utf-8")
    except UnicodeDecodeError as error:
        if bom or not _CONTROLS.isdisjoint(data):
            raise ToolFailure(f"{path} is binary, or text in an unknown encoding.") from error
        return _FALLBACK, False, data.decode(_FALLBACK)


def _decode_wide(path: str, data: bytes, encoding: str) -> str:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ToolFailure(f"{path} is binary, or broken {encoding}.") from error
    if "\0" in text:  # UTF-32, or no text at all
        raise ToolFailure(f"{path} is binary, or text in an unknown encoding.")
    return text
