"""Batches of labelled records."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sslkit import rng
from sslkit.contracts.domain import TokenDomain
from sslkit.types import Array, Arrays


@dataclass(frozen=True)
class LabelledRows:
    """Encoded records with a target and a weight each.

    Attributes:
        units: each record as its domain encodes it.
        target: class numbers int64, or standardised numbers float32, [records].
        weight: of each record in the loss, [records] float32.
        window: tokens that are read of a record.
    """

    domain: TokenDomain
    units: Sequence[Array]
    target: Array
    weight: npt.NDArray[np.float32]
    window: int

    def batch(self, rows: npt.NDArray[np.int64], phase: npt.NDArray[np.int64]) -> Arrays:
        """Some records as the model takes them, padded to the longest of them.

        Beside what the domain gives, ``target``, ``weight``, and ``phase``: the units that were
        left out, so that a token's place in its record is known to the unit.

        Args:
            rows: which ones, [B].
            phase: units left out at the beginning of each, below ``domain.phases``, [B]; a
                record that would be too short is read from its first unit on.
        """
        most, fewest = self.domain.units(self.window), self.domain.units(1)
        shifted = [self.units[row][first:] for row, first in zip(rows, phase, strict=True)]
        whole = (self.units[row] for row in rows)
        enough = np.array([len(one) >= fewest for one in shifted])
        units = [
            (one if fits else other)[:most]
            for one, other, fits in zip(shifted, whole, enough, strict=True)
        ]
        lengths = np.array([len(one) for one in units], np.int64)
        padded = np.zeros((len(rows), int(lengths.max())), units[0].dtype)
        for place, one in enumerate(units):
            padded[place, : len(one)] = one
        made = self.domain.batch(padded, lengths, None)
        return made | {
            "phase": np.where(enough, phase, 0),
            "target": self.target[rows],
            "weight": self.weight[rows],
        }

    def phases(self, rows: npt.NDArray[np.int64]) -> list[Arrays]:
        """The batch of ``rows`` once in every phase, so that none of them is favoured."""
        return [self.batch(rows, np.full(len(rows), p)) for p in range(self.domain.phases)]

    def evaluation(self, rows: npt.NDArray[np.int64], size: int) -> list[Arrays]:
        """All of ``rows`` in every phase, at most ``size`` in a batch."""
        return [batch for some in self.batches(rows, size) for batch in self.phases(some)]

    def drawn(
        self, rows: npt.NDArray[np.int64], examples: npt.NDArray[np.int64], seed: int
    ) -> Arrays:
        """The batch of ``rows``, each in a phase that its number in the run decides."""
        draw = rng.Counter(seed, 0, examples).uniform("phase", 1)[:, 0]
        return self.batch(rows, (draw * self.domain.phases).astype(np.int64))

    def batches(self, rows: npt.NDArray[np.int64], size: int) -> list[npt.NDArray[np.int64]]:
        """``rows`` by length, at most ``size`` together: little padding, in no useful order."""
        ordered = rows[np.argsort([len(self.units[row]) for row in rows], kind="stable")]
        return [ordered[at : at + size] for at in range(0, len(ordered), size)]


def shuffled(
    rows: npt.NDArray[np.int64], examples: npt.NDArray[np.int64], seed: int
) -> npt.NDArray[np.int64]:
    """The rows that examples numbered over a whole run stand for.

    Every pass goes through all rows once, in an order of its own.
    """
    turn, place = np.divmod(examples, len(rows))
    found = np.empty(len(examples), np.int64)
    for epoch in np.unique(turn):
        here = turn == epoch
        order_key = rng.key(seed, "order", int(epoch))
        found[here] = rows[rng.permute(place[here], len(rows), order_key)]
    return found


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of a number, so that models see it near 0 and 1."""

    mean: float = 0.0
    deviation: float = 1.0

    @classmethod
    def of(cls, values: Array) -> "Scale":
        """The scale of some values; a constant is only shifted."""
        return cls(float(values.mean()), float(values.std()) or 1.0)

    def standardised(self, values: Array) -> npt.NDArray[np.float32]:
        """Values on this scale."""
        found: npt.NDArray[np.float32] = ((values - self.mean) / self.deviation).astype(np.float32)
        return found


def balanced(
    values: npt.NDArray[np.int64], classes: int, train: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """A weight for every record so that all classes count alike, 1 on average over ``train``.

    Args:
        values: class numbers, [records].
        train: the records whose counts decide.
    """
    counts = np.bincount(values[train], minlength=classes)
    present = max(int((counts > 0).sum()), 1)
    each = np.where(counts > 0, len(train) / (present * np.maximum(counts, 1)), 1.0)
    weights: npt.NDArray[np.float32] = each[values].astype(np.float32)
    return weights
