"""Probes of units: a logistic regression on features of each residue, base or word."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sslkit.artifacts import likeness, tags
from sslkit.console import Console
from sslkit.contracts.encoder import Encoder
from sslkit.data.examples import Examples
from sslkit.engine.assemble import Parts
from sslkit.engine.runtime import Runtime
from sslkit.errors import DataError
from sslkit.inference import collapse, per_token
from sslkit.inference.per_token import Stretch
from sslkit.inference.windows import Plan
from sslkit.probes import intervals, units
from sslkit.stages.probe import features
from sslkit.stages.probe.division import Division, divide
from sslkit.stages.probe.features import PRETRAINED
from sslkit.stages.probe.options import Options
from sslkit.stages.probe.study import Result, refuse
from sslkit.supervision.token import Sight, Supervision, Tagged
from sslkit.supervision.token_draw import Drawn, draw
from sslkit.types import Array

_FEW_RECORDS, _FEW_OF_A_CLASS = 50, 100


@dataclass(frozen=True)
class Round:
    """Records that are predicted, and the units of other records that a model is fitted to."""

    drawn: Drawn
    test: list[int]


class Study:
    """A study of labels of units; see ``stages.probe.study.Study``."""

    def __init__(self, options: Options, runtime: Runtime, console: Console) -> None:
        why = "every unit has the vector of its own token"
        refuse(options, {"embeddings", "pooling"}, "labels of units", why)
        self._options, self._runtime = options, runtime

        def encoded(encoder: Encoder, parts: Parts, examples: Examples[Any], plan: Plan) -> Sight:
            return _vectors_of(encoder, parts, examples, plan, runtime)

        self.features = features.from_checkpoint(options, encoded, runtime, console, pooled=False)
        self._examples: Tagged = self.features.examples
        self._division: Division
        self._rounds: list[Round] = []

    def identity(self) -> dict[str, Any]:
        """All that decides the result."""
        return self.features.identity(self._options, self._runtime)

    def results(self, console: Console) -> list[Result]:
        """Fit and predict: the majority, features of a unit and its neighbours, both encoders."""
        supervision = self.features.supervision
        self._division = divide(self._options, supervision, self._examples, console)
        self._rounds = self._draw(console)
        results = [self._result("majority", self._majority(), ())]
        for name, vectors_of in self.features.compute():
            classes, penalties = self._fitted(name, vectors_of, console)
            results.append(self._result(f"{name} logistic", classes, penalties))
        self._warn(results, console)
        return results

    def header(self, results: Sequence[Result]) -> dict[str, Any]:
        """Title, sizes, classes and metrics."""
        drawn = [single.drawn for single in self._rounds]
        return {
            "title": self._title(results),
            **results[0].predictions.sizes(),
            "trained_units": [len(units_drawn) for units_drawn in drawn],
            "trained_records": [len(units_drawn.units) for units_drawn in drawn],
            "classes": list(self._examples.targets.classes),
            "metrics": list(self.features.supervision.task.METRICS),
        }

    def notes(self) -> dict[str, Any]:
        """None."""
        return {}

    def save(self, out: Path, results: Sequence[Result], manifest_json: str) -> list[Path]:
        """The table of predictions; see ``artifacts.tags``."""
        path = out / tags.NAME
        models = {result.name: result.predictions for result in results}
        parts = ["test"] * len(self._division.rows)
        self.features.supervision.save(path, models, parts, manifest_json)
        return [path]

    def _draw(self, console: Console) -> list[Round]:
        known, rounds = self._examples.targets.known, []
        most = self.features.supervision.settings.most
        for number, (train, test) in enumerate(self._division.rounds):
            drawn = draw(self._examples, train, most, self._options.seed + number)
            _check(self._examples, drawn)
            rounds.append(Round(drawn, test.tolist()))
            console.say(
                f"fitted to {len(drawn):,} of {known(train):,} known units, of "
                f"{len(drawn.units):,} of {len(train):,} training records (--set most=N)"
            )
        return rounds

    def _result(
        self, name: str, classes: Mapping[int, Array], chosen: Sequence[Mapping[str, float]]
    ) -> Result:
        supervision, rows = self.features.supervision, self._division.rows
        if not isinstance(supervision, Supervision):
            raise TypeError(f"{type(supervision).__name__} has no labels of units")
        of_rows = [classes[row] for row in rows.tolist()]
        return Result(name, supervision.of_classes(self._examples, rows, of_rows), chosen)

    def _majority(self) -> dict[int, Array]:
        """The class that most known units of the training records have."""
        classes: dict[int, Array] = {}
        targets = self._examples.targets
        for train, test in self._division.rounds:
            common = int(targets.counts(train).argmax())
            classes |= {row: np.full(len(targets.values[row]), common) for row in test.tolist()}
        return classes

    def _fitted(
        self, name: str, vectors_of: Sight, console: Console
    ) -> tuple[dict[int, Array], list[Mapping[str, float]]]:
        """Classes of all units of each predicted record, and the penalty of each round."""
        classes: dict[int, Array] = {}
        chosen: list[Mapping[str, float]] = []
        values = self._examples.targets.values
        count = sum(len(single.drawn.units) + len(single.test) for single in self._rounds)
        with console.progress(f"{name} logistic", count, "records") as progress:
            for single in self._rounds:
                drawn, test = single.drawn, single.test
                truth = [values[row][at] for row, at in drawn.units.items()]
                vectors = _collected(vectors_of, drawn, progress.advance)
                if name == PRETRAINED:
                    collapse.warn(f"units of the {name} encoder", likeness.of(vectors), console)
                model = units.fit(vectors, np.concatenate(truth), drawn.learned)
                del vectors
                chosen.append({"penalty": model.penalty})
                for row in test:
                    classes[row] = np.empty(len(values[row]), np.int32)
                for stretch in vectors_of(test):
                    predicted = classes[test[stretch.row]]
                    stop = stretch.first + len(stretch.vectors)
                    predicted[stretch.first : stop] = model.decide(stretch.vectors)
                    progress.advance(stop == len(predicted))
        return classes, chosen

    def _title(self, results: Sequence[Result]) -> str:
        options, division, known = self._options, self._division, self._examples.targets.known
        drawn = [len(single.drawn) for single in self._rounds]
        trained = [known(train) for train, _ in division.rounds]
        over = " over records" if options.folds else " of the records held out"
        method = "test part as given" if division.is_given else division.method + over
        records = results[0].predictions.sizes()["test_records"]
        return (
            f"{options.task}: {known(division.rows):,} known units of {records:,} test records, "
            f"seed {options.seed}\n"
            f"{method}; fitted to {min(drawn):,} of {min(trained):,} known units of training "
            f"records\n95% intervals: {intervals.RESAMPLES} bootstrap resamples of the test records"
        )

    def _warn(self, results: Sequence[Result], console: Console) -> None:
        """Warn of constant predictions, and of few test records or few units of a class."""
        for result in results[1:]:
            if result.predictions.is_constant:
                console.warn(f"{result.name} gives all units of the test records the same class")
        records = results[0].predictions.sizes()["test_records"]
        if records < _FEW_RECORDS:
            console.warn(
                f"there are only {records} test records: intervals are wide and themselves "
                "uncertain" + ("" if len(self._rounds) > 1 else "; --folds 5 predicts every record")
            )
        targets = self._examples.targets
        counts = targets.counts(self._division.rows)
        for name, count in zip(targets.classes, counts, strict=True):
            if count < _FEW_OF_A_CLASS:
                console.warn(f"class {name} has {count} units of test records only")


def _vectors_of(
    encoder: Encoder, parts: Parts, examples: Tagged, plan: Plan, runtime: Runtime
) -> Sight:
    """The features of units: the vectors of the tokens that stand for them."""
    domain = parts.domain

    def vectors(rows: Sequence[int]) -> Iterator[Stretch]:
        records, step = [examples.units[row] for row in rows], per_token.step(domain)
        for stretch in per_token.vectors(encoder, domain, records, plan, runtime):
            yield per_token.placed(stretch, step)

    return vectors


def _check(examples: Tagged, drawn: Drawn) -> None:
    values = examples.targets.values
    classes = {int(v) for row, at in drawn.units.items() for v in np.unique(values[row][at])}
    if len(classes) < 2:
        raise DataError(
            f"{len(drawn)} units that were drawn to train on have {len(classes)} class(es)",
            where=examples.files,
            why="with fewer than two there is nothing to learn",
            do="add records, or raise --set most=N",
        )


def _collected(vectors_of: Sight, drawn: Drawn, advance: Callable[[float], None]) -> units.Features:
    """Features of the units that were drawn, in their order, [units, width] float32."""
    starts = list(drawn.starts())
    vectors = np.empty((0, 0), np.float32)
    for stretch in vectors_of([row for row, _, _ in starts]):
        if not vectors.size:
            vectors = np.empty((len(drawn), stretch.vectors.shape[1]), np.float32)
        _, start, positions = starts[stretch.row]
        stop = stretch.first + len(stretch.vectors)
        low, high = np.searchsorted(positions, [stretch.first, stop])
        vectors[start + low : start + high] = stretch.vectors[positions[low:high] - stretch.first]
        advance(high == len(positions))
    return vectors
