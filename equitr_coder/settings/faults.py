"""What is wrong in a configuration, in words: where, which key, what was expected, what was found, what to do."""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.frozen import frozen

KeyPath = tuple[str, ...]

MASK = "***"

_KEY_LIKE = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|ghp|gho|ghs|github_pat|glpat|AIza|hf|AKIA)[-_]?[A-Za-z0-9_-]{12,}|\bBearer\s+\S+", re.ASCII
)
_ADDRESS = re.compile(r"https?://[^\s\"']+")
_SECRET_PARAMETER = re.compile(r"(?i)\b([a-z_-]*(?:key|token|secret|password))=[^&\s]+")
_LONGEST_SHOWN = 60

_SECTION = "a section: keys with values, indented under it"
_WANTED = {"model_type": _SECTION, "dict_type": _SECTION, "tuple_type": "a list, such as [first, second]"}
"""In place of pydantic's words, by its name for the error."""


@frozen
class Fault:
    """`place` is `FILE:LINE`, `environment NAME` or `flag --NAME`."""

    place: str
    key: KeyPath
    problem: str
    hint: str


def key_text(path: KeyPath) -> str:
    """`llm.budget`; a part with a dot of its own is quoted."""
    return ".".join(f'"{part}"' if "." in part else part for part in path)


def masked(text: str) -> str:
    """`text` without what looks like a key, a password or a token."""
    shown = _ADDRESS.sub(lambda found: _masked_address(found.group()), text)
    return _SECRET_PARAMETER.sub(rf"\1={MASK}", _KEY_LIKE.sub(MASK, shown))


def place_hint(place: str) -> str:
    match place.partition(" "):
        case ("environment", _, variable):
            return f"correct or unset {variable}"
        case ("flag", _, flag):
            return f"give {flag} such a value"
        case _:
            file, _, line = place.rpartition(":")
            return f"correct line {line} of {file}"


def wrong_value(place: str, key: KeyPath, error: Mapping[str, Any]) -> Fault:
    """A fault from one pydantic error."""
    kind, context = error["type"], error.get("ctx") or {}
    if kind == "together":
        return Fault(place, key, error["msg"], place_hint(place))
    if kind in ("literal_error", "enum"):
        wanted = f"one of {context['expected']}"
    elif kind == "expected":
        wanted = error["msg"]
    elif kind == "missing":
        return Fault(place, key, "it is missing", f"add `{key[-1]}` there")
    else:
        wanted = _WANTED.get(kind, error["msg"])
    found = "what looks like a key" if key[-1] == "api_key_env" else _found(error["input"])
    return Fault(place, key, f"expected {wanted}; found {found}", place_hint(place))


def not_a_section(place: str, key: KeyPath, found: Any) -> Fault:
    return Fault(place, key or ("the file",), f"expected {_SECTION}; found {_found(found)}", place_hint(place))


def unknown_key(place: str, key: KeyPath, *, siblings: Iterable[str], known: Sequence[KeyPath]) -> Fault:
    return Fault(place, key, "there is no such key", _suggestion(key, tuple(siblings), known))


def stop_on(faults: Sequence[Fault]) -> None:
    """Raises UserError when there is a fault."""
    if faults:
        raise refusal(faults)


def refusal(faults: Sequence[Fault]) -> UserError:
    """The first fault as an error; its hint names the others."""
    first = faults[0]
    others = [fault for fault in faults[1:] if fault.place != first.place or first.place.rpartition(":")[2].isdigit()]
    hint = first.hint
    if others:
        also = ", ".join(f"{key_text(fault.key)} ({fault.place})" for fault in others[:3])
        hint += f"; also wrong: {also}" + (f" and {len(others) - 3} more" if len(others) > 3 else "")
    return UserError(f"{first.place}: {key_text(first.key)}: {first.problem}", hint=hint)


def _suggestion(key: KeyPath, siblings: tuple[str, ...], known: Sequence[KeyPath]) -> str:
    if key[-1] == "api_key":
        return "keep the key in an environment variable and put the variable's name in api_key_env"
    elsewhere = {path[-1]: path for path in reversed(known)}
    if key[-1] in elsewhere:
        return f"did you mean {key_text(elsewhere[key[-1]])}?"
    if close := get_close_matches(key[-1], siblings, n=1, cutoff=0.6):
        return f"did you mean {key_text((*key[:-1], close[0]))}?"
    if close := get_close_matches(key[-1], elsewhere, n=1, cutoff=0.75):
        return f"did you mean {key_text(elsewhere[close[0]])}?"
    return f"known here: {', '.join(siblings)}" if siblings else "config/default.yaml lists every key"


def _found(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return f"the number {value}"
    if isinstance(value, Mapping):
        return "a section"
    if isinstance(value, list | tuple):
        return "a list"
    if not str(value).strip():
        return "an empty text"
    text = masked(" ".join(str(value).split()))
    return f"the text '{text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + '…'}'"


def _masked_address(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        return MASK
    if "@" in parts.netloc:
        parts = parts._replace(netloc=f"{MASK}@{parts.netloc.rpartition('@')[2]}")
    return urlunsplit(parts)
