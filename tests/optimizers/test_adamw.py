"""AdamW against its formula."""

import torch
from torch import nn

from sslkit.contracts.optimizer import Course, Moment
from sslkit.engine import optimizers
from sslkit.engine.optimizers import Rates
from sslkit.optimizers import adamw


def test_steps_are_those_of_the_paper() -> None:
    """Loshchilov & Hutter 2019, algorithm 2."""
    torch.manual_seed(0)
    model = nn.ModuleDict({"low": nn.Linear(4, 4), "high": nn.Linear(4, 4)})
    low = dict.fromkeys(model["low"].parameters(), 0.5)
    groups = optimizers.groups(model.named_parameters(), Rates(low), 0.1, 0.2)
    optimizer = adamw.Optimizer(groups, adamw.Settings(), Course(3))
    before = {name: p.detach().double().clone() for name, p in model.named_parameters()}
    first = {name: torch.zeros_like(p) for name, p in before.items()}
    second = {name: torch.zeros_like(p) for name, p in before.items()}
    generator = torch.Generator().manual_seed(1)
    for step, factor in enumerate((1.0, 0.5, 0.25), 1):
        for name, parameter in model.named_parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
            gradient = parameter.grad.double()
            first[name] = 0.9 * first[name] + 0.1 * gradient
            second[name] = 0.98 * second[name] + 0.02 * gradient**2
            rate = factor * 0.1 * (0.5 if name.startswith("low") else 1.0)
            decay = 0.2 if name.endswith("weight") else 0.0
            move = (first[name] / (1 - 0.9**step)) / (
                (second[name] / (1 - 0.98**step)).sqrt() + 1e-8
            )
            before[name] = before[name] * (1 - rate * decay) - rate * move
        optimizers.set_rate(optimizer, factor)
        optimizer.step(Moment(step, 1.0, 1.0, lambda: 1.0))
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.detach().double(), before[name], rtol=1e-5, atol=1e-6)
