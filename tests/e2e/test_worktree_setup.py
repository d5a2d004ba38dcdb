import os
import signal
from pathlib import Path

from equitr_coder.testing.script import Barrier, Rule, ScriptedReply, always, call, calls, rule, says
from tests.e2e.conftest import OpenStage, Stage
from tests.e2e.scenes import (
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
from tests.e2e.test_resume import until

PLANNED = ("chat", "-M", "--plan", "always", "--yes")

SETUP = """\
links: [vendor]
copies: [.env.test]
setup: mkdir -p built && cp lock.txt built/lock.txt
setup_inputs: [lock.txt]
"""
CHECK = "grep -q secret-free .env.test && test -f vendor/lib.txt && test -f built/lock.txt && test -f made.txt"


def test_a_trusted_project_gets_its_links_copies_and_set_up_in_worktrees_and_checks(stage: OpenStage) -> None:
    user = stage(
        [
            rule(
                calls("run_command", command="cat vendor/lib.txt built/lock.txt .env.test"),
                calls("read_file", path="vendor/lib.txt"),
                calls("write_file", path="vendor/more.txt", content="mine\n"),
                calls("list_files"),
                calls("write_file", path="made.txt", content="made\n"),
                calls("hand_in", summary="made it"),
                offers="hand_in",
            )
        ]
    )
    user.commit({".gitignore": "vendor/\n.env.test\nbuilt/\n", "lock.txt": "v1\n", ".equitr/worktree.yaml": SETUP})
    user.write({"vendor/lib.txt": "a library\n", ".env.test": "secret-free\n"})

    untrusted = user.run("chat", "-M", "--plan", "never", "--yes", "--check", CHECK, "make made.txt")
    trusted = user.run("trust")
    ended = user.run("chat", "-M", "--plan", "never", "--yes", "--check", CHECK, "make made.txt")

    assert untrusted.code == 1, untrusted.out
    assert trusted.code == 0, trusted.err
    assert ended.code == 0, ended.out + ended.err
    assert (user.repo / "made.txt").exists()
    assert user.git("status", "--porcelain") == ""
    assert sorted(path.name for path in user.repo.iterdir() if path.name not in (".git", ".equitr")) == [
        ".env.test", ".gitignore", "README.md", "lock.txt", "made.txt", "vendor",
    ]  # fmt: skip
    read, shown, refused, listed, _ = tool_results(user.server.requests[-1])
    assert "a library" in shown
    assert "cannot be written" in refused
    assert not (user.repo / "vendor" / "more.txt").exists()
    assert "left out: vendor" in listed
    assert "a library" in read
    assert "v1" in read
    assert "secret-free" in read


def waiting(user: Stage) -> set[Path]:
    """Worktrees of ours as git lists them, which all wait in the pool; nothing else is left behind."""
    listed = user.git("worktree", "list", "--porcelain").split("\n\n")
    assert not [one for one in listed if "prunable" in one or "locked" in one], listed
    found = {Path(one.splitlines()[0].removeprefix("worktree ")) for one in listed[1:]}
    assert {path.parent.name for path in found} <= {"pool"}
    assert found == set(user.equitr_home.glob("worktrees/*/*/*"))
    return found


def inode(path: Path) -> int:
    return path.stat().st_ino


def test_worktrees_of_a_run_wait_for_the_next_one_which_sees_nothing_of_their_past(stage: OpenStage) -> None:
    leaves = (
        "mkdir -p cache closed && touch cache/left.o stray.log closed/file && chmod 500 closed && git init -q inner"
    )
    looks = "test ! -e cache && test ! -e stray.log && test ! -e closed && test ! -e inner && test ! -e t1.txt"
    user = stage(
        [
            plans(task("T1", check=f"{leaves} && grep T1-built t1.txt"), task("T2"), first="first project"),
            plans(task("T3", check=f"{looks} && grep T3-built t3.txt"), task("T4"), first="second project"),
            worker("T1", says("", writes("t1.txt", "T1-built\n"), call("run_command", command=leaves), hands_in())),
            worker("T3", calls("run_command", command=looks), says("", writes("t3.txt", "T3-built\n"), hands_in())),
            *(builds(name) for name in ("T2", "T4")),
        ],
        config={"orchestrator": {"max_workers": 1, "worktree_pool": 2}},
    )
    start = user.commit({".gitignore": "cache/\n*.log\ninner/\nclosed/\n"})

    first = user.run(*PLANNED, "the first project")
    assert first.code == 0, first.brief
    kept = {inode(path) for path in waiting(user)}
    user.git("reset", "-q", "--hard", start)
    second = user.run(*PLANNED, "the second project")

    assert second.code == 0, second.brief
    assert len(kept) == 2
    assert {inode(path) for path in waiting(user)} == kept
    of_the_second = [request for request in user.asked("weak") if word_of("T3") in first_message(request)]
    [looked] = [results for request in of_the_second if (results := tool_results(request))]
    assert looked[0].startswith("exit 0"), looked


def ready(user: Stage) -> dict[int, Path]:
    """Worktrees that wait for a task of their run, filled, by their inode."""
    found = user.equitr_home.glob("worktrees/*/*/ready-*/README.md")
    return {inode(path.parent): path.parent for path in found}


def test_the_first_worktrees_are_made_while_the_plan_is_drafted(stage: OpenStage) -> None:
    [reply] = plans(task("T1"), task("T2"), task("T3")).turns
    builds_held = [
        worker(name, says("", writes(file_of(name), f"{word_of(name)}\n"), hands_in(), barrier=held(name)))
        for name in ("T1", "T2")
    ]
    user = stage(
        [
            *(gate(name) for name in ("plan", "T1", "T2")),
            rule(reply.model_copy(update={"barrier": held("plan")}), model="strong", offers="submit_plan"),
            *builds_held,
            builds("T3"),
        ],
        config={"orchestrator": {"max_workers": 2}},
    )
    start = user.tip()
    process = user.start(*PLANNED, "build words")
    user.wait_for("strong")
    until(lambda: len(ready(user)) == 3)
    made = ready(user)
    assert user.tip() == start
    assert user.git("for-each-ref", "--format=%(refname)") == "refs/heads/main"

    user.open_gate("plan")
    for name in ("T1", "T2"):
        user.wait_for("weak", contains=word_of(name))
    [run] = {path.parent for path in made.values()}
    assert {inode(run / name) for name in ("T1", "T2")} < made.keys()
    assert (run / "T1" / "docs").is_dir(), "at the commit that the plan was approved with"
    for name in ("T1", "T2"):
        user.open_gate(name)
    out, err = process.communicate(timeout=60)

    assert process.returncode == 0, out + err
    assert waiting(user) == set()
    assert [user.read(file_of(name)) for name in ("T1", "T2", "T3")] == ["T1-built\n", "T2-built\n", "T3-built\n"]


def test_a_run_that_is_killed_in_its_planning_leaves_its_worktrees_to_the_next_one(stage: OpenStage) -> None:
    user = stage(
        [
            always(ScriptedReply(hang=True), model="strong", times=1),
            plans(task("T1"), task("T2")),
            builds("T1"),
            builds("T2"),
        ],
        config={"orchestrator": {"max_workers": 2, "worktree_pool": 9}},
    )
    process = user.start(*PLANNED, "build words")
    user.wait_for("strong")
    until(lambda: len(ready(user)) == 3)
    made = ready(user).keys()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()

    other = user.run(*PLANNED, "build words again")
    kept = {inode(path) for path in waiting(user)}

    assert other.code == 0, other.brief
    assert made <= kept
    user.git("reset", "-q", "--hard", "HEAD~4")  # the plan, two tasks, the ticks
    resumed = user.run("resume", "--yes")
    assert resumed.code == 0, resumed.brief
    assert {inode(path) for path in waiting(user)} == kept


def test_an_approval_that_cannot_be_carried_out_leaves_no_worktree(stage: OpenStage) -> None:
    [reply] = plans(task("T1"), task("T2")).turns
    user = stage(
        [
            gate("plan"),
            rule(reply.model_copy(update={"barrier": held("plan")}), model="strong", offers="submit_plan"),
            builds("T1"),
            builds("T2"),
        ],
        config={"orchestrator": {"max_workers": 2}},
    )
    process = user.start(*PLANNED, "build words")
    user.wait_for("strong")
    until(lambda: len(ready(user)) == 3)
    user.git("branch", "equitr/epic-001")
    user.open_gate("plan")
    out, err = process.communicate(timeout=60)

    assert process.returncode == 2, out + err
    assert "equitr/epic-001 exists already" in err
    assert waiting(user) == set()
    user.git("branch", "-D", "equitr/epic-001")
    resumed = user.run("resume", "--yes")
    assert resumed.code == 0, resumed.brief
    assert waiting(user) == set()


def test_a_plan_that_is_only_saved_leaves_no_worktree(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2")), builds("T1"), builds("T2")])

    saved = user.run("epic", "create", "build words")

    assert saved.code == 0, saved.brief
    assert waiting(user) == set()


def test_the_pool_keeps_what_it_is_told_to(stage: OpenStage) -> None:
    user = stage(
        [plans(task("T1"), task("T2")), builds("T1"), builds("T2")],
        config={"orchestrator": {"max_workers": 2, "worktree_pool": 0}},
    )

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 0, ended.brief
    assert waiting(user) == set()
    assert user.git("worktree", "list").count("\n") == 0


def test_a_killed_runs_worktree_is_its_own_until_it_has_ended(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1"), task("T2", needs=("T1",)), first="first project"),
            plans(task("T3"), task("T4", needs=("T3",)), first="second project"),
            always(ScriptedReply(hang=True), first=word_of("T1"), offers="hand_in", turn=1, times=1),
            worker(
                "T1",
                says("", call("run_command", command="touch mine.log && echo half > t1.txt")),
                says("", call("run_command", command="ls mine.log && echo T1-built > t1.txt"), hands_in()),
            ),
            *(builds(name) for name in ("T2", "T3", "T4")),
        ],
        config={"orchestrator": {"max_workers": 1, "worktree_pool": 1}},
    )
    start = user.commit({".gitignore": "*.log\n"})
    process = user.start(*PLANNED, "the first project")
    user.wait_for("weak", count=2)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    [left] = [path for path in user.equitr_home.glob("worktrees/*/*/*") if path.name == "T1"]

    other = user.run(*PLANNED, "the second project")
    assert other.code == 0, other.brief
    assert (left / "t1.txt").read_text() == "half\n"
    assert (left / "mine.log").exists()
    user.git("reset", "-q", "--hard", start)
    resumed = user.run("resume", "--yes")

    assert resumed.code == 0, resumed.brief
    assert user.read("t1.txt") == "T1-built\n"
    assert len(waiting(user)) == 1


def test_each_worktree_has_a_number_and_ports_of_its_own_as_long_as_it_is_used(stage: OpenStage) -> None:
    together = Barrier(name="together", parties=2)
    tells = 'echo "mine: $EQUITR_WORKTREE $PORT $DB_PORT"'
    checks = 'test "$PORT" -gt 1023 && test "$PORT" != "$DB_PORT" && test -n "$EQUITR_WORKTREE"'

    def teller(name: str) -> Rule:
        return worker(
            name,
            says("", call("run_command", command=tells), barrier=together),
            says("", call("run_command", command=tells), barrier=together),
            says("", writes(file_of(name), f"{name}-built\n"), hands_in()),
        )

    user = stage(
        [
            plans(*(task(name, check=f"{checks} && grep {word_of(name)} {file_of(name)}") for name in ("T1", "T2"))),
            teller("T1"),
            teller("T2"),
        ]
    )
    user.commit({".equitr/worktree.yaml": "ports: [PORT, DB_PORT]\n"})
    assert user.run("trust").code == 0

    ended = user.run(*PLANNED, "--output", "json", "build words")

    assert ended.code == 0, ended.brief
    told: dict[str, list[str]] = {}
    for name in ("T1", "T2"):
        last = next(r for r in user.asked("weak") if len(tool_results(r)) == 2 and word_of(name) in first_message(r))
        first, second = (result.partition("mine: ")[2].split() for result in tool_results(last))
        assert first == second, "the same as long as it is used"
        told[name] = first
    values = [value for name in told for value in told[name]]
    assert len(values) == len(set(values)) == 6
    assert all(ended.task(name)["receipt"] is not None for name in told)


def test_whoever_links_a_file_of_the_tree_is_told_to_take_it_out_of_the_links(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2")), builds("T1"), builds("T2")])
    user.commit({".equitr/worktree.yaml": "links: [README.md]\n"})
    assert user.run("trust", "--yes").code == 0

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 1, ended.brief
    assert "take README.md out of `links` in .equitr/worktree.yaml" in ended.out


def test_an_unknown_key_of_the_worktree_file_is_refused_by_name(stage: OpenStage) -> None:
    user = stage([says("never asked")])
    user.commit({".equitr/worktree.yaml": "port: [PORT]\n"})
    assert user.run("trust").code == 0

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 2
    assert "worktree.yaml:1: port: there is no such key" in ended.err
    assert not user.server.requests
