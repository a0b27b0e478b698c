"""What a fine-tuned learner says of records, or of their units, and what that is worth."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from sslkit.artifacts import predictions, tags
from sslkit.artifacts.tags import TagTable
from sslkit.data.labelled import LabelledRows
from sslkit.data.token_labels import Tagged
from sslkit.engine.learner import Learner
from sslkit.engine.runtime import Runtime
from sslkit.inference import prediction
from sslkit.inference.token_rows import TaggedRows
from sslkit.probes import confusion, intervals, metrics
from sslkit.probes.intervals import finite
from sslkit.stages.finetune import report
from sslkit.stages.finetune.resolve import Resolved

Floats = npt.NDArray[np.float64]


class Verdict(Protocol):
    """How labels of a kind are predicted, judged and written."""

    def predicted(self, learner: Learner, runtime: Runtime) -> Floats:
        """What a learner says, with probabilities so that those of several can be averaged."""
        ...

    def score(self, predicted: Floats) -> dict[str, Any]:
        """Metrics of the test part with intervals, in plain types, as the report shows them."""
        ...

    def save(self, path: Path, predicted: Floats, manifest_json: str) -> None:
        """Write the table of predictions."""
        ...


class OfRecords:
    """Of whole records: probabilities [records, classes], or the number itself [records]."""

    def __init__(self, resolved: Resolved) -> None:
        self._resolved = resolved

    def predicted(self, learner: Learner, runtime: Runtime) -> Floats:
        """Of all records."""
        resolved = self._resolved
        rows, scale = resolved.prepared.rows, resolved.prepared.scale
        if not isinstance(rows, LabelledRows):
            raise TypeError(f"{type(rows).__name__} are no labelled records")
        _, module, settings = resolved.plugins["objective"]
        scores = prediction.scores(learner, module.Objective(settings), rows, runtime)
        if not resolved.examples.targets.classes:
            numbers: Floats = scores[:, 0] * scale.deviation + scale.mean
            return numbers
        return np.asarray(torch.from_numpy(scores).softmax(1).numpy(), np.float64)

    def score(self, predicted: Floats) -> dict[str, Any]:
        """See ``Verdict``."""
        resolved = self._resolved
        task, seed = resolved.plugins["task"][1], resolved.options.seed
        return report.score(resolved.examples, resolved.split, predicted, task, seed)

    def save(self, path: Path, predicted: Floats, manifest_json: str) -> None:
        """Every record that is in a part of the split; see ``artifacts.predictions``."""
        held = report.table(self._resolved.examples, self._resolved.split, predicted)
        predictions.save(path, held, manifest_json)


class OfUnits:
    """Of each unit of the test records, one record behind the other: [units, classes]."""

    def __init__(self, resolved: Resolved, tagged: Tagged) -> None:
        self._resolved = resolved
        self._tagged = tagged
        self._test = resolved.split.rows("test")

    def predicted(self, learner: Learner, runtime: Runtime) -> Floats:
        """Of the test records only: there can be millions of units in the others."""
        rows = self._resolved.prepared.rows
        if not isinstance(rows, TaggedRows):
            raise TypeError(f"{type(rows).__name__} have no labels of units")
        _, module, settings = self._resolved.plugins["objective"]
        return rows.probabilities(learner, module.Objective(settings), self._test, runtime)

    def score(self, predicted: Floats) -> dict[str, Any]:
        """Metrics of all known units of all test records, with intervals over records."""
        truth = [self._tagged.tags.values[row] for row in self._test]
        said = self._said(predicted)
        judged = [at for at, values in enumerate(truth) if (values >= 0).any()]
        tables = confusion.of_records(
            [truth[at] for at in judged], [said[at] for at in judged], predicted.shape[1]
        )
        metric_names = self._resolved.plugins["task"][1].METRICS
        estimate = intervals.of_tables(metric_names, tables, self._resolved.options.seed)
        return {
            "test_records": estimate.examples,
            "test_units": self._tagged.known(self._test),
            "constant": len(np.unique(np.concatenate(said))) == 1,
            "metrics": {name: finite(value) for name, value in estimate.metrics.items()},
        }

    def save(self, path: Path, predicted: Floats, manifest_json: str) -> None:
        """The test records; see ``artifacts.tags``."""
        _, module, settings = self._resolved.plugins["task"]
        task, labelled = module.Task(settings), self._tagged.examples.labelled
        # -1, which stands for nothing, is the last of them.
        names = np.array([*self._tagged.tags.classes, ""], object)
        truth = [self._tagged.tags.values[row] for row in self._test]
        held = TagTable(
            ids=[labelled.ids[row] for row in self._test],
            rows=labelled.rows[self._test].tolist(),
            splits=["test"] * len(self._test),
            labels=[task.written(names[values].tolist()) for values in truth],
            predictions=[task.written(names[v].tolist()) for v in self._said(predicted)],
        )
        tags.save(path, held, manifest_json)

    def _said(self, predicted: Floats) -> list[npt.NDArray[np.int64]]:
        """The most probable class of each unit of each test record."""
        ends = np.cumsum([len(self._tagged.tags.values[row]) for row in self._test])
        return list(np.split(metrics.decide(predicted), ends[:-1]))
