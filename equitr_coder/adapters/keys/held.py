"""The keys in the hands of this process, and how they are taken out of texts."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from equitr_coder.adapters.keys.sealing import MASTER_KEY, NEW_MASTER_KEY
from equitr_coder.domain.redaction import forms_of, is_guarded, without_shapes

if TYPE_CHECKING:
    from equitr_coder.domain.value import Value  # its library is not loaded for two lines of error

_V = TypeVar("_V", bound="Value")
_LOGINS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_BEARER_TOKEN_BEDROCK", MASTER_KEY, NEW_MASTER_KEY)


class HeldKeys:
    """A `ports.Redactor`. Only ever grows: a key that was replaced must not turn up either."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._forms: tuple[tuple[str, str], ...] = ()

    def hold(self, name: str, value: str) -> None:
        """Take `value` out of texts from now on. Placeholders of servers that want no key stay (`is_guarded`)."""
        if value in self._names or not is_guarded(value):
            return
        self._names[value] = name
        found = {form: _mark(name) for value, name in self._names.items() for form in forms_of(value)}
        self._forms = tuple(sorted(found.items(), key=lambda each: len(each[0]), reverse=True))

    def text(self, text: str) -> str:
        for form, mark in self._forms:
            if form in text:
                text = text.replace(form, mark)
        return text

    def data(self, data: bytes) -> bytes:
        for form, mark in self._forms:
            wanted = form.encode("utf-8", errors="surrogateescape")
            if wanted in data:
                data = data.replace(wanted, mark.encode())
        return data

    def value(self, value: _V) -> _V:
        if not self._forms:
            return value
        written = value.model_dump_json()
        redacted = self.text(written)
        return value if redacted is written else type(value).model_validate_json(redacted)

    def unfinished(self, text: str) -> int:
        return max((_overlap(text, key) for key in self._names), default=0)

    def marks(self, text: str) -> Sequence[str]:
        return [mark for mark in dict.fromkeys(map(_mark, self._names.values())) if mark in text]

    def shown(self, text: str) -> str:
        """For people: held keys, and whatever has the shape of one."""
        return without_shapes(self.text(text))


def hold_environment(held: HeldKeys, environ: Mapping[str, str], variables: Iterable[str] = ()) -> None:
    """Of `variables`, of every other that is named like a provider's key, and what opens the key store."""
    named = (name for name in environ if name.endswith("_API_KEY"))
    for name in (*variables, *_LOGINS, *named):
        if value := environ.get(name, "").strip():
            held.hold(name, value)


def _mark(name: str) -> str:
    """No character in it is one that JSON escapes: names are those of variables."""
    return f"[key {name}]"


def _overlap(text: str, key: str) -> int:
    """Characters at the end of `text` that are the beginning of `key`, but not all of it."""
    return next((n for n in range(min(len(key) - 1, len(text)), 0, -1) if text.endswith(key[:n])), 0)
