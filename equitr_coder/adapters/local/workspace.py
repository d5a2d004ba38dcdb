"""The files of one checkout, confined to its root. Runs no command of the project's."""

import asyncio
import contextlib
import difflib
import errno
import os
import secrets
import shutil
import stat
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from equitr_coder.adapters.local.globs import compile_glob
from equitr_coder.adapters.local.ignores import OWN, Ignores
from equitr_coder.adapters.local.listing import Listed, existing, git_listing, walk
from equitr_coder.adapters.local.paths import Confined, Parts, folder_of
from equitr_coder.adapters.local.search import LARGEST_FILE, Search, is_plain, without_posix
from equitr_coder.adapters.local.text import decode, encode, sha256
from equitr_coder.domain.errors import ToolFailure
from equitr_coder.ports import FileText, SearchResult

LARGEST_TEXT = 10_000_000
"""Bytes of a file that can be read or written as text."""


class LocalWorkspace:
    """A `ports.Workspace`. `environ` gives git and ripgrep their PATH.

    `links` are paths below the root that stand for folders or files elsewhere, as commands see them: they can be read,
    never written, and are neither listed nor searched.
    """

    def __init__(
        self, root: Path, *, environ: Mapping[str, str] | None = None, links: Mapping[str, Path] | None = None
    ) -> None:
        self._confined = Confined(root)
        self._links = {tuple(name.split("/")): target for name, target in (links or {}).items()}
        environ = os.environ if environ is None else environ
        self._path = environ.get("PATH", os.defpath)
        self._env = {
            "PATH": self._path,
            "HOME": environ.get("HOME", "/"),
            "LC_ALL": "C.UTF-8",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_LITERAL_PATHSPECS": "1",
        }
        self._replacing = threading.Lock()

    @property
    def root(self) -> Path:
        return self._confined.root

    def relative(self, path: str) -> str:
        return "/".join(self._confined.locate(path)) or "."

    async def read(self, path: str) -> FileText:
        return await asyncio.to_thread(self._read, path)

    async def read_bytes(self, path: str, *, most: int | None = None) -> bytes:
        """As they lie there, from the start.

        Raises:
            ToolFailure: there is no such file, or it is none that can be read.
        """
        parts = self._confined.locate(path)
        data = await asyncio.to_thread(self._bytes, parts, path, limit=None, most=most)
        if data is None:
            raise ToolFailure(f"There is no {path}.")
        return data

    async def write(self, path: str, text: str, *, expected: str | None, like: FileText | None = None) -> str:
        mode = await asyncio.to_thread(self._mode, like.path) if like is not None and expected is None else None
        return await asyncio.to_thread(self._write, path, encode(path, text, like), expected, mode)

    async def delete(self, path: str, *, expected: str) -> None:
        await asyncio.to_thread(self._delete, path, expected)

    async def digest(self, path: str) -> str | None:
        return await asyncio.to_thread(self._digest, path)

    async def list(self, path: str = ".", pattern: str | None = None, *, limit: int = 1000) -> Sequence[str]:
        """`pattern` counts from `path` or from the root, whichever matches; without a `/` it means any folder."""
        return [file.path for file in await self._files(path, pattern)][:limit]

    async def search(self, pattern: str, path: str = ".", glob: str | None = None, *, limit: int = 200) -> SearchResult:
        """Text files up to 1 MB; hits sorted by path and line."""
        if "\n" in pattern or "\0" in pattern:
            raise ToolFailure("A pattern is matched line by line; it cannot hold a line end or a NUL.")
        listed = await self._files(path, glob)
        files = [file.path for file in listed if file.is_regular and file.size <= LARGEST_FILE]
        pattern = without_posix(pattern)
        search = Search(self.root, pattern=pattern, limit=limit, env=self._env)
        if not is_plain(pattern) or not await self._search_fast(search, self.relative(path), files):
            search.forget(files)
            await search.with_python(files)
        elif doubtful := search.doubtful(files):
            search.forget(doubtful)
            await search.with_python(doubtful)
        return await asyncio.to_thread(search.result, files)

    async def _search_fast(self, search: Search, folder: str, files: Sequence[str]) -> bool:
        """False when no engine here understands the pattern; Python then has the last word on it."""
        if not files:
            return False
        ripgrep = shutil.which("rg", path=self._path)
        if ripgrep is not None:
            return await search.with_ripgrep(ripgrep, files)
        git = shutil.which("git", path=self._path)
        # git would pass over a single file that is ignored.
        if git is None or not self._is_repository() or files == [folder]:
            return False
        return await search.with_git(git, folder)

    async def _files(self, path: str, pattern: str | None) -> Sequence[Listed]:
        folder = self.relative(path)
        self._refuse_linked(self._confined.locate(path), folder, "is neither listed nor searched")
        place = self.root / folder
        if not place.exists():
            raise ToolFailure(f"There is no {folder}.")
        if not place.is_dir():
            return await asyncio.to_thread(existing, self.root, [folder], ignores=None)  # asked for by its name
        git = shutil.which("git", path=self._path)
        paths = await git_listing(git, self.root, folder, env=self._env) if git is not None else None
        if not paths and not self._is_repository():
            paths = None  # an ignored folder of a repository further up
        ignores = Ignores(self.root, (OWN,))
        found = await asyncio.to_thread(
            lambda: existing(self.root, walk(self.root, folder) if paths is None else paths, ignores=ignores)
        )
        if pattern is None:
            return found
        matches = compile_glob(pattern)
        start = 0 if folder == "." else len(folder) + 1
        return [file for file in found if matches.match(file.path, start) or matches.match(file.path)]

    def _is_repository(self) -> bool:
        return os.path.lexists(self.root / ".git")

    def _read(self, path: str) -> FileText:
        parts = self._confined.locate(path)
        data = self._bytes(parts, path, limit=LARGEST_TEXT)
        if data is None:
            raise ToolFailure(f"There is no {path}.{_similar(*self._place(parts))}")
        return decode("/".join(parts), data)

    def _digest(self, path: str) -> str | None:
        data = self._bytes(self._confined.locate(path), path, limit=None)
        return None if data is None else sha256(data)

    def _place(self, parts: Parts) -> tuple[Path, Parts]:
        """The real folder that `parts` lead from, and the components below it: the root, or where a link leads."""
        for link, target in self._links.items():
            if parts[: len(link)] == link and target.exists():
                start = Path(os.path.realpath(target))
                rest = parts[len(link) :] if start.is_dir() else (start.name, *parts[len(link) :])
                inner = Confined(start if start.is_dir() else start.parent)
                return inner.root, inner.locate("/".join(rest)) if rest else ()
        return self.root, parts

    def _refuse_linked(self, parts: Parts, path: str, why: str) -> None:
        for link, target in self._links.items():
            if parts[: len(link)] == link and target.exists():
                raise ToolFailure(
                    f"{path} {why}: {'/'.join(link)} is a link to the user's own checkout (`links` in "
                    ".equitr/worktree.yaml). Its files can be read with read_file and by commands."
                )

    def _bytes(self, parts: Parts, path: str, *, limit: int | None, most: int | None = None) -> bytes | None:
        """Of a regular file; None when there is none."""
        root, parts = self._place(parts)
        if not parts:
            raise ToolFailure(f"{path} is a folder.")
        try:
            with folder_of(root, parts) as folder:
                return _read_file(parts[-1], folder, path, limit, most)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _failure(path, error) from error

    def _mode(self, path: str) -> int | None:
        """Permissions of the file that a new one is like, such as one that moves; None when there is none."""
        parts = self._confined.locate(path)
        try:
            with folder_of(self.root, parts) as folder:
                return stat.S_IMODE(os.stat(parts[-1], dir_fd=folder, follow_symlinks=False).st_mode) & 0o777
        except OSError:
            return None

    def _write(self, path: str, data: bytes, expected: str | None, mode: int | None) -> str:
        parts = self._confined.locate_writable(path)
        self._refuse_linked(parts, path, "cannot be written")
        if len(data) > LARGEST_TEXT:
            raise ToolFailure(f"{path} would be larger than {LARGEST_TEXT // 1_000_000} MB.")
        self._require(parts, path, expected)
        try:
            with folder_of(self.root, parts, create=expected is None) as folder:
                self._put(parts, folder, data, path=path, expected=expected, mode=mode)
        except OSError as error:
            raise _failure(path, error) from error
        return sha256(data)

    def _put(
        self, parts: Parts, folder: int, data: bytes, *, path: str, expected: str | None, mode: int | None
    ) -> None:
        """A temporary file beside the target takes its place: readers see the old file or the new one."""
        temporary = f".{secrets.token_hex(8)}.equitr"
        try:
            _write_file(temporary, folder, data, like=parts[-1] if expected is not None else None, mode=mode)
            with self._replacing:
                if expected is None:
                    _put_new(temporary, parts[-1], folder, path)
                else:
                    self._require(parts, path, expected)
                    os.replace(temporary, parts[-1], src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=folder)

    def _delete(self, path: str, expected: str) -> None:
        parts = self._confined.locate_writable(path)
        self._refuse_linked(parts, path, "cannot be deleted")
        try:
            with self._replacing, folder_of(self.root, parts) as folder:
                self._require(parts, path, expected)
                os.unlink(parts[-1], dir_fd=folder)
                os.fsync(folder)
        except FileNotFoundError as error:
            raise ToolFailure(f"There is no {path}.") from error
        except OSError as error:
            raise _failure(path, error) from error

    def _require(self, parts: Parts, path: str, expected: str | None) -> None:
        """Raises ToolFailure when the file on disk is another than expected."""
        current = self._bytes(parts, path, limit=None)
        if current is None and expected is not None:
            raise ToolFailure(f"{path} is no longer there; nothing was changed.")
        if current is not None and expected is None:
            raise ToolFailure(f"{path} exists already; read it before you change it.")
        if current is not None and sha256(current) != expected:
            raise ToolFailure(f"{path} changed on disk since it was last read; read it again.")


def _similar(root: Path, parts: Parts) -> str:
    """A hint at names like the last of `parts`."""
    try:
        with folder_of(root, parts) as folder:
            names = [entry.name for entry in os.scandir(folder) if entry.name != ".git"]
    except OSError:
        return f" There is no folder {'/'.join(parts[:-1])} either."
    near = difflib.get_close_matches(parts[-1], names, n=3)
    return f" Similar names there: {', '.join(sorted(near))}." if near else ""


def _read_file(name: str, folder: int, path: str, limit: int | None, most: int | None) -> bytes:
    # Without O_NONBLOCK a named pipe would be waited for.
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    with open(fd, "rb") as file:  # noqa: PTH123 - a descriptor
        status = os.fstat(fd)
        if stat.S_ISDIR(status.st_mode):
            raise ToolFailure(f"{path} is a folder.")
        if not stat.S_ISREG(status.st_mode):
            raise ToolFailure(f"{path} is not a regular file.")
        if limit is not None and status.st_size > limit:
            raise ToolFailure(f"{path} is larger than {limit // 1_000_000} MB; search in it instead.")
        return file.read(most)


def _write_file(name: str, folder: int, data: bytes, *, like: str | None, mode: int | None) -> None:
    """A new file, safe on disk, with mode and owner of the file `like`, or with `mode` alone."""
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=folder)
    with open(fd, "wb") as file:  # noqa: PTH123 - a descriptor
        if like is not None:
            old = os.stat(like, dir_fd=folder, follow_symlinks=False)
            with contextlib.suppress(PermissionError):  # a file of somebody else's that we may replace becomes ours
                os.fchown(fd, old.st_uid, old.st_gid)
            os.fchmod(fd, old.st_mode & 0o777)
        elif mode is not None:
            os.fchmod(fd, mode)
        file.write(data)
        file.flush()
        os.fsync(fd)


def _put_new(temporary: str, name: str, folder: int, path: str) -> None:
    """Give the file its name, unless something has it by now."""
    try:
        os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError as error:
        raise ToolFailure(f"{path} exists already; read it before you change it.") from error
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        # A file system without hard links: look, then rename.
        with contextlib.suppress(FileNotFoundError):
            os.stat(name, dir_fd=folder, follow_symlinks=False)
            raise ToolFailure(f"{path} exists already; read it before you change it.") from None
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)


def _failure(path: str, error: OSError) -> ToolFailure:
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return ToolFailure(f"{path}: a folder on the way is not a folder (any more).")
    return ToolFailure(f"{path}: {error.strerror}.")
