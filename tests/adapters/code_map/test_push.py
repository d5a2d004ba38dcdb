from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from equitr_coder.adapters.code_map.push import TELEPORT, forward_push

Graph = Mapping[int, Mapping[int, float]]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    nodes = range(draw(st.integers(1, 8)))
    graph = {}
    for node in nodes:
        weights = draw(st.dictionaries(st.sampled_from(nodes), st.floats(0.1, 5.0), max_size=4))
        graph[node] = {other: weight / sum(weights.values()) for other, weight in weights.items()}
    return graph


def seeds_in(graph: Graph) -> st.SearchStrategy[dict[int, float]]:
    drawn = st.dictionaries(st.sampled_from(sorted(graph)), st.floats(0.1, 5.0), min_size=1)
    return drawn.map(lambda weights: {node: weight / sum(weights.values()) for node, weight in weights.items()})


def exact(graph: Graph, seeds: Mapping[int, float]) -> dict[int, float]:
    """Every walk stops at each node with the chance TELEPORT, and for certain where there is no way on."""
    ranks = dict.fromkeys(graph, 0.0)
    walking = dict(seeds)
    for _ in range(200):
        following: dict[int, float] = {}
        for node, mass in walking.items():
            stays = TELEPORT if graph[node] else 1.0
            ranks[node] += stays * mass
            for other, weight in graph[node].items():
                following[other] = following.get(other, 0.0) + (1 - stays) * mass * weight
        walking = following
    return ranks


@given(graphs().flatmap(lambda graph: st.tuples(st.just(graph), seeds_in(graph))), st.sampled_from([0.3, 0.01, 1e-6]))
def test_the_rank_is_never_more_than_the_exact_one_and_falls_short_by_the_residue_at_most(
    drawn: tuple[Graph, dict[int, float]], epsilon: float
) -> None:
    graph, seeds = drawn
    truth = exact(graph, seeds)

    rank, residue = forward_push(seeds, lambda node: graph[node], epsilon=epsilon, most=100_000)

    rest = sum(residue.values())
    assert abs(sum(rank.values()) + rest - 1) < 1e-9
    assert all(mass < epsilon for mass in residue.values())
    assert all(rank.get(node, 0.0) <= truth[node] + 1e-9 for node in graph)
    assert sum(truth[node] - rank.get(node, 0.0) for node in graph) <= rest + 1e-9


@given(graphs().flatmap(lambda graph: st.tuples(st.just(graph), seeds_in(graph))), st.floats(0.01, 0.5))
def test_the_work_is_bounded_whatever_the_graph(drawn: tuple[Graph, dict[int, float]], epsilon: float) -> None:
    graph, seeds = drawn
    pushed: list[float] = []

    forward_push(
        seeds, lambda node: graph[node], epsilon=epsilon, most=10**6, on_push=lambda _, mass: pushed.append(mass)
    )

    assert len(pushed) <= 1 / (epsilon * TELEPORT)


def test_no_more_nodes_are_looked_at_than_allowed() -> None:
    looked: list[int] = []

    def out(node: int) -> dict[int, float]:
        looked.append(node)
        return {node + 1: 1.0}

    rank, residue = forward_push({0: 1.0}, out, epsilon=0.0, most=3)

    assert looked == [0, 1, 2]
    assert list(residue) == [3]
    assert [round(value, 6) for value in rank.values()] == [0.35, 0.2275, 0.147875]
