"""A linear recurrence over the tokens of a row, in chunks that run side by side.

Shape suffixes: B rows, L tokens, C chunks, T tokens of a chunk, D channels.
"""

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

#: Tokens that follow one another within a chunk, at most. Steps are as many as tokens of a chunk
#: and chunks of a row together: measured best from 16 to 64 for 128 to 8192 tokens.
_CHUNK = 32


def scan(keep: Tensor, add: Tensor, backwards: bool = False) -> Tensor:
    """The states of h[t] = keep[t] h[t-1] + add[t], from h = 0; [B, L, D].

    Nothing is divided by and no product runs into a logarithm, so a ``keep`` of exactly 0 or 1 is
    as good as any, and with 0 <= keep <= 1 the states stay within the sum of what was added.

    Args:
        keep: [B, L, D] in float32 or float64; ``add`` alike.
        backwards: from the last token to the first: h[t] = keep[t] h[t+1] + add[t].
    """
    return _scan(keep, add, backwards)


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, keep: Tensor, add: Tensor, backwards: bool) -> Tensor:
        states = _run(keep, add, backwards)
        context.save_for_backward(keep, states)
        context.backwards = backwards
        return states

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        keep, states = context.saved_tensors
        backwards = context.backwards
        # What a state adds to the loss comes by itself, and through the state that follows it.
        added = _run(_shifted(keep, not backwards), gradient, not backwards)
        return added * _shifted(states, backwards), added, None


_scan: Callable[..., Tensor] = _Scan.apply


def _shifted(x: Tensor, left: bool) -> Tensor:
    """``x`` moved by one token, 0 at the end that is left free."""
    return functional.pad(x[:, 1:] if left else x[:, :-1], (0, 0, 0, 1) if left else (0, 0, 1, 0))


def _run(keep: Tensor, add: Tensor, backwards: bool) -> Tensor:
    rows, length, width = add.shape
    chunks = max(1, -(-length // _CHUNK))
    tokens = -(-length // chunks)
    if spare := chunks * tokens - length:
        keep, add = (functional.pad(x, (0, 0, 0, spare)) for x in (keep, add))
    keep_bctd, add_bctd = (x.reshape(rows, chunks, tokens, width) for x in (keep, add))
    steps, order = range(tokens), range(chunks)
    if backwards:
        steps, order = steps[::-1], order[::-1]
    state_bcd = _starts(keep_bctd, add_bctd, steps, order)
    states = torch.empty_like(add_bctd)
    for t in steps:
        torch.addcmul(add_bctd[:, :, t], keep_bctd[:, :, t], state_bcd, out=states[:, :, t])
        state_bcd = states[:, :, t]
    return states.view(rows, chunks * tokens, width)[:, :length]


def _starts(keep_bctd: Tensor, add_bctd: Tensor, steps: range, order: range) -> Tensor:
    """The state before every chunk, [B, C, D]."""
    start_bcd = torch.zeros_like(add_bctd[:, :, 0])
    if len(order) == 1:
        return start_bcd
    # What a chunk makes of a state h before it is end + kept h.
    end_bcd, kept_bcd = add_bctd[:, :, steps[0]].clone(), keep_bctd[:, :, steps[0]].clone()
    for t in steps[1:]:
        torch.addcmul(add_bctd[:, :, t], keep_bctd[:, :, t], end_bcd, out=end_bcd)
        kept_bcd.mul_(keep_bctd[:, :, t])
    for before, now in itertools.pairwise(order):
        torch.addcmul(
            end_bcd[:, before], kept_bcd[:, before], start_bcd[:, before], out=start_bcd[:, now]
        )
    return start_bcd
