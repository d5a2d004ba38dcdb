"""The bounds are never below what a model reads: checked against a chat template rendered and tokenized here."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equitr_coder.adapters.models.text_tools.prompt import as_text
from equitr_coder.adapters.tokens import ByteTokenCounter
from equitr_coder.adapters.tokens.byte_counter import PER_IMAGE
from equitr_coder.adapters.tokens.encodings import Encodings, Vocabulary
from equitr_coder.domain.ids import CallId
from equitr_coder.domain.image_tokens import image_bound
from equitr_coder.domain.images import Image
from equitr_coder.domain.models import (
    AssistantMessage,
    Message,
    ModelRequest,
    ModelSpec,
    Tier,
    ToolCall,
    ToolMessage,
    ToolSpec,
    UserMessage,
)
from equitr_coder.tools.apply_patch import ApplyPatch
from equitr_coder.tools.ask_supervisor import AskSupervisor
from equitr_coder.tools.edit_file import EditFile
from equitr_coder.tools.hand_in import HandIn
from equitr_coder.tools.run_command import RunCommand
from equitr_coder.tools.submit_plan import SubmitPlan

ENCODINGS = Encodings()
COUNTER = ByteTokenCounter(encodings=ENCODINGS)
CODE = Path(__file__).read_text()

texts = st.text(max_size=200) | st.sampled_from(
    [CODE, "ä" * 300, "漢字と仮名" * 50, "🦀🧪" * 40, " " * 500, "\n\t" * 99]
)
calls = st.builds(ToolCall, id=st.just(CallId("call_1")), name=st.just("edit_file"), arguments=texts)
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(UserMessage, text=texts),
    st.builds(AssistantMessage, text=texts, calls=st.lists(calls, max_size=2).map(tuple)),
    st.builds(ToolMessage, call=st.just(CallId("call_1")), name=st.just("edit_file"), text=texts),
)
schemas = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
tools = st.builds(
    ToolSpec,
    name=st.sampled_from(["edit_file", "run_command", "f"]),
    description=texts,
    parameters=st.dictionaries(st.text(max_size=9), schemas, max_size=4),
)


def requests(model: str) -> st.SearchStrategy[ModelRequest]:
    return st.builds(
        ModelRequest,
        model=st.just(ModelSpec(name=model, tier=Tier.WEAK)),
        system=texts,
        messages=st.lists(messages, min_size=1, max_size=5).map(tuple),
        tools=st.lists(tools, max_size=2).map(tuple),
        max_tokens=st.just(100),
    )


def rendered(request: ModelRequest) -> list[str]:
    """The texts between the special tokens of a ChatML prompt: what a model reads, as open models are served."""
    system = request.system
    for tool in request.tools:
        system += "\n" + json.dumps({"type": "function", "function": tool.model_dump()}, ensure_ascii=False)
    parts = ["system\n", system]
    for message in request.messages:
        parts += [message.role, "\n", message.text]
        if isinstance(message, AssistantMessage):
            parts += [json.dumps({"name": c.name}) + c.arguments for c in message.calls]
    return parts


def read(request: ModelRequest, encoding: str) -> int:
    """Tokens of the rendered prompt, three special ones for each message, and the start of the reply."""
    count = ENCODINGS.counter(encoding)
    assert count is not None
    return sum(count(part) for part in rendered(request)) + 3 * (len(request.messages) + 1) + 3


@settings(max_examples=150, deadline=None)
@given(requests("gpt-4o"), st.sampled_from(["o200k_base", "cl100k_base", "p50k_base"]))
def test_by_bytes_no_vocabulary_makes_more_tokens(request: ModelRequest, encoding: str) -> None:
    assert COUNTER.upper_bound(request) >= read(request, encoding)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=400), st.sampled_from(["o200k_base", "cl100k_base", "p50k_base"]))
def test_no_text_has_more_tokens_than_bytes(text: str, encoding: str) -> None:
    count = ENCODINGS.counter(encoding)

    assert count is not None
    assert count(text) <= len(text.encode())


@settings(max_examples=150, deadline=None)
@given(requests("gpt-4o"), st.sampled_from(["o200k_base", "cl100k_base", "p50k_base"]))
def test_by_bytes_is_enough_where_tools_are_written_into_the_prompt(request: ModelRequest, encoding: str) -> None:
    assert COUNTER.upper_bound(request) >= read(as_text(request), encoding)


@settings(max_examples=150, deadline=None)
@given(st.one_of(requests("openai/gpt-4o"), requests("gpt-4-turbo")))
def test_an_openai_model_reads_no_more_than_the_tighter_bound(request: ModelRequest) -> None:
    own = Vocabulary.of(request.model.name).encoding

    assert read(request, own) <= COUNTER.tighter_bound(request) <= COUNTER.upper_bound(request)


@settings(max_examples=100, deadline=None)
@given(st.one_of(requests("anthropic/claude-sonnet-4-5"), requests("ollama/llama3")))
def test_the_tighter_bound_of_any_other_model_lies_between_all_vocabularies_and_the_bytes(
    request: ModelRequest,
) -> None:
    tighter = COUNTER.tighter_bound(request)

    assert tighter <= COUNTER.upper_bound(request)
    assert tighter >= read(request, "p50k_base")


@pytest.mark.parametrize("model", ["gpt-4o", "ollama/llama3"])
def test_real_tools_written_into_the_prompt_are_within_the_tighter_bound(model: str) -> None:
    """The longest there are, called a hundred times, with results."""
    call = ToolCall(id=CallId("call00001"), name="edit_file", arguments=json.dumps({"path": "a.py", "old_text": CODE}))
    result = ToolMessage(call=call.id, name="edit_file", text=CODE[:500], is_error=True)
    request = ModelRequest(
        model=ModelSpec(name=model, tier=Tier.WEAK),
        system="You build.",
        messages=(UserMessage(text="Go."), *(AssistantMessage(calls=(call,)), result) * 100),
        tools=(AskSupervisor.spec, SubmitPlan.spec, ApplyPatch.spec, EditFile.spec, RunCommand.spec, HandIn.spec),
        max_tokens=1,
    )

    own = Vocabulary.of(model).encoding

    assert read(as_text(request), own) <= COUNTER.tighter_bound(request) <= COUNTER.upper_bound(request)


def simple(text: str, *, model: str = "gpt-4o", tools: tuple[ToolSpec, ...] = ()) -> ModelRequest:
    spec = ModelSpec(name=model, tier=Tier.WEAK)
    return ModelRequest(model=spec, system="", messages=(UserMessage(text=text),), tools=tools, max_tokens=1)


def test_the_tighter_bound_is_much_tighter_on_real_text() -> None:
    request = simple(CODE * 4)

    assert COUNTER.tighter_bound(request) < COUNTER.upper_bound(request) / 2.5


def test_bytes_count_not_characters() -> None:
    assert COUNTER.upper_bound(simple("漢" * 100)) - COUNTER.upper_bound(simple("")) == 300


def test_tools_are_counted_with_the_instructions_around_them() -> None:
    tool = ToolSpec(name="f", description="x" * 1000, parameters={"type": "object"})

    more = COUNTER.upper_bound(simple("", tools=(tool,))) - COUNTER.upper_bound(simple(""))

    assert more > 1000 + 530


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gpt-4o", Vocabulary("o200k_base", 1.0)),
        ("openai/gpt-4o-mini-2024-07-18", Vocabulary("o200k_base", 1.0)),
        ("azure/gpt-5.4", Vocabulary("o200k_base", 1.0)),
        ("openrouter/openai/gpt-oss-120b", Vocabulary("o200k_base", 1.0)),
        ("o3", Vocabulary("o200k_base", 1.0)),
        ("o4-mini", Vocabulary("o200k_base", 1.0)),
        ("gpt-4.1-nano", Vocabulary("o200k_base", 1.0)),
        ("gpt-4-turbo", Vocabulary("cl100k_base", 1.0)),
        ("gpt-3.5-turbo", Vocabulary("cl100k_base", 1.0)),
        ("anthropic/claude-sonnet-4-5", Vocabulary("p50k_base", 1.8)),
        ("bedrock/us.anthropic.claude-sonnet-4-6", Vocabulary("p50k_base", 1.8)),
        ("ollama/llama3", Vocabulary("p50k_base", 1.3)),
        ("gpt-99", Vocabulary("p50k_base", 1.3)),
        ("o300-mini", Vocabulary("p50k_base", 1.3)),
    ],
)
def test_a_model_is_counted_with_its_own_vocabulary_or_a_small_one_with_a_margin(
    model: str, expected: Vocabulary
) -> None:
    assert Vocabulary.of(model) == expected


def _shipped() -> Path:
    from equitr_coder.adapters.tokens.encodings import _litellm_folder

    folder = _litellm_folder()
    assert folder is not None
    return folder


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A folder with o200k_base only."""
    name = "fb374d419588a4632f3f557e76b4b70aebbca790"
    shutil.copy(_shipped() / name, tmp_path / name)
    return tmp_path


def test_without_the_vocabulary_the_upper_bound_holds(copied: Path) -> None:
    counter = ByteTokenCounter(encodings=Encodings(copied))

    known, unknown = simple(CODE), simple(CODE, model="ollama/llama3")

    assert counter.tighter_bound(known) < counter.upper_bound(known)
    assert counter.tighter_bound(unknown) == counter.upper_bound(unknown)


def test_a_vocabulary_that_is_not_the_one_expected_is_left_alone(copied: Path) -> None:
    (file,) = copied.iterdir()
    file.write_bytes(file.read_bytes() + b"x")
    counter = ByteTokenCounter(encodings=Encodings(copied))

    assert counter.tighter_bound(simple(CODE)) == counter.upper_bound(simple(CODE))
    assert file.exists()


def test_the_environment_is_as_before_after_loading(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    for before in (None, "/somewhere"):
        monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
        if before is not None:
            monkeypatch.setenv("TIKTOKEN_CACHE_DIR", before)
        assert Encodings(copied).counter("o200k_base") is not None
        seen.append(os.environ.get("TIKTOKEN_CACHE_DIR"))

    assert seen == [None, "/somewhere"]


def test_a_long_run_of_one_letter_is_counted_in_reasonable_time() -> None:
    assert COUNTER.tighter_bound(simple("a" * 200_000)) <= COUNTER.upper_bound(simple("a" * 200_000))


@given(st.integers(1, 8000), st.integers(1, 8000), st.sampled_from(["anthropic/claude-x", "openai/gpt-4o", "my/model"]))
def test_an_image_adds_its_own_bound_and_nothing_for_how_it_is_written_down(width: int, height: int, name: str) -> None:
    shot = Image(digest="a" * 64, media_type="image/png", width=width, height=height, bytes=3, path="p" * 500)
    plain = ModelRequest(
        model=ModelSpec(name=name, tier=Tier.WEAK), system="s", messages=(UserMessage(text="Look."),), max_tokens=1
    )
    shown = plain.model_copy(
        update={"messages": (UserMessage(text="Look.", images=(shot, shot)),), "image_data": {shot.digest: "A" * 9999}}
    )

    added = 2 * (image_bound(name, shot.size) + PER_IMAGE)

    assert COUNTER.upper_bound(shown) - COUNTER.upper_bound(plain) == added
    assert COUNTER.tighter_bound(shown) - COUNTER.tighter_bound(plain) == added
