"""The audit log in words: one line for each act, and what is wrong with the chains."""

from datetime import UTC
from itertools import groupby

from equitr_coder.domain.audit import AuditRow, VerifiedChain
from equitr_coder.domain.queries import AuditAnswer, AuditVerifyAnswer
from equitr_coder.presentation.figures import amount
from equitr_coder.presentation.listings import unreadable_lines
from equitr_coder.presentation.text import Line, Tone, plural, prose, shorten

_WIDTH = 120


def audit_lines(answer: AuditAnswer, *, width: int | None = None) -> list[Line]:
    """Under a heading for each run; times are UTC."""
    lines: list[Line] = []
    for run, group in groupby(answer.rows, lambda row: row.run):
        rows = list(group)
        name = f"{rows[0].epic} ({run})" if rows[0].epic else run
        user = f", started by {rows[0].user}" if rows[0].user else ""
        lines.append(Line(f"{name}: {plural(len(rows), 'act')}{user}", Tone.STRONG))
        for row in rows:
            lines += _row(row, max(60, width or _WIDTH))
    if not lines:
        lines = [Line("Nothing of that is in the log.")]
    return [*lines, *unreadable_lines(answer.unreadable)]


def _row(row: AuditRow, width: int) -> list[Line]:
    at = f"{row.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if row.at is not None else "-"
    who = " ".join(str(part) for part in (row.task, row.agent or ("user" if row.kind == "person" else "")) if part)
    head = f"  {row.seq:>5}  {at}  {row.kind:6}  {who or 'host'}: {_act(row)}"
    is_bad = row.outcome == "error" or row.outcome.startswith(("failed", "rejected"))
    told = _decision(row)
    lines = [Line(shorten(prose(head), width), Tone.WARN if is_bad else Tone.PLAIN)]
    return lines + ([Line(shorten(f"         {prose(told)}", width), Tone.DIM)] if told else [])


def _act(row: AuditRow) -> str:
    match row.kind:
        case "model":
            usage = f", {row.usage.total_input} in, {row.usage.output} out" if row.usage is not None else ""
            price = amount(row.usd, is_unpriced=False) if row.usd is not None else "no price"
            return f"{row.model} ({row.purpose}){usage}, {price}, {row.outcome}"
        case "tool":
            return f"{row.tool} {row.outcome}: {row.what}"
        case "merge":
            commit = f" at {row.commit[:10]}" if row.commit else ""
            return f"{row.outcome} {row.what}{commit} {row.detail}".rstrip()
        case "run" | "person":
            return f"{row.outcome}: {row.what or row.detail}".rstrip(": ")


def _decision(row: AuditRow) -> str:
    if row.kind != "tool":
        return ""
    said = f"{row.verdict.value}: {row.rule}" if row.verdict is not None else "the call could not be read"
    answer = f"; {row.answered}" if row.answered else ""
    return f"{said}{answer}; asked by {row.model or 'unknown'}; arguments {row.what_hash[:12]}"


def audit_verify_lines(answer: AuditVerifyAnswer) -> list[Line]:
    """What does not fit, each with its run and record; then each run's length and head."""
    lines = [Line(f"! {fault.what}", Tone.BAD) for fault in answer.index]
    for chain in answer.chains:
        lines += [Line(f"! {chain.run}: {fault.what}", Tone.BAD) for fault in chain.faults]
    lines += [_chain(chain) for chain in answer.chains]
    bad = sum(bool(chain.faults) for chain in answer.chains)
    total = plural(len(answer.chains), "run")
    if answer.is_whole:
        return [*lines, Line(f"{total}: every record is what was stored, in its order", Tone.GOOD)]
    return [*lines, Line(f"{total}: {bad} {'is' if bad == 1 else 'are'} not whole", Tone.BAD)]


def _chain(chain: VerifiedChain) -> Line:
    state = "NOT WHOLE" if chain.faults else "whole"
    blobs = f", {plural(chain.blobs, 'output')}" if chain.blobs else ""
    gone = f", deleted {chain.deleted.astimezone(UTC):%Y-%m-%d %H:%M}" if chain.deleted is not None else ""
    pinned = f", the given head is that of record {chain.pinned}" if chain.pinned is not None else ""
    words = f"{chain.run}: {state}, {plural(chain.records, 'record')}{blobs}{gone}{pinned}, head {chain.head}"
    return Line(words, Tone.BAD if chain.faults else Tone.PLAIN)
