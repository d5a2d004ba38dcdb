"""The limits of one model in its lane: stated by headers, or learnt from refusals where no header states them."""

import math
from collections import deque

from equitr_coder.budget.claim import Ahead, Claim, Wait
from equitr_coder.budget.meter import MINUTE, Meter
from equitr_coder.domain.models import RateLimits

LONGEST_WAIT = 900.0
"""Nobody is held longer than this on a provider's word; the call is sent, and its refusal says what there is to say."""

_FEW = 8
"""Calls a minute below which a refusal teaches no rate."""
_DOWN = 0.95
_FAST = 1.1
"""What an answer adds to a learnt rate that is far below the one that was refused last."""
_SLOW = 1.01
_NEAR = 0.9


class Pool:
    def __init__(self) -> None:
        self.requests = Meter()
        self.tokens = Meter(is_estimated=True)
        self.output = Meter(is_estimated=True)
        self._accepted: deque[tuple[int, float]] = deque()
        self._ceiling = math.inf

    @property
    def is_stated(self) -> bool:
        return any(meter.is_stated for meter in (self.requests, self.tokens, self.output))

    def wait(self, claim: Claim, ahead: Ahead, now: float) -> Wait:
        seconds = max(
            self.requests.wait(1, now, ahead=ahead.calls),
            self.tokens.wait(
                self._counted(claim.tokens, claim.output), now, ahead=self._counted(ahead.tokens, ahead.output)
            ),
            self.output.wait(claim.output, now, ahead=ahead.output),
        )
        return Wait(
            seconds if seconds <= LONGEST_WAIT else 0.0, "rate_limited" if self.requests.is_assumed else "paced"
        )

    def take(self, claim: Claim, now: float) -> None:
        self.requests.take(claim.number, 1, now)
        self.tokens.take(claim.number, self._counted(claim.tokens, claim.output), now)
        self.output.take(claim.number, claim.output, now)
        self._accepted.append((claim.number, now))
        while self._accepted[0][1] <= now - MINUTE:
            self._accepted.popleft()

    def hear(self, claim: Claim, limits: RateLimits | None, now: float) -> None:
        if limits is not None:
            seen = claim.begun_at if claim.begun_at is not None else now
            for meter, said in (
                (self.requests, limits.requests),
                (self.tokens, limits.tokens),
                (self.output, limits.output_tokens),
            ):
                if said is not None:
                    meter.hear(said, claim.number, seen)
        if self.requests.is_assumed and not self.is_stated:
            assert self.requests.limit is not None
            near = self.requests.limit >= _NEAR * self._ceiling
            self.requests.widen(self.requests.limit * (_SLOW if near else _FAST), now)

    def give_back(self, claim: Claim) -> None:
        for meter in (self.requests, self.tokens, self.output):
            meter.give_back(claim.number)
        self._accepted = deque(entry for entry in self._accepted if entry[0] != claim.number)

    def slow_down(self, claim: Claim, now: float) -> None:
        """The provider said that the rate is too high."""
        if self.is_stated:
            self.requests.doubt(1, now)
            self.tokens.doubt(self._counted(claim.tokens, claim.output), now)
            self.output.doubt(claim.output, now)
            return
        recent = [at for _, at in self._accepted if at > now - MINUTE]
        accepted = float(len(recent))
        if self.requests.limit is not None:
            self._ceiling = self.requests.limit
            accepted = min(_DOWN * self.requests.limit, max(accepted, 0.5 * self.requests.limit))
        elif accepted < _FEW:
            return
        else:
            accepted *= MINUTE / max(1.0, now - recent[0])
        self.requests.assume(max(1.0, accepted), now, level=1.0)

    def _counted(self, tokens: int, output: int) -> int:
        """Tokens that count for the first token limit: the output too, unless it has a limit of its own."""
        return tokens if self.output.is_known else tokens + output
