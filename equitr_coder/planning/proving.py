"""Whether the checks of a plan can prove anything: they fail before the work, and others wrote what they run."""

from collections.abc import Iterable, Mapping, Sequence

from equitr_coder.domain.check_command import parts
from equitr_coder.domain.epic import Plan, Task
from equitr_coder.domain.globs import covers
from equitr_coder.domain.ids import TaskId
from equitr_coder.domain.proof_files import find, is_test_file
from equitr_coder.planning.checks import cannot_fail
from equitr_coder.ports import CheckProbe


class Proving:
    """Remembers what each check said of the untouched files: asked once for a command."""

    def __init__(self, probe: CheckProbe | None) -> None:
        self._probe = probe
        self._passes: dict[str, bool] = {}

    async def look(self, plan: Plan) -> None:
        """Run the checks of the plan that have not been run yet, one after another."""
        if self._probe is None:
            return
        for command in dict.fromkeys(task.check for task in plan.tasks if task.check and not task.check_reason):
            if command not in self._passes and not cannot_fail(command):
                self._passes[command] = await self._probe.passes_untouched(command)

    def problems(self, plan: Plan) -> list[str]:
        """In words for the planner or for review; of what has been looked at."""
        return [
            f"the check of task {task.id} (`{task.check}`) passes before anything is done, so it cannot tell when the "
            "task is done: name one that fails until then, or say in check_reason why it must pass before"
            for task in plan.tasks
            if task.check and not task.check_reason and self._passes.get(task.check)
        ]


def dependent_tests(plan: Plan, listing: Sequence[str]) -> list[str]:
    """Checks that run tests which only the task itself writes (`checks.independent_tests`)."""
    there = set(listing)
    problems: list[str] = []
    for task in plan.tasks:
        if task.check is None or task.check_reason:
            continue
        own = sorted(path for path in _tests_of(task.check, plan, there) if _writers(path, plan.tasks) <= {task.id})
        if own:
            problems.append(
                f"the check of task {task.id} runs tests that nobody but {task.id} writes ({', '.join(own)}): let "
                "another task write them before, and let it need that task (checks.independent_tests)"
            )
    return problems


def _tests_of(check: str, plan: Plan, there: set[str]) -> set[str]:
    """Test files that the check runs and that are not in the repository yet."""
    named = {word.split("::")[0] for part in parts(check) if part.runner for word in part.arguments}
    planned = {path for task in plan.tasks for path in task.files if not set(path) & set("*?[")}
    known = there | planned | {word for word in named if is_test_file(word)}
    nothing: Mapping[str, str] = {}
    return set(find([check], known, nothing).tests) - there


def _writers(path: str, tasks: Iterable[Task]) -> set[TaskId]:
    return {task.id for task in tasks if any(covers(entry, path) for entry in task.files)}
