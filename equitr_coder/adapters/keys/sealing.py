"""How stored keys are encrypted: AES-256-GCM (NIST SP 800-38D) under a key that comes from a passphrase by Argon2id
(RFC 9106) or from 32 random bytes in a variable by HKDF-SHA256 (RFC 5869). Never from anything of the machine.

`cryptography` is imported by the first use.
"""

import base64
import binascii
import os
import unicodedata
from dataclasses import field
from typing import Literal

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.frozen import frozen

MASTER_KEY = "EQUITR_MASTER_KEY"
NEW_MASTER_KEY = "EQUITR_NEW_MASTER_KEY"
KEY_BYTES = 32
_SALT_BYTES = 16
_NONCE_BYTES = 12
_TAG_BYTES = 16
_PURPOSE = b"equitrcoder key store"


class WrongKeyError(Exception):
    """What was to be opened was sealed with another key, for another place, or was changed."""


@frozen
class Cost:
    """Of Argon2id. The default is the second recommendation of RFC 9106: a quarter of a second and 64 MiB a guess."""

    memory_kib: int = 65_536
    iterations: int = 3
    lanes: int = 4

    @property
    def is_sensible(self) -> bool:
        """Whether a file may ask for it: a damaged one must not take all memory."""
        return 8 * self.lanes <= self.memory_kib <= 2_097_152 and 1 <= self.iterations <= 100 and 1 <= self.lanes <= 64


@frozen
class Derivation:
    """How the key of a file is made from what the person has."""

    kind: Literal["passphrase", "variable"]
    salt: bytes = field(default_factory=lambda: os.urandom(_SALT_BYTES))
    cost: Cost = field(default_factory=Cost)
    """Of a passphrase; 32 random bytes need none."""

    def key(self, secret: bytes) -> bytes:
        if self.kind == "variable":
            from cryptography.hazmat.primitives.hashes import SHA256
            from cryptography.hazmat.primitives.kdf.hkdf import HKDF

            return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=self.salt, info=_PURPOSE).derive(secret)
        from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

        return Argon2id(
            salt=self.salt,
            length=KEY_BYTES,
            iterations=self.cost.iterations,
            lanes=self.cost.lanes,
            memory_cost=self.cost.memory_kib,
        ).derive(secret)


def passphrase_bytes(typed: str) -> bytes:
    """The same whichever way a terminal composes accents."""
    return unicodedata.normalize("NFC", typed).encode("utf-8", errors="surrogateescape")


def master_bytes(text: str, *, variable: str) -> bytes:
    """32 bytes, written as 64 hexadecimal digits or as base64.

    Raises:
        UserError: it is neither; the text is not repeated.
    """
    text = text.strip()
    try:
        data = bytes.fromhex(text) if len(text) == 2 * KEY_BYTES else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        data = b""
    if len(data) != KEY_BYTES or len(set(data)) == 1:
        raise UserError(
            f"{variable} is no master key: it has to be 32 random bytes, as 64 hexadecimal digits or as base64",
            hint=f"make one with `openssl rand -hex 32` and keep it where your secrets are, then set {variable} to it",
        )
    return data


def seal(key: bytes, text: str, *, bound_to: bytes) -> bytes:
    """Nonce, ciphertext and tag. It opens only with the same `bound_to`."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, text.encode("utf-8", errors="surrogateescape"), bound_to)


def unseal(key: bytes, box: bytes, *, bound_to: bytes) -> str:
    """Raises WrongKeyError."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if len(box) < _NONCE_BYTES + _TAG_BYTES:
        raise WrongKeyError
    try:
        data = AESGCM(key).decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], bound_to)
    except InvalidTag as error:
        raise WrongKeyError from error
    return data.decode("utf-8", errors="surrogateescape")
