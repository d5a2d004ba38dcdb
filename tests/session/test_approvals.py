"""Questions about permission, as state: who is asked, who answers, and what becomes of those that nobody answers."""

import re
from datetime import timedelta

import yaml

from equitr_coder.domain import commands as c
from equitr_coder.domain import events as e
from equitr_coder.domain import queries as q
from equitr_coder.domain.approvals import ApprovalAnswer
from equitr_coder.domain.queries import RunSummary
from equitr_coder.domain.run_view import fold
from equitr_coder.domain.runs import RunKind
from equitr_coder.ports import RunApi
from equitr_coder.testing.events import assert_well_formed
from equitr_coder.testing.script import calls, says
from tests.session.chats import OpenUser, User, dying, ended, start, wait_for_approval


def configure(someone: User, **permission: object) -> None:
    config = yaml.safe_load((someone.home / "config.yaml").read_text())
    (someone.home / "config.yaml").write_text(yaml.safe_dump(config | {"permission": permission}))


async def test_what_nobody_answers_in_time_is_refused_and_the_agent_is_told(user: OpenUser) -> None:
    someone = user(calls("run_command", command="touch made"), says("I could not."))
    configure(someone, answer_within=0.05)
    async with someone.door() as api:
        run = await start(api)
        log = await ended(api, run)

    [resolved] = [event for event in log if isinstance(event, e.ApprovalResolved)]
    [returned] = [event for event in log if isinstance(event, e.ToolReturned)]
    assert (resolved.answer.allowed, resolved.answer.by) == (False, "policy")
    assert returned.is_error
    assert re.search(r"nobody answered by \d{4}-\d\d-\d\d [\d:]{8} UTC \(permission.answer_within\)", returned.text)
    assert "The user" not in returned.text
    assert not (someone.repo / "made").exists()
    assert not fold(log).approvals
    assert_well_formed(log)


async def test_a_question_waits_on_when_its_front_end_is_gone_and_another_answers(user: OpenUser) -> None:
    someone = user(calls("run_command", command="touch made"), says("Made."))
    configure(someone, ask=["touch *"])
    async with someone.door() as api:
        run = await start(api)
        await wait_for_approval(api, run)
    async with someone.door() as api:
        await api.submit(c.ResumeRun(run=run))
        asked = await wait_for_approval(api, run)
        await api.submit(c.ResolveApproval(run=run, approval=asked.approval.id, answer=ApprovalAnswer(allowed=True)))
        log = await ended(api, run)

    assert (someone.repo / "made").exists()
    assert len([event for event in log if isinstance(event, e.ApprovalRequested)]) == 1
    assert_well_formed(log)


async def test_a_question_that_expired_while_nothing_ran_is_refused_at_the_restart(user: OpenUser) -> None:
    someone = user(calls("run_command", command="touch made"), says("I could not."))
    configure(someone, answer_within=0.001)
    await dying(someone, c.StartRun(kind=RunKind.CHAT, request="first"), after="approval_requested")
    configure(someone, answer_within=3600)
    async with someone.door() as api:
        [row] = await unfinished(api)
        await api.submit(c.ResumeRun(run=row.run))
        log = await ended(api, row.run)

    [requested] = [event for event in log if isinstance(event, e.ApprovalRequested)]
    [resolved] = [event for event in log if isinstance(event, e.ApprovalResolved)]
    assert requested.at is not None
    assert requested.approval.expires is not None
    assert requested.approval.expires.utcoffset() == timedelta(0)
    assert requested.approval.expires - requested.at < timedelta(seconds=1)
    assert (resolved.answer.allowed, resolved.answer.by) == (False, "policy")
    assert "nobody answered by" in next(event.text for event in log if isinstance(event, e.ToolReturned))
    assert not (someone.repo / "made").exists()
    assert_well_formed(log)


async def test_a_restart_gives_a_question_no_more_time(user: OpenUser) -> None:
    someone = user(calls("run_command", command="touch made"), says("Made."))
    configure(someone, answer_within=1000)
    async with someone.door() as api:
        run = await start(api)
        await wait_for_approval(api, run)
    configure(someone, answer_within=5000)
    async with someone.door() as api:
        await api.submit(c.ResumeRun(run=run))
        asked = await wait_for_approval(api, run)
        waiting = (await api.view(run)).approvals[asked.approval.id]
        await api.submit(c.ResolveApproval(run=run, approval=asked.approval.id, answer=ApprovalAnswer(allowed=True)))
        log = await ended(api, run)

    assert len([event for event in log if isinstance(event, e.ApprovalRequested)]) == 1
    assert asked.at is not None
    assert waiting.expires is not None
    assert timedelta(seconds=990) < waiting.expires - asked.at < timedelta(seconds=1010)
    assert (someone.repo / "made").exists()


async def test_the_time_of_a_question_begins_when_a_person_can_be_asked(user: OpenUser) -> None:
    someone = user(calls("run_command", command="touch made"), says("Made."))
    async with someone.door() as api:
        run = await start(api, can_ask=False)
        paused = await ended(api, run)
    async with someone.door() as api:
        await api.submit(c.ResumeRun(run=run, can_ask=True))
        async for event in api.events(run, after=len(paused)):
            if isinstance(event, e.ApprovalRequested):
                answer = ApprovalAnswer(allowed=True)
                await api.submit(c.ResolveApproval(run=run, approval=event.approval.id, answer=answer))
                break
        log = await ended(api, run)

    before, after = [event.approval for event in log if isinstance(event, e.ApprovalRequested)]
    assert (before.expires, after.id) == (None, before.id)
    assert after.expires is not None
    assert (someone.repo / "made").exists()
    assert_well_formed(log)


async def unfinished(api: RunApi) -> tuple[RunSummary, ...]:
    answer = await api.query(q.RunsQuery(unfinished_only=True))
    assert isinstance(answer, q.RunsAnswer)
    return answer.runs
