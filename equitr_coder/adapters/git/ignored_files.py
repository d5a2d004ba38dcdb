"""The files of the user's checkout that git ignores, as a tree of their own: what a command may change unseen by git.

Bounded by number and bytes. Left out, and named, are folders that a tool makes again (dependencies, caches, virtual
environments), repositories of their own, large files, and what nobody may read.
"""

import os
import stat
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path

from equitr_coder.adapters.git.entries import is_plain_path, nul_separated, put_entries
from equitr_coder.adapters.git.failures import GitError
from equitr_coder.adapters.git.file_lock import locked
from equitr_coder.adapters.git.known_files import exists, rules
from equitr_coder.adapters.git.runner import Git
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.ids import TreeId
from equitr_coder.ports import IgnoredFiles

MOST = 5000
"""Files."""
MOST_IN_FOLDER = 2500
"""Files in one ignored folder."""
LARGE = 16 * 1024 * 1024
"""Bytes of one file."""
MOST_BYTES = 64 * 1024 * 1024
"""Bytes of all files."""

_GENERATED = frozenset(
    {
        "node_modules", "bower_components", ".venv", "venv", ".tox", ".nox", ".eggs", "__pycache__", ".pytest_cache",
        ".mypy_cache", ".ruff_cache", ".hypothesis", ".cache", ".gradle", ".next", ".nuxt", ".turbo", ".parcel-cache",
        ".terraform", ".direnv",
    }
)  # fmt: skip
_MARKS = frozenset({"CACHEDIR.TAG", "pyvenv.cfg", ".git"})
"""One of these is in a cache (bford.info/cachedir), in a virtual environment, in a repository of its own."""
_MOST_FOLDERS = 2000
"""Folders that git looks through and whose stamps are remembered; with more it is asked each time."""
_TICK_NS = 50_000_000
"""Longer than any clock tick: what was changed within it may be changed again without a new time."""
_ATTEMPTS = 3

_Stamp = tuple[int, int, int, int, int]
"""Mode, size, times of the last writing and of the last change, inode."""


@frozen
class _Found:
    stamps: Mapping[str, _Stamp]
    left: tuple[str, ...]
    is_fresh: frozenset[str]
    """Changed so shortly before that their stamps do not tell enough."""


@frozen
class _Known:
    found: _Found
    tree: TreeId
    index: object
    """Stamp of our index: another process may have written it since."""


@frozen
class _Listed:
    """What git has named, and what must be as it was then for git to name the same."""

    records: tuple[str, ...]
    terms: tuple[object, ...]
    places: Mapping[str, object]
    """Folder that git looks through, or file with rules in it -> stamp."""


class IgnoredSnapshots:
    """`home` is where the private indexes live."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._known: dict[Path, _Known] = {}
        self._listed: dict[Path, _Listed] = {}

    async def take(self, git: Git) -> IgnoredFiles:
        """As long as nothing changes, this costs a stat per ignored file and per folder that is not ignored."""
        for attempt in range(1, _ATTEMPTS + 1):
            found = await self._find(git)
            known = self._known.get(git.checkout.git_dir)
            if known is not None and _is_same(known.found, found) and await exists(git, known.tree):
                return IgnoredFiles(known.tree, found.left)
            try:
                return IgnoredFiles(await self._write(git, found), found.left)
            except (GitError, UserError):
                # A file that vanished while git read it, or an index that names pruned objects.
                if attempt == _ATTEMPTS:
                    raise
                self._known.pop(git.checkout.git_dir, None)
                self._index(git).unlink(missing_ok=True)
        raise AssertionError

    def _index(self, git: Git) -> Path:
        return self._home / "git" / git.checkout.key / "ignored" / "index"

    async def _find(self, git: Git) -> _Found:
        records = await self._records(git)
        known = self._known.get(git.checkout.git_dir)
        looking = _Looking(git.checkout.root, self._home, known.found.stamps if known is not None else {})
        return looking.look(records)

    async def _records(self, git: Git) -> tuple[str, ...]:
        """What git ignores: files, and with a slash at the end folders in which it ignores everything."""
        root, place = git.checkout.root, git.checkout.git_dir
        listed, terms = self._listed.get(place), await rules(git)
        if (
            listed is not None
            and listed.terms == terms
            and all(_stamp(f"{root}/{path}") == stamp for path, stamp in listed.places.items())
        ):
            return listed.records
        since = time.time_ns() - _TICK_NS
        said = await git.run("ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory")
        records = tuple(said.records)
        places = _places(root, besides={*records, f"{self._home}/"}, since=since)
        if places is None:
            self._listed.pop(place, None)
        else:
            self._listed[place] = _Listed(records, terms, places)
        return records

    async def _write(self, git: Git, found: _Found) -> TreeId:
        index = self._index(git)
        async with locked(index.with_name("lock")) as descriptor:
            # We hold the lock and every git of ours holds it with us: this one is left from a killed git.
            index.with_name("index.lock").unlink(missing_ok=True)
            held = git.holding(descriptor)
            known = self._known.get(git.checkout.git_dir)
            before: Collection[str]
            if known is not None and known.index == _stamp(index):
                before = known.found.stamps
                fed = _differing(known.found, found)
            else:
                before = (await held.run("ls-files", "-z", index=index)).records if index.exists() else ()
                fed = list(found.stamps)
            await put_entries(held, index, dict.fromkeys(path for path in before if path not in found.stamps))
            if fed:
                await held.run(
                    "update-index", "-z", "--add", "--remove", "--replace", "--stdin", index=index,
                    stdin=nul_separated(fed),
                )  # fmt: skip
            tree = TreeId((await held.run("write-tree", index=index)).line)
            self._known[git.checkout.git_dir] = _Known(found, tree, _stamp(index))
            return tree


@frozen
class _Looking:
    """One look at what git named. `before` are the files of the last look."""

    root: Path
    home: Path
    before: Mapping[str, _Stamp]
    stamps: dict[str, _Stamp] = field(default_factory=dict)
    left: dict[str, None] = field(default_factory=dict)

    def look(self, records: Sequence[str]) -> _Found:
        since = time.time_ns() - _TICK_NS
        folders = sorted(record for record in records if record.endswith("/"))
        for record in records:
            if not record.endswith("/"):
                self._add_named(record)
        for folder in folders:
            self._add_folder(folder)
        self._keep_to_size()
        fresh = frozenset(path for path, about in self.stamps.items() if max(about[2], about[3]) > since)
        return _Found(self.stamps, tuple(sorted(self.left)), fresh)

    def _add_named(self, path: str) -> None:
        generated = next((name for name in path.split("/")[:-1] if name in _GENERATED), None)
        if generated is not None:
            self.left[f"{generated}/"] = None
        elif len(self.stamps) < MOST or path in self.before:
            self._add(path)
        else:
            self.left[path] = None

    def _add_folder(self, folder: str) -> None:
        generated = next((name for name in folder.split("/") if name in _GENERATED), None)
        if generated is not None:
            self.left[f"{generated}/"] = None
            return
        limit = min(MOST_IN_FOLDER, MOST - len(self.stamps))
        inside: list[str] = []
        for path in self._files_below(folder):
            inside.append(path)
            if len(inside) > limit:
                self.left[folder] = None
                # What was a part of it before stays one, however many others came.
                inside = [path for path in self.before if path.startswith(folder)]
                break
        for path in inside:
            self._add(path)

    def _files_below(self, folder: str) -> Iterator[str]:
        """Ends early when it is left out."""
        pending, top = [folder], f"{self.root}/"
        while pending:
            here = pending.pop()
            if self.home == Path(top + here):
                continue
            try:
                entries = sorted(os.scandir(top + here), key=lambda entry: entry.name)
            except OSError:
                self.left[here] = None
                continue
            if any(entry.name in _MARKS for entry in entries):
                self.left[here] = None
                continue
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    yield here + entry.name
                elif entry.name in _GENERATED:
                    self.left[f"{entry.name}/"] = None
                else:
                    pending.append(f"{here}{entry.name}/")

    def _add(self, path: str) -> None:
        place = f"{self.root}/{path}"
        try:
            about = os.lstat(place)
        except OSError:
            return
        seen = (about.st_mode, about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino)
        if self.before.get(path) == seen:
            self.stamps[path] = seen
            return
        is_link = stat.S_ISLNK(about.st_mode)
        if not (is_link or stat.S_ISREG(about.st_mode)):
            return
        if about.st_size > LARGE or not is_plain_path(path) or not (is_link or os.access(place, os.R_OK)):
            self.left[path] = None
            return
        self.stamps[path] = seen

    def _keep_to_size(self) -> None:
        """The small ones first, and those that were a part of it before: settings and secrets are small."""
        room = MOST_BYTES
        if sum(about[1] for about in self.stamps.values()) <= room:
            return
        for path in sorted(self.stamps, key=lambda path: (path not in self.before, self.stamps[path][1])):
            room -= self.stamps[path][1]
            if room < 0:
                del self.stamps[path]
                self.left[path] = None


def _places(root: Path, *, besides: Collection[str], since: int) -> dict[str, object] | None:
    """The folders that git looks through, and the rules in them; None when they are too many, or when one changed
    after `since`: it may change again without a new time.
    """
    places: dict[str, object] = {}
    pending, top = [""], f"{root}/"
    while pending:
        here = pending.pop()
        try:
            about = os.lstat(top + here)
            places[here] = _stamped(about)
            if len(places) > _MOST_FOLDERS or max(about.st_mtime_ns, about.st_ctime_ns) > since:
                return None
            with os.scandir(top + here) as entries:
                for entry in entries:
                    path = here + entry.name
                    if entry.name == ".gitignore":
                        rules_there = entry.stat(follow_symlinks=False)
                        places[path] = _stamped(rules_there)
                        if max(rules_there.st_mtime_ns, rules_there.st_ctime_ns) > since:
                            return None
                    elif entry.name != ".git" and entry.is_dir(follow_symlinks=False):
                        folder = f"{path}/"
                        if folder not in besides and top + folder not in besides:
                            pending.append(folder)
        except OSError:
            return None
    return places


def _is_same(known: _Found, found: _Found) -> bool:
    return known.stamps == found.stamps and not known.is_fresh


def _differing(known: _Found, found: _Found) -> list[str]:
    return [path for path, about in found.stamps.items() if known.stamps.get(path) != about or path in known.is_fresh]


def _stamp(path: Path | str) -> object:
    try:
        return _stamped(os.lstat(path))
    except OSError:
        return None


def _stamped(about: os.stat_result) -> object:
    return (about.st_mode, about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino)
