"""Personalised PageRank around a few nodes, found locally: only what the mass reaches is ever looked at.

The forward push of R. Andersen, F. Chung and K. Lang, "Local Graph Partitioning using PageRank Vectors", FOCS 2006,
section 3, in its form without lazy steps and on a weighted, directed graph. Invariant: the exact vector is `rank` plus
what the `residue` would still come to, so `rank` never exceeds it and falls short by the residue's sum at the most.
"""

from collections import deque
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

_Node = TypeVar("_Node", bound=Hashable)

TELEPORT = 0.35
"""The share of the mass that stays where it is pushed from."""


def forward_push(
    seeds: Mapping[_Node, float],
    out: Callable[[_Node], Mapping[_Node, float]],
    *,
    epsilon: float,
    most: int,
    teleport: float = TELEPORT,
    on_push: Callable[[_Node, float], None] = lambda _node, _mass: None,
) -> tuple[dict[_Node, float], dict[_Node, float]]:
    """Rank and residue. `seeds` sum to 1 or less; `out` gives a node's edges, whose weights sum to 1, or none: from
    there the mass goes nowhere and stays.

    Stops when no node holds `epsilon` of residue any more, which takes at most 1 / (epsilon * teleport) pushes, or
    after `most` of them. `on_push` is told of each node and of the mass that it passes on. The same arguments give
    the same result, to the last bit.
    """
    rank: dict[_Node, float] = {}
    residue = dict(seeds)
    waiting = deque(node for node, mass in residue.items() if mass >= epsilon)
    is_waiting = set(waiting)
    pushes = 0
    while waiting and pushes < most:
        node = waiting.popleft()
        is_waiting.discard(node)
        mass = residue.pop(node)
        pushes += 1
        edges = out(node)
        if not edges:
            rank[node] = rank.get(node, 0.0) + mass
            continue
        rank[node] = rank.get(node, 0.0) + teleport * mass
        passed = (1 - teleport) * mass
        on_push(node, passed)
        for other, weight in edges.items():
            now = residue.get(other, 0.0) + passed * weight
            residue[other] = now
            if now >= epsilon and other not in is_waiting:
                is_waiting.add(other)
                waiting.append(other)
    return rank, residue
