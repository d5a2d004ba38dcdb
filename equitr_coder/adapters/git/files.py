"""Small operations on files that git's own commands have no safe word for."""

import errno
import os
import shutil
import stat
from pathlib import Path


def copy_file(source: Path, target: Path) -> None:
    """Content, mode and times. The times matter: git takes an index for older than the files it names by them."""
    with source.open("rb") as reading:
        about = os.fstat(reading.fileno())
        with target.open("wb") as writing:
            shutil.copyfileobj(reading, writing)
            writing.flush()
            os.fchmod(writing.fileno(), stat.S_IMODE(about.st_mode))
            os.utime(writing.fileno(), ns=(about.st_atime_ns, about.st_mtime_ns))


def remove_folder(path: Path) -> None:
    """Remove a folder whatever the modes of what it holds; a link is removed, not followed."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        make_writable(path)
        shutil.rmtree(path)


def make_writable(folder: Path) -> None:
    """Give the owner back every folder below, so that files in it can be replaced and removed."""
    pending = [folder]
    while pending:
        here = pending.pop()
        mode = here.lstat().st_mode
        if mode & stat.S_IRWXU != stat.S_IRWXU:
            here.chmod(stat.S_IMODE(mode) | stat.S_IRWXU)
        pending += [Path(found.path) for found in os.scandir(here) if found.is_dir(follow_symlinks=False)]


def prune_empty(folder: Path, *, below: Path) -> None:
    """Remove `folder` and the folders above it, as long as they are empty, up to but not including `below`."""
    while folder != below and folder.is_relative_to(below):
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


class FileOps:
    """Every change to the files of a checkout or a repository that git does not make: one seam, so that a test can stop
    anywhere.
    """

    def write_new(self, path: Path, content: bytes) -> None:
        """Raises FileExistsError."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            os.write(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def claim(self, source: Path, target: Path) -> bool:
        """Make `target` appear with the whole content of `source` at once; False when it is already there."""
        try:
            os.link(source, target)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EMLINK}:
                raise
            return self._claim_without_links(source, target)
        return True

    def _claim_without_links(self, source: Path, target: Path) -> bool:
        try:
            self.write_new(target, source.read_bytes())
        except FileExistsError:
            return False
        return True

    def copy(self, source: Path, target: Path) -> None:
        copy_file(source, target)

    def replace(self, source: Path, target: Path) -> None:
        """Atomic and durable."""
        _sync(source)
        source.replace(target)
        _sync(target.parent)

    def put(self, source: Path, target: Path) -> None:
        """Move a staged file (or link) to its place, whole or not at all; an empty folder gives way."""
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir() and not target.is_symlink():
            target.rmdir()
        try:
            source.replace(target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            beside = target.with_name(f".{target.name}.equitr")
            beside.unlink(missing_ok=True)
            shutil.copy2(source, beside, follow_symlinks=False)
            beside.replace(target)

    def delete(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def delete_tracked(self, path: Path, *, below: Path) -> None:
        """A file, and the folders it leaves empty."""
        path.unlink()
        prune_empty(path.parent, below=below)

    def check_out(self, path: Path, content: bytes, *, is_executable: bool) -> None:
        """A new file, with the mode that git gives one.

        Raises:
            FileExistsError: something stands there.
        """
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o777 if is_executable else 0o666)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)

    def replace_index(self, index: Path, data: bytes) -> None:
        """By git's own protocol: who has the lock writes, and nobody reads half of it.

        Raises:
            FileExistsError: somebody else has the lock.
        """
        lock = index.with_name("index.lock")
        self.check_out(lock, data, is_executable=False)
        try:
            lock.replace(index)
        except OSError:
            lock.unlink(missing_ok=True)
            raise

    def make_empty(self, folder: Path) -> None:
        """A new folder of our own, whatever stood there."""
        remove_folder(folder)
        folder.mkdir()

    def clear(self, *paths: Path) -> None:
        """Files and folders of our own, whether they are there or not."""
        for path in paths:
            remove_folder(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
