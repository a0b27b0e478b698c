"""The options of finetune."""

from dataclasses import dataclass
from pathlib import Path

from sslkit.data.label_options import LabelOptions


@dataclass(frozen=True, kw_only=True)
class Options(LabelOptions):
    """Options of finetune; the command line explains them."""

    checkpoint: Path
    from_scratch: bool
    adapt: str
    freeze: int
    steps: int | None
    batch: int
    learning_rate: float | None
    schedule: str
    optimizer: str
    weight_decay: float
    class_weights: str
    patience: int
    window: int | None
    precision: str
    checkpoint_every: float
