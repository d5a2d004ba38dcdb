"""A project's `.equitr/` as read once: the files that count, their content hash, and whether a person trusts them.

What is trusted is exactly what was hashed: the rest of the product takes the text from here, never from the disk.
"""

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path

from equitr_coder.domain.frozen import frozen
from equitr_coder.ports import TrustStore
from equitr_coder.settings.files import LARGEST_FILE, decoded

FOLDER = ".equitr"
FILES = ("config.yaml", "instructions.md", "worktree.yaml")
FOLDERS = ("profiles", "teams", "workflows")
MOST_FILES = 500


@frozen
class Project:
    """`files` maps the path below `folder` to its bytes. `skipped` says in words what was left out of it."""

    folder: Path
    files: Mapping[str, bytes] = field(default_factory=dict)
    content_hash: str = ""
    is_trusted: bool = False
    skipped: tuple[str, ...] = ()

    def trusted_text(self, name: str) -> str | None:
        """The text of a file; None when there is none, or when the project is not trusted.

        Raises:
            UserError: it is not UTF-8.
        """
        if not self.is_trusted or name not in self.files:
            return None
        return decoded(self.files[name], self.folder / name)

    def trusted_names(self, folder: str, *, suffix: str) -> tuple[str, ...]:
        """Names of the files directly in `folder`, sorted; none when the project is not trusted."""
        if not self.is_trusted:
            return ()
        prefix = f"{folder}/"
        return tuple(
            name
            for name in sorted(self.files)
            if name.startswith(prefix) and name.endswith(suffix) and "/" not in name.removeprefix(prefix)
        )


def read_project(repo: Path | None, *, home: Path, trust: TrustStore) -> Project:
    """Never fails for what lies in the folder: a hostile one is skipped file by file, and said in `skipped`.

    A workspace whose `.equitr/` is the user's own home has no project files.
    """
    if repo is None:
        return Project(home)
    folder = repo / FOLDER
    if not _is_folder(folder) or _same(folder, home):
        return Project(folder)
    files: dict[str, bytes] = {}
    skipped: list[str] = []
    root = repo.resolve()
    for path in _counting(folder, skipped):
        name = path.relative_to(folder).as_posix()
        if len(files) >= MOST_FILES:
            skipped.append(f"{path} and what follows: more than {MOST_FILES} files")
            break
        data = _read_inside(path, root, skipped)
        if data is not None:
            files[name] = data
    if not files:
        return Project(folder, skipped=tuple(skipped))
    content_hash = hash_of(files)
    is_trusted = trust.trusted_hash(repo.resolve()) == content_hash
    return Project(folder, files, content_hash, is_trusted, tuple(skipped))


def _counting(folder: Path, skipped: list[str]) -> Iterator[Path]:
    for name in FILES:
        if os.path.lexists(folder / name):
            yield folder / name
    for name in FOLDERS:
        if (folder / name).is_symlink():
            skipped.append(f"{folder / name}: a link instead of a folder")
            continue
        for parent, folders, names in os.walk(folder / name):
            folders.sort()
            for found in sorted(names):
                yield Path(parent) / found


def _read_inside(path: Path, root: Path, skipped: list[str]) -> bytes | None:
    """Links may not lead out of the repository, and nothing that is not a regular file is opened."""
    try:
        target = path.resolve(strict=True)
        if not target.is_relative_to(root):
            skipped.append(f"{path}: leads out of the repository")
            return None
        descriptor = os.open(target, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                skipped.append(f"{path}: not a regular file")
                return None
            data = stream.read(LARGEST_FILE + 1)
    except (OSError, RuntimeError) as error:
        skipped.append(f"{path}: {getattr(error, 'strerror', None) or error}")
        return None
    if len(data) > LARGEST_FILE:
        skipped.append(f"{path}: larger than {LARGEST_FILE} bytes")
        return None
    return data


def hash_of(files: Mapping[str, bytes]) -> str:
    """SHA-256 over names and contents; each part is hashed apart, so no two layouts run together."""
    total = hashlib.sha256()
    for name in sorted(files):
        total.update(hashlib.sha256(os.fsencode(name)).digest())
        total.update(hashlib.sha256(files[name]).digest())
    return total.hexdigest()


def _is_folder(path: Path) -> bool:
    """False, too, where permission is missing to look."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _same(folder: Path, home: Path) -> bool:
    try:
        return folder.samefile(home)
    except OSError:
        return False
