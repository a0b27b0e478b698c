"""Gradient descent against its formula."""

import pytest
import torch

from sslkit.contracts.optimizer import Course, Moment
from sslkit.optimizers import sgd


@pytest.mark.parametrize("nesterov", [True, False])
def test_steps_are_those_of_the_paper(nesterov: bool) -> None:
    """Sutskever et al. 2013, in the form in which the rate stands outside of the momentum."""
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    group = {"params": [weight], "weight_decay": 0.1, "peak": 0.2}
    settings = sgd.Settings(momentum=0.8, nesterov=nesterov)
    optimizer = sgd.Optimizer([group], settings, Course(3))
    wanted, speed = weight.detach().double().clone(), torch.zeros(2, dtype=torch.float64)
    for step, slope in enumerate(([1.0, 0.5], [-1.0, 2.0], [0.3, 0.3])):
        weight.grad = torch.tensor(slope)
        gradient = weight.grad.double() + 0.1 * wanted
        speed = 0.8 * speed + gradient
        wanted = wanted - 0.2 * (gradient + 0.8 * speed if nesterov else speed)
        optimizer.step(Moment(step, 1.0, 1.0, lambda: 1.0))
    torch.testing.assert_close(weight.detach().double(), wanted, rtol=1e-6, atol=1e-6)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="momentum is from 0"):
        sgd.Settings(momentum=1.0)
    with pytest.raises(ValueError, match="nesterov=true needs momentum"):
        sgd.Settings(momentum=0.0)
