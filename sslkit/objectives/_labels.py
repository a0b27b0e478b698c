"""What objectives of labels have in common: scores of a head, and a weighted loss of each label."""

from abc import ABC, abstractmethod
from typing import ClassVar, Generic, TypeVar

from torch import Tensor, nn

from sslkit.contracts.spec import Spec
from sslkit.types import Array, Arrays, Batch, Draws

Settings = TypeVar("Settings")


class Supervised(ABC, Generic[Settings]):
    """Losses of labels, each as heavy as ``weight`` of the batch says.

    Attributes:
        NAME: of the loss.
    """

    NAME: ClassVar[str]

    def __init__(
        self, settings: Settings, spec: Spec | None = None, counts: Array | None = None
    ) -> None:
        self.settings = settings

    def prepare(self, batch: Arrays, draws: Draws) -> Arrays:
        """Nothing is hidden from the model but the labels."""
        return batch

    def count(self, batch: Arrays) -> dict[str, float]:
        """The summed weights of the labels."""
        return {self.NAME: float(batch["weight"].sum())}

    def losses(self, encoder: nn.Module, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Weighted loss summed over the labels."""
        each = self.each(self.scores(encoder, head, batch), batch["target"])
        return {self.NAME: (each * batch["weight"].flatten()).sum()}

    @abstractmethod
    def each(self, scores: Tensor, target: Tensor) -> Tensor:
        """The loss of each label, [labels]: nats, or squared standard deviations."""

    @abstractmethod
    def scores(self, encoder: nn.Module, head: nn.Module, batch: Batch) -> Tensor:
        """Scores of each label float32: of classes, or the standardised number."""


def check(outputs: int, head_dropout: float) -> None:
    """Refuse settings that no head can have.

    Raises:
        ValueError: no output, or nothing that is left of a vector.
    """
    if outputs < 1:
        raise ValueError(f"outputs is at least 1, not {outputs}")
    if not 0 <= head_dropout < 1:
        raise ValueError(f"head_dropout is from 0 to below 1, not {head_dropout}")
