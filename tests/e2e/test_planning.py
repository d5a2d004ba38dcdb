import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from equitr_coder.testing.script import ScriptedCall, ScriptedReply, always, call, calls, rule, says
from tests.e2e.conftest import OpenStage, Stage
from tests.e2e.scenes import (
    DESIGN,
    REQUIREMENTS,
    advises,
    builds,
    documents,
    fails_with,
    first_message,
    gate,
    hands_in,
    held,
    plan_of,
    plans,
    rewrites,
    task,
    tool_results,
    word_of,
    worker,
    writes,
)

PLANNED = ("chat", "-M", "--plan", "always", "--yes")
PLANNER: dict[str, Any] = {"model": "strong", "offers": "submit_plan"}


def assert_untouched(user: Stage, start: str) -> None:
    assert user.tip() == start
    assert user.git("status", "--porcelain") == ""
    assert user.git("for-each-ref", "--format=%(refname)").splitlines() == ["refs/heads/main"]
    assert not (user.repo / "docs").exists()


def test_the_planner_gets_the_request_verbatim(stage: OpenStage) -> None:
    request = "Build «words».\n\n  - indented & <tagged>\n\t- with a tab, 日本語 and `code` {braces} %s\n\nThat is all."
    user = stage([plans(task("T1"), task("T2")), builds("T1"), builds("T2")])

    ended = user.run(*PLANNED, request)

    assert ended.code == 0, ended.brief
    assert first_message(user.asked("strong")[0]).startswith(request)


def test_questions_are_asked_one_at_a_time_and_answers_reach_the_planner(stage: OpenStage) -> None:
    user = stage(
        [
            rule(
                calls("ask_user", question="Which broker?", options=["RabbitMQ", "Kafka"]),
                says("And who may log in?"),
                says("", *documents(), plan_of(task("T1"), task("T2"))),
                **PLANNER,
            ),
            builds("T1"),
            builds("T2"),
        ]
    )

    with user.terminal("chat", "-M", "--plan", "always", "build a shop") as terminal:
        terminal.expect("Which broker?")
        terminal.expect("Kafka")
        assert "who may log in" not in terminal.screen
        terminal.answer("RabbitMQ, please")
        terminal.expect("And who may log in?")
        terminal.answer("everybody with a JWT")
        terminal.expect("Planning conversation complete!")
        terminal.expect("review>")
        assert not user.asked("weak")
        terminal.answer("approve", prompt="")
        code = terminal.wait()

    assert code == 0, terminal.screen
    second, third = (json.dumps(request.messages) for request in user.asked("strong")[1:])
    assert "RabbitMQ, please" in second
    assert "RabbitMQ, please" in third
    assert "everybody with a JWT" in third
    assert user.read("t1.txt") == "T1-built\n"


ASKED = ("Which message broker?", "How do users log in?", "How is it deployed?")


def test_what_the_user_said_stands_in_the_documents(stage: OpenStage) -> None:
    requirements = REQUIREMENTS + "\n## 5. Access\n- 5.1 log-in: {answer:log in?}\n"
    design = DESIGN + "\n## 9. Messages and deployment\nBroker: {answer:broker?}. Deployed so: {answer:deployed?}.\n"
    user = stage(
        [
            rule(
                calls("ask_user", question=ASKED[0], options=["Kafka", "RabbitMQ"]),
                says(ASKED[1]),
                calls("ask_user", question=ASKED[2]),
                says("", *documents(requirements=requirements, design=design), plan_of(task("T1"), task("T2"))),
                **PLANNER,
            ),
            builds("T1"),
            builds("T2"),
        ]
    )

    with user.terminal("chat", "-M", "--plan", "always", "build a shop") as terminal:
        for question, answer in zip(ASKED, ("2", "with a JWT", "by Helm"), strict=True):
            terminal.expect(question)
            terminal.answer(answer)
        terminal.answer("approve", prompt="review>")
        code = terminal.wait()

    assert code == 0, terminal.screen
    assert "left no trace" not in terminal.screen
    sent = json.dumps(user.asked("strong")[-1].messages)
    written = "\n".join(user.git("show", f"equitr/epic-001:docs/{name}.md") for name in ("requirements", "design"))
    for word in ("RabbitMQ", "JWT", "Helm"):
        assert word in sent
        assert word in written


def test_an_answer_without_a_trace_is_told_to_the_planner_once_and_shown_for_review(stage: OpenStage) -> None:
    user = stage(
        [
            rule(
                calls("ask_user", question=ASKED[0]),
                calls("ask_user", question=ASKED[1]),
                says("", *documents()),
                says("", *documents(design=DESIGN + "\nUsers show a JWT.\n")),
                says("", plan_of(task("T1"), task("T2"))),
                **PLANNER,
            )
        ]
    )

    with user.terminal("chat", "-M", "--plan", "always", "build a shop") as terminal:
        terminal.expect(ASKED[0])
        terminal.answer("RabbitMQ, please")
        terminal.expect(ASKED[1])
        terminal.answer("JWT")
        shown = terminal.expect("review>")
        terminal.answer("quit", prompt="")
        terminal.wait()

    assert "look at: your answer left no trace in the documents: RabbitMQ, please" in shown
    assert "JWT" not in shown.partition("Plan: ")[2]
    told = [text for text in tool_results(user.asked("strong")[-1]) if "neither document says it" in text]
    assert len(told) == 1
    assert "- RabbitMQ, please\n- JWT\n" in told[0]


def test_one_document_is_revised_and_the_other_stays(stage: OpenStage) -> None:
    wanted = "use SQLite instead"
    revised = DESIGN.replace("One text file a task.", "One SQLite file.")
    user = stage(
        [
            always(calls("write_document", name="design", content=revised), last=wanted, **PLANNER),
            always(says("It is revised."), contains=wanted, **PLANNER),
            plans(task("T1"), task("T2")),
            builds("T1"),
            builds("T2"),
        ]
    )

    with user.terminal("chat", "-M", "--plan", "always", "build words") as terminal:
        terminal.answer(f"revise design {wanted}", prompt="review>")
        terminal.answer("show design", prompt="review>")
        terminal.expect("One SQLite file.")
        terminal.answer("approve", prompt="review>")
        code = terminal.wait()

    assert code == 0, terminal.screen
    assert user.read("docs/design.md").endswith(revised)
    assert user.read("docs/requirements.md").endswith(REQUIREMENTS)
    assert all("One SQLite file." in first_message(request) for request in user.asked("weak"))


@pytest.mark.parametrize("moment", ["question", "review"])
def test_quitting_leaves_no_trace(stage: OpenStage, moment: str) -> None:
    user = stage(
        [
            rule(
                says("Which one?"),
                says("Which other?"),
                says("", *documents(), plan_of(task("T1"), task("T2"))),
                **PLANNER,
            )
        ]
    )
    start = user.tip()

    with user.terminal("chat", "-M", "--plan", "always", "build words") as terminal:
        terminal.expect("Which one?")
        terminal.answer("this one")
        terminal.expect("Which other?")
        if moment == "question":
            terminal.answer("/quit")
        else:
            terminal.answer("that one")
            terminal.answer("quit", prompt="review>")
        code = terminal.wait()

    assert code in (0, 1), terminal.screen
    assert "Traceback" not in terminal.screen
    assert not user.asked("weak")
    assert_untouched(user, start)


def test_the_plan_may_be_edited_by_hand(stage: OpenStage, tmp_path: Path) -> None:
    user = stage([plans(task("T1"), task("T2")), builds("T1"), builds("T2")])
    editor = tmp_path / "editor"
    # the first time it spoils the needs of T2, the second time it mends them and renames T1
    editor.write_text(
        "#!/bin/sh\n"
        f"if [ -e {tmp_path}/spoiled ]; then sed -i 's/Needs: T99/Needs: T1/; s/title of T1/a better name/' \"$1\"\n"
        f"else touch {tmp_path}/spoiled; sed -i '0,/^## T2/!s/^Needs: .*/Needs: T99/' \"$1\"; fi\n"
    )
    editor.chmod(0o755)
    user.environ["EDITOR"] = str(editor)

    with user.terminal("chat", "-M", "--plan", "always", "build words") as terminal:
        terminal.answer("edit todos", prompt="review>")
        told = terminal.expect(">")
        assert "T99" in told
        assert "line 1" in told  # 13, or so: below T1's block
        terminal.answer("yes", prompt="")
        terminal.answer("approve", prompt="review>")
        code = terminal.wait()

    assert code == 0, terminal.screen
    second = first_message(user.asked("weak")[1])
    assert "a better name" in first_message(user.asked("weak")[0])
    assert word_of("T2") in second  # it waited for T1, as the edited plan says
    assert "a better name" in user.read("docs/todos.md")


def test_with_nobody_to_ask_the_plan_is_saved_for_later(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2")), builds("T1"), builds("T2")])
    start = user.tip()

    ended = user.run("chat", "-M", "--plan", "always", "build words")

    assert ended.code == 5, ended.brief
    assert "epic-001" in ended.text
    assert all("ask_user" not in request.tools for request in user.server.requests)
    assert not user.asked("weak")
    assert_untouched(user, start)

    later = user.run("epic", "run", "epic-001", "--yes")

    assert later.code == 0, later.brief
    assert len(user.asked("strong")) == 1
    assert user.read("t2.txt") == "T2-built\n"


def test_a_malformed_plan_is_sent_back_with_the_error_quoted(stage: OpenStage) -> None:
    user = stage(
        [
            rule(
                says("", *documents(), ScriptedCall(name="submit_plan", raw='{"title": "Words", "tasks": [')),
                calls("submit_plan", title="Words", tasks=[{"id": "T1"}], sync_points=[]),
                says("", plan_of(task("T1"), task("T2"))),
                **PLANNER,
            ),
            builds("T1"),
            builds("T2"),
        ]
    )

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 0, ended.brief
    first, second, third = user.asked("strong")
    assert "JSON" in tool_results(second)[-1]
    assert "title" in tool_results(third)[-1]
    assert not tool_results(first)


def test_a_planner_that_only_writes_junk_ends_the_run(stage: OpenStage) -> None:
    user = stage(
        [always(says("", *documents(), ScriptedCall(name="submit_plan", raw='{"title": ')), **PLANNER)],
    )
    start = user.tip()

    ended = user.run(*PLANNED, "--output", "json", "build words")

    assert ended.code == 1, ended.brief
    assert ended.result["reason"] == "bad_plan"
    assert ended.result["tasks"] == []
    assert 2 <= len(user.server.requests) <= 10
    assert not user.asked("weak")
    assert_untouched(user, start)


def test_cycles_and_unknown_needs_are_refused_by_name(stage: OpenStage) -> None:
    circle = (task("T1", needs=("T3",)), task("T2", needs=("T1",)), task("T3", needs=("T2",)))
    user = stage(
        [
            rule(
                says("", *documents(), plan_of(*circle)),
                says("", plan_of(task("T1"), task("T2", needs=("T7",)))),
                says("", plan_of(task("T1"), task("T2"))),
                **PLANNER,
            ),
            builds("T1"),
            builds("T2"),
        ]
    )

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 0, ended.brief
    told = [tool_results(request)[-1] for request in user.asked("strong")[1:]]
    assert "cycle: " in told[0]
    path = re.findall(r"T\d", told[0].partition("cycle: ")[2].splitlines()[0])
    assert path[0] == path[-1]
    assert sorted(path[1:]) == ["T1", "T2", "T3"]
    assert "T7" in told[1]


def test_the_todo_list_is_grouped_and_numbered_through(stage: OpenStage) -> None:
    user = stage(
        [
            plans(
                task("T1", todos=["one", "two", "three"], priority="high"),
                task("T2", todos=["four", "five"], priority="low", needs=("T1",)),
                task("T3", todos=["six", "seven"], needs=("T1", "T2")),
            )
        ]
    )

    ended = user.run("epic", "create", "--output", "stream-json", "build words")

    [todos] = ended.of("document_written", name="todos")
    lines = todos["content"].splitlines()
    words = ("one", "two", "three", "four", "five", "six", "seven")
    assert [line for line in lines if line.startswith("- [")] == [
        f"- [ ] {number}. {word}" for number, word in enumerate(words, start=1)
    ]
    groups = [line for line in lines if line.startswith("## ")]
    assert ["High" in groups[0], "Low" in groups[1], "Medium" in groups[2]] == [True] * 3
    status = json.loads(user.run("epic", "status", "epic-001", "--output", "json").out)
    assert [row["needs"] for row in status["tasks"]] == [[], ["T1"], ["T1", "T2"]]


SERVICES = """# Design

## 1. Architecture
Two services.

## 2. Services
### User Service
- **Database**: PostgreSQL
- **Endpoints**: /users
- **Dependencies**: None

### Cart Service
- **Database**: Redis
- **Endpoints**: /cart
- **Dependencies**: User, Warehouse

## 3. Deployment
None.
"""


def test_missing_sections_are_told_to_the_planner(stage: OpenStage) -> None:
    without_speed = REQUIREMENTS.partition("## 3.")[0]
    without_database = SERVICES.replace("- **Database**: Redis\n", "").replace("Warehouse", "Nothing")
    user = stage(
        [
            rule(
                says("", *documents(requirements=without_speed, design=without_database)),
                says("", *documents(design=SERVICES)),
                says("", *documents(), plan_of(task("T1"), task("T2"))),
                **PLANNER,
            ),
            builds("T1"),
            builds("T2"),
        ]
    )

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 0, ended.brief
    requirements, design, _, services, *_ = tool_results(user.asked("strong")[-1])
    assert "non-functional" in requirements.lower()
    assert "Cart Service" in design
    assert "database" in design.lower()
    assert "Warehouse" in services


def test_gaps_are_shown_for_review(stage: OpenStage) -> None:
    requirements = """# Requirements

## 1. Overview
A shop.

## 2. Features
### 2.1 User Service
- 2.1.1 A user can register with an email address.
### 2.2 Telemetry Service
- 2.2.1 Every purchase is counted in a histogram.

## 3. Non-functional requirements
- 3.1 none
"""
    design = SERVICES.replace("User, Warehouse", "User").replace("Cart Service", "Telemetry Service")
    tasks = (
        task("T1", title="User Service", description="Build the User Service, 2.1.1: register with an email address."),
        task("T2", title="User Service pages", description="Pages of the User Service, 2.1.1."),
    )
    user = stage([rule(says("", *documents(requirements=requirements, design=design), plan_of(*tasks)), **PLANNER)])

    machine = user.run("epic", "create", "--output", "stream-json", "build a shop")
    person = user.run("epic", "create", "build a shop")

    gaps = "\n".join(machine.of("plan_submitted")[-1]["gaps"])
    assert "Telemetry" in gaps
    assert "2.2.1" in gaps
    assert "2.1.1" not in gaps
    assert "Telemetry" in person.out.partition("Plan: ")[2] or "2.2.1" in person.out


def test_a_question_with_nobody_to_answer_is_sent_back(stage: OpenStage) -> None:
    user = stage(
        [
            rule(says("Which one?"), says("", *documents(), plan_of(task("T1"), task("T2"))), **PLANNER),
            builds("T1"),
            builds("T2"),
        ]
    )

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 0, ended.brief
    assert user.asked("strong")[1].messages[-1]["role"] == "user"


def test_the_users_own_documents_are_not_overwritten(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2")), builds("T1"), builds("T2")])
    user.commit({"docs/design.md": "My own design.\n"})

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 0, ended.brief
    assert user.read("docs/design.md") == "My own design.\n"
    assert user.read("docs/equitr/design.md").endswith(DESIGN)
    assert "- [x] 1. create t1.txt" in user.read("docs/equitr/todos.md")


def a_file(user: Stage) -> None:
    user.commit({"docs": "a file\n"})


def a_link(user: Stage) -> None:
    user.write({"manual/index.md": "manual\n"})
    (user.repo / "docs").symlink_to("manual")
    user.commit({})


def an_untracked_link(user: Stage) -> None:
    (user.repo / "docs").symlink_to("nowhere")


def a_submodule(user: Stage) -> None:
    library = user.home / "library"
    user.git("init", "-q", str(library))
    user.git(
        "-C", str(library), "-c", "user.name=A", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x"
    )
    user.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "docs")
    user.git("commit", "-qm", "with a library")


def both_folders(user: Stage) -> None:
    user.commit({"docs/design.md": "mine\n", "docs/equitr/todos.md": "mine as well\n"})


@pytest.mark.parametrize("prepare", [a_file, a_link, an_untracked_link, a_submodule, both_folders])
def test_what_stands_where_the_documents_would_go_stays(stage: OpenStage, prepare: Callable[[Stage], None]) -> None:
    user = stage([plans(task("T1"), task("T2")), builds("T1"), builds("T2")])
    prepare(user)
    start, status = user.tip(), user.git("status", "--porcelain")

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 0, ended.brief
    assert user.git("diff", "--name-only", "--diff-filter=MDTUX", start, "equitr/epic-001") == ""
    assert user.git("status", "--porcelain") == status
    assert user.read("equitr-docs/design.md").endswith(DESIGN)
    assert "- [x] 1. create t1.txt" in user.read("equitr-docs/todos.md")
    assert user.run("replay", "epic-001").code == 0


def test_older_plans_are_archived(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1"), task("T2"), title="First words", first="first project"),
            plans(task("T3"), task("T4"), title="Second words", first="second project"),
            *map(builds, ("T1", "T2", "T3", "T4")),
        ]
    )

    first = user.run(*PLANNED, "the first project")
    second = user.run(*PLANNED, "the second project")

    assert first.code == 0, first.brief
    assert second.code == 0, second.brief
    assert "First words" in user.read("docs/archive/epic-001/todos.md")
    assert "Second words" in user.read("docs/todos.md")
    assert user.git("status", "--porcelain") == ""


def test_an_epic_is_created_shown_and_run_by_three_processes(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2", needs=("T1",))), builds("T1"), builds("T2")])

    created = user.run("epic", "create", "build words")
    assert created.code in (0, 5), created.brief
    assert "epic-001" in created.out

    status = user.run("epic", "status", "epic-001")
    assert status.code == 0, status.brief
    assert "Words" in status.out
    assert "0/2" in status.out
    assert "depends on: title of T1" in status.out.split("title of T2")[1]
    assert not user.asked("weak")

    ran = user.run("epic", "run", "epic-001", "--yes")
    assert ran.code == 0, ran.brief
    assert "2/2" in user.run("epic", "status", "epic-001").out
    assert "epic-002" in user.run("epic", "create", "build more words").out
    assert "epic-001" in user.run("epic", "list").out


LARGE = "Build a REST API with user accounts, a web frontend, payments and notifications."


def test_a_plan_of_too_few_tasks_is_sent_back_once_and_then_rejected(stage: OpenStage) -> None:
    two = says("", plan_of(task("T1"), task("T2")))
    three = says("", plan_of(task("T1"), task("T2"), task("T3")))
    user = stage(
        [
            rule(says("", *documents(), plan_of(task("T1"), task("T2"))), three, first="mended", **PLANNER),
            rule(says("", *documents(), plan_of(task("T1"), task("T2"))), two, **PLANNER),
        ],
        config={"collaboration": {"planning": {"min_subtasks": 3}}},
    )
    start = user.tip()

    mended = user.run("epic", "create", "--output", "json", "build words, mended")
    rejected = user.run("epic", "create", "--output", "json", "build words")

    assert mended.code == 0, mended.brief
    assert len(mended.result["tasks"]) == 3
    told = tool_results(user.asked("strong")[1])[-1]
    assert "2 tasks; at least 3 are wanted (collaboration.planning.min_subtasks)" in told
    assert rejected.code == 1, rejected.brief
    assert rejected.result["reason"] == "bad_plan"
    assert len(user.asked("strong")) == 4
    assert not user.asked("weak")
    assert_untouched(user, start)


def test_a_large_request_is_split_and_a_small_one_stays_one_task(stage: OpenStage) -> None:
    four = [task(f"T{number}") for number in range(1, 5)]
    user = stage(
        [
            rule(says("", *documents(), plan_of(task("T1"))), says("", plan_of(*four)), first=LARGE, **PLANNER),
            plans(task("T1"), first="fix the typo"),
        ]
    )

    large = user.run("epic", "create", "--output", "json", LARGE)
    small = user.run("epic", "create", "--output", "json", "fix the typo in README.md")

    assert len(large.result["tasks"]) == 4
    assert "1 task; at least 2 are wanted" in tool_results(user.asked("strong")[1])[-1]
    assert "- Tasks: 2 to 8.\n" in first_message(user.asked("strong")[0])
    assert len(small.result["tasks"]) == 1
    assert "or one, when one worker can do it all" in first_message(user.asked("strong")[2])


@pytest.mark.slow
def test_without_splitting_a_plan_is_one_task(stage: OpenStage) -> None:
    user = stage(
        [rule(says("", *documents(), plan_of(task("T1"), task("T2"))), says("", plan_of(task("T1"))), **PLANNER)],
        config={"collaboration": {"planning": {"auto_split": False}}},
    )

    created = user.run("epic", "create", "--output", "json", LARGE)

    assert created.code == 0, created.brief
    assert len(created.result["tasks"]) == 1
    assert "collaboration.planning.auto_split" in tool_results(user.asked("strong")[1])[-1]


@pytest.mark.slow
def test_with_collaboration_turned_off_epics_are_refused_by_the_key(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2"))])
    assert user.run("epic", "create", "build words").code == 0
    user.configure({"collaboration": {"enabled": False}})

    refused = [user.run("epic", "create", "build more"), user.run("epic", "run", "epic-001", "--yes")]

    for ended in refused:
        assert ended.code == 1, ended.brief
        assert "collaboration.enabled" in ended.err
        assert len(ended.err.strip().splitlines()) == 2
    assert len(user.server.requests) == 1


def test_work_out_of_order_is_sent_back_and_the_mended_plan_taken(stage: OpenStage) -> None:
    def shop(frontend: tuple[str, ...], tests: tuple[str, ...]) -> ScriptedCall:
        return plan_of(
            task("T1", title="Database", type="database"),
            task("T2", title="API", type="api", needs=("T1",)),
            task("T3", title="Frontend", type="frontend", needs=frontend),
            task("T4", title="Tests", type="tests", needs=tests),
        )

    user = stage([rule(says("", *documents(), shop((), ())), says("", shop(("T2",), ("T2", "T3"))), **PLANNER)])

    created = user.run("epic", "create", LARGE)
    status = json.loads(user.run("epic", "status", "--output", "json").out)

    assert created.code == 0, created.brief
    told = tool_results(user.asked("strong")[1])[-1]
    assert "T3 (frontend) may run before the API: let it need T2" in told
    assert "T4 (tests) needs no task, so it may run before what it tests" in told
    assert [row["needs"] for row in status["tasks"]] == [[], ["T1"], ["T2"], ["T2", "T3"]]


def test_requirements_without_a_task_are_sent_back_by_number(stage: OpenStage) -> None:
    requirements = REQUIREMENTS.replace("writes its word", "writes its word\n- 2.1.2 no task writes another word")
    half = plan_of(task("T1", covers=["2.1.1", "7.7.7"]), task("T2"))
    whole = plan_of(task("T1", covers=["2.1.1"]), task("T2", covers=["2.1.2"]))
    user = stage([rule(says("", *documents(requirements=requirements), half), says("", whole), **PLANNER)])

    created = user.run("epic", "create", "--output", "stream-json", "build words")

    assert created.code == 0, created.brief
    told = tool_results(user.asked("strong")[1])[-1]
    assert "no task covers requirement 2.1.2: no task writes another word" in told
    assert "task T1 covers 7.7.7, which is not a number in requirements.md" in told
    assert created.of("plan_submitted")[-1]["gaps"] == []


def test_what_a_task_claims_stands_in_its_todos_and_in_the_review_and_may_be_edited(
    stage: OpenStage, tmp_path: Path
) -> None:
    claims: dict[str, Any] = {
        "symbols": ["t1.txt::Word.first"],
        "resources": ["port:8080", "db:test"],
        "covers": ["2.1.1"],
        "check_reason": "the word may be there already",
    }
    user = stage([plans(task("T1", **claims), task("T2")), builds("T1"), builds("T2")])
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/^Resources: .*/Resources: `cpu`/' \"$1\"\n")
    editor.chmod(0o755)
    user.environ["EDITOR"] = str(editor)

    with user.terminal("chat", "-M", "--plan", "always", "build words") as terminal:
        terminal.answer("show T1", prompt="review>")
        shown = terminal.expect("review>")
        terminal.answer("edit todos", prompt="")
        terminal.answer("approve", prompt="review>")
        code = terminal.wait()

    assert code == 0, terminal.screen
    for words in ("t1.txt::Word.first", "port:8080, db:test", "covers  2.1.1", "the word may be there already"):
        assert words in shown
    todos = user.read("docs/todos.md")
    for line in (
        "Check reason: the word may be there already",
        "Symbols: `t1.txt::Word.first`",
        "Resources: `cpu`",
        "Covers: 2.1.1",
    ):
        assert line in todos.splitlines()


TREE = DESIGN.replace(
    "One text file a task.",
    "The tree:\n\n```\nwords/\n├── docs/\n│   └── design.md\n├── services/\n│   ├── one/\n│   └── two/\n"
    "└── README.md\n```",
)


@pytest.mark.parametrize("is_whole", [True, False])
def test_what_the_design_names_and_nobody_made_is_named_at_the_end(stage: OpenStage, is_whole: bool) -> None:
    second = "services/two/t2.txt" if is_whole else "t2.txt"
    tasks = (
        task("T1", files=["services/one/**"], check="grep T1-built services/one/t1.txt"),
        task("T2", files=[second], check=f"grep T2-built {second}"),
    )
    user = stage(
        [
            rule(says("", *documents(design=TREE), plan_of(*tasks)), **PLANNER),
            builds("T1", file="services/one/t1.txt"),
            builds("T2", file=second),
        ]
    )

    created = user.run("epic", "create", "build words")
    ended = user.run("epic", "run", "epic-001", "--yes", "--output", "json" if is_whole else "text")

    assert created.code == 0, created.brief
    assert ended.code == 0, ended.brief
    if is_whole:
        assert ended.result["missing_paths"] == []
    else:
        assert "the design names, but nothing made: services/two/" in ended.out


def test_the_status_of_an_epic_tells_who_is_at_work_and_what_waits_for_what(stage: OpenStage) -> None:
    tasks = [
        task("T1", title="Database Schema", specialization="database"),
        task("T2", title="API Routes", specialization="backend", needs=("T1",)),
        task("T3", title="Frontend Forms", specialization="frontend", needs=("T2",)),
        task("T4", title="Tests", specialization="qa", type="tests", needs=("T2", "T3")),
    ]
    points = [
        {"id": "S1", "type": "types", "description": "Schema types", "producer": "T1", "consumers": ["T2"]},
        {"id": "S2", "type": "contracts", "description": "API contract", "producer": "T2", "consumers": ["T3"]},
    ]
    plan = call("submit_plan", title="Build Authentication System", tasks=tasks, sync_points=points)
    patient = held("T3").model_copy(update={"timeout": 90.0})
    slow = worker("T3", says("", writes("t3.txt", "T3-built\n"), hands_in(), barrier=patient))
    user = stage(
        [rule(says("", *documents(), plan), **PLANNER), *map(builds, ("T1", "T2", "T4")), slow, gate("T3")],
        config={"orchestrator": {"review": "none"}},
    )
    planned = user.run("epic", "create", "Build user authentication")
    process = user.start("epic", "run", "epic-001", "--yes")
    user.wait_for("weak", contains=word_of("T3"))

    text = user.run("epic", "status", "epic-001").out
    data = json.loads(user.run("epic", "status", "epic-001", "--output", "json").out)
    user.open_gate("T3")
    process.communicate()
    after = json.loads(user.run("epic", "status", "--output", "json").out)

    assert "epic-001" in planned.out
    lines = [line.strip() for line in text.splitlines()]
    assert "2/4 tasks done (50.0%)" in text
    assert "T1 Database Schema (database_worker) - + DONE" in lines
    assert "T2 API Routes (backend_worker) - + DONE" in lines
    assert "T3 Frontend Forms (frontend_worker) - > WORKING" in lines
    assert "T4 Tests (qa_worker) - . WAITING" in lines
    assert [line for line in lines if line.startswith("depends on:")] == ["depends on: Frontend Forms"]
    assert lines.index("depends on: Frontend Forms") == lines.index("T4 Tests (qa_worker) - . WAITING") + 1
    assert [line.split(" (")[0] for line in lines[-2:]] == ["S1 Schema types", "S2 API contract"]
    assert (data["id"], data["title"]) == ("epic-001", "Build Authentication System")
    assert data["description"] == "Build user authentication"
    assert (data["status"], data["progress"], data["done"], data["total"]) == ("working", 50.0, 2, 4)
    assert [(row["id"], row["state"], row["needs"]) for row in data["tasks"]] == [
        ("T1", "done", []),
        ("T2", "done", ["T1"]),
        ("T3", "working", ["T2"]),
        ("T4", "waiting", ["T2", "T3"]),
    ]
    for point, given in zip(data["sync_points"], points, strict=True):
        assert point.items() >= (given | {"epic": "epic-001"}).items()
        assert point["status"] in ("pending", "produced", "consumed")
    assert (after["status"], after["progress"]) == ("completed", 100.0)


def test_an_epic_is_failed_when_a_task_cannot_finish_and_complete_when_all_are_done(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1"), task("T2", needs=("T1",)), task("T3")),
            worker("T1", says("", *rewrites("t1.txt", "T1-built\n"), hands_in()), first=["Attempt 1"]),
            advises(),
            fails_with("T1"),
            builds("T2"),
            builds("T3"),
        ],
        config={"orchestrator": {"max_attempts": 1}},
    )

    failed = user.run(*PLANNED, "build words")
    then = json.loads(user.run("epic", "status", "--output", "json").out)
    mended = user.run("resume", "epic-001", "--yes")
    now = json.loads(user.run("epic", "status", "--output", "json").out)

    assert failed.code == 1, failed.brief
    assert (then["status"], then["progress"]) == ("failed", 33.3)
    assert [row["state"] for row in then["tasks"]] == ["failed", "blocked", "done"]
    assert mended.code == 0, mended.brief
    assert (now["status"], now["progress"]) == ("completed", 100.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("status", "nope"), "there is no epic 'nope'"),
        (("status",), "there are no epics in this workspace"),
        (("run",), "missing argument 'EPIC'"),
        (("create",), "missing argument"),
        (("status", "--nope"), "there is no option --nope"),
    ],
)
def test_an_unknown_epic_a_missing_argument_and_a_bad_flag_are_two_lines(
    stage: OpenStage, arguments: tuple[str, ...], said: str
) -> None:
    user = stage([])

    refused = user.run("epic", *arguments)

    assert refused.code == 2, refused.brief
    assert said in refused.err
    assert len(refused.err.strip().splitlines()) == 2


def team(user: Stage, rule: str) -> None:
    folder = user.equitr_home / "teams"
    folder.mkdir()
    (folder / "coding.yaml").write_text(f"coordination_rules:\n  {rule}\n")


def test_one_worker_at_a_time_goes_by_priority_when_the_team_says_so(stage: OpenStage) -> None:
    tasks = (task("T1", priority="low"), task("T2", priority="medium"), task("T3", priority="high"))
    user = stage([plans(*tasks), *map(builds, ("T1", "T2", "T3"))], config={"orchestrator": {"max_workers": 3}})
    team(user, "parallel_execution: false")

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    changes = [(event["task"], event["state"]) for event in ended.of("task_changed")]
    order = [(name, state) for name, state in changes if state in ("working", "done")]
    assert order == [(name, state) for name in ("T3", "T2", "T1") for state in ("working", "done")]


def test_the_time_of_the_team_goes_before_the_configured_one(stage: OpenStage) -> None:
    silent = worker("T1", ScriptedReply(hang=True))
    user = stage(
        [plans(task("T1"), task("T2")), silent, builds("T2")],
        config={"orchestrator": {"worker_timeout": 600, "max_attempts": 1}},
    )
    team(user, "timeout_per_agent_seconds: 1")

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")
    shown = user.run("config-cmd").out

    assert ended.code == 1, ended.brief
    assert ended.of("task_changed", task="T1", state="failed", reason="worker_timeout")
    assert ended.of("run_started")[0]["options"]["worker_timeout"] == 1.0
    assert "teams.coding.timeout_per_agent_seconds" in shown


@pytest.mark.slow
def test_a_rule_that_no_team_has_yet_stops_the_run_before_it_starts(stage: OpenStage) -> None:
    user = stage([])
    team(user, "quorum: 2")

    refused = user.run(*PLANNED, "build words")

    assert refused.code == 2, refused.brief
    assert "teams/coding.yaml:2: coordination_rules.quorum: there is no such key" in refused.err
    assert "known here: parallel_execution, timeout_per_agent_seconds" in refused.err
