"""What is left of one rate limit of a provider, as its last word and our own calls since then say.

Pure; knows no calls, only numbers in the order in which they were sent.
"""

from collections import deque

from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.models import Allowance

MINUTE = 60.0
_KEPT = 256
"""Costs that are kept for the next word; more are never in flight."""
_JUDGED_AFTER = 4.0
"""Seconds between two words that tell a window from a bucket; headers are often exact to a second only."""
_RATIOS = (0.05, 2.0)
_LEARNT = 0.3
"""How much one comparison moves what is believed."""


@frozen
class _Cost:
    number: int
    at: float
    units: float


class Meter:
    """One limit: requests, tokens or output tokens.

    Providers fill their limits up in two ways: evenly (a bucket: OpenAI, Anthropic, Groq), or all at once (a window).
    Which one this is shows in the moment they name for being full again: a window's stands still while calls are made.

    An answer's headers are older than the answer, and know nothing of calls sent after it. So costs are kept by number:
    a word about call `n` replaces everything up to `n`, and what was sent later is taken off again.

    With `is_estimated` costs are guesses, and how many units the provider really counts for them is learnt.
    """

    def __init__(self, *, is_estimated: bool = False) -> None:
        self.limit: float | None = None
        self.is_assumed = False
        """The limit is our guess from refusals; no header ever stated it."""
        self._is_estimated = is_estimated
        self._is_window = False
        self._level = self._at = self._rate = self._full_at = 0.0
        self._period = MINUTE
        self._heard = 0
        self._said = 0.0
        self._seen = 0.0
        self._ratio = 1.0
        self._costs: deque[_Cost] = deque(maxlen=_KEPT)
        self._anchor: tuple[float, float, float] | None = None

    @property
    def is_known(self) -> bool:
        return self.limit is not None

    @property
    def is_stated(self) -> bool:
        return self.limit is not None and not self.is_assumed

    def wait(self, units: float, now: float, *, ahead: float = 0.0) -> float:
        """Seconds until a call of this cost may go, after others of the cost `ahead`."""
        if self.limit is None:
            return 0.0
        self._refill(now)
        missing = min(units * self._ratio, self.limit) + ahead * self._ratio - self._level
        if missing <= 1e-6:
            return 0.0
        return max(0.0, self._full_at - now) if self._is_window else missing / self._rate

    def take(self, number: int, units: float, now: float) -> None:
        """A call is sent."""
        cost = _Cost(number, now, units)
        self._costs.append(cost)
        if self.limit is not None:
            self._spend(cost)

    def give_back(self, number: int) -> None:
        """The provider refused the call, so it counts nothing for it. If it does, its next word says so."""
        kept = [cost for cost in self._costs if cost.number != number]
        if self.limit is not None:
            self._level += self._ratio * sum(cost.units for cost in self._costs if cost.number == number)
        self._costs = deque(kept, maxlen=_KEPT)

    def doubt(self, units: float, now: float) -> None:
        """The provider refused what should have been left: no more than one call of this cost goes unproven."""
        if self.limit is not None:
            self._refill(now)
            self._level = min(self._level, units * self._ratio)

    def hear(self, said: Allowance, number: int, seen: float) -> None:
        """What the headers of the answer to call `number` say; they came at `seen`."""
        if said.remaining is None or number <= self._heard:
            return
        limit = float(max(said.limit or self.limit or 0, said.remaining))
        if limit <= 0:
            return
        used = limit - said.remaining
        resets_in = said.resets_in
        if resets_in is not None:
            self._judge(seen, seen + resets_in, used)
        self._calibrate(number, said.remaining, seen)
        self.limit, self.is_assumed = limit, False
        self._level, self._at, self._heard = float(said.remaining), seen, number
        self._said, self._seen = self._level, seen
        if self._is_window and resets_in is not None:
            self._full_at, self._period = seen + resets_in, max(MINUTE, resets_in)
        else:
            self._rate = used / resets_in if resets_in and used else limit / MINUTE
        while self._costs and self._costs[0].number <= number:
            self._costs.popleft()
        for cost in self._costs:
            self._spend(cost)

    def assume(self, per_minute: float, now: float, *, level: float) -> None:
        """Without headers: what refusals teach."""
        if self.limit is None:
            self._level = level
        else:
            self._refill(now)
            self._level = min(self._level, level)
        self.limit, self.is_assumed = per_minute, True
        self._rate, self._at = per_minute / MINUTE, now

    def widen(self, per_minute: float, now: float) -> None:
        """Without headers: what answers teach."""
        self._refill(now)
        self.limit, self._rate = per_minute, per_minute / MINUTE

    def _spend(self, cost: _Cost) -> None:
        self._refill(cost.at)
        self._level -= cost.units * self._ratio

    def _refill(self, now: float) -> None:
        assert self.limit is not None
        if self._is_window:
            while self._full_at <= now:
                self._level, self._full_at = self.limit, self._full_at + self._period
        elif now > self._at:
            self._level = min(self.limit, self._level + self._rate * (now - self._at))
        self._at = max(self._at, now)

    def _judge(self, seen: float, full_at: float, used: float) -> None:
        """Tell a window from a bucket: with calls going on, a bucket is full later and later."""
        anchor = self._anchor
        if anchor is None or used < anchor[2]:
            self._anchor = (seen, full_at, used)
        elif seen - anchor[0] >= _JUDGED_AFTER:
            self._is_window = full_at - anchor[1] < (seen - anchor[0]) / 2
            self._anchor = (seen, full_at, used)

    def _calibrate(self, number: int, remaining: float, seen: float) -> None:
        """Compare what the provider counted between its last two words with what was guessed for those calls."""
        if not (self._is_estimated and self.is_stated) or self._is_window or seen < self._seen:
            return
        assert self.limit is not None
        full = self._said + self._rate * (seen - self._seen)
        guessed = sum(cost.units for cost in self._costs if cost.number <= number)
        if guessed > 0 and full < self.limit:
            ratio = min(max((full - remaining) / guessed, _RATIOS[0]), _RATIOS[1])
            self._ratio += _LEARNT * (ratio - self._ratio)
