"""Which file a path means, and that it lies inside the workspace.

Links are followed by hand, component by component, before anything is opened; what is then opened is opened without
following any, so that a link put there in between leads nowhere.
"""

import contextlib
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from equitr_coder.domain.errors import ToolFailure

_MAX_LINKS = 40
_IGNORED_BY_SOME_FILE_SYSTEMS = dict.fromkeys(
    [0x200C, 0x200D, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF]
)
_SETTINGS = ".equitr"

Parts = tuple[str, ...]


class Confined:
    """Turns paths as models write them into components below one root."""

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.realpath(root))
        self._names = tuple({str(self.root), os.path.abspath(root)})  # noqa: PTH100 - `..` is not to be resolved

    def locate(self, path: str) -> Parts:
        """The components of the real place of `path` below the root; empty for the root itself.

        Raises:
            ToolFailure: it leads out of the workspace or into `.git`, or is no path.
        """
        if not path or "\0" in path:
            raise ToolFailure("The path is empty or holds a NUL character.")
        try:
            os.fsencode(path)
        except UnicodeEncodeError as error:
            raise ToolFailure("The path holds a character that no file name can hold.") from error
        done: list[str] = []
        rest = deque(self._below_root(path, path))
        links = 0
        while rest:
            part = rest.popleft()
            if part == "..":
                if not done:
                    raise ToolFailure(f"{path} leads out of the workspace.")
                done.pop()
                continue
            _refuse_git(part, path)
            target = self._link(Path(self.root, *done, part), path)
            if target is None:
                done.append(part)
                continue
            links += 1
            if links > _MAX_LINKS:
                raise ToolFailure(f"{path} is a circle of links.")
            if target.startswith("/"):
                done.clear()
            rest.extendleft(reversed(self._below_root(target, path)))
        return tuple(done)

    def locate_writable(self, path: str) -> Parts:
        """Like `locate`, for a file that is to be written or deleted."""
        parts = self.locate(path)
        if not parts:
            raise ToolFailure(f"{path} is a folder, not a file.")
        if parts[0].casefold() == _SETTINGS:
            raise ToolFailure(f"{path} belongs to the project's settings, which only its user changes.")
        return parts

    def _below_root(self, path: str, asked: str) -> list[str]:
        """Components of `path`, which is relative, or absolute below one of the root's names."""
        if path.startswith("/"):
            for name in self._names:
                if path == name or path.startswith(f"{name}/"):
                    path = path[len(name) :]
                    break
            else:
                raise ToolFailure(f"{asked} is outside the workspace {self.root}; use a path relative to it.")
        return [part for part in path.split("/") if part not in ("", ".")]

    def _link(self, step: Path, path: str) -> str | None:
        try:
            return str(step.readlink()) if step.is_symlink() else None
        except OSError as error:
            raise ToolFailure(f"{path}: {error.strerror}.") from error


def _refuse_git(name: str, path: str) -> None:
    """Also what a file system that folds case or drops characters would take for `.git`."""
    plain = name.translate(_IGNORED_BY_SOME_FILE_SYSTEMS).casefold()
    for part in plain.split("\\"):
        if part.split(":")[0].rstrip(". ") in (".git", "git~1"):
            raise ToolFailure(f"{path} is in .git, which is out of bounds; the host handles git.")


@contextlib.contextmanager
def folder_of(root: Path, parts: Parts, *, create: bool = False) -> Iterator[int]:
    """A descriptor of the folder that holds the last of `parts`, reached without following a link.

    Raises:
        OSError: a component is missing, no folder, or by now a link.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    fd = os.open(root, flags)
    try:
        for part in parts[:-1]:
            if create:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=fd)
            inner = os.open(part, flags | os.O_NOFOLLOW, dir_fd=fd)
            os.close(fd)
            fd = inner
        yield fd
    finally:
        os.close(fd)
