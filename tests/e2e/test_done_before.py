"""A task that hands in no change: accepted when its check proves that earlier work has done it, else sent back."""

from typing import Any

from equitr_coder.testing.script import always, says
from tests.e2e.conftest import OpenStage, Stage
from tests.e2e.scenes import builds, file_of, first_message, hands_in, plans, task, word_of, worker, writes

RUN = ("chat", "-M", "--plan", "always", "--yes", "--output", "json", "build words")


def both() -> list[dict[str, Any]]:
    return [task("T1", files=["t1.txt", "t2.txt"]), task("T2", needs=("T1",))]


def hands_in_nothing(name: str, summary: str = "it was there") -> Any:
    return always(says("", hands_in(summary)), model="weak", offers="hand_in", first=[word_of(name)])


def subjects(user: Stage) -> list[str]:
    return user.git("log", "--format=%s", "main").splitlines()


def test_a_task_that_earlier_work_has_done_gets_its_receipt_on_that_work(stage: OpenStage) -> None:
    t1_does_both = says(
        "", writes(file_of("T1"), "T1-built\n"), writes(file_of("T2"), "T2-built\n"), hands_in("both are there")
    )
    user = stage([plans(*both()), worker("T1", t1_does_both), hands_in_nothing("T2")])

    played = user.run(*RUN[:-2], "stream-json", RUN[-1])
    ended = user.run("epic", "status", "epic-001", "--output", "json")

    assert played.code == ended.code == 0, played.brief
    assert [event.get("task") for event in played.of("merge_landed", target="equitr/epic-001")] == ["T1", None]
    t2 = ended.task("T2")
    assert (t2["state"], t2["attempts"]) == ("done", 1)
    assert t2["detail"].startswith("No change of its own: done by earlier work")
    assert "it was there" in t2["detail"]
    [check] = t2["receipt"]["checks"]
    assert check["command"] == f"grep {word_of('T2')} {file_of('T2')}"
    assert t2["receipt"]["commit"] == ended.task("T1")["receipt"]["commit"]
    assert t2["receipt"]["tree"] == ended.task("T1")["receipt"]["tree"]
    assert [subject for subject in subjects(user) if subject[0] == "T"] == ["T1: title of T1"]
    assert "- [x]" in user.read("docs/todos.md")
    assert "- [ ]" not in user.read("docs/todos.md")


def test_a_check_that_passed_before_the_epic_proves_nothing_about_it(stage: OpenStage) -> None:
    t2 = task("T2", check_reason="it may be there")
    user = stage([plans(task("T1"), t2), builds("T1"), hands_in_nothing("T2")])
    user.commit({"t2.txt": "T2-built\n"}, "it is there already")

    ended = user.run(*RUN)

    assert ended.code == 1, ended.brief
    t2 = ended.task("T2")
    assert (t2["state"], t2["reason"], t2["receipt"]) == ("failed", "no_change", None)
    told = next(first_message(request) for request in reversed(user.asked("weak")) if word_of("T2") in str(request))
    assert "passes on the files that the work began with as well, so it proves nothing" in told


def test_an_empty_hand_in_whose_check_fails_is_sent_back_with_its_output(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2", check="echo nothing here; test -e t2.txt")), builds("T1"),
                  builds("T2", first=["nothing was changed, and it is not done", "nothing here"]),
                  hands_in_nothing("T2")])  # fmt: skip

    ended = user.run(*RUN)

    assert ended.code == 0, ended.brief
    assert ended.task("T2")["attempts"] == 2


def test_without_a_check_an_empty_hand_in_is_never_done(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2", check=None)), builds("T1"), hands_in_nothing("T2")])

    ended = user.run(*RUN)

    assert ended.code == 1, ended.brief
    t2 = ended.task("T2")
    assert (t2["state"], t2["reason"], t2["receipt"]) == ("failed", "no_change", None)
