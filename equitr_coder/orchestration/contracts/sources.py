"""The files of one tree as far as they have been read, so that comparing stays pure: what a comparison asks for and
does not find is noted, the caller fetches it and compares again.
"""

from collections.abc import Collection, Mapping

from equitr_coder.domain.frozen import frozen


@frozen
class Tree:
    """`changed` are the producer's own paths, where a promise without a file name is looked for first."""

    paths: frozenset[str]
    changed: tuple[str, ...] = ()


class Sources:
    def __init__(self, tree: Tree, texts: Mapping[str, str | None]) -> None:
        """`texts` holds None for a file that is no text."""
        self._tree = tree
        self._texts = texts
        self.wanted: set[str] = set()

    @property
    def paths(self) -> Collection[str]:
        return self._tree.paths

    @property
    def changed(self) -> tuple[str, ...]:
        """The producer's own files that are still there, in order."""
        return tuple(path for path in self._tree.changed if path in self._tree.paths)

    def text(self, path: str) -> str | None:
        """None when there is no such text, or when it is still to be fetched."""
        if path not in self._tree.paths:
            return None
        if path not in self._texts:
            self.wanted.add(path)
            return None
        return self._texts[path]

    def named(self, name: str) -> tuple[str, ...]:
        """Paths that `name` means: itself, or every path that ends with it, the shortest first."""
        plain = name.strip().removeprefix("./").lstrip("/")
        if plain in self._tree.paths:
            return (plain,)
        ending = sorted((path for path in self._tree.paths if path.endswith(f"/{plain}")), key=lambda p: (len(p), p))
        return tuple(ending)
