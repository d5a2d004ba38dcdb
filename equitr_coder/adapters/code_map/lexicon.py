"""Which contents define a name, and what each of them uses: read at once from the cache's digest, and row by row what
came after it.
"""

from bisect import bisect_left

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

    def digest(self, upto: int) -> Digest:
        """Of all that is in it. `upto` is the number of its last row."""
        first: dict[str, str] = {}
        more: dict[str, list[str]] = {}  # few names have several: a list for each would take most of the memory
        for number, names in enumerate(self.names):
            text = str(number)
            for name in set(names.split()):
                if first.setdefault(name, text) is not text:
                    more.setdefault(name, []).append(text)
        return Digest(
            upto,
            keys="\0".join(self.keys).encode(),
            names="\n".join(self.names).encode(),
            uses=b"\n".join(self.uses),
            definers="\n".join(" ".join((name, first[name], *more.get(name, ()))) for name in sorted(first)).encode(),
        )


def read_lexicon(cache: OutlineCache) -> Lexicon:
    """Of everything that `cache` knows. Leaves a new digest there when the old one lacks much.

    Raises:
        DamagedCacheError
    """
    digest = cache.digest()
    lexicon = Lexicon(digest)
    covered = len(lexicon.keys)
    last, added, is_lent = digest.upto, 0, False
    for number, key, names, uses in cache.after(digest.upto):
        lexicon.add(key, names, uses)
        last, added, is_lent = max(last, number), added + 1, is_lent or number == 0
    if not is_lent and added > max(_FEW, covered // _SHARE):
        cache.keep_digest(lexicon.digest(last))
    return lexicon
