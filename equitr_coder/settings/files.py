"""Small files of the user's: read within bounds, written whole. No knowledge of what is in them."""

import os
import tempfile
from pathlib import Path

from equitr_coder.domain.errors import UserError

LARGEST_FILE = 1_000_000


def read_optional(path: Path) -> str | None:
    """The text of a file; None when there is none.

    Raises:
        OSError: it is there and cannot be read.
        UserError: it is not a text of a sensible size.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST_FILE + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return decoded(data, path)


def decoded(data: bytes, path: Path) -> str:
    if len(data) > LARGEST_FILE:
        raise UserError(f"{path}: larger than {LARGEST_FILE} bytes", hint="a configuration file is meant to be small")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}:{line}: not UTF-8 text", hint=f"save {path} as UTF-8") from error


def write_atomically(path: Path, text: str) -> None:
    """Replace the file whole, readable by the user alone; its folder is made when missing.

    Raises:
        UserError: it cannot be written; the old file is untouched.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        target = path.resolve()
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}", hint="set EQUITR_HOME to a folder you can write to"
        ) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
