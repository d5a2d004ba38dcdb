"""The wall, case by case. A token costs a dollar here; the text of the last message says how many tokens it is."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from equitr_coder.budget import Ledger, Limits
from equitr_coder.domain.errors import BudgetRefused, ModelErrorKind, StopReason, UserError
from equitr_coder.domain.events import BudgetWarned
from equitr_coder.domain.ids import AgentName, CallId, RunId, SessionId, TaskId
from equitr_coder.domain.models import ModelRequest, ModelSpec, Purpose, Tier, UserMessage
from equitr_coder.domain.money import Price, Usage
from equitr_coder.domain.run_view import LedgerRow
from equitr_coder.domain.runs import RunKind
from equitr_coder.ports import Account, BudgetGate, Reservation
from equitr_coder.testing.money import FixedPrices, FixedTokens

A_DOLLAR = Price(input=Decimal(1_000_000), output=Decimal(1_000_000), source="by hand")
LOCAL = Price(input=Decimal(0), output=Decimal(0), source="by hand")


def _numbers(request: ModelRequest) -> list[int]:
    message = request.messages[-1]
    assert isinstance(message, UserMessage)
    return [int(number) for number in message.text.split()]


def tokens() -> FixedTokens:
    """`"100"` is bounded by 100; `"100 40"` by 40 when one looks closer."""
    return FixedTokens(lambda request: _numbers(request)[0], tighter=lambda request: _numbers(request)[-1])


def asking(size: int | str, output: int = 0, *, model: str = "m") -> ModelRequest:
    spec = ModelSpec(name=model, tier=Tier.WEAK)
    return ModelRequest(model=spec, system="", messages=(UserMessage(text=str(size)),), max_tokens=output)


def account(task: str | None = None, session: str = "chat") -> Account:
    return Account(RunId("run-1"), None if task is None else TaskId(task), SessionId(session))


def ledger(limit: int | str | None, **more: Any) -> Ledger:
    def dollars(usd: int | str | None) -> Decimal | None:
        return None if usd is None else Decimal(usd)

    return Ledger(
        RunId("run-1"),
        limits=Limits(
            dollars(limit),
            kind=RunKind.EPIC,
            workflow=dollars(more.get("workflow")),
            each_task=dollars(more.get("each_task")),
            each_agent=dollars(more.get("each_agent")),
        ),
        prices=FixedPrices({"m": A_DOLLAR, "local": LOCAL}),
        counter=more.get("counter") or tokens(),
        min_output=more.get("min_output", 1),
        opening=more.get("opening", ()),
        warned=more.get("warned", ()),
    )


def row(
    call: str,
    usd: int,
    *,
    reserved: int = 0,
    task: str | None = None,
    is_open: bool = False,
    usage: Usage | None = None,
    input_bound: int = 0,
    failed: ModelErrorKind | None = None,
) -> LedgerRow:
    return LedgerRow(
        call=CallId(call),
        model="m",
        tier=Tier.WEAK,
        agent=AgentName("worker"),
        task=None if task is None else TaskId(task),
        session=SessionId("chat"),
        purpose=Purpose.WORK,
        reserved=Decimal(reserved),
        usd=Decimal(usd),
        usage=usage or Usage(),
        input_bound=input_bound,
        max_tokens=4,
        is_open=is_open,
        failed=failed,
    )


def standing(gate: BudgetGate) -> tuple[object, object]:
    """Held and spent."""
    return gate.held, gate.spent


def left(gate: BudgetGate, of: Account) -> object:
    """What is left, and of which limit."""
    return gate.left(of)


def used(amount: int) -> Usage:
    return Usage(input=amount)


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def outcome(gate: Ledger, request: ModelRequest) -> Reservation | BudgetRefused:
    try:
        return await gate.reserve(account(), request)
    except BudgetRefused as refused:
        return refused


async def pending(gate: Ledger, *requests: ModelRequest, group: asyncio.TaskGroup) -> list[asyncio.Task[Reservation]]:
    """Reservations asked for in this order; those that are not done wait."""
    tasks = [group.create_task(gate.reserve(account(), request)) for request in requests]
    await turns()
    return tasks


def as_gate(gate: BudgetGate) -> BudgetGate:
    """Type check only: `Ledger` is what the port asks for."""
    return gate


async def test_a_call_holds_its_worst_case_on_run_task_and_agent() -> None:
    gate = ledger(100)

    held = await gate.reserve(account("T1", "T1.1"), asking(10, 5))

    assert held == Reservation(
        call=held.call,
        account=account("T1", "T1.1"),
        model="m",
        usd=Decimal(15),
        input_bound=10,
        max_tokens=5,
        price=A_DOLLAR,
    )
    assert gate.limit == 100
    assert standing(gate) == (15, 0)


async def test_settling_replaces_the_hold_by_the_cost() -> None:
    gate = as_gate(ledger(100))
    held = await gate.reserve(account(), asking(10, 5))

    cost, events = gate.settle(held, Usage(input=3, output=2))

    assert cost == 5
    assert list(events) == []
    assert standing(gate) == (0, 5)


async def test_cached_tokens_cost_their_own_price() -> None:
    price = Price(input=Decimal(3), output=Decimal(15), cache_read=Decimal("0.3"), cache_write=Decimal("3.75"))
    limits = Limits(Decimal(1))
    gate = Ledger(RunId("r"), limits=limits, prices=FixedPrices({"m": price}), counter=tokens())
    held = await gate.reserve(account(), asking(10_000, 1000))

    cost, _ = gate.settle(held, Usage(input=1000, cache_read=8000, cache_write=1000, output=500))

    assert held.usd == Decimal("0.0525")  # 10,000 x 3.75 + 1,000 x 15, per million
    assert cost == Decimal("0.01665")  # 1,000 x 3 + 8,000 x 0.3 + 1,000 x 3.75 + 500 x 15


async def test_an_unknown_fate_costs_the_hold_and_a_certain_failure_nothing() -> None:
    gate = ledger(100)
    lost, refused = await gate.reserve(account(), asking(10)), await gate.reserve(account(), asking(20))

    charged = gate.charge(lost)
    gate.release(refused)

    assert charged == 10
    assert standing(gate) == (0, 10)


async def test_nothing_is_counted_twice() -> None:
    gate = ledger(100)
    settled, charged = await gate.reserve(account(), asking(10)), await gate.reserve(account(), asking(20))
    gate.settle(settled, used(4))
    gate.charge(charged)

    gate.release(settled)
    gate.release(charged)
    again = gate.charge(settled), gate.charge(charged)
    with pytest.raises(LookupError, match="is not open"):
        gate.settle(settled, used(4))

    assert again == (Decimal(4), Decimal(20))
    assert standing(gate) == (0, 24)


async def test_a_call_that_can_never_fit_is_refused_and_nothing_is_held() -> None:
    gate = ledger(10)
    gate.settle(await gate.reserve(account(), asking(4)), used(4))

    with pytest.raises(BudgetRefused) as caught:
        await gate.reserve(account(), asking(6, 1))

    assert caught.value.account == "run"
    assert caught.value.reason is StopReason.BUDGET_EXCEEDED
    assert str(caught.value) == (
        "the budget of run is $10; $4.0000 are spent, and this call of m can cost $7.0000 "
        "with as little as 1 tokens of output"
    )
    assert "resume --budget 11.00" in caught.value.hint
    assert gate.held == 0


async def test_what_exactly_fits_is_granted() -> None:
    gate = ledger(10)
    gate.settle(await gate.reserve(account(), asking(4)), used(4))

    assert (await gate.reserve(account(), asking(5, 1))).usd == 6


async def test_a_budget_of_nothing_lets_only_free_models_work() -> None:
    gate = ledger(0)

    assert (await gate.reserve(account(), asking(1000, 500, model="local"))).usd == 0
    with pytest.raises(BudgetRefused):
        await gate.reserve(account(), asking(1, 1))


async def test_a_call_that_only_holds_keep_out_waits_for_them() -> None:
    gate = ledger(10)
    first = await gate.reserve(account(), asking(8))

    async with asyncio.TaskGroup() as group:
        (second,) = await pending(gate, asking(5), group=group)
        was_waiting = not second.done()
        gate.settle(first, used(1))

    assert was_waiting
    assert second.result().usd == 5


@pytest.mark.parametrize("end", ["release", "charge"])
async def test_release_and_charge_wake_who_waits(end: str) -> None:
    gate = ledger(20)
    first = await gate.reserve(account(), asking(10))
    await gate.reserve(account(), asking(3))

    async with asyncio.TaskGroup() as group:
        (second,) = await pending(gate, asking(8), group=group)
        assert not second.done()
        if end == "release":
            gate.release(first)
            assert (await second).usd == 8
        else:
            gate.charge(first)
            await turns()
            assert not second.done()
            second.cancel()


async def test_who_waits_is_refused_when_what_is_settled_leaves_too_little() -> None:
    gate = ledger(10)
    first = await gate.reserve(account(), asking(8))

    async with asyncio.TaskGroup() as group:
        second = group.create_task(outcome(gate, asking(5)))
        await turns()
        gate.settle(first, used(8))

    assert isinstance(second.result(), BudgetRefused)
    assert gate.held == gate.waiting == 0


async def test_first_come_first_served_a_small_call_does_not_overtake() -> None:
    gate = ledger(10)
    first = await gate.reserve(account(), asking(6))

    async with asyncio.TaskGroup() as group:
        large, small = await pending(gate, asking(9), asking(2), group=group)
        assert not small.done()
        gate.settle(first, used(0))
        await turns()
        assert (large.done(), small.done()) == (True, False)
        gate.settle(large.result(), used(0))

    assert small.result().usd == 2


async def test_a_full_task_does_not_hold_up_the_others() -> None:
    gate = ledger(100, each_task=10)
    first = await gate.reserve(account("T1", "T1.1"), asking(8))

    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(gate.reserve(account("T1", "T1.2"), asking(5)))
        await turns()
        assert gate.waiting == 1
        other = await gate.reserve(account("T2", "T2.1"), asking(9))
        assert not waiting.done()
        gate.release(first)

    assert other.usd == 9


async def test_the_tightest_limit_wins() -> None:
    gate = ledger(100, each_task=10, each_agent=5)

    with pytest.raises(BudgetRefused) as caught:
        await gate.reserve(account("T1", "T1.1"), asking(6))
    gate.settle(await gate.reserve(account("T1", "T1.1"), asking(4)), used(4))
    gate.settle(await gate.reserve(account("T1", "T1.2"), asking(4)), used(4))
    with pytest.raises(BudgetRefused) as second:
        await gate.reserve(account("T1", "T1.3"), asking(4))

    assert (caught.value.account, second.value.account) == ("agent T1.1", "task T1")
    assert gate.spent == 8


async def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    gate = ledger(10)
    first = await gate.reserve(account(), asking(6))

    async with asyncio.TaskGroup() as group:
        large, small = await pending(gate, asking(9), asking(4), group=group)
        large.cancel()
        assert (await small).usd == 4

    assert (gate.held, gate.waiting) == (Decimal(10), 0)
    gate.release(first)
    gate.release(small.result())
    assert gate.held == 0


async def test_a_wait_cancelled_in_the_moment_of_its_grant_leaves_nothing_behind() -> None:
    gate = ledger(10)
    first = await gate.reserve(account(), asking(6))

    async with asyncio.TaskGroup() as group:
        granted, cancelled = await pending(gate, asking(7), asking(7), group=group)
        cancelled.cancel()  # its task runs only after the settlement below
        gate.settle(first, used(0))
        granted.cancel()

    assert gate.held == gate.waiting == 0
    assert (await gate.reserve(account(), asking(10))).usd == 10


async def test_the_tokenizer_is_asked_only_when_the_cheap_bound_does_not_fit() -> None:
    counter = tokens()
    gate = ledger(100, counter=counter)

    easy = await gate.reserve(account(), asking("50 20"))
    looks_before = counter.looks
    tight = await gate.reserve(account(), asking("60 20"))

    assert (easy.usd, easy.input_bound, looks_before) == (Decimal(50), 50, 0)
    assert (tight.usd, tight.input_bound, counter.looks) == (Decimal(20), 20, 1)


async def test_output_shrinks_only_after_a_closer_look() -> None:
    gate = ledger(100)

    assert (await gate.reserve(account(), asking("60 20", 80))).max_tokens == 80


async def test_nobody_overtakes_while_somebody_looks_closer() -> None:
    gate = ledger(10)

    async with asyncio.TaskGroup() as group:
        first, second = await pending(gate, asking("20 9"), asking(5), group=group)
        assert (first.done(), second.done()) == (True, False)
        gate.release(first.result())

    assert second.result().usd == 5


async def test_a_tokenizer_that_counts_more_changes_nothing() -> None:
    gate = ledger(10)

    with pytest.raises(BudgetRefused):
        await gate.reserve(account(), asking("11 40"))

    await gate.reserve(account(), asking(6))
    async with asyncio.TaskGroup() as group:
        (waiting,) = await pending(gate, asking("5 40"), group=group)
        assert not waiting.done()
        waiting.cancel()


async def test_output_shrinks_to_what_is_left_before_a_call_is_refused() -> None:
    gate = ledger(100, min_output=20)

    held = await gate.reserve(account(), asking(40, 500))

    assert (held.max_tokens, held.usd) == (60, Decimal(100))


async def test_output_does_not_shrink_below_the_floor() -> None:
    gate = ledger(100, min_output=20)

    assert (await gate.reserve(account(), asking(80, 500))).max_tokens == 20
    other = ledger(100, min_output=20)
    with pytest.raises(BudgetRefused, match=r"can cost \$101\.0000 with as little as 20 tokens"):
        await other.reserve(account(), asking(81, 500))


async def test_a_call_that_asks_for_less_than_the_floor_may_have_it() -> None:
    gate = ledger(100, min_output=20)

    assert (await gate.reserve(account(), asking(95, 5))).max_tokens == 5


async def test_output_does_not_shrink_because_of_holds() -> None:
    gate = ledger(100)
    first = await gate.reserve(account(), asking(60))

    async with asyncio.TaskGroup() as group:
        (second,) = await pending(gate, asking(10, 80), group=group)
        assert not second.done()
        gate.settle(first, used(5))

    assert second.result().max_tokens == 80


async def test_an_unknown_price_under_a_limit_is_refused_with_the_line_to_paste() -> None:
    import yaml

    gate = ledger(10)

    with pytest.raises(UserError, match="the price of stub/x is unknown") as caught:
        await gate.reserve(account(), asking(1, model="stub/x"))

    line = caught.value.hint.split(": ", 1)[1]
    assert yaml.safe_load(line) == {"stub/x": {"input": 0, "output": 0}}
    assert gate.held == 0


async def test_an_unknown_price_without_any_limit_is_recorded_as_unknown() -> None:
    gate = ledger(None)

    held = await gate.reserve(account(), asking(1000, 1000, model="stub/x"))
    cost, events = gate.settle(held, used(1000))

    assert held.price is None
    assert held.usd == cost == 0
    assert list(events) == []


async def test_a_limit_on_tasks_alone_also_needs_a_price() -> None:
    gate = ledger(None, each_task=10)

    with pytest.raises(UserError):
        await gate.reserve(account("T1"), asking(1, model="stub/x"))


async def test_without_a_limit_nothing_waits_and_all_is_counted() -> None:
    gate = ledger(None)

    held = [await gate.reserve(account(), asking(10**6)) for _ in range(3)]
    for reservation in held:
        gate.settle(reservation, used(10))

    assert gate.limit is None
    assert standing(gate) == (0, 30)


async def test_the_warning_comes_once_per_account() -> None:
    gate = ledger(100, each_task=50)
    warnings: list[list[Any]] = []
    for task, amount in (("T1", 39), ("T1", 1), ("T1", 5), ("T2", 34), ("T2", 1), ("T2", 6)):
        held = await gate.reserve(account(task, f"{task}.1"), asking(amount))
        warnings.append(list(gate.settle(held, used(amount))[1]))

    assert warnings == [
        [],
        [BudgetWarned(account="task T1", usd=Decimal(40), limit=Decimal(50))],
        [],
        [],
        [BudgetWarned(account="run", usd=Decimal(80), limit=Decimal(100))],
        [BudgetWarned(account="task T2", usd=Decimal(41), limit=Decimal(50))],
    ]


async def test_a_charge_that_passes_the_mark_warns_with_the_next_settlement() -> None:
    gate = ledger(100)
    lost, other = await gate.reserve(account(), asking(85)), await gate.reserve(account(), asking(5))
    gate.charge(lost)

    _, events = gate.settle(other, used(1))

    assert list(events) == [BudgetWarned(account="run", usd=Decimal(85), limit=Decimal(100))]


async def test_a_warning_that_was_given_before_a_restart_is_not_repeated() -> None:
    gate = ledger(100, opening=[row("1", 85)], warned={"run"})

    _, events = gate.settle(await gate.reserve(account(), asking(5)), used(5))

    assert list(events) == []


async def test_after_a_restart_open_calls_are_spent_at_their_reservation() -> None:
    opening = [row("1", 5, reserved=9), row("2", 0, reserved=7, task="T1", is_open=True), row("3", 2, task="T1")]
    gate = ledger(20, each_task=10, opening=opening)

    assert standing(gate) == (0, 14)
    with pytest.raises(BudgetRefused) as run:
        await gate.reserve(account(), asking(7))
    with pytest.raises(BudgetRefused) as task:
        await gate.reserve(account("T1", "T1.2"), asking(2))
    assert (run.value.account, task.value.account) == ("run", "task T1")


async def test_a_bill_above_the_reservation_is_recorded_in_full_and_stops_new_calls() -> None:
    gate = ledger(10)
    held = await gate.reserve(account(), asking(6))

    cost, events = gate.settle(held, used(14))

    assert cost == 14
    assert standing(gate) == (0, 14)
    assert list(events) == [BudgetWarned(account="run", usd=Decimal(14), limit=Decimal(10))]
    with pytest.raises(BudgetRefused):
        await gate.reserve(account(), asking(1))


async def test_five_workers_with_money_for_three_calls_make_three() -> None:
    gate = ledger(30)
    made = 0

    async def worker(number: int) -> None:
        nonlocal made
        try:
            held = await gate.reserve(account(f"T{number}", f"T{number}.1"), asking(10))
        except BudgetRefused:
            return
        made += 1
        await turns()
        gate.settle(held, used(10))

    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(worker(number))

    assert made == 3
    assert gate.spent == 30


async def test_an_error_while_looking_closer_leaves_nothing_behind() -> None:
    def broken(_: ModelRequest) -> int:
        raise RuntimeError("no tokenizer")

    gate = ledger(10, counter=FixedTokens(lambda _: 20, tighter=broken))

    with pytest.raises(RuntimeError, match="no tokenizer"):
        await gate.reserve(account(), asking(20))

    assert gate.held == gate.waiting == 0


async def test_a_provider_that_states_the_cost_is_believed() -> None:
    gate = ledger(100)
    dearer, free = await gate.reserve(account(), asking(10, 5)), await gate.reserve(account(), asking(10, 5))

    stated = [
        gate.settle(dearer, Usage(input=10, output=5, reported_usd=Decimal("3.000000000000001")))[0],
        gate.settle(free, Usage(input=10, output=5, reported_usd=Decimal(0)))[0],
    ]

    assert stated == [Decimal("3.000000000000001"), Decimal(0)]
    assert standing(gate) == (0, Decimal("3.000000000000001"))


async def test_a_stated_cost_counts_where_no_price_is_known() -> None:
    gate = ledger(None)

    cost, _ = gate.settle(
        await gate.reserve(account(), asking(1, model="stub/x")), Usage(input=1, reported_usd=Decimal("0.25"))
    )

    assert cost == gate.spent == Decimal("0.25")


async def held_for(gate: Ledger, size: int, output: int, *, model: str = "m") -> Decimal:
    """What a call is held at; it is given back."""
    reservation = await gate.reserve(account(), asking(size, output, model=model))
    gate.release(reservation)
    return reservation.usd


@pytest.mark.parametrize(
    ("reported", "next_hold"),
    [
        (Usage(input=15, output=4), 30 + 8),  # 20 x 15/10 input, 8 output
        (Usage(input=10, output=6), 20 + 12),  # 20 input, 8 x 6/4 output
        (Usage(input=2, cache_read=13, output=6), 30 + 12),
        (Usage(input=10, output=4), 28),
        (Usage(input=1, output=1), 28),
        (Usage(input=10, output=4, reported_usd=Decimal(21)), 42),  # 21 stated, 14 by our price: half as much again
        (Usage(input=10, output=4, reported_usd=Decimal(7)), 28),
        (Usage(input=99, output=99, estimated=True), 28),
    ],
)
async def test_a_model_that_passed_its_bounds_is_held_at_that_much_more_from_then_on(
    reported: Usage, next_hold: int
) -> None:
    gate = ledger(1000)
    gate.settle(await gate.reserve(account(), asking(10, 4)), reported)

    assert await held_for(gate, 20, 8) == Decimal(next_hold)
    assert await held_for(gate, 20, 8, model="local") == 0


async def test_the_correction_rounds_up_and_only_rises() -> None:
    gate = ledger(1000)
    for input_tokens in (11, 13, 12):
        gate.settle(await gate.reserve(account(), asking(10)), used(input_tokens))

    assert await held_for(gate, 7, 0) == 10  # 7 x 13/10 = 9.1


async def test_who_waits_is_held_by_what_was_learned_meanwhile() -> None:
    gate = ledger(30)
    first = await gate.reserve(account(), asking(10))

    async with asyncio.TaskGroup() as group:
        small, large = await pending(gate, asking(16), asking(8), group=group)
        assert (small.done(), large.done()) == (True, False)
        gate.settle(first, used(15))
        await turns()
        assert not large.done()  # 8 x 15/10 = 12 do not fit beside 15 spent and 16 held
        gate.release(small.result())

    assert large.result().usd == 12


async def test_output_shrinks_by_what_was_learned() -> None:
    gate = ledger(100, min_output=10)
    gate.settle(await gate.reserve(account(), asking(10, 20)), Usage(input=10, output=30))

    held = await gate.reserve(account(), asking(10, 500))

    assert (held.max_tokens, held.usd) == (33, Decimal(60))  # 60 are left: 10 of input, 50 >= 33 x 3/2


async def test_what_was_learned_survives_a_restart() -> None:
    opening = [
        row("1", 99, reserved=14, usage=Usage(input=15, output=6), input_bound=10),
        row("2", 99, reserved=14, usage=Usage(input=40, output=4), input_bound=10, failed=ModelErrorKind.TIMEOUT),
        row("3", 0, reserved=14, input_bound=10, is_open=True),
    ]

    gate = ledger(1000, opening=opening)

    assert await held_for(gate, 20, 8) == 30 + 12


async def test_the_four_accounts_of_a_call_and_the_command_that_raises_each() -> None:
    hints: dict[str, str] = {}
    for name, more in (
        ("run", {}),
        ("workflow epic", {"workflow": 5}),
        ("task T1", {"workflow": 6, "each_task": 5}),
        ("agent T1.1", {"workflow": 6, "each_task": 6, "each_agent": 5}),
    ):
        gate = ledger(7 if more else 5, **more)
        gate.settle(await gate.reserve(account("T1", "T1.1"), asking(3)), used(3))
        with pytest.raises(BudgetRefused) as caught:
            await gate.reserve(account("T1", "T1.1"), asking(3))
        assert caught.value.account == name
        assert str(caught.value).startswith(f"the budget of {name} is $5; $3.0000 are spent")
        hints[name] = caught.value.hint

    assert hints == {
        "run": "give run at least $6.00 and go on: equitrcoder resume --budget 6.00",
        "workflow epic": "give workflow epic at least $6.00 and go on: EQUITR_LLM__LIMITS__WORKFLOWS__EPIC=6.00 "
        "equitrcoder resume; for good: llm.limits.workflows.epic in the configuration",
        "task T1": "give task T1 at least $6.00 and go on: EQUITR_LLM__LIMITS__TASK=6.00 equitrcoder resume; "
        "for good: llm.limits.task in the configuration",
        "agent T1.1": "give agent T1.1 at least $6.00 and go on: EQUITR_LLM__LIMITS__AGENT=6.00 equitrcoder resume; "
        "for good: llm.limits.agent in the configuration",
    }


async def test_one_command_raises_every_account_that_stands_in_the_way() -> None:
    gate = ledger(5, each_task="4.5")

    with pytest.raises(BudgetRefused) as caught:
        await gate.reserve(account("T1", "T1.1"), asking(6))

    assert caught.value.account == "task T1"
    assert "EQUITR_LLM__LIMITS__TASK=6.00 equitrcoder resume --budget 6.00" in caught.value.hint


async def test_the_workflow_warns_and_refuses_like_any_account() -> None:
    gate = ledger(100, workflow=10)

    _, events = gate.settle(await gate.reserve(account("T1", "T1.1"), asking(8)), used(8))
    with pytest.raises(BudgetRefused) as caught:
        await gate.reserve(account("T2", "T2.1"), asking(3))

    assert list(events) == [BudgetWarned(account="workflow epic", usd=Decimal(8), limit=Decimal(10))]
    assert caught.value.account == "workflow epic"
    assert left(ledger(100, workflow=10, opening=[row("1", 9, task="T1")]), account()) == (1, 10)


async def test_what_is_left_is_the_least_that_any_account_leaves_beside_holds() -> None:
    gate = ledger(100, workflow=60, each_task=50, each_agent=0)
    without = ledger(100, workflow=60, each_task=50)
    held = await without.reserve(account("T1", "T1.1"), asking(30))
    without.settle(await without.reserve(account("T1", "T1.2"), asking(15)), used(15))

    assert left(gate, account("T1", "T1.1")) == (0, 0)
    assert left(without, account("T1", "T1.1")) == (5, 50)
    without.release(held)
    assert left(without, account("T1", "T1.1")) == (35, 50)
    assert left(without, account()) == (45, 60)
    assert left(ledger(None), account()) is None


async def test_a_model_that_is_free_by_our_price_and_billed_all_the_same_is_held_at_its_bill_from_then_on() -> None:
    gate = Ledger(RunId("run-1"), limits=Limits(Decimal(10)), prices=FixedPrices({"m": LOCAL}), counter=tokens())
    first = await gate.reserve(account(), asking(100, 20))

    gate.settle(first, Usage(input=50, output=10, reported_usd=Decimal(6)))  # 0.1 for each token

    assert first.usd == 0
    refused = await outcome(gate, asking(100, 20))
    assert isinstance(refused, BudgetRefused), "another such call can cost 12"
    fits = await gate.reserve(account(), asking(30, 10))
    assert fits.usd == 4


@pytest.mark.parametrize("price", [LOCAL, A_DOLLAR, Price(input=Decimal("1E-9"), output=Decimal("1E-9"))])
async def test_no_stated_cost_is_too_large_to_be_counted_and_to_stop_the_run(price: Price) -> None:
    gate = Ledger(RunId("run-1"), limits=Limits(Decimal(10)), prices=FixedPrices({"m": price}), counter=tokens())
    first = await gate.reserve(account(), asking(3, 1))

    gate.settle(first, Usage(input=1, reported_usd=Decimal("1E+30")))

    assert standing(gate) == (0, Decimal("1E+30"))
    refused = await outcome(gate, asking(3, 1))
    assert isinstance(refused, BudgetRefused)
    assert "--budget" in refused.hint


async def test_what_was_spent_before_the_price_was_known_counts_under_a_limit_that_was_set_since() -> None:
    unknown = replace(row("c1", 0, usage=Usage(input=6, output=2)), is_unpriced=True)

    gate = ledger(10, opening=[unknown])

    assert gate.spent == 8
    assert isinstance(await outcome(gate, asking(2, 1)), BudgetRefused)
