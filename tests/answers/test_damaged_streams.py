"""Whatever bytes come, they end in an answer or in a ModelError, and soon."""

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equitr_coder.adapters.direct.answer import Answer
from equitr_coder.adapters.direct.assembly import ReplyAssembly
from equitr_coder.adapters.direct.refusals import find_error
from equitr_coder.adapters.keys.environment import EnvironmentKeys
from equitr_coder.adapters.models.errors import bad_response, refused
from equitr_coder.adapters.models.providers import resolve
from equitr_coder.adapters.models.text_tools.hold_back import HoldBack
from equitr_coder.adapters.models.text_tools.loose_json import read_object
from equitr_coder.adapters.models.text_tools.reading import read_reply
from equitr_coder.domain.errors import ModelError, ToolFailure
from equitr_coder.domain.models import ModelRequest, ModelSpec, Reply, StopCause, TextDelta, Tier, UserMessage
from equitr_coder.testing.script import RawAnswer, ScriptedReply, always
from tests.answers.conftest import SPECS, OpenStand, decoded
from tests.answers.test_answers import CASES, pieces_of

STREAMS = tuple(b"".join(pieces_of(case)) for case in CASES)
TEXTS = tuple(case["text"] for case in CASES if case.get("text"))
ROUTE = resolve(ModelSpec(name="stub/m", tier=Tier.WEAK, api_base="http://127.0.0.1:1/v1"), EnvironmentKeys({}))
REQUEST = ModelRequest(
    model=ModelSpec(name="stub/m", tier=Tier.WEAK),
    system="You work.",
    messages=(UserMessage(text="Do it."),),
    tools=tuple(SPECS.values()),
    max_tokens=100,
)


class Body(httpx.AsyncByteStream):
    def __init__(self, data: bytes, size: int) -> None:
        self._data = data
        self._size = size

    async def __aiter__(self) -> Any:
        for start in range(0, len(self._data), self._size):
            yield self._data[start : start + self._size]


async def read(data: bytes, size: int) -> Reply:
    """What the direct client does with a body, without the connection."""
    assembly = ReplyAssembly()
    answer = Answer(httpx.Response(200, stream=Body(data, size)).aiter_bytes(), ROUTE)
    async for chunk in answer.chunks():
        if error := find_error(chunk, has_begun=assembly.has_content):
            raise refused(error, ROUTE)
        for delta in assembly.add(chunk):
            assert delta.text
    if not assembly.is_finished and not (answer.is_complete and assembly.is_whole):
        raise bad_response("the answer broke off", ROUTE)
    return assembly.reply({"messages": []})


def mutations(data: bytes, seed: int) -> bytes:
    """Cut, repeated, dropped and changed bytes, most of them few."""
    dice = random.Random(seed)
    made = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 4, 16))):
        at = dice.randrange(len(made) + 1) if made else 0
        match dice.randrange(6):
            case 0:
                del made[at:]
            case 1:
                del made[at : at + dice.randrange(12)]
            case 2:
                made[at:at] = made[at : at + dice.randrange(40)]
            case 3:
                made[at : at + 1] = bytes([dice.randrange(256)])
            case 4:
                made[at:at] = dice.choice(
                    (b"{", b"}", b"[", b'"', b"\\", b"null", b"1e999", b"\\ud83d", b"\n\n", b"data: ")
                )
            case _:
                made[at:at] = dice.choice((b"[" * 5000, b"-" + b"9" * 5000, b'{"a":' * 2000))
    return bytes(made)


@settings(max_examples=300, deadline=None)
@given(stream=st.sampled_from(STREAMS), seed=st.integers(0, 2**32), size=st.sampled_from((1, 7, 64, 4096)))
async def test_damaged_bytes_end_in_an_answer_or_a_model_error(stream: bytes, seed: int, size: int) -> None:
    try:
        async with asyncio.timeout(5):
            reply = await read(mutations(stream, seed), size)
    except ModelError:
        return
    for asked in (False, True):
        read_again = read_reply(reply, REQUEST, asked=asked)
        for one in read_again.message.calls:
            assert one.name
            if reply.stop is StopCause.LENGTH and one is read_again.message.calls[-1]:
                assert refuses(one, read_again)
            refuses(one, read_again)


def refuses(one: Any, reply: Reply) -> bool:
    try:
        decoded(one, reply, REQUEST.tools)
    except ToolFailure:
        return True
    return False


@settings(max_examples=150, deadline=None)
@given(text=st.sampled_from(TEXTS), seed=st.integers(0, 2**32), cuts=st.lists(st.integers(1, 20), min_size=1))
def test_what_is_shown_and_what_is_stored_agree_however_a_text_is_cut(text: str, seed: int, cuts: list[int]) -> None:
    text = mutations(text.encode(), seed).decode(errors="replace")
    for asked in (False, True):
        reply = read_reply(Reply.model_validate({"message": {"text": text}, "usage": {}}), REQUEST, asked=asked)
        held, shown, start = HoldBack(), "", 0
        for index in range(len(text)):
            size = cuts[index % len(cuts)]
            shown += held.feed(text[start : start + size])
            start += size
        shown += held.rest(reply.message.text)

        if not reply.message.calls:
            assert shown == text
        elif not asked:
            assert shown.rstrip() == reply.message.text.rstrip()


@settings(max_examples=300, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda kids: st.lists(kids) | st.dictionaries(st.text(), kids),
        max_leaves=12,
    )
)
def test_sound_objects_are_read_as_json_reads_them(value: object) -> None:
    assert read_object(json.dumps({"value": value})) == {"value": value}
    assert read_object(json.dumps({"value": value}, ensure_ascii=False, indent=1)) == {"value": value}


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.text(), st.text() | st.none() | st.booleans()), st.integers(0, 4))
def test_mended_objects_say_what_the_sound_one_says(value: dict[str, Any], way: int) -> None:
    ways: tuple[Callable[[str], str], ...] = (
        lambda text: f"```json\n{text}\n```",
        lambda text: text.removesuffix("}") + ("," if value else "") + "}",
        lambda text: f"Here it is: {text}",
        json.dumps,
        lambda text: f"{text}}}",
    )

    assert read_object(ways[way](json.dumps(value))) == value


@settings(max_examples=150, deadline=None)
@given(text=st.sampled_from(STREAMS), seed=st.integers(0, 2**32))
def test_reading_what_is_no_json_never_raises(text: bytes, seed: int) -> None:
    read_object(mutations(text, seed).decode(errors="replace"))


@pytest.mark.parametrize("after", [b"\n\n", b"\ndata: {}\n\n"])
async def test_json_nested_without_end_is_a_bad_response(after: bytes) -> None:
    with pytest.raises(ModelError):
        await read(b"data: " + b"[" * 100_000 + after, 4096)


async def test_damaged_bytes_of_a_real_server_end_in_an_answer_or_a_model_error(stand: OpenStand) -> None:
    for seed in range(30):
        data = mutations(random.Random(seed).choice(STREAMS), seed)
        raw = RawAnswer(pieces=(data[:200], data[200:]), drops=bool(seed % 2))
        s = await stand(always(ScriptedReply(raw=raw)))
        try:
            async with asyncio.timeout(5):
                parts = [part async for part in s.router.stream(s.request())]
        except ModelError:
            continue
        assert isinstance(parts[-1], Reply)
        assert all(isinstance(part, TextDelta) or hasattr(part, "text") for part in parts[:-1])
