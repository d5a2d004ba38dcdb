import sqlite3
from contextlib import closing
from decimal import Decimal
from typing import Any

from equitr_coder.testing.script import call, says
from tests.e2e.conftest import OpenStage, Stage
from tests.e2e.scenes import file_of, hands_in, plans, task, worker, writes

PLANNED = ("chat", "-M", "--plan", "always", "--yes")


def shown(user: Stage, *arguments: str) -> list[dict[str, Any]]:
    ended = user.run("audit", "show", *arguments, "--output", "json")
    assert ended.code == 0, ended.brief
    return list(ended.result["rows"])


def test_every_call_of_a_run_is_in_the_audit_log_with_who_and_why(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1"), task("T2")),
            worker(
                "T1",
                says("", call("run_command", command="git push origin main")),
                says("", writes("../outside.txt", "no\n")),
                says("", writes(file_of("T1"), "T1-built\n")),
                says("", hands_in()),
            ),
            worker("T2", says("", writes(file_of("T2"), "T2-built\n")), says("", hands_in())),
        ],
        config={"permission": {"deny": ["git push*"]}},
    )

    ended = user.run(*PLANNED, "build words")
    assert ended.code == 0, ended.brief
    rows = shown(user)
    calls = [row for row in rows if row["kind"] == "model"]
    cost = user.run("cost", "--output", "json").result

    assert len(calls) == len(user.server.requests)
    assert sum(Decimal(row["usd"]) for row in calls) == Decimal(cost["total"])
    assert len({row["agent"] for row in calls}) == 3
    assert all(row["model"] and row["purpose"] and row["outcome"] == "ok" and row["usage"] for row in calls)
    pushed, outside, written, handed = [row for row in rows if row["kind"] == "tool" and row["task"] == "T1"]
    assert (pushed["tool"], pushed["verdict"], pushed["outcome"]) == ("run_command", "deny", "error")
    assert "git push*" in pushed["rule"]
    assert pushed["model"] == "stub/weak"
    assert outside["outcome"] == "error"
    assert (written["verdict"], written["outcome"]) == ("allow", "ok")
    assert "T1-built" in written["what"]
    assert len(written["what_hash"]) == 64
    assert handed["tool"] == "hand_in"
    assert [row["task"] for row in rows if row["kind"] == "merge"][-1] is None, "the landing on the user's branch"
    assert [row["what"] for row in shown(user, "--tool", "write_file", "--task", "T2")] == [
        row["what"] for row in rows if row["task"] == "T2" and row["tool"] == "write_file"
    ]
    assert {row["agent"] for row in shown(user, "--agent", written["agent"])} == {written["agent"]}
    assert shown(user, "--since", "2999-01-01") == []
    text = user.run("audit", "show")
    assert "deny: the rule permission.deny 'git push*' forbids it" in text.out


def test_a_whole_log_verifies_and_a_changed_one_names_the_record(stage: OpenStage) -> None:
    user = stage([says("Hello.")])
    assert user.run("chat", "hello").code == 0
    whole = user.run("audit", "verify", "--output", "json")
    [chain] = whole.result["chains"]
    run, head = chain["run"], chain["head"]

    pinned = user.run("audit", "verify", run, "--head", head)
    with closing(sqlite3.connect(user.equitr_home / "equitr.db", isolation_level=None)) as store:
        store.execute("DROP TRIGGER events_are_never_updated")
        store.execute("UPDATE events SET body = replace(body, 'hello', 'hullo') WHERE seq = 1")
    changed = user.run("audit", "verify")
    elsewhere = user.run("audit", "verify", "--all")

    assert (whole.code, chain["faults"]) == (0, [])
    assert pinned.code == 0, pinned.brief
    assert f"the given head is that of record {chain['records']}" in pinned.out
    assert (changed.code, elsewhere.code) == (1, 1)
    assert f"! {run}: record 1 (run_started) is not what was stored, or not where it was" in changed.out


def test_what_makes_no_sense_is_told_in_two_lines(stage: OpenStage) -> None:
    user = stage([])

    for arguments in (
        ("show", "epic-009"),
        ("show", "--since", "yesterday-ish"),
        ("verify", "--head", "00"),
        ("verify", "epic-009", "--head", "0" * 64),
    ):
        ended = user.run("audit", *arguments)
        assert ended.code == 2, ended.brief
        error, hint = ended.err.strip().splitlines()
        assert error.startswith("error: "), ended.brief
        assert hint.startswith("hint: "), ended.brief
    assert user.run("audit", "verify").out == "0 runs: every record is what was stored, in its order\n"
    assert user.run("audit", "show").out == "Nothing of that is in the log.\n"
