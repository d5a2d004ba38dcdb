"""A door for the places where one reads and decides: one log, the answers of its samples, and what was asked of it."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from equitr_coder.domain import commands as c
from equitr_coder.domain import events as e
from equitr_coder.domain import queries as q
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import CommitId, RunId
from equitr_coder.domain.money import ZERO
from equitr_coder.domain.run_view import RunView, fold
from equitr_coder.ports import ShownDelta
from tests.tui.paper_samples import CONFIG, DIFF, MODELS, RUN, RUNS, cost_of, stamped
from tests.tui.stage import Door

LEFT = q.Prunable(
    run=RUN,
    epic=None,
    state=RUNS.runs[0].state,
    refs=("refs/a", "refs/b"),
    worktrees=("T3",),
    lost=(q.LostCommit(commit=CommitId("9" * 40), subject="wip"),),
)


class PaperDoor(Door):
    def __init__(
        self,
        events: Sequence[e.Event] = (),
        *,
        diff: str = DIFF,
        refuses: Callable[[c.Command | q.Query], UserError | None] = lambda _: None,
        answers: Sequence[q.Answer] = (),
    ) -> None:
        super().__init__(answers=[CONFIG, MODELS, RUNS, q.DiffAnswer(text=diff), *answers])
        self.log = stamped(events) if events else []
        self._refuses = refuses

    async def submit(self, command: c.Command) -> RunId:
        if (error := self._refuses(command)) is not None:
            raise error
        self.submitted.append(command)
        return RUN

    async def view(self, run: RunId) -> RunView:
        return fold(self.log)

    async def events(self, run: RunId, *, after: int = 0, deltas: bool = False) -> AsyncIterator[e.Event | ShownDelta]:
        for event in self.log:
            if event.seq > after:
                yield event

    async def query(self, query: q.Query) -> q.Answer:
        if (error := self._refuses(query)) is not None:
            raise error
        if not isinstance(query, q.CostQuery | q.SetConfig | q.ProbeModel | q.PruneQuery):
            return await super().query(query)
        self.asked.append(query)
        match query:
            case q.CostQuery():
                return cost_of(fold(self.log))
            case q.SetConfig():
                return q.Written(path="/home/me/.equitr/config.yaml")
            case q.ProbeModel():
                return self.answers.get(q.ProbeAnswer) or q.ProbeAnswer(ok=True, text="hello", usd=ZERO, latency_ms=90)
            case q.PruneQuery():
                return self.answers.get(q.PruneAnswer) or q.PruneAnswer(runs=(LEFT,), deleted=query.delete)

    def of(self, kind: type[Any]) -> list[Any]:
        """What was asked or submitted of a kind."""
        return [each for each in (*self.submitted, *self.asked) if isinstance(each, kind)]
