import itertools
from decimal import Decimal

import pytest

from equitr_coder.domain.ids import CallId
from equitr_coder.domain.models import AssistantMessage, Message, ModelRequest, ToolMessage, UserMessage
from equitr_coder.engine.budget_note import budget_note, with_budget_note
from equitr_coder.testing.script import ScriptedUsage, calls, says
from tests.engine.conftest import MODEL, SESSION, OpenBench

ASKED = UserMessage(text="build it")
CALLED = AssistantMessage(text="I look")
RETURNED = ToolMessage(call=CallId("c1"), name="note", text="noted")


def request_of(*messages: Message) -> ModelRequest:
    return ModelRequest(model=MODEL, system="be good", messages=messages, max_tokens=100)


def money(left: str, limit: str) -> tuple[Decimal, Decimal]:
    return Decimal(left), Decimal(limit)


@pytest.mark.parametrize("last", [ASKED, RETURNED])
def test_under_a_quarter_the_last_message_ends_with_what_is_left(last: Message) -> None:
    request = request_of(ASKED, CALLED, last)

    noted = with_budget_note(request, money("0.42", "2"))

    assert noted.messages[:-1] == request.messages[:-1]
    assert noted.messages[-1].text == (
        f"{last.text}\n\n(Budget: $0.42 of $2.00 is left for this work. When it is used up, no further call is made. "
        "Finish what is started; begin nothing that is not needed.)"
    )
    assert noted.model_copy(update={"messages": request.messages}) == request


@pytest.mark.parametrize("left", [None, money("0.5", "2"), money("2", "2"), money("0", "0")])
def test_while_there_is_enough_nothing_is_said(left: tuple[Decimal, Decimal] | None) -> None:
    request = request_of(ASKED)

    assert with_budget_note(request, left) == request


@pytest.mark.parametrize(
    ("left", "limit", "words"),
    [
        ("0.4299", "2", "$0.42 of $2.00"),
        ("0.00999", "2", "$0.00 of $2.00"),
        ("0.00999", "0.05", "$0.0099 of $0.0500"),
        ("-0.2", "10", "$0.00 of $10.00"),
    ],
)
def test_what_is_named_is_never_more_than_there_is(left: str, limit: str, words: str) -> None:
    assert words in budget_note(*money(left, limit))


async def test_the_note_is_sent_when_it_matters_and_never_kept(bench: OpenBench) -> None:
    usual, small = ScriptedUsage(input=900, output=100), ScriptedUsage(input=100, output=100)
    steps = [calls("note", text=str(n)).model_copy(update={"usage": usual if n < 6 else small}) for n in range(7)]
    b = await bench(*steps, says("done", usage=small), budget="0.0079")

    await b.agent().run()

    sent = [[str(message["content"]) for message in request.messages] for request in b.model.requests]
    ends = ["(Budget: " in messages[-1] for messages in sent]
    assert ends == [False] * 6 + [True] * 2
    assert "(Budget: $0.0019 of $0.0079 is left" in sent[6][-1]
    assert "(Budget: $0.0017 of $0.0079 is left" in sent[7][-1]
    for earlier, later in itertools.pairwise(sent):
        assert later[: len(earlier) - 1] == earlier[:-1]
    assert not any("(Budget: " in message for messages in sent for message in messages[:-1])
    assert not any("(Budget: " in message.text for message in b.hub.view.sessions[SESSION].messages)
