import pytest

from equitr_coder.adapters.models.text_tools.find import find_calls
from equitr_coder.adapters.models.text_tools.hold_back import HoldBack
from equitr_coder.adapters.models.text_tools.loose_json import read_object
from equitr_coder.adapters.models.text_tools.names import offered_name, sendable_name
from equitr_coder.adapters.models.text_tools.reading import read_reply
from equitr_coder.adapters.models.text_tools.schema import fits
from equitr_coder.domain.ids import CallId
from equitr_coder.domain.models import AssistantMessage, ModelRequest, ModelSpec, Reply, StopCause, Tier, ToolCall
from equitr_coder.domain.money import Usage
from tests.answers.conftest import SPECS

OFFERED = ("read_file", "run_command", "read.lines", "ReadLines2")


@pytest.mark.parametrize(
    "text",
    [
        '{"a": "x"',
        "{a: 'x'}",
        '{"a": "x",}',
        '  {"a": "x"}  ',
        '{"a": "x"} }',
        '"{\\"a\\": \\"x\\"}"',
        '[{"a": "x"}]',
        "```\n{'a': 'x'}\n```",
        '{"a": """x"""}',
        '{/* why */ "a": "x"} // so',
        "call it with {'a': 'x'}, please".replace(",", ""),
        '{"a": "\\u0078"}',
        '{"a": "x", "a": "x"}',
    ],
)
def test_what_can_mean_one_thing_is_read(text: str) -> None:
    assert read_object(text) == {"a": "x"}


@pytest.mark.parametrize(
    "text",
    [
        '{"a": "x", ',
        '{"a": 1',
        '{"a": {"b": "x"',
        '{"a": ["x"',
        '{"a": "x" "b": "y"}',
        '{"a": "say "x""}',
        "{'a': 'it's'}",
        '{"a": "x"} {"a": "y"}',
        '{"a": "x"}, "b": "y"}',
        "{'a': 'x'}, 'b': 'y'}",
        "{'a': " * 70 + "'x'" + "}" * 70,
        '{"a": "x", "a": "y"}',
        "{'a': 'x', 'a': 'y'}",
        '{"a": undefined}',
        '{"a": NaN}',
        '{"a": 007}',
        '{"a": .5}',
        '{"a": "\\bx\\d"}',
        '{"a": "\\x41"}',
        '{"a": """x\\n"""}',
        '{"a": x}',
        '{"a"}',
        '{,"a": "x"}',
        '{"a": "x",,}',
        '["x"]',
        '"x"',
        "7",
        "x",
        '["b", {"a": "x"}',
        "[" * 5000,
        '{"a":' * 5000,
    ],
)
def test_what_is_in_doubt_is_not_read(text: str) -> None:
    assert read_object(text) is None


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert read_object("{'a': '\\ud83d\\ude00'}") == {"a": "\U0001f600"}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("read_file", "read_file"),
        ("READ_FILE", "read_file"),
        ("tools.run_command", "run_command"),
        ("mcp/server/read-file", "read_file"),
        ("functions.run_command:12", "run_command"),
        ("runCommand<|constrain|>json", "run_command"),
        ("read.lines", "read.lines"),
        ("readlines2", "ReadLines2"),
        ("file", None),
        ("read_files", None),
        ("", None),
        ("<|channel|>", None),
        ("bash", None),
    ],
)
def test_a_name_is_the_offered_one_it_can_only_mean(written: str, meant: str | None) -> None:
    assert offered_name(written, OFFERED) == meant


def test_a_name_that_could_be_two_tools_is_neither() -> None:
    assert offered_name("readfile", ("read_file", "readFile")) is None


def test_a_name_nobody_offered_can_still_be_sent_back() -> None:
    assert sendable_name("make coffee, now!") == "make_coffee__now_"
    assert sendable_name("ü" * 100) == "_" * 64
    assert sendable_name(" ") == "unknown"


@pytest.mark.parametrize(
    ("value", "is_fit"),
    [
        ({"path": "a"}, True),
        ({"path": "a", "limit": 2}, True),
        ({"path": "a", "limit": 2.0}, True),
        ({"path": "a", "tags": ["x"], "kind": "b"}, True),
        ({}, False),
        ({"path": 1}, False),
        ({"path": "a", "limit": "2"}, False),
        ({"path": "a", "limit": True}, False),
        ({"path": "a", "limit": 2.5}, False),
        ({"path": "a", "tags": ["x", 1]}, False),
        ({"path": "a", "kind": "c"}, False),
        ({"path": "a", "other": "x"}, False),
        ("a", False),
    ],
)
def test_arguments_fit_a_schema_or_not(value: object, is_fit: bool) -> None:
    schema = {
        "type": "object",
        "properties": {
            "path": {"type": "string"},
            "limit": {"type": "integer"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "kind": {"enum": ["a", "b"]},
        },
        "required": ["path"],
    }

    assert fits(value, schema) is is_fit


@pytest.mark.parametrize("stop", list(StopCause))
def test_a_call_that_was_cut_stays_as_it_came_and_those_before_it_are_mended(stop: StopCause) -> None:
    calls = tuple(ToolCall(id=CallId(f"c{n}"), name="Read_File", arguments="{'path': 'a'") for n in range(2))
    request = ModelRequest(
        model=ModelSpec(name="m", tier=Tier.WEAK), system="", messages=(), tools=(SPECS["read_file"],), max_tokens=9
    )

    read = read_reply(Reply(message=AssistantMessage(calls=calls), usage=Usage(), stop=stop), request, asked=False)

    first, last = read.message.calls
    assert (first.name, first.arguments) == ("read_file", '{"path": "a"}')
    assert (last.arguments == first.arguments) is (stop in (StopCause.END, StopCause.TOOL_CALLS))


def test_a_number_longer_than_python_reads_is_no_call() -> None:
    assert find_calls('<tool_call>{"name": ' + "9" * 5000 + "}</tool_call>") is None


def test_a_text_full_of_marks_is_read_in_little_time() -> None:
    text = "<tool_call>{" * 20_000

    assert find_calls(text) is None


@pytest.mark.parametrize("text", ["if a < b", "<p>html</p>", "a `code` b", "[link](x)", "```python\nx = {}\n", "1 <"])
def test_ordinary_text_is_shown_at_once(text: str) -> None:
    held = HoldBack()

    shown = "".join(held.feed(piece) for piece in (*text, " ", "and", " more"))

    assert shown == f"{text} and more"
