"""A hundred long chats: what was said, decided, named and printed stands in the next prompt, or `recall` finds it."""

import re
from collections import Counter
from decimal import Decimal

import pytest

from equitr_coder.domain.events import ContextCompacted, ContextElided, ToolReturned
from equitr_coder.domain.ids import CallId
from equitr_coder.domain.models import ModelRequest, UserMessage
from equitr_coder.domain.runs import RunOptions
from equitr_coder.engine.memory import TranscriptMemory
from equitr_coder.session.outputs import KeptOutputs
from equitr_coder.testing.events import assert_well_formed
from equitr_coder.testing.script import always, says
from equitr_coder.tools.recall import Recall
from tests.engine.conftest import SESSION, Bench, OpenBench
from tests.engine.sessions import EACH, Prepared, Session, made_up, refused, summaries

WINDOW = 12_000
_OUTPUT = re.compile(r'read_file\("output:([0-9a-f]+)"\)')


async def play(open_bench: OpenBench, session: Session) -> Bench:
    script = [summaries(), *session.rules, always(says("Hello."), last="hello")]
    b = await open_bench(*script, budget=None, options=RunOptions(budget=Decimal(1000), max_iterations=1000))
    b.window = WINDOW
    tools = [Prepared("look", session), Prepared("ask_user", session)]
    await b.agent(tools=tools, steps=1000).run()
    for turn, (said, _) in enumerate(session.turns):
        await b.agent(tools=tools, steps=1000).run(said)
        if turn in session.approvals:
            await b.hub.record(*refused(session, turn))
    return b


async def recalled(b: Bench, query: str) -> str:
    memory = TranscriptMemory(b.hub, SESSION, KeptOutputs(b.store))
    tool = Recall(memory)
    return (await tool.run(tool.parse({"query": query}), None)).for_model  # type: ignore[arg-type]


async def lost(b: Bench, session: Session) -> Counter[str]:
    """Facts that are neither in the next prompt nor found, by kind."""
    text = prompt(b.model.sent[-1])
    gone: Counter[str] = Counter()
    for fact in session.facts:
        if fact.needle not in text and fact.needle not in await recalled(b, fact.query):
            gone[fact.kind] += 1
    return gone


def prompt(request: ModelRequest) -> str:
    return "\n".join([request.system, *(message.text for message in request.messages)])


@pytest.mark.parametrize(
    "seeds",
    [
        pytest.param(range(3), id="three"),
        pytest.param(range(100), id="hundred", marks=[pytest.mark.slow, pytest.mark.timeout(1800)]),
    ],
)
async def test_what_matters_is_in_the_next_prompt_or_is_found(bench: OpenBench, seeds: range) -> None:
    gone: Counter[str] = Counter()
    in_prompt: Counter[str] = Counter()
    for seed in seeds:
        session = made_up(seed)
        b = await play(bench, session)
        assert len([e for e in await b.events() if isinstance(e, ContextCompacted)]) >= 2
        gone += await lost(b, session)
        text = prompt(b.model.sent[-1])
        in_prompt.update(fact.kind for fact in session.facts if fact.needle in text)

    print({"planted of a kind": EACH * len(seeds), "in the prompt": dict(in_prompt), "lost": dict(gone)})
    assert gone["constraint"] == 0
    others = 3 * EACH * len(seeds)
    assert sum(gone.values()) <= 0.02 * others, gone


async def test_whatever_was_left_out_can_be_opened_word_for_word(bench: OpenBench) -> None:
    session = made_up(7)
    b = await play(bench, session)
    outputs = KeptOutputs(b.store)

    events = await b.events()
    results = {event.call: event.text for event in events if isinstance(event, ToolReturned)}
    stand_ins = {call: text for e in events if isinstance(e, ContextElided) for call, text in e.results.items()}
    assert stand_ins
    for call, text in stand_ins.items():
        found = _OUTPUT.search(text)
        assert found is not None
        assert await outputs.open(found[1]) == results[CallId(call)]
    whole = [await outputs.open(output) for output in _OUTPUT.findall(await recalled(b, session.facts[0].query))]
    originals = {*results.values(), *(m.text for m in b.hub.view.sessions[SESSION].messages)}
    assert whole
    assert {text for text in whole if text in originals}
    assert_well_formed(events)


async def test_no_request_passes_the_window_and_each_holds_the_users_last_words(bench: OpenBench) -> None:
    session = made_up(3)
    b = await play(bench, session)

    asked = [request for request in b.model.sent if request.session == SESSION]
    for request, record in zip(b.model.sent, b.model.requests, strict=True):
        if request.session == SESSION:
            assert record.outcome == "answered"
    for request in asked:
        said = [message.text for message in request.messages if isinstance(message, UserMessage)]
        assert said[0] == "hello"
        assert max(map(len, said)) < 40_000
    assert max(len(prompt(request)) for request in asked) / 3.0 < WINDOW
