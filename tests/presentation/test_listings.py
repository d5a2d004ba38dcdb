"""Plans, diffs, cost answers and slash commands as lines. The lists of the command line stand in tests/cli."""

from decimal import Decimal

from equitr_coder.domain.epic import Plan, SyncPoint, Task
from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.money import Usage
from equitr_coder.domain.queries import ConfigAnswer, ConfigEntry, CostAnswer, CostRow, TrustAnswer
from equitr_coder.presentation.cost import cost_lines
from equitr_coder.presentation.diff import diff_lines, diff_size
from equitr_coder.presentation.listings import config_lines, trust_lines
from equitr_coder.presentation.plan import plan_lines, task_lines
from equitr_coder.presentation.slash import SLASH_COMMANDS, find_slash, slash_help_lines
from equitr_coder.presentation.text import Tone, cells

PLAN = Plan(
    title="Shop",
    tasks=(
        Task(id=TaskId("T1"), title="Cart\x1b[2J", todos=("a", "b")),
        Task(id=TaskId("T2"), title="x" * 200, needs=(TaskId("T1"),), files=("src/*.py",), todos=("c",), check="true"),
    ),
    sync_points=(SyncPoint(id="s1", producer=TaskId("T1")),),
)
DIFF = """diff --git a/a.py b/a.py
--- a/a.py
+++ b/a.py
@@ -1,2 +1,2 @@
 same
-old
+new
+more
"""


def test_plan_counts_its_tasks_and_shows_gaps() -> None:
    shown = [line.text for line in plan_lines(PLAN, gaps=("T1 has no check",))]

    assert shown[:2] == ["Plan: Shop", "Created 2 tasks"]
    assert "Cart\\x1b[2J" in shown[3]
    assert "  sync s1 (contracts) T1 -> nobody" in shown
    assert shown[-1] == "! look at: T1 has no check"


def test_plan_keeps_to_the_width_of_a_terminal() -> None:
    wide = Plan(title="x", tasks=(Task(id=TaskId("T1"), title="t", check="pytest " * 40),))

    assert max(cells(line.text) for line in plan_lines(wide, width=100)) <= 100


def test_plan_on_a_narrow_terminal_keeps_task_title_needs_and_check() -> None:
    head, first, second = (line.text for line in plan_lines(PLAN, width=40)[2:5])

    assert head.split() == ["task", "title", "needs", "check"]
    assert first.split()[0] == "T1"
    assert second.split()[-2:] == ["T1", "true"]
    assert max(map(cells, (head, first, second))) <= 40


def test_configuration_too_wide_for_the_terminal_is_shown_whole_one_above_the_other() -> None:
    entries = (
        ConfigEntry(key="llm.budget", value="5", source="default"),
        ConfigEntry(key="checks.default", value="python -m pytest -q", source="user /home/me/.equitr/config.yaml:12"),
    )

    assert [line.text for line in config_lines(ConfigAnswer(entries=entries), width=50)] == [
        "  llm.budget: 5 (default)",
        "  checks.default: python -m pytest -q",
        "      from user /home/me/.equitr/config.yaml:12",
    ]


def test_task_shows_its_continuous_todo_numbers() -> None:
    shown = [line.text for line in task_lines(PLAN, PLAN.tasks[1])]

    assert shown[1:] == ["  needs  T1", "  files  src/*.py", "  check  true", "    3. c"]


def test_diff_lines_keep_their_signs_and_add_up() -> None:
    shown = diff_lines(DIFF)

    assert [line.text for line in shown] == DIFF.splitlines()
    assert [line.tone for line in shown[4:]] == [Tone.PLAIN, Tone.BAD, Tone.GOOD, Tone.GOOD]
    assert diff_size(DIFF) == "1 file, +2 -1"


def test_cost_answer_is_broken_down_by_every_group() -> None:
    row = CostRow(name="m", calls=2, usage=Usage(input=10, output=1), usd=Decimal("0.5"))
    answer = CostAnswer(
        total=Decimal("0.5"),
        held=Decimal(1),
        limit=None,
        by_model=(row,),
        by_agent=(row,),
        by_purpose=(),
        by_task=(row,),
    )

    assert [line.text for line in cost_lines(answer)] == [
        "Cost: $0.5000 (and $1.0000 held) of no limit",
        "by model",
        "  m  $0.5000  2 calls  10 in, 1 out",
        "by agent",
        "  m  $0.5000  2 calls  10 in, 1 out",
        "by task",
        "  m  $0.5000  2 calls  10 in, 1 out",
    ]


def test_trust_says_why_a_folder_is_ignored() -> None:
    changed = TrustAnswer(present=True, trusted=False, changed=True, files=("a",), content_hash="f" * 64)

    assert [line.text for line in trust_lines(changed)] == [
        ".equitr is ignored: its content has changed since it was trusted (ffffffffffff)",
        "  a",
        f"hash {'f' * 64}",
    ]
    assert trust_lines(TrustAnswer(present=False, trusted=False, changed=False))[0].text.startswith(
        "This workspace has no"
    )


def test_slash_commands_are_found_by_name_or_beginning() -> None:
    assert [command.name for command in find_slash("/m")] == ["/model", "/multi-agent"]
    assert [command.name for command in find_slash("/quit")] == ["/quit"]
    assert find_slash("/nothing") == ()
    assert {command.name for command in SLASH_COMMANDS} == {
        "/help", "/status", "/cost", "/model", "/multi-agent", "/plan", "/run", "/diff", "/undo", "/redo",
        "/rewind", "/trust", "/clear", "/quit",
    }  # fmt: skip


def test_help_lists_every_slash_command_within_the_width() -> None:
    for width in (40, 70):
        shown = slash_help_lines(width=width)

        assert [line.text.split()[0] for line in shown if line.text.startswith("  /")] == [
            command.name for command in SLASH_COMMANDS
        ]
        assert "... " not in " ".join(line.text for line in shown)
        assert all(cells(line.text) <= width for line in shown)
