"""Providers in their own form, through the real command: what is sent, what it costs, what they offer."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from equitr_coder.testing import Script, always, calls, fails, rule, says
from equitr_coder.testing.script import OfferedModel, ScriptedUsage
from equitr_coder.testing.wires import Anthropic, Gemini, Groq, Ollama, OpenAI, OpenRouter, ProviderServer
from equitr_coder.testing.wires.server import Scripted, serve_provider
from equitr_coder.testing.wires.wire_format import WireFormat
from tests.e2e.conftest import OpenStage, Stage

CLAUDE = "anthropic/claude-sonnet-4-5"
KEY = "sk-ant-e2e-0123456789"
USAGE = ScriptedUsage(input=1234, cache_read=5678, cache_write=321, cache_write_1h=77, output=89)
COST = "0.00840615"
"""By hand from Anthropic's price list: 1234 x 3 + 5678 x 0.30 + 321 x 3.75 + 77 x 6 + 89 x 15 dollars a million."""

Open = Callable[..., tuple[Stage, ProviderServer]]


@pytest.fixture
def before(stage: OpenStage) -> Any:
    """`before(wire, model, script)`: a user whose models are at a scripted provider."""
    with ExitStack() as stack:

        def open_before(
            wire: WireFormat, model: str, script: Scripted, *, environ: dict[str, str] | None = None, **llm: Any
        ) -> tuple[Stage, ProviderServer]:
            server = stack.enter_context(serve_provider(script, wire))
            models = {"supervisor": model, "worker": model}
            user = stage(Script(rules=()), config={"llm": {"api_base": server.url, "models": models, **llm}})
            user.environ |= environ or {}
            return user, server

        yield open_before


def test_claude_answers_and_costs_what_its_price_list_says_to_the_last_digit(before: Open) -> None:
    script = Script(rules=(always(says("Hello.", usage=USAGE)),), require_key=KEY)
    user, server = before(Anthropic(), CLAUDE, script, environ={"ANTHROPIC_API_KEY": KEY})

    ended = user.run("chat", "--output", "json", "hello")

    assert ended.code == 0, ended.brief
    assert ended.result["cost"]["total"] == COST
    [got] = server.received
    assert (got.path, got.headers["x-api-key"], got.body["model"]) == ("/v1/messages", KEY, "claude-sonnet-4-5")
    assert KEY not in ended.text
    assert user.server.requests == ()

    ended = user.run("chat", "hello")
    assert "Hello." in ended.out
    assert "0.0084" in ended.text


@pytest.mark.native
def test_claude_writes_a_file_with_tools_and_its_cache_is_marked(before: Open) -> None:
    script = [calls("write_file", path="hello.txt", content="hello\n"), says("Written.")]
    user, server = before(Anthropic(), CLAUDE, script, environ={"ANTHROPIC_API_KEY": KEY})

    ended = user.run("chat", "--output", "json", "write hello.txt")

    assert ended.code == 0, ended.brief
    assert user.read("hello.txt") == "hello\n"
    first, second = (got.body for got in server.received)
    assert (first["tools"], first["system"]) == (second["tools"], second["system"])
    for body in (first, second):
        assert body["messages"][-1]["content"][-1]["cache_control"] == {"type": "ephemeral"}
        assert json.dumps(body).count("cache_control") <= 4
    assert second["messages"][-1]["content"][0]["type"] == "tool_result"


def test_a_wrong_key_of_claude_names_its_variable(before: Open) -> None:
    script = Script(rules=(always(says("Hello.")),), require_key="another")
    user, server = before(Anthropic(), CLAUDE, script, environ={"ANTHROPIC_API_KEY": KEY})

    ended = user.run("chat", "hello")

    assert ended.code == 4, ended.brief
    assert "anthropic" in ended.err
    assert "ANTHROPIC_API_KEY" in ended.err
    assert "equitrcoder doctor" in ended.err
    assert KEY not in ended.text
    assert len(server.received) == 1

    checked = user.run("doctor")
    assert checked.code == 2, checked.brief
    assert "ANTHROPIC_API_KEY" in checked.text


@pytest.mark.parametrize(
    ("refusal", "attempts"),
    [
        (fails(401, "no", code="invalid_api_key"), 1),
        (fails(400, "it makes no sense"), 1),
        (fails(413, "over 32 MB"), 1),
        (fails(402, "no credit"), 1),
        (fails(500, "oops"), 3),
    ],
    ids=["401", "400", "413", "402", "500"],
)
def test_only_what_may_help_is_tried_again(before: Open, refusal: Any, attempts: int) -> None:
    user, server = before(Anthropic(), CLAUDE, [always(refusal)], environ={"ANTHROPIC_API_KEY": KEY}, retries=2)

    ended = user.run("chat", "hello")

    assert ended.code == 4, ended.brief
    assert len(server.received) == attempts


@pytest.mark.parametrize("status", [429, 529])
def test_a_claude_that_is_overrun_is_waited_for(before: Open, status: int) -> None:
    script = [rule(fails(status, "not now", retry_after=1), times=1), always(says("Hello."))]
    user, server = before(Anthropic(), CLAUDE, script, environ={"ANTHROPIC_API_KEY": KEY}, retries=0)

    ended = user.run("chat", "--output", "stream-json", "hello")

    assert ended.code == 0, ended.brief
    first, second = server.requests
    assert first.ended is not None
    assert second.started - first.ended >= 1.0
    assert [event["usd"] for event in ended.of("model_call_failed")] == ["0"]


def test_a_stream_of_claude_that_breaks_off_is_no_answer(before: Open) -> None:
    script = [rule(says("Half of an answer that breaks off", cut_after=2), times=1), always(says("A whole answer."))]
    user, server = before(Anthropic(), CLAUDE, script, environ={"ANTHROPIC_API_KEY": KEY})

    ended = user.run("chat", "hello")

    assert ended.code == 0, ended.brief
    assert "A whole answer." in ended.out
    assert [request.outcome for request in server.requests] == ["cut", "answered"]


def test_a_call_without_usage_is_settled_as_estimated(before: Open) -> None:
    user, _ = before(Anthropic(), CLAUDE, [says("Hello.", no_usage=True)], environ={"ANTHROPIC_API_KEY": KEY})

    ended = user.run("chat", "--output", "stream-json", "hello")

    assert ended.code == 0, ended.brief
    [settled] = ended.of("model_call_settled")
    assert settled["usage"]["estimated"] is True


@pytest.mark.parametrize(
    ("wire", "provider", "variable", "able", "unable"),
    [
        (OpenRouter(), "openrouter", "OPENROUTER_API_KEY", ("able", True), ("unable", False)),
        (Ollama(), "ollama", "", ("able:latest", True), ("unable:latest", False)),
        (OpenAI(), "openai", "OPENAI_API_KEY", ("gpt-4o", True), ("mine", None)),
        (Anthropic(), "anthropic", "ANTHROPIC_API_KEY", ("claude-sonnet-4-5", True), ("mine", None)),
        (Gemini(), "gemini", "GEMINI_API_KEY", ("gemini-2.5-pro", True), ("mine", None)),
        (Groq(), "groq", "GROQ_API_KEY", ("openai/gpt-oss-120b", True), ("mine", None)),
    ],
    ids=["openrouter", "ollama", "openai", "anthropic", "gemini", "groq"],
)
def test_models_are_discovered_with_their_tool_support(
    before: Open,
    wire: WireFormat,
    provider: str,
    variable: str,
    able: tuple[str, bool],
    unable: tuple[str, bool | None],
) -> None:
    rows = tuple(
        OfferedModel(id=name.removesuffix(":latest"), tools=tools is not False) for name, tools in (able, unable)
    )
    script = Script(rules=(always(says("x")),), models=rows)
    user, server = before(wire, f"{provider}/x", script, environ={variable: KEY} if variable else {})

    as_json = user.run("models", "--discover", "--output", "json")
    as_text = user.run("models", "--discover")

    assert as_json.code == as_text.code == 0, as_json.brief
    expected = {f"{provider}/{name}": tools for name, tools in (able, unable)}
    assert {row["name"]: row["tools"] for row in as_json.result["discovered"]} == expected
    words = {True: "yes", False: "no", None: "unknown"}
    table = as_text.out[as_text.out.index("tool calls") :].splitlines()[1:]
    shown = {name: can for name, can, *_ in (line.split() for line in table if line.strip())}
    assert shown == {name: words[tools] for name, tools in expected.items()}
    assert not [got for got in server.received if "chat" in got.path and got.path != "/api/show"]


def test_an_unknown_provider_lists_the_known_ones(stage: OpenStage) -> None:
    user = stage(Script(rules=()), config={"llm": {"api_base": None, "models": {"worker": "antropic/claude"}}})

    ended = user.run("chat", "hello")

    assert ended.code == 2, ended.brief
    assert "antropic" in ended.err
    for provider in ("anthropic", "gemini", "groq", "ollama", "openai", "openrouter"):
        assert provider in ended.err
    assert "Traceback" not in ended.err


def test_a_first_test_call_goes_where_the_configuration_leads_and_costs_nothing_when_refused(stage: OpenStage) -> None:
    script = Script(rules=(always(says("hello")),), require_key=KEY)
    with serve_provider(script, Anthropic()) as server:
        user = stage(Script(rules=()))
        (user.equitr_home / "config.yaml").unlink()
        user.environ |= {"ANTHROPIC_API_KEY": "sk-ant-a-wrong-one", "EQUITR_LLM__API_BASE": server.url}

        with user.terminal("--inline") as terminal:
            terminal.expect("Use which?")
            terminal.answer("1", prompt="no)")
            terminal.answer("yes", prompt="(yes/no)")
            terminal.expect("($0.0000, ")
            terminal.answer("no", prompt="(yes/no)")
            terminal.answer("no", prompt="(yes/no)")
            terminal.expect("Nothing was written.")

        assert [got.path for got in server.received] == ["/v1/messages"]
        assert "rejects the key in ANTHROPIC_API_KEY" in terminal.screen.replace("\r\n", "")


@pytest.mark.parametrize(
    ("wire", "model", "variable"),
    [
        (OpenAI(), "openai/gpt-4o-mini", "OPENAI_API_KEY"),
        (Gemini(), "gemini/gemini-2.5-flash", "GEMINI_API_KEY"),
        (OpenRouter(), "openrouter/openai/gpt-4o-mini", "OPENROUTER_API_KEY"),
        (Groq(), "groq/llama-3.3-70b-versatile", "GROQ_API_KEY"),
        (Ollama(), "ollama/qwen3", None),
    ],
    ids=["openai", "gemini", "openrouter", "groq", "ollama"],
)
def test_every_provider_does_a_task_with_tools_in_its_own_form(
    before: Open, wire: WireFormat, model: str, variable: str | None
) -> None:
    replies = [calls("write_file", path="hello.txt", content="hello\n"), says("Written.", usage=USAGE)]
    user, server = before(
        wire,
        model,
        replies,
        environ={variable: KEY} if variable else {},
        adapter="litellm" if isinstance(wire, Gemini | Ollama) else "direct",  # their native form is litellm's
        prices={model: {"input": 1, "output": 1}},
    )

    ended = user.run("chat", "--output", "json", "write hello.txt")

    assert ended.code == 0, ended.brief
    assert user.read("hello.txt") == "hello\n"
    assert ended.result["content"] == "Written."
    assert KEY not in ended.text
    assert len(server.requests) == 2
    sent = [got.headers.get("authorization") or got.headers.get("x-goog-api-key") for got in server.received]
    assert all(KEY in (key or "") for key in sent) or variable is None
