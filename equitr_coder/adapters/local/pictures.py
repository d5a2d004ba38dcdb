"""A mentioned file that is an image: known by its bytes, measured, and refused when no model could be shown it."""

from pathlib import PurePosixPath

from equitr_coder.domain.errors import UserError
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.image_headers import media_type, read_size
from equitr_coder.domain.images import MOST_BYTES, MOST_SIDE, SUFFIXES, Image, MediaType, Size

HEAD = 8_000
"""Bytes that tell what a file is."""


@frozen
class Picture:
    path: str
    data: bytes
    media_type: MediaType
    size: Size

    @property
    def shown(self) -> str:
        return f"{self.path} ({self.size.width}x{self.size.height} pixels)"

    def image(self, digest: str) -> Image:
        return Image(
            digest=digest,
            media_type=self.media_type,
            width=self.size.width,
            height=self.size.height,
            bytes=len(self.data),
            path=self.path,
        )


def is_picture(path: str, head: bytes) -> bool:
    """By the bytes; by the name only what is no text either, so that it is refused and not passed over."""
    if media_type(head) is not None:
        return True
    return PurePosixPath(path).suffix.lower() in SUFFIXES and (not head or b"\0" in head)


def read_picture(path: str, data: bytes) -> Picture:
    """`data` is the file, or its first `MOST_BYTES` + 1 bytes.

    Raises:
        UserError: it is damaged, or larger than providers take.
    """
    smaller = "make it smaller, or cut out what matters"
    kind = media_type(data)
    if kind is None:
        raise UserError(f"@{path} is no PNG, JPEG, GIF or WebP image", hint="save it as one of them")
    if len(data) > MOST_BYTES:
        raise UserError(f"@{path} is larger than {MOST_BYTES / 1_000_000:.1f} MB, the most for an image", hint=smaller)
    try:
        size = read_size(data)
    except ValueError as error:
        raise UserError(f"@{path} is not a whole image: {error}", hint="save it again, or leave it out") from error
    if max(size) > MOST_SIDE:
        raise UserError(
            f"@{path} has {size.width}x{size.height} pixels; a side may have {MOST_SIDE}",
            hint=smaller,
        )
    return Picture(path, data, kind, size)
