"""Where tasks work, on real git: a worktree goes on to the next task, and of a dead run only what is needed stays."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from equitr_coder.adapters.git.repository import open_repository
from equitr_coder.adapters.local.leases import LocalLeases
from equitr_coder.adapters.local.preparation import PreparationPlan, WorktreePreparation
from equitr_coder.adapters.sandbox.unconfined import UnconfinedExecutor
from equitr_coder.adapters.sqlite.store import SqliteStore
from equitr_coder.domain.epic import Plan, Task
from equitr_coder.domain.errors import RunStopped, StopReason
from equitr_coder.domain.ids import AgentName, CommitId, TaskId
from equitr_coder.orchestration import worktrees as worktrees_of_runs
from equitr_coder.orchestration.head_start import HeadStart, beside_work
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


def _worktrees(scene: Scene, repository: Repository, store: EventStore, *, gate_slots: int = 1) -> Worktrees:
    executor = UnconfinedExecutor(reason="test", environ={"PATH": "/usr/bin:/bin", "HOME": str(scene.home)})
    return Worktrees(
        repository=repository,
        places=RunPlaces(root=scene.home / "worktrees" / "one" / RUN, checkout=scene.repo, git_dir=scene.repo / ".git"),
        preparation=WorktreePreparation(
            plan=PreparationPlan(), checkout=scene.repo, cache=scene.home / "prepared", executor=executor
        ),
        pool=_pool(scene, repository, store),
        leases=LocalLeases(scene.home / "leases", ports=()),
        gate_slots=gate_slots,
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


def _plan(*needs: tuple[str, ...]) -> Plan:
    """T1, T2 and so on, each with what it needs."""
    tasks = [
        Task(id=TaskId(f"T{number}"), title="a task", description="", needs=tuple(map(TaskId, each)), todos=())
        for number, each in enumerate(needs, start=1)
    ]
    return Plan(title="Words", tasks=tuple(tasks))


async def _until(holds: Callable[[], bool]) -> None:
    """For what only the disk and the log tell."""
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - nobody is there who could set an event
            await asyncio.sleep(0.005)


async def test_a_head_start_makes_as_many_as_a_plan_can_begin_with(tmp_path: Path) -> None:
    scene = Scene(tmp_path, HISTORY)
    store = SqliteStore(scene.home)
    repository = await open_repository(scene.repo, home=scene.home, store=store, shadow_ok=False)
    worktrees = _worktrees(scene, repository, store)
    ahead = HeadStart(worktrees, scene.base, workers=8)

    async def planning() -> str:
        await _until(lambda: len(_listed(scene)) == 4)
        ahead.expect(_plan((), *(("T1",),) * 9))  # all but one wait
        for number in range(1, 4):
            await worktrees.open(TaskId(f"T{number}"), scene.second)
        assert len(_listed(scene)) == 4
        ahead.expect(_plan((), (), (), (), ("T1",), ()))
        await _until(lambda: len(_listed(scene)) == 6)
        return "planned"

    assert await ahead.beside(planning) == "planned"
    assert {"T1", "T2", "T3", "ready-5", "ready-6"} < {name.removeprefix(f"{RUN}/") for name in _listed(scene)}

    opened = [await worktrees.open(TaskId(f"T{number}"), scene.second) for number in range(4, 8)]
    assert _listed(scene) == {f"{RUN}/T{number}" for number in range(1, 8)}
    assert all((path / "second.txt").exists() for path in opened)
    await worktrees.close_all()
    await store.close()


@pytest.mark.parametrize("workers", [0, 2])
async def test_few_workers_need_few_worktrees_ahead_and_a_plan_that_is_not_built_that_of_its_checks(
    tmp_path: Path, workers: int
) -> None:
    scene = Scene(tmp_path, HISTORY)
    store = SqliteStore(scene.home)
    repository = await open_repository(scene.repo, home=scene.home, store=store, shadow_ok=False)
    worktrees = _worktrees(scene, repository, store)
    ahead = HeadStart(worktrees, scene.base, workers=workers)

    async def planning() -> None:
        await _until(lambda: len(_listed(scene)) == workers + 1)
        ahead.expect(_plan((), (), (), ()))
        # What is made next would be found by git when this one has been taken away.
        await repository.remove_worktree(scene.home / "worktrees" / "one" / RUN / "ready-1")

    await ahead.beside(planning)
    assert _listed(scene) == {f"{RUN}/ready-{number}" for number in range(2, workers + 2)}
    await store.close()


async def test_a_planning_that_stops_ends_its_head_start(tmp_path: Path) -> None:
    scene = Scene(tmp_path, HISTORY)
    store = SqliteStore(scene.home)
    repository = await open_repository(scene.repo, home=scene.home, store=store, shadow_ok=False)
    worktrees = _worktrees(scene, repository, store)

    async def planning() -> None:
        await _until(lambda: len(_listed(scene)) >= 1)
        raise RunStopped(StopReason.BUDGET_EXCEEDED, "no money is left")

    with pytest.raises(RunStopped, match="no money is left"):
        await HeadStart(worktrees, scene.base, workers=3).beside(planning)

    await worktrees.close_all()
    assert {name.partition("/")[0] for name in _listed(scene)} == {"pool"}
    assert not (scene.home / "worktrees" / "one" / RUN).exists()
    await store.close()


async def test_what_cannot_be_made_ahead_is_left_to_whoever_needs_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path, HISTORY)
    store = SqliteStore(scene.home)
    repository = await open_repository(scene.repo, home=scene.home, store=store, shadow_ok=False)
    worktrees = _worktrees(scene, repository, store)
    in_the_way = scene.home / "worktrees" / "one" / RUN
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("a file\n")
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(logging.getLogger("equitr_coder"), "propagate", True)  # a program that ran here has kept it

    async def planning() -> str:
        await _until(lambda: "no worktree was made ahead" in caplog.text)
        return "planned"

    assert await HeadStart(worktrees, scene.base, workers=3).beside(planning) == "planned"
    in_the_way.unlink()
    assert (await worktrees.open(ONE, scene.base) / "README.md").exists()
    await store.close()


async def test_while_agents_work_checkouts_for_as_many_checks_are_made_and_each_serves_one_at_a_time(
    tmp_path: Path,
) -> None:
    scene = Scene(tmp_path, HISTORY)
    store = SqliteStore(scene.home)
    repository = await open_repository(scene.repo, home=scene.home, store=store, shadow_ok=False)
    worktrees = _worktrees(scene, repository, store, gate_slots=4)
    used: set[Path] = set()

    async def check() -> None:
        async with worktrees.clean_checkout(scene.second) as place:
            assert place.root not in used
            used.add(place.root)
            assert (place.root / "second.txt").exists()
            await asyncio.sleep(0)
            used.remove(place.root)

    async def work() -> str:
        for _ in range(20):
            await asyncio.sleep(0)
        assert _listed(scene) == set(), "nobody works yet, and nothing is held up for a check"
        await worktrees.open(ONE, scene.base)
        async with asyncio.TaskGroup() as group:
            for _ in range(9):
                group.create_task(check())
        wanted = {f"{RUN}/{name}" for name in ("gate-1", "gate-2", "gate-3", "ready-1", "ready-2")}
        await _until(lambda: wanted < _listed(scene))
        return "done"

    assert await beside_work(worktrees, scene.base, checks=3, tasks=2, work=work) == "done"
    await worktrees.close_all()
    await store.close()


async def test_where_a_checkout_takes_long_no_second_one_is_made_in_case_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worktrees_of_runs, "_QUICK", 0.0)
    scene = Scene(tmp_path, HISTORY)
    store = SqliteStore(scene.home)
    repository = await open_repository(scene.repo, home=scene.home, store=store, shadow_ok=False)
    worktrees = _worktrees(scene, repository, store, gate_slots=4)
    await worktrees.open(ONE, scene.base)

    await worktrees.make_more_ready(scene.base, checks=4, tasks=4)

    assert _listed(scene) == {f"{RUN}/T1", f"{RUN}/gate-1"}
    assert not worktrees.are_quick
    await store.close()


async def test_what_ends_the_work_is_told_as_it_is_and_a_checkout_that_fails_costs_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path, HISTORY)
    store = SqliteStore(scene.home)
    repository = await open_repository(scene.repo, home=scene.home, store=store, shadow_ok=False)
    worktrees = _worktrees(scene, repository, store)
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(logging.getLogger("equitr_coder"), "propagate", True)  # a program that ran here has kept it

    async def work() -> None:
        await worktrees.open(ONE, scene.base)
        await _until(lambda: "no worktree was made ahead" in caplog.text)
        raise RunStopped(StopReason.BUDGET_EXCEEDED, "no money is left")

    with pytest.raises(RunStopped, match="no money is left"):
        await beside_work(worktrees, CommitId("0" * 40), checks=1, tasks=0, work=work)

    async with asyncio.timeout(20), worktrees.clean_checkout(scene.base) as place:
        assert (place.root / "README.md").exists()
    await store.close()
