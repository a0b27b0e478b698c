"""The field network: its inputs, its first weights, and its derivatives."""

import math

import pytest
import torch

from sslkit.domains import physics
from sslkit.models import field


def model_of(equation: str, **shape: int) -> field.Model:
    torch.manual_seed(1)
    spec = physics.Domain(physics.Settings(equation=equation)).spec
    return field.Model(field.Settings(**shape), spec).double()


def test_shape_and_groups() -> None:
    model = model_of("burgers", width=5, blocks=3)
    points = torch.rand(7, 2, dtype=torch.float64)
    assert model({"points": points}).values.shape == (7, 5)
    assert [name for name, _ in model.groups()] == ["block 1", "block 2", "block 3"]
    assert sum(p.numel() for p in model.parameters()) == 2 * 5 + 5 + 2 * (25 + 5)


def test_ends_that_are_one_place_look_the_same_with_all_derivatives() -> None:
    model = model_of("allen-cahn", width=6, blocks=2)
    left = torch.tensor([[-1.0, 0.3]], dtype=torch.float64, requires_grad=True)
    right = torch.tensor([[1.0, 0.3]], dtype=torch.float64, requires_grad=True)
    sides = []
    for points in (left, right):
        value = model({"points": points}).values.sum()
        (slope,) = torch.autograd.grad(value, points, create_graph=True)
        (second,) = torch.autograd.grad(slope.sum(), points)
        sides.append(torch.cat([value[None], slope[0], second[0]]).detach())
    assert torch.allclose(*sides, atol=1e-12)
    plain = model_of("burgers", width=6, blocks=2)
    ends = [plain({"points": end}).values for end in (left, right)]
    assert not torch.allclose(*ends)


def test_first_weights_are_xaviers() -> None:
    model = model_of("burgers", width=300, blocks=3)
    (_, first), (_, second), _ = model.groups()
    assert float(first[0].detach().std()) == pytest.approx(math.sqrt(2 / 302), rel=0.1)
    assert float(second[0].detach().std()) == pytest.approx(math.sqrt(2 / 600), rel=0.02)
    assert not second[1].any()


@pytest.mark.parametrize("shape", [{"width": 0}, {"blocks": 0}])
def test_bad_shapes(shape: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        field.Settings(**shape)
