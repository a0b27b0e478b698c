"""Alignment of pairs: two records that say the same get the same vector.

As ``contrastive``, but what is compared are the pooled states of the encoder themselves, as embed
gives them, without a head between: so records of two languages can be looked up by each other
(Guo et al. 2018; Feng et al. 2022 for mlm+align).
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
    """How sharply near and far are told apart."""

    temperature: float = field(
        default=0.05, metadata={"help": "what cosines are divided by, above 0.01"}
    )


class Objective(_views.Contrast):
    """Contrast of the encoder's own vectors."""

    def __init__(
        self, settings: Settings, spec: Spec | None = None, counts: Array | None = None
    ) -> None:
        super().__init__("align", settings.pooling)
        self.settings = settings

    def head(self, width: int) -> nn.Module:
        """From vectors of both sides, [P, width] each, to scores of all pairs, [P, P]."""
        return _views.Cosines(self.settings, nn.Identity())
