"""One process of the product that dies by SIGKILL at a chosen point; run as a script by the tests beside it.

`driver.py REPO HOME SPEC` resumes what is unfinished, starts when there is nothing, and prints how often each kind of
point was passed. SPEC is JSON with what to start, and `kill`: None or `[kind, "before" or "after", number]`.
"""

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, cast

from equitr_coder.app import Overrides, open_api
from equitr_coder.domain import commands as c
from equitr_coder.domain.events import Event
from equitr_coder.domain.models import Delta, ModelRequest, Reply
from equitr_coder.domain.runs import PlanMode, RunKind
from equitr_coder.ports import EventStore, Executor, ModelClient, Repository, RunApi

STORE = ("create_run", "write_journal", "clear_journal", "put_blob")
REPOSITORY = (
    "ensure",
    "add_worktree",
    "remove_worktree",
    "snapshot",
    "restore",
    "commit_tree",
    "tree_with",
    "forecast",
    "move_ref",
    "delete_ref",
    "keep",
    "put_back",
    "land",
    "recover_landings",
)
EXECUTOR = ("run",)


class Points:
    """Counts what is passed, and ends the process at the chosen one."""

    def __init__(self, kill: Sequence[Any] | None) -> None:
        self.counts: Counter[str] = Counter()
        self._kill = tuple(kill) if kill else None

    async def around(self, kind: str, work: Callable[[], Awaitable[Any]]) -> Any:
        number = self.enter(kind)
        result = await work()
        self.leave(kind, number)
        return result

    def enter(self, kind: str) -> int:
        self.counts[kind] += 1
        self._die_at(kind, "before", self.counts[kind])
        return self.counts[kind]

    def leave(self, kind: str, number: int) -> None:
        self._die_at(kind, "after", number)

    def _die_at(self, kind: str, when: str, number: int) -> None:
        if self._kill == (kind, when, number):
            os.kill(os.getpid(), signal.SIGKILL)


class Tapped:
    """The real part; the named methods pass a point before and after."""

    def __init__(self, real: object, name: str, methods: Sequence[str], points: Points) -> None:
        self._real = real
        self._name = name
        self._methods = frozenset(methods)
        self._points = points

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(self._real, attribute)
        if attribute not in self._methods:
            return found

        async def tapped(*arguments: Any, **keywords: Any) -> Any:
            return await self._points.around(f"{self._name}.{attribute}", lambda: found(*arguments, **keywords))

        return tapped


class TappedStore(Tapped):
    """An append is named after what it stores, so that a point can be chosen by what it means."""

    async def append(self, events: Sequence[Event]) -> None:
        kind = f"append.{events[-1].type}"
        await self._points.around(kind, lambda: cast("EventStore", self._real).append(events))


class TappedClient(Tapped):
    async def stream(self, request: ModelRequest) -> AsyncIterator[Delta | Reply]:
        number = self._points.enter("client.stream")
        async for item in cast("ModelClient", self._real).stream(request):
            if isinstance(item, Reply):
                self._points.leave("client.stream", number)
            yield item


async def play(repo: Path, home: Path, spec: dict[str, Any]) -> Points:
    points = Points(spec.get("kill"))
    overrides = Overrides(
        repo=repo,
        home=home,
        environ=dict(os.environ),
        wrap_store=lambda real: cast("EventStore", TappedStore(real, "store", STORE, points)),
        wrap_repository=lambda real: cast("Repository", Tapped(real, "repository", REPOSITORY, points)),
        wrap_client=lambda real: cast("ModelClient", TappedClient(real, "client", (), points)),
        wrap_executor=lambda real: cast("Executor", Tapped(real, "executor", EXECUTOR, points)),
    )
    async with open_api(overrides) as api:
        run = await _go(api, spec)
        if run is not None:
            async for _ in api.events(run):
                pass
    return points


async def _go(api: RunApi, spec: dict[str, Any]) -> Any:
    views = await api.runs()
    if any(not view.state.is_final for view in views):
        return await api.submit(c.ResumeRun(yes=True, can_ask=False))
    if views:
        return None
    kind = RunKind(spec["kind"])
    return await api.submit(
        c.StartRun(
            kind=kind,
            request=spec["request"],
            plan=PlanMode.ALWAYS if kind is RunKind.EPIC else None,
            multi_agent=kind is RunKind.EPIC,
            check="test -e t1.txt" if kind is RunKind.LOOP else None,
            yes=True,
            can_ask=False,
        )
    )


if __name__ == "__main__":
    played = asyncio.run(play(Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])))
    sys.stdout.write(json.dumps(played.counts))
