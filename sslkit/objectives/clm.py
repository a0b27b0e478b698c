"""Next-token modelling: predict every token from those before it.

Where tokens overlap, the one before already shows most of the next. So a token is predicted from
those before it that share nothing with it, all but the last ``reach``, and the perplexity can be
read against the unigram entropy. Where none overlap, the losses of a record add up to the
negative logarithm of its probability (Bengio et al. 2003, eq. 1; Radford et al. 2018).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from sslkit.contracts.encoder import states_at
from sslkit.contracts.spec import Spec
from sslkit.objectives._heads import TokenObjective, log_probabilities, targeted
from sslkit.types import Array, Arrays, Batch, Draws, Weighted

VERSION = 1
NEEDS = frozenset({"tokens"})
CAUSAL = True
UNIT = "nats per token"
BASELINE = "unigram"


@dataclass(frozen=True)
class Settings(Weighted):
    """Nothing but the weight."""


class Objective(TokenObjective):
    """Next-token modelling for one vocabulary."""

    def __init__(self, settings: Settings, spec: Spec, counts: Array | None = None) -> None:
        super().__init__("clm", spec, counts)
        self.settings = settings

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
