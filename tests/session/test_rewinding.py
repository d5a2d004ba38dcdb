"""Back and forth in what a chat did to the user's files, through the one door."""

from pathlib import Path

import pytest
import yaml

from equitr_coder.domain import commands as c
from equitr_coder.domain import events as e
from equitr_coder.domain import queries as q
from equitr_coder.domain.approvals import ApprovalAnswer
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import RunId
from equitr_coder.domain.run_view import fold
from equitr_coder.domain.runs import RunKind
from equitr_coder.ports import RunApi
from equitr_coder.presentation.history import history_lines
from equitr_coder.testing.events import assert_well_formed
from equitr_coder.testing.script import ScriptedReply, call, calls, says
from equitr_coder.workflows.chat import SESSION
from tests.session.chats import OpenUser, User, dying, ended, start, user_messages, wait_for_approval, writes


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


def allow_commands(someone: User) -> None:
    config = yaml.safe_load((someone.home / "config.yaml").read_text())
    (someone.home / "config.yaml").write_text(yaml.safe_dump(config | {"permission": {"allow": ["*"]}}))


def runs(command: str) -> ScriptedReply:
    return calls("run_command", command=command)


def with_ignored_files(someone: User) -> None:
    allow_commands(someone)
    (someone.repo / ".gitignore").write_text(".env\n*.db\nbuild/\nnode_modules/\n")
    (someone.repo / ".env").write_text("KEY=1\n")
    (someone.repo / ".env").chmod(0o600)
    (someone.repo / "old.db").write_text("rows\n")
    (someone.repo / "build").mkdir()
    (someone.repo / "build" / "theirs.txt").write_text("theirs\n")


COMMANDS = (
    runs("echo KEY=2 > .env; rm old.db; mkdir -p build/deep; echo made > build/deep/out.txt; echo x > seen.txt"),
    says("first is done"),
    runs("echo KEY=3 > .env; rm build/deep/out.txt; echo more > new.db"),
    says("second is done"),
    says("third is done"),
)


async def test_ignored_files_that_commands_changed_come_back_too(user: OpenUser) -> None:
    someone = user(*COMMANDS)
    with_ignored_files(someone)
    before = files(someone)
    async with someone.door() as api:
        run = await start(api, yes=True)
        await ended(api, run)
        first = files(someone)
        (someone.repo / "build" / "theirs.txt").write_text("theirs, later\n")
        later = {"build/theirs.txt": "theirs, later\n"}
        await says_next(api, run, "second")
        second = files(someone)
        answer = await api.query(q.DiffQuery(run=run))
        moved = []
        for command in (c.UndoChange, c.UndoChange, c.RedoChange, c.RedoChange):
            await api.submit(command(run=run))
            moved.append(files(someone))
        await api.submit(c.RewindChange(run=run, state=0))
        rewound = files(someone)
        mode = (someone.repo / ".env").stat().st_mode & 0o777
        brought = (someone.repo / "old.db").stat().st_mode & 0o777
        log = await ended(api, run)

    made = {".env": "KEY=2\n", "build/deep/out.txt": "made\n", "seen.txt": "x\n"}
    assert first == {path: text for path, text in (before | made).items() if path != "old.db"}
    assert moved == [first | later, before | later, first | later, second]
    assert rewound == before | later
    assert not (someone.repo / "build" / "deep").exists()
    assert (mode, brought) == (0o600, 0o600), "who may read an ignored file stays, or is its owner"
    assert isinstance(answer, q.DiffAnswer)
    assert "-KEY=1\n+KEY=3" in answer.text
    assert "-rows" in answer.text
    assert "theirs" not in answer.text
    assert_well_formed(log)


async def test_only_ignored_files_that_a_command_changed_are_kept_and_they_go_with_the_chat(user: OpenUser) -> None:
    someone = user(runs("echo 2 > old.db"), says("done"), says("second is done"))
    with_ignored_files(someone)
    secret = someone.git("hash-object", ".env")
    async with someone.door() as api:
        run = await start(api, yes=True)
        await ended(api, run)
        kept = someone.git("rev-list", "--objects", "--glob=refs/equitr/*", "--no-object-names")
        steps = someone.git("rev-list", "--objects", "--glob=refs/equitr/checkpoints/*", "--no-object-names")
    someone.git("gc", "-q", "--prune=now")

    assert secret in kept.split(), "while a command may still change it"
    assert secret not in steps.split()
    assert secret not in someone.git("cat-file", "--batch-check", "--batch-all-objects")


async def test_a_command_that_died_with_its_process_can_be_undone(user: OpenUser, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    someone = user(runs(f"touch {gate}"), says("looked"))
    with_ignored_files(someone)
    before = files(someone)
    await dying(someone, c.StartRun(kind=RunKind.CHAT, request="first", yes=True), after="tool_called")
    assert not gate.exists()
    (someone.repo / ".env").write_text("KEY=2\n")
    (someone.repo / "old.db").unlink()
    (someone.repo / "build" / "out.txt").write_text("made\n")
    after = files(someone)
    async with someone.door() as api:
        answer = await api.query(q.RunsQuery(unfinished_only=True))
        assert isinstance(answer, q.RunsAnswer)
        run = await api.submit(c.ResumeRun(run=answer.runs[0].run))
        await ended(api, run)
        await api.submit(c.UndoChange(run=run))
        undone = files(someone)
        await api.submit(c.RedoChange(run=run))
        log = await ended(api, run)

    assert undone == before
    assert files(someone) == after
    assert_well_formed(log)


async def test_what_is_not_covered_is_said(user: OpenUser) -> None:
    someone = user(runs("rm -r node_modules; truncate -s 20M big.db; echo 2 > old.db"), says("done"), says("again"))
    with_ignored_files(someone)
    (someone.repo / "node_modules").mkdir()
    (someone.repo / "node_modules" / "x.js").write_text("x\n")
    async with someone.door() as api:
        run = await start(api, yes=True)
        await ended(api, run)
        await api.submit(c.UndoChange(run=run))
        log = await ended(api, run)
        with pytest.raises(UserError) as refused:
            await api.submit(c.UndoChange(run=run))

    checkpoint = next(event for event in reversed(log) if isinstance(event, e.CheckpointTaken))
    assert checkpoint.uncovered == ("big.db", "node_modules/")
    assert "What commands did to big.db, node_modules/ is not covered" in refused.value.hint
    assert (someone.repo / "old.db").read_text() == "rows\n"
    assert_well_formed(log)


async def test_commands_that_only_read_look_at_no_ignored_file(user: OpenUser) -> None:
    someone = user(runs("cat old.db | wc -l"), runs("ls build"), says("done"))
    with_ignored_files(someone)
    secret = someone.git("hash-object", ".env")
    async with someone.door() as api:
        await ended(api, await start(api, yes=True))

    assert secret not in someone.git("cat-file", "--batch-check", "--batch-all-objects")


async def test_an_ignored_file_of_an_earlier_turn_is_no_new_one_after_the_users_git_add(user: OpenUser) -> None:
    someone = user(runs("echo KEY=2 > .env"), says("one"), writes("a.txt", "a\n"), says("two"))
    with_ignored_files(someone)
    async with someone.door() as api:
        run = await start(api, yes=True)
        await ended(api, run)
        someone.git("add", ".gitignore")
        await says_next(api, run, "second")
        await api.submit(c.UndoChange(run=run))

    assert files(someone)[".env"] == "KEY=2\n"


async def test_before_a_destructive_command_what_the_user_changed_meanwhile_is_kept(user: OpenUser) -> None:
    someone = user(writes("b.txt", "b\n"), runs("rm -r mine.txt notes"), says("done"))
    config = yaml.safe_load((someone.home / "config.yaml").read_text())
    (someone.home / "config.yaml").write_text(yaml.safe_dump(config | {"permission": {"ask": ["rm *"]}}))
    (someone.repo / "mine.txt").write_text("before\n")
    (someone.repo / "notes").mkdir()
    async with someone.door() as api:
        run = await start(api)
        asked = await wait_for_approval(api, run)
        (someone.repo / "mine.txt").write_text("what I wrote meanwhile\n")
        (someone.repo / "notes" / "new.txt").write_text("untracked\n")
        before = files(someone)
        await api.submit(c.ResolveApproval(run=run, approval=asked.approval.id, answer=ApprovalAnswer(allowed=True)))
        log = await ended(api, run)
        after = files(someone)
        await api.submit(c.RewindChange(run=run, state=1))
        log = await ended(api, run)

    assert after == {"b.txt": "b\n"}
    assert files(someone) == before
    [checkpoint] = [event for event in log if isinstance(event, e.CheckpointTaken) and event.before]
    assert checkpoint.before == "`rm` deletes"
    assert_well_formed(log)
