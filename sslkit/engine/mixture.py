"""Several objectives of one encoder, each on its own reading of the same examples."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from torch import Tensor, nn

from sslkit.contracts.encoder import view
from sslkit.contracts.objective import PretrainingObjective
from sslkit.types import Arrays, Batch, Draws

_Values = TypeVar("_Values")


class Mixture:
    """Objectives that add up; implements ``contracts.objective.Objective``.

    Args:
        objectives: by name, which is also that of their loss.
    """

    def __init__(self, objectives: Mapping[str, PretrainingObjective]) -> None:
        self.objectives = dict(objectives)

    def head(self, width: int) -> nn.Module:
        """The heads, by name of the objective."""
        return nn.ModuleDict({n: one.head(width) for n, one in self.objectives.items()})

    def prepare(self, batch: Arrays, draws: Draws) -> Arrays:
        """The batch, and what each objective changes or adds, as ``NAME.array``."""
        return batch | {
            f"{name}.{key}": array
            for name, one in self.objectives.items()
            for key, array in one.prepare(batch, draws).items()
            if array is not batch.get(key)
        }

    def count(self, batch: Arrays) -> dict[str, float]:
        """Number of terms in each loss."""
        counts: dict[str, float] = {}
        for name, one in self.objectives.items():
            counts |= one.count(self._of(name, batch))
        return counts

    def losses(self, encoder: nn.Module, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Each loss summed over its terms."""
        losses: dict[str, Tensor] = {}
        for name, one in self.objectives.items():
            losses |= one.losses(encoder, head.get_submodule(name), self._of(name, batch))
        return losses

    def baselines(self, batches: Sequence[Arrays]) -> dict[str, float]:
        """The baseline of each objective on prepared batches."""
        return {
            name: one.baseline([self._of(name, batch) for batch in batches])
            for name, one in self.objectives.items()
        }

    def _of(self, name: str, batch: Mapping[str, _Values]) -> dict[str, _Values]:
        """What ``prepare`` of one objective gave."""
        others = tuple(f"{other}." for other in self.objectives)
        shared = {key: value for key, value in batch.items() if not key.startswith(others)}
        return shared | view(batch, name)
