"""What holds in every schedule: workers that ask, settle, give back, lose, give up and die in any order.

The books here are kept by the test from reservations and costs alone; the ledger is never asked about itself.
"""

import asyncio
import math
import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Literal

import pytest
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
    """How much of what was allowed the provider reports; more than 1 is more than it was allowed."""
    states_cost: bool
    """Whether the provider says itself what the call cost."""


@dataclass(frozen=True)
class Plan:
    run_limit: Decimal
    workflow_limit: Decimal | None
    task_limit: Decimal | None
    agent_limit: Decimal | None
    min_output: int
    workers: tuple[tuple[int, tuple[Step, ...]], ...]
    """Number of the task, and what the worker does."""
    dies_after: int | None = None
    """Turns of the loop until everything is stopped."""


def _step(dice: Random, most: Fraction) -> Step:
    return Step(
        model=dice.choice(sorted(PRICES)),
        tokens=dice.randint(1, 20_000),
        tightness=Fraction(dice.randint(0, 8), 8),
        output=dice.randint(1, 5_000),
        turns=dice.randint(0, 6),
        fate=dice.choice(["settle", "settle", "settle", "charge", "release", "give_up"]),
        share=Fraction(dice.randint(0, 8), 8) * most,
        states_cost=dice.random() < 0.25,
    )


def _plan(seed: int, workers: int, *, most: Fraction = Fraction(1), dies: bool = False) -> Plan:
    """The same plan for the same numbers; fewer workers for a smaller example."""
    dice = Random(seed)

    def dollars() -> Decimal:
        return Decimal(dice.randint(10, 3000)) / 10_000

    return Plan(
        run_limit=dollars(),
        workflow_limit=dice.choice([None, dollars()]),
        task_limit=dice.choice([None, dollars()]),
        agent_limit=dice.choice([None, dollars()]),
        min_output=dice.randint(1, 600),
        workers=tuple(
            (dice.randint(0, 3), tuple(_step(dice, most) for _ in range(dice.randint(1, 4)))) for _ in range(workers)
        ),
        dies_after=dice.randint(0, 60) if dies else None,
    )


SEEDS = st.integers(0, 2**32)
WORKERS = st.integers(1, 16)
SCHEDULES = int(os.environ.get("LEDGER_SCHEDULES", "150"))
HALF_AS_MUCH_AGAIN = Fraction(3, 2)


@dataclass
class Books:
    """Who holds and who spent what, by account; and how far each model went beyond what it was allowed."""

    plan: Plan
    open: dict[CallId, Reservation] = field(default_factory=dict)
    rows: list[LedgerRow] = field(default_factory=list)
    allowed: dict[CallId, int] = field(default_factory=dict)
    overruns: list[tuple[int, str, Fraction, Fraction]] = field(default_factory=list)
    """When, and what a model reported of input and output for each token that it was allowed."""
    closed_at: dict[CallId, int] = field(default_factory=dict)
    now: int = 0
    """Turns of the loop. Who waited wakes up to two turns after the ledger has granted it its call."""

    def opened(self, reservation: Reservation) -> None:
        """No call starts on an account that it does not fit into, whatever was billed before it was granted."""
        assert reservation.call not in self.open
        assert reservation.call not in self.allowed, "a call is held once"
        self.open[reservation.call] = reservation
        self.allowed[reservation.call] = reservation.max_tokens
        sums, excess = self._sums(since=self.now - 2)
        for name in self._path(reservation.account):
            limit = self._limit(name)
            assert limit is None or sums[name] <= limit + excess[name], (name, sums[name], limit)
        worst = self.worst(reservation.model, reservation.input_bound, reservation.max_tokens, before=self.now - 2)
        assert reservation.usd >= worst

    def closed(self, reservation: Reservation, usd: Decimal, usage: Usage | None = None) -> None:
        del self.open[reservation.call]
        self.rows.append(_row(reservation, usd, usage or Usage(), is_open=False))
        self.closed_at[reservation.call] = self.now
        if usage is not None:
            more_input = Fraction(usage.total_input, reservation.input_bound or 1)
            more_output = Fraction(usage.output, reservation.max_tokens)
            self.overruns.append((self.now, reservation.model, more_input, more_output))
        self.check()

    def check(self) -> None:
        """No limit is passed by more than what providers billed on that account beyond what was held."""
        sums, excess = self._sums()
        for name, total in sums.items():
            limit = self._limit(name)
            assert limit is None or total <= limit + excess[name], (name, total, limit, excess[name])

    def worst(self, model: str, input_bound: int, output: int, *, before: int) -> Decimal:
        """What a call can cost at worst if the model goes as far beyond its bounds as it went before that turn."""
        seen = [found[2:] for found in self.overruns if found[1] == model and found[0] < before]
        more_input = max([Fraction(1), *(share for share, _ in seen)])
        more_output = max([Fraction(1), *(share for _, share in seen)])
        price = PRICES[model]
        tokens = math.ceil(input_bound * more_input) * price.dearest_input
        return (tokens + math.ceil(output * more_output) * price.output) / 1_000_000

    def must_refuse(self, account: Account, step: Step) -> bool:
        """Whether the least that the step can cost is more than settled money leaves on some account."""
        bound = min(step.tokens, int(step.tokens * step.tightness))
        least = self.worst(step.model, bound, min(step.output, self.plan.min_output), before=self.now + 1)
        settled = self._settled()
        limits = {name: self._limit(name) for name in self._path(account)}
        return any(limit is not None and least > limit - settled[name] for name, limit in limits.items())

    def log(self) -> list[LedgerRow]:
        """What the event log holds: closed calls, and open ones with their reservation."""
        return [*self.rows, *(_row(reservation, ZERO, Usage(), is_open=True) for reservation in self.open.values())]

    def _sums(self, *, since: int = 0) -> tuple[defaultdict[str, Decimal], defaultdict[str, Decimal]]:
        """Settled and open money of each account, and what of it was billed beyond the holds since that turn."""
        sums, excess = self._settled(), defaultdict[str, Decimal](Decimal)
        for row in self.rows:
            for name in self._path(Account(RunId("r"), row.task, row.session)):
                excess[name] += row.overshoot if self.closed_at[row.call] >= since else ZERO
        for reservation in self.open.values():
            for name in self._path(reservation.account):
                sums[name] += reservation.usd
        return sums, excess

    def _settled(self) -> defaultdict[str, Decimal]:
        sums: defaultdict[str, Decimal] = defaultdict(Decimal)
        for row in self.rows:
            for name in self._path(Account(RunId("r"), row.task, row.session)):
                sums[name] += row.usd
        return sums

    @staticmethod
    def _path(account: Account) -> tuple[str, ...]:
        return ("run", "workflow", f"task {account.task}", f"agent {account.session}")

    def _limit(self, name: str) -> Decimal | None:
        plan = self.plan
        return {
            "run": plan.run_limit,
            "workflow": plan.workflow_limit,
            "task": plan.task_limit,
            "agent": plan.agent_limit,
        }[name.split(maxsplit=1)[0]]


def _row(reservation: Reservation, usd: Decimal, usage: Usage, *, is_open: bool) -> LedgerRow:
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
        usage=usage,
        input_bound=reservation.input_bound,
        max_tokens=reservation.max_tokens,
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
        limits=Limits(
            plan.run_limit,
            workflow=plan.workflow_limit,
            each_task=plan.task_limit,
            each_agent=plan.agent_limit,
        ),
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
        usage = _usage(reservation, step)
        cost, _ = gate.settle(reservation, usage)
        assert cost == (PRICES[step.model].cost(usage) if usage.reported_usd is None else usage.reported_usd)
        books.closed(reservation, cost, usage)
    gate.release(reservation)


def _usage(reservation: Reservation, step: Step) -> Usage:
    """What the provider reports: its share of what was allowed, part of the input from its cache."""
    cached = int(reservation.input_bound * step.share / 2)
    usage = Usage(
        input=int(reservation.input_bound * step.share) - cached,
        cache_read=cached,
        output=int(reservation.max_tokens * step.share),
    )
    return usage.model_copy(update={"reported_usd": PRICES[step.model].cost(usage)}) if step.states_cost else usage


async def _play(plan: Plan, before: Books | None = None) -> tuple[Ledger, Books]:
    """Everybody works until done, or until the process dies. A schedule that hangs fails by the time-out.

    After a restart nobody dies, and what the log says stands in the books at the opening.
    """
    asyncio.get_running_loop().set_default_executor(InlineExecutor())
    books = Books(plan)
    opening = [] if before is None else before.log()
    if before is not None:
        books.rows = [_spent(row) for row in opening]
        books.allowed, books.overruns = dict(before.allowed), list(before.overruns)
        books.closed_at, books.now = {row.call: 0 for row in opening}, before.now + 10
    gate = _ledger(plan, opening)
    dies_after = plan.dies_after if before is None else None
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(
                _work(gate, books, Account(RunId("r"), TaskId(f"T{task}"), SessionId(f"T{task}.{number}")), todo)
            )
            for number, (task, todo) in enumerate(plan.workers)
        ]
        while not all(task.done() for task in tasks):
            if dies_after is not None and books.now >= dies_after:
                for task in tasks:
                    task.cancel()
            books.now += 1
            await asyncio.sleep(0)
    return gate, books


def _assert_balanced(gate: Ledger, books: Books) -> None:
    """To the last digit."""
    assert gate.spent == sum((row.usd for row in books.rows), ZERO)
    assert gate.held == sum((reservation.usd for reservation in books.open.values()), ZERO)
    assert gate.waiting == 0
    assert len({row.call for row in books.rows}) == len(books.rows)


def _assert_holds_in(seed: int, workers: int, most: Fraction, *, dies: bool) -> None:
    """Within limits all along (the books look at every step), balanced at the end, and after a restart again."""
    plan = _plan(seed, workers, most=most, dies=dies)

    gate, books = asyncio.run(_play(plan))
    _assert_balanced(gate, books)
    if dies:
        gate, books = asyncio.run(_play(plan, before=books))
        _assert_balanced(gate, books)

    assert books.open == {}
    overshoot = sum((row.overshoot for row in books.rows), ZERO)
    assert gate.spent <= plan.run_limit + overshoot
    if most <= 1:
        assert overshoot == 0


@settings(max_examples=SCHEDULES, deadline=None)
@given(SEEDS, WORKERS)
def test_no_schedule_passes_a_limit_and_none_hangs_or_strands_money(seed: int, workers: int) -> None:
    _assert_holds_in(seed, workers, Fraction(1), dies=False)


@settings(max_examples=SCHEDULES, deadline=None)
@given(SEEDS, WORKERS)
def test_a_provider_that_bills_more_passes_a_limit_by_no_more_than_the_excess(seed: int, workers: int) -> None:
    _assert_holds_in(seed, workers, HALF_AS_MUCH_AGAIN, dies=False)


@settings(max_examples=SCHEDULES, deadline=None)
@given(SEEDS, WORKERS)
def test_after_a_crash_open_calls_count_as_spent_and_the_limits_hold_on(seed: int, workers: int) -> None:
    _assert_holds_in(seed, workers, Fraction(1), dies=True)


@settings(max_examples=SCHEDULES, deadline=None)
@given(SEEDS, WORKERS)
def test_what_was_learned_of_a_model_survives_a_crash(seed: int, workers: int) -> None:
    _assert_holds_in(seed, workers, HALF_AS_MUCH_AGAIN, dies=True)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=10_000, deadline=None)
@given(SEEDS, WORKERS, st.sampled_from([Fraction(1), HALF_AS_MUCH_AGAIN]), st.booleans())
def test_ten_thousand_schedules(seed: int, workers: int, most: Fraction, dies: bool) -> None:
    _assert_holds_in(seed, workers, most, dies=dies)


@settings(max_examples=SCHEDULES // 3, deadline=None)
@given(SEEDS, st.sampled_from([2, 8, 16]))
def test_no_call_is_refused_only_because_others_hold_the_money(seed: int, workers: int) -> None:
    """Workers under $5 with calls as they are: up to 160,000 bytes sent, 8,192 tokens of output held, fewer used."""
    dice = Random(seed)
    cap, refusals = Decimal(5), list[Decimal]()

    async def work(gate: Ledger, number: int) -> None:
        while True:
            size = dice.randint(8_000, 160_000)
            request = ModelRequest(
                model=ModelSpec(name="dear", tier=Tier.WEAK),
                system="",
                messages=(UserMessage(text=f"{size} {size // 4}"),),
                max_tokens=8192,
            )
            try:
                held = await gate.reserve(Account(RunId("r"), TaskId(f"T{number}"), SessionId(f"T{number}.1")), request)
            except BudgetRefused:
                refusals.append(gate.spent)
                return
            for _ in range(dice.randint(1, 6)):
                await asyncio.sleep(0)
            gate.settle(held, Usage(input=dice.randint(size // 8, size // 4), output=dice.randint(50, held.max_tokens)))

    async def play() -> Ledger:
        asyncio.get_running_loop().set_default_executor(InlineExecutor())
        gate = Ledger(
            RunId("r"),
            limits=Limits(cap),
            prices=FixedPrices(PRICES),
            counter=FixedTokens(lambda request: _size(request, 0), tighter=lambda request: _size(request, 1)),
        )
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            for number in range(workers):
                group.create_task(work(gate, number))
        return gate

    gate = asyncio.run(play())

    assert min(refusals) >= cap * Decimal("0.9")
    assert gate.spent <= cap
