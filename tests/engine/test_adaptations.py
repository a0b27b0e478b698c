"""Adaptations joined: what is named, rates multiplied, the penalty in the loss, and merging."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sslkit.adapt import freeze, full, lora
from sslkit.contracts.adaptation import Adaptation
from sslkit.contracts.encoder import Encoder
from sslkit.contracts.spec import Ids
from sslkit.engine import adaptations
from sslkit.engine.adaptations import Adaptations, Adapted
from sslkit.engine.distributed import ALONE
from sslkit.engine.evaluation import mean_losses
from sslkit.engine.learner import Learner, to_device
from sslkit.engine.runtime import Runtime
from sslkit.engine.slope import Slope
from sslkit.errors import UsageError
from sslkit.models import transformer
from sslkit.objectives import supervised
from sslkit.types import Arrays, Batch

SPEC = {"tokens": Ids(("length",), 16)}
RUNTIME = Runtime(torch.device("cpu"), "fp32", 1)
LORA = ("lora", lora, lora.Settings(rank=2))


def encoder() -> Encoder:
    torch.manual_seed(1)
    return transformer.Model(transformer.Settings(blocks=3, width=8, heads=2), SPEC)


def arrays(rows: int = 4) -> Arrays:
    rng = np.random.default_rng(rows)
    return {
        "tokens": rng.integers(0, 16, (rows, 5)),
        "length": np.full(rows, 5),
        "phase": np.zeros(rows, np.int64),
        "target": rng.integers(0, 2, rows),
        "weight": np.ones(rows, np.float32),
    }


class Weigh(Adaptation):
    """Half the mean square of the last norm, as often as rows are seen."""

    def penalty(self, learner: nn.Module, batch: Batch) -> Tensor:
        weight = learner.get_submodule("encoder.norm").get_parameter("weight")
        return weight.square().sum() * self.settings


def learner(*parts: Adaptation) -> Learner:
    torch.manual_seed(2)
    joined = Adaptations(parts)
    objective = supervised.Objective(supervised.Settings(positions=0, head_dropout=0.0))
    return Learner(joined.wrap(encoder(), 1), objective, adaptations=joined)


def evaluate(of: Learner, *batches: Arrays) -> dict[str, float]:
    counts: dict[str, float] = {}
    for batch in batches:
        for name, count in of.count(batch).items():
            counts[name] = counts.get(name, 0.0) + count
    return Slope(
        wrapped=of.train(), losses=lambda one: of(to_device(one, RUNTIME)), weights={},
        world=ALONE, batches=batches, counts=counts, seed=1,
    ).evaluate()  # fmt: skip


@pytest.mark.parametrize(
    ("adapt", "frozen", "kinds"),
    [
        ("freeze", 0, {"adaptation": "freeze"}),
        ("freeze", 2, {"adaptation": "freeze"}),
        ("full", 0, {"adaptation": "full"}),
        ("lora", 1, {"adaptation": "lora", "adaptation freeze": "freeze"}),
        ("lora + freeze", 1, {"adaptation": "lora", "adaptation freeze": "freeze"}),
    ],
)
def test_names(adapt: str, frozen: int, kinds: dict[str, str]) -> None:
    found = adaptations.modules(adapt, frozen)
    assert {kind: name for kind, (name, _) in found.items()} == kinds


@pytest.mark.parametrize("adapt", ["lorra", "lora+lora", "lora+", ""])
def test_names_that_cannot_be(adapt: str) -> None:
    with pytest.raises(UsageError):
        adaptations.modules(adapt)


def test_rates_are_multiplied() -> None:
    decay = ("freeze", freeze, freeze.Settings(freeze=1, layer_decay=0.5))
    plugins: dict[str, Any] = {"adaptation": LORA, "adaptation freeze": decay, "task": LORA}
    adapted = Adapted.of(encoder(), plugins, seed=1)
    rates = {n: adapted.rates.factors[p] for n, p in adapted.encoder.named_parameters()}
    moving = {name: rate for name, rate in rates.items() if rate}
    layers, parts = ("qkv", "out", "up", "down"), ("reduce", "expand")
    assert moving == {
        f"blocks.{block}.{layer}.{part}": rate
        for block, rate in ((1, 0.5), (2, 1.0))
        for layer, part in itertools.product(layers, parts)
    }
    adapted.rates.freeze()
    lines = adaptations.summary_lines(adapted.encoder, nn.Linear(3, 2))
    size = 2 * (32 + 16 + 40 + 40)
    assert lines[1] == f"trainable {2 * size + 8}: block 2 {size}, block 3 {size}, head 8"
    plain = sum(p.numel() for p in encoder().parameters())
    assert lines[0].startswith(f"frozen {plain + size:,}: embeddings ")


def test_full_trains_all() -> None:
    plugins: dict[str, Any] = {"adaptation": ("full", full, full.Settings())}
    adapted = Adapted.of(encoder(), plugins, seed=1)
    assert set(adapted.rates.factors.values()) == {1.0}
    assert not adapted.adaptations.merges
    assert not adapted.adaptations.penalises


def test_the_seed_decides_what_is_added() -> None:
    first, same, other = (
        Adapted.of(encoder(), {"adaptation": LORA}, seed).encoder.state_dict() for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[name], same[name]) for name in first)
    changed = {name for name in first if not torch.equal(first[name], other[name])}
    assert changed == {name for name in first if name.endswith("reduce")}


def test_a_penalty_is_a_loss_of_its_own_in_training_alone() -> None:
    plain, heavy = learner(), learner(Weigh(0.25), Weigh(0.5))
    one, other = arrays(4), arrays(2)
    without, with_it = evaluate(plain, one, other), evaluate(heavy, one, other)
    # The norm of width 8 begins with ones.
    assert with_it == pytest.approx({**without, "penalty": 0.75 * 8})
    assert heavy.total(with_it) == pytest.approx(without["supervised"] + 6.0)
    gradients = [of.encoder.get_parameter("norm.weight").grad for of in (plain, heavy)]
    torch.testing.assert_close(gradients[1], gradients[0] + torch.full((8,), 1.5))
    assert list(mean_losses(heavy, [one], ALONE, RUNTIME)) == ["heldout_loss"]


def test_parts_are_those_of_a_plain_encoder_and_training_goes_on() -> None:
    tuned = learner(lora.Adaptation(lora.Settings(rank=2)))
    for name, parameter in tuned.encoder.named_parameters():
        if name.endswith("expand"):
            nn.init.normal_(parameter, std=0.3)
    batch = to_device(arrays(), RUNTIME)
    trained = tuned.encoder(batch).values
    parts = tuned.parts()["encoder"]
    assert list(parts) == list(encoder().state_dict())
    torch.testing.assert_close(tuned.encoder(batch).values, trained, rtol=0, atol=0)
    plain = encoder()
    plain.load_state_dict(parts)
    torch.testing.assert_close(plain(batch).values, trained)
    tuned.merge()
    own = tuned.parts()["encoder"]
    assert all(torch.equal(own[name], parts[name]) for name in parts)
