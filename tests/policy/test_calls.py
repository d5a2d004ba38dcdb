"""The policy against its table: attempts to get past it, and the work of every day."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.domain.approvals import Decision, PermissionMode, Touches, Verdict
from equitr_coder.engine.permission import Rules, SessionPolicy

ROWS: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "calls.yaml").read_text())
EVERYDAY = [row for row in ROWS if row["kind"] == "everyday"]
ATTEMPTS = [row for row in ROWS if row["outcome"] != "allow"]


def decide(row: dict[str, Any]) -> Decision:
    mode, _, without = row["mode"].partition(" without ")
    policy = SessionPolicy(
        rules=Rules(**{name: tuple(rules) for name, rules in row.get("rules", {}).items()}),
        roots=("/checkout/tree",),
        mode=PermissionMode(mode),
        is_confined=not without,
    )
    if row["tool"] != "paths":
        return policy.decide(row["tool"], Touches(command=row["input"]))
    access, path = row["input"].split(" ", 1)
    return policy.decide(f"{access}_file", Touches(**{f"{access}s": (path,)}))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['id']}-{row['kind']}")
def test_every_call_of_the_table_is_judged_as_it_says(row: dict[str, Any]) -> None:
    decision = decide(row)

    if row["outcome"] == "not allowed":
        assert decision.verdict is not Verdict.ALLOW, row["input"]
    else:
        assert decision.verdict == row["outcome"], (row["input"], decision)
    assert decision.reason
    assert decision.rule, "every decision names what decided"


def test_the_table_is_large_enough_to_mean_something() -> None:
    assert len(ATTEMPTS) >= 150
    assert len(EVERYDAY) >= 40
    assert len({row["id"] for row in ROWS}) == len(ROWS)
    assert len({(row["input"], row["mode"], str(row.get("rules"))) for row in ROWS}) == len(ROWS)
    assert all(count >= 3 for count in Counter(row["kind"] for row in ROWS).values())


def test_at_most_five_questions_in_a_hundred_calls_of_everyday_work() -> None:
    asked = [row["input"] for row in EVERYDAY if decide(row).verdict is not Verdict.ALLOW]

    assert len(asked) <= len(EVERYDAY) * 0.05, asked


@given(
    st.lists(st.sampled_from([row["input"] for row in ROWS if row["kind"] == "obfuscated"]), min_size=1, max_size=3),
    st.sampled_from(["; ", " && ", " || ", "\n", " | "]),
)
def test_what_is_denied_stays_denied_in_company(lines: list[str], join: str) -> None:
    policy = SessionPolicy(rules=Rules(deny=("git push*",), allow=("*",)), mode=PermissionMode.YOLO)

    decision = policy.decide("run_command", Touches(command=join.join(["git status", *lines, "ls"])))

    assert decision.verdict is not Verdict.ALLOW


@given(st.text(max_size=60), st.sampled_from(PermissionMode))
def test_no_text_at_all_breaks_the_policy(line: str, mode: PermissionMode) -> None:
    SessionPolicy(mode=mode, rules=Rules(deny=("x",))).decide("run_command", Touches(command=line))
