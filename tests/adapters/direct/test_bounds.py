"""An answer without an end is stopped, and an honest long one is not."""

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import pytest

from equitr_coder.adapters.direct.answer import Answer
from equitr_coder.adapters.direct.bounds import Bounds
from equitr_coder.adapters.keys.environment import EnvironmentKeys
from equitr_coder.adapters.models.providers import resolve
from equitr_coder.domain.errors import ModelError, ModelErrorKind
from equitr_coder.domain.models import ModelSpec, Tier
from tests.adapters.direct.conftest import Ask
from tests.adapters.direct.wire import DONE, HELLO, STAYS_OPEN, delta, head, streamed

ROUTE = resolve(ModelSpec(name="stub/m", tier=Tier.WEAK, api_base="http://127.0.0.1:1/v1"), EnvironmentKeys({}))
PING: Mapping[str, Any] = {"type": "ping"}
EMPTY = delta(role="assistant", content="")
CALL = delta(tool_calls=[{"index": 0, "function": {"arguments": "x"}}])
ANTHROPIC_TEXT = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "on"}}
ANTHROPIC_EMPTY = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ""}}


class Clock:
    """Says a later time each time it is asked."""

    def __init__(self, step: float) -> None:
        self._now, self._step = 0.0, step

    def __call__(self) -> float:
        self._now += self._step
        return self._now


async def each(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def read(pieces: Iterable[bytes], *, step: float = 0.0, max_tokens: int = 100) -> int:
    """How many chunks came before the end."""
    bounds = Bounds(ROUTE, timeout=10, max_tokens=max_tokens, clock=Clock(step))
    count = 0
    async for chunk in Answer(bounds.pieces(each(pieces)), ROUTE).chunks():
        bounds.note(chunk)
        count += 1
    return count


def line(chunk: Mapping[str, Any]) -> bytes:
    return b"data: %s\n\n" % json.dumps(chunk).encode()


@pytest.mark.parametrize(
    "piece",
    [b": keep-alive\n\n", line(EMPTY), line(PING), line(ANTHROPIC_EMPTY)],
    ids=["comment", "empty", "ping", "-"],
)
async def test_keep_alives_alone_are_waited_for_only_so_long(piece: bytes) -> None:
    with pytest.raises(ModelError) as caught:
        await read([piece] * 100, step=1.0)
    assert caught.value.kind is ModelErrorKind.TIMEOUT
    assert str(caught.value) == "stub sent nothing but keep-alives for 50 s"


@pytest.mark.parametrize("chunk", [delta(reasoning_content="hm"), ANTHROPIC_TEXT, CALL])
async def test_output_now_and_then_keeps_an_answer_alive_however_long_it_takes(chunk: Mapping[str, Any]) -> None:
    pieces = [*[b": keep-alive\n\n"] * 10, line(chunk)] * 50
    assert await read(pieces, step=1.0) == 50


@pytest.mark.parametrize("chunk", [delta(content="on"), delta(reasoning_content="on"), CALL, ANTHROPIC_TEXT])
async def test_output_far_beyond_what_was_asked_for_is_stopped(chunk: Mapping[str, Any]) -> None:
    with pytest.raises(ModelError, match="far beyond max_tokens=100 and was stopped") as caught:
        await read([line(chunk)] * 50_000)
    assert caught.value.kind is ModelErrorKind.BAD_RESPONSE
    assert not caught.value.retryable
    assert caught.value.status is None, "tokens were made, so they are charged"


@pytest.mark.parametrize("start", [b'data: {"choices": [', b'{"choices": ['], ids=["line", "body"])
async def test_bytes_without_an_end_do_not_fill_the_memory(start: bytes) -> None:
    with pytest.raises(ModelError, match="far beyond max_tokens"):
        await read([start, *[b" " * 65_536] * 300])


async def test_the_client_stops_an_endless_stream_and_hangs_up(ask: Ask) -> None:
    asked = await ask([*streamed(*[delta(content="on")] * 34_000, end=False), STAYS_OPEN])
    with pytest.raises(ModelError, match="far beyond max_tokens=100"):
        await asked.all()
    await asked.server.all_gone()


async def test_a_web_page_in_place_of_an_answer_is_no_cost(ask: Ask) -> None:
    asked = await ask([head(content_type="text/html", connection="close"), b"<!doctype html><html>Welcome</html>"])
    with pytest.raises(ModelError, match="the answer is a web page") as caught:
        await asked.all()
    assert caught.value.status == 200, "a status means that no model worked"
    assert "llm.api_base" in caught.value.hint


async def test_an_ordinary_answer_is_within_bounds(ask: Ask) -> None:
    asked = await ask(streamed(*HELLO, DONE))
    deltas, _ = await asked.all()
    assert [each.text for each in deltas] == ["hel", "lo"]
