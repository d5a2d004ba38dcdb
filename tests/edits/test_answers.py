"""Changes written as plain text, by models that were asked to write their calls as text."""

import json
from typing import Any

import pytest
import yaml

from equitr_coder.adapters.models.text_tools.prompt import as_text
from equitr_coder.adapters.models.text_tools.reading import read_reply
from equitr_coder.adapters.tokens import ByteTokenCounter
from equitr_coder.adapters.tokens.byte_counter import PER_MESSAGE, PER_REQUEST
from equitr_coder.domain.models import (
    AssistantMessage,
    Message,
    ModelRequest,
    ModelSpec,
    Reply,
    StopCause,
    Tier,
    UserMessage,
)
from equitr_coder.domain.money import Usage
from equitr_coder.tools.apply_patch import ApplyPatch
from equitr_coder.tools.hand_in import HandIn
from equitr_coder.tools.read_file import ReadFile
from tests.edits.conftest import Desk
from tests.edits.test_cases import CASES, FILE, files_after, files_before

BLOCK = "a.txt\n<<<<<<< SEARCH\nb\n=======\nB\n>>>>>>> REPLACE"
DIFF = "```diff\n--- a/a.txt\n+++ b/a.txt\n@@ -1,2 +1,2 @@\n a\n-b\n+B\n```"
PATCH = "*** Begin Patch\n*** Update File: a.txt\n-b\n+B\n*** End Patch"
CALL = '<tool_call>\n{"name":"hand_in","arguments":{"summary":"done"}}\n</tool_call>'
TOOLS = (ReadFile.spec, ApplyPatch.spec, HandIn.spec)


def request(*given: str, offers: Any = TOOLS) -> ModelRequest:
    messages: tuple[Message, ...] = tuple(UserMessage(text=text) for text in given or ("Do it.",))
    return ModelRequest(
        model=ModelSpec(name="m", tier=Tier.WEAK), system="You work.", messages=messages, tools=offers, max_tokens=100
    )


def answer(text: str, *given: str, asked: bool = True, offers: Any = TOOLS) -> Reply:
    reply = Reply(message=AssistantMessage(text=text), usage=Usage(), stop=StopCause.END, model="m")
    return read_reply(reply, request(*given, offers=offers), asked=asked)


def names(reply: Reply) -> list[str]:
    return [call.name for call in reply.message.calls]


@pytest.mark.parametrize("change", [BLOCK, DIFF, PATCH, f"```\n{PATCH}\n```", f"a.txt\n```\n{BLOCK[6:]}\n```"])
async def test_a_change_that_stands_in_the_answer_is_made(change: str, desk: Desk) -> None:
    desk.write({"a.txt": b"a\nb\n"})
    await desk.read_all()

    reply = answer(f"I will change it.\n\n{change}\n\nThat is all.")

    (call,) = reply.message.calls
    assert call.name == "apply_patch"
    await desk.call(ApplyPatch(desk.workspace), yaml.safe_load(call.arguments))
    assert desk.content() == {"a.txt": b"a\nB\n"}
    assert reply.message.text.startswith("I will change it.")
    assert reply.message.text.endswith("That is all.")
    assert "SEARCH" not in reply.message.text
    assert reply.stop is StopCause.TOOL_CALLS


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.id.startswith("search_replace: ") and "after" in case.values[0]]
)
async def test_blocks_in_an_answer_do_what_they_do_in_a_call(case: Any, desk: Desk) -> None:
    codec = case.get("as", "utf-8")
    desk.write({path: text.encode(codec) for path, text in files_before(case).items()})
    await desk.read_all()

    (call,) = answer(case["text"]).message.calls
    await desk.call(ApplyPatch(desk.workspace), yaml.safe_load(call.arguments))

    assert desk.content() == {FILE: files_after(case)[FILE].encode(codec)}


def test_blocks_come_before_the_calls_beside_them() -> None:
    assert names(answer(f"{BLOCK}\n{CALL}")) == ["apply_patch", "hand_in"]
    assert names(answer(f"{PATCH}\n{CALL}")) == ["apply_patch", "hand_in"]


def test_a_diff_beside_a_call_tells_what_was_done() -> None:
    assert names(answer(f"{DIFF}\n{CALL}")) == ["hand_in"]


@pytest.mark.parametrize(
    "text",
    [
        "```diff\n-b\n+B\n```",
        "```diff\n@@ -1 +1 @@\n-b\n+B\n```",
        "--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-b\n+B",
        f"```python\n{DIFF[8:]}",
        f"<think>\n{BLOCK}\n</think>\nNo.",
        f"<think>\n{PATCH}",
        "<<<<<<< HEAD\na\n=======\nb\n>>>>>>> other",
        "*** Begin Patch\n*** Update File: a.txt\n-b",
        ">>>>>>> REPLACE\n<<<<<<< SEARCH",
    ],
)
def test_what_only_looks_like_a_change_is_none(text: str) -> None:
    reply = answer(text)

    assert names(reply) == []
    assert reply.message.text == text


@pytest.mark.parametrize("change", [BLOCK, DIFF, PATCH])
def test_who_was_not_asked_to_write_calls_as_text_is_not_taken_at_the_word(change: str) -> None:
    assert names(answer(change, asked=False)) == []


@pytest.mark.parametrize("change", [BLOCK, DIFF, PATCH])
def test_a_change_that_the_model_was_given_is_a_quote(change: str) -> None:
    numbered = "\n".join(f"{number:>5}\t{line}" for number, line in enumerate(change.split("\n"), 1))

    assert names(answer(change, f"This is the form:\n{change}\nUse it.")) == []
    assert names(answer(change, numbered)) == []
    assert names(answer(change, "a\nb\nB\n>>>>>>> REPLACE and <<<<<<< SEARCH")) == ["apply_patch"]


def test_without_apply_patch_there_is_nobody_to_make_it() -> None:
    assert names(answer(BLOCK, offers=(ReadFile.spec,))) == []


def test_a_block_inside_the_text_of_another_call_belongs_to_that_call() -> None:
    summary = "a\n<<<<<<< SEARCH\nb\n=======\n>>>>>>> REPLACE"
    text = CALL.replace('"done"', json.dumps(summary))

    assert names(answer(text)) == ["hand_in"]


def test_a_long_answer_without_changes_costs_little() -> None:
    assert names(answer("a " * 200_000 + "\n" * 10_000)) == []


def test_the_preface_names_the_form_and_stays_within_what_is_held_for_it() -> None:
    asked = request()

    sent = as_text(asked)

    assert "<<<<<<< SEARCH" in sent.system
    assert "SEARCH" not in as_text(request(offers=(HandIn.spec,))).system
    needed = len(sent.system.encode()) + sum(len(message.text.encode()) + PER_MESSAGE for message in sent.messages)
    assert needed + PER_MESSAGE + PER_REQUEST <= ByteTokenCounter().upper_bound(asked)
