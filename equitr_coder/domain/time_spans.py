"""Sets of moments as sorted intervals that do not touch; union, intersection, difference and length."""

from collections.abc import Iterable, Sequence

from equitr_coder.domain.frozen import frozen

Span = tuple[float, float]


@frozen
class Spans:
    """Made by `merged`. `all` is sorted; no two intervals overlap or touch, none is empty."""

    all: tuple[Span, ...] = ()

    @property
    def length(self) -> float:
        return sum(ended - begun for begun, ended in self.all)

    @property
    def hull(self) -> "Spans":
        """From the first moment to the last one, without gaps."""
        return Spans(((self.all[0][0], self.all[-1][1]),)) if self.all else self

    def __or__(self, other: "Spans") -> "Spans":
        return merged((*self.all, *other.all))

    def __and__(self, other: "Spans") -> "Spans":
        found: list[Span] = []
        mine, theirs = 0, 0
        while mine < len(self.all) and theirs < len(other.all):
            (a, b), (c, d) = self.all[mine], other.all[theirs]
            if max(a, c) < min(b, d):
                found.append((max(a, c), min(b, d)))
            if b <= d:
                mine += 1
            else:
                theirs += 1
        return Spans(tuple(found))

    def __sub__(self, other: "Spans") -> "Spans":
        if not self.all:
            return self
        first, last = self.all[0][0], self.all[-1][1]
        edges = [first, *(edge for span in (other & Spans(((first, last),))).all for edge in span), last]
        gaps = merged(zip(edges[::2], edges[1::2], strict=True))
        return self & gaps


def merged(spans: Iterable[Span]) -> Spans:
    """Of any intervals; empty and backward ones hold nothing."""
    found: list[Span] = []
    for begun, ended in sorted(span for span in spans if span[0] < span[1]):
        if found and begun <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], ended))
        else:
            found.append((begun, ended))
    return Spans(tuple(found))


def overlaps(several: Sequence[Spans]) -> int:
    """The most of them that hold at one moment."""
    edges = sorted(edge for one in several for begun, ended in one.all for edge in ((begun, 1), (ended, -1)))
    most = now = 0
    for _, change in edges:
        now += change
        most = max(most, now)
    return most
