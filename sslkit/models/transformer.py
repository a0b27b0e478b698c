"""Transformer encoder: pre-norm blocks, rotary positions, no biases.

Shape suffixes: B rows, L tokens, P tokens of all rows end to end, D width, H heads, K width of a
head.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from sslkit.contracts.spec import Spec
from sslkit.models import _blocks
from sslkit.types import Batch

VERSION = 1
TAKES = frozenset({"tokens"})

#: Up to this length a CPU makes attention by plain matrix products, which beat the fused kernel
#: there; beyond it the same for some queries at a time, and again for the gradient, since scores
#: of all do not fit into memory ("Training speed" in tests/benchmarks/RESULTS.md).
_PLAIN_TOKENS = 1024
_CHUNK_QUERIES = 256
#: Where padding is left out, rows attend in groups, which have a multiple of so many columns.
_COLUMNS = 32
#: Padding of so many tokens costs a CPU as much as one more group.
_GROUP_TOKENS = 16
_Mask: TypeAlias = Tensor | None


@dataclass(frozen=True)
class Settings(_blocks.Shape):
    """Shape of the encoder."""

    heads: int = field(default=4, metadata={"help": "attention heads per block"})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.heads < 1:
            raise ValueError(f"heads is at least 1, not {self.heads}")
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} is not a multiple of 2 x {self.heads} heads")


class Model(_blocks.Blocks):
    """The encoder.

    A learned vector stands before the first token and is dropped from the output: rotary
    positions are relative, and this is what tells the first base of a record from the last.
    """

    skips_padding = True

    def __init__(self, settings: Settings, spec: Spec) -> None:
        # One by one: what is drawn for the weights follows the table.
        super().__init__(settings, spec, (_Block(settings) for _ in range(settings.blocks)))
        self.settings = settings

    def with_start(self, batch: Batch, layer: int | None = None) -> Tensor:
        """See ``TokenEncoder``. The last block's states come after the final norm."""
        last = self.depth if layer is None else layer
        x_pd, lie = self._begin(batch)
        for block in self.blocks[:last]:
            x_pd = self.through(block, x_pd, lie)
        if last == self.depth:
            x_pd = self.norm(x_pd, lie.real)
        return lie.spread(x_pd)

    def states_at(self, batch: Batch, places: Tensor) -> Tensor:
        """See ``TokenEncoder``; most of the last block is left out at all other places."""
        if self.across_rows:  # The others count: norms look at them.
            return super().states_at(batch, places)
        x_pd, lie = self._begin(batch)
        for block in self.blocks[:-1]:
            x_pd = self.through(block, x_pd, lie)
        columns = batch["tokens"].shape[1] + 1
        row = places // columns
        column = torch.minimum(places % columns, batch["length"][row])
        last = self.through(self.blocks[-1], x_pd, lie, lie.first[row] + column)
        states: Tensor = self.norm(last)
        return states

    @torch.no_grad()
    def attentions(self, batch: Batch) -> Tensor:
        """See ``contracts.encoder.Attentive``."""
        x_pd, lie = self._begin(batch)
        found = []
        for block in (block for block in self.blocks if isinstance(block, _Block)):
            found.append(block.probabilities(x_pd, lie)[..., 1:, 1:])
            x_pd = block(x_pd, lie)
        return torch.stack(found, dim=1)

    def _begin(self, batch: Batch) -> tuple[Tensor, "_Layout"]:
        """Embeddings [P, D], the learned start as one more token of the table, and how they lie."""
        length, table = batch["length"], torch.cat([self.table(), self.start[None]])
        tokens = functional.pad(batch["tokens"], (1, 0), value=len(table) - 1)
        dtype, device = table.dtype, tokens.device.type
        if torch.is_autocast_enabled(device):
            dtype = torch.get_autocast_dtype(device)
        width = self.width // self.settings.heads
        lie = _Layout.of(length, tokens.shape[1], self.causal, width, dtype)
        tokens = tokens.flatten() if lie.index is None else tokens.flatten()[lie.index]
        return functional.embedding(tokens, table).to(dtype), lie


@dataclass(frozen=True)
class _Layout:
    """How rows lie end to end, [P, ...]: padded, or without what is padding.

    Attributes:
        shape: rows and columns of the batch, padding and start included.
        first: [B], where each row begins.
        rotation: cosines and sines for each column, [L, K] each.
        groups: rows and columns of the neighbours that attend in one go, and their mask.
        index: [P], where what lies here stands in the padded batch; None for all of it.
        wide: where each column of the groups lies, end to end, padding anywhere; None for [P].
        back: [P], the column of the groups where each token is.
        real: [P, 1], False at padding that was not left out; None where there is none.
    """

    shape: tuple[int, int]
    first: Tensor
    rotation: tuple[Tensor, Tensor]
    groups: list[tuple[int, int, Tensor | None]]
    index: Tensor | None = None
    wide: Tensor | None = None
    back: Tensor | None = None
    real: Tensor | None = None

    @classmethod
    def of(
        cls, length: Tensor, columns: int, causal: bool, width: int, dtype: torch.dtype
    ) -> "_Layout":
        """Of rows of so many tokens and the start; a CPU leaves padding out where it pays."""
        rows, size = len(length), length + 1
        rotation = _rotation(columns, width, length, dtype)
        # Few widths: for each new one the products of attention are compiled anew.
        wide = (-(-size // _COLUMNS) * _COLUMNS).clamp(max=columns)
        # Another device would be waited for.
        alike = _alike(size, wide, columns) if length.device.type == "cpu" else []
        if not alike:
            first = columns * torch.arange(rows, device=length.device)
            group = (rows, columns, _mask(length, columns, causal, dtype))
            inside = _blocks.within(length, columns)
            real = None if inside is None else inside.flatten(0, 1)
            return cls((rows, columns), first, rotation, [group], real=real)
        groups, at = [], 0
        for broad, many in alike:
            here = length[at : at + many]
            groups.append((many, broad, _mask(here, broad, causal, dtype)))
            at += many
        column = torch.arange(columns)
        real, slots = column < size[:, None], column < wide[:, None]
        first, begin = size.cumsum(0) - size, wide.cumsum(0) - wide
        # Behind the end of a row its last token stands in: it is not looked at.
        stand = first[:, None] + torch.minimum(column, length[:, None])
        return cls(
            (rows, columns),
            first,
            rotation,
            groups,
            index=real.flatten().nonzero()[:, 0],
            wide=stand[slots],
            back=(begin[:, None] + column)[real],
        )

    def spread(self, x_pd: Tensor) -> Tensor:
        """[P, D] as [B, L, D]; 0 at padding that was left out."""
        if self.index is not None:
            whole = x_pd.new_zeros(self.shape[0] * self.shape[1], x_pd.shape[1])
            x_pd = whole.index_copy(0, self.index, x_pd)
        return x_pd.view(*self.shape, x_pd.shape[1])


def _alike(size: Tensor, wide: Tensor, columns: int) -> list[tuple[int, int]]:
    """Columns and number of neighbours of one width; none where padding costs less than they."""
    widths, counts = (run.tolist() for run in torch.unique_consecutive(wide, return_counts=True))
    padding = len(size) * columns - int(size.sum())
    return [*zip(widths, counts, strict=True)] if padding > _GROUP_TOKENS * len(widths) else []


class _Block(_blocks.Block):
    norm_attention: nn.Module
    qkv: nn.Linear
    out: nn.Linear

    def __init__(self, settings: Settings) -> None:
        width = settings.width
        super().__init__(
            settings,
            norm_attention=settings.normed(),
            qkv=nn.Linear(width, 3 * width, bias=False),
            out=nn.Linear(width, width, bias=False),
        )
        self.heads = settings.heads

    def forward(self, x_pd: Tensor, lie: _Layout, places: Tensor | None = None) -> Tensor:
        """[P, D], or [T, D] at ``places`` [T]."""
        y_pd = self._attend(x_pd, lie)
        if places is not None:
            x_pd, y_pd = (x.index_select(0, places) for x in (x_pd, y_pd))
        return self.finished(x_pd, self.out(y_pd), lie.real)

    def probabilities(self, x_pd: Tensor, lie: _Layout) -> Tensor:
        """How much each token looks at each, the start included, [B, H, L, L]."""
        held = [_weights(q, k, mask) for q, k, _, mask in self._heads(x_pd, lie)]
        free = [lie.shape[1] - some.shape[-1] for some in held]
        pairs = zip(held, free, strict=True)
        return torch.cat([functional.pad(some, (0, rest, 0, rest)) for some, rest in pairs])

    def _attend(self, x_pd: Tensor, lie: _Layout) -> Tensor:
        found = [
            attention(*each).transpose(1, 2).reshape(-1, self.out.in_features)
            for each in self._heads(x_pd, lie)
        ]
        y_pd = torch.cat(found) if found[1:] else found[0]
        return y_pd if lie.back is None else y_pd.index_select(0, lie.back)

    def _heads(self, x_pd: Tensor, lie: _Layout) -> Iterator[tuple[Tensor, Tensor, Tensor, _Mask]]:
        """Turned queries and keys, values and mask of each group of rows."""
        qkv = self.qkv(self.norm_attention(x_pd, lie.real))
        if lie.wide is not None:
            qkv = qkv.index_select(0, lie.wide)
        sizes = [rows * columns for rows, columns, _ in lie.groups]
        parts = qkv.split_with_sizes(sizes) if len(sizes) > 1 else (qkv,)
        for (rows, columns, mask), rows_qkv in zip(lie.groups, parts, strict=True):
            part = rows_qkv.view(rows, columns, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
            # One copy: what follows runs through memory in order, and so does its gradient.
            qk, v = part.contiguous().split([2, 1])
            q_bhlk, k_bhlk = _rotate(qk, lie.rotation, columns).unbind(0)
            yield q_bhlk, k_bhlk, v[0], mask


def attention(q_bhlk: Tensor, k_bhlk: Tensor, v_bhlk: Tensor, mask: Tensor | None) -> Tensor:
    """Softmax attention, softmax(q k' / sqrt(K) + mask) v; [B, H, L, K].

    Args:
        q_bhlk: queries; ``k_bhlk`` and ``v_bhlk`` keys and values of the same shape.
        mask: added to the scores, [1 or B, 1, 1 or L, L], or None for nothing.
    """
    if q_bhlk.device.type != "cpu":
        return functional.scaled_dot_product_attention(q_bhlk, k_bhlk, v_bhlk, attn_mask=mask)
    length = q_bhlk.shape[2]
    if length <= _PLAIN_TOKENS:
        return _products(q_bhlk, k_bhlk, v_bhlk, mask)
    found = []
    for at in range(0, length, _CHUNK_QUERIES):
        here = slice(at, at + _CHUNK_QUERIES)
        some = mask if mask is None or mask.shape[2] == 1 else mask[:, :, here]
        parts = (q_bhlk[:, :, here], k_bhlk, v_bhlk, some)
        found.append(checkpoint(_products, *parts, use_reentrant=False, preserve_rng_state=False))
    return torch.cat(found, dim=2)


def _products(q_bhlk: Tensor, k_bhlk: Tensor, v_bhlk: Tensor, mask: Tensor | None) -> Tensor:
    return _weights(q_bhlk, k_bhlk, mask).to(v_bhlk.dtype) @ v_bhlk


def _weights(q_bhlk: Tensor, k_bhlk: Tensor, mask: Tensor | None) -> Tensor:
    scores = (q_bhlk * q_bhlk.shape[-1] ** -0.5) @ k_bhlk.transpose(-1, -2)
    weights: Tensor = (scores if mask is None else scores.add_(mask)).softmax(-1)
    return weights


def _mask(length: Tensor, columns: int, causal: bool, dtype: torch.dtype) -> Tensor | None:
    """0 where a token may look, -inf elsewhere, [1 or B, 1, 1 or L, L]; None for everywhere."""
    position = torch.arange(columns, device=length.device)
    if causal:
        # Padding stands behind all that is real, so nothing real looks at it.
        hidden = position > position[:, None]
    elif bool((length == columns - 1).all()):
        return None
    else:
        hidden = (position > length[:, None])[:, None]
    mask = torch.zeros(hidden.shape, device=length.device, dtype=dtype)
    mask.masked_fill_(hidden, float("-inf"))
    return mask.view(-1, 1, *hidden.shape[-2:])


def _rotation(length: int, width: int, like: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary angles, [L, K] each (Su et al. 2021, eq. 34)."""
    rate = 10_000.0 ** (-torch.arange(0, width, 2, device=like.device) / width)
    angle = torch.arange(length, device=like.device)[:, None] * rate
    sine = angle.sin()
    # The first half of a vector takes the second times minus the sine, and the second the first.
    cosine, sine = torch.cat([angle.cos()] * 2, dim=-1), torch.cat([-sine, sine], dim=-1)
    return cosine.to(dtype), sine.to(dtype)


def _rotate(x: Tensor, rotation: tuple[Tensor, Tensor], length: int) -> Tensor:
    cosine, sine = (part[:length] for part in rotation)
    return (x * cosine).addcmul_(x.roll(x.shape[-1] // 2, -1), sine)
