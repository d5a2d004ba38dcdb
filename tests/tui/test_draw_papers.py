"""Rows of the places where one reads and decides. Pure: no app, no clock, no door."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal

import pytest

from equitr_coder.domain import events as e
from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.models import ModelInfo
from equitr_coder.domain.queries import CostAnswer, ProbeAnswer
from equitr_coder.domain.run_view import RunView
from equitr_coder.presentation.diff_comments import Anchor, Comment
from equitr_coder.presentation.review import MarkKind, Place, blocking, company, marks, revisions, waves
from equitr_coder.presentation.rows import Ink, Row, text_of, width_of
from equitr_coder.presentation.slash import SLASH_COMMANDS
from equitr_coder.presentation.unified_diff import read_diff, without_blank_changes
from equitr_coder.tui.draw.diff import diff_head, file_diff, file_rows
from equitr_coder.tui.draw.documents import changed_lines, document_rows, document_tabs
from equitr_coder.tui.draw.frame import marked, of_lines, paragraph, tabs
from equitr_coder.tui.draw.help import Entry, command_entries, help_rows, palette_rows
from equitr_coder.tui.draw.money import money_head, money_rows, spark, spent_by_minute
from equitr_coder.tui.draw.plan_graph import graph_rows
from equitr_coder.tui.draw.review_detail import review_detail
from equitr_coder.tui.draw.review_list import review_entries
from equitr_coder.tui.draw.review_paper import Paper, ReviewTab, approval_rows, notes_row, review_head, review_tabs
from equitr_coder.tui.draw.sessions import delete_rows, last_words, session_detail, sessions_rows, wanted, when
from equitr_coder.tui.draw.settings import entry_detail, model_detail, models_rows, probe_words, settings_rows
from tests.tui.paper_samples import (
    APPROVED,
    BEGIN,
    BUILT,
    CONFIG,
    DIFF,
    DRAFTING,
    MODELS,
    OLDER_REQUIREMENTS,
    PLAN,
    PLANNED,
    PRICE,
    REQUIREMENTS,
    RUNS,
    SOUND_PLANNED,
    cost_of,
    view_of,
)

WIDTHS = (40, 80, 120, 200)
NOW = BEGIN + timedelta(minutes=30)
FILES = read_diff(DIFF)


def lines(rows: Sequence[Row]) -> list[str]:
    return [text_of(line).rstrip() for line in rows]


def shown(rows: Sequence[Row]) -> str:
    return "\n".join(lines(rows))


def paper(*events: e.Event) -> Paper:
    view = view_of(*(events or PLANNED))
    return Paper(view, marks(view, MODELS), {})


# ---------------------------------------------------------------- nothing is wider than its room


def _review(width: int) -> list[Row]:
    rows: list[Row] = [review_head(paper(), width), review_tabs(paper(), ReviewTab.CHECKS, width)]
    for tab in ReviewTab:
        for entry in review_entries(paper(), tab, width):
            rows += [marked(entry.line, width, selected=True), *review_detail(paper(), tab, entry, width)]
    noted = Paper(view_of(*PLANNED), marks(view_of(*PLANNED)), {Place("todos", "T3"): "split"})
    return [*rows, *graph_rows(paper(), width), *approval_rows(noted, width), notes_row(noted, width)]


def _documents(width: int) -> list[Row]:
    view = view_of(*PLANNED)
    rows = [document_tabs(view, "design", {}, width)]
    for name in ("requirements", "design", "todos"):
        rows += document_rows(view, name, {"requirements": OLDER_REQUIREMENTS}, width)
    return rows


def _diff(width: int) -> list[Row]:
    rows = [diff_head("T3 Parser", FILES, "pytest exit 0", is_split=False, width=width), *file_rows(FILES, width)]
    for file in FILES:
        for is_split in (False, True):
            rows += [line.line for line in file_diff(file, width, is_split=is_split)]
    return rows


def _sessions(width: int) -> list[Row]:
    rows = [*sessions_rows(RUNS.runs, NOW, width, is_everywhere=True)]
    for run in RUNS.runs:
        rows += session_detail(run, view_of(*BUILT), width, here="/home/me/shop")
        rows += delete_rows(run, ("a",), ("b", "c"), 2, width)
    return rows


def _settings(width: int) -> list[Row]:
    rows = [*settings_rows(CONFIG.entries, width, written={"llm.budget": "2"}), *models_rows(MODELS.configured, width)]
    for entry in CONFIG.entries:
        rows += entry_detail(entry, width, written={"llm.budget": None})
    probe = ProbeAnswer(ok=False, text="no such model " * 9, usd=Decimal("0.01"), latency_ms=12)
    for model in MODELS.configured:
        rows += model_detail(model, width, probe=probe, is_probing=False)
    return rows


def _money(width: int) -> list[Row]:
    answer = cost_of(view_of(*BUILT))
    return [money_head(answer, width), *money_rows(answer, NOW, width)]


def _help(width: int) -> list[Row]:
    entries = [Entry("Ctrl+C", "interrupt, clear, leave", "stop", "everywhere"), *command_entries(SLASH_COMMANDS)]
    return [*help_rows(entries, "", width), *palette_rows(entries, "", width)]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("draw", [_review, _documents, _diff, _sessions, _settings, _money, _help])
def test_no_row_is_wider_than_its_room(draw: Callable[[int], list[Row]], width: int) -> None:
    assert [text_of(line) for line in draw(width) if width_of(line) > width] == []


# ---------------------------------------------------------------- documents


def test_changed_lines_have_a_sign_against_what_was_last_looked_at() -> None:
    changed = [line for line in changed_lines(OLDER_REQUIREMENTS, REQUIREMENTS) if line[0] != " "]

    assert changed == [("+", "- R3 Report bad rows with line numbers"), ("-", "- R3 Log bad rows")]
    assert {sign for sign, _ in changed_lines(None, REQUIREMENTS)} == {" "}


def test_a_document_says_its_revision_its_changes_and_its_problems() -> None:
    rows = document_rows(view_of(*DRAFTING), "requirements", {"requirements": OLDER_REQUIREMENTS}, 60)

    assert "v2 by planner +1 -1" in lines(rows)[0]
    assert "+- R3 Report bad rows with line numbers" in lines(rows)
    assert " changed since you last looked: R3" in lines(rows)
    assert " ! R4 has no way to be measured" in lines(rows)
    assert "design.md is not written yet" in shown(document_rows(view_of(*DRAFTING), "design", {}, 60))


def test_the_plan_says_what_it_amounts_to_and_what_it_may_cost() -> None:
    told = shown(document_rows(view_of(*PLANNED), "todos", {}, 100))

    assert "6 tasks, 1 sync point" in told
    assert "longest chain 4: T1 > T2 > T4 > T6" in told
    assert "$1.1000 - $1.9000, likely $1.4000" in told
    assert "rests on 6 past tasks" in told
    assert "3 marks to look at before you approve" in told


def test_a_tab_is_marked_until_its_document_was_looked_at() -> None:
    view = view_of(*PLANNED)

    assert "design *" in text_of(document_tabs(view, "requirements", {}, 60))
    assert "design *" not in text_of(
        document_tabs(view, "requirements", {"design": view.documents["design"].content}, 60)
    )


# ---------------------------------------------------------------- review


def test_what_holds_up_approval_comes_first_and_notes_do_not_hold_it_up() -> None:
    found = marks(view_of(*PLANNED), MODELS)

    assert [mark.kind for mark in found] == [
        MarkKind.UNCOVERED, MarkKind.OVERLAP, MarkKind.UNCHECKED, MarkKind.UNPRICED, MarkKind.NOTE,
    ]  # fmt: skip
    assert found[1].tasks == ("T3", "T5")
    assert found[2].tasks == ("T5",)
    assert found[0].document == "requirements"
    assert len(blocking(found)) == 4
    assert marks(view_of(*SOUND_PLANNED)) == ()
    assert approval_rows(paper(), 80) != []
    assert approval_rows(Paper(view_of(*SOUND_PLANNED)), 80) == []


def test_gaps_as_planning_writes_them_are_recognised() -> None:
    from equitr_coder.planning.gaps import find_gaps
    from equitr_coder.planning.plan_rules import PlanRules

    gaps = find_gaps(PLAN, requirements=REQUIREMENTS + "\n- R9 Export to XML\n", design="", rules=PlanRules())
    view = view_of(*PLANNED[:-1], e.PlanSubmitted(plan=PLAN, gaps=gaps))

    kinds = [mark.kind for mark in marks(view)]
    assert kinds.count(MarkKind.UNCOVERED) == 2  # R4 and R9
    assert kinds.count(MarkKind.UNCHECKED) == 2  # T5, and T6 whose plan says `none`
    assert kinds.count(MarkKind.OVERLAP) == 1  # not once more from the gap about it


def test_a_requirement_names_its_tasks_or_that_nobody_has_it() -> None:
    entries = review_entries(paper(), ReviewTab.REQUIREMENTS, 60)

    assert [text_of(entry.line).split()[0] for entry in entries] == ["R1", "R2", "R3", "R4"]
    assert text_of(entries[2].line).rstrip().endswith("T3 T5")
    assert text_of(entries[3].line).rstrip().endswith("no task !")
    assert entries[0].place == Place("requirements", "R1")


def test_a_task_says_what_it_needs_unlocks_shares_and_waits_for() -> None:
    entry = review_entries(paper(), ReviewTab.TODOS, 40)[2]
    told = shown(review_detail(paper(), ReviewTab.TODOS, entry, 90))

    for words in (
        "needs   T1",
        "unlocks T6",
        "files   orders/csv_in.py, orders/service.py",
        'sync    consumes "OrderRow type" from T1 (pending)',
        "check   pytest tests/test_csv_in.py -q",
        "[ ] 4. reader with encoding guess",
        "covers  R1, R2, R3",
        "est.    $0.1500 - $0.3000, likely $0.2100 (6 past tasks)",
        "beside  T2, T4",
        "overlaps T5 in orders/service.py: they run one after the other",
    ):
        assert words in told
    assert company(PLAN, PLAN.task(TaskId("T4"))).beside == ("T3", "T5")


def test_the_graph_has_layers_and_says_who_takes_turns() -> None:
    assert waves(PLAN) == [("T1",), ("T2", "T3", "T5"), ("T4",), ("T6",)]
    wide, narrow = shown(graph_rows(paper(), 120)), shown(graph_rows(paper(), 50))

    assert "critical path T1 > T2 > T4 > T6" in wide
    assert "T3,T4 ──> T6 docs" in wide
    assert "T1 ──> T5 report of bad rows" in wide
    assert "T3 and T5 take turns: both claim orders/service.py" in wide
    assert "T3, T4 ──> T6 docs" in narrow


def test_notes_become_one_request_for_each_document() -> None:
    notes = {
        Place("todos", "T3"): "split it",
        Place("requirements", "R4"): "10 s",
        Place("todos", "T5"): "give it\na check",
    }

    assert revisions(notes) == [("requirements", "R4: 10 s"), ("todos", "- T3: split it\n- T5: give it a check")]


# ---------------------------------------------------------------- diff


def test_a_diff_shows_numbers_signs_and_underlines_the_changed_words() -> None:
    drawn = file_diff(FILES[1], 80)
    rows = [line.line for line in drawn]

    assert " @@ orders/service.py:86  def create(self, row)" in lines(rows)
    assert "  87 -         return self._repo.add(row)" in lines(rows)
    assert "  89 +         return self._repo.add(row, now)" in lines(rows)
    assert [number for number, line in enumerate(drawn) if line.is_hunk] == [0, 8]
    limit = next(line for line in rows if "limit  =" in text_of(line))
    assert {span.underline for span in limit} == {True, False}
    assert drawn[2].anchor == Anchor("orders/service.py", 87, is_removed=True)


def test_sides_stand_beside_each_other() -> None:
    rows = lines([line.line for line in file_diff(FILES[1], 160, is_split=True)])

    beside = next(line for line in rows if "repo.exists" in line)
    assert "87 -         return self._repo.add(row)" in beside
    assert beside.index("│") == 79


def test_what_has_no_lines_is_said_in_words() -> None:
    told = [shown([line.line for line in file_diff(file, 80)]) for file in FILES[2:]]

    assert "binary file" in told[0]
    assert "mode 100644 -> 100755 (executable now)" in told[1]
    assert "renamed from old.md (100% alike)" in told[2]
    assert "Nothing was changed" in shown([line.line for line in file_diff(None, 80)])


def test_comments_stand_below_their_line_and_white_space_can_go() -> None:
    comment = Comment(Anchor("orders/service.py", 87), "if ...", "also on update?")
    rows = lines([line.line for line in file_diff(FILES[1], 80, comments=[comment])])

    assert "you  also on update?" in rows[4]
    quiet = [text_of(line.line) for line in file_diff(without_blank_changes(FILES[1]), 80)]
    assert not any("limit" in line for line in quiet)
    assert "1 note" in shown(file_rows(FILES, 60, comments=[comment]))
    assert lines(file_rows(FILES, 60, accepted={"run.sh"}))[3].startswith("+ run.sh")


# ---------------------------------------------------------------- sessions


def test_runs_are_found_by_any_word_and_the_newest_use_comes_first() -> None:
    assert [run.title for run in wanted(RUNS.runs, "")] == [run.title for run in RUNS.runs]
    assert [run.title for run in wanted(tuple(reversed(RUNS.runs)), "epic paused")] == ["CSV import", "Search page"]
    assert "No run has 'xyz'" in shown(sessions_rows([], NOW, 80, typed="xyz"))
    assert "No runs here yet" in shown(sessions_rows([], NOW, 80))


def test_ages_are_told_as_short_as_they_can_be() -> None:
    for days, said in ((0, "just now"), (1, "yesterday"), (3, "Sun"), (40, "23 Jan"), (400, "28 Jan 2025")):
        assert when(NOW - timedelta(days=days), NOW) == said


def test_a_run_tells_its_last_words_and_what_resuming_does() -> None:
    run, view = RUNS.runs[0], view_of(*BUILT)

    told = shown(session_detail(run, view, 100))
    assert "continues T1, T2, T3, T4, T5, T6; pays nothing twice" in told
    assert last_words(view) == ("you", "Add CSV import for orders, see @docs/orders.md")
    assert "reading..." in shown(session_detail(run, None, 100))
    elsewhere = shown(session_detail(RUNS.runs[4], view, 100, here="/home/me/shop"))
    assert "cd /home/me/other && equitrcoder resume epic-002" in elsewhere


# ---------------------------------------------------------------- settings, models, money


def test_a_changed_setting_says_that_it_counts_later() -> None:
    told = lines(settings_rows(CONFIG.entries, 120, written={"llm.budget": "2"}))

    assert "2 from next start" in told[2]
    assert "flag --worker-model" in told[1]
    assert "flag wins over your file" in shown(entry_detail(CONFIG.entries[1], 80, written={}))


def test_a_model_says_its_key_its_price_and_what_a_test_call_costs() -> None:
    strong, weak, odd = MODELS.configured

    assert "BIG_API_KEY is set" in shown(model_detail(strong, 80, probe=None, is_probing=False))
    asks = [
        span.ink
        for line in model_detail(weak, 80, probe=None, is_probing=False)
        for span in line
        if "not set" in span.text
    ]
    assert asks == [Ink.ASK]
    assert "llm.prices.odd/one" in shown(model_detail(odd, 120, probe=None, is_probing=False))
    assert probe_words(PRICE) == "makes one test call of at most 16 tokens; it costs about <$0.0001"
    assert "cannot be made" in probe_words(None)
    known = strong.model_copy(update={"info": ModelInfo(name="x", tools=False, context_window=128_000)})
    assert "128000 tokens" in shown(model_detail(known, 80, probe=None, is_probing=True))
    assert "128k" in shown(models_rows([known], 120))


def _answer(view: RunView) -> CostAnswer:
    return cost_of(view)


def test_money_is_the_sum_of_its_rows_to_the_last_digit() -> None:
    answer = _answer(view_of(*BUILT))
    told = shown(money_rows(answer, NOW, 120))

    assert "sum of 3 ledger rows $0.3800 = total $0.3800, difference $0.0000" in told
    assert "held now  1 call, $0.1000" in told
    wrong = answer.model_copy(update={"total": Decimal("0.39")})
    assert "difference $0.0100" in shown(money_rows(wrong, NOW, 120))
    assert [span.ink for line in money_rows(wrong, NOW, 120) for span in line if "difference" in span.text] == [Ink.BAD]


def test_the_report_is_the_one_of_the_command_line() -> None:
    from equitr_coder.presentation.cost_report import Paper as Sheet
    from equitr_coder.presentation.cost_report import report_lines

    answer = _answer(view_of(*BUILT))
    told = lines(money_rows(answer, NOW, 120))

    report = [line.text for line in report_lines(answer, by=None, paper=Sheet(width=119))]
    assert told[-len(report) :] == report


def test_minutes_hold_what_ended_in_them_and_the_last_is_the_burn() -> None:
    view = view_of(*BUILT)
    closed = [call for call in view.ledger.values() if not call.is_open]
    ended = [call.ended for call in closed if call.ended is not None]

    minutes = spent_by_minute(closed, max(ended) + timedelta(seconds=59))
    assert minutes[-1] == Decimal("0.24")
    assert sum(minutes) == Decimal("0.38")
    assert spent_by_minute(closed, max(ended) + timedelta(seconds=60))[-1] == 0
    assert spark([Decimal(0), Decimal(1), Decimal(2), Decimal(3)]) == "_:||"


# ---------------------------------------------------------------- help and frame


def test_help_filters_by_words_and_the_palette_by_letters() -> None:
    entries = [
        Entry("F4", "review", "open('review')", "everywhere"),
        Entry("a", "approve", "approve", "review"),
        *command_entries(SLASH_COMMANDS),
    ]

    assert lines(help_rows(entries, "f4", 80)) == [" everywhere", "  F4  review"]
    assert "No key or command has 'zz'" in shown(help_rows(entries, "zz", 80))
    assert lines(palette_rows(entries, "apr", 60))[0].split() == ["approve", "a"]
    assert lines(palette_rows(entries, "/rewind", 90))[0].split()[-2:] == ["/rewind", "[N]"]
    assert "Nothing is called 'qqq'" in shown(palette_rows(entries, "qqq", 60))


def test_tabs_that_do_not_fit_keep_the_chosen_one() -> None:
    labels = [((*paragraph(name, 20)[0],)) for name in ("requirements", "design", "todos", "graph", "checks")]

    for chosen, name in enumerate(("requirements", "design", "todos", "graph", "checks")):
        assert name in text_of(tabs(labels, chosen, 24))


def test_lines_of_other_front_ends_keep_their_columns() -> None:
    from equitr_coder.presentation.text import Line

    assert lines(of_lines([Line("  a    b"), Line("c" * 12)], 10)) == ["  a    b", "c" * 10, "cc"]


def test_an_approved_plan_says_so() -> None:
    assert "approved" in text_of(review_head(paper(*PLANNED, APPROVED), 120))
