"""Reads and writes trees and commits without touching any checkout."""

import os
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory

from equitr_coder.adapters.git.attributes import has_attributes
from equitr_coder.adapters.git.entries import (
    EXECUTABLE,
    REGULAR,
    SUBMODULE,
    Entry,
    changes_between,
    compare_trees,
    is_plain_path,
    put_entries,
    tree_entries,
)
from equitr_coder.adapters.git.failures import failure
from equitr_coder.adapters.git.identity import Identity
from equitr_coder.adapters.git.objects import is_full_id
from equitr_coder.adapters.git.runner import Git
from equitr_coder.domain.ids import CommitId, TreeId
from equitr_coder.ports import Clash, MergeForecast

_PATCH = ("--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/", "--submodule=short")


async def tree_of(git: Git, commit: str) -> TreeId:
    if (known := await git.objects.tree_of(commit)) is not None:
        return TreeId(known)
    return TreeId((await git.run("rev-parse", "--verify", "--end-of-options", f"{commit}^{{tree}}")).line)


async def commit_tree(
    git: Git,
    tree: str,
    *,
    parents: Sequence[str],
    message: str,
    identity: Identity,
    author: str | None = None,
    at: datetime | None = None,
) -> CommitId:
    """`at` is now when it is None."""
    if author is not None and (made := await _commit(git, tree, parents, message, identity, author, at)):
        return CommitId(made)
    arguments = ["commit-tree", tree]
    for parent in parents:
        arguments += ["-p", parent]
    env = identity.environment(author)
    if at is not None:
        env |= dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), f"@{_date(at)}")
    with NamedTemporaryFile(prefix="equitr-") as file:
        # Not by stdin: a git whose caller is killed would take what it has for the message, and commit that.
        file.write(message.encode() + b"\n")
        file.flush()
        return CommitId((await git.run(*arguments, "-F", file.name, env=env)).line)


async def _commit(
    git: Git,
    tree: str,
    parents: Sequence[str],
    message: str,
    identity: Identity,
    author: str,
    at: datetime | None,
) -> str | None:
    """The same commit, written by a git that stays; None for what that one does not look at as `commit-tree` does."""
    signed, date = identity.author(author), _date(at or datetime.now(UTC))
    if "\0" in message or " <" not in signed.lstrip(" ") or "<>" in signed or not is_full_id(tree):
        return None
    for named in (tree, *parents):
        if not is_full_id(named) or await git.objects.tree_of(named) is None:
            return None
    lines = [f"tree {tree}", *(f"parent {parent}" for parent in dict.fromkeys(parents))]
    lines += [f"author {signed} {date}", f"committer {identity.committer} {date}", "", message, ""]
    written = await git.objects.write("commit", os.fsencode("\n".join(lines)))
    if written is not None:
        git.objects.note_commit(written, tree)
    return written


def _date(at: datetime) -> str:
    """Seconds since 1970 and the distance from UTC, as a commit holds them."""
    return f"{int(at.timestamp())} {at.astimezone():%z}"


async def tree_with(git: Git, base: str, files: Mapping[str, bytes | None]) -> TreeId:
    """`base` with whole files put in or taken out.

    Raises:
        ValueError: a path that no tree can hold. Git itself would leave it out without a word.
    """
    if wrong := [path for path in files if not is_plain_path(path)]:
        raise ValueError(f"no path of a tree: {wrong[0]!r}")
    before = await tree_entries(git, base, files)
    with TemporaryDirectory(prefix="equitr-") as folder:
        blobs = await _write_blobs(git, Path(folder), [content for content in files.values() if content is not None])
        entries: dict[str, Entry | None] = {}
        for path, content in files.items():
            kept = before.get(path)
            entries[path] = None if content is None else Entry(kept.mode if kept else REGULAR, blobs[content])
        index = Path(folder) / "index"
        await git.run("read-tree", base, index=index)
        # Taking out what is not there is not an error to git, but `update-index` says so.
        await put_entries(git, index, {path: entry for path, entry in entries.items() if entry or path in before})
        return TreeId((await git.run("write-tree", index=index)).line)


async def mixed(git: Git, tree: str, other: str, *, paths: Collection[str]) -> TreeId:
    """`tree`, with `paths` as they are in `other`: content and mode, or not there."""
    there, wanted = await tree_entries(git, tree, paths), await tree_entries(git, other, paths)
    with TemporaryDirectory(prefix="equitr-") as folder:
        index = Path(folder) / "index"
        await git.run("read-tree", tree, index=index)
        entries = {path: wanted.get(path) for path in paths if path in there or path in wanted}
        await put_entries(git, index, entries)
        return TreeId((await git.run("write-tree", index=index)).line)


async def _write_blobs(git: Git, folder: Path, contents: Sequence[bytes]) -> dict[bytes, str]:
    """Content -> blob. The bytes are stored as they are: no filter, no line-end conversion."""
    distinct = list(dict.fromkeys(contents))
    if not distinct:
        return {}
    names = [folder / f"blob-{number}" for number in range(len(distinct))]
    for name, content in zip(names, distinct, strict=True):
        name.write_bytes(content)
    listed = "".join(f"{name}\n" for name in names).encode()
    said = await git.run("hash-object", "-w", "--no-filters", "--stdin-paths", stdin=listed)
    return dict(zip(distinct, said.line.split("\n"), strict=True))


async def forecast(git: Git, ours: str, theirs: str) -> MergeForecast:
    """What merging the two commits gives; nothing is checked out and no ref moves."""
    # A history that was rewritten from its first commit on has nothing in common with what was built on the old one.
    said = await git.run(
        "merge-tree", "--write-tree", "-z", "--no-messages", "--allow-unrelated-histories", ours, theirs, accept=(0, 1)
    )
    tree, *records = said.records or [""]
    if not tree:  # git says 1 for a conflict, and also for what is no commit
        raise failure(("merge-tree", ours, theirs), said.code, said.stderr, git.checkout.root)
    if said.code == 0:
        return MergeForecast(tree=TreeId(tree))
    clashes = _clashes(records)
    conflicts = tuple(dict.fromkeys(_as_named(clash.path, (ours, theirs)) for clash in clashes))
    return MergeForecast(tree=None, conflicts=conflicts, marked_tree=TreeId(tree), clashes=clashes)


def _as_named(path: str, sides: Sequence[str]) -> str:
    """Where a file and a folder have one name, git puts the file beside it, with `~` and the commit."""
    found = next((f"~{side}" for side in sides if f"~{side}" in path), None)
    return path.partition(found)[0] if found is not None else path


def _clashes(records: Sequence[str]) -> tuple[Clash, ...]:
    """From lines of an index with stages: 1 is the base, 2 ours, 3 theirs."""
    sides: dict[str, dict[str, Entry]] = {}
    for record in records:
        about, _, path = record.partition("\t")
        mode, blob, stage = about.split(" ")
        sides.setdefault(path, {})[stage] = Entry(mode, blob)
    found: list[Clash] = []
    for path, entries in sides.items():
        base, ours, theirs = (entries[stage].blob if stage in entries else None for stage in "123")
        is_plain = all(entry.mode in (REGULAR, EXECUTABLE) for entry in entries.values())
        found.append(Clash(path, base, ours, theirs, is_plain))
    return tuple(found)


async def changed(git: Git, old: str, new: str) -> dict[str, str]:
    def word(is_old: bool, is_new: bool) -> str:
        return "modified" if is_old and is_new else "created" if is_new else "deleted"

    found = await changes_between(git, old, new)
    return {path: word(change.old is not None, change.new is not None) for path, change in found.items()}


async def file_changes(git: Git, old: str, new: str) -> dict[str, tuple[str, int, int]]:
    """Path -> created, modified or deleted; lines added and removed; (0, 0) for binary files."""
    if (counted := await _counted(git, old, new)) is not None:
        return counted
    said = await git.run("diff-tree", "-r", "-z", "--raw", "--numstat", "--no-renames", *_PATCH[:2], old, new)
    found: dict[str, tuple[str, int, int]] = {}
    records = iter(said.records)
    for record in records:
        if record.startswith(":"):
            letter = record.rpartition(" ")[2]
            found[next(records)] = ({"A": "created", "D": "deleted"}.get(letter, "modified"), 0, 0)
        else:
            added, removed, path = record.split("\t", 2)
            if added != "-":
                found[path] = (found[path][0], int(added), int(removed))
    return found


_FEW = 50
_BINARY_HEAD = 8000
"""Bytes in which git looks for a NUL (`buffer_is_binary` in its xdiff-interface.c)."""


async def _counted(git: Git, old: str, new: str) -> dict[str, tuple[str, int, int]] | None:
    """The same of a few files that came or went, whose lines need no comparison; None where git must count."""
    changes = await compare_trees(git, old, new)
    if changes is None or len(changes) > _FEW:
        return None
    entries: dict[str, Entry] = {}
    for path, change in changes.items():
        entry = change.new or change.old
        if entry is None or (change.old and change.new) or entry.mode not in (REGULAR, EXECUTABLE):
            return None
        entries[path] = entry
    if has_attributes(git.checkout, await git.configuration(), entries):
        return None
    read = await git.objects.read([entry.blob for entry in entries.values()])
    if read is None:
        return None
    found: dict[str, tuple[str, int, int]] = {}
    for path, blob in zip(entries, read, strict=True):
        if blob is None:
            return None
        lines = _lines(blob.content)
        found[path] = ("created", lines, 0) if changes[path].new else ("deleted", 0, lines)
    return found


def _lines(content: bytes) -> int:
    if b"\0" in content[:_BINARY_HEAD]:
        return 0
    return content.count(b"\n") + (bool(content) and not content.endswith(b"\n"))


async def diff(git: Git, old: str, new: str, *, paths: Sequence[str]) -> str:
    said = await git.run("diff-tree", "-p", "-r", "-M", *_PATCH, old, new, "--", *paths)
    return said.stdout.decode("utf-8", "replace")


async def show_file(git: Git, tree: str, path: str) -> bytes | None:
    """Bytes as stored; None for a path that is no file of the tree."""
    entry = (await tree_entries(git, tree, (path,))).get(path)
    return None if entry is None or entry.mode == SUBMODULE else await read_blob(git, entry.blob)


async def read_blob(git: Git, blob: str) -> bytes:
    if is_full_id(blob):
        [found] = await git.objects.read([blob]) or [None]
        if found is not None and found.kind == "blob":
            return found.content
    return (await git.run("cat-file", "blob", blob)).stdout


async def list_tree(git: Git, tree: str) -> list[str]:
    return [path for path, entry in (await tree_entries(git, tree)).items() if entry.mode != SUBMODULE]
