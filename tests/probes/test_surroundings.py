"""What stands around a unit: against a loop over units and places, whatever the blocks."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.domains import genome, protein
from sslkit.probes import surroundings
from sslkit.types import Array

LETTERS = 3


def places(examples: Sequence[Array]) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    hot = np.stack(examples)[..., None] == np.arange(LETTERS)
    return hot.reshape(len(examples), -1).astype(np.float32)


def slow(units: list[int], around: int) -> list[list[int]]:
    found = []
    for at in range(len(units)):
        row = []
        for place in range(at - around // 2, at + around // 2 + 1):
            inside = 0 <= place < len(units)
            row += [int(inside and units[place] == letter) for letter in range(LETTERS)]
            row.append(int(not inside))
        found.append(row)
    return found


@given(
    st.lists(st.integers(0, LETTERS), min_size=1, max_size=30),
    st.sampled_from([1, 3, 7, 15]),
    st.integers(1, 9),
)
def test_every_unit_has_its_neighbours(units: list[int], around: int, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(surroundings, "_BLOCK", block)
        blocks = list(surroundings.windows(places, np.array(units), around))
    assert [first for first, _ in blocks] == list(range(0, len(units), block))
    assert np.concatenate([hot for _, hot in blocks]).tolist() == slow(units, around)


def test_domains_say_what_their_units_are() -> None:
    residues = protein.Domain(protein.Settings())
    units = residues.encode(residues.record("a", "MXK", "a", 1))
    ((_, hot),) = surroundings.windows(lambda some: residues.features(some)["places"], units, 1)
    assert hot.shape == (3, 21)
    assert hot.sum(axis=1).tolist() == [1, 0, 1]
    bases = genome.Domain(genome.Settings())
    units = bases.encode(bases.record("a", "ACGTN", "a", 1))
    ((_, hot),) = surroundings.windows(lambda some: bases.features(some)["places"], units, 3)
    assert hot.shape == (5, 15)
    assert hot.sum(axis=1).tolist() == [3, 3, 3, 2, 2]
