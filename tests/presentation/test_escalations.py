from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from equitr_coder.domain.errors import StopReason
from equitr_coder.domain.escalations import Aftermath, EscalationRow
from equitr_coder.domain.events import EscalationTrigger
from equitr_coder.domain.ids import AgentName, EpicId, RunId, TaskId
from equitr_coder.domain.queries import EscalationsAnswer
from equitr_coder.presentation.escalations import escalations_lines, next_words


def row(**changes: Any) -> EscalationRow:
    return EscalationRow(
        **{
            "run": RunId("run-1"),
            "epic": EpicId("epic-001"),
            "at": datetime(2026, 11, 30, 13, 5, 7, tzinfo=UTC),
            "task": TaskId("T1"),
            "agent": AgentName("worker_1"),
            "attempt": 2,
            "trigger": EscalationTrigger.NO_PROGRESS,
            "automatic": True,
            "question": "It goes round in circles:\nlist_files",
            "files": ("a.py", "b.py"),
            "answer": "Read a.py.",
            "usd": Decimal("0.0123"),
            "next": Aftermath.PASSED,
            "next_attempt": 2,
        }
        | changes
    )


def shown(*rows: EscalationRow, unreadable: tuple[RunId, ...] = ()) -> list[str]:
    return [line.text for line in escalations_lines(EscalationsAnswer(rows=rows, unreadable=unreadable))]


def test_each_question_is_a_block_below_its_run() -> None:
    other = row(run=RunId("run-2"), epic=None, trigger=EscalationTrigger.TOOL, files=(), is_unpriced=True)

    assert shown(row(), other) == [
        "epic-001 (run-1): 1 question to the supervisor, $0.0123",
        "  2026-11-30 13:05:07  T1 worker_1, attempt 2: went round in circles (no_progress), $0.0123",
        "    question  It goes round in circles: list_files",
        "    files     a.py, b.py",
        "    answer    Read a.py.",
        "    next      attempt 2 was handed in and its checks passed",
        "run-2: 1 question to the supervisor, $0.0123 + unknown",
        "  2026-11-30 13:05:07  T1 worker_1, attempt 2: asked (tool), $0.0123 + unknown",
        "    question  It goes round in circles: list_files",
        "    answer    Read a.py.",
        "    next      attempt 2 was handed in and its checks passed",
    ]


def test_a_question_that_was_not_asked_says_why() -> None:
    lines = shown(row(question="", files=(), answer=None, usd=Decimal(0), is_skipped=True, next=Aftermath.GOES_ON))

    assert lines == [
        "epic-001 (run-1): 0 questions to the supervisor, $0.0000",
        "  2026-11-30 13:05:07  T1 worker_1, attempt 2: went round in circles (no_progress), not asked",
        "    why not   the questions of this run were used up",
        "    next      attempt 2 is not over",
    ]


def test_without_a_question_it_says_so_and_names_what_cannot_be_read() -> None:
    assert shown(unreadable=(RunId("run-9"),)) == [
        "No question has gone to the supervisor.",
        "! left out: run-9: the log is damaged, or a newer version wrote it",
    ]


@pytest.mark.parametrize("aftermath", Aftermath)
def test_every_aftermath_has_words(aftermath: Aftermath) -> None:
    words = next_words(row(next=aftermath, reason=StopReason.CHECK_FAILED, detail="exit 1\nmore"))

    assert words
    told = "(check_failed): exit 1" in words
    assert told == (aftermath in (Aftermath.SENT_BACK, Aftermath.FAILED, Aftermath.CANCELLED))
