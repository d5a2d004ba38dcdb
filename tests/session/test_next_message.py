"""The user's next message in a chat: in the log at once, behind the calls that an interruption left open."""

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
from equitr_coder.domain.approvals import ApprovalAnswer
from equitr_coder.domain.ids import RunId
from equitr_coder.domain.models import ToolMessage, UserMessage
from equitr_coder.domain.run_view import fold
from equitr_coder.domain.runs import RunKind, RunState
from equitr_coder.ports import EventStore, RunApi
from equitr_coder.testing.events import assert_well_formed
from equitr_coder.testing.script import Rule, ScriptedReply, call, calls, says
from equitr_coder.testing.server import ServerInThread, serve_in_thread


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

    async def append(self, *batches: Sequence[e.Event]) -> None:
        for events in batches:
            if self._is_dead:
                raise Gone
            await self._real.append(events)
            self._is_dead = any(event.type == self._dies_after for event in events)


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


async def test_the_message_and_the_resumption_are_one_transaction(user: OpenUser) -> None:
    someone = user(says("one"), says("two"))
    async with someone.door() as api:
        run = await start(api)
        await ended(api, run)
    await dying(someone, c.SendMessage(run=run, text="second"), after="run_resumed")

    async with someone.door() as api:
        await api.submit(c.ResumeRun(run=None, yes=False, can_ask=True))
        log = await ended(api, run)

    assert user_messages(log) == ["first", "second"]
    assert fold(log).content == "two"
    assert_well_formed(log)


async def test_a_turn_that_died_before_its_checkpoint_gets_it_on_resume(user: OpenUser) -> None:
    someone = user(writes("a.txt", "one\n"), says("one"), writes("b.txt", "two\n"), says("two"))
    async with someone.door() as api:
        run = await start(api)
        await ended(api, run)
    (someone.repo / "a.txt").write_text("mine\n")
    await dying(someone, c.SendMessage(run=run, text="second"), after="run_resumed")

    async with someone.door() as api:
        await api.submit(c.ResumeRun(run=None, yes=False, can_ask=True))
        await ended(api, run)
        assert (someone.repo / "b.txt").exists()
        await api.submit(c.UndoChange(run=run))

    # Only the second turn is taken back, and nothing of what the user wrote between the two.
    assert (someone.repo / "a.txt").read_text() == "mine\n"
    assert not (someone.repo / "b.txt").exists()


async def test_a_message_closes_the_call_that_waited_for_permission(user: OpenUser) -> None:
    someone = user(
        says("", call("run_command", command="touch one"), call("run_command", command="touch two")),
        says("as you like"),
    )
    async with someone.door() as api:
        run = await start(api)
        asked = await wait_for_approval(api, run)
        await api.submit(c.Interrupt(run=run))
        await api.submit(c.SendMessage(run=run, text="do something else"))
        log = await ended(api, run)

    assert fold(log).content == "as you like"
    assert not fold(log).approvals
    assert [event.approval for event in log if isinstance(event, e.ApprovalRequested)] == [asked.approval]
    returned = [event for event in log if isinstance(event, e.ToolReturned)]
    assert [event.is_error for event in returned] == [True, True]
    assert all("was not run" in event.text for event in returned)
    assert not (someone.repo / "one").exists()
    kinds = [type(message) for message in fold(log).sessions[returned[0].session].messages]
    assert kinds[2:5] == [ToolMessage, ToolMessage, UserMessage]
    assert_well_formed(log)


async def test_a_message_after_an_interrupted_command_says_that_it_may_have_run(user: OpenUser) -> None:
    someone = user(says("", call("run_command", command="touch begun; sleep 60")), says("I look"))
    async with someone.door() as api:
        run = await start(api, can_ask=False, yes=True)
        async for event in api.events(run):
            if isinstance(event, e.ToolCalled):
                break
        await api.submit(c.Interrupt(run=run))
        await api.submit(c.SendMessage(run=run, text="leave it"))
        log = await ended(api, run)

    [returned] = [event for event in log if isinstance(event, e.ToolReturned)]
    assert "may have taken effect in part" in returned.text
    assert_well_formed(log)


async def test_a_message_to_a_chat_that_never_began_follows_its_request(user: OpenUser) -> None:
    someone = user(says("both"))
    await dying(someone, c.StartRun(kind=RunKind.CHAT, request="first"), after="checkpoint_taken")
    async with someone.door() as api:
        [view] = await api.runs()
        await api.submit(c.SendMessage(run=view.run, text="second"))
        log = await ended(api, view.run)

    assert user_messages(log) == ["first", "second"]
    assert fold(log).state is RunState.COMPLETED


async def test_undo_says_which_files_it_left_alone(user: OpenUser) -> None:
    someone = user(
        says("", call("write_file", path="a.txt", content="one\n"), call("write_file", path="b.txt", content="one\n")),
        says("done"),
    )
    async with someone.door() as api:
        run = await start(api)
        await ended(api, run)
        (someone.repo / "b.txt").write_text("mine\n")
        await api.submit(c.UndoChange(run=run))
        view = await api.view(run)
        log = await ended(api, run)

    [taken] = [event for event in log if isinstance(event, e.CheckpointTaken)][1:]
    assert taken.left == ("b.txt",)
    assert (someone.repo / "b.txt").read_text() == "mine\n"
    assert not (someone.repo / "a.txt").exists()
    assert view.state is RunState.COMPLETED


async def test_undo_works_after_the_garbage_was_collected(user: OpenUser) -> None:
    someone = user(writes("a.txt", "one\n"), writes("a.txt", "two\n"), says("done"))
    async with someone.door() as api:
        run = await start(api)
        await ended(api, run)
        someone.git("gc", "--quiet", "--prune=now")
        await api.submit(c.UndoChange(run=run))

        assert not (someone.repo / "a.txt").exists()
        assert someone.git("for-each-ref", "--format=%(refname)", f"refs/equitr/keep/{run}").endswith("/chat")

    # Nobody can undo it any more.
    assert someone.git("for-each-ref", "refs/equitr/keep") == ""


async def test_a_paused_turn_keeps_its_steps_when_the_door_closes(user: OpenUser) -> None:
    someone = user(writes("a.txt", "one\n"), calls("run_command", command="touch b.txt"), says("done"))
    async with someone.door() as api:
        run = await start(api)
        asked = await wait_for_approval(api, run)
    someone.git("gc", "--quiet", "--prune=now")

    async with someone.door() as api:
        await api.submit(c.ResumeRun(run=run, yes=False, can_ask=True))
        await api.submit(c.ResolveApproval(run=run, approval=asked.approval.id, answer=ApprovalAnswer(allowed=True)))
        await ended(api, run)
        await api.submit(c.UndoChange(run=run))

    assert not (someone.repo / "a.txt").exists()
    assert not (someone.repo / "b.txt").exists()


async def test_a_turn_whose_steps_git_has_lost_goes_on_from_what_stands_there(user: OpenUser) -> None:
    someone = user(writes("a.txt", "one\n"), calls("run_command", command="touch b.txt"), says("done"))
    async with someone.door() as api:
        run = await start(api)
        asked = await wait_for_approval(api, run)
    someone.git("update-ref", "-d", f"refs/equitr/keep/{run}/chat")
    someone.git("gc", "--quiet", "--prune=now")

    async with someone.door() as api:
        await api.submit(c.ResumeRun(run=run, yes=False, can_ask=True))
        await api.submit(c.ResolveApproval(run=run, approval=asked.approval.id, answer=ApprovalAnswer(allowed=True)))
        log = await ended(api, run)
        await api.submit(c.UndoChange(run=run))

    assert fold(log).state is RunState.COMPLETED
    assert (someone.repo / "a.txt").read_text() == "one\n"
    assert not (someone.repo / "b.txt").exists()
