"""Answers from the audit log: who did what, and whether the log is whole."""

import re
from collections.abc import Sequence
from pathlib import Path

from equitr_coder.domain import queries as q
from equitr_coder.domain.audit import AuditFault, AuditReading, AuditRow, VerifiedChain, chosen
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import RunId
from equitr_coder.domain.run_view import fold
from equitr_coder.ports import EventStore, RunRow
from equitr_coder.session.answers import find_run
from equitr_coder.session.kept import CHECKED

_LINK = re.compile(r"[0-9a-f]{64}")


class AuditLog:
    def __init__(self, store: EventStore, checkout: Path) -> None:
        self._store = store
        self._checkout = checkout

    async def answer(self, query: q.AuditQuery | q.AuditVerifyQuery) -> q.Answer:
        match query:
            case q.AuditQuery():
                return await self._show(query)
            case q.AuditVerifyQuery():
                return await self._verify(query)

    async def _show(self, query: q.AuditQuery) -> q.AuditAnswer:
        rows: list[AuditRow] = []
        unreadable: list[RunId] = []
        for run in await self._runs(query.run, everywhere=query.everywhere):
            reading = AuditReading()
            try:
                async for page in self._store.pages(run):
                    reading.take(page)
            except UserError:
                if query.run is not None:
                    raise
                unreadable.append(run)
                continue
            rows += chosen(reading.rows, agent=query.agent, tool=query.tool, task=query.task, since=query.since)
        return q.AuditAnswer(rows=tuple(rows), unreadable=tuple(unreadable))

    async def _verify(self, query: q.AuditVerifyQuery) -> q.AuditVerifyAnswer:
        pin = _pin(query)
        if query.run is None and query.everywhere:
            chains, index = await self._store.verify()
            return q.AuditVerifyAnswer(chains=tuple(await self._with_kept(chains)), index=tuple(index))
        found: list[VerifiedChain] = []
        faults: list[AuditFault] = []
        for run in await self._runs(query.run, everywhere=query.everywhere):
            chains, index = await self._store.verify(run, pin=pin)
            found += chains
            faults += [fault for fault in index if fault not in faults]
        return q.AuditVerifyAnswer(chains=tuple(await self._with_kept(found)), index=tuple(faults))

    async def _with_kept(self, chains: Sequence[VerifiedChain]) -> list[VerifiedChain]:
        """What is kept for lists proves nothing, but what it says must be what the log says. Where it is not, it is
        named and made again.
        """
        checked = {chain.run: chain for chain in chains}
        for form, (make, read) in CHECKED.items():
            kept = await self._store.summaries(form)
            mended: dict[RunId, tuple[int, str]] = {}
            for run in [chain.run for chain in chains if chain.run in kept and not chain.faults]:
                view = fold(await self._store.read(run, transcripts=False))
                if read(kept[run]) == make(view):
                    continue
                mended[run] = (view.seq, make(view))
                what = f"what is kept of it for lists ({form}) is not what its log says; it is made again"
                fault = AuditFault(run=run, kind="summary", what=what)
                checked[run] = checked[run].model_copy(update={"faults": (*checked[run].faults, fault)})
            await self._store.keep_summaries(form, mended)
        return list(checked.values())

    async def _runs(self, name: str | None, *, everywhere: bool) -> Sequence[RunId]:
        """Oldest first."""
        rows: Sequence[RunRow] = await self._store.runs(None if everywhere else str(self._checkout))
        if name is None:
            return [row.run for row in reversed(rows)]
        return [find_run(name, rows)]


def _pin(query: q.AuditVerifyQuery) -> str | None:
    if query.head is None:
        return None
    if query.run is None:
        raise UserError("a head belongs to one run", hint="usage: equitrcoder audit verify RUN --head HASH")
    if not _LINK.fullmatch(query.head.lower()):
        raise UserError(
            f"{query.head!r} is no head of a run", hint="it has 64 hex digits; `audit verify RUN` prints it"
        )
    return query.head.lower()
