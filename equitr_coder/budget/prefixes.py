"""Which beginnings a provider has in its cache, and which call is bringing one there."""

import math

from equitr_coder.budget.claim import Claim

FIRST_PIECE = 1.0
"""Seconds at most that a call waits for the first piece of another with the same beginning."""
PREFIX_KEPT = 300.0
"""Seconds that providers keep a cached beginning after its last use."""


class Prefixes:
    def __init__(self) -> None:
        self._warm_until: dict[bytes, float] = {}
        self._leaders: dict[bytes, Claim] = {}

    def wait(self, claim: Claim, now: float) -> float:
        if claim.prefix is None or claim.prefix not in self._leaders or self._is_warm(claim.prefix, now):
            return 0.0
        if claim.patience is None:
            claim.patience = now + FIRST_PIECE
        return max(0.0, claim.patience - now)

    def send(self, claim: Claim, now: float) -> None:
        if claim.prefix is not None and not self._is_warm(claim.prefix, now):
            self._leaders.setdefault(claim.prefix, claim)

    def has_begun(self, claim: Claim, now: float) -> bool:
        """Whether that may let others go."""
        if claim.prefix is None:
            return False
        self._warm_until = {prefix: until for prefix, until in self._warm_until.items() if until > now}
        self._warm_until[claim.prefix] = now + PREFIX_KEPT
        return self._leaders.pop(claim.prefix, None) is not None

    def leave(self, claim: Claim) -> None:
        """Whoever ends without a first piece brought nothing there; the next one leads."""
        if claim.prefix is not None and self._leaders.get(claim.prefix) is claim:
            del self._leaders[claim.prefix]

    def _is_warm(self, prefix: bytes, now: float) -> bool:
        return self._warm_until.get(prefix, -math.inf) > now
