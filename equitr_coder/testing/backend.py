"""What the scripted model and the scripted server share: check, choose, wait, count and record requests.

Knows nothing of HTTP or of `ports.ModelClient`.
"""

import asyncio
import time
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.models import RateLimits
from equitr_coder.testing.rates import Rates
from equitr_coder.testing.requests import request_problems
from equitr_coder.testing.script import Barrier, OfferedModel, Script, ScriptedReply, call_ids, with_calls_in_text
from equitr_coder.testing.wire import WireRequest

Outcome = Literal["open", "answered", "error", "cut", "disconnected"]


class WireError(Exception):
    """An answer that is an error, in the provider's terms."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        retry_after: float | None = None,
        limits: RateLimits | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after = retry_after
        self.limits = limits


@dataclass
class Recorded:
    """One request as it came and what became of it. Times are of the monotonic clock."""

    number: int
    body: Any
    has_key: bool
    started: float
    ended: float | None = None
    status: int = 0
    outcome: Outcome = "open"
    error: str = ""
    rule: int | None = None
    session: str = ""
    """Who asked; known only in process."""
    key: str | None = field(default=None, repr=False)
    """The key that came, for a test to compare; in no log."""

    @property
    def model(self) -> str:
        model = self.body.get("model") if isinstance(self.body, dict) else None
        return model if isinstance(model, str) else ""

    @property
    def messages(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = self.body.get("messages", []) if isinstance(self.body, dict) else []
        return messages

    @property
    def tools(self) -> tuple[str, ...]:
        """Names of the tools offered, natively or in the system prompt."""
        return WireRequest(self.body, tools_as_text=True).tool_names

    def as_log(self) -> dict[str, Any]:
        """What a log line holds: everything but the key."""
        return {
            "number": self.number,
            "started": self.started,
            "ended": self.ended,
            "model": self.model,
            "status": self.status,
            "outcome": self.outcome,
            "error": self.error,
            "rule": self.rule,
            "has_key": self.has_key,
            "body": self.body,
        }


@frozen
class Answer:
    """A chosen reply with what the wire needs beside it."""

    reply: ScriptedReply
    call_ids: tuple[str, ...]
    input: int
    """Tokens, all classes together."""
    output: int
    limits: RateLimits | None = None


class Backend:
    """A script being played. One per model or server; belongs to one event loop."""

    def __init__(
        self,
        script: Script,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.monotonic,
        on_end: Callable[[Recorded], None] = lambda _: None,
    ) -> None:
        self.script = script
        self.require_key = script.require_key
        """As in the script; a test changes it to revoke a key."""
        self.requests: list[Recorded] = []
        self.peak: Counter[str] = Counter()
        """Highest number of requests that were open at once, by model; under "" for all together."""
        self._open: Counter[str] = Counter()
        self._uses: Counter[int] = Counter()
        self._recent: deque[float] = deque()
        self._gates: defaultdict[str, _Gate] = defaultdict(_Gate)
        self._changed = asyncio.Event()
        self.sleep = sleep
        self._now = now
        self._rates = Rates(script.quota) if script.quota is not None else None
        self._on_end = on_end

    @contextmanager
    def opened(self, body: Any, *, has_key: bool, session: str = "", key: str | None = None) -> Iterator[Recorded]:
        """Records one request while it is being answered. Leaving it open means that the client went."""
        record = Recorded(len(self.requests) + 1, body, has_key, self._now(), session=session, key=key)
        self.requests.append(record)
        for name in {record.model, ""}:
            self._open[name] += 1
            self.peak[name] = max(self.peak[name], self._open[name])
        self._announce()
        try:
            yield record
        finally:
            self.close(record, "disconnected")

    def close(self, record: Recorded, outcome: Outcome) -> None:
        """Say what became of a request; only the first word counts.

        To be called before the last bytes are sent, so that whoever has the answer finds the record complete.
        """
        if record.outcome != "open":
            return
        record.outcome, record.ended = outcome, self._now()
        for name in {record.model, ""}:
            self._open[name] -= 1
        self._on_end(record)
        self._announce()

    def _announce(self) -> None:
        """Wake everybody who waits for the record of requests to change."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def answer(self, record: Recorded, *, key: str | None = None) -> Answer:
        """Check the request and wait as the script says.

        Raises:
            WireError: the answer is an error, by the script or because the request is malformed.
        """
        try:
            answer = self._choose(record, key)
            if answer.reply.barrier is not None:
                await self._gates[answer.reply.barrier.name].wait(answer.reply.barrier)
            if answer.reply.delay:
                await self.sleep(answer.reply.delay)
            error = answer.reply.error
            if error is not None:
                raise WireError(error.status, error.message, code=error.code, retry_after=error.retry_after)
        except WireError as error:
            record.status, record.error = error.status, str(error)
            self.close(record, "error")
            raise
        record.status = 200
        return answer

    async def reached(self, count: int) -> None:
        """Wait until `count` requests have come."""
        await self._until(lambda: len(self.requests) >= count)

    async def closed(self, count: int) -> None:
        """Wait until `count` requests have been answered, or abandoned by their clients."""
        await self._until(lambda: sum(record.outcome != "open" for record in self.requests) >= count)

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            changed = self._changed
            await changed.wait()

    def check_key(self, key: str | None) -> None:
        """Raises WireError 401."""
        wanted = self.require_key
        known = (wanted,) if isinstance(wanted, str) else wanted
        if wanted and (not key or (isinstance(known, tuple) and key not in known)):
            raise WireError(401, "no valid API key was given", code="invalid_api_key")

    def models(self) -> Sequence[OfferedModel]:
        """The script's list, else the models that its rules name in full."""
        if self.script.models:
            return self.script.models
        named = {rule.when.model for rule in self.script.rules if not set("*?[") & set(rule.when.model)}
        return tuple(OfferedModel(id=name) for name in sorted(named) or ["scripted"])

    def _choose(self, record: Recorded, key: str | None) -> Answer:
        self.check_key(key)
        problems = request_problems(record.body)
        if problems:
            raise WireError(400, f"malformed request: {'; '.join(problems)}", code="malformed_request")
        request = WireRequest(record.body, tools_as_text=self.script.tools_as_text)
        self._check_model(request)
        self._check_rate(record.started)
        choice = self.script.find(request, used_up=self._is_used_up)
        if choice is None:
            raise WireError(400, _no_rule(request), code="no_rule")
        is_text = self.script.tools_as_text and "tools" not in record.body
        answer = _answer(request, with_calls_in_text(choice.reply) if is_text else choice.reply)
        limits = self._count(request, answer, record.started)
        self._uses[choice.rule] += 1
        record.rule = choice.rule
        return replace(answer, limits=limits)

    def _is_used_up(self, number: int) -> bool:
        times = self.script.rules[number].times
        return times is not None and self._uses[number] >= times

    def _check_model(self, request: WireRequest) -> None:
        if not self.script.models:
            return
        offered = {model.id: model for model in self.script.models}
        if request.model not in offered:
            raise WireError(404, f"the model `{request.model}` does not exist", code="model_not_found")
        if request.tool_names and not offered[request.model].tools:
            raise WireError(400, f"{request.model} does not support tools", code="tools_not_supported")
        window = offered[request.model].context_window
        if window is not None and request.tokens > window:
            text = f"This model's maximum context length is {window} tokens; the messages have {request.tokens}"
            raise WireError(400, text, code="context_length_exceeded")

    def _check_rate(self, now: float) -> None:
        limit = self.script.rate_limit
        if limit is None:
            return
        while self._recent and self._recent[0] <= now - limit.seconds:
            self._recent.popleft()
        is_crowded = limit.parallel is not None and self._open[""] > limit.parallel
        if is_crowded or (limit.requests is not None and len(self._recent) >= limit.requests):
            raise WireError(429, "rate limit reached", code="rate_limit_exceeded", retry_after=limit.retry_after)
        self._recent.append(now)

    def _count(self, request: WireRequest, answer: Answer, now: float) -> RateLimits | None:
        """Raises WireError 429 or 529 when the quota is used up, or by its faults."""
        if self._rates is None:
            return None
        cost = self._rates.cost(input=answer.input, asked=request.max_tokens, output=answer.output)
        refused = self._rates.admit(cost, now)
        limits = self._rates.limits(now)
        if refused is not None:
            text, code = (
                ("rate limit reached", "rate_limit_exceeded") if refused.status == 429 else ("overloaded", None)
            )
            raise WireError(refused.status, text, code=code, retry_after=refused.retry_after, limits=limits)
        return limits


class _Gate:
    """A barrier in use: those who wait now. Opens for the next round when it lets a round through."""

    def __init__(self) -> None:
        self._waiting = 0
        self._round = asyncio.Event()

    async def wait(self, barrier: Barrier) -> None:
        """Raises WireError 500 when the others do not come in time. Who leaves early is not counted any more."""
        ours = self._round
        self._waiting += 1
        if self._waiting >= barrier.parties:
            self._waiting, self._round = 0, asyncio.Event()
            ours.set()
            return
        try:
            async with asyncio.timeout(barrier.timeout):
                await ours.wait()
        except TimeoutError as error:
            text = f"barrier {barrier.name}: {barrier.parties} parties did not arrive in {barrier.timeout:g} s"
            raise WireError(500, text, code="barrier_timeout") from error
        finally:
            if not ours.is_set():
                self._waiting -= 1


def _answer(request: WireRequest, reply: ScriptedReply) -> Answer:
    ids = call_ids(request, reply)
    usage = reply.usage
    written = len(reply.text) + len(reply.reasoning) + sum(len(c.name) + len(c.text) for c in reply.calls)
    estimate = max(1, written // 4)
    if request.max_tokens is not None:  # no provider bills more output than was asked for, unless the script says so
        estimate = min(estimate, request.max_tokens)
    fresh = request.tokens - usage.cached if usage.input is None else usage.input
    return Answer(
        reply,
        ids,
        input=max(0, fresh) + usage.cached,
        output=estimate if usage.output is None else usage.output,
    )


def _no_rule(request: WireRequest) -> str:
    """Loud: names everything that rules match on."""

    def short(text: str) -> str:
        return text if len(text) <= 300 else f"{text[:150]} … {text[-150:]}"

    return (
        f"script has no rule for model {request.model!r}, turn {request.turn}, tools {list(request.tool_names)}, "
        f"first message {short(request.first)!r}, last message {short(request.last)!r}"
    )
