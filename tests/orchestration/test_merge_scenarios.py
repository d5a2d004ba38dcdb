"""Real histories through the real merge queue, git and store: clean ones land, the rest are reported with the right
paths, and nothing is lost, also when the process dies at any step.
"""

import asyncio
import random
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from equitr_coder.adapters.git.repository import open_repository
from equitr_coder.adapters.local.clock import SystemClock
from equitr_coder.adapters.local.leases import LocalLeases
from equitr_coder.adapters.local.preparation import PreparationPlan, WorktreePreparation
from equitr_coder.adapters.sandbox.unconfined import UnconfinedExecutor
from equitr_coder.adapters.sqlite.store import SqliteStore
from equitr_coder.domain.commands import AbortConflict, ResolveConflict
from equitr_coder.domain.conflicts import ConflictMode, ConflictStage
from equitr_coder.domain.epic import Plan, Task, TaskState
from equitr_coder.domain.errors import RunStopped, StopReason, UserError
from equitr_coder.domain.events import PlanApproved, RunStarted, TaskChanged
from equitr_coder.domain.ids import AgentName, CommitId, EpicId, RequestId, RunId, TaskId
from equitr_coder.domain.panel import PanelRules
from equitr_coder.domain.run_view import RunView, fold
from equitr_coder.domain.runs import RunKind, RunOptions
from equitr_coder.orchestration.conflict_log import ConflictLog
from equitr_coder.orchestration.conflicts import Conflicts
from equitr_coder.orchestration.disagreements import Disagreements
from equitr_coder.orchestration.gate import Gate
from equitr_coder.orchestration.merge_queue import MergeQueue
from equitr_coder.orchestration.outcomes import HandIn, SentBack
from equitr_coder.orchestration.panel import Panel
from equitr_coder.orchestration.review import Reviewer
from equitr_coder.orchestration.worktree_pool import WorktreePool
from equitr_coder.orchestration.worktrees import RunPlaces, Worktrees
from equitr_coder.ports import EventStore, Repository, Unstored, Written
from equitr_coder.session.hub import Hub
from equitr_coder.workflows.conflicts import settled
from tests.orchestration.histories import LINK, MODULE, Entry, Files, History, histories

EPIC, RUN, BRANCH = EpicId("epic-001"), RunId("run-1"), "equitr/epic-001"
ONE, TWO = TaskId("T1"), TaskId("T2")
ALL = list(histories())
SAMPLE = ALL[::7]
_STEPS = 14
"""As many as the shortest play has."""


class Killed(BaseException):
    """The process is gone."""


class Fuse:
    """Counts the steps outside of this process, and ends it before or after the chosen one."""

    def __init__(self, at: int | None = None, *, after: bool = False) -> None:
        self.count = 0
        self._is_dead = False
        self._at = at
        self._after = after

    def around(self, real: object, *names: str) -> Any:
        return _Fused(real, frozenset(names), self)

    async def burn(self, work: Callable[[], Awaitable[Any]]) -> Any:
        mine = self.enter()
        result = await work()
        self.leave(mine)
        return result

    def enter(self) -> int:
        self.count += 1
        self._burn(self.count == self._at and not self._after)
        return self.count

    def leave(self, number: int) -> None:
        self._burn(number == self._at)

    def _burn(self, is_end: bool) -> None:
        self._is_dead |= is_end
        if self._is_dead:
            raise Killed


class _Fused:
    def __init__(self, real: object, names: frozenset[str], fuse: Fuse) -> None:
        self._real = real
        self._names = names
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if name not in self._names:
            return found

        if name == "append":
            return lambda unstored: found(_FusedBacklog(unstored, self._fuse))

        async def call(*args: Any, **options: Any) -> Any:
            return await self._fuse.burn(lambda: found(*args, **options))

        return call


class _FusedBacklog:
    """What waits for a transaction, which is a step: in the store's thread, just before it and just after."""

    def __init__(self, unstored: Unstored, fuse: Fuse) -> None:
        self._unstored = unstored
        self._fuse = fuse
        self._mine = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._unstored, name)

    def take(self) -> Sequence[Sequence[Written]]:
        batches = self._unstored.take()
        if batches:
            self._mine = self._fuse.enter()
        return batches

    def have_stored(self, batches: Sequence[Sequence[Written]]) -> None:
        self._fuse.leave(self._mine)
        self._unstored.have_stored(batches)


@dataclass
class Part:
    """What one process has of the run."""

    hub: Hub
    queue: MergeQueue
    repository: Repository


class Scene:
    def __init__(
        self, folder: Path, history: History, mode: ConflictMode = "merge_review", *, gate_slots: int = 1
    ) -> None:
        self._gate_slots = gate_slots
        self.repo, self.home = folder / "repo", folder / "home"
        self.history = history
        self._mode = mode
        self.repo.mkdir(parents=True)
        self.home.mkdir()
        self.git("init", "-q", "-b", "main")
        self.base, self.first, self.second = self._import()
        check = history.check
        self.plan = Plan(
            title="Two", tasks=tuple(Task(id=name, title=f"task {name}", check=check) for name in (ONE, TWO))
        )

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        done = subprocess.run(["git", *arguments], cwd=self.repo, input=stdin, capture_output=True, check=False)
        assert done.returncode == 0, f"git {arguments}: {done.stderr.decode()}"
        return done.stdout.decode().rstrip("\n")

    def _import(self) -> tuple[CommitId, CommitId, CommitId]:
        old = self.history.base
        stream = _commit("main", old, None, old)
        stream += _commit("first", self.history.first, "refs/heads/main", old)
        stream += _commit("second", self.history.second, "refs/heads/main", old)
        self.git("fast-import", "--quiet", stdin=stream)
        names = ("main", "first", "second")
        base, first, second = (CommitId(self.git("rev-parse", f"refs/heads/{name}")) for name in names)
        for name in names[1:]:
            self.git("update-ref", "-d", f"refs/heads/{name}")
        self.git("update-ref", f"refs/equitr/{EPIC}/T1.1", first)
        self.git("update-ref", f"refs/equitr/{EPIC}/T2.1", second)
        self.git("update-ref", f"refs/heads/{BRANCH}", base)
        return base, first, second

    @asynccontextmanager
    async def process(self, fuse: Fuse) -> AsyncIterator[Part]:
        store = SqliteStore(self.home)
        try:
            fused = cast(EventStore, fuse.around(store, "append", "write_journal", "clear_journal", "put_blob"))
            opened = await open_repository(self.repo, home=self.home, store=store, shadow_ok=False)
            repository = cast(
                Repository,
                fuse.around(
                    opened, "commit_tree", "move_ref", "forecast", "tree_with", "add_worktree", "restore", "mixed"
                ),
            )
            if not await store.runs():
                await store.create_run(RUN, str(self.repo), with_epic=True)
            view = fold(await store.read(RUN), RunView(run=RUN))
            hub = Hub(run=RUN, store=fused, clock=SystemClock(), view=view)
            if not view.is_approved:
                await self._begin(hub)
            yield Part(hub, self._queue(hub, fused, repository), repository)
        finally:
            await store.close()

    async def _begin(self, hub: Hub) -> None:
        begun = [
            TaskChanged(
                task=task,
                state=TaskState.REVIEW,
                agent=AgentName("worker"),
                attempt=1,
                base=self.base,
                commit=commit,
                detail="it is done",
            )
            for task, commit in ((ONE, self.first), (TWO, self.second))
        ]
        await hub.record(
            RunStarted(
                kind=RunKind.EPIC,
                request="two",
                workspace=str(self.repo),
                options=RunOptions(conflicts=self._mode),
                epic=EPIC,
            ),
            PlanApproved(plan=self.plan, by="yes_flag", branch=BRANCH, base=self.base, commit=self.base),
            *begun,
        )

    def _queue(self, hub: Hub, store: EventStore, repository: Repository) -> MergeQueue:
        environ = {"PATH": "/usr/bin:/bin", "HOME": str(self.home)}
        executor = UnconfinedExecutor(reason="test", environ=environ)
        workspace = self.home / "worktrees" / "one"
        preparation = WorktreePreparation(
            plan=PreparationPlan(), checkout=self.repo, cache=self.home / "prepared", executor=executor
        )
        worktrees = Worktrees(
            repository=repository,
            places=RunPlaces(root=workspace / RUN, checkout=self.repo, git_dir=self.repo / ".git"),
            preparation=preparation,
            pool=WorktreePool(repository=repository, store=store, workspace=workspace, size=0),
            leases=LocalLeases(self.home / "leases", ports=()),
            gate_slots=self._gate_slots,
        )
        prefix = f"refs/equitr/{EPIC}/"
        resolver = Conflicts(
            log=ConflictLog(hub),
            options=hub.view.options,
            proposals=None,
            repository=repository,
            worktrees=worktrees,
            events=hub,
            ref_prefix=prefix,
        )
        return MergeQueue(
            plan=self.plan,
            branch=BRANCH,
            repository=repository,
            gate=Gate(repository=repository, executor=executor, store=store, worktrees=worktrees, timeout=30),
            reviewer=Reviewer(
                plan=self.plan,
                mode="none",
                rules=PanelRules(),
                is_critical=lambda _: False,
                panel=cast(Panel, None),
                disagreements=cast(Disagreements, None),
                repository=repository,
            ),
            events=hub,
            store=store,
            clock=SystemClock(),
            default_check=None,
            gate_checks=(),
            ref_prefix=prefix,
            resolver=resolver,
        )

    async def play(self, part: Part) -> RunStopped | None:
        """What the workers do with their hand-ins, from wherever the log stands."""
        await part.queue.recover()
        for task, commit in ((ONE, self.first), (TWO, self.second)):
            if part.hub.view.tasks[task].state is not TaskState.REVIEW:
                continue
            hand_in = HandIn(self.plan.task(task), 1, AgentName("worker"), commit, self.base, "it is done")
            try:
                refusal = await part.queue.merge(hand_in)
            except RunStopped as stop:
                return stop
            if refusal is not None:
                await part.hub.record(_sent_back(task, refusal))
        return None


def _sent_back(task: TaskId, why: SentBack) -> TaskChanged:
    return TaskChanged(
        task=task, state=TaskState.READY, agent=AgentName("worker"), attempt=1, reason=why.reason, detail=why.detail
    )


def _commit(name: str, files: Files, parent: str | None, old: Files) -> bytes:
    lines = [f"commit refs/heads/{name}\n".encode(), b"committer A <a@example.invalid> 1000000000 +0000\n"]
    lines.append(f"data {len(name)}\n{name}\n".encode())
    if parent:
        lines.append(f"from {parent}\n".encode())
    # Removals first: a file may make room for a folder.
    for path, entry in sorted(files.items(), key=lambda item: item[1] is not None):
        quoted = b'"' + path.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'
        if entry is None:
            lines.append(b"D " + quoted + b"\n")
        elif entry.mode == MODULE:
            lines.append(b"M 160000 " + entry.content + b" " + quoted + b"\n")
        else:
            data = f"data {len(entry.content)}\n".encode() + entry.content + b"\n"
            lines.append(f"M {entry.mode} inline ".encode() + quoted + b"\n" + data)
    return b"".join(lines) + b"\n"


def _tree(scene: Scene, commit: str) -> dict[str, Entry]:
    listed = scene.git("ls-tree", "-r", "-z", commit).split("\0")[:-1]
    found: dict[str, Entry] = {}
    for row in listed:
        about, _, path = row.partition("\t")
        mode, kind, blob = about.split(" ")
        data = subprocess.run(
            ["git", "cat-file", "blob", blob], cwd=scene.repo, capture_output=True, check=False
        ).stdout
        found[path] = Entry(blob.encode() if kind == "commit" else data, mode)
    return found


def _after(*layers: Files) -> dict[str, Entry]:
    found: dict[str, Entry | None] = {}
    for layer in layers:
        found |= layer
    return {path: entry for path, entry in found.items() if entry is not None}


def assert_outcome(scene: Scene, view: RunView) -> None:
    history, tip = scene.history, scene.git("rev-parse", f"refs/heads/{BRANCH}")
    assert tip == view.tip, "the log and the branch agree"
    assert view.tasks[ONE].state is TaskState.DONE
    found = [one for one in view.conflicts.values() if one.conflict.stage is not ConflictStage.FORECAST]
    if history.clash:
        assert view.tasks[TWO].state is TaskState.READY
        assert _tree(scene, tip) == _after(history.base, history.first)
        [clash] = found
        assert clash.conflict.tasks == (TWO, ONE)
        assert tuple(sorted(clash.conflict.paths)) == history.clash
        assert clash.conflict.stage.value == history.stage
        assert clash.is_open
    else:
        assert view.tasks[TWO].state is TaskState.DONE
        assert _tree(scene, tip) == _after(history.base, history.first, history.second, history.merged)
        assert [one.resolved.how for one in found if one.resolved] == ([history.how] if history.how else [])
    assert_nothing_lost(scene)


def assert_nothing_lost(scene: Scene) -> None:
    reachable = scene.git("rev-list", "--all").split()
    assert scene.first in reachable
    assert scene.second in reachable
    landed = scene.git("rev-list", "--first-parent", f"refs/heads/{BRANCH}").split()
    assert landed[-1] == scene.base
    assert 2 <= len(landed) <= 3
    for commit in landed:
        assert not any(entry.content.startswith(b"<<<<<<< ") for entry in _tree(scene, commit).values())


def _run(history: History, folder: Path) -> None:
    asyncio.run(_play(history, folder))


async def _play(history: History, folder: Path) -> None:
    scene = Scene(folder, history)
    chance = random.Random(history.name)
    fuse = Fuse(chance.randint(1, _STEPS), after=chance.random() < 0.5)
    with pytest.raises(Killed):
        async with scene.process(fuse) as part:
            await scene.play(part)
    async with scene.process(Fuse()) as part:
        await scene.play(part)
        assert_outcome(scene, part.hub.view)


def _name(history: History) -> str:
    return history.name.replace(" ", "-").replace(",", "")


def test_there_are_at_least_a_hundred_of_them() -> None:
    assert len(ALL) >= 100
    assert len({history.name for history in ALL}) == len(ALL)
    assert sum(bool(history.clash) for history in ALL) > 30
    assert sum(not history.clash for history in ALL) > 30


@pytest.mark.parametrize("history", SAMPLE, ids=_name)
def test_a_history_ends_as_it_must_however_often_its_process_dies(history: History, tmp_path: Path) -> None:
    _run(history, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("history", [one for one in ALL if one not in SAMPLE], ids=_name)
def test_every_history_ends_as_it_must_however_often_its_process_dies(history: History, tmp_path: Path) -> None:
    _run(history, tmp_path)


CLASHES = [history for history in ALL if history.clash and history.stage == "merge" and "," not in history.name]


@pytest.mark.parametrize("take", ["ours", "theirs", "abort"])
@pytest.mark.parametrize("history", CLASHES[::5], ids=_name)
def test_a_persons_word_on_a_clash_stands_however_often_the_process_dies(
    history: History, take: str, tmp_path: Path
) -> None:
    asyncio.run(_resolve(history, take, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("take", ["ours", "theirs", "abort"])
@pytest.mark.parametrize("history", [one for one in CLASHES if one not in CLASHES[::5]], ids=_name)
def test_every_word_on_a_clash_stands_however_often_the_process_dies(
    history: History, take: str, tmp_path: Path
) -> None:
    asyncio.run(_resolve(history, take, tmp_path))


async def _resolve(history: History, take: str, folder: Path) -> None:
    scene = Scene(folder, history, "manual")
    chance = random.Random(f"{history.name} {take}")
    with pytest.raises(Killed):
        async with scene.process(Fuse(chance.randint(1, _STEPS), after=chance.random() < 0.5)) as part:
            await scene.play(part)
    async with scene.process(Fuse()) as part:
        stop = await scene.play(part)
        assert stop is not None
        assert stop.reason is StopReason.CONFLICT_OPEN
        view = part.hub.view
        [found] = view.conflicts.values()
        assert tuple(sorted(found.conflict.paths)) == history.clash
        assert view.tip == scene.git("rev-parse", f"refs/heads/{BRANCH}")
        assert _tree(scene, view.tip or "") == _after(history.base, history.first)
        number = RequestId(found.conflict.id)
        command = (
            AbortConflict(run=RUN, conflict=number)
            if take == "abort"
            else ResolveConflict.model_validate({"run": RUN, "conflict": number, "take": take})
        )
        await part.hub.record(*await settled(view, part.repository, command))

    for at in (chance.randint(1, 8), None):
        try:
            async with scene.process(Fuse(at)) as part:
                assert await scene.play(part) is None
                view = part.hub.view
        except Killed:
            pass
    assert len(view.conflicts) == 1
    assert_nothing_lost(scene)
    second = view.tasks[TWO]
    if take == "abort":
        assert (second.state, second.reason) == (TaskState.READY, StopReason.MERGE_CONFLICT)
    elif second.state is TaskState.DONE:
        side = history.first if take == "ours" else history.second
        held = _tree(scene, view.tip or "")
        for path in history.clash:
            wanted = _after(history.base, side).get(path)
            assert held.get(path) == wanted or (wanted is not None and wanted.mode == LINK)
    else:  # nothing of the task is left, and there is no check to say that it was done before
        assert second.reason is StopReason.NO_CHANGE
        assert take == "ours"


@pytest.mark.parametrize("is_closed", [False, True])
def test_the_journal_of_a_landing_that_is_recorded_moves_nothing_any_more(tmp_path: Path, *, is_closed: bool) -> None:
    """Somebody has put the branch back: that is for a person to see, and not to be done over."""
    history = next(one for one in ALL if not one.clash)
    scene = Scene(tmp_path, history)

    async def land_and_put_back() -> None:
        async with scene.process(Fuse()) as part:
            await part.queue.recover()
            task = scene.plan.task(ONE)
            assert await part.queue.merge(HandIn(task, 1, AgentName("w"), scene.first, scene.base, "done")) is None
            if is_closed:
                await part.queue.close()
        scene.git("update-ref", f"refs/heads/{BRANCH}", scene.base)
        async with scene.process(Fuse()) as part:
            with pytest.raises(UserError, match="was moved by somebody else"):
                await part.queue.recover()

    asyncio.run(land_and_put_back())
    assert scene.git("rev-parse", f"refs/heads/{BRANCH}") == scene.base
