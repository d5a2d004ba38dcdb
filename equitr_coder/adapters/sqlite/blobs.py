"""Bytes kept under their SHA-256: long outputs, check logs."""

import hashlib
import os
import secrets
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from equitr_coder.domain.errors import UserError

_SHORTEST = 12
_IN_USE = 3600


class Blobs:
    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, data: bytes) -> str:
        """Returns the hex digest; the bytes are on disk when this returns."""
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        try:
            if path.exists() and self.get(digest) is not None:
                os.utime(path)  # in use again: see `forget`
                return digest
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft = path.with_name(f".{digest}.{secrets.token_hex(4)}")
            with draft.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError as error:
            raise UserError(
                f"cannot write under {self._root}: {error.strerror}", hint="free some space or make the folder writable"
            ) from error
        return digest

    def get(self, digest: str) -> bytes | None:
        """By the whole digest or an unambiguous beginning of at least 12 digits. None when there is none, or its bytes
        are no longer those of the digest.
        """
        if len(digest) < _SHORTEST or not digest.isalnum():
            return None
        found = list((self._root / digest[:2]).glob(f"{digest}*"))
        if len(found) != 1:
            return None
        data = found[0].read_bytes()
        return data if hashlib.sha256(data).hexdigest() == found[0].name else None

    def forget(self, digests: Iterable[str]) -> int:
        """Delete what no record names; returns the bytes. What was put a short while ago stays: somebody may be about
        to name it.
        """
        freed, before = 0, time.time() - _IN_USE
        for digest in digests:
            path = self._path(digest)
            try:
                found = path.stat()
                if found.st_mtime < before:
                    path.unlink()
                    freed += found.st_size
            except FileNotFoundError:
                continue
        return freed

    def fault(self, digest: str) -> Literal["", "missing", "changed"]:
        """What is wrong with the bytes of a whole digest; empty when they are those that were put."""
        path = self._path(digest)
        try:
            with path.open("rb") as file:
                return "" if hashlib.file_digest(file, "sha256").hexdigest() == digest else "changed"
        except FileNotFoundError:
            return "missing"
        except OSError:
            return "changed"

    def _path(self, digest: str) -> Path:
        return self._root / digest[:2] / digest
