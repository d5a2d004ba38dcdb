import os
import signal

from equitr_coder.testing.script import call, calls, says
from tests.e2e.conftest import Ended, OpenStage, Stage
from tests.e2e.scenes import (
    DESIGN,
    advises,
    builds,
    file_of,
    first_message,
    gate,
    hands_in,
    held,
    plans,
    task,
    tool_results,
    word_of,
    worker,
    writes,
)

TOUCH = "touch made-by-a-command"


def is_touched(user: Stage) -> bool:
    return (user.repo / "made-by-a-command").exists()


def test_with_nobody_to_ask_a_command_is_refused_with_exit_5(stage: OpenStage) -> None:
    user = stage([calls("run_command", command=TOUCH), says("Touched.")])

    ended = user.run("chat", "touch it")

    assert ended.code == 5, ended.brief
    assert TOUCH in ended.text
    assert "--yes" in ended.text
    assert "Traceback" not in ended.text
    assert not is_touched(user)
    assert len(user.server.requests) == 1

    resumed = user.run("resume", "--yes")

    assert resumed.code == 0, resumed.brief
    assert is_touched(user)
    assert len(user.server.requests) == 2


def test_yes_approves_a_command_inside_the_sandbox(stage: OpenStage) -> None:
    user = stage([calls("run_command", command=TOUCH), says("Touched.")])

    ended = user.run("chat", "touch it", "--yes")

    assert ended.code == 0, ended.brief
    assert is_touched(user)


def test_yes_does_not_override_a_deny_rule(stage: OpenStage) -> None:
    user = stage(
        [calls("run_command", command=TOUCH), says("I could not.")], config={"permission": {"deny": ["touch *"]}}
    )

    ended = user.run("chat", "touch it", "--yes", "--output", "stream-json")

    assert ended.code == 0, ended.brief
    assert not is_touched(user)
    assert ended.of("tool_returned")[0]["is_error"]
    assert "touch *" in tool_results(user.asked("weak")[-1])[0]


def test_allow_runs_unasked_and_ask_always_asks(stage: OpenStage) -> None:
    user = stage(
        [calls("run_command", command=TOUCH), calls("run_command", command="git log"), says("Done.")],
        config={"permission": {"allow": ["touch *"], "ask": ["git log*"]}},
    )

    ended = user.run("chat", "touch it")

    assert ended.code == 5, ended.brief
    assert "git log" in ended.text
    assert is_touched(user)
    assert len(user.server.requests) == 2


def test_policy_explain_names_the_decision_the_rule_and_where_it_is_set(stage: OpenStage) -> None:
    user = stage([], config={"permission": {"deny": ["git push*", "read(.env)"], "mode": "auto"}})

    denied = user.run("policy", "explain", "run_command", "sh -c 'git push'")
    asks = user.run("policy", "explain", "run_command", "curl x | sh", "--output", "json")
    allowed = user.run("policy", "explain", "write_file", "src/a.py")
    planned = user.run("policy", "explain", "run_command", "make", "--mode", "plan")

    assert (denied.code, asks.code, allowed.code, planned.code) == (1, 5, 0, 1), denied.brief + asks.brief
    assert "rule   permission.deny: git push* (user " in denied.out
    assert "config.yaml:" in denied.out
    assert asks.result["decision"]["verdict"] == "ask"
    assert "permission.mode: plan (flag --mode)" in planned.out
    assert not user.server.requests


def test_in_auto_mode_a_command_runs_in_the_sandbox_unasked_and_what_reaches_beyond_asks(stage: OpenStage) -> None:
    user = stage(
        [calls("run_command", command=TOUCH), calls("run_command", command="git push"), says("Done.")],
        config={"permission": {"mode": "auto"}},
    )

    ended = user.run("chat", "touch it")

    assert ended.code == 5, ended.brief
    assert "git push" in ended.text
    assert is_touched(user)


def test_read_only_commands_run_unasked(stage: OpenStage) -> None:
    commands = (
        "ls",
        "cat README.md",
        "grep -n Shop README.md",
        "git log --oneline",
        "cat README.md | grep Shop | wc -l",
        "git status && git diff HEAD",
    )
    user = stage([says("", *(call("run_command", command=command) for command in commands)), says("Seen.")])

    ended = user.run("chat", "look", "--output", "stream-json")

    assert ended.code == 0, ended.brief
    assert not ended.of("approval_requested")
    assert [event["is_error"] for event in ended.of("tool_returned")] == [False] * len(commands)


def test_a_worker_may_run_its_check_unasked(stage: OpenStage) -> None:
    check = f"grep {word_of('T1')} {file_of('T1')} && test -w ."
    user = stage(
        [
            worker(
                "T1",
                says("", writes(file_of("T1"), "T1-built\n"), call("run_command", command=check)),
                calls("run_command", command="make something-else"),
                says("", hands_in()),
            )
        ]
    )

    ended = user.run("chat", "-M", "--plan", "never", "--check", check, f"make {word_of('T1')}")

    assert ended.code == 0, ended.brief
    assert "make something-else" in ended.text
    _, checked, refused = tool_results(user.asked("weak")[-1])
    assert "T1-built" in checked
    assert refused.startswith("Refused: it may do more than read; nobody is here to ask.")


def test_with_nobody_to_ask_a_worker_is_refused_and_its_supervisor_is_told(stage: OpenStage) -> None:
    user = stage(
        [
            worker(
                "T1",
                calls("run_command", command=TOUCH),
                calls("ask_supervisor", question="How can I do without it?"),
                says("", writes(file_of("T1"), "T1-built\n"), hands_in()),
            ),
            advises("Write the file by hand."),
        ]
    )
    check = f"grep {word_of('T1')} {file_of('T1')}"

    ended = user.run("chat", "-M", "--plan", "never", "--check", check, f"make {word_of('T1')}")

    assert ended.code == 0, ended.brief
    assert not is_touched(user)
    assert f"T1: run_command: {TOUCH}" in ended.out
    assert "permission.allow" in ended.out
    [asked] = user.asked("strong")
    heard = first_message(asked)
    assert "# What it was not allowed" in heard
    assert f"- run_command: {TOUCH} (it may do more than read; nobody is here to ask)" in heard
    listed = user.run("escalations")
    assert "was refused, with nobody to ask (permission), only told" in listed.out
    assert ": 1 question to the supervisor" in listed.out
    rows = user.run("escalations", "--output", "json").result["escalations"]
    assert [(row["trigger"], row["is_told"]) for row in rows] == [("permission", True), ("tool", False)]
    assert (rows[0]["refusal"], rows[0]["usd"], rows[0]["next"]) == ("nobody is here to ask", "0", "passed")


MAKE = "cp README.md made.txt"


def test_approving_a_plan_approves_its_commands_to_the_letter_for_their_task_alone(stage: OpenStage) -> None:
    check = f"grep {word_of('T1')} {file_of('T1')}"
    user = stage(
        [
            plans(task("T1", files=[file_of("T1"), "made.txt"], commands=[MAKE], check=check), task("T2")),
            worker(
                "T1",
                says("", call("run_command", command=MAKE), call("run_command", command=f"{MAKE}; true")),
                says("", writes(file_of("T1"), "T1-built\n"), hands_in()),
            ),
            worker(
                "T2",
                calls("run_command", command=MAKE),
                says("", writes(file_of("T2"), "T2-built\n"), hands_in()),
            ),
        ],
        config={"checks": {"gate": ["test -f README.md"]}},
    )

    planned = user.run("epic", "create", "build words")
    assert planned.code == 0, planned.brief
    shown = planned.out.partition("Approving it lets these run in the sandbox without asking, as they stand:\n")[2]
    assert shown.startswith(f"  T1  {check}\n  T1  test -f README.md\n  T1  {MAKE}\n  T2  grep "), planned.out

    ended = user.run("epic", "run", "epic-001", "--output", "stream-json")

    assert ended.code == 0, ended.brief
    [approved] = ended.of("plan_approved")
    assert approved["commands"]["T1"] == [check, "test -f README.md", MAKE]
    assert MAKE not in approved["commands"]["T2"]
    ran = {name: ended.of("tool_returned", task=name, name="run_command") for name in ("T1", "T2")}
    assert [event["is_error"] for event in ran["T1"]] == [False, True]
    assert [event["is_error"] for event in ran["T2"]] == [True]
    assert user.read("made.txt") == "# Shop\n"
    assert MAKE in first_message(next(one for one in user.asked("weak") if word_of("T1") in first_message(one)))


def test_what_was_approved_with_the_plan_holds_after_a_kill_and_a_change_of_the_configuration(stage: OpenStage) -> None:
    user = stage(
        [
            gate("meanwhile"),
            plans(task("T1", files=[file_of("T1"), "made.txt"], commands=[MAKE])),
            worker(
                "T1",
                calls("list_files"),
                says(
                    "",
                    call("run_command", command=MAKE),
                    call("run_command", command="python3 -c 0"),
                    barrier=held("meanwhile"),
                ),
                says("", writes(file_of("T1"), "T1-built\n"), hands_in()),
            ),
        ]
    )
    assert user.run("epic", "create", "build words").code == 0
    process = user.start("epic", "run", "epic-001")
    user.wait_for("weak", contains="README.md", count=2)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    user.configure({"checks": {"gate": ["python3 -c 0"]}})

    resumed = user.start("resume", "--output", "stream-json")
    user.open_gate("meanwhile")
    out, err = resumed.communicate(timeout=60)

    ended = Ended(resumed.returncode, out, err)
    assert ended.code == 0, ended.brief
    assert [event["is_error"] for event in ended.of("tool_returned", name="run_command")] == [False, True]
    assert user.read("made.txt") == "# Shop\n"


def test_yes_does_not_override_the_footprint(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1"), task("T2")),
            worker(
                "T1",
                says("", writes("README.md", "overwritten\n"), writes("elsewhere.txt", "x\n")),
                says("", writes(file_of("T1"), "T1-built\n"), hands_in()),
            ),
            builds("T2"),
        ]
    )

    ended = user.run("chat", "-M", "--plan", "always", "--yes", "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    refused = [event["is_error"] for event in ended.of("tool_returned", task="T1", name="write_file")]
    assert refused == [True, True, False]
    assert user.read("README.md") == "# Shop\n"
    assert not (user.repo / "elsewhere.txt").exists()


def test_without_a_sandbox_every_command_asks(stage: OpenStage) -> None:
    user = stage([calls("run_command", command="ls"), says("Seen.")], config={"sandbox": {"mode": "off"}})

    ended = user.run("chat", "look")

    assert ended.code == 5, ended.brief
    assert "ls" in ended.text
    assert len(user.server.requests) == 1


def test_workers_cannot_edit_the_planning_documents(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1", files=["t1.txt", "docs/*.md"]), task("T2")),
            worker(
                "T1",
                says("", writes("docs/design.md", "mine\n"), call("run_command", command="echo mine > docs/design.md")),
                says("", writes(file_of("T1"), "T1-built\n"), hands_in()),
            ),
            builds("T2"),
        ]
    )

    ended = user.run("chat", "-M", "--plan", "always", "--yes", "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    assert ended.of("tool_returned", task="T1", name="write_file")[0]["is_error"]
    assert user.read("docs/design.md").endswith(DESIGN)


def test_quitting_at_a_permission_ends_a_chat_and_runs_nothing(stage: OpenStage) -> None:
    user = stage([calls("run_command", command=TOUCH), says("Touched.")])

    with user.terminal("chat", "touch it") as terminal:
        terminal.answer("/quit", prompt="allow>")
        code = terminal.wait()

    assert code == 130, terminal.screen
    assert "Paused (interrupted)" in terminal.screen
    assert not is_touched(user)
    assert len(user.server.requests) == 1
