"""Langevin dynamics: a posterior that is known is recovered."""

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from sslkit.contracts.optimizer import Course, Moment, Optimizer
from sslkit.errors import UsageError
from sslkit.optimizers import sgd, sgld

EXAMPLES, NOISE, DECAY = 200, 0.5, 0.05
Floats = npt.NDArray[np.float64]


def regression() -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs that lean on each other, and targets with Gaussian noise."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(EXAMPLES, 3)) @ np.array([[1, 0.6, 0], [0, 0.8, 0.3], [0, 0, 1.2]])
    y = x @ np.array([1.0, -2.0, 0.5]) + NOISE * rng.normal(size=EXAMPLES)
    return torch.from_numpy(x).float(), torch.from_numpy(y).float()


def posterior(x: torch.Tensor, y: torch.Tensor, temperature: float) -> tuple[Floats, Floats]:
    """Mean and covariance of the weights, in closed form."""
    inputs, targets = x.double().numpy(), y.double().numpy()
    precision = inputs.T @ inputs / NOISE**2 + EXAMPLES * DECAY * np.eye(3)
    mean = np.linalg.solve(precision, inputs.T @ targets / NOISE**2)
    return mean, temperature * np.linalg.inv(precision)


def walk(made: str, steps: int, rate: float, temperature: float, batch: int = EXAMPLES) -> Floats:
    """The weights after every step of the second half, [steps / 2, 3]."""
    x, y = regression()
    model = nn.Linear(3, 1, bias=False)
    nn.init.zeros_(model.weight)
    group = {"params": [model.weight], "weight_decay": DECAY, "peak": rate}
    course = Course(steps, seed=3)
    optimizer: Optimizer
    if made == "sgld":
        optimizer = sgld.Optimizer([group], sgld.Settings(temperature=temperature), course)
    else:
        optimizer = sgd.Optimizer([group], sgd.Settings(momentum=0.0, nesterov=False), course)
    draws = np.random.default_rng(2)
    found = np.empty((steps, 3))
    for step in range(steps):
        rows = slice(None) if batch == EXAMPLES else draws.choice(EXAMPLES, batch, replace=False)
        error = model(x[rows])[:, 0] - y[rows]
        # Negative log likelihood, up to a constant.
        loss = (error.square() / (2 * NOISE**2)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step(Moment(step, float(loss.detach()), EXAMPLES, lambda: 0.0))
        found[step] = model.weight.detach().double().numpy()[0]
    return found[steps // 2 :]


def effective(chain: Floats) -> float:
    """How many independent draws a chain is worth, by the times over which it forgets itself."""
    own = chain - chain.mean()
    spectrum = np.abs(np.fft.rfft(own, 2 * len(own))) ** 2
    correlation = np.fft.irfft(spectrum)[: len(own)]
    correlation /= correlation[0]
    time, lag = 1.0, 1
    # Sokal's window: five times the time that was found so far.
    while lag < len(own) and lag < 5 * time:
        time += 2 * correlation[lag]
        lag += 1
    return len(own) / max(time, 1.0)


@pytest.mark.parametrize(("temperature", "batch"), [(1.0, EXAMPLES), (3.0, EXAMPLES), (1.0, 100)])
def test_a_known_posterior_is_recovered(temperature: float, batch: int) -> None:
    rate = 0.01 if batch == EXAMPLES else 0.004
    chain = walk("sgld", 16_000, rate, temperature, batch)
    mean, covariance = posterior(*regression(), temperature)
    # Along the posterior's own axes all are independent standard normal.
    standard = np.linalg.solve(np.linalg.cholesky(covariance), (chain - mean).T)
    for row in standard:
        worth = effective(row)
        assert worth > 30
        assert abs(row.mean()) < 4 / math.sqrt(worth)
        # Of a long step the variance is larger by rate * curvature / 2; of drawn batches, too.
        assert row.var() == pytest.approx(1.0, abs=4 * math.sqrt(2 / worth) + 0.1)
    worth = min(map(effective, standard))
    off = np.corrcoef(standard)[np.triu_indices(3, 1)]
    assert np.abs(off).max() < 4 / math.sqrt(worth)


def test_gradient_descent_collapses_to_the_mode() -> None:
    mean, covariance = posterior(*regression(), 1.0)
    chain = walk("sgd", 6_000, 0.01, 0.0)
    assert np.allclose(chain.mean(0), mean, atol=1e-4)
    assert (chain.std(0) < 1e-3 * np.sqrt(np.diag(covariance))).all()
    drawn = walk("sgd", 6_000, 0.001, 0.0, 100)
    assert (drawn.std(0) < 0.5 * np.sqrt(np.diag(covariance))).all()


def test_without_temperature_it_is_gradient_descent() -> None:
    assert np.allclose(walk("sgld", 50, 0.01, 0.0), walk("sgd", 50, 0.01, 0.0), atol=1e-6)


def test_noise_depends_on_seed_and_step_alone() -> None:
    def moved(seed: int, step: int) -> torch.Tensor:
        weight = nn.Parameter(torch.zeros(5))
        weight.grad = torch.zeros(5)
        torch.manual_seed(step + 17)
        group = {"params": [weight], "weight_decay": 0.0, "peak": 0.5}
        made = sgld.Optimizer([group], sgld.Settings(), Course(100, seed=seed))
        made.step(Moment(step, 1.0, 4.0, lambda: 0.0))
        return weight.detach()

    assert torch.equal(moved(1, 7), moved(1, 7))
    assert not torch.equal(moved(1, 7), moved(1, 8))
    assert not torch.equal(moved(1, 7), moved(2, 7))


@pytest.mark.parametrize(("steps", "burn_in", "samples"), [(40, 0.5, 20), (100, 0.3, 7), (9, 0, 9)])
def test_samples_are_spread_over_what_follows_burn_in(
    steps: int, burn_in: float, samples: int
) -> None:
    kept = sgld.kept(sgld.Settings(burn_in=burn_in, samples=samples), Course(steps))
    assert len(set(kept)) == samples
    assert kept == sorted(kept)
    assert kept[0] > burn_in * steps
    assert kept[-1] == steps


def test_too_short_a_run_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot keep 20 samples of the 15 steps"):
        sgld.kept(sgld.Settings(), Course(30))
    with pytest.raises(UsageError, match="of the 10 steps"):
        sgld.kept(sgld.Settings(), Course(100, begin=90))
    for name, value in (("temperature", -1.0), ("burn_in", 1.0), ("samples", 0), ("examples", 0.0)):
        with pytest.raises(ValueError, match=name):
            sgld.Settings(**{name: value})
