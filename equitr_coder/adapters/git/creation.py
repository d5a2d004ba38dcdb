"""Makes a repository of a plain folder, gives an empty one its first commit, and keeps a shadow for a folder that
must stay plain.
"""

from pathlib import Path

from equitr_coder.adapters.git.checkout import Checkout, folder_key
from equitr_coder.adapters.git.identity import find_identity
from equitr_coder.adapters.git.process import GitProcess
from equitr_coder.adapters.git.runner import Git
from equitr_coder.adapters.git.snapshots import Snapshots
from equitr_coder.adapters.git.trees import commit_tree
from equitr_coder.domain.errors import UserError

_NEVER_COMMITTED = ("node_modules/", ".venv/", "venv/", "__pycache__/", "*.py[co]", ".env", ".DS_Store")
"""Dependencies, caches and secrets of a folder that has no `.gitignore` yet; they go into `.git/info/exclude`."""


def refuse_home(process: GitProcess, root: Path) -> None:
    """A repository (or a checkpoint) of the home folder, or of one that holds it, would take everything in."""
    home = process.home
    here = root.resolve()
    if here == Path(here.anchor) or (home is not None and home.is_relative_to(here)):
        raise UserError(
            f"{here} is no project folder.", hint="Start in the folder of one project, or name it with --repo."
        )


async def create_repository(process: GitProcess, root: Path) -> None:
    refuse_home(process, root)
    _make_folder(root)
    configured = await process.run("config", "--get", "init.defaultBranch", cwd=root, accept=(0, 1))
    named = () if configured.line else (("init.defaultBranch", "main"),)
    await process.run("init", "--quiet", cwd=root, config=named)
    _exclude(root / ".git")


async def make_first_commit(git: Git, snapshots: Snapshots) -> None:
    """The files that are there, ignored ones excepted, on the branch that has no commit yet."""
    refuse_home(git.process, git.checkout.root)
    tree = await snapshots.take(git, is_ours=False)
    identity = await find_identity(git)
    commit = await commit_tree(git, tree, parents=(), message="Initial commit", identity=identity)
    # The index first: killed in between, the files are merely staged and the next call commits them.
    await git.run("read-tree", tree)
    await git.run("update-index", "-q", "--refresh", accept=(0, 1))
    nothing = (await git.configuration()).null_id
    await git.run("update-ref", "-m", "commit (initial): Initial commit", "HEAD", commit, nothing)


async def open_shadow(process: GitProcess, root: Path, *, home: Path) -> Git:
    """A git directory of ours for a folder that has none: for checkpoints and diffs, never for landings."""
    refuse_home(process, root)
    checkout = shadow_of(root, home)
    git_dir = checkout.git_dir
    if not (git_dir / "HEAD").exists():
        _make_folder(git_dir)
        await process.run("init", "--quiet", "--template=", cwd=root, env=checkout.environment)
        _exclude(git_dir)
    return Git(process, checkout)


def shadow_of(root: Path, home: Path) -> Checkout:
    git_dir = home / "git" / folder_key(root) / "shadow.git"
    return Checkout(root=root.resolve(), git_dir=git_dir, common_dir=git_dir)


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path} cannot be made: {error.strerror}.", hint="Choose another folder.") from error


def _exclude(git_dir: Path) -> None:
    exclude = git_dir / "info" / "exclude"
    exclude.parent.mkdir(exist_ok=True)
    with exclude.open("a") as writing:
        writing.writelines(f"{pattern}\n" for pattern in _NEVER_COMMITTED)
