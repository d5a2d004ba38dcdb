"""What the run left, shown and held against the claims: repository, tests, receipts, money."""

from equitr_coder.demo.claims import Seen, claim_lines, claims
from equitr_coder.demo.followed import Followed
from equitr_coder.demo.screen import Screen
from equitr_coder.demo.stage import Stage
from equitr_coder.demo.story import Story
from equitr_coder.domain.run_view import RunView
from equitr_coder.ports import Executor, Place
from equitr_coder.presentation.progress import receipt_lines
from equitr_coder.presentation.summary import summary_lines

_SECONDS = 60.0


class Shell:
    """Runs commands in the finished checkout with the executor that the product used."""

    def __init__(self, stage: Stage) -> None:
        self._place = Place(root=stage.checkout, git_dir=stage.checkout / ".git")
        self._executor: Executor | None = None

    def keep(self, executor: Executor) -> Executor:
        self._executor = executor
        return executor

    async def run(self, command: str) -> tuple[int, list[str]]:
        """Exit code and lines of output."""
        assert self._executor is not None, "a run has an executor"
        result = await self._executor.run(command, self._place, timeout=_SECONDS)
        return result.exit_code, result.output.decode(errors="replace").splitlines()


async def show_aftermath(
    story: Story, stage: Stage, screen: Screen, shell: Shell, followed: Followed, *, answered: int
) -> bool:
    """Whether every claim holds. `answered` is the number of requests that the scripted model got."""
    view = followed.view
    screen.heading("Who worked when (= at work, ? checked, reviewed and merged, + done)")
    screen.lines(followed.timeline.lines())
    screen.heading("The repository: git log --oneline")
    _, log = await shell.run("git log --oneline --no-decorate")
    screen.lines(log)
    screen.heading(f"Its tests: {story.tests}")
    tests_code, tests = await shell.run(story.tests)
    screen.lines(tests[-4:])
    screen.heading(f"The program: {story.program}")
    program_code, program = await shell.run(story.program)
    screen.lines(program)
    screen.heading("The receipts, each of a clean checkout of the merged tree")
    screen.lines(_receipts(view))
    screen.heading("The summary")
    screen.lines(summary_lines(view, followed.tally))
    _, status = await shell.run("git status --porcelain")
    todos = stage.checkout / (view.documents_at or "docs") / "todos.md"
    claimed = claims(
        Seen(
            view=view,
            peak=followed.timeline.peak,
            answered=answered,
            uncommitted=tuple(status),
            todos=todos.read_text(encoding="utf-8") if todos.exists() else "",
            tests_pass=tests_code == 0,
            program_runs=program_code == 0,
        )
    )
    screen.heading("What was seen")
    screen.lines(claim_lines(claimed))
    return all(claim.holds for claim in claimed)


def _receipts(view: RunView) -> list[str]:
    receipts = [task.receipt for task in view.tasks.values() if task.receipt is not None]
    lines = [f"  {receipt.task}  {text}" for receipt in receipts for text in receipt_lines(receipt)]
    places = sorted({f"{check.interpreter}, sandbox {check.sandbox}" for r in receipts for check in r.checks})
    return [*lines, *(f"  run with {place}" for place in places)]
