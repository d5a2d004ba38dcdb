"""Runs checks on a clean checkout of one tree. Green means green for that tree, or it is not green."""

import hashlib
from collections.abc import Sequence

from equitr_coder.domain.check_command import Runner, parts, runners
from equitr_coder.domain.counts import Count, count_tests, read_counts
from equitr_coder.domain.ids import CommitId, TreeId
from equitr_coder.domain.receipts import CheckResult
from equitr_coder.orchestration.stopwatch import span
from equitr_coder.orchestration.worktrees import Worktrees
from equitr_coder.ports import CommandResult, EventStore, Executor, Place, Repository

_TAIL_LINES = 60
_TAIL_CHARACTERS = 6000
_ALWAYS_SUM_UP = frozenset({Runner.PYTEST, Runner.UNITTEST})
"""Runners that say at their end how many tests ran, unless something ended them before."""


class Gate:
    """One for a run; used by workers' merges and by the final gate alike. Results are remembered per tree and command:
    the same command on the same tree in the same run is not run twice.
    """

    def __init__(
        self, *, repository: Repository, executor: Executor, store: EventStore, worktrees: Worktrees, timeout: float
    ) -> None:
        self._repository = repository
        self._executor = executor
        self._store = store
        self._worktrees = worktrees
        self._timeout = timeout
        self._known: dict[tuple[TreeId, str], CheckResult] = {}

    async def prove(self, commit: CommitId, commands: Sequence[str]) -> tuple[CheckResult, ...]:
        """Results in the order of `commands`, up to and including the first that did not pass."""
        tree = await self._repository.tree_of(commit)
        results: list[CheckResult] = []
        for command in dict.fromkeys(commands):
            result = self._known.get((tree, command))
            if result is None:
                result = await self._check(commit, tree, command)
                if result.passed:
                    self._known[(tree, command)] = result
            results.append(result)
            if not result.passed:
                break
        return tuple(results)

    async def _check(self, commit: CommitId, tree: TreeId, command: str) -> CheckResult:
        async with self._worktrees.clean_checkout(commit) as place:
            unproven = await self._why_unproven(place, tree)
            interpreter = await self._executor.interpreter(place)
            with span("check"):
                ran = await self._executor.run(command, place, timeout=self._timeout, clean=True)
        await self._store.put_blob(ran.output)
        count, untested = _count(command, ran)
        return CheckResult(
            command=command,
            exit_code=ran.exit_code,
            timed_out=ran.timed_out,
            duration_ms=ran.duration_ms,
            output_hash=hashlib.sha256(ran.output).hexdigest(),
            output_tail=_tail(ran.output),
            tree=tree,
            interpreter=interpreter,
            environment_hash=self._executor.environment_hash(place),
            sandbox=self._executor.confinement.kind,
            unproven=unproven,
            tests=count.ran if count is not None else None,
            skipped=count.skipped if count is not None else None,
            untested=untested,
        )

    async def _why_unproven(self, place: Place, tree: TreeId) -> str:
        found = await self._repository.snapshot(place.root)
        if found != tree:
            return f"the checkout under test has tree {found[:12]}, not {tree[:12]}"
        return self._executor.leads_back(place)


def _count(command: str, ran: CommandResult) -> tuple[Count | None, str]:
    """How many tests ran, where the command is a test runner or starts one; and why that proves nothing."""
    text = ran.output.decode("utf-8", errors="replace")
    own = runners(command)
    is_launcher = any(part.is_launcher or part.runner for part in parts(command))
    count = count_tests(own, text) if own else read_counts(text) if is_launcher else None
    if ran.timed_out:
        return count, ""
    if count is None:
        silent = next((runner for runner in own if runner in _ALWAYS_SUM_UP), None)
        if silent is not None and ran.exit_code == 0:
            return None, f"it ended without the summary of {silent.value}: nobody can tell that a test ran"
        return None, ""
    if count.ran:
        return count, ""
    return count, f"all {count.skipped} tests were skipped" if count.skipped else "no test ran"


def _tail(output: bytes) -> str:
    text = output.decode("utf-8", errors="replace")
    lines = text.splitlines()[-_TAIL_LINES:]
    return "\n".join(lines)[-_TAIL_CHARACTERS:]
