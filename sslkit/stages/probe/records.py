"""Probes of whole records: a linear model and nearest neighbours on every set of features."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sslkit.artifacts import likeness, predictions
from sslkit.console import Console
from sslkit.contracts.encoder import Encoder
from sslkit.data.examples import Examples
from sslkit.engine.assemble import Parts
from sslkit.engine.runtime import Runtime
from sslkit.inference import collapse
from sslkit.inference import features as frozen
from sslkit.inference.features import Floats
from sslkit.inference.windows import Plan
from sslkit.probes import comparison, intervals, linear, majority, neighbours
from sslkit.probes.comparison import Exam, Model, Probe
from sslkit.probes.training import Training
from sslkit.stages.probe import features, table
from sslkit.stages.probe.division import Division, divide
from sslkit.stages.probe.features import EMBEDDINGS, PRETRAINED, UNTRAINED
from sslkit.stages.probe.options import Options
from sslkit.stages.probe.study import Result

#: Features of encoders, which get both probes; all others get the linear one alone.
_ENCODED = (UNTRAINED, PRETRAINED, EMBEDDINGS)
_FEW_RECORDS, _FEW_OF_A_CLASS = 50, 10


class Study:
    """A study of labels of whole records; see ``stages.probe.study.Study``."""

    def __init__(self, options: Options, runtime: Runtime, console: Console) -> None:
        self._options, self._runtime = options, runtime
        if options.embeddings is not None:
            self.features = table.features(options, options.embeddings, console)
        else:
            self.features = _from_checkpoint(options, runtime, console)
        self._likeness: dict[str, float | None] = {}
        self._division: Division

    def identity(self) -> dict[str, Any]:
        """All that decides the result."""
        return self.features.identity(self._options, self._runtime)

    def results(self, console: Console) -> list[Result]:
        """Fit and predict with all models; the baselines come first."""
        supervision, examples = self.features.supervision, self.features.examples
        self._division = divide(self._options, supervision, examples, console)
        rows, evaluation = (
            self._division.rows,
            _evaluation(self._division, examples, self._options.seed),
        )
        sets: Mapping[str, Floats] = dict(self.features.compute())
        results = []
        with console.progress("probe", None, "models") as progress:
            for model in _models(sets, evaluation):
                predicted, chosen = comparison.answers(model, evaluation)
                is_linear = model.name.endswith(("logistic", "ridge"))
                predictions = supervision.predictions(examples, rows, predicted)
                results.append(Result(model.name, predictions, chosen, is_linear))
                progress.advance(1, model.name)
        self._likeness = {n: likeness.of(vectors) for n, vectors in sets.items() if n in _ENCODED}
        _warn(examples, self._division, results, console)
        last = list(self._likeness)[-1]
        collapse.warn(f"the {last} encoder", self._likeness[last], console)
        return results

    def header(self, results: Sequence[Result]) -> dict[str, Any]:
        """Title, sizes and metrics."""
        return {
            "title": _title(self._options, self.features.examples, self._division),
            **results[0].predictions.sizes(),
            "metrics": list(self.features.supervision.task.METRICS),
        }

    def notes(self) -> dict[str, Any]:
        """The mean correlation of the vectors of each encoder."""
        return {"mean_correlation": self._likeness}

    def save(self, out: Path, results: Sequence[Result], manifest_json: str) -> list[Path]:
        """The table of predictions; see ``artifacts.predictions``."""
        path = out / predictions.NAME
        models = {result.name: result.predictions for result in results}
        parts = ["test"] * len(self._division.rows)
        self.features.supervision.save(path, models, parts, manifest_json)
        return [path]


def _from_checkpoint(options: Options, runtime: Runtime, console: Console) -> features.Features:
    def encoded(encoder: Encoder, parts: Parts, examples: Examples[Any], plan: Plan) -> Floats:
        name = PRETRAINED if encoder is parts.encoder else UNTRAINED
        with console.progress(f"embed, {name}", len(examples), "records") as progress:
            return frozen.embedded(encoder, parts.domain, examples.units, plan, runtime, progress)

    return features.from_checkpoint(options, encoded, runtime, console, pooled=True)


def _evaluation(division: Division, examples: Examples[Any], seed: int) -> Exam:
    return Exam(
        values=examples.targets.values,
        groups=examples.together,
        classes=len(examples.targets.classes),
        rounds=division.rounds,
        metrics=(),
        seed=seed,
    )


def _models(sets: Mapping[str, Floats], evaluation: Exam) -> list[Model]:
    empty = np.zeros((len(evaluation.values), 1))
    constant: Probe = majority.answer
    if len(evaluation.rounds) > 1:
        values, groups = evaluation.values, evaluation.groups
        constant = majority.Overall(
            Training(empty, values, groups, evaluation.classes, evaluation.seed)
        )
    models = [Model("majority" if evaluation.classes else "mean", constant, empty)]
    kind = "logistic" if evaluation.classes else "ridge"
    for name, features_of_records in sets.items():
        models.append(Model(f"{name} {kind}", linear.answer, features_of_records))
        if name in _ENCODED:
            models.append(Model(f"{name} k-NN", neighbours.answer, features_of_records))
    return models


def _title(options: Options, examples: Examples[Any], division: Division) -> str:
    trained = (
        f"{len(division.rounds[0][0])} trained on" if not options.folds else ("each predicted once")
    )
    strata = "stratified by class" if examples.targets.classes else "stratified by quantile"
    held_out = "" if options.folds else " held out"
    method = "test part as given" if division.is_given else f"{division.method}{held_out}, {strata}"
    note = f"\n{examples.family_note}" if examples.family_note else ""
    return (
        f"{options.task}: {len(division.rows)} test records ({trained}), seed {options.seed}\n"
        f"{method}\nduplicates: {division.duplicates}{note}\n"
        f"95% intervals: {intervals.RESAMPLES} bootstrap resamples of the test records"
    )


def _warn(
    examples: Examples[Any], division: Division, results: Sequence[Result], console: Console
) -> None:
    """Warn of constant predictions, and of few test records or few of a class."""
    for result in results[1:]:
        if result.predictions.is_constant:
            console.warn(f"{result.name} gives all test records the same prediction")
    rows, targets = division.rows, examples.targets
    if len(rows) < _FEW_RECORDS:
        console.warn(
            f"there are only {len(rows)} test records: intervals are wide and themselves "
            "uncertain" + ("" if len(division.rounds) > 1 else "; --folds 5 predicts every record")
        )
    for number, name in enumerate(targets.classes):
        count = int((targets.values[rows] == number).sum())
        if count < _FEW_OF_A_CLASS:
            console.warn(f"class {name} has {count} test records only")
