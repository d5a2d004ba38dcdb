"""Can git write here? Asked before money is spent: a disk that is full or read-only says so while nothing is lost."""

import errno
import os
import secrets
import shlex
from pathlib import Path

from equitr_coder.adapters.git.checkout import Checkout
from equitr_coder.domain.errors import UserError

_SIZE = 4096
"""Bytes that must fit: a block of its own."""


def check_writable(checkout: Checkout) -> None:
    """Write and remove a small file where objects go and one where refs go.

    Raises:
        UserError: it is not possible; says where and what to do.
    """
    token = secrets.token_hex(8)
    # Names that git takes for its own leftovers, should we die in between.
    for path in (checkout.common_dir / "objects" / f"tmp_obj_{token}", checkout.common_dir / "refs" / f"{token}.lock"):
        try:
            _write(path)
        except OSError as error:
            raise _refusal(path.parent, error) from error


def _write(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        # Not zeros: some file systems keep no block for those.
        left = memoryview(secrets.token_bytes(_SIZE))
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
        path.unlink()


def _refusal(folder: Path, error: OSError) -> UserError:
    shown = shlex.quote(str(folder))
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return UserError("The disk of the repository is full.", hint=f"Free some space on the disk that holds {shown}.")
    if error.errno == errno.EROFS:
        hint = "Mount its disk writable, or work in a clone elsewhere."
    else:
        hint = f"Check who owns it and its mode: ls -ld {shown}"
    return UserError(f"The repository cannot be written: {folder}: {error.strerror}.", hint=hint)
