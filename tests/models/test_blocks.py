"""Gradient checkpointing, to the bit; and dropout, whose mean must be what it drops from."""

import math
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from states import states
from torch import Tensor

from sslkit.contracts.spec import Ids, token_ids
from sslkit.models import _blocks, conv, gru, transformer

SPEC = {"tokens": Ids(("length",), 12)}
TOKENS = token_ids(SPEC)
MODELS: dict[str, Any] = {"conv": conv, "gru": gru, "transformer": transformer}
with_each = pytest.mark.parametrize("name", MODELS)


def made(name: str, **settings: Any) -> Any:
    torch.manual_seed(3)
    shape = {"blocks": 3, "width": 8, "expansion": 2, **settings}
    if name == "transformer":
        shape["heads"] = 2
    return MODELS[name].Model(MODELS[name].Settings(**shape), SPEC).train()


def outcome(model: Any, again: bool, precision: str) -> list[Tensor]:
    """States, gradients and statistics after a pass of a batch with padding."""
    model.checkpointing = again
    length = torch.tensor([9, 4, 40])
    tokens = torch.randint(0, 12, (3, 40), generator=torch.Generator().manual_seed(1))
    torch.manual_seed(7)
    bf16 = torch.autocast("cpu", torch.bfloat16) if precision == "bf16" else nullcontext()
    with bf16:
        whole = states(model, tokens, length, start=True)
        some = model.states_at({"tokens": tokens, "length": length}, torch.tensor([4, 52, 43, 4]))
    real = torch.arange(41) <= length[:, None]
    loss = (whole[real].float() ** 3).sum() + (some.float() ** 3).sum()
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    # What is drawn next goes on where it would have gone on.
    return [whole[real].detach(), *gradients, *model.buffers(), torch.rand(3)]


@with_each
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("more", [{"dropout": 0.3}, {"norm": "batch", "dropout": 0.1}], ids=str)
def test_checkpointing_changes_no_bit(name: str, precision: str, more: dict[str, Any]) -> None:
    one = outcome(made(name, **more), False, precision)
    other = outcome(made(name, **more), True, precision)
    assert len(one) == len(other)
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@with_each
def test_checkpointing_keeps_less(name: str) -> None:
    tokens, length = torch.zeros((2, 32), dtype=torch.int64), torch.full((2,), 32)
    kept = []
    for again in (False, True):
        model = made(name, blocks=6)
        model.checkpointing = again
        held: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda x, held=held: (held.append(x.nbytes), x)[1], lambda x: x
        ):
            states(model, tokens, length)
        kept.append(sum(held))
    assert kept[1] < kept[0] / 3


#: Standard errors that a mean may be off: a sound mean fails in 1 of 3.5 million draws of the seed,
#: each of the 32 numbers alone; all of them together in 1 of 100,000.
_SIGMAS = 5.1


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_what_is_dropped_keeps_its_mean(share: float) -> None:
    """Where blocks drop: over many draws the mean in training is what evaluation gives."""
    torch.manual_seed(5)
    block = _blocks.Block(gru.Settings(blocks=1, width=32, dropout=share))
    x = torch.zeros(1, 32)
    mixed = torch.randn(1, 32)
    torch.nn.init.zeros_(block.down.weight)  # the first half alone; the second adds nothing
    draws = 40_000
    with torch.no_grad():
        wanted = block.eval().finished(x, mixed, None)
        found = block.train().finished(x.expand(draws, -1), mixed.expand(draws, -1), None)
    torch.testing.assert_close(wanted, mixed)
    # Of 1 kept with 1 - p and divided by it: variance p / (1 - p).
    error = mixed.abs() * math.sqrt(share / (1 - share) / draws)
    assert bool(((found.mean(0) - wanted).abs() / error < _SIGMAS).all())
    assert float((found == 0).float().mean()) == pytest.approx(share, abs=0.01)
    # The test itself can tell: unscaled, the mean would be off by many standard errors.
    unscaled = (found * (1 - share)).mean(0)
    assert bool(((unscaled - wanted).abs() / error > _SIGMAS).all())


def test_the_second_half_drops_too() -> None:
    torch.manual_seed(5)
    block = _blocks.Block(gru.Settings(blocks=1, width=8, dropout=0.5))
    x, draws = torch.randn(1, 8), 40_000
    with torch.no_grad():
        wanted = block.eval().finished(x, torch.zeros(1, 8), None) - x
        many = block.train().finished(x.expand(draws, -1), torch.zeros(draws, 8), None) - x
    assert bool(((many.mean(0) - wanted).abs() < _SIGMAS * wanted.abs() / math.sqrt(draws)).all())
    assert float((many == 0).float().mean()) == pytest.approx(0.5, abs=0.01)
