"""What the demo says it shows, each claim held against the log of the run. One that does not hold fails the demo."""

from collections.abc import Sequence

from equitr_coder.domain.epic import TaskState
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.run_view import RunView
from equitr_coder.presentation.figures import dollars, limit
from equitr_coder.presentation.states import is_proven
from equitr_coder.presentation.text import Line, Tone, plural


@frozen
class Seen:
    """What was there to see when the run had ended."""

    view: RunView
    peak: int
    """Most tasks worked on at the same time."""
    answered: int
    """Requests that the scripted model answered."""
    uncommitted: tuple[str, ...]
    """Lines of `git status --porcelain` in the finished checkout."""
    todos: str
    """The landed `todos.md`."""
    tests_pass: bool
    program_runs: bool


@frozen
class Claim:
    text: str
    holds: bool


def claims(seen: Seen) -> list[Claim]:
    view = seen.view
    tasks = view.tasks.values()
    proven = [task for task in tasks if task.state is TaskState.DONE and is_proven(task)]
    again = [task.id for task in proven if task.attempt > 1]
    asked = [question.task for question, answer in view.escalations if answer is not None and not question.automatic]
    approved = [review.task for review in view.reviews.values() if review.approved]
    early = [str(task) for task in _began_on_a_contract(view)]
    workers = plural(seen.peak, "worker")
    return [
        Claim(f"{plural(len(proven), 'task')} done, each with the receipt of its check", len(proven) == len(tasks) > 0),
        Claim(f"{workers} at the same time, each in its own worktree", seen.peak == view.options.max_workers),
        Claim(f"began on a published contract, before its producer was done: {_named(early)}", bool(early)),
        Claim(f"sent back with the reason, then done: {_named(again)}", bool(again)),
        Claim(f"asked the supervisor: {_named(asked)}", bool(asked)),
        Claim(f"reviewed by the supervisor before its merge: {_named(approved)}", bool(approved)),
        Claim(f"everything landed on {view.base_branch}, nothing left over in the checkout", _is_landed(seen)),
        Claim(f"all {seen.todos.count('- [x]')} todos ticked in docs/todos.md", _is_ticked(seen.todos)),
        Claim(f"{dollars(view.spent)} spent of {limit(view.options.budget)}, nothing held", _is_within_budget(view)),
        Claim(f"all {plural(seen.answered, 'model call')} went to the script", seen.answered == len(view.ledger) > 0),
        Claim("in the finished checkout the tests pass and the program runs", seen.tests_pass and seen.program_runs),
    ]


def claim_lines(claimed: list[Claim]) -> list[Line]:
    return [
        Line(f"  + {claim.text}", Tone.GOOD) if claim.holds else Line(f"  x NOT SO: {claim.text}", Tone.BAD)
        for claim in claimed
    ]


def _began_on_a_contract(view: RunView) -> list[TaskId]:
    """Consumers of a sync point that were at work while its producer still was."""
    points = view.plan.sync_points if view.plan is not None else ()
    found: list[TaskId] = []
    for point in points:
        ended = view.tasks[point.producer].ended
        for name in point.consumers:
            started = view.tasks[name].started
            if started is not None and ended is not None and started < ended:
                found.append(name)
    return found


def _is_landed(seen: Seen) -> bool:
    return seen.view.landed is True and not seen.uncommitted


def _is_ticked(todos: str) -> bool:
    return "- [x]" in todos and "- [ ]" not in todos


def _is_within_budget(view: RunView) -> bool:
    return view.options.budget is not None and 0 < view.spent <= view.options.budget and not view.held


def _named(tasks: Sequence[object]) -> str:
    return ", ".join(str(task) for task in tasks) or "nobody"
