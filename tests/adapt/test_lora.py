"""Low-rank updates: what is added, what is trained, and that merging changes nothing."""

import copy
import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sslkit import catalog
from sslkit.adapt.lora import Adaptation, LowRank, Settings
from sslkit.contracts.encoder import Encoder, States
from sslkit.contracts.spec import Ids, Spec
from sslkit.errors import UsageError
from sslkit.types import Batch

PARTS = np.array([(a, 4 + b) for a, b in itertools.product(range(4), repeat=2)])
TOKENS = {"tokens": Ids(("length",), 16, overlap=1, parts=PARTS)}
LINKS: Spec = {**TOKENS, "links": Ids(("length", "link"), 3)}
SITES: Spec = {**TOKENS, "sites": Ids(("length",), 9)}
SHAPE = {"blocks": 2, "width": 8, "expansion": 2}
#: Name, settings, spec, and the linear layers in each block or of all.
ENCODERS: list[tuple[str, dict[str, Any], Spec, set[str]]] = [
    ("transformer", {**SHAPE, "heads": 2}, TOKENS, {"qkv", "out", "up", "down"}),
    ("gru", SHAPE, TOKENS, {"enter", "out", "up", "down"}),
    ("gru", {**SHAPE, "cell": "classic"}, TOKENS, {"out", "up", "down"}),
    ("conv", SHAPE, TOKENS, {"enter", "out", "up", "down"}),
    ("mpnn", SHAPE, LINKS, {"enter", "out", "up", "down"}),
    ("factored", {"heads": 2, "head_width": 4, "site_width": 8, "value_width": 8, "width": 8},
     SITES, {"query", "key", "out"}),
]  # fmt: skip


def build(name: str, shape: dict[str, Any], spec: Spec = TOKENS) -> Encoder:
    module = catalog.load("model", name)
    torch.manual_seed(1)
    encoder: Encoder = module.Model(module.Settings(**shape), spec).double().eval()
    return encoder


def transformer(**changed: Any) -> Encoder:
    return build("transformer", {**SHAPE, "heads": 2, **changed})


def wrapped(encoder: Encoder, **settings: Any) -> tuple[Adaptation, Encoder]:
    adaptation = Adaptation(Settings(**settings))
    return adaptation, adaptation.wrap(encoder)


def stir(encoder: Encoder) -> None:
    """Give updates numbers, as training would."""
    torch.manual_seed(2)
    for module in encoder.modules():
        if isinstance(module, LowRank):
            nn.init.normal_(module.expand, std=0.3)


def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    return {
        "tokens": torch.randint(0, 16, (3, 7), generator=generator),
        "length": torch.tensor([7, 2, 5]),
        "links": torch.randint(-1, 6, (3, 7, 2), generator=generator),
        "sites": torch.randint(0, 9, (3, 7), generator=generator),
    }


def outputs(encoder: Encoder) -> Tensor:
    return encoder(batch()).values


@pytest.mark.parametrize(("name", "shape", "spec", "layers"), ENCODERS)
def test_every_encoder_of_linear_layers(
    name: str, shape: dict[str, Any], spec: Spec, layers: set[str]
) -> None:
    plain = build(name, shape, spec)
    start, weights = outputs(plain), copy.deepcopy(plain.state_dict())
    adaptation, encoder = wrapped(plain, rank=3)
    updated = {n.rpartition(".")[2] for n, m in encoder.named_modules() if isinstance(m, LowRank)}
    assert updated == layers
    assert torch.equal(outputs(encoder), start), "training begins with the encoder as it was"
    stir(encoder)
    trained = outputs(encoder)
    assert (trained - start).abs().max() > 1e-2
    merged = adaptation.merge(encoder)
    torch.testing.assert_close(outputs(merged), trained, rtol=1e-9, atol=1e-9)
    changed = merged.state_dict()
    assert list(changed) == list(weights)
    moved = {n.split(".")[-2] for n in weights if not torch.equal(weights[n], changed[n])}
    assert moved == layers
    assert not any(isinstance(module, LowRank) for module in merged.modules())


def test_the_formula() -> None:
    torch.manual_seed(3)
    plain = nn.Linear(5, 4).double()
    layer = LowRank(plain, rank=2, alpha=6.0)
    assert layer.reduce.shape == (2, 5)
    assert torch.equal(layer.expand, torch.zeros(4, 2, dtype=torch.float64))
    nn.init.normal_(layer.expand)
    x = torch.randn(7, 5, dtype=torch.float64)
    weight, bias = plain.weight.detach().clone(), plain.bias
    wanted = x @ weight.T + bias + 3.0 * (x @ layer.reduce.T @ layer.expand.T)
    torch.testing.assert_close(layer(x), wanted)
    torch.testing.assert_close(layer.weight, weight + 3.0 * layer.expand @ layer.reduce)
    assert layer.bias is bias
    assert layer.merged() is plain
    torch.testing.assert_close(plain(x), wanted)


def test_first_numbers_of_updates() -> None:
    torch.manual_seed(4)
    layer = LowRank(nn.Linear(400, 500), rank=100, alpha=1.0)
    assert float(layer.reduce.detach().mean()) == pytest.approx(0.0, abs=1e-3)
    assert float(layer.reduce.detach().std()) == pytest.approx(400**-0.5, rel=0.02)


@pytest.mark.parametrize(
    ("targets", "count"),
    [
        # Of width 8: qkv 24 x 8, out 8 x 8, up 16 x 8, down 8 x 16; rank 2.
        ("*", 2 * 2 * (32 + 16 + 24 + 24)),
        ("qkv,out", 2 * 2 * (32 + 16)),
        (" up , down", 2 * 2 * (24 + 24)),
        ("blocks.1.*", 2 * (32 + 16 + 24 + 24)),
        ("blocks.0.qkv", 2 * 32),
        ("q*", 2 * 2 * 32),
    ],
)
def test_targets_and_numbers_of_trained_parameters(targets: str, count: int) -> None:
    adaptation, encoder = wrapped(transformer(), rank=2, targets=targets)
    rates = adaptation.rates(encoder)
    assert set(rates.values()) == {0.0}
    assert sum(p.numel() for p in encoder.parameters() if p not in rates) == count
    before = sum(p.numel() for p in transformer().parameters())
    assert sum(p.numel() for p in rates) == before


def test_gradients_only_where_it_is_trained() -> None:
    adaptation, encoder = wrapped(transformer(), rank=2, targets="qkv,up")
    for parameter in adaptation.rates(encoder):
        parameter.requires_grad_(False)
    stir(encoder)
    outputs(encoder).square().sum().backward()
    trained = {name for name, p in encoder.named_parameters() if p.grad is not None}
    assert trained == {
        f"blocks.{block}.{layer}.{part}"
        for block in (0, 1) for layer in ("qkv", "up") for part in ("reduce", "expand")
    }  # fmt: skip


class Tied(Encoder):
    """An encoder of torch's own layers; two places of one module, or two modules of one weight."""

    width = 6

    def __init__(self, *, weight: bool = False) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.again: nn.Module = self.first
        if weight:
            self.again = nn.Linear(6, 6)
            self.again.weight = self.first.weight
        torch_layer = nn.TransformerEncoderLayer(6, 2, 12, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(torch_layer, 1, enable_nested_tensor=False)

    def groups(self) -> list[tuple[str, list[nn.Parameter]]]:
        return [("block 1", list(self.parameters()))]

    def forward(self, batch: Batch, *, layer: int | None = None) -> States:
        return States(self.layers(self.again(self.first(batch["x"]))).mean(1), None)


def test_layers_that_others_read_and_modules_of_two_places() -> None:
    torch.manual_seed(5)
    adaptation, encoder = wrapped(Tied().double().eval(), rank=2)
    names = {name for name, m in encoder.named_modules() if isinstance(m, LowRank)}
    # The output layer of torch's attention is read by a function of torch, not called.
    assert names == {"first", "layers.layers.0.linear1", "layers.layers.0.linear2"}
    assert encoder.get_submodule("again") is encoder.get_submodule("first")
    stir(encoder)
    x = {"x": torch.randn(2, 4, 6, dtype=torch.float64)}
    called = encoder(x).values
    with torch.no_grad():  # In evaluation torch reads the weights of these layers.
        torch.testing.assert_close(encoder(x).values, called)
        torch.testing.assert_close(adaptation.merge(encoder)(x).values, called)


@pytest.mark.parametrize(
    ("encoder", "settings", "message"),
    [
        (lambda: build("skipgram", {"width": 8}), {}, "this encoder has none"),
        (transformer, {"targets": "query,val*"}, "no linear layer fits"),
        (transformer, {"rank": 9}, "lora.rank=9 is more than layer blocks.0.qkv has"),
        (lambda: Tied(weight=True), {"targets": "again", "rank": 2}, "layer again shares"),
    ],
)
def test_refusals(encoder: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        wrapped(encoder(), **settings)


@pytest.mark.parametrize(
    "changed", [{"rank": 0}, {"alpha": 0.0}, {"alpha": float("nan")}, {"targets": " , "}]
)
def test_settings_that_cannot_be(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(changed))):
        Settings(**changed)
