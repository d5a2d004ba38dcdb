"""Back and forth in what a chat did to the user's files, through the one door."""

import pytest

from equitr_coder.domain import commands as c
from equitr_coder.domain import events as e
from equitr_coder.domain import queries as q
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import RunId
from equitr_coder.domain.run_view import fold
from equitr_coder.ports import RunApi
from equitr_coder.presentation.history import history_lines
from equitr_coder.testing.events import assert_well_formed
from equitr_coder.testing.script import ScriptedReply, call, says
from equitr_coder.workflows.chat import SESSION
from tests.session.chats import OpenUser, User, ended, start, user_messages, writes


async def says_next(api: RunApi, run: RunId, text: str) -> None:
    seen = (await api.view(run)).seq
    await api.submit(c.SendMessage(run=run, text=text))
    async for _ in api.events(run, after=seen):
        pass


def files(someone: User) -> dict[str, str]:
    found = (path for path in someone.repo.rglob("*") if path.is_file() and ".git" not in path.parts)
    return {path.relative_to(someone.repo).as_posix(): path.read_text() for path in found}


def edits(name: str, old: str, new: str) -> ScriptedReply:
    return says("", call("read_file", path=name), call("edit_file", path=name, old_text=old, new_text=new))


TWO_TURNS = (
    writes("a.txt", "one\n"),
    writes("b.txt", "b\n"),
    says("first is done"),
    edits("a.txt", "one", "two"),
    says("second is done"),
    says("third is done"),
)


async def test_undo_goes_back_turn_by_turn_and_redo_forth_again(user: OpenUser) -> None:
    someone = user(*TWO_TURNS)
    (someone.repo / "mine.txt").write_text("mine\n")
    async with someone.door() as api:
        run = await start(api, yes=True)
        await ended(api, run)
        first = files(someone)
        (someone.repo / "mine.txt").write_text("mine, later\n")
        await says_next(api, run, "second")
        second = files(someone)

        await api.submit(c.UndoChange(run=run))
        assert files(someone) == first | {"mine.txt": "mine, later\n"}
        await api.submit(c.UndoChange(run=run))
        assert files(someone) == {"mine.txt": "mine, later\n"}
        with pytest.raises(UserError, match="nothing to undo"):
            await api.submit(c.UndoChange(run=run))
        await api.submit(c.RedoChange(run=run))
        await api.submit(c.RedoChange(run=run))
        assert files(someone) == second
        with pytest.raises(UserError, match="nothing to redo"):
            await api.submit(c.RedoChange(run=run))
        log = await ended(api, run)

    assert_well_formed(log)
    assert fold(log).sessions.keys() == {"chat"}


async def test_rewind_goes_to_any_step_and_the_model_is_told(user: OpenUser) -> None:
    someone = user(*TWO_TURNS)
    async with someone.door() as api:
        run = await start(api, yes=True)
        await ended(api, run)
        await says_next(api, run, "second")
        await api.submit(c.RewindChange(run=run, state=1))
        assert files(someone) == {"a.txt": "one\n"}
        with pytest.raises(UserError, match="no state 9 of the files: they go from 0 to 3"):
            await api.submit(c.RewindChange(run=run, state=9))
        await api.submit(c.RewindChange(run=run, state=3))
        assert files(someone) == {"a.txt": "two\n", "b.txt": "b\n"}
        await api.submit(c.RewindChange(run=run, state=2))
        shown = [line.text for line in history_lines(await api.view(run))]
        answer = await api.query(q.DiffQuery(run=run, state=3))
        assert isinstance(answer, q.DiffAnswer)
        await says_next(api, run, "third")
        log = await ended(api, run)

    assert "-one" in answer.text
    assert "+two" in answer.text
    assert [line.split()[0] for line in shown[:-1]] == ["0", ">", "1", "*", ">", "3"]
    assert "the user has undone or redone changes of yours" in user_messages(log)[-1]
    assert "a.txt, b.txt" in user_messages(log)[-1]
    assert_well_formed(log)


async def test_a_file_that_was_changed_since_is_left_alone(user: OpenUser) -> None:
    someone = user(*TWO_TURNS)
    async with someone.door() as api:
        run = await start(api, yes=True)
        await ended(api, run)
        await says_next(api, run, "second")
        (someone.repo / "a.txt").write_text("the user's\n")
        await api.submit(c.RewindChange(run=run, state=0))
        log = await ended(api, run)

    assert files(someone) == {"a.txt": "the user's\n"}
    checkpoint = next(event for event in reversed(log) if isinstance(event, e.CheckpointTaken))
    assert (checkpoint.state, checkpoint.left) == (0, ("a.txt",))


async def test_ignored_files_that_the_agent_wrote_come_back_too(user: OpenUser) -> None:
    someone = user(
        edits(".env", "KEEP=1", "KEEP=2"),
        writes("build/out.txt", "made\n"),
        says("first is done"),
    )
    (someone.repo / ".gitignore").write_text(".env\nbuild/\n")
    (someone.repo / ".env").write_text("KEEP=1\n")
    (someone.repo / "build").mkdir()
    (someone.repo / "build" / "theirs.txt").write_text("theirs\n")
    before = files(someone)
    async with someone.door() as api:
        run = await start(api, yes=True)
        await ended(api, run)
        after = files(someone)
        answer = await api.query(q.DiffQuery(run=run))
        assert isinstance(answer, q.DiffAnswer)
        await api.submit(c.UndoChange(run=run))
        undone = files(someone)
        await api.submit(c.RedoChange(run=run))
        redone = files(someone)
        log = await ended(api, run)

    assert after == before | {".env": "KEEP=2\n", "build/out.txt": "made\n"}
    assert undone == before
    assert redone == after
    assert "-KEEP=1\n+KEEP=2" in answer.text
    assert "theirs" not in answer.text
    assert_well_formed(log)


async def test_no_step_is_lost_to_a_collection_while_the_door_is_open(user: OpenUser) -> None:
    someone = user(*TWO_TURNS)
    async with someone.door() as api:
        run = await start(api, yes=True)
        await ended(api, run)
        await says_next(api, run, "second")
        someone.git("gc", "-q", "--prune=now")
        for state in (1, 3, 0, 2):
            await api.submit(c.RewindChange(run=run, state=state))
            assert (await api.view(run)).sessions[SESSION].history.position == state
    assert "chat." not in someone.git("for-each-ref", "refs/equitr/keep"), "the door is closed: nothing is kept"


async def test_going_back_needs_no_model(user: OpenUser) -> None:
    someone = user(*TWO_TURNS)
    async with someone.door() as api:
        run = await start(api, yes=True)
        await ended(api, run)
        asked = len(someone.server.requests)
        await api.submit(c.UndoChange(run=run))
        assert len(someone.server.requests) == asked
