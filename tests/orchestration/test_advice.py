import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from equitr_coder.adapters.sqlite.store import SqliteStore
from equitr_coder.domain.events import EscalationAsked, RunStarted
from equitr_coder.domain.ids import AgentName, RequestId, RunId, SessionId
from equitr_coder.domain.runs import RunKind, RunOptions
from equitr_coder.orchestration.advice import Quota
from equitr_coder.session.hub import Hub
from equitr_coder.testing.clock import ManualClock


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    store = SqliteStore(tmp_path)
    hub = Hub(run=RunId("run-1"), store=store, clock=ManualClock())
    await hub.record(RunStarted(kind=RunKind.EPIC, request="x", workspace="/w", options=RunOptions()))
    yield hub
    await store.close()


def question(number: int) -> EscalationAsked:
    return EscalationAsked(
        session=SessionId(f"ask.T{number}.1"),
        agent=AgentName(f"worker_{number}"),
        escalation=RequestId(f"e{number}"),
        question="How?",
    )


async def test_questions_at_the_same_moment_keep_the_limit_of_the_run(hub: Hub) -> None:
    quota = Quota(hub, 3)

    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(quota.admit(question(number))) for number in range(8)]

    assert sum(task.result() for task in asked) == 3
    assert len(hub.view.escalations) == 3


async def test_a_run_without_questions_admits_none(hub: Hub) -> None:
    assert not await Quota(hub, 0).admit(question(1))
    assert hub.view.escalations == []
