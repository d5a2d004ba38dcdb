from equitr_coder.testing.script import always, call, says
from tests.e2e.conftest import OpenStage
from tests.e2e.scenes import file_of, hands_in, plans, task, worker, writes

PLANNED = ("chat", "-M", "--plan", "always", "--yes", "build words")


def test_a_pruned_log_leaves_a_tombstone_and_the_others_are_whole(stage: OpenStage) -> None:
    printing = call("run_command", command="seq 1 9000")
    user = stage(
        [
            plans(task("T1")),
            worker("T1", says("", printing), says("", writes(file_of("T1"), "T1-built\n")), says("", hands_in())),
            always(says("Hello.")),
        ]
    )
    assert user.run("chat", "first").code == 0
    assert user.run(*PLANNED).code == 0
    assert user.run("chat", "last").code == 0
    whole = {chain["run"]: chain for chain in user.run("audit", "verify", "--output", "json").result["chains"]}
    newest, epic, oldest = (run["run"] for run in user.run("runs", "--output", "json").result["runs"])
    branch = user.tip("equitr/epic-001")

    shown = user.run("prune", "--logs", "--keep", "1", "--dry-run", "--yes")
    recent = user.run("prune", "--logs", "--older-than", "1d", "--yes")
    untouched = user.run("audit", "verify", "--output", "json").result["chains"]
    pruned = user.run("prune", "--logs", "--keep", "1", "--yes")
    after = {chain["run"]: chain for chain in user.run("audit", "verify", "--output", "json").result["chains"]}

    assert "Would delete" in shown.out
    assert "2 logs whose tombstones stay" in shown.out
    assert "nothing to prune" in recent.out
    assert [chain["deleted"] for chain in untouched] == [None] * 3
    assert pruned.code == 0, pruned.brief
    for run in (epic, oldest):
        assert after[run]["deleted"] is not None
        assert (after[run]["head"], after[run]["records"]) == (whole[run]["head"], whole[run]["records"])
    assert all(chain["faults"] == [] for chain in after.values())
    assert after[newest]["deleted"] is None
    assert [run["run"] for run in user.run("runs", "--output", "json").result["runs"]] == [newest]
    assert user.run("audit", "verify", epic, "--head", whole[epic]["head"]).code == 0
    assert user.tip("equitr/epic-001") == branch
    for arguments in (("resume", epic), ("replay", epic)):
        ended = user.run(*arguments)
        assert ended.code == 2, ended.brief
        assert len(ended.err.strip().splitlines()) == 2, ended.brief


def test_uninstalling_shows_everything_first_and_takes_no_branch_and_no_file_of_the_users(stage: OpenStage) -> None:
    user = stage(
        [plans(task("T1")), worker("T1", says("", writes(file_of("T1"), "T1-built\n"), hands_in()))],
        config={"orchestrator": {"worktree_pool": 1}},
    )
    assert user.run(*PLANNED).code == 0
    profile = user.equitr_home / "profiles" / "mine.md"
    profile.parent.mkdir()
    profile.write_text("---\nname: mine\n---\n")
    before = (user.git("for-each-ref"), user.git("worktree", "list"), sorted(user.equitr_home.iterdir()))

    shown = user.run("uninstall", "--dry-run", "--output", "json")
    asked = user.run("uninstall")
    unchanged = (user.git("for-each-ref"), user.git("worktree", "list"), sorted(user.equitr_home.iterdir()))
    gone = user.run("uninstall", "--yes")

    [workspace] = shown.result["workspaces"]
    assert workspace["refs"]
    assert workspace["worktrees"]
    assert workspace["branches"] == ["equitr/epic-001"]
    assert str(user.equitr_home / "equitr.db") in [entry["path"] for entry in shown.result["state"]]
    assert "Nothing was removed; add --yes to remove it" in asked.text
    assert unchanged == before
    assert gone.code == 0, gone.brief
    assert sorted(path.name for path in user.equitr_home.iterdir()) == ["config.yaml", "profiles"]
    assert profile.exists()
    assert user.git("for-each-ref", "--format=%(refname)").split() == ["refs/heads/equitr/epic-001", "refs/heads/main"]
    assert len(user.git("worktree", "list").splitlines()) == 1
    assert user.git("status", "--porcelain") == ""
    assert "There is nothing to remove" in user.run("uninstall").out
