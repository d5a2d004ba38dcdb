"""Where a process can be killed: every store write, port call with an effect, git command that writes, file operation.

What is a point is decided by exclusion: whatever a port offers is one unless it is named here as a mere question. A new
event, a new method of a port or a new git command is a point of its own from the day it is written.
"""

import inspect
from collections.abc import Iterator
from typing import Any, Literal, get_args

from equitr_coder.adapters.git.files import FileOps
from equitr_coder.domain.events import Event
from equitr_coder.domain.frozen import frozen
from equitr_coder.ports import EventStore, Executor, Repository

When = Literal["before", "during", "after"]

STORE_QUESTIONS = frozenset(
    {
        "read",
        "pages",
        "runs",
        "summaries",
        "keep_summaries",
        "verify",
        "get_blob",
        "open_journals",
        "lock_run",
        "is_owned",
        "close",
        "append",
    }
)
"""`append` has a kind for each type of event instead."""
REPOSITORY_QUESTIONS = frozenset(
    {
        "inspect", "resolve", "blame", "tree_of", "refs", "changed", "diff", "file_changes", "show_file", "list_tree",
        "status_text", "ignored", "read_blob", "kept_by_alone", "size_kept_by_alone", "measured",
    }
)  # fmt: skip
EXECUTOR_QUESTIONS = frozenset({"confinement", "interpreter", "environment_hash", "leads_back"})
GIT_QUESTIONS = frozenset(
    {
        "cat-file", "check-attr", "check-ignore", "config", "diff-tree", "for-each-ref", "ls-files", "ls-tree",
        "merge-base", "rev-list", "rev-parse", "status", "symbolic-ref", "var", "version", "write-tree", "--version",
        "log", "show", "diff", "diff-index",
    }
)  # fmt: skip
"""`write-tree` only adds an object that nothing names yet; its callers are points."""


@frozen
class Point:
    """The `number`-th time that a play passes something of this kind; or what becomes of a task in its attempt of this
    number, whatever else a parallel play does meanwhile: `T1.ready` after 2.
    """

    kind: str
    when: When
    number: int

    def __str__(self) -> str:
        return f"{self.when} {self.kind} {self.number}"


def points_of(kind: str, count: int) -> Iterator[Point]:
    for number in range(1, count + 1):
        for when in moments_of(kind):
            yield Point(kind, when, number)


def moments_of(kind: str) -> tuple[When, ...]:
    """A command of git's goes on for a while when its caller has died; before it, the one before has ended."""
    return ("during", "after") if kind.startswith("git.") else ("before", "after")


def methods_of(port: type[Any], questions: frozenset[str]) -> tuple[str, ...]:
    """Of a port those that wait: whatever reaches the world does."""
    return tuple(
        name for name, member in vars(port).items() if inspect.iscoroutinefunction(member) and name not in questions
    )


EVENTS = tuple(f"append.{member.model_fields['type'].default}" for member in get_args(get_args(Event)[0]))
STORE = methods_of(EventStore, STORE_QUESTIONS)
REPOSITORY = methods_of(Repository, REPOSITORY_QUESTIONS)
EXECUTOR = methods_of(Executor, EXECUTOR_QUESTIONS)
FILES = tuple(name for name, member in vars(FileOps).items() if inspect.isfunction(member) and name[0] != "_")
GIT = (
    "checkout-index", "clean", "commit-tree", "hash-object", "init", "merge-tree", "read-tree", "update-index",
    "update-ref", "worktree",
)  # fmt: skip
KINDS = (
    *EVENTS,
    "client.stream",
    *(f"store.{name}" for name in STORE),
    *(f"repository.{name}" for name in REPOSITORY),
    *(f"executor.{name}" for name in EXECUTOR),
    *(f"git.{name}" for name in GIT),
    *(f"files.{name}" for name in FILES),
)
