"""Records as examples: held out by what they say, visited once an epoch, padded, and their cost."""

import numpy as np
import numpy.typing as npt
import pytest

from sslkit.data import items, shards
from sslkit.data.items import Items
from sslkit.data.shards import Segments, Shard
from sslkit.domains import genome


def records(*rows: list[int]) -> Segments:
    """Records of two files, the second with the last of them."""
    files = (rows[:-1], rows[-1:])
    made = [
        Shard(
            np.concatenate([np.array(row, np.uint8) for row in file]),
            np.cumsum([0, *map(len, file)], dtype=np.int64),
            skipped=0,
        )
        for file in files
    ]
    return shards.cut(made, 100, 1)


def units(some: Segments) -> list[list[int]]:
    return [some.units(number).tolist() for number in range(len(some))]


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4])
def test_records_of_one_signature_stand_on_one_side(share: float) -> None:
    every = records(*([n, n % 5] for n in range(40)))
    signature: npt.NDArray[np.uint64] = np.arange(40, dtype=np.uint64) % np.uint64(5)
    train, held_out = items.hold_out(every, share, signature)
    assert len(train) + len(held_out) == 40
    sides = [{row[1] for row in units(part)} for part in (train, held_out)]
    assert not sides[0] & sides[1]
    assert len(held_out) == {0.0: 8, 0.2: 8, 0.4: 16}[share]


def test_a_pass_visits_every_record_once_in_another_order() -> None:
    some = Items(records(*([n] * (1 + n % 3) for n in range(10))), genome.Domain(
        genome.Settings(k=1)), seed=3)  # fmt: skip
    passes = [some.cost(np.arange(at, at + 10)) for at in (0, 10)]
    assert sorted(passes[0]) == sorted(passes[1]) == [1, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert passes[0].tolist() != passes[1].tolist()
    assert sorted(some.origin(np.arange(10))) == [0] * 9 + [1]
    assert some.mean_cost == pytest.approx(1.9)


def test_evaluation_is_the_same_for_every_seed() -> None:
    every = records(*([n] * 2 for n in range(10)))
    domain = genome.Domain(genome.Settings(k=1))
    some = [Items(every, domain, seed).evaluation(4) for seed in (1, 2)]
    costs = [one.cost(np.arange(4)).tolist() for one in some]
    assert len(some[0]) == 4
    assert costs[0] == costs[1] == [2, 2, 2, 2]


def test_records_are_padded_to_the_longest() -> None:
    rows, lengths = items.padded([np.array([1, 2, 3]), np.array([4])])
    assert rows.tolist() == [[1, 2, 3], [4, 0, 0]]
    assert lengths.tolist() == [3, 1]
