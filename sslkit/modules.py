"""What encoders are made of and promise, and how their output becomes one vector a record."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from sslkit.types import Array, Arrays, TokenSpec

#: How the tokens of a record become one vector.
Pooling: TypeAlias = Literal["mean", "first", "max"]

#: Most scores of tokens that are held at once.
_SCORES = 2**26
#: The same where they are all looked at.
_LOOKED_AT = 2**24
_SHARE: ContextVar[float] = ContextVar("share", default=1.0)
_AGAIN: ContextVar[bool] = ContextVar("again", default=False)


class Encoder(nn.Module, ABC):
    """Base of the encoders in ``models/``.

    Attributes:
        width: numbers per token in the output.
        depth: layers that can be asked for, from 0, the embeddings, to the last.
        causal: whether a token's state knows nothing of the tokens behind it.
        sight: how far off a token can stand that a state depends on; None for any distance.
        skips_padding: whether padding costs it next to nothing on a CPU.
        across_rows: whether rows of a micro-batch see each other in training.
        checkpointing: keep only what goes into a block, and run it again for its gradient.
    """

    width: int
    depth: int
    causal: bool
    sight: int | None = None
    skips_padding: bool = False
    across_rows: bool = False
    checkpointing: bool = False

    @property
    def classes(self) -> Tensor | None:
        """For each token the number of its vector, [size], where a vector is all of an encoder."""
        return None

    @abstractmethod
    def groups(self) -> list[tuple[str, list[nn.Parameter]]]:
        """Parameters from the input to the output, by name; blocks are ``block 1``, ..."""

    @abstractmethod
    def forward(
        self, tokens: Tensor, length: Tensor, layer: int | None = None, start: bool = False
    ) -> Tensor:
        """Hidden states of every token.

        Args:
            tokens: ids, [B, L] int64.
            length: real tokens of each row, [B] int64; what stands behind them is ignored.
            layer: 0 for the embeddings, n for the output of block n; None or ``depth`` for the
                last, as a head takes it.
            start: also the state of the learned vector that stands before every row; where the
                encoder is causal, it has seen no token.

        Returns:
            [B, L, width], or [B, L + 1, width] with ``start``; values at padding are meaningless.
        """

    def states_at(
        self, tokens: Tensor, length: Tensor, places: Tensor, start: bool = False
    ) -> Tensor:
        """The last hidden states at some places only, [T, width].

        An encoder that can leave out work for all others has a method of its own.

        Args:
            places: [T] int64, into what ``forward`` gives, with its rows end to end.
        """
        hidden: Tensor = self(tokens, length, start=start)
        return hidden.flatten(0, 1)[places]

    def through(self, block: nn.Module, *given: object) -> Tensor:
        """What a block makes of ``given``: all models run their blocks by this.

        With ``checkpointing`` its gradient is the same to the bit: random numbers are drawn again
        from the state in which they were.
        """
        if self.checkpointing and torch.is_grad_enabled():
            found: Tensor = checkpoint(
                block, *given, use_reentrant=False, context_fn=lambda: (nullcontext(), _again())
            )
        else:
            found = block(*given)
        return found


@contextmanager
def _again() -> Iterator[None]:
    token = _AGAIN.set(True)
    try:
        yield
    finally:
        _AGAIN.reset(token)


def made_again() -> bool:
    """Whether a block is run again for its gradient: what counts passes must not count that."""
    return _AGAIN.get()


def states_at(
    encoder: nn.Module, tokens: Tensor, length: Tensor, places: Tensor, start: bool = False
) -> Tensor:
    """``Encoder.states_at`` for objectives, to which an encoder is a module like any other."""
    if not isinstance(encoder, Encoder):
        raise TypeError(f"{type(encoder).__name__} is no Encoder")
    return encoder.states_at(tokens, length, places, start)


class RowTable(nn.Module):
    """A vector for each row, looked up.

    Attributes:
        sparse: whether the gradient holds only the rows that were looked up; an optimizer of its
            own takes it then (see ``engine.optimizers``).
    """

    sparse = False

    def __init__(self, rows: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(rows, width))

    def forward(self, rows: Tensor) -> Tensor:
        """The vectors of row numbers, [...] to [..., width]."""
        return functional.embedding(rows, self.weight, sparse=self.sparse and self.training)


class TokenTable(nn.Module):
    """A vector for each token: one of its own, and the sum of its parts' where it has parts.

    A k-mer's bases say most of what it is; so k-mers that share bases share what is learned of
    them, as words share their character n-grams in Bojanowski et al. 2017 (eq. 3).
    """

    index: Tensor

    def __init__(self, rows: int, width: int, parts: npt.NDArray[np.int64] | None) -> None:
        super().__init__()
        self.own = nn.Parameter(torch.empty(rows, width))
        nn.init.normal_(self.own, std=0.02)
        self.shared: nn.Parameter | None = None
        if parts is not None:
            self.shared = nn.Parameter(torch.empty(int(parts.max()) + 1, width))
            nn.init.normal_(self.shared, std=0.02)
            self.register_buffer("index", torch.from_numpy(parts), persistent=False)

    def forward(self) -> Tensor:
        """The vectors, [rows, width]; rows beyond those with parts are special tokens."""
        if self.shared is None:
            return self.own
        common = functional.embedding_bag(self.index, self.shared, mode="sum")
        return self.own + functional.pad(common, (0, 0, 0, len(self.own) - len(common)))


class TokenHead(nn.Module):
    """One hidden layer, then the product with a vector for each token.

    It begins with what the counts alone say, and has only the rest to learn.
    """

    def __init__(self, width: int, spec: TokenSpec, counts: Array | None) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.table = TokenTable(spec.size, width, spec.parts)
        self.bias = nn.Parameter(torch.zeros(spec.size))
        if counts is not None:
            self.bias.data.copy_(torch.from_numpy(np.log(shares(counts))))

    def forward(self, hidden: Tensor) -> Tensor:
        """Scores [..., size] of hidden states [..., width]."""
        vectors = self.norm(functional.gelu(self.hidden(hidden)))
        return functional.linear(vectors, self.table(), self.bias)


def precise(x: Tensor) -> Tensor:
    """As float32; float64 stays what it is, for checks that need it."""
    return x if x.dtype == torch.float64 else x.float()


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
        return functional.cross_entropy(precise(head(some)), wanted, reduction="none")

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


def unigram_loss(batches: Sequence[Arrays], counts: Array | None) -> float:
    """What the counts alone give on the ``targets`` of batches, mean nats; NaN without any."""
    targets = np.concatenate([arrays["targets"] for arrays in batches])
    if not len(targets) or counts is None:
        return math.nan
    return float(-np.log(shares(counts)[targets]).mean())


def pool(hidden: Tensor, start: Tensor, stop: Tensor, pooling: Pooling) -> Tensor:
    """One vector for each row, over its tokens ``start <= position < stop`` only.

    Args:
        hidden: outputs of an encoder, [B, L, width]; anything may stand outside the range.
        start: [B] int64.
        stop: [B] int64, above ``start``.

    Returns:
        [B, width] float32; sums are taken in float32 whatever the type of ``hidden``.
    """
    if pooling == "first":
        return precise(hidden[torch.arange(len(hidden), device=hidden.device), start])
    position = torch.arange(hidden.shape[1], device=hidden.device)
    outside = (position < start[:, None]) | (position >= stop[:, None])
    if pooling == "max":
        return precise(hidden).masked_fill(outside[..., None], -torch.inf).amax(1)
    # Filled, not multiplied by zero: NaN times zero is NaN.
    total = precise(hidden).masked_fill(outside[..., None], 0.0).sum(1)
    return total / (stop - start)[:, None]
