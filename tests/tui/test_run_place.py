"""The run at work on the real screen: its keys reach the door, its rows stand still, its money stays under the cap."""

from decimal import Decimal

import pytest

from equitr_coder.domain.commands import Command, HoldTask, Interrupt, QueueMessage, RaiseBudget, ReleaseTask, StopTask
from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.ids import RunId, TaskId
from equitr_coder.domain.run_view import HELD
from equitr_coder.tui.block_pane import BlockPane
from equitr_coder.tui.places.lane import Lane
from equitr_coder.tui.places.run import Run
from equitr_coder.tui.prompt import Prompt
from tests.tui.run_story import Story, at_work, begun, clashing
from tests.tui.screens import SIZES, SMALL, shown

RUN = RunId("run-41")
T4 = TaskId("T4")


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (["3", "p"], [HoldTask(run=RUN, task=T4)]),
        (["3", "x"], [StopTask(run=RUN, task=T4)]),
        (["P"], [Interrupt(run=RUN)]),
        (["b", "8", "enter"], [RaiseBudget(run=RUN, budget=Decimal(8))]),
        (["b", "escape"], []),
        (["3", "r", *"stop", "enter"], [QueueMessage(run=RUN, text="stop", to="T4")]),
    ],
)
async def test_each_key_reaches_the_door(keys: list[str], told: list[Command]) -> None:
    async with shown(at_work()) as (screen, pilot):
        screen.app.screen.query_one("#run-lanes").focus()
        await screen.press(pilot, *keys)

        assert screen.api.told == told


async def test_letters_are_typed_while_the_prompt_has_the_focus_or_holds_text() -> None:
    async with shown(at_work()) as (screen, pilot):
        await screen.press(pilot, "x", "p")
        assert screen.app.screen.query_one(Prompt).text == "xp"
        screen.app.screen.query_one("#run-lanes").focus()
        await screen.press(pilot, "x")

        assert screen.app.screen.query_one(Prompt).text == "xpx"
        assert screen.api.told == []


async def test_a_held_worker_goes_on_with_the_same_key() -> None:
    story = at_work().change("T4", TaskState.WAITING, detail=HELD)
    async with shown(story) as (screen, pilot):
        assert "held" in screen.text
        screen.app.screen.query_one("#run-lanes").focus()
        await screen.press(pilot, "3", "p")

        assert screen.api.told == [ReleaseTask(run=RUN, task=T4)]


async def test_a_worker_of_a_run_that_is_paused_is_held_and_let_go_for_the_next_resume() -> None:
    async with shown(at_work().pause(StopReason.INTERRUPTED, "interrupted")) as (screen, pilot):
        screen.run.is_followed = False
        screen.story.change("T4", TaskState.WAITING, detail=HELD)  # what the door makes of the key
        screen.app.screen.query_one("#run-lanes").focus()
        await screen.press(pilot, "3", "p")
        assert screen.run.view.tasks[T4].is_held
        await screen.press(pilot, "p")

        assert screen.api.told == [HoldTask(run=RUN, task=T4), ReleaseTask(run=RUN, task=T4)]
        assert "T4 goes on with the next resume" in screen.text


async def test_a_lane_is_opened_and_left_with_the_same_one_chosen() -> None:
    async with shown(at_work()) as (screen, pilot):
        screen.app.screen.query_one("#run-lanes").focus()
        await screen.press(pilot, "3", "enter")
        assert screen.app.screen.query_one(Lane).display
        assert "Form posts; next the progress bar." in screen.text
        await screen.press(pilot, "escape")

        assert screen.app.screen.query_one(Run).display
        assert screen.app.screen.query_one("#run-lanes", BlockPane).key == "3"
        assert screen.desk.selected_task == T4


async def test_a_task_without_a_lane_is_opened_from_the_list() -> None:
    async with shown(at_work()) as (screen, pilot):
        tasks = screen.app.screen.query_one("#run-tasks")
        tasks.focus()
        await screen.press(pilot, "home", "down", "enter")

        assert "T2 api: POST /import" in screen.text
        assert screen.app.screen.query_one(Lane).display


async def test_panes_are_tabs_where_they_do_not_fit() -> None:
    async with shown(clashing(), size=SMALL) as (screen, pilot):
        screen.app.screen.query_one("#run-lanes").focus()
        seen = []
        for _ in range(5):
            seen.append(screen.text)
            await screen.press(pilot, "right_square_bracket")

        for text, found in zip(seen, ("W1 ? T5", "critical path: T4 T8 T9", "OrderRow v1", "MERGE QUEUE", "WORKLOAD"),
                               strict=True):  # fmt: skip
            assert found in text
        assert "W1 ? T5" in screen.text


async def test_the_list_of_tasks_turns_into_a_graph_and_back() -> None:
    async with shown(at_work(), size=(200, 50)) as (screen, pilot):
        screen.app.screen.query_one("#run-tasks").focus()
        await screen.press(pilot, "g")
        assert "TASKS" in screen.text  # too narrow here: it stays a list
    async with shown(at_work(), size=SMALL) as (screen, pilot):
        screen.app.screen.query_one("#run-lanes").focus()
        await screen.press(pilot, "right_square_bracket", "g")
        assert "──> " in screen.text
        await screen.press(pilot, "g")
        assert "──> " not in screen.text


async def test_what_happens_is_seen_at_the_next_drawing_in_the_same_places() -> None:
    story = at_work()
    async with shown(story) as (screen, pilot):
        before = screen.text.split("\n")
        story.act("T4", "run_command", '{"command": "npm run e2e"}', None)
        screen.tell()
        await screen.settle(pilot)
        after = screen.text.split("\n")

        assert "run_command npm run e2e" in screen.text
        changed = [number for number, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]
        assert len(changed) <= 4


async def test_the_header_turns_before_the_cap_and_says_so_at_it() -> None:
    story = Story(budget=Decimal("2.00")).begin().approve().work("T1").work("T2").spend("T1", "0.10")
    async with shown(story) as (screen, pilot):
        assert "over the cap" in screen.text
        story.spend("T2", "1.80").pause(StopReason.BUDGET_EXCEEDED)
        screen.tell()
        await screen.settle(pilot)

        assert "budget reached: 2 workers stopped cleanly, nothing lost; b raises it" in screen.text
        assert "$1.90 of $2.00" in screen.text


@pytest.mark.parametrize("size", SIZES)
async def test_the_prompt_never_moves_whatever_the_run_does(size: tuple[int, int]) -> None:
    places: set[int] = set()
    for story in (begun(), at_work(), clashing(), begun().pause(StopReason.INTERRUPTED)):
        async with shown(story, size=size) as (screen, _):
            places.add(screen.app.screen.query_one(Prompt).region.y)

    assert len(places) == 1


async def test_growing_back_restores_the_chosen_lane_and_the_tab() -> None:
    async with shown(at_work(), size=(120, 36)) as (screen, pilot):
        screen.app.screen.query_one("#run-lanes").focus()
        await screen.press(pilot, "3")
        for size in ((44, 12), (30, 8), (120, 36)):
            await pilot.resize_terminal(*size)
            await screen.settle(pilot)

        assert screen.app.crash is None
        assert screen.app.screen.query_one("#run-lanes", BlockPane).key == "3"
        assert "T4 ui: upload form" in screen.text


async def test_the_addressee_goes_round_the_workers() -> None:
    async with shown(at_work()) as (screen, pilot):
        await screen.press(pilot, "alt+right")
        assert "to: T5" in screen.text
        await screen.press(pilot, "alt+right", "alt+right")
        assert "to: T4" in screen.text
        await screen.press(pilot, "alt+right")
        assert screen.desk.selected_task is None


async def test_each_tab_of_a_lane_shows_its_own() -> None:
    async with shown(at_work(), "lane", (120, 36)) as (screen, pilot):
        screen.desk.selected_task = T4
        await screen.settle(pilot)
        screen.app.screen.query_one("#lane-transcript").focus()
        seen = []
        for _ in range(4):
            seen.append(screen.text)
            await screen.press(pilot, "right_square_bracket")

        for text, found in zip(
            seen,
            ("Form posts", "[x] ui: upload form: step 1", "web/upload.tsx", "$0.0500 held"),
            strict=True,
        ):
            assert found in text
