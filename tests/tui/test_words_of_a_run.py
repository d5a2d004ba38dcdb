"""A real run in worktrees: what the screen says of each task is what its log says, and each wait has a name."""

import asyncio

from equitr_coder.app.door import open_api
from equitr_coder.app.overrides import Overrides
from equitr_coder.domain.commands import StartRun
from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.events import Event, RunFinished, TaskChanged
from equitr_coder.domain.ids import RunId, TaskId
from equitr_coder.domain.run_view import RunView, apply
from equitr_coder.domain.runs import PlanMode, RunKind, RunState
from equitr_coder.presentation.board_data import board_data
from equitr_coder.presentation.bounds import Bounds
from equitr_coder.presentation.dashboard import Dashboard, dashboard
from equitr_coder.presentation.happenings import Happenings
from equitr_coder.testing.script import call, rule, says
from tests.e2e.conftest import OpenStage, stage, tools
from tests.e2e.scenes import advises, builds, documents, file_of, hands_in, rewrites, task, word_of, worker
from tests.e2e.test_conflicts import BOTH, LIST, edits, merges, reviews

__all__ = ["stage", "tools"]
START = StartRun(
    kind=RunKind.EPIC, request="build words", plan=PlanMode.ALWAYS, yes=True, multi_agent=True, max_workers=3
)


def states(events: list[Event]) -> dict[TaskId, TaskState]:
    """By the log alone: the last state of each task that a wait of a begun one does not hide."""
    known: dict[TaskId, TaskState] = {}
    begun: set[str] = set()
    for event in events:
        if isinstance(event, TaskChanged):
            if event.state is TaskState.WAITING and event.reason is None and event.task in begun:
                continue
            known[event.task] = event.state
            if event.attempt:
                begun.add(event.task)
    return known


def check(board: Dashboard, events: list[Event]) -> None:
    told = {row.id: row.state for row in board.tasks}
    assert {name: state for name, state in told.items() if name in states(events)} == states(events)
    for row in board.tasks:
        if row.state in (TaskState.WAITING, TaskState.READY, TaskState.REVIEW):
            assert row.wait is not None, row
            assert row.wait.on.strip(), row
    for lane in board.lanes:
        if lane.state not in ("working", "completed", "failed", "paused"):
            assert lane.wait is not None, lane
            assert lane.wait.on.strip(), lane
    purse = board.header.purse
    assert purse.cap is None or purse.spent + purse.held <= purse.cap


async def test_at_every_tenth_event_the_words_are_those_of_the_log(stage: OpenStage) -> None:
    names = ("T1", "T2")
    clashing = [task(name, files=[], check=f"grep {word_of(name)} list.txt") for name in names]
    plan = call(
        "submit_plan",
        title="Words",
        tasks=[*clashing, task("T3"), task("T4", needs=("T3",)), task("T5")],
        sync_points=[{"id": "S1", "producer": "T3", "consumers": ["T4"], "type": "contracts"}],
    )
    user = stage(
        [
            merges("list.txt", BOTH),
            reviews("approve"),
            rule(says("", *documents(), plan), model="strong", offers="submit_plan"),
            *(edits(name, "list.txt", "4", word_of(name)) for name in names),
            worker(
                "T3",
                says("", call("ask_supervisor", question="Which word?")),
                says("", call("publish_artifact", sync_point="S1", content="one word a file")),
                says("", *rewrites(file_of("T3"), "T3-built\n"), hands_in()),
            ),
            builds("T4"),
            worker("T5", says("", *rewrites(file_of("T5"), "wrong\n"), hands_in()), times=1),
            worker("T5", says("", *rewrites(file_of("T5"), "T5-built\n"), hands_in())),
            advises(),
        ]
    )
    user.commit({"list.txt": LIST})
    events: list[Event] = []
    view, happenings = RunView(run=RunId("")), Happenings()

    async with (
        asyncio.timeout(100),
        open_api(Overrides(repo=user.repo, environ=user.environ, home=user.equitr_home)) as api,
    ):
        run = await api.submit(START)
        async for item in api.events(run):
            events.append(item)  # type: ignore[arg-type]
            apply(view, events[-1])
            happenings.add(events[-1])
            if len(events) % 10 == 0 or isinstance(item, RunFinished):
                assert events[-1].at is not None
                check(dashboard(view, happenings, events[-1].at), events)

    kinds = {event.type for event in events}
    assert view.state is RunState.COMPLETED, view.detail
    assert {"escalation_answered", "artifact_produced", "conflict_found", "merge_rejected"} <= kinds

    assert view.last is not None
    shown = user.run("epic", "status", "epic-001", "--output", "json").result["screen"]
    told = board_data(dashboard(view, happenings, view.last, bounds=Bounds(questions=20)))
    assert shown == told
