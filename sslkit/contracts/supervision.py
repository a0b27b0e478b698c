"""What a label is attached to: a whole record, each of its tokens, pairs of its residues.

A task names its supervision (``SUPERVISION``, a file in ``supervision/``). Stages that take labels
read, train, predict and judge through it alone, so that a new kind of label is a new file.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from sslkit.console import Console
from sslkit.contracts.domain import RecordDomain
from sslkit.errors import OnError
from sslkit.types import Array, Arrays

RowNumbers: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
#: What a trained model gives for a batch, [rows, ...] float64.
Scorer: TypeAlias = Callable[[Arrays], Floats]

Examples = TypeVar("Examples")
Own = TypeVar("Own", bound="Predictions")


class Rows(Protocol):
    """Batches of labelled examples."""

    @property
    def window(self) -> int | None:
        """Tokens that are read of an example at once; None where a domain counts none."""
        ...

    def drawn(self, rows: RowNumbers, examples: RowNumbers, seed: int) -> Arrays:
        """The batch of ``rows``, as their numbers in the run decide what of them is read."""
        ...

    def evaluation(self, rows: RowNumbers, size: int) -> Sequence[Arrays]:
        """All of ``rows``, at most ``size`` in a batch."""
        ...

    def outputs(self, score: Scorer, rows: RowNumbers, size: int) -> Floats:
        """What a head gives for ``rows``, in batches of at most ``size``."""
        ...


class Predictions(Protocol):
    """What one model predicts for some examples, beside their labels."""

    @property
    def rows(self) -> RowNumbers:
        """The examples."""
        ...

    @property
    def headline(self) -> str:
        """The metric that models are compared by."""
        ...

    @property
    def is_constant(self) -> bool:
        """Whether all of them get the same prediction."""
        ...

    def of(self: Own, rows: RowNumbers) -> Own:
        """The same for some of the examples."""
        ...

    def sizes(self) -> dict[str, int]:
        """How many examples are judged, and parts of them where these have the labels."""
        ...

    def metrics(self, seed: int) -> dict[str, dict[str, float | None]]:
        """The task's metrics, the headline first: value, low and high of 95% intervals."""
        ...

    def details(self) -> dict[str, Any]:
        """What reports say besides metrics."""
        ...

    def difference(self: Own, baseline: Own, seed: int) -> dict[str, float | None]:
        """This model's headline minus that of another, judged on the same resamples."""
        ...


class Supervision(Protocol[Examples]):
    """How labels of one kind are read, learned, predicted and judged.

    Made of the task's module and its settings.

    Attributes:
        OBJECTIVE: the objective that fine-tuning trains; "" where a probe alone takes the labels.
        LABELS: what is counted, as messages name one.
    """

    OBJECTIVE: ClassVar[str]
    LABELS: ClassVar[str]

    def __init__(self, task: ModuleType, settings: Any) -> None: ...

    @property
    def task(self) -> ModuleType:
        """The task."""
        ...

    @property
    def settings(self) -> Any:
        """How it reads labels."""
        ...

    def read(
        self, files: Mapping[str, Sequence[Path]], domain: RecordDomain, on_error: OnError,
        console: Console, *, families: bool,
    ) -> Examples:  # fmt: skip
        """Labelled examples that can be used, of files by part of the split; says how many.

        Raises:
            DataError: one that cannot be used, where that stops the run.
        """
        ...

    def count(self, examples: Examples, rows: RowNumbers) -> int:
        """How many labels there are in some rows."""
        ...

    def usable(self, examples: Examples, rows: RowNumbers) -> RowNumbers:
        """Those of ``rows`` that something can be learned from."""
        ...

    def remarks(self, examples: Examples, split: Any) -> list[str]:
        """What a user should know of a split."""
        ...

    def check(
        self, examples: Examples, trained: Sequence[RowNumbers], tested: RowNumbers, do: str
    ) -> None:
        """Refuse examples of which nothing can be learned, or on which nothing can be judged.

        Args:
            trained: rows that are learned from, of every round.
            do: what helps, besides more examples.

        Raises:
            DataError: saying what there is and what it takes.
        """
        ...

    def rows(
        self, domain: RecordDomain, examples: Examples, train: RowNumbers, window: int | None,
        class_weights: str,
    ) -> Rows:  # fmt: skip
        """Batches of the examples.

        Args:
            train: those that are learned from: they decide scales and weights.
            window: tokens that are read at once; None where the domain counts none.
            class_weights: ``none`` or ``balanced``.
        """
        ...

    def objective(self, settings: Any, examples: Examples, rows: Any, console: Console) -> Any:
        """Settings of the objective as task, domain and examples decide them."""
        ...

    def predicted(self, examples: Examples, test: RowNumbers) -> RowNumbers:
        """The rows that a fine-tuned model predicts: all, or the test part alone."""
        ...

    def decode(self, outputs: Floats, rows: Any) -> Floats:
        """Outputs of the head as probabilities [..., classes], or as numbers in their own unit."""
        ...

    def stated(self, examples: Examples, rows: Any) -> dict[str, Any]:
        """What a checkpoint says of its predictions, in plain types: classes, or a scale."""
        ...

    def unlabelled(
        self, domain: RecordDomain, units: Sequence[Array], window: int | None,
        stated: Mapping[str, Any],
    ) -> Rows:  # fmt: skip
        """Batches of records without labels, for predictions as a checkpoint states them."""
        ...

    def columns(self, decoded: Floats, rows: Any, stated: Mapping[str, Any]) -> dict[str, Any]:
        """Decoded outputs of all unlabelled rows as columns of a table, by name."""
        ...

    def predictions(self, examples: Examples, rows: RowNumbers, decoded: Array) -> Predictions:
        """Decoded outputs of some rows beside the labels."""
        ...

    def save(
        self, path: Path, models: Mapping[str, Any], parts: Sequence[str], manifest_json: str
    ) -> None:
        """Write the table of predictions.

        Args:
            models: predictions by the model's name, all for the same rows; one that is named ""
                stands alone.
            parts: part of the split of each row.
        """
        ...

    def baselines(self, domain: RecordDomain, examples: Examples) -> Mapping[str, Any]:
        """Features that need no model, by name, as a probe takes them."""
        ...
