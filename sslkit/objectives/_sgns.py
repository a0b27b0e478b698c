"""The loss of skip-gram with negative sampling in matrices, with its gradient made on the way.

For a centre c, a context o and their score s the loss is ``pairs * softplus(-s) + noise *
softplus(s)``: so often they were seen together, and so often o is drawn against c (Mikolov et al.
2013, eq. 4). Its derivative needs the same sigmoid, so both are made block by block while a block
is in the cache, and no matrix of scores is kept.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

#: Centres whose scores are held at once.
_ROWS = 128
#: Blocks of neighbours whose scores are held at once.
_BLOCKS = 32


def _log(share: Tensor) -> Tensor:
    """The logarithm in place; finite where a share rounded to 0."""
    return share.clamp_min_(torch.finfo(share.dtype).tiny).log_()


def _product_type(values: Tensor) -> torch.dtype:
    """The type in which matrix products are made: a lower one under autocast."""
    kind = values.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else values.dtype


class Expected(Function):
    """The loss over all pairs of a table, as the mean over all draws would be."""

    @staticmethod
    def forward(
        ctx: Any, centres: Tensor, contexts: Tensor, pairs: Tensor, mass: Tensor, noise: Tensor
    ) -> Tensor:
        """The summed loss.

        Args:
            centres: [R, D]; contexts: [C, D].
            pairs: how often each context was seen with each centre, [R, C].
            mass: negatives drawn against each centre, [R]; noise: their distribution, [C].
        """
        total = centres.new_zeros(())
        slope_centres, slope_contexts = torch.empty_like(centres), torch.zeros_like(contexts)
        low = _product_type(centres)
        all_contexts = contexts.to(low)
        for at in range(0, len(centres), _ROWS):
            some = slice(at, at + _ROWS)
            seen, own = pairs[some], centres[some].to(low)
            score = (own @ all_contexts.T).to(seen.dtype)
            both = torch.addr(seen, mass[some], noise)
            # softplus(s) = -log(sigmoid(-s)), and softplus(-s) = softplus(s) - s.
            total -= seen.flatten() @ score.flatten()
            wrong = score.neg_().sigmoid_()
            slope = torch.addcmul(both - seen, both, wrong, value=-1).to(low)
            total -= both.flatten() @ _log(wrong).flatten()
            slope_centres[some] = slope @ all_contexts
            slope_contexts += slope.T @ own
        ctx.save_for_backward(slope_centres, slope_contexts)
        return total

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of centres and contexts; the rest is data."""
        centres, contexts = ctx.saved_tensors
        return centres * slopes[0], contexts * slopes[0], None, None, None


class Banded(Function):
    """The loss of runs of centres, each run with the contexts around it and its own negatives."""

    @staticmethod
    def forward(
        ctx: Any, centres: Tensor, contexts: Tensor, pairs: Tensor, negatives: float
    ) -> Tensor:
        """The summed loss.

        Args:
            centres: runs of T, [M, T, D].
            contexts: what stands around and among each run, and behind it the S negatives that
                the run's centres share, [M, F + S, D].
            pairs: weight of each pair of a run, [M, T, F].
            negatives: drawn for each pair; each of the S stands for its part of them.
        """
        total = centres.new_zeros(())
        slopes = torch.empty_like(centres), torch.empty_like(contexts)
        low = _product_type(centres)
        far = pairs.shape[2]
        part = negatives / (contexts.shape[1] - far)
        for at in range(0, len(centres), _BLOCKS):
            some = slice(at, at + _BLOCKS)
            seen, own, near = pairs[some], centres[some].to(low), contexts[some].to(low)
            score = (own @ near.mT).to(seen.dtype)
            both = torch.empty_like(score)
            both[..., :far] = seen
            both[..., far:] = seen.sum(-1, keepdim=True) * part
            # A seen pair is right by its score, a drawn one by the opposite.
            score[..., :far].neg_()
            wrong = score.neg_().sigmoid_()
            slope = torch.addcmul(both, both, wrong, value=-1)
            slope[..., :far].neg_()
            total -= both.flatten() @ _log(wrong).flatten()
            slope = slope.to(low)
            slopes[0][some] = slope @ near
            slopes[1][some] = slope.mT @ own
        ctx.slopes = slopes
        return total

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of centres and contexts; the rest is data."""
        # In place, for they are large: no one asks for them twice.
        centres, contexts = (slope.mul_(slopes[0]) for slope in ctx.slopes)
        return centres, contexts, None, None


#: What ``apply`` of the classes above takes and gives is said in their ``forward``.
expected: Callable[..., Tensor] = Expected.apply
banded: Callable[..., Tensor] = Banded.apply
