"""Graphs packed into rows of nodes, against lists of edges."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit import rng
from sslkit.data import shards
from sslkit.domains.chemistry import graphs as _graphs
from sslkit.domains.chemistry.graphs import Edge


@st.composite
def graphs(draw: st.DrawFn, most: int = 12) -> tuple[int, list[Edge]]:
    """Nodes and edges, none of them twice, and few enough back from every node."""
    size = draw(st.integers(1, most))
    edges = []
    for node in range(1, size):
        others = draw(st.sets(st.integers(0, node - 1), max_size=_graphs.BACK))
        edges += [(node, other, draw(st.integers(0, _graphs.KINDS - 1))) for other in others]
    return size, edges


def packed(size: int, edges: list[Edge]) -> np.ndarray:
    return _graphs.pack(np.arange(size, dtype=np.uint64) + 7, edges)


@given(graphs())
def test_what_is_packed_comes_back(graph: tuple[int, list[Edge]]) -> None:
    size, edges = graph
    units = packed(size, edges)
    assert _graphs.tokens(units).tolist() == list(range(7, 7 + size))
    assert sorted(_graphs.edges(units)) == sorted(edges)
    assert sorted(_graphs.edges(packed(size, [(b, a, k) for a, b, k in edges]))) == sorted(edges)


@given(st.lists(graphs(), min_size=1, max_size=4))
def test_links_are_told_to_both_ends(held: list[tuple[int, list[Edge]]]) -> None:
    columns = max(size for size, _ in held) + 1
    units = np.zeros((len(held), columns), _graphs.UNIT)
    for row, (size, edges) in zip(units, held, strict=True):
        row[:size] = packed(size, edges)
    lengths = np.array([size for size, _ in held])
    links = _graphs.links(units, lengths)
    for row, (_, edges) in enumerate(held):
        wanted: list[list[int]] = [[] for _ in range(columns)]
        for one, other, kind in edges:
            wanted[one].append(other * _graphs.KINDS + kind)
            wanted[other].append(one * _graphs.KINDS + kind)
        for node in range(columns):
            found = [int(n) for n in links[row, node] if n >= 0]
            assert sorted(found) == sorted(wanted[node])


def test_a_window_and_a_shorter_row_have_the_links_within_them() -> None:
    units = packed(5, [(1, 0, 1), (2, 1, 2), (3, 2, 3), (4, 3, 4), (4, 0, 5)])
    assert sorted(_graphs.edges(units[2:])) == [(1, 0, 3), (2, 1, 4)]
    assert (_graphs.links(units[None, 2:], np.array([2])) >= 0).sum() == 2


def test_dropped_links_are_missing_at_both_ends() -> None:
    edges = [(node, node - 1, 1) for node in range(1, 200)]
    units = packed(200, edges)[None]
    draws = rng.Counter(3, 0, np.arange(1))
    kept = _graphs.thinned(units.shape, draws, "view", 0.25)
    links = _graphs.links(units, np.array([200]), kept)
    pairs = {
        (node, int(n) // _graphs.KINDS) for node in range(200) for n in links[0, node] if n >= 0
    }
    assert pairs == {(b, a) for a, b in pairs}
    assert 0.15 < 1 - len(pairs) / 398 < 0.35


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="nodes 1 and 601 are linked and 600 apart"):
        packed(601, [(0, 600, 1)])
    with pytest.raises(ValueError, match="node 7 is linked to more than 5"):
        packed(7, [(6, n, 1) for n in range(6)])


def test_shards_give_them_back(tmp_path: Path) -> None:

    units = packed(4, [(1, 0, 1), (3, 0, 2)])
    held = shards.open_or_build(tmp_path, "key", lambda: iter([units]), _graphs.UNIT, pytest.fail)
    assert _graphs.edges(np.array(held.units)) == [(1, 0, 1), (3, 0, 2)]
    assert _graphs.tokens(held.units).tolist() == [7, 8, 9, 10]
