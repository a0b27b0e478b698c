"""Labels of whole records: a class or a number for each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch

from sslkit.artifacts import predictions
from sslkit.console import Console
from sslkit.contracts.domain import RecordDomain
from sslkit.contracts.supervision import Floats, RowNumbers
from sslkit.data import examples as labels
from sslkit.data import splits
from sslkit.data.examples import Examples
from sslkit.data.splits import PARTS, Split
from sslkit.errors import OnError, UsageError
from sslkit.files import classes
from sslkit.probes import intervals, sufficiency
from sslkit.probes.intervals import finite
from sslkit.supervision.record_rows import LabelledRows, Scale, balanced
from sslkit.types import Array, Targets

#: How the classes of a task may be weighed.
WEIGHTS = ("none", "balanced")
Records = Examples[Targets]


@dataclass(frozen=True)
class RecordPredictions:
    """What a model predicts for records; see ``contracts.supervision.Predictions``.

    Attributes:
        names: of the metrics, see ``probes.metrics``.
        predicted: probabilities [rows, classes], or numbers [rows].
    """

    names: Sequence[str]
    examples: Records
    rows: RowNumbers
    predicted: Floats

    @property
    def truth(self) -> npt.NDArray[Any]:
        """Class numbers, or the numbers themselves, [rows]."""
        return self.examples.targets.values[self.rows]

    @property
    def headline(self) -> str:
        """The first metric."""
        return self.names[0]

    @property
    def is_constant(self) -> bool:
        """Whether all records get the same decision."""
        decided = self.predicted.argmax(axis=1) if self.predicted.ndim == 2 else self.predicted
        same = 1e-9 * max(1.0, float(np.abs(decided).max(initial=0)))
        return len(decided) > 1 and bool(np.ptp(decided) <= same)

    def of(self, rows: RowNumbers) -> "RecordPredictions":
        """The same for some of the records."""
        at = np.searchsorted(self.rows, rows)
        return replace(self, rows=rows, predicted=self.predicted[at])

    def sizes(self) -> dict[str, int]:
        """How many records there are."""
        return {"test_records": len(self.rows)}

    def metrics(self, seed: int) -> dict[str, dict[str, float | None]]:
        """Metrics with 95% intervals over records."""
        estimate = intervals.bootstrap(self.names, self.truth, self.predicted, seed)
        return {name: finite(interval) for name, interval in estimate.metrics.items()}

    def details(self) -> dict[str, Any]:
        """Nothing besides."""
        return {}

    def difference(self, baseline: "RecordPredictions", seed: int) -> dict[str, float | None]:
        """This model's headline minus that of another, on the same resamples."""
        both = self.predicted, baseline.predicted
        return finite(intervals.difference(self.names[0], self.truth, *both, seed))


@dataclass(frozen=True)
class Supervision:
    """Classes or numbers of whole records; see ``contracts.supervision.Supervision``."""

    OBJECTIVE: ClassVar[str] = "supervised"
    LABELS: ClassVar[str] = "record"

    task: ModuleType
    settings: Any

    def read(
        self, files: Mapping[str, Sequence[Path]], domain: RecordDomain, on_error: OnError,
        console: Console, *, families: bool = True,
    ) -> Records:  # fmt: skip
        """Labelled records that can be used; says how many there are of each class."""
        task = self.task.Task(self.settings)
        examples: Records = labels.read(
            task, files, domain, on_error, console, strata, families=families
        )
        for one, other in classes.alike(examples.targets.classes):
            console.warn(f"classes {one} and {other} differ in the case of letters only")
        console.say(examples.summary + _classes(examples.targets))
        return examples

    def count(self, examples: Records, rows: RowNumbers) -> int:
        """Every record has a label."""
        return len(rows)

    def usable(self, examples: Records, rows: RowNumbers) -> RowNumbers:
        """All of them."""
        return rows

    def remarks(self, examples: Records, split: Split) -> list[str]:
        """The classes that parts of a split lack."""
        names = examples.targets.classes
        return [
            f"class {name} is missing from the {part} part"
            for part in PARTS
            if len(rows := split.rows(part))
            for number, name in enumerate(names)
            if not (examples.targets.values[rows] == number).any()
        ]

    def check(
        self, examples: Records, trained: Sequence[RowNumbers], tested: RowNumbers, do: str
    ) -> None:
        """Refuse records of one class, or too few for the metrics; see ``probes.sufficiency``."""
        sufficiency.check(examples, trained, tested, self.task.METRICS, do)

    def rows(
        self, domain: RecordDomain, examples: Records, train: RowNumbers, window: int | None,
        class_weights: str,
    ) -> LabelledRows:  # fmt: skip
        """Batches of whole records, or of their first ``window`` tokens."""
        targets = examples.targets
        scale = Scale() if targets.classes else Scale.of(targets.values[train])
        return LabelledRows(
            domain=domain,
            units=examples.units,
            target=targets.values if targets.classes else scale.standardised(targets.values),
            weight=weights(class_weights, examples, train),
            window=window,
            scale=scale,
        )

    def objective(
        self, settings: Any, examples: Records, rows: LabelledRows, console: Console
    ) -> Any:
        """The head's settings; says so where places have weights of their own."""
        if cut := rows.shortened():
            console.warn(
                f"{cut} records are longer than {rows.window} tokens; their ends are not read"
            )
        positions = settings.positions
        lengths = {len(units) for units in examples.units}
        if rows.window is None:
            positions = 0
        elif positions is None:
            positions = rows.window if len(lengths) == 1 else 0
            if positions:
                console.say(
                    f"all records have {lengths.pop()} letters: taken as cut around a common "
                    "point, so places have weights of their own in the head (--set positions=0: "
                    "they have not)"
                )
        outputs = len(examples.targets.classes) or 1
        return replace(settings, outputs=outputs, positions=positions, phases=rows.phases)

    def predicted(self, examples: Records, test: RowNumbers) -> RowNumbers:
        """All records: the table holds those of every part."""
        return np.arange(len(examples))

    def decode(self, outputs: Floats, rows: LabelledRows) -> Floats:
        """Probabilities [rows, classes], or numbers [rows] as labels have them."""
        if rows.target.dtype.kind == "f":
            numbers: Floats = outputs[:, 0] * rows.scale.deviation + rows.scale.mean
            return numbers
        return np.asarray(torch.from_numpy(outputs).softmax(1).numpy(), np.float64)

    def stated(self, examples: Records, rows: LabelledRows) -> dict[str, Any]:
        """Names of the classes, or the scale of the number."""
        if examples.targets.classes:
            return {"classes": [*examples.targets.classes]}
        return {"mean": rows.scale.mean, "deviation": rows.scale.deviation}

    def unlabelled(
        self, domain: RecordDomain, units: Sequence[Array], window: int | None,
        stated: Mapping[str, Any],
    ) -> LabelledRows:  # fmt: skip
        """Batches of whole records without labels."""
        has_classes = "classes" in stated
        return LabelledRows(
            domain=domain,
            units=units,
            target=np.zeros(len(units), np.int64 if has_classes else np.float32),
            weight=np.ones(len(units), np.float32),
            window=window,
            scale=Scale() if has_classes else Scale(stated["mean"], stated["deviation"]),
        )

    def columns(
        self, decoded: Floats, rows: LabelledRows, stated: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The class and the probability of each, or the number."""
        return predictions.predicted(decoded, stated.get("classes", ()))

    def predictions(
        self, examples: Records, rows: RowNumbers, decoded: Floats
    ) -> RecordPredictions:
        """What a model predicts beside the labels."""
        return RecordPredictions(self.task.METRICS, examples, rows, decoded)

    def save(
        self, path: Path, models: Mapping[str, RecordPredictions], parts: Sequence[str],
        manifest_json: str,
    ) -> None:  # fmt: skip
        """Write the table; see ``artifacts.predictions``."""
        first, *_ = models.values()
        labelled, count = first.examples.labelled, len(models)
        ids = [labelled.records[row].id for row in first.rows]
        table = predictions.Predictions(
            ids=ids * count,
            rows=np.tile(labelled.rows[first.rows], count),
            splits=[*parts] * count,
            labels=np.tile(first.truth, count),
            predicted=np.concatenate([one.predicted for one in models.values()]),
            classes=first.examples.targets.classes,
            models=None if "" in models else [name for name in models for _ in ids],
        )
        predictions.save(path, table, manifest_json)

    def baselines(self, domain: RecordDomain, examples: Records) -> Mapping[str, Floats]:
        """The domain's features of records, [records, features] each."""
        features = domain.features(examples.units)
        return {name: values.astype(np.float64) for name, values in features.items()}


def strata(targets: Targets) -> splits.IntArray:
    """Classes, or quantiles of numbers, that parts of a split hold alike, [records]."""
    if not targets.classes:
        return splits.quantile_strata(targets.values)
    return targets.values.astype(np.int64)


def weights(how: str, examples: Records, train: RowNumbers) -> npt.NDArray[np.float32]:
    """The weight of every example in the loss.

    Args:
        how: ``none``, or ``balanced`` over the classes of the training part.

    Raises:
        UsageError: another word, or a task without classes.
    """
    if how not in WEIGHTS:
        raise UsageError(f"--class-weights is {' or '.join(WEIGHTS)}, not {how!r}")
    if how == "none":
        return np.ones(len(examples), np.float32)
    if not examples.targets.classes:
        raise UsageError("a task without classes has no class weights")
    return balanced(examples.targets.values, len(examples.targets.classes), train)


def _classes(targets: Targets) -> str:
    if not targets.classes:
        return ""
    counts = np.bincount(targets.values, minlength=len(targets.classes))
    listed = [f"{name}: {n}" for name, n in zip(targets.classes, counts, strict=True)]
    return "; " + ", ".join(listed[:8]) + (" ..." if len(listed) > 8 else "")
