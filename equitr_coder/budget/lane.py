"""The calls of one provider credential: who waits, who is on its way, and what holds the others back."""

import math
from collections.abc import Callable

from equitr_coder.budget.claim import Ahead, Claim, Wait, estimate, prefix_of
from equitr_coder.budget.pool import LONGEST_WAIT, Pool
from equitr_coder.budget.prefixes import Prefixes
from equitr_coder.domain.errors import ModelError, ModelErrorKind
from equitr_coder.domain.models import ModelRequest, RateLimits
from equitr_coder.ports import Clock

_WORTH_TELLING = 1.0 - 1e-6
_OVERLOADED = 529
_FIRST_PAUSE = 0.5
_PAUSE_AT_FIRST = 5.0
_PAUSE_LATER = 30.0
_MANY = 20
"""Rounds of refusals after which this is no matter of a minute."""
_BELIEVED = 3
"""How often in a row a provider may ask for less than the first pause and be taken at its word."""
_UNLIMITED = 1000.0
"""A number of parallel calls that is no limit."""


class Lane:
    def __init__(self, clock: Clock, spread: Callable[[], float], *, caches_prefixes: bool) -> None:
        self.queue: list[Claim] = []
        self.going: set[Claim] = set()
        self._clock = clock
        self._spread = spread
        self._prefixes: Prefixes | None = Prefixes() if caches_prefixes else None
        self._pools: dict[str, Pool] = {}
        self._numbers = 0
        self._paused_until = -math.inf
        self._strikes = 0
        """Rounds of refusals since the last answer."""
        self._slowed_at = 0
        """Number of the last call that was on its way when the lane slowed down; its refusal is no news."""
        self._window = self._ceiling = _UNLIMITED
        self._usual = 5.0
        """Seconds a call takes."""

    def enter(self, request: ModelRequest) -> Claim:
        prefix = prefix_of(request) if self._prefixes is not None else None
        claim = Claim(request.model.name, estimate(request), request.max_tokens, prefix)
        self.queue.append(claim)
        self.serve()
        return claim

    def leave(self, claim: Claim) -> None:
        """The call has ended, or gave up waiting. Nothing of it stays behind."""
        if claim in self.going:
            self.going.remove(claim)
            if not claim.is_taken:
                self._pool(claim).give_back(claim)
            self._usual += 0.2 * (self._clock.monotonic() - claim.sent_at - self._usual)
        else:
            self.queue.remove(claim)
        if self._prefixes is not None:
            self._prefixes.leave(claim)
        self.serve()

    def serve(self) -> None:
        """Let go whoever may go now, in order; tell the others when to look again."""
        now = self._clock.monotonic()
        ahead: dict[str, Ahead] = {}
        for claim in tuple(self.queue):
            line = ahead.get(claim.model)
            wait = self._wait(claim, line or Ahead(), now)
            if wait.seconds <= 0 and line is None:
                self._send(claim, now)
                continue
            if wait.blocks or line is not None:
                if line is not None:
                    wait = Wait(wait.seconds, wait.why, is_timed=False)
                ahead.setdefault(claim.model, Ahead()).add(claim)
            self._postpone(claim, wait, now)

    def has_begun(self, claim: Claim) -> None:
        now = self._clock.monotonic()
        if claim.begun_at is None:
            claim.begun_at = now
            if self._prefixes is not None and self._prefixes.has_begun(claim, now):
                self.serve()

    def answered(self, claim: Claim, limits: RateLimits | None) -> None:
        self.has_begun(claim)
        self._strikes = 0
        self._window += 1.0 if self._window + 1 <= self._ceiling else 1.0 / self._window
        self._pool(claim).hear(claim, limits, self._clock.monotonic())
        self.serve()

    def refused(self, claim: Claim, error: ModelError) -> None:
        is_limit = error.kind is ModelErrorKind.RATE_LIMITED
        if not is_limit and error.status != _OVERLOADED:
            return
        now = self._clock.monotonic()
        pool = self._pool(claim)
        pool.give_back(claim)
        pause = error.retry_after if error.retry_after is None or error.retry_after <= LONGEST_WAIT else 0.0
        if claim.number > self._slowed_at:
            self._slowed_at = self._numbers
            self._strikes += 1
            if pause is None:
                pause = self._own_pause(self._strikes)
            elif pause < _FIRST_PAUSE and self._strikes > _BELIEVED:
                pause = self._own_pause(self._strikes - _BELIEVED)
            if is_limit and self._strikes == 1:
                pool.slow_down(claim, now)
            if len(self.going) > 1 and not (is_limit and pool.is_stated):
                self._ceiling = min(self._window, len(self.going))
                self._window = max(1.0, 0.75 * self._ceiling)
        self._paused_until = max(self._paused_until, now + (pause or 0.0))
        self.serve()

    def _own_pause(self, strikes: int) -> float:
        longest = _PAUSE_AT_FIRST if strikes < _MANY else _PAUSE_LATER
        return min(longest, _FIRST_PAUSE * 2.0 ** min(strikes - 1, 10)) * self._spread()

    def _wait(self, claim: Claim, ahead: Ahead, now: float) -> Wait:
        """What holds a call back the longest."""
        room = math.floor(self._window) - len(self.going) - ahead.calls
        if room <= 0:
            rounds = math.ceil((1 - room) / max(1.0, self._window))
            guess = max(self._paused_until - now, 0.0) + rounds * self._usual
            return Wait(guess, "rate_limited", is_timed=False)
        wait = self._pool(claim).wait(claim, ahead, now)
        if self._paused_until - now > max(0.0, wait.seconds):
            return Wait(self._paused_until - now, "rate_limited")
        if wait.seconds <= 0 and self._prefixes is not None:
            return Wait(self._prefixes.wait(claim, now), "shared_prefix", blocks=False)
        return wait

    def _send(self, claim: Claim, now: float) -> None:
        self.queue.remove(claim)
        self.going.add(claim)
        self._numbers += 1
        claim.number, claim.sent_at = self._numbers, now
        self._pool(claim).take(claim, now)
        if self._prefixes is not None:
            self._prefixes.send(claim, now)
        claim.news.set()

    def _postpone(self, claim: Claim, wait: Wait, now: float) -> None:
        """Wakes the call only for news that it can use."""
        due = now + wait.seconds
        is_other_time = wait.is_timed and (not claim.is_timed or abs(due - claim.due) > 1e-3)
        claim.due, claim.why, claim.is_timed = due, wait.why, wait.is_timed
        claim.is_long = wait.seconds >= _WORTH_TELLING
        if is_other_time or (claim.is_long and not claim.is_told):
            claim.news.set()

    def _pool(self, claim: Claim) -> Pool:
        return self._pools.setdefault(claim.model, Pool())
