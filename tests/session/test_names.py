"""Names that a person gives to runs, and lists of the runs of every workspace."""

from dataclasses import replace
from pathlib import Path

import pytest

from equitr_coder.domain import commands as c
from equitr_coder.domain import events as e
from equitr_coder.domain import queries as q
from equitr_coder.domain.epic import Plan, Task, TaskState
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import CommitId, RunId, TaskId, TreeId
from equitr_coder.domain.run_view import RunView, fold
from equitr_coder.domain.runs import RunKind, RunOptions
from equitr_coder.ports import RunApi
from equitr_coder.session.answers import ends_of_task
from equitr_coder.testing.events import assert_well_formed
from equitr_coder.testing.script import always, says
from tests.session.chats import OpenUser, ended, start


async def titles(api: RunApi, *, everywhere: bool = False) -> list[str]:
    answer = await api.query(q.RunsQuery(everywhere=everywhere))
    assert isinstance(answer, q.RunsAnswer)
    return [run.title for run in answer.runs]


async def test_a_run_keeps_the_name_that_it_is_given_after_its_end(user: OpenUser) -> None:
    someone = user(always(says("done")))
    async with someone.door() as api:
        run = await start(api)
        await ended(api, run)
        await api.submit(c.RenameRun(run=run, title="  Search\npage "))

    async with someone.door() as api:
        assert await titles(api) == ["Search page"]
        log = await ended(api, run)
        assert_well_formed(log)
        assert fold(log).request == "first"


async def test_names_that_say_nothing_and_runs_that_are_not_there_are_refused(user: OpenUser) -> None:
    someone = user(always(says("done")))
    async with someone.door() as api:
        run = await start(api)
        await ended(api, run)
        with pytest.raises(UserError, match="empty"):
            await api.submit(c.RenameRun(run=run, title=" "))
        with pytest.raises(UserError, match="there is no run"):
            await api.submit(c.RenameRun(run=RunId("run-none"), title="x"))
        assert await titles(api) == ["first"]


async def test_runs_of_other_workspaces_are_listed_when_asked_for(user: OpenUser, tmp_path: Path) -> None:
    someone = user(always(says("done")))
    other = replace(someone, repo=tmp_path / "other")
    other.repo.mkdir()
    async with other.door() as api:
        await ended(api, await api.submit(c.StartRun(kind=RunKind.CHAT, request="elsewhere", can_ask=False)))
    async with someone.door() as api:
        await ended(api, await start(api))

        assert await titles(api) == ["first"]
        assert sorted(await titles(api, everywhere=True)) == ["elsewhere", "first"]
        answer = await api.query(q.RunsQuery(everywhere=True))
        assert isinstance(answer, q.RunsAnswer)
        assert {run.workspace for run in answer.runs} == {str(someone.repo), str(other.repo)}


def _epic(*events: e.Event) -> RunView:
    task = Task(id=TaskId("T1"), title="t")
    opening = e.RunStarted(kind=RunKind.EPIC, request="r", workspace="/w", options=RunOptions())
    approved = e.PlanApproved(
        plan=Plan(title="p", tasks=(task,)), by="user", branch="b", base=CommitId("base"), commit=CommitId("docs")
    )
    return fold([opening, approved, *events])


def test_what_a_task_changed_is_its_worktree_until_it_has_landed() -> None:
    working = e.TaskChanged(
        task=TaskId("T1"), state=TaskState.WORKING, attempt=1, base=CommitId("docs"), tree=TreeId("tree")
    )
    landed = e.MergeLanded(task=TaskId("T1"), target="b", old=CommitId("docs"), commit=CommitId("new"))

    assert ends_of_task(_epic(working), TaskId("T1")) == ("docs", "tree")
    assert ends_of_task(_epic(working, landed), TaskId("T1")) == ("docs", "new")
    with pytest.raises(UserError, match="has changed nothing"):
        ends_of_task(_epic(), TaskId("T1"))
    with pytest.raises(UserError, match="no task T9"):
        ends_of_task(_epic(), TaskId("T9"))
