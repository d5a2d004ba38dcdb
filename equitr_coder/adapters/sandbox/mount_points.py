"""Things put into a checkout only while commands run there: empty folders to mount on, links to outside folders.

Shared by all commands in one checkout at a time, and gone with the last of them.
"""

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path


class MountPoints:
    """Nothing that was there before is touched, and nothing that a command made."""

    def __init__(self) -> None:
        self._users: Counter[Path] = Counter()

    @contextlib.contextmanager
    def folders(self, points: Sequence[Path]) -> Iterator[None]:
        """Keep empty folders in place, missing parents included."""
        held: list[Path] = []
        try:
            for point in points:
                for folder in (*reversed(point.parents), point):
                    if self._users[folder]:
                        self._hold(folder, held)
                    elif not folder.exists():
                        folder.mkdir()
                        self._hold(folder, held)
            yield
        finally:
            for folder in reversed(held):
                if self._release(folder):
                    with contextlib.suppress(OSError):
                        folder.rmdir()

    @contextlib.contextmanager
    def links(self, root: Path, links: Mapping[str, Path]) -> Iterator[None]:
        """Keep symbolic links in place for outside folders. What stands there already wins."""
        held: list[Path] = []
        try:
            for relative, target in links.items():
                link = root / relative
                if self._users[link]:
                    self._hold(link, held)
                elif not link.is_symlink() and not link.exists() and link.parent.is_dir():
                    link.symlink_to(target)
                    self._hold(link, held)
            yield
        finally:
            for link in reversed(held):
                if self._release(link) and link.is_symlink():
                    link.unlink()

    def _hold(self, path: Path, held: list[Path]) -> None:
        self._users[path] += 1
        held.append(path)

    def _release(self, path: Path) -> bool:
        self._users[path] -= 1
        if self._users[path]:
            return False
        del self._users[path]
        return True
