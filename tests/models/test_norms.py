"""Norms against their formulas; padding, statistics, and what tiny batches do to them."""

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from states import states
from torch import Tensor

from sslkit import rng
from sslkit.artifacts.run import RunFolder
from sslkit.console import Console
from sslkit.contracts.spec import Ids, token_ids
from sslkit.engine.distributed import World
from sslkit.engine.evaluation import mean_losses
from sslkit.engine.loop import Learner, Plan, Training, Work
from sslkit.engine.optimizers import Rates
from sslkit.engine.runtime import Runtime
from sslkit.engine.signals import Stop
from sslkit.errors import UsageError
from sslkit.models import _norms, conv, gru, transformer
from sslkit.objectives import mlm
from sslkit.types import Arrays

KINDS = get_args(_norms.Kind)
MODELS: dict[str, Any] = {"conv": conv, "gru": gru, "transformer": transformer}
SPEC = {"tokens": Ids(("length",), 12)}
TOKENS = token_ids(SPEC)
RUNTIME = Runtime(torch.device("cpu"), "fp32", 1)
each = pytest.mark.parametrize("kind", KINDS)
with_each = pytest.mark.parametrize("name", MODELS)


def made(name: str, **settings: Any) -> Any:
    torch.manual_seed(3)
    shape = {"blocks": 2, "width": 8, "expansion": 2, **settings}
    if name == "transformer":
        shape["heads"] = 2
    return MODELS[name].Model(MODELS[name].Settings(**shape), SPEC)


def reference(kind: str, x: Tensor, weight: Tensor) -> Tensor:
    """Of [T, D], all tokens real, written down from the papers."""
    if kind == "batch":
        return (x - x.mean(0)) / (x.var(0, correction=0) + 1e-5).sqrt() * weight
    out = torch.empty_like(x)
    for t, token in enumerate(x):
        for part in token.chunk(2) if kind == "group" else [token]:
            at = part.storage_offset() - x.storage_offset() - t * x.shape[1]
            middle = 0.0 if kind == "rms" else part.mean()
            scale = ((part - middle).square().mean() + 1e-5).sqrt()
            out[t, at : at + len(part)] = (part - middle) / scale
    return out * weight


@each
def test_the_formula(kind: _norms.Kind) -> None:
    torch.manual_seed(0)
    norm = _norms.of(kind, 6, 2).double()
    (weight,) = norm.parameters()
    with torch.no_grad():
        weight.copy_(torch.randn(6))
    x = torch.randn(7, 6, dtype=torch.float64) * 3 + 1
    torch.testing.assert_close(norm(x), reference(kind, x, weight))
    torch.testing.assert_close(norm(x.view(1, 7, 6)), reference(kind, x, weight)[None])


@each
def test_the_type_of_its_input_is_kept(kind: _norms.Kind) -> None:
    x = torch.randn(5, 8)
    norm = _norms.of(kind, 8, 4)
    rough = norm(x.bfloat16())
    assert rough.dtype == torch.bfloat16
    torch.testing.assert_close(rough.float(), norm(x), rtol=0.02, atol=0.02)


def test_padding_has_no_part_in_the_statistics_of_a_batch() -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 5, 4)
    real = torch.arange(5) < torch.tensor([5, 2, 4])[:, None]
    alone, padded = _norms.of("batch", 4, 1), _norms.of("batch", 4, 1)
    wanted = alone(x[real])
    for filled in (0.0, 1e6):
        x[~real] = filled
        torch.testing.assert_close(padded(x, real[..., None])[real], wanted)
    alone(x[real])
    for (name, one), (_, other) in zip(alone.named_buffers(), padded.named_buffers(), strict=True):
        torch.testing.assert_close(one, other, msg=name)


def test_running_statistics_come_to_those_of_the_data_and_are_used_in_evaluation() -> None:
    torch.manual_seed(0)
    norm = _norms.of("batch", 3, 1)
    for _ in range(200):
        norm(torch.randn(4000, 3) * 2 + 5)
    norm.eval()
    held = {name: value.clone() for name, value in norm.named_buffers()}
    # One token alone has no variance; only what is held can bring it to scale.
    out = norm(torch.tensor([[5.0, 7.0, 3.0]]))
    torch.testing.assert_close(out, torch.tensor([[0.0, 1.0, -1.0]]), rtol=0.05, atol=0.05)
    assert all(torch.equal(value, held[name]) for name, value in norm.named_buffers())


def test_what_is_frozen_keeps_its_statistics() -> None:
    norm = _norms.of("batch", 3, 1).requires_grad_(False)
    x = torch.randn(9, 3)
    torch.testing.assert_close(norm(x), x, rtol=1e-4, atol=1e-4)
    assert all(bool((value == value[0]).all()) for value in norm.buffers())


@with_each
@each
def test_rows_see_each_other_by_batch_norm_alone(name: str, kind: str) -> None:
    model = made(name, norm=kind)
    assert model.across_rows == (kind == "batch")
    tokens = torch.randint(0, 12, (2, 6), generator=torch.Generator().manual_seed(1))
    length = torch.tensor([6, 4])
    changed = tokens.clone()
    changed[1, 0] = (changed[1, 0] + 1) % 12
    for training in (True, False):
        model.train(training)
        with torch.no_grad():
            before, after = (states(model, rows, length)[0] for rows in (tokens, changed))
        # What matrix products of other rows do to rounding is far less.
        same = bool((before - after).abs().max() < 1e-6)
        assert same == (kind != "batch" or not training)


@with_each
@pytest.mark.parametrize("start", [False, True])
def test_padding_changes_nothing_in_training_with_batch_norm(name: str, start: bool) -> None:
    model = made(name, norm="batch").double().train()
    length = torch.tensor([6, 4, 5])
    tokens = torch.randint(0, 12, (3, 6), generator=torch.Generator().manual_seed(1))
    wide = torch.full((3, 40), 7)
    wide[:, :6] = tokens
    places = torch.tensor([0, 3])
    found = []
    for rows in (tokens, wide):
        held = {key: value.clone() for key, value in model.state_dict().items()}
        out = states(model, rows, length, start=start)
        real = [out[row, : count + start] for row, count in enumerate(length.tolist())]
        some = model.states_at({"tokens": rows, "length": length}, places + (not start))
        torch.testing.assert_close(some, out.flatten(0, 1)[places])
        loss = sum((one**3).sum() for one in real)
        assert isinstance(loss, Tensor)
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        moved = list(model.buffers())
        found.append([*real, *gradients, *(value.clone() for value in moved)])
        model.load_state_dict(held)
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-8)


def toy(step: int, rows: int) -> Arrays:
    """Two tokens each, the second one hidden, which the first one tells; as mlm prepares it."""
    draws = rng.Counter(5, step, np.arange(rows))
    first = (draws.uniform("kind", 1) * TOKENS.size).astype(np.int64)
    return {
        "tokens": np.concatenate([first, np.full((rows, 1), TOKENS.mask)], axis=1),
        "length": np.full(rows, 2),
        "targets": (first[:, 0] + 5) % TOKENS.size,
        "weight": np.ones(rows, np.float32),
        "positions": np.arange(rows) * 3 + 2,
    }


def trained(folder: Path, kind: _norms.Kind, rows: int, steps: int) -> float:
    """The held-out loss after training on batches of so many rows."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    shape = conv.Settings(blocks=2, width=16, norm=kind)
    learner = Learner(conv.Model(shape, SPEC), mlm.Objective(mlm.Settings(), SPEC))
    held = [toy(100_000 + number, 2) for number in range(64)]
    plan = Plan(
        steps=steps, learning_rate=1e-2, warmup=20, weight_decay=0.0, clip=1.0,
        evaluate_every=steps, seed=1,
    )  # fmt: skip
    work = Work(
        lambda step: [toy(step, rows)],
        lambda learner: mean_losses(learner, held, World(), RUNTIME),
    )
    folder.mkdir()
    run = Training(learner, Rates({}), work, plan, RUNTIME, World(), RunFolder(folder))
    return run.run(Stop(), Console(quiet=True))["heldout_loss"]


def test_at_batches_of_two_group_norm_stays_and_batch_norm_breaks(tmp_path: Path) -> None:
    group = trained(tmp_path / "group", "group", 2, 700)
    batch = trained(tmp_path / "batch", "batch", 2, 700)
    many = trained(tmp_path / "many", "batch", 32, 300)
    # Nats; a guess costs log 12 = 2.5. Found: 0.001 and 0.096.
    assert group < 0.01
    assert batch > 10 * group
    assert many < batch / 3, "it is the batch of two"


@with_each
def test_batch_norm_is_refused_where_a_token_must_not_know_later_ones(name: str) -> None:
    with pytest.raises(ValueError, match="norm=batch"):
        made(name, norm="batch", causal=True)


def test_groups_that_do_not_divide_the_width_are_refused() -> None:
    for name in MODELS:
        with pytest.raises(ValueError, match="width 8 is not a multiple of 3 norm_groups"):
            made(name, norm="group", norm_groups=3)
        with pytest.raises(ValueError, match="norm_groups is at least 1"):
            made(name, norm_groups=0)
        made(name, norm_groups=3)


def test_several_processes_are_refused() -> None:
    objective = mlm.Objective(mlm.Settings(), SPEC)
    learner = Learner(made("conv", norm="batch"), objective)
    with pytest.raises(UsageError, match="norm=batch") as told:
        World(0, 2).wrap(learner, torch.device("cpu"))
    assert "norm=group" in told.value.do
