"""Reads and moves refs. Never one that is checked out somewhere: those files are somebody's work."""

import os
import shlex
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from equitr_coder.adapters.git.checkout import linked_checkouts, read_line
from equitr_coder.adapters.git.failures import GitError, failure
from equitr_coder.adapters.git.resident import LONGEST, EndedError
from equitr_coder.adapters.git.runner import Git
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import CommitId

_OURS = "refs/equitr/"
_BUT_OURS = ("--not", f"--exclude={_OURS}*", "--all", "--not", "--stdin")
"""Revisions read from stdin, less everything that the user's refs and checkouts keep."""


def full_name(ref: str) -> str:
    """`main` -> `refs/heads/main`; full names and HEAD stay."""
    return ref if ref.startswith("refs/") or ref == "HEAD" else f"refs/heads/{ref}"


async def resolve(git: Git, ref: str) -> CommitId | None:
    said = await git.run(
        "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}", accept=(0, 1, 128)
    )
    return CommitId(said.line) if said.code == 0 else None


async def refs_below(git: Git, prefix: str) -> dict[str, CommitId]:
    said = await git.run("for-each-ref", "--format=%(objectname) %(refname)", prefix)
    found = (line.split(" ", 1) for line in os.fsdecode(said.stdout).split("\n") if line)
    return {name: CommitId(commit) for commit, name in found}


async def move_ref(git: Git, ref: str, new: str, *, old: str | None, reason: str = "") -> bool:
    """Compare-and-swap. False when it was not at `old` (None: when it existed).

    Raises:
        UserError: it is the branch of a checkout, or git could not write it.
    """
    name = full_name(ref)
    if holder := _checked_out_in(git, name):
        is_main = holder in (git.checkout.root, git.checkout.common_dir.parent)
        # A worktree that was made for the branch has had no other.
        way, switch = ("Switch to another branch there", "switch -") if is_main else ("Let go of it", "switch --detach")
        raise UserError(
            f"The branch `{name.removeprefix('refs/heads/')}` is checked out in {holder}; moving it would disturb you.",
            hint=f"{way}: git -C {shlex.quote(str(holder))} {switch}",
        )
    return await swap(git, name, new, old=old, reason=reason)


async def swap(git: Git, name: str, new: str, *, old: str | None, reason: str = "") -> bool:
    """As `move_ref`, also for a branch that is checked out."""
    expected = old or (await git.configuration()).null_id
    try:
        if reason:
            await git.run("update-ref", "--no-deref", "-m", f"equitrcoder: {reason}", name, new, expected)
        else:
            await _transact(git, [_line(f"update {name}", new, expected)])
    except (GitError, UserError):
        if await _value(git, name) == old:
            raise
        return False
    return True


async def keep(git: Git, name: str, object_id: str) -> None:
    """`name` holds the object, a commit or not, whatever it held: what only a ref of ours names is never garbage."""
    if not name.startswith(_OURS):
        raise ValueError(f"not a ref of ours: {name}")
    await _transact(git, [_line(f"update {name}", object_id, "")])


async def delete_refs(git: Git, names: Collection[str]) -> None:
    """Gone afterwards, whether they existed or not; all of them, or none when git cannot."""
    if names:
        await _transact(git, [_line(f"delete {full_name(name)}", "") for name in dict.fromkeys(names)])


_TRANSACTIONS = ("update-ref", "--no-deref", "-z", "--stdin")


async def _transact(git: Git, commands: Sequence[bytes]) -> None:
    """All of them or none, by a git that stays. When we die before the last byte is sent, none: without its `commit`
    a transaction is given up at the end of the input.
    """
    request = b"".join((_line("start"), *commands, _line("commit")))
    if len(request) > LONGEST:
        await git.run(*_TRANSACTIONS, stdin=request)
        return
    try:
        await (await git.resident(*_TRANSACTIONS)).ask(request, _Committed())
    except EndedError as error:
        raise failure(_TRANSACTIONS, error.code, error.stderr, git.checkout.root) from error


def _line(*fields: str) -> bytes:
    return b"".join(os.fsencode(field) + b"\0" for field in fields)


class _Committed:
    """Implements `resident.Answer`."""

    def __init__(self) -> None:
        self._said = b""

    def add(self, data: bytes) -> bool:
        self._said += data
        return self._said.endswith(b"commit: ok\n")


async def kept_by_alone(git: Git, names: Collection[str]) -> list[tuple[CommitId, str]]:
    """Commits, newest first, with their subjects."""
    ids = await _alone(git, names, is_commit=True)
    if not ids:
        return []
    said = await git.run("rev-list", "--format=%H %s", *_BUT_OURS, stdin=ids)
    lines = said.stdout.decode("utf-8", "replace").split("\n")
    found = (line.partition(" ") for line in lines if line and not line.startswith("commit "))
    return [(CommitId(commit), subject) for commit, _, subject in found]


async def size_kept_by_alone(git: Git, names: Collection[str]) -> int | None:
    ids = await _alone(git, names, is_commit=False)
    if not ids:
        return 0
    said = await git.run("rev-list", "--objects", "--disk-usage", *_BUT_OURS, stdin=ids, accept=(0, 128, 129))
    return int(said.line) if said.code == 0 and said.line.isdigit() else None


async def _alone(git: Git, names: Collection[str], *, is_commit: bool) -> bytes:
    """For `rev-list --stdin`: what the refs name, and with `^` what our other refs name."""
    said = await git.run("for-each-ref", "--format=%(objectname) %(objecttype) %(refname)", _OURS)
    wanted = set(names)
    own: list[str] = []
    others: list[str] = []
    for line in os.fsdecode(said.stdout).split("\n")[:-1]:
        object_id, kind, name = line.split(" ", 2)
        if kind == "commit" or not is_commit:
            (own if name in wanted else others).append(object_id)
    return "".join([*(f"{one}\n" for one in own), *(f"^{one}\n" for one in others)]).encode() if own else b""


async def branch_at(git: Git, commit: str) -> str:
    """A branch that points at `commit`, one of ours first; the commit's id when there is none."""
    said = await git.run("for-each-ref", "--format=%(refname:lstrip=2)", f"--points-at={commit}", "refs/heads/")
    names = os.fsdecode(said.stdout).split("\n")[:-1]
    return next((name for name in names if name.startswith("equitr/")), names[0] if names else commit)


async def _value(git: Git, name: str) -> str | None:
    said = await git.run("rev-parse", "--verify", "--quiet", "--end-of-options", name, accept=(0, 1, 128))
    return said.line if said.code == 0 else None


def _checked_out_in(git: Git, name: str) -> Path | None:
    if not name.startswith("refs/heads/"):
        return None  # a checkout stands on a branch or on a commit
    common = git.checkout.common_dir
    for root, git_dir in ((git.checkout.root, git.checkout.git_dir), (common.parent, common)):
        if _head(git_dir) == f"ref: {name}" and root.is_dir():
            return root
    for linked in linked_checkouts(common):
        if _head(linked.git_dir) == f"ref: {name}" and linked.root.is_dir():
            return linked.root
    return None


def _head(git_dir: Path) -> str:
    with suppress(OSError):
        return read_line(f"{git_dir}/HEAD").decode(errors="replace").strip()
    return ""
