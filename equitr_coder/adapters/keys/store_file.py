"""The key store's file on disk: read only when nobody else can, replaced whole, one writer at a time."""

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from equitr_coder.domain.errors import UserError

_LARGEST = 4_000_000
_BUSY_SECONDS = 10.0
_PAUSE = 0.02

Stamp = tuple[int, int, int]
"""Changes with every replacement of the file."""


def stamp_of(path: Path) -> Stamp | None:
    """None when there is no file."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unreadable(path, error) from error
    return found.st_ino, found.st_mtime_ns, found.st_size


def read_text(path: Path) -> str | None:
    """None when there is no file.

    Raises:
        UserError: others could read or replace it, or it cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unreadable(path, error) from error
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST:
            raise UserError(f"the key store {path} is not a file of keys", hint=f"move {path} away")
        _require_private(path, found)
        try:
            return file.read().decode("utf-8", errors="replace")
        except OSError as error:
            raise _unreadable(path, error) from error


def write_text(path: Path, text: str) -> None:
    """Replace the file whole, durable when it returns. To be called under `locked`.

    Raises:
        UserError: it cannot be written; the old file is untouched.
    """
    draft = path.with_name(f"{path.name}.new")  # one name, so that a death leaves one file, which the next write takes
    try:
        path.parent.chmod(0o700)
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(descriptor)
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One writer at a time, of all processes; the kernel frees the lock of one that died.

    Raises:
        UserError: another holds it for too long, or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        until = time.monotonic() + _BUSY_SECONDS
        while not _taken(descriptor):
            if time.monotonic() > until:
                raise UserError(f"the key store {path} is busy", hint="another equitrcoder is writing it; try again")
            time.sleep(_PAUSE)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _require_private(path: Path, found: os.stat_result) -> None:
    if found.st_uid != os.geteuid():
        raise UserError(
            f"the key store {path} belongs to another user", hint=f"move {path} away, or take it over with chown"
        )
    if found.st_mode & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        raise UserError(f"the key store {path} is open to other users (mode {mode:04o})", hint=f"chmod 600 {path}")
    folder = path.parent.stat()
    if folder.st_mode & 0o022 and not folder.st_mode & stat.S_ISVTX:
        mode = stat.S_IMODE(folder.st_mode)
        raise UserError(
            f"others could replace the key store: its folder {path.parent} can be written by them (mode {mode:04o})",
            hint=f"chmod 700 {path.parent}",
        )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unreadable(path: Path, error: OSError) -> UserError:
    return UserError(
        f"the key store {path} cannot be read: {error.strerror or error}", hint="make it readable for you, chmod 600"
    )


def _unwritable(path: Path, error: OSError) -> UserError:
    return UserError(
        f"the key store {path} cannot be written: {error.strerror or error}",
        hint="free some space or make the folder writable, or set EQUITR_HOME to one that is; nothing has changed",
    )
