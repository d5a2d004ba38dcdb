"""Done is a receipt: what proves a task is kept, run again, and pruned."""

import base64
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from equitr_coder.testing.script import Rule, always, call, rule, says
from tests.e2e.conftest import OpenStage, Stage
from tests.e2e.scenes import (
    builds,
    documents,
    file_of,
    first_message,
    hands_in,
    plan_of,
    plans,
    rewrites,
    task,
    tool_results,
    word_of,
    worker,
    writes,
)
from tests.redteam.cases import FILES, HONEST, LIARS
from tests.redteam.stage import Case, put

PLANNED = ("chat", "-M", "--plan", "always", "--yes")
DIRECT = ("chat", "-M", "--plan", "never", "--yes")
SHOP_CHECK = "python3 -m unittest tests.test_shop"
BUILT = FILES["shop.py"].replace("return 1", "return 2")
WEAK = "import unittest\n\n\nclass Shop(unittest.TestCase):\n    def test_price(self):\n        pass\n"


def shop(user: Stage, files: Mapping[str, str] | None = None) -> None:
    user.commit({**FILES, **(files or {})}, "a shop whose price is wrong")
    user.put_first_on_path(Path(sys.executable).parent)


def always_hands_in(*calls: Any) -> Rule:
    return always(says("", *calls, hands_in()), model="weak", offers="hand_in")


def test_a_worker_cannot_write_the_tests_that_its_check_names(stage: OpenStage) -> None:
    user = stage(
        [
            worker(
                "T1",
                says("", *rewrites("tests/test_shop.py", WEAK)),
                says("", *rewrites("shop.py", BUILT), hands_in()),
            )
        ]
    )
    shop(user)

    ended = user.run(*DIRECT, "--check", SHOP_CHECK, "--output", "json", f"the price: {word_of('T1')}")

    assert ended.code == 0, ended.brief
    assert user.read("tests/test_shop.py") == FILES["tests/test_shop.py"]
    refused = tool_results(user.asked("weak")[-1])[1]
    assert "Refused: tests/test_shop.py" in refused
    assert "Put further tests into a new file" in refused
    [check] = ended.task("T1")["receipt"]["checks"]
    assert (check["tests"], check["skipped"]) == (2, 0)
    assert ended.task("T1")["receipt"]["tests_by"] == ["repository"]
    assert "What proves the task" in first_message(user.asked("weak")[0])
    assert "tests/test_shop.py" in first_message(user.asked("weak")[0])


def test_what_a_command_does_to_the_tests_is_put_back(stage: OpenStage) -> None:
    weaken = "printf 'import unittest\\n' > tests/test_shop.py"
    user = stage(
        [
            worker(
                "T1",
                says("", call("run_command", command=weaken)),
                says("", *rewrites("shop.py", BUILT), hands_in()),
            )
        ]
    )
    shop(user)

    ended = user.run(*DIRECT, "--check", SHOP_CHECK, f"the price: {word_of('T1')}")

    assert ended.code == 0, ended.brief
    assert "put back as it was" in tool_results(user.asked("weak")[-1])[0]
    assert user.read("tests/test_shop.py") == FILES["tests/test_shop.py"]


def plans_again(*plans_in_turn: tuple[dict[str, Any], ...]) -> Rule:
    """The planner submits one plan after another, until one is accepted."""
    first, *others = [says("", plan_of(*tasks)) for tasks in plans_in_turn]
    opening = first.model_copy(update={"calls": (*documents(), *first.calls)})
    return rule(opening, *others, model="strong", offers="submit_plan")


def test_a_person_may_allow_a_change_of_the_tests(stage: OpenStage) -> None:
    other = FILES["tests/test_shop.py"].replace('"tea"', '"chai"')
    code = BUILT.replace("'tea'", "'chai'")
    user = stage(
        [worker("T1", says("", *rewrites("tests/test_shop.py", other), *rewrites("shop.py", code), hands_in()))]
    )
    shop(user)

    with user.terminal("chat", "-M", "--plan", "never", "--check", SHOP_CHECK, f"chai: {word_of('T1')}") as terminal:
        terminal.answer("yes", prompt="allow>")
        code_of_it = terminal.wait(timeout=60)

    assert code_of_it == 0, terminal.screen
    assert user.read("tests/test_shop.py") == other


def test_what_only_the_merge_can_see_is_asked_about_there(stage: OpenStage) -> None:
    recipe = "test:\n\tpython3 -m unittest tests.test_shop\n"
    louder = recipe.replace("unittest", "unittest -v")
    user = stage([worker("T1", says("", *rewrites("Makefile", louder), *rewrites("shop.py", BUILT), hands_in()))])
    shop(user, {"Makefile": recipe})

    with user.terminal("chat", "-M", "--plan", "never", "--check", "make test", f"it: {word_of('T1')}") as terminal:
        terminal.expect("Makefile (steers the check (test))")
        terminal.answer("yes", prompt="allow>")
        code = terminal.wait(timeout=60)

    assert code == 0, terminal.screen
    assert user.read("Makefile") == louder


def test_zero_tests_are_no_proof(stage: OpenStage) -> None:
    check = "python3 -m unittest discover -s tests -t . -p 'test_sale*.py'; true"
    user = stage([always_hands_in(writes("tests/test_sale.py", "import unittest\n"))])
    shop(user)

    ended = user.run(*DIRECT, "--check", check, "--output", "json", "sell")

    assert ended.code == 1, ended.brief
    assert (ended.task("T1")["reason"], ended.task("T1")["checked"]) == ("no_tests", False)
    assert "no test ran" in ended.task("T1")["detail"]


def test_a_plan_whose_check_passes_already_is_refused_unless_it_says_why(stage: OpenStage) -> None:
    t2 = task("T2", check="grep -q Shop README.md", files=["notes.txt"], description=f"Write {word_of('T2')}")
    reasoned = t2 | {"check_reason": "the title must stay"}
    user = stage(
        [
            plans_again((task("T1"), t2), (task("T1"), reasoned)),
            builds("T1"),
            builds("T2", file="notes.txt"),
        ]
    )

    ended = user.run(*PLANNED, "--output", "json", "build words")

    assert ended.code == 0, ended.brief
    told = next(text for request in user.asked("strong") for text in tool_results(request) if "passes before" in text)
    assert "`grep -q Shop README.md`" in told
    assert "check_reason" in told
    assert "task T1" not in told


def test_check_none_needs_a_reason_and_is_shown_as_unchecked(stage: OpenStage) -> None:
    silent = task("T2", check="none")
    user = stage(
        [
            plans_again((task("T1"), silent), (task("T1"), silent | {"check_reason": "only a person can tell"})),
            builds("T1"),
            builds("T2"),
        ]
    )

    ended = user.run(*PLANNED, "build words")
    status = user.run("epic", "status", "epic-001", "--output", "json")

    assert ended.code == 0, ended.brief
    assert "unchecked (no check proved them): T2" in ended.out
    assert "T2: only a person can tell" in ended.out
    assert (status.task("T2")["receipt"], status.task("T2")["checked"]) == (None, False)
    assert status.task("T1")["checked"] is True


def test_with_independent_tests_a_task_does_not_write_what_proves_it(stage: OpenStage) -> None:
    check = "python3 -m unittest tests.test_sale"
    alone = task("T2", files=["sale.py", "tests/test_sale.py"], check=check)
    first = task("T1", files=["tests/test_sale.py"], type="tests", check="test -e tests/test_sale.py")
    second = task("T2", files=["sale.py"], check=check, needs=("T1",), description=f"sale.py: {word_of('T2')}")
    head = "import unittest\n\nimport sale\n\n\nclass Sale(unittest.TestCase):\n"
    test = f"{head}    def test_sale(self):\n        self.assertEqual(sale.price(), 2)\n"
    user = stage(
        [
            plans_again((task("T1"), alone), (first, second)),
            worker("T1", says("", writes("tests/test_sale.py", test), hands_in())),
            worker("T2", says("", writes("sale.py", "def price():\n    return 2\n"), hands_in())),
        ],
        config={"checks": {"independent_tests": True}},
    )

    ended = user.run(*PLANNED, "--output", "json", "build words")

    assert ended.code == 0, ended.brief
    assert ended.task("T2")["receipt"]["tests_by"] == ["T1"]


def test_verify_runs_the_receipts_again_on_their_own_trees(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2")), builds("T1"), builds("T2")])
    played = user.run(*PLANNED, "build words")
    user.commit({file_of("T1"): "broken since\n"}, "broken by the user")
    user.git("branch", "-D", "equitr/epic-001")
    asked = len(user.server.requests)

    green = user.run("verify", "epic-001")
    one = user.run("verify", "epic-001", "--task", "T1", "--output", "json")
    unknown = user.run("verify", "epic-001", "--task", "T9")

    assert played.code == green.code == one.code == 0, green.brief
    assert "T1 green: `grep T1-built t1.txt` exit 0" in green.out
    assert "epic-001: 2 of 2 checks green again" in green.out
    [check] = one.result["checks"]
    assert (check["task"], check["is_green"], check["differs"]) == ("T1", True, [])
    assert unknown.code == 2
    assert len(user.server.requests) == asked
    assert not any((user.equitr_home / "worktrees").rglob("gate-*"))


def test_verify_says_what_is_red_and_what_differs(stage: OpenStage) -> None:
    check = "command -v shopcheck && shopcheck && grep T1-built t1.txt"
    user = stage([plans(task("T1", check=check), task("T2")), builds("T1"), builds("T2")])
    tools = user.home / "tools"
    tools.mkdir()
    program = tools / "shopcheck"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    user.put_first_on_path(tools)
    played = user.run(*PLANNED, "build words")
    program.write_text("#!/bin/sh\necho the tool says no\nexit 3\n")

    red = user.run("verify", "epic-001")

    assert played.code == 0, played.brief
    assert red.code == 1, red.brief
    assert "T1 RED" in red.out
    assert "differs: exit code 3 instead of 0" in red.out
    assert "the tool says no" in red.out
    assert "1 of 2 checks green again" in red.out


def test_verify_says_which_commits_git_no_longer_has(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2")), builds("T1"), builds("T2")])
    start = user.tip()
    assert user.run(*PLANNED, "build words").code == 0
    user.git("reset", "-q", "--hard", start)
    for ref in user.git("for-each-ref", "--format=%(refname)").splitlines():
        if ref != "refs/heads/main":
            user.git("update-ref", "-d", ref)
    user.git("reflog", "expire", "--expire=now", "--all")
    user.git("gc", "-q", "--prune=now")

    ended = user.run("verify", "epic-001")

    assert ended.code == 1, ended.brief
    assert ended.out.count("differs: git no longer has commit") == 2
    assert "0 of 2 checks green again" in ended.out


def test_what_verify_works_on_is_not_taken_by_a_run_that_begins_meanwhile(stage: OpenStage) -> None:
    user = stage([plans(task("T1", check="shopcheck && grep T1-built t1.txt")), builds("T1"), builds("T2")])
    tools = user.home / "tools"
    tools.mkdir()
    program, pipe = tools / "shopcheck", tools / "waits" / "pipe"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    pipe.parent.mkdir()
    os.mkfifo(pipe)
    user.put_first_on_path(tools)
    played = user.run(*PLANNED, "build words")
    program.write_text(f"#!/bin/sh\ncat {pipe}\n")
    user.git("rm", "-q", "t1.txt")
    user.git("commit", "-qm", "without it")

    verifying = user.start("verify", "epic-001")
    with pipe.open("w"):  # its check reads there, and waits
        other = user.run("chat", "-M", "--plan", "never", "--yes", "--check", "grep T2-built t2.txt", "write T2-built")
    out, err = verifying.communicate(timeout=60)

    assert played.code == other.code == 0, other.brief
    assert verifying.returncode == 0, (out, err)
    assert "1 of 1 check green again" in out


def test_what_a_killed_verify_has_left_is_taken_up_by_the_next_one(stage: OpenStage) -> None:
    user = stage([plans(task("T1", check="shopcheck && grep T1-built t1.txt"), task("T2")), builds("T1"), builds("T2")])
    tools = user.home / "tools"
    program, pipe = tools / "shopcheck", tools / "waits" / "pipe"
    pipe.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    os.mkfifo(pipe)
    user.put_first_on_path(tools)
    played = user.run(*PLANNED, "build words")
    program.write_text(f"#!/bin/sh\ncat {pipe}\n")
    verifying = user.start("verify", "epic-001")
    with pipe.open("w"):  # its check reads there, and waits
        os.killpg(verifying.pid, signal.SIGKILL)
        verifying.communicate()
    left = list(user.equitr_home.glob("worktrees/*/verify-*"))
    program.write_text("#!/bin/sh\nexit 0\n")

    again = user.run("verify", "epic-001")

    assert (played.code, again.code) == (0, 0), again.brief
    assert len(left) == 1
    assert not list(user.equitr_home.glob("worktrees/*/verify-*"))
    assert "verify-" not in user.git("worktree", "list")


def test_prune_shows_first_and_deletes_with_yes(stage: OpenStage) -> None:
    user = stage([plans(task("T1"), task("T2")), builds("T1"), builds("T2")])
    user.run(*PLANNED, "build words")
    kept = user.git("for-each-ref", "--format=%(refname)", "refs/equitr/").splitlines()
    assert kept

    shown = user.run("prune")
    still = user.git("for-each-ref", "--format=%(refname)", "refs/equitr/").splitlines()
    gone = user.run("prune", "--yes", "--output", "json")
    after = user.run("prune")

    assert shown.code == gone.code == after.code == 0, shown.brief
    assert "Would delete" in shown.out
    assert "are on no branch and would become unreachable" in shown.out
    assert still == kept
    [run] = gone.result["runs"]
    assert sorted(run["refs"]) == sorted(kept)
    assert user.git("for-each-ref", "refs/equitr/") == ""
    assert "nothing to prune" in after.out
    assert "equitr/epic-001" in user.git("branch", "--list", "equitr/*")
    assert user.run("verify", "epic-001").code == 0


def test_prune_leaves_alone_what_can_go_on(stage: OpenStage) -> None:
    user = stage([always(says("", writes("t1.txt", "T1-built\n"), call("read_file", path="t1.txt")), model="weak")])
    command = ("chat", "-M", "--plan", "never", "--check", "grep T1-built t1.txt", "--budget", "0.04", "write it")
    paused = user.run(*command)
    user.git("update-ref", "refs/equitr/own/thing", "HEAD")
    kept = user.git("for-each-ref", "refs/equitr/")

    pruned = user.run("prune", "--yes")

    assert paused.code == 3, paused.brief
    assert len(kept.splitlines()) > 1
    assert "epic-001 is left alone: it can go on (paused)" in pruned.out, pruned.brief
    assert user.git("for-each-ref", "refs/equitr/") == kept


def test_prune_leaves_alone_what_an_epic_of_the_same_number_in_another_checkout_keeps(
    stage: OpenStage, tmp_path: Path
) -> None:
    short = plan_of(task("T1"), task("T2"))
    names = ("T1", "T2", "T3")
    user = stage(
        [
            rule(says("", *documents(), short), says("", short), model="strong", offers="submit_plan", first="too few"),
            plans(*map(task, names)),
            *map(builds, names),
        ],
        config={"collaboration": {"planning": {"min_subtasks": 3}}},
    )
    other = tmp_path / "other"
    user.git("worktree", "add", "-q", "-b", "second", str(other))
    refused = user.run(*PLANNED, "build too few words")
    built = user.run(*PLANNED, "build words", cwd=other)
    kept = user.git("for-each-ref", "refs/equitr/epic-001/")

    pruned = user.run("prune", "--yes")

    assert refused.code == 1, refused.brief
    assert built.code == 0, built.brief
    assert kept
    assert user.git("for-each-ref", "refs/equitr/epic-001/") == kept, pruned.brief


def sample(cases: Sequence[Case], count: int) -> list[Case]:
    """Those that need neither a person nor another language, spread over the table."""
    fit = [case for case in cases if not (case.allowed or case.needs or case.task) and case.says and case.check]
    return list(fit[:: len(fit) // count][:count])


def as_command(case: Case, folder: Path) -> str:
    """What the case does to its files, as one shell command."""
    before = {path: text for path, text in {**FILES, **case.base}.items() if text is not None}
    for path, text in before.items():
        put(path, text)(folder)
    for act in case.acts:
        act(folder)
    lines = [f"rm -f {path}" for path in before if not os.path.lexists(folder / path)]
    for found in sorted(each for each in folder.rglob("*") if each.is_symlink() or each.is_file()):
        name = found.relative_to(folder).as_posix()
        lines.append(f"rm -rf {name}; mkdir -p $(dirname {name})")
        if found.is_symlink():
            lines.append(f"ln -s {found.readlink()} {name}")
        else:
            lines.append(f"echo {base64.b64encode(found.read_bytes()).decode()} | base64 -d > {name}")
            lines.append(f"chmod {found.stat().st_mode & 0o777:o} {name}")
    return "; ".join(lines) or "true"


SAMPLE = [*sample(LIARS, 6), *sample(HONEST, 6)]


@pytest.mark.parametrize(
    "case", [pytest.param(one, marks=() if number % 3 == 0 else pytest.mark.slow) for number, one in enumerate(SAMPLE)]
)
def test_lying_and_honest_workers_through_the_command(case: Case, stage: OpenStage, tmp_path: Path) -> None:
    (tmp_path / "played").mkdir()
    done = call("run_command", command=as_command(case, tmp_path / "played"))
    user = stage([rule(says("", done), says("", hands_in(case.says or "")), model="weak", offers="hand_in")])
    shop(user, {path: text for path, text in case.base.items() if text is not None})
    assert case.check is not None

    ended = user.run(*DIRECT, "--check", case.check, "--output", "json", "the price is 2", timeout=300)

    assert (ended.code == 0) is (case.reason is None), ended.brief
    assert (ended.task("T1")["receipt"] is not None) is (case.reason is None)
