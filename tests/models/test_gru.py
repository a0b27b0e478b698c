"""The recurrent encoder against loops: the scan, the cells, and numbers at their limits."""

import itertools
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from states import states
from torch import Tensor

from sslkit.contracts.spec import Ids, token_ids
from sslkit.models import _scan
from sslkit.models._scan import scan
from sslkit.models.gru import Model, Settings

Floats = npt.NDArray[np.float64]

SPEC = {"tokens": Ids(("length",), 8)}
TOKENS = token_ids(SPEC)
SHAPE = {"blocks": 2, "width": 6, "expansion": 2}


def slowly(keep: Tensor, add: Tensor, backwards: bool) -> Tensor:
    """The recurrence, a token at a time."""
    state = torch.zeros_like(add[:, 0])
    states: dict[int, Tensor] = {}
    columns = range(add.shape[1])
    for t in reversed(columns) if backwards else columns:
        state = keep[:, t] * state + add[:, t]
        states[t] = state
    return torch.stack([states[t] for t in columns], dim=1)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("length", [1, 2, 31, 32, 33, 64, 65, 100, 257])
def test_the_scan_is_the_loop(length: int, backwards: bool) -> None:
    torch.manual_seed(length)
    keep = torch.rand(3, length, 4, dtype=torch.float64, requires_grad=True)
    add = torch.randn(3, length, 4, dtype=torch.float64, requires_grad=True)
    aim = torch.randn(3, length, 4, dtype=torch.float64)
    found = []
    for run in (scan, slowly):
        states = run(keep, add, backwards)
        found.append((states, *torch.autograd.grad((states * aim).sum(), (keep, add))))
    for fast, slow in zip(*found, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-12, atol=1e-12)


def test_the_gradient_of_the_scan_is_a_finite_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_scan, "_CHUNK", 3)
    torch.manual_seed(0)
    keep = torch.rand(2, 7, 2, dtype=torch.float64, requires_grad=True)
    add = torch.randn(2, 7, 2, dtype=torch.float64, requires_grad=True)
    for backwards in (False, True):
        assert torch.autograd.gradcheck(scan, (keep, add, backwards))


@pytest.mark.parametrize("backwards", [False, True])
def test_the_scan_is_exact_where_gates_are_shut_or_open(backwards: bool) -> None:
    torch.manual_seed(1)
    add = torch.randn(2, 5000, 3)
    # Kept for good, forgotten at once, underflowing within a chunk, and next to 1.
    for value in (1.0, 0.0, 1e-30, 1 - 2**-20):
        keep = torch.full_like(add, value)
        found = scan(keep, add, backwards)
        wanted = slowly(keep.double(), add.double(), backwards)
        assert torch.isfinite(found).all()
        torch.testing.assert_close(found.double(), wanted, rtol=1e-4, atol=1e-3)
    keep = (torch.rand_like(add) < 0.9).float()
    wanted = slowly(keep.double(), add.double(), backwards)
    torch.testing.assert_close(scan(keep, add, backwards).double(), wanted, rtol=1e-5, atol=1e-5)


def test_a_state_is_carried_over_a_million_tokens() -> None:
    keep, add = torch.ones(1, 2**20, 1), torch.zeros(1, 2**20, 1)
    add[0, 0] = 0.7
    assert float(scan(keep, add)[0, -1]) == pytest.approx(0.7)


def layer_norm(x: Floats, weight: Floats) -> Floats:
    return np.asarray((x - x.mean()) / math.sqrt(x.var() + 1e-5) * weight)


def gelu(x: Floats) -> Floats:
    return np.array([one * 0.5 * (1 + math.erf(one / math.sqrt(2))) for one in x])


def sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))


def minimal(own: dict[str, Floats], x: list[Floats], causal: bool) -> list[Floats]:
    width = len(x[0])
    entered = [own["enter.weight"] @ one for one in x]
    states = np.zeros((len(x), width))
    half = width if causal else width // 2
    for channel in range(width):
        order = range(len(x)) if channel < half else reversed(range(len(x)))
        state = 0.0
        for t in order:
            keep = sigmoid(entered[t][channel] + own["resistance"][channel])
            state = float(keep * state + (1 - keep) * entered[t][width + channel])
            states[t, channel] = state
    gates = [one[2 * width :] * sigmoid(one[2 * width :]) for one in entered]
    return [own["out.weight"] @ (h * g) for h, g in zip(states, gates, strict=True)]


def classic(own: dict[str, Floats], x: list[Floats], causal: bool) -> list[Floats]:
    """Cho et al. 2014, eq. 5 to 8, with the reset gate behind the product as in torch."""
    found = []
    for direction in range(1 if causal else 2):
        name = f"cells.{direction}."
        w, u = own[name + "weight_ih_l0"], own[name + "weight_hh_l0"]
        b, c = own[name + "bias_ih_l0"], own[name + "bias_hh_l0"]
        size = u.shape[1]
        state, states = np.zeros(size), np.zeros((len(x), size))
        for t in range(len(x)) if direction == 0 else reversed(range(len(x))):
            read, held = w @ x[t] + b, u @ state + c
            reset = sigmoid(read[:size] + held[:size])
            keep = sigmoid(read[size : 2 * size] + held[size : 2 * size])
            new = np.tanh(read[2 * size :] + reset * held[2 * size :])
            state = states[t] = keep * state + (1 - keep) * new
        found.append(states)
    return [own["out.weight"] @ h for h in np.concatenate(found, axis=1)]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("cell", ["minimal", "classic"])
def test_hidden_states_are_those_of_the_formula(cell: Any, causal: bool) -> None:
    torch.manual_seed(3)
    model = Model(Settings(cell=cell, causal=causal, **SHAPE), SPEC).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    tokens = torch.randint(0, TOKENS.total, (1, 40))
    held = {name: value.numpy() for name, value in model.state_dict().items()}
    x = [held["start"], *(held["table.own"][token] for token in tokens[0].tolist())]
    for block in range(2):
        first = f"blocks.{block}."
        own = {n.removeprefix(first): v for n, v in held.items() if n.startswith(first)}
        mixer = {n.removeprefix("mixer."): v for n, v in own.items() if n.startswith("mixer.")}
        mix = {"minimal": minimal, "classic": classic}[cell]
        added = mix(mixer, [layer_norm(one, own["norm_mixer.weight"]) for one in x], causal)
        x = [one + more for one, more in zip(x, added, strict=True)]
        for t, one in enumerate(x):
            hidden = gelu(own["up.weight"] @ layer_norm(one, own["norm_mlp.weight"]))
            x[t] = one + own["down.weight"] @ hidden
        with torch.no_grad():
            found = states(model, tokens, torch.tensor([40]), block + 1, start=True)[0].numpy()
        wanted = [layer_norm(one, held["norm.weight"]) for one in x] if block else x
        np.testing.assert_allclose(found, np.stack(wanted), rtol=1e-6, atol=1e-8)


def test_channels_span_from_two_tokens_to_the_memory() -> None:
    for causal, directions in ((True, 1), (False, 2)):
        model = Model(Settings(memory=500, causal=causal, **SHAPE), SPEC)
        mixer = model.blocks[0].get_submodule("mixer")
        scale = 1 / (1 - torch.sigmoid(mixer.get_parameter("resistance")))
        each = scale.detach().view(directions, -1)
        torch.testing.assert_close(each[:, 0], torch.full((directions,), 2.0))
        torch.testing.assert_close(each[:, -1], torch.full((directions,), 500.0), rtol=1e-3, atol=0)
        assert all((a < b).all() for a, b in itertools.pairwise(each.T))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"blocks": 0}, "blocks is at least 1"),
        ({"width": 0}, "width is at least 1"),
        ({"width": 7}, "width is even"),
        ({"expansion": 0}, "expansion is at least 1"),
        ({"memory": 1}, "memory is at least 2"),
        ({"dropout": 1.0}, "dropout is from 0 to below 1"),
    ],
)
def test_shapes_that_cannot_be(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**changed)
