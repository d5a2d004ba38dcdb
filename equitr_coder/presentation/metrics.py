"""The time of a run in words and one table."""

from equitr_coder.domain.metrics import RunMetrics, TaskMetrics
from equitr_coder.presentation.figures import dollars, duration
from equitr_coder.presentation.states import task_glyph
from equitr_coder.presentation.tables import table
from equitr_coder.presentation.text import Line, Tone, plural

_HEADER = ("task", "tries", "waited", "worked", "model", "tools", "gate", "merge", "other", "git", "cost")


def metrics_lines(metrics: RunMetrics, *, width: int | None = None) -> list[Line]:
    name = f"{metrics.run} ({metrics.epic})" if metrics.epic else metrics.run
    lines = [Line(f"{name}: {metrics.state.value}, {duration(metrics.wall)} in all", Tone.STRONG)]
    facts: list[tuple[str, str]] = []
    if metrics.tasks:
        facts += [
            ("time", _speed_up(metrics)),
            ("workers", f"{metrics.peak_workers} at most at once, {metrics.workers} allowed"),
            ("utilization", f"{_percent(metrics.utilization)} of the workers that could run"),
        ]
    facts += [
        ("overhead", f"{_percent(metrics.overhead)} of the time nobody waited for a model, a tool or a gate"),
    ]
    if metrics.tasks:
        facts += [
            ("", f"{_percent(metrics.execution_overhead)} while there were tasks to do"),
            ("", f"{_percent(metrics.worker_overhead)} of the workers' own time"),
            ("supervisor", f"{_percent(metrics.coordinator)} of the time a strong model was at work"),
            ("merge queue", f"{duration(metrics.queue)} waited for a turn"),
            ("git", f"{_small(metrics.git)} in {plural(metrics.git_commands, 'command')}"),
            ("attempts", f"{metrics.attempts}, {plural(metrics.escalations, 'escalation')}"),
        ]
    if metrics.person:
        facts.append(("people", f"{duration(metrics.person)} waited for an answer"))
    facts += [
        (f"{tier.tier.value} models", f"{plural(tier.calls, 'call')}, {duration(tier.seconds)}, {dollars(tier.usd)}")
        for tier in metrics.tiers
    ]
    if metrics.strong_alone is not None and metrics.usd:
        times = metrics.strong_alone / metrics.usd
        facts.append(("money", f"{dollars(metrics.usd)}; with the strong model alone {times:.1f} times as much"))
    lines += [Line(text) for text in table(facts, width=width)]
    if metrics.tasks:
        rows = [_row(task) for task in metrics.tasks]
        lines += [Line(text) for text in table(rows, header=_HEADER, width=width, elastic=0, spare=(9, 8, 1))]
    return lines


def _speed_up(metrics: RunMetrics) -> str:
    times = f", {metrics.speed_up:.1f}x" if metrics.speed_up is not None else ""
    return f"wall {duration(metrics.execution)}, tasks {duration(metrics.task_time)}{times}"


def _row(task: TaskMetrics) -> tuple[str, ...]:
    parts = (task.waiting, task.total, task.model, task.tool, task.gate, task.merge, task.other)
    return (
        f"{task_glyph(task.state)} {task.task}",
        str(task.attempts),
        *(duration(part) for part in parts),
        _small(task.git),
        dollars(task.usd),
    )


def _small(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else duration(seconds)


def _percent(share: float | None) -> str:
    return "n/a" if share is None else f"{100 * share:.1f} %"
