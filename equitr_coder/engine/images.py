"""Images and the models that take none: who is left out, and what stands for an image that cannot be shown. Pure."""

from collections.abc import Callable, Sequence

from equitr_coder.domain.images import Image
from equitr_coder.domain.models import Message, ModelRequest, ModelSpec, UserMessage

TakesImages = Callable[[ModelSpec], bool | None]
"""None: nobody says."""


def able(candidates: Sequence[ModelSpec], request: ModelRequest, takes_images: TakesImages) -> Sequence[ModelSpec]:
    """Those of the candidates that can be asked. A request with images goes to no model that cannot see them while
    another, or the model it was meant for, is left.
    """
    if not any(_images(message) for message in request.messages):
        return candidates
    return [one for one in candidates if takes_images(one)] or [request.model]


def as_seen_by(request: ModelRequest, takes_images: TakesImages) -> ModelRequest:
    """Without images, each named in a line, when the request's model takes none."""
    if not any(_images(message) for message in request.messages) or takes_images(request.model):
        return request
    return request.model_copy(update={"messages": tuple(map(_named, request.messages))})


def _named(message: Message) -> Message:
    images = _images(message)
    if not images:
        return message
    lines = [f"[{image.shown} is left out here: you take no images.]" for image in images]
    return UserMessage(text="\n".join([message.text, *lines]))


def _images(message: Message) -> Sequence[Image]:
    return message.images if isinstance(message, UserMessage) else ()
