"""What the key store's file says: which keys there are, where they lie, and each one sealed when it lies here.

JSON, so that a person can see which keys there are; names are no secret. Pure.
"""

import base64
import binascii
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import field, replace
from datetime import UTC, datetime
from typing import Any, Literal, NoReturn

from equitr_coder.adapters.keys.sealing import Cost, Derivation
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.frozen import frozen

FORMAT = "equitrcoder keys"
VERSION = 1
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_CHECK = ""
"""In place of a name: what shows whether a key is the right one. No key is called so."""


@frozen
class Entry:
    changed: datetime
    box: bytes | None = None
    """The sealed value; None when it lies in the keyring."""


@frozen
class Document:
    """`keys`, the file. With a keyring it only lists what lies there, which a keyring cannot."""

    store: Literal["keyring", "file"]
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    """Sets the entries of one file apart from those of another, in the keyring and under the same passphrase."""
    derivation: Derivation | None = None
    check: bytes | None = None
    entries: Mapping[str, Entry] = field(default_factory=dict)

    def bound(self, name: str = _CHECK) -> bytes:
        """What a box is bound to: this file, this derivation and this name, so that none can be put elsewhere."""
        made = json.dumps(_derivation(self.derivation), sort_keys=True)
        return "\n".join((FORMAT, str(VERSION), self.id, made, name)).encode()

    def with_entry(self, name: str, box: bytes | None) -> "Document":
        entries = {**self.entries, name: Entry(datetime.now(UTC).replace(microsecond=0), box)}
        return replace(self, entries=dict(sorted(entries.items())))

    def without(self, name: str) -> "Document":
        return replace(self, entries={key: entry for key, entry in self.entries.items() if key != name})


def write(document: Document) -> str:
    body: dict[str, Any] = {"format": FORMAT, "version": VERSION, "store": document.store, "id": document.id}
    if document.derivation is not None:
        body["derivation"] = _derivation(document.derivation)
    if document.check is not None:
        body["check"] = _written(document.check)
    body["keys"] = {
        name: {"changed": entry.changed.isoformat()} | ({} if entry.box is None else {"box": _written(entry.box)})
        for name, entry in document.entries.items()
    }
    return json.dumps(body, indent=1) + "\n"


def read(text: str, *, place: str) -> Document:
    """Raises UserError: it is damaged, or of a newer version."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        _damaged(place, error)
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        _damaged(place)
    version = body.get("version")
    if isinstance(version, int) and version > VERSION:
        raise UserError(
            f"the key store {place} was written by a newer version of EQUITR Coder", hint="upgrade equitrcoder"
        )
    try:
        return _document(body)
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
        _damaged(place, error)


def _document(body: Mapping[str, Any]) -> Document:
    """Raises any of the errors of a wrong shape."""
    store = body["store"]
    entries = {
        name: Entry(datetime.fromisoformat(entry["changed"]), _read(entry["box"]) if store == "file" else None)
        for name, entry in body["keys"].items()
    }
    if store not in ("keyring", "file") or body["version"] != VERSION or not all(map(NAME.fullmatch, entries)):
        raise ValueError("unknown store, version or name")
    if store == "keyring":
        return Document("keyring", str(body["id"]), entries=entries)
    made = body["derivation"]
    cost = Cost(**made["cost"]) if made["kind"] == "passphrase" else Cost()
    if made["kind"] not in ("passphrase", "variable") or not cost.is_sensible:
        raise ValueError("unknown derivation")
    derivation = Derivation(made["kind"], _read(made["salt"]), cost)
    return Document("file", str(body["id"]), derivation, _read(body["check"]), entries)


def _derivation(made: Derivation | None) -> dict[str, Any]:
    if made is None:
        return {}
    body: dict[str, Any] = {"kind": made.kind, "salt": _written(made.salt)}
    if made.kind == "passphrase":
        cost = made.cost
        body["cost"] = {"memory_kib": cost.memory_kib, "iterations": cost.iterations, "lanes": cost.lanes}
    return body


def _written(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _read(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _damaged(place: str, cause: Exception | None = None) -> NoReturn:
    raise UserError(
        f"the key store {place} is damaged",
        hint="put a copy of it back, or move it away and set the keys again: equitrcoder keys set NAME",
    ) from cause
