"""What the screen of a run says, from events alone: waits by name, lanes, money to the cent, one inbox."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.metrics import measure
from equitr_coder.domain.models import Purpose, Tier
from equitr_coder.domain.money import ZERO
from equitr_coder.presentation.dashboard import Dashboard, dashboard, open_conflicts
from equitr_coder.presentation.happenings import Happenings, happenings_of
from equitr_coder.presentation.purse import Standing
from tests.tui.run_story import BOUNDS, Story, at_work, begun, clashing


def words(board: Dashboard, task: str) -> str:
    row = board.task(TaskId(task))
    assert row is not None
    return f"{row.glyph} {row.words}"


def lane(board: Dashboard, task: str) -> tuple[str, str | None]:
    found = next(one for one in board.lanes if one.task == task)
    return found.state, found.wait.on if found.wait is not None else None


def test_each_task_says_where_it_stands_and_what_it_waits_for() -> None:
    board = at_work().board()

    assert {row.id: f"{row.glyph} {row.words}" for row in board.tasks} == {
        "T1": "+ merged",
        "T2": "o gate",
        "T3": "o gate",
        "T4": "> W3",
        "T5": "? W1 you",
        "T6": "> W2",
        "T7": ". contract Report of T5",
        "T8": ". needs T4,T6",
        "T9": ". needs T8",
    }
    assert board.critical_path == ("T4", "T8", "T9")


def test_a_lane_keeps_its_number_while_its_task_is_tried_again() -> None:
    story = begun().work("T1")
    story.hand_in("T1").change("T1", TaskState.READY, StopReason.CHECK_FAILED, "red").work("T1")

    assert [(one.name, one.task, one.attempt) for one in story.board().lanes] == [
        ("W1", "T1", 2),
        ("W2", None, 0),
        ("W3", None, 0),
    ]


def test_a_task_that_waits_without_a_worker_gives_its_lane_to_one_that_is_at_work() -> None:
    story = begun().work("T1").work("T2").work("T3").hand_in("T2").work("T4")

    assert story.happenings.lanes == {"T1": 1, "T4": 2, "T3": 3}
    assert words(story.board(), "T2") == "o gate"


def test_a_lane_without_a_task_says_what_the_next_one_waits_for() -> None:
    idle = begun().work("T1").board().lanes[1]

    assert (idle.state, idle.wait and idle.wait.on) == ("idle", "T2 needs T1")


def test_a_session_that_is_held_up_by_its_provider_counts_the_seconds_down() -> None:
    story = begun().work("T1").limited("T1", 22)

    assert lane(story.board(), "T1") == ("waits", "rate limit 0:22")
    assert lane(story.board(after=8), "T1") == ("waits", "rate limit 0:14")
    story.reserve("T1", "0.02")
    assert lane(story.board(), "T1") == ("working", None)


def test_a_question_to_the_supervisor_is_waited_for_until_it_is_answered() -> None:
    story = begun().work("T1").escalate("T1", "Which?")

    assert lane(story.board(), "T1") == ("waits", "supervisor")
    assert story.board().supervisor.waiting == ("T1",)
    story.answer("T1", "this", "0.02")
    assert lane(story.board(), "T1") == ("working", None)
    assert (story.board().supervisor.answered, story.board().supervisor.limit) == (1, 5)


def test_a_review_is_told_from_the_gate() -> None:
    story = begun().work("T1").hand_in("T1")
    assert lane(story.board(), "T1") == ("review", "gate")

    call = story.reserve("T1", "0.05", Tier.STRONG, Purpose.REVIEW, "review.T1.1")
    assert lane(story.board(), "T1") == ("review", "review")
    story.settle(call, "0.03").land("T1")
    assert words(story.board(), "T1") == "+ merged"
    assert story.board().queue == ()


def test_a_conflict_is_an_alert_until_it_is_resolved() -> None:
    story = clashing()
    board = story.board()

    assert words(board, "T3") == "! you"
    assert [(one.kind, one.needs_person) for one in board.conflicts] == [("file", True)]
    assert [ask.kind for ask in board.inbox] == ["permission", "conflict"]

    story.clear(1)
    cleared = story.board()
    assert words(cleared, "T3") == "o gate"
    assert [ask.kind for ask in cleared.inbox] == ["permission"]


def test_reviewers_that_disagree_are_an_alert_until_it_is_decided_and_a_note_from_then_on() -> None:
    story = begun().work("T1").hand_in("T1").divide(1, "T1")
    story.ask_permission("T1", "+x", tool="review", inside=False)
    board = story.board()

    assert words(board, "T1") == "! W1 you"
    assert [(one.kind, one.state, one.needs_person, one.decided) for one in board.conflicts] == [
        ("finding", "escalated", True, "")
    ]
    assert [(ask.kind, ask.words) for ask in board.inbox] == [("permission", "its reviewers disagree: approve it?")]

    story.allow().decide(1, approved=True)
    decided = story.board()
    assert decided.inbox == ()
    assert open_conflicts(decided, "finding") == 0
    assert [(one.needs_person, one.decided) for one in decided.conflicts] == [
        (False, "approved by you, against reviewer_2")
    ]


def test_the_inbox_has_the_oldest_first_whoever_asks() -> None:
    story = begun().work("T1").work("T2")
    story.ask_question("Which?", "a", task="T2").wait(10).ask_permission("T1", "make").wait(5)

    assert [(ask.kind, ask.who, ask.age) for ask in story.board().inbox] == [
        ("question", "W2 T2", timedelta(seconds=15)),
        ("permission", "W1 T1", timedelta(seconds=5)),
    ]


def test_a_plan_waits_for_the_person_until_it_is_approved() -> None:
    story = Story().begin().wait(60)

    assert [(ask.kind, ask.age) for ask in story.board().inbox] == [("plan", timedelta(seconds=60))]
    assert story.approve().board().inbox == ()


def test_no_wait_is_left_when_the_run_has_ended() -> None:
    story = begun()
    for task in story.plan.tasks:
        story.work(task.id).hand_in(task.id).land(task.id)
    board = story.finish().board()

    assert board.inbox == ()
    assert {row.words for row in board.tasks} == {"merged"}
    assert board.header.state == "completed"


def test_a_paused_run_says_so_in_every_lane() -> None:
    board = begun().work("T1").pause(StopReason.INTERRUPTED).board()

    assert lane(board, "T1") == ("paused", "resume")
    assert (board.header.state, board.header.reason) == ("paused", "interrupted")


# ---------------------------------------------------------------- money


def test_burn_is_what_the_calls_of_the_last_60_seconds_have_cost() -> None:
    story = begun().work("T1").spend("T1", "1.00").wait(59).spend("T1", "0.30")

    assert story.board().header.purse.burn == Decimal("1.30")
    assert story.board(after=1).header.purse.burn == Decimal("0.30")
    assert story.board(after=60).header.purse.burn == ZERO
    assert story.board(after=60).header.purse.to_cap is None


def test_the_projection_is_what_is_spent_and_what_the_forecast_leaves() -> None:
    story = begun().work("T1").spend("T1", "0.10")
    purse = story.board().header.purse

    assert purse.projection is not None
    assert purse.projection.likely == Decimal("0.24") + 8 * Decimal("0.25") + Decimal("0.15")
    assert purse.standing is Standing.OK


@pytest.mark.parametrize(
    ("budget", "spent", "standing"),
    [
        ("5.00", "0.00", Standing.OK),
        ("3.00", "0.10", Standing.TIGHT),  # the high projection passes it
        ("2.00", "0.10", Standing.OVER),  # the likely one does
        ("5.00", "4.40", Standing.NEAR),
        (None, "4.40", Standing.OK),
    ],
)
def test_the_budget_stands_as_its_projection_says(budget: str | None, spent: str, standing: Standing) -> None:
    story = begun().work("T1")
    story.budget = Decimal(budget) if budget is not None else None
    again = Story(budget=story.budget).begin()
    again.spend(None, "0.14", Tier.STRONG, Purpose.PLANNING).approve().work("T1").spend("T1", spent)

    assert again.board().header.purse.standing is standing


def test_at_the_cap_the_header_says_what_stopped_and_what_to_do() -> None:
    story = begun().work("T1").work("T2").spend("T1", "4.80").pause(StopReason.BUDGET_EXCEEDED)
    board = story.board()

    assert board.header.purse.standing is Standing.REACHED
    assert board.header.purse.words == "budget reached: 2 workers stopped cleanly, nothing lost; b raises it"
    assert [ask.kind for ask in board.inbox] == ["budget"]


def test_the_time_of_a_pause_counts_nowhere() -> None:
    story = begun().wait(30).pause(StopReason.INTERRUPTED).wait(3600)

    assert story.board(after=100).header.worked == timedelta(seconds=50)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["T1", "T2", "T3", None]),
        st.decimals(min_value="0.0001", max_value="2", places=4),
        st.integers(min_value=0, max_value=100),
        st.booleans(),
        st.integers(min_value=0, max_value=70),
    ),
    max_size=25,
)


def spend_within(story: Story, steps: list[tuple[str | None, Decimal, int, bool, int]]) -> Story:
    """As the wall lets calls through: none is reserved that would not fit beside what is spent and held."""
    used = ZERO
    for task, usd, share, settles, seconds in steps:
        if used + usd > (story.budget or Decimal(10**6)):
            continue
        used += usd * share / 100 if settles else usd
        call = story.reserve(task, str(usd), Tier.STRONG if task is None else Tier.WEAK)
        if settles:
            story.settle(call, str(usd * share / 100))
        story.wait(seconds)
    return story


@settings(max_examples=50)
@given(steps=STEPS)
def test_every_sum_on_the_screen_is_that_of_the_ledger(steps: list[tuple[str | None, Decimal, int, bool, int]]) -> None:
    story = spend_within(Story().begin().approve().work("T1").work("T2").work("T3"), steps)
    board, rows = story.board(), list(story.view.ledger.values())
    purse = board.header.purse

    assert purse.spent == sum((row.usd for row in rows), ZERO)
    assert purse.held == sum((row.reserved for row in rows if row.is_open), ZERO)
    assert sum((one.usd for one in board.money), ZERO) == purse.spent
    of_tasks = sum((row.usd for row in rows if row.task is not None), ZERO)
    assert sum((row.usd for row in board.tasks), ZERO) == of_tasks
    assert sum((one.usd for one in board.lanes), ZERO) == of_tasks
    assert purse.burn == board.minutes[-1]
    recent = [row.usd for row in rows if row.ended and story.now - row.ended < timedelta(minutes=20)]
    assert sum(board.minutes, ZERO) == sum(recent, ZERO)


# ---------------------------------------------------------------- the same words however it is folded


def test_event_by_event_says_the_same_as_all_at_once() -> None:
    story, happenings = clashing(), Happenings()
    for number, event in enumerate(story.events, 1):
        happenings.add(event)
        if number % 7 and number < len(story.events) - 3:
            continue
        told = Story(events=story.events[:number], now=event.at or story.now)
        once = dashboard(told.view, happenings_of(told.events), told.now, bounds=BOUNDS)
        assert dashboard(told.view, happenings, told.now, bounds=BOUNDS) == once


def test_busy_shares_are_those_of_the_metrics() -> None:
    story = clashing()
    metrics = {task.task: task for task in measure(story.events).tasks}
    board = story.board()

    for one in board.workload:
        times = [metrics[task] for task in one.tasks if task in metrics]
        total = sum(task.total for task in times)
        assert one.seconds == pytest.approx(total)
        if total:
            busy = sum(task.model + task.tool + task.gate for task in times)
            assert one.busy == pytest.approx(busy / total, abs=1e-4)
    assert board.utilization == measure(story.events).utilization


def test_an_action_is_words_and_never_the_json_of_the_model() -> None:
    story = begun().work("T1")
    story.act("T1", "run_command", '{"command": "npm test\\nrm x"}', None)
    story.act("T1", "read_file", "not json", None)
    story.act("T1", "edit_file", '{"path": "a.py"}', "edited a.py (1 place)", files=[("a.py", 42, 3)])
    actions = story.board().lanes[0].actions

    assert [(one.tool, one.words, one.is_running) for one in actions] == [
        ("edit_file", "edited a.py (1 place)", False),
        ("run_command", "npm test", True),
        ("read_file", "", True),
    ]
    assert (actions[0].added, actions[0].removed) == (42, 3)
