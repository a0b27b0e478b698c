"""The units that a probe is fitted to, drawn from training records."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sslkit import rng
from sslkit.data import splits
from sslkit.supervision.token import Tagged

Rows = npt.NDArray[np.int64]
#: Of the records that a probe is fitted to: by them the penalty is chosen.
_HELD_OUT = 0.2


@dataclass(frozen=True)
class Drawn:
    """Units that a probe is fitted to.

    Attributes:
        units: the numbers of the units of each record, ascending, by its row; those by whose loss
            the penalty is chosen come last.
        learned: how many units stand before those.
    """

    units: Mapping[int, Rows]
    learned: int

    def __len__(self) -> int:
        return sum(map(len, self.units.values()))

    def starts(self) -> Iterator[tuple[int, int, Rows]]:
        """Of each record its row, the number of its first unit among all that were drawn, units."""
        at = 0
        for row, units in self.units.items():
            yield row, at, units
            at += len(units)


def draw(examples: Tagged, train: Rows, most: int, seed: int) -> Drawn:
    """Known units of training records: whole records in an order of the seed, until there are most.

    The rest of a last record that is not needed is left out at random, so that no record is
    favoured for its length and no more than ``most`` units are drawn. A fifth of the records is put
    behind the others to choose by; equal records stay together.
    """
    generator = np.random.default_rng(int(rng.key(seed, "units")))
    units: dict[int, Rows] = {}
    left = most
    for row in generator.permutation(train).tolist():
        if not left:
            break
        known = np.flatnonzero(examples.targets.values[row] >= 0)
        if len(known):
            units[row] = np.sort(generator.permutation(known)[:left])
            left -= len(units[row])
    rows = np.array(list(units), np.int64)
    groups = examples.together[rows]
    if len(np.unique(groups)) < 2:
        return Drawn(units, sum(map(len, units.values())))
    behind = splits.divide(np.zeros(len(rows), np.int64), groups, [_HELD_OUT], seed) == 1
    order = [*rows[~behind].tolist(), *rows[behind].tolist()]
    learned = sum(len(units[row]) for row in rows[~behind].tolist())
    return Drawn({row: units[row] for row in order}, learned)
