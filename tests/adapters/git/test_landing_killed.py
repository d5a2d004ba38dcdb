"""A landing stopped before each of its steps, then settled by a fresh process: the checkout is exactly old or new."""

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from equitr_coder.adapters.git.repository import GitRepository
from equitr_coder.domain.ids import CommitId, RunId
from tests.adapters.git.fuses import Fuse, Killed, fused_repository
from tests.adapters.git.stage import Checkout, FileJournal

RUN = RunId("run-1")
SHARDS = 2
"""Every step is tried in the ordinary checkout, every second one in the others."""


@dataclass(frozen=True)
class Stage:
    """A checkout about to be landed on, and what it must look like before and after."""

    folder: Path
    checkout: Checkout
    old: CommitId
    new: CommitId
    old_files: dict[str, str]
    new_files: dict[str, str]

    def copy(self, folder: Path) -> "Stage":
        shutil.copytree(self.folder, folder, symlinks=True)
        for naming in ("journal.json", "linked/.git", "main/.git/worktrees/linked/gitdir"):
            if (folder / naming).exists():
                text = (folder / naming).read_text()
                (folder / naming).write_text(text.replace(str(self.folder), str(folder)))
        checkout = Checkout(folder / self.checkout.root.relative_to(self.folder))
        return Stage(folder, checkout, self.old, self.new, self.old_files, self.new_files)

    def repository(self, fuse: Fuse | None = None) -> GitRepository:
        home, path = self.folder / "home", self.folder / "journal.json"
        if fuse is None:
            return GitRepository(self.checkout.root, home=home, store=FileJournal(path))
        return fused_repository(self.checkout.root, home=home, journal=path, fuse=fuse)

    def condition(self) -> str:
        """`old`, `new`, or what is wrong."""
        checkout = self.checkout
        git_dir = Path(checkout.git("rev-parse", "--absolute-git-dir"))
        leftovers = [
            path.name for path in git_dir.iterdir() if path.name.startswith("equitr-") or path.suffix == ".lock"
        ]
        if leftovers:
            return f"left behind: {leftovers}"
        checkout.git("fsck", "--strict", "--no-dangling")
        if status := checkout.git("status", "--porcelain"):
            return f"not clean: {status}"
        for name, commit, files in (("old", self.old, self.old_files), ("new", self.new, self.new_files)):
            if checkout.head == commit and checkout.files() == files:
                return name
        return f"neither old nor new: {checkout.head} {checkout.files()}"


def build(folder: Path, checkout: Checkout) -> Stage:
    """Every kind of change, beside files of the user's that must not be touched."""
    checkout.write(".gitignore", "*.log\n/notes\n")
    checkout.write("kept.txt", "kept\n")
    checkout.write("changed.txt", "one\n")
    checkout.write("tool", "#!/bin/sh\n")
    checkout.write("gone/deep/away.txt", "away\n")
    checkout.write("file becomes folder", "file\n")
    checkout.write("folder-becomes-file/a", "a\n")
    checkout.write("folder-becomes-file/b", "b\n")
    checkout.link("link", "kept.txt")
    checkout.link("link becomes file", "kept.txt")
    checkout.write("ünïcode ♥.txt", "eins\n")
    old = checkout.commit("old")
    old_branch = checkout.git("branch", "--show-current")
    checkout.git("switch", "-q", "-c", "equitr/epic-001")
    checkout.write("changed.txt", "two\n")
    (checkout.root / "tool").chmod(0o755)
    checkout.remove("gone/deep/away.txt")
    checkout.remove("file becomes folder")
    checkout.write("file becomes folder/inside", "inside\n")
    checkout.remove("folder-becomes-file/a")
    checkout.remove("folder-becomes-file/b")
    (checkout.root / "folder-becomes-file").rmdir()
    checkout.write("folder-becomes-file", "file\n")
    checkout.remove("link")
    checkout.link("link", "changed.txt")
    checkout.remove("link becomes file")
    checkout.write("link becomes file", "file\n")
    checkout.write("new/sub/created.txt", "created\n")
    checkout.write("ünïcode ♥.txt", "zwei\n")
    new = checkout.commit("new")
    checkout.write("debug.log", "ignored\n")
    checkout.write("notes", "ignored too\n")
    # There and back: now every file that differs was written by git, with its conversion of line ends.
    checkout.git("switch", "-q", old_branch)
    checkout.git("switch", "-q", "equitr/epic-001")
    new_files = checkout.files()
    checkout.git("switch", "-q", old_branch)
    return Stage(folder, checkout, old, new, checkout.files(), new_files)


@pytest.fixture(params=["own", "linked", "crlf"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Stage:
    """In the user's only checkout, in a linked worktree of the user's, and with line ends converted."""
    folder = tmp_path / "template"
    main = Checkout(folder / "main")
    main.root.mkdir(parents=True)
    main.git("init", "-q")
    if request.param == "crlf":
        main.git("config", "core.autocrlf", "true")
    if request.param != "linked":
        return build(folder, main)
    main.commit("root")
    main.git("worktree", "add", "-q", "-b", "side", str(folder / "linked"))
    return build(folder, Checkout(folder / "linked"))


async def land(stage: Stage, fuse: Fuse) -> None:
    branch = stage.checkout.git("branch", "--show-current")
    await stage.repository(fuse).land(RUN, branch, stage.old, stage.new)


def test_the_stage_holds_every_kind_of_change(stage: Stage) -> None:
    fuse = Fuse()

    asyncio.run(land(stage, fuse))

    assert stage.condition() == "new"
    assert fuse.steps[0] == "write journal"
    assert fuse.steps[-1] == "clear journal"
    assert len([step for step in fuse.steps if step.startswith(("put", "take"))]) == 12


@pytest.mark.sample(2)
@pytest.mark.parametrize(("stage", "shard"), [("own", 0), ("own", 1), ("linked", 0), ("crlf", 1)], indirect=["stage"])
def test_a_landing_killed_before_any_step_is_completed_or_undone(stage: Stage, shard: int, tmp_path: Path) -> None:
    whole = Fuse()
    asyncio.run(land(stage.copy(tmp_path / "whole"), whole))
    found: dict[str, str] = {}

    for at in range(shard, len(whole.steps), SHARDS):
        played = stage.copy(tmp_path / f"killed before {at}")
        with pytest.raises(Killed):
            asyncio.run(land(played, Fuse(at)))
        asyncio.run(played.repository().recover_landings())
        found[f"{at} {whole.steps[at]}"] = played.condition()

    assert found
    assert {name: state for name, state in found.items() if state not in ("old", "new")} == {}


@pytest.mark.parametrize("stage", ["own"], indirect=True)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_recovery_killed_before_any_step_is_finished_by_the_next(stage: Stage, shard: int, tmp_path: Path) -> None:
    half_way = stage.copy(tmp_path / "half way")
    with pytest.raises(Killed):
        asyncio.run(land(half_way, Fuse(16)))
    whole = Fuse()
    asyncio.run(half_way.copy(tmp_path / "whole").repository(whole).recover_landings())
    found: dict[str, str] = {}

    for at in range(shard, len(whole.steps), SHARDS):
        played = half_way.copy(tmp_path / f"killed before {at}")
        with pytest.raises(Killed):
            asyncio.run(played.repository(Fuse(at)).recover_landings())
        asyncio.run(played.repository().recover_landings())
        found[f"{at} {whole.steps[at]}"] = played.condition()

    assert found
    assert {name: state for name, state in found.items() if state != "new"} == {}
