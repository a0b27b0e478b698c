"""Labels of each unit of a record, residue, base or word: a class, or nothing known."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from sslkit.artifacts import tags
from sslkit.artifacts.tags import TagTable
from sslkit.console import Console
from sslkit.contracts.domain import RecordDomain
from sslkit.contracts.supervision import Floats, RowNumbers
from sslkit.data import examples as labels
from sslkit.data import splits
from sslkit.data.examples import Examples
from sslkit.data.splits import Split
from sslkit.errors import DataError, OnError, UsageError
from sslkit.inference.per_token import Stretch
from sslkit.probes import confusion, intervals, surroundings
from sslkit.probes.intervals import finite
from sslkit.supervision.record import WEIGHTS
from sslkit.supervision.token_rows import TaggedRows, tokens_of
from sslkit.types import Array, Tags

Tagged = Examples[Tags]
#: Features of all units of some records, given by their numbers; ``row`` is a place among those.
Sight: TypeAlias = Callable[[Sequence[int]], Iterator[Stretch]]


@dataclass(frozen=True)
class TokenPredictions:
    """What a model predicts for all units of records; see ``contracts.supervision.Predictions``.

    Attributes:
        names: of the metrics, see ``probes.confusion``.
        classes: class numbers of the units of each record, [units] each.
        written: names of classes as the text of a label.
    """

    names: Sequence[str]
    examples: Tagged
    rows: RowNumbers
    classes: Sequence[Array]
    written: Callable[[Sequence[str]], str]

    @cached_property
    def judged(self) -> list[int]:
        """Places of records of which a unit is known: the others say nothing of any model."""
        values = self.examples.targets.values
        return [at for at, row in enumerate(self.rows) if (values[row] >= 0).any()]

    @cached_property
    def tables(self) -> Floats:
        """The table of confusion of each judged record, [records, classes, classes]."""
        tags = self.examples.targets
        truth = [tags.values[self.rows[at]] for at in self.judged]
        predicted = [self.classes[at] for at in self.judged]
        return confusion.of_records(truth, predicted, len(tags.classes))

    @property
    def headline(self) -> str:
        """The first metric."""
        return self.names[0]

    @property
    def is_constant(self) -> bool:
        """Whether all units get the same class."""
        return len({int(one) for units in self.classes for one in np.unique(units)}) == 1

    def of(self, rows: RowNumbers) -> "TokenPredictions":
        """The same for some of the records."""
        at = np.searchsorted(self.rows, rows).tolist()
        return replace(self, rows=rows, classes=[self.classes[one] for one in at])

    def sizes(self) -> dict[str, int]:
        """How many records are judged, and how many of their units are known."""
        known = self.examples.targets.known(self.rows)
        return {"test_records": len(self.judged), "test_units": known}

    def metrics(self, seed: int) -> dict[str, dict[str, float | None]]:
        """Metrics of all known units with 95% intervals over records."""
        estimate = intervals.of_tables(self.names, self.tables, seed)
        return {name: finite(interval) for name, interval in estimate.metrics.items()}

    def details(self) -> dict[str, Any]:
        """F1 of each class, and the table of confusion."""
        total = self.tables.sum(axis=0)
        f1 = confusion.f1_by_class(total[None])[0]
        return {
            "f1": {
                name: float(value) if np.isfinite(value) else None
                for name, value in zip(self.examples.targets.classes, f1, strict=True)
            },
            "confusion": total.astype(int).tolist(),
        }

    def difference(self, baseline: "TokenPredictions", seed: int) -> dict[str, float | None]:
        """This model's headline minus that of another, on the same resamples."""
        both = self.tables, baseline.tables
        return finite(intervals.difference_of_tables(self.names[0], *both, seed))

    def texts(self) -> list[str]:
        """The classes of each record as the text of a label."""
        names = np.array([*self.examples.targets.classes], object)
        return [self.written(names[units].tolist()) for units in self.classes]


@dataclass(frozen=True)
class Supervision:
    """Classes of units; see ``contracts.supervision.Supervision``."""

    OBJECTIVE: ClassVar[str] = "supervised-units"
    LABELS: ClassVar[str] = "known label"

    task: ModuleType
    settings: Any

    def read(
        self, files: Mapping[str, Sequence[Path]], domain: RecordDomain, on_error: OnError,
        console: Console, *, families: bool = True,
    ) -> Tagged:  # fmt: skip
        """Labelled records that can be used; says how many units of each class are known."""
        task = self.task.Task(self.settings)
        domain = tokens_of(domain)
        examples: Tagged = labels.read(
            task, files, domain, on_error, console, strata, task.problem, families=families
        )
        tags, everything = examples.targets, range(len(examples))
        counts = tags.counts(everything)
        listed = [f"{name}: {count:,}" for name, count in zip(tags.classes, counts, strict=True)]
        console.say(
            f"{examples.summary}; labels of {counts.sum():,} of "
            f"{sum(map(len, examples.units)):,} units are known; "
            + ", ".join(listed[:8])
            + (" ..." if len(listed) > 8 else "")
        )
        return examples

    def count(self, examples: Tagged, rows: RowNumbers) -> int:
        """Units of records whose label is known."""
        return examples.targets.known(rows)

    def usable(self, examples: Tagged, rows: RowNumbers) -> RowNumbers:
        """Records of which a unit is known; the others teach nothing."""
        known = [(examples.targets.values[row] >= 0).any() for row in rows]
        return rows[np.array(known, np.bool_)]

    def remarks(self, examples: Tagged, split: Split) -> list[str]:
        """Nothing: parts hold units of all classes, or too few to say so."""
        return []

    def check(
        self, examples: Tagged, trained: Sequence[RowNumbers], tested: RowNumbers, do: str
    ) -> None:
        """Refuse records of which no unit is known, or of one class."""
        if not examples.targets.known(tested):
            raise DataError(
                "no known label is left for the test part",
                where=examples.files,
                why=f"it has {len(tested)} records",
                do=f"add records, or {do}",
            )
        if any(np.count_nonzero(examples.targets.counts(rows)) < 2 for rows in trained):
            raise DataError(
                "all known labels of the training part are of one class",
                where=examples.files,
                why="with fewer than two there is nothing to learn",
                do="add records",
            )

    def rows(
        self, domain: RecordDomain, examples: Tagged, train: RowNumbers, window: int | None,
        class_weights: str,
    ) -> TaggedRows:  # fmt: skip
        """Windows of records, anywhere in them."""
        counts = examples.targets.counts(train)
        return TaggedRows(
            domain=tokens_of(domain),
            units=examples.units,
            target=examples.targets.values,
            weight=weights(class_weights, counts),
            window=window or max(map(len, examples.units)),
        )

    def objective(self, settings: Any, examples: Tagged, rows: TaggedRows, console: Console) -> Any:
        """The head's settings."""
        return replace(settings, outputs=len(examples.targets.classes), places=rows.places)

    def predicted(self, examples: Tagged, test: RowNumbers) -> RowNumbers:
        """The test records only: there can be millions of units in the others."""
        return test

    def decode(self, outputs: Floats, rows: TaggedRows) -> Floats:
        """Probabilities of the classes of units, [units, classes]."""
        likely = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        probabilities: Floats = likely / likely.sum(axis=1, keepdims=True)
        return probabilities

    def stated(self, examples: Tagged, rows: TaggedRows) -> dict[str, Any]:
        """Names of the classes."""
        return {"classes": [*examples.targets.classes]}

    def unlabelled(
        self, domain: RecordDomain, units: Sequence[Array], window: int | None,
        stated: Mapping[str, Any],
    ) -> TaggedRows:  # fmt: skip
        """Windows of records of whose units nothing is known."""
        return TaggedRows(
            domain=tokens_of(domain),
            units=units,
            target=[np.full(len(one), -1, np.int32) for one in units],
            weight=np.ones(len(stated["classes"]), np.float32),
            window=window or max(map(len, units)),
        )

    def columns(
        self, decoded: Floats, rows: TaggedRows, stated: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The most probable class of each unit, as the text of a label."""
        names = np.array(stated["classes"], object)[decoded.argmax(axis=1)]
        ends = np.cumsum([len(units) for units in rows.units])
        written = self.task.Task(self.settings).written
        return {"prediction": [written(some.tolist()) for some in np.split(names, ends[:-1])]}

    def predictions(self, examples: Tagged, rows: RowNumbers, decoded: Array) -> TokenPredictions:
        """The most probable class of each unit of records, whose units stand end to end."""
        ends = np.cumsum([len(examples.targets.values[row]) for row in rows])
        return self.of_classes(examples, rows, np.split(decoded.argmax(axis=1), ends[:-1]))

    def of_classes(
        self, examples: Tagged, rows: RowNumbers, classes: Sequence[Array]
    ) -> TokenPredictions:
        """Predicted classes of the units of each record."""
        written = self.task.Task(self.settings).written
        return TokenPredictions(self.task.METRICS, examples, rows, classes, written)

    def save(
        self, path: Path, models: Mapping[str, TokenPredictions], parts: Sequence[str],
        manifest_json: str,
    ) -> None:  # fmt: skip
        """Write the table; see ``artifacts.tags``."""
        first, *_ = models.values()
        labelled, rows, count = first.examples.labelled, first.rows, len(models)
        tags_of = first.examples.targets
        # -1, which stands for nothing, is the last of them.
        names = np.array([*tags_of.classes, ""], object)
        truth = [first.written(names[tags_of.values[row]].tolist()) for row in rows]
        table = TagTable(
            models=None if "" in models else [name for name in models for _ in rows],
            ids=[labelled.records[row].id for row in rows] * count,
            rows=labelled.rows[rows].tolist() * count,
            splits=[*parts] * count,
            labels=truth * count,
            predictions=[text for one in models.values() for text in one.texts()],
        )
        tags.save(path, table, manifest_json)

    def baselines(self, domain: RecordDomain, examples: Tagged) -> Mapping[str, Sight]:
        """What stands at a unit, and in a window around it, one-hot."""

        def places(units: Sequence[Array]) -> npt.NDArray[np.float32]:
            return domain.features(units)["places"]

        def sight(around: int) -> Sight:
            def look(rows: Sequence[int]) -> Iterator[Stretch]:
                for place, row in enumerate(rows):
                    for first, hot in surroundings.windows(places, examples.units[row], around):
                        yield Stretch(place, first, hot)

            return look

        around = self.settings.around
        wider = {f"window of {around}": sight(around)} if around > 1 else {}
        return {"unit": sight(1), **wider}


def strata(tags: Tags) -> splits.IntArray:
    """Records as wholes have no label: they are all alike, [records]."""
    return np.zeros(len(tags.values), np.int64)


def weights(how: str, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """The weight of each class in the loss, 1 on average over the units that are learned from.

    Raises:
        UsageError: another word than ``none`` and ``balanced``.
    """
    if how not in WEIGHTS:
        raise UsageError(f"--class-weights is {' or '.join(WEIGHTS)}, not {how!r}")
    if how == "none":
        return np.ones(len(counts), np.float32)
    present = int((counts > 0).sum())
    each = counts.sum() / (present * np.maximum(counts, 1))
    return np.where(counts > 0, each, 1).astype(np.float32)
