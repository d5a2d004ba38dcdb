import itertools
from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.domain.errors import ModelError, ModelErrorKind
from equitr_coder.domain.events import (
    ContextCompacted,
    ContextElided,
    Event,
    MessageAdded,
    ModelCallFailed,
    ModelCallSettled,
)
from equitr_coder.domain.ids import AgentName, CallId
from equitr_coder.domain.models import (
    AssistantMessage,
    Message,
    Purpose,
    SystemMessage,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from equitr_coder.domain.run_view import RunView, SessionView, fold
from equitr_coder.domain.runs import RunOptions
from equitr_coder.engine import context
from equitr_coder.engine.compaction import stated_window
from equitr_coder.session.hub import Hub
from equitr_coder.testing.events import assert_well_formed
from equitr_coder.testing.script import OfferedModel, Rule, Script, ScriptedReply, always, call, fails, says
from tests.engine.conftest import RUN, SESSION, Bench, OpenBench
from tests.engine.sessions import Prepared, Session, summaries
from tests.waiting import waiting

RICH = RunOptions(budget=Decimal(1000))
LONG = "\n".join(f"line {number} of what was printed" for number in range(60))


def steps(count: int, *, size: int = 1, said: str = "") -> tuple[Session, list[Rule]]:
    """An agent that looks `count` times, each time at `size` times 2 KB, and then says that it is done."""
    session = Session(0, results={n: f"{LONG * size}\n<step {n}>" for n in range(count)})
    rules = [always(says(said, call("look", step=n + 1)), last=f"<step {n}>") for n in range(count - 1)]
    first = always(says(said, call("look", step=0)), last="hello")
    return session, [first, *rules, always(says("done"), last=f"<step {count - 1}>")]


async def played(
    bench: OpenBench, session: Session, rules: Sequence[Rule], *, window: int | None = 8_000, summary: ScriptedReply
) -> Bench:
    b = await bench(summaries(summary), *rules, budget=None, options=RICH)
    b.window = window
    outcome = await b.agent(tools=[Prepared("look", session)], steps=500).run()
    assert outcome.text == "done"
    assert_well_formed(await b.events())
    return b


def sent(b: Bench) -> list[tuple[Message, ...]]:
    return [request.messages for request in b.model.sent if request.session == SESSION]


GOOD = says("The agent looked at many parts one after the other and found nothing that matters so far.")


async def test_old_results_go_first_and_one_step_lasts_for_many_turns(bench: OpenBench) -> None:
    session, rules = steps(16)
    b = await played(bench, session, rules, window=11_000, summary=GOOD)

    events = await b.events()
    elided = [event for event in events if isinstance(event, ContextElided)]
    assert len(elided) == 1
    assert not [event for event in events if isinstance(event, ContextCompacted)]
    assert len(elided[0].results) >= 4
    breaks = [n for n, (a, z) in enumerate(itertools.pairwise(sent(b))) if z[: len(a)] != a]
    assert len(breaks) == 1
    last = sent(b)[-1]
    assert [m.text for m in last if isinstance(m, ToolMessage)][-1].endswith("<step 15>")
    assert "Left out to save room" in last[2].text
    assert 'read_file("output:' in last[2].text


async def test_the_first_message_the_last_turns_and_the_system_stay_word_for_word(bench: OpenBench) -> None:
    session, rules = steps(40, said="I look at `parts/axle.py` now, which is long " * 20)
    b = await played(bench, session, rules, summary=GOOD)

    events = await b.events()
    compacted = [event for event in events if isinstance(event, ContextCompacted)]
    assert len(compacted) >= 2
    messages = b.hub.view.sessions[SESSION].messages
    last = sent(b)[-1]
    done = compacted[-1]
    assert last[0] == messages[0]
    assert last[1].text == done.text
    assert last[2:] == tuple(messages[done.upto : done.upto + len(last) - 2])
    assert "parts/axle.py" in done.text
    assert done.summary in done.text
    assert {request.system for request in b.model.sent if request.session == SESSION} == {"be good"}
    paid = [event for event in events if isinstance(event, ModelCallSettled) and event.purpose is Purpose.COMPACTION]
    assert len(paid) == len(compacted)
    assert all(event.usd > 0 for event in paid)


@pytest.mark.parametrize(
    ("summary", "why"),
    [
        (says(""), "empty"),
        (says("", call("look", step=0)), "tool calls"),
        (says("ok " * 400), "made no sense"),
        (fails(400, "no"), "no"),
    ],
)
async def test_a_summary_that_cannot_be_used_stops_nothing(bench: OpenBench, summary: ScriptedReply, why: str) -> None:
    session, rules = steps(30, said="looking on " * 60)
    b = await played(bench, session, rules, summary=summary)

    [done, *_] = [event for event in await b.events() if isinstance(event, ContextCompacted)]
    assert why in done.detail
    assert done.summary == ""
    assert "## Summary" not in done.text


async def test_a_summary_that_is_in_the_log_is_not_paid_again(bench: OpenBench) -> None:
    session, rules = steps(30, said="looking on " * 60)
    b = await played(bench, session, rules, summary=GOOD)
    events = await b.events()
    cut = next(number for number, event in enumerate(events) if isinstance(event, ContextCompacted))
    assert isinstance(events[cut - 1], ModelCallSettled)

    again = await continued(bench, events[:cut], rules, summary=says("Another summary, which must never be asked for."))
    await again.agent(tools=[Prepared("look", session)], steps=500).run()

    [done, *_] = [event for event in await again.events() if isinstance(event, ContextCompacted)]
    assert done.text == events[cut].text  # type: ignore[union-attr]
    asked = [request.session for request in again.model.sent]
    assert asked[0] == SESSION


async def continued(
    bench: OpenBench, events: Sequence[Event], rules: Sequence[Rule], *, summary: ScriptedReply
) -> Bench:
    """What another process finds: the log as far as it goes."""
    b = await bench(summaries(summary), *rules, budget=None, options=RICH)
    b.window = 8_000
    told = [event.model_copy(update={"run": RUN}) for event in events[1:]]
    await b.store.append(waiting(told))
    b.hub = Hub(run=RUN, store=b.store, clock=b.clock, view=fold(await b.store.read(RUN), RunView(run=RUN)))
    return b


async def test_another_process_sends_the_same_bytes(bench: OpenBench) -> None:
    session, rules = steps(40, said="looking on " * 40)
    b = await played(bench, session, rules, summary=GOOD)
    events = await b.events()
    settled = [n for n, e in enumerate(events) if isinstance(e, ModelCallSettled) and e.session == SESSION]

    for stop in settled[5::11]:
        again = await continued(bench, events[: stop + 1], rules, summary=GOOD)
        await again.agent(tools=[Prepared("look", session)], steps=500).run()
        assert sent(again) == sent(b)[-len(sent(again)) :]


async def test_a_refusal_makes_room_where_nobody_knows_the_window(bench: OpenBench) -> None:
    session, rules = steps(30, said="looking on " * 60)
    script = Script(rules=(summaries(GOOD), *rules), models=(OfferedModel(id="m", context_window=6_000),))
    b = await bench(*rules, budget=None, options=RICH)
    b.model.backend.script = script

    outcome = await b.agent(tools=[Prepared("look", session)], steps=500).run()

    assert outcome.text == "done"
    events = await b.events()
    refused = [event for event in events if isinstance(event, ModelCallFailed)]
    assert refused
    assert all(event.usd == 0 and event.kind is ModelErrorKind.CONTEXT_OVERFLOW for event in refused)
    made = [event for event in events if isinstance(event, ContextCompacted)]
    assert made[0].why == "refused"
    assert len(refused) <= len([event for event in events if isinstance(event, ContextCompacted | ContextElided)])


async def test_a_fixed_part_that_fills_the_window_neither_hides_results_nor_pays_for_summaries_every_turn(
    bench: OpenBench,
) -> None:
    session, rules = steps(24)
    b = await bench(summaries(GOOD), *rules, budget=None, options=RICH)
    b.window = 11_000
    await b.hub.record(
        MessageAdded(session=SESSION, agent=AgentName("a"), message=SystemMessage(text="be good")),
        MessageAdded(session=SESSION, agent=AgentName("a"), message=UserMessage(text=f"{'z' * 32_000} hello")),
    )

    outcome = await b.agent(tools=[Prepared("look", session)], steps=500).run()

    assert outcome.text == "done"
    paid = [e for e in await b.events() if isinstance(e, ModelCallSettled) and e.purpose is Purpose.COMPACTION]
    assert len(paid) <= 1
    for messages in sent(b)[1:]:
        assert not messages[-1].text.startswith("[Left out")


async def test_what_cannot_fit_ends_with_one_clear_line(bench: OpenBench) -> None:
    b = await bench(always(fails(413, "maximum context length is 1,000 tokens")), budget=None, options=RICH)

    with pytest.raises(ModelError, match="does not fit scripted/m even without all that can be left out") as caught:
        await b.agent().run()

    assert caught.value.kind is ModelErrorKind.CONTEXT_OVERFLOW
    assert "larger context window" in caught.value.hint
    assert len(b.model.requests) == 1


@pytest.mark.parametrize(
    ("words", "window"),
    [
        ("This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.", 8192),
        ("prompt is too long: 208310 tokens > 200000 maximum", 200_000),
        ("the request exceeds the available context size, limit 4,096", 4096),
        ("input is too long for requested model", None),
        ("maximum of 20 images", None),
    ],
)
def test_a_refusal_may_name_the_window(words: str, window: int | None) -> None:
    assert stated_window(words) == window


# ---------------------------------------------------------------- laws

_TEXTS = st.sampled_from(["", "short", "x" * 900, "y" * 5_000, "ünïcode " * 100])


@st.composite
def transcripts(draw: st.DrawFn) -> list[Message]:
    messages: list[Message] = [UserMessage(text="the task")]
    for number in range(draw(st.integers(0, 12))):
        if draw(st.booleans()):
            messages.append(UserMessage(text=draw(_TEXTS)))
        calls = tuple(
            ToolCall(id=CallId(f"c{number}.{index}"), name=draw(st.sampled_from(["look", "ask_user"])), arguments="{}")
            for index in range(draw(st.integers(0, 3)))
        )
        messages.append(AssistantMessage(text=draw(_TEXTS), calls=calls))
        messages += [ToolMessage(call=one.id, name=one.name, text=draw(_TEXTS)) for one in calls]
    return messages


def session_of(messages: list[Message]) -> SessionView:
    return SessionView(SESSION, AgentName("a"), None, messages=messages)


def compacted(session: SessionView, upto: int) -> None:
    done = ContextCompacted(
        session=SESSION,
        agent=AgentName("a"),
        upto=upto,
        text="...",
        why="window",
        limit=1,
        tokens_before=1,
        tokens_after=1,
    )
    session.compacted.append(done)


@given(messages=transcripts(), tails=st.lists(st.integers(0, 20_000), max_size=3))
def test_a_call_is_never_parted_from_its_result(messages: list[Message], tails: list[int]) -> None:
    session = session_of(messages)
    for tail in tails:
        upto = context.cut_after(session, tail)
        if upto is None:
            continue
        assert context.first_kept(session) < upto < len(messages)
        compacted(session, upto)
        kept = context.sent_messages(session)
        made = [one.id for message in kept if isinstance(message, AssistantMessage) for one in message.calls]
        assert made == [message.call for message in kept if isinstance(message, ToolMessage)]
        assert kept[0] == messages[0]
        assert kept[-1].text in (messages[-1].text, "(no answer)")


@given(messages=transcripts(), excess=st.integers(1, 30_000), recent=st.booleans())
def test_results_are_left_out_oldest_first_and_no_more_than_needed(
    messages: list[Message], excess: int, recent: bool
) -> None:
    session = session_of(messages)

    chosen = context.results_to_leave_out(session, excess, even_recent=recent)

    every = context.results_to_leave_out(session, 10**9, even_recent=recent)
    assert chosen == every[: len(chosen)]
    assert sum(map(context.saved_by, chosen[:-1])) < excess
    assert all(message.name != "ask_user" for message in chosen)
    before = context.size(context.sent_messages(session))
    session.elided.update({message.call: context.stand_in(message, "0" * 12) for message in chosen})
    assert context.size(context.sent_messages(session)) <= before


@given(messages=transcripts())
def test_a_longer_transcript_begins_with_what_was_sent_before(messages: list[Message]) -> None:
    whole = context.sent_messages(session_of(messages))

    for length in range(1, len(messages) + 1):
        assert context.sent_messages(session_of(messages[:length])) == whole[:length]


def test_a_stand_in_says_what_stood_there_in_one_line() -> None:
    message = ToolMessage(call=CallId("c"), name="run_command", text="exit 1 in 0.3 s\nfirst\nlast " + "z" * 300)

    text = context.stand_in(message, "abcdefabcdef")

    assert "\n" not in text
    assert '"exit 1 in 0.3 s" to "last z' in text
    assert 'read_file("output:abcdefabcdef")' in text
    assert len(text) < 400
