"""Gives a request the bytes of its images, just before it is sent: everywhere else an image is its hash."""

from base64 import b64encode
from collections.abc import Awaitable, Callable

from equitr_coder.domain.errors import ModelError, ModelErrorKind
from equitr_coder.domain.models import ModelRequest, UserMessage

ReadImage = Callable[[str], Awaitable[bytes | None]]
"""The bytes with this hash; None when they are not kept, or no longer those of the hash."""


async def nothing_kept(digest: str) -> bytes | None:
    del digest
    return None


async def with_image_data(request: ModelRequest, read: ReadImage) -> ModelRequest:
    """Raises ModelError (never sent) when the bytes of an image are gone."""
    images = {
        image.digest: image
        for message in request.messages
        if isinstance(message, UserMessage)
        for image in message.images
    }
    if not images:
        return request
    written: dict[str, str] = {}
    for digest, image in images.items():
        data = await read(digest)
        if data is None:
            raise ModelError(
                f"the bytes of {image.path} are no longer kept, and the conversation cannot be sent without them",
                kind=ModelErrorKind.BAD_REQUEST,
                provider="",
                hint="begin a new conversation and attach it again",
                sent=False,
            )
        written[digest] = b64encode(data).decode("ascii")
    return request.model_copy(update={"image_data": written})
