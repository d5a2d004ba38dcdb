import signal
import subprocess
import sys
from pathlib import Path

import pytest

from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.run_view import RunView
from tests.demo.conftest import SECONDS, Played, environ_of

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("demo")]


def test_it_ends_well_and_every_claim_holds(played: Played) -> None:
    assert played.code == 0, played.out + played.err
    seen = played.out.partition("== What was seen ==\n")[2].split("\n\n")[0].splitlines()
    assert len(seen) == 11
    assert all(line.startswith("  + ") for line in seen)
    assert played.err == ""


def test_it_says_first_and_last_that_no_real_model_is_called(played: Played) -> None:
    words = "The models of this demo are SCRIPTED: no real model is called, and nothing leaves this machine."

    lines = played.out.splitlines()

    assert words in lines[:4]
    assert words in lines[-3:]


def test_it_connects_to_the_loopback_and_looks_up_no_name(played: Played) -> None:
    hosts = {address[0] for event, address in played.connections if event == "socket.connect" and address}

    assert hosts == {"127.0.0.1"}
    assert {str(host) for event, host in played.connections if event == "socket.getaddrinfo"} <= {"127.0.0.1"}


def test_the_user_s_home_and_folder_stay_as_they_were(played: Played) -> None:
    assert list(played.user_home.iterdir()) == []
    assert {path.name for path in played.user_home.parent.iterdir()} == {"home", "tmp", "connections"}
    assert "sk-not-for-the-demo" not in played.out


def test_the_planner_asks_and_the_played_answers_are_shown(played: Played) -> None:
    assert "planner asks: What happens when more is taken out than is there?" in played.out
    assert "answered: Refuse it and change nothing" in played.out
    assert played.out.count("planner asks: ") == played.out.count("answered: ") == 2


def test_the_three_documents_have_no_faults_and_the_plan_no_gaps(view: RunView) -> None:
    assert set(view.documents) == {"requirements", "design", "todos"}
    assert [document.problems for document in view.documents.values()] == [(), (), ()]
    assert view.gaps == ()


def test_six_tasks_are_done_in_the_order_of_their_needs_each_with_a_receipt(view: RunView) -> None:
    assert view.plan is not None
    assert [task.id for task in view.plan.tasks if not task.needs] == ["T1", "T2"]
    assert view.plan.task(view.plan.tasks[-1].id).needs == ("T3", "T4", "T5")
    assert [task.state for task in view.tasks.values()] == [TaskState.DONE] * 6
    for task in view.plan.tasks:
        done = view.tasks[task.id]
        assert done.receipt is not None
        assert done.receipt.commit == done.commit
        assert [check.exit_code for check in done.receipt.checks][:1] == [0]
        assert done.started is not None
        promised = {point.producer for point in view.plan.consumed_by(task.id)}
        ended = [view.tasks[need].ended for need in task.needs if need not in promised]
        assert all(end is not None and end <= done.started for end in ended)


def test_a_consumer_begins_on_the_contract_and_lands_after_its_producer(view: RunView) -> None:
    producer, consumer = view.tasks[TaskId("T2")], view.tasks[TaskId("T4")]
    landed = [landing.task for landing in view.landings]

    assert producer.ended is not None
    assert consumer.started is not None
    assert consumer.started < producer.ended
    assert landed.index(producer.id) < landed.index(consumer.id)


def test_one_task_is_sent_back_with_the_reason_of_its_check(view: RunView) -> None:
    again = [task for task in view.tasks.values() if task.history]

    assert [(task.id, task.attempt) for task in again] == [("T3", 2)]
    ((number, reason, detail),) = again[0].history
    assert (number, reason) == (1, "check_failed")
    assert "test_an_item_at_its_reorder_level_is_short" in detail


def test_one_worker_asks_the_supervisor_and_one_result_is_reviewed(view: RunView) -> None:
    ((asked, answered),) = view.escalations
    reviews = sorted((str(review.task), review.approved) for review in view.reviews.values())

    assert (asked.task, asked.automatic) == ("T2", False)
    assert answered is not None
    assert answered.answer.startswith("One line per append")
    assert reviews == [("T2", True), ("T5", True)]


def test_the_money_is_split_by_model_and_stays_under_the_budget(played: Played, view: RunView) -> None:
    assert view.options.budget is not None
    assert 0 < view.spent < view.options.budget
    assert {row.model for row in view.ledger.values()} == {"scripted-demo/strong", "scripted-demo/weak"}
    assert "of $2.00\n  scripted-demo/strong  $" in played.out


def test_the_repository_that_stays_is_clean_and_passes_its_tests(played: Played) -> None:
    subjects = played.run("git", "log", "--format=%s").splitlines()

    assert played.run("git", "status", "--porcelain") == ""
    assert sorted(subject[:3] for subject in subjects if subject[0] == "T") == [
        "T1:",
        "T2:",
        "T3:",
        "T4:",
        "T5:",
        "T6:",
    ]
    assert "FAILED" not in played.run(sys.executable, "-m", "unittest", "discover", "-s", "tests", "-t", ".")
    assert played.run("git", "fsck", "--strict", "--no-dangling") == ""
    assert len(played.run("git", "worktree", "list").splitlines()) == 1


def test_its_todos_are_all_ticked(played: Played) -> None:
    todos = (played.checkout / "docs/todos.md").read_text()

    assert todos.count("- [x]") == 17
    assert "- [ ]" not in todos


def test_the_command_it_prints_opens_the_log_of_its_run(played: Played) -> None:
    command = played.out.splitlines()[-1].removeprefix("The run's log: ")

    shown = played.run("/bin/sh", "-c", command.replace("equitrcoder", f"{sys.executable} -m equitr_coder"))

    assert "6/6 tasks done (100.0%)" in shown


def test_ctrl_c_ends_it_at_once_and_says_where_it_stopped(tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "equitr_coder", "demo"],
        cwd=tmp_path,
        env=environ_of(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert demo.stdout is not None
    for line in demo.stdout:
        if "T2 Journal: journal_worker starts" in line:
            break
    demo.send_signal(signal.SIGINT)
    out, err = demo.communicate(timeout=SECONDS)

    (folder,) = (tmp_path / "tmp").glob("equitr-demo-*")
    assert demo.returncode == 130
    assert out.endswith(f"The demo did not reach its end. What there is stands in {folder}\n")
    assert err.startswith("error: interrupted\n")
