"""What looks like a key, and the forms in which a known one may turn up. Pure.

Exact values of keys that are held are another matter (`ports.Redactor`): those are taken out wherever they stand.
Shapes are taken out where text leaves for people or for logs, never from what a model reads and edits: a repository may
hold a key's shape that is no key, and an edit must find the file's own words.
"""

import base64
import json
import math
import re
from collections import Counter
from functools import cache
from typing import NamedTuple
from urllib.parse import quote

MARK = "[key]"
_SHORTEST = 8
_CERTAIN = 20
_STABLE = 12
"""Characters that a form inside a longer base64 text must have: fewer would be found in ordinary text."""
_ENTROPY = 3.3
"""Bits a character from which an assigned value is taken for random; English words and paths stay below."""


class Shape(NamedTuple):
    """`heads` are looked for first, which is fast; the pattern begins with one of them and never crosses a quote, so
    that JSON stays JSON.
    """

    heads: tuple[str, ...]
    pattern: str
    mark: str = MARK


def _shape(heads: str, pattern: str, mark: str = MARK) -> Shape:
    return Shape(tuple(heads.split("|")), pattern, mark)


def _begins(head: str) -> str:
    """What stands before `head`, which is looked at behind it: no letter, unless it ends an escape of JSON's."""
    return rf"(?:(?<![A-Za-z0-9_-]{head})|(?<=\\[nrtbf]{head}))"


_PEM = (
    r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:[A-Za-z0-9+/=:,.\s]|-(?!----)|\\+[nrt])*"
    r"(?:-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----)?"
)

_SHAPES = (
    # What stands behind the literal beginning is checked after it: a pattern that begins with a literal is fast.
    _shape("sk-", r"sk-" + _begins("sk-") + r"(?=[\w-]*[0-9])[\w-]{20,}"),
    _shape("AIza", r"AIza[\w-]{30,}"),
    _shape("ghp_|gho_|ghu_|ghs_|ghr_", r"gh[pousr]_[A-Za-z0-9]{30,}"),
    _shape("github_pat_", r"github_pat_[A-Za-z0-9_]{22,}"),
    _shape("glpat-", r"glpat-[\w-]{20,}"),
    _shape("xox", r"xox[baprs]-(?=[A-Za-z-]*[0-9])[A-Za-z0-9-]{10,}"),
    _shape("AKIA", r"AKIA" + _begins("AKIA") + r"[0-9A-Z]{16}(?![0-9A-Za-z])"),
    _shape("ASIA", r"ASIA" + _begins("ASIA") + r"[0-9A-Z]{16}(?![0-9A-Za-z])"),
    _shape("hf_", r"hf_" + _begins("hf_") + r"[A-Za-z0-9]{30,}"),
    _shape("gsk_", r"gsk_[A-Za-z0-9]{30,}"),
    _shape("xai-", r"xai-" + _begins("xai-") + r"[A-Za-z0-9]{30,}"),
    _shape("npm_", r"npm_[A-Za-z0-9]{36}"),
    _shape("k_live_", r"k_live_(?<=[sr]k_live_)[A-Za-z0-9]{16,}"),
    _shape("eyJ", r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"),
    _shape("PRIVATE KEY", _PEM, "[private key]"),
    _shape("earer ", r"earer (?=[A-Za-z._~+/-]*[0-9])[A-Za-z0-9._~+/-]{16,}=*", f"earer {MARK}"),
    _shape("asic ", r"asic (?=[A-Za-z+/]*[0-9])[A-Za-z0-9+/]{16,}=*", f"asic {MARK}"),
    _shape("://", r"://[^\s/@:\"'\\]*:[^\s/@\"'\\]{3,}@", f"://{MARK}@"),
)

_ASSIGNED = r"[=:]\s{0,3}[\"']?(?P<value>[A-Za-z0-9_+/.=~-]{16,})"
_SECRET_NAME = r"(?i:key|token|secret|passw(?:or)?d|passphrase|credential)s?[\"']?\s{0,3}$"  # noqa: S105 - a pattern
_LONGEST_NAME = 24
"""Characters before the sign of an assignment in which the end of its name is looked for."""


def without_shapes(text: str) -> str:
    """Known shapes of keys taken out, for screens, exports and the words of errors. JSON stays JSON."""
    for shape in _SHAPES:
        if any(head in text for head in shape.heads):
            text = _compiled(shape.pattern).sub(shape.mark, text)
    return text


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Few texts have any of the beginnings, and starting the program needs none."""
    return re.compile(pattern)


def without_assignments(text: str) -> str:
    """`NAME_KEY=...` with a value that looks random, for logs and tracebacks only: ordinary text holds such values."""
    return _compiled(_ASSIGNED).sub(_hide_random, text)


def is_guarded(value: str) -> bool:
    """Whether a held key is taken out of texts: not the placeholder for a server that wants none (`ollama`,
    `lm-studio`, `sk-no-key-required`), which would take ordinary words with it.
    """
    if len(value) < _SHORTEST:
        return False
    has_both_cases = value.lower() != value and value.upper() != value
    return any(character.isdigit() for character in value) or has_both_cases or len(value) >= _CERTAIN


def forms_of(value: str) -> tuple[str, ...]:
    """A key as it may be written, the longest form first: itself, as JSON and URLs escape it, in hexadecimal digits,
    and in base64, alone or inside a longer text.
    """
    data = value.encode("utf-8", errors="surrogateescape")
    forms = {value, json.dumps(value)[1:-1], quote(value, safe=""), data.hex(), data.hex().upper()}
    for offset in range(3):
        inside = _inside_base64(data, offset)
        forms |= {inside, inside.translate(_URL_SAFE)}
    return tuple(sorted((form for form in forms if len(form) >= min(_STABLE, len(value))), key=len, reverse=True))


_URL_SAFE = str.maketrans("+/", "-_")


def _inside_base64(data: bytes, offset: int) -> str:
    """What is the same of `data` in base64 whatever stands around it, when `offset` bytes (of three) stand before."""
    whole = base64.b64encode(b"\0" * offset + data).decode().rstrip("=")
    first = math.ceil(offset * 8 / 6)
    last = (offset + len(data)) * 8 // 6
    return whole[first:last]


def _hide_random(found: re.Match[str]) -> str:
    value, text = found["value"], found.string
    named = _compiled(_SECRET_NAME).search(text, max(0, found.start() - _LONGEST_NAME), found.start())
    if named is None or not _is_random(value):
        return found[0]
    return found[0][: found.start("value") - found.start()] + MARK


def _is_random(value: str) -> bool:
    has_digit, has_letter = any(c.isdigit() for c in value), any(c.isalpha() for c in value)
    counts = Counter(value).values()
    entropy = -sum(count / len(value) * math.log2(count / len(value)) for count in counts)
    return has_digit and has_letter and entropy >= _ENTROPY
