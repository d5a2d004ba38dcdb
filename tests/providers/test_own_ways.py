"""What one provider does and no other."""

import json
import subprocess
import sys
from decimal import Decimal

import pytest

from equitr_coder.adapters.keys.environment import EnvironmentKeys
from equitr_coder.adapters.models.router import ModelRouter
from equitr_coder.domain.errors import ModelError, ModelErrorKind
from equitr_coder.domain.ids import CallId
from equitr_coder.domain.models import (
    AssistantMessage,
    ModelInfo,
    ModelRequest,
    ModelSpec,
    Tier,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from equitr_coder.testing import Script, always, call, says
from equitr_coder.testing.script import OfferedModel, ScriptedUsage
from equitr_coder.testing.wires import Compatible, Gemini, Ollama, ProviderServer
from equitr_coder.testing.wires.server import serve_provider
from tests.providers.conftest import CASES, KEY, Ask

OFFERED = (OfferedModel(id="able", context_window=8192), OfferedModel(id="unable", tools=False))
LOADED = Script(rules=(always(says("ok")),), models=(OfferedModel(id="qwen3:8b"),))
RESULT = (
    UserMessage(text="Task T1"),
    AssistantMessage(calls=(ToolCall(id=CallId("call_abc"), name="read_file", arguments="{}"),)),
    ToolMessage(call=CallId("call_abc"), name="read_file", text="x = 1"),
)


async def test_openrouter_is_asked_for_the_cost_and_believed_to_the_last_digit(ask: Ask) -> None:
    usage = ScriptedUsage(input=100, cache_read=2000, cache_write=30, output=40, cost=Decimal("0.00123456789"))
    asked = await ask("openrouter", [says("ok", usage=usage)])

    _, reply = await asked.all()

    assert asked.chats[0].body["usage"] == {"include": True}
    assert reply.usage.reported_usd == Decimal("0.00123456789")
    assert (reply.usage.input, reply.usage.cache_read, reply.usage.cache_write) == (100, 2000, 30)


async def test_a_cost_stated_by_anybody_else_is_not_believed(ask: Ask) -> None:
    usage = ScriptedUsage(input=100, output=40, cost=Decimal("7"))
    asked = await ask("openrouter", [says("ok", usage=usage)])

    _, reply = await asked.all(name="elsewhere/m")

    assert reply.usage.reported_usd is None
    assert "usage" not in asked.chats[0].body


async def test_an_ollama_that_would_drop_the_beginning_is_stopped_and_how_to_give_it_more_is_told(ask: Ask) -> None:
    asked = await ask("ollama", LOADED, wire=Ollama(window=4096))
    long = UserMessage(text="word " * 5000)

    for is_sent in (True, False):
        with pytest.raises(ModelError) as caught:
            await asked.all(long)

        assert (caught.value.kind, caught.value.retryable) == (ModelErrorKind.CONTEXT_OVERFLOW, False)
        assert caught.value.sent is is_sent
        assert "4096" in str(caught.value)
        assert "OLLAMA_CONTEXT_LENGTH" in caught.value.hint

    assert len(asked.chats) == 1


async def test_an_ollama_that_was_started_anew_with_more_context_is_asked_again(ask: Ask) -> None:
    wire = Ollama(window=4096)
    asked = await ask("ollama", LOADED, wire=wire)
    long = UserMessage(text="word " * 5000)
    with pytest.raises(ModelError):
        await asked.all(long)

    wire.window = 32_768
    _, reply = await asked.all(long)

    assert reply.message.text == "ok"


@pytest.mark.parametrize("window", [131_072, None])
async def test_an_ollama_with_room_or_too_old_to_say_answers(ask: Ask, window: int | None) -> None:
    asked = await ask("ollama", LOADED, wire=Ollama(window=window))

    for _ in range(2):
        await asked.all(UserMessage(text="word " * 5000))

    assert [got.path for got in asked.server.received].count("/api/ps") == 1


async def test_geminis_signed_thoughts_go_back_with_their_calls(ask: Ask) -> None:
    script = [says("", call("read_file", path="a.py")), says("Done.")]
    asked = await ask("gemini", script, wire=Gemini(signs=True))
    model = "gemini/gemini-3-pro"

    _, first = await asked.all(name=model)
    [made] = first.message.calls
    result = ToolMessage(call=made.id, name=made.name, text="x = 1")
    _, second = await asked.all(UserMessage(text="Task T1"), first.message, result, name=model)

    assert second.message.text == "Done."
    sent = asked.chats[1].body["messages"][2]["tool_calls"][0]
    assert sent["extra_content"] == {"google": {"thought_signature": f"signed-{made.id}"}}


async def test_calls_that_gemini_did_not_make_are_marked_as_such(ask: Ask) -> None:
    asked = await ask("gemini", [says("unused"), says("Done.")], wire=Gemini(signs=True))

    _, reply = await asked.all(*RESULT, name="gemini/gemini-3-pro")

    assert reply.message.text == "Done."


async def test_only_gemini_is_sent_signatures(ask: Ask) -> None:
    asked = await ask("groq", [says("unused"), says("Done.")])

    await asked.all(*RESULT)

    assert "extra_content" not in json.dumps(asked.chats[0].body)


async def test_mistral_gets_call_ids_of_nine_letters(ask: Ask) -> None:
    asked = await ask("openai", [says("unused"), says("Done.")])

    await asked.all(*RESULT, name="mistral/large")

    messages = asked.chats[0].body["messages"]
    made, answered = messages[2]["tool_calls"][0]["id"], messages[3]["tool_call_id"]
    assert made == answered
    assert len(made) == 9
    assert made.isalnum()


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("openai", {"able": ModelInfo(name="openai/able"), "unable": ModelInfo(name="openai/unable")}),
        (
            "anthropic",
            {
                "able": ModelInfo(name="anthropic/able", context_window=8192, max_output=64_000),
                "unable": ModelInfo(name="anthropic/unable", context_window=200_000, max_output=64_000),
            },
        ),
        (
            "gemini",
            {
                "able": ModelInfo(name="gemini/able", context_window=8192, max_output=65_536),
                "unable": ModelInfo(name="gemini/unable", context_window=1_048_576, max_output=65_536),
            },
        ),
        (
            "openrouter",
            {
                "able": ModelInfo(name="openrouter/able", tools=True, context_window=8192, max_output=64_000),
                "unable": ModelInfo(name="openrouter/unable", tools=False, context_window=200_000, max_output=64_000),
            },
        ),
        (
            "groq",
            {
                "able": ModelInfo(name="groq/able", context_window=8192, max_output=32_768),
                "unable": ModelInfo(name="groq/unable", context_window=131_072, max_output=32_768),
            },
        ),
        (
            "ollama",
            {
                "able": ModelInfo(name="ollama/able:latest", tools=True),
                "unable": ModelInfo(name="ollama/unable:latest", tools=False),
            },
        ),
    ],
)
@pytest.mark.parametrize("adapter", ["auto", "litellm"])
async def test_each_list_is_asked_and_read_in_the_providers_own_form(
    ask: Ask, name: str, found: dict[str, ModelInfo], adapter: str
) -> None:
    asked = await ask(name, Script(rules=(always(says("ok")),), models=OFFERED, require_key=KEY))

    listed = await asked.router.discover(asked.spec(adapter=adapter))

    assert listed == [found["able"], found["unable"]]


async def test_openrouters_open_list_does_not_hide_a_wrong_key(ask: Ask) -> None:
    asked = await ask("openrouter", Script(rules=(always(says("ok")),), require_key="another"))

    with pytest.raises(ModelError) as caught:
        await asked.router.discover(asked.spec())

    assert caught.value.kind is ModelErrorKind.AUTH


@pytest.mark.parametrize("name", ["anthropic/m", "gemini/m", "ollama/m"])
async def test_an_endpoint_of_ones_own_without_the_providers_list_is_asked_for_openais(ask: Ask, name: str) -> None:
    asked = await ask("openai", Script(rules=(always(says("ok")),), models=OFFERED))

    listed = await asked.router.discover(asked.spec(name=name))

    assert [info.name for info in listed] == [f"{name[:-1]}able", f"{name[:-1]}unable"]


CALL = """
import asyncio, sys
from equitr_coder.adapters.keys.environment import EnvironmentKeys
from equitr_coder.adapters.models.router import ModelRouter
from equitr_coder.domain.models import ModelRequest, ModelSpec, Tier, UserMessage
async def main(name, base):
    router = ModelRouter(keys=EnvironmentKeys({}))
    model = ModelSpec(name=name, tier=Tier.WEAK, api_base=base)
    request = ModelRequest(model=model, system="s", messages=(UserMessage(text="hi"),), max_tokens=9)
    *_, reply = [part async for part in router.stream(request)]
    await router.close()
    print(reply.message.text, sorted({"litellm", "openai", "anthropic", "rich", "h2", "tiktoken"} & set(sys.modules)))
asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("name", ["openai", "anthropic", "gemini", "openrouter", "groq", "ollama"])
def test_no_provider_whose_wire_we_speak_loads_a_library_for_it(name: str) -> None:
    case = CASES[name]
    with serve_provider([always(says("hello"))], case.wire()) as server:
        command = [sys.executable, "-W", "error", "-c", CALL, case.model, server.url]
        shown = subprocess.run(command, check=True, capture_output=True, text=True)

    assert shown.stdout == "hello []\n"


async def test_the_servers_refuse_what_the_provider_would_refuse(ask: Ask) -> None:
    async with ProviderServer([always(says("ok"))], Compatible()) as server:
        assert server.url.endswith("/v1")
    asked = await ask("anthropic", [always(says("ok"))])
    await asked.all()
    body = asked.chats[0].body

    problems = {
        "max_tokens: Field required": {key: value for key, value in body.items() if key != "max_tokens"},
        "non-whitespace text": {**body, "messages": [{"role": "user", "content": [{"type": "text", "text": " "}]}]},
        "first message must use the user role": {**body, "messages": [{"role": "assistant", "content": "hi"}]},
        "Extra inputs are not permitted": {**body, "stream_options": {}},
        "A maximum of 4 blocks": {**body, "metadata": [{"cache_control": {}}] * 5},
    }
    import httpx

    async with httpx.AsyncClient() as client:
        for problem, wrong in problems.items():
            headers = {"anthropic-version": "2023-06-01"}
            answer = await client.post(f"{asked.server.url}/v1/messages", json=wrong, headers=headers)
            assert answer.status_code == 400
            assert problem in answer.json()["error"]["message"]


@pytest.mark.xdist_group("litellm")
@pytest.mark.filterwarnings("ignore:Item '.*' on TypedDict class:UserWarning")
async def test_litellm_asks_a_local_model_for_its_answer_and_nothing_else() -> None:
    router = ModelRouter(keys=EnvironmentKeys({}), timeout=5.0)
    with serve_provider([always(says("ok"))], Ollama()) as server:
        model = ModelSpec(name="ollama/unheard-of:1b", tier=Tier.WEAK, api_base=server.url, adapter="litellm")
        request = ModelRequest(model=model, system="s", messages=(UserMessage(text="hi"),), max_tokens=9)
        async for _ in router.stream(request):
            pass
        await router.close()

        assert [got.path for got in server.received] == ["/api/chat"]
