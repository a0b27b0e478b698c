"""What objectives promise to the layers above them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from sslkit.types import Array, Arrays, Batch, Draws

if TYPE_CHECKING:
    import torch


class Objective(Protocol):
    """What must be predicted."""

    def head(self, width: int) -> "torch.nn.Module":
        """The parameters beyond the encoder's."""
        ...

    def prepare(self, batch: Arrays, draws: Draws) -> Arrays:
        """Hide, corrupt or pair: what the model sees and what it must answer."""
        ...

    def count(self, batch: Arrays) -> dict[str, float]:
        """Number of terms in each loss, so that it can be a mean over all processes."""
        ...

    def losses(
        self, encoder: "torch.nn.Module", head: "torch.nn.Module", batch: Batch
    ) -> "dict[str, torch.Tensor]":
        """Each loss summed over its terms."""
        ...


@runtime_checkable
class Scored(Objective, Protocol):
    """An objective of labels, whose head gives scores for each of them."""

    def scores(
        self, encoder: "torch.nn.Module", head: "torch.nn.Module", batch: Batch
    ) -> "torch.Tensor":
        """Scores [rows, ..., outputs] float32: of classes, or the standardised number."""
        ...


class PretrainingObjective(Objective, Protocol):
    """An objective that needs no labels. A file in ``objectives/`` holds a class ``Objective``.

    It has one loss, under its own name, or several whose factors its property ``terms`` gives by
    name. The module gives ``VERSION``, ``NEEDS`` (names that batches must hold), ``CAUSAL``
    (whether the encoder must not see what comes later; None for either), ``UNIT`` (of the loss),
    ``BASELINE`` (what ``baseline`` knows) and ``Settings``, which is ``Weighted``. ``Objective`` is
    made of the settings, the domain's ``spec`` and the counts of the vocabulary, None where there
    are none. Where they hold, the module also gives ``OVERLAP_NEEDS`` (what more batches must hold
    where tokens overlap), ``ACROSS_ROWS`` (True: its loss compares the rows of a micro-batch, so
    that how steps are cut into micro-batches decides the result) and ``FULL_BATCH`` (True: every
    step has the same batch, and ``losses`` is a pure function of it and of the weights).
    """

    def baseline(self, batches: Sequence[Arrays]) -> float:
        """The mean loss on prepared batches of a guess that needs no model; NaN without terms."""
        ...


@runtime_checkable
class Likelihood(Protocol):
    """What an objective offers besides that can say how likely the tokens of a record are."""

    def log_probabilities(
        self,
        encoder: "torch.nn.Module",
        head: "torch.nn.Module",
        batch: Batch,
        wanted: "torch.Tensor",
        *,
        rows: int,
        spacing: int | None = None,
    ) -> "Iterator[tuple[torch.Tensor, torch.Tensor]]":
        """What the model expects at every wanted place, some places at a time.

        Args:
            batch: records as the domain gives them, ``tokens`` [B, L] among it.
            wanted: [B, L] bool, never at padding. What is no token of the vocabulary is not asked.
            rows: most rows of a pass of the encoder, where there are several passes.
            spacing: hide tokens so far apart at once, which is faster and not exact; None: one at
                a time. Objectives that hide nothing do not look at it.

        Yields:
            places [T] in the flattened tokens, and log probabilities of the whole vocabulary
            there, [T, size] float32, in nats.
        """
        ...


@runtime_checkable
class Energy(Protocol):
    """What an objective offers besides that can say how plausible whole records are."""

    def energies(
        self, encoder: "torch.nn.Module", head: "torch.nn.Module", batch: Batch
    ) -> "torch.Tensor":
        """Energies [B] of records; lower is more plausible."""
        ...


@runtime_checkable
class Counted(PretrainingObjective, Protocol):
    """An objective that can take all pairs of tokens of a corpus at once (see ``data.pairs``)."""

    @property
    def offsets(self) -> Sequence[tuple[int, int]]:
        """Distances in tokens at which tokens are a pair, and the weight of each."""
        ...

    def is_counted(self, encoder: "torch.nn.Module") -> bool:
        """Whether it is given counted pairs for that encoder, and not windows."""
        ...

    def counted(self, pairs: npt.NDArray[np.int64], classes: Array, part: slice) -> Arrays:
        """The batch of some of the centres of a table of pairs, [classes, classes]."""
        ...

    def begin(self, encoder: "torch.nn.Module", head: "torch.nn.Module", batch: Arrays) -> None:
        """Set the first weights by the batch of all centres."""
        ...
