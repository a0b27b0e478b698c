"""Skip-gram with negative sampling: tell the tokens around a token from tokens drawn at random.

A context at a distance of d within ``window`` counts ``(window - d + 1) / window``, as often as
word2vec's random windows reach it; negatives are drawn by the counts of the vocabulary to the
power of 3/4 (Mikolov et al. 2013). Where tokens overlap, those within ``reach`` of a token are made
of what it is made of, and a score for them says nothing about the corpus: contexts begin behind
them.

Of a small vocabulary every pair in the corpus is counted once, and the loss is the exact mean over
all windows and all draws, at a cost that does not grow with the corpus. Of a large one pairs are
read window by window, 16 centres at a time against the band around them and negatives that they
share.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from sslkit.contracts.encoder import Encoder, RowTable
from sslkit.contracts.spec import Spec, token_ids
from sslkit.errors import UsageError
from sslkit.objectives import _sgns
from sslkit.objectives._heads import shares
from sslkit.types import Array, Arrays, Batch, Draws, Weighted

VERSION = 1
NEEDS = frozenset({"tokens"})
CAUSAL = None
UNIT = "nats per pair"
BASELINE = "unigram"

_POWER = 0.75
#: A table of pairs of more tokens than this takes over half a gigabyte.
_MOST_COUNTED = 8192
#: Centres that share negatives, and how many they share.
_RUN, _SHARED = 16, 16

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Settings(Weighted):
    """Which pairs there are and how many are drawn against them."""

    window: int = field(default=5, metadata={"help": "contexts to each side of a token"})
    negatives: int = field(default=5, metadata={"help": "drawn against each pair"})
    subsample: float = field(
        default=1e-3, metadata={"help": "share from which tokens are thinned out; 0: none are"}
    )
    overlap: bool = field(default=False, metadata={"help": "pair tokens that share bases, too"})
    algorithm: Literal["auto", "counted", "sampled"] = field(
        default="auto",
        metadata={"help": "counted: all pairs, once; sampled: by windows; auto: by vocabulary"},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("window", "negatives"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, not {getattr(self, name)}")
        if not 0 <= self.subsample < math.inf:
            raise ValueError(f"subsample is at least 0, not {self.subsample}")


class Objective:
    """Skip-gram for one vocabulary.

    Attributes:
        offsets: distances in tokens between a token and its contexts, with the weight of each in
            parts of ``window``.
    """

    def __init__(self, settings: Settings, spec: Spec, counts: Array | None = None) -> None:
        self.settings = settings
        self.tokens = tokens = token_ids(spec)
        self._counts = np.ones(tokens.size, np.int64) if counts is None else counts
        near = 0 if settings.overlap else tokens.overlap
        window = settings.window
        self.offsets = [(near + d, window - d + 1) for d in range(1, window + 1)]
        power = self._counts.astype(np.float64) ** _POWER
        self._noise: Floats = power / max(power.sum(), 1.0)
        share = shares(self._counts)
        ratio = settings.subsample / share if settings.subsample else np.full(len(share), np.inf)
        #: The share of each token's occurrences that is read (word2vec's formula).
        self._kept: Floats = np.minimum(1.0, np.sqrt(ratio) + ratio)

    def head(self, width: int) -> nn.Module:
        """A second vector for each token, as a context."""
        return RowTable(self.tokens.size, width)

    def is_counted(self, encoder: nn.Module) -> bool:
        """Whether it is given counted pairs, see ``counted``, and not windows, see ``prepare``.

        Raises:
            UsageError: pairs are to be counted, and vectors depend on more than the token.
        """
        asked = self.settings.algorithm
        if _classes(encoder) is None:
            if asked == "counted":
                raise UsageError(
                    "algorithm=counted is for an encoder that is a table", do="--model skipgram"
                )
            return False
        return asked == "counted" or (asked == "auto" and self.tokens.size <= _MOST_COUNTED)

    def counted(self, pairs: npt.NDArray[np.int64], classes: Array, part: slice) -> Arrays:
        """A batch that is the whole corpus.

        Args:
            pairs: counted at ``offsets`` with their weights, [C, C].
            classes: the number of each token's vector, [size].
            part: the centres of this process.
        """
        each = np.bincount(classes, self._counts, len(pairs))
        read = np.bincount(classes, self._counts * self._kept, len(pairs))
        kept = np.divide(read, each, out=np.ones_like(read), where=each > 0).astype(np.float32)
        weighed = pairs[part].astype(np.float32)
        weighed *= (kept[part] / np.float32(self.settings.window))[:, None]
        weighed *= kept
        centre = np.zeros(len(pairs), np.int64)
        centre[classes[::-1]] = np.arange(self.tokens.size)[::-1]
        total = weighed.sum(1, dtype=np.float64)
        return {
            "tokens": centre[None, part],
            "length": np.array([len(total)]),
            "pairs": weighed,
            "mass": (total * self.settings.negatives).astype(np.float32),
            "noise": np.bincount(classes, self._noise, len(pairs)).astype(np.float32),
            "read": read,
            "terms": np.array([total.sum()]),
        }

    def begin(self, encoder: nn.Module, head: nn.Module, batch: Arrays) -> None:
        """Start from the singular vectors of the scores that would be best one by one.

        These are the logarithms of how much more often a pair is seen than drawn (Levy & Goldberg
        2014, eq. 7), here with one more seen and drawn of each.
        """
        pairs, noise = torch.from_numpy(batch["pairs"]), torch.from_numpy(batch["noise"])
        expected = torch.outer(torch.from_numpy(batch["mass"]), noise)
        best = torch.log1p(pairs).sub_(expected.add_(self.settings.negatives).log_())
        tables = [encoder.get_submodule("table"), head]
        weights = [table.get_parameter("weight") for table in tables]
        most = min(weights[0].shape[1], len(pairs))
        left, size, right = torch.svd_lowrank(best, most, niter=2)
        for weight, vectors in zip(weights, (left, right), strict=True):
            with torch.no_grad():
                weight[: len(vectors)] = 0.0
                weight[: len(vectors), :most] = vectors * size.sqrt()

    def prepare(self, batch: Arrays, draws: Draws) -> Arrays:
        """Thin out tokens and draw negatives.

        Args:
            batch: ``tokens`` [B, L] and ``length`` [B].
            draws: random numbers by row.

        Returns:
            the batch with ``tokens`` [B, n * 16], what is left of each row and padding,
            ``negatives`` [B, n, S] and ``terms`` [1], the weight of the pairs.
        """
        tokens, length = batch["tokens"], batch["length"]
        size, columns = self.tokens.size, tokens.shape[1]
        inside = (np.arange(columns) < length[:, None]) & (tokens < size)
        rate = self._kept[np.where(inside, tokens, 0)] if size else np.zeros(tokens.shape)
        inside &= draws.uniform("subsample", columns) < rate
        if self.tokens.overlap == 0:
            # What is left moves together, as in word2vec; where tokens overlap, distances stay.
            kept = inside.sum(1)
            left: Array = np.full(tokens.shape, self.tokens.pad, np.int64)
            left[np.arange(columns) < kept[:, None]] = tokens[inside]
            left = left[:, : int(kept.max(initial=0))]
        else:
            left = np.where(inside, tokens, self.tokens.pad)
        runs = max(1, -(-left.shape[1] // _RUN))
        left = np.pad(
            left, ((0, 0), (0, runs * _RUN - left.shape[1])), constant_values=self.tokens.pad
        )
        draw = draws.uniform("negatives", runs * _SHARED)
        drawn = np.searchsorted(np.cumsum(self._noise), draw, side="right")
        return batch | {
            "tokens": left,
            "negatives": np.minimum(drawn, size - 1).reshape(-1, runs, _SHARED),
            "terms": self._contexts(left)[1].sum(keepdims=True),
        }

    def count(self, batch: Arrays) -> dict[str, float]:
        """The weight of all pairs; negatives are not counted."""
        return {"skipgram": float(batch["terms"].sum())}

    def losses(self, encoder: nn.Module, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """The loss summed over pairs, each with its negatives, in nats."""
        tokens = batch["tokens"]
        if "pairs" in batch:
            states = encoder(batch).values[0]
            contexts = head(torch.arange(len(batch["noise"]), device=tokens.device))
            parts = [batch[name].to(contexts.dtype) for name in ("pairs", "mass", "noise")]
            return {"skipgram": _sgns.expected(states, contexts, *parts)}
        far = self.offsets[-1][0]
        around = functional.pad(tokens, (far, far), value=self.tokens.pad)
        around = around.unfold(1, _RUN + 2 * far, _RUN).flatten(0, 1)
        used = (around[:, far : far + _RUN] < self.tokens.size).any(1)
        around, drawn = around[used], batch["negatives"].flatten(0, 1)[used]
        classes = _classes(encoder)
        if classes is None:
            rows = batch | {"length": _extent(tokens != self.tokens.pad)}
            states = encoder(rows).values
            states = states.reshape(-1, _RUN, states.shape[-1])[used]
        else:
            # A vector of its own for every token: what else is in the row does not matter.
            runs = around[:, far : far + _RUN]
            length = torch.full_like(runs[:, 0], _RUN)
            states = encoder({"tokens": runs, "length": length}).values

        # Padding may be any token: its pairs weigh nothing.
        read = torch.cat([around, drawn], 1).clamp(max=self.tokens.size - 1)
        contexts = head(read if classes is None else classes[read])
        there = (around < self.tokens.size).to(contexts.dtype)
        pairs = self._band(far).to(contexts) * there[:, None]
        pairs *= there[:, far : far + _RUN, None]
        negatives = float(self.settings.negatives)
        return {"skipgram": _sgns.banded(states.to(contexts.dtype), contexts, pairs, negatives)}

    def _band(self, far: int) -> Tensor:
        """The weight of every place around a run for each of its centres, [T, T + 2 far]."""
        band = torch.zeros(_RUN, _RUN + 2 * far, dtype=torch.float64)
        row = torch.arange(_RUN)
        for offset, weight in self.offsets:
            band[row, row + far + offset] = weight / self.settings.window
            band[row, row + far - offset] = weight / self.settings.window
        return band

    def baseline(self, batches: Sequence[Arrays]) -> float:
        """What scores give that say how much more often each token is seen than drawn."""
        total, loss = 0.0, 0.0
        for batch in batches:
            read, noise = self._counts * self._kept, self._noise
            if "pairs" in batch:
                seen, noise, read = batch["pairs"].sum(0), batch["noise"], batch["read"]
            else:
                seen = np.bincount(*self._contexts(batch["tokens"]), self.tokens.size)
            drawn = self.settings.negatives * noise + np.finfo(np.float32).tiny
            score = np.log(np.maximum(read / max(read.sum(), 1), 1e-30) / drawn)
            total += seen.sum()
            loss += seen @ np.logaddexp(0, -score)
            loss += seen.sum() * (drawn @ np.logaddexp(0, score))
        return float(loss / total) if total else math.nan

    def _contexts(self, tokens: Array) -> tuple[Array, Floats]:
        """Tokens of the vocabulary in a batch, and in what weight of pairs each one is."""
        there = tokens < self.tokens.size
        weight = np.zeros(tokens.shape)
        for offset, part in self.offsets:
            both = there[:, offset:] & there[:, : max(tokens.shape[1] - offset, 0)]
            weight[:, offset:] += both * (part / self.settings.window)
            weight[:, : both.shape[1]] += both * (part / self.settings.window)
        return tokens[there], weight[there]


def _extent(real: Tensor) -> Tensor:
    """Columns up to the last real one of each row, [B]; those between stay, thinned out or not."""
    number = torch.arange(1, real.shape[1] + 1, device=real.device)
    return (real * number).amax(1)


def _classes(encoder: nn.Module) -> Tensor | None:
    """For each token the number of its vector, where a vector is all of an encoder."""
    return encoder.classes if isinstance(encoder, Encoder) else None
