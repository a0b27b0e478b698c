"""Looking at a run while it goes: what it has spent, what it is worth, whether it should end.

Nothing here changes what is learned. What is decided follows from the rows of the run's metrics
alone, so that a continued run decides as an uninterrupted one does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sslkit.artifacts import metrics
from sslkit.contracts.encoder import Encoder

Row = Mapping[str, float]


def _go_on(rows: Sequence[Row]) -> str:
    return ""


@dataclass
class Watch:
    """What is asked of a run at its evaluations.

    Attributes:
        flops: of training, for each token; asked for once, at the first evaluation.
        unit: what stands for tokens in the rows.
        every: steps between probes; 0 for none but that of the last step.
        steps: the last step.
        probe: scores of the encoder as it is, by name, the same on every process.
        decide: why the run should end, from the rows of all evaluations so far; empty to go on.
        reason: what ``decide`` said last.
        rows: of all evaluations so far.
    """

    flops: Callable[[], float] | None = None
    unit: str = "tokens"
    every: int = 0
    steps: int = 0
    probe: Callable[[Encoder], Mapping[str, float]] | None = None
    decide: Callable[[Sequence[Row]], str] = _go_on
    reason: str = ""
    rows: list[Row] = field(default_factory=list)
    _per_token: float | None = None

    def begin(self, metrics: Path, step: int) -> None:
        """Remember what was logged up to a step that the run goes on from."""
        self.rows = [row for row in evaluations(metrics) if row["step"] <= step]
        self.reason = self.decide(self.rows) if self.rows else ""

    def due(self, step: int) -> bool:
        """Whether an evaluation is wanted after a step, from 1."""
        return self.every > 0 and step % self.every == 0

    def look(self, encoder: Encoder, row: Row) -> dict[str, float]:
        """What an evaluation adds to a row of metrics; decides whether the run should end."""
        found: dict[str, float] = {}
        if self.flops is not None:
            if self._per_token is None:
                self._per_token = self.flops()
            found["flops"] = self._per_token * row[self.unit]
        step = int(row["step"])
        if self.probe is not None and (self.due(step) or step == self.steps):
            found |= self.probe(encoder)
        self.rows.append({**row, **found})
        self.reason = self.decide(self.rows)
        return found


def evaluations(path: Path) -> list[dict[str, float]]:
    """The rows of a run's metrics that an evaluation stands in; none where there is no file.

    Raises:
        DataError: they are damaged.
    """
    return list(metrics.rows(path, '"heldout_loss"'))
