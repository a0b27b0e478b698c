"""Stochastic gradient Langevin dynamics: samples of the posterior of the weights.

With N terms in all of the data (Welling & Teh 2011, eq. 4, with the step size epsilon as
2 * rate * temperature / N, so that rates mean what they mean for gradient descent):

    weights -= rate * (gradient of the mean loss + weight decay * weights) + noise
    variance of the noise = 2 * rate * temperature / N

It draws from exp(-(N * mean loss + N * weight decay / 2 * |weights|^2) / temperature): weight decay
is a Gaussian prior of precision N * weight decay, on matrices only. At temperature 0 it is gradient
descent. The gradient is not clipped, which would change what is drawn from. Noise depends on seed
and step alone. Rates must be small against 2 / curvature: the variance is too large by about
rate * curvature / 2 of it. After burn-in some weights are kept in the run's folder, samples/, each
a checkpoint as any; fine-tuning predicts by the mean of what they say.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import torch

from sslkit import rng
from sslkit.contracts.optimizer import Course, Moment
from sslkit.errors import UsageError

VERSION = 1
#: The peak rate unless a flag says otherwise.
RATE = 0.01


@dataclass(frozen=True)
class Settings:
    """How hot it is and which weights are kept."""

    temperature: float = field(default=1.0, metadata={"help": "1 for the posterior; 0: no noise"})
    burn_in: float = field(
        default=0.5, metadata={"help": "share of the run before the first sample"}
    )
    samples: int = field(default=20, metadata={"help": "weights that are kept, evenly spaced"})
    examples: float | None = field(
        default=None,
        metadata={"help": "terms that the mean loss stands for. None: all there are to train on"},
    )
    after: float = field(
        default=0.25,
        metadata={"help": "share of the steps that an optimizer before it has, where there is one"},
    )

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise ValueError(f"temperature is at least 0, not {self.temperature}")
        if not 0 <= self.burn_in < 1:
            raise ValueError(f"burn_in is from 0 to below 1, not {self.burn_in}")
        if self.samples < 1:
            raise ValueError(f"samples is at least 1, not {self.samples}")
        if self.examples is not None and not 0 < self.examples < math.inf:
            raise ValueError(f"examples is above 0, not {self.examples}")
        if not 0 < self.after < 1:
            raise ValueError(f"after is above 0 and below 1, not {self.after}")


def kept(settings: Settings, course: Course) -> list[int]:
    """The steps, from 1, after which the weights are kept.

    Raises:
        UsageError: there are fewer steps after burn-in than samples.
    """
    first = max(round(settings.burn_in * course.steps), course.begin)
    left, count = course.steps - first, settings.samples
    if left < count:
        raise UsageError(
            f"sgld cannot keep {count} samples of the {left} steps after burn-in",
            do="give more --steps, a smaller sgld.burn_in or fewer sgld.samples",
        )
    return [first + left * number // count for number in range(1, count + 1)]


class Optimizer:
    """Langevin dynamics; implements ``contracts.optimizer.Optimizer``."""

    clips = False

    def __init__(self, groups: list[dict[str, Any]], settings: Settings, course: Course) -> None:
        self.param_groups = [{**group, "lr": group["peak"]} for group in groups]
        self.keeps: Collection[int] = frozenset(kept(settings, course))
        self._settings = settings
        self._seed = course.seed

    @torch.no_grad()
    def step(self, now: Moment) -> None:
        """Move all parameters that have a gradient; a step without data is none."""
        terms = self._settings.examples or now.terms
        if not terms:
            return
        key = rng.key(self._seed, "sgld", now.step)
        generator = torch.Generator().manual_seed(int(key >> rng.SHIFT))
        for group in self.param_groups:
            rate, decay = group["lr"], group.get("weight_decay", 0.0)
            spread = math.sqrt(2 * rate * self._settings.temperature / terms)
            for parameter in group["params"]:
                # Drawn on the processor, so that every device has the same.
                noise = torch.randn(parameter.shape, generator=generator)
                if parameter.grad is not None:
                    slope = parameter.grad.add(parameter, alpha=decay)
                    parameter.add_(slope, alpha=-rate)
                    parameter.add_(noise.to(parameter), alpha=spread)

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def trace(self) -> dict[str, float]:
        """Nothing."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Nothing: the noise depends on the step alone."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing is kept."""
