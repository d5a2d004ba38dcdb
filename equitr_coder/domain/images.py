"""An image of the user's, as the log knows it: hash and measures. The bytes lie under the hash in the blob store."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.value import Value

MediaType = Literal["image/png", "image/jpeg", "image/gif", "image/webp"]
"""What every provider that takes images takes, but for GIF, which Gemini refuses."""

SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".webp")
MOST_BYTES = 3_932_160
"""Of one image: 5 MiB in base64, which is what Anthropic takes
(https://docs.claude.com/en/docs/build-with-claude/vision).
"""
MOST_SIDE = 8_000
"""Pixels; from the same page."""
MOST_IMAGES = 20
"""In one conversation; with more, the same page takes only sides of 2,000 pixels."""
MOST_BYTES_TOGETHER = 14_000_000
"""In one conversation: 19 MB in base64. Gemini takes 20 MB in one request
(https://ai.google.dev/gemini-api/docs/image-understanding), Anthropic 32.
"""


class Size(NamedTuple):
    """In pixels."""

    width: int
    height: int


class Image(Value):
    digest: str
    """SHA-256 of the bytes, in hex."""
    media_type: MediaType
    width: int
    height: int
    bytes: int
    path: str
    """As it lies in the workspace."""

    @property
    def size(self) -> Size:
        return Size(self.width, self.height)

    @property
    def shown(self) -> str:
        return f"{self.path} ({self.width}x{self.height} pixels)"


def require_few(images: Sequence[Image]) -> None:
    """Raises UserError when one conversation cannot hold them all."""
    if len(images) > MOST_IMAGES:
        raise UserError(
            f"the conversation would show {len(images)} images; {MOST_IMAGES} are the most",
            hint="leave some out, or begin a new conversation",
        )
    if (together := sum(image.bytes for image in images)) > MOST_BYTES_TOGETHER:
        raise UserError(
            f"the images of the conversation would have {together / 1_000_000:.1f} MB together; "
            f"{MOST_BYTES_TOGETHER / 1_000_000:.0f} MB are the most",
            hint="make them smaller, leave some out, or begin a new conversation",
        )
