"""Plays the story through the one door: the user's part as commands, and everything that happens as lines."""

from collections.abc import Callable
from dataclasses import dataclass, field

from equitr_coder.app import Overrides, open_api
from equitr_coder.demo.claims import Seen, claim_lines, claims
from equitr_coder.demo.screen import Screen
from equitr_coder.demo.stage import Stage
from equitr_coder.demo.story import Story
from equitr_coder.demo.timeline import Timeline
from equitr_coder.domain.approvals import ApprovalAnswer, Scope
from equitr_coder.domain.commands import AnswerQuestion, ApprovePlan, ResolveApproval, StartRun
from equitr_coder.domain.errors import RunStopped, StopReason
from equitr_coder.domain.events import ApprovalRequested, Event, PlanApproved, PlanSubmitted, QuestionAsked
from equitr_coder.domain.ids import RunId
from equitr_coder.domain.run_view import RunView, fold
from equitr_coder.domain.runs import PlanMode, RunKind, RunState
from equitr_coder.ports import Executor, Place, RunApi, ShownDelta
from equitr_coder.presentation.progress import receipt_lines
from equitr_coder.presentation.summary import summary_lines
from equitr_coder.presentation.tally import Tally
from equitr_coder.presentation.text import first_line, plural
from equitr_coder.testing.server import ScriptedServer

_SECONDS = 60.0
_SCRIPTED = "The models of this demo are SCRIPTED: no real model is called, and nothing leaves this machine."
_REAL = "Everything else is the product itself: HTTP, git, worktrees, sandbox, checks, merges, budget."


@dataclass
class _Followed:
    view: RunView
    tally: Tally = field(default_factory=Tally)
    timeline: Timeline = field(default_factory=Timeline)

    def add(self, event: Event) -> None:
        fold([event], self.view)
        self.tally.add(event)
        self.timeline.add(event)


class _Shell:
    """The executor that the product itself uses, kept for the look at what it left."""

    def __init__(self, stage: Stage) -> None:
        self._place = Place(root=stage.checkout, git_dir=stage.checkout / ".git")
        self._executor: Executor | None = None

    def keep(self, executor: Executor) -> Executor:
        self._executor = executor
        return executor

    async def run(self, command: str) -> tuple[int, str]:
        """Exit code and output."""
        assert self._executor is not None, "a run has an executor"
        result = await self._executor.run(command, self._place, timeout=_SECONDS)
        return result.exit_code, result.output.decode(errors="replace").rstrip("\n")


async def perform(story: Story, stage: Stage, say: Callable[[str], None]) -> int:
    """0 when the run ended well and every claim holds, else 1.

    Raises:
        EquitrError: the run stopped before its end.
    """
    screen, shell = Screen(say), _Shell(stage)
    screen.lines(["EQUITR Coder, the demo.", _SCRIPTED, _REAL, f"Folder: {stage.folder}"])
    try:
        async with ScriptedServer(story.script) as server:
            stage.configure(story.config, api_base=server.url)
            overrides = Overrides(repo=stage.checkout, home=stage.home, environ=stage.environ, wrap_executor=shell.keep)
            async with open_api(overrides) as api:
                followed = await _play(api, story, screen)
            _refuse_unfinished(followed.view)
            return await _look(story, stage, screen, shell, followed, answered=len(server.requests))
    except BaseException:
        screen.lines(["", f"The demo did not reach its end. What there is stands in {stage.folder}"])
        raise


async def _play(api: RunApi, story: Story, screen: Screen) -> _Followed:
    """From the request to the end of the run."""
    screen.heading("The request")
    screen.lines(story.request.splitlines())
    screen.heading("Planning")
    command = StartRun(
        kind=RunKind.EPIC, request=story.request, plan=PlanMode.ALWAYS, multi_agent=True, can_ask=True, yes=False
    )
    run = await api.submit(command)
    followed = _Followed(RunView(run=run))
    async for event in api.events(run):
        if isinstance(event, ShownDelta):
            continue
        followed.add(event)
        if isinstance(event, PlanApproved):
            screen.heading("Building")
        screen.event(event, followed.view)
        await _answer(api, run, event, story, screen)
    return followed


async def _answer(api: RunApi, run: RunId, event: Event, story: Story, screen: Screen) -> None:
    """What the user does about it: answer, approve, allow."""
    match event:
        case QuestionAsked():
            answer = story.answer_to(event.text)
            await api.submit(AnswerQuestion(run=run, question=event.question, answer=answer))
        case PlanSubmitted():
            screen.lines(["", "The user has read the three documents and approves the plan."])
            await api.submit(ApprovePlan(run=run))
        case ApprovalRequested():
            # Without a sandbox every command asks; the commands of this story are known.
            yes = ApprovalAnswer(allowed=True, scope=Scope.RUN)
            await api.submit(ResolveApproval(run=run, approval=event.approval.id, answer=yes))
        case _:
            pass


def _refuse_unfinished(view: RunView) -> None:
    if view.state is RunState.COMPLETED:
        return
    words = view.detail or view.content or f"the run ended as {view.state.value}"
    raise RunStopped(view.reason or StopReason.BLOCKED, words, hint=view.hint)


async def _look(
    story: Story, stage: Stage, screen: Screen, shell: _Shell, followed: _Followed, *, answered: int
) -> int:
    """Show what the run left, and hold every claim against it."""
    view = followed.view
    screen.heading("Who worked when (= working, ? checked and merged, + done)")
    screen.lines(followed.timeline.lines())
    screen.heading("The repository: git log --oneline")
    screen.lines([(await shell.run("git log --oneline --no-decorate"))[1]])
    screen.heading(f"Its tests: {story.tests}")
    tests_code, tests_output = await shell.run(story.tests)
    screen.lines(tests_output.splitlines()[-4:])
    screen.heading("The receipts")
    for task in view.tasks.values():
        screen.lines(f"  {task.id}  {text}" for text in (receipt_lines(task.receipt) if task.receipt else ()))
    screen.heading("The summary")
    screen.lines(summary_lines(view, followed.tally))
    seen = Seen(
        view=view,
        peak=followed.timeline.peak,
        answered=answered,
        status=(await shell.run("git status --porcelain"))[1],
        todos=(stage.checkout / "docs" / "todos.md").read_text(encoding="utf-8"),
        tests_passed=tests_code == 0,
    )
    claimed = claims(seen)
    screen.heading("What was seen")
    screen.lines([*claim_lines(claimed), "", _SCRIPTED, f"The repository is yours to look at: {stage.checkout}"])
    return 0 if all(claim.holds for claim in claimed) else 1
