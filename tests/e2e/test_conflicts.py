import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from equitr_coder.testing.script import Barrier, Rule, ScriptedReply, always, call, rule, says
from tests.e2e.conftest import Ended, OpenStage, Stage
from tests.e2e.scenes import builds, first_message, gate, hands_in, held, plans, rewrites, task, word_of, worker, writes

PLANNED = ("chat", "-M", "--plan", "always", "--yes")
SAME_TIME = Barrier(name="same-time", parties=2)
LIST = "top\n\n1\n2\n3\n4\n5\n6\n7\n\nbottom\n"
NAMES = ("T1", "T2")
BOTH = LIST.replace("4", "T1-built T2-built")


def edits(name: str, path: str, old: str, new: str, **conditions: Any) -> Rule:
    """Read at the same time as the other worker, then edit and hand in."""
    return worker(
        name,
        ScriptedReply(calls=(call("read_file", path=path),), barrier=SAME_TIME),
        ScriptedReply(calls=(call("edit_file", path=path, old_text=old, new_text=new), hands_in()), barrier=SAME_TIME),
        **conditions,
    )


def merges(path: str, content: str, **conditions: Any) -> Rule:
    """The supervisor's session that merges."""
    return rule(
        says("", call("read_file", path=path)),
        says("", call("write_file", path=path, content=content), hands_in("kept both words")),
        **{"model": "strong", "offers": "hand_in"} | conditions,
    )


def reviews(verdict: str, *reasons: str) -> Rule:
    return always(says("", call("review", verdict=verdict, reasons=list(reasons))), model="strong", offers="review")


def clash(*more: Rule) -> list[Rule]:
    """Two tasks change the same line at the same time."""
    return [
        *more,
        plans(*(task(name, files=[], check=f"grep {word_of(name)} list.txt") for name in NAMES)),
        *(edits(name, "list.txt", "4", word_of(name)) for name in NAMES),
    ]


def clashes(ended: Ended, *stages: str) -> list[dict[str, Any]]:
    """What was found, without what was only foreseen."""
    found = [event["conflict"] for event in ended.of("conflict_found")]
    return [conflict for conflict in found if conflict["stage"] in (stages or ("merge", "check"))]


def only(ended: Ended, kind: str, **fields: Any) -> dict[str, Any]:
    [found] = ended.of(kind, **fields)
    return found


def test_the_supervisor_merges_a_clash_and_the_reviewer_accepts(stage: OpenStage) -> None:
    user = stage(clash(merges("list.txt", BOTH), reviews("approve")))
    user.commit({"list.txt": LIST})

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    [found] = clashes(ended)
    assert sorted(found["tasks"]) == ["T1", "T2"]
    assert found["paths"] == ["list.txt"]
    assert only(ended, "conflict_resolved")["how"] == "proposal"
    merging = next(request for request in user.asked("strong") if "hand_in" in request.tools)
    assert word_of("T1") in first_message(merging)
    assert word_of("T2") in first_message(merging)
    assert "<<<<<<<" in first_message(merging)
    assert user.read("list.txt") == BOTH
    assert ended.of("merge_rejected") == []
    assert "<<<<<<<" not in user.git("log", "-p", "main")


@pytest.mark.parametrize("step", [1, 2])
def test_a_run_killed_while_the_supervisor_merges_goes_on_where_it_was(stage: OpenStage, step: int) -> None:
    replies = [
        says("", call("read_file", path="list.txt")),
        says("", call("write_file", path="list.txt", content=BOTH)),
        says("", hands_in("kept both words")),
    ]
    dying = ScriptedReply(calls=replies[step].calls, barrier=held("dying"))
    user = stage(
        clash(
            gate("dying"),
            rule(*replies[:step], dying, model="strong", offers="hand_in", times=step + 1),
            rule(*replies, model="strong", offers="hand_in"),
            reviews("approve"),
        )
    )
    user.commit({"list.txt": LIST})
    process = user.start(*PLANNED, "build words")
    user.wait_for("strong", contains="does not merge with", count=step + 1)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before = [json.dumps(request.body) for request in user.server.requests]

    ended = user.run("resume", "--yes", "--output", "stream-json")

    assert ended.code == 0, ended.brief
    assert user.read("list.txt") == BOTH
    after = [json.dumps(request.body) for request in user.server.requests[len(before) :]]
    assert len([body for body in after if body in before]) == 1, "only the unfinished call is made again"
    assert [event["state"] for event in ended.of("conflict_changed")] == ["proposed"]


def test_a_proposed_merge_that_is_turned_down_reopens_the_task(stage: OpenStage) -> None:
    mends = (
        says("", call("read_file", path="list.txt")),
        says("", call("write_file", path="list.txt", content=BOTH), hands_in()),
    )
    user = stage(
        [
            *(worker(name, *mends, first=["the other word is gone"]) for name in NAMES),
            *clash(
                merges("list.txt", LIST.replace("4", "T1-built T2-built but spoilt")),
                reviews("reject", "list.txt:6 the other word is gone"),
            ),
        ]
    )
    user.commit({"list.txt": LIST})

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    assert only(ended, "merge_rejected")["reason"] == "merge_conflict"
    assert [event["state"] for event in ended.of("conflict_changed")] == ["proposed", "open"]
    assert only(ended, "conflict_resolved")["how"] == "worker"
    assert user.read("list.txt") == BOTH


def test_a_person_at_a_terminal_accepts_the_proposed_merge(stage: OpenStage) -> None:
    user = stage(clash(merges("list.txt", BOTH)))
    user.commit({"list.txt": LIST})

    with user.terminal("chat", "-M", "--plan", "always", "build words") as terminal:
        terminal.answer("approve", prompt="review>")
        terminal.expect("+T1-built T2-built", timeout=60)
        terminal.answer("once", prompt="allow>")
        code = terminal.wait(timeout=60)

    assert code == 0, terminal.screen
    assert "proposes a merge and asks for your yes" in terminal.screen
    assert "once   take this merge" in terminal.screen
    assert user.read("list.txt") == BOTH


def in_manual(stage: OpenStage, *rules: Rule, attempts: int = 3) -> tuple[Stage, Ended, Path]:
    """A run that stands still at a clash; with the folder the files lie in."""
    user = stage(
        [*rules, *clash()],
        config={
            "collaboration": {"conflict_resolution": {"mode": "manual"}},
            "orchestrator": {"max_workers": 2, "max_attempts": attempts},
        },
    )
    user.commit({"list.txt": LIST})
    ended = user.run(*PLANNED, "--output", "stream-json", "build words")
    return user, ended, Path(only(ended, "conflict_changed")["worktree"])


def test_in_manual_mode_nothing_merges_until_the_user_resolves(stage: OpenStage) -> None:
    user, ended, files = in_manual(stage)

    assert ended.code == 1, ended.brief
    paused = only(ended, "run_paused")
    assert paused["reason"] == "conflict_open"
    assert "equitrcoder conflict list" in paused["hint"]
    [escalated] = clashes(ended)
    second, landed = escalated["tasks"]
    assert f"<<<<<<< landed: {landed}\n" in (files / "list.txt").read_text()
    assert f">>>>>>> handed in: {second}\n" in (files / "list.txt").read_text()
    page = user.run("conflict", "show", "c1").out
    assert f"What has landed ({landed}):" in page
    assert "equitrcoder conflict resolve C1 --theirs" in page
    assert page.count(str(files)) == 1
    assert "T1 and T2" in user.run("conflict", "list").out or "T2 and T1" in user.run("conflict", "list").out
    assert "waits for you" in user.run("epic", "status", "epic-001").out
    status = json.loads(user.run("epic", "status", "epic-001", "--output", "json").out)
    [alert] = status["conflicts"]
    assert (alert["id"], alert["state"], alert["files"]) == ("C1", "escalated", ["list.txt"])

    early = user.run("conflict", "resolve", "C1")
    assert early.code == 2
    assert "markers are left in: list.txt" in early.err
    again = user.run("resume", "--yes")
    assert again.code == 1, again.brief

    (files / "list.txt").write_text(BOTH)
    resolved = user.run("conflict", "resolve", "C1")
    assert resolved.code == 0, resolved.brief
    assert "equitrcoder resume epic-001" in resolved.out
    asked = len(user.server.requests)
    ended = user.run("resume", "--output", "stream-json", "--yes")

    assert ended.code == 0, ended.brief
    assert len(user.server.requests) == asked
    assert ended.of("conflict_found") == []
    assert user.read("list.txt") == BOTH
    status = json.loads(user.run("epic", "status", "epic-001", "--output", "json").out)
    assert [(found["state"], found["how"]) for found in status["conflicts"]] == [("resolved", "user")]
    assert "Conflicts:" not in user.run("epic", "status", "epic-001").out


def test_one_side_of_a_conflict_can_be_taken_and_still_passes_the_gate(stage: OpenStage) -> None:
    user, ended, _ = in_manual(stage, attempts=1)
    landed = ended.of("task_changed", state="done")[0]["task"]
    second = "T1" if landed == "T2" else "T2"

    assert user.run("conflict", "resolve", "C1", "--theirs").code == 0
    ended = user.run("resume", "--output", "stream-json", "--yes")

    # The other's word is gone, which its check misses: green apart, red together, and again the user's to say.
    assert ended.code == 1, ended.brief
    assert [found["stage"] for found in clashes(ended)] == ["check"]
    assert only(ended, "run_paused")["reason"] == "conflict_open"
    assert user.git("show", "equitr/epic-001:list.txt") == LIST.replace("4", word_of(landed)).rstrip()

    files = Path(only(ended, "conflict_changed")["worktree"])
    assert user.run("resume", "--yes").code == 1, "it still waits"
    (files / "list.txt").write_text(BOTH)
    assert user.run("conflict", "resolve", "C2").code == 0
    ended = user.run("resume", "--output", "json", "--yes")

    assert ended.code == 0, ended.brief
    assert ended.task(second)["attempts"] == 1
    assert user.read("list.txt") == BOTH


def test_taking_what_has_landed_drops_the_task_and_its_check_says_so(stage: OpenStage) -> None:
    user, ended, _ = in_manual(stage, attempts=1)
    landed = ended.of("task_changed", state="done")[0]["task"]

    assert user.run("conflict", "resolve", "C1", "--ours").code == 0
    ended = user.run("resume", "--output", "json", "--yes")

    assert ended.code == 1, ended.brief
    second = ended.task("T1" if landed == "T2" else "T2")
    assert (second["state"], second["reason"]) == ("failed", "no_change")


def test_a_conflict_that_is_given_back_is_done_again_by_its_worker(stage: OpenStage) -> None:
    mends = (
        says("", call("read_file", path="list.txt")),
        says("", call("write_file", path="list.txt", content=BOTH), hands_in()),
    )
    user, _, _ = in_manual(stage, *(worker(name, *mends, first=["gave C1 back"]) for name in NAMES))

    aborted = user.run("conflict", "abort", "C1", "--output", "json")
    assert aborted.code == 0, aborted.brief
    assert (aborted.result["state"], aborted.result["how"]) == ("resolved", "aborted")
    ended = user.run("resume", "--yes")

    assert ended.code == 0, ended.brief
    assert user.read("list.txt") == BOTH
    with_file = next(r for r in user.asked("weak") if "gave C1 back" in first_message(r))
    assert "<<<<<<<" in json.dumps(user.asked("weak")[user.asked("weak").index(with_file) + 1].messages)


def test_two_sides_at_once_resolve_nothing(stage: OpenStage) -> None:
    user, _, _ = in_manual(stage)

    both = user.run("conflict", "resolve", "C1", "--ours", "--theirs")

    assert both.code == 2, both.brief
    assert both.err.splitlines() == [
        "error: --ours and --theirs say two things of C1",
        "hint: name one of them; nothing was resolved",
    ]
    assert "waits for you" in user.run("conflict", "list").out


@pytest.mark.parametrize(
    "arguments", [("conflict", "list"), ("conflict", "resolve", "C1"), ("resume",), ("runs",), ("chat", "merge it")]
)
def test_where_a_conflict_is_edited_is_no_workspace_and_the_workspace_is_named(
    stage: OpenStage, arguments: tuple[str, ...]
) -> None:
    user, _, files = in_manual(stage)
    asked = len(user.server.requests)

    there = user.run(*arguments, cwd=files)

    assert there.code == 2, there.brief
    assert there.err.splitlines() == [
        f"error: {files} is a worktree of epic-001, not a workspace",
        f"hint: give the command in {user.repo}, or name it with --repo",
    ]
    assert len(user.server.requests) == asked
    (files / "list.txt").write_text(BOTH)
    assert user.run("conflict", "resolve", "C1", "--repo", str(user.repo), cwd=files).code == 0


def test_conflicts_that_wait_in_two_runs_are_listed_with_commands_that_work(stage: OpenStage) -> None:
    user, _, _ = in_manual(stage)
    again = user.run(*PLANNED, "build words")
    assert again.code == 1, again.brief

    listed = user.run("conflict", "list").out

    commands = [line.partition("equitrcoder ")[2] for line in listed.splitlines() if "waits for you" in line]
    assert commands == [f"conflict resolve C1 --run {epic}" for epic in ("epic-002", "epic-001")]
    assert user.run("conflict", "resolve", "C1").code == 2, "which of the two?"
    for command in commands:
        assert user.run(*command.split(), "--theirs").code == 0


def test_a_single_marker_that_was_overlooked_is_found(stage: OpenStage) -> None:
    user, ended, files = in_manual(stage)
    second, landed = clashes(ended)[0]["tasks"]

    for left in (f"<<<<<<< landed: {landed}\n", f">>>>>>> handed in: {second}\n"):
        (files / "list.txt").write_text(BOTH.replace("5\n", f"{left}5\n"))
        early = user.run("conflict", "resolve", "C1")
        assert early.code == 2, early.brief
        assert "markers are left in: list.txt" in early.err

    (files / "list.txt").write_text(f"{BOTH}=======\n")  # a rule under a heading is none
    assert user.run("conflict", "resolve", "C1").code == 0


def folder_and_file(*more: Rule, mode: str) -> tuple[list[Rule], dict[str, Any]]:
    """One task makes a folder of a file that the other one edits."""
    commands = {
        "T1": "rm shape; mkdir shape; echo T1-built > shape/in; echo T1-built > t1.txt",
        "T2": "echo T2-built >> shape; echo T2-built > t2.txt",
    }
    rules = [
        *more,
        plans(*(task(name, files=[]) for name in NAMES)),
        *(
            worker(
                name,
                ScriptedReply(calls=(call("run_command", command=command), hands_in()), barrier=SAME_TIME),
                times=1,
            )
            for name, command in commands.items()
        ),
    ]
    config = {
        "collaboration": {"conflict_resolution": {"mode": mode}},
        "orchestrator": {"max_workers": 2, "max_attempts": 2},
    }
    return rules, config


def test_a_file_that_git_puts_beside_a_folder_is_not_taken_for_work(stage: OpenStage) -> None:
    rules, config = folder_and_file(mode="manual")
    user = stage(rules, config=config)
    user.commit({"shape": "a file\n"})
    ended = user.run(*PLANNED, "--output", "stream-json", "build words")
    files = Path(only(ended, "conflict_changed")["worktree"])
    [beside] = [path for path in files.iterdir() if path.name.startswith("shape~")]
    (files / "shape" / "in").write_text("T1-built\nT2-built\n")

    early = user.run("conflict", "resolve", "C1")
    beside.unlink()
    resolved = user.run("conflict", "resolve", "C1")
    ended = user.run("resume", "--yes")

    assert early.code == 2, early.brief
    assert f"{beside.name} is the shape of one side, put aside: use it for shape or not, and delete it" in early.err
    assert (resolved.code, ended.code) == (0, 0), ended.brief
    assert user.read("shape/in") == "T1-built\nT2-built\n"
    assert not list(user.repo.glob("shape~*"))


def test_the_supervisor_may_not_leave_what_git_put_beside_a_folder(stage: OpenStage) -> None:
    leaves = rule(says("", hands_in("both are there")), says("It stays."), model="strong", offers="hand_in")
    mends = call(
        "run_command", command="rm -f shape~*; test -d shape || { rm -f shape; mkdir shape; }; echo > shape/in"
    )
    rules, config = folder_and_file(leaves, reviews("approve"), mode="merge_review")
    user = stage(
        [
            *rules,
            *(
                worker(name, says("", mends), says("", hands_in()), first=["clashes with what others"])
                for name in NAMES
            ),
        ],
        config=config,
    )
    user.commit({"shape": "a file\n"})

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    assert not ended.of("conflict_resolved", how="proposal")
    assert not list(user.repo.glob("shape~*"))
    assert (user.repo / "shape").is_dir()


def test_other_tasks_go_on_while_a_conflict_waits(stage: OpenStage) -> None:
    user = stage(
        [
            plans(
                *(task(name, files=[], check=f"grep {word_of(name)} list.txt") for name in NAMES),
                task("T3", needs=("T4",)),
                task("T4"),
            ),
            *(edits(name, "list.txt", "4", word_of(name)) for name in NAMES),
            builds("T3"),
            builds("T4"),
        ],
        config={"collaboration": {"conflict_resolution": {"mode": "manual"}}, "orchestrator": {"max_workers": 2}},
    )
    user.commit({"list.txt": LIST})

    ended = user.run(*PLANNED, "--output", "json", "build words")

    assert ended.code == 1, ended.brief
    assert ended.result["reason"] == "conflict_open"
    assert [ended.task(name)["state"] for name in ("T3", "T4")] == ["done", "done"]
    assert sorted(ended.task(name)["state"] for name in NAMES) == ["done", "review"]


def test_what_both_sides_add_to_a_python_file_is_merged_by_structure(stage: OpenStage) -> None:
    start = 'import os\n\nAPPS = [\n    "core",\n]\n\n\ndef first():\n    return os.name\n'

    def added(name: str, module: str) -> str:
        word = name.lower()
        text = start.replace("import os\n", f"import os\nimport {module}\n").replace(
            '    "core",\n', f'    "core",\n    "{word}",\n'
        )
        return f"{text}\n\ndef {word}():\n    return {module}.__name__, '{word_of(name)}'\n"

    user = stage(
        [
            plans(*(task(n, files=[], check=f"python3 -c 'import app; app.{n.lower()}()'") for n in NAMES)),
            *(
                worker(
                    name,
                    ScriptedReply(calls=(call("read_file", path="app.py"),), barrier=SAME_TIME),
                    ScriptedReply(calls=(writes("app.py", added(name, module)), hands_in()), barrier=SAME_TIME),
                )
                for name, module in zip(NAMES, ("json", "re"), strict=True)
            ),
        ]
    )
    user.commit({"app.py": start})

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    assert [event["how"] for event in ended.of("conflict_resolved")] == ["structure"]
    assert len(user.asked("strong")) == 1
    assert ended.of("merge_rejected") == []
    for line in ("import json", "import re", '    "t1",', '    "t2",', "def t1():", "def t2():"):
        assert user.read("app.py").count(line) == 1


def test_tasks_that_one_needs_the_other_are_no_conflict(stage: OpenStage) -> None:
    user = stage(
        [
            plans(
                task("T1", files=["a.py"], check="grep T1-built a.py"),
                task("T2", files=["a.py"], check="grep T2-built a.py", needs=("T1",)),
            ),
            worker("T1", says("", *rewrites("a.py", "x = 'T1-built'\n"), hands_in())),
            worker("T2", says("", *rewrites("a.py", "x = 'T1-built T2-built'\n"), hands_in())),
        ]
    )
    user.commit({"a.py": "x = 1\n"})

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    assert ended.of("conflict_found") == []


def test_files_that_are_green_apart_and_red_together_are_a_conflict(stage: OpenStage) -> None:
    checker = "for f in *.caller; do grep -qx $(cat $f) lib.txt || { echo mismatch in $f; exit 1; }; done\n"
    fields: dict[str, Any] = {"files": [], "check": "sh all.sh", "check_reason": "fits"}
    user = stage(
        [
            plans(task("T1", **fields), task("T2", **fields)),
            worker("T2", says("", *rewrites("b.caller", "new\n"), hands_in()), first=["T1 changed", "lib.txt"]),
            worker("T1", says("", *rewrites("b.caller", "new\n"), hands_in()), first=["T2 changed", "b.caller"]),
            worker(
                "T1",
                ScriptedReply(
                    calls=(*rewrites("lib.txt", "new\n"), *rewrites("a.caller", "new\n"), hands_in()),
                    barrier=SAME_TIME,
                ),
            ),
            worker("T2", ScriptedReply(calls=(writes("b.caller", "old\n"), hands_in()), barrier=SAME_TIME)),
            always(says("Use the new word everywhere."), model="strong", lacks=["submit_plan"]),
        ]
    )
    user.commit({"all.sh": checker, "lib.txt": "old\n", "a.caller": "old\n"})

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    [found] = clashes(ended, "check")
    assert sorted(found["tasks"]) == ["T1", "T2"]
    assert only(ended, "conflict_resolved")["how"] == "worker"
    assert user.read("b.caller") == "new\n"


def test_a_red_merge_can_be_mended_by_the_supervisor(stage: OpenStage) -> None:
    checker = "for f in *.caller; do grep -qx $(cat $f) lib.txt || { echo mismatch in $f; exit 1; }; done\n"
    fields: dict[str, Any] = {"files": [], "check": "sh all.sh", "check_reason": "fits"}
    user = stage(
        [
            reviews("approve"),
            rule(
                says("", *rewrites("b.caller", "new\n")),
                says("", hands_in("the caller follows the library")),
                model="strong",
                offers="hand_in",
            ),
            plans(task("T1", **fields), task("T2", **fields)),
            worker(
                "T1",
                ScriptedReply(
                    calls=(*rewrites("lib.txt", "new\n"), *rewrites("a.caller", "new\n"), hands_in()),
                    barrier=SAME_TIME,
                ),
            ),
            worker("T2", ScriptedReply(calls=(writes("b.caller", "old\n"), hands_in()), barrier=SAME_TIME)),
        ]
    )
    user.commit({"all.sh": checker, "lib.txt": "old\n", "a.caller": "old\n"})

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    assert [found["stage"] for found in clashes(ended)] == ["check"]
    assert only(ended, "conflict_resolved")["how"] == "proposal"
    merging = next(r for r in user.asked("strong") if "together they fail" in first_message(r))
    assert "mismatch in" in first_message(merging)
    assert user.read("b.caller") == "new\n"
    assert ended.of("merge_rejected") == []


def test_auto_merge_asks_no_person(stage: OpenStage) -> None:
    user = stage(
        clash(merges("list.txt", BOTH), reviews("approve")),
        config={"collaboration": {"conflict_resolution": {"mode": "auto_merge"}}},
    )
    user.commit({"list.txt": LIST})

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    assert ended.of("approval_requested") == []
    assert len(ended.of("review_given")) == 1
    assert user.read("list.txt") == BOTH


def test_a_word_on_a_conflict_that_is_none_is_two_clear_lines(stage: OpenStage) -> None:
    user, _, _ = in_manual(stage)

    for command, words in (
        (("resolve", "C9"), "there is no conflict C9"),
        (("abort", "C9"), "there is no conflict C9"),
        (("resolve", "C1", "--proposal"), "nobody has proposed a merge"),
        (("show", "C9"), "there is no conflict C9"),
        (("list", "--run", "epic-009"), "there is no run or epic 'epic-009'"),
    ):
        ended = user.run("conflict", *command)
        assert ended.code == 2, ended.brief
        assert words in ended.err.splitlines()[0]
        assert ended.err.splitlines()[1].startswith("hint: ")
    shown = user.run("conflict", "show", "C1")
    assert shown.code == 0, shown.brief
    assert "+T1-built" in shown.out
    assert "+T2-built" in shown.out


def test_a_coming_clash_is_told_to_both_workers(stage: OpenStage) -> None:
    def slow(name: str) -> Rule:
        return worker(
            name,
            ScriptedReply(calls=(call("read_file", path="list.txt"),), barrier=SAME_TIME),
            ScriptedReply(
                calls=(call("edit_file", path="list.txt", old_text="4", new_text=word_of(name)),), barrier=SAME_TIME
            ),
            ScriptedReply(calls=(call("read_file", path="list.txt"),), barrier=SAME_TIME),
            ScriptedReply(calls=(hands_in(),), barrier=SAME_TIME),
        )

    user = stage(
        [
            merges("list.txt", BOTH),
            reviews("approve"),
            plans(*(task(name, files=[], check=f"grep {word_of(name)} list.txt") for name in NAMES)),
            *(slow(name) for name in NAMES),
        ]
    )
    user.commit({"list.txt": LIST})

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    foreseen = clashes(ended, "forecast")
    assert [(sorted(found["tasks"]), found["paths"]) for found in foreseen] == [(["T1", "T2"], ["list.txt"])]
    letters = ended.of("message_sent", topic="conflict_forecast")
    assert sorted(letter["to"] for letter in letters) == ["T1", "T2"]
    last = {name: [r for r in user.asked("weak") if word_of(name) in first_message(r)][-1] for name in NAMES}
    assert "+T2-built" in json.dumps(last["T1"].messages)
    assert "+T1-built" in json.dumps(last["T2"].messages)
    resolved = {event["conflict"]: event["how"] for event in ended.of("conflict_resolved")}
    assert resolved == {"C1": "proposal"}
    assert [found["id"] for found in clashes(ended)] == ["C1"]
    status = json.loads(user.run("epic", "status", "epic-001", "--output", "json").out)
    assert status["overlaps"] == [{"tasks": ["T1", "T2"], "files": ["list.txt"]}]


def test_a_coming_clash_that_goes_away_is_withdrawn(stage: OpenStage) -> None:
    def turns(name: str, last: str) -> Rule:
        return worker(
            name,
            ScriptedReply(calls=(call("read_file", path="list.txt"),), barrier=SAME_TIME),
            ScriptedReply(
                calls=(call("edit_file", path="list.txt", old_text="4", new_text=word_of(name)),), barrier=SAME_TIME
            ),
            ScriptedReply(
                calls=(call("write_file", path="list.txt", content=last),)
                if name == "T2"
                else (call("read_file", path="list.txt"),),
                barrier=SAME_TIME,
            ),
            ScriptedReply(calls=(hands_in(),), barrier=SAME_TIME),
        )

    user = stage(
        [
            plans(*(task(name, files=[], check=f"grep {word_of(name)} list.txt") for name in NAMES)),
            turns("T1", ""),
            turns("T2", LIST.replace("bottom", "T2-built")),
        ]
    )
    user.commit({"list.txt": LIST})

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    assert [event["conflict"]["stage"] for event in ended.of("conflict_found")] == ["forecast"]
    assert only(ended, "conflict_resolved")["how"] == "passed"
    assert user.read("list.txt") == LIST.replace("4", "T1-built").replace("bottom", "T2-built")
