"""Types of the configuration's values. Each says in words what it expects, so that errors can be read by people."""

import re
from collections.abc import Callable
from decimal import Decimal
from ipaddress import ip_network
from pathlib import PurePosixPath
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

EXPECTED = "expected"
"""Type of the pydantic errors raised here; their message is what was expected, in words."""

LARGEST = Decimal(1_000_000_000)
"""No amount, time or count in a configuration is meant to be larger."""

_OWN_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TAKEN_VARIABLE = re.compile(
    r"(?:PATH|HOME|TMPDIR|CI|TERM|LANG|TZ|VIRTUAL_ENV)$|(?:EQUITR|GIT|LD|DYLD|LC|PYTHON)_?", re.IGNORECASE
)
_YES = {"true", "yes", "on"}
_NO = {"false", "no", "off"}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def expected(what: str) -> PydanticCustomError:
    return PydanticCustomError(EXPECTED, "{what}", {"what": what})


def _text(value: Any) -> str:
    if isinstance(value, str) and value.strip():
        return str(value)
    raise expected("text")


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, list | tuple) and all(isinstance(item, str) and item.strip() for item in value):
        return tuple(value)
    raise expected("a list of texts, such as [first, second]")


def _flag(value: Any) -> bool:
    """The words yes, no, on and off are plain text in YAML 1.2, but people write them."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _YES | _NO:
        return value.lower() in _YES
    raise expected("true or false")


def yes_or_no(value: Any) -> Any:
    """`auto`, or what can be read as a flag, in words."""
    return ("yes" if _flag(value) else "no") if value != "auto" else value


def _number(value: Any) -> Decimal | None:
    """Exact: a float is taken by the digits it is written with."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    number = Decimal(str(value))
    return number if number.is_finite() and abs(number) <= LARGEST else None


def _whole(least: int, most: int | None = None) -> Callable[[Any], int]:
    def validate(value: Any) -> int:
        highest = LARGEST if most is None else most
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= highest:
            return value
        raise expected(
            f"a whole number of at least {least}" if most is None else f"a whole number from {least} to {most}"
        )

    return validate


def _seconds(value: Any) -> float:
    number = _number(value)
    if number is None or number <= 0:
        raise expected("a number of seconds greater than 0")
    return float(number)


def _temperature(value: Any) -> float:
    number = _number(value)
    if number is None or not 0 <= number <= 2:
        raise expected("a number from 0 to 2")
    return float(number)


def _amount(value: Any) -> Decimal | None:
    """Money may also be quoted, as people do who know what YAML makes of 0.1."""
    if isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?", value):
        return _number(Decimal(value))
    return _number(value)


def _money(value: Any) -> Decimal:
    number = _amount(value)
    if number is None or number < 0:
        raise expected("a number of US dollars of at least 0")
    return number


def _limit(value: Any) -> Decimal | None:
    """An explicit null, or the word, means no limit."""
    if value is None or (isinstance(value, str) and value.lower() == "unlimited"):
        return None
    number = _amount(value)
    if number is None or number < 0:
        raise expected("a number of US dollars of at least 0, or the word unlimited")
    return number


def _address(value: Any) -> str:
    try:
        if isinstance(value, str) and urlsplit(value).scheme in ("http", "https") and urlsplit(value).hostname:
            return value
    except ValueError as error:
        raise expected("an address that begins with http:// or https://") from error
    raise expected("an address that begins with http:// or https://")


def _variable(value: Any) -> str:
    if isinstance(value, str) and _VARIABLE.fullmatch(value):
        return value
    raise expected("the name of an environment variable (never the key itself)")


def _provider(value: Any) -> str:
    if isinstance(value, str) and value and "/" not in value and not any(char.isspace() for char in value):
        return value
    raise expected("litellm, or a provider's name such as anthropic")


def _inner_path(value: Any) -> str:
    what = "paths inside the repository, such as node_modules"
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise expected(what)
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or not path.parts or path.parts[0] == ".git":
        raise expected(what)
    return path.as_posix()


def _variable_name(value: Any) -> str:
    if isinstance(value, str) and _OWN_VARIABLE.fullmatch(value) and not _TAKEN_VARIABLE.match(value):
        return value
    raise expected("names of variables of your own, such as PORT and DB_PORT")


def _host_path(value: Any) -> str:
    if isinstance(value, str) and value.startswith(("/", "~/")):
        return value
    raise expected("absolute paths, or paths that begin with ~/")


_HOST = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?(?::\d{1,5})?", re.IGNORECASE)
_IN_BRACKETS = re.compile(r"\[([0-9a-f:.]+)\](?::\d{1,5})?", re.IGNORECASE)


def _host_name(value: Any) -> str:
    """Whether the other end is there is not looked at."""
    if isinstance(value, str):
        bracketed = _IN_BRACKETS.fullmatch(value)
        if _HOST.fullmatch(value) or _is_network(bracketed[1] if bracketed else value):
            return value
    raise expected("hosts such as example.org, *.example.org, example.org:8080 or 10.0.0.0/8")


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


Text = Annotated[str, BeforeValidator(_text)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Count = Annotated[int, BeforeValidator(_whole(1))]
CountOrNone = Annotated[int, BeforeValidator(_whole(0))]
"""A count that may be 0: none at all."""
OneToFive = Annotated[int, BeforeValidator(_whole(1, 5))]
Seconds = Annotated[float, BeforeValidator(_seconds)]
Temperature = Annotated[float, BeforeValidator(_temperature)]
Money = Annotated[Decimal, BeforeValidator(_money)]
Limit = Annotated[Decimal | None, BeforeValidator(_limit)]
Address = Annotated[str, BeforeValidator(_address)]
Variable = Annotated[str, BeforeValidator(_variable)]
Provider = Annotated[str, BeforeValidator(_provider)]
InnerPaths = Annotated[tuple[Annotated[str, BeforeValidator(_inner_path)], ...], BeforeValidator(_texts)]
VariableNames = Annotated[tuple[Annotated[str, BeforeValidator(_variable_name)], ...], BeforeValidator(_texts)]
HostNames = Annotated[tuple[Annotated[str, BeforeValidator(_host_name)], ...], BeforeValidator(_texts)]
HostPaths = Annotated[tuple[Annotated[str, BeforeValidator(_host_path)], ...], BeforeValidator(_texts)]
