"""Everything that the screen of a run says, as frozen values: `epic status --output json` prints the same."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from equitr_coder.domain.conflicts import ConflictState
from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import AgentName, CommitId, EpicId, RequestId, RunId, SessionId, TaskId
from equitr_coder.domain.models import Tier
from equitr_coder.domain.money import ZERO
from equitr_coder.domain.receipts import Receipt
from equitr_coder.domain.run_view import RunView, SyncPointView, TaskView
from equitr_coder.domain.runs import RunKind, RunState
from equitr_coder.domain.task_graph import chain_lengths
from equitr_coder.presentation.actions import Action
from equitr_coder.presentation.bounds import Bounds
from equitr_coder.presentation.cost import by_model
from equitr_coder.presentation.happenings import Happenings
from equitr_coder.presentation.inbox import Ask, inbox_of
from equitr_coder.presentation.purse import Purse, by_minute, purse_of
from equitr_coder.presentation.sharing import resolved_words
from equitr_coder.presentation.states import is_proven, task_glyph
from equitr_coder.presentation.summary import agent_of
from equitr_coder.presentation.text import first_line, prose
from equitr_coder.presentation.waits import Wait, wait_of, waits_for_person

_AT_WORK = (TaskState.WORKING, TaskState.REVIEW, TaskState.READY)
_MINUTES = 20
_SHOWN_ACTIONS = 3


@frozen
class Header:
    run: RunId
    epic: EpicId | None
    title: str
    state: str
    """`running`, `planning`, `awaiting approval`, `paused`, or the state at the end."""
    reason: str
    """Why it is paused or has ended as it did; empty while it goes on."""
    hint: str
    """What to do then."""
    landed_on: str
    """The branch that an ended run has moved; empty when it moved none."""
    worked: timedelta
    done: int
    total: int
    in_review: int
    failed: int
    """With those that are blocked or cancelled."""
    at_work: int
    workers: int
    """Allowed at once."""
    supervisor_model: str | None
    worker_model: str | None
    purse: Purse


@frozen
class Lane:
    """One worker's place. Without a task it is idle, and `wait` says what the next task waits for."""

    number: int
    task: TaskId | None
    title: str
    agent: AgentName | None
    session: SessionId | None
    model: str
    is_strong: bool
    """The attempt is done by the supervisor's model."""
    attempt: int
    glyph: str
    state: str
    """`working`, `review`, `needs you`, `waits`, `paused`, `idle`, or the state at the end."""
    wait: Wait | None
    age: timedelta | None
    """Since the task came into its state."""
    usd: Decimal
    allowed: Decimal | None
    todos_done: int
    todos: int
    context_tokens: int | None
    context_share: Decimal | None
    """Of the model's window, 0 to 1."""
    actions: tuple[Action, ...]
    """The last ones, oldest first; running ones stand last."""
    words: str

    @property
    def name(self) -> str:
        return f"W{self.number}"


@frozen
class TaskRow:
    id: TaskId
    title: str
    state: TaskState
    glyph: str
    lane: int | None
    words: str
    """Where it stands, in a few words: `merged`, `W1`, `gate`, `needs T5`, `failed: check_failed`."""
    wait: Wait | None
    usd: Decimal
    attempts: int
    agent: str | None
    needs: tuple[TaskId, ...]
    is_critical: bool
    """On the longest chain of what is not done."""
    is_proven: bool
    receipt: Receipt | None


@frozen
class SyncRow:
    id: str
    kind: str
    state: str
    """`pending`, `produced` or `consumed`."""
    version: int | None
    producer: TaskId
    consumers: tuple[TaskId, ...]
    read_by: tuple[TaskId, ...]
    """Consumers that have the newest version."""
    verdict: str
    """Of the comparison with the real files: `kept`, `broken`, `unchecked`; empty when nobody has looked."""


@frozen
class QueueRow:
    task: TaskId
    attempt: int
    words: str
    """`gate`, `review`, or what it waits for."""
    age: timedelta | None


@frozen
class Landed:
    task: TaskId | None
    target: str
    commit: CommitId
    receipt: str
    """`receipt ok`, `unchecked`; empty for a landing of the host's own."""


@frozen
class SupervisorLine:
    asked: int
    answered: int
    limit: int | None
    usd: Decimal
    waiting: tuple[TaskId, ...]
    """Tasks whose question is being answered."""


@frozen
class ConflictRow:
    id: RequestId
    kind: str
    state: str
    tasks: tuple[TaskId, ...]
    paths: tuple[str, ...]
    words: str
    needs_person: bool
    decided: str = ""
    """Where reviewers disagreed: the decision, and who was against it."""


@frozen
class ModelMoney:
    model: str
    role: str
    """`supervisor`, `workers`, or both."""
    calls: int
    usd: Decimal
    input: int
    output: int
    cached: int
    """Percent of the input that came from a cache."""
    is_unpriced: bool


@frozen
class Workload:
    """Who has what, as the metrics of the run say it. `busy` is 0 to 1: the share in which a model, a tool or a check
    was at work for the agent, of the time its tasks were worked on."""

    agent: str
    tasks: tuple[TaskId, ...]
    queue: tuple[TaskId, ...]
    """Of them, those that have not begun."""
    seconds: float
    busy: float | None


@frozen
class Dashboard:
    header: Header
    lanes: tuple[Lane, ...]
    past: tuple[Lane, ...]
    """Tasks that were begun and have no lane now, as their last attempt left them."""
    tasks: tuple[TaskRow, ...]
    critical_path: tuple[TaskId, ...]
    sync_points: tuple[SyncRow, ...]
    queue: tuple[QueueRow, ...]
    landed: Landed | None
    supervisor: SupervisorLine
    conflicts: tuple[ConflictRow, ...]
    money: tuple[ModelMoney, ...]
    minutes: tuple[Decimal, ...]
    """Dollars of each of the last 20 minutes."""
    inbox: tuple[Ask, ...]
    workload: tuple[Workload, ...]
    utilization: float | None
    """Of the workers that could run, 0 to 1 (`domain.metrics`)."""

    def lane(self, number: int) -> Lane | None:
        return next((lane for lane in self.lanes if lane.number == number), None)

    def lane_of(self, task: TaskId) -> Lane | None:
        """Where the task is worked on, or was."""
        return next((lane for lane in (*self.lanes, *self.past) if lane.task == task), None)

    def task(self, task: TaskId) -> TaskRow | None:
        return next((row for row in self.tasks if row.id == task), None)


def dashboard(view: RunView, happenings: Happenings, now: datetime, *, bounds: Bounds | None = None) -> Dashboard:
    """`view` and `happenings` are folds of the same events."""
    known = bounds or Bounds()
    waits = {task.id: wait_of(view, happenings, task, now) for task in view.tasks.values()}
    spent: dict[TaskId, Decimal] = {}
    for row in view.ledger.values():
        if row.task is not None:
            spent[row.task] = spent.get(row.task, ZERO) + row.usd
    path = _critical_path(view)
    metrics = happenings.metrics
    return Dashboard(
        header=_header(view, happenings, now),
        lanes=_lanes(view, happenings, now, waits, spent, known),
        past=tuple(
            _lane(view, happenings, now, happenings.lane_number(task.id), task, waits[task.id], spent, known)
            for task in view.tasks.values()
            if task.attempt and task.id not in happenings.lanes
        ),
        tasks=tuple(_task_row(view, happenings, task, waits[task.id], spent, path) for task in view.tasks.values()),
        critical_path=path,
        sync_points=tuple(_sync_row(point) for point in view.sync_points.values()),
        queue=tuple(
            QueueRow(
                one.task,
                one.attempt,
                wait.on if (wait := waits.get(one.task)) is not None else "gate",
                now - one.at if one.at is not None else None,
            )
            for one in happenings.queue.values()
        ),
        landed=_landed(view, happenings),
        supervisor=_supervisor(view, happenings, known),
        conflicts=tuple(
            ConflictRow(
                found.conflict.id,
                found.conflict.kind,
                found.state.value,
                found.conflict.tasks,
                found.conflict.paths,
                first_line(prose(found.conflict.detail or found.detail)),
                needs_person=waits_for_person(view, found),
                decided=resolved_words(found.resolved)
                if found.resolved is not None and found.conflict.kind == "finding"
                else "",
            )
            for found in view.conflicts.values()
        ),
        money=_money(view),
        minutes=by_minute(view.ledger.values(), now, _MINUTES),
        inbox=inbox_of(view, happenings, now),
        workload=_workload(view, happenings),
        utilization=metrics.utilization if metrics is not None else None,
    )


def _header(view: RunView, happenings: Happenings, now: datetime) -> Header:
    states = [task.state for task in view.tasks.values()]
    title = view.plan.title if view.plan is not None else first_line(prose(view.request), 60)
    is_over = view.state.is_final or view.state is RunState.PAUSED
    phase = "running" if view.phase == "working" else view.phase
    return Header(
        run=view.run,
        epic=view.epic,
        title=title,
        state=phase,
        reason=view.reason.value if is_over and view.reason is not None else "",
        hint=view.hint if is_over else "",
        landed_on=view.base_branch or "" if view.landed else "",
        worked=happenings.worked(now),
        done=states.count(TaskState.DONE),
        total=len(states),
        in_review=states.count(TaskState.REVIEW),
        failed=sum(state in (TaskState.FAILED, TaskState.BLOCKED, TaskState.CANCELLED) for state in states),
        at_work=len(happenings.lanes) if view.state is RunState.RUNNING else 0,
        workers=view.options.max_workers,
        supervisor_model=view.supervisor_model,
        worker_model=view.worker_model,
        purse=purse_of(view, happenings, now),
    )


# ---------------------------------------------------------------- lanes and tasks


def _lanes(
    view: RunView,
    happenings: Happenings,
    now: datetime,
    waits: Mapping[TaskId, Wait | None],
    spent: Mapping[TaskId, Decimal],
    bounds: Bounds,
) -> tuple[Lane, ...]:
    if not view.is_approved:
        return ()
    at_work = {number: task for task, number in happenings.lanes.items() if task in view.tasks}
    count = max((min(view.options.max_workers, len(view.tasks)), *at_work))
    lanes = []
    for number in range(1, count + 1):
        task = at_work.get(number)
        if task is None:
            lanes.append(_idle(view, number, waits))
        else:
            lanes.append(_lane(view, happenings, now, number, view.tasks[task], waits[task], spent, bounds))
    return tuple(lanes)


def _lane(
    view: RunView,
    happenings: Happenings,
    now: datetime,
    number: int,
    task: TaskView,
    wait: Wait | None,
    spent: Mapping[TaskId, Decimal],
    bounds: Bounds,
) -> Lane:
    session = SessionId(f"{task.id}.{task.attempt}")
    recent, transcript = happenings.recent(session), view.sessions.get(session)
    model = _model_of(view, task, session)
    tokens = transcript.measured.tokens if transcript is not None and transcript.measured is not None else None
    window = bounds.windows.get(model)
    done, total = _todos(view, happenings, task)
    begun = happenings.since.get(task.id)
    actions = (*recent.actions, *recent.running.values())[-_SHOWN_ACTIONS:]
    return Lane(
        number=number,
        task=task.id,
        title=prose(_title(view, task.id)),
        agent=task.agent,
        session=session,
        model=model,
        is_strong=task.tier is Tier.STRONG,
        attempt=task.attempt,
        glyph=_glyph(task, wait),
        state=_lane_state(view, task, wait),
        wait=wait,
        age=now - begun if begun is not None else None,
        usd=spent.get(task.id, ZERO),
        allowed=bounds.task,
        todos_done=done,
        todos=total,
        context_tokens=tokens,
        context_share=Decimal(tokens) / window if tokens is not None and window else None,
        actions=actions,
        words=first_line(prose(recent.said)),
    )


def _idle(view: RunView, number: int, waits: Mapping[TaskId, Wait | None]) -> Lane:
    is_over = view.state is not RunState.RUNNING
    wait = None
    if not is_over:
        wait = next(
            (
                Wait(
                    f"{task.id} {found.on}" if found.on.startswith(("needs", "contract")) else f"{task.id}: {found.on}"
                )
                for task in view.tasks.values()
                if task.state in (TaskState.WAITING, TaskState.READY) and (found := waits[task.id]) is not None
            ),
            Wait("no task is left"),
        )
    return Lane(
        number=number,
        task=None,
        title="",
        agent=None,
        session=None,
        model="",
        is_strong=False,
        attempt=0,
        glyph=task_glyph(TaskState.WAITING),
        state=view.state.value if is_over else "idle",
        wait=wait,
        age=None,
        usd=ZERO,
        allowed=None,
        todos_done=0,
        todos=0,
        context_tokens=None,
        context_share=None,
        actions=(),
        words="",
    )


def _lane_state(view: RunView, task: TaskView, wait: Wait | None) -> str:
    if wait is None:
        return task.state.value
    if wait.is_person:
        return "needs you"
    if wait.is_held:
        return "held"
    if view.state is not RunState.RUNNING:
        return view.state.value
    return "review" if task.state is TaskState.REVIEW else "waits"


def _glyph(task: TaskView, wait: Wait | None) -> str:
    if wait is not None and wait.is_conflict:
        return "!"
    return "?" if wait is not None and wait.is_person else task_glyph(task.state)


def _model_of(view: RunView, task: TaskView, session: SessionId) -> str:
    """Who answers its calls; before the first one, who will."""
    called = next((row.model for row in reversed(view.ledger.values()) if row.session == session), None)
    return called or (view.supervisor_model if task.tier is Tier.STRONG else view.worker_model) or ""


def _todos(view: RunView, happenings: Happenings, task: TaskView) -> tuple[int, int]:
    """Ticked by the worker so far, and all; what is handed in is ticked by that."""
    numbers = view.plan.todo_numbers.get(task.id, ()) if view.plan is not None else ()
    if task.state in (TaskState.REVIEW, TaskState.DONE):
        return len(numbers), len(numbers)
    return len(happenings.ticked.get(task.id, set()) & set(numbers)), len(numbers)


def _task_row(
    view: RunView,
    happenings: Happenings,
    task: TaskView,
    wait: Wait | None,
    spent: Mapping[TaskId, Decimal],
    path: tuple[TaskId, ...],
) -> TaskRow:
    lane = happenings.lanes.get(task.id)
    needs = next((one.needs for one in view.plan.tasks if one.id == task.id), ()) if view.plan is not None else ()
    return TaskRow(
        id=task.id,
        title=prose(_title(view, task.id)),
        state=task.state,
        glyph=_glyph(task, wait),
        lane=lane,
        words=_task_words(task, wait, lane),
        wait=wait,
        usd=spent.get(task.id, ZERO),
        attempts=task.attempt,
        agent=agent_of(view, task),
        needs=needs,
        is_critical=task.id in path,
        is_proven=is_proven(task),
        receipt=task.receipt,
    )


def _task_words(task: TaskView, wait: Wait | None, lane: int | None) -> str:
    match task.state:
        case TaskState.DONE:
            return "merged" if is_proven(task) else "merged unchecked"
        case TaskState.FAILED | TaskState.BLOCKED | TaskState.CANCELLED:
            return f"{task.state.value}: {task.reason.value}" if task.reason is not None else task.state.value
        case _:
            where = f"W{lane}" if lane is not None and task.state in _AT_WORK else ""
            return " ".join(filter(None, (where, wait.on if wait is not None else ""))) or task.state.value


def _title(view: RunView, task: TaskId) -> str:
    return next((one.title for one in view.plan.tasks if one.id == task), "") if view.plan is not None else ""


def _critical_path(view: RunView) -> tuple[TaskId, ...]:
    """The longest chain of tasks that are not done, by their todos."""
    if view.plan is None:
        return ()
    left = {task.id for task in view.plan.tasks if task.id in view.tasks and not view.tasks[task.id].state.is_final}
    sizes = {task.id: max(1, len(task.todos)) if task.id in left else 0 for task in view.plan.tasks}
    lengths = chain_lengths(view.plan, sizes)
    path: list[TaskId] = []
    options = [task.id for task in view.plan.tasks if task.id in left]
    while options:
        longest = max(options, key=lambda task: lengths[task])
        path.append(longest)
        options = [task.id for task in view.plan.tasks if longest in task.needs and task.id in left]
    return tuple(path)


# ---------------------------------------------------------------- what they share


def _sync_row(found: SyncPointView) -> SyncRow:
    newest = found.newest
    readers = [task for task in found.point.consumers if newest is not None and found.read.get(task) == newest.version]
    return SyncRow(
        id=found.point.id,
        kind=found.point.type.value,
        state=found.state.value,
        version=newest.version if newest is not None else None,
        producer=found.point.producer,
        consumers=found.point.consumers,
        read_by=tuple(readers),
        verdict=found.verdict.value if found.verdict is not None else "",
    )


def _landed(view: RunView, happenings: Happenings) -> Landed | None:
    landed = happenings.landed
    if landed is None:
        return None
    task = view.tasks.get(landed.task) if landed.task is not None else None
    receipt = ("receipt ok" if is_proven(task) else "unchecked") if task is not None else ""
    return Landed(landed.task, landed.target, landed.commit, receipt)


def _supervisor(view: RunView, happenings: Happenings, bounds: Bounds) -> SupervisorLine:
    open_ones = [asked.task for asked, answered in view.escalations if answered is None and asked.task is not None]
    return SupervisorLine(
        asked=len(view.escalations),
        answered=sum(answered is not None for _, answered in view.escalations),
        limit=bounds.questions if bounds.questions is not None else happenings.question_limit,
        usd=sum((answered.usd for _, answered in view.escalations if answered is not None), ZERO),
        waiting=tuple(open_ones) if view.state is RunState.RUNNING else (),
    )


def _money(view: RunView) -> tuple[ModelMoney, ...]:
    tiers: dict[str, set[Tier]] = {}
    for row in view.ledger.values():
        tiers.setdefault(row.model, set()).add(row.tier)
    words = {Tier.STRONG: "supervisor", Tier.WEAK: "workers"}
    if view.kind is RunKind.CHAT:
        words = dict.fromkeys(Tier, "agent")
    return tuple(
        ModelMoney(
            model=row.name,
            role=" + ".join(dict.fromkeys(words[tier] for tier in Tier if tier in tiers[row.name])),
            calls=row.calls,
            usd=row.usd,
            input=row.usage.total_input,
            output=row.usage.output,
            cached=int(100 * row.usage.cache_share),
            is_unpriced=row.is_unpriced,
        )
        for row in by_model(view)
    )


def _workload(view: RunView, happenings: Happenings) -> tuple[Workload, ...]:
    metrics = happenings.metrics
    measured = {task.task: task for task in metrics.tasks} if metrics is not None else {}
    by_agent: dict[str, list[TaskView]] = {}
    for task in view.tasks.values():
        by_agent.setdefault(agent_of(view, task) or "nobody yet", []).append(task)
    rows = []
    for agent, tasks in by_agent.items():
        times = [measured[task.id] for task in tasks if task.id in measured]
        total = sum(one.total for one in times)
        outstanding = sum(one.model + one.tool + one.gate for one in times)
        rows.append(
            Workload(
                agent=agent,
                tasks=tuple(task.id for task in tasks),
                queue=tuple(task.id for task in tasks if task.state in (TaskState.WAITING, TaskState.READY)),
                seconds=round(total, 3),
                busy=round(outstanding / total, 4) if total > 0 else None,
            )
        )
    return tuple(rows)


def open_conflicts(board: Dashboard, kind: str) -> int:
    return sum(row.kind == kind and row.state != ConflictState.RESOLVED.value for row in board.conflicts)
