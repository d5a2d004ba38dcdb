"""Which rule answers, with which ids, and what a script file may hold."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.domain.errors import UserError
from equitr_coder.testing import Script, always, call, calls, fails, load_script, rule, says
from equitr_coder.testing.script import Barrier, OfferedModel, Rule, ScriptedCall, ScriptedReply, When, call_ids
from equitr_coder.testing.wire import WireRequest

FULL = """
models: [strong-1, {id: weak-1, context_window: 1000, tools: false}]
require_key: true
rate_limit: {requests: 3, seconds: 1, retry_after: 0.5}
rules:
  - when: {model: "strong*", offers: submit_plan, lacks: [ask_supervisor], first: [T1, T2], turn: 0}
    turns:
      - {text: "I look first.", calls: [{name: read_file, arguments: {path: a.py}}]}
      - {calls: [{name: hand_in, raw: "{not json", id: mine}], usage: {input: 5, cache_read: 2, output: 3}}
    times: 2
  - reply: {error: {status: 429, message: slow down, retry_after: 2}, delay: 0.5, barrier: {name: b, parties: 3}}
"""


def test_a_file_and_its_text_are_the_same_script(tmp_path: Path) -> None:
    path = tmp_path / "script.yaml"
    path.write_text(FULL)

    assert load_script(path) == load_script(FULL)


def test_every_key_of_the_format_is_read() -> None:
    script = load_script(FULL)

    first, second = script.rules
    assert script.models == (OfferedModel(id="strong-1"), OfferedModel(id="weak-1", context_window=1000, tools=False))
    assert first.when == When(
        model="strong*", offers="submit_plan", lacks=["ask_supervisor"], first=["T1", "T2"], turn=0
    )
    assert first.turns[0] == says("I look first.", call("read_file", path="a.py"))
    assert first.turns[1].calls == (ScriptedCall(name="hand_in", raw="{not json", id="mine"),)
    assert first.times == 2
    assert second.reply == ScriptedReply(
        error=fails(429, "slow down", retry_after=2).error, delay=0.5, barrier=Barrier(name="b", parties=3)
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rules:\n  - when: {modle: x}\n    reply: {text: a}\n", "rules.0.when.modle: Extra inputs are not permitted"),
        ("rules:\n  - when: {model: x}\n", "rules.0: Value error, a rule has either `turns` or `reply`"),
        ("rules:\n  - {reply: {text: a}, turns: [{text: b}]}\n", "a rule has either `turns` or `reply`"),
        ("rules: [\n", "is not YAML"),
        ("\n", "the top:"),
    ],
)
def test_a_wrong_script_is_refused_with_its_place(text: str, words: str) -> None:
    with pytest.raises(UserError, match=re.escape(words)):
        load_script(text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*none.yaml: No such file"):
        load_script(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ({"model": "strong*"}, True),
        ({"model": "weak*"}, False),
        ({"offers": "read_file"}, True),
        ({"offers": ["read_file", "submit_plan"]}, False),
        ({"lacks": "submit_plan"}, True),
        ({"lacks": ["submit_plan", "hand_in"]}, False),
        ({"system": "You work"}, True),
        ({"system": "Task T1"}, False),
        ({"first": ["Task", "T1"]}, True),
        ({"first": "print"}, False),
        ({"last": "print(1)"}, True),
        ({"last": "Task"}, False),
        ({"contains": ["a.py", "read_file", "You work"]}, True),
        ({"contains": "nowhere"}, False),
        ({"turn": 1}, True),
        ({"turn": 0}, False),
        ({"turn": 1, "model": "weak*"}, False),
        ({}, True),
    ],
)
def test_all_conditions_given_must_hold(body: dict[str, Any], when: dict[str, Any], holds: bool) -> None:
    assert When(**when).holds(WireRequest(body)) is holds


def test_the_first_rule_that_matches_answers(body: dict[str, Any]) -> None:
    script = Script(rules=(always(says("no"), model="weak*"), always(says("a"), turn=1), always(says("b"))))

    choice = script.find(WireRequest(body))

    assert choice is not None
    assert (choice.rule, choice.reply) == (1, says("a"))


def test_turns_answer_by_the_assistant_messages_and_end(body: dict[str, Any]) -> None:
    request = WireRequest(body)

    assert rule(says("zero"), says("one")).reply_to(request) == says("one")
    assert rule(says("zero")).reply_to(request) is None


def test_a_rule_that_is_used_up_is_passed_over(body: dict[str, Any]) -> None:
    script = Script(rules=(always(fails(429), times=1), always(says("b"))))

    choice = script.find(WireRequest(body), used_up=lambda number: number == 0)

    assert choice is not None
    assert choice.reply == says("b")


@given(turn=st.integers(0, 5), count=st.integers(1, 4))
def test_call_ids_are_the_same_for_the_same_request_and_never_in_it(turn: int, count: int) -> None:
    def request(session: str) -> WireRequest:
        messages: list[dict[str, Any]] = [{"role": "user", "content": session}]
        for _ in range(turn):
            ids = call_ids(WireRequest({"model": "m", "messages": messages}), reply)
            wire_calls = [{"id": i, "type": "function", "function": {"name": "f", "arguments": "{}"}} for i in ids]
            messages.append({"role": "assistant", "content": None, "tool_calls": wire_calls})
            messages += [{"role": "tool", "tool_call_id": i, "content": "x"} for i in ids]
        return WireRequest({"model": "m", "messages": messages})

    reply = ScriptedReply(calls=tuple(call("f") for _ in range(count)))
    mine, other = request("T1"), request("T2")

    ids = call_ids(mine, reply)

    assert ids == call_ids(mine, reply)
    assert len(set(ids)) == count
    assert not set(ids) & mine.call_ids
    assert not set(ids) & set(call_ids(other, reply))


def test_an_id_that_the_conversation_kept_is_not_given_again(body: dict[str, Any]) -> None:
    reply = calls("f")
    first = call_ids(WireRequest(body), reply)[0]
    body["messages"][2]["tool_calls"][0]["id"] = first
    body["messages"][3]["tool_call_id"] = first

    assert call_ids(WireRequest(body), reply) == (f"{first}_2",)


def test_a_tool_may_have_an_argument_called_name() -> None:
    assert calls("share", name="x", kind="variable").calls[0].arguments == {"name": "x", "kind": "variable"}


def test_the_builders_make_rules() -> None:
    assert rule(says("a"), model="x") == Rule(when=When(model="x"), turns=(says("a"),))
    assert Script.of(says("a"), says("b")).rules == (rule(says("a"), says("b")),)
