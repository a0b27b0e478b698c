"""What an adaptation promises: how an encoder that has learned something learns something else."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from sslkit.contracts.encoder import Encoder
from sslkit.types import Arrays, Batch


@dataclass(frozen=True)
class Before:
    """What there is before the first step, for an adaptation that compares with it.

    Attributes:
        encoder: builds another encoder with the weights that training starts from: plain, in
            evaluation mode, on the learner's device.
        batches: the micro-batches that this process trains on in a step, as the step decides them.
    """

    encoder: Callable[[], Encoder]
    batches: Callable[[int], Sequence[Arrays]]


class Adaptation:
    """How knowledge is kept or moved. A file in ``adapt/`` holds a subclass of this name.

    The module gives ``VERSION`` and ``Settings``; ``Adaptation(settings)`` is made from them.
    Each method here leaves things as they are; a subclass has its own of those that it is about.
    They are called in this order: ``wrap`` and ``rates`` before there is a head and an optimizer,
    ``prepare`` before the first step and again where a run is continued, ``penalty`` in every
    step, ``merge`` wherever weights are written. What changes from step to step is a buffer of
    the learner, so that a continued run has it.
    """

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    def wrap(self, encoder: Encoder) -> Encoder:
        """The encoder as it is trained, with parameters that are added to it; it may be changed.

        Random numbers come from torch's generator, whose state the run's seed decides.

        Raises:
            UsageError: the encoder has nothing that this adaptation can work on.
        """
        return encoder

    def rates(self, encoder: Encoder) -> Mapping[nn.Parameter, float]:
        """Factors of the learning rate by parameter of a wrapped encoder; 0 freezes, absent is 1.

        Where several adaptations are joined their factors are multiplied.

        Raises:
            UsageError: the encoder has not the parts that the settings name.
        """
        return {}

    def prepare(self, learner: nn.Module, before: Before) -> None:
        """Keep or measure what ``penalty`` needs, at the weights that training starts from.

        Args:
            learner: has ``encoder``, ``head`` and ``objective``, stands on its device, and gives
                the summed losses of a batch. Tensors that are kept become its buffers, with
                ``persistent=False`` where they can be made again.
        """

    def penalty(self, learner: nn.Module, batch: Batch) -> Tensor:
        """What is added to the mean loss, a scalar; its mean over the micro-batches of a step.

        It is part of training alone: what is held out is judged without it.
        """
        raise NotImplementedError

    def merge(self, encoder: Encoder) -> Encoder:
        """The encoder without what ``wrap`` added, and with the same outputs but for rounding."""
        return encoder
