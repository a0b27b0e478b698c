"""Columns of an alignment that change together: states, weights of sequences, mutual information.

Shapes: N sequences, L columns, Q = 21 states (20 residues and a gap).
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
States = npt.NDArray[np.int8]

RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
#: Number of the state that stands for gaps and for all letters that are no one residue.
GAP = len(RESIDUES)
STATES = GAP + 1
#: Sequences that are equal in so many of their columns count as one together.
IDENTITY = 0.8
#: What is added to the count of every pair of residues (Buslje et al. 2009).
PSEUDO_COUNT = 0.05

_BLOCK = 512


def states(letters: npt.NDArray[np.uint8]) -> States:
    """ASCII letters of an alignment, upper case, as numbers of states, [N, L]."""
    table = np.full(256, GAP, np.int8)
    table[list(RESIDUES.encode())] = np.arange(GAP)
    return table[letters]


def one_hot(held: States, count: int = STATES) -> npt.NDArray[np.float32]:
    """[N, L * count]; states from ``count`` on are 0 everywhere."""
    hot = np.equal(held[..., None], np.arange(count, dtype=np.int8))
    flat: npt.NDArray[np.float32] = hot.reshape(len(held), -1).astype(np.float32)
    return flat


def weights(held: States, identity: float = IDENTITY) -> Floats:
    """1 over the number of sequences, itself included, that equal each in that share, [N].

    Gaps are letters like any other here (Ekeberg et al. 2013, section 2.1).
    """
    hot = one_hot(held)
    least = identity * held.shape[1] - 1e-6
    counts = [(hot[at : at + _BLOCK] @ hot.T >= least).sum(1) for at in range(0, len(hot), _BLOCK)]
    return 1.0 / np.concatenate(counts)


def mutual_information(held: States, weight: Floats, pseudo_count: float = PSEUDO_COUNT) -> Floats:
    """Of all pairs of columns, in nats, [L, L]; 0 on the diagonal.

    Sequences count by their weight; where one of the two columns has a gap, it is left out.
    """
    length = held.shape[1]
    hot = one_hot(held, GAP)
    scaled = hot * weight.astype(np.float32)[:, None]
    found = np.zeros((length, length))
    for column in range(length):
        here = scaled[:, column * GAP : (column + 1) * GAP]
        pairs = (here.T @ hot).astype(np.float64).reshape(GAP, length, GAP) + pseudo_count
        pairs /= pairs.sum((0, 2), keepdims=True)
        expected = pairs.sum(0, keepdims=True) * pairs.sum(2, keepdims=True)
        terms = pairs * np.log(np.divide(pairs, expected, out=np.ones_like(pairs), where=pairs > 0))
        found[column] = terms.sum((0, 2))
    np.fill_diagonal(found, 0.0)
    return (found + found.T) / 2
