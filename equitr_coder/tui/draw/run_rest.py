"""What the workers share: sync points, merge queue, supervisor, conflicts, money by model, workload, receipts."""

from decimal import Decimal

from equitr_coder.presentation.dashboard import Dashboard, ModelMoney, SyncRow, open_conflicts
from equitr_coder.presentation.figures import coins, countdown, duration
from equitr_coder.presentation.rows import Ink, Row, Span, apart, beside, fit, row, width_of
from equitr_coder.presentation.text import plural, shorten
from equitr_coder.tui.draw.blocks import Block, title

_SHORT_ID = 7
_NAMES_READERS = 56
"""Columns from which on a sync point says who gives and who reads it."""
_BARS = " .:-=+*#"
_SYNC = {"pending": Ink.DIM, "produced": Ink.TEXT, "consumed": Ink.OK}


def sync_blocks(board: Dashboard, width: int) -> list[Block]:
    """A block for each sync point: `OrderRow v2 consumed  T1 > T3,T5`."""
    head = Block(
        "", (fit(row(" ", title("SYNC"), "" if board.sync_points else Span("  no sync points", Ink.DIM)), width),)
    )
    return [head, *(Block(point.id, (_sync(point, width),)) for point in board.sync_points)]


def merge_rows(board: Dashboard, width: int) -> list[Row]:
    """The queue with the last landing, the supervisor's share, and the conflicts by kind: three rows at most."""
    queue: list[str | Span] = [" ", title("MERGE QUEUE"), "  "]
    for number, one in enumerate(board.queue, 1):
        age = f" ({countdown(one.age)})" if one.age is not None else ""
        queue.append(f"{number} {one.task} {one.words}{age}   ")
    if not board.queue:
        queue.append(Span("empty   ", Ink.DIM))
    if board.landed is not None:
        landed = board.landed
        receipt = f", {landed.receipt}" if landed.receipt else ""
        what = landed.task or landed.target
        ink = Ink.OK if landed.receipt == "receipt ok" else Ink.TEXT
        queue.append(Span(f"last: {what} merged {landed.commit[:_SHORT_ID]}{receipt}", ink))
    rest = [" ", *_supervisor(board), "   ", *_conflicts(board)]
    return [fit(row(*queue), width), fit(row(*rest), width)]


def conflict_blocks(board: Dashboard, width: int) -> list[Block]:
    """One for each that is not resolved, and for what was decided between reviewers."""
    blocks = []
    for one in board.conflicts:
        where = f" in {', '.join(one.paths)}" if one.paths else f", {one.words}" if one.kind == "finding" else ""
        about = f"{one.id} ({one.kind}) {' and '.join(one.tasks)}{where}"
        if one.decided:
            blocks.append(Block(one.id, (fit(row(Span(f"   {about}: {one.decided}", Ink.DIM)), width),)))
        elif one.state != "resolved":
            text = f" ! {about}: {one.state}{'  needs you' if one.needs_person else ''}"
            blocks.append(Block(one.id, (fit(row(Span(text, Ink.ASK if one.needs_person else Ink.TEXT)), width),)))
    return blocks


def money_row(board: Dashboard, width: int) -> Row:
    """` MONEY  supervisor big-planner $0.93 (41k in 63% cached, 3.1k out) · workers ...`. Tokens where they fit."""
    head: list[str | Span] = [" ", title("MONEY"), "  "]
    if not board.money:
        supervisor = f"supervisor {board.header.supervisor_model or 'none'}"
        words = f"{supervisor} · workers {board.header.worker_model or 'none'}: nothing spent yet"
        return fit(row(*head, Span(words, Ink.DIM)), width)
    lines = (row(*head, _spent(board, told)) for told in range(len(board.money), -1, -1))
    return fit(next((line for line in lines if width_of(line) <= width), row(*head, _spent(board, 0))), width)


def _spent(board: Dashboard, told: int) -> str:
    """By model; the tokens of the first `told` of them."""
    parts = []
    for number, one in enumerate(board.money):
        usd = "unknown" if one.is_unpriced else coins(one.usd)
        tokens = f" ({_tokens(one)})" if number < told else ""
        parts.append(f"{one.role} {one.model} {usd}{tokens}")
    return " · ".join(parts)


def money_rows(board: Dashboard, width: int) -> list[Row]:
    """The money tab: by model, by minute, and who has what."""
    lines = [_columns(width, "model", "role", "calls", "in", "cached", "out", "$", ink=Ink.DIM)]
    for one in board.money:
        usd = "unknown" if one.is_unpriced else coins(one.usd)
        lines.append(
            _columns(width, one.model, one.role, str(one.calls), _thousands(one.input), f"{one.cached}%",
                     _thousands(one.output), usd)
        )  # fmt: skip
    purse = board.header.purse
    held = f"   held now {coins(purse.held)}" if purse.held else ""
    lines.append(fit(row(f" by minute (last {len(board.minutes)})  ", sparks(board.minutes), held), width))
    return [*lines, fit((), width), *workload_rows(board, width)]


def workload_rows(board: Dashboard, width: int) -> list[Row]:
    """Who has what, what waits for them, and the share of their time in which something was at work for them."""
    use = "n/a" if board.utilization is None else f"{100 * board.utilization:.0f}%"
    lines = [fit(row(" ", title("WORKLOAD"), Span(f"  workers used {use}", Ink.DIM)), width)]
    for one in board.workload:
        busy = "" if one.busy is None else f"busy {100 * one.busy:.0f}%"
        queue = f"queue {','.join(one.queue)}" if one.queue else ""
        worked = duration(one.seconds) if one.seconds else ""
        lines.append(
            fit(
                beside(
                    [
                        (row(f" {one.agent}"), max(16, width // 4)),
                        (row(f" {','.join(one.tasks)}"), max(10, width // 6)),
                        (row(f" {worked}"), 14),
                        (row(f" {busy}"), 11),
                        (row(Span(f" {queue}", Ink.DIM)), max(10, width // 5)),
                    ]
                ),
                width,
            )
        )
    return lines


def receipt_rows(board: Dashboard, width: int) -> list[Row]:
    """Of a run that has ended: `T1 pytest -q exit 0, 12 tests, 2.1 s, 4f1c2ab`."""
    lines = []
    for task in board.tasks:
        if task.receipt is None or not task.is_proven:
            lines.append(fit(row(Span(f" {task.glyph} {task.id} {task.words}", Ink.DIM)), width))
            continue
        for check in task.receipt.checks:
            tests = f", {plural(check.tests, 'test')}" if check.tests is not None else ""
            took = duration(check.duration_ms / 1000)
            text = f"{check.command} exit {check.exit_code}{tests}, {took}, {task.receipt.commit[:_SHORT_ID]}"
            lines.append(fit(row(Span(" + ", Ink.OK, bold=True), Span(f"{task.id} ", bold=True), text), width))
    return lines


def sparks(amounts: "tuple[Decimal, ...]") -> str:
    """One character for each amount, the largest the highest."""
    most = max(amounts, default=Decimal(0))
    if not most:
        return "." * len(amounts)
    steps = len(_BARS) - 1
    return "".join(_BARS[max(1, int(amount / most * steps))] if amount else "." for amount in amounts)


def _sync(point: SyncRow, width: int) -> Row:
    version = f" v{point.version}" if point.version is not None else ""
    verdict = f", {point.verdict}" if point.verdict in ("kept", "broken") else ""
    readers = ",".join(f"{task}{'+' if task in point.read_by else ''}" for task in point.consumers)
    ink = Ink.BAD if point.verdict == "broken" else _SYNC[point.state]
    if width < _NAMES_READERS:
        return apart(row(Span(f"   {point.id}{version}", ink)), row(Span(f"{point.state}{verdict} ", ink)), width)
    name = max(12, min(28, width // 3))
    return fit(
        beside(
            [
                (row(Span(f"   {point.id}{version}", ink)), name),
                (row(Span(f"{point.state}{verdict} ", ink)), max(10, min(18, width - name))),
                (row(Span(f"{point.producer} > {readers}", Ink.DIM)), max(0, width - name - 18)),
            ]
        ),
        width,
    )


def _supervisor(board: Dashboard) -> list[str | Span]:
    line = board.supervisor
    cap = f" of {line.limit}" if line.limit is not None else ""
    waiting = f", answering {','.join(line.waiting)}" if line.waiting else ""
    return [Span("SUPERVISOR", Ink.INFO, bold=True), f"  answered {line.answered}{cap}{waiting}, {coins(line.usd)}"]


def _conflicts(board: Dashboard) -> list[str | Span]:
    files, findings = open_conflicts(board, "file"), open_conflicts(board, "finding")
    ink = Ink.ASK if any(one.needs_person for one in board.conflicts) else Ink.TEXT
    return [title("CONFLICTS"), Span(f"  file {files} open, finding {findings} open", ink)]


def _columns(width: int, *texts: str, ink: Ink = Ink.TEXT) -> Row:
    sizes = [max(14, width // 4), max(12, width // 7), 6, 9, 8, 8, 9]
    cells = [(row(Span(f" {shorten(text, size - 1)}", ink)), size) for text, size in zip(texts, sizes, strict=True)]
    return fit(beside(cells), width)


def _tokens(one: ModelMoney) -> str:
    cached = f" {one.cached}% cached" if one.cached else ""
    return f"{_thousands(one.input)} in{cached}, {_thousands(one.output)} out"


def _thousands(count: int) -> str:
    return str(count) if count < 1000 else f"{count / 1000:.1f}k" if count < 100_000 else f"{count // 1000}k"
