"""Answers to queries as lines: runs, epics, models, configuration, doctor, trust, a first configuration."""

from collections.abc import Sequence
from datetime import datetime
from textwrap import wrap

from equitr_coder.domain.approvals import Verdict
from equitr_coder.domain.epic import SyncPoint, TaskState, agent_names
from equitr_coder.domain.ids import RunId, TaskId
from equitr_coder.domain.queries import (
    ConfigAnswer,
    ConfiguredModel,
    DoctorAnswer,
    ModelsAnswer,
    PolicyAnswer,
    ProposalAnswer,
    RunSummary,
    TrustAnswer,
)
from equitr_coder.domain.run_view import RunView
from equitr_coder.presentation.conflicts import alert_lines
from equitr_coder.presentation.cost_forecast import epic_forecast_lines
from equitr_coder.presentation.figures import dollars, limit, price, since
from equitr_coder.presentation.footprint import footprint_lines, unsaid_lines
from equitr_coder.presentation.states import (
    needs_words,
    run_state,
    run_tone,
    state_word,
    sync_state,
    task_glyph,
    task_tone,
    waits_for,
    why_waiting,
)
from equitr_coder.presentation.tables import fits, table
from equitr_coder.presentation.text import Line, Tone, cells, prose, shown_on_one_line

_NARROW = 78
_FINDINGS = {"ok": ("+", Tone.GOOD), "warn": ("!", Tone.WARN), "bad": ("x", Tone.BAD)}


def unreadable_lines(runs: Sequence[RunId]) -> list[Line]:
    """Runs that are left out of what is shown."""
    if not runs:
        return []
    why = "the log is damaged, or a newer version wrote it"
    return [Line(f"! left out: {', '.join(runs)}: {why}", Tone.WARN)]


def runs_lines(
    runs: Sequence[RunSummary], *, now: datetime, width: int | None = None, unreadable: Sequence[RunId] = ()
) -> list[Line]:
    """One row per run, newest first."""
    if not runs and not unreadable:
        return [Line('No runs here yet. Start one with: equitrcoder chat "..."')]
    header = ("run", "epic", "state", "tasks", "cost", "last", "title")
    rows = [
        (
            run.run,
            run.epic or "-",
            _state_now(run),
            f"{run.done}/{run.tasks}" if run.tasks else "-",
            f"{dollars(run.usd)} of {limit(run.budget)}",
            since(now - run.last),
            prose(run.title),
        )
        for run in runs
    ]
    head, *body = table(rows, header=header, width=width, spare=(3, 5, 1, 4))
    return [
        Line(head, Tone.DIM),
        *(Line(text, run_tone(run.state)) for text, run in zip(body, runs, strict=True)),
        *unreadable_lines(unreadable),
    ]


def _state_now(run: RunSummary) -> str:
    if run.is_broken_off:
        return f"! broken off, {run.phase}"
    return run_state(run.state, run.phase) + (" (alive)" if run.alive else "")


def epics_lines(views: Sequence[RunView], *, width: int | None = None) -> list[Line]:
    if not views:
        return [Line('No epics here yet. Plan one with: equitrcoder epic create "..."')]
    rows = [
        (
            view.epic or "-",
            run_state(view.state, view.phase),
            f"{view.count(TaskState.DONE)}/{len(view.tasks)}",
            dollars(view.spent),
            prose(view.plan.title if view.plan is not None else view.request),
        )
        for view in views
    ]
    head, *body = table(rows, header=("epic", "state", "tasks", "cost", "title"), width=width, spare=(3, 2))
    return [Line(head, Tone.DIM), *(Line(text) for text in body)]


def broken_off_lines(runs: Sequence[RunSummary], view: RunView) -> list[Line]:
    """What to do about a run whose process is gone; nothing otherwise."""
    if not any(run.run == view.run and run.is_broken_off for run in runs):
        return []
    name = view.epic or view.run
    return [Line(f"! its process is gone; everything is kept: equitrcoder resume {name} goes on", Tone.WARN)]


def epic_lines(view: RunView) -> list[Line]:
    """Title, done of total, each task with agent and state, what waiting ones depend on, sync points with state."""
    plan = view.plan
    if plan is None:
        return [Line(f"{view.epic}: {prose(view.request)}", Tone.STRONG), Line(f"Status: {view.phase}, no plan yet")]
    names = agent_names(plan)
    done, total = view.count(TaskState.DONE), len(view.tasks)
    lines = [
        Line(f"{view.epic}: {prose(plan.title)}", Tone.STRONG),
        Line(
            f"Status: {view.phase}, {done}/{total} tasks done ({100 * done / total:.1f}%), {dollars(view.spent)} spent"
        ),
        *epic_forecast_lines(view),
        Line("Tasks:"),
    ]
    for task in view.tasks.values():
        entry = plan.task(task.id)
        reason = f" ({task.reason.value})" if task.reason and task.state is not TaskState.DONE else ""
        who = str(task.agent or names[task.id])
        if task.assigned is not None:
            who += f", profile {prose(task.assigned.profile)}"
        text = f"  {task.id} {prose(entry.title)} ({who}) - {task_glyph(task.state)} {state_word(task.state)}{reason}"
        lines.append(Line(text, task_tone(task.state)))
        waiting = waits_for(plan, view, task)
        if waiting:
            lines.append(Line(f"      depends on: {', '.join(prose(title) for title in waiting)}"))
        why = why_waiting(plan, view, task)
        if why and why != needs_words(plan, view, task):
            lines.append(Line(f"      {prose(why)}"))
        lines += footprint_lines(plan, task)
    lines += unsaid_lines(plan)
    lines += alert_lines(view)
    if plan.sync_points:
        lines.append(Line("Sync points:"))
    for point in plan.sync_points:
        words = prose(point.description) or f"{point.type.value} from {point.producer}"
        consumers = ", ".join(point.consumers) or "nobody"
        state = f"{sync_state(point, view)}{_sharing(point, view)}"
        lines.append(Line(f"  {point.id} {words} ({point.producer} -> {consumers}) - {state}"))
    return lines


def directed_lines(view: RunView, task: TaskId) -> list[Line]:
    """What a person's word on a task of a run that is not at work has made of it, and what the next resume does."""
    name, found = view.epic or view.run, view.tasks[task]
    if found.is_held:
        words, then = "held", f"`equitrcoder resume {name}` leaves it as it is until `equitrcoder epic release {task}`"
    elif found.state is TaskState.CANCELLED:
        words, then = "stopped", f"`equitrcoder resume {name}` does not go on with it, and blocks what needs it"
    else:
        words, then = "not held any more", f"`equitrcoder resume {name}` goes on with it"
    title = prose(view.plan.task(task).title) if view.plan is not None else ""
    return [Line(f"{task} {title}: {words}"), Line(f"  {then}", Tone.DIM)]


def assignment_lines(view: RunView, *, width: int | None = None) -> list[Line]:
    """One row per task that is not done or was given to somebody: whose it is, and why."""
    plan = view.plan
    assert plan is not None, "what has no plan cannot be assigned"
    header = ("task", "title", "type", "profile", "why")
    rows = [
        (
            str(task.id),
            prose(plan.task(task.id).title),
            prose(plan.task(task.id).type),
            prose(task.assigned.profile) if task.assigned is not None else "-",
            f"{task.assigned.by}: {prose(task.assigned.why)}" if task.assigned is not None else "-",
        )
        for task in view.tasks.values()
        if task.state is not TaskState.DONE or task.assigned is not None
    ]
    if not rows:
        return [Line(f"{view.epic or view.run}: every task is done")]
    if fits([header, *rows], width):
        head, *body = table(rows, header=header)
        return [Line(head, Tone.DIM), *(Line(text) for text in body)]
    lines: list[Line] = []
    for number, title, kind, profile, why in rows:
        lines += [Line(f"  {number} {title} ({kind}): {profile}"), Line(f"      {why}", Tone.DIM)]
    return lines


def _sharing(point: SyncPoint, view: RunView) -> str:
    """` (version 2, read by T2; contract kept)`; empty while nothing is published."""
    found = view.sync_points.get(point.id)
    if found is None or found.newest is None:
        return ""
    newest = found.newest.version
    up_to_date = [task for task, version in found.read.items() if version == newest]
    read = f", read by {', '.join(up_to_date)}" if up_to_date else ""
    verdict = f"; contract {found.verdict.value}" if found.verdict is not None else ""
    return f" (version {newest}{read}{verdict})"


def models_lines(answer: ModelsAnswer, *, width: int | None = None) -> list[Line]:
    lines = []
    for model in answer.configured:
        lines += _configured(model, width)
    if not answer.discovered:
        return lines
    words = {True: "yes", False: "no", None: "unknown"}
    rows = [
        (model.name, words[model.tools], str(model.context_window or "?"), str(model.max_output or "?"))
        for model in answer.discovered
    ]
    header = ("model", "tool calls", "context", "max output")
    head, *body = table(rows, header=header, width=width, elastic=0, spare=(3, 2))
    found = Line(f"{len(rows)} offered by {answer.endpoint or 'the endpoint'}", Tone.STRONG)
    return [*lines, found, Line(head, Tone.DIM), *(Line(text) for text in body)]


def config_lines(answer: ConfigAnswer, *, width: int | None = None) -> list[Line]:
    """Every key with its value and where that value comes from."""
    rows = [
        (entry.key, prose(entry.value), f"{entry.source}{f' ({entry.note})' if entry.note else ''}")
        for entry in answer.entries
    ]
    header = ("key", "value", "from")
    if fits([header, *rows], width):
        head, *body = table(rows, header=header)
        return [Line(head, Tone.DIM), *(Line(text) for text in body)]
    return [line for key, value, source in rows for line in _one_above_the_other(key, value, source, width)]


def _one_above_the_other(key: str, value: str, source: str, width: int | None) -> list[Line]:
    """For a narrow terminal: a value or a source that is cut would be of no use."""
    line = Line(f"  {key}: {value} ({source})")
    if width is None or cells(line.text) <= width:
        return [line]
    where = [] if source == "default" else [Line(f"      from {source}", Tone.DIM)]
    return [Line(f"  {key}: {value}"), *where]


def warning_lines(warnings: Sequence[str]) -> list[Line]:
    """What the configuration warns of, such as settings that do not count."""
    return [Line(f"! {shown_on_one_line(warning)}", Tone.WARN) for warning in warnings]


def is_multi_agent(answer: ConfigAnswer) -> bool:
    """Whether the configuration in force asks for a supervisor with workers."""
    in_force = (entry for entry in answer.entries if not entry.source.startswith("ignored"))
    return any(entry.key == "orchestrator.use_multi_agent" and entry.value == "true" for entry in in_force)


def doctor_lines(answer: DoctorAnswer) -> list[Line]:
    lines = []
    for finding in answer.findings:
        glyph, tone = _FINDINGS[finding.state]
        lines.append(Line(f"{glyph} {finding.state:<4}  {finding.name}: {prose(finding.detail)}", tone))
        if finding.fix:
            lines.append(Line(f"        fix: {prose(finding.fix)}"))
    return lines


_VERDICTS = {
    Verdict.ALLOW: ("allow: it runs unasked", Tone.GOOD),
    Verdict.ASK: ("ask: a person is asked", Tone.WARN),
    Verdict.DENY: ("deny: it is refused", Tone.BAD),
}


def policy_lines(answer: PolicyAnswer) -> list[Line]:
    """The decision, its reason, and the rule with where it is set."""
    decision = answer.decision
    said, tone = _VERDICTS[decision.verdict]
    where = f" ({prose(answer.source)})" if answer.source else ""
    return [
        Line(said, tone),
        Line(f"  why    {prose(decision.reason)}"),
        Line(f"  rule   {prose(decision.rule)}{where}"),
        Line(f"  mode   {answer.mode}; commands run in: {prose(answer.confinement)}", Tone.DIM),
    ]


def trust_lines(answer: TrustAnswer) -> list[Line]:
    if not answer.present:
        return [Line("This workspace has no .equitr folder: there is nothing to trust.")]
    files = [
        *(Line(f"  {prose(name)}") for name in answer.files),
        *(Line(prose(line), _tone_of_change(line)) for line in answer.diff.splitlines()),
    ]
    if answer.trusted:
        return [Line(f".equitr is trusted as it is now ({answer.content_hash[:12]})", Tone.GOOD), *files]
    why = "its content has changed since it was trusted" if answer.changed else "nobody has trusted it"
    head = Line(f".equitr is ignored: {why} ({answer.content_hash[:12]})", Tone.WARN)
    return [head, *files, Line(f"hash {answer.content_hash}", Tone.DIM)]


def _tone_of_change(line: str) -> Tone:
    if line.startswith(("+++", "---", "@@")):
        return Tone.STRONG
    return {"+": Tone.GOOD, "-": Tone.WARN}.get(line[:1], Tone.PLAIN)


def proposal_lines(answer: ProposalAnswer) -> list[Line]:
    """What a first configuration could be, from the keys that are there."""
    if not answer.proposals:
        return [
            Line("No model is configured, and there is no key for which a pair could be proposed."),
            *(Line(text) for text in wrap(f"Looked for: {', '.join(answer.looked_for)}", _NARROW)),
        ]
    lines = [Line("No model is configured. With the keys in your environment you could use:")]
    for number, offer in enumerate(answer.proposals, 1):
        lines.append(
            Line(f"  {number}  {offer.preset} ({offer.key or 'no key needed'}, prices of {offer.date})", Tone.STRONG)
        )
        lines.append(Line(f"       supervisor {offer.supervisor}: {price(offer.supervisor_price)} per million tokens"))
        lines.append(Line(f"       worker     {offer.worker}: {price(offer.worker_price)} per million tokens"))
        lines.append(Line(f"       budget     {limit(offer.budget)} a run"))
    return lines


def _configured(model: ConfiguredModel, width: int | None) -> list[Line]:
    note = f" ({model.note})" if model.note else ""
    if model.name is None:
        return [Line(f"{model.role:<10}  none{note}", Tone.WARN)]
    rest = [part for part in (model.provider, model.endpoint, model.key) if part]
    cost = f"price {price(model.price)}" + (" per million tokens" if model.price is not None else "")
    source = f" [{model.price.source}]" if model.price is not None and model.price.source else ""
    tone = Tone.PLAIN if model.price is not None else Tone.WARN
    head = Line(f"{model.role:<10}  {model.name}{note}", Tone.STRONG)
    whole = Line(f"            {', '.join([*rest, cost])}{source}", tone)
    if width is None or cells(whole.text) <= width:
        return [head, whole]
    return [head, *(Line(f"    {part}") for part in rest), Line(f"    {cost}{source}", tone)]
