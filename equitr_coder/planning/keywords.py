"""Which words of a text carry its meaning, and how far one text covers another. A heuristic, not a language model.

Words are lower-cased, split at everything but letters and digits, cut to a crude English stem; words that every plan
is full of ("implement", "service", "management") do not count. Two words match when their stems are equal or share a
prefix of at least five letters that is 70 % of the shorter one ("persistent" and "persistence").
"""

import re
from collections.abc import Iterable

_WORD = re.compile(r"[^\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_EMPTY = re.findall(
    r"\S+",
    """
    a all also an and any are as at be been being but by can could each either for from has have if in into is it its
    may might more most must no nor not of on one only or other out over own per shall should so some such than that
    the their them then there these they this those through to under up upon via was we were when where which while who
    will with within without would you your multiple various several many new both e g i etc
    add allow available based basic build cover create define develop enable ensure give handle handling implement
    implementation include introduce let make need offer perform prepare provide require set setup show support using
    use work write
    application capability component core endpoint feature functionality function item list management module
    operation processing project requirement service step system task todo user-facing
    """,
)
_SHARED_PREFIX = 5
_SHARED_PART = 0.7


def keywords(text: str) -> frozenset[str]:
    """The stems of the words that count; of a text made of nothing else, all its stems."""
    words = [word.lower() for word in _WORD.findall(_CAMEL.sub(" ", text))]
    stems = [_stem(word) for word in words if len(word) > 1]
    counting = frozenset(stem for stem in stems if stem not in _STOP_STEMS)
    return counting or frozenset(stems)


def share_covered(needles: Iterable[str], haystack: Iterable[str]) -> float:
    """The part of `needles` with a match in `haystack`; 1.0 for no needles."""
    wanted, present = list(needles), list(haystack)
    if not wanted:
        return 1.0
    return sum(any(_same(word, other) for other in present) for word in wanted) / len(wanted)


def _same(one: str, other: str) -> bool:
    if one == other:
        return True
    shared = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        shared += 1
    return shared >= _SHARED_PREFIX and shared >= _SHARED_PART * min(len(one), len(other))


def _stem(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith("sses"):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for suffix in ("ing", "ed"):
        root = word.removesuffix(suffix)
        if root != word and len(root) >= 4:
            return root[:-1] if root[-1] == root[-2] and root[-1] not in "ls" else root
    return word


_STOP_STEMS = frozenset(_stem(word) for word in _EMPTY)
