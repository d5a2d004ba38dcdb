"""How a run that does not simply finish is told, and with which exit code."""

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from equitr_coder.cli.exit_codes import exit_code
from equitr_coder.domain import events as e
from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.ids import AgentName, SessionId
from equitr_coder.domain.models import AssistantMessage
from equitr_coder.domain.run_view import fold
from equitr_coder.domain.runs import RunKind, RunState

if TYPE_CHECKING:
    from tests.cli.conftest import Command, Logs

Golden = Callable[[str, str], None]


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (StopReason.BUDGET_EXCEEDED, 3),
        (StopReason.MODEL_ERROR, 4),
        (StopReason.APPROVAL_NEEDED, 5),
        (StopReason.INTERRUPTED, 130),
        (StopReason.BLOCKED, 2),
        (StopReason.NO_PROGRESS, 1),
    ],
)
def test_pause_gives_the_exit_code_of_its_reason(logs: "Logs", reason: StopReason, code: int) -> None:
    view = fold([logs.started(), e.RunPaused(reason=reason)])

    assert exit_code(view) == code


@pytest.mark.parametrize(
    ("state", "reason", "code"),
    [
        (RunState.COMPLETED, None, 0),
        (RunState.FAILED, StopReason.BAD_PLAN, 1),
        (RunState.FAILED, StopReason.INTERNAL_ERROR, 70),
        (RunState.CANCELLED, StopReason.DECLINED, 1),
    ],
)
def test_end_gives_its_exit_code(logs: "Logs", state: RunState, reason: StopReason | None, code: int) -> None:
    view = fold([logs.started(), e.RunFinished(state=state, reason=reason)])

    assert exit_code(view) == code


def test_completed_run_with_an_unfinished_task_is_not_done(logs: "Logs") -> None:
    view = fold([logs.started(), logs.approved(), e.RunFinished(state=RunState.COMPLETED)])

    assert exit_code(view) == 1


def test_budget_stop_says_what_is_done_and_how_to_go_on(command: "Command", logs: "Logs", golden: Golden) -> None:
    steps = [
        logs.started(yes=True, can_ask=False),
        *logs.planning(),
        *logs.whole_task("T1", number=2, usd="9.9000"),
        logs.changed("T2", TaskState.WORKING),
        e.BudgetReached(account="run", usd=Decimal("9.9301"), limit=Decimal("10.00"), detail="a call needs $0.5000"),
        e.RunPaused(
            reason=StopReason.BUDGET_EXCEEDED,
            detail="the budget of the run is reached",
            hint="equitrcoder resume run-7k2m9x4q --budget USD",
        ),
    ]

    result = command("chat", "-M", "--yes", "x", api=logs.api(steps, multi_agent=True))

    golden("budget.txt", result.out)
    assert result.code == 3
    assert result.err == (
        "error: the budget of the run is reached\nhint: equitrcoder resume run-7k2m9x4q --budget USD\n"
    )


def test_provider_error_is_two_lines_on_stderr_and_exit_code_4(command: "Command", logs: "Logs") -> None:
    pause = e.RunPaused(
        reason=StopReason.MODEL_ERROR, detail="openai refused the key", hint="set OPENAI_API_KEY to a valid key"
    )

    result = command("chat", "x", api=logs.api([*logs.chat()[:1], pause]))

    assert result.code == 4
    assert result.err == "error: openai refused the key\nhint: set OPENAI_API_KEY to a valid key\n"
    assert "Go on with: equitrcoder resume run-7k2m9x4q" in result.out


def test_plan_without_anybody_to_approve_it_is_saved_with_exit_code_5(command: "Command", logs: "Logs") -> None:
    pause = e.RunPaused(reason=StopReason.APPROVAL_NEEDED, detail="nobody is here", hint="add --yes")
    steps = [logs.started(can_ask=False), *logs.planning()[:-1], pause]

    result = command("chat", "-M", "x", api=logs.api(steps, multi_agent=True))

    assert result.code == 5
    assert "epic-001 awaits approval: Bookmark service (6 tasks)" in result.out
    assert "equitrcoder epic run epic-001" in result.out
    assert result.err == "error: nobody is here\nhint: add --yes\n"


def test_bug_inside_the_run_is_exit_code_70_with_its_words(command: "Command", logs: "Logs") -> None:
    end = e.RunFinished(
        state=RunState.FAILED, reason=StopReason.INTERNAL_ERROR, content="KeyError: 'x'", hint="see the log file"
    )

    result = command("chat", "x", api=logs.api([*logs.chat()[:1], end]))

    assert result.code == 70
    assert result.err == "error: KeyError: 'x'\nhint: see the log file\n"


def test_work_that_did_not_land_names_the_command_that_takes_it(command: "Command", logs: "Logs") -> None:
    *steps, _, _ = logs.successful_epic()
    end = e.RunFinished(
        state=RunState.COMPLETED,
        content="Not landed: main has moved.",
        landed=False,
        hint="git merge equitr/epic-001",
    )

    result = command("chat", "-M", "--yes", "x", api=logs.api([*steps, end], multi_agent=True))

    assert result.code == 0
    assert "Your branch is untouched; what is done is on equitr/epic-001" in result.out
    assert "Take it with: git merge equitr/epic-001" in result.out


def test_resume_tells_only_what_is_new_and_sums_up_everything(command: "Command", logs: "Logs") -> None:
    before = [
        logs.started(yes=True, can_ask=False),
        *logs.planning(),
        *logs.whole_task("T1", number=2, usd="0.0010"),
        e.RunPaused(reason=StopReason.INTERRUPTED),
    ]
    options = logs.started(yes=True).options
    after = [
        e.RunResumed(options=options, supervisor_model="strong/planner", worker_model="other/coder"),
        *logs.whole_task("T2", number=3, usd="0.0020"),
        e.RunPaused(reason=StopReason.INTERRUPTED, detail="interrupted"),
    ]

    result = command("resume", api=logs.api([*before, *after], already=len(before)))

    assert result.out.startswith("Resumed run run-7k2m9x4q (epic-001): supervisor strong/planner, workers other/coder")
    assert "Created 6 tasks" not in result.out
    assert "+ T2 Storage: done" in result.out
    assert "+ T1 Project layout: done" not in result.out
    assert "Summary: 2 done, 0 failed, 4 not finished" in result.out
    assert "Cost: $0.0331 of $10.00" in result.out
    assert result.code == 130


@pytest.mark.parametrize(("output", "times"), [("text", 1), ("json", 0), ("stream-json", 0)])
def test_an_answer_that_was_stored_but_not_printed_is_printed_by_resume(
    command: "Command", logs: "Logs", output: str, times: int
) -> None:
    def said(text: str) -> e.MessageAdded:
        return e.MessageAdded(
            session=SessionId("chat"), agent=AgentName("assistant"), message=AssistantMessage(text=text)
        )

    started = logs.started(RunKind.CHAT)
    resumed = e.RunResumed(options=started.options)
    log: list[e.Event] = [started, said("An older answer."), e.RunFinished(state=RunState.COMPLETED)]
    log += [resumed, said("It is 42.")]
    after: list[e.Event] = [resumed, e.RunFinished(state=RunState.COMPLETED, content="done")]

    result = command("resume", "--output", output, api=logs.api([*log, *after], already=len(log)))

    assert result.code == 0
    assert result.out.count("It is 42.") == times
    assert "An older answer." not in result.out
