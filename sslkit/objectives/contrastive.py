"""Contrast of two views: tell a record's other view from those of other records.

Both views go through the encoder, their states are pooled and projected onto the unit sphere, with
the head and the temperature of Chen et al. 2020. What they are compared with: ``_views``.
"""

from dataclasses import dataclass, field

from torch import nn

from sslkit.contracts.spec import Spec
from sslkit.objectives import _views
from sslkit.types import Array

VERSION = 1
NEEDS = frozenset({"view"})
CAUSAL = None
UNIT = "nats per pair"
BASELINE = "chance"
ACROSS_ROWS = True


@dataclass(frozen=True)
class Settings(_views.Settings):
    """The head, and how sharply near and far are told apart."""

    projection: int = field(
        default=128, metadata={"help": "numbers per record that views are compared by"}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.projection < 1:
            raise ValueError(f"projection is at least 1, not {self.projection}")


class Objective(_views.Contrast):
    """Contrast of views behind a head of its own."""

    def __init__(
        self, settings: Settings, spec: Spec | None = None, counts: Array | None = None
    ) -> None:
        super().__init__("contrastive", settings.pooling)
        self.settings = settings

    def head(self, width: int) -> nn.Module:
        """From vectors of both views, [P, width] each, to scores of all pairs, [P, P]."""
        project = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.Linear(width, self.settings.projection)
        )
        return _views.Cosines(self.settings, project)
