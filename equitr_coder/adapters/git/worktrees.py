"""Worktrees of ours: add or reset, and remove. Git's own bookkeeping is changed by one task at a time.

`git worktree remove` is not used: it looks into repositories an agent may have made there, and runs what their
configuration says.
"""

import asyncio
import os
import re
import shutil
import stat
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

from equitr_coder.adapters.git.checkout import Checkout, find_linked, find_moved, folder_key, linked_checkouts
from equitr_coder.adapters.git.entries import SUBMODULE, Entry, index_entries
from equitr_coder.adapters.git.failures import GitError
from equitr_coder.adapters.git.file_lock import locked
from equitr_coder.adapters.git.files import FileOps, prune_empty, remove_folder
from equitr_coder.adapters.git.folder_state import Stamp
from equitr_coder.adapters.git.known_files import KnownFiles
from equitr_coder.adapters.git.runner import Git
from equitr_coder.adapters.git.snapshots import replace_files
from equitr_coder.adapters.git.switching import switch
from equitr_coder.adapters.git.threads import unbroken
from equitr_coder.domain.errors import UserError

_OBJECT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SIMPLE = re.compile(r"[A-Za-z0-9_-]+")
_SUBMODULE_MODE = (0o160000).to_bytes(4, "big")
"""As an index writes it. Found elsewhere in one it costs a look, no more."""
_MARK = "equitrcoder"
"""File in git's folder for a worktree: we made it."""
_LEFTOVERS = (
    "index.lock", "HEAD.lock", "MERGE_HEAD", "MERGE_MODE", "MERGE_MSG", "AUTO_MERGE", "CHERRY_PICK_HEAD", "REVERT_HEAD",
    "BISECT_LOG", "rebase-merge", "rebase-apply", "sequencer", "locked",
)  # fmt: skip


class Worktrees:
    def __init__(self, home: Path, known: KnownFiles, files: FileOps) -> None:
        self._home = home
        self._files = files
        self._known = known
        self._turn = asyncio.Lock()

    async def add(self, git: Git, path: Path, commit: str, tree: str) -> Checkout:
        """A worktree at `path` with exactly the files of `commit`, whose tree is `tree`, ignored ones gone too; HEAD
        detached there.
        """
        checkout = await self._register(git, path, commit)
        # Different worktrees are filled at the same time; the lock above is for git's bookkeeping only.
        try:
            await self._fill(git.at(checkout), commit, tree)
        except (GitError, UserError):
            # Its metadata was damaged (a killed git, an agent outside the sandbox): make it anew, once.
            await self.remove(git, path)
            checkout = await self._register(git, path, commit)
            await self._fill(git.at(checkout), commit, tree)
        return checkout

    async def _fill(self, git: Git, commit: str, tree: str) -> None:
        if not _detach(git.checkout, commit):
            await git.run("update-ref", "--no-deref", "HEAD", commit)
        if [found.name for found in os.scandir(git.checkout.root)] == [".git"]:  # a new one: nothing has to go
            await replace_files(git, commit, index=None, clean=None)
            self._known.note_filled(git.checkout, tree)
            return
        there, filled = await self._known.exact(git), self._known.filled_with(git.checkout)
        if there is None or there.files is None or filled is None:
            await _fill_anew(git, commit)
        else:
            await self._change(git, there.files, there.state.stamps, filled, commit, tree)
        self._known.note_filled(git.checkout, tree)

    async def _change(
        self, git: Git, there: Mapping[str, Entry], stamps: Mapping[str, Stamp], filled: str, commit: str, tree: str
    ) -> None:
        """All that stands there is known: `there`, and in git's index the tree `filled`."""
        indexed, wanted = await self._known.files(git, filled), await self._known.files(git, tree)
        try:
            if await switch(git, self._files, there=there, stamps=stamps, filled=indexed, wanted=wanted):
                return
        except OSError:
            await _fill_anew(git, commit)
            return
        # What git's index does not name is taken away here, the rest by git.
        for path in there.keys() - indexed.keys():
            gone = git.checkout.root / path
            gone.unlink()
            prune_empty(gone.parent, below=git.checkout.root)
        await replace_files(git, commit, index=None, clean=None)
        await asyncio.to_thread(_level_folders, git.checkout.root)

    async def move(self, git: Git, old: Path, new: Path) -> bool:
        """Give the worktree of ours at `old` the place `new`, its files untouched; False when that cannot be.

        Killed in between, what git knows and what stands on the disk disagree, and `add` makes either place good.
        """
        async with self._bookkeeping(git):
            linked = _find(git.checkout.common_dir, old)
            if linked is None or not is_made_by_us(linked) or not _stands(linked) or _stands_in_the_way(new):
                return False
            if lost := find_linked(git.checkout.common_dir, new):
                if not is_made_by_us(lost):
                    return False
                _forget(lost)  # its folder went another way
            new.parent.mkdir(parents=True, exist_ok=True)
            there = new.parent.resolve() / new.name
            _register_at(linked, there)
            linked.root.rename(there)
        kept, place = (self._home / "git" / folder_key(path) for path in (old, new))
        with suppress(OSError):  # the index of our own; without it the next snapshot reads every file
            remove_folder(place)
            kept.rename(place)
        return True

    async def take_up(self, git: Git, path: Path, commit: str) -> bool:
        """Work can go on in the worktree of ours at `path`, its files untouched: what a git left unfinished there goes,
        and git knows it, also when it had forgotten it (at `commit` then) or has it at another place. False when no
        folder is there.
        """
        linked = find_linked(git.checkout.common_dir, path)
        if linked is None or not is_made_by_us(linked) or not _stands(linked):
            linked = await self._known_again(git, path) or await self._register_folder(git, path, commit)
        if linked is None:
            return False
        _repair(linked)
        return True

    async def _known_again(self, git: Git, path: Path) -> Checkout | None:
        """The worktree whose folder was moved to `path`, or that has not got our mark yet."""
        async with self._bookkeeping(git):
            linked = _find(git.checkout.common_dir, path)
            if linked is None or not _stands(linked):
                return None
            self._refuse_foreign(git, path, linked)
            (linked.git_dir / _MARK).touch()
            _register_at(linked, linked.root)
            return linked

    async def _register_folder(self, git: Git, path: Path, commit: str) -> Checkout | None:
        """What stands at `path` becomes a worktree. Git only makes new ones: it is given one beside, whose place is
        then this one. Killed in between, the same is done again.
        """
        if not _is_folder(path):
            return None
        self._refuse_foreign(git, path, find_linked(git.checkout.common_dir, path))
        beside = path.with_name(f"{path.name}-again")
        made = await self._register(git, beside, commit)
        await git.at(made).run("read-tree", commit, config=[("core.sparseCheckout", "false")])
        async with self._bookkeeping(git):
            if lost := find_linked(git.checkout.common_dir, path):
                _forget(lost)
            there = path.parent.resolve() / path.name
            _register_at(made, there)
            await unbroken(partial(remove_folder, beside))
        return replace(made, root=there)

    async def remove(self, git: Git, path: Path) -> None:
        """The folder, what git knows of it and what we keep of it. Commits stay. Nothing there is fine."""
        async with self._bookkeeping(git):
            linked = _find(git.checkout.common_dir, path)
            self._refuse_foreign(git, path, linked)
            await unbroken(partial(_take_away, path, linked))
        shutil.rmtree(self._home / "git" / folder_key(path), ignore_errors=True)

    async def forget(self, git: Git, folder: Path) -> None:
        """What stands nowhere below `folder` any more."""
        async with self._bookkeeping(git):
            for linked in _lost(git.checkout.common_dir, folder):
                _forget(linked)

    async def _register(self, git: Git, path: Path, commit: str) -> Checkout:
        linked = find_linked(git.checkout.common_dir, path)
        if linked is not None and is_made_by_us(linked) and _stands(linked):
            _repair(linked)  # nothing of git's bookkeeping changes, and who works here has the place for himself
            return linked
        async with self._bookkeeping(git) as descriptor:
            linked = _find(git.checkout.common_dir, path)
            self._refuse_foreign(git, path, linked)
            if linked and _stands(linked):
                # Without our mark it was registered by a git whose starter was killed before it could set it.
                (linked.git_dir / _MARK).touch()
                _register_at(linked, linked.root)
                _repair(linked)
                return linked
            if linked:
                _forget(linked)
            await asyncio.to_thread(_clear, path)
            if not _add_here(git.checkout.common_dir, (await git.configuration()).values, path, commit):
                held = git.holding(descriptor)
                await held.run("worktree", "add", "--detach", "--no-checkout", "--quiet", "--", str(path), commit)
            added = find_linked(git.checkout.common_dir, path)
            assert added, "git registered the worktree"
            (added.git_dir / _MARK).touch()
            return added

    @asynccontextmanager
    async def _bookkeeping(self, git: Git) -> AsyncIterator[int]:
        # Among ourselves by a lock that wakes who waits; the other one is looked at again and again.
        async with (
            self._turn,
            locked(self._home / "git" / folder_key(git.checkout.common_dir) / "worktrees.lock") as descriptor,
        ):
            yield descriptor

    def _refuse_foreign(self, git: Git, path: Path, linked: Checkout | None) -> None:
        """Only an empty folder, a worktree we made or something under our home may be cleared."""
        if path.resolve() in (git.checkout.root, git.checkout.common_dir):
            raise UserError(f"{path} is the repository itself.", hint="Choose another folder for worktrees.")
        if linked and is_made_by_us(linked):
            return
        if path.parent.resolve().is_relative_to(self._home.resolve()):
            return
        if path.is_symlink() or path.is_file() or (path.is_dir() and any(path.iterdir())):
            raise UserError(f"{path} is not empty and no worktree of ours.", hint="Move it away, or remove it.")


async def _fill_anew(git: Git, commit: str) -> None:
    """Whatever stands there."""
    await replace_files(git, commit, index=None, clean="-ffdxq")
    await _empty_submodules(git)
    await asyncio.to_thread(_level_folders, git.checkout.root)


def _add_here(common_dir: Path, settings: Mapping[str, str], path: Path, commit: str) -> bool:
    """What `git worktree add --no-checkout` does (gitrepository-layout(5), "worktrees"). False where more is to be done
    than to write down where the two folders are, or where the names may need git's care.
    """
    formats = ("extensions.worktreeconfig", "extensions.refstorage", "extensions.relativeworktrees")
    is_plain = _OBJECT_ID.fullmatch(commit) and _SIMPLE.fullmatch(path.name)
    if not is_plain or any(name in settings for name in formats):
        return False
    path.mkdir()
    admin = _new_folder(common_dir / "worktrees", path.name)
    there = path.parent.resolve() / path.name
    # While it is not ready a `git worktree prune` would take it for a rest.
    (admin / "locked").write_text("initializing\n")
    for place, text in (
        (admin / "gitdir", f"{there / '.git'}\n"),
        (admin / "HEAD", f"{commit}\n"),
        (admin / "commondir", "../..\n"),
        (there / ".git", f"gitdir: {admin}\n"),
    ):
        place.write_text(text)
    (admin / "locked").unlink()
    return True


def _new_folder(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    for number in count():
        with suppress(FileExistsError):
            made = folder / (f"{name}{number}" if number else name)
            made.mkdir()
            return made
    raise AssertionError


def _find(common_dir: Path, path: Path) -> Checkout | None:
    """The worktree at `path`, also when git has it still where it stood before: somebody moved the home folder."""
    return find_linked(common_dir, path) or find_moved(common_dir, path)


def _lost(common_dir: Path, folder: Path) -> list[Checkout]:
    below = folder.resolve()
    return [
        linked
        for linked in linked_checkouts(common_dir)
        if linked.root.is_relative_to(below) and is_made_by_us(linked) and not os.path.lexists(linked.root)
    ]


def _register_at(linked: Checkout, place: Path) -> None:
    _write_whole(linked.git_dir / "gitdir", f"{place / '.git'}\n")


def is_made_by_us(linked: Checkout) -> bool:
    return (linked.git_dir / _MARK).exists()


def _detach(checkout: Checkout, commit: str) -> bool:
    """Let the HEAD of a worktree of ours name the commit. False where git must do it: it names a branch, or lies in
    another format.
    """
    head = checkout.git_dir / "HEAD"
    try:
        if not _OBJECT_ID.fullmatch(before := head.read_text().rstrip("\n")):
            return False
    except (OSError, UnicodeDecodeError):
        return False
    if before != commit:
        _write_whole(head, f"{commit}\n")
    return True


async def _empty_submodules(git: Git) -> None:
    """What stands in the folder of a submodule belongs to nobody: git neither fills nor cleans it."""
    if _SUBMODULE_MODE not in await asyncio.to_thread(git.checkout.index.read_bytes):
        return
    for path, entry in (await index_entries(git, git.checkout.index)).items():
        folder = git.checkout.root / path
        if entry.mode == SUBMODULE and folder.is_dir() and not folder.is_symlink() and any(folder.iterdir()):
            await asyncio.to_thread(remove_folder, folder)
            folder.mkdir()


def _level_folders(root: Path) -> None:
    """Folders as a new checkout has them: git keeps no modes of folders, so an earlier use could have left any."""
    usual = stat.S_IMODE(root.parent.stat().st_mode)
    pending = [root]
    while pending:
        here = pending.pop()
        if stat.S_IMODE(here.lstat().st_mode) != usual:
            here.chmod(usual)
        pending += [Path(found.path) for found in os.scandir(here) if found.is_dir(follow_symlinks=False)]


def _write_whole(path: Path, text: str) -> None:
    beside = path.with_name(f"{path.name}.equitr")
    beside.write_bytes(os.fsencode(text))
    beside.replace(path)


def _stands(linked: Checkout) -> bool:
    return _is_folder(linked.root) and (linked.git_dir / "HEAD").is_file()


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _stands_in_the_way(path: Path) -> bool:
    return os.path.lexists(path)


def _take_away(path: Path, linked: Checkout | None) -> None:
    remove_folder(path)
    if linked:
        _forget(linked)


def _clear(path: Path) -> None:
    remove_folder(path)
    path.parent.mkdir(parents=True, exist_ok=True)


def _repair(linked: Checkout) -> None:
    """Take away what a killed git or a command left unfinished, and lead `.git` home."""
    for name in _LEFTOVERS:
        if os.path.lexists(linked.git_dir / name):
            remove_folder(linked.git_dir / name)
    pointer, expected = linked.root / ".git", f"gitdir: {linked.git_dir}\n"
    with suppress(OSError, UnicodeDecodeError):
        if not pointer.is_symlink() and pointer.read_text() == expected:
            return
    remove_folder(pointer)
    pointer.write_text(expected)


def _forget(linked: Checkout) -> None:
    """What `git worktree prune` does, for this one alone and also when it is locked."""
    remove_folder(linked.git_dir)
    with suppress(OSError):
        linked.git_dir.parent.rmdir()
