from decimal import Decimal
from typing import Any

import pytest

from equitr_coder.domain import events as e
from equitr_coder.domain.artifacts import Artifact, digest_of
from equitr_coder.domain.epic import Plan, SyncPoint, Task, TaskState
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.ids import AgentName, CallId, CommitId, EpicId, RunId, SessionId, TaskId
from equitr_coder.domain.models import Purpose, Tier
from equitr_coder.domain.money import Usage
from equitr_coder.domain.run_view import RunView, fold
from equitr_coder.domain.runs import RunKind, RunOptions, RunState
from equitr_coder.presentation.cost import by_model, dearest
from equitr_coder.presentation.outcome import epic_status, outcome
from equitr_coder.presentation.states import sync_state
from equitr_coder.presentation.summary import next_step, summary_lines, trouble
from equitr_coder.presentation.tally import Tally

A, B, C, D = (TaskId(name) for name in "ABCD")
PLAN = Plan(
    title="Four",
    tasks=(
        Task(id=A, title="Schema"),
        Task(id=B, title="Api", needs=(A,)),
        Task(id=C, title="Forms", needs=(B,)),
        Task(id=D, title="Tests", needs=(B, C)),
    ),
    sync_points=(SyncPoint(id="types", producer=A, consumers=(B, C)),),
)
COMMIT = CommitId("c" * 40)


def epic(*states: TaskState) -> RunView:
    return fold(
        [
            e.RunStarted(
                kind=RunKind.EPIC, request="four", workspace="/w", options=RunOptions(), epic=EpicId("epic-002")
            ),
            e.PlanApproved(plan=PLAN, by="user", branch="b", base=COMMIT, commit=COMMIT),
            *(e.TaskChanged(task=task, state=state) for task, state in zip((A, B, C, D), states, strict=False)),
        ]
    )


def priced(number: int, model: str, agent: str, usd: str | None) -> list[e.Event]:
    common: dict[str, Any] = {
        "session": SessionId(agent),
        "agent": AgentName(agent),
        "call": CallId(str(number)),
        "model": model,
        "tier": Tier.WEAK,
        "purpose": Purpose.WORK,
    }
    reserved = e.ModelCallReserved(**common, usd=Decimal(9), input_bound=1, max_tokens=1)
    if usd is None:
        return [reserved]
    return [reserved, e.ModelCallSettled(**common, usage=Usage(output=1), usd=Decimal(usd))]


def test_two_done_of_four_is_half() -> None:
    shown = epic_status(epic(TaskState.DONE, TaskState.DONE, TaskState.WORKING))

    assert (shown["done"], shown["total"], shown["progress"]) == (2, 4, 50.0)
    assert [task["waits_for"] for task in shown["tasks"]] == [[], [], [], ["Forms"]]


def test_a_sync_point_is_consumed_once_every_consumer_has_read_the_newest_version() -> None:
    (point,) = PLAN.sync_points
    view = epic(TaskState.WORKING)

    def publish(version: int) -> None:
        artifact = Artifact(
            sync_point="types", type=point.type, version=version, content="x", digest=digest_of("x"), producer=A
        )
        fold([e.ArtifactProduced(task=A, artifact=artifact)], view)

    def read(task: TaskId, version: int) -> None:
        fold([e.ArtifactConsumed(task=task, sync_point="types", version=version)], view)

    seen = [sync_state(point, view)]
    publish(1)
    seen.append(sync_state(point, view))
    read(B, 1)
    seen.append(sync_state(point, view))
    read(C, 1)
    seen.append(sync_state(point, view))
    publish(2)
    seen.append(sync_state(point, view))
    read(B, 2)
    read(C, 2)
    seen.append(sync_state(point, view))

    assert seen == ["pending", "produced", "produced", "consumed", "produced", "consumed"]


def test_money_by_model_adds_up_to_the_total_and_open_calls_are_held_not_spent() -> None:
    view = fold(
        [
            *priced(1, "m1", "a", "0.10"),
            *priced(2, "m2", "a", "0.25"),
            *priced(3, "m1", "b", "0.05"),
            *priced(4, "m1", "b", None),
        ]
    )

    assert [(row.name, row.usd, row.calls) for row in by_model(view)] == [
        ("m2", Decimal("0.25"), 1),
        ("m1", Decimal("0.15"), 2),
    ]
    assert sum(row.usd for row in by_model(view)) == view.spent
    cost = outcome(view)["cost"]
    assert (cost["total"], cost["by_model"]) == ("0.40", {"m2": "0.25", "m1": "0.15"})
    assert cost["top"] == [
        {"model": "m2", "agent": "a", "purpose": "work", "calls": 1, "usd": "0.25"},
        {"model": "m1", "agent": "a", "purpose": "work", "calls": 1, "usd": "0.10"},
        {"model": "m1", "agent": "b", "purpose": "work", "calls": 1, "usd": "0.05"},
    ]


def test_dearest_uses_are_three_and_free_ones_are_none() -> None:
    view = fold(
        [
            event
            for number, usd in enumerate(("1", "3", "2", "0.5", "0"))
            for event in priced(number, "m", str(number), usd)
        ]
    )

    assert [row.name for row in dearest(view)] == ["m / 1 / work", "m / 2 / work", "m / 0 / work"]
    assert [row.name for row in dearest(fold(priced(1, "m", "a", "0")))] == []


def test_failed_tasks_tell_their_own_trouble() -> None:
    view = epic(TaskState.DONE, TaskState.FAILED)
    end = e.RunFinished(state=RunState.FAILED, reason=StopReason.CHECK_FAILED, content="x")

    assert trouble(fold([end], view)) is None


def test_unusable_plan_is_trouble() -> None:
    end = e.RunFinished(state=RunState.FAILED, reason=StopReason.BAD_PLAN, content="no plan", hint="say more")

    assert trouble(fold([end])) == ("no plan", "say more")


@pytest.mark.parametrize("state", [RunState.PAUSED, RunState.FAILED])
def test_no_error_is_without_a_hint(state: RunState) -> None:
    started = e.RunStarted(kind=RunKind.CHAT, request="x", workspace="/w", options=RunOptions())
    end = (
        e.RunPaused(reason=StopReason.CANCELLED, detail="it broke")
        if state is RunState.PAUSED
        else e.RunFinished(state=state, detail="the model's answer was empty")
    )

    found = trouble(fold([started, end]))

    assert found is not None
    assert all(part.strip() for part in found)


NOT_OF_TASKS = {StopReason.DECLINED}


@pytest.mark.parametrize("reason", sorted({*StopReason} - NOT_OF_TASKS))
def test_there_is_something_to_do_next_whatever_the_reason(reason: StopReason) -> None:
    assert next_step(RunView(run=RunId("run-1")), reason).strip()


@pytest.mark.parametrize("state", [TaskState.FAILED, TaskState.BLOCKED])
def test_a_task_that_was_not_done_is_told_with_five_fields_in_text_and_json(state: TaskState) -> None:
    reason = StopReason.CHECK_FAILED if state is TaskState.FAILED else StopReason.PREREQUISITE_FAILED
    attempt = 3 if state is TaskState.FAILED else 0
    view = epic()
    agent = AgentName("worker_1") if attempt else None
    fold([e.TaskChanged(task=A, state=state, attempt=attempt, agent=agent, reason=reason, detail="exit 1")], view)

    text = "\n".join(line.text for line in summary_lines(view, Tally()))
    row = next(task for task in outcome(view)["tasks"] if task["id"] == A)

    for told in ("A Schema", "worker_1", reason.value, "exit 1", "next: "):
        assert told in text
    assert ("after 3 attempts" if attempt else "before worker_1 began") in text
    assert {name: row[name] for name in ("id", "agent", "attempts", "reason", "detail")} == {
        "id": A,
        "agent": "worker_1",
        "attempts": attempt,
        "reason": reason.value,
        "detail": "exit 1",
    }
    assert row["next"]


def test_budget_stop_names_the_command_that_goes_on() -> None:
    view = RunView(run=RunId("run-1"))

    assert next_step(view, StopReason.BUDGET_EXCEEDED) == "raise the cap: `equitrcoder resume run-1 --budget USD`"
    assert next_step(view, None) == ""
