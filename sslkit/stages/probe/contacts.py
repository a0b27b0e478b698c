"""Which residues touch, read from attention maps.

Families of proteins have an alignment and a structure each; of every family a sequence is shown to
the pretrained encoder and to the same one untrained; a sparse regression over layers and heads
learns on some families which maps show contacts, and is judged on the others, beside what is known
without an encoder.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sslkit import catalog, figures, rng
from sslkit.artifacts import manifest
from sslkit.console import Console
from sslkit.contracts.encoder import Attentive, Encoder
from sslkit.data import examples
from sslkit.engine import assemble
from sslkit.engine.assemble import Parts
from sslkit.engine.runtime import Runtime
from sslkit.errors import DataError, UsageError
from sslkit.files import atomic
from sslkit.probes import contacts, intervals
from sslkit.probes.contacts import LONG_RANGE, Floats, Regression
from sslkit.stages.probe import contact_plot
from sslkit.stages.probe.contact_plot import Panel
from sslkit.stages.probe.division import check_folds
from sslkit.stages.probe.options import Options
from sslkit.stages.probe.study import Result, refuse
from sslkit.supervision import pair
from sslkit.supervision.pair import Family, PairPredictions
from sslkit.tasks.contacts import Settings

#: Options of a probe of records that have no meaning here.
_UNUSED = {
    *("embeddings", "pooling", "layer", "window", "batch_tokens", "precision"),
    *("sequence_column", "label_column", "id_column"),
}
_JUDGED = "attention, pretrained"
#: Families that are learned from, and that are judged, by number.
Rounds = Sequence[tuple[list[int], list[int]]]


class Study:
    """Labels of pairs of residues; see ``stages.probe.study.Study``."""

    def __init__(self, options: Options, runtime: Runtime, console: Console) -> None:
        why = "they are read from the attention maps of whole sequences"
        refuse(options, _UNUSED, "contacts", why)
        if options.plot is not None:
            figures.check()
        self._options, self._runtime = options, runtime
        self._parts = assemble.from_checkpoint(options.checkpoint)
        console.say(self._parts.inherited())
        self._task = examples.task_module(options.task, self._parts.domain_name, (examples.PAIR,))
        pairs = catalog.parse_pairs(options.set)
        self._settings: Settings = catalog.settings({options.task: self._task}, pairs)[options.task]
        _check_encoder(self._parts)
        self._families = self._read(console)
        self._rounds = _rounds(options, [family.entry.part for family in self._families])

    def identity(self) -> dict[str, Any]:
        """All that decides the result: a manifest's fields without the results."""
        options, parts = self._options, self._parts
        entries = [family.entry for family in self._families]
        files = {path: None for entry in entries for path in (entry.alignment, entry.structure)}
        return {
            "settings": {
                "seed": options.seed,
                "folds": options.folds,
                "test_share": None if options.folds else options.test_share,
                "families": [[e.name, e.chain, e.part] for e in entries],
                "device": self._runtime.device.type,
            },
            "plugins": {
                **{kind: parts.manifest.plugins[kind] for kind in ("domain", "model")},
                "task": manifest.plugin(options.task, self._task, self._settings),
            },
            "inputs": manifest.describe(files),
            "parents": {str(parts.path): parts.sha256},
        }

    def results(self, console: Console) -> list[Result]:
        """What alignments know, and the maps of both encoders."""
        scores = self._scores(console)
        judged = [n for n, f in enumerate(self._families) if f.entry.name in scores[_JUDGED]]
        rows = np.array(judged, np.int64)
        results = [
            Result(name, PairPredictions(self._families, rows, of), chosen=None)
            for name, of in scores.items()
        ]
        _check_judged(results, len(rows))
        return results

    def header(self, results: Sequence[Result]) -> dict[str, Any]:
        """Title, metrics and families."""
        options, predictions = self._options, results[-1].predictions
        how = (
            f"{options.folds}-fold cross-validation over families"
            if options.folds
            else "the regression over heads learned on the other families"
        )
        judged = [self._families[row] for row in predictions.rows]
        return {
            "title": f"contacts: {len(judged)} of {len(self._families)} families judged, seed "
            f"{options.seed}; {how}\n"
            f"95% intervals: {intervals.RESAMPLES} bootstrap resamples of the families",
            "metrics": contacts.names(),
            "families": [pair.describe(family) for family in judged],
        }

    def notes(self) -> dict[str, Any]:
        """Nothing more."""
        return {}

    def save(self, out: Path, results: Sequence[Result], manifest_json: str) -> list[Path]:
        """The picture, where one is drawn."""
        if self._options.plot is None:
            return []
        atomic.write_bytes(self._options.plot, contact_plot.png(_panels(results)))
        return [self._options.plot]

    def _read(self, console: Console) -> list[Family]:
        options = self._options
        files = {
            "": options.labels or [Path("labels") / f"{options.task}.csv"],
            "train": options.valid or [],
            "test": options.test or [],
        }
        aligned = "sites" in self._parts.domain.spec
        families = []
        for entry in self._task.Task(self._settings).read(files, options.on_error):
            try:
                family = pair.family(entry, self._settings, options.seed, aligned=aligned)
            except DataError as error:
                if options.on_error == "stop":
                    raise
                console.warn(f"{entry.name} is left out: {error}")
                continue
            families.append(family)
            console.say(
                f"{entry.name}: {family.length} residues of {family.rows[0].where}; "
                f"{family.chain}; {len(family.states)} sequences"
            )
        return families

    def _scores(self, console: Console) -> dict[str, dict[str, Floats]]:
        """By method and family that is judged; methods in the order of the report."""
        scores: dict[str, dict[str, Floats]] = {}
        judged = sorted(n for _, test in self._rounds for n in test)
        with console.progress("alignments", len(judged), "families") as progress:
            for number in judged:
                family = self._families[number]
                for method, of_pairs in pair.baselines(family, self._settings):
                    scores.setdefault(method, {})[family.entry.name] = of_pairs
                progress.advance(1, family.entry.name)
        untrained = assemble.untrained(self._parts, self._options.seed)
        for method, encoder in (
            ("attention, untrained", untrained), (_JUDGED, self._parts.encoder)
        ):  # fmt: skip
            with console.progress(method, len(self._families), "families") as progress:
                maps = self._maps(encoder, progress.advance)
            if method == _JUDGED:
                alike = {self._families[n].entry.name: maps[n].mean(0) for n in judged}
                scores[f"{method}, all heads alike"] = alike
            scores[method] = self._regressed(method, maps, console)
        return scores

    def _regressed(
        self, method: str, maps: Sequence[Floats], console: Console
    ) -> dict[str, Floats]:
        """What a regression over heads says of each judged family, fitted to others."""
        scores: dict[str, Floats] = {}
        for train, test in self._rounds:
            truths = [self._families[n].truth for n in train]
            strength, seed = self._settings.strength, self._options.seed
            try:
                model = Regression.fit([maps[n] for n in train], truths, strength, seed)
            except ValueError as error:
                raise DataError("no contacts can be learned", why=str(error)) from error
            heads = int((model.weights != 0).sum())
            console.say(f"{method}: {heads} of {len(model.weights)} heads have a weight")
            for number in test:
                name = self._families[number].entry.name
                scores[name] = model.probabilities(maps[number])
        return scores

    def _maps(self, encoder: Encoder, advance: Callable[[float], None]) -> list[Floats]:
        ready = encoder.to(self._runtime.device)
        if not isinstance(ready, Attentive):
            raise TypeError(f"{type(ready).__name__} has no attention maps")
        maps = []
        parts = self._parts
        for family in self._families:
            of_family = pair.of_encoder(ready, parts.domain, family, parts.context, self._runtime)
            maps.append(of_family)
            advance(1)
        return maps


def _check_encoder(parts: Parts) -> None:
    if isinstance(parts.encoder, Attentive):
        return
    name = parts.manifest.plugins["model"]["name"]
    modules = catalog.loadable("model")
    able = [n for n, module in modules.items() if hasattr(module.Model, "attentions")]
    raise UsageError(
        f"model {name} has no attention maps",
        where=str(parts.path),
        do=f"pretrain with --model {' or '.join(able)}",
    )


def _check_judged(results: Sequence[Result], families: int) -> None:
    """Refuse a report in which nothing could be judged.

    Raises:
        DataError: no judged family has a pair of residues that is far enough apart.
    """
    metrics = [result.predictions.metrics(1) for result in results]
    if all(value["value"] is None for of in metrics for value in of.values()):
        raise DataError(
            "no contacts can be judged",
            why=f"no known pair of residues is {LONG_RANGE} apart in the sequences of the "
            f"{families} judged families",
            do="add families of longer proteins",
        )


def _rounds(options: Options, given: Sequence[str]) -> Rounds:
    """Families that are learned from and that are judged, by number, of each round.

    Raises:
        UsageError: too few families; a test part and folds.
    """
    count = len(given)
    order = np.random.default_rng(int(rng.key(options.seed, "rounds"))).permutation(count).tolist()
    check_folds(options, given)
    if options.folds:
        parts = [sorted(order[at :: options.folds]) for at in range(options.folds)]
        tests = [part for part in parts if part]
    elif "test" in given:
        tests = [[n for n, part in enumerate(given) if part == "test"]]
    else:
        free = [n for n in order if not given[n]]
        tests = [sorted(free[: max(1, round(options.test_share * count))])]
    rounds = [([n for n in range(count) if n not in test], test) for test in tests]
    if not all(train and test for train, test in rounds):
        raise UsageError(
            f"there are {count} families, which are too few",
            why="some are learned from, and others are judged",
            do="add families to the table of --labels",
        )
    return rounds


def _panels(results: Sequence[Result]) -> list[Panel]:
    predictions = {result.name: result.predictions for result in results}
    other = "Potts model" if "Potts model" in predictions else "mutual information, corrected"
    above, below = predictions[_JUDGED], predictions[other]
    if not isinstance(above, PairPredictions) or not isinstance(below, PairPredictions):
        raise TypeError("there are no scores of pairs")
    return [
        Panel(
            family.entry.name,
            family.truth,
            (_JUDGED, above.scores[family.entry.name]),
            (other, below.scores[family.entry.name]),
        )
        for family in above.judged
    ]
