"""A real package with its authors' tests as the proof: two defects planted, two workers, one epic."""

import pytest

from equitr_coder.testing.script import Barrier, Rule, ScriptedCall, call, calls, rule, says
from tests.e2e.scenes import hands_in, plans
from tests.e2e_real.conftest import DEFECTS, OVERLAP, RANGE_END, WHOLE_SUITE, Defect, OpenPackage, run_tests

pytestmark = [pytest.mark.network, pytest.mark.xdist_group("real package")]

TASKS = {"T1": RANGE_END, "T2": OVERLAP}


def planned() -> Rule:
    """Two tasks that need nothing of each other."""
    return plans(
        *(
            {
                "id": name,
                "title": f"Mend {defect.file}",
                "description": f"{defect.test} fails. Find the cause in {defect.file} and mend it.",
                "files": [defect.file],
                "todos": [f"make {defect.test} pass"],
                "check": defect.check,
            }
            for name, defect in TASKS.items()
        ),
        title="Two red tests",
    )


def worker(defect: Defect, *work: ScriptedCall) -> Rule:
    """Looks once the other worker is looking too, does its work, and claims that all is well."""
    place = calls("search", pattern=defect.test.rpartition("test_")[2], path=defect.file)
    return rule(
        place.model_copy(update={"barrier": Barrier(name="both", parties=2)}),
        calls("read_file", path=defect.file),
        says("", *work),
        says("", hands_in("mended; all tests pass")),
        model="weak",
        first=f"{defect.test} fails.",
    )


def edit(defect: Defect, new_text: str) -> ScriptedCall:
    return call("edit_file", path=defect.file, old_text=defect.wrong, new_text=new_text)


@pytest.mark.slow
def test_two_defects_are_mended_at_once_and_proven_by_the_packages_own_tests(package: OpenPackage) -> None:
    user = package([planned(), *(worker(defect, edit(defect, defect.right)) for defect in DEFECTS)])
    published, planted = user.tip("HEAD~1"), user.tip()
    for defect in DEFECTS:
        assert run_tests(user, defect.test).returncode == 1, f"the defect in {defect.file} is seen by its test"

    ended = user.run("chat", "-M", "--plan", "always", "--yes", "--output", "json", "mend the red tests", timeout=110)

    assert ended.code == 0, ended.brief
    assert ended.result["landed"] is True
    for name, defect in TASKS.items():
        task = ended.task(name)
        assert task["state"] == "done"
        assert task["attempts"] == 1
        checks = {check["command"]: check for check in task["receipt"]["checks"]}
        assert next(iter(checks)) == defect.check
        assert any(command.startswith(WHOLE_SUITE) and "--deselect" in command for command in checks)
        assert {check["exit_code"] for check in checks.values()} == {0}
        assert {check["tree"] for check in checks.values()} == {task["receipt"]["tree"]}
        assert user.git("rev-parse", f"{task['receipt']['commit']}^{{tree}}") == task["receipt"]["tree"]
    assert user.git("branch", "--show-current") == "main"
    assert user.git("merge-base", planted, "main") == planted
    assert user.git("status", "--porcelain") == ""
    changed = user.git("diff", "--name-only", published, "main", "--", "boltons", "tests")
    assert changed == "", "the code is what its authors wrote"
    suite = run_tests(user)
    assert suite.returncode == 0, suite.stdout
    assert user.git("status", "--porcelain") == ""


def test_neither_a_deleted_test_nor_broken_code_passes_the_gate(package: OpenPackage) -> None:
    function = RANGE_END.test.rpartition("::")[2]
    deletes = call("run_command", command=f"sed -i '/^def {function}/,/^def /d' tests/test_strutils.py")
    breaks = call("edit_file", path=OVERLAP.file, old_text="yield postprocess(cur_chunk)", new_text="yield cur_chunk")
    mends_and_breaks = (edit(OVERLAP, OVERLAP.right), breaks)
    user = package([planned(), worker(RANGE_END, deletes), worker(OVERLAP, *mends_and_breaks)])
    before = user.tip()

    ended = user.run("chat", "-M", "--plan", "always", "--yes", "--output", "json", "mend the red tests", timeout=110)

    assert ended.code == 1, ended.brief
    # The tests lie outside the footprint: what the command did to them was put back, and nothing is left to hand in.
    for name, reason in (("T1", "no_change"), ("T2", "check_failed")):
        task = ended.task(name)
        assert (task["state"], task["reason"], task["receipt"]) == ("failed", reason, None)
    assert function in ended.task("T1")["detail"], "the test is there, and is what fails"
    assert "test_chunked_bytes" in ended.task("T2")["detail"]
    assert ended.result["landed"] is not True
    assert user.tip() == before
    assert user.git("status", "--porcelain") == ""
