"""The proof that a task is done."""

from datetime import datetime

from equitr_coder.domain.ids import CommitId, TaskId, TreeId
from equitr_coder.domain.value import Value


class CheckResult(Value):
    """One command run by the harness on a clean checkout of one tree."""

    command: str
    exit_code: int
    """128 + signal when it was killed by one; -1 when it timed out."""
    timed_out: bool = False
    duration_ms: int = 0
    output_hash: str = ""
    """SHA-256 of the whole output, stdout and stderr as they came; the text is kept under `blobs/`."""
    output_tail: str = ""
    """The last lines, for people and for the worker that must mend it."""
    tree: TreeId
    interpreter: str = ""
    """Path of the `python3` on the check's PATH, or empty."""
    environment_hash: str = ""
    sandbox: str = ""
    """`bubblewrap`, `landlock` or `none`."""
    tests: int | None = None
    """Tests that ran, as far as the output tells; None when it does not."""
    skipped: int | None = None
    """Tests that were there and did not run."""
    untested: str = ""
    """Why no test ran though the command runs tests; empty when one did, or when it is no test runner."""
    unproven: str = ""
    """Why the result proves nothing about `tree` (for example code imported from elsewhere); empty when it does."""

    @property
    def passed(self) -> bool:
        return self.exit_code == 0 and not self.timed_out and not self.unproven and not self.untested


class Receipt(Value):
    """Stored when every check of the gate passed on the tree that was merged."""

    task: TaskId
    commit: CommitId
    """The commit on the integration branch that carries this task."""
    tree: TreeId
    checks: tuple[CheckResult, ...]
    at: datetime
    tests_by: tuple[str, ...] = ()
    """Who wrote the tests that the task's own check names: ids of tasks, and `repository` for those that were there."""
