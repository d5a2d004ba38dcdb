"""One model call as the ledger sees it: reserve, record, stream, settle; and the tries again that help.

Nothing is sent before its reservation is durable; the reply and its settlement become durable together.
"""

import random
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from equitr_coder.domain.errors import ModelError, ModelErrorKind
from equitr_coder.domain.events import MessageAdded, ModelCallFailed, ModelCallReserved, ModelCallSettled
from equitr_coder.domain.ids import AgentName, SessionId, TaskId
from equitr_coder.domain.models import ModelRequest, Purpose, Reply, TextDelta
from equitr_coder.domain.money import UNPRICED, ZERO
from equitr_coder.ports import Account, BudgetGate, Clock, Deadline, EventSink, ModelClient, Reservation

_FIRST_DELAY = 0.5
_LONGEST_DELAY = 60.0
_LONGEST_ASKED_DELAY = 300.0


@dataclass(frozen=True)
class Caller:
    """Who calls, for events and for the account that pays."""

    session: SessionId
    agent: AgentName
    task: TaskId | None
    purpose: Purpose


class ModelCalls:
    """All model calls of one session go through here."""

    def __init__(
        self,
        *,
        caller: Caller,
        client: ModelClient,
        budget: BudgetGate,
        events: EventSink,
        clock: Clock,
        deadline: Deadline,
        retries: int = 4,
    ) -> None:
        self._caller = caller
        self._client = client
        self._budget = budget
        self._events = events
        self._clock = clock
        self._deadline = deadline
        self._retries = retries

    async def call(self, request: ModelRequest) -> Reply:
        """Send the request until it is answered; each try is reserved and settled by itself.

        Raises:
            BudgetRefused: nothing was sent.
            ModelError: it cannot be answered, or not within the allowed tries.
        """
        tries = 0
        while True:
            tries += 1
            try:
                return await self._try(request, tries)
            except _TryAgain as again:
                with self._deadline.paused():
                    await self._clock.sleep(again.delay)

    async def _try(self, request: ModelRequest, tries: int) -> Reply:
        account = Account(self._events.view.run, self._caller.task, self._caller.session)
        with self._deadline.paused():
            reservation = await self._budget.reserve(account, request)
        try:
            await self._events.record(self._reserved(request, reservation))
        except BaseException:
            unsent = ModelError("never sent", kind=ModelErrorKind.INTERRUPTED, provider="", sent=False)
            failed = self._failed(request, reservation, unsent, retry_in=None)
            if reservation.call in self._events.view.ledger:  # cancelled just after it became durable
                await self._events.record(failed)
            raise
        started = self._clock.monotonic()
        try:
            reply = _storable(await self._stream(request.model_copy(update={"max_tokens": reservation.max_tokens})))
        except ModelError as error:
            delay = self._delay(error, tries)
            await self._events.record(self._failed(request, reservation, error, retry_in=delay))
            if delay is None:
                raise
            raise _TryAgain(delay) from error
        except BaseException:
            # Cancelled, or a bug: the provider may have worked, so it is charged.
            cut = ModelError("interrupted", kind=ModelErrorKind.INTERRUPTED, provider="")
            await self._events.record(self._failed(request, reservation, cut, retry_in=None))
            raise
        latency_ms = round((self._clock.monotonic() - started) * 1000)
        usd, warnings = self._budget.settle(reservation, reply.usage)
        settled = ModelCallSettled(
            **self._who(),
            call=reservation.call,
            model=reservation.model,
            tier=request.model.tier,
            purpose=self._caller.purpose,
            usage=reply.usage,
            usd=usd,
            price_source=reservation.price.source if reservation.price is not None else UNPRICED,
            latency_ms=latency_ms,
            stop=reply.stop,
        )
        await self._events.record(MessageAdded(**self._who(), message=reply.message), settled, *warnings)
        return reply

    async def _stream(self, request: ModelRequest) -> Reply:
        reply: Reply | None = None
        async for item in self._client.stream(request):
            if isinstance(item, Reply):
                reply = item
            elif isinstance(item, TextDelta):
                self._events.show(self._caller.session, self._caller.agent, self._caller.task, item.text)
        if reply is None:
            raise ModelError(
                "the stream ended without an answer", kind=ModelErrorKind.BAD_RESPONSE, provider="", retryable=True
            )
        return reply

    def _delay(self, error: ModelError, tries: int) -> float | None:
        """Seconds until the next try; None when there is none."""
        if not error.retryable or tries > self._retries:
            return None
        if error.retry_after is not None:
            return error.retry_after if error.retry_after <= _LONGEST_ASKED_DELAY else None
        ceiling = min(_LONGEST_DELAY, _FIRST_DELAY * 2.0 ** (tries - 1))
        return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, protects nothing

    def _charge(self, reservation: Reservation, error: ModelError) -> Decimal:
        """A refused or never sent request costs nothing; one whose fate is unknown costs its reservation."""
        if not error.sent or error.status is not None:
            self._budget.release(reservation)
            return ZERO
        return self._budget.charge(reservation)

    def _reserved(self, request: ModelRequest, reservation: Reservation) -> ModelCallReserved:
        return ModelCallReserved(
            **self._who(),
            call=reservation.call,
            model=reservation.model,
            tier=request.model.tier,
            purpose=self._caller.purpose,
            usd=reservation.usd,
            input_bound=reservation.input_bound,
            max_tokens=reservation.max_tokens,
        )

    def _failed(
        self, request: ModelRequest, reservation: Reservation, error: ModelError, *, retry_in: float | None
    ) -> ModelCallFailed:
        return ModelCallFailed(
            **self._who(),
            call=reservation.call,
            model=reservation.model,
            tier=request.model.tier,
            purpose=self._caller.purpose,
            kind=error.kind,
            message=str(error),
            usd=self._charge(reservation, error),
            retry_in=retry_in,
        )

    def _who(self) -> dict[str, Any]:
        return {"session": self._caller.session, "agent": self._caller.agent, "task": self._caller.task}


def _storable(reply: Reply) -> Reply:
    """As it can be stored and sent back: text without halves of surrogate pairs, and no call without a name."""
    message = reply.message
    calls = tuple(
        call.model_copy(update={"name": _text(call.name) or "unknown", "arguments": _text(call.arguments)})
        for call in message.calls
    )
    return reply.model_copy(
        update={"message": message.model_copy(update={"text": _text(message.text), "calls": calls})}
    )


def _text(text: str) -> str:
    return text.encode("utf-8", errors="replace").decode("utf-8")


class _TryAgain(Exception):  # noqa: N818 - an outcome inside this module, not an error
    def __init__(self, delay: float) -> None:
        super().__init__(delay)
        self.delay = delay
