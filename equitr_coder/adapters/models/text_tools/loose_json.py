"""JSON as models write it: fenced, with comments or trailing commas, in Python's spelling. Pure; knows no tools.

Reads only what can mean one thing. Where two readings are possible it gives none, and the model is asked again: a wrong
guess would write a wrong file.
"""

import json
import re
from collections.abc import Iterable
from typing import Any, NoReturn

_DEEPEST = 60
_LONGEST_NUMBER = 100
_FENCED = re.compile(r"\s*```[\w-]*[ \t]*\r?\n(.*?)\s*```\s*", re.DOTALL)
_BLANK = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/|#[^\n]*)+", re.DOTALL)
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])")
_WORD = re.compile(r"[A-Za-z_$][\w$]*")
_WORDS = {"true": True, "True": True, "false": False, "False": False, "null": None, "None": None}
_PLAIN = {'"': re.compile(r'[^"\\]*'), "'": re.compile(r"[^'\\]*")}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "\\": "\\"}
_UNICODE = re.compile(r"u([0-9a-fA-F]{4})")
_LITERAL = frozenset("dDsSwW.()[]{}+*?|^$-")
"""After a backslash these are no escapes of any language that models write: it is a regular expression's backslash."""


class UnclearError(ValueError):
    """No reading, or more than one."""


def read_object(text: str) -> dict[str, Any] | None:
    """The one object that `text` can mean; None when it is none, or when there is doubt. Nothing at all is `{}`."""
    try:
        return _object(text, layers=2)
    except (ValueError, RecursionError):
        return None


def read_value(text: str, start: int) -> tuple[Any, int]:
    """The JSON value that begins at `start`, and where it ends.

    Raises:
        UnclearError: none can be read there.
    """
    try:
        return _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return _Scanner(text).value(start, depth=1)


def _object(text: str, *, layers: int) -> dict[str, Any]:
    text = text.strip().removeprefix("\ufeff").strip()
    fenced = _FENCED.fullmatch(text)
    text = fenced[1].strip() if fenced else text
    if not text:
        return {}
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return _among_text(text)
    match value:
        case dict() | [dict()]:
            found: dict[str, Any] = value if isinstance(value, dict) else value[0]
            return found
        case None:
            return {}
        case str() if layers and value.lstrip()[:1] == "{":  # JSON written into JSON
            return _object(value, layers=layers - 1)
        case _:
            raise UnclearError


def _among_text(text: str) -> dict[str, Any]:
    """The only object in a text: words around it are left out when none of them could be part of another value."""
    objects: list[dict[str, Any]] = []
    end = 0
    while (start := text.find("{", end)) >= 0:
        between, scanner = text[end:start], _Scanner(text)
        value, end = scanner.value(start, depth=1)
        if len(objects) == 2 or any(mark in between for mark in '["]'):
            raise UnclearError
        objects.append(value)
    after = text[end:].strip()
    if not objects or any(mark in after for mark in '["]') or after.count("}") > 2 or after[:1] in (",", ":"):
        raise UnclearError
    # Some servers send `{}` first and then the arguments, or all arguments twice.
    said = [value for value in objects if value] or objects
    if any(value != said[0] for value in said):
        raise UnclearError
    return said[0]


class _Scanner:
    """Reads one value. Raises UnclearError where strict JSON and every allowed departure from it end."""

    def __init__(self, text: str) -> None:
        self._text = text

    def value(self, start: int, *, depth: int) -> tuple[Any, int]:
        if depth > _DEEPEST:
            raise UnclearError
        match self._text[start : start + 1]:
            case "{":
                return self._members(start, depth)
            case "[":
                return self._items(start, depth)
            case '"' | "'":
                return self._string(start)
        number = _NUMBER.match(self._text, start)
        if number and len(number[0]) <= _LONGEST_NUMBER:
            return json.loads(number[0]), number.end()
        word = _WORD.match(self._text, start)
        if word and word[0] in _WORDS:
            return _WORDS[word[0]], word.end()
        raise UnclearError

    def _members(self, start: int, depth: int) -> tuple[dict[str, Any], int]:
        pairs: list[tuple[str, Any]] = []
        here = self._skip(start + 1)
        while self._text[here : here + 1] != "}":
            key, here = self._key(here)
            here = self._skip(here)
            if self._text[here : here + 1] != ":":
                raise UnclearError
            begun = self._skip(here + 1)
            value, end = self.value(begun, depth=depth + 1)
            pairs.append((key, value))
            here = self._skip(end)
            if here == len(self._text) and depth == 1 and not isinstance(value, int | float):
                # One brace is missing. That is all that is missing: what the length limit cuts never comes here.
                return _unique(pairs), here
            here = self._next(here, "}")
        return _unique(pairs), here + 1

    def _items(self, start: int, depth: int) -> tuple[list[Any], int]:
        items = []
        here = self._skip(start + 1)
        while self._text[here : here + 1] != "]":
            value, here = self.value(here, depth=depth + 1)
            items.append(value)
            here = self._next(self._skip(here), "]")
        return items, here + 1

    def _next(self, here: int, closer: str) -> int:
        """Past the comma, if there is one; without one only the closer may follow."""
        if self._text[here : here + 1] == ",":
            return self._skip(here + 1)
        if self._text[here : here + 1] != closer:
            raise UnclearError
        return here

    def _key(self, start: int) -> tuple[str, int]:
        if self._text[start : start + 1] in ('"', "'"):
            return self._string(start)
        word = _WORD.match(self._text, start)
        if word is None:
            raise UnclearError
        return word[0], word.end()

    def _string(self, start: int) -> tuple[str, int]:
        """Line breaks may stand as they are. A quote inside that is not escaped ends the text, and what follows it then
        fits nowhere, so such a text is never read wrongly.
        """
        quote = self._text[start]
        if self._text.startswith(quote * 3, start):
            return self._long_string(start, quote * 3)
        parts: list[str] = []
        escapes: set[str] = set()
        here = start + 1
        while True:
            plain = _PLAIN[quote].match(self._text, here)
            assert plain is not None
            parts.append(plain[0])
            here = plain.end()
            if here >= len(self._text):
                raise UnclearError
            if self._text[here] == quote:
                return "".join(parts), here + 1
            text, kind, here = self._escape(here + 1)
            parts.append(text)
            escapes.add(kind)
            if {"meant", "literal"} <= escapes:
                raise UnclearError  # in `\bword\d` nobody knows what `\b` is

    def _escape(self, here: int) -> tuple[str, str, int]:
        letter = self._text[here : here + 1]
        if letter and letter in "\"'/":
            return letter, "quote", here + 1
        if letter in _ESCAPES:
            return _ESCAPES[letter], "meant", here + 1
        if unicode := _UNICODE.match(self._text, here):
            return self._character(unicode)
        if letter and letter in _LITERAL:
            return "\\" + letter, "literal", here + 1
        raise UnclearError

    def _character(self, first: "re.Match[str]") -> tuple[str, str, int]:
        pair = first[0]
        second = _UNICODE.match(self._text, first.end() + 1)
        if 0xD800 <= int(first[1], 16) < 0xDC00 and self._text[first.end() : first.end() + 1] == "\\" and second:
            pair = f"{first[0]}\\{second[0]}"
            first = second
        return json.loads(f'"\\{pair}"'), "meant", first.end()

    def _long_string(self, start: int, quotes: str) -> tuple[str, int]:
        end = self._text.find(quotes, start + 3)
        text = self._text[start + 3 : end]
        if end < 0 or "\\" in text:
            raise UnclearError
        return text, end + 3

    def _skip(self, here: int) -> int:
        blank = _BLANK.match(self._text, here)
        return blank.end() if blank else here


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Raises UnclearError when one key has two values."""
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made and made[key] != value:
            raise UnclearError
        made[key] = value
    return made


def _no_constant(_word: str) -> NoReturn:
    """NaN and Infinity are Python's; no provider takes them back."""
    raise UnclearError


_DECODER = json.JSONDecoder(strict=False, object_pairs_hook=_unique, parse_constant=_no_constant)
"""Strict but for line breaks inside texts."""
