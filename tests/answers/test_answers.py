"""Every shape of `cases.yaml`: the bytes go through the real client, and what becomes of them is compared whole."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from equitr_coder.domain.errors import ModelError
from equitr_coder.domain.models import UserMessage
from equitr_coder.testing.script import RawAnswer, ScriptedReply, always
from tests.answers.conftest import TOOLS, OpenStand

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "cases.yaml").read_text(encoding="utf-8"))
USAGE = {"prompt_tokens": 40, "completion_tokens": 20, "total_tokens": 60}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["shape"].replace(" ", "-"))
async def test_an_answer_is_taken_or_refused_as_the_case_says(stand: OpenStand, case: dict[str, Any]) -> None:
    raw = RawAnswer(pieces=pieces_of(case), kind=case.get("kind", "text/event-stream"), drops=case.get("drops", False))
    s = await stand(always(ScriptedReply(raw=raw), times=1), always(ScriptedReply(text="ok")))
    given = UserMessage(text=case.get("given", "Do the task."))
    request = s.request(given, offers=case.get("offers", tuple(TOOLS)), **case.get("model", {}))
    expected = case["expect"]

    if "error" in expected:
        with pytest.raises(ModelError) as caught:
            await s.ask(request)
        assert {"kind": caught.value.kind, "retryable": caught.value.retryable} == expected["error"]
        return
    outcome = await s.ask(request)

    assert outcome.runs == [(name, args) for run in expected.get("runs", []) for name, args in run.items()]
    assert outcome.told == [text.strip() for text in expected.get("told", [])]
    assert outcome.reply.message.text == expected.get("text", "")
    assert outcome.shown.strip() == expected.get("text", "").strip()
    assert outcome.reply.stop == expected.get("stop", "tool_calls" if outcome.reply.message.calls else "end")
    assert outcome.reply.usage.estimated == expected.get("estimated", False)
    if "output" in expected:
        assert outcome.reply.usage.output == expected["output"]
    await s.goes_on(request, outcome)


def test_there_are_at_least_sixty_shapes_and_none_twice() -> None:
    names = [case["shape"] for case in CASES]

    assert len(names) >= 60
    assert sorted(names) == sorted(set(names))


def pieces_of(case: dict[str, Any]) -> list[bytes]:
    """The bytes of a case: given as they are, or an ordinary stream around what is odd."""
    if "bytes" in case:
        return [piece if isinstance(piece, bytes) else piece.encode() for piece in case["bytes"]]
    if "body" in case:
        body = case["body"]
        return [body.encode() if isinstance(body, str) else json.dumps(body).encode()]
    if "chunks" in case:
        return [sse(chunk) for chunk in case["chunks"]]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": case.get("text")}]
    calls = case.get("calls") or ([case["call"]] if "call" in case else [])
    for index, call in enumerate(calls):
        function = {"name": call["name"], "arguments": call["arguments"]}
        deltas.append(
            {"tool_calls": [{"index": index, "id": f"call_{index}", "type": "function", "function": function}]}
        )
    finish = case.get("finish", "tool_calls" if calls else "stop")
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    chunks.append({"choices": [], "usage": USAGE})
    return [sse({"model": "m-1", **chunk}) for chunk in chunks] + [sse("[DONE]")]


def sse(payload: Any) -> bytes:
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return f"data: {text}\n\n".encode()
