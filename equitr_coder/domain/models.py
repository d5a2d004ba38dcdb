"""What is asked of a model and what comes back: specifications, messages, tool calls, deltas, replies."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from equitr_coder.domain.ids import CallId
from equitr_coder.domain.images import Image
from equitr_coder.domain.money import Usage
from equitr_coder.domain.value import Value


class Tier(StrEnum):
    STRONG = "strong"
    WEAK = "weak"


class Purpose(StrEnum):
    """What a call was for; a column of the ledger."""

    CHAT = "chat"
    PLANNING = "planning"
    WORK = "work"
    ESCALATION = "escalation"
    REVIEW = "review"
    REPAIR = "repair"
    COMPACTION = "compaction"
    PROBE = "probe"


EditFormat = Literal["edit_file", "apply_patch", "unified_diff", "search_replace"]
"""Ways to write a change of a file."""


class ModelSpec(Value):
    """One configured model: where it is and how it is to be called."""

    name: str
    """As configured: `provider/model`, or a bare name."""
    tier: Tier
    api_base: str | None = None
    api_key_env: str | None = None
    """Name of the environment variable that holds the key; None means the provider's usual one."""
    temperature: float | None = None
    max_tokens: int = 8192
    adapter: Literal["auto", "direct", "litellm", "scripted"] = "auto"
    tools: Literal["auto", "native", "text"] = "auto"
    """How tools are offered: natively, or written into the prompt (the text protocol); `auto` by capability."""
    images: Literal["auto", "yes", "no"] = "auto"
    """Whether it takes images; `auto`: as its data says."""
    context_window: int | None = None
    """Tokens that it reads and writes in one call, when the person says so; None: as its provider does."""
    edit_format: Literal["auto"] | EditFormat = "auto"
    """The way of changing files that the prompt recommends; `auto` by the model's family."""
    fallbacks: tuple["ModelSpec", ...] = ()
    """Who takes over, in this order, while this model's provider is down."""


class ToolSpec(Value):
    """A tool as the model sees it. `parameters` is a JSON Schema object."""

    name: str
    description: str
    parameters: dict[str, Any]


class ToolCall(Value):
    """A call as the model wrote it; `arguments` is its raw text and may be anything."""

    id: CallId
    name: str
    arguments: str


class SystemMessage(Value):
    role: Literal["system"] = "system"
    text: str


class UserMessage(Value):
    role: Literal["user"] = "user"
    text: str
    images: tuple[Image, ...] = ()
    """Shown after the text."""


class AssistantMessage(Value):
    role: Literal["assistant"] = "assistant"
    text: str = ""
    calls: tuple[ToolCall, ...] = ()


class ToolMessage(Value):
    """The result of one tool call, as the model reads it."""

    role: Literal["tool"] = "tool"
    call: CallId
    name: str
    text: str
    is_error: bool = False


Message = Annotated[SystemMessage | UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")]


class ModelRequest(Value):
    """One call. `messages` holds no system message; `system` stands before them."""

    model: ModelSpec
    system: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    max_tokens: int
    session: str = ""
    """Who asks; for logs and for the scripted model, never sent to a provider."""
    image_data: dict[str, str] = Field(default_factory=dict, exclude=True, repr=False)
    """Base64 by digest, of the images in `messages`; filled in when it is sent, and never stored."""


class TextDelta(Value):
    text: str


class ReasoningDelta(Value):
    text: str


class StopCause(StrEnum):
    END = "end"
    TOOL_CALLS = "tool_calls"
    LENGTH = "length"
    FILTERED = "filtered"


class Allowance(Value):
    """What a provider's headers say of one limit. `resets_in` is seconds until it is full again."""

    limit: int | None = None
    remaining: int | None = None
    resets_in: float | None = None


class RateLimits(Value):
    """Requests and tokens of one credential, as the last answer's headers state them."""

    requests: Allowance | None = None
    tokens: Allowance | None = None
    """All tokens, or the input tokens where the provider counts them apart."""
    output_tokens: Allowance | None = None


class Reply(Value):
    """The whole answer; the last thing a stream yields."""

    message: AssistantMessage
    usage: Usage
    stop: StopCause = StopCause.END
    model: str = ""
    """The model name the provider reported."""
    request_id: str | None = None
    provider: str = ""
    limits: RateLimits | None = None


Delta = TextDelta | ReasoningDelta


class ModelInfo(Value):
    """What an endpoint or a catalogue says of a model."""

    name: str
    tools: bool | None = None
    """Native tool calls: True, False, or None when nobody says."""
    context_window: int | None = None
    max_output: int | None = None
    images: bool | None = None
    """Whether it takes images; None when nobody says."""
