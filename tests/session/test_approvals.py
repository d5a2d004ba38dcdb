"""Questions about permission, as state: who is asked, who answers, and what becomes of those that nobody answers."""

import yaml

from equitr_coder.domain import commands as c
from equitr_coder.domain import events as e
from equitr_coder.domain.approvals import ApprovalAnswer
from equitr_coder.domain.run_view import fold
from equitr_coder.testing.events import assert_well_formed
from equitr_coder.testing.script import calls, says
from tests.session.chats import OpenUser, User, ended, start, wait_for_approval


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
    assert "nobody answered within 0.05 s (permission.answer_within)" in returned.text
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
