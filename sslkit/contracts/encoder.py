"""What encoders are made of and promise, and how their output becomes one vector a record."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import Literal, NamedTuple, Protocol, TypeAlias, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from sslkit.types import Batch

#: How the tokens of a record become one vector.
Pooling: TypeAlias = Literal["mean", "first", "max"]

_Value = TypeVar("_Value")
_AGAIN: ContextVar[bool] = ContextVar("again", default=False)


class States(NamedTuple):
    """Hidden states of a batch.

    Attributes:
        values: [B, L, width], or [B, width] where a record has one state; what stands at padding
            is meaningless.
        mask: [B, L], False at padding; None where a record has one state.
    """

    values: Tensor
    mask: Tensor | None


class Encoder(nn.Module, ABC):
    """Base of all models: what stands before an objective's head.

    The file in ``models/`` also gives ``TAKES``, names of what batches must hold for it.

    Attributes:
        width: numbers in a state.
        depth: layers that can be asked for, from 0, the embeddings, to the last.
        causal: whether a token's state knows nothing of the tokens behind it.
        receptive_field: how far off a token can stand that a state depends on; None for any
            distance.
        skips_padding: whether padding costs it next to nothing on a CPU.
        across_rows: whether rows of a micro-batch see each other in training.
        checkpointing: keep only what goes into a block, and run it again for its gradient.
    """

    width: int
    depth: int = 0
    causal: bool = False
    receptive_field: int | None = None
    skips_padding: bool = False
    across_rows: bool = False
    checkpointing: bool = False

    @abstractmethod
    def groups(self) -> list[tuple[str, list[nn.Parameter]]]:
        """Parameters from the input to the output, by name; blocks are ``block 1``, ..."""

    @abstractmethod
    def forward(self, batch: Batch, *, layer: int | None = None) -> States:
        """Hidden states of every record.

        Args:
            batch: what the model ``TAKES``, by name, as the domain gives it.
            layer: 0 for the embeddings, n for the output of block n; None or ``depth`` for the
                last, as a head takes it.
        """

    @property
    def classes(self) -> Tensor | None:
        """For each token the number of its vector, [size], where a vector is all of an encoder."""
        return None

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


class TokenEncoder(Encoder):
    """Base of encoders of sequences: a learned vector stands before the first token of a row."""

    @abstractmethod
    def with_start(self, batch: Batch, layer: int | None = None) -> Tensor:
        """Hidden states of the start vector and of every token, [B, 1 + L, width].

        Where the encoder is causal, column c has seen c tokens.
        """

    def forward(self, batch: Batch, *, layer: int | None = None) -> States:
        """Hidden states of every token; see ``Encoder``."""
        return States(self.with_start(batch, layer)[:, 1:], real(batch))

    def states_at(self, batch: Batch, places: Tensor) -> Tensor:
        """The last hidden states at some places only, [T, width].

        An encoder that can leave out work for all others has a method of its own.

        Args:
            places: [T] int64, into [B, 1 + L] with its rows end to end, as ``with_start`` has it.
        """
        return self.with_start(batch).flatten(0, 1)[places]


def real(batch: Batch) -> Tensor:
    """Whether each token is real, [B, L]; False at padding."""
    columns = torch.arange(batch["tokens"].shape[1], device=batch["length"].device)
    return columns < batch["length"][:, None]


def view(batch: Mapping[str, _Value], name: str) -> dict[str, _Value]:
    """Another record in the place of each, as a batch of its own: its arrays are ``NAME.array``."""
    first = f"{name}."
    return {key.removeprefix(first): v for key, v in batch.items() if key.startswith(first)}


def take(batch: Batch, rows: Tensor) -> Batch:
    """Some records of a batch of tokens, [rows], padded to the longest of them."""
    columns, longest = batch["tokens"].shape[1], int(batch["length"][rows].max())

    def cut(array: Tensor) -> Tensor:
        return array[rows, :longest] if array.shape[1:2] == (columns,) else array[rows]

    return {name: cut(array) for name, array in batch.items()}


@runtime_checkable
class Attentive(Protocol):
    """What an encoder offers besides whose tokens look at each other by attention."""

    def attentions(self, batch: Batch) -> Tensor:
        """How much each token looks at each, in every layer and head, without a gradient.

        Returns:
            [B, layers, heads, L, L], who looks before what is looked at. What goes to a vector
            that stands before the first token is left out, so that rows sum to 1 at most; values
            at padding are meaningless.
        """
        ...


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


def states_at(encoder: nn.Module, batch: Batch, places: Tensor) -> Tensor:
    """``TokenEncoder.states_at`` for objectives, to which an encoder is a module like any other."""
    if not isinstance(encoder, TokenEncoder):
        raise TypeError(f"{type(encoder).__name__} has no states of tokens")
    return encoder.states_at(batch, places)


class RowTable(nn.Embedding):
    """A vector for each row, looked up; an embedding by type, so that DDP sums sparse gradients.

    Attributes:
        sparse: whether the gradient holds only the rows that were looked up; an optimizer of its
            own takes it then (see ``engine.optimizers``).
    """

    sparse = False
    weight: nn.Parameter

    def __init__(self, rows: int, width: int) -> None:
        super().__init__(rows, width, _weight=torch.zeros(rows, width))

    def forward(self, input: Tensor) -> Tensor:
        """The vectors of row numbers, [...] to [..., width]."""
        return functional.embedding(input, self.weight, sparse=self.sparse and self.training)


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


def to_float32(x: Tensor) -> Tensor:
    """As float32; float64 stays what it is, for checks that need it."""
    return x if x.dtype == torch.float64 else x.float()


def pool(states: States, pooling: Pooling) -> Tensor:
    """One vector for each record, [B, width] float32, over its real tokens."""
    if states.mask is None:
        return to_float32(states.values)
    # A record without tokens counts nowhere; its vector is that of its first padding.
    length = states.mask.sum(1).clamp(min=1)
    return pool_between(states.values, torch.zeros_like(length), length, pooling)


def pool_between(hidden: Tensor, start: Tensor, stop: Tensor, pooling: Pooling) -> Tensor:
    """One vector for each row, over its tokens ``start <= position < stop`` only.

    Args:
        hidden: outputs of an encoder, [B, L, width]; anything may stand outside the range.
        start: [B] int64.
        stop: [B] int64, above ``start``.

    Returns:
        [B, width] float32; sums are taken in float32 whatever the type of ``hidden``.
    """
    if pooling == "first":
        return to_float32(hidden[torch.arange(len(hidden), device=hidden.device), start])
    position = torch.arange(hidden.shape[1], device=hidden.device)
    outside = (position < start[:, None]) | (position >= stop[:, None])
    if pooling == "max":
        return to_float32(hidden).masked_fill(outside[..., None], -torch.inf).amax(1)
    # Filled, not multiplied by zero: NaN times zero is NaN.
    total = to_float32(hidden).masked_fill(outside[..., None], 0.0).sum(1)
    return total / (stop - start)[:, None]
