"""Graphs as rows of nodes: what a node is, and its links to nodes that stand before it.

A node is 16 bytes: its token, and up to five links back. A link takes twelve bits of a number:
nine for how many nodes before it the other end stands, 0 for no link, and three for its kind.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from sslkit.types import Array, Draws

#: A node as shards keep it.
NODE = np.dtype([("token", "<u8"), ("links", "<u8")])
#: As shards give it back: the names of its parts are ours.
UNIT = np.dtype("V16")
BACK, _BITS, _KIND_BITS = 5, 12, 3
FARTHEST = (1 << (_BITS - _KIND_BITS)) - 1
KINDS = 1 << _KIND_BITS
#: Columns of a table of links at least: batches of like size have tables of like size.
_FEWEST = 4
Edge = tuple[int, int, int]


def pack(tokens: npt.NDArray[np.uint64], edges: Iterable[Edge]) -> Array:
    """Nodes [nodes] of their tokens and of edges: two nodes and the kind of the link.

    Raises:
        ValueError: more links back than a node can have, or one that leads too far.
    """
    found = np.zeros(len(tokens), NODE)
    found["token"] = tokens
    used = [0] * len(tokens)
    held = [0] * len(tokens)
    for near, far, kind in sorted((max(a, b), min(a, b), kind) for a, b, kind in edges):
        if near - far > FARTHEST:
            raise ValueError(
                f"nodes {far + 1} and {near + 1} are linked and {near - far} apart: "
                f"{FARTHEST} is the most"
            )
        if used[near] == BACK:
            raise ValueError(f"node {near + 1} is linked to more than {BACK} before it")
        held[near] |= ((near - far) << _KIND_BITS | kind) << _BITS * used[near]
        used[near] += 1
    found["links"] = held
    return found.view(UNIT)


def tokens(units: Array) -> npt.NDArray[np.uint64]:
    """The tokens of nodes, of any shape."""
    found: npt.NDArray[np.uint64] = units.view(NODE)["token"]
    return found


def edges(units: Array) -> list[Edge]:
    """The edges of a row of nodes [nodes]: node, an earlier one, kind; in the order of nodes."""
    far, kind = _back(units)
    node, slot = np.nonzero(far)
    other = node - far[node, slot]
    inside = other >= 0
    found = zip(node[inside], other[inside], kind[node, slot][inside], strict=True)
    return [(int(a), int(b), int(k)) for a, b, k in found]


def links(
    units: Array, lengths: npt.NDArray[np.int64], kept: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.int64]:
    """Links of padded rows [rows, nodes], as ``contracts.domain.TokenDomain`` has them.

    Args:
        kept: which links back are there at all, [rows, nodes, BACK].
    """
    far, kind = _back(units)
    rows, columns = units.shape
    column = np.arange(columns)[:, None]
    there = (far > 0) & (far <= column) & (column < lengths[:, None, None])
    row, node, slot = np.nonzero(there if kept is None else there & kept)
    other, named = node - far[row, node, slot], kind[row, node, slot]
    # Every link is told to both of its ends.
    end = np.concatenate([row * columns + node, row * columns + other])
    said = np.concatenate([other * KINDS + named, node * KINDS + named])
    order = np.argsort(end, kind="stable")
    end, said = end[order], said[order]
    first = np.searchsorted(end, end)
    rank = np.arange(len(end)) - first
    found = np.full((rows * columns, max(_FEWEST, int(rank.max(initial=-1)) + 1)), -1, np.int64)
    found[end, rank] = said
    return found.reshape(rows, columns, -1)


def thinned(shape: Sequence[int], draws: Draws, purpose: str, share: float) -> Array:
    """Which links back of rows [rows, nodes] are kept where a share of them is dropped."""
    rows, columns = shape
    drawn = draws.uniform(purpose, columns * BACK)
    return (drawn >= share).reshape(rows, columns, BACK)


def _back(units: Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """How far back each link leads, 0 for none, and its kind; [..., BACK]."""
    first = np.arange(0, BACK * _BITS, _BITS).astype(np.uint64)
    held = units.view(NODE)["links"][..., None] >> first
    held &= np.uint64((1 << _BITS) - 1)
    far = (held >> np.uint64(_KIND_BITS)).astype(np.int64)
    return far, (held & np.uint64(KINDS - 1)).astype(np.int64)
