"""What an equation leaves over: 0 for its solutions, and gradients that finite differences find."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sslkit.contracts.encoder import States
from sslkit.domains import physics
from sslkit.engine.distributed import World
from sslkit.engine.evaluation import mean_losses
from sslkit.engine.learner import Learner, to_device
from sslkit.engine.runtime import Runtime
from sslkit.models import field
from sslkit.objectives import residual
from sslkit.types import Batch

DOUBLE = Runtime(torch.device("cpu"), "fp64", 1)
EQUATIONS = ("burgers", "allen-cahn")
each = pytest.mark.parametrize("equation", EQUATIONS)


class Exact(nn.Module):
    """A formula in the place of a network."""

    def __init__(self, formula: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.formula = formula

    def forward(self, batch: Batch) -> States:
        points = batch["points"]
        return States(self.formula(points[:, 0], points[:, 1])[:, None], None)


def domain_of(equation: str, **more: float) -> physics.Domain:
    settings = {"equation": equation, "points": 40, "conditions": 12, **more}
    return physics.Domain(physics.Settings(**settings))


def learner_of(domain: physics.Domain, **settings: float) -> Learner:
    torch.manual_seed(4)
    model = field.Model(field.Settings(width=6, blocks=2), domain.spec)
    made = residual.Objective(residual.Settings(**settings), domain.spec)
    return Learner(model, made, made.terms)


def left(domain: physics.Domain, formula: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    made = residual.Objective(residual.Settings(), domain.spec)
    points = torch.from_numpy(domain.batch(1, "train")["points"])
    return made.residual(Exact(formula), nn.Identity(), points)


@pytest.mark.parametrize("viscosity", [0.01 / math.pi, 0.1, 2.0])
def test_nothing_is_left_of_a_travelling_shock(viscosity: float) -> None:
    # Cole and Hopf: u = -2 nu (log phi)_x with phi = e^a + e^b, two exponential heat solutions.
    speed, height = 0.3, 0.8

    def shock(x: Tensor, t: Tensor) -> Tensor:
        return speed - height * torch.tanh(height * (x - speed * t) / (2 * viscosity))

    found = left(domain_of("burgers", viscosity=viscosity), shock)
    assert float(found.detach().abs().max()) < 1e-9 / viscosity


def test_nothing_is_left_of_a_cole_hopf_solution_with_sines() -> None:
    nu = 0.2

    def wave(x: Tensor, t: Tensor) -> Tensor:
        decay = 0.5 * torch.exp(-nu * math.pi**2 * t)
        return (
            2 * nu * math.pi * decay * torch.sin(math.pi * x) / (1 + decay * torch.cos(math.pi * x))
        )

    found = left(domain_of("burgers", viscosity=nu), wave)
    assert float(found.detach().abs().max()) < 1e-12


def test_nothing_is_left_of_a_moving_front() -> None:
    # u = (1 + tanh(a (x - c t))) / 2 - as a front between 0 and 1 of 5 u - 5 u^3.
    nu = 0.3
    steep, speed = math.sqrt(5 / (8 * nu)), 3 * math.sqrt(5 * nu / 2)

    def front(x: Tensor, t: Tensor) -> Tensor:
        return (1 - torch.tanh(steep * (x - speed * t))) / 2

    found = left(domain_of("allen-cahn", viscosity=nu), front)
    assert float(found.detach().abs().max()) < 1e-11


@each
def test_what_is_left_of_anything_else(equation: str) -> None:
    found = left(domain_of(equation), lambda x, t: x * t)
    assert float(found.detach().abs().mean()) > 0.1


def test_derivatives_are_made_once_and_are_0_where_nothing_depends() -> None:
    points = torch.rand(5, 2, dtype=torch.float64, requires_grad=True)
    d = residual.Derivatives(points, ("x", "t"))
    values = points[:, 0] ** 3
    assert torch.allclose(d(values, "x"), 3 * points[:, 0] ** 2)
    assert d(values, "x") is d(values, "x")
    assert torch.allclose(d(d(values, "x"), "x"), 6 * points[:, 0])
    assert not d(values, "t").any()
    assert not d(torch.ones(5, dtype=torch.float64), "x").any()


@each
def test_gradients_are_those_of_finite_differences(equation: str) -> None:
    learner = learner_of(domain := domain_of(equation, viscosity=0.05)).double()
    batch = to_device(domain.batch(1, "train"), DOUBLE)
    moving = list(learner.parameters())

    def loss() -> Tensor:
        return sum(value * learner.weights[name] for name, value in learner(batch).items())

    gradients = torch.autograd.grad(loss(), moving)
    generator = torch.Generator().manual_seed(2)
    for p, gradient in zip(moving, gradients, strict=True):
        way = torch.randn(p.shape, generator=generator, dtype=p.dtype)
        step, sides = 1e-6, []
        with torch.no_grad():
            for sign in (1, -2):
                p.add_(sign * step * way)
                sides.append(float(loss()))
            p.add_(step * way)
        wanted = (sides[0] - sides[1]) / (2 * step)
        assert float((gradient * way).sum()) == pytest.approx(wanted, rel=1e-6, abs=1e-6)


@each
def test_derivatives_by_the_coordinates_are_those_of_finite_differences(equation: str) -> None:
    domain = domain_of(equation)
    learner = learner_of(domain).double()
    points = torch.from_numpy(domain.batch(1, "train")["points"]).requires_grad_()
    made = learner.objective
    assert isinstance(made, residual.Objective)
    values = made.values(learner.encoder, learner.head, points)
    d = residual.Derivatives(points, ("x", "t"))
    step = 1e-4
    move = torch.tensor([step, 0.0], dtype=torch.float64)
    with torch.no_grad():
        up, here, down = (
            made.values(learner.encoder, learner.head, points + sign * move) for sign in (1, 0, -1)
        )
    assert torch.allclose(d(values, "x"), (up - down) / (2 * step), atol=1e-6)
    assert torch.allclose(d(d(values, "x"), "x"), (up - 2 * here + down) / step**2, atol=1e-5)


@each
def test_a_closure_gives_the_same_again_and_leaves_the_batch_alone(equation: str) -> None:
    domain = domain_of(equation)
    learner = learner_of(domain).double()
    batch = to_device(domain.batch(1, "train"), DOUBLE)
    before = {name: tensor.clone() for name, tensor in batch.items()}
    one, other = learner(batch), learner(batch)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert all(torch.equal(batch[name], before[name]) for name in batch)
    assert not any(tensor.requires_grad for tensor in batch.values())


@each
def test_the_terms_add_up_whatever_parts_the_batch_has(equation: str) -> None:
    domain = domain_of(equation)
    learner, batch = learner_of(domain).double(), domain.batch(1, "heldout")
    parts = [{name: array[at::3] for name, array in batch.items()} for at in range(3)]
    whole = mean_losses(learner, [batch], World(), DOUBLE)
    cut = mean_losses(learner, parts, World(), DOUBLE)
    assert whole == pytest.approx(cut)
    assert whole["heldout_loss"] == pytest.approx(
        whole["heldout_loss_residual"] + 10 * whole["heldout_loss_conditions"]
    )
    assert learner.objective.count(batch) == {
        "residual": 40, "conditions": 12, "observations": 0,
    }  # fmt: skip


def test_what_is_wrong_early_counts_most_where_errors_grow() -> None:
    domain = domain_of("allen-cahn", points=4000)
    made = residual.Objective(residual.Settings(), domain.spec)
    points = torch.from_numpy(domain.batch(1, "train")["points"])
    weights = made.weights(points)
    assert float(weights.mean()) == pytest.approx(1, rel=1e-2)
    first, last = points[:, 1].argmin(), points[:, 1].argmax()
    assert float(weights[first] / weights[last]) == pytest.approx(math.exp(10), rel=0.01)
    plain = residual.Objective(residual.Settings(growth=0.0), domain.spec)
    assert torch.equal(plain.weights(points), torch.ones(4000, dtype=torch.float64))


@each
def test_the_floor_is_a_field_of_zero(equation: str) -> None:
    domain = domain_of(equation)
    made = residual.Objective(residual.Settings(), domain.spec)
    batch = domain.batch(1, "heldout")
    wanted = 10 * np.square(batch["condition_values"]).mean()
    assert made.baseline([batch]) == pytest.approx(wanted)
    assert made.baseline(
        [{n: a[:6] for n, a in batch.items()}, {n: a[6:] for n, a in batch.items()}]
    ) == pytest.approx(wanted)


@pytest.mark.parametrize("name", ["conditions_weight", "observations_weight", "growth", "weight"])
def test_bad_settings(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        residual.Settings(**{name: -1.0})
