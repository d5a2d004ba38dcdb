"""Who is at work: never more than allowed, nobody waits beside an empty seat, and who came first is served first."""

import asyncio
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.domain.ids import TaskId
from equitr_coder.orchestration.seats import Seats

T1, T2, T3, T4, T5 = (TaskId(f"T{number}") for number in range(1, 6))


async def seated(seats: Seats, *tasks: TaskId) -> None:
    for task in tasks:
        async with asyncio.timeout(20):
            await seats.sit(task)


def comes(seats: Seats, task: TaskId) -> "asyncio.Task[None]":
    return asyncio.get_running_loop().create_task(seats.sit(task))


async def turns() -> None:
    """Whoever was given a seat, or was cancelled, has noticed."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_who_waits_is_seated_in_turn_when_somebody_leaves() -> None:
    seats = Seats(2)
    await seated(seats, T1, T2)
    third, fourth = comes(seats, T3), comes(seats, T4)
    await turns()
    waited = [third.done(), fourth.done()]

    seats.leave(T2)
    await turns()
    then = [third.done(), fourth.done()]
    seats.leave(T1)
    await asyncio.wait_for(fourth, timeout=20)

    assert waited == [False, False]
    assert then == [True, False]


async def test_a_seat_that_is_about_to_be_free_is_promised_and_not_given() -> None:
    seats = Seats(2)
    told: list[int] = []
    seats.watch(lambda: told.append(seats.free(2)))
    await seated(seats, T1, T2)
    full = seats.free(2)

    seats.leave_soon(T1)
    seats.expect(T3)
    promised = seats.free(3)
    third = comes(seats, T3)
    await turns()
    was_early = third.done()
    seats.leave(T1)
    await asyncio.wait_for(third, timeout=20)

    assert (full, promised, was_early) == (0, 0, False)
    assert told == [1, 0]


async def test_who_stays_although_it_was_about_to_leave_keeps_its_seat() -> None:
    seats = Seats(2)
    await seated(seats, T1, T2)
    seats.leave_soon(T1)
    seats.expect(T3)
    third = comes(seats, T3)
    await turns()

    has_kept = seats.has_one(T1)
    await seated(seats, T1)
    seats.leave_soon(T2)
    free = seats.free(3)

    assert has_kept
    assert not third.done()
    assert free == 0  # the seat of T2 is for T3
    seats.leave(T2)
    await asyncio.wait_for(third, timeout=20)


async def test_a_task_that_comes_back_goes_before_those_that_have_not_begun() -> None:
    seats = Seats(2)
    await seated(seats, T1, T2)
    seats.leave(T1)
    await seated(seats, T3)
    has_one = seats.has_one(T1)
    back = comes(seats, T1)
    await turns()

    seats.leave_soon(T2)
    soon = seats.free(3)
    seats.leave(T2)
    left = seats.free(3)
    await asyncio.wait_for(back, timeout=20)

    assert not has_one
    assert (soon, left) == (0, 0)


async def test_who_no_longer_waits_is_passed_over_and_a_seat_it_was_given_goes_on() -> None:
    seats = Seats(1)
    await seated(seats, T1)
    second, third, fourth = (comes(seats, task) for task in (T2, T3, T4))
    await turns()

    second.cancel()
    await turns()
    seats.leave(T1)  # to T3, which is cancelled before it knows
    third.cancel()
    await turns()
    seats.leave(T3)
    await asyncio.wait_for(fourth, timeout=20)
    seats.leave(T2)
    seats.leave(T4)

    assert second.cancelled()
    assert third.cancelled()
    assert seats.free(0) == 1


def test_with_several_workers_twice_as_many_tasks_are_in_hand_at_most() -> None:
    seats = Seats(3)

    assert [seats.free(in_hand) for in_hand in range(8)] == [3, 3, 3, 3, 2, 1, 0, 0]


async def test_with_a_single_worker_nothing_begins_while_a_task_is_in_hand() -> None:
    seats = Seats(1)
    first = seats.free(0)
    await seated(seats, T1)
    seats.leave_soon(T1)
    soon = seats.free(1)
    seats.leave(T1)

    assert (first, soon, seats.free(1), seats.free(0)) == (1, 0, 0, 1)


class Room:
    """Tasks that come and go as a supervisor and its workers let them, with the order of their coming."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.seats = Seats(workers)
        self.looks = 0
        self.seats.watch(self._look)
        self.begun = 0
        self.expected: list[TaskId] = []
        self.sitting: dict[TaskId, asyncio.Task[None]] = {}
        """Who has asked for a seat and has not left."""
        self.leaving: set[TaskId] = set()
        self.handed_in: list[TaskId] = []
        self.came: dict[TaskId, int] = {}
        self.numbers = count()

    def _look(self) -> None:
        self.looks += 1

    @property
    def in_hand(self) -> int:
        return len(self.expected) + len(self.sitting) + len(self.handed_in)

    def _waiting(self) -> list[TaskId]:
        return [task for task, sits in self.sitting.items() if not sits.done() and not self.seats.has_one(task)]

    def seated(self) -> list[TaskId]:
        return [task for task, sits in self.sitting.items() if sits.done()]

    def begin(self) -> None:
        if self.seats.free(self.in_hand):
            self.begun += 1
            task = TaskId(f"T{self.begun}")
            self.seats.expect(task)
            self.expected.append(task)
            self.came[task] = next(self.numbers)

    async def come(self, which: int) -> None:
        await self._sit(self.expected, which)

    async def come_back(self, which: int) -> None:
        if task := _one_of(self.handed_in, which):
            self.came[task] = next(self.numbers)
            await self._sit(self.handed_in, which)

    async def _sit(self, of: list[TaskId], which: int) -> None:
        if task := _one_of(of, which):
            of.remove(task)
            self.sitting[task] = comes(self.seats, task)
            await asyncio.sleep(0)  # it has asked

    def leave_soon(self, which: int) -> None:
        if task := _one_of(self.seated(), which):
            before = self.looks
            self.seats.leave_soon(task)
            self.leaving.add(task)
            assert self.looks > before

    async def stay(self, which: int) -> None:
        if task := _one_of(sorted(self.leaving), which):
            await seated(self.seats, task)
            self.leaving.discard(task)

    def hand_in(self, which: int) -> None:
        if task := _one_of(self.seated(), which):
            self.handed_in.append(task)
            self._leave(task)

    def end(self, which: int) -> None:
        """Wherever it is: it is done, held, or fails."""
        if task := _one_of([*self.expected, *self.sitting, *self.handed_in], which):
            for several in (self.expected, self.handed_in):
                if task in several:
                    several.remove(task)
            self._leave(task)

    def _leave(self, task: TaskId) -> None:
        sits = self.sitting.pop(task, None)
        had_one = sits is not None and self.seats.has_one(task)
        if sits is not None:
            sits.cancel()
        self.leaving.discard(task)
        waiting, looks = self._waiting(), self.looks
        self.seats.leave(task)
        given = [other for other in waiting if self.seats.has_one(other)]
        assert given == (sorted(waiting, key=self.came.__getitem__)[:1] if had_one else [])
        assert self.looks > looks or not had_one

    def check(self) -> None:
        """When everybody has noticed."""
        seated, waiting = self.seated(), [task for task, sits in self.sitting.items() if not sits.done()]
        assert len(seated) <= self.workers
        assert len(seated) == self.workers or not waiting
        assert all(self.seats.has_one(task) for task in seated)
        assert not any(self.seats.has_one(task) for task in waiting)
        coming = len(waiting) + len(self.expected)
        most = 2 * self.workers if self.workers > 1 else 1
        free = max(0, min(self.workers - len(seated) + len(self.leaving) - coming, most - self.in_hand))
        assert self.seats.free(self.in_hand) == free


def _one_of(tasks: list[TaskId], which: int) -> TaskId | None:
    return tasks[which % len(tasks)] if tasks else None


STEPS = ("begin", "come", "come", "leave soon", "stay", "hand in", "come back", "end")


@given(
    workers=st.integers(1, 3),
    steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 11), st.booleans()), max_size=60),
)
async def test_seats_are_never_given_twice_nor_left_empty_beside_somebody_who_waits(
    workers: int, steps: list[tuple[str, int, bool]]
) -> None:
    room = Room(workers)

    for step, which, is_noticed in steps:
        match step:
            case "begin":
                room.begin()
            case "come":
                await room.come(which)
            case "leave soon":
                room.leave_soon(which)
            case "stay":
                await room.stay(which)
            case "hand in":
                room.hand_in(which)
            case "come back":
                await room.come_back(which)
            case _:
                room.end(which)
        if is_noticed:
            await turns()
            room.check()
    while room.in_hand:
        room.end(0)
        await turns()
        room.check()

    assert room.seats.free(0) == workers


async def test_where_worktrees_are_dear_nothing_begins_before_one_has_landed() -> None:
    seats = Seats(2, may_overlap=lambda: False)

    assert [seats.free(in_hand) for in_hand in range(4)] == [2, 1, 0, 0]
