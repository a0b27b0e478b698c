"""Records as examples: each is one, whole, and those that are equal stand on one side."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sslkit.contracts.domain import RecordDomain
from sslkit.contracts.examples import Examples
from sslkit.data.shards import Segments
from sslkit.data.windows import shuffled
from sslkit.types import Array, Arrays, Draws


@dataclass(frozen=True)
class Items:
    """Records of a domain that counts no tokens; implements ``contracts.examples.Examples``.

    Attributes:
        records: a segment for each record.
        seed: of their order, which is another one in every epoch; None keeps theirs.
    """

    records: Segments
    domain: RecordDomain
    seed: int | None

    def __len__(self) -> int:
        return len(self.records)

    @property
    def mean_cost(self) -> float:
        """Units of a record on average."""
        return float(self.records.length.mean())

    def cost(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Units of each, [numbers]."""
        return self.records.length[self._numbers(numbers)]

    def origin(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The file of each, [numbers]."""
        return self.records.shard[self._numbers(numbers)]

    def batch(
        self, numbers: npt.NDArray[np.int64], draws: Draws | None, needs: Collection[str] = ()
    ) -> Arrays:
        """The arrays of some records, their units padded to the longest."""
        units = [self.records.units(number) for number in self._numbers(numbers).tolist()]
        return self.domain.batch(*padded(units), draws, needs)

    def evaluation(self, most: int) -> Examples:
        """Up to ``most`` records, evenly spread."""
        number = np.unique(np.linspace(0, len(self) - 1, min(most, len(self))).astype(np.int64))
        return Items(self.records.take(number), self.domain, None)

    def _numbers(self, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return numbers if self.seed is None else shuffled(numbers, len(self), self.seed)


def padded(records: Sequence[Array]) -> tuple[Array, npt.NDArray[np.int64]]:
    """Units of records one below the other, [rows, units], and how many each has, [rows]."""
    lengths = np.array([len(units) for units in records])
    rows = np.zeros((len(records), int(lengths.max())), records[0].dtype)
    for row, units in zip(rows, records, strict=True):
        row[: len(units)] = units
    return rows, lengths


def hold_out(
    records: Segments, share: float, signatures: npt.NDArray[np.uint64]
) -> tuple[Segments, Segments]:
    """Records to train on, and about a ``share`` held out, the same for every seed and order.

    Args:
        signatures: a hash of each record, [records]; those that share it stand on one side.
    """
    kinds, kind, sizes = np.unique(signatures, return_inverse=True, return_counts=True)
    # Sorted by a hash, so that the first ones are a random choice.
    wanted = max(1, round(share * len(records)))
    count = int(np.searchsorted(np.cumsum(sizes), wanted)) + 1
    is_held = kind < min(count, max(1, len(kinds) // 2))
    return records.take(~is_held), records.take(is_held)
