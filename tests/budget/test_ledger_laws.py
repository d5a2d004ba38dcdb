"""What holds in every schedule: workers that ask, settle, give back, lose, give up and die in any order.

The books here are kept by the test from reservations and costs alone; the ledger is never asked about itself.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from equitr_coder.budget import Ledger, Limits
from equitr_coder.domain.errors import BudgetRefused
from equitr_coder.domain.ids import AgentName, CallId, RunId, SessionId, TaskId
from equitr_coder.domain.models import ModelRequest, ModelSpec, Purpose, Tier, UserMessage
from equitr_coder.domain.money import ZERO, Price, Usage
from equitr_coder.domain.run_view import LedgerRow
from equitr_coder.ports import Account, Reservation
from equitr_coder.testing.money import FixedPrices, FixedTokens
from equitr_coder.testing.threads import InlineExecutor

PRICES = {
    "cheap": Price(input=Decimal("0.15"), output=Decimal("0.6"), cache_read=Decimal("0.075")),
    "dear": Price(input=Decimal(3), output=Decimal(15), cache_read=Decimal("0.3"), cache_write=Decimal("3.75")),
    "odd": Price(input=Decimal("0.333333"), output=Decimal("1.777777")),
    "free": Price(input=ZERO, output=ZERO),
}
Fate = Literal["settle", "charge", "release", "give_up"]


@dataclass(frozen=True)
class Step:
    """One call of a worker: how large, on which model, how long it takes and how it ends."""

    model: str
    tokens: int
    tightness: Fraction
    output: int
    turns: int
    fate: Fate
    share: Fraction
    """How much of what was allowed is used."""
    excess: int = 0
    """Output tokens billed beyond what was allowed."""


@dataclass(frozen=True)
class Plan:
    run_limit: Decimal
    task_limit: Decimal | None
    agent_limit: Decimal | None
    min_output: int
    workers: tuple[tuple[int, tuple[Step, ...]], ...]
    """Number of the task, and what the worker does."""
    dies_after: int | None = None
    """Turns of the loop until everything is stopped."""


def _step(dice: Random, most_excess: int) -> Step:
    return Step(
        model=dice.choice(sorted(PRICES)),
        tokens=dice.randint(1, 20_000),
        tightness=Fraction(dice.randint(0, 8), 8),
        output=dice.randint(1, 5_000),
        turns=dice.randint(0, 6),
        fate=dice.choice(["settle", "settle", "settle", "charge", "release", "give_up"]),
        share=Fraction(dice.randint(0, 8), 8),
        excess=dice.randint(0, most_excess),
    )


def _plan(seed: int, workers: int, *, most_excess: int = 0, dies: bool = False) -> Plan:
    """The same plan for the same numbers; fewer workers for a smaller example."""
    dice = Random(seed)

    def dollars() -> Decimal:
        return Decimal(dice.randint(10, 3000)) / 10_000

    return Plan(
        run_limit=dollars(),
        task_limit=dice.choice([None, dollars()]),
        agent_limit=dice.choice([None, dollars()]),
        min_output=dice.randint(1, 600),
        workers=tuple(
            (dice.randint(0, 3), tuple(_step(dice, most_excess) for _ in range(dice.randint(1, 4))))
            for _ in range(workers)
        ),
        dies_after=dice.randint(0, 60) if dies else None,
    )


SEEDS = st.integers(0, 2**32)
WORKERS = st.integers(1, 16)


@dataclass
class Books:
    """Who holds and who spent what, by account."""

    plan: Plan
    open: dict[CallId, Reservation] = field(default_factory=dict)
    rows: list[LedgerRow] = field(default_factory=list)
    excess: Decimal = ZERO

    def opened(self, reservation: Reservation) -> None:
        assert reservation.call not in self.open
        self.open[reservation.call] = reservation
        self.check()

    def closed(self, reservation: Reservation, usd: Decimal) -> None:
        del self.open[reservation.call]
        self.rows.append(_row(reservation, usd, is_open=False))
        self.excess += max(ZERO, usd - reservation.usd)
        self.check()

    def check(self) -> None:
        """No limit is passed by more than providers billed beyond what was held."""
        sums: defaultdict[str, Decimal] = defaultdict(Decimal)
        for account, usd in self._amounts():
            sums["run"] += usd
            sums[f"task {account.task}"] += usd
            sums[f"agent {account.session}"] += usd
        for name, total in sums.items():
            limit = self._limit(name)
            assert limit is None or total <= limit + self.excess, (name, total, limit)

    def must_refuse(self, account: Account, step: Step) -> bool:
        """Whether the least that the step can cost is more than settled money leaves on some account."""
        price, bound = PRICES[step.model], min(step.tokens, int(step.tokens * step.tightness))
        least = (bound * price.dearest_input + min(step.output, self.plan.min_output) * price.output) / 1_000_000
        settled = {
            "run": sum((row.usd for row in self.rows), ZERO),
            "task": sum((row.usd for row in self.rows if row.task == account.task), ZERO),
            "agent": sum((row.usd for row in self.rows if row.session == account.session), ZERO),
        }
        limits = {name: self._limit(name) for name in settled}
        return any(limit is not None and least > limit - settled[name] for name, limit in limits.items())

    def log(self) -> list[LedgerRow]:
        """What the event log holds: closed calls, and open ones with their reservation."""
        return [*self.rows, *(_row(reservation, ZERO, is_open=True) for reservation in self.open.values())]

    def _amounts(self) -> Iterable[tuple[Account, Decimal]]:
        yield from ((Account(RunId("r"), row.task, row.session), row.usd) for row in self.rows)
        yield from ((reservation.account, reservation.usd) for reservation in self.open.values())

    def _limit(self, name: str) -> Decimal | None:
        kind = name.split(maxsplit=1)[0]
        return {"run": self.plan.run_limit, "task": self.plan.task_limit, "agent": self.plan.agent_limit}[kind]


def _row(reservation: Reservation, usd: Decimal, *, is_open: bool) -> LedgerRow:
    return LedgerRow(
        call=reservation.call,
        model=reservation.model,
        tier=Tier.WEAK,
        agent=AgentName("a"),
        task=reservation.account.task,
        session=reservation.account.session,
        purpose=Purpose.WORK,
        reserved=reservation.usd,
        usd=usd,
        is_open=is_open,
    )


def _spent(row: LedgerRow) -> LedgerRow:
    """The row as a restart counts it."""
    return replace(row, usd=row.reserved if row.is_open else row.usd, is_open=False)


def _request(step: Step) -> ModelRequest:
    return ModelRequest(
        model=ModelSpec(name=step.model, tier=Tier.WEAK),
        system="",
        messages=(UserMessage(text=f"{step.tokens} {int(step.tokens * step.tightness)}"),),
        max_tokens=step.output,
    )


def _size(request: ModelRequest, position: int) -> int:
    message = request.messages[0]
    assert isinstance(message, UserMessage)
    return int(message.text.split()[position])


def _ledger(plan: Plan, opening: Iterable[LedgerRow] = ()) -> Ledger:
    return Ledger(
        RunId("r"),
        limits=Limits(plan.run_limit, each_task=plan.task_limit, each_agent=plan.agent_limit),
        prices=FixedPrices(PRICES),
        counter=FixedTokens(lambda request: _size(request, 0), tighter=lambda request: _size(request, 1)),
        min_output=plan.min_output,
        opening=opening,
    )


async def _work(gate: Ledger, books: Books, account: Account, todo: tuple[Step, ...]) -> None:
    for step in todo:
        request = _request(step)
        try:
            if step.fate == "give_up":
                async with asyncio.timeout(0):
                    reservation = await gate.reserve(account, request)
            else:
                reservation = await gate.reserve(account, request)
        except BudgetRefused:
            assert books.must_refuse(account, step)
            continue
        except TimeoutError:
            continue
        assert min(step.output, books.plan.min_output) <= reservation.max_tokens <= step.output
        books.opened(reservation)
        for _ in range(step.turns):
            await asyncio.sleep(0)
        _end(gate, books, reservation, step)


def _end(gate: Ledger, books: Books, reservation: Reservation, step: Step) -> None:
    if step.fate == "charge":
        books.closed(reservation, gate.charge(reservation))
    elif step.fate == "release":
        gate.release(reservation)
        books.closed(reservation, ZERO)
    else:
        cached = int(reservation.input_bound * step.share / 2)
        usage = Usage(
            input=int(reservation.input_bound * step.share) - cached,
            cache_read=cached,
            output=int(reservation.max_tokens * step.share) + step.excess,
        )
        cost, _ = gate.settle(reservation, usage)
        assert cost == PRICES[step.model].cost(usage)
        books.closed(reservation, cost)
    gate.release(reservation)


async def _play(plan: Plan, opening: Sequence[LedgerRow] = ()) -> tuple[Ledger, Books]:
    """Everybody works until done, or until the process dies. A schedule that hangs fails by the time-out.

    After a restart nobody dies, and what the log says stands in the books at the opening.
    """
    asyncio.get_running_loop().set_default_executor(InlineExecutor())
    gate, books = _ledger(plan, opening), Books(plan, rows=[_spent(row) for row in opening])
    dies_after = None if opening else plan.dies_after
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(
                _work(gate, books, Account(RunId("r"), TaskId(f"T{task}"), SessionId(f"T{task}.{number}")), todo)
            )
            for number, (task, todo) in enumerate(plan.workers)
        ]
        for _ in range(dies_after or 0):
            await asyncio.sleep(0)
        for task in tasks if dies_after is not None else ():
            task.cancel()
    return gate, books


@settings(max_examples=1000, deadline=None)
@given(SEEDS, WORKERS)
def test_no_schedule_passes_a_limit_and_none_hangs_or_strands_money(seed: int, workers: int) -> None:
    gate, books = asyncio.run(_play(_plan(seed, workers)))

    assert books.open == {}
    assert books.excess == 0
    assert gate.spent == sum((row.usd for row in books.rows), ZERO)
    assert gate.held == 0
    assert gate.waiting == 0


@settings(max_examples=300, deadline=None)
@given(SEEDS, WORKERS)
def test_a_provider_that_bills_more_passes_a_limit_by_no_more_than_the_excess(seed: int, workers: int) -> None:
    plan = _plan(seed, workers, most_excess=3000)

    gate, books = asyncio.run(_play(plan))

    assert gate.spent == sum((row.usd for row in books.rows), ZERO)
    assert gate.spent <= plan.run_limit + books.excess
    assert gate.held == 0


@settings(max_examples=300, deadline=None)
@given(SEEDS, WORKERS)
def test_after_a_crash_open_calls_count_as_spent_and_the_limits_hold_on(seed: int, workers: int) -> None:
    plan = _plan(seed, workers, dies=True)
    _, before = asyncio.run(_play(plan))

    gate, after = asyncio.run(_play(plan, opening=before.log()))

    assert gate.spent == sum((row.reserved if row.is_open else row.usd for row in after.log()), ZERO)
    assert gate.spent <= plan.run_limit


@settings(max_examples=300, deadline=None)
@given(SEEDS, WORKERS)
def test_whoever_is_cancelled_while_it_waits_leaves_nothing_behind(seed: int, workers: int) -> None:
    gate, books = asyncio.run(_play(_plan(seed, workers, dies=True)))

    assert gate.held == sum((reservation.usd for reservation in books.open.values()), ZERO)
    assert gate.waiting == 0
