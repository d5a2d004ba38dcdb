"""The operating system's keyring, when it is a real one.

Backends are taken by name and nothing else: whatever package is installed beside it, `keyring` would take the first
that offers itself, and `keyrings.alt` offers one that stores in clear. A chain of backends or a default from a
configuration file can lead there too, so neither is asked.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Protocol

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.frozen import frozen

_REAL = (
    ("keyring.backends.macOS", "Keyring", "macOS Keychain"),
    ("keyring.backends.SecretService", "Keyring", "Secret Service"),
    ("keyring.backends.kwallet", "DBusKeyring", "KWallet"),
    ("keyring.backends.kwallet", "DBusKeyringKWallet4", "KWallet 4"),
)
"""Module, class, and the name that people know."""


class Backend(Protocol):
    """What we ask of a backend of `keyring`."""

    def get_password(self, service: str, username: str) -> str | None: ...

    def set_password(self, service: str, username: str, password: str) -> None: ...

    def delete_password(self, service: str, username: str) -> None: ...


@frozen
class Keyring:
    """One real keyring, opened when it is asked."""

    name: str
    backend: Backend

    def get(self, service: str, name: str) -> str | None:
        with self._speaking():
            return self.backend.get_password(service, name)

    def set(self, service: str, name: str, value: str) -> None:
        with self._speaking():
            self.backend.set_password(service, name, value)

    def delete(self, service: str, name: str) -> None:
        """Of a key that somebody has deleted there already nothing is left to delete."""
        with self._speaking():
            if self.backend.get_password(service, name) is not None:
                self.backend.delete_password(service, name)

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        try:
            yield
        except _failures() as error:
            said = " ".join(str(error).split())[:200] or type(error).__name__
            raise UserError(
                f"the keyring ({self.name}) does not answer: {said}",
                hint="unlock it in your desktop session, or set the key's variable in the environment",
            ) from error


def open_keyring() -> Keyring | None:
    """The first real one that works here; None without one. Imports `keyring`, a quarter of a second."""
    for module, kind, name in _REAL:
        backend = _working(module, kind)
        if backend is not None:
            return Keyring(name, backend)
    return None


def _working(module: str, kind: str) -> Backend | None:
    try:
        found: Any = getattr(import_module(module), kind, None)
    except (ImportError, AttributeError, OSError, RuntimeError):  # a backend for another system
        return None
    if found is None or not is_real(found) or not found.viable:
        return None
    made: Backend = found()
    return made


def is_real(backend: type) -> bool:
    """Whether a class is one of those that we trust, by where it was defined."""
    return (backend.__module__, backend.__qualname__) in {(module, kind) for module, kind, _ in _REAL}


def _failures() -> tuple[type[BaseException], ...]:
    """What backends raise: their own family, and what comes through from the bus, where its library is loaded."""
    from keyring.errors import KeyringError

    found: list[type[BaseException]] = [KeyringError, OSError, RuntimeError]
    for module, kind in (
        ("secretstorage.exceptions", "SecretStorageException"),
        ("jeepney.wrappers", "DBusErrorResponse"),
        ("dbus.exceptions", "DBusException"),
    ):
        loaded = sys.modules.get(module)
        if loaded is not None:
            found.append(getattr(loaded, kind))
    return tuple(found)
