"""What a task claims for itself while it is at work, and whether two tasks claim the same. Pure.

A claim is files (entries as in `globs`), parts of Python files by symbol, and resources. A task that names no files did
not say: it collides with nobody over files, until it touches some.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import field
from itertools import product

from equitr_coder.domain.epic import Task
from equitr_coder.domain.frozen import frozen
from equitr_coder.domain.globs import covers, is_glob, meet, normal
from equitr_coder.domain.symbols import can_be_read


@frozen
class Claim:
    files: tuple[str, ...] = ()
    symbols: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Files that are claimed in part, each with the names in it. A file that is not here is claimed whole."""
    resources: Mapping[str, str] = field(default_factory=dict)
    """Folded name -> the name as it was written."""

    def has(self, path: str) -> bool:
        return any(covers(entry, path) for entry in self.files)

    @property
    def shown(self) -> tuple[str, ...]:
        """One line each: entries, with `path::Name` in the place of a file that is claimed in part."""
        parts = {path: tuple(f"{path}::{name}" for name in sorted(names)) for path, names in self.symbols.items()}
        named = [shown for entry in self.files for shown in parts.get(normal(entry), (entry,))]
        covered = {normal(entry) for entry in self.files}
        return (*named, *(part for path, shown in parts.items() if path not in covered for part in shown))


def claim_of(task: Task, more: Iterable[str] = ()) -> Claim:
    """What the task named, and `more` files that became its own while it worked."""
    parts: dict[str, set[str]] = {}
    whole: set[str] = set()
    for symbol in task.symbols:
        path, _, name = symbol.partition("::")
        path, name = normal(path), name.strip()
        # What nobody can check separates nobody: the file counts as a whole.
        if name and can_be_read(path) and not is_glob(path):
            parts.setdefault(path, set()).add(name)
        else:
            whole.add(path)
    files = tuple(entry for entry in task.files if entry.strip())
    for path in (*parts, *sorted(whole), *more):
        if not any(covers(entry, path) for entry in files):
            files = (*files, path)
    return Claim(
        files=files,
        symbols={path: frozenset(names) for path, names in parts.items() if path not in whole},
        resources={" ".join(name.split()).casefold(): name.strip() for name in task.resources if name.strip()},
    )


def collision(mine: Claim, theirs: Claim) -> str:
    """What both claim, in one line: `src/a.py`, `src/a.py::Order`, `resource db:test`. Empty when nothing."""
    for name in theirs.resources:
        if name in mine.resources:
            return f"resource {name}"
    separate: set[str] = set()
    for path in mine.symbols.keys() & theirs.symbols.keys():
        for one, other in product(sorted(mine.symbols[path]), sorted(theirs.symbols[path])):
            if is_within(one, other) or is_within(other, one):
                return f"{path}::{max(one, other, key=len)}"
        separate.add(path)
    for one, other in product(mine.files, theirs.files):
        if meet(one, other, without=separate):
            return _narrower(one, other)
    return ""


def is_within(name: str, claimed: str) -> bool:
    """Whether a symbol is the claimed one or a part of it."""
    return name == claimed or name.startswith(f"{claimed}.")


def outside(claim: Claim, paths: Collection[str]) -> tuple[str, ...]:
    """Those of the paths that no entry covers; none when no files were named."""
    return tuple(path for path in paths if claim.files and not claim.has(path))


def _narrower(mine: str, theirs: str) -> str:
    """The entry that says more of where two meet: a path before a glob, the deeper of two paths."""
    plain = [entry for entry in (mine, theirs) if not is_glob(entry) and normal(entry) != "."]
    return normal(max(plain, key=len, default=theirs))
