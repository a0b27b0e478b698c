"""Energies: give every record a number, low where data is plausible, by telling it from noise.

Conditional noise-contrastive estimation (Ceylan & Gutmann 2018): a copy of each record has some
tokens replaced, and the model must say which of the two is the data. At its best, minus the
energy is the logarithm of the records' density up to a constant, one for each length.

Tokens that do not overlap are replaced by draws from the counts, at places drawn without a look
at the tokens. What this makes likelier is accounted for exactly, by an energy that begins with
what the counts say; the model learns the rest. Where tokens overlap, replacing one of them would
make neighbours that cannot stand together, which are told from data without knowing any. There
the noise is the domain's corruption of what the tokens are made of. It must be symmetric, a change
as likely as the one back, as genome's is; then nothing is left to account for, and the counts
alone tell much of the noise, for what it makes is rare. The baseline is what they tell; where
tokens do not overlap the noise follows the counts, and they tell nothing: chance, log 2.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from sslkit.contracts.encoder import real, to_float32
from sslkit.contracts.spec import Spec, token_ids
from sslkit.errors import UsageError
from sslkit.objectives._heads import shares
from sslkit.types import Array, Arrays, Batch, Draws, Weighted

VERSION = 1
NEEDS = frozenset({"tokens"})
OVERLAP_NEEDS = frozenset({"corrupted"})
CAUSAL = None
UNIT = "nats per record"
BASELINE = "counts"

_HALVINGS = 50


@dataclass(frozen=True)
class Settings(Weighted):
    """The noise that data is told from."""

    rate: float = field(
        default=0.1,
        metadata={
            "help": "share of tokens that a noise copy replaces, one at least; where k-mers "
            "overlap, the domain's noise decides it"
        },
    )
    copies: int = field(
        default=1, metadata={"help": "noise copies of each record; 1 where k-mers overlap"}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.rate <= 1:
            raise ValueError(f"rate is above 0 and at most 1, not {self.rate}")
        if self.copies < 1:
            raise ValueError(f"copies is at least 1, not {self.copies}")


class Objective:
    """Energies of records over one vocabulary."""

    def __init__(self, settings: Settings, spec: Spec, counts: Array | None = None) -> None:
        tokens = token_ids(spec)
        if tokens.overlap and settings.copies > 1:
            raise UsageError(
                f"energy makes one noise copy where tokens overlap, not {settings.copies}",
                do="leave --set copies out, or use tokens that do not overlap (--set stride=K)",
            )
        self.settings = settings
        self.tokens = tokens
        share = shares(np.zeros(tokens.size) if counts is None else counts)
        self._cumulated = np.cumsum(share)
        # What the counts say of a token, and of what the vocabulary does not hold as much as of
        # its rarest token. Where tokens overlap, what they share counts once.
        own = np.full(tokens.total, -np.log(share.min()))
        own[: tokens.size] = -np.log(share)
        self._own = own / (tokens.overlap + 1)

    def head(self, width: int) -> nn.Module:
        """From hidden states [..., width] to energies [...]."""
        return Head(width)

    def prepare(self, batch: Arrays, draws: Draws) -> Arrays:
        """Put noise beside the data.

        Args:
            batch: ``tokens`` [B, L], ``length`` [B] and, where tokens overlap, ``corrupted``
                [B, L].
            draws: random numbers by row.

        Returns:
            the batch, ``noise`` [B, copies, L], ``odds`` [B, copies] float32, the
            part of G that the counts give, and ``rows`` [R] int64, those with tokens.
        """
        tokens, length = batch["tokens"], batch["length"]
        if self.tokens.overlap:
            noise = batch["corrupted"][:, None]
            inside = np.arange(tokens.shape[1]) < length[:, None]
            odds = ((self._own[batch["corrupted"]] - self._own[tokens]) * inside).sum(1)[:, None]
        else:
            copies = range(self.settings.copies)
            noise = np.stack([self._replaced(tokens, length, draws, n) for n in copies], axis=1)
            # The energies of the counts and the odds of having drawn the noise cancel.
            odds = np.zeros(noise.shape[:2])
        return batch | {
            "noise": noise,
            "odds": odds.astype(np.float32),
            "rows": np.flatnonzero(length > 0),
        }

    def _replaced(self, tokens: Array, length: Array, draws: Draws, copy: int) -> Array:
        """Tokens with a share of them, at least one a row, drawn anew from the counts."""
        columns = tokens.shape[1]
        known = (np.arange(columns) < length[:, None]) & (tokens < self.tokens.size)
        place = np.where(known, draws.uniform(f"place {copy}", columns), np.inf)
        count = np.maximum(1, np.rint(self.settings.rate * known.sum(1))).astype(np.int64)
        rank = place.argsort(axis=1, kind="stable").argsort(axis=1)
        chosen = known & (rank < count[:, None])
        # Two draws of 24 bits: one alone would never come to a rare token of a large vocabulary.
        draw = draws.uniform(f"token {copy}", columns).astype(np.float64)
        draw += draws.uniform(f"token {copy}, further bits", columns) * 2.0**-24
        drawn = np.searchsorted(self._cumulated, draw[chosen], side="right")
        noise = tokens.copy()
        noise[chosen] = np.minimum(drawn, self.tokens.size - 1)
        return noise

    def count(self, batch: Arrays) -> dict[str, float]:
        """The number of records with tokens."""
        return {"energy": float(len(batch["rows"]))}

    def losses(self, encoder: nn.Module, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Nats of telling data from noise, the mean over copies, summed over records.

        The loss is softplus(-G), where G is the energy of the noise less that of the data, and the
        logarithm of the chance to make the noise of the data less that of the way back (Ceylan &
        Gutmann 2018).
        """
        tokens, noise = batch["tokens"], batch["noise"]
        copies = noise.shape[1]
        both = torch.cat([tokens[:, None], noise], dim=1).flatten(0, 1)
        inputs = {name: batch[name] for name in batch.keys() - {"noise", "odds", "rows"}}
        copied = {n: array.repeat_interleave(copies + 1, 0) for n, array in inputs.items()}
        beyond = _beyond(encoder, head, copied | {"tokens": both})
        beyond = beyond.view(-1, copies + 1)[batch["rows"]]
        each = functional.softplus(beyond[:, :1] - beyond[:, 1:] - batch["odds"][batch["rows"]])
        return {"energy": each.mean(1).sum()}

    def energies(self, encoder: nn.Module, head: nn.Module, batch: Batch) -> Tensor:
        """How implausible records are, [B] float32 in nats; lower is more plausible.

        Comparable between records of one length: minus the energy is their log-density up to a
        constant. A record without tokens has 0.
        """
        tokens = batch["tokens"]
        own = torch.from_numpy(self._own.astype(np.float32)).to(tokens.device)[tokens]
        own = own.masked_fill(~real(batch), 0.0)
        return _beyond(encoder, head, batch) + own.sum(1)

    def baseline(self, batches: Sequence[Arrays]) -> float:
        """What the counts alone tell, trusted as far as is best on ``batches``."""
        odds = np.concatenate([batch["odds"][batch["rows"]] for batch in batches])
        odds = odds.astype(np.float64)
        if not len(odds):
            return math.nan
        return float(np.logaddexp(0, -_trust(odds) * odds).mean())


def _trust(odds: npt.NDArray[np.float64]) -> float:
    """The factor, 0 to 8, with which odds tell data from noise best: the loss is convex in it."""
    low, high = 0.0, 8.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        # Minus the slope: odds weighted by how far they are from being trusted.
        rises = (odds * np.exp(-np.logaddexp(0, middle * odds))).sum() > 0
        low, high = (middle, high) if rises else (low, middle)
    return low


class Head(nn.Module):
    """An energy for each token in its context; it begins with 0, with what the counts say."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, 1, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(self, hidden: Tensor) -> Tensor:
        """Energies [...], at least float32, of hidden states [..., width]."""
        states = to_float32(self.norm(functional.gelu(self.hidden(hidden))))
        # Sums of many are compared that differ in a few.
        with torch.autocast(hidden.device.type, enabled=False):
            found: Tensor = self.out(states)
        return found.squeeze(-1)


def _beyond(encoder: nn.Module, head: nn.Module, batch: Batch) -> Tensor:
    """What the model adds to the energies of the counts, [B]: a sum over tokens."""
    padding = ~real(batch)
    # Filled before and behind: NaN times zero is NaN.
    hidden = encoder(batch).values.masked_fill(padding[..., None], 0.0)
    found: Tensor = head(hidden).masked_fill(padding, 0.0).sum(1)
    return found
