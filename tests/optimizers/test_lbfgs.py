"""L-BFGS as the loop gives it its work."""

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sslkit.contracts.optimizer import Course, Moment
from sslkit.optimizers import lbfgs


def rosenbrock(x: Tensor) -> Tensor:
    return (1 - x[::2]).square().sum() + 100 * (x[1::2] - x[::2].square()).square().sum()


def begun(
    start: list[float], **changed: int
) -> tuple[Tensor, lbfgs.Optimizer, Callable[[], float]]:
    x = torch.nn.Parameter(torch.tensor(start, dtype=torch.float64))
    group = {"params": [x], "weight_decay": 0.5, "peak": 1e-3}
    made = lbfgs.Optimizer([group], lbfgs.Settings(**changed), Course(10))

    def evaluate() -> float:
        x.grad = None
        loss = rosenbrock(x)
        loss.backward()
        return float(loss.detach())

    return x, made, evaluate


def run(made: lbfgs.Optimizer, evaluate: Callable[[], float], steps: range) -> list[float]:
    losses = []
    for step in steps:
        loss = evaluate()
        losses.append(loss)
        made.step(Moment(step, loss, 1.0, evaluate))
    return losses


def test_it_finds_the_bottom_of_a_bent_valley() -> None:
    x, made, evaluate = begun([-1.2, 1.0, 0.5, 2.0])
    losses = run(made, evaluate, range(8))
    assert evaluate() < 1e-16
    torch.testing.assert_close(x.detach(), torch.ones(4, dtype=torch.float64))
    assert all(later <= earlier for earlier, later in itertools.pairwise(losses))


def test_the_first_evaluation_is_not_made_twice() -> None:
    _, made, evaluate = begun([-1.2, 1.0], iterations=1)
    asked = []

    def counted() -> float:
        asked.append(1)
        return evaluate()

    loss = evaluate()
    made.step(Moment(0, loss, 1.0, counted))
    assert made.trace()["evaluations"] == len(asked) + 1
    assert made.trace()["learning_rate"] > 0


def test_it_goes_on_from_its_state_to_the_bit() -> None:
    whole, other, evaluate = begun([-1.2, 1.0], iterations=3)
    run(other, evaluate, range(6))
    first, made, before = begun([-1.2, 1.0], iterations=3)
    run(made, before, range(3))
    second, resumed, after = begun(first.detach().tolist(), iterations=3)
    resumed.load_state_dict(made.state_dict())
    run(resumed, after, range(3, 6))
    assert torch.equal(whole, second)


def test_settings_that_make_no_sense_are_refused() -> None:
    for name, value in (("after", 1.0), ("iterations", 0), ("rate", 0.0), ("history", 0)):
        with pytest.raises(ValueError, match=name):
            lbfgs.Settings(**{name: value})
