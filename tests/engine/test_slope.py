"""A step's losses as a function of the weights."""

import numpy as np
import torch
from torch import Tensor, nn

from sslkit.engine.distributed import World
from sslkit.engine.slope import Slope
from sslkit.types import Arrays


class Curve(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.drop = nn.Linear(3, 2), nn.Dropout(0.5)


def slope(micro: int, dropout: float) -> tuple[Curve, Slope]:
    model = Curve()
    model.drop.p = dropout
    x = np.random.default_rng(1).normal(size=(6, 3)).astype(np.float32)

    def losses(arrays: Arrays) -> dict[str, Tensor]:
        said = model.drop(model.layer(torch.from_numpy(arrays["x"])))
        return {"a": said[:, 0].square().sum(), "b": said[:, 1].cos().sum()}

    cut: list[Arrays] = [{"x": x[at : at + micro]} for at in range(0, 6, micro)]
    counts = {"a": 6.0, "b": 3.0}
    return model, Slope(model, losses, {"b": 2.0}, World(), cut, counts, seed=5)


def test_losses_and_gradient_are_means_over_all_micro_batches() -> None:
    model, made = slope(2, 0.0)
    found = made.evaluate()
    (whole,) = slope(6, 0.0)[1].batches
    said = model.layer(torch.from_numpy(whole["x"]))
    a, b = said[:, 0].square().sum() / 6, said[:, 1].cos().sum() / 3
    wanted = torch.autograd.grad(a + 2 * b, list(model.parameters()))
    assert np.allclose([found["a"], found["b"]], [float(a.detach()), float(b.detach())])
    for parameter, gradient in zip(model.parameters(), wanted, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_asked_again_it_is_the_same_function() -> None:
    model, made = slope(2, 0.5)
    first = made.evaluate()
    gradient = model.layer.weight.grad
    torch.rand(3)
    assert made.evaluate() == first
    assert gradient is not None
    torch.testing.assert_close(model.layer.weight.grad, gradient, rtol=0, atol=0)
