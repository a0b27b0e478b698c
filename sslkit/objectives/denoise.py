"""Denoising: read what an instrument made of a record, and say what was there.

The domain corrupts; every token of the clean record is a target, those that came through unharmed
too, so that the model learns what to restore and what to leave alone (Vincent et al. 2008).

The baseline, copying, is the best guess from the token that stands in a place alone: each of its
parts was changed as often as parts were on the whole, into any other part as likely, and tokens
were as frequent before as the counts say. Only the neighbours can tell more than that.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sslkit.contracts.spec import Spec
from sslkit.objectives._heads import TokenObjective, shares, targeted
from sslkit.types import Array, Arrays, Draws, Weighted

VERSION = 1
NEEDS = frozenset({"tokens", "corrupted"})
CAUSAL = None
UNIT = "nats per token"
BASELINE = "copying"

#: Most combinations of parts that a table holds; beyond it tokens count as wholes.
_CELLS = 2**24


@dataclass(frozen=True)
class Settings(Weighted):
    """Nothing but the weight: how much is corrupted is the domain's to say."""


class Objective(TokenObjective):
    """Denoising for one vocabulary."""

    def __init__(self, settings: Settings, spec: Spec, counts: Array | None = None) -> None:
        super().__init__("denoise", spec, counts)
        self.settings = settings

    def prepare(self, batch: Arrays, draws: Draws) -> Arrays:
        """What is shown, and which clean token each state must name.

        Args:
            batch: ``tokens`` and ``corrupted`` [B, L], ``length`` [B] and, where the domain
                weighs tokens, ``token_weight`` [B, L].
            draws: not used, the domain has drawn the errors.

        Returns:
            the batch with the corrupted ``tokens``, ``positions`` [T] of the states as
            ``TokenEncoder.states_at`` takes them, ``targets`` [T], the clean ids, and ``weight``
            [T] float32.
        """
        tokens, length = batch["tokens"], batch["length"]
        real = (np.arange(tokens.shape[1]) < length[:, None]) & (tokens < self.tokens.size)
        return batch | {"tokens": batch["corrupted"]} | targeted(batch, real)

    def baseline(self, batches: Sequence[Arrays]) -> float:
        """What the shown token alone gives, with the share of changed parts in ``batches``."""
        shown = np.concatenate([_shown(batch) for batch in batches])
        clean = np.concatenate([b["targets"] for b in batches])
        weight = np.concatenate([b["weight"] for b in batches]).astype(np.float64)
        if self._counts is None or not weight.sum() > 0:
            return math.nan
        losses = _copying(shown, clean, shares(self._counts), self._parts())
        return float((losses * weight).sum() / weight.sum())

    def _parts(self) -> npt.NDArray[np.int64]:
        """The parts of each token, [size, parts], numbered from 0 in each column."""
        whole = np.arange(self.tokens.size)[:, None]
        if self.tokens.parts is None:
            return whole
        columns = [np.unique(column, return_inverse=True)[1] for column in self.tokens.parts.T]
        cells = math.prod(int(column.max()) + 1 for column in columns)
        return np.stack(columns, axis=1) if cells <= _CELLS else whole


def _shown(batch: Arrays) -> Array:
    """The tokens that stand where targets do, [T]."""
    with_start = np.pad(batch["tokens"], ((0, 0), (1, 0)))
    shown: Array = with_start.reshape(-1)[batch["positions"]]
    return shown


def _copying(
    shown: npt.NDArray[np.int64],
    clean: npt.NDArray[np.int64],
    share: npt.NDArray[np.float64],
    parts: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """Nats of clean tokens given the shown one, [T], by the rule of Bayes."""
    known = shown < len(share)
    differ = parts[shown[known]] != parts[clean[known]]
    error = float(differ.mean()) if differ.size else 0.0
    alphabet = parts.max(0) + 1
    # A part that changes becomes any of the others of its column.
    other = error / np.maximum(alphabet - 1, 1)
    table = np.zeros(alphabet)
    table[tuple(parts.T)] = share
    for axis, (size, chance) in enumerate(zip(alphabet, other, strict=True)):
        same = 1 - error if size > 1 else 1.0
        table = (same - chance) * table + chance * table.sum(axis, keepdims=True)
    # Of a token that the vocabulary does not hold, nothing is known but the counts.
    losses = -np.log(share[clean])
    chance_of_shown = table[tuple(parts[shown[known]].T)]
    keeps = np.where(differ, other, np.where(alphabet > 1, 1 - error, 1.0))
    losses[known] += np.log(chance_of_shown) - np.log(keeps).sum(1)
    return losses
