"""May the user's checkout be moved? Looks only; says no in words for the user."""

import shlex
from collections.abc import Collection, Mapping
from pathlib import Path

from equitr_coder.adapters.git.attributes import has_attributes
from equitr_coder.adapters.git.entries import SUBMODULE, Change, nul_separated
from equitr_coder.adapters.git.refs import branch_at
from equitr_coder.adapters.git.runner import Git
from equitr_coder.adapters.git.writing import files_in, obstacle
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.path_text import is_text, shown
from equitr_coder.ports import Landing

_NAMED = 3


@frozen
class Move:
    """A checked-out branch (full name) and where it should go."""

    branch: str
    old: str
    new: str


@frozen
class Head:
    ref: str
    """Full name of the branch; `HEAD` when detached."""
    commit: str


class RefusalError(Exception):
    """The landing must not go on; the user's files are as they were."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BusyError(RefusalError):
    """Somebody else's git holds the index."""


async def read_head(git: Git) -> Head | None:
    """None when the branch has no commit."""
    said = await git.run("rev-parse", "--verify", "--quiet", "HEAD", accept=(0, 1, 128))
    if said.code:
        return None
    named = await git.run("rev-parse", "--symbolic-full-name", "HEAD")
    return Head(ref=named.line, commit=said.line)


async def _named_by_head(git: Git) -> str:
    """The branch that HEAD names, which has no commit; empty when git cannot read its ref."""
    return (await git.run("symbolic-ref", "--quiet", "HEAD", accept=(0, 1, 128))).line


async def check_place(git: Git, move: Move) -> None:
    """The user is on the branch, at the commit the run started from, with nothing unfinished."""
    short = move.branch.removeprefix("refs/heads/")
    head = await read_head(git)
    if head is None and await _named_by_head(git) in (move.branch, ""):
        raise RefusalError(f"`{short}` names no commit any more: its ref is lost or damaged.")
    if head is None or head.ref == "HEAD":
        raise RefusalError(f"No branch is checked out, `{short}` should be.")
    if head.ref != move.branch:
        raise RefusalError(f"`{head.ref.removeprefix('refs/heads/')}` is checked out, not `{short}`.")
    if head.commit != move.old:
        raise RefusalError(f"`{short}` has moved on since the run started.")
    if unfinished := git.checkout.unfinished():
        raise RefusalError(f"A {unfinished} is unfinished.")


async def check_changes(git: Git, move: Move, changes: Mapping[str, Change]) -> None:
    """The change itself is one that can be written here."""
    follows = await git.run("merge-base", "--is-ancestor", move.old, move.new, accept=(0, 1))
    if follows.code:
        raise RefusalError(f"The result does not follow from `{move.branch.removeprefix('refs/heads/')}`.")
    configuration = await git.configuration()
    if configuration.is_set("core.sparsecheckout", default=False):
        raise RefusalError("The checkout is sparse.")
    for path, change in changes.items():
        if SUBMODULE in {entry.mode for entry in (change.old, change.new) if entry}:
            raise RefusalError(f"It changes the submodule {path}.")
        if not is_text(path):
            raise RefusalError(f"The name of {path!r} is not UTF-8.")
    if configuration.own_filters:
        await _check_filters(git, changes, configuration.own_filters)


async def _check_filters(git: Git, changes: Mapping[str, Change], filters: Collection[str]) -> None:
    """A filter of the repository's own configuration never runs for us; the user's own git can run it."""
    if attributes := [path for path in changes if path.rpartition("/")[2] == ".gitattributes"]:
        raise RefusalError(f"It changes {attributes[0]}, and this repository's configuration defines filters.")
    said = await git.run("check-attr", "-z", "--stdin", "filter", stdin=nul_separated(changes))
    records = said.records
    for path, name in zip(records[::3], records[2::3], strict=True):
        if name in filters:
            raise RefusalError(f"{path} goes through the filter `{name}` of this repository's configuration.")


async def check_files(git: Git, changes: Mapping[str, Change], *, index: Path | None = None) -> None:
    """Nothing of the user's would be touched: no uncommitted change, nothing untracked in the way."""
    said = await git.run(
        "status", "--porcelain=v2", "-z", "--untracked-files=no", "--ignore-submodules=all", "--no-renames",
        index=index,
    )  # fmt: skip
    if dirty := [path_in_status(record) for record in said.records]:
        raise RefusalError(f"{_some(dirty)} {'has' if len(dirty) == 1 else 'have'} uncommitted changes.")
    flagged = await git.run("ls-files", "-z", "-v", index=index)
    for record in flagged.records:
        if record[0] != "H" and record[2:] in changes:
            raise RefusalError(f"{record[2:]} is marked assume-unchanged or skip-worktree.")
    going = {path for path, change in changes.items() if change.new is None}
    created = [path for path, change in changes.items() if change.old is None]
    in_the_way = [obstacle(git.checkout.root, path, ours=going) for path in created]
    if found := sorted({path for path in in_the_way if path}):
        raise RefusalError(f"{_some(found)} {'is' if len(found) == 1 else 'are'} in the way and not tracked.")


async def check_stored(git: Git, staged: Path, changes: Mapping[str, Change]) -> None:
    """Git would find the staged files to be what it has written there. Those that are stored in another form than its
    attributes want it calls changed at once, and they could not be known again when a landing must be undone.
    """
    if await _are_plain(git, changes):
        return
    inside = git.with_files_in(files_in(staged))
    said = await inside.run("ls-files", "--modified", "-z", index=staged / "index")
    _refuse_unlike([path for path in said.records if path in changes and changes[path].new is not None])


async def check_clean(git: Git, changes: Mapping[str, Change], *, index: Path) -> None:
    """With the files in their place: changed attributes do not let others look changed."""
    if not await _are_plain(git, changes):
        said = await git.run("diff-files", "--name-only", "-z", "--ignore-submodules=all", index=index)
        _refuse_unlike(said.records)


async def _are_plain(git: Git, changes: Mapping[str, Change]) -> bool:
    """Whether every file is what its bytes are. A changed `.gitattributes` is looked for where it will be."""
    configuration = await git.configuration()
    brings = any(path.rpartition("/")[2] == ".gitattributes" for path in changes)
    return not (brings or configuration.converts_lines or has_attributes(git.checkout, configuration, changes))


def _refuse_unlike(paths: list[str]) -> None:
    if paths:
        they_are = "it is" if len(paths) == 1 else "they are"
        raise RefusalError(
            f"{_some(paths)} would look changed at once: git attributes want a form in which {they_are} not stored."
        )


async def refuse(git: Git, move: Move, reason: str) -> Landing:
    """The branch stays; with the command that takes the result when the user is ready."""
    short = shlex.quote(move.branch.removeprefix("refs/heads/"))
    wanted = shlex.quote(await branch_at(git, move.new))
    tip = (await git.run("rev-parse", "--verify", "--quiet", move.branch, accept=(0, 1, 128))).line
    # Not `--ff-only`: whoever reads this may have to commit first, and then it would not serve any more.
    merge = f"git merge {wanted}"
    if tip and (await git.run("merge-base", tip, move.new, accept=(0, 1))).code:
        merge = f"git merge --allow-unrelated-histories {wanted}"  # the branch was rewritten from its first commit on
    head = await read_head(git)
    if not tip:
        command = f"git switch {wanted}" if wanted != move.new else f"git switch --detach {wanted}"
    elif head is None or head.ref != move.branch:
        command = f"git switch {short} && {merge}"
    else:
        command = merge
    return Landing(landed=False, old=None, new=None, reason=reason, command=command)


def path_in_status(record: str) -> str:
    """The path of one record of `status --porcelain=v2 -z --no-renames`."""
    fields_before = {"1": 8, "u": 10, "?": 1, "!": 1}
    return record.split(" ", fields_before[record[0]])[-1]


def _some(paths: list[str]) -> str:
    named = ", ".join(map(shown, paths[:_NAMED]))
    return named if len(paths) <= _NAMED else f"{named} and {len(paths) - _NAMED} more"
