"""How a run ends when the store does not take its end."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from equitr_coder.app import Overrides, open_api
from equitr_coder.domain import events as e
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.runs import RunState
from equitr_coder.ports import EventStore, Unstored, Written
from equitr_coder.testing.script import says
from tests.session.chats import OpenUser, ended, start
from tests.waiting import Taking


class FullAtTheEnd:
    """The real store, which has no room for the end of a run the first time."""

    def __init__(self, real: EventStore) -> None:
        self._real = real
        self.refused = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def append(self, unstored: Unstored) -> asyncio.Future[None]:
        return self._real.append(Taking(unstored, self._take))

    def _take(self, unstored: Unstored) -> Sequence[Sequence[Written]]:
        batches = unstored.take()
        if not self.refused and any(event.type == "run_finished" for events in batches for event, _ in events):
            self.refused += 1
            unstored.put_back(batches)
            raise UserError("the disk is full", hint="free some space")
        return batches


async def test_an_end_that_the_store_refused_is_tried_once_more_and_not_followed_by_a_pause(user: OpenUser) -> None:
    someone = user(says("Hello."))
    stores: list[FullAtTheEnd] = []

    def wrap(store: EventStore) -> EventStore:
        stores.append(FullAtTheEnd(store))
        return cast("EventStore", stores[0])

    overrides = Overrides(repo=someone.repo, home=someone.home, environ=someone.environ, wrap_store=wrap)
    async with open_api(overrides) as api:
        run = await start(api)
        await ended(api, run)
        log = await stores[0].read(run)

    assert stores[0].refused == 1
    assert [event.type for event in log if event.type.startswith("run_")] == ["run_started", "run_finished"]
    [finished] = [event for event in log if isinstance(event, e.RunFinished)]
    assert finished.state is RunState.COMPLETED
