"""The options of probe."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sslkit.contracts.encoder import Pooling
from sslkit.data.label_options import LabelOptions


@dataclass(frozen=True, kw_only=True)
class Options(LabelOptions):
    """Options of probe; the command line explains them."""

    checkpoint: Path
    embeddings: Path | None
    folds: int | None
    test_share: float
    pooling: Pooling
    layer: int
    window: int | None
    batch_tokens: int
    plot: Path | None
    precision: Literal["auto", "fp32", "bf16"]
