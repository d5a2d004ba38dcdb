"""Objects read by one `git cat-file --batch` that stays and written by one `git hash-object` for each kind. Trees that
were read are kept: an object never changes.

Everything here may answer None, "git itself must be asked": an object that is missing or damaged, a tree too large to
be read piece by piece. A command of its own then answers, or says what is wrong.
"""

import os
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from tempfile import NamedTemporaryFile
from typing import NamedTuple

from equitr_coder.adapters.git.resident import LONGEST, EndedError, Resident
from equitr_coder.domain.frozen import frozen

_FULL_ID = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})")
_AT_ONCE = 500
"""Objects asked for in one request."""
_MOST_COMMITS = 1000
_MOST_ENTRIES = 50_000
"""Of all trees that are kept; about 10 MB."""

READING = ("cat-file", "--batch")


def writing(kind: str) -> tuple[str, ...]:
    return ("hash-object", "-t", kind, "-w", "--no-filters", "--stdin-paths")


@frozen
class Object:
    kind: str
    """`commit`, `tree`, `blob` or `tag`."""
    content: bytes


class Node(NamedTuple):
    """An entry of one tree. `mode` as git shows it: six digits, and for a folder `040000`."""

    mode: str
    object_id: str

    @property
    def is_folder(self) -> bool:
        return self.mode == "040000"


Tree = Mapping[bytes, Node]
"""Name -> entry, of one folder."""


def is_full_id(name: str) -> bool:
    return _FULL_ID.fullmatch(name) is not None


class Objects:
    """Of one repository."""

    def __init__(self, resident: Callable[..., Awaitable[Resident]]) -> None:
        """`resident` gives the git that stays with the given arguments."""
        self._resident = resident
        self._trees: dict[str, Tree] = {}
        self._entries = 0
        self._of_commits: dict[str, str] = {}

    async def read(self, ids: Sequence[str], *, most: int | None = None) -> Sequence[Object | None] | None:
        """The objects with these full ids, each None where there is none of that id; None when git could not say, or
        when they are more than `most` bytes together.
        """
        found: list[Object | None] = []
        step = min(_AT_ONCE, LONGEST // 65)
        for begin in range(0, len(ids), step):
            wanted = ids[begin : begin + step]
            answer = _Batch(len(wanted), most)
            try:
                await (await self._resident(*READING)).ask("".join(f"{one}\n" for one in wanted).encode(), answer)
            except (EndedError, _UnknownAnswerError, _TooMuchError):
                return None
            found += answer.objects
            most = answer.most
        return found

    async def write(self, kind: str, content: bytes) -> str | None:
        """The id of the object with this content, which is there now, though nothing names it yet."""
        answer = _Line()
        try:
            with NamedTemporaryFile(prefix="equitr-") as file:
                file.write(content)
                file.flush()
                await (await self._resident(*writing(kind))).ask(f"{file.name}\n".encode(), answer)
        except (EndedError, OSError):
            return None
        return answer.text

    async def write_tree(self, tree: Tree) -> str | None:
        content = b"".join(
            b"%b %b\0%b" % (node.mode.lstrip("0").encode(), name, bytes.fromhex(node.object_id))
            for name, node in sorted(tree.items(), key=lambda item: item[0] + b"/" * item[1].is_folder)
        )
        written = await self.write("tree", content)
        if written is not None:
            self._remember(written, tree)
        return written

    async def tree_of(self, object_id: str) -> str | None:
        """The id of the tree that a commit names, or of the tree itself."""
        if object_id in self._trees:
            return object_id
        if object_id in self._of_commits:
            return self._of_commits[object_id]
        if not is_full_id(object_id):
            return None
        [found] = await self.read([object_id]) or [None]
        if found is None:
            return None
        if found.kind == "tree":
            self._keep(object_id, found)
            return object_id
        named = re.match(rb"tree ([0-9a-f]+)\n", found.content) if found.kind == "commit" else None
        if named is None:
            return None
        self.note_commit(object_id, named[1].decode())
        return self._of_commits[object_id]

    def note_commit(self, commit: str, tree: str) -> None:
        self._of_commits[commit] = tree
        if len(self._of_commits) > _MOST_COMMITS:
            del self._of_commits[next(iter(self._of_commits))]

    async def trees(self, ids: Collection[str]) -> Mapping[str, Tree] | None:
        """All of them, or None."""
        known = {one: self._trees[one] for one in ids if one in self._trees}
        missing = [one for one in dict.fromkeys(ids) if one not in known]
        if missing:
            read = await self.read(missing)
            if read is None:
                return None
            for one, found in zip(missing, read, strict=True):
                if found is None or found.kind != "tree":
                    return None
                known[one] = self._keep(one, found)
        return known

    def _keep(self, object_id: str, found: Object) -> Tree:
        tree = _parse(found.content, len(object_id) // 2)
        self._remember(object_id, tree)
        return tree

    def _remember(self, object_id: str, tree: Tree) -> None:
        if object_id in self._trees:
            return
        self._trees[object_id] = tree
        self._entries += len(tree)
        while self._entries > _MOST_ENTRIES and len(self._trees) > 1:
            self._entries -= len(self._trees.pop(next(iter(self._trees))))


class _UnknownAnswerError(Exception):
    pass


class _TooMuchError(Exception):
    pass


class _Batch:
    """Implements `resident.Answer`: for each `ID KIND SIZE`, the content and a line end, or `ID missing`."""

    def __init__(self, count: int, most: int | None) -> None:
        """`most` bytes may come."""
        self.most = most
        self._left = count
        self._buffer = bytearray()
        self._head: tuple[str, int] | None = None
        self.objects: list[Object | None] = []

    def add(self, data: bytes) -> bool:
        self._buffer += data
        while self._left and self._take():
            self._left -= 1
        return not self._left

    def _take(self) -> bool:
        if self._head is None:
            end = self._buffer.find(b"\n")
            if end < 0:
                return False
            words = self._buffer[:end].decode("ascii", "replace").split(" ")
            del self._buffer[: end + 1]
            if words[1:] == ["missing"]:
                self.objects.append(None)
                return True
            if len(words) != 3 or not words[2].isdigit():
                raise _UnknownAnswerError
            self._head = (words[1], int(words[2]))
            if self.most is not None:
                self.most -= self._head[1]
                if self.most < 0:
                    raise _TooMuchError
        kind, size = self._head
        if len(self._buffer) <= size:
            return False
        self.objects.append(Object(kind, bytes(self._buffer[:size])))
        del self._buffer[: size + 1]
        self._head = None
        return True


class _Line:
    """Implements `resident.Answer`."""

    def __init__(self) -> None:
        self.text = ""

    def add(self, data: bytes) -> bool:
        self.text += data.decode("ascii", "replace")
        is_whole = self.text.endswith("\n")
        self.text = self.text.rstrip("\n")
        return is_whole


def _parse(content: bytes, id_size: int) -> Tree:
    """Entries are `MODE NAME`, a NUL and the id in binary (gitformat-pack, "tree objects")."""
    found: dict[bytes, Node] = {}
    at = 0
    while at < len(content):
        space = content.index(b" ", at)
        end = content.index(b"\0", space)
        mode = content[at:space].decode("ascii")
        at = end + 1 + id_size
        found[content[space + 1 : end]] = Node(_shown(mode), content[end + 1 : at].hex())
    return found


def _shown(mode: str) -> str:
    """As git's own commands show modes, also those that other programs wrote (`canon_mode` in git's cache.h)."""
    number = int(mode, 8)
    match number & 0o170000:
        case 0o100000:
            return "100755" if number & 0o100 else "100644"
        case 0o120000:
            return "120000"
        case 0o040000:
            return "040000"
    return "160000"


def path_of(folder: bytes, name: bytes) -> str:
    return os.fsdecode(folder + name)
