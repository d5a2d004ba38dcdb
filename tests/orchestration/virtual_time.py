"""A run in virtual time: drives the real schedule, and a reference beside it, over graphs with known durations."""

import heapq
import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from equitr_coder.domain.epic import Plan, Priority, SyncPoint, Task, TaskState
from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.task_graph import collisions, promised, unmet
from equitr_coder.orchestration.schedule import Now, Schedule


@dataclass
class Played:
    """What happened when. A span reaches until the task has landed: until then it holds what it claims."""

    started: dict[TaskId, int] = field(default_factory=dict)
    handed_in: dict[TaskId, int] = field(default_factory=dict)
    landed: dict[TaskId, int] = field(default_factory=dict)
    produced: dict[str, int] = field(default_factory=dict)
    states: dict[TaskId, TaskState] = field(default_factory=dict)
    looks: int = 0

    @property
    def makespan(self) -> int:
        return max(self.landed.values(), default=0)


@dataclass
class World:
    plan: Plan
    durations: Mapping[TaskId, int]
    workers: int
    failing: Collection[TaskId] = ()

    def play(
        self, choose: Callable[[Now, int], Collection[TaskId]], doomed: Callable[[Now], Collection[TaskId]]
    ) -> Played:
        """Start what `choose` names, let time pass to the next event, until nothing runs."""
        played = Played(states={task.id: TaskState.WAITING for task in self.plan.tasks})
        running: dict[TaskId, int] = {}
        ahead: list[tuple[int, int, str]] = []
        now = 0
        while True:
            played.looks += 1
            at = Now(dict(played.states), running=frozenset(running), produced=frozenset(played.produced))
            for task in doomed(at):
                played.states[task] = TaskState.BLOCKED
            at = Now(dict(played.states), running=frozenset(running), produced=frozenset(played.produced))
            for task in choose(at, self.workers - len(running)):
                self._take_up(task, now, played, running, ahead)
            if not running:
                return played
            now = heapq.heappop(ahead)[0]
            while ahead and ahead[0][0] == now:
                heapq.heappop(ahead)
            self._pass(now, played, running)

    def _take_up(
        self, task: TaskId, now: int, played: Played, running: dict[TaskId, int], ahead: list[tuple[int, int, str]]
    ) -> None:
        assert task not in running
        assert len(running) < self.workers
        if played.states[task] is TaskState.REVIEW:
            end = now  # only the merge is left
        else:
            played.started[task] = now
            played.states[task] = TaskState.WORKING
            end = now + self.durations[task]
            half = now + self.durations[task] // 2
            heapq.heappush(ahead, (half, 0, task))
        running[task] = end
        heapq.heappush(ahead, (end, 1, task))

    def _pass(self, now: int, played: Played, running: dict[TaskId, int]) -> None:
        for task in [task for task in running if self._half(task, played) <= now and task not in self.failing]:
            for point in self.plan.produced_by(task):
                played.produced.setdefault(point.id, now)
        for task in [task for task, end in running.items() if end <= now]:
            del running[task]
            played.handed_in.setdefault(task, now)
            if task in self.failing:
                played.states[task] = TaskState.FAILED
            elif all(played.states[need] is TaskState.DONE for need in self.plan.task(task).needs):
                played.states[task] = TaskState.DONE
                played.landed[task] = now
            else:
                played.states[task] = TaskState.REVIEW

    def _half(self, task: TaskId, played: Played) -> int:
        return played.started[task] + self.durations[task] // 2


def by_schedule(world: World, *, knows_durations: bool = False) -> Played:
    schedule = Schedule(world.plan, sizes=world.durations if knows_durations else None)
    return world.play(lambda now, slots: schedule.look(now, slots=slots).start, schedule.doomed)


def by_critical_path(world: World) -> Played:
    """List scheduling that knows the durations: at each event everything that may start, the one with the longest
    time behind it first. Under the same rules for prerequisites, sync points and collisions.
    """
    plan = world.plan
    path = critical_paths(plan, world.durations)
    points = {task.id: promised(plan, task) for task in plan.tasks}
    clash = set(collisions(plan))

    def choose(now: Now, slots: int) -> list[TaskId]:
        done = {task for task, state in now.states.items() if state is TaskState.DONE}
        at_work = [task for task in now.states if task in now.running or now.is_held_back(task)]
        chosen: list[TaskId] = []
        for task in sorted(plan.tasks, key=lambda task: -path[task.id]):
            state = now.states[task.id]
            if task.id in now.running or state not in (TaskState.WAITING, TaskState.REVIEW) or len(chosen) >= slots:
                continue
            if state is TaskState.REVIEW:
                is_free = done.issuperset(task.needs)
            else:
                is_free = not unmet(task, points[task.id], done=done, produced=now.produced) and not any(
                    (task.id, other) in clash or (other, task.id) in clash for other in at_work
                )
            if is_free:
                chosen.append(task.id)
                at_work.append(task.id)
        return chosen

    return world.play(choose, lambda _: ())


def critical_paths(plan: Plan, durations: Mapping[TaskId, int]) -> dict[TaskId, int]:
    followers: dict[TaskId, list[TaskId]] = {task.id: [] for task in plan.tasks}
    for task in plan.tasks:
        for need in task.needs:
            followers[need].append(task.id)
    found: dict[TaskId, int] = {}

    def length(task: TaskId) -> int:
        if task not in found:
            found[task] = durations[task] + max((length(follower) for follower in followers[task]), default=0)
        return found[task]

    for task in plan.tasks:
        length(task.id)
    return found


def random_world(seed: int, *, most: int = 50, priorities: bool = False) -> World:
    """A plan of up to `most` tasks: needs, shared files and folders, symbols, resources, sync points; and durations."""
    chance = random.Random(seed)
    count = chance.randint(2, most)
    names = [TaskId(f"T{number}") for number in range(count)]
    density = chance.choice([0.5, 1.0, 1.5])
    sharing = chance.choice([0.0, 0.1, 0.3])
    tasks: list[Task] = []
    points: list[SyncPoint] = []
    for number, name in enumerate(names):
        needs = chance.sample(names[:number], min(number, int(chance.expovariate(1 / density)))) if number else []
        for need in needs:
            if chance.random() < 0.2:
                points.append(SyncPoint(id=f"S{len(points)}", producer=need, consumers=(name,)))
        files, symbols, resources = [f"src/{name}/**", f"tests/test_{name}.py"], [], []
        if chance.random() < sharing:
            shared = f"shared/m{chance.randint(0, 3)}.py"
            files.append(shared)
            if chance.random() < 0.5:
                symbols.append(f"{shared}::Part{chance.randint(0, 5)}")
        if chance.random() < sharing / 4:
            files.append("shared/**/*.py")
        if chance.random() < sharing / 3:
            resources.append(chance.choice(["db:test", "port:8080"]))
        tasks.append(
            Task(
                id=name,
                title=f"Task {number}",
                needs=tuple(needs),
                files=tuple(files),
                symbols=tuple(symbols),
                resources=tuple(resources),
                priority=chance.choice(list(Priority)) if priorities else Priority.MEDIUM,
            )
        )
    chance.shuffle(tasks)
    durations = {name: 2 * chance.randint(1, 10) for name in names}
    return World(Plan(title="p", tasks=tuple(tasks), sync_points=tuple(points)), durations, chance.randint(2, 8))
