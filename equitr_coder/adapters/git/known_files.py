"""What this process knows of the files in checkouts: which tree they are, as long as nothing in the folder is another.

A snapshot of files that git has read and nobody has touched since, and of a checkout that was just made, is then known
without asking git.
"""

import hashlib
import os
import re
import stat
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from equitr_coder.adapters.git.checkout import Checkout
from equitr_coder.adapters.git.entries import Entry, changes_between, compare_trees, mode_of, tree_entries
from equitr_coder.adapters.git.folder_state import FolderState, content, observe
from equitr_coder.adapters.git.runner import Git
from equitr_coder.adapters.git.written_files import tree_after
from equitr_coder.domain.frozen import frozen

_SLASH = re.compile("/")
_USUAL_EXCLUDES = f"{os.environ.get('XDG_CONFIG_HOME') or '~/.config'}/git/ignore"
"""Where git looks when `core.excludesFile` is not set."""
_MOST_READ = 200
"""Files of a new checkout that are read to see that they are right; of more git is asked."""


@frozen
class Standing:
    """The files of a checkout as they stood when they were `tree`."""

    tree: str
    state: FolderState
    terms: tuple[object, ...]
    """What else decides what a snapshot holds: the index, what is ignored, the settings."""
    files: Mapping[str, Entry] | None
    """Every file of the tree, when exactly these were there, in plain folders; else None."""


@frozen
class Filled:
    """What git has last checked out, and its index then."""

    tree: str
    index: object


class KnownFiles:
    def __init__(self, home: Path) -> None:
        self._home = home
        self._standing: dict[Path, Standing] = {}
        self._filled: dict[Path, Filled] = {}
        self._listed: tuple[str, Mapping[str, Entry]] | None = None
        self._last_by_git: dict[Path, str] = {}
        """The tree that git took last, or checked out, where others have been found without it since."""
        self._by_index: set[Path] = set()
        """Where git has changed files by the index of our own, and has not looked at them since."""

    async def tree(
        self, git: Git, *, is_ours: bool, also: Collection[str] = ()
    ) -> tuple[str | None, FolderState | None]:
        """The tree that a snapshot would have now, when that is known; and what stands there, for `note`."""
        state, place = self._observe(git.checkout), git.checkout.git_dir
        if state is None:
            return None, None
        terms, known = await self._terms(git, is_ours=is_ours, also=also), self._standing.get(place)
        if known is not None and known.terms == terms and known.state.is_all_same(state, git.checkout.root):
            self._standing[place] = replace(known, state=state)
            return known.tree, state
        if not is_ours:
            return None, state
        if known is not None and known.terms == terms:
            if known.files is None:
                return None, state
            base, files, written = known.tree, known.files, known.state.written(state, git.checkout.root)
        elif place not in self._by_index and (filled := self.filled_with(git.checkout)) is not None:
            files = await self.files(git, filled)
            base, written = filled, self._unlike(git, files, state)
        else:
            return None, state
        if also and written:
            return None, state
        after = await self._after(git, base, files, written, state)
        if after is None:
            return None, state
        tree, files = after
        exactly = files if _are_all(files, state, git.checkout.root) else None
        self._standing[place] = Standing(tree, state, terms, exactly)
        if tree != base:
            self._last_by_git.setdefault(place, base)
        return tree, state

    def forget(self, checkout: Checkout) -> None:
        """Git has changed the files by the index of our own."""
        self._standing.pop(checkout.git_dir, None)
        self._last_by_git.pop(checkout.git_dir, None)
        self._by_index.add(checkout.git_dir)

    async def missed(self, git: Git) -> Mapping[str, Entry | None]:
        """What has been found without git since it looked last, and its index therefore does not hold. An index that
        still has a file which went, and came back as one that is ignored, would take it for one of the tree.
        """
        place = git.checkout.git_dir
        last, known = self._last_by_git.get(place), self._standing.get(place)
        if last is None or known is None:
            return {}
        return {path: change.new for path, change in (await changes_between(git, last, known.tree)).items()}

    async def _after(
        self, git: Git, tree: str, files: Mapping[str, Entry], written: Collection[str], state: FolderState
    ) -> tuple[str, Mapping[str, Entry]] | None:
        """The tree and its files when those of `written` are not those of `tree`."""
        if not written:
            return tree, files
        if not await exists(git, tree):
            return None
        return await tree_after(git, tree, files, written, state, excludes=await excludes_of(git))

    async def note(
        self, git: Git, state: FolderState | None, tree: str, *, is_ours: bool, also: Collection[str] = ()
    ) -> None:
        """Git has found `tree` after `state` was observed."""
        place = git.checkout.git_dir
        self._last_by_git.pop(place, None)
        self._by_index.discard(place)
        if state is None:
            self._standing.pop(place, None)
            return
        files = await self.files(git, tree) if is_ours else None
        if files is not None and not _are_all(files, state, git.checkout.root):
            files = None
        self._standing[place] = Standing(tree, state, await self._terms(git, is_ours=is_ours, also=also), files)

    async def exact(self, git: Git) -> Standing | None:
        """What stands in a checkout of ours, when all of that is known, ignored files included. One that nobody has
        looked at since git filled it is looked at.
        """
        checkout = git.checkout
        if checkout.git_dir not in self._standing and self.filled_with(checkout) is not None:
            await self.tree(git, is_ours=True)
        known = self._standing.get(checkout.git_dir)
        if known is None or known.files is None:
            return None
        state = self._observe(checkout)
        if state is None or not known.state.is_all_same(state, checkout.root):
            return None
        now = self._standing[checkout.git_dir] = replace(known, state=state)
        return now

    def filled_with(self, checkout: Checkout) -> str | None:
        """The tree that git has checked out there, while its index is still the same."""
        filled = self._filled.get(checkout.git_dir)
        return filled.tree if filled is not None and filled.index == index_stamp(checkout) else None

    def note_filled(self, checkout: Checkout, tree: str) -> None:
        """Git has just checked out `tree`, by the checkout's own index."""
        self._last_by_git.pop(checkout.git_dir, None)
        self._by_index.discard(checkout.git_dir)
        self._filled[checkout.git_dir] = Filled(tree, index_stamp(checkout))

    async def files(self, git: Git, tree: str) -> Mapping[str, Entry]:
        """Every file of a tree, from those of the tree asked about before."""
        listed = self._listed  # another may be listed while git is asked about this one
        changes = await compare_trees(git, listed[0], tree) if listed is not None else None
        if listed is None or changes is None:
            files: Mapping[str, Entry] = await tree_entries(git, tree)
        elif changes:
            now = {path: change.new for path, change in changes.items()}
            files = {path: entry for path, entry in ({**listed[1], **now}).items() if entry is not None}
        else:
            files = listed[1]
        self._listed = (tree, files)
        return files

    def _unlike(self, git: Git, files: Mapping[str, Entry], state: FolderState) -> set[str]:
        """Files that do not stand there as the tree has them, byte for byte: what git would turn into something else
        on its way in is among them, and what would have to be read of a large folder.
        """
        root = git.checkout.root
        there = state.files()
        known = self._standing.get(git.checkout.git_dir)
        before = known.files if known is not None and known.files is not None else {}
        unread = [
            path
            for path, entry in files.items()
            if path in there
            and (known is None or before.get(path) != entry or not known.state.is_same(path, state, root))
        ]
        if len(unread) > _MOST_READ:
            return there | files.keys()
        changed = {path for path in unread if not holds(root / path, state.stamps[path][0], files[path])}
        return (there ^ files.keys()) | changed

    def _observe(self, checkout: Checkout) -> FolderState | None:
        inside = self._home.is_relative_to(checkout.root)
        return observe(checkout.root, besides=self._home.relative_to(checkout.root).as_posix() if inside else "")

    async def _terms(self, git: Git, *, is_ours: bool, also: Collection[str]) -> tuple[object, ...]:
        return (is_ours, frozenset(also), *await rules(git))


async def rules(git: Git) -> tuple[object, ...]:
    """What decides which files git ignores, `.gitignore` files excepted: equal as long as it is the same."""
    return (await git.configuration(), index_stamp(git.checkout), *map(_stamp, await excludes_of(git)))


async def excludes_of(git: Git) -> tuple[Path, Path]:
    """The files outside the checkout that say what is ignored, whether they are there or not."""
    own = (await git.configuration()).values.get("core.excludesfile") or _USUAL_EXCLUDES
    return git.checkout.common_dir / "info" / "exclude", _expanded(own)


async def exists(git: Git, tree: str) -> bool:
    return is_loose(git, tree) or any(await git.objects.read([tree]) or ())


def is_loose(git: Git, object_id: str) -> bool:
    """The object certainly still exists: a `git prune` of the user's has not taken it."""
    return (git.checkout.common_dir / "objects" / object_id[:2] / object_id[2:]).exists()


def _expanded(path: str) -> Path:
    return Path(os.path.expanduser(path))  # noqa: PTH111 - pathlib's own way fails for a user that is not there


def index_stamp(checkout: Checkout) -> object:
    return _stamp(checkout.index)


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)


def _are_all(files: Mapping[str, Entry], state: FolderState, root: Path) -> bool:
    """No file more or less, no folder without one, and every folder as a new checkout has it."""
    if state.files() != files.keys():
        return False
    folders = {path[: at.start()] for path in files for at in _SLASH.finditer(path)}
    usual = stat.S_IMODE(root.parent.stat().st_mode)
    return state.folders() == folders and all(stat.S_IMODE(state.stamps[path][0]) == usual for path in ("", *folders))


def holds(path: Path, mode: int, entry: Entry) -> bool:
    """Whether the file is the entry without any conversion."""
    if mode_of(mode) != entry.mode:
        return False
    held = content(path)
    if held is None:
        return False
    digest = hashlib.sha1 if len(entry.blob) == 40 else hashlib.sha256
    return digest(b"blob %d\0%b" % (len(held), held)).hexdigest() == entry.blob
