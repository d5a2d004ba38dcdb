"""Puts a landing right that was stopped anywhere: forward when nothing of the user's changed, else back.

What stands on disk, in the index and in the ref is looked at afresh; the journal only says what the old and the new
content of each path are. A file or an index entry that is neither is the user's and stays.
"""

import stat
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from equitr_coder.adapters.git.entries import (
    EXECUTABLE,
    LINK,
    REGULAR,
    Entry,
    index_entries,
    nul_separated,
    put_entries,
    tree_entries,
    unmerged_paths,
)
from equitr_coder.adapters.git.files import FileOps
from equitr_coder.adapters.git.intent import Intent, Places
from equitr_coder.adapters.git.preconditions import Head, read_head
from equitr_coder.adapters.git.refs import resolve, swap
from equitr_coder.adapters.git.runner import Git
from equitr_coder.adapters.git.writing import (
    DisturbedError,
    forget_empty_parents,
    obstacle,
    put_in_place,
    stage,
    staging_name,
    stamps,
)
from equitr_coder.domain.frozen import frozen

_ATTEMPTS = 3
_OTHER: Final = Entry("", "")
"""On disk stands what is neither a file nor nothing: the user's."""


@frozen
class Settlement:
    is_settled: bool
    is_completed: bool = False
    """The branch has the result."""
    left: tuple[str, ...] = ()
    """Files that are neither what they were nor what they should become; untouched."""
    reason: str = ""
    """Why it could not be settled yet."""


@frozen
class Likeness:
    """Whether two entries are the same as far as this file system can tell."""

    has_modes: bool
    has_links: bool

    def same(self, one: Entry | None, other: Entry | None) -> bool:
        if one is None or other is None:
            return one is other
        return one.blob == other.blob and self._kind(one.mode) == self._kind(other.mode)

    def _kind(self, mode: str) -> str:
        is_blurred = (mode == EXECUTABLE and not self.has_modes) or (mode == LINK and not self.has_links)
        return REGULAR if is_blurred else mode


@frozen
class Scene:
    """What stands there now, for every path of the landing."""

    head: Head | None
    tip: str | None
    """Where the branch is."""
    disk: Mapping[str, Entry | None]
    index: Mapping[str, Entry | None]
    target: Mapping[str, Entry | None]
    """What the user's HEAD says."""


async def settle(git: Git, files: FileOps, intent: Intent, *, may_complete: bool) -> Settlement:
    """Forward or back; the caller closes the journal when it `is_settled`. Safe to repeat after a further kill."""
    places = intent.places(git.checkout)
    was_locked = _is_ours(places.lock, intent)
    if not was_locked and not take_lock(files, intent, places):
        return _waits(f"{places.lock} is another git command's; remove it if none is running.")
    reason = ""
    for _ in range(_ATTEMPTS):
        try:
            return await _settle_locked(git, files, intent, may_complete=may_complete, was_locked=was_locked)
        except DisturbedError as error:  # saved after we looked: it is the user's, as another look will show
            reason = f"{error.path} keeps changing."
        except OSError as error:
            return _waits(f"{error.strerror}: {error.filename}")
    return _waits(reason)


async def _settle_locked(
    git: Git, files: FileOps, intent: Intent, *, may_complete: bool, was_locked: bool
) -> Settlement:
    places, root = intent.places(git.checkout), git.checkout.root
    tidy(git, files, intent)
    if git.checkout.index.exists():
        files.copy(git.checkout.index, places.index)
    if await unmerged_paths(git, places.index):
        tidy(git, files, intent)
        files.delete(places.lock)
        return _waits("a merge has conflicts; resolve it, then start equitrcoder again.")
    likeness = await _likeness(git)
    expected = stamps(root, intent.changes)
    scene = await _look(git, intent, places)
    is_forward = may_complete and _may_go_forward(intent, scene, likeness)
    is_over = not was_locked and scene.index == scene.target and await _follows(git, intent.new, scene.head)
    wanted = _wanted(intent, scene, likeness, is_forward=is_forward, is_over=is_over)
    due = {path: entry for path, entry in wanted.items() if not likeness.same(scene.disk[path], entry)}
    if due:
        tree = intent.new if is_forward or scene.head is None else scene.head.commit
        staged = staging_name(git, places.staged)
        await stage(git, files, staged, tree=tree, paths=[path for path, entry in due.items() if entry])
        put_in_place(files, root, staged, wanted=due, expected=expected)
    forget_empty_parents(root, [path for path, entry in wanted.items() if entry is None])
    if is_forward and not await swap(git, intent.branch, intent.new, old=intent.old, reason=f"land {intent.run}"):
        return await _settle_locked(git, files, intent, may_complete=False, was_locked=True)
    await _put_index(git, files, intent, scene=scene, is_forward=is_forward, is_written=bool(due))
    files.delete(places.lock)
    tidy(git, files, intent)
    left = () if is_forward else _left(intent, scene, likeness)
    is_completed = is_forward or await _is_ancestor(git, intent.new, scene.tip)
    return Settlement(is_settled=True, is_completed=is_completed, left=left)


def _waits(reason: str) -> Settlement:
    return Settlement(is_settled=False, reason=reason)


def take_lock(files: FileOps, intent: Intent, places: Places) -> bool:
    """Git's own `index.lock`, appearing with our marker in it; False when somebody else's is there."""
    files.clear(places.marker)
    files.write_new(places.marker, intent.marker)
    is_taken = files.claim(places.marker, places.lock)
    files.clear(places.marker)
    return is_taken


def tidy(git: Git, files: FileOps, intent: Intent) -> None:
    """Remove what a landing keeps in the git directory, the lock excepted."""
    places = intent.places(git.checkout)
    ours = (places.marker, places.index, places.look)
    files.clear(*ours, *(path.with_name(f"{path.name}.lock") for path in ours), staging_name(git, places.staged))


async def refresh(git: Git, index: Path) -> None:
    """Let an index know the files as they are, so that `git status` need not read them."""
    await git.run("update-index", "-q", "--refresh", "--ignore-submodules", index=index, accept=(0, 1))


def _is_ours(lock: Path, intent: Intent) -> bool:
    try:
        return lock.read_bytes() == intent.marker
    except FileNotFoundError:
        return False


async def _likeness(git: Git) -> Likeness:
    configuration = await git.configuration()
    return Likeness(
        has_modes=configuration.is_set("core.filemode", default=True),
        has_links=configuration.is_set("core.symlinks", default=True),
    )


async def _look(git: Git, intent: Intent, places: Places) -> Scene:
    entries = await index_entries(git, places.index)
    head = await read_head(git)
    return Scene(
        head=head,
        tip=await resolve(git, intent.branch),
        disk=await _on_disk(git, intent, places, entries),
        index={path: entries.get(path) for path in intent.changes},
        target=await _at_head(git, intent, head),
    )


async def _on_disk(git: Git, intent: Intent, places: Places, entries: Mapping[str, Entry]) -> dict[str, Entry | None]:
    """Each path as git would record it, with its conversions of line ends and the like."""
    root = git.checkout.root
    shapes = {path: _shape(root, path, intent.changes) for path in intent.changes}
    there = [path for path, shape in shapes.items() if shape == "file"]
    look = places.look
    look.unlink(missing_ok=True)
    # Entries as they are recorded keep the mode where the file system has none.
    await put_entries(git, look, {path: entries[path] for path in there if path in entries})
    if there:
        await git.run(
            "update-index", "-z", "--add", "--replace", "--stdin", index=look, stdin=nul_separated(there)
        )  # fmt: skip
    found = await index_entries(git, look) if there else {}
    return {path: _OTHER if shape == "other" else found.get(path) for path, shape in shapes.items()}


def _shape(root: Path, path: str, ours: Collection[str]) -> str:
    """`file` (or link), `absent`, or `other`."""
    for parent in list(Path(path).parents)[-2::-1]:
        found = _mode(root / parent)
        if found is None or not stat.S_ISDIR(found):
            is_in_the_way = found is not None and parent.as_posix() not in ours
            return "other" if is_in_the_way else "absent"
    mode = _mode(root / path) or 0
    if stat.S_ISREG(mode) or stat.S_ISLNK(mode):
        return "file"
    if mode and obstacle(root, path, ours=set(ours) - {path}):
        return "other"
    return "absent"


def _mode(path: Path) -> int | None:
    try:
        return path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


async def _at_head(git: Git, intent: Intent, head: Head | None) -> dict[str, Entry | None]:
    if head is None or head.commit == intent.old:
        return {path: change.old for path, change in intent.changes.items()}
    if head.commit == intent.new:
        return {path: change.new for path, change in intent.changes.items()}
    entries = await tree_entries(git, head.commit, intent.changes)
    return {path: entries.get(path) for path in intent.changes}


def _may_go_forward(intent: Intent, scene: Scene, likeness: Likeness) -> bool:
    """Everything is at its old or its new content, something is at its new, and the branch has not moved."""
    if scene.head != Head(intent.branch, intent.old) or scene.tip != intent.old:
        return False
    is_begun = False
    for path, change in intent.changes.items():
        on_disk, recorded = scene.disk[path], scene.index[path]
        if not (likeness.same(on_disk, change.old) or likeness.same(on_disk, change.new)):
            return False
        if recorded not in (change.old, change.new):
            return False
        is_begun |= not likeness.same(on_disk, change.old)
    return is_begun


def _wanted(
    intent: Intent, scene: Scene, likeness: Likeness, *, is_forward: bool, is_over: bool
) -> dict[str, Entry | None]:
    """What each path should be. Back means what HEAD says, for content that is one of ours both there and on disk.

    When the landing `is_over` but for its journal, the files are the user's again.
    """
    if is_forward:
        return {path: change.new for path, change in intent.changes.items()}
    if is_over or scene.head is None:
        return {}
    found: dict[str, Entry | None] = {}
    for path, change in intent.changes.items():
        on_disk, target = scene.disk[path], scene.target[path]
        is_known = likeness.same(on_disk, change.old) or likeness.same(on_disk, change.new)
        if is_known and target in (change.old, change.new):
            found[path] = target
    return found


def _left(intent: Intent, scene: Scene, likeness: Likeness) -> tuple[str, ...]:
    def is_left(path: str) -> bool:
        change, on_disk = intent.changes[path], scene.disk[path]
        return not any(likeness.same(on_disk, entry) for entry in (change.old, change.new, scene.target[path]))

    return tuple(sorted(filter(is_left, intent.changes)))


async def _put_index(
    git: Git, files: FileOps, intent: Intent, *, scene: Scene, is_forward: bool, is_written: bool
) -> None:
    places = intent.places(git.checkout)
    due: dict[str, Entry | None] = {}
    for path, change in intent.changes.items():
        wanted = change.new if is_forward else scene.target[path]
        ours = (change.old, change.new)
        if scene.index[path] in ours and wanted in ours and scene.index[path] != wanted:
            due[path] = wanted
    if due or is_written:
        await put_entries(git, places.index, due)
        await refresh(git, places.index)
        files.replace(places.index, git.checkout.index)


async def _follows(git: Git, commit: str, head: Head | None) -> bool:
    return head is not None and await _is_ancestor(git, commit, head.commit)


async def _is_ancestor(git: Git, commit: str, tip: str | None) -> bool:
    if tip is None:
        return False
    return (await git.run("merge-base", "--is-ancestor", commit, tip, accept=(0, 1))).code == 0
