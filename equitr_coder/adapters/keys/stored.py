"""The user's own keys: in the operating system's keyring, else in an encrypted file; which of the two, the file says.

A process that runs sees a rotation at its next call: the file is replaced, and its stamp is looked at each time.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path

from equitr_coder.adapters.keys import document as documents
from equitr_coder.adapters.keys.document import Document
from equitr_coder.adapters.keys.real_keyring import Keyring, open_keyring
from equitr_coder.adapters.keys.sealing import (
    MASTER_KEY,
    NEW_MASTER_KEY,
    Cost,
    Derivation,
    WrongKeyError,
    master_bytes,
    passphrase_bytes,
    seal,
    unseal,
)
from equitr_coder.adapters.keys.store_file import Stamp, locked, read_text, stamp_of, write_text
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.frozen import frozen
from equitr_coder.ports import KeySource, StoredKey

_log = logging.getLogger(__name__)

STORE_FILE = "keys"
SHORTEST_PASSPHRASE = 8
_TRIES = 3
_KNOWN = "equitrcoder"
"""What is sealed beside the keys, to tell a wrong passphrase from a damaged file."""

AskSecret = Callable[[str], str | None]
"""Asks the person for a secret, without echo; None when there is nobody."""


def nobody(_prompt: str) -> str | None:
    return None


@frozen
class _Opened:
    """What this process has read: the file as it stood, the key it opens with, and what was in it."""

    stamp: Stamp | None
    document: Document
    key: bytes | None = field(repr=False)
    values: Mapping[str, str] = field(repr=False)


class _ChangedError(UserError):
    def __init__(self, path: Path) -> None:
        super().__init__(f"the key store {path} was begun anew, or has another master now", hint="do it again")


class StoredKeys:
    """A `ports.KeyVault`. `hold` is told every key that is read or put; nothing is opened before a key is asked for."""

    def __init__(
        self,
        home: Path,
        *,
        environ: Mapping[str, str],
        hold: Callable[[str, str], None],
        ask: AskSecret = nobody,
        find_keyring: Callable[[], Keyring | None] = open_keyring,
        cost: Cost | None = None,
    ) -> None:
        self._path = home / STORE_FILE
        self._environ = environ
        self._hold = hold
        self._ask = ask
        self._find_keyring = find_keyring
        self._cost = cost if cost is not None else Cost()
        self._listed: tuple[Stamp | None, Document | None] = (None, None)
        self._opened: _Opened | None = None
        self._keyring: Keyring | None = None

    # ---------------------------------------------------------------- looking

    @property
    def place(self) -> str:
        found = self._on_disk()
        if found is None:
            return self._place_to_be()
        if found.store == "keyring":
            return "the operating system's keyring"
        by = "your passphrase (Argon2id)" if _kind(found) == "passphrase" else MASTER_KEY
        return f"{self._path}, encrypted by {by}"

    def names(self) -> Sequence[StoredKey]:
        found = self._on_disk()
        return [StoredKey(name, entry.changed) for name, entry in found.entries.items()] if found is not None else []

    def source(self, name: str) -> KeySource | None:
        found = self._on_disk()
        if found is None or name not in found.entries:
            return None
        if found.store == "keyring":
            return KeySource("keyring", "the operating system's keyring")
        return KeySource("file", f"the key store {self._path}")

    def read(self, name: str) -> str | None:
        """As in the port. Once keys were read, a file that cannot be opened any more leaves them as they were: a master
        key that is rotated elsewhere must not stop who works here.
        """
        opened = self._opened
        if opened is None:
            stamp, found = stamp_of(self._path), self._on_disk()
            if found is None or name not in found.entries:
                return None
            opened = self._opened = self._open(found, stamp)
        elif opened.stamp != (stamp := stamp_of(self._path)):
            opened = self._opened = self._open_again(opened, stamp)
        return opened.values.get(name)

    # ---------------------------------------------------------------- changing

    def put(self, name: str, value: str) -> None:
        for _ in range(_TRIES - 1):
            try:
                return self._put(name, value)
            except _ChangedError:
                self._opened = None  # another process was the first to begin the file
        return self._put(name, value)

    def _put(self, name: str, value: str) -> None:
        made = self._ready()
        with locked(self._path):
            fresh = self._fresh(made.document)
            values = self._unsealed(fresh, made.key)
            box = None
            if fresh.store == "keyring":
                self._real_keyring().set(_service(fresh), name, value)
            else:
                assert made.key is not None
                box = seal(made.key, value, bound_to=fresh.bound(name))
            self._write(fresh.with_entry(name, box), made.key, {**values, name: value})
        self._hold(name, value)

    def remove(self, name: str) -> bool:
        with locked(self._path):
            text = read_text(self._path)
            fresh = documents.read(text, place=str(self._path)) if text is not None else None
            if fresh is None or name not in fresh.entries:
                return False
            if fresh.store == "keyring":
                self._real_keyring().delete(_service(fresh), name)
            write_text(self._path, documents.write(fresh.without(name)))
        return True

    def rotate_master(self) -> None:
        found = self._on_disk()
        if found is None or not found.entries:
            raise UserError("there is no stored key", hint="store one with: equitrcoder keys set NAME")
        if found.store == "keyring":
            raise UserError(
                "the keys lie in the operating system's keyring, which has a password of its own",
                hint="change it there; `equitrcoder keys rotate NAME` replaces one key",
            )
        opened = self._ready()
        derivation, key = self._new_master(opened)
        with locked(self._path):
            fresh = self._fresh(opened.document)
            made = replace(fresh, derivation=derivation)
            values = self._unsealed(fresh, opened.key)
            entries = {
                name: replace(entry, box=seal(key, values[name], bound_to=made.bound(name)))
                for name, entry in fresh.entries.items()
            }
            made = replace(made, entries=entries, check=seal(key, _KNOWN, bound_to=made.bound()))
            self._write(made, key, values)

    # ---------------------------------------------------------------- inside

    def _on_disk(self) -> Document | None:
        """The file as it is now, read again only when it has changed."""
        stamp = stamp_of(self._path)
        if stamp is None:
            return None
        if self._listed[0] != stamp:
            text = read_text(self._path)
            self._listed = (stamp, documents.read(text, place=str(self._path)) if text is not None else None)
        return self._listed[1]

    def _ready(self) -> _Opened:
        """What can be added to: the file as it is, opened; or a new one, which is not written yet."""
        stamp = stamp_of(self._path)
        found = self._on_disk()
        if found is None:
            return self._begin()
        opened = self._opened
        if opened is not None and opened.document.bound() == found.bound():
            return replace(opened, document=found, values=self._unsealed(found, opened.key))
        self._opened = self._open(found, stamp)
        return self._opened

    def _begin(self) -> _Opened:
        """With a master key in the environment a file; else the keyring, where there is one; else a file again."""
        if MASTER_KEY not in self._environ and (keyring := self._found_keyring()) is not None:
            self._keyring = keyring
            return _Opened(None, Document("keyring"), None, {})
        if MASTER_KEY in self._environ:
            derivation = Derivation("variable")
            key = derivation.key(self._master(MASTER_KEY))
        else:
            derivation = Derivation("passphrase", cost=self._cost)
            key = derivation.key(self._new_passphrase())
        made = Document("file", derivation=derivation)
        return _Opened(None, replace(made, check=seal(key, _KNOWN, bound_to=made.bound())), key, {})

    def _open(self, found: Document, stamp: Stamp | None) -> _Opened:
        key = self._unlock(found) if found.store == "file" else None
        return _Opened(stamp, found, key, self._unsealed(found, key))

    def _open_again(self, opened: _Opened, stamp: Stamp | None) -> _Opened:
        """After a change by another process. Nobody is asked for a passphrase in the middle of a run."""
        try:
            found = self._on_disk()
            if found is None:
                return replace(opened, stamp=stamp, values={})
            if opened.document.bound() != found.bound():
                raise _ChangedError(self._path)
            return _Opened(stamp, found, opened.key, self._unsealed(found, opened.key))
        except UserError as error:
            _log.warning("the keys of %s stay as they were read: %s", self._path, error)
            return replace(opened, stamp=stamp)

    def _fresh(self, expected: Document) -> Document:
        """The file as it stands under the lock.

        Raises:
            UserError: another process has begun or re-encrypted it meanwhile.
        """
        text = read_text(self._path)
        if text is None:
            return expected
        fresh = documents.read(text, place=str(self._path))
        if fresh.bound() != expected.bound():
            raise _ChangedError(self._path)
        return fresh

    def _write(self, made: Document, key: bytes | None, values: Mapping[str, str]) -> None:
        write_text(self._path, documents.write(made))
        self._opened = _Opened(stamp_of(self._path), made, key, values)

    def _unsealed(self, found: Document, key: bytes | None) -> dict[str, str]:
        values: dict[str, str] = {}
        for name, entry in found.entries.items():
            if found.store == "keyring":
                value = self._real_keyring().get(_service(found), name)
                if value is None:
                    continue  # somebody has deleted it there
            else:
                assert key is not None
                value = self._unsealed_one(found, name, entry.box or b"", key)
            values[name] = value
            self._hold(name, value)
        return values

    def _unsealed_one(self, found: Document, name: str, box: bytes, key: bytes) -> str:
        try:
            return unseal(key, box, bound_to=found.bound(name))
        except WrongKeyError as error:
            raise UserError(
                f"the key {name} in the key store {self._path} is damaged",
                hint=f"take it out and set it again: equitrcoder keys remove {name}",
            ) from error

    def _unlock(self, found: Document) -> bytes:
        """Raises UserError: the variable is missing or wrong, or nobody types the passphrase."""
        assert found.derivation is not None
        if _kind(found) == "variable":
            if MASTER_KEY not in self._environ:
                raise UserError(
                    f"the key store {self._path} is encrypted by {MASTER_KEY}, which is not set",
                    hint=f"set {MASTER_KEY}, or set the variable of the key itself",
                )
            key = found.derivation.key(self._master(MASTER_KEY))
            if not _opens(found, key):
                raise UserError(
                    f"{MASTER_KEY} does not open the key store {self._path}",
                    hint=f"set {MASTER_KEY} to the master key that the store was made with",
                )
            return key
        for _ in range(_TRIES):
            typed = self._ask(f"passphrase of {self._path}: ")
            if typed is None:
                raise UserError(
                    f"the key store {self._path} needs its passphrase, and nobody is here to type it",
                    hint="run it in a terminal, set the variable of the key itself, or move the store to "
                    f"{MASTER_KEY} with `equitrcoder keys rotate --master`",
                )
            key = found.derivation.key(passphrase_bytes(typed))
            if _opens(found, key):
                self._hold("PASSPHRASE", typed)
                return key
        raise UserError(
            f"the passphrase does not open the key store {self._path}",
            hint="try again; without it the keys are lost: move the file away and set them again",
        )

    def _new_master(self, opened: _Opened) -> tuple[Derivation, bytes]:
        if NEW_MASTER_KEY in self._environ:
            derivation, secret = Derivation("variable"), self._master(NEW_MASTER_KEY)
        else:
            derivation, secret = Derivation("passphrase", cost=self._cost), self._new_passphrase()
        old = opened.document.derivation
        if old is not None and old.kind == derivation.kind and old.key(secret) == opened.key:
            raise UserError("that is the old one again", hint="choose another; nothing has changed")
        return derivation, derivation.key(secret)

    def _new_passphrase(self) -> bytes:
        typed = self._ask(f"new passphrase for {self._path}: ")
        if typed is None:
            raise UserError(
                f"the key store {self._path} needs a passphrase, and nobody is here to type one",
                hint=f"run it in a terminal, or set {MASTER_KEY} to 32 random bytes: openssl rand -hex 32",
            )
        if len(typed) < SHORTEST_PASSPHRASE:
            raise UserError(
                f"a passphrase needs at least {SHORTEST_PASSPHRASE} characters", hint="several words are easy to keep"
            )
        if self._ask("the same again: ") != typed:
            raise UserError("the two passphrases differ", hint="do it again; nothing has changed")
        self._hold("PASSPHRASE", typed)
        return passphrase_bytes(typed)

    def _master(self, variable: str) -> bytes:
        self._hold(variable, self._environ[variable].strip())
        return master_bytes(self._environ[variable], variable=variable)

    def _found_keyring(self) -> Keyring | None:
        if self._keyring is None:
            self._keyring = self._find_keyring()
        return self._keyring

    def _real_keyring(self) -> Keyring:
        keyring = self._found_keyring()
        if keyring is None:
            raise UserError(
                "the keys lie in the operating system's keyring, and there is none here",
                hint="run it in your desktop session, or set the variable of the key in the environment",
            )
        return keyring

    def _place_to_be(self) -> str:
        if MASTER_KEY in self._environ:
            return f"{self._path}, encrypted by {MASTER_KEY}"
        return f"the operating system's keyring, else {self._path}, encrypted by a passphrase"


def _kind(found: Document) -> str:
    return found.derivation.kind if found.derivation is not None else ""


def _service(found: Document) -> str:
    return f"equitrcoder {found.id}"


def _opens(found: Document, key: bytes) -> bool:
    try:
        return unseal(key, found.check or b"", bound_to=found.bound()) == _KNOWN
    except WrongKeyError:
        return False
