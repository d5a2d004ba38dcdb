"""`ports.Repository` over git: finds the checkout once, then hands each question to the module that answers it."""

import shlex
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path

from equitr_coder.adapters.git import blame, inspection, refs, trees
from equitr_coder.adapters.git.checkout import Checkout, Found, find_checkout, find_linked, is_inside, mark
from equitr_coder.adapters.git.creation import create_repository, make_first_commit, open_shadow, shadow_of
from equitr_coder.adapters.git.files import FileOps
from equitr_coder.adapters.git.identity import Identity, find_identity
from equitr_coder.adapters.git.ignored_files import IgnoredSnapshots
from equitr_coder.adapters.git.intent import Journal
from equitr_coder.adapters.git.known_files import KnownFiles
from equitr_coder.adapters.git.known_objects import KnownObjects
from equitr_coder.adapters.git.landing import Landings
from equitr_coder.adapters.git.meter import measured
from equitr_coder.adapters.git.process import GitProcess
from equitr_coder.adapters.git.reversal import take_back
from equitr_coder.adapters.git.runner import Git
from equitr_coder.adapters.git.snapshots import Snapshots
from equitr_coder.adapters.git.worktrees import Worktrees, is_made_by_us
from equitr_coder.adapters.git.writable import check_writable
from equitr_coder.domain.errors import UserError
from equitr_coder.domain.ids import CommitId, RunId, TreeId
from equitr_coder.ports import Blamed, GitTime, IgnoredFiles, Landing, MergeForecast, RepoState


async def open_repository(root: Path, *, home: Path, store: Journal, shadow_ok: bool) -> "GitRepository":
    """The repository `root` lies in. With `shadow_ok` a plain folder is served too, from a git directory under `home`:
    snapshots, differences and `restore_files` work there, and the folder gets no `.git`. The shadow is made when it is
    first needed; the home folder gets none (`UserError` then).

    Raises:
        UserError: it is broken, bare or not trusted; or a plain folder without `shadow_ok`.
    """
    repository = GitRepository(root, home=home, store=store, shadow_ok=shadow_ok)
    await repository.find()
    return repository


class GitRepository:
    def __init__(
        self,
        root: Path,
        *,
        home: Path,
        store: Journal,
        git: GitProcess | None = None,
        files: FileOps | None = None,
        shadow_ok: bool = False,
    ) -> None:
        self._root = root.absolute()
        self._home = home.resolve()
        self._process = git or GitProcess()
        self._files = files or FileOps()
        self._shadow_ok = shadow_ok
        known = KnownFiles(self._home)
        self._snapshots = Snapshots(self._home, known)
        self._ignored = IgnoredSnapshots(self._home)
        self._worktrees = Worktrees(self._home, known, self._files)
        self._landings = Landings(home=self._home, journal=store, files=self._files)
        self._known = KnownObjects()
        self._opened: Git | None = None
        self._last: tuple[Checkout, tuple[object, ...]] | None = None
        self._identity: Identity | None = None
        self._is_new_enough = False

    @property
    def root(self) -> Path:
        """Top of the checkout once it is found; of a plain folder the folder."""
        return self._opened.checkout.root if self._opened is not None else self._root

    async def find(self) -> Git | None:
        """The real repository; None for a plain folder that may have a shadow."""
        if self._opened is None:
            self._opened = await self._find()
        if self._opened is None and not self._shadow_ok:
            raise _no_repository(self._root)
        return self._opened

    async def open(self) -> Git:
        """The repository or the shadow; the same one from then on."""
        if self._opened is None:
            self._opened = await self.find() or await open_shadow(self._process, self._root, home=self._home)
        return self._opened

    async def inspect(self) -> RepoState:
        if self._root.is_dir() and not self._is_new_enough:
            await inspection.check_version(self._process, self._root)
            self._is_new_enough = True
        found = await self._look()
        if found.bare_dir:
            return inspection.bare_repository(self._root)
        if found.checkout is None:
            return inspection.plain_folder(self._root)
        if self._opened is None or self._opened.checkout != found.checkout:
            self._opened = Git(self._process, found.checkout)
        state = await inspection.inspect(self._opened, hidden=self._home)
        self._identity = None  # somebody may have configured one meanwhile
        return state

    async def ensure(self) -> RepoState:
        state = await self.inspect()
        if state.is_bare:
            raise _bare(self._root)
        if not state.is_repository:
            await create_repository(self._process, self._root)
            state = await self.inspect()
        if state.has_commits:
            return state
        await make_first_commit(await self.open(), self._snapshots)
        return await self.inspect()

    async def resolve(self, ref: str) -> CommitId | None:
        return await refs.resolve(await self.open(), ref)

    async def tree_of(self, commit: CommitId) -> TreeId:
        return await self._known.tree_of(await self.open(), commit)

    async def add_worktree(self, path: Path, commit: CommitId) -> None:
        git = await self._open_real()
        tree = await self._known.tree_of(git, commit)
        await self._worktrees.add(git, path, commit, tree)

    async def move_worktree(self, old: Path, new: Path) -> bool:
        return await self._worktrees.move(await self._open_real(), old, new)

    async def take_up_worktree(self, path: Path, commit: CommitId) -> bool:
        return await self._worktrees.take_up(await self._open_real(), path, commit)

    async def remove_worktree(self, path: Path) -> None:
        await self._worktrees.remove(await self._open_real(), path)

    async def forget_worktrees(self, folder: Path) -> None:
        await self._worktrees.forget(await self._open_real(), folder)

    async def snapshot(self, root: Path, *, also: Collection[str] = ()) -> TreeId:
        git, is_ours = await self._at(root)
        return await self._snapshots.take(git, is_ours=is_ours, also=also)

    async def ignored(self, root: Path, paths: Collection[str]) -> Collection[str]:
        git, _ = await self._at(root)
        return await inspection.ignored(git, paths)

    async def ignored_files(self, root: Path) -> IgnoredFiles:
        git, _ = await self._at(root)
        return await self._ignored.take(git)

    async def restore(self, root: Path, tree: TreeId) -> None:
        await self._snapshots.restore(await self._at_ours(root), tree)

    async def put_back(self, root: Path, before: TreeId, paths: Collection[str]) -> TreeId:
        """In a worktree of ours: make `paths` what they are in `before` (content, mode, or absent), leave everything
        else as it stands. Returns the tree of the files then.
        """
        git = await self._at_ours(root)
        now = await self._snapshots.take(git, is_ours=True, by_index=True)
        await self._snapshots.change(git, await trees.mixed(git, now, before, paths=paths))
        return await self._snapshots.take(git, is_ours=True)

    async def commit_tree(
        self,
        tree: TreeId,
        parents: Sequence[CommitId],
        message: str,
        *,
        author: str | None = None,
        at: datetime | None = None,
    ) -> CommitId:
        git = await self.open()
        if self._identity is None:
            self._identity = await find_identity(git)
        commit = await trees.commit_tree(
            git, tree, parents=parents, message=message, identity=self._identity, author=author, at=at
        )
        self._known.note_commit(commit, tree, parents)
        return commit

    async def tree_with(self, base: TreeId, files: Mapping[str, bytes | None]) -> TreeId:
        return await trees.tree_with(await self.open(), base, files)

    async def mixed(self, tree: TreeId, other: TreeId | CommitId, paths: Collection[str]) -> TreeId:
        return await trees.mixed(await self.open(), tree, other, paths=paths)

    async def forecast(self, ours: CommitId, theirs: CommitId) -> MergeForecast:
        return await self._known.forecast(await self.open(), ours, theirs)

    async def move_ref(self, ref: str, new: CommitId, old: CommitId | None) -> bool:
        return await refs.move_ref(await self.open(), ref, new, old=old)

    async def keep(self, ref: str, object_id: TreeId | CommitId) -> None:
        await refs.keep(await self.open(), ref, object_id)

    async def delete_refs(self, refs_: Collection[str]) -> None:
        await refs.delete_refs(await self.open(), refs_)

    async def kept_by_alone(self, refs_: Collection[str]) -> Sequence[tuple[CommitId, str]]:
        return await refs.kept_by_alone(await self.open(), refs_)

    async def size_kept_by_alone(self, refs_: Collection[str]) -> int | None:
        return await refs.size_kept_by_alone(await self.open(), refs_)

    async def refs(self, prefix: str) -> Mapping[str, CommitId]:
        return await refs.refs_below(await self.open(), prefix)

    async def changed(self, old: TreeId | CommitId, new: TreeId | CommitId) -> Mapping[str, str]:
        return await self._known.changed(await self.open(), old, new)

    async def file_changes(self, old: TreeId | CommitId, new: TreeId | CommitId) -> Mapping[str, tuple[str, int, int]]:
        """Path -> `created`, `modified` or `deleted`, lines added, lines removed; binary files count as (0, 0)."""
        return await trees.file_changes(await self.open(), old, new)

    async def diff(self, old: TreeId | CommitId, new: TreeId | CommitId, *, paths: Sequence[str] = ()) -> str:
        return await self._known.diff(await self.open(), old, new, paths)

    async def blame(self, path: str, line: int) -> Blamed:
        return await blame.blame(await self.open(), path, line)

    async def show_file(self, tree: TreeId | CommitId, path: str) -> bytes | None:
        return await trees.show_file(await self.open(), tree, path)

    async def read_blob(self, blob: str) -> bytes:
        return await trees.read_blob(await self.open(), blob)

    async def list_tree(self, tree: TreeId | CommitId) -> Sequence[str]:
        return await self._known.listed(await self.open(), tree)

    async def status_text(self, root: Path) -> str:
        git, _ = await self._at(root)
        return await inspection.status_text(git)

    async def land(self, run: RunId, branch: str, old: CommitId, new: CommitId) -> Landing:
        return await self._landings.land(await self._open_real(), run=run, branch=branch, old=old, new=new)

    async def recover_landings(self) -> Sequence[str]:
        git = await self._find()
        if git is None:
            return ()
        check_writable(git.checkout)  # neither a landing nor anything else of ours could be finished there
        return await self._landings.recover(git)

    async def restore_files(self, from_tree: TreeId, to_tree: TreeId, root: Path) -> Sequence[str]:
        git, is_ours = await self._at(root)
        return await take_back(git, self._files, self._snapshots, from_tree=from_tree, to_tree=to_tree, is_ours=is_ours)

    def close(self) -> None:
        """End the git processes that stay; what is asked afterwards starts them again."""
        if self._opened is not None:
            self._opened.close()

    def git_dir(self) -> Path:
        """Of the repository as last found; where the shadow is, or would be, when there was none."""
        if self._opened is None:
            return shadow_of(self._root, self._home).common_dir
        return self._opened.checkout.common_dir

    def measured(self) -> AbstractContextManager[GitTime]:
        return measured()

    async def _open_real(self) -> Git:
        """As `open`, and never the shadow."""
        git = await self.open()
        if git.checkout.git_dir.is_relative_to(self._home / "git"):
            raise _no_repository(self._root)
        return git

    async def _look(self) -> Found:
        """Every start asks three times within milliseconds."""
        last = self._last
        if last is None or last[1] != mark(self._root, last[0]):
            found = await find_checkout(self._process, self._root)
            self._last = (found.checkout, mark(self._root, found.checkout)) if found.checkout else None
            return found
        return Found(last[0])

    async def _find(self) -> Git | None:
        found = await self._look()
        if found.bare_dir:
            raise _bare(self._root)
        return Git(self._process, found.checkout) if found.checkout else None

    async def _at(self, root: Path) -> tuple[Git, bool]:
        """Git bound to the checkout at `root`, and whether that is a worktree of ours."""
        git = await self.open()
        if linked := find_linked(git.checkout.common_dir, root):
            return git.at(linked), is_made_by_us(linked)
        if is_inside(root, git.checkout.root):
            return git, False
        raise UserError(f"{root} is no checkout of {git.checkout.root}.", hint="It may have been removed; start again.")

    async def _at_ours(self, root: Path) -> Git:
        git, is_ours = await self._at(root)
        if not is_ours:
            raise UserError(f"{root} is no worktree of ours.", hint="Use `restore_files` in the user's checkout.")
        return git


def _no_repository(root: Path) -> UserError:
    return UserError(f"{root} is no git repository.", hint=f"Make it one: git init {shlex.quote(str(root))}")


def _bare(root: Path) -> UserError:
    return UserError(f"{root} is a bare repository: it has no files.", hint="Clone it and work in the clone.")
