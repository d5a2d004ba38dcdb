"""The screen and the engine behind it: who comes first, and what outlives whom."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from equitr_coder.domain import commands as c
from equitr_coder.domain import events as e
from equitr_coder.domain import queries as q
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import RunId
from equitr_coder.domain.run_view import RunView
from equitr_coder.domain.runs import RunState
from equitr_coder.ports import RunApi
from equitr_coder.tui.desk import Desk
from equitr_coder.tui.opening import Engine, open_screen
from tests.cli.conftest import Step
from tests.tui.stage import Door
from tests.tui.test_spine import chat_log

CONFIGURED = q.ProposalAnswer(configured=True, proposals=(), looked_for=())
MODELS = q.ModelsAnswer(configured=(q.ConfiguredModel(role="single", name="small-coder"),))
ENVIRON: Mapping[str, str] = {"HOME": "/home/me", "LANG": "C.UTF-8"}


class Configured(Door):
    """A door to a workspace that has models. The run's last steps wait until somebody asks how the run stands."""

    def __init__(self, steps: Sequence[Step] = ()) -> None:
        super().__init__(steps, answers=[CONFIGURED, MODELS, q.ConfigAnswer(entries=())])
        self.started = asyncio.Event()
        self._looked = asyncio.Event()

    async def submit(self, command: c.Command) -> RunId:
        run = await super().submit(command)
        self.started.set()
        return run

    async def view(self, run: RunId) -> RunView:
        self._looked.set()
        return await super().view(run)

    async def _play(self, step: Step) -> None:
        if isinstance(step, e.BudgetWarned):
            await self._looked.wait()
        await super()._play(step)


async def no_first_run(_: RunApi) -> bool:
    raise AssertionError("nothing is configured anew")


async def open_on(api: RunApi, folder: Path) -> int:
    @asynccontextmanager
    async def connect() -> AsyncIterator[RunApi]:
        yield api

    return await open_screen(
        Engine(connect=connect, load=lambda: None, first_run=no_first_run, mode="chat"),
        folder=folder,
        environ=ENVIRON,
        is_seen=False,
    )


async def test_when_the_screen_fails_its_runs_go_on_as_plain_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = e.RunFinished(state=RunState.COMPLETED, content="all done")
    warned = e.BudgetWarned(account="run", usd=Decimal(4), limit=Decimal(5))
    api = Configured([*chat_log()[:-1], warned, finished])
    connected = Desk.connected

    async def fault() -> None:
        await api.started.wait()
        raise ZeroDivisionError("a fault of the screen")

    def typed_before(desk: Desk, *given: Any) -> None:
        connected(desk, *given)
        desk.hear("go")
        desk.do(fault())

    monkeypatch.setattr(Desk, "connected", typed_before)

    with pytest.raises(ZeroDivisionError):
        await open_on(api, tmp_path)

    assert api.log[-1].type == "run_finished"
    assert "goes on as plain lines" in capsys.readouterr().out


async def test_a_workspace_that_cannot_be_opened_ends_the_screen_with_its_own_words(tmp_path: Path) -> None:
    def connect() -> AbstractAsyncContextManager[RunApi]:
        raise UserError("the configuration cannot be read", hint="mend line 3")

    with pytest.raises(UserError, match="cannot be read"):
        await open_screen(
            Engine(connect=connect, load=lambda: None, first_run=no_first_run, mode=""),
            folder=tmp_path,
            environ=ENVIRON,
            is_seen=False,
        )
