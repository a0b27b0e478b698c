"""Batches of labelled records."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sslkit import rng
from sslkit.contracts.domain import RecordDomain, counts_tokens
from sslkit.contracts.supervision import Floats, RowNumbers, Scorer
from sslkit.types import Array, Arrays


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


@dataclass(frozen=True)
class LabelledRows:
    """Encoded records with a target and a weight each.

    Attributes:
        units: each record as its domain encodes it.
        target: class numbers int64, or standardised numbers float32, [records].
        weight: of each record in the loss, [records] float32.
        window: tokens that are read of a record; None where the domain counts none, and records
            are read as wholes.
        scale: of the numbers that are predicted.
    """

    domain: RecordDomain
    units: Sequence[Array]
    target: Array
    weight: npt.NDArray[np.float32]
    window: int | None
    scale: Scale = Scale()

    @property
    def phases(self) -> int:
        """In how many ways a record can be cut into tokens."""
        return self.domain.phases if counts_tokens(self.domain) else 1

    def shortened(self) -> int:
        """How many records are longer than the window."""
        domain, window = self.domain, self.window
        if window is None or not counts_tokens(domain):
            return 0
        return sum(domain.length(len(units)) > window for units in self.units)

    def batch(self, rows: RowNumbers, phase: RowNumbers) -> Arrays:
        """Some records as the model takes them, padded to the longest of them.

        Beside what the domain gives, ``target``, ``weight``, and ``phase``: the units that were
        left out, so that a token's place in its record is known to the unit.

        Args:
            rows: which ones, [B].
            phase: units left out at the beginning of each, below ``phases``, [B]; a record that
                would be too short is read from its first unit on.
        """
        parts, phase = self._cut([self.units[row] for row in rows], phase)
        padded = np.zeros((len(rows), max(map(len, parts))), parts[0].dtype)
        for row, units in zip(padded, parts, strict=True):
            row[: len(units)] = units
        lengths = np.array([len(units) for units in parts], np.int64)
        return self.domain.batch(padded, lengths, None) | {
            "phase": phase,
            "target": self.target[rows],
            "weight": self.weight[rows],
        }

    def _cut(
        self, records: Sequence[Array], phase: RowNumbers
    ) -> tuple[Sequence[Array], RowNumbers]:
        """What is read of some records, and the units that are left out before it."""
        domain = self.domain
        if self.window is None or not counts_tokens(domain):
            return records, phase
        most, fewest = domain.units(self.window), domain.units(1)
        left = [len(units) - first for units, first in zip(records, phase.tolist(), strict=True)]
        phase = np.where(np.array(left) >= fewest, phase, 0)
        cuts = zip(records, phase.tolist(), strict=True)
        return [units[first:][:most] for units, first in cuts], phase

    def in_phases(self, rows: RowNumbers) -> list[Arrays]:
        """The batch of ``rows`` once in every phase, so that none of them is favoured."""
        return [self.batch(rows, np.full(len(rows), phase)) for phase in range(self.phases)]

    def evaluation(self, rows: RowNumbers, size: int) -> list[Arrays]:
        """All of ``rows`` in every phase, at most ``size`` in a batch."""
        return [batch for some in self.batches(rows, size) for batch in self.in_phases(some)]

    def drawn(self, rows: RowNumbers, examples: RowNumbers, seed: int) -> Arrays:
        """The batch of ``rows``, each in a phase that its number in the run decides."""
        draw = rng.Counter(seed, 0, examples).uniform("phase", 1)[:, 0]
        return self.batch(rows, (draw * self.phases).astype(np.int64))

    def batches(self, rows: RowNumbers, size: int) -> list[RowNumbers]:
        """``rows`` by length, at most ``size`` together: little padding, in no useful order."""
        ordered = rows[np.argsort([len(self.units[row]) for row in rows], kind="stable")]
        return [ordered[at : at + size] for at in range(0, len(ordered), size)]

    def outputs(self, score: Scorer, rows: RowNumbers, size: int) -> Floats:
        """The head's output for ``rows``, [rows, outputs]; the mean over the phases."""
        total: dict[int, Floats] = dict.fromkeys(rows.tolist(), np.zeros(()))
        for some in self.batches(rows, size):
            for arrays in self.in_phases(some):
                for row, output in zip(some.tolist(), score(arrays), strict=True):
                    total[row] = total[row] + output
        return np.stack([total[row] for row in rows.tolist()]) / self.phases


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
