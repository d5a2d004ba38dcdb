"""A provider's rate limits, kept as the real ones keep them: for tests and measurements of whoever has to obey them."""

import random
from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from equitr_coder.domain.models import Allowance, RateLimits
from equitr_coder.domain.value import Value


class Quota(Value):
    """What a scripted provider allows. Beyond it a request is answered with status 429."""

    requests: int | None = Field(default=None, ge=1)
    """A minute."""
    tokens: int | None = Field(default=None, ge=1)
    """A minute."""
    minute: float = Field(default=60.0, gt=0)
    """Seconds of a minute, for tests in a hurry."""
    refills: Literal["evenly", "at_once"] = "evenly"
    """A bucket that fills all the time, or a window that starts anew."""
    counts: Literal["asked", "used"] = "asked"
    """Tokens of a request: its input and `max_tokens`, or its input and the output that it gets."""
    counts_refusals: bool = False
    """Whether a refused request counts as one."""
    headers: bool = True
    """Whether answers say what is left."""
    retry_after: bool = True
    """Whether refusals say when to come back."""
    faults: float = Field(default=0.0, ge=0, lt=1)
    """Share of requests that are refused for no reason, half with status 429 and half with 529."""
    seed: int = 0


class Refused(Value):
    status: int
    retry_after: float | None = None


class Rates:
    """A quota being used. Time is told by whoever asks, in seconds."""

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self._requests = _Store(quota.requests, quota) if quota.requests is not None else None
        self._tokens = _Store(quota.tokens, quota) if quota.tokens is not None else None
        self._chance = random.Random(quota.seed)  # noqa: S311 - repeatable, protects nothing

    def cost(self, *, input: int, asked: int | None, output: int) -> int:  # noqa: A002 - the word of every usage report
        """Tokens that a request counts for."""
        return input + (output if self.quota.counts == "used" or asked is None else asked)

    def admit(self, tokens: int, now: float) -> Refused | None:
        """Count a request, or say why not."""
        if self._chance.random() < self.quota.faults:
            status = self._chance.choice((429, 529))
            wait = round(self._chance.uniform(0.01, 0.05) * self.quota.minute, 3)
            return Refused(status=status, retry_after=wait if self._chance.random() < 0.5 else None)
        wait = self.earliest(tokens, now) - now
        if wait > 1e-6:
            if self.quota.counts_refusals and self._requests is not None:
                self._requests.take(min(1.0, max(0.0, self._requests.level(now))), now)
            return Refused(status=429, retry_after=round(wait + 0.0005, 3) if self.quota.retry_after else None)
        if self._requests is not None:
            self._requests.take(1, now)
        if self._tokens is not None:
            self._tokens.take(tokens, now)
        return None

    def earliest(self, tokens: int, now: float) -> float:
        """When a request of this cost can be admitted."""
        stores = ((self._requests, 1), (self._tokens, tokens))
        return max([now, *(store.ready(cost, now) for store, cost in stores if store is not None)])

    def limits(self, now: float) -> RateLimits | None:
        """What an answer's headers say."""
        if not self.quota.headers:
            return None
        return RateLimits(
            requests=None if self._requests is None else self._requests.allowance(now),
            tokens=None if self._tokens is None else self._tokens.allowance(now),
        )


class _Store:
    """What is left of one limit."""

    def __init__(self, size: int, quota: Quota) -> None:
        self._size = float(size)
        self._minute = quota.minute
        self._is_window = quota.refills == "at_once"
        self._level = self._size
        self._at: float | None = None
        """Moment of `level`; of a window, when it began."""

    def level(self, now: float) -> float:
        if self._at is None:
            self._at = now
        if not self._is_window:
            self._level = min(self._size, self._level + (now - self._at) * self._size / self._minute)
            self._at = now
        elif now >= self._at + self._minute:
            self._level = self._size
            self._at += (now - self._at) // self._minute * self._minute
        return self._level

    def ready(self, cost: float, now: float) -> float:
        missing = min(cost, self._size) - self.level(now)
        if missing <= 1e-9:
            return now
        assert self._at is not None
        return self._at + self._minute if self._is_window else now + missing * self._minute / self._size

    def take(self, cost: float, now: float) -> None:
        self._level = self.level(now) - cost

    def allowance(self, now: float) -> Allowance:
        left = self.level(now)
        assert self._at is not None
        missing = (self._size - left) * self._minute / self._size
        resets_in = self._at + self._minute - now if self._is_window else missing
        return Allowance(limit=int(self._size), remaining=max(0, int(left)), resets_in=round(resets_in, 3))


def write_headers(limits: RateLimits | None) -> Mapping[str, str]:
    """In OpenAI's spelling."""
    written: dict[str, str] = {}
    stated = (("requests", limits.requests), ("tokens", limits.tokens)) if limits is not None else ()
    for what, said in stated:
        if said is not None:
            written[f"x-ratelimit-limit-{what}"] = str(said.limit)
            written[f"x-ratelimit-remaining-{what}"] = str(said.remaining)
            written[f"x-ratelimit-reset-{what}"] = f"{round((said.resets_in or 0.0) * 1000)}ms"
    return written
