import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.adapters.direct.assembly import ReplyAssembly
from equitr_coder.domain.ids import CallId
from equitr_coder.domain.models import ReasoningDelta, Reply, StopCause, TextDelta
from equitr_coder.domain.money import Usage

BODY = {"messages": [{"role": "user", "content": "hi"}]}


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"id": "x-1", "model": "m", "choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def piece(arguments: object = None, **fields: Any) -> dict[str, Any]:
    name = fields.pop("name", None)
    return delta(tool_calls=[{**fields, "function": {"name": name, "arguments": arguments}}])


def assemble(*chunks: dict[str, Any], taken: tuple[str, ...] = ()) -> Reply:
    assembly = ReplyAssembly(taken=taken)
    for chunk in chunks:
        list(assembly.add(chunk))
    return assembly.reply(BODY)


def calls_of(reply: Reply) -> list[tuple[str, str, str]]:
    return [(call.id, call.name, call.arguments) for call in reply.message.calls]


def test_null_content_and_empty_deltas_are_no_text() -> None:
    assembly = ReplyAssembly()

    deltas = [
        d for chunk in (delta(role="assistant", content=None), delta(content=""), delta()) for d in assembly.add(chunk)
    ]

    assert deltas == []
    assert not assembly.has_content
    assert not assembly.is_finished


def test_usage_with_empty_or_missing_choices_is_taken_and_the_last_report_holds() -> None:
    reply = assemble(
        {**delta(content="a"), "usage": {"prompt_tokens": 5, "completion_tokens": 1}},
        {**delta(content="b"), "usage": {"prompt_tokens": 5, "completion_tokens": 2}},
        delta(finish="stop"),
        {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 3}},
        {"usage": None},
    )

    assert reply.usage == Usage(input=5, output=3)
    assert reply.message.text == "ab"


def test_a_report_without_output_is_completed_and_marked() -> None:
    reply = assemble(delta(content="x" * 40), {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 0}})

    assert reply.usage == Usage(input=5, output=10, estimated=True)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_fields_become_reasoning_deltas(field: str) -> None:
    assert list(ReplyAssembly().add(delta(**{field: "hm", "content": "yes"}))) == [
        ReasoningDelta(text="hm"),
        TextDelta(text="yes"),
    ]


def test_content_in_blocks_is_read() -> None:
    blocks = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "yes"},
        {"type": "image"},
    ]

    assert list(ReplyAssembly().add(delta(content=blocks))) == [ReasoningDelta(text="hm"), TextDelta(text="yes")]


def test_interleaved_calls_are_put_together_by_index() -> None:
    reply = assemble(
        piece("", index=0, id="a", name="read"),
        piece("", index=1, id="b", name="list"),
        piece('{"p":', index=0),
        piece("{", index=1),
        piece("1}", index=0),
        piece("}", index=1),
        delta(finish="tool_calls"),
    )

    assert calls_of(reply) == [("a", "read", '{"p":1}'), ("b", "list", "{}")]
    assert reply.stop is StopCause.TOOL_CALLS


def test_calls_that_all_have_index_zero_are_told_apart_by_id() -> None:
    reply = assemble(piece('{"p": 1}', index=0, id="a", name="read"), piece('{"p": 2}', index=0, id="b", name="read"))

    assert calls_of(reply) == [("a", "read", '{"p": 1}'), ("b", "read", '{"p": 2}')]


def test_calls_without_index_and_id_are_told_apart_by_complete_arguments() -> None:
    reply = assemble(
        piece('{"p":', name="read"), piece(" 1}"), piece('{"p": 2}', name="read"), piece("{}", name="list")
    )

    assert calls_of(reply) == [
        ("call00000", "read", '{"p": 1}'),
        ("call00001", "read", '{"p": 2}'),
        ("call00002", "list", "{}"),
    ]


def test_id_and_name_repeated_in_every_piece_are_one_call() -> None:
    reply = assemble(
        piece('{"p":', index=0, id="a", name="read"),
        piece(" 1}", index=0, id="a", name="read"),
        piece("", index=0, id="a", name="read"),
    )

    assert calls_of(reply) == [("a", "read", '{"p": 1}')]


def test_a_name_in_pieces_is_joined() -> None:
    assert calls_of(assemble(piece("", index=0, id="a", name="read_"), piece("{}", index=0, name="file"))) == [
        ("a", "read_file", "{}")
    ]


def test_ids_that_repeat_in_the_reply_or_the_conversation_are_replaced() -> None:
    reply = assemble(
        piece("{}", index=0, id="call_0", name="a"),
        piece("{}", index=1, id="same", name="b"),
        piece("{}", index=2, id="same", name="c"),
        taken=("call_0", "call00001"),
    )

    ids = [call.id for call in reply.message.calls]
    assert ids[1] == "same"
    assert len({*ids, "call_0", "call00001"}) == 5


def test_arguments_given_as_an_object_become_its_text() -> None:
    assert calls_of(assemble(piece({"p": "ü"}, index=0, id="a", name="read"))) == [("a", "read", '{"p": "ü"}')]


def test_a_whole_completion_is_one_chunk() -> None:
    message = {
        "role": "assistant",
        "content": "hi",
        "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}],
    }
    answer = {"id": "x-9", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}

    reply = assemble(answer)

    assert reply.message.text == "hi"
    assert calls_of(reply) == [("a", "f", "{}")]
    assert (reply.model, reply.request_id) == ("m", "x-9")


@pytest.mark.parametrize(
    ("finish", "stop"),
    [
        ("stop", StopCause.END),
        ("eos", StopCause.END),
        ("length", StopCause.LENGTH),
        ("max_tokens", StopCause.LENGTH),
        ("content_filter", StopCause.FILTERED),
        ("SAFETY", StopCause.FILTERED),
    ],
)
def test_finish_reasons_have_their_cause(finish: str, stop: StopCause) -> None:
    assert assemble(delta(content="x"), delta(finish=finish)).stop is stop


def test_a_call_cut_by_the_limit_says_length() -> None:
    assert assemble(piece('{"p":', index=0, id="a", name="f"), delta(finish="length")).stop is StopCause.LENGTH


def test_only_the_first_of_several_choices_is_read() -> None:
    chunk = {"choices": [{"index": 1, "delta": {"content": "other"}}, {"index": 0, "delta": {"content": "ours"}}]}

    assert assemble(chunk).message.text == "ours"


@pytest.mark.parametrize(
    "chunk",
    [
        {"choices": "text"},
        {"choices": [None, 3, {"delta": None}, {"delta": {"tool_calls": [None, {"function": None}, {"index": "x"}]}}]},
        {"choices": [{"delta": {"tool_calls": {"0": {}}, "content": 5}}]},
        {"usage": 7, "model": None, "id": 3},
    ],
)
def test_nonsense_does_not_raise(chunk: dict[str, Any]) -> None:
    assert assemble(chunk).message.text == ""


@given(
    st.lists(
        st.tuples(st.sampled_from(["read", "list"]), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)),
        max_size=5,
    ),
    st.randoms(use_true_random=False),
)
def test_calls_cut_anywhere_and_interleaved_anyhow_come_out_whole(
    calls: list[tuple[str, dict[str, int]]], rng: Any
) -> None:
    queues = []
    for index, (name, arguments) in enumerate(calls):
        text = json.dumps(arguments)
        cuts = sorted(rng.choices(range(len(text) + 1), k=3))
        parts = [text[i:j] for i, j in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        queues.append([piece("", index=index, id=f"id{index}", name=name), *(piece(p, index=index) for p in parts)])
    chunks = [queue.pop(0) for queue in queues]  # calls are opened in order
    while any(queues):
        chunks.append(rng.choice([queue for queue in queues if queue]).pop(0))

    assert calls_of(assemble(*chunks)) == [
        (CallId(f"id{index}"), name, json.dumps(arguments)) for index, (name, arguments) in enumerate(calls)
    ]
