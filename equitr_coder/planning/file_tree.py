"""The files and folders that a design names, and which of them a repository lacks. Pure; a reading aid, never a gate.

Read are drawn trees (`├── src/`, or names indented in a code block one of which ends in `/`) and code spans that are
paths beyond doubt: with a `/` inside, no placeholder, and a `/` or a file's extension at the end. The root of a tree
may be a folder of the repository or the repository's own name.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

from equitr_coder.domain.frozen import frozen
from equitr_coder.planning.markdown import lines_of

MOST = 20
_FENCE = re.compile(r"^\s*(`{3,}|~{3,})")
_BRANCH = re.compile(r"^(?P<lead>(?:[│|]?\s+|[│|])*)[├└+|`][─\-]{1,3}\s*(?P<name>\S.*)$")
_PLAIN = re.compile(r"^(?P<lead>\s*)(?P<name>\S.*)$")
_COMMENT = re.compile(r"(?:\s+(?:#|//|<-|←|—|–|-|:)|\s{2,}|\s*\().*$")
_NAME = re.compile(r"^[\w.@+*\[\]-]+(?:/[\w.@+*\[\]-]+)*/?$")
_EXTENSION = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,9}$")
_SPAN = re.compile(r"`([^`\n]+)`")
_WIDTH = 4
"""Columns of one level of a drawn tree."""


@frozen
class Named:
    path: str
    """A folder's ends in `/`."""
    root: str = ""
    """Where the tree that names it has a root of its own: the path may be meant from there."""


def named_paths(design: str) -> tuple[Named, ...]:
    """Every path the design names, in the document's order."""
    found: list[Named] = []
    text: list[str] = []
    block: list[str] = []
    fence = ""
    for line in lines_of(design):
        mark = _FENCE.match(line.text)
        if fence and mark and mark[1].startswith(fence):
            found += _tree(block)
            fence, block = "", []
        elif fence:
            block.append(line.text)
        elif mark:
            found += _tree(text) + _spans(text)
            fence, text = mark[1], []
        else:
            text.append(line.text)
    found += _tree(text) + _spans(text) + _tree(block)
    kept: dict[str, Named] = {}
    for named in found:
        if named.path not in kept or (named.root and not kept[named.path].root):
            kept[named.path] = named
    return tuple(kept.values())


def missing_paths(design: str, files: Sequence[str]) -> tuple[str, ...]:
    """What the design names and none of `files` (paths of a whole repository) is or lies in; the outermost alone of
    what is missing in one folder.
    """
    folders = {"/".join(path.split("/")[:depth]) for path in files for depth in range(1, path.count("/") + 1)}
    there = {*files, *folders}
    absent = [named.path for named in named_paths(design) if not _is_there(named, there)]
    outermost = [path for path in absent if not any(_lies_in(path, other) for other in absent)]
    if len(outermost) > MOST:
        return (*outermost[:MOST], f"and {len(outermost) - MOST} more")
    return tuple(outermost)


def _lies_in(path: str, folder: str) -> bool:
    return path != folder and path.startswith(f"{folder.rstrip('/')}/")


def _is_there(named: Named, there: set[str]) -> bool:
    path = named.path.rstrip("/")
    ways = [path, f"{named.root}/{path}"] if named.root else [path]
    if "*" in path or "[" in path:
        return any(fnmatchcase(other, way) for way in ways for other in there)
    return any(way in there for way in ways)


def _spans(lines: Iterable[str]) -> list[Named]:
    spans = (span.strip().removeprefix("./") for line in lines for span in _SPAN.findall(line))
    return [Named(span) for span in spans if _is_path(span)]


def _is_path(text: str) -> bool:
    inner = text.rstrip("/")
    is_certain = text.endswith("/") or ("/" in inner and _EXTENSION.search(inner) is not None)
    return _is_name(text) and is_certain and not text.startswith((".git/", "http"))


def _is_name(text: str) -> bool:
    """No placeholder, no ellipsis, nothing that leads out."""
    parts = text.rstrip("/").split("/")
    return _NAME.match(text) is not None and not any(set(part) <= {"."} for part in parts)


def _tree(lines: Sequence[str]) -> list[Named]:
    """The paths of the tree drawn in these lines; nothing when there is none."""
    entries = list(_entries(lines))
    if not entries:
        return []
    roots = [name for depth, name in entries if depth == 0]
    has_own_root = len(roots) == 1 and len(entries) > 1 and entries[0][0] == 0
    root = roots[0].rstrip("/") if has_own_root else ""
    paths: list[Named] = []
    above: list[str] = []
    for index, (depth, name) in enumerate(entries):
        above = [*above[:depth], name.rstrip("/")]
        is_folder = name.endswith("/") or (index + 1 < len(entries) and entries[index + 1][0] > depth)
        parts = above[1:] if has_own_root else above
        path = "/".join(part for part in parts if part not in ("", "."))
        if path and _is_name(path):
            paths.append(Named(f"{path}/" if is_folder else path, root))
    return paths


def _entries(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Depth and name of each line of the tree: 0 for what stands at the margin."""
    if any(_BRANCH.match(line) for line in lines):
        yield from _drawn(lines)
    else:
        yield from _indented(lines)


def _drawn(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    for index, line in enumerate(lines):
        match = _BRANCH.match(line)
        if match:
            name = _COMMENT.sub("", match["name"]).strip().strip("`*")
            yield 1 + len(match["lead"].replace("\t", " " * _WIDTH)) // _WIDTH, name
        elif index + 1 < len(lines) and _BRANCH.match(lines[index + 1]) and line.strip() and not line[:1].isspace():
            yield 0, _COMMENT.sub("", line).strip().strip("`*")


def _indented(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """A block of names alone, at least one of them a folder and one inside another; any other block is no tree."""
    names: list[tuple[int, str]] = []
    for line in lines:
        if not line.strip():
            continue
        match = _PLAIN.match(line)
        assert match is not None
        name = _COMMENT.sub("", match["name"]).strip()
        if not _is_name(name) or not (name.endswith("/") or "." in name):
            return
        names.append((len(match["lead"].replace("\t", " " * _WIDTH)), name))
    if not any(name.endswith("/") for _, name in names) or len({indent for indent, _ in names}) < 2:
        return
    open_indents: list[int] = []
    for indent, name in names:
        while open_indents and open_indents[-1] >= indent:
            open_indents.pop()
        yield len(open_indents), name
        open_indents.append(indent)
