import json
import os
import signal
import subprocess
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from equitr_coder.testing.backend import Recorded
from equitr_coder.testing.script import (
    Barrier,
    Rule,
    ScriptedReply,
    ScriptedUsage,
    always,
    call,
    calls,
    fails,
    rule,
    says,
)
from tests.e2e.conftest import Ended, OpenStage, Stage
from tests.e2e.scenes import builds, first_message, gate, hands_in, held, plans, rewrites, task, word_of, worker, writes
from tests.e2e.test_conflicts import BOTH, LIST, clash, merges

RUN = ("chat", "-M", "--plan", "never", "--yes", "--check", "grep word a.txt")
REQUEST = "write a word"
DIVIDED = "The reviewers disagree"
SAME_TIME = Barrier(name="panel", parties=3)
GOOD, BAD = "the word is there", "a.txt:1 has no full stop; add one"


def builder() -> Rule:
    return always(says("", *rewrites("a.txt", "the word\n"), hands_in()), model="weak", offers="hand_in", turn=0)


def gives(verdict: str, *reasons: str, times: int | None = None, barrier: Barrier | None = None) -> Rule:
    """So many reviewers give this verdict."""
    said = calls("review", verdict=verdict, reasons=list(reasons))
    return always(said.model_copy(update={"barrier": barrier}), model="strong", offers="review", times=times)


def votes(approving: int, rejecting: int, *, barrier: Barrier | None = None) -> list[Rule]:
    """The first verdicts that are asked for; all later ones approve."""
    return [
        *([gives("approve", GOOD, times=approving, barrier=barrier)] if approving else []),
        *([gives("reject", BAD, times=rejecting, barrier=barrier)] if rejecting else []),
        gives("approve"),
    ]


def decides(*replies: ScriptedReply) -> Rule:
    """The supervisor, who is shown what they said. It must stand before the votes."""
    return rule(*replies, model="strong", offers="review", first=[DIVIDED])


def open_panel(
    stage: OpenStage, rules: Sequence[Rule], *, reviewers: int = 3, team: str = "", **orchestrator: Any
) -> Stage:
    settings = {"review": "all", "reviewers": reviewers} | orchestrator
    user = stage([*rules, builder()], config={"orchestrator": settings})
    if team:
        (user.equitr_home / "teams").mkdir()
        rows = "".join(f"  {row}\n" for row in team.split("; "))
        (user.equitr_home / "teams" / "coding.yaml").write_text(f"coordination_rules:\n{rows}")
    return user


def judge(user: Stage, *arguments: str) -> Ended:
    return user.run(*RUN, *arguments, "--output", "stream-json", REQUEST)


def reviewers_asked(user: Stage) -> list[Recorded]:
    return [one for one in user.asked("strong") if "review" in one.tools]


def verdicts(ended: Ended, **fields: Any) -> list[bool]:
    return sorted(event["approved"] for event in ended.of("review_given", missing=False, **fields))


def outcome(ended: Ended) -> dict[str, Any]:
    """Of the only disagreement."""
    [resolved] = ended.of("conflict_resolved")
    return resolved


def sent_back(ended: Ended) -> str:
    [event] = ended.of("task_changed", state="ready", reason="review_rejected")
    return str(event["detail"])


def test_three_reviewers_judge_at_the_same_time_and_the_majority_decides(stage: OpenStage) -> None:
    user = open_panel(stage, votes(2, 1, barrier=SAME_TIME))

    ended = judge(user)

    assert ended.code == 0, ended.brief
    asked = reviewers_asked(user)
    assert len(asked) == 3
    assert len({json.dumps(one.messages) for one in asked}) == 1, "each is blind to the others"
    given = ended.of("review_given")
    assert sorted(event["agent"] for event in given) == ["reviewer_1", "reviewer_2", "reviewer_3"]
    assert sorted(event["session"][len("review.T1.1.") + 8 :] for event in given) == ["", ".2", ".3"]
    [found] = [event["conflict"] for event in ended.of("conflict_found")]
    assert (found["id"], found["kind"], found["tasks"]) == ("C1", "finding", ["T1"])
    assert sorted((voice["approved"], voice["reasons"]) for voice in found["voices"]) == [
        (False, [BAD]),
        (True, [GOOD]),
        (True, [GOOD]),
    ]
    against = next(voice for voice in found["voices"] if not voice["approved"])
    assert (outcome(ended)["how"], outcome(ended)["approved"]) == ("vote", True)
    assert outcome(ended)["dissent"] == [against]
    paid = ended.of("model_call_settled", purpose="review")
    assert [event["task"] for event in paid] == ["T1"] * 3
    assert user.read("a.txt") == "the word\n"


def test_a_majority_that_rejects_sends_the_task_back_with_its_reasons_and_the_count(stage: OpenStage) -> None:
    user = open_panel(stage, votes(1, 2))

    ended = judge(user)

    assert ended.code == 0, ended.brief
    assert sent_back(ended) == f"the review rejected it (1 approved, 2 rejected):\n- {BAD}\n- {BAD}"
    again = first_message(user.asked("weak")[-1])
    assert BAD in again
    assert "1 approved, 2 rejected" in again
    assert GOOD not in again
    assert [voice["reasons"] for voice in outcome(ended)["dissent"]] == [[GOOD]]
    assert verdicts(ended) == [False, False, True, True, True, True]
    assert len(ended.of("conflict_found")) == 1


def test_a_disagreement_is_shown_with_who_said_what_and_the_decision(stage: OpenStage) -> None:
    user = open_panel(stage, votes(2, 1))

    ended = user.run(*RUN, REQUEST)
    listed = user.run("conflict", "list")
    shown = user.run("conflict", "show", "C1")
    status = user.run("epic", "status")
    data = json.loads(user.run("conflict", "show", "C1", "--output", "json").out)

    assert ended.code == 0, ended.brief
    against = data["dissent"][0]["agent"]
    words = f"C1: T1 divides its reviewers (2 approved, 1 rejected) - approved by vote, against {against}"
    assert f"! {words.partition(' - ')[0]}" in ended.out
    assert f"C1 approved by vote, against {against} (2 approved, 1 rejected)" in ended.out
    assert f"{against} T1 rejects the change: {BAD}" in ended.out
    assert words in listed.out
    assert words in status.out
    assert shown.out.count(f"{against} rejects: {BAD}") == 2, "among what was said, and as the dissent"
    assert shown.out.count(f"approves: {GOOD}") == 2
    assert "+the word" in shown.out
    assert (data["kind"], data["approved"], data["how"]) == ("finding", True, "vote")
    assert len(data["voices"]) == 3
    assert user.run("conflict", "resolve", "C1").code == 2


def test_reviewers_that_agree_cost_no_further_call(stage: OpenStage) -> None:
    user = open_panel(stage, votes(0, 3), team="escalation_policy: on_disagreement")

    ended = judge(user)

    assert ended.code == 0, ended.brief
    assert verdicts(ended) == [False] * 3 + [True] * 3
    assert len(reviewers_asked(user)) == 6
    assert sent_back(ended) == f"the review rejected it (0 approved, 3 rejected):{f'{chr(10)}- {BAD}' * 3}"
    assert not {"conflict_found", "escalation_asked"} & set(ended.kinds())


@pytest.mark.parametrize(("approving", "verdict"), [(1, "approve"), (2, "reject")])
def test_the_coordinator_decides_alone_whatever_the_majority_is(stage: OpenStage, approving: int, verdict: str) -> None:
    ruling = calls("review", verdict=verdict, reasons=["it is what the request says"])
    rules = [decides(ruling), *votes(approving, 3 - approving)]
    user = open_panel(stage, rules, team="escalation_policy: coordinator")

    ended = judge(user)

    assert ended.code == 0, ended.brief
    [asked] = [one for one in reviewers_asked(user) if DIVIDED in first_message(one)]
    for told in (GOOD, BAD, "reviewer_1", "reviewer_3", "+the word", "grep word a.txt"):
        assert told in first_message(asked)
    assert "pass_on" not in asked.tools
    [given] = ended.of("review_given", agent="supervisor")
    assert given["approved"] is (verdict == "approve")
    assert outcome(ended)["how"] == "supervisor"
    assert outcome(ended)["approved"] is (verdict == "approve")
    assert len(outcome(ended)["dissent"]) == 2, "the majority was against it"
    assert "it is what the request says" in outcome(ended)["detail"]
    assert not ended.of("escalation_asked")
    if verdict == "reject":
        assert sent_back(ended).startswith("the review rejected it (2 approved, 1 rejected; the supervisor decided):")
        assert BAD in sent_back(ended)
        assert "it is what the request says" in sent_back(ended)


def test_a_disagreement_is_escalated_to_the_supervisor_where_the_team_says_so(stage: OpenStage) -> None:
    rules = [decides(calls("review", verdict="approve", reasons=["no full stop was asked for"])), *votes(1, 2)]
    user = open_panel(stage, rules, team="escalation_policy: on_disagreement")

    ended = judge(user)
    rows = json.loads(user.run("escalations", "--output", "json").out)["escalations"]

    assert ended.code == 0, ended.brief
    [asked] = ended.of("escalation_asked")
    assert (asked["trigger"], asked["automatic"], asked["task"]) == ("disagreement", True, "T1")
    [message] = ended.of("message_sent")
    assert (message["kind"], message["sender"], message["to"]) == ("escalation", "T1", "supervisor")
    [answered] = ended.of("escalation_answered")
    [settled] = ended.of("model_call_settled", purpose="escalation")
    assert answered["usd"] == settled["usd"]
    assert (outcome(ended)["how"], outcome(ended)["approved"]) == ("supervisor", True)
    [row] = rows
    assert (row["trigger"], row["next"]) == ("disagreement", "passed")
    assert Decimal(row["usd"]) == Decimal(settled["usd"])
    assert "no full stop was asked for" in row["answer"]
    assert "divided its reviewers (disagreement)" in user.run("escalations").out


PASSED_ON = calls("pass_on", why="Whether a full stop is wanted is a matter of taste.")


@pytest.mark.parametrize("answer", ["once", "no, with a full stop"])
def test_what_the_supervisor_hands_on_a_person_decides(stage: OpenStage, answer: str) -> None:
    user = open_panel(stage, [decides(PASSED_ON), *votes(2, 1)], team="escalation_policy: on_disagreement")

    with user.terminal(*(flag for flag in RUN if flag != "--yes"), REQUEST) as terminal:
        terminal.expect("leaves to you what the reviewers disagree about")
        terminal.expect("+the word")
        terminal.expect("matter of taste")
        terminal.answer(answer, prompt="allow>")
        code = terminal.wait()
    found = json.loads(user.run("conflict", "show", "C1", "--output", "json").out)

    assert code == 0, terminal.screen
    assert "once   approve it" in terminal.screen
    assert (found["how"], found["approved"]) == ("user", answer == "once")
    assert [voice["approved"] for voice in found["dissent"]] == ([False] if answer == "once" else [True, True])
    again = [first_message(one) for one in user.asked("weak") if "with a full stop" in first_message(one)]
    assert bool(again) is (answer != "once")


def test_with_nobody_there_what_is_handed_on_is_rejected(stage: OpenStage) -> None:
    user = open_panel(stage, [decides(PASSED_ON), *votes(2, 1)], team="escalation_policy: on_disagreement")

    ended = judge(user)
    rows = json.loads(user.run("escalations", "--output", "json").out)["escalations"]

    assert ended.code == 0, ended.brief
    [asked] = [one for one in reviewers_asked(user) if DIVIDED in first_message(one)]
    assert "Nobody is there now" in first_message(asked)
    assert ended.of("conflict_changed", state="escalated")
    assert (outcome(ended)["how"], outcome(ended)["approved"]) == ("unattended", False)
    assert "2 approved, 1 rejected; handed on to the user: nobody is here to ask" in sent_back(ended)
    assert [row["trigger"] for row in rows] == ["disagreement"]
    assert "Nobody was there to say yes" not in first_message(user.asked("weak")[-1])


def test_without_questions_left_the_vote_decides_and_says_so(stage: OpenStage) -> None:
    team = "escalation_policy: on_disagreement"
    user = open_panel(stage, votes(2, 1), team=team, max_run_escalations=0)

    ended = judge(user)

    assert ended.code == 0, ended.brief
    assert len(reviewers_asked(user)) == 3
    [skipped] = ended.of("escalation_skipped")
    assert (skipped["trigger"], skipped["limit"]) == ("disagreement", 0)
    assert (outcome(ended)["how"], outcome(ended)["approved"]) == ("vote", True)
    assert "the run's questions to the supervisor are used up" in outcome(ended)["detail"]


def test_a_tie_is_no_approval(stage: OpenStage) -> None:
    user = open_panel(stage, votes(1, 1), reviewers=2)

    ended = judge(user)

    assert ended.code == 0, ended.brief
    assert "(1 approved, 1 rejected: a tie is no approval)" in sent_back(ended)
    assert (outcome(ended)["how"], outcome(ended)["approved"]) == ("vote", False)


def test_a_reviewer_that_gives_no_verdict_is_named_and_the_others_decide(stage: OpenStage) -> None:
    nonsense = [
        always(says("It is a fine day."), model="strong", offers="review", turn=turn, times=1) for turn in (0, 1)
    ]
    user = open_panel(stage, [*nonsense, *votes(2, 0)])

    ended = judge(user)

    assert ended.code == 0, ended.brief
    [missing] = ended.of("review_given", missing=True)
    assert missing["reasons"] == ["it ended in plain text"]
    assert verdicts(ended) == [True, True]
    assert not ended.of("conflict_found")


def test_without_any_verdict_it_is_rejected(stage: OpenStage) -> None:
    silent = always(says("It is a fine day."), model="strong", offers="review")
    user = open_panel(stage, [silent], max_attempts=1)

    ended = judge(user)

    assert ended.code == 1, ended.brief
    [failed] = ended.of("task_changed", state="failed")
    assert "(0 approved, 0 rejected, 3 gave no verdict)" in failed["detail"]
    assert "reviewer_2 gave no verdict: it ended in plain text" in failed["detail"]


def test_whoever_is_late_is_stopped_when_nobody_waits_for_all(stage: OpenStage) -> None:
    late = always(says("", barrier=held("late")), model="strong", offers="review", times=1)
    user = open_panel(stage, [gate("late"), late, *votes(2, 0)], team="wait_for_all: false")

    ended = judge(user)

    assert ended.code == 0, ended.brief
    [missing] = ended.of("review_given", missing=True)
    assert missing["reasons"] == ["it was not waited for: the others had decided"]
    assert verdicts(ended) == [True, True]
    [cut] = ended.of("model_call_failed")
    assert (cut["agent"], cut["kind"], cut["task"]) == (missing["agent"], "interrupted", "T1")
    [reserved] = ended.of("model_call_reserved", call=cut["call"])
    assert Decimal(cut["usd"]) == Decimal(reserved["usd"]) > 0
    assert not ended.of("conflict_found")
    assert user.read("a.txt") == "the word\n"


def test_whoever_is_late_is_waited_for_as_a_rule(stage: OpenStage) -> None:
    late = always(calls("review", verdict="reject", reasons=[BAD]).model_copy(update={"barrier": held("late")}),
                  model="strong", offers="review", times=1)  # fmt: skip
    user = open_panel(stage, [gate("late"), late, *votes(2, 0)])

    process = user.start(*RUN, "--output", "stream-json", REQUEST)
    user.server.closed(3)  # the worker, and the two that are not late
    assert not user.repo.joinpath("a.txt").exists()
    user.open_gate("late")
    out, err = process.communicate(timeout=60)

    ended = Ended(process.returncode, out, err)
    assert ended.code == 0, ended.brief
    assert verdicts(ended) == [False, True, True]
    assert [voice["reasons"] for voice in outcome(ended)["dissent"]] == [[BAD]]


def test_one_reviewer_after_the_other_ends_when_the_vote_is_certain(stage: OpenStage) -> None:
    user = open_panel(stage, votes(3, 0), team="parallel_execution: false; wait_for_all: false")

    ended = user.run(*RUN, "--verbose", REQUEST)

    assert ended.code == 0, ended.brief
    assert len(reviewers_asked(user)) == 2
    assert user.server.peak["strong"] == 1
    assert "reviewer_2 T1 approves the change" in ended.out
    assert "reviewer_3 T1 gave no verdict: it was not waited for: the others had decided" in ended.out


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_ends_after_two_of_three_verdicts_asks_only_the_third(stage: OpenStage, how: signal.Signals) -> None:
    dying = always(says("", barrier=held("dying")), model="strong", offers="review", times=1)
    user = open_panel(stage, [dying, *votes(1, 1)])

    process = user.start(*RUN, "--output", "stream-json", REQUEST)
    given = 0
    assert process.stdout is not None
    while given < 2:
        given += json.loads(process.stdout.readline())["type"] == "review_given"
    os.killpg(process.pid, how)
    process.communicate()
    before = len(user.server.requests)
    ended = user.run("resume", "--yes", "--output", "stream-json")

    assert process.returncode == (-how if how is signal.SIGKILL else 130)
    assert ended.code == 0, ended.brief
    assert [("review" in one.tools) for one in user.server.requests[before:]] == [True]
    assert verdicts(ended) == [True]
    [found] = [event["conflict"] for event in ended.of("conflict_found")]
    assert sorted(voice["approved"] for voice in found["voices"]) == [False, True, True]
    assert (outcome(ended)["how"], outcome(ended)["approved"]) == ("vote", True)


def test_a_run_killed_while_the_supervisor_decides_asks_nobody_else_again(stage: OpenStage) -> None:
    dying = always(says("", barrier=held("dying")), model="strong", offers="review", first=[DIVIDED], times=1)
    rules = [dying, decides(calls("review", verdict="approve")), *votes(1, 2)]
    user = open_panel(stage, rules, team="escalation_policy: on_disagreement", max_run_escalations=1)

    process = user.start(*RUN, REQUEST)
    user.wait_for("strong", contains=DIVIDED)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before = len(user.server.requests)
    ended = user.run("resume", "--yes", "--output", "stream-json")

    assert ended.code == 0, ended.brief
    assert [DIVIDED in first_message(one) for one in user.server.requests[before:]] == [True]
    assert (outcome(ended)["how"], outcome(ended)["approved"]) == ("supervisor", True)
    assert not {"conflict_found", "escalation_asked", "escalation_skipped"} & set(ended.kinds())


def test_a_resumed_run_keeps_its_panel(stage: OpenStage) -> None:
    stuck = always(says("", barrier=held("stuck")), model="weak", offers="hand_in", times=1)
    user = open_panel(stage, [stuck, *votes(2, 1)])

    process = user.start(*RUN, REQUEST)
    user.wait_for("weak")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    user.configure({"orchestrator": {"review": "all", "reviewers": 1}})
    ended = user.run("resume", "--yes", "--output", "stream-json")

    assert ended.code == 0, ended.brief
    assert len(ended.of("review_given")) == 3


@pytest.mark.parametrize(
    ("reviewers", "team", "said"),
    [
        (6, "", "orchestrator.reviewers: expected a whole number from 1 to 5"),
        (0, "", "orchestrator.reviewers: expected a whole number from 1 to 5"),
        (3, "escalation_policy: poll", "expected one of 'vote', 'coordinator' or 'on_disagreement'"),
        (3, "wait_for_all: maybe", "wait_for_all: expected true or false"),
    ],
)
def test_a_panel_that_cannot_be_is_refused_with_what_can(
    stage: OpenStage, reviewers: int, team: str, said: str
) -> None:
    user = open_panel(stage, [], reviewers=reviewers, team=team)

    refused = judge(user)

    assert refused.code == 2, refused.brief
    assert said in refused.err
    assert len(refused.err.strip().splitlines()) == 2


def test_config_shows_the_panel_and_its_rules(stage: OpenStage) -> None:
    user = open_panel(stage, [], team="escalation_policy: coordinator; wait_for_all: false")

    shown = user.run("config-cmd").out

    rows = [" ".join(line.split()) for line in shown.splitlines()]
    for row in (
        "orchestrator.reviewers 3",
        "teams.coding.escalation_policy coordinator",
        "teams.coding.wait_for_all false",
    ):
        assert any(row in line for line in rows), shown


def test_one_reviewer_stays_the_supervisor(stage: OpenStage) -> None:
    user = open_panel(stage, votes(1, 0), reviewers=1, team="escalation_policy: coordinator; wait_for_all: false")

    ended = judge(user)

    assert ended.code == 0, ended.brief
    [given] = ended.of("review_given")
    assert (given["agent"], len(given["session"])) == ("supervisor", len("review.T1.1.") + 8)
    assert len(reviewers_asked(user)) == 1


def test_a_proposed_merge_is_judged_by_the_panel_too(stage: OpenStage) -> None:
    user = open_panel(stage, clash(merges("list.txt", BOTH), *votes(2, 1)), review="none")
    user.commit({"list.txt": LIST})

    ended = user.run("chat", "-M", "--plan", "always", "--yes", "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    assert all("# A proposed merge" in first_message(one) for one in reviewers_asked(user))
    assert verdicts(ended) == [False, True, True]
    resolved = {event["conflict"]: (event["how"], event.get("approved")) for event in ended.of("conflict_resolved")}
    assert list(resolved.values()) == [("vote", True), ("proposal", None)]
    assert user.read("list.txt") == BOTH


def test_what_one_reviewer_may_not_spend_keeps_the_verdict_of_the_other(stage: OpenStage) -> None:
    dear = calls("review", verdict="approve").model_copy(update={"usage": ScriptedUsage(input=6000, output=1000)})
    user = open_panel(stage, [always(dear, model="strong", offers="review", times=1), *votes(1, 0)], reviewers=2)
    panel = {"orchestrator": {"review": "all", "reviewers": 2}}
    user.configure({**panel, "llm": {"max_tokens": 1000, "limits": {"task": "0.10"}}})

    paused = judge(user)
    user.configure(panel)
    ended = user.run("resume", "--yes", "--output", "stream-json")

    assert paused.code == 3, paused.brief
    assert paused.of("budget_reached")[0]["account"] == "task T1"
    assert verdicts(paused) == [True]
    assert ended.code == 0, ended.brief
    assert verdicts(ended) == [True]
    assert len(reviewers_asked(user)) == 2


def test_a_provider_that_refuses_one_reviewer_pauses_the_run_when_the_others_have_been_heard(stage: OpenStage) -> None:
    refused = always(fails(401, "no such key"), model="strong", offers="review", times=1)
    user = open_panel(stage, [refused, *votes(1, 1)])

    paused = judge(user)
    ended = user.run("resume", "--yes", "--output", "stream-json")

    assert paused.code == 4, paused.brief
    assert verdicts(paused) == [False, True]
    assert ended.code == 0, ended.brief
    assert verdicts(ended) == [True]
    assert len(reviewers_asked(user)) == 4


def test_a_reviewer_that_takes_too_long_gives_no_verdict(stage: OpenStage) -> None:
    silent = always(ScriptedReply(hang=True), model="strong", offers="review", times=1)
    user = open_panel(stage, [silent, *votes(2, 0)], team="timeout_per_agent_seconds: 2")

    ended = judge(user)

    assert ended.code == 0, ended.brief
    [missing] = ended.of("review_given", missing=True)
    assert missing["reasons"] == ["the attempt took longer than 2 s"]
    assert verdicts(ended) == [True, True]


def landed(process: "subprocess.Popen[str]", name: str) -> None:
    """Read on until the task is on the branch."""
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["type"] == "merge_landed" and event.get("task") == name:
            return
    raise AssertionError(f"{name} never landed")


def test_a_review_that_may_wait_for_a_person_holds_up_nobody(stage: OpenStage) -> None:
    def both_held(name: str) -> list[Rule]:
        barrier = Barrier(name=name, parties=3)
        return [gives("approve", barrier=barrier, times=2), always(says("open", barrier=barrier), model=f"gate-{name}")]

    def edit(name: str, old: str, **reply: Any) -> tuple[ScriptedReply, ...]:
        change = call("edit_file", path="list.txt", old_text=old, new_text=word_of(name))
        return says("", call("read_file", path="list.txt")), says("", change, hands_in(), **reply)

    in_list: dict[str, Any] = {"files": []}
    user = open_panel(
        stage,
        [
            plans(
                task("T1", check=f"grep {word_of('T1')} list.txt", critical=True, **in_list),
                task("T2", check=f"grep {word_of('T2')} list.txt", **in_list),
                task("T3"),
            ),
            *both_held("first"),
            *both_held("second"),
            worker("T1", *edit("T1", "1")),
            worker("T2", *edit("T2", "7", barrier=held("meanwhile"))),
            gate("meanwhile"),
            gate("third"),
            builds("T3").model_copy(
                update={"turns": (says("", writes("t3.txt", "T3-built\n"), hands_in(), barrier=held("third")),)}
            ),
        ],
        reviewers=2,
        review="critical",
        team="escalation_policy: on_disagreement",
    )
    user.commit({"list.txt": LIST})

    process = user.start("chat", "-M", "--plan", "always", "--yes", "--output", "stream-json", "build words")
    user.wait_for("strong", contains="Give your verdict", count=2)
    user.open_gate("meanwhile")
    landed(process, "T2")
    user.open_gate("first")
    user.wait_for("strong", contains="Give your verdict", count=4)
    user.open_gate("third")
    landed(process, "T3")
    user.open_gate("second")
    landed(process, "T1")
    process.communicate(timeout=60)

    assert process.returncode == 0
    assert len(reviewers_asked(user)) == 4
