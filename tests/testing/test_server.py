"""The scripted server over its wire: a plain HTTP client sees what it would see of a provider."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from equitr_coder.testing import Recorded, Script, ScriptedReply, always, call, calls, fails, load_script, rule, says
from equitr_coder.testing.script import Barrier, RateLimit, ScriptedUsage
from equitr_coder.testing.server import ScriptedServer, serve_in_thread

Body = dict[str, Any]
SAYS = [always(says("A sentence that is longer than one piece."))]


def plain(**changes: Any) -> Body:
    return {"model": "m", "messages": [{"role": "user", "content": "hi"}], **changes}


def streamed(**changes: Any) -> Body:
    return plain(stream=True, stream_options={"include_usage": True}, **changes)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=10) as client:
        yield client


async def post(client: httpx.AsyncClient, server: ScriptedServer, body: Body, **headers: str) -> httpx.Response:
    return await client.post(f"{server.url}/chat/completions", json=body, headers=headers)


def chunks(response: httpx.Response) -> list[Body]:
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


async def test_a_stream_holds_the_text_the_calls_and_last_the_usage(client: httpx.AsyncClient) -> None:
    usage = ScriptedUsage(input=10, cache_read=90, cache_write=4, output=7, reasoning=2)
    reply = says(
        "A sentence that is longer than one piece.", call("f", path="a.py"), call("g"), reasoning="Hm.", usage=usage
    )
    async with ScriptedServer([reply]) as server:
        response = await post(client, server, streamed())

    got = chunks(response)
    deltas = [chunk["choices"][0]["delta"] for chunk in got if chunk["choices"]]
    parts = [part for delta in deltas for part in delta.get("tool_calls", [])]
    assert response.headers["content-type"].startswith("text/event-stream")
    assert deltas[0]["role"] == "assistant"
    assert "".join(delta.get("content", "") for delta in deltas) == "A sentence that is longer than one piece."
    assert "".join(delta.get("reasoning_content", "") for delta in deltas) == "Hm."
    assert [part["function"]["name"] for part in parts if "id" in part] == ["f", "g"]
    assert "".join(part["function"]["arguments"] for part in parts if part["index"] == 0) == '{"path": "a.py"}'
    assert [chunk["choices"][0]["finish_reason"] for chunk in got if chunk["choices"]][-1] == "tool_calls"
    assert [index for index, chunk in enumerate(got) if "usage" in chunk] == [len(got) - 1]
    assert got[-1] | {"id": ""} == {
        "id": "",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "m",
        "choices": [],
        "usage": {
            "prompt_tokens": 104,
            "completion_tokens": 7,
            "total_tokens": 111,
            "prompt_tokens_details": {"cached_tokens": 90, "cache_write_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 2},
        },
    }


async def test_a_stream_reports_no_usage_unless_asked(client: httpx.AsyncClient) -> None:
    async with ScriptedServer([*SAYS]) as server:
        unasked = await post(client, server, plain(stream=True))
    async with ScriptedServer([says("x", no_usage=True)]) as server:
        withheld = await post(client, server, streamed())

    assert not any("usage" in chunk for chunk in chunks(unasked) + chunks(withheld))


async def test_an_answer_in_one_piece_says_the_same(client: httpx.AsyncClient) -> None:
    async with ScriptedServer([says("x", call("f", path="a"), stop="length")]) as server:
        body = (await post(client, server, plain())).json()

    choice = body["choices"][0]
    assert choice["message"]["content"] == "x"
    assert choice["message"]["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"path": "a"}'}
    assert choice["finish_reason"] == "length"
    assert body["usage"]["prompt_tokens_details"] == {"cached_tokens": 0}


async def test_neighbouring_chunks_of_a_monotonous_text_differ(client: httpx.AsyncClient) -> None:
    async with ScriptedServer([says("-" * 4000)]) as server:
        got = chunks(await post(client, server, streamed()))

    contents = [chunk["choices"][0]["delta"].get("content") for chunk in got if chunk["choices"]]
    assert len(contents) > 100
    assert all(one != other for one, other in pairwise(contents))


async def test_comments_keep_a_stream_alive(client: httpx.AsyncClient) -> None:
    async with ScriptedServer([*SAYS]) as server:
        response = await post(client, server, streamed())

    assert response.text.startswith(": keep-alive\n\n")


@pytest.mark.parametrize("path", ["/v1/models", "/models"])
async def test_models_are_listed_at_both_paths(client: httpx.AsyncClient, path: str) -> None:
    script = load_script("models: [{id: a, context_window: 1000}, b]\nrules: [{reply: {text: x}}]\n")
    async with ScriptedServer(script) as server:
        body = (await client.get(server.url.removesuffix("/v1") + path)).json()

    assert [(row["id"], row.get("context_length")) for row in body["data"]] == [("a", 1000), ("b", None)]


async def test_without_a_list_the_models_are_those_the_rules_name(client: httpx.AsyncClient) -> None:
    script = Script(rules=(rule(says("x"), model="weak-1"), rule(says("x"), model="strong*")))
    async with ScriptedServer(script) as server:
        body = (await client.get(f"{server.url}/models")).json()

    assert [row["id"] for row in body["data"]] == ["weak-1"]


async def test_both_chat_paths_answer_and_others_do_not(client: httpx.AsyncClient) -> None:
    async with ScriptedServer([*SAYS]) as server:
        root = server.url.removesuffix("/v1")
        assert (await client.post(f"{root}/chat/completions", json=plain())).status_code == 200
        assert (await client.post(f"{root}/v1/completions", json=plain())).status_code == 404
        assert (await client.get(f"{root}/v1/chat/completions")).status_code == 405


async def test_errors_carry_status_code_and_retry_after(client: httpx.AsyncClient) -> None:
    async with ScriptedServer([fails(429, "slow down", code="rate_limit_exceeded", retry_after=1.5)]) as server:
        response = await post(client, server, streamed())

    assert (response.status_code, response.headers["retry-after"]) == (429, "1.5")
    assert response.json()["error"] == {
        "message": "slow down",
        "type": "rate_limit_error",
        "param": None,
        "code": "rate_limit_exceeded",
    }


async def test_a_malformed_request_is_answered_400_and_says_why(client: httpx.AsyncClient) -> None:
    async with ScriptedServer([*SAYS]) as server:
        wrong = await post(client, server, plain(messages=[{"role": "tool", "tool_call_id": "c", "content": "x"}]))
        nonsense = await client.post(f"{server.url}/chat/completions", content=b"{")

    assert wrong.status_code == nonsense.status_code == 400
    assert "a tool result for c, which no message before it called" in wrong.json()["error"]["message"]
    assert "the body must be a JSON object" in nonsense.json()["error"]["message"]


async def test_no_rule_is_a_loud_400(client: httpx.AsyncClient) -> None:
    async with ScriptedServer([rule(says("x"), model="other")]) as server:
        response = await post(client, server, plain())

    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith("script has no rule for model 'm', turn 0, tools []")


@pytest.mark.parametrize(
    ("wanted", "sent", "status"),
    [
        (True, None, 401),
        (True, "Bearer any", 200),
        ("right", "Bearer wrong", 401),
        ("right", "Bearer right", 200),
        ("right", "right", 401),
        (False, None, 200),
    ],
)
async def test_a_key_is_asked_for_when_the_script_says_so(
    client: httpx.AsyncClient, wanted: bool | str, sent: str | None, status: int
) -> None:
    headers = {} if sent is None else {"authorization": sent}
    script = Script(rules=(always(says("x")),), require_key=wanted)
    async with ScriptedServer(script) as server:
        chat = await post(client, server, plain(), **headers)
        models = await client.get(f"{server.url}/models", headers=headers)

    assert (chat.status_code, models.status_code) == (status, status)


async def test_a_cut_stream_ends_without_its_end(client: httpx.AsyncClient) -> None:
    async with ScriptedServer([says("A sentence of several pieces.", cut_after=2)]) as server:
        with pytest.raises(httpx.RemoteProtocolError):
            await post(client, server, streamed())
        with pytest.raises(httpx.RemoteProtocolError):
            await post(client, server, plain())

        assert [record.outcome for record in server.requests] == ["cut", "cut"]


async def test_a_client_that_goes_is_noticed(client: httpx.AsyncClient) -> None:
    async with ScriptedServer([ScriptedReply(hang=True)]) as server:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(post(client, server, streamed()))
            await server.reached(1)
            task.cancel()
        await server.closed(1)

        assert server.requests[0].outcome == "disconnected"
        assert server.requests[0].ended is not None


async def test_a_stream_may_fall_silent_after_some_chunks(client: httpx.AsyncClient) -> None:
    got: list[str] = []

    async def read() -> None:
        async with client.stream("POST", f"{server.url}/chat/completions", json=streamed()) as response:
            async for line in response.aiter_lines():
                got.append(line)

    async with ScriptedServer([says("A sentence of several pieces.", hang=True, cut_after=2)]) as server:
        client.timeout = httpx.Timeout(5, read=0.2)
        with pytest.raises(httpx.ReadTimeout):
            await read()

    assert sum(line.startswith("data: ") for line in got) == 2


async def test_one_connection_serves_many_requests(client: httpx.AsyncClient) -> None:
    async with ScriptedServer([*SAYS]) as server:
        for body in (plain(), streamed(), plain(messages=[]), streamed()):
            await post(client, server, body)

        assert server.connections == 1
        assert server.peak["m"] == 1
        assert [record.status for record in server.requests] == [200, 200, 400, 200]


async def test_a_body_in_chunks_is_read(client: httpx.AsyncClient) -> None:
    async def parts() -> AsyncIterator[bytes]:
        text = json.dumps(plain(messages=[{"role": "user", "content": "ä" * 5000}]), ensure_ascii=False).encode()
        for start in range(0, len(text), 1000):
            yield text[start : start + 1000]

    async with ScriptedServer([*SAYS]) as server:
        response = await client.post(f"{server.url}/chat/completions", content=parts())

        assert response.status_code == 200
        assert server.requests[0].messages[0]["content"] == "ä" * 5000


async def test_the_peak_of_open_requests_is_counted_by_model(client: httpx.AsyncClient) -> None:
    meet = Barrier(name="b", parties=3)
    async with ScriptedServer([always(says("x", barrier=meet))]) as server:
        async with asyncio.TaskGroup() as group:
            for model in ("a", "a", "b"):
                group.create_task(post(client, server, streamed(model=model)))
        peak = dict(server.peak)

    assert peak == {"a": 2, "b": 1, "": 3}


async def test_a_barrier_nobody_comes_to_is_a_500(client: httpx.AsyncClient) -> None:
    async with ScriptedServer([says("x", barrier=Barrier(name="b", parties=2, timeout=0.05))]) as server:
        response = await post(client, server, streamed())

    assert response.status_code == 500
    assert "barrier b: 2 parties did not arrive" in response.text


async def test_a_rate_limit_answers_429_beyond_it(client: httpx.AsyncClient) -> None:
    limit = RateLimit(requests=2, seconds=600, retry_after=3)
    async with ScriptedServer(Script(rules=(always(says("x")),), rate_limit=limit)) as server:
        answers = [await post(client, server, plain()) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].headers["retry-after"] == "3"


async def test_a_limit_on_parallel_requests_holds(client: httpx.AsyncClient) -> None:
    script = Script(rules=(always(ScriptedReply(hang=True)),), rate_limit=RateLimit(parallel=1))
    async with ScriptedServer(script) as server, asyncio.TaskGroup() as group:
        task = group.create_task(post(client, server, plain()))
        await server.reached(1)
        crowded = await post(client, server, plain())
        task.cancel()

    assert crowded.status_code == 429


async def test_closing_the_server_ends_what_hangs(client: httpx.AsyncClient) -> None:
    async with asyncio.TaskGroup() as group, ScriptedServer([ScriptedReply(hang=True)]) as server:
        task = group.create_task(_outcome(post(client, server, plain())))
        await server.reached(1)

    assert task.result() == "failed"


async def _outcome(answer: Any) -> str:
    try:
        await answer
    except httpx.HTTPError:
        return "failed"
    return "answered"


async def test_every_request_is_logged_without_its_key(client: httpx.AsyncClient, tmp_path: Path) -> None:
    log = tmp_path / "requests.jsonl"
    async with ScriptedServer([*SAYS], log=log) as server:
        await post(client, server, streamed(), authorization="Bearer sk-secret")
        await post(client, server, plain(messages=[]))

        first, second = [json.loads(line) for line in log.read_text().splitlines()]

    assert "sk-secret" not in log.read_text()
    assert (first["number"], first["model"], first["status"], first["has_key"]) == (1, "m", 200, True)
    assert (first["outcome"], first["rule"], first["body"]["messages"]) == ("answered", 0, plain()["messages"])
    assert first["started"] <= first["ended"]
    assert (second["status"], second["outcome"], second["has_key"]) == (400, "error", False)


def test_a_server_in_a_thread_serves_tests_that_are_not_asynchronous() -> None:
    with serve_in_thread([calls("f"), says("x")]) as server:
        response = httpx.post(f"{server.url}/chat/completions", json=plain())
        server.reached(1)
        requests: list[Recorded] = list(server.requests)

    assert response.json()["choices"][0]["finish_reason"] == "tool_calls"
    assert [record.model for record in requests] == ["m"]
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/models")


def test_a_port_that_is_taken_is_said() -> None:
    with serve_in_thread(Script.of(says("x"))) as server:
        port = int(server.url.split(":")[2].split("/")[0])
        with pytest.raises(OSError, match=r"[Aa]ddress already in use"), serve_in_thread(Script.of(), port=port):
            pass


def test_as_a_process_it_prints_its_url_logs_and_ends_on_a_signal(tmp_path: Path) -> None:
    script, log = tmp_path / "script.yaml", tmp_path / "log.jsonl"
    script.write_text("rules:\n  - reply: {text: hello}\n")
    command = [sys.executable, "-m", "equitr_coder.testing.server", "--script", str(script), "--log", str(log)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": ""}
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        answer = httpx.post(f"{url}/chat/completions", json=plain()).json()
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=20)

    assert answer["choices"][0]["message"]["content"] == "hello"
    assert code == 0
    assert len(log.read_text().splitlines()) == 1


def test_as_a_process_a_wrong_script_is_two_lines(tmp_path: Path) -> None:
    script = tmp_path / "script.yaml"
    script.write_text("rules:\n  - reply: {txt: hello}\n")

    ended = subprocess.run(
        [sys.executable, "-m", "equitr_coder.testing.server", "--script", str(script)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        f"{script}: rules.0.reply.txt: Extra inputs are not permitted",
        "mend the script",
    ]
