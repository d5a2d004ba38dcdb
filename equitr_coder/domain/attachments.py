"""What the `@` in a request brings with it."""

from equitr_coder.domain.images import Image
from equitr_coder.domain.value import Value


class Attachments(Value):
    text: str = ""
    """The content as one block, for the model; empty when nothing is attached."""
    attached: tuple[str, ...] = ()
    """In words, what it holds: `a.py lines 10-20`."""
    missing: tuple[str, ...] = ()
    """What could not be attached, with the reason: `@b.py: there is no such file or definition`."""
    images: tuple[Image, ...] = ()
    """What the model is shown beside the text, in the order of their numbers there."""


def with_attachments(request: str, attachments: Attachments | None) -> str:
    """The request, verbatim, then what it mentions."""
    return f"{request}\n\n{attachments.text}" if attachments is not None and attachments.text else request
