"""probe: what frozen embeddings know of a task, beside baselines that cost nothing.

The story: labelled records get frozen features, of the pretrained encoder, of the same encoder
untrained, and of what needs no encoder; a linear model and nearest neighbours learn from the
training part, penalties chosen inside it; all predict the same test records, or every record once
by cross-validation, and are judged on the same bootstrap resamples.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from sslkit import catalog
from sslkit.artifacts import destination, kinds, likeness, manifest, predictions
from sslkit.artifacts.predictions import Predictions
from sslkit.console import Console
from sslkit.data import examples as labels
from sslkit.data import lineage, splits
from sslkit.engine import runtime as runtimes
from sslkit.engine.runtime import Runtime
from sslkit.engine.signals import stopping
from sslkit.errors import UsageError
from sslkit.inference import collapse
from sslkit.inference import features as featured
from sslkit.inference.features import Features, Floats, Labels
from sslkit.probes import comparison, intervals, linear, majority, neighbours, sufficiency
from sslkit.probes.comparison import Exam, Model, Probe, Result
from sslkit.probes.training import Training
from sslkit.stages.probe import contacts, report, tokens
from sslkit.stages.probe.options import Options

#: Sets of features that an encoder makes; a linear probe is the classical use of all others.
_ENCODED = ("untrained", "pretrained", "embeddings")
_FEW_RECORDS, _FEW_OF_A_CLASS = 50, 10
_OTHER_PLOT = "name another file with --plot"


def run(options: Options, console: Console) -> None:
    """Probe, compare, and write the report; see the command's help."""
    out = options.out or Path("probed") / options.task
    destination.check(out, kinds.PROBED, options)
    if options.plot is not None:
        destination.check(options.plot, kinds.picture("probe"), options, do=_OTHER_PLOT)
    with stopping() as stop, stop.at_once("a probe keeps nothing that is half done"):
        kind = catalog.load("task", options.task).KIND
        if options.plot is not None and kind != labels.PAIRS:
            raise UsageError("--plot draws contacts", why=f"task {options.task} has none")
        {labels.PAIRS: contacts.run, labels.PER_TOKEN: tokens.run}.get(kind, _probe)(
            options, console
        )


def _probe(options: Options, console: Console) -> None:
    runtime = runtimes.prepare(options.device, options.threads, options.precision)
    features = _features(options, runtime, console)
    described = _describe(options, features, runtime)
    out = options.out or Path("probed") / options.task
    held = report.held(out, described, force=options.force)
    if held is not None:
        report.show_again(held, out / report.NAME, console)
        return
    exam, treated = _exam(options, features, console)
    sets = features.compute()
    models = _models(sets, exam)
    results = []
    with threadpool_limits(runtime.threads), console.progress("probe", None, "models") as progress:
        for model in models:
            results.append(comparison.examine(model, exam))
            progress.advance(1, model.name)
    _warn(features, exam, results, console)
    title = _title(options, exam, results, treated)
    alike = {n: likeness.of(vectors) for n, vectors in sets.items() if n in _ENCODED}
    judged = list(alike)[-1]
    collapse.warn(f"the {judged} encoder", alike[judged], console)
    found = report.results(title, exam, results) | {
        "threads": runtime.threads,
        "mean_correlation": alike,
    }
    made = manifest.make(**described, results=found)
    table = out / predictions.NAME
    predictions.save(table, _predictions(features, exam, results), made.to_json())
    report.write(out, made)
    console.say(f"wrote {out / report.NAME} and {table}")
    console.say(runtime.bytes_depend_on(options.seed))
    report.show(made, console)


def _features(options: Options, runtime: Runtime, console: Console) -> Features:
    own_labels = options.embeddings is not None and not options.names_files
    files = {} if own_labels else options.files
    asked = Labels(options.task, options.pairs, files, options.on_error, options.families)
    if options.embeddings is not None:
        return featured.from_table(asked, options.embeddings, console)
    plan = {
        "pooling": options.pooling,
        "layer": options.layer,
        "window": options.window,
        "batch_tokens": options.batch_tokens,
    }
    return featured.from_checkpoint(asked, options.checkpoint, options.seed, plan, runtime, console)


def _describe(options: Options, features: Features, runtime: Runtime) -> dict[str, Any]:
    """All that decides the result: a manifest's fields without the results."""
    return {
        "stage": "probe",
        "settings": {
            **features.settings,
            "seed": options.seed,
            "folds": options.folds,
            "test_share": None if options.folds else options.test_share,
            "on_error": options.on_error,
            **({} if features.examples.families is None else {"families": True}),
            **lineage.not_judged(features.examples),
            "device": runtime.device.type,
            "precision": runtime.precision,
        },
        "plugins": featured.describe(features, options.task),
        "inputs": manifest.describe(features.examples.labelled.files),
        "parents": dict(features.parents),
    }


def _exam(options: Options, features: Features, console: Console) -> tuple[Exam, str]:
    """Who is trained on and who is predicted; how that was settled, for the table's title."""
    examples = features.examples
    if options.folds:
        if "test" in (examples.labelled.parts or ()):
            raise UsageError(
                "the test part is given", why="--folds predicts every record", do="leave one out"
            )
        fold = splits.folds(examples.strata, examples.together, options.folds, options.seed)
        rounds = splits.rounds(fold, examples.judged)
        sizes = np.unique(examples.groups, return_counts=True)[1]
        together = int(sizes[sizes > 1].sum())
        treated = (
            f"{options.folds}-fold cross-validation, {_strata(features)}\n"
            f"duplicates: {together} records kept with theirs in one fold"
        )
    else:
        found = labels.divide(examples, {"test": options.test_share}, options.seed, console)
        train = np.sort(np.concatenate([found.rows("train"), found.rows("valid")]))
        rounds = [(train, found.rows("test"))]
        way = (
            f"{options.test_share:.0%} held out, {_strata(features)}"
            if "test" in found.made
            else "test part as given"
        )
        treated = (
            f"{way}\nduplicates: {found.together} records kept with theirs on one side, "
            f"{sum(found.dropped.values())} dropped"
        )
    if examples.told:
        treated += f"\n{examples.told}"
    module, _ = features.task
    sufficiency.check(
        examples,
        [train for train, _ in rounds],
        np.concatenate([tested for _, tested in rounds]),
        module.METRICS,
        "name records with --test" if options.folds else "take --folds, or a larger --test-share",
    )
    exam = Exam(
        values=examples.targets.values,
        groups=examples.together,
        classes=len(examples.targets.classes),
        rounds=rounds,
        metrics=module.METRICS,
        seed=options.seed,
    )
    return exam, treated


def _strata(features: Features) -> str:
    return "stratified by class" if features.examples.targets.classes else "stratified by quantile"


def _models(sets: Mapping[str, Floats], exam: Exam) -> list[Model]:
    """Baselines first; every set of features of an encoder gets both probes."""
    nothing = np.zeros((len(exam.values), 1))
    lazy: Probe = majority.answer
    if len(exam.rounds) > 1:
        everything = Training(nothing, exam.values, exam.groups, exam.classes, exam.seed)
        lazy = majority.Overall(everything)
    models = [Model("majority" if exam.classes else "mean", lazy, nothing)]
    kind = "logistic" if exam.classes else "ridge"
    for name, held in sets.items():
        models.append(Model(f"{name} {kind}", linear.answer, held))
        if name in _ENCODED:
            models.append(Model(f"{name} k-NN", neighbours.answer, held))
    return models


def _title(options: Options, exam: Exam, results: Sequence[Result], treated: str) -> str:
    trained = f"{len(exam.rounds[0][0])} trained on" if not options.folds else "each predicted once"
    return (
        f"{options.task}: {len(exam.rows)} test records ({trained}), seed {options.seed}\n"
        f"{treated}\n"
        f"95% intervals: {intervals.RESAMPLES} bootstrap resamples of the test records"
    )


def _warn(features: Features, exam: Exam, results: Sequence[Result], console: Console) -> None:
    """Tell of what makes numbers mean less than they seem to."""
    for result in results[1:]:
        if result.is_constant:
            console.warn(f"{result.name} gives all test records the same prediction")
    if len(exam.rows) < _FEW_RECORDS:
        console.warn(
            f"there are only {len(exam.rows)} test records: intervals are wide and themselves "
            "uncertain" + ("" if len(exam.rounds) > 1 else "; --folds 5 predicts every record")
        )
    for number, name in enumerate(features.examples.targets.classes):
        count = int((exam.values[exam.rows] == number).sum())
        if count < _FEW_OF_A_CLASS:
            console.warn(f"class {name} has {count} test records only")


def _predictions(features: Features, exam: Exam, results: Sequence[Result]) -> Predictions:
    labelled, rows = features.examples.labelled, exam.rows
    count = len(results)
    return Predictions(
        ids=[labelled.ids[row] for row in rows] * count,
        rows=np.tile(labelled.rows[rows], count),
        splits=["test"] * (len(rows) * count),
        labels=np.tile(exam.values[rows], count),
        predicted=np.concatenate([result.predicted for result in results]),
        classes=features.examples.targets.classes,
        models=[result.name for result in results for _ in rows],
    )
