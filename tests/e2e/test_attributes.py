"""Attributes that came after the files: git would store these in another way, and nobody has changed them."""

import pytest

from equitr_coder.testing.script import Barrier, ScriptedReply, call, says
from tests.e2e.conftest import OpenStage, Stage
from tests.e2e.scenes import builds, hands_in, plans, task, worker, writes

PLANNED = ("chat", "-M", "--plan", "always", "--yes")
SAME_TIME = Barrier(name="same-time", parties=2)
TWO = {"orchestrator": {"max_workers": 2, "max_attempts": 1}}


def bytes_of(user: Stage, name: str) -> bytes:
    return (user.repo / name).read_bytes()


def put(user: Stage, files: dict[str, bytes], message: str) -> None:
    for name, content in files.items():
        (user.repo / name).write_bytes(content)
    user.git("add", *files)
    user.git("commit", "-qm", message)


@pytest.mark.parametrize(
    ("attributes", "content"),
    [
        (b"*.txt text\n", b"a\r\nb\r\n"),
        (b"*.txt text eol=crlf\n", b"a\nb\r\n"),
        (b"*.txt ident\n", b"$Id: from another system $\n"),
    ],
)
def test_files_that_are_stored_in_another_form_are_nobodys_change(
    stage: OpenStage, attributes: bytes, content: bytes
) -> None:
    shell = call("run_command", command="touch old.txt; echo T1-built > t1.txt")
    user = stage(
        [plans(task("T1"), task("T2")), worker("T1", says("", shell, hands_in())), builds("T2")],
        config=TWO,
    )
    put(user, {"old.txt": content}, "before")
    put(user, {".gitattributes": attributes}, "attributes")
    start = user.tip()

    ended = user.run(*PLANNED, "--output", "json", "build words")

    assert ended.code == 0, ended.brief
    assert [ended.task(name)["attempts"] for name in ("T1", "T2")] == [1, 1]
    assert "old.txt" not in user.git("diff", "--name-only", start, "equitr/epic-001").splitlines()
    assert bytes_of(user, "old.txt") == content


def test_attributes_of_one_task_do_not_make_another_ones_files_look_changed(stage: OpenStage) -> None:
    lines = call("run_command", command="printf 'T2-built\\r\\n' > t2.txt; printf 'x\\r\\n' >> list.txt")
    user = stage(
        [
            plans(task("T1", files=[], check="test -f .gitattributes"), task("T2", files=[])),
            worker(
                "T1",
                ScriptedReply(calls=(writes(".gitattributes", "*.txt text eol=crlf\n"), hands_in()), barrier=SAME_TIME),
            ),
            worker("T2", ScriptedReply(calls=(lines, hands_in()), barrier=SAME_TIME)),
        ],
        config=TWO,
    )
    user.commit({"list.txt": "a\nb\n"})

    ended = user.run(*PLANNED, "build words")

    assert ended.code == 0, ended.brief
    assert "2 done, 0 failed" in ended.out
    # Landed, both would be called changed from then on, and nobody could tell what of them is the user's.
    assert "Not landed: list.txt, t2.txt would look changed at once" in ended.out
    assert "git merge equitr/epic-001" in ended.out
    assert user.git("status", "--porcelain") == ""
    assert bytes_of(user, "list.txt") == b"a\nb\n"
    assert user.run("verify", "epic-001").code == 0
