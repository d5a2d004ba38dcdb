"""Pictures of a run at work, of a worker, and of everything that is asked: in each state that the design draws."""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from textual.pilot import Pilot

from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.ids import TaskId
from tests.tui.run_story import Story, at_work, begun, clashing
from tests.tui.screens import DRAWN, screen_of

LONG = "printf '\x1b[2J'; rm -rf build\n" + "\n".join(f"echo {number}" for number in range(40))


def nothing_spent() -> Story:
    return Story().begin().approve()


def four_fifths() -> Story:
    story = begun().work("T1").work("T2")
    story.spend("T1", "2.40").wait(30).spend("T2", "1.50").reserve("T1", "0.30")
    return story.wait(5)


def at_the_cap() -> Story:
    story = begun().work("T1").work("T2").work("T3").spend("T1", "2.50").wait(30).spend("T2", "2.30")
    return story.pause(StopReason.BUDGET_EXCEEDED)


def cleared() -> Story:
    return clashing().allow(1).clear(1).land("T3", "77aa00b")


def finished() -> Story:
    story = at_work().allow(1)
    for call in [row.call for row in story.view.ledger.values() if row.is_open]:
        story.settle(call, "0.02")
    for number, task in enumerate(story.plan.tasks[1:]):
        if task.id not in story.attempts:
            story.work(task.id).spend(task.id, "0.10").hand_in(task.id)
        elif task.id not in ("T2", "T3"):
            story.hand_in(task.id)
        story.wait(20).land(task.id, f"{number}e2d3bc")
    return story.finish()


def questioned() -> Story:
    story = begun()
    return story.ask_question("Duplicate order numbers?", "skip and report", "update the order", "refuse the file")


RUNS: dict[str, Callable[[], Story]] = {
    "nothing_spent": nothing_spent,
    "at_work": at_work,
    "four_fifths": four_fifths,
    "at_the_cap": at_the_cap,
    "clashing": clashing,
    "cleared": cleared,
    "finished": finished,
}
ASKED: dict[str, Callable[[], Story]] = {
    "permission": at_work,
    "long_permission": lambda: begun().work("T1").ask_permission("T1", LONG),
    "question": questioned,
    "conflict": lambda: clashing().allow(1),
}


def picture(snap_compare: Any, story: Story, size: tuple[int, int], place: str, task: str | None = None) -> bool:
    screen = screen_of(story)

    async def before(pilot: Pilot[Any]) -> None:
        await screen.at(place, pilot)
        if task is not None:
            screen.desk.selected_task = TaskId(task)
        await screen.settle(pilot)

    prepare: Callable[[Pilot[Any]], Awaitable[None]] = before
    return bool(snap_compare(screen.app, terminal_size=size, run_before=prepare))


@pytest.mark.parametrize("size", DRAWN, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("state", RUNS)
def test_a_run_looks_as_drawn(snap_compare: Any, state: str, size: tuple[int, int]) -> None:
    assert picture(snap_compare, RUNS[state](), size, "run")


@pytest.mark.parametrize("size", DRAWN, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("state", ASKED)
def test_what_is_asked_looks_as_drawn(snap_compare: Any, state: str, size: tuple[int, int]) -> None:
    assert picture(snap_compare, ASKED[state](), size, "inbox")


@pytest.mark.parametrize("size", DRAWN, ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_worker_looks_as_drawn(snap_compare: Any, size: tuple[int, int]) -> None:
    assert picture(snap_compare, at_work(), size, "lane", "T4")


def test_the_figures_of_the_pictures_are_those_of_their_ledgers() -> None:
    shares = [four_fifths().view.spent / Decimal(5), at_the_cap().view.spent / Decimal(5)]

    assert [share > Decimal("0.8") for share in shares] == [True, True]
