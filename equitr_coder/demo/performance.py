"""Plays the story through the one door: the user's part as commands, and everything that happens as lines."""

from collections.abc import Callable
from shlex import quote

from equitr_coder.app import Overrides, open_api
from equitr_coder.demo.aftermath import Shell, show_aftermath
from equitr_coder.demo.followed import Followed
from equitr_coder.demo.screen import Screen
from equitr_coder.demo.stage import Stage
from equitr_coder.demo.story import Story
from equitr_coder.domain.approvals import ApprovalAnswer, Scope
from equitr_coder.domain.commands import AnswerQuestion, ApprovePlan, ResolveApproval, StartRun
from equitr_coder.domain.errors import RunStopped, StopReason
from equitr_coder.domain.events import ApprovalRequested, Event, PlanApproved, PlanSubmitted, QuestionAsked
from equitr_coder.domain.run_view import RunView
from equitr_coder.domain.runs import PlanMode, RunKind, RunState
from equitr_coder.ports import RunApi, ShownDelta
from equitr_coder.presentation.summary import summary_lines
from equitr_coder.testing.server import ScriptedServer

_SCRIPTED = "The models of this demo are SCRIPTED: no real model is called, and nothing leaves this machine."
_REAL = "All else is the product at work: HTTP, git, worktrees, sandbox, checks, merges, receipts, budget."


async def perform(story: Story, stage: Stage, say: Callable[[str], None]) -> int:
    """0 when the run ended well and every claim holds, else 1.

    Raises:
        EquitrError: the run stopped before its end.
    """
    screen, shell = Screen(say), Shell(stage)
    screen.lines(["EQUITR Coder, the demo", "", _SCRIPTED, _REAL, f"It happens in {stage.folder}, which stays."])
    try:
        async with ScriptedServer(story.script) as server:
            stage.configure(story.config, api_base=server.url)
            overrides = Overrides(repo=stage.checkout, home=stage.home, environ=stage.environ, wrap_executor=shell.keep)
            async with open_api(overrides) as api:
                followed = await _play(api, story, screen)
            _refuse_unfinished(followed, screen)
            answered = len(server.requests)
            is_as_claimed = await show_aftermath(story, stage, screen, shell, followed, answered=answered)
    except BaseException:
        screen.lines(["", f"The demo did not reach its end. What there is stands in {stage.folder}"])
        raise
    screen.lines(
        [
            "",
            _SCRIPTED,
            f"The repository is yours to look at: {stage.checkout}",
            _log_command(stage, followed.view.epic),
        ]
    )
    if not is_as_claimed:
        screen.lines(["The demo FAILED: not everything happened as it should; see the lines marked with x."])
    return 0 if is_as_claimed else 1


def _log_command(stage: Stage, epic: str | None) -> str:
    home, checkout = quote(str(stage.home)), quote(str(stage.checkout))
    return f"The run's log: EQUITR_HOME={home} equitrcoder epic status {epic} --repo {checkout}"


async def _play(api: RunApi, story: Story, screen: Screen) -> Followed:
    """From the request to the end of the run."""
    screen.heading("The request")
    screen.lines(story.request.splitlines())
    screen.heading("Planning (the demo plays the user)")
    run = await api.submit(
        StartRun(kind=RunKind.EPIC, request=story.request, plan=PlanMode.ALWAYS, multi_agent=True, can_ask=True)
    )
    followed = Followed(RunView(run=run))
    async for event in api.events(run):
        if isinstance(event, ShownDelta):
            continue
        followed.add(event)
        if isinstance(event, PlanApproved):
            screen.heading("Building")
        screen.event(event, followed.view)
        if isinstance(event, PlanSubmitted):
            screen.documents(followed.view)
        await _act(api, event, story)
    return followed


async def _act(api: RunApi, event: Event, story: Story) -> None:
    """What the user does about it: answer, approve, allow."""
    match event:
        case QuestionAsked():
            answer = story.answer_to(event.text)
            await api.submit(AnswerQuestion(run=event.run, question=event.question, answer=answer))
        case PlanSubmitted():
            await api.submit(ApprovePlan(run=event.run))
        case ApprovalRequested():
            # Where there is no sandbox every command asks. Those of the story are known.
            yes = ApprovalAnswer(allowed=True, scope=Scope.RUN)
            await api.submit(ResolveApproval(run=event.run, approval=event.approval.id, answer=yes))
        case _:
            pass


def _refuse_unfinished(followed: Followed, screen: Screen) -> None:
    view = followed.view
    if view.state is RunState.COMPLETED:
        return
    screen.lines(["", *summary_lines(view, followed.tally)])
    words = view.detail or view.content or "the run ended before its work was done"
    raise RunStopped(view.reason or StopReason.BLOCKED, words, hint=view.hint)
