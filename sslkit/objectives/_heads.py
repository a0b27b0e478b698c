"""From hidden states to tokens: scores, losses, and what counts alone know."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from sslkit.contracts.encoder import TokenTable, states_at, to_float32
from sslkit.contracts.spec import Ids, Spec, token_ids
from sslkit.types import Array, Arrays, Batch

#: Most scores of tokens that are held at once.
_SCORES = 2**26
#: The same where they are all looked at.
_LOOKED_AT = 2**24
_SHARE: ContextVar[float] = ContextVar("share", default=1.0)


class TokenHead(nn.Module):
    """One hidden layer, then the product with a vector for each token.

    It begins with what the counts alone say, and has only the rest to learn.
    """

    def __init__(self, width: int, tokens: Ids, counts: Array | None) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.table = TokenTable(tokens.size, width, tokens.parts)
        self.bias = nn.Parameter(torch.zeros(tokens.size))
        if counts is not None:
            self.bias.data.copy_(torch.from_numpy(np.log(shares(counts))))

    def forward(self, hidden: Tensor) -> Tensor:
        """Scores [..., size] of hidden states [..., width]."""
        vectors = self.norm(functional.gelu(self.hidden(hidden)))
        return functional.linear(vectors, self.table(), self.bias)


@contextmanager
def scores_at_once(share: float) -> Iterator[None]:
    """Hold only a share of the scores that may be held at once, as for a share of a batch."""
    token = _SHARE.set(share)
    try:
        yield
    finally:
        _SHARE.reset(token)


def token_losses(head: nn.Module, states: Tensor, targets: Tensor, size: int) -> Tensor:
    """Cross entropy [T] float32, in nats, of ids [T] below ``size``, given states [T, width].

    Scores of all tokens of a large vocabulary do not fit into memory together: beyond a limit
    they are made in parts, and again for the gradient.
    """
    parts = math.ceil(len(targets) * size / (_SCORES * _SHARE.get()))

    def losses(some: Tensor, wanted: Tensor) -> Tensor:
        return functional.cross_entropy(to_float32(head(some)), wanted, reduction="none")

    if parts <= 1:
        return losses(states, targets)
    cut = zip(states.chunk(parts), targets.chunk(parts), strict=True)
    return torch.cat([checkpoint(losses, *part, use_reentrant=False) for part in cut])


def log_probabilities(
    head: nn.Module, states: Tensor, places: Tensor, size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Log probabilities [T, size] float32 of all tokens, given states [T, width], part by part.

    Yields:
        a part of ``places`` [T], and what belongs to it.
    """
    rows = max(1, _LOOKED_AT // size)
    for first in range(0, len(places), rows):
        part = slice(first, first + rows)
        yield places[part], head(states[part]).float().log_softmax(-1)


def shares(counts: Array) -> npt.NDArray[np.float64]:
    """The share of every token, [size]; one more of each, so that none has 0."""
    found: npt.NDArray[np.float64] = (counts + 1) / (counts.sum() + len(counts))
    return found


def targeted(batch: Arrays, target: npt.NDArray[np.bool_], back: int = 0) -> Arrays:
    """Which tokens are predicted, and from where.

    Args:
        batch: ``tokens`` [B, L] and, where the domain weighs tokens, ``token_weight`` [B, L].
        target: whether a token is to be predicted, [B, L].
        back: how many columns before it the state stands that it is predicted from.

    Returns:
        ``positions`` [T] of the states, as ``TokenEncoder.states_at`` takes them, ``targets`` [T],
        the ids, and ``weight`` [T] float32.
    """
    tokens = batch["tokens"]
    weight = batch.get("token_weight", np.ones(tokens.shape, np.float32))
    row, column = np.nonzero(target)
    return {
        "positions": row * (tokens.shape[1] + 1) + np.maximum(column + 1 - back, 0),
        "targets": tokens[row, column],
        "weight": weight[row, column],
    }


def unigram_loss(batches: Sequence[Arrays], counts: Array | None) -> float:
    """What the counts alone give on the ``targets`` of batches, in nats; NaN without any.

    Each counts by its ``weight``, as in the losses.
    """
    targets = np.concatenate([arrays["targets"] for arrays in batches])
    weight = np.concatenate([arrays["weight"] for arrays in batches]).astype(np.float64)
    if counts is None or not weight.sum() > 0:
        return math.nan
    return float(-np.log(shares(counts)[targets]) @ weight / weight.sum())


class TokenObjective:
    """What objectives that predict tokens have in common: all but which, and from what.

    A prepared batch has ``positions`` [T] of the states to predict from, as ``states_at`` takes
    them, ``targets`` [T], ids, and ``weight`` [T] float32.

    Args:
        name: of the loss.
        counts: of the tokens, [size], where they are known.
    """

    def __init__(self, name: str, spec: Spec, counts: Array | None) -> None:
        self.tokens = token_ids(spec)
        self._name, self._counts = name, counts

    def head(self, width: int) -> nn.Module:
        """From hidden states to scores of all tokens: [..., width] to [..., size]."""
        return TokenHead(width, self.tokens, self._counts)

    def count(self, batch: Arrays) -> dict[str, float]:
        """The summed weights of the targets."""
        return {self._name: float(batch["weight"].sum())}

    def losses(self, encoder: nn.Module, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Weighted cross entropy summed over the targets, in nats."""
        states = states_at(encoder, batch, batch["positions"])
        each = token_losses(head, states, batch["targets"], self.tokens.size)
        return {self._name: (each * batch["weight"]).sum()}

    def baseline(self, batches: Sequence[Arrays]) -> float:
        """What the counts of the tokens alone give."""
        return unigram_loss(batches, self._counts)
