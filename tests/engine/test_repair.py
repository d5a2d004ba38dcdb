import pytest

from equitr_coder.domain.errors import ToolFailure
from equitr_coder.domain.ids import AgentName, CallId, SessionId
from equitr_coder.domain.models import (
    AssistantMessage,
    Message,
    StopCause,
    ToolCall,
    ToolMessage,
    ToolSpec,
    UserMessage,
)
from equitr_coder.domain.run_view import SessionView
from equitr_coder.engine.repair import cut_off, read_arguments
from equitr_coder.testing.script import ScriptedCall, ScriptedUsage, calls, says
from tests.engine.conftest import SESSION, OpenBench

TOOL = ToolSpec(
    name="edit",
    description="",
    parameters={
        "type": "object",
        "properties": {
            "path": {"type": "string"},
            "lines": {"type": "array", "items": {"type": "string"}},
            "count": {"type": "integer"},
        },
        "required": ["path", "lines"],
    },
)


def written(arguments: str, number: int = 1) -> ToolCall:
    return ToolCall(id=CallId(f"c{number}"), name="edit", arguments=arguments)


def session(*asked: ToolCall, stop: StopCause) -> SessionView:
    messages: list[Message] = [UserMessage(text="hi"), AssistantMessage(calls=asked)]
    return SessionView(SessionId("s"), AgentName("a"), None, messages=messages, last_stop=stop)


def test_an_object_is_read_as_it_is() -> None:
    assert read_arguments(written('{"path": "a", "lines": []}'), TOOL) == {"path": "a", "lines": []}
    assert read_arguments(written("  "), TOOL) == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ('{"path": "a", "lines": [}', 'line 1 column 25, at the mark >>> in `{"path": "a", "lines": [>>>}`'),
        ('{"path": "a', "Close every text, list and object."),
        ('{"path": "say "hi""}', "Write a quote inside a text as"),
        ('{"path": "a\nb"}', "a line break as \\n"),
        ('{"path": "\\d"}', "Write a backslash inside a text as two."),
        ("{'path': 1}", "Write names and texts in double quotes."),
        ('{"path": "a"} {"path": "b"}', "Make one call for each object."),
        ('{"path": "a"} done', "Leave out what follows the object."),
        ('[{"path": "a"}, {"path": "b"}]', "not a list. Nothing was run. Make one call for each object."),
        ('"a"', "not a text"),
        ("7", "not a number"),
        ("true", "not true or false"),
        ("null", "not null"),
        ('{"path": NaN}', "NaN is no JSON value"),
        ('{"path": -Infinity}', "-Infinity is no JSON value"),
        ('{"path": "a", "path": "b"}', '"path" is given twice with different values'),
        ('{"path": "\\ud83d"}', "half of a surrogate pair"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_send_instead(arguments: str, words: str) -> None:
    with pytest.raises(ToolFailure) as failure:
        read_arguments(written(arguments), TOOL)

    text = str(failure.value)
    assert words in text
    assert text.startswith("The arguments of edit ")
    assert "Nothing was run." in text
    assert text.endswith('Call edit again with one JSON object like {"path": "...", "lines": [...]}.')
    assert len(text) < 500


def test_the_same_value_twice_is_no_contradiction() -> None:
    assert read_arguments(written('{"path": "a", "path": "a"}'), TOOL) == {"path": "a"}


@pytest.mark.parametrize("stop", [StopCause.LENGTH, StopCause.FILTERED])
@pytest.mark.parametrize("arguments", ['{"path": "a", "li', '{"path": "a", "lines": []}'])
def test_the_last_call_of_an_answer_that_was_cut_is_refused_readable_or_not(stop: StopCause, arguments: str) -> None:
    first, last = written('{"path": "a"}', 1), written(arguments, 2)
    view = session(first, last, stop=stop)

    assert cut_off(first, view, []) is None
    assert "cut" in (cut_off(last, view, []) or "")


@pytest.mark.parametrize("stop", [StopCause.END, StopCause.TOOL_CALLS])
def test_a_call_that_was_not_cut_is_not_refused(stop: StopCause) -> None:
    call = written("{}")

    assert cut_off(call, session(call, stop=stop), []) is None


async def test_a_cut_call_is_never_run_and_the_model_is_told_the_limit(bench: OpenBench) -> None:
    whole = ScriptedCall(name="note", arguments={"text": "half of it"})
    cut = says("", whole, stop="length", usage=ScriptedUsage(input=10, output=321))
    b = await bench(cut, calls("note", text="a piece"), says("done"))

    outcome = await b.agent().run()

    assert outcome.text == "done"
    assert b.note.notes == ["a piece"]
    told = next(m for m in b.hub.view.sessions[SESSION].messages if isinstance(m, ToolMessage))
    assert told.is_error
    assert told.text.startswith("Your answer was cut off at max_tokens=1000 before this call of note was complete.")
    assert "Send smaller pieces" in told.text


async def test_the_limit_that_is_told_is_the_one_that_was_sent(bench: OpenBench) -> None:
    cut = ScriptedCall(name="note", raw='{"text": "')
    b = await bench(
        says("", ScriptedCall(name="note", arguments={"text": "x"}), usage=ScriptedUsage(input=10, output=5)),
        says("", cut, stop="length", usage=ScriptedUsage(input=10, output=700)),
        says("", cut, stop="length", no_usage=True),
        says("done"),
    )

    await b.agent().run()

    told = [m.text for m in b.hub.view.sessions[SESSION].messages if isinstance(m, ToolMessage)]
    assert "cut off at max_tokens=1000 before" in told[1]
    assert "cut off at max_tokens=1000 before" in told[2]
