"""Next-token modelling: predict every token from those before it.

Where tokens overlap, the one before already shows most of the next. So a token is predicted from
those before it that share nothing with it, all but the last ``reach``, and the perplexity can be
read against the unigram entropy. Where none overlap, the losses of a record add up to the
negative logarithm of its probability (Bengio et al. 2003, eq. 1; Radford et al. 2018).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from sslkit.contracts.encoder import states_at
from sslkit.contracts.spec import Spec, token_ids
from sslkit.objectives._heads import (
    TokenHead,
    log_probabilities,
    targeted,
    token_losses,
    unigram_loss,
)
from sslkit.types import Array, Arrays, Batch, Draws, Weighted

VERSION = 1
NEEDS = frozenset({"tokens"})
CAUSAL = True
UNIT = "nats per token"
FLOOR = "unigram"


@dataclass(frozen=True)
class Settings(Weighted):
    """Nothing but the weight."""


class Objective:
    """Next-token modelling for one vocabulary."""

    def __init__(self, settings: Settings, spec: Spec, counts: Array | None = None) -> None:
        self.settings = settings
        self.tokens = token_ids(spec)
        self._counts = counts

    def head(self, width: int) -> nn.Module:
        """From hidden states to scores of all tokens: [..., width] to [..., size]."""
        return TokenHead(width, self.tokens, self._counts)

    def prepare(self, batch: Arrays, draws: Draws) -> Arrays:
        """What is asked of every token of the vocabulary.

        Args:
            batch: ``tokens`` [B, L], ``length`` [B] and, where the domain weighs tokens,
                ``token_weight`` [B, L].
            draws: not used, nothing is random.

        Returns:
            the batch, ``positions`` [T] of the states to predict from, as
            ``TokenEncoder.states_at`` takes them, ``targets`` [T], the ids, and ``weight`` [T]
            float32.
        """
        tokens, length = batch["tokens"], batch["length"]
        inside = np.arange(tokens.shape[1]) < length[:, None]
        target = inside & (tokens < self.tokens.size)
        # The state of the token before has seen all that stands before a target.
        return batch | targeted(batch, target, back=1 + self.tokens.overlap)

    def count(self, batch: Arrays) -> dict[str, float]:
        """The summed weights of the targets."""
        return {"clm": float(batch["weight"].sum())}

    def losses(self, encoder: nn.Module, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Weighted cross entropy summed over the targets, in nats."""
        states = states_at(encoder, batch, batch["positions"])
        each = token_losses(head, states, batch["targets"], self.tokens.size)
        return {"clm": (each * batch["weight"]).sum()}

    def floor(self, batches: Sequence[Arrays]) -> float:
        """What the counts of the tokens alone give."""
        return unigram_loss(batches, self._counts)

    def log_probabilities(
        self,
        encoder: nn.Module,
        head: nn.Module,
        batch: Batch,
        wanted: Tensor,
        *,
        rows: int,
        spacing: int | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """See ``contracts.objective.Likelihood``: of all tokens in one pass.

        Where tokens do not overlap, they add up to the logarithm of a row's probability; where
        they do, each is given only those before it that share nothing with it, and the sum is a
        pseudo-likelihood.
        """
        tokens = batch["tokens"]
        row, column = (wanted & (tokens < self.tokens.size)).nonzero(as_tuple=True)
        before = (column - self.tokens.overlap).clamp(min=0)
        states = states_at(encoder, batch, row * (tokens.shape[1] + 1) + before)
        places = row * tokens.shape[1] + column
        yield from log_probabilities(head, states, places, self.tokens.size)
