"""How important each definition is for a request. Attention starts at what the request names and flows from a file to
the files whose definitions it uses (`push`); what flows over a name is that definition's.
"""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from equitr_coder.adapters.code_map.lexicon import Lexicon
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
_Text = TypeVar("_Text", str, bytes)
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


def rank(
    cache: OutlineCache, lexicon: Lexicon, files: Mapping[str, str], question: Question, at_hand: Sequence[str]
) -> Ranking:
    """`lexicon` is that of `cache`; `files` maps paths to the keys of their content; `at_hand` are paths that the
    conversation holds already.

    Raises:
        DamagedCacheError
    """
    graph = _Graph(lexicon, files, question)
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

    def __init__(self, lexicon: Lexicon, files: Mapping[str, str], question: Question) -> None:
        """
        Raises:
            DamagedCacheError: a file's content is not in the lexicon.
        """
        self._lexicon = lexicon
        self._question = question
        self.paths = sorted(files)
        nodes: dict[str, list[int]] = {}
        for node, path in enumerate(self.paths):
            nodes.setdefault(files[path], []).append(node)
        self._nodes = [nodes.get(key, ()) for key in lexicon.keys]
        """Of each content."""
        contents = {node: number for number, found in enumerate(self._nodes) for node in found}
        if len(contents) < len(self.paths):
            raise DamagedCacheError
        self._contents = contents
        self._meanings: dict[str, tuple[float, Sequence[int]]] = {}
        self._tests: dict[int, bool] = {}
        self._flows: dict[int, tuple[float, list[tuple[int, str, float]]]] = {}
        """Of each node that was looked at: the sum of the weights, and each with where to and over which name."""
        self._through: dict[tuple[int, str], tuple[float, int]] = {}

    def _definers(self, name: str) -> Sequence[int]:
        """Files that define `name`, in order; of a common name only some, but more than `_COMMON`."""
        numbers = self._lexicon.definers(name)
        if len(numbers) <= 1:
            return self._nodes[numbers[0]] if numbers else ()
        found: set[int] = set()
        for number in numbers:
            found.update(self._nodes[number])
            if len(found) > _COMMON:
                break
        return sorted(found)

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
        for name, sureness in self._question.identifiers.items():
            definers = self._definers(name)
            if not 0 < len(definers) <= _COMMON:
                continue
            share(_NAME * sureness, definers)
            users = self._where(f" {name} ".encode(), self._lexicon.uses) if sureness >= 1 else []
            if 0 < len(users) <= _USERS:
                share(_USER, users)

    def _share_words(self, share: _Share) -> None:
        """A word counts for more the fewer files it is in."""
        lower = [path.lower() for path in self.paths]
        names = [names.lower() for names in self._lexicon.names]
        for word in self._question.words:
            in_paths = [node for node, path in enumerate(lower) if word in path]
            for mass, nodes in ((_WORD_IN_PATH, in_paths), (_WORD_IN_NAME, self._where(word, names))):
                if nodes:
                    all_files = 1 + len(self.paths)
                    share(mass * math.log(all_files / len(nodes)) / math.log(all_files), nodes)

    def _where(self, part: _Text, texts: Sequence[_Text]) -> list[int]:
        """Files for whose content `texts` holds `part`."""
        return sorted({node for nodes, text in zip(self._nodes, texts, strict=True) if part in text for node in nodes})

    def out(self, node: int) -> dict[int, float]:
        edges: dict[int, float] = defaultdict(float)
        flows: list[tuple[int, str, float]] = []
        is_code = not self._is_test(node)
        for name in self._lexicon.uses[self._contents[node]].decode().split():
            own, definers = self._meanings.get(name) or self._meaning(name)
            if own == 0 or node in definers:
                continue
            for other in definers:
                weight = own * (_INTO_TESTS if is_code and self._is_test(other) else 1.0)
                edges[other] += weight
                flows.append((other, name, weight))
        total = sum(edges.values())
        self._flows[node] = (total, flows)
        return {other: weight / total for other, weight in edges.items()}

    def note(self, node: int, mass: float) -> None:
        total, flows = self._flows[node]
        for other, name, weight in flows:
            flowed, times = self._through.get((other, name), (0.0, 0))
            self._through[other, name] = (flowed + mass * weight / total, times + 1)

    def attention(self, node: int, name: str) -> float:
        """What flowed over a definition; the less of it counts, the more files it came from: what everything uses says
        little about this request.
        """
        flowed, times = self._through.get((node, name), (0.0, 1))
        return flowed / math.sqrt(times)

    def _is_test(self, node: int) -> bool:
        known = self._tests.get(node)
        if known is None:
            known = self._tests[node] = _TEST.search(self.paths[node]) is not None
        return known

    def _meaning(self, name: str) -> tuple[float, Sequence[int]]:
        """The files that may define what `name` means; before them, how sure it is that it means what one of them
        defines, and how much that tells.
        """
        definers = self._definers(name)
        has_meaning = is_telling(name)
        if not 0 < len(definers) <= (_COMMON if has_meaning else _COMMON_WORD):
            meaning: tuple[float, Sequence[int]] = (0.0, ())
        else:
            weight = 3.0 if self._question.identifiers.get(name, 0.0) >= 1 else 1.0
            weight *= (1.0 if has_meaning else 0.1) * (0.3 if name.startswith("_") else 1.0) / len(definers)
            meaning = (weight, definers)
        self._meanings[name] = meaning
        return meaning

    def likeness(self, name: str) -> float:
        """How far the request asks for a definition by its name."""
        lower = name.lower()
        words = sum(word in lower for word in self._question.words)
        return 2 * self._question.identifiers.get(name, 0.0) + 0.5 * min(2, words)
