"""A checkout: a folder of files with the git directory behind it. Finds it, reads its state from git's own files."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from equitr_coder.adapters.git.failures import broken_repository, failure
from equitr_coder.adapters.git.process import GitProcess
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.frozen import frozen

_LONGEST_POINTER = 8192
_UNFINISHED = (
    ("MERGE_HEAD", "merge"),
    ("rebase-merge", "rebase"),
    ("rebase-apply", "rebase"),
    ("CHERRY_PICK_HEAD", "cherry-pick"),
    ("REVERT_HEAD", "revert"),
    ("BISECT_LOG", "bisect"),
)


@frozen
class Checkout:
    """`git_dir` is this checkout's own; `common_dir` is the repository's, the same for all its worktrees."""

    root: Path
    git_dir: Path
    common_dir: Path

    @property
    def index(self) -> Path:
        return self.git_dir / "index"

    @property
    def key(self) -> str:
        """A name for what we keep about this checkout under the home folder."""
        return folder_key(self.root)

    @property
    def environment(self) -> dict[str, str]:
        # Said to git rather than found by it: a `.git` file that an agent rewrote leads nowhere.
        return {"GIT_DIR": str(self.git_dir), "GIT_WORK_TREE": str(self.root)}

    def unfinished(self) -> str:
        """`merge`, `rebase`, ... when one waits to be finished or aborted; else empty."""
        return next((word for name, word in _UNFINISHED if (self.git_dir / name).exists()), "")


@frozen
class Found:
    """What git says stands at a folder: nothing (both None), a bare repository, or a checkout."""

    checkout: Checkout | None = None
    bare_dir: Path | None = None


def folder_key(folder: Path) -> str:
    return sha256(os.fsencode(folder.resolve())).hexdigest()[:16]


async def find_checkout(process: GitProcess, root: Path) -> Found:
    """The checkout `root` lies in. A folder that an enclosing repository ignores belongs to none.

    Raises:
        UserError: there is a repository but git cannot read it, or does not trust it.
    """
    here = _folder(root)
    if here is None:
        return Found()
    arguments = (
        "rev-parse", "--path-format=absolute", "--is-bare-repository", "--is-inside-git-dir", "--git-dir",
        "--git-common-dir", "--show-toplevel",
    )  # fmt: skip
    said = await process.run(*arguments, cwd=root, accept=(0, 128))
    lines = os.fsdecode(said.stdout).rstrip("\n").split("\n")
    if said.code and "true" not in lines[:2]:
        if b"not a git repository (or any" in said.stderr and not (root / ".git").exists():
            return Found()
        raise failure(arguments, said.code, said.stderr, root)
    git_dir, common = Path(lines[2]), Path(lines[3])
    if said.code:
        return Found(bare_dir=git_dir)
    if len(lines) != 5:
        raise UserError(f"git cannot say where {root} is: its path holds a line break.", hint="Rename the folder.")
    top = Path(lines[4])
    if top != here and (root / ".git").exists():
        raise broken_repository(root, "it has a .git that git does not accept")
    if top != here and await _is_ignored(process, here):
        return Found()
    return Found(Checkout(root=top, git_dir=git_dir, common_dir=common))


def mark(root: Path, checkout: Checkout) -> tuple[object, ...]:
    """Changes when `root` may belong to another checkout than before: compared instead of asking git again."""
    places = (root / ".git", checkout.root / ".git", checkout.git_dir)
    return (*map(_file_id, places), (checkout.git_dir / "HEAD").exists())


def _file_id(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _folder(path: Path) -> Path | None:
    return path.resolve() if path.is_dir() else None


async def _is_ignored(process: GitProcess, folder: Path) -> bool:
    asked = await process.run("check-ignore", "-q", ".", cwd=folder, env={"GIT_LITERAL_PATHSPECS": "0"}, accept=(0, 1))
    return asked.code == 0


def is_inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder)


def linked_checkouts(common_dir: Path) -> Iterator[Checkout]:
    """Every registered linked worktree, whether its folder still stands or not; read from git's own files."""
    for name, pointer in _registered(common_dir):
        git_dir = common_dir / "worktrees" / name
        yield Checkout(root=(git_dir / pointer).parent, git_dir=git_dir, common_dir=common_dir)


def _registered(common_dir: Path) -> Iterator[tuple[str, str]]:
    """The names under which git keeps linked worktrees, each with the path of the `.git` file that it leads to."""
    admin = f"{common_dir}/worktrees"
    try:
        names = sorted(entry.name for entry in os.scandir(admin))
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        with suppress(OSError):
            yield name, os.fsdecode(read_line(f"{admin}/{name}/gitdir"))


def read_line(path: str) -> bytes:
    """What a file of git's own holds, without the end of the line. They are short, and read before every step.

    Raises:
        OSError
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _LONGEST_POINTER).rstrip(b"\n")
    finally:
        os.close(descriptor)


def _named_by(common_dir: Path, folder: Path) -> tuple[Checkout, str] | None:
    """The worktree that the `.git` file in `folder` names, and the path of a `.git` file that git has for it."""
    pointer = folder / ".git"
    try:
        if not stat.S_ISREG(pointer.lstat().st_mode):
            return None
        git_dir = Path(os.fsdecode(read_line(str(pointer))).removeprefix("gitdir: "))
        if git_dir.parent != common_dir / "worktrees":
            return None
        registered = os.fsdecode(read_line(f"{git_dir}/gitdir"))
    except (OSError, ValueError):
        return None
    return Checkout(root=folder, git_dir=git_dir, common_dir=common_dir), registered


def find_linked(common_dir: Path, path: Path) -> Checkout | None:
    """The registered worktree at `path`."""
    wanted = path.parent.resolve() / path.name
    named = _named_by(common_dir, wanted)
    if named is not None and named[1] == f"{wanted}/.git":
        return named[0]
    for name, pointer in _registered(common_dir):
        if pointer.split("/")[-2:-1] != [wanted.name]:
            continue  # the last part is never followed as a link
        git_dir = common_dir / "worktrees" / name
        linked = Checkout(root=(git_dir / pointer).parent, git_dir=git_dir, common_dir=common_dir)
        if linked.root in (path, wanted) or linked.root.parent.resolve() / linked.root.name == wanted:
            return Checkout(root=wanted, git_dir=linked.git_dir, common_dir=common_dir)
    return None


def find_moved(common_dir: Path, path: Path) -> Checkout | None:
    """The worktree whose folder stands at `path` while git has it at a place where nothing stands any more."""
    named = _named_by(common_dir, path.parent.resolve() / path.name)
    if named is None:
        return None
    found, registered = named
    return None if os.path.lexists(found.git_dir / registered) else found
