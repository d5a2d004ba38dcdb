"""Ignore files: which paths the rules of `.gitignore` and `.equitrignore` take out. The rules are git's
(https://git-scm.com/docs/gitignore): the nearest file and its last matching line win, and nothing below an ignored
folder comes back.
"""

import re
import stat
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from equitr_coder.domain.frozen import frozen

OWN = ".equitrignore"
"""Beside git's own: what neither lists nor searches, nor the map of the repository, should show. Tracked files too."""
GITS = ".gitignore"
_LARGEST = 1_000_000
_POSIX = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "blank": " \\t", "cntrl": "\\x00-\\x1f\\x7f", "digit": "0-9",
    "graph": "!-~", "lower": "a-z", "print": " -~", "punct": "!-/:-@\\[-`{-~", "space": "\\s", "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}  # fmt: skip


@frozen
class Rule:
    matches: re.Pattern[str]
    """Against the path below the folder of the rule's file."""
    is_negated: bool
    is_for_folders: bool


class Ignores:
    """The ignore files of one tree, read as their folders are asked for. Good for one listing."""

    def __init__(self, root: Path, names: Iterable[str]) -> None:
        """`names` are the ignore files that count, the weakest first."""
        self._root = root
        self._names = tuple(names)
        self._rules: dict[str, tuple[tuple[str, tuple[Rule, ...]], ...]] = {}
        """Folder -> those on the way to it that have rules, the nearest first, each with what its paths begin with."""
        self._folders: dict[str, bool] = {"": False}

    def covers(self, path: str, *, is_folder: bool = False) -> bool:
        """Whether `path` (relative, `/`-separated) or a folder it lies in is ignored."""
        if is_folder:
            return self._covers_folder(path)
        folder = path.rpartition("/")[0]
        if not self._of(folder):
            return False  # as it is nearly everywhere
        return self._covers_folder(folder) or self._is_matched(path, folder, is_folder=False)

    def _covers_folder(self, path: str) -> bool:
        known = self._folders.get(path)
        if known is None:
            above = path.rpartition("/")[0]
            known = self._covers_folder(above) or self._is_matched(path, above, is_folder=True)
            self._folders[path] = known
        return known

    def _is_matched(self, path: str, folder: str, *, is_folder: bool) -> bool:
        for prefix, rules in self._of(folder):
            below = path[len(prefix) :]
            for rule in reversed(rules):
                if (is_folder or not rule.is_for_folders) and rule.matches.fullmatch(below):
                    return not rule.is_negated
        return False

    def _of(self, folder: str) -> tuple[tuple[str, tuple[Rule, ...]], ...]:
        chain = self._rules.get(folder)
        if chain is None:
            own = tuple(rule for name in self._names for rule in _read(self._root / folder / name))
            above = self._of(folder.rpartition("/")[0]) if folder else ()
            chain = ((f"{folder}/" if folder else "", own), *above) if own else above
            self._rules[folder] = chain
        return chain


def _read(path: Path) -> tuple[Rule, ...]:
    """A link is not followed, as in git: it might lead out of the tree."""
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST:
            return ()
        return parse_rules(path.read_text(encoding="utf-8", errors="surrogateescape").removeprefix("\ufeff"))
    except OSError:
        return ()


@lru_cache(maxsize=512)
def parse_rules(text: str) -> tuple[Rule, ...]:
    """The rules of one ignore file, in order."""
    return tuple(_parsed(text))


def _parsed(text: str) -> Iterator[Rule]:
    for line in text.split("\n"):
        pattern = re.sub(r"(?<!\\)((?:\\\\)*)[ ]+\Z", r"\1", line)
        if not pattern or pattern.startswith("#"):
            continue
        is_negated = pattern.startswith("!")
        pattern = pattern[1:] if is_negated else pattern
        is_for_folders = pattern.endswith("/")
        pattern = pattern[:-1] if is_for_folders else pattern
        if not pattern:
            continue
        is_anchored = "/" in pattern
        translated = _translate(pattern.removeprefix("/"))
        if translated is not None:
            matches = re.compile(translated if is_anchored else f"(?:.*/)?{translated}", re.DOTALL)
            yield Rule(matches, is_negated, is_for_folders)


def _translate(pattern: str) -> str | None:
    """None for one that matches nothing: it ends in a lone backslash, or in a set that is never closed."""
    out: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "*":
            end = at
            while end < len(pattern) and pattern[end] == "*":
                end += 1
            starts = at == 0 or pattern[at - 1] == "/"
            if end - at >= 2 and starts and pattern[end : end + 1] == "/":
                out.append("(?:.*/)?")
                end += 1
            elif end - at >= 2 and starts and end == len(pattern):
                out.append(".*")
            else:
                out.append("[^/]*")
            at = end
        elif char == "?":
            out.append("[^/]")
            at += 1
        elif char == "[":
            found = _set(pattern, at)
            if found is None:
                return None
            text, at = found
            out.append(text)
        elif char == "\\":
            if at + 1 == len(pattern):
                return None
            out.append(re.escape(pattern[at + 1]))
            at += 2
        else:
            out.append(re.escape(char))
            at += 1
    return "".join(out)


def _set(pattern: str, start: int) -> tuple[str, int] | None:
    """A bracket expression as a regular expression, and where it ends."""
    at = start + 1
    is_negated = pattern[at : at + 1] in ("!", "^") and at < len(pattern)
    at += is_negated
    inside: list[str] = []
    first = True
    while at < len(pattern) and (first or pattern[at] != "]"):
        first = False
        if pattern.startswith("[:", at) and (end := pattern.find(":]", at)) > 0:
            if pattern[at + 2 : end] not in _POSIX:
                return None
            inside.append(_POSIX[pattern[at + 2 : end]])
            at = end + 2
            continue
        low, at = _member(pattern, at)
        if pattern[at : at + 1] == "-" and pattern[at + 1 : at + 2] not in ("]", ""):
            high, at = _member(pattern, at + 1)
            if low <= high:
                inside.append(f"{re.escape(low)}-{re.escape(high)}")
        else:
            inside.append(re.escape(low))
    if at >= len(pattern):
        return None
    body = "".join(inside)
    if is_negated:
        return f"[^/{body}]", at + 1
    return f"(?!/)[{body}]" if body else "(?!)", at + 1


def _member(pattern: str, at: int) -> tuple[str, int]:
    if pattern[at] == "\\" and at + 1 < len(pattern):
        return pattern[at + 1], at + 2
    return pattern[at], at + 1
