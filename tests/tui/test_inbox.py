"""One inbox: nothing steals the focus, nothing is answered by chance, everything is answered in any order."""

from datetime import timedelta

import pytest

from equitr_coder.domain.approvals import ApprovalAnswer, Scope
from equitr_coder.domain.commands import (
    AbortConflict,
    AnswerQuestion,
    Command,
    ResolveApproval,
    ResolveConflict,
    ResumeRun,
    StopTask,
)
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.ids import RequestId, RunId, TaskId
from equitr_coder.tui.prompt import Prompt
from tests.tui.run_story import Story, at_work, begun, clashing
from tests.tui.screens import SIZES, SMALL, Screen, shown

RUN, A1 = RunId("run-41"), RequestId("a1")
LONG = "printf '\x1b[2J'; rm -rf build\n" + "\n".join(f"echo {number}" for number in range(40))


def resolved(answer: ApprovalAnswer, number: int = 1) -> ResolveApproval:
    return ResolveApproval(run=RUN, approval=RequestId(f"a{number}"), answer=answer)


def asking() -> Story:
    return begun().work("T1").work("T2").ask_permission("T1", "make", inside=True)


def armed(screen: Screen) -> None:
    """Half a second has gone by."""
    screen.clock += timedelta(seconds=0.5)


async def test_what_is_typed_and_the_focus_stay_when_permissions_arrive() -> None:
    story = begun().work("T1").work("T2").work("T3")
    async with shown(story, "run") as (screen, pilot):
        await screen.press(pilot, "a", "b", "c")
        for number, task in enumerate(("T1", "T2", "T3"), 1):
            story.wait(1).ask_permission(task, f"make {task}", number)
        screen.tell()
        await screen.settle(pilot)

        prompt = screen.app.screen.query_one(Prompt)
        assert (prompt.text, prompt.has_focus) == ("abc", True)
        assert "NEEDS YOU 3" in screen.text

        await screen.press(pilot, "f8")
        assert "make T1" in screen.text
        assert "1 of 3 waiting" in screen.text
        assert prompt.text == "abc"
        await screen.press(pilot, "enter")
        assert screen.api.told == []  # within 400 ms

        armed(screen)
        await screen.press(pilot, "enter")
        assert screen.api.told == [resolved(ApprovalAnswer(allowed=True, scope=Scope.ONCE))]


async def test_a_long_command_shows_its_escapes_scrolls_and_keeps_its_answers_in_sight() -> None:
    story = begun().work("T1").ask_permission("T1", LONG)
    async with shown(story, "inbox", SMALL) as (screen, pilot):
        armed(screen)
        assert r"printf '\x1b[2J'; rm -rf build" in screen.text
        assert "echo 39" not in screen.text
        for answer in (
            "> 1  once",
            "2  every run_command of T1",
            "3  every",
            "4  no, and say why",
            "5  no, and stop T1",
        ):
            assert answer in screen.text
        await screen.press(pilot, "2", "3")
        assert screen.api.told == []

        await screen.press(pilot, "pagedown")
        assert "     printf" not in screen.text
        await screen.press(pilot, "end")
        assert "echo 39" in screen.text
        assert "> 1  once" in screen.text
        await screen.press(pilot, "2")
        assert screen.api.told == [resolved(ApprovalAnswer(allowed=True, scope=Scope.TASK))]


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (["1"], [resolved(ApprovalAnswer(allowed=True, scope=Scope.ONCE))]),
        (["2"], [resolved(ApprovalAnswer(allowed=True, scope=Scope.TASK))]),
        (["3"], [resolved(ApprovalAnswer(allowed=True, scope=Scope.RUN))]),
        (["down", "down", "enter"], [resolved(ApprovalAnswer(allowed=True, scope=Scope.RUN))]),
        (["4", *"use uv", "enter"], [resolved(ApprovalAnswer(allowed=False, note="use uv"))]),
        (["5"], [resolved(ApprovalAnswer(allowed=False)), StopTask(run=RUN, task=TaskId("T1"))]),
        (["escape"], []),
    ],
)
async def test_each_answer_reaches_the_door(keys: list[str], told: list[Command]) -> None:
    async with shown(asking(), "inbox") as (screen, pilot):
        armed(screen)
        await screen.press(pilot, *["space" if key == " " else key for key in keys])

        assert screen.api.told == told


async def test_the_next_one_is_asked_anew_and_not_answered_by_the_same_stroke() -> None:
    story = asking()
    story.wait(1).ask_permission("T2", "make T2", 2)
    async with shown(story, "inbox") as (screen, pilot):
        armed(screen)
        await screen.press(pilot, "1")
        story.allow(1)
        screen.tell()
        await screen.settle(pilot)
        assert "make T2" in screen.text

        await screen.press(pilot, "1", "enter")
        assert len(screen.api.told) == 1
        armed(screen)
        await screen.press(pilot, "1")
        assert screen.api.told[1] == resolved(ApprovalAnswer(allowed=True, scope=Scope.ONCE), 2)


async def test_any_order_and_none_is_lost_when_one_is_put_off() -> None:
    story = asking()
    story.wait(1).ask_question("Which?", "skip", "update", task="T2").wait(1).ask_permission("T2", "make T2", 2)
    async with shown(story, "inbox") as (screen, pilot):
        await screen.press(pilot, "n")
        armed(screen)
        assert "T2 asks" in screen.text
        await screen.press(pilot, "2")
        assert screen.api.told == [AnswerQuestion(run=RUN, question=RequestId("q1"), answer="update")]

        await screen.press(pilot, "escape")
        assert "NEEDS YOU 3" in screen.text


async def test_an_answer_of_ones_own_is_typed() -> None:
    story = begun().ask_question("Which?", "skip", "update")
    async with shown(story, "inbox") as (screen, pilot):
        armed(screen)
        await screen.press(pilot, "3", *"both", "enter")

        assert screen.api.told == [AnswerQuestion(run=RUN, question=RequestId("q1"), answer="both")]


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("o", ResolveConflict(run=RUN, conflict=RequestId("C1"), take="ours")),
        ("t", ResolveConflict(run=RUN, conflict=RequestId("C1"), take="theirs")),
        ("e", ResolveConflict(run=RUN, conflict=RequestId("C1"), take="edited")),
        ("a", AbortConflict(run=RUN, conflict=RequestId("C1"))),
        ("m", None),  # nothing was proposed
    ],
)
async def test_a_conflict_is_decided_in_front_of_both_sides(key: str, told: Command | None) -> None:
    async with shown(clashing().allow(1), "inbox") as (screen, pilot):
        await screen.settle(pilot)
        assert "raise DuplicateOrder(row.number)" in screen.text
        await screen.press(pilot, "left_square_bracket")
        assert "raise DoubleOrder(row.number)" in screen.text
        await screen.press(pilot, key)

        assert screen.api.told == ([told] if told is not None else [])


async def test_a_cleared_conflict_leaves_the_inbox() -> None:
    story = clashing().allow(1)
    async with shown(story, "inbox") as (screen, pilot):
        assert "T3 and T2 clash" in screen.text
        story.clear(1)
        screen.tell()
        await screen.settle(pilot)

        assert "nothing needs you" in screen.text
        assert "NEEDS YOU" not in screen.text


async def test_more_money_is_given_from_the_inbox() -> None:
    story = begun().work("T1").spend("T1", "4.80").pause(StopReason.BUDGET_EXCEEDED)
    async with shown(story, "inbox") as (screen, pilot):
        assert "the budget is reached" in screen.text
        await screen.press(pilot, "enter", "4", "enter")
        assert "is $5.00 already" in screen.text
        await screen.press(pilot, "enter", "7", "full_stop", "5", "enter")

        assert screen.api.told[0] == ResumeRun(run=RUN, budget="7.5")


@pytest.mark.parametrize("size", SIZES)
async def test_the_prompt_never_moves_whatever_asks(size: tuple[int, int]) -> None:
    places: set[int] = set()
    for story in (begun(), asking(), clashing(), begun().ask_question("Which?", "a", "b")):
        async with shown(story, "inbox", size) as (screen, _):
            places.add(screen.app.screen.query_one(Prompt).region.y)

    assert len(places) == 1


async def test_growing_back_restores_what_was_asked_and_typed() -> None:
    async with shown(at_work(), "inbox", (120, 36)) as (screen, pilot):
        armed(screen)
        await screen.press(pilot, "down")
        for size in ((44, 12), (30, 8), (120, 36)):
            await pilot.resize_terminal(*size)
            await screen.settle(pilot)

        assert "> 2  every run_command of T5" in screen.text
        assert screen.app.crash is None
