"""What makes an image in a request malformed, whatever the provider writes around it."""

import binascii
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any

from equitr_coder.domain.image_headers import media_type, read_size
from equitr_coder.domain.image_tokens import typical_tokens
from equitr_coder.domain.images import MOST_BYTES

_DETAILS = ("auto", "low", "high")


def data_url(kind: str, data: str) -> str:
    return f"data:{kind};base64,{data}"


def url_problem(part: Mapping[str, Any]) -> str | None:
    """Of a part `image_url` in OpenAI's form."""
    image = part.get("image_url")
    if part.keys() - {"type", "image_url", "cache_control"} or not isinstance(image, Mapping):
        return 'must be {"type": "image_url", "image_url": {"url", "detail"}}'
    if image.keys() - {"url", "detail"} or image.get("detail", "auto") not in _DETAILS:
        return "image_url has url and detail (auto, low or high), and nothing else"
    kind, mark, data = str(image.get("url")).removeprefix("data:").partition(";base64,")
    if not mark:
        return "image_url.url must be a data URL in base64"
    return data_problem(kind, data)


def data_problem(kind: object, data: object) -> str | None:
    """`data` is base64; `kind` is what it is said to be."""
    try:
        content = b64decode(str(data), validate=True)
        read_size(content)
    except (binascii.Error, ValueError) as error:
        return f"the image could not be read: {error}"
    if media_type(content) != kind:
        return f"the image was said to be {kind} but is {media_type(content)}"
    return f"the image exceeds {MOST_BYTES} bytes" if len(content) > MOST_BYTES else None


def tokens_of(part: Mapping[str, Any]) -> int:
    """Of a sound part `image_url`."""
    return typical_tokens(read_size(b64decode(str(part["image_url"]["url"]).partition(";base64,")[2])))


def is_image(part: object) -> bool:
    return isinstance(part, Mapping) and part.get("type") == "image_url"


def said_with_images(text: str, urls: Sequence[str]) -> dict[str, Any]:
    """A user's message in OpenAI's form."""
    if not urls:
        return {"role": "user", "content": text}
    said = [{"type": "text", "text": text}] if text else []
    return {"role": "user", "content": [*said, *({"type": "image_url", "image_url": {"url": url}} for url in urls)]}
