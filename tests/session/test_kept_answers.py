"""Answers about all runs are made from each log once, and are the same whether they were kept or made anew."""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from typing import Any, cast

import pytest

from equitr_coder.app import Overrides, open_api
from equitr_coder.domain import commands as c
from equitr_coder.domain import events as e
from equitr_coder.domain import queries as q
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import RunId
from equitr_coder.ports import EventStore, RunApi
from equitr_coder.testing.script import calls, says
from tests.session.chats import OpenUser, User, ended, start


class Counted:
    """The real store; remembers which logs were read as a whole."""

    def __init__(self, real: EventStore) -> None:
        self._real = real
        self.opened: list[RunId] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def read(self, run: RunId, **options: Any) -> Sequence[e.Event]:
        self.opened.append(run)
        return await self._real.read(run, **options)


@asynccontextmanager
async def counted(someone: User) -> AsyncIterator[tuple[RunApi, Counted]]:
    stores: list[Counted] = []

    def wrap(store: EventStore) -> EventStore:
        stores.append(Counted(store))
        return cast("EventStore", stores[0])

    overrides = Overrides(repo=someone.repo, home=someone.home, environ=someone.environ, wrap_store=wrap)
    async with open_api(overrides) as api:
        yield api, stores[0]


async def two_chats(someone: User) -> list[RunId]:
    async with someone.door() as api:
        runs = [await start(api), await start(api)]
        for run in runs:
            await ended(api, run)
    return runs


async def test_the_cost_of_all_runs_is_read_from_each_log_once(user: OpenUser) -> None:
    someone = user(says("Hello."), says("Hello again."), says("More."))
    runs = await two_chats(someone)

    async with counted(someone) as (api, store):
        made = await api.query(q.CostQuery())
        assert sorted(store.opened) == sorted(runs)
    async with counted(someone) as (api, store):
        kept = await api.query(q.CostQuery())
        assert store.opened == []
    assert isinstance(made, q.CostAnswer)
    assert made.total > 0
    assert len(made.calls) == 2
    assert kept == made

    async with someone.door() as api:
        await api.submit(c.SendMessage(run=runs[0], text="more"))
        await ended(api, runs[0])
    async with counted(someone) as (api, store):
        grown = await api.query(q.CostQuery())
        assert store.opened == [runs[0]]
    assert isinstance(grown, q.CostAnswer)
    assert len(grown.calls) == 3


async def test_what_was_kept_and_cannot_be_read_is_made_again(user: OpenUser) -> None:
    someone = user(says("Hello."), says("Hello again."))
    await two_chats(someone)
    async with someone.door() as api:
        made = await api.query(q.CostQuery())
    with closing(sqlite3.connect(someone.home / "equitr.db", isolation_level=None)) as connection:
        assert connection.execute("UPDATE kept SET body = '{' WHERE kind = 'RunMoney/1'").rowcount == 2

    async with someone.door() as api:
        assert await api.query(q.CostQuery()) == made


async def test_verify_holds_what_was_kept_against_the_log_and_makes_it_again(user: OpenUser) -> None:
    someone = user(says("Hello."), says("Hello again."))
    runs = await two_chats(someone)
    async with someone.door() as api:
        made = [await api.query(query) for query in (q.CostQuery(), q.RunsQuery())]
        whole = await api.query(q.AuditVerifyQuery())
    with closing(sqlite3.connect(someone.home / "equitr.db", isolation_level=None)) as connection:
        for name, value in (("RunMoney/1", "usd"), ("RunSummary/1", "title")):
            changed = connection.execute(
                "UPDATE kept SET body = replace(body, ?, ?) WHERE kind = ? AND run = ?",
                (f'"{value}":"', f'"{value}":"9', name, runs[0]),
            )
            assert changed.rowcount == 1

    async with someone.door() as api:
        found, again = await api.query(q.AuditVerifyQuery()), await api.query(q.AuditVerifyQuery())
        mended = [await api.query(query) for query in (q.CostQuery(), q.RunsQuery())]

    assert isinstance(whole, q.AuditVerifyAnswer)
    assert isinstance(found, q.AuditVerifyAnswer)
    assert isinstance(again, q.AuditVerifyAnswer)
    assert (whole.is_whole, found.is_whole, again.is_whole) == (True, False, True)
    assert [(fault.run, fault.kind) for chain in found.chains for fault in chain.faults] == [
        (runs[0], "summary"),
        (runs[0], "summary"),
    ]
    assert mended == made


async def test_resume_without_a_name_reads_the_one_log_that_it_goes_on_with(user: OpenUser) -> None:
    someone = user(calls("run_command", command="touch made"), says("Made."))
    async with someone.door() as api:
        await ended(api, await start(api, can_ask=False, yes=True))
        waiting = await start(api, can_ask=False)
        await ended(api, waiting)
        await api.query(q.RunsQuery())

    async with counted(someone) as (api, store):
        resumed = await api.submit(c.ResumeRun(yes=True, can_ask=False))
        await ended(api, resumed)

    assert resumed == waiting
    assert set(store.opened) == {waiting}


async def test_the_audit_log_is_never_in_memory_as_a_whole(user: OpenUser) -> None:
    someone = user(says("Hello."), says("Hello again."))
    runs = await two_chats(someone)

    async with counted(someone) as (api, store):
        answer = await api.query(q.AuditQuery())

    assert store.opened == []
    assert isinstance(answer, q.AuditAnswer)
    assert {row.run for row in answer.rows} == set(runs)
    assert [row.kind for row in answer.rows if row.run == runs[0]].count("model") == 1


async def test_a_damaged_log_is_named_by_the_audit_and_hides_no_other(user: OpenUser) -> None:
    someone = user(says("Hello."), says("Hello again."))
    runs = await two_chats(someone)
    with closing(sqlite3.connect(someone.home / "equitr.db", isolation_level=None)) as connection:
        for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute("UPDATE events SET body = '{' WHERE run = ? AND seq = 3", (runs[0],))

    async with someone.door() as api:
        answer = await api.query(q.AuditQuery())
        with pytest.raises(UserError, match="cannot be read"):
            await api.query(q.AuditQuery(run=runs[0]))

    assert isinstance(answer, q.AuditAnswer)
    assert answer.unreadable == (runs[0],)
    assert {row.run for row in answer.rows} == {runs[1]}
