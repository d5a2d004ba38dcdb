"""Keys of the places where one reads and decides: what each asks of the door, and what stands on the screen then."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from equitr_coder.domain import commands as c
from equitr_coder.domain import events as e
from equitr_coder.domain import queries as q
from equitr_coder.domain.errors import StopReason, UserError
from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.runs import RunKind, RunOptions
from tests.tui.paper_door import LEFT, PaperDoor
from tests.tui.paper_samples import (
    BEGIN,
    BUILT,
    DRAFTING,
    PLAN,
    PLANNED,
    REQUIREMENTS,
    RUN,
    RUNS,
    SOUND_PLANNED,
    paid,
    stamped,
    started,
    written,
)
from tests.tui.stage import Seat, followed, seated

NOW = BEGIN + timedelta(minutes=30)
CHAT = (started(kind=RunKind.CHAT, epic=None, options=RunOptions()), *paid("c1", "0.01"))


@asynccontextmanager
async def at(
    place: str,
    events: Sequence[e.Event] = PLANNED,
    *,
    api: PaperDoor | None = None,
    size: tuple[int, int] = (120, 36),
    folder: Path = Path("/home/me/shop"),
    edit: Callable[[str], str | None] | None = None,
) -> AsyncIterator[tuple[Seat, PaperDoor]]:
    door = api if api is not None else PaperDoor(events)
    runs = [followed(stamped(events))] if events else []
    async with seated(door, size=size, mode="plan", runs=runs, now=NOW, folder=folder, edit=edit) as seat:
        seat.desk.open(place)
        await seat.settle()
        await seat.settle()
        yield seat, door


async def press(seat: Seat, *keys: str) -> str:
    await seat.pilot.press(*keys)
    await seat.settle()
    return seat.shown()


def opens(seat: Seat) -> list[str]:
    """Places that are asked for from now on; they are other tests' own."""
    opened: list[str] = []
    seat.desk.open = opened.append
    return opened


# ---------------------------------------------------------------- the plan in the conversation


@pytest.mark.parametrize("width", [120, 80])
@pytest.mark.parametrize(
    "title", ["Parser: rows -> orders", "the parser of rows, which makes orders of them and skips what is bad"]
)
async def test_the_plan_is_a_table_of_one_row_a_task_in_the_half_of_a_screen_too(width: int, title: str) -> None:
    tasks = tuple(task.model_copy(update={"title": title}) for task in PLAN.tasks)
    planned = e.PlanSubmitted(plan=PLAN.model_copy(update={"tasks": tasks}))
    async with at("talk", (*DRAFTING, planned), size=(width, 60)) as (seat, _):
        shown = [line.split("│")[0].rstrip() for line in seat.shown().split("\n")]
        head = next(number for number, line in enumerate(shown) if line.split()[:2] == ["task", "title"])
        rows = shown[head + 1 : head + 1 + len(tasks)]

        assert [row.split()[0] for row in rows] == [task.id for task in tasks]
        assert all(title[:12] in row for row in rows)
        cells = [row[shown[head].index("check") :] for row in rows]
        assert all(
            cell == (task.check or "none") or cell.endswith("...") for cell, task in zip(cells, tasks, strict=True)
        )
        column = shown[head].index("needs")
        assert [row[column : column + 6].strip() for row in rows] == [", ".join(task.needs) or "-" for task in tasks]
        await seat.pilot.resize_terminal(60, 60)
        await seat.settle()
        narrow = [
            line.split()[0] for line in seat.shown().split("\n") if line.strip()[:2] in {task.id for task in tasks}
        ]
        assert narrow[: len(tasks)] == [task.id for task in tasks]


# ---------------------------------------------------------------- review


async def test_approval_names_what_stands_in_the_way_and_takes_a_second_word() -> None:
    async with at("review") as (seat, door):
        shown = await press(seat, "a")
        assert "4 marks before you approve:" in shown
        assert "uncovered: no task covers requirement R4" in shown
        assert door.submitted == []

        assert "before you approve" not in await press(seat, "escape")
        opened = opens(seat)
        await press(seat, "a", "a")
        assert door.submitted == [c.ApprovePlan(run=RUN)]
        assert opened == ["run"]


async def test_a_plan_that_nothing_holds_up_is_approved_at_once() -> None:
    api = PaperDoor(SOUND_PLANNED, answers=[q.ModelsAnswer(configured=())])
    async with at("review", SOUND_PLANNED, api=api) as (seat, door):
        opened = opens(seat)
        await press(seat, "a")
        assert door.submitted == [c.ApprovePlan(run=RUN)]
        assert opened == ["run"]


async def test_notes_are_kept_on_their_lines_and_sent_together() -> None:
    async with at("review") as (seat, door):
        await press(seat, "down", "down", "r", *"split it", "enter")
        await press(seat, "left_square_bracket", "left_square_bracket", "end", "r", *"10 s", "enter")
        shown = seat.shown()
        assert "2 notes not sent yet" in shown
        assert "note (you)  10 s" in shown
        assert "of your notes are not sent" in await press(seat, "a")

        await press(seat, "escape", "R")
        assert door.submitted == [
            c.ReviseDocument(run=RUN, name="requirements", request="R4: 10 s"),
            c.ReviseDocument(run=RUN, name="todos", request="T3: split it"),
        ]
        assert "not sent yet" not in seat.shown()


async def test_review_turns_between_its_papers_and_jumps_to_tasks() -> None:
    async with at("review") as (seat, _):
        assert "critical path T1 > T2 > T4 > T6" in await press(seat, "g")
        await press(seat, "g")
        shown = await press(seat, "right_square_bracket", "right_square_bracket", "right_square_bracket")
        assert "uncovered: no task covers requirement R4" in shown
        shown = await press(seat, "down", "down", "j")
        assert "> T5 report of bad rows" in shown
        assert "check   none: its result will be unchecked" in shown
        await press(seat, "q")
        assert seat.app.screen.query_one("#talk").display


async def test_a_text_that_is_refused_is_kept_and_offered_again() -> None:
    texts = iter(["## T1 broken\n", None])
    offered: list[str] = []

    def edit(text: str) -> str | None:
        offered.append(text)
        return next(texts)

    def refuses(asked: c.Command | q.Query) -> UserError | None:
        return UserError("todos.md, line 1: no title", hint="write one") if isinstance(asked, c.EditDocument) else None

    async with at("review", api=PaperDoor(PLANNED, refuses=refuses), edit=edit) as (seat, _):
        await press(seat, "e")
        await seat.settle()
        shown = seat.shown()
        assert "todos.md, line 1: no title" in shown
        assert "your text is kept" in shown
        await press(seat, "e")
        await seat.settle()
    assert offered[0].startswith("# CSV import")
    assert offered[1] == "## T1 broken\n"


async def test_what_the_person_writes_goes_to_the_door() -> None:
    async with at("review", edit=lambda text: text + "\n- R5 more\n") as (seat, door):
        await press(seat, "left_square_bracket", "left_square_bracket", "e")
        await seat.settle()
        assert door.submitted == [c.EditDocument(run=RUN, name="requirements", content=REQUIREMENTS + "\n- R5 more\n")]


async def test_review_on_a_narrow_screen_shows_list_and_detail_in_turn() -> None:
    async with at("review", size=(80, 24)) as (seat, _):
        assert "needs   T1" not in seat.shown()
        assert "needs   T1" in await press(seat, "down", "enter")
        assert "T6 docs" in await press(seat, "escape")


async def test_review_without_a_plan_says_how_to_get_one() -> None:
    async with at("review", ()) as (seat, door):
        assert "No plan is in focus" in seat.shown()
        assert "there is no plan to approve yet" in await press(seat, "a")
        assert door.submitted == []


# ---------------------------------------------------------------- documents


async def test_documents_stand_beside_the_conversation_and_mark_what_is_new() -> None:
    async with at("talk", DRAFTING[:4]) as (seat, _):
        assert "R3 Log bad rows" in seat.shown()
        known = seat.desk.run
        assert known is not None
        news = written("requirements", REQUIREMENTS, 2)
        known.take(news.model_copy(update={"seq": 9, "at": NOW, "run": RUN}))
        await seat.settle()
        shown = seat.shown()
        assert "+- R3 Report bad rows with line numbers" in shown
        assert "changed since you last looked: R3" in shown

        await press(seat, "shift+f6", "v")
        assert "changed since you last looked" not in seat.shown()


async def test_documents_are_turned_looked_at_and_edited() -> None:
    async with at("talk", edit=lambda text: text + "more\n") as (seat, door):
        assert "estimate  6 tasks" in await press(seat, "f2")
        assert "R1 Import a CSV" in await press(seat, "right_square_bracket")
        assert "csv.DictReader" in await press(seat, "right_square_bracket")
        await press(seat, "ctrl+g")
        await seat.settle()
        assert [command.name for command in door.of(c.EditDocument)] == ["design"]
        await press(seat, "v", "f2")
        assert seat.app.screen.query_one("#transcript").display


async def test_documents_are_a_tab_on_a_narrow_screen() -> None:
    async with at("talk", size=(80, 24)) as (seat, _):
        assert "requirements.md" not in seat.shown()
        assert "todos.md" in await press(seat, "f2")
        assert "todos.md" not in await press(seat, "escape")


# ---------------------------------------------------------------- diff


async def test_hunks_files_and_ways_of_the_diff_are_reached_by_keys() -> None:
    async with at("diff", BUILT) as (seat, door):
        assert door.of(q.DiffQuery) == [q.DiffQuery(run=RUN)]
        assert "5 files +7 -2 · 1 of 6 receipts" in seat.shown()
        shown = await press(seat, "right_square_bracket")
        assert "87 -         return self._repo.add(row)" in shown
        await press(seat, "n")
        assert seat.app.screen.query_one("#diff-detail").cursor == 8  # type: ignore[attr-defined]
        await press(seat, "N")
        assert seat.app.screen.query_one("#diff-detail").cursor == 0  # type: ignore[attr-defined]
        assert "limit  =  10" not in await press(seat, "w")
        await press(seat, "w", "s")
        assert "split" in seat.shown().splitlines()[3]
        assert "unified" in (await press(seat, "u")).splitlines()[3]
        shown = await press(seat, "y")
        assert "1 of 5 files accepted" in shown
        assert "> + orders/service.py" not in shown  # on to the next one
        assert "+ orders/service.py" in shown
        assert "accepted" not in await press(seat, "left_square_bracket", "y")


async def test_comments_go_back_to_the_task_that_wrote_the_line() -> None:
    async with at("diff", BUILT) as (seat, door):
        await press(seat, "right_square_bracket", "tab", "down", "down", "c", *"also on update?", "enter")
        assert "you  also on update?" in seat.shown()
        assert "1 comment not sent yet" in seat.shown()
        await press(seat, "r")
        [sent] = door.of(c.QueueMessage)
        assert (sent.to, sent.steer) == ("T3", True)
        assert "orders/service.py:87 (removed line)\n> return self._repo.add(row)\nalso on update?" in sent.text
        assert "not sent yet" not in seat.shown()


async def test_comments_on_a_conversation_are_its_next_message() -> None:
    async with at("diff", CHAT) as (seat, door):
        await press(seat, "tab", "down", "down", "c", *"why?", "enter", "r")
        [sent] = door.of(c.QueueMessage)
        assert (sent.to, sent.steer) == (None, False)
        assert "this conversation" in seat.shown()


async def test_one_tasks_diff_comes_with_its_receipt() -> None:
    async with at("diff", BUILT) as (seat, door):
        await press(seat, "t", "t", "t")
        assert door.of(q.DiffQuery)[-1] == q.DiffQuery(run=RUN, task=TaskId("T3"))
        shown = seat.shown()
        assert "pytest tests/test_csv_in.py -q exit 0 (2.1 s)" in shown
        assert "outside" in shown  # logo.png is not what the task named


async def test_a_diff_that_cannot_be_made_says_why() -> None:
    def refuses(asked: c.Command | q.Query) -> UserError | None:
        return UserError("nothing has been built yet", hint="approve the plan first")

    async with at("diff", api=PaperDoor(PLANNED, refuses=refuses)) as (seat, _):
        assert "nothing has been built yet" in seat.shown()
        assert "approve the plan first" in seat.shown()


# ---------------------------------------------------------------- sessions


async def test_runs_are_filtered_renamed_and_gone_on_with() -> None:
    paused = (*BUILT, e.RunPaused(reason=StopReason.INTERRUPTED))
    async with at("sessions", (), api=PaperDoor(paused)) as (seat, door):
        await press(seat, "slash", *"search", "enter")
        assert "> epic-040" in seat.shown()
        assert "1 of 5" in seat.shown()
        await press(seat, "n", "end", *" two", "enter")
        assert door.of(c.RenameRun) == [c.RenameRun(run=RUNS.runs[1].run, title="Search page two")]
        assert "epic-041" in await press(seat, "escape")
        opened = opens(seat)
        await press(seat, "home", "enter")
        await seat.settle()
        assert opened == ["run"]
        assert door.of(c.ResumeRun) == [c.ResumeRun(run="run-41c0ffee")]


async def test_runs_of_other_workspaces_are_shown_but_not_resumed_here() -> None:
    async with at("sessions", (), api=PaperDoor(BUILT)) as (seat, door):
        assert "1 run left out" in await press(seat, "a")
        assert door.of(q.RunsQuery)[-1] == q.RunsQuery(everywhere=True)
        shown = await press(seat, "end", "enter")
        assert "that run belongs to another workspace" in shown
        assert door.of(c.ResumeRun) == []


async def test_what_a_run_left_is_named_before_it_is_deleted() -> None:
    left = LEFT.model_copy(update={"run": RUNS.runs[0].run})
    async with at("sessions", (), api=PaperDoor(BUILT, answers=[q.PruneAnswer(runs=(left,))])) as (seat, door):
        shown = await press(seat, "d")
        assert "delete 2 refs and 1 worktree of epic-041?" in shown
        assert "1 commit on no branch would be lost" in shown
        assert "delete 2 refs" not in await press(seat, "escape")
        await press(seat, "d", "d")
        assert [query.delete for query in door.of(q.PruneQuery)] == [False, False, True]


async def test_transcripts_are_exported_and_never_written_over(tmp_path: Path) -> None:
    async with at("sessions", (), api=PaperDoor(BUILT), folder=tmp_path) as (seat, _):
        await press(seat, "e")
        await press(seat, "e")
        await press(seat, "E")
        await seat.settle()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["equitr-epic-041-2.md", "equitr-epic-041.jsonl", "equitr-epic-041.md"]
    text = (tmp_path / "equitr-epic-041.md").read_text()
    assert text.startswith("# CSV import\n")
    assert "- cost: $0.3800 of $5.00" in text
    assert "receipt: `pytest tests/test_csv_in.py -q` exit 0" in text
    events = (tmp_path / "equitr-epic-041.jsonl").read_text().splitlines()
    assert len(events) == len(BUILT)


# ---------------------------------------------------------------- settings, money


async def test_a_setting_is_found_and_changed_in_the_persons_own_file() -> None:
    async with at("settings", ()) as (seat, door):
        assert "flag --worker-model" in await press(seat, "down")
        await press(seat, "slash", *"budget", "enter")
        assert "1 of 6" in seat.shown()
        await press(seat, "u", "backspace", "backspace", "backspace", "backspace", *"2.50", "enter")
        assert door.of(q.SetConfig) == [q.SetConfig(key="llm.budget", value="2.50")]
        assert "2.50 from next start" in seat.shown()
        await press(seat, "x")
        assert door.of(q.SetConfig)[-1] == q.SetConfig(key="llm.budget", value=None)
        assert "orchestrator.review" in await press(seat, "escape")
        await press(seat, "down", "down", "down", "down", "u")
        assert "this value holds a secret" in seat.shown()


async def test_a_test_call_is_made_after_its_price_was_said() -> None:
    async with at("settings", ()) as (seat, door):
        await press(seat, "right_square_bracket")
        assert "big/planner" in seat.shown()
        assert "SMALL_API_KEY is not set" in await press(seat, "down")
        assert "it costs about" in await press(seat, "p")
        assert door.of(q.ProbeModel) == []
        shown = await press(seat, "p")
        assert door.of(q.ProbeModel) == [q.ProbeModel(model="small/coder")]
        assert "answered: hello" in shown
        await press(seat, "down", "p", "p")
        assert len(door.of(q.ProbeModel)) == 1  # the price of the third is not known
        await press(seat, "up", "s")
        assert seat.desk.mode.model == "small/coder"
        assert "llm.model" in await press(seat, "left_square_bracket")


async def test_money_follows_the_run_and_can_be_of_all() -> None:
    api = PaperDoor(BUILT)
    async with at("money", BUILT, api=api) as (seat, door):
        assert "sum of 3 ledger rows $0.3800 = total $0.3800, difference $0.0000" in seat.shown()
        assert "held now  1 call, $0.1000" in seat.shown()
        known = seat.desk.run
        assert known is not None
        for event in stamped([*BUILT, *paid("c9", "0.01")])[len(BUILT) :]:
            api.log.append(event)
            known.take(event)
        await seat.settle()
        await seat.settle()
        assert "$0.3900" in seat.shown()
        await press(seat, "a")
        assert door.of(q.CostQuery)[-1] == q.CostQuery(run=None)
