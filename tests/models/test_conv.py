"""The convolution encoder against loops; its receptive field, to the token."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from states import states

from sslkit.contracts.spec import Ids, token_ids
from sslkit.models import conv
from sslkit.models.conv import Model, Settings, convolve

Floats = npt.NDArray[np.float64]

SPEC = {"tokens": Ids(("length",), 8)}
TOKENS = token_ids(SPEC)


@pytest.mark.parametrize("tile", [512, 5])
@pytest.mark.parametrize(
    "offsets", [(-1, 0, 1), (-6, -3, 0), (-20, -10, 0, 10, 20), (0,), (-4, -2, 0, 2, 4)]
)
def test_convolution_is_the_loop(
    offsets: tuple[int, ...], tile: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conv, "_TILE", tile)
    torch.manual_seed(0)
    x = torch.randn(2, 11, 3, dtype=torch.float64, requires_grad=True)
    taps = torch.randn(len(offsets), 3, dtype=torch.float64, requires_grad=True)
    wanted = np.zeros((2, 11, 3))
    for row in range(2):
        for t in range(11):
            for tap, offset in enumerate(offsets):
                if 0 <= t + offset < 11:
                    wanted[row, t] += (taps[tap] * x[row, t + offset]).detach().numpy()
    found = convolve(x, taps, offsets)
    np.testing.assert_allclose(found.detach().numpy(), wanted, rtol=1e-12, atol=1e-12)
    assert torch.autograd.gradcheck(lambda *inputs: convolve(*inputs, offsets), (x, taps))


def layer_norm(x: Floats, weight: Floats) -> Floats:
    return np.asarray((x - x.mean()) / math.sqrt(x.var() + 1e-5) * weight)


def gelu(x: Floats) -> Floats:
    return np.array([one * 0.5 * (1 + math.erf(one / math.sqrt(2))) for one in x])


@pytest.mark.parametrize("causal", [False, True])
def test_hidden_states_are_those_of_the_formula(causal: bool) -> None:
    torch.manual_seed(3)
    shape = Settings(blocks=3, width=6, kernel=3, cycle=2, expansion=2, causal=causal)
    model = Model(shape, SPEC).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    tokens = torch.randint(0, TOKENS.total, (1, 12))
    held = {name: value.numpy() for name, value in model.state_dict().items()}
    x = [held["start"], *(held["table.own"][token] for token in tokens[0].tolist())]
    for block, dilation in enumerate((1, 2, 1)):
        first = f"blocks.{block}."
        own = {n.removeprefix(first): v for n, v in held.items() if n.startswith(first)}
        entered = [
            own["mixer.enter.weight"] @ layer_norm(one, own["norm_mixer.weight"]) for one in x
        ]
        for t in range(len(x)):
            mixed = np.zeros(6)
            for tap in range(3):
                place = t + dilation * (tap - (2 if causal else 1))
                if 0 <= place < len(x):
                    mixed += own["mixer.taps"][tap] * entered[place][:6]
            gate = entered[t][6:] / (1 + np.exp(-entered[t][6:]))
            x[t] = x[t] + own["mixer.out.weight"] @ (mixed * gate)
        for t, one in enumerate(x):
            hidden = gelu(own["up.weight"] @ layer_norm(one, own["norm_mlp.weight"]))
            x[t] = one + own["down.weight"] @ hidden
        with torch.no_grad():
            found = states(model, tokens, torch.tensor([12]), block + 1, start=True)[0].numpy()
        wanted = [layer_norm(one, held["norm.weight"]) for one in x] if block == 2 else x
        np.testing.assert_allclose(found, np.stack(wanted), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("causal", "changed", "field"),
    [
        (False, {}, 2 * (1 + 2 + 4)),
        (True, {}, 4 * (1 + 2 + 4)),
        (False, {"kernel": 7, "cycle": 2}, 3 * (1 + 2 + 1)),
        (True, {"kernel": 3, "cycle": 1}, 2 * 3),
        (False, {"kernel": 1}, 0),
    ],
)
@torch.no_grad()
def test_the_receptive_field_is_exact(causal: bool, changed: dict[str, int], field: int) -> None:
    torch.manual_seed(1)
    shape = Settings(blocks=3, width=8, causal=causal, **changed)
    model = Model(shape, SPEC).double()
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.3)
    assert model.receptive_field == shape.receptive_field == field
    middle = 40
    tokens = torch.randint(0, TOKENS.size, (1, 81))
    changed_there = tokens.clone()
    changed_there[0, middle] = (tokens[0, middle] + 1) % TOKENS.size
    length = torch.tensor([81])
    moved = (states(model, changed_there, length) - states(model, tokens, length))[0].abs().amax(
        -1
    ) > 0
    places = torch.nonzero(moved).flatten().tolist()
    assert (places[0], places[-1]) == (middle if causal else middle - field, middle + field)


def test_the_default_receptive_field() -> None:
    assert Settings().receptive_field == 2 * (255 + 15)
    assert Settings(causal=True).receptive_field == 4 * (255 + 15)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"blocks": 0}, "blocks is at least 1"),
        ({"width": 0}, "width is at least 1"),
        ({"kernel": 4}, "kernel is odd"),
        ({"kernel": 0}, "kernel and cycle are at least 1"),
        ({"cycle": 0}, "kernel and cycle are at least 1"),
        ({"expansion": 0}, "expansion is at least 1"),
        ({"dropout": -0.1}, "dropout is from 0 to below 1"),
    ],
)
def test_shapes_that_cannot_be(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**changed)
