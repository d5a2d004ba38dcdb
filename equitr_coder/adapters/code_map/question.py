"""What a request names, for a map of the repository: files, identifiers, words."""

import re
from collections.abc import Iterable, Mapping, Sequence

from equitr_coder.domain.frozen import frozen

_IDENTIFIER = re.compile(r"[^\W\d]\w{2,}")
_PATH = re.compile(r"[\w.@+-]+(?:/[\w.@+-]+)*\.\w+|[\w.@+-]+(?:/[\w.@+-]+)+/?")
_CODE = re.compile(r"_|[a-z][A-Z]|[A-Z][a-z]+[A-Z]|\d")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SHORTEST = 4
_EMPTY = frozenset(
    re.findall(
        r"\S+",
        """
        about above after again against also always another before being below between both cannot change class
        code could does done down each else every file files from function have having here import into just
        like line lines make many method more most must name need only other over please return same should show
        some such test tests than that their them then there these they this those through under until update
        using very want when where which while will with without work would write your
        """,
    )
)


@frozen
class Question:
    identifiers: Mapping[str, float]
    """What may be the name of a definition -> how sure it is one: plain words are less so."""
    words: tuple[str, ...]
    """In lower case, the endings of plurals cut."""
    paths: frozenset[str]
    """What looks like a path, or the end of one."""


def is_telling(name: str) -> bool:
    """Whether it was made up for one thing: a plain word may be the name of anything."""
    return _CODE.search(name) is not None


def read_question(text: str) -> Question:
    tokens = dict.fromkeys(_IDENTIFIER.findall(text))
    words: dict[str, None] = {}
    for token in tokens:
        for part in (part.lower() for part in _PART.findall(token)):
            if len(part) >= _SHORTEST and part not in _EMPTY:
                words[part.removesuffix("s") if len(part) > _SHORTEST and not part.endswith("ss") else part] = None
    return Question(
        identifiers={token: 1.0 if is_telling(token) else 0.3 for token in tokens if token.lower() not in _EMPTY},
        words=tuple(words),
        paths=frozenset(found.strip("/.") for found in _PATH.findall(text)),
    )


def named_files(paths: Sequence[str], wanted: Iterable[str]) -> list[int]:
    """Numbers of the files that are one of `wanted`, end in one, or lie in one; whole names count."""
    names = [f"/{name}" for name in dict.fromkeys(wanted) if name]
    if not names:
        return []
    slashed = (f"/{path}" for path in paths)
    return [
        number
        for number, path in enumerate(slashed)
        if any(name in path and (path.endswith(name) or f"{name}/" in path) for name in names)
    ]
