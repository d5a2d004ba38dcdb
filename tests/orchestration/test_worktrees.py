"""Where tasks work, on real git: a worktree goes on to the next task, and of a dead run only what is needed stays."""

from pathlib import Path

from equitr_coder.adapters.git.repository import open_repository
from equitr_coder.adapters.local.leases import LocalLeases
from equitr_coder.adapters.local.preparation import PreparationPlan, WorktreePreparation
from equitr_coder.adapters.sandbox.unconfined import UnconfinedExecutor
from equitr_coder.adapters.sqlite.store import SqliteStore
from equitr_coder.domain.ids import AgentName, TaskId
from equitr_coder.orchestration.outcomes import HandIn
from equitr_coder.orchestration.worktree_pool import WorktreePool
from equitr_coder.orchestration.worktrees import RunPlaces, Worktrees
from equitr_coder.ports import EventStore, Repository
from tests.orchestration.histories import Entry, History
from tests.orchestration.test_merge_scenarios import ONE, RUN, TWO, Fuse, Scene

HISTORY = History(
    "apart",
    base={"README.md": Entry(b"words\n")},
    first={"first.txt": Entry(b"1\n")},
    second={"second.txt": Entry(b"2\n")},
)


def _pool(scene: Scene, repository: Repository, store: EventStore) -> WorktreePool:
    return WorktreePool(repository=repository, store=store, workspace=scene.home / "worktrees" / "one", size=9)


def _worktrees(scene: Scene, repository: Repository, store: EventStore) -> Worktrees:
    executor = UnconfinedExecutor(reason="test", environ={"PATH": "/usr/bin:/bin", "HOME": str(scene.home)})
    return Worktrees(
        repository=repository,
        places=RunPlaces(root=scene.home / "worktrees" / "one" / RUN, checkout=scene.repo, git_dir=scene.repo / ".git"),
        preparation=WorktreePreparation(
            plan=PreparationPlan(), checkout=scene.repo, cache=scene.home / "prepared", executor=executor
        ),
        pool=_pool(scene, repository, store),
        leases=LocalLeases(scene.home / "leases", ports=()),
        gate_slots=1,
    )


def _listed(scene: Scene) -> set[str]:
    """Worktrees as git knows them, by the last two parts of their paths."""
    listed = scene.git("worktree", "list", "--porcelain").split("\n\n")[1:]
    assert not [one for one in listed if "prunable" in one], listed
    return {"/".join(Path(one.splitlines()[0].removeprefix("worktree ")).parts[-2:]) for one in listed}


async def test_the_worktree_of_a_task_that_is_done_goes_on_to_the_next_as_new(tmp_path: Path) -> None:
    scene = Scene(tmp_path, HISTORY)
    store = SqliteStore(scene.home)
    repository = await open_repository(scene.repo, home=scene.home, store=store, shadow_ok=False)
    worktrees = _worktrees(scene, repository, store)

    first = await worktrees.open(ONE, scene.base)
    (first / "left.txt").write_text("by the first\n")
    inode = first.stat().st_ino
    worktrees.close(ONE)
    worktrees.close(ONE)
    second = await worktrees.open(TWO, scene.second)
    assert second.stat().st_ino == inode
    assert sorted(path.name for path in second.iterdir()) == [".git", "README.md", "second.txt"]
    assert _listed(scene) == {f"{RUN}/T2"}

    third = await worktrees.open(TaskId("T3"), scene.base)
    assert third.stat().st_ino != inode
    worktrees.close(TWO)
    assert await worktrees.open(TWO, scene.base) == second, "the same task again takes what was its own"
    fourth = await worktrees.open(TaskId("T4"), scene.base)
    assert second.exists()
    assert _listed(scene) == {f"{RUN}/{path.name}" for path in (second, third, fourth)}

    worktrees.close(TWO)
    await worktrees.close_all()
    assert {name.partition("/")[0] for name in _listed(scene)} == {"pool"}
    assert len(_listed(scene)) == 3
    await store.close()


async def test_another_run_takes_from_a_dead_one_what_its_finished_tasks_left(tmp_path: Path) -> None:
    scene = Scene(tmp_path, HISTORY)
    async with scene.process(Fuse()) as part:
        hand_in = HandIn(scene.plan.task(ONE), 1, AgentName("worker"), scene.first, scene.base, "it is done")
        assert await part.queue.merge(hand_in) is None
        root = scene.home / "worktrees" / "one" / RUN
        for name in (ONE, TWO):
            await part.repository.add_worktree(root / name, scene.base)

    store = SqliteStore(scene.home)
    repository = await open_repository(scene.repo, home=scene.home, store=store, shadow_ok=False)
    await _pool(scene, repository, store).reclaim()

    assert [path.name for path in root.iterdir()] == [TWO]
    assert {name for name in _listed(scene) if not name.startswith("pool/")} == {f"{RUN}/{TWO}"}
    assert len(_listed(scene)) == 2
    await store.close()
