"""A call as the limiter sees it: what it will cost a provider's limits, and where it stands in its lane."""

import asyncio
import math
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal

from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.image_tokens import typical_tokens
from equitr_coder.domain.models import AssistantMessage, ModelRequest, UserMessage

SHARED_PREFIX = 1024
"""Tokens from which on a common beginning is worth a wait."""

Why = Literal["rate_limited", "paced", "shared_prefix"]


@dataclass(eq=False)
class Claim:
    """A call that wants to go, and then the call that goes."""

    model: str
    tokens: int
    """Input, estimated."""
    output: int
    prefix: bytes | None
    number: int = 0
    """In the order of sending, from 1; 0 while it waits."""
    sent_at: float = 0.0
    is_taken: bool = False
    """Whether the caller knows that it may go."""
    begun_at: float | None = None
    due: float = math.inf
    why: Why = "paced"
    is_timed: bool = False
    """Whether `due` is when to look again; else it is a guess, and the lane says when."""
    is_long: bool = False
    """Whether the wait is worth telling."""
    is_told: bool = False
    patience: float | None = None
    """Until when it waits for another call with the same beginning."""
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def may_go(self) -> bool:
        return self.number > 0


@frozen
class Wait:
    seconds: float
    why: Why
    is_timed: bool = True
    blocks: bool = True
    """Whether later calls of the same model wait behind it."""


@dataclass
class Ahead:
    """What waits in front, of the same model."""

    calls: int = 0
    tokens: int = 0
    output: int = 0

    def add(self, claim: Claim) -> None:
        self.calls += 1
        self.tokens += claim.tokens
        self.output += claim.output


def estimate(request: ModelRequest) -> int:
    """Input tokens, cheaply: four characters each. What the provider really counts for them is learnt."""
    total = _beginning_length(request)
    for message in request.messages:
        total += len(message.text)
        if isinstance(message, AssistantMessage):
            total += sum(len(call.name) + len(call.arguments) for call in message.calls)
        elif isinstance(message, UserMessage):
            total += 4 * sum(typical_tokens(image.size) for image in message.images)
    return max(1, total // 4)


def prefix_of(request: ModelRequest) -> bytes | None:
    """What calls that start alike have in common: model, system prompt and tools; None when that is short."""
    if _beginning_length(request) // 4 < SHARED_PREFIX:
        return None
    parts = (request.model.name, request.system, *(tool.model_dump_json() for tool in request.tools))
    return blake2b("\0".join(parts).encode(errors="replace"), digest_size=16).digest()


def _beginning_length(request: ModelRequest) -> int:
    tools = sum(len(tool.name) + len(tool.description) + len(str(tool.parameters)) for tool in request.tools)
    return len(request.system) + tools
