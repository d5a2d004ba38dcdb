"""The budget of one run: accounts run -> workflow -> task -> agent in which money is held, settled and released.

Every call holds its worst case before it is sent, on every account above it, so that parallel calls can never pass a
limit together while usage stays within what was held. Belongs to one event loop; stores nothing: the event log does.
"""

import asyncio
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from equitr_coder.budget.accounts import Limits, Node, raising_hint
from equitr_coder.budget.estimate import Correction, Estimate, rounded_up
from equitr_coder.domain.errors import BudgetRefused, UserError
from equitr_coder.domain.events import BudgetWarned, Event
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import CallId, RunId, SessionId, TaskId, new_id
from equitr_coder.domain.models import ModelRequest
from equitr_coder.domain.money import ZERO, Price, Usage
from equitr_coder.domain.run_view import LedgerRow
from equitr_coder.ports import Account, PriceBook, Reservation, TokenCounter

_NONE_NEEDED = Correction()


class Ledger:
    """Implements `ports.BudgetGate`.

    A call that does not fit what is *settled* first gets a tighter bound of its input, then less output (down to
    `min_output` tokens), and is refused only then. A call that only others' holds keep out waits its turn: first
    come, first served among calls that want the same account. Whoever waits must hold nothing itself.

    A model whose provider reported more than its bounds is held at that much more from then on (`Correction`).
    """

    def __init__(
        self,
        run: RunId,
        *,
        limits: Limits,
        prices: PriceBook,
        counter: TokenCounter,
        min_output: int = 512,
        opening: Iterable[LedgerRow] = (),
        warned: Collection[str] = (),
    ) -> None:
        """`opening` and `warned` are what the run's log says after a restart (`RunView.ledger`, `RunView.warned`); a
        row that is still open is spent at its reservation.
        """
        self._run = Node("run", limits.run)
        kind = limits.kind.value
        self._workflow = Node(f"workflow {kind}", limits.workflow, f"llm.limits.workflows.{kind}")
        self._limits = limits
        self._prices = prices
        self._counter = counter
        self._min_output = min_output
        self._warned = set(warned)
        self._tasks: dict[TaskId, Node] = {}
        self._agents: dict[SessionId, Node] = {}
        self._corrections: dict[str, Correction] = {}
        self._open: dict[CallId, tuple[Node, ...]] = {}
        self._closed: dict[CallId, Decimal] = {}
        self._queue: list[_Claim] = []
        self._warnings: list[Event] = []
        for row in opening:
            counted = self._counted(row)
            for node in self._path(Account(run, row.task, row.session)):
                node.spent += counted
            if not row.is_open and row.failed is None:
                self._learn(
                    row.model,
                    row.usage,
                    input_bound=row.input_bound,
                    max_tokens=row.max_tokens,
                    price=prices.price(row.model),
                )

    @property
    def limit(self) -> Decimal | None:
        return self._run.limit

    @property
    def spent(self) -> Decimal:
        return self._run.spent

    @property
    def held(self) -> Decimal:
        return self._run.held

    def raise_limit(self, limit: Decimal) -> None:
        """See `ports.BudgetGate.raise_limit`."""
        self._run.limit = limit
        self._serve()

    def left(self, account: Account) -> tuple[Decimal, Decimal] | None:
        """See `ports.BudgetGate.left`."""
        path = self._path(account)
        limited = [(node.limit - node.spent - node.held, node.limit) for node in path if node.limit is not None]
        return min(limited, default=None)

    @property
    def waiting(self) -> int:
        """Calls that wait for others' holds."""
        return len(self._queue)

    async def reserve(self, account: Account, request: ModelRequest) -> Reservation:
        path = self._path(account)
        price = self._prices.price(request.model.name)
        if price is None and any(node.limit is not None for node in path):
            raise unpriced(request.model.name)
        claim = _Claim(account, path, request, price, self._counter.upper_bound(request))
        self._queue.append(claim)
        try:
            self._serve()
            if not claim.outcome.done():
                tighter = await asyncio.to_thread(self._counter.tighter_bound, request)
                claim.input_bound = min(claim.input_bound, tighter)
                claim.is_tight = True
                self._serve()
            outcome = await claim.outcome
        except BaseException:
            self._withdraw(claim)
            raise
        if isinstance(outcome, BudgetRefused):
            raise outcome
        return outcome

    def settle(self, reservation: Reservation, usage: Usage) -> tuple[Decimal, Sequence[Event]]:
        """The provider's own figure where it gives one, else usage times price.

        Raises LookupError when the call is not open: it would be counted twice.
        """
        cost = usage.reported_usd
        if cost is None:
            cost = ZERO if reservation.price is None else reservation.price.cost(usage)
        if reservation.call in self._open:
            self._learn(
                reservation.model,
                usage,
                input_bound=reservation.input_bound,
                max_tokens=reservation.max_tokens,
                price=reservation.price,
            )
        self._close(reservation, cost)
        warnings, self._warnings = self._warnings, []
        return cost, warnings

    def charge(self, reservation: Reservation) -> Decimal:
        """For a call that was closed before, the amount that was counted then."""
        if reservation.call in self._open:
            self._close(reservation, reservation.usd)
        return self._closed.get(reservation.call, ZERO)

    def release(self, reservation: Reservation) -> None:
        if reservation.call in self._open:
            self._close(reservation, ZERO)

    def _counted(self, row: LedgerRow) -> Decimal:
        """A call whose price was unknown counts at the price that is known now: a limit may have been set since."""
        if row.is_open:
            return row.reserved
        price = self._prices.price(row.model) if row.is_unpriced else None
        return row.usd if price is None else price.cost(row.usage)

    def _path(self, account: Account) -> tuple[Node, ...]:
        task = () if account.task is None else (self._task(account.task),)
        agent = self._agents.get(account.session)
        if agent is None:
            name = f"agent {account.session}"
            agent = self._agents[account.session] = Node(name, self._limits.each_agent, "llm.limits.agent")
        return (self._run, self._workflow, *task, agent)

    def _task(self, task: TaskId) -> Node:
        if task not in self._tasks:
            self._tasks[task] = Node(f"task {task}", self._limits.each_task, "llm.limits.task")
        return self._tasks[task]

    def _learn(self, model: str, usage: Usage, *, input_bound: int, max_tokens: int, price: Price | None) -> None:
        known = self._corrections.get(model, _NONE_NEEDED)
        self._corrections[model] = known.learned(usage, input_bound=input_bound, max_tokens=max_tokens, price=price)

    def _close(self, reservation: Reservation, cost: Decimal) -> None:
        try:
            path = self._open.pop(reservation.call)
        except KeyError as error:
            raise LookupError(f"model call {reservation.call} is not open") from error
        self._closed[reservation.call] = cost
        for node in path:
            node.held -= reservation.usd
            node.spent += cost
            if node.is_nearly_empty and node.name not in self._warned:
                assert node.limit is not None
                self._warned.add(node.name)
                self._warnings.append(BudgetWarned(account=node.name, usd=node.spent, limit=node.limit))
        self._serve()

    def _serve(self) -> None:
        """Grant and refuse whatever can be decided now, in order of arrival.

        A claim that must wait keeps the accounts that are too full for it from everybody behind it, so that a stream
        of small calls cannot starve a large one; accounts that do not hold it up stay open to others.
        """
        kept: set[Node] = set()
        for claim in list(self._queue):
            if claim.outcome.done():
                continue  # cancelled, and not yet withdrawn
            claim.estimate_with(self._corrections.get(claim.request.model.name, _NONE_NEEDED))
            offer = claim.offer(self._min_output)
            if offer is None and claim.is_tight:
                self._finish(claim, claim.refusal(self._min_output))
            elif offer is None:
                kept.update(claim.path)
            elif kept.isdisjoint(claim.path) and not any(claim.too_full(offer)):
                self._finish(claim, self._hold(claim, offer))
            else:
                kept.update(claim.too_full(offer))

    def _finish(self, claim: "_Claim", outcome: Reservation | BudgetRefused) -> None:
        self._queue.remove(claim)
        claim.outcome.set_result(outcome)

    def _hold(self, claim: "_Claim", offer: "_Offer") -> Reservation:
        call = CallId(new_id("call"))
        self._open[call] = claim.path
        for node in claim.path:
            node.held += offer.usd
        return Reservation(
            call=call,
            account=claim.account,
            model=claim.request.model.name,
            usd=offer.usd,
            input_bound=claim.input_bound,
            max_tokens=offer.max_tokens,
            price=claim.price,
        )

    def _withdraw(self, claim: "_Claim") -> None:
        """Whoever asked has gone: nothing may stay behind, whatever had been decided."""
        if claim in self._queue:
            self._queue.remove(claim)
            self._serve()
        elif claim.outcome.done() and not claim.outcome.cancelled():
            outcome = claim.outcome.result()
            if isinstance(outcome, Reservation):
                self.release(outcome)


@frozen
class _Offer:
    usd: Decimal
    max_tokens: int


@dataclass(eq=False)
class _Claim:
    """A call that asks for its money."""

    account: Account
    path: tuple[Node, ...]
    request: ModelRequest
    price: Price | None
    input_bound: int
    is_tight: bool = False
    estimate: Estimate = field(default_factory=Estimate.nothing)
    estimated_for: tuple[int, Correction] | None = None
    outcome: "asyncio.Future[Reservation | BudgetRefused]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def estimate_with(self, correction: Correction) -> None:
        """By what is known now: the bound may have become tighter, and the model dearer, while the claim waited."""
        if self.price is not None and self.estimated_for != (self.input_bound, correction):
            self.estimate = Estimate.of(self.price, input_bound=self.input_bound, correction=correction)
            self.estimated_for = (self.input_bound, correction)

    def offer(self, min_output: int) -> _Offer | None:
        """What to hold, looking at settled money alone; None when it does not fit.

        Output shrinks only when the input's bound is as tight as it gets.
        """
        wanted = self.request.max_tokens
        headroom = self._tightest()
        most = None if headroom is None else self.estimate.affordable(headroom[0])
        if most is not None and most < wanted:
            if not self.is_tight or most < min_output:
                return None
            wanted = most
        return _Offer(self.estimate.worst_case(wanted), wanted)

    def too_full(self, offer: _Offer) -> Iterator[Node]:
        """Accounts where others' holds are in the way."""
        return (
            node for node in self.path if node.limit is not None and offer.usd > node.limit - node.spent - node.held
        )

    def refusal(self, min_output: int) -> BudgetRefused:
        headroom = self._tightest()
        assert headroom is not None
        node = headroom[1]
        assert node.limit is not None
        least = min(min_output, self.request.max_tokens)
        needed = self.estimate.worst_case(least)
        return BudgetRefused(
            f"the budget of {node.name} is ${node.limit:f}; ${_short(node.spent)} are spent, and this call of "
            f"{self.request.model.name} can cost ${_short(needed)} with as little as {least} tokens of output",
            account=node.name,
            spent=node.spent,
            limit=node.limit,
            hint=raising_hint(self.path, needed),
        )

    def _tightest(self) -> tuple[Decimal, Node] | None:
        """The least that any limit leaves beside settled money, and where."""
        left = [(node.limit - node.spent, node) for node in self.path if node.limit is not None]
        return min(left, key=lambda pair: pair[0], default=None)


def _short(usd: Decimal) -> str:
    """Rounded up to a hundredth of a cent, so that no cost is shown as nothing."""
    return str(rounded_up(usd, Decimal("0.0001")))


def unpriced(model: str) -> UserError:
    return UserError(
        f"the price of {model} is unknown, and with a budget no call of unknown cost is made",
        hint=f'add under llm.prices, in US dollars per million tokens (0 for a local model): "{model}": '
        "{input: 0, output: 0}",
    )
