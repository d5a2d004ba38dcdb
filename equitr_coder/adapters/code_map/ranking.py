"""How important each definition is for a request. Attention starts at what the request names and flows from a file to
the files whose definitions it uses (`push`); what flows over a name is that definition's.
"""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from equitr_coder.adapters.code_map.push import forward_push
from equitr_coder.adapters.code_map.question import Question, is_telling, named_files
from equitr_coder.adapters.sqlite.outlines import DamagedCacheError, OutlineCache
from equitr_coder.domain.frozen import frozen

_EPSILON = 5e-4
_PUSHES = 150
_COMMON = 12
_COMMON_WORD = 3
"""A name that more files define says nothing about any of them; of plain words this holds sooner."""
_INTO_TESTS = 0.1
"""What is left of an edge from a file to a test: as a rule another thing of the same name."""
_USERS = 40
_STARTS = 200
"""Files that attention starts at when the request names nothing here."""
_FILES = 80
_NAMED_FILE, _FILE_AT_HAND, _NAME, _USER, _WORD_IN_PATH, _WORD_IN_NAME = 8.0, 4.0, 6.0, 2.0, 2.0, 1.0
"""How much attention each thing that the request names gets, in all; several files share it."""
_TEST = re.compile(r"(?:^|/)(?:tests?|__tests__|spec)/|(?:^|/)(?:test_|conftest)|[._](?:test|spec)\.\w+$")
_Share = Callable[[float, Sequence[int]], None]


class Candidate(NamedTuple):
    score: float
    path: str
    line: int
    name: str
    text: str


@frozen
class Ranking:
    ranks: Mapping[str, float]
    candidates: tuple[Candidate, ...]
    """The best first."""
    definitions: Mapping[str, int]
    """How many there are in each file of `ranks`."""


def rank(cache: OutlineCache, files: Mapping[str, str], question: Question, at_hand: Sequence[str]) -> Ranking:
    """`files` maps paths to the keys of their content, `at_hand` are paths that the conversation holds already.

    Raises:
        DamagedCacheError
    """
    graph = _Graph(cache, files, question)
    seeds = graph.seeds(at_hand)
    ranks, residue = forward_push(seeds, graph.out, epsilon=_EPSILON, most=_PUSHES, on_push=graph.note)
    for node, mass in residue.items():  # what there was no time for counts where it stands
        ranks[node] = ranks.get(node, 0.0) + mass
    best = sorted(ranks, key=lambda node: (-ranks[node], graph.paths[node]))[:_FILES]
    candidates: list[Candidate] = []
    counts: dict[str, int] = {}
    for node in best:
        path = graph.paths[node]
        definitions = cache.definitions(files[path])
        counts[path] = len(definitions)
        for line, name, text in definitions:
            own = graph.likeness(name) + (0.1 if text[:1].isspace() else 0.5) / max(4, len(definitions))
            score = graph.attention(node, name) + ranks[node] * own
            candidates.append(Candidate(score, path, line, name, text))
    candidates.sort(key=lambda one: (-one.score, one.path, one.line))
    return Ranking({graph.paths[node]: ranks[node] for node in best}, tuple(candidates), counts)


class _Graph:
    """Files as nodes; an edge for each name that one uses and another defines. Only asked-for nodes are looked at."""

    def __init__(self, cache: OutlineCache, files: Mapping[str, str], question: Question) -> None:
        self._cache = cache
        self._question = question
        self.paths = sorted(files)
        self._keys = [files[path] for path in self.paths]
        self._nodes: dict[str, list[int]] = {}
        for node, key in enumerate(self._keys):
            self._nodes.setdefault(key, []).append(node)
        self._first: dict[str, int] = {}
        self._several: dict[str, list[int]] = {}
        """Names that more than one file defines; few are, and a list for each name would be slow to make."""
        self._in_names: dict[str, list[int]] = defaultdict(list)
        self._weights: dict[str, float] = {}
        self._flows: dict[int, list[tuple[int, str, float]]] = {}
        self._through: dict[tuple[int, str], tuple[float, int]] = {}
        self._read_names()

    def _read_names(self) -> None:
        first = self._first
        common: set[str] = set()
        several = self._several
        known = 0
        for key, names in self._cache.names():
            nodes = self._nodes.get(key)
            if nodes is None:
                continue
            known += 1
            own = set(names.split())
            for node in nodes:  # by whole sets: there may be a hundred thousand names
                again = first.keys() & own
                first.update(dict.fromkeys(own - again if again else own, node))
                for name in again - common:
                    definers = several.get(name)
                    if definers is None:
                        several[name] = [first[name], node]
                        continue
                    definers.append(node)
                    if len(definers) > _COMMON:
                        common.add(name)
            lower = names.lower()
            for word in self._question.words:
                if word in lower:
                    self._in_names[word] += nodes

        if known < len(self._nodes):
            raise DamagedCacheError  # its index knows more than its rows

    def _definers(self, name: str) -> Sequence[int]:
        several = self._several.get(name)
        if several is not None:
            return several
        first = self._first.get(name)
        return () if first is None else (first,)

    def seeds(self, at_hand: Sequence[str]) -> dict[int, float]:
        shares: dict[int, float] = defaultdict(float)

        def share(mass: float, nodes: Sequence[int]) -> None:
            for node in sorted(nodes):
                shares[node] += mass / len(nodes)

        share(_FILE_AT_HAND * len(at_hand), named_files(self.paths, at_hand))
        for path in sorted(self._question.paths):
            nodes = named_files(self.paths, [path])
            if len(nodes) <= _USERS:
                share(_NAMED_FILE, nodes)
        self._share_names(share)
        self._share_words(share)
        total = sum(shares.values())
        if total <= 0:
            step = max(1, len(self.paths) // _STARTS)
            starts = range(0, len(self.paths), step)
            return {node: 1 / len(starts) for node in starts}
        return {node: shares[node] / total for node in sorted(shares)}

    def _share_names(self, share: _Share) -> None:
        named = {
            name: sureness
            for name, sureness in self._question.identifiers.items()
            if 0 < len(self._definers(name)) <= _COMMON
        }
        users: dict[str, list[int]] = {name: [] for name, sureness in named.items() if sureness >= 1}
        if users:
            for key, uses in self._cache.all_uses():
                nodes = self._nodes.get(key)
                for name, found in users.items():
                    if nodes is not None and f" {name} " in uses:
                        found.extend(nodes)
        for name, sureness in named.items():
            share(_NAME * sureness, self._definers(name))
            if 0 < len(found := users.get(name, [])) <= _USERS:
                share(_USER, found)

    def _share_words(self, share: _Share) -> None:
        """A word counts for more the fewer files it is in."""
        lower = [path.lower() for path in self.paths]
        for word in self._question.words:
            in_paths = [node for node, path in enumerate(lower) if word in path]
            for mass, nodes in ((_WORD_IN_PATH, in_paths), (_WORD_IN_NAME, self._in_names.get(word, []))):
                if nodes:
                    all_files = 1 + len(self.paths)
                    share(mass * math.log(all_files / len(nodes)) / math.log(all_files), nodes)

    def out(self, node: int) -> dict[int, float]:
        edges: dict[int, float] = defaultdict(float)
        flows: list[tuple[int, str, float]] = []
        is_code = not self._is_test(node)
        for name in self._cache.uses(self._keys[node]):
            definers = self._definers(name)
            if not definers:
                continue
            own = self._weight(name, len(definers))
            if own == 0 or node in definers:
                continue
            for other in definers:
                weight = own * (_INTO_TESTS if is_code and self._is_test(other) else 1.0)
                edges[other] += weight
                flows.append((other, name, weight))
        total = sum(edges.values())
        self._flows[node] = [(other, name, weight / total) for other, name, weight in flows]
        return {other: weight / total for other, weight in edges.items()}

    def note(self, node: int, mass: float) -> None:
        for other, name, weight in self._flows[node]:
            flowed, times = self._through.get((other, name), (0.0, 0))
            self._through[other, name] = (flowed + mass * weight, times + 1)

    def attention(self, node: int, name: str) -> float:
        """What flowed over a definition; the less of it counts, the more files it came from: what everything uses says
        little about this request.
        """
        flowed, times = self._through.get((node, name), (0.0, 1))
        return flowed / math.sqrt(times)

    def _is_test(self, node: int) -> bool:
        return _TEST.search(self.paths[node]) is not None

    def _weight(self, name: str, definers: int) -> float:
        """How sure it is that this name means one of these definitions, and how much that tells."""
        weight = self._weights.get(name)
        if weight is None:
            has_meaning = is_telling(name)
            weight = 3.0 if self._question.identifiers.get(name, 0.0) >= 1 else 1.0
            weight *= (1.0 if has_meaning else 0.1) * (0.3 if name.startswith("_") else 1.0) / definers
            if definers > (_COMMON if has_meaning else _COMMON_WORD):
                weight = 0.0
            self._weights[name] = weight
        return weight

    def likeness(self, name: str) -> float:
        """How far the request asks for a definition by its name."""
        lower = name.lower()
        words = sum(word in lower for word in self._question.words)
        return 2 * self._question.identifiers.get(name, 0.0) + 0.5 * min(2, words)
