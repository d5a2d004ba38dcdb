"""One user with a chat, in process, whose server is scripted and whose process can die at an event."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from equitr_coder.app import Overrides, open_api
from equitr_coder.domain import commands as c
from equitr_coder.domain import events as e
from equitr_coder.domain.ids import RunId
from equitr_coder.domain.models import UserMessage
from equitr_coder.domain.runs import RunKind
from equitr_coder.ports import EventStore, RunApi, Unstored, Written
from equitr_coder.testing.script import Rule, ScriptedReply, calls
from equitr_coder.testing.server import ServerInThread, serve_in_thread
from tests.waiting import Taking


class Gone(BaseException):
    """The process is gone."""


class Dying:
    """The real store; after `dies_after` is in it, nothing gets in any more."""

    def __init__(self, real: EventStore, dies_after: str) -> None:
        self._real = real
        self._dies_after = dies_after
        self._is_dead = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def append(self, unstored: Unstored) -> asyncio.Future[None]:
        return self._real.append(Taking(unstored, self._take))

    def _is_last(self, batch: Sequence[Written]) -> bool:
        return any(event.type == self._dies_after for event, _ in batch)

    def _take(self, unstored: Unstored) -> Sequence[Sequence[Written]]:
        """In the store's thread, as it happens."""
        if self._is_dead:
            raise Gone
        batches = unstored.take()
        for number, batch in enumerate(batches, start=1):
            if self._is_last(batch):
                self._is_dead = True
                unstored.put_back(batches[number:])
                return batches[:number]
        return batches


@dataclass
class User:
    repo: Path
    home: Path
    server: ServerInThread
    environ: dict[str, str] = field(default_factory=dict)

    @asynccontextmanager
    async def door(self, *, dies_after: str = "") -> AsyncIterator[RunApi]:
        def wrap(store: EventStore) -> EventStore:
            return cast("EventStore", Dying(store, dies_after)) if dies_after else store

        async with open_api(Overrides(repo=self.repo, home=self.home, environ=self.environ, wrap_store=wrap)) as api:
            yield api

    def git(self, *arguments: str) -> str:
        ran = subprocess.run(["git", *arguments], cwd=self.repo, capture_output=True, text=True, check=True)
        return ran.stdout.rstrip("\n")


OpenUser = Callable[..., User]


@pytest.fixture
async def user(tmp_path: Path) -> AsyncIterator[OpenUser]:
    async with AsyncExitStack() as stack:

        def open_user(*script: Rule | ScriptedReply) -> User:
            server = stack.enter_context(serve_in_thread(list(script)))  # type: ignore[arg-type]
            home, repo = tmp_path / "home", tmp_path / "repo"
            home.mkdir()
            repo.mkdir()
            config = {
                "llm": {"model": "stub/m", "api_base": server.url, "prices": {"stub/m": {"input": 1, "output": 1}}}
            }
            (home / "config.yaml").write_text(yaml.safe_dump(config))
            made = User(repo, home, server, {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)})
            made.git("init", "-q", "-b", "main")
            made.git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "start")
            return made

        yield open_user


async def start(api: RunApi, *, can_ask: bool = True, yes: bool = False) -> RunId:
    return await api.submit(c.StartRun(kind=RunKind.CHAT, request="first", can_ask=can_ask, yes=yes))


async def ended(api: RunApi, run: RunId) -> list[e.Event]:
    return [cast("e.Event", event) async for event in api.events(run)]


async def dying(someone: User, command: c.Command, *, after: str) -> None:
    """The process that takes the command dies as soon as such an event is in its log."""
    died = False
    try:
        async with someone.door(dies_after=after) as api:
            await ended(api, await api.submit(command))
    except* Gone:
        died = True
    assert died


async def wait_for_approval(api: RunApi, run: RunId) -> e.ApprovalRequested:
    async for event in api.events(run):
        if isinstance(event, e.ApprovalRequested):
            return event
    raise AssertionError("nobody asked")


def writes(name: str, content: str) -> ScriptedReply:
    return calls("write_file", path=name, content=content)


def user_messages(log: Sequence[e.Event]) -> list[str]:
    return [
        event.message.text
        for event in log
        if isinstance(event, e.MessageAdded) and isinstance(event.message, UserMessage)
    ]
