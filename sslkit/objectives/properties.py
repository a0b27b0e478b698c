"""Properties: predict from a record what can be computed of it, such as descriptors of a molecule.

What chemists have taught a program to compute asks an encoder for the structure behind it, and
needs no label (Fabian et al. 2020, MolBERT, of whose objectives it helped most). The
states are pooled, and a head predicts all properties at once. The domain gives them in units of
what is usual; they are compared by sign(x) log(1 + |x|), so that what is far from usual does not
count more than all the rest.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor, nn

from sslkit.contracts.encoder import Pooling, pool, to_float32
from sslkit.contracts.spec import Floats, Spec
from sslkit.errors import UsageError
from sslkit.types import Array, Arrays, Batch, Draws, Weighted

VERSION = 1
NEEDS = frozenset({"tokens", "properties"})
CAUSAL = None
UNIT = "squared log units per property"
BASELINE = "the mean"


@dataclass(frozen=True)
class Settings(Weighted):
    """How tokens become one vector."""

    pooling: Pooling = field(
        default="mean", metadata={"help": "how the tokens of a record become one vector"}
    )


class Objective:
    """Properties of whole records.

    Raises:
        UsageError: the domain computes none as it is set.
    """

    def __init__(self, settings: Settings, spec: Spec, counts: Array | None = None) -> None:
        del counts
        properties = spec.get("properties")
        if not isinstance(properties, Floats):
            raise UsageError(
                "objective properties has nothing to predict",
                why="the domain computes no properties as it is set",
            )
        self.settings = settings
        (self._count,) = properties.shape

    def head(self, width: int) -> nn.Module:
        """From pooled states [B, width] to properties [B, P]."""
        return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, self._count))

    def prepare(self, batch: Arrays, draws: Draws) -> Arrays:
        """What is to be predicted, and of which rows.

        Args:
            batch: ``tokens`` [B, L], ``length`` [B] and ``properties`` [B, P], NaN where there is
                none.
            draws: not used, nothing is hidden.

        Returns:
            the batch, ``wanted`` [B, P] float32, 0 where it does not count, and ``counted`` [B, P]
            float32, 1 or 0.
        """
        del draws
        given = batch["properties"]
        counted = np.isfinite(given) & (batch["length"] > 0)[:, None]
        held = np.where(counted, given, 0.0)
        return batch | {
            "wanted": (np.sign(held) * np.log1p(np.abs(held))).astype(np.float32),
            "counted": counted.astype(np.float32),
        }

    def count(self, batch: Arrays) -> dict[str, float]:
        """The number of properties of all rows."""
        return {"properties": float(batch["counted"].sum())}

    def losses(self, encoder: nn.Module, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Squared errors summed over rows and properties."""
        vectors = pool(encoder(batch), self.settings.pooling)
        error = to_float32(head(vectors)) - batch["wanted"]
        return {"properties": (error**2 * batch["counted"]).sum()}

    def baseline(self, batches: Sequence[Arrays]) -> float:
        """The error of each property's mean over all of them."""
        wanted = np.concatenate([batch["wanted"] for batch in batches]).astype(np.float64)
        counted = np.concatenate([batch["counted"] for batch in batches]).astype(np.float64)
        if not counted.sum():
            return math.nan
        mean = (wanted * counted).sum(0) / np.maximum(counted.sum(0), 1)
        return float((((wanted - mean) ** 2) * counted).sum() / counted.sum())
