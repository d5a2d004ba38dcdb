"""The one screen: what stands still, what keys do, and where words go."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from equitr_coder.domain import commands as c
from equitr_coder.domain import events as e
from equitr_coder.domain import queries as q
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.ids import AgentName, CallId, RequestId, RunId, SessionId
from equitr_coder.domain.models import AssistantMessage, Purpose, SystemMessage, Tier, ToolCall, UserMessage
from equitr_coder.domain.money import Usage
from equitr_coder.domain.runs import RunKind, RunOptions, RunState
from equitr_coder.ports import ShownDelta
from tests.cli.conftest import BEGIN, RUN, Until
from tests.tui.stage import NOW, SIZES, Door, followed, scene, seated

SESSION, AGENT = SessionId("chat"), AgentName("assistant")
ANSWER = """# What I did

The parser reads **rows** and keeps `line` numbers:

- bad rows are reported
- good rows are stored

```python
def parse(text: str) -> list[Row]:
    return [Row(line) for line in text.splitlines()]
```

It is done."""


def started(kind: RunKind = RunKind.CHAT, request: str = "Add CSV import") -> e.RunStarted:
    options = RunOptions(budget=Decimal(5))
    return e.RunStarted(kind=kind, request=request, workspace="/w", options=options, worker_model="small-coder")


def said(message: Any) -> e.MessageAdded:
    return e.MessageAdded(session=SESSION, agent=AGENT, message=message)


def money(call: str, usd: str) -> list[e.Event]:
    fields: dict[str, Any] = {
        "session": SESSION,
        "agent": AGENT,
        "call": CallId(call),
        "model": "small-coder",
        "tier": Tier.WEAK,
        "purpose": Purpose.CHAT,
    }
    reserved = e.ModelCallReserved(**fields, usd=Decimal("0.05"), input_bound=100, max_tokens=100)
    return [reserved, e.ModelCallSettled(**fields, usage=Usage(input=10, output=5), usd=Decimal(usd))]


def chat_log(answer: str = ANSWER) -> list[e.Event]:
    read = ToolCall(id=CallId("t1"), name="read_file", arguments='{"path": "README.md"}')
    edit = ToolCall(id=CallId("t2"), name="edit_file", arguments='{"path": "orders/service.py"}')
    return [
        started(),
        said(SystemMessage(text="You help.")),
        said(UserMessage(text="Add CSV import")),
        *money("m1", "0.01"),
        said(AssistantMessage(text="I look first.", calls=(read, edit))),
        e.ToolCalled(session=SESSION, agent=AGENT, call=read.id, name="read_file", arguments=read.arguments),
        e.ToolReturned(
            session=SESSION, agent=AGENT, call=read.id, name="read_file", text="1  # Shop", summary="1 line"
        ),
        e.ToolCalled(session=SESSION, agent=AGENT, call=edit.id, name="edit_file", arguments=edit.arguments),
        e.ToolReturned(
            session=SESSION,
            agent=AGENT,
            call=edit.id,
            name="edit_file",
            text="edited",
            summary="orders/service.py +4 -1",
        ),
        *money("m2", "0.02"),
        said(AssistantMessage(text=answer)),
        e.RunPaused(reason=StopReason.INTERRUPTED),
    ]


def stamped(events: list[e.Event]) -> list[e.Event]:
    return [
        event.model_copy(update={"seq": number, "at": BEGIN + timedelta(seconds=number), "run": RUN})
        for number, event in enumerate(events, 1)
    ]


def door(*steps: Any) -> Door:
    return Door(steps)


async def test_what_is_typed_before_the_engine_is_there_is_sent_once_and_in_order() -> None:
    api = door(*chat_log())
    async with seated(api, is_connected=False) as seat:
        await seat.pilot.press(*"hello", "enter", *"wor")
        await seat.settle()
        assert api.submitted == []
        assert "connecting..." in seat.shown()

        from tests.tui.stage import connect

        connect(seat.desk, api)
        await seat.settle()

        starts = [command for command in api.submitted if isinstance(command, c.StartRun)]
        assert [start.request for start in starts] == ["hello"]
        assert seat.app.screen.query_one("#prompt").text == "wor"  # type: ignore[attr-defined]


async def test_a_chat_is_told_with_what_it_read_did_and_said() -> None:
    async with seated(door(*chat_log())) as seat:
        await seat.pilot.press(*"go", "enter")
        await seat.settle()
        shown = seat.shown()
    assert "you  Add CSV import" in shown
    assert "[read 1 file]" in shown
    assert "edit_file orders/service.py +4 -1" in shown
    assert "What I did" in shown
    assert "bad rows are reported" in shown
    assert "$0.0300 of $5.00" in shown


async def test_streamed_text_is_shown_while_it_comes_and_once_when_it_is_stored() -> None:
    known = followed(stamped(chat_log()[:4]))
    for piece in ("Here is ", "**one** thing"):
        known.take(ShownDelta(run=RUN, session=SESSION, agent=AGENT, task=None, text=piece))
    async with seated(door(), runs=[known]) as seat:
        seat.desk.open("talk")
        await seat.settle()
        assert "Here is one thing" in seat.shown()

        known.take(stamped([*chat_log()[:4], *money("m1", "0.01")[1:]])[-1])
        message = said(AssistantMessage(text="Here is **one** thing"))
        known.take(message.model_copy(update={"seq": 6, "at": NOW, "run": RUN}))
        await seat.settle()
        assert seat.shown().count("Here is one thing") == 1


async def test_an_open_question_takes_what_is_typed_as_its_answer() -> None:
    question = e.QuestionAsked(
        session=SessionId("planner"),
        agent=AgentName("supervisor"),
        question=RequestId("q1"),
        text="Duplicate order numbers?",
        options=("skip and report", "refuse the whole file"),
    )
    answered = e.QuestionAnswered(question=RequestId("q1"), answer="refuse the whole file")
    waiting = Until(lambda command: [answered] if isinstance(command, c.AnswerQuestion) else None)
    api = door(started(RunKind.EPIC), question, waiting, e.RunPaused(reason=StopReason.INTERRUPTED))
    async with seated(api, mode="plan") as seat:
        await seat.pilot.press(*"go", "enter")
        await seat.settle()
        assert "NEEDS YOU 1" in seat.shown()
        await seat.pilot.press("2", "enter")
        await seat.settle()
        shown = seat.shown()
    assert api.submitted[-1] == c.AnswerQuestion(run=RUN, question=RequestId("q1"), answer="refuse the whole file")
    assert "you  refuse the whole file" in shown


async def test_one_ctrl_c_never_leaves_and_two_do() -> None:
    async with seated(door()) as seat:
        await seat.pilot.press(*"abc", "ctrl+c")
        assert seat.app.is_running
        assert seat.app.screen.query_one("#prompt").text == ""  # type: ignore[attr-defined]
        await seat.pilot.press("ctrl+c")
        await seat.settle()
        assert "Ctrl+C again within 2 s leaves" in seat.shown()
        await seat.pilot.press("ctrl+c")
        await seat.pilot.pause()
        assert seat.app.return_value == 0


async def test_leaving_while_an_agent_works_asks_and_then_stops_it() -> None:
    api = door(*chat_log()[:5], Until(lambda _: None))
    async with seated(api) as seat:
        await seat.pilot.press(*"go", "enter")
        await seat.settle()
        await seat.pilot.press("ctrl+d")
        await seat.settle()
        assert "is at work" in seat.shown()
        assert "stop it and leave" in seat.shown()
        await seat.pilot.press("2")
        await seat.settle()
        assert seat.app.is_running
        assert not any(isinstance(command, c.Interrupt) for command in api.submitted)

        await seat.pilot.press("ctrl+d")
        await seat.settle()
        await seat.pilot.press("1")
        await seat.settle()
        assert any(isinstance(command, c.Interrupt) for command in api.submitted)
        assert seat.app.return_value == 0


async def test_a_word_to_an_agent_at_work_is_queued_and_can_be_taken_back() -> None:
    def react(command: c.Command) -> list[e.Event] | None:
        if isinstance(command, c.QueueMessage):
            sent = e.MessageSent(id=RequestId("u1"), sender="user", to="chat", kind="queue", content=command.text)
            return [sent]
        return None

    taken = Until(
        lambda command: [e.MessageCancelled(message=RequestId("u1"))] if isinstance(command, c.CancelMessage) else None
    )
    api = door(*chat_log()[:5], Until(react), taken, Until(lambda _: None))
    async with seated(api) as seat:
        await seat.pilot.press(*"go", "enter")
        await seat.settle()
        await seat.pilot.press(*"and tests", "enter")
        await seat.settle()
        assert "queued and tests" in seat.shown()
        await seat.pilot.press("alt+up")
        await seat.settle()
        assert "queued" not in seat.shown()
        assert seat.app.screen.query_one("#prompt").text == "and tests"  # type: ignore[attr-defined]
        await seat.pilot.press("ctrl+c")
        await seat.desk.stop_all()


@pytest.mark.parametrize("size", [(44, 9), (30, 8), (39, 20)])
async def test_a_screen_that_is_too_small_says_so_and_loses_nothing(size: tuple[int, int]) -> None:
    async with seated(door()) as seat:
        await seat.pilot.press(*"abc")
        before = seat.shown()
        await seat.pilot.resize_terminal(*size)
        await seat.settle()
        assert f"{size[0]}x{size[1]} is too small, 40x10 needed" in " ".join(seat.shown().split())
        await seat.pilot.resize_terminal(120, 36)
        await seat.settle()
        assert seat.shown() == before
        assert seat.app.focused is seat.app.screen.query_one("#prompt")


async def test_a_mistake_is_told_with_what_to_do() -> None:
    async with seated(door()) as seat:
        await seat.pilot.press(*"/nonsense", "enter")
        await seat.settle()
        shown = seat.shown()
    assert "there is no command /nonsense" in shown
    assert "/help lists the commands" in shown


async def test_letters_typed_in_a_pane_go_to_the_prompt() -> None:
    runs = q.RunsAnswer(
        runs=(
            q.RunSummary(
                run=RunId("run-1"), kind=RunKind.CHAT, epic=None, title="Earlier", state=RunState.PAUSED,
                phase="paused", done=0, tasks=0, usd=Decimal("0.12"), budget=Decimal(5), started=NOW, last=NOW,
                alive=False,
            ),
        )
    )  # fmt: skip
    api = Door(answers=[runs])
    async with seated(api) as seat:
        await seat.pilot.press("up")
        await seat.settle()
        assert seat.app.focused is not seat.app.screen.query_one("#prompt")
        await seat.pilot.press("h", "i")
        await seat.settle()
        assert seat.app.screen.query_one("#prompt").text == "hi"  # type: ignore[attr-defined]


@pytest.mark.parametrize("size", SIZES)
def test_home_looks_as_drawn(snap_compare: Any, size: tuple[int, int]) -> None:
    rows = tuple(
        q.RunSummary(
            run=RunId(f"run-{number}"), kind=kind, epic=None if kind is RunKind.CHAT else f"epic-00{number}",
            title=title, state=state, phase=phase, done=done, tasks=tasks, usd=Decimal(usd), budget=Decimal(5),
            started=NOW - timedelta(hours=hours), last=NOW - timedelta(hours=hours), alive=False,
        )
        for number, kind, title, state, phase, done, tasks, usd, hours in (
            (4, RunKind.EPIC, "CSV import", RunState.PAUSED, "paused", 1, 9, "1.82", 1),
            (3, RunKind.EPIC, "Search page", RunState.PAUSED, "awaiting approval", 0, 4, "0.12", 25),
            (2, RunKind.CHAT, "why is the test flaky?", RunState.PAUSED, "paused", 0, 0, "0.0031", 50),
            (1, RunKind.EPIC, "Fix flaky auth", RunState.COMPLETED, "completed", 4, 4, "0.31", 90),
        )
    )  # fmt: skip
    app, before = scene(Door(answers=[q.RunsAnswer(runs=rows)]), mode="plan")
    assert snap_compare(app, terminal_size=size, run_before=before)


@pytest.mark.parametrize("size", SIZES)
def test_conversation_looks_as_drawn(snap_compare: Any, size: tuple[int, int]) -> None:
    known = followed(stamped(chat_log()))
    app, before = scene(door(), place="talk", runs=[known])
    assert snap_compare(app, terminal_size=size, run_before=before)
