"""Which contents define a name, and what each of them uses: read at once from the cache's digest, and row by row what
came after it.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from itertools import chain, groupby

from equitr_coder.adapters.sqlite.outlines import Digest, OutlineCache

_FEW = 100
_SHARE = 20
"""More rows than a few, and than one to so many, are put into the digest."""


class Lexicon:
    """`keys`, `names` and `uses` (in UTF-8) hold one entry a content; its place there is its number."""

    def __init__(self, digest: Digest) -> None:
        self.keys = digest.keys.decode().split("\0") if digest.keys else []
        self.names = [names.decode() for names in digest.names.split(b"\n")] if self.keys else []
        self.uses = digest.uses.split(b"\n") if self.keys else []
        self._lines = digest.definers.split(b"\n")  # a hundred thousand of them: decoded when they are looked up
        self._added: dict[str, list[int]] = {}

    def add(self, key: str, names: str, uses: str) -> None:
        number = len(self.keys)
        self.keys.append(key)
        self.names.append(names)
        self.uses.append(uses.encode())
        for name in set(names.split()):
            self._added.setdefault(name, []).append(number)

    def definers(self, name: str) -> list[int]:
        """Numbers of the contents that define `name`, each once, in ascending order."""
        start = name.encode() + b" "
        at = bisect_left(self._lines, start)
        added = self._added.get(name, [])
        if at < len(self._lines) and self._lines[at].startswith(start):
            return [*map(int, self._lines[at].split(b" ")[1:]), *added]
        return added


def read_lexicon(cache: OutlineCache) -> Lexicon:
    """Of everything that `cache` knows. Leaves a new digest there when the old one lacks much.

    Raises:
        DamagedCacheError
    """
    digest = cache.digest()
    if cache.count_after(digest.upto) > max(_FEW, digest.keys.count(b"\0") // _SHARE):
        digest = digest_of(cache.after(0))
        cache.keep_digest(digest)
    lexicon = Lexicon(digest)
    for _, *facts in chain(cache.after(digest.upto), cache.lent()):
        lexicon.add(*facts)
    return lexicon


def digest_of(rows: Iterable[tuple[int, str, str, str]]) -> Digest:
    """Of rows as `OutlineCache.after` gives them."""
    upto = 0
    keys: list[str] = []
    texts = bytearray()
    uses = bytearray()
    defined: list[str] = []
    places = array("L")  # a list for each of a hundred thousand names would take most of the memory
    for place, (number, key, names, used) in enumerate(rows):
        upto = number
        keys.append(key)
        texts += names.encode() + b"\n"
        uses += used.encode() + b"\n"
        own = set(names.split())
        defined += own
        places.extend([place] * len(own))
    definers = bytearray()
    order = sorted(range(len(defined)), key=defined.__getitem__)
    for name, group in groupby(order, key=defined.__getitem__):
        definers += " ".join((name, *(str(places[at]) for at in group))).encode() + b"\n"
    return Digest(upto, "\0".join(keys).encode(), bytes(texts[:-1]), bytes(uses[:-1]), bytes(definers[:-1]))
