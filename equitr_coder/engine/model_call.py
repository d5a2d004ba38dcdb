"""One model call as the ledger sees it: wait for its turn, reserve, record, stream, settle; and the tries that help.

No money is held while a provider's limits are waited for. Nothing is sent before its reservation is durable; the reply
and its settlement become durable together, before anything that is done because of them.
"""

import hashlib
import random
from collections.abc import Awaitable, Callable, Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from equitr_coder.domain.errors import ModelError, ModelErrorKind
from equitr_coder.domain.events import (
    MessageAdded,
    ModelCallDelayed,
    ModelCallFailed,
    ModelCallReserved,
    ModelCallSettled,
)
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import AgentName, CallId, SessionId, TaskId
from equitr_coder.domain.models import (
    AssistantMessage,
    ModelRequest,
    ModelSpec,
    Purpose,
    Reply,
    TextDelta,
    ToolCall,
)
from equitr_coder.domain.money import UNPRICED, ZERO
from equitr_coder.engine.budget_note import with_budget_note
from equitr_coder.engine.images import TakesImages, able, as_seen_by
from equitr_coder.engine.outages import Outages, is_outage
from equitr_coder.ports import (
    Account,
    BudgetGate,
    Clock,
    Deadline,
    EventSink,
    Limiter,
    ModelClient,
    Reservation,
    Slot,
)

_FIRST_DELAY = 0.5
_LONGEST_DELAY = 60.0
_LONGEST_ASKED_DELAY = 300.0
_LONGEST_THROTTLE = 900.0
_ENDLESS = 1e7
"""Seconds that are no more a wait, if they were meant at all."""
_OVERLOADED = 529

_Why = Literal["rate_limited", "paced", "shared_prefix"]


@frozen
class Caller:
    """Who calls, for events and for the account that pays."""

    session: SessionId
    agent: AgentName
    task: TaskId | None
    purpose: Purpose


@frozen
class Providers:
    """How models are reached; the same for all sessions of the process."""

    client: ModelClient
    limiter: Limiter
    outages: Outages
    name_of: Callable[[ModelSpec], str]
    """The provider of a model."""
    takes_images: TakesImages = lambda spec: spec.images == "yes"


class ModelCalls:
    """All model calls of one session go through here."""

    def __init__(
        self,
        *,
        caller: Caller,
        providers: Providers,
        budget: BudgetGate,
        events: EventSink,
        clock: Clock,
        deadline: Deadline,
        retries: int = 4,
    ) -> None:
        self._caller = caller
        self._providers = providers
        self._budget = budget
        self._events = events
        self._clock = clock
        self._deadline = deadline
        self._retries = retries

    async def call(self, request: ModelRequest) -> Reply:
        """Send the request until it is answered; each try is reserved and settled by itself. While the model's provider
        is down its fallbacks are asked, in their order; with images, those that take them.

        Raises:
            BudgetRefused: nothing was sent.
            ModelError: it cannot be answered, or not within the allowed tries.
        """
        up = self._providers.outages.candidates(request.model)
        *others, last = able(up, request, self._providers.takes_images)
        for spec in others:
            try:
                return await self._ask(spec, request)
            except ModelError as error:
                if not is_outage(error):
                    raise
        return await self._ask(last, request)

    async def _ask(self, spec: ModelSpec, request: ModelRequest) -> Reply:
        """One model, until it answers or its tries are used up."""
        outages = self._providers.outages
        instead_of = "" if spec is request.model else request.model.name
        tries = _Tries(0 if outages.was_down(spec) and request.model.fallbacks else self._retries)
        while True:
            try:
                asked = as_seen_by(request.model_copy(update={"model": spec}), self._providers.takes_images)
                reply = await self._try(asked, tries, instead_of)
            except _TryAgain as again:
                if again.delay:
                    with self._deadline.paused():
                        await self._clock.sleep(again.delay)
            except ModelError as error:
                if is_outage(error):
                    outages.note_down(spec)
                raise
            else:
                outages.note_up(spec)
                return reply

    async def _try(self, request: ModelRequest, tries: "_Tries", instead_of: str) -> Reply:
        account = Account(self._events.view.run, self._caller.task, self._caller.session)
        async with AsyncExitStack() as stack:
            with self._deadline.paused():
                slot = await stack.enter_async_context(
                    self._providers.limiter.slot(request, on_wait=self._telling(request.model))
                )
                request = with_budget_note(request, self._budget.left(account))
                reservation = await self._budget.reserve(account, request)
            await self._record_reserved(request, reservation, instead_of)
            started = self._clock.monotonic()
            try:
                sent = request.model_copy(update={"max_tokens": reservation.max_tokens})
                reply = _storable(await self._stream(sent, slot), taken=self._known_calls)
            except ModelError as error:
                slot.refused(error)
                again = tries.after(error)
                failed = self._failed(request, reservation, error, retry_in=again.announced if again else None)
                await self._events.record(failed)
                if again is not None:
                    raise again from error
                if _is_throttle(error):
                    raise _too_long(error) from error
                raise
            except BaseException:
                # Cancelled, or a bug: the provider may have worked, so it is charged.
                cut = ModelError("interrupted", kind=ModelErrorKind.INTERRUPTED, provider="")
                await self._events.record(self._failed(request, reservation, cut, retry_in=None))
                raise
            latency_ms = round((self._clock.monotonic() - started) * 1000)
            self._note_settled(request, reservation, reply, latency_ms=latency_ms)  # paid: before all else
            slot.answered(reply.limits)
        return reply

    @property
    def _known_calls(self) -> set[CallId]:
        session = self._events.view.sessions.get(self._caller.session)
        said = session.messages if session is not None else ()
        return {call.id for message in said if isinstance(message, AssistantMessage) for call in message.calls}

    async def _stream(self, request: ModelRequest, slot: Slot) -> Reply:
        reply: Reply | None = None
        async for item in self._providers.client.stream(request):
            slot.has_begun()
            if isinstance(item, Reply):
                reply = item
            elif isinstance(item, TextDelta) and self._caller.purpose is not Purpose.COMPACTION:
                self._events.show(self._caller.session, self._caller.agent, self._caller.task, item.text)
        if reply is None:
            raise ModelError(
                "the stream ended without an answer", kind=ModelErrorKind.BAD_RESPONSE, provider="", retryable=True
            )
        return reply

    def _telling(self, spec: ModelSpec) -> Callable[[float, _Why], Awaitable[None]]:
        async def tell(seconds: float, why: _Why) -> None:
            await self._events.record(
                ModelCallDelayed(
                    **self._who(),
                    model=spec.name,
                    provider=self._providers.name_of(spec),
                    seconds=round(seconds, 3),
                    why=why,
                )
            )

        return tell

    def _charge(self, reservation: Reservation, error: ModelError) -> Decimal:
        """A refused or never sent request costs nothing; one whose fate is unknown costs its reservation."""
        if not error.sent or error.status is not None:
            self._budget.release(reservation)
            return ZERO
        return self._budget.charge(reservation)

    async def _record_reserved(self, request: ModelRequest, reservation: Reservation, instead_of: str) -> None:
        reserved = ModelCallReserved(
            **self._of(request, reservation),
            usd=reservation.usd,
            input_bound=reservation.input_bound,
            max_tokens=reservation.max_tokens,
            instead_of=instead_of,
        )
        try:
            await self._events.record(reserved)
        except BaseException:
            unsent = ModelError("never sent", kind=ModelErrorKind.INTERRUPTED, provider="", sent=False)
            failed = self._failed(request, reservation, unsent, retry_in=None)
            if reservation.call in self._events.view.ledger:  # cancelled just after it became durable
                await self._events.record(failed)
            raise

    def _note_settled(self, request: ModelRequest, reservation: Reservation, reply: Reply, *, latency_ms: int) -> None:
        usd, warnings = self._budget.settle(reservation, reply.usage)
        price, usage = reservation.price, reply.usage
        provider = reply.provider or self._providers.name_of(request.model)
        source = UNPRICED if price is None else price.source
        settled = ModelCallSettled(
            **self._of(request, reservation),
            usage=usage,
            usd=usd,
            price_source=source if usage.reported_usd is None else f"reported by {provider}",
            price=None if price is None else price.used_for(usage),
            provider=provider,
            latency_ms=latency_ms,
            stop=reply.stop,
        )
        self._events.note(MessageAdded(**self._who(), message=reply.message), settled, *warnings)

    def _failed(
        self, request: ModelRequest, reservation: Reservation, error: ModelError, *, retry_in: float | None
    ) -> ModelCallFailed:
        return ModelCallFailed(
            **self._of(request, reservation),
            kind=error.kind,
            message=str(error),
            usd=self._charge(reservation, error),
            retry_in=retry_in,
            provider=error.provider or self._providers.name_of(request.model),
        )

    def _of(self, request: ModelRequest, reservation: Reservation) -> dict[str, Any]:
        """What every event of a call says of it."""
        return {
            **self._who(),
            "call": reservation.call,
            "model": reservation.model,
            "tier": request.model.tier,
            "purpose": self._caller.purpose,
        }

    def _who(self) -> dict[str, Any]:
        return {"session": self._caller.session, "agent": self._caller.agent, "task": self._caller.task}


class _TryAgain(Exception):  # noqa: N818 - an outcome inside this module, not an error
    """`delay` is waited here; `announced` is what the log says of it, the limiter's wait included."""

    def __init__(self, delay: float, announced: float) -> None:
        super().__init__(delay)
        self.delay = delay
        self.announced = announced


@dataclass
class _Tries:
    """Counts what one model was given. Being told to wait uses up no try: the limiter waits."""

    allowed: int
    """Tries after the first."""
    used: int = 0
    throttled: int = 0

    def after(self, error: ModelError) -> _TryAgain | None:
        """The next try; None when there is none, also because the provider asks for a wait that nobody sits out."""
        if _is_throttle(error):
            if error.retry_after is not None and error.retry_after > _LONGEST_THROTTLE:
                return None
            self.throttled += 1
            return _TryAgain(0.0, _backoff(self.throttled) if error.retry_after is None else error.retry_after)
        self.used += 1
        if not error.retryable or self.used > self.allowed:
            return None
        if error.retry_after is not None:
            return (
                _TryAgain(error.retry_after, error.retry_after) if error.retry_after <= _LONGEST_ASKED_DELAY else None
            )
        delay = _backoff(self.used) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, protects nothing
        return _TryAgain(delay, delay)


def _is_throttle(error: ModelError) -> bool:
    """Whether the provider works and only wants fewer calls."""
    return error.kind is ModelErrorKind.RATE_LIMITED or error.status == _OVERLOADED


def _too_long(error: ModelError) -> ModelError:
    """Without a hint of its own: the run says how to go on later."""
    assert error.retry_after is not None
    seconds = error.retry_after
    wait = f"wait for {round(seconds / 60)} min" if seconds < _ENDLESS else "come back another time"
    return ModelError(
        f"{error}; it asks to {wait}",
        kind=error.kind,
        provider=error.provider,
        status=error.status,
        retry_after=error.retry_after,
        request_id=error.request_id,
    )


def _backoff(count: int) -> float:
    return min(_LONGEST_DELAY, _FIRST_DELAY * 2.0 ** min(count - 1, 10))


def _storable(reply: Reply, *, taken: Collection[CallId]) -> Reply:
    """As it can be stored and sent back: text without halves of surrogate pairs, no call without a name, and ids that
    the session has never had. A provider that numbers calls by what it is sent begins again after a compaction.
    """
    message = reply.message
    used = set(taken)
    calls: list[ToolCall] = []
    for call in message.calls:
        name, free = _text(call.name) or "unknown", _free_id(call.id, used)
        used.add(free)
        calls.append(call.model_copy(update={"id": free, "name": name, "arguments": _text(call.arguments)}))
    return reply.model_copy(
        update={"message": message.model_copy(update={"text": _text(message.text), "calls": tuple(calls)})}
    )


def _free_id(wanted: CallId, used: Collection[CallId]) -> CallId:
    """Nine letters and digits suit every provider."""
    free, number = wanted, 1
    while free in used:
        number += 1
        free = CallId(hashlib.sha256(f"{wanted} {number}".encode()).hexdigest()[:9])
    return free


def _text(text: str) -> str:
    return text.encode("utf-8", errors="replace").decode("utf-8")
