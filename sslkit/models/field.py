"""A smooth function of a few coordinates: layers of tanh, for the solutions of equations.

As in Raissi, Perdikaris & Karniadakis 2019, with Xavier's first weights. Every coordinate is scaled
to -1 .. 1 first; one whose ends are one place enters as its sine and cosine, so that the field
repeats exactly (Dong & Ni 2021).
"""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from sslkit.contracts.encoder import Encoder, States
from sslkit.contracts.spec import Spec, space
from sslkit.types import Batch

VERSION = 1
TAKES = frozenset({"points"})


@dataclass(frozen=True)
class Settings:
    """Shape of the network."""

    width: int = field(default=32, metadata={"help": "numbers in each hidden layer"})
    blocks: int = field(default=5, metadata={"help": "hidden layers"})

    def __post_init__(self) -> None:
        if self.width < 1 or self.blocks < 1:
            raise ValueError(f"width {self.width} and blocks {self.blocks} are at least 1")


class Model(Encoder):
    """The hidden layers; an objective's head reads the field from the last one."""

    low: Tensor
    high: Tensor

    def __init__(self, settings: Settings, spec: Spec) -> None:
        super().__init__()
        points = space(spec)
        self.settings = settings
        self.width = settings.width
        self._periodic = points.periodic
        self.register_buffer("low", torch.tensor(points.low), persistent=False)
        self.register_buffer("high", torch.tensor(points.high), persistent=False)
        inputs = [len(points.periodic) + sum(points.periodic)]
        inputs += [settings.width] * (settings.blocks - 1)
        self.layers = nn.ModuleList(nn.Linear(size, settings.width) for size in inputs)
        for layer in self.layers:
            assert isinstance(layer, nn.Linear)
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)

    def groups(self) -> list[tuple[str, list[nn.Parameter]]]:
        """One for each hidden layer."""
        return [(f"block {n}", list(layer.parameters())) for n, layer in enumerate(self.layers, 1)]

    def forward(self, batch: Batch, *, layer: int | None = None) -> States:
        """The last hidden layer, [N, width], at ``points`` [N, coordinates]."""
        del layer  # nothing asks a field for another one
        scaled = 2 * (batch["points"] - self.low) / (self.high - self.low) - 1
        inputs = []
        for column, periodic in zip(scaled.unbind(1), self._periodic, strict=True):
            if periodic:
                inputs += [torch.cos(math.pi * column), torch.sin(math.pi * column)]
            else:
                inputs.append(column)
        hidden = torch.stack(inputs, 1)
        for each in self.layers:
            hidden = torch.tanh(each(hidden))
        return States(hidden, None)
