"""What an entry of a footprint covers, and whether two entries can cover the same path. Exact: no sampling.

An entry is a path, a folder (all that is below it), or a glob: `*` and `?` stay within one folder, `**` does not,
`[a-z]` and `[!a-z]` are one character, or stand for themselves: `app/[id]/page.tsx` also names the file of that name.
`.`, `*` and `**` alone are everything.
"""

import re
from collections import deque
from collections.abc import Collection, Iterator
from functools import lru_cache
from posixpath import normpath

from equitr_coder.domain.frozen import frozen

_EVERYTHING = frozenset({".", "**", "*"})
_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[[^\]]+\]|.", re.DOTALL)
_MAGIC = re.compile(r"[*?\[]")
_SLASH = ord("/")
_LAST = 0x10FFFF

Characters = tuple[tuple[int, int], ...]
"""A set of characters: sorted ranges of code points that do not overlap, both ends included."""

_ANY: Characters = ((0, _LAST),)
_IN_NAME: Characters = ((0, _SLASH - 1), (_SLASH + 1, _LAST))


def covers(entry: str, path: str) -> bool:
    """Whether an entry covers `path`, which is relative and in its normal form."""
    clean = normal(entry)
    if clean in _EVERYTHING or (_is_name(clean) and (path == clean or path.startswith(f"{clean}/"))):
        return True
    return is_glob(clean) and _expression(clean).fullmatch(path) is not None


def is_glob(entry: str) -> bool:
    return _MAGIC.search(entry) is not None


def _is_name(entry: str) -> bool:
    """Whether a file or folder may be called so; with a star or a question mark it is a pattern and nothing else."""
    return "*" not in entry and "?" not in entry


@lru_cache(maxsize=8192)
def normal(entry: str) -> str:
    return normpath(entry.strip())


def meet(one: str, other: str, *, without: Collection[str] = ()) -> bool:
    """Whether some path is covered by both entries and is neither in `without` nor below one of its paths."""
    mine, theirs = normal(one), normal(other)
    if not without and _fixed(mine) == mine and mine == theirs:
        return True
    if not _may_meet(_fixed(mine), _fixed(theirs)):
        return False
    return _have_common_path(mine, theirs, frozenset(map(normal, without)))


@lru_cache(maxsize=8192)
def _fixed(clean: str) -> str:
    """What every covered path begins with."""
    if clean in _EVERYTHING:
        return ""
    magic = _MAGIC.search(clean)
    return clean[: magic.start()] if magic is not None else clean


def _may_meet(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


@lru_cache(maxsize=65_536)
def _have_common_path(one: str, other: str, without: frozenset[str]) -> bool:
    """A walk through both automata at once. Beside their states it keeps whether a name begins here (no path has an
    empty name), and what has been read as long as that begins a path of `without`.
    """
    mine, theirs = _automaton(one), _automaton(other)
    start = [(a, b, True, "" if without else None) for a in mine.starts for b in theirs.starts]
    seen, queue = set(start), deque(start)
    while queue:
        here, there, at_name, read = queue.popleft()
        if not at_name and here in mine.ends and there in theirs.ends and read not in without:
            return True
        for characters, next_here in mine.steps[here]:
            for others, next_there in theirs.steps[there]:
                for is_slash, now in _readings(_common(characters, others), read, without):
                    if is_slash and (at_name or read in without):
                        continue
                    state = (next_here, next_there, is_slash, now)
                    if state not in seen:
                        seen.add(state)
                        queue.append(state)
    return False


def _readings(characters: Characters, read: str | None, without: frozenset[str]) -> Iterator[tuple[bool, str | None]]:
    """What one more character of these can lead to: whether it is a slash, and what has been read then."""
    following: set[str] = set()
    if read is not None:
        following = {path[len(read)] for path in without if len(path) > len(read) and path.startswith(read)}
        for character in following:
            if _holds(characters, ord(character)):
                yield character == "/", f"{read}{character}"
    if _holds(characters, _SLASH) and "/" not in following:
        yield True, None
    taken = {ord(character) for character in following} | {_SLASH}
    if any(high - low + 1 > sum(low <= code <= high for code in taken) for low, high in characters):
        yield False, None


# ---------------------------------------------------------------- one entry as an automaton


@frozen
class _Automaton:
    """States are numbers. A path is covered when its characters lead from a start to an end."""

    steps: tuple[tuple[tuple[Characters, int], ...], ...]
    starts: tuple[int, ...]
    ends: frozenset[int]


class _States:
    """An automaton while it is built; `skips` are steps that read nothing."""

    def __init__(self) -> None:
        self.steps: list[list[tuple[Characters, int]]] = []
        self.skips: list[list[int]] = []

    def add(self) -> int:
        self.steps.append([])
        self.skips.append([])
        return len(self.steps) - 1

    def spell(self, here: int, text: str) -> int:
        """A way from `here` that reads exactly this; returns its end."""
        for character in text:
            after = self.add()
            self.steps[here].append((_one(character), after))
            here = after
        return here

    def finish(self, starts: Collection[int], ends: Collection[int]) -> _Automaton:
        reached = [self._reach(state) for state in range(len(self.steps))]
        return _Automaton(
            steps=tuple(tuple(dict.fromkeys(s for state in states for s in self.steps[state])) for states in reached),
            starts=tuple(starts),
            ends=frozenset(state for state, states in enumerate(reached) if states & set(ends)),
        )

    def _reach(self, state: int) -> set[int]:
        found, queue = {state}, [state]
        while queue:
            for after in self.skips[queue.pop()]:
                if after not in found:
                    found.add(after)
                    queue.append(after)
        return found


@lru_cache(maxsize=4096)
def _automaton(clean: str) -> _Automaton:
    states = _States()
    starts, ends = [states.add()], []
    if clean in _EVERYTHING:
        states.steps[0].append((_ANY, 0))
        return states.finish(starts, starts)
    if _is_name(clean):
        ends += [states.spell(0, clean), below := states.spell(0, f"{clean}/")]
        states.steps[below].append((_ANY, below))
    if not is_glob(clean):
        return states.finish(starts, ends)
    here = states.add()
    starts.append(here)
    for token in _tokens(clean):
        after = states.add()
        if not token.repeats:
            states.steps[here].append((token.characters, after))
            if token.spelled:
                states.skips[states.spell(here, token.spelled)].append(after)
        elif token.is_folders:
            states.skips[here].append(after)
            inside = states.add()
            states.skips[here].append(inside)
            states.steps[inside] += [(_ANY, inside), (_one("/"), after)]
        else:
            states.steps[here].append((token.characters, here))
            states.skips[here].append(after)
        here = after
    return states.finish(starts, [*ends, here])


@frozen
class _Token:
    characters: Characters
    repeats: bool = False
    """Any number of them, none included."""
    is_folders: bool = False
    """Whole folders: `**/`."""
    spelled: str = ""
    """What it may also stand for, to the letter."""

    @property
    def expression(self) -> str:
        if self.is_folders:
            return "(?:.*/)?"
        choice = _class(self.characters)
        if self.spelled:
            choice = f"(?:{choice}|{re.escape(self.spelled)})"
        return f"{choice}{'*' if self.repeats else ''}"


def _class(characters: Characters) -> str:
    """As a regular expression; short ones compile a hundred times faster than long ranges."""
    if characters == _ANY:
        return "."
    if not characters:
        return "(?!)"
    is_most = characters[-1][1] == _LAST
    ranges = _without(characters) if is_most else characters
    inside = "".join(f"{re.escape(chr(low))}-{re.escape(chr(high))}" for low, high in ranges)
    return f"[{'^' if is_most else ''}{inside}]"


@lru_cache(maxsize=4096)
def _expression(clean: str) -> re.Pattern[str]:
    return re.compile("".join(token.expression for token in _tokens(clean)), re.DOTALL)


def _tokens(glob: str) -> tuple[_Token, ...]:
    return tuple(map(_token, _TOKEN.findall(glob)))


def _token(text: str) -> _Token:
    match text:
        case "**/":
            return _Token(_ANY, repeats=True, is_folders=True)
        case "**":
            return _Token(_ANY, repeats=True)
        case "*":
            return _Token(_IN_NAME, repeats=True)
        case "?":
            return _Token(_IN_NAME)
        case _ if len(text) > 1:
            return _Token(_choice(text[1:-1]), spelled=text)
        case _:
            return _Token(_one(text))


def _choice(inside: str) -> Characters:
    """Of `[...]`. A negation never means the slash; a range that runs backwards holds nothing."""
    is_negated = len(inside) > 1 and inside[0] in "!^"
    found: list[tuple[int, int]] = []
    rest = inside[1:] if is_negated else inside
    while rest:
        high = rest[2] if len(rest) > 2 and rest[1] == "-" else rest[0]
        if rest[0] <= high:
            found.append((ord(rest[0]), ord(high)))
        rest = rest[3 if len(rest) > 2 and rest[1] == "-" else 1 :]
    return _without([*found, (_SLASH, _SLASH)]) if is_negated else _joined(found)


# ---------------------------------------------------------------- sets of characters


def _one(character: str) -> Characters:
    return ((ord(character), ord(character)),)


def _holds(characters: Characters, code: int) -> bool:
    return any(low <= code <= high for low, high in characters)


def _joined(ranges: Collection[tuple[int, int]]) -> Characters:
    found: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    return tuple(found)


def _without(ranges: Collection[tuple[int, int]]) -> Characters:
    """All characters but these."""
    found: list[tuple[int, int]] = []
    free = 0
    for low, high in _joined(ranges):
        if free < low:
            found.append((free, low - 1))
        free = high + 1
    return (*found, (free, _LAST)) if free <= _LAST else tuple(found)


@lru_cache(maxsize=4096)
def _common(one: Characters, other: Characters) -> Characters:
    met = ((max(a, c), min(b, d)) for a, b in one for c, d in other)
    return tuple((low, high) for low, high in met if low <= high)
