"""What schedules and optimizers are told of a run, and what they promise to the loop."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Course:
    """The run that a schedule or an optimizer is made for.

    Attributes:
        steps: how many a schedule guides; an optimizer is given all of the run's.
        warmup: steps until the peak rate, where a schedule's settings do not say.
        begin: the step that an optimizer takes over at.
    """

    steps: int
    warmup: int = 1
    begin: int = 0
    seed: int = 1


@dataclass(frozen=True)
class Moment:
    """What an optimizer is told of a step whose gradient lies ready.

    Attributes:
        step: from 0.
        loss: mean over the step's batch.
        terms: of the loss in all of the data, of which ``loss`` is an estimate of the mean.
        evaluate: the same loss at the weights as they have become; makes their gradient.
    """

    step: int
    loss: float
    terms: float
    evaluate: Callable[[], float]


class Schedule(Protocol):
    """The learning rate over a run. A file in ``schedules/`` holds a class ``Schedule``.

    The module gives ``VERSION`` and ``Settings``; ``Schedule(settings, course)`` is made from
    them and a ``Course``. All rise for the course's ``warmup`` steps first, or their own.
    """

    def factor(self, step: int, loss: float, norm: float) -> float:
        """The factor of the peak for a step whose loss and gradient norm are known.

        It is asked once for every step, in their order.
        """
        ...

    def trace(self) -> Mapping[str, float]:
        """What the run's log should say of the step that was asked for last, by name."""
        ...

    def results(self) -> Mapping[str, float]:
        """What the finished run should say of it, by name."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """All that a continued run must know, in plain types and tensors."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what ``state_dict`` gave."""
        ...


class Optimizer(Protocol):
    """How weights are moved. A file in ``optimizers/`` holds a class ``Optimizer``.

    The module gives ``VERSION`` and ``Settings``; ``Optimizer(groups, settings, course)`` is made
    from groups of parameters with ``params``, ``weight_decay`` and ``peak``, the highest rate.
    Where they hold, the module also gives ``RATE`` (a peak that suits it), ``NEEDS_FULL_BATCH``
    (True: steps must ask the same, as objectives with ``FULL_BATCH`` do), ``FOLLOWS`` (False: no
    schedule sets its rate), ``SPARSE`` (True: another may move sparse tables beside it), and
    ``after`` among its settings, the share of a run after which it takes over from another.
    """

    @property
    def clips(self) -> bool:
        """Whether the gradient's norm may be cut."""
        ...

    @property
    def keeps(self) -> Collection[int]:
        """The steps, from 1, after which the weights are kept as a sample."""
        ...

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Groups whose ``lr`` is set to a factor of ``peak`` before every step."""
        ...

    def step(self, now: Moment) -> None:
        """Move all parameters that have a gradient."""
        ...

    def zero_grad(self) -> None:
        """Forget all gradients."""
        ...

    def trace(self) -> Mapping[str, float]:
        """What the run's log should say of the last step, by name."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """All that a continued run must know, in plain types and tensors."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what ``state_dict`` gave."""
        ...
