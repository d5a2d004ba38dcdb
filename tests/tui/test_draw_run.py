"""The rows of a run: exactly as wide as asked at every size, and never more money than there is."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equitr_coder.domain import events as e
from equitr_coder.domain.approvals import Approval
from equitr_coder.domain.ids import AgentName, RequestId, SessionId
from equitr_coder.presentation.dashboard import Dashboard
from equitr_coder.presentation.purse import Purse, Standing
from equitr_coder.presentation.rows import Row, text_of, width_of
from equitr_coder.presentation.text import visible
from equitr_coder.tui.draw.blocks import rows_of
from equitr_coder.tui.draw.conflict import SIDES, conflict_head, conflict_keys
from equitr_coder.tui.draw.needs import ask_rows, needs_row
from equitr_coder.tui.draw.permission import ANSWERS, card_of, permission_rows
from equitr_coder.tui.draw.question import question_rows
from equitr_coder.tui.draw.run_header import budget_bar, header_rows, money_words
from equitr_coder.tui.draw.run_lanes import lane_blocks
from equitr_coder.tui.draw.run_rest import conflict_blocks, merge_rows, money_row, money_rows, receipt_rows, sync_blocks
from equitr_coder.tui.draw.run_tasks import graph_blocks, task_blocks
from equitr_coder.tui.draw.wrap import exact, words
from tests.tui.run_story import Story, at_work, begun, clashing

UNCONFINED = Approval(
    id=RequestId("unconfined:0"),
    session=SessionId("run"),
    agent=AgentName("equitrcoder"),
    tool="run_unconfined",
    what="checks, the set-up of worktrees and commands after an edit of this run, without asking for each",
    why="there is no sandbox",
    confined=False,
    inside=False,
)
WIDTHS = (40, 44, 59, 60, 80, 100, 120, 140, 200)
PARTS: dict[str, Callable[[Dashboard, int], list[Row]]] = {
    "header": header_rows,
    "lanes": lambda board, width: rows_of(lane_blocks(board, width, 18)),
    "low lanes": lambda board, width: rows_of(lane_blocks(board, width, 4)),
    "tasks": lambda board, width: rows_of(task_blocks(board, width)),
    "graph": lambda board, width: rows_of(graph_blocks(board, width)),
    "sync": lambda board, width: rows_of(sync_blocks(board, width)),
    "merge": merge_rows,
    "conflicts": lambda board, width: rows_of(conflict_blocks(board, width)),
    "money": money_rows,
    "money row": lambda board, width: [money_row(board, width)],
    "receipts": receipt_rows,
    "needs": lambda board, width: [needs_row(board.inbox, width)] if board.inbox else [],
    "asks": lambda board, width: ask_rows(board.inbox, width, chosen=0),
}
STORIES = {"begun": begun, "at_work": at_work, "clashing": clashing}


def texts(rows: list[Row]) -> list[str]:
    return [text_of(row).rstrip() for row in rows]


@pytest.mark.parametrize("part", PARTS)
def test_every_row_is_as_wide_as_asked(part: str) -> None:
    for story in STORIES.values():
        board = story().board()
        for width in WIDTHS:
            wrong = [text_of(line) for line in PARTS[part](board, width) if width_of(line) != width]
            assert wrong == []


def test_the_header_has_one_row_where_there_is_little_room() -> None:
    board = at_work().board()

    assert [len(header_rows(board, width)) for width in (44, 59, 60, 120)] == [1, 1, 2, 2]
    assert texts(header_rows(board, 44)) == [" 041 running 1/9                    $1.43/5"]


def test_more_than_four_workers_take_one_row_each() -> None:
    story = Story(workers=6).begin().approve()
    for number in range(1, 6):
        story.work(f"T{number}")
    story.act(
        "T4", "edit_file", '{"path": "web/upload.tsx"}', "edited web/upload.tsx", files=[("web/upload.tsx", 42, 3)]
    )
    rows = texts(rows_of(lane_blocks(story.board(), 100, 40)))

    assert len(rows) == 6
    assert rows[3].startswith(" W4 > T4 ui: upload form")
    assert rows[3].endswith("edited web/upload.tsx +42 -3")


def test_the_graph_stands_in_layers_from_left_to_right() -> None:
    rows = texts(rows_of(graph_blocks(at_work().board(), 120)))
    found = {line.split("──> ")[1].split()[1]: line.index("──> ") for line in rows if "──> " in line}

    assert found["T2"] == found["T3"] == found["T4"]
    assert found["T4"] < found["T8"] < found["T9"]


AMOUNTS = st.decimals(min_value=0, max_value=20, places=6)
CAPS = st.one_of(st.none(), st.decimals(min_value="0.0001", max_value=20, places=4))


def purse(spent: Decimal, held: Decimal, cap: Decimal | None) -> Purse:
    return Purse(
        spent=spent,
        held=held,
        cap=cap,
        burn=Decimal(0),
        average=None,
        to_cap=None,
        to_end=None,
        projection=None,
        standing=Standing.OK,
        words="",
        is_unpriced=False,
    )


@settings(max_examples=300)
@given(spent=AMOUNTS, held=AMOUNTS, cap=CAPS, width=st.integers(min_value=1, max_value=60))
def test_no_more_than_the_cap_is_ever_drawn(spent: Decimal, held: Decimal, cap: Decimal | None, width: int) -> None:
    known = purse(spent, held, cap)
    bar = text_of(budget_bar(known, width))
    if cap is None:
        assert bar == ""
        return

    assert len(bar) == width
    assert bar == "#" * bar.count("#") + "=" * bar.count("=") + "." * bar.count(".")
    if spent + held <= cap:
        shown = [Decimal(word.lstrip("<$")) for word in money_words(known).split(" of ")[0].split() if "$" in word]
        small = sum(word.startswith("<") for word in money_words(known).split())
        assert sum(shown) <= cap or small
        if spent + held <= cap * Decimal("0.9") and width > 20:
            assert "." in bar


TEXTS = st.text(alphabet=st.characters(codec="utf-8"), max_size=400)


@settings(max_examples=100)
@given(command=TEXTS.filter(str.strip), width=st.integers(min_value=40, max_value=200))
def test_a_command_is_shown_to_the_letter_however_it_is_broken(command: str, width: int) -> None:
    lines = exact(command, width)

    assert "".join(lines) == visible(command).replace("\t", "\\t").replace("\n", "")
    assert all(width_of(line) <= width for line in _spans(lines))


def _spans(lines: list[str]) -> list[Row]:
    from equitr_coder.presentation.rows import Span

    return [(Span(line),) for line in lines]


@settings(max_examples=60)
@given(
    command=TEXTS.filter(str.strip),
    why=TEXTS,
    width=st.integers(min_value=40, max_value=160),
    height=st.integers(min_value=15, max_value=40),
    scroll=st.integers(min_value=0, max_value=50),
)
def test_the_answers_are_always_in_sight(command: str, why: str, width: int, height: int, scroll: int) -> None:
    story = begun().work("T1").ask_permission("T1", command, why=why or "it asks")
    view = story.view
    card = card_of(next(iter(view.approvals.values())), view, story.board())
    rows = permission_rows(card, width, height, scroll=scroll, was_seen=False)
    shown = texts(rows)

    assert len(rows) <= height
    assert {width_of(line) for line in rows} == {width}
    for number in range(1, len(ANSWERS) + 1):
        assert any(line.lstrip(" >").startswith(f"{number}  ") for line in shown)


def test_a_verdict_is_asked_for_as_one_and_is_no_conflict_to_merge() -> None:
    story = begun().work("T1").hand_in("T1").divide(1, "T1")
    story.ask_permission("T1", "+x", tool="review", why="the reviewers disagree", inside=False)
    view, found = story.view, story.view.conflicts[RequestId("C1")]
    card = "\n".join(texts(permission_rows(card_of(view.approvals[RequestId("a1")], view, story.board()), 100, 30)))
    alert = texts(rows_of(conflict_blocks(story.board(), 120)))
    noted = texts(rows_of(conflict_blocks(story.decide(1, approved=False).board(), 120)))

    for shown in ("decide between its reviewers", "approve it, and any other of T1", "the branch of the run", "+x"):
        assert shown in card
    assert "every review" not in card
    count = "1 approved, 1 rejected, 1 gave no verdict"
    assert [line.rstrip() for line in alert] == [f" ! C1 (finding) T1, {count}: escalated  needs you"]
    assert [line.rstrip() for line in noted] == [f"   C1 (finding) T1, {count}: rejected by you, against reviewer_1"]
    assert conflict_keys(found, view) == []
    head = texts(conflict_head(view, found, 100, side="theirs"))[0].rstrip()
    assert head == f" C1 (finding): T1 divides its reviewers ({count})"


def test_the_question_of_a_run_that_nothing_confines_belongs_to_no_agent() -> None:
    story = Story().begin().tell(e.ApprovalRequested(approval=UNCONFINED))
    card = card_of(UNCONFINED, story.view, story.board())

    shown = "\n".join(texts(permission_rows(card, 100, 30, scroll=0, was_seen=False)))

    assert "equitrcoder" in shown
    assert "WITHOUT a sandbox, with your rights" in shown
    assert "checks, the set-up of worktrees" in shown
    assert "run_unconfined" in "\n".join(texts([needs_row(story.board().inbox, 100)]))


@given(text=TEXTS, width=st.integers(min_value=8, max_value=80))
def test_prose_keeps_its_words_and_its_room(text: str, width: int) -> None:
    lines = words(text, width)

    assert lines
    assert all(width_of(line) <= max(width, 2) for line in _spans(lines))


def test_a_question_keeps_its_answers_when_it_is_long() -> None:
    rows = texts(question_rows("planner", "Why? " * 400, ("a", "b"), 80, 12))

    assert len(rows) <= 12
    assert any(line.startswith("   2  b") for line in rows)


def test_a_conflict_names_both_sides_and_its_state() -> None:
    view = clashing().view
    found = next(iter(view.conflicts.values()))
    heads = [texts(conflict_head(view, found, 100, side=side)) for side in SIDES]

    assert heads[0][0] == " C1 (file): T3 and T2 clash in orders/service.py"
    assert heads[0][1].startswith(" waits for you: edit the files in /h/worktrees/C1")
    assert all("what has landed (T2)  |  what T3 handed in" in head[3] for head in heads)
