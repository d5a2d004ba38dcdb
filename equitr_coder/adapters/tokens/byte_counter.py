"""Implements `ports.TokenCounter`: by bytes, which is cheap and always enough; by a tokenizer when money is short.

A token of a byte-level vocabulary is at least one byte, so the bytes of everything that is sent bound its tokens. What
providers add is allowed for: the chat template around each message, and the instructions they put before tools.
"""

import math
from collections.abc import Callable

from equitr_coder.adapters.tokens.encodings import Encodings, Vocabulary
from equitr_coder.domain.image_tokens import image_bound
from equitr_coder.domain.models import AssistantMessage, ModelRequest, ToolMessage, UserMessage

PER_MESSAGE = 8
PER_CALL = 8
"""Role, separators and end mark; OpenAI's template takes 3 to 5, Llama's 6."""
PER_IMAGE = 8
"""Marks around an image; Qwen's template takes 2."""
PER_REQUEST = 128
"""Begin of text, date lines and the start of the reply; the largest known, gpt-oss, takes about 80."""
WITH_TOOLS = 600
"""Instructions that come with tools; the largest published, for an Anthropic model, is 530."""
_TOOLS_MARGIN = 1.2
"""Tool schemas are rewritten by each provider in its own form."""


class ByteTokenCounter:
    def __init__(self, *, encodings: Encodings | None = None) -> None:
        self._encodings = encodings or Encodings()

    def upper_bound(self, request: ModelRequest) -> int:
        text = request.model_dump_json(
            include={"system", "messages", "tools"}, exclude={"messages": {"__all__": {"images"}}}
        )
        return len(text.encode(errors="replace")) + _allowance(request)

    def tighter_bound(self, request: ModelRequest) -> int:
        """Exact for OpenAI's models but for the allowances; else by the smallest vocabulary there is, with a margin
        (`encodings.Vocabulary`). Never more than the upper bound, which it falls back to.
        """
        upper = self.upper_bound(request)
        vocabulary = Vocabulary.of(request.model.name)
        count = self._encodings.counter(vocabulary.encoding)
        if count is None:
            return upper
        written = _written(request, count)
        tools = sum(count(tool.model_dump_json()) for tool in request.tools)
        tokens = vocabulary.margin * (written + _TOOLS_MARGIN * tools)
        return min(upper, math.ceil(tokens) + _allowance(request))


def _written(request: ModelRequest, count: Callable[[str], int]) -> int:
    """Tokens of all that was written. Parts are counted apart: templates put special tokens between them."""
    total = count(request.system)
    for message in request.messages:
        total += count(message.text)
        if isinstance(message, AssistantMessage):
            total += sum(count(call.model_dump_json()) for call in message.calls)
        elif isinstance(message, ToolMessage):
            total += count(message.call) + count(message.name)
    return total


def _allowance(request: ModelRequest) -> int:
    calls = sum(len(message.calls) for message in request.messages if isinstance(message, AssistantMessage))
    marks = PER_MESSAGE * (len(request.messages) + 1) + PER_CALL * calls
    shown = [image for message in request.messages if isinstance(message, UserMessage) for image in message.images]
    images = sum(PER_IMAGE + image_bound(request.model.name, image.size) for image in shown)
    return PER_REQUEST + marks + images + (WITH_TOOLS if request.tools else 0)
