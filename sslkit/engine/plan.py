"""What a run is to do: how long and how fast, and on what."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sslkit.engine.learner import Learner
from sslkit.engine.steering import Steering
from sslkit.engine.watch import Watch
from sslkit.types import Arrays


@dataclass(frozen=True)
class Plan:
    """How long and how fast.

    Attributes:
        warmup: steps until the peak rate, where the schedule's settings do not say.
        clip: largest norm of the gradient; 0 for any.
        evaluate_every: steps between evaluations; the last step is always evaluated.
        keep_best: a metric of ``evaluate`` whose smallest value chooses the final weights; empty
            for the weights of the last step.
        patience: evaluations without a better value before the run ends.
        checkpoint_seconds: time between the states that a killed run can continue from.
        steering: the schedule and the optimizers.
    """

    steps: int
    learning_rate: float
    warmup: int
    weight_decay: float
    clip: float
    evaluate_every: int
    seed: int
    keep_best: str = ""
    patience: int = 0
    checkpoint_seconds: float = 120.0
    steering: Steering = field(default_factory=Steering)


@dataclass(frozen=True)
class Work:
    """What one run trains on.

    Attributes:
        batches: the micro-batches of this process for a step, a pure function of the step.
        evaluate: metrics of a learner, the same on every process.
        unit: what a batch holds, as metrics name it: tokens, as ``length`` counts them, the
            rows of an array of that name, or else rows.
        watch: what more is looked at, and may end the run.
    """

    batches: Callable[[int], Sequence[Arrays]]
    evaluate: Callable[[Learner], dict[str, float]]
    unit: str = "tokens"
    watch: Watch = field(default_factory=Watch)

    def size(self, arrays: Arrays) -> float:
        """How much of its unit a batch holds."""
        if "length" in arrays:
            return float(arrays["length"].sum())
        return float(len(arrays.get(self.unit, next(iter(arrays.values())))))
