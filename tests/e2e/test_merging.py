import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from equitr_coder.testing.script import Barrier, ScriptedReply, call, says
from tests.e2e.conftest import Ended, OpenStage, Stage
from tests.e2e.scenes import (
    advises,
    builds,
    file_of,
    first_message,
    gate,
    hands_in,
    held,
    plans,
    rewrites,
    task,
    tool_results,
    word_of,
    worker,
    writes,
)

PLANNED = ("chat", "-M", "--plan", "always", "--yes")
SAME_TIME = Barrier(name="same-time", parties=2)
LIST = "top\n\n1\n2\n3\n4\n5\n6\n7\n\nbottom\n"


def edits(path: str, old: str, new: str) -> tuple[ScriptedReply, ScriptedReply]:
    """Read at the same time as the other worker, then edit and hand in."""
    return (
        ScriptedReply(calls=(call("read_file", path=path),), barrier=SAME_TIME),
        ScriptedReply(
            calls=(call("edit_file", path=path, old_text=old, new_text=new), hands_in()),
            barrier=SAME_TIME,
        ),
    )


def test_a_receipt_holds_what_was_run_and_on_what(stage: OpenStage) -> None:
    check = "printf 'proved\\n'; grep -q T1-built t1.txt"
    user = stage([plans(task("T1", check=check), task("T2")), builds("T1"), builds("T2")])

    ended = user.run(*PLANNED, "--output", "json", "build words")

    assert ended.code == 0, ended.brief
    assert ended.result["status"] == "completed"
    receipt = ended.task("T1")["receipt"]
    [run] = receipt["checks"]
    assert (run["command"], run["exit_code"]) == (check, 0)
    assert run["output_hash"] == hashlib.sha256(b"proved\n").hexdigest()
    assert run["tree"] == user.git("rev-parse", f"{receipt['commit']}^{{tree}}")
    assert user.git("merge-base", "--is-ancestor", receipt["commit"], "main") == ""
    python = subprocess.run(
        ["sh", "-c", "command -v python3"], env=user.environ, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert Path(run["interpreter"]).resolve() == real_python(python)


def real_python(command: str) -> Path:
    """What a `python3` on PATH, which may be a shim, really runs."""
    said = subprocess.run(
        [command, "-c", "import sys; print(sys.executable)"], capture_output=True, text=True, check=True
    )
    return Path(said.stdout.strip()).resolve()


def test_a_failing_check_sends_its_output_to_the_next_attempt(stage: OpenStage) -> None:
    user = stage(
        [
            plans(task("T1", check="cat t1.txt; echo 'seen by the check' >&2; grep -q T1-built t1.txt"), task("T2")),
            worker(
                "T1",
                says("", *rewrites(file_of("T1"), "T1-built\n"), hands_in()),
                first=["not what was wanted", "\nseen by the check"],
            ),
            builds("T1", word="not what was wanted"),
            builds("T2"),
        ]
    )

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    [sent_back] = ended.of("merge_rejected")
    assert (sent_back["task"], sent_back["reason"]) == ("T1", "check_failed")
    [done] = ended.of("task_changed", task="T1", state="done")
    assert done["attempt"] == 2
    assert user.read("t1.txt") == "T1-built\n"


def test_parallel_edits_of_one_file_are_merged(stage: OpenStage) -> None:
    user = stage(
        [
            plans(
                task("T1", files=[], check="grep T1-built list.txt"),
                task("T2", files=[], check="grep T2-built list.txt"),
            ),
            worker("T1", *edits("list.txt", "top", "T1-built")),
            worker("T2", *edits("list.txt", "bottom", "T2-built")),
        ]
    )
    user.commit({"list.txt": LIST})

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 0, ended.brief
    read = [tool_results(request)[0] for request in user.asked("weak") if tool_results(request)]
    assert len(read) == 2
    assert all("top" in text and "bottom" in text for text in read)
    assert user.read("list.txt") == LIST.replace("top", "T1-built").replace("bottom", "T2-built")


def test_a_conflict_sends_the_second_back_to_the_new_tip(stage: OpenStage) -> None:
    names = ("T1", "T2")
    both = LIST.replace("4", "T1-built T2-built")
    mends = (
        says("", call("read_file", path="list.txt")),
        says("", call("write_file", path="list.txt", content=both), hands_in()),
    )
    user = stage(
        [
            plans(*(task(name, files=[], check=f"grep {word_of(name)} list.txt") for name in names)),
            *(worker(name, *edits("list.txt", "4", word_of(name)), times=2) for name in names),
            *(worker(name, *mends) for name in names),
        ]
    )
    user.commit({"list.txt": LIST})

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    [sent_back] = ended.of("merge_rejected")
    assert sent_back["reason"] == "merge_conflict"
    assert sent_back["paths"] == ["list.txt"]
    first, _, second, with_file = [r for r in user.asked("weak") if word_of(sent_back["task"]) in first_message(r)]
    news = first_message(second).removeprefix(first_message(first))
    assert "conflict" in news
    assert "list.txt" in news
    landed_first = ended.of("task_changed", state="done")[0]["task"]
    assert word_of(landed_first) in tool_results(with_file)[0]
    assert user.read("list.txt") == both
    assert "<<<<<<<" not in user.git("log", "-p", "main")


def test_what_breaks_only_when_merged_does_not_pass(stage: OpenStage) -> None:
    checker = "for f in *.caller; do grep -qx $(cat $f) lib.txt || { echo mismatch in $f; exit 1; }; done\n"
    fields: dict[str, Any] = {"files": [], "check": "sh all.sh", "check_reason": "fits"}
    user = stage(
        [
            plans(task("T1", **fields), task("T2", **fields)),
            *(
                worker(
                    name,
                    says("", *rewrites("b.caller", "new\n"), hands_in()),
                    first=["mismatch in b.caller"],
                )
                for name in ("T1", "T2")
            ),
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
    [sent_back] = ended.of("merge_rejected")
    assert sent_back["reason"] == "check_failed"
    assert (user.read("lib.txt"), user.read("a.caller"), user.read("b.caller")) == ("new\n",) * 3


def test_an_editable_install_does_not_make_receipts_lie(stage: OpenStage) -> None:
    check = "python3 -c 'import shop; print(shop.price()); assert shop.price() == 2'"
    user = stage(
        [
            worker(
                "T1",
                says("", *rewrites("src/shop/__init__.py", "def price():\n    return 2\n"), hands_in()),
                first=["AssertionError"],
            ),
            worker("T1", says("", *rewrites("src/shop/__init__.py", "def price():\n    return 3\n"), hands_in())),
        ]
    )
    # The user's checkout holds the right answer already, uncommitted: only a check that looks there can pass.
    user.commit({"src/shop/__init__.py": "def price():\n    return 1\n", "pyproject.toml": "[project]\nname='shop'\n"})
    environment = user.home / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    [packages] = environment.glob("lib/python3*/site-packages")
    (packages / "__editable__.shop.pth").write_text(f"{user.repo / 'src'}\n")
    user.put_first_on_path(environment / "bin")
    user.write({"src/shop/__init__.py": "def price():\n    return 2\n"})

    ended = user.run(
        *("chat", "-M", "--plan", "never", "--yes", "--check", check, "--output", "json"), f"price: {word_of('T1')}"
    )

    assert ended.code == 0, ended.brief
    [only] = ended.result["tasks"]
    assert only["attempts"] == 2
    [run] = only["receipt"]["checks"]
    assert Path(run["interpreter"]).is_relative_to(environment)
    assert user.git("show", f"{only['receipt']['commit']}:src/shop/__init__.py") == "def price():\n    return 2"


def test_the_gate_runs_on_the_merged_tree(stage: OpenStage) -> None:
    user = stage(
        [plans(task("T1"), task("T2")), builds("T1"), builds("T2"), advises()],
        config={"checks": {"gate": ["test ! -e t2.txt"]}, "orchestrator": {"max_attempts": 1}},
    )
    start = user.tip()

    ended = user.run(*PLANNED, "--output", "json", "build words")

    assert ended.code == 1, ended.brief
    assert ended.task("T1")["state"] == "done"
    assert [run["command"] for run in ended.task("T1")["receipt"]["checks"]] == [
        "grep T1-built t1.txt",
        "test ! -e t2.txt",
    ]
    assert (ended.task("T2")["state"], ended.task("T2")["reason"]) == ("failed", "check_failed")
    assert "test ! -e t2.txt" in ended.task("T2")["detail"]
    assert user.tip() == start


def land_while(user: Stage, change: Callable[[Stage], None]) -> Ended:
    """A planned run in which the user does something while the last worker works."""
    process = user.start(*PLANNED, "build words")
    user.wait_for("weak", contains=word_of("T2"))
    change(user)
    user.open_gate("meanwhile")
    out, err = process.communicate(timeout=60)
    return Ended(process.returncode, out, err)


class Change:
    def __init__(self, files: dict[str, str], *git: tuple[str, ...]) -> None:
        self.files = files
        self.git = git

    def __call__(self, user: Stage) -> None:
        user.write(self.files)
        for arguments in self.git:
            user.git(*arguments)


def two_tasks() -> list[object]:
    return [
        gate("meanwhile"),
        plans(task("T1"), task("T2", needs=("T1",))),
        builds("T1"),
        worker("T2", ScriptedReply(calls=(writes("t2.txt", "T2-built\n"), hands_in()), barrier=held("meanwhile"))),
    ]


def printed_command(ended: Ended) -> str:
    line = next(line for line in ended.out.splitlines() if "git merge" in line)
    return line[line.index("git ") :].strip().strip("`")


@pytest.mark.parametrize(
    ("change", "mend"),
    [
        (Change({"README.md": "# Mine\n"}), "git stash -q"),
        (Change({"README.md": "# Mine\n"}, ("add", "README.md")), "git stash -q"),
        (Change({"README.md": "# Mine\n"}, ("commit", "-qam", "mine")), "true"),
        (Change({"t2.txt": "mine\n"}), "rm t2.txt"),
        (Change({}, ("switch", "-qc", "other")), "true"),
    ],
    ids=["dirty", "staged", "moved-on", "untracked", "other-branch"],
)
def test_the_work_is_not_landed_on_a_checkout_that_changed(stage: OpenStage, change: Change, mend: str) -> None:
    user = stage(two_tasks())
    user.commit({"keep.txt": "keep\n"})
    seen: list[tuple[str, str, str]] = []

    def look(changed: Stage) -> None:
        change(changed)
        seen.append((changed.tip(), changed.git("status", "--porcelain"), changed.git("diff", "HEAD")))

    ended = land_while(user, look)

    assert ended.code == 0, ended.brief
    assert seen == [(user.tip(), user.git("status", "--porcelain"), user.git("diff", "HEAD"))]
    assert not (user.repo / "t1.txt").exists()
    assert not (user.repo / "docs").exists()
    for name, content in change.files.items():
        assert user.read(name) == content
    report = json.loads(user.run("runs", "--output", "json").out)["runs"][0]
    assert report["state"] == "completed"

    subprocess.run(
        ["sh", "-ec", f"{mend}; {printed_command(ended)}"],
        cwd=user.repo,
        env=user.environ | {"GIT_EDITOR": "true"},
        check=True,
    )
    assert (user.read("t1.txt"), user.read("t2.txt")) == ("T1-built\n", "T2-built\n")


def test_a_check_runs_in_a_clean_and_closed_place(stage: OpenStage) -> None:
    check = (
        'env; ls -A; ls -A ~; test ! -e untracked.txt && test ! -e ignored.log && test -z "$SHOP_KEY$OPENAI_API_KEY" '
        "&& touch ~/writable $TMPDIR/writable && grep T1-built t1.txt"
    )
    user = stage(
        [plans(task("T1", check=check), task("T2")), builds("T1"), builds("T2")],
        config={"llm": {"api_key_env": "SHOP_KEY"}, "orchestrator": {"max_attempts": 1}},
    )
    user.commit({".gitignore": "*.log\n"})
    user.write({"ignored.log": "x\n"})
    (user.home / "letter").write_text("dear diary")
    user.environ |= {"SHOP_KEY": "sk-secret", "OPENAI_API_KEY": "sk-other"}

    ended = user.run(*PLANNED, "--output", "stream-json", "build words")

    assert ended.code == 0, ended.brief
    [stored] = ended.of("receipt_stored", task="T1")
    output = json.dumps(stored)
    assert "sk-secret" not in output
    assert "letter" not in stored["receipt"]["checks"][0]["output_tail"]
    assert not (user.home / "writable").exists()


def test_untracked_dependencies_are_prepared_once_trusted(stage: OpenStage) -> None:
    check = "cat deps/lib.txt && cat prepared/made.txt && grep T1-built t1.txt"
    user = stage(
        [
            plans(task("T1", check=check), task("T2")),
            worker(
                "T1",
                says("", call("run_command", command="cat deps/lib.txt"), call("read_file", path="prepared/made.txt")),
                says("", writes("t1.txt", "T1-built\n"), hands_in()),
            ),
            builds("T2"),
            advises(),
        ],
        config={"orchestrator": {"max_attempts": 1}},
    )
    user.commit(
        {
            ".gitignore": "deps/\nprepared/\n",
            ".equitr/worktree.yaml": "links: [deps]\nsetup: mkdir -p prepared && echo made > prepared/made.txt\n",
        }
    )
    user.write({"deps/lib.txt": "the library\n"})

    assert user.run("trust").code == 0
    ended = user.run(*PLANNED, "--output", "json", "build words")

    assert ended.code == 0, ended.brief
    assert ended.task("T1")["receipt"]["checks"][0]["exit_code"] == 0
    library, made = tool_results(next(r for r in user.asked("weak") if len(tool_results(r)) == 2))
    assert "the library" in library
    assert "made" in made
    assert user.git("status", "--porcelain") == ""


def test_two_runs_in_one_repository_do_not_harm_each_other(stage: OpenStage) -> None:
    user = stage(
        [
            gate("meanwhile"),
            plans(task("T1"), task("T2", needs=("T1",)), first="first project"),
            plans(task("T3"), task("T4", needs=("T3",)), first="second project"),
            builds("T1"),
            worker("T2", ScriptedReply(calls=(writes("t2.txt", "T2-built\n"), hands_in()), barrier=held("meanwhile"))),
            builds("T3"),
            builds("T4"),
        ]
    )
    process = user.start(*PLANNED, "the first project")
    user.wait_for("weak", contains=word_of("T2"))

    second = user.run(*PLANNED, "the second project")
    assert second.code == 0, second.brief
    assert (user.read("t3.txt"), user.read("t4.txt")) == ("T3-built\n", "T4-built\n")
    landed = user.tip()
    user.open_gate("meanwhile")
    out, err = process.communicate(timeout=60)

    assert process.returncode == 0, out + err
    assert user.tip() == landed
    assert user.git("status", "--porcelain") == ""
    branches = user.git("branch", "--format=%(refname:short)").splitlines()
    assert {"equitr/epic-001", "equitr/epic-002"} <= set(branches)
    assert user.git("show", "equitr/epic-001:t2.txt") == "T2-built"
    assert "git merge equitr/epic-001" in out


def test_files_land_with_their_kind_and_their_absence(stage: OpenStage) -> None:
    user = stage(
        [
            plans(
                task(
                    "T1",
                    files=["**"],
                    check="test -x run.sh && test ! -e old.txt && test -L link && grep T1-built new.txt",
                ),
                task("T2", needs=("T1",)),
            ),
            worker(
                "T1",
                says(
                    "",
                    call("run_command", command="chmod +x run.sh; git mv old.txt new.txt 2>/dev/null; rm -f old.txt"),
                ),
                says(
                    "",
                    call("run_command", command="echo T1-built > new.txt; ln -s new.txt link; printf 'a\\0b' > bytes"),
                ),
                says("", hands_in()),
            ),
            builds("T2"),
        ]
    )
    user.commit({"run.sh": "#!/bin/sh\n", "old.txt": "old\n"})

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 0, ended.brief
    modes = {line.split()[3]: line.split()[0] for line in user.git("ls-tree", "main").splitlines()}
    assert (modes["run.sh"], modes["link"], modes["bytes"]) == ("100755", "120000", "100644")
    assert "old.txt" not in modes
    assert os.access(user.repo / "run.sh", os.X_OK)
    assert (user.repo / "link").readlink() == Path("new.txt")
    assert (user.repo / "bytes").read_bytes() == b"a\0b"
    assert not (user.repo / "old.txt").exists()
