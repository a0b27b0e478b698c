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

from sslkit.heads import TokenHead, log_probabilities, token_losses, unigram_loss
from sslkit.modules import states_at
from sslkit.types import Array, Arrays, Batch, Draws, TokenSpec, Weighted

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

    def __init__(self, settings: Settings, spec: TokenSpec, counts: Array | None = None) -> None:
        self.settings = settings
        self.spec = spec
        self._counts = counts

    def head(self, width: int) -> nn.Module:
        """From hidden states to scores of all tokens: [..., width] to [..., size]."""
        return TokenHead(width, self.spec, self._counts)

    def prepare(self, batch: Arrays, draws: Draws) -> Arrays:
        """What is asked of every token of the vocabulary.

        Args:
            batch: ``tokens`` [B, L], ``length`` [B] and, where the domain weighs tokens,
                ``token_weight`` [B, L].
            draws: not used, nothing is random.

        Returns:
            ``tokens``, ``length``, ``positions`` [T] of the states to predict from in the
            flattened [B, L + 1], of which column c has seen c tokens, ``targets`` [T], the ids,
            and ``weight`` [T] float32.
        """
        tokens, length = batch["tokens"], batch["length"]
        columns = tokens.shape[1]
        inside = np.arange(columns) < length[:, None]
        row, column = np.nonzero(inside & (tokens < self.spec.size))
        weight = batch.get("token_weight", np.ones(tokens.shape, np.float32))
        return {
            "tokens": tokens,
            "length": length,
            "positions": row * (columns + 1) + np.maximum(column - self.spec.reach, 0),
            "targets": tokens[row, column],
            "weight": weight[row, column],
        }

    def count(self, batch: Arrays) -> dict[str, float]:
        """The summed weights of the targets."""
        return {"clm": float(batch["weight"].sum())}

    def losses(self, encoder: nn.Module, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Weighted cross entropy summed over the targets, in nats."""
        tokens, length, places = batch["tokens"], batch["length"], batch["positions"]
        states = states_at(encoder, tokens, length, places, start=True)
        each = token_losses(head, states, batch["targets"], self.spec.size)
        return {"clm": (each * batch["weight"]).sum()}

    def floor(self, batches: Sequence[Arrays]) -> float:
        """What the counts of the tokens alone give."""
        return unigram_loss(batches, self._counts)

    def log_probabilities(
        self,
        encoder: nn.Module,
        head: nn.Module,
        tokens: Tensor,
        length: Tensor,
        wanted: Tensor,
        *,
        rows: int,
        spacing: int | None = None,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """See ``pretexts.Likelihood``: of all tokens in one pass.

        Where tokens do not overlap, they add up to the logarithm of a row's probability; where
        they do, each is given only those before it that share nothing with it, and the sum is a
        pseudo-likelihood.
        """
        row, column = (wanted & (tokens < self.spec.size)).nonzero(as_tuple=True)
        states = encoder(tokens, length, start=True)
        states = states[row, (column - self.spec.reach).clamp(min=0)]
        places = row * tokens.shape[1] + column
        yield from log_probabilities(head, states, places, self.spec.size)
