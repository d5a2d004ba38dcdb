"""The scripted model in process: a `ports.ModelClient` that answers from a script and checks what it is asked."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence

from equitr_coder.domain.errors import ModelError, ModelErrorKind
from equitr_coder.domain.ids import CallId
from equitr_coder.domain.models import (
    AssistantMessage,
    Delta,
    ModelRequest,
    ReasoningDelta,
    Reply,
    StopCause,
    TextDelta,
    ToolCall,
)
from equitr_coder.domain.money import Usage
from equitr_coder.ports import Clock
from equitr_coder.testing.backend import Answer, Backend, Recorded, WireError
from equitr_coder.testing.chunks import pieces
from equitr_coder.testing.script import Rule, Script, ScriptedReply, as_script
from equitr_coder.testing.wire import body_of

_STOPS = {"length": StopCause.LENGTH, "content_filter": StopCause.FILTERED, "tool_calls": StopCause.TOOL_CALLS}


class ScriptedModel:
    """Answers from `script`; the replies of a bare list are used turn by turn.

    `requests` holds every request with what became of it, `sent` the same as values. With a `clock`, delays pass on it.
    """

    def __init__(
        self, script: Script | Sequence[Rule] | Sequence[ScriptedReply], *, clock: Clock | None = None
    ) -> None:
        played = as_script(script)
        self.backend = Backend(played) if clock is None else Backend(played, sleep=clock.sleep, now=clock.monotonic)
        self.sent: list[ModelRequest] = []

    @property
    def requests(self) -> Sequence[Recorded]:
        return self.backend.requests

    async def stream(self, request: ModelRequest) -> AsyncIterator[Delta | Reply]:
        self.sent.append(request)
        body = body_of(request)
        with self.backend.opened(body, has_key=True, session=request.session) as record:
            try:
                answer = await self.backend.answer(record, key="in process")
            except WireError as error:
                raise model_error(error) from error
            async for part in self._play(answer, record):
                yield part

    async def close(self) -> None:
        """There is nothing to close."""

    async def _play(self, answer: Answer, record: Recorded) -> AsyncIterator[Delta | Reply]:
        reply = answer.reply
        assert reply.raw is None, "raw bytes need the server"
        deltas = list(_deltas(reply))
        is_partial = reply.hang or reply.cut_after is not None
        for delta in deltas[: reply.cut_after or 0] if is_partial else deltas:
            yield delta
            if reply.pace:
                await self.backend.sleep(reply.pace)
        if reply.hang:
            await asyncio.Event().wait()
        if is_partial:
            self.backend.close(record, "cut")
            raise ModelError(
                "the stream was cut", kind=ModelErrorKind.BAD_RESPONSE, provider="scripted", retryable=True
            )
        self.backend.close(record, "answered")
        yield _reply(answer, record)


def model_error(error: WireError) -> ModelError:
    """The error as an adapter would report it."""
    kind = _kind(error)
    retryable = kind in (ModelErrorKind.RATE_LIMITED, ModelErrorKind.SERVER, ModelErrorKind.TIMEOUT)
    return ModelError(
        str(error),
        kind=kind,
        provider="scripted",
        status=error.status,
        retryable=retryable,
        retry_after=error.retry_after,
    )


def _kind(error: WireError) -> ModelErrorKind:
    by_code = {
        "insufficient_quota": ModelErrorKind.QUOTA,
        "context_length_exceeded": ModelErrorKind.CONTEXT_OVERFLOW,
        "content_filter": ModelErrorKind.REFUSED,
    }
    by_status = {
        401: ModelErrorKind.AUTH,
        403: ModelErrorKind.AUTH,
        404: ModelErrorKind.NOT_FOUND,
        408: ModelErrorKind.TIMEOUT,
        413: ModelErrorKind.CONTEXT_OVERFLOW,
        429: ModelErrorKind.RATE_LIMITED,
    }
    other = ModelErrorKind.SERVER if error.status >= 500 or error.status == 409 else ModelErrorKind.BAD_REQUEST
    return by_code.get(error.code or "") or by_status.get(error.status, other)


def _deltas(reply: ScriptedReply) -> Iterator[Delta]:
    for piece in pieces(reply.reasoning):
        yield ReasoningDelta(text=piece)
    for piece in pieces(reply.text):
        yield TextDelta(text=piece)


def _reply(answer: Answer, record: Recorded) -> Reply:
    reply = answer.reply
    calls = tuple(
        ToolCall(id=CallId(call_id), name=call.name, arguments=call.text)
        for call, call_id in zip(reply.calls, answer.call_ids, strict=True)
    )
    usage = Usage(
        input=answer.input - reply.usage.cached,
        cache_read=reply.usage.cache_read,
        cache_write=reply.usage.cache_write,
        cache_write_1h=reply.usage.cache_write_1h,
        output=answer.output,
        reasoning=reply.usage.reasoning,
        estimated=reply.no_usage,
    )
    return Reply(
        message=AssistantMessage(text=reply.text, calls=calls),
        usage=usage,
        stop=_STOPS.get(reply.finish_reason, StopCause.END),
        model=record.model,
        request_id=f"request-{record.number}",
        provider="scripted",
        limits=answer.limits,
    )
