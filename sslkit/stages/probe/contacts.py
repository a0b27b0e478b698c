"""Probes of pairs of residues: contacts, predicted from attention maps.

Each protein family has an alignment and a structure; the pretrained encoder, and the same one
untrained, read a sequence of each family; a sparse logistic regression over layers and heads is
fitted to the contacts of some families and evaluated on the others, with baselines from the
alignments alone (Rao et al. 2021).
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
_PRETRAINED = "attention, pretrained"
#: Numbers of the families that are trained on, and of those evaluated, of each round.
Rounds = Sequence[tuple[list[int], list[int]]]


class Study:
    """A study of labels of pairs of residues; see ``stages.probe.study.Study``."""

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
        """Score pairs by alignments, and by the maps of both encoders."""
        scores = self._scores(console)
        evaluated = [n for n, f in enumerate(self._families) if f.entry.name in scores[_PRETRAINED]]
        rows = np.array(evaluated, np.int64)
        results = [
            Result(name, PairPredictions(self._families, rows, of_families), chosen=None)
            for name, of_families in scores.items()
        ]
        _check_evaluated(results, len(rows))
        return results

    def header(self, results: Sequence[Result]) -> dict[str, Any]:
        """Title, metrics and families."""
        options, predictions = self._options, results[-1].predictions
        how = (
            f"{options.folds}-fold cross-validation over families"
            if options.folds
            else "the regression over heads learned on the other families"
        )
        evaluated = [self._families[row] for row in predictions.rows]
        return {
            "title": f"contacts: {len(evaluated)} of {len(self._families)} families judged, seed "
            f"{options.seed}; {how}\n"
            f"95% intervals: {intervals.RESAMPLES} bootstrap resamples of the families",
            "metrics": contacts.names(),
            "families": [pair.describe(family) for family in evaluated],
        }

    def notes(self) -> dict[str, Any]:
        """None."""
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
        """Scores of pairs by method and evaluated family; methods in the order of the report."""
        scores: dict[str, dict[str, Floats]] = {}
        evaluated = sorted(n for _, test in self._rounds for n in test)
        with console.progress("alignments", len(evaluated), "families") as progress:
            for number in evaluated:
                family = self._families[number]
                for method, of_pairs in pair.baselines(family, self._settings):
                    scores.setdefault(method, {})[family.entry.name] = of_pairs
                progress.advance(1, family.entry.name)
        untrained = assemble.untrained(self._parts, self._options.seed)
        for method, encoder in (
            ("attention, untrained", untrained), (_PRETRAINED, self._parts.encoder)
        ):  # fmt: skip
            with console.progress(method, len(self._families), "families") as progress:
                maps = self._maps(encoder, progress.advance)
            if method == _PRETRAINED:
                alike = {self._families[n].entry.name: maps[n].mean(0) for n in evaluated}
                scores[f"{method}, all heads alike"] = alike
            scores[method] = self._regressed(method, maps, console)
        return scores

    def _regressed(
        self, method: str, maps: Sequence[Floats], console: Console
    ) -> dict[str, Floats]:
        """Probabilities of pairs of each evaluated family, of a regression fitted to the others."""
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
        encoder = encoder.to(self._runtime.device)
        if not isinstance(encoder, Attentive):
            raise TypeError(f"{type(encoder).__name__} has no attention maps")
        maps = []
        parts = self._parts
        for family in self._families:
            maps.append(
                pair.of_encoder(encoder, parts.domain, family, parts.context, self._runtime)
            )
            advance(1)
        return maps


def _check_encoder(parts: Parts) -> None:
    if isinstance(parts.encoder, Attentive):
        return
    name = parts.manifest.plugins["model"]["name"]
    modules = catalog.loadable("model")
    attentive = [n for n, module in modules.items() if hasattr(module.Model, "attentions")]
    raise UsageError(
        f"model {name} has no attention maps",
        where=str(parts.path),
        do=f"pretrain with --model {' or '.join(attentive)}",
    )


def _check_evaluated(results: Sequence[Result], families: int) -> None:
    """Refuse a report without any metric.

    Raises:
        DataError: no evaluated family has a pair of residues that is far enough apart.
    """
    metrics = [result.predictions.metrics(1) for result in results]
    if all(value["value"] is None for of_model in metrics for value in of_model.values()):
        raise DataError(
            "no contacts can be evaluated",
            why=f"no known pair of residues is {LONG_RANGE} apart in the sequences of the "
            f"{families} evaluated families",
            do="add families of longer proteins",
        )


def _rounds(options: Options, parts: Sequence[str]) -> Rounds:
    """The families of each round.

    Args:
        parts: of each family the part that its table names, or an empty text.

    Raises:
        UsageError: there are too few families, or both a test part and folds.
    """
    count = len(parts)
    order = np.random.default_rng(int(rng.key(options.seed, "rounds"))).permutation(count).tolist()
    check_folds(options, parts)
    if options.folds:
        folds = [sorted(order[fold :: options.folds]) for fold in range(options.folds)]
        tests = [fold for fold in folds if fold]
    elif "test" in parts:
        tests = [[n for n, part in enumerate(parts) if part == "test"]]
    else:
        free = [n for n in order if not parts[n]]
        tests = [sorted(free[: max(1, round(options.test_share * count))])]
    rounds = [([n for n in range(count) if n not in test], test) for test in tests]
    if not all(train and test for train, test in rounds):
        raise UsageError(
            f"there are {count} families, which are too few",
            why="some are trained on, and others are evaluated",
            do="add families to the table of --labels",
        )
    return rounds


def _panels(results: Sequence[Result]) -> list[Panel]:
    predictions = {result.name: result.predictions for result in results}
    other = "Potts model" if "Potts model" in predictions else "mutual information, corrected"
    above, below = predictions[_PRETRAINED], predictions[other]
    if not isinstance(above, PairPredictions) or not isinstance(below, PairPredictions):
        raise TypeError("there are no scores of pairs")
    return [
        Panel(
            family.entry.name,
            family.truth,
            (_PRETRAINED, above.scores[family.entry.name]),
            (other, below.scores[family.entry.name]),
        )
        for family in above.judged
    ]
