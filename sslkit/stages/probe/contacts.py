"""probe --task contacts: which residues touch, read from attention maps.

The story: families of proteins with an alignment and a structure each; of every family a sequence
is shown to the pretrained encoder and to the same one untrained; a sparse regression over layers
and heads learns on some families which maps show contacts, and is judged on the others, beside
what is known without an encoder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from sslkit import catalog, figures, rng
from sslkit.artifacts import manifest
from sslkit.console import Console
from sslkit.contracts.encoder import Attentive, Encoder
from sslkit.data import examples
from sslkit.engine import assemble
from sslkit.engine import runtime as runtimes
from sslkit.engine.assemble import Parts
from sslkit.engine.runtime import Runtime
from sslkit.errors import DataError, UsageError
from sslkit.files import atomic
from sslkit.probes.contacts import LONG_RANGE, Floats, Regression
from sslkit.stages.probe import contact_maps, contact_plot, contact_report, report
from sslkit.stages.probe.contact_maps import Family
from sslkit.stages.probe.contact_plot import Panel
from sslkit.stages.probe.options import Options
from sslkit.tasks.contacts import Settings

#: Options of a probe of records that have no meaning here.
_UNUSED = {
    *("embeddings", "pooling", "layer", "window", "batch_tokens", "precision"),
    *("sequence_column", "label_column", "id_column"),
}
_JUDGED = "attention, pretrained"
#: Scores [L, L] of each method by family.
Scores = dict[str, dict[str, Floats]]


@dataclass(frozen=True)
class _Work:
    """What is judged by what: families with their parts of the split, and the plug-ins."""

    parts: Parts
    settings: Settings
    families: Sequence[Family]
    runtime: Runtime

    def encoders(self, seed: int) -> dict[str, Encoder]:
        """The encoder untrained and pretrained, by the name of the method."""
        untrained = assemble.untrained(self.parts, seed)
        return {"attention, untrained": untrained, _JUDGED: self.parts.encoder}


def run(options: Options, console: Console) -> None:
    """Probe, compare, and write the report; see the command's help."""
    if strange := sorted(options.given & _UNUSED):
        raise UsageError(
            f"--{strange[0].replace('_', '-')} has no meaning for contacts",
            why="they are read from the attention maps of whole sequences",
            do="leave it out",
        )
    if options.plot is not None:
        figures.check()
    runtime = runtimes.prepare(options.device, options.threads, "fp32")
    work = _work(options, runtime, console)
    rounds = _rounds(options, [family.entry.part for family in work.families])
    out = options.out or Path("probed") / options.task
    described = _describe(options, work)
    held = report.held(out, described, force=options.force)
    if held is not None and (options.plot is None or options.plot.is_file()):
        console.say(f"{out / report.NAME} is finished: nothing to do")
        with manifest.reading_results(out / report.NAME):
            contact_report.show(held.results, console)
        return
    with threadpool_limits(runtime.threads):
        scores = _scores(work, rounds, options.seed, console)
    found = contact_report.results(work.families, scores, _JUDGED, options.seed, _how(options))
    _check_judged(found)
    made = manifest.make(**described, results=found | {"threads": runtime.threads})
    report.write(out, made)
    console.say(f"wrote {out / report.NAME}")
    console.say(runtime.bytes_depend_on(options.seed))
    if options.plot is not None:
        atomic.write_bytes(options.plot, contact_plot.png(_panels(work.families, scores)))
        console.say(f"wrote {options.plot}")
    contact_report.show(found, console)


def _work(options: Options, runtime: Runtime, console: Console) -> _Work:
    parts = assemble.from_checkpoint(options.checkpoint)
    console.say(parts.inherited())
    module = examples.task_module(options.task, parts.domain_name, examples.PAIRS)
    pairs = catalog.parse_pairs(options.set)
    settings: Settings = catalog.settings({options.task: module}, pairs)[options.task]
    _check_encoder(parts)
    files = {
        "": options.labels or [Path("labels") / f"{options.task}.csv"],
        "train": options.valid or [],
        "test": options.test or [],
    }
    families = []
    for entry in module.Task(settings).read(files, options.on_error):
        try:
            family = contact_maps.family(
                entry, settings, options.seed, aligned="sites" in parts.domain.spec
            )
        except DataError as error:
            if options.on_error == "stop":
                raise
            console.warn(f"{entry.name} is left out: {error}")
            continue
        families.append(family)
        console.say(
            f"{entry.name}: {family.length} residues of {family.rows[0].where}; {family.chain}; "
            f"{len(family.states)} sequences"
        )
    return _Work(parts, settings, families, runtime)


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


def _describe(options: Options, work: _Work) -> dict[str, Any]:
    """All that decides the result: a manifest's fields without the results."""
    module = catalog.load("task", options.task)
    entries = [family.entry for family in work.families]
    files = {path: None for entry in entries for path in (entry.alignment, entry.structure)}
    return {
        "stage": "probe",
        "settings": {
            "seed": options.seed,
            "folds": options.folds,
            "test_share": None if options.folds else options.test_share,
            "families": [[e.name, e.chain, e.part] for e in entries],
            "device": work.runtime.device.type,
        },
        "plugins": {
            **{kind: work.parts.manifest.plugins[kind] for kind in ("domain", "model")},
            "task": manifest.plugin(options.task, module, work.settings),
        },
        "inputs": manifest.describe(files),
        "parents": {str(work.parts.path): work.parts.sha256},
    }


def _check_judged(found: Mapping[str, Any]) -> None:
    """Refuse a report in which nothing could be judged.

    Raises:
        DataError: no judged family has a pair of residues that is far enough apart.
    """
    of_all = [value["value"] for model in found["models"] for value in model["metrics"].values()]
    if all(value is None for value in of_all):
        raise DataError(
            "no contacts can be judged",
            why=f"no known pair of residues is {LONG_RANGE} apart in the sequences of the "
            f"{len(found['families'])} judged families",
            do="add families of longer proteins",
        )


def _how(options: Options) -> str:
    if options.folds:
        return f"{options.folds}-fold cross-validation over families"
    return "the regression over heads learned on the other families"


def _rounds(options: Options, given: Sequence[str]) -> list[tuple[list[int], list[int]]]:
    """Families that are learned from and that are judged, by number, of each round.

    Raises:
        UsageError: too few families; a test part and folds.
    """
    count = len(given)
    order = np.random.default_rng(int(rng.key(options.seed, "rounds"))).permutation(count).tolist()
    if options.folds and "test" in given:
        raise UsageError(
            "the test part is given", why="--folds judges every family", do="leave one out"
        )
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


def _scores(
    work: _Work, rounds: Sequence[tuple[list[int], list[int]]], seed: int, console: Console
) -> Scores:
    """By method, of the families that are judged; methods in the order of the report."""
    found: Scores = {}
    judged = sorted(n for _, test in rounds for n in test)
    with console.progress("alignments", len(judged), "families") as progress:
        for number in judged:
            family = work.families[number]
            for method, scores in contact_maps.of_family(family, work.settings):
                found.setdefault(method, {})[family.entry.name] = scores
            progress.advance(1, family.entry.name)
    for method, encoder in work.encoders(seed).items():
        with console.progress(method, len(work.families), "families") as progress:
            maps = _maps(work, encoder, progress.advance)
        if method == _JUDGED:
            alike = {work.families[n].entry.name: maps[n].mean(0) for n in judged}
            found[f"{method}, all heads alike"] = alike
        for train, test in rounds:
            truths = [work.families[n].truth for n in train]
            try:
                model = Regression.fit(
                    [maps[n] for n in train], truths, work.settings.strength, seed
                )
            except ValueError as error:
                raise DataError("no contacts can be learned", why=str(error)) from error
            heads = int((model.weights != 0).sum())
            console.say(f"{method}: {heads} of {len(model.weights)} heads have a weight")
            for number in test:
                name = work.families[number].entry.name
                found.setdefault(method, {})[name] = model.probabilities(maps[number])
    return found


def _maps(work: _Work, encoder: Encoder, advance: Any) -> list[Floats]:
    ready = encoder.to(work.runtime.device)
    if not isinstance(ready, Attentive):
        raise TypeError(f"{type(ready).__name__} has no attention maps")
    maps = []
    for family in work.families:
        parts = work.parts
        maps.append(
            contact_maps.of_encoder(ready, parts.domain, family, parts.context, work.runtime)
        )
        advance(1)
    return maps


def _panels(families: Sequence[Family], scores: Mapping[str, Mapping[str, Floats]]) -> list[Panel]:
    other = "Potts model" if "Potts model" in scores else "mutual information, corrected"
    return [
        Panel(
            family.entry.name,
            family.truth,
            (_JUDGED, scores[_JUDGED][family.entry.name]),
            (other, scores[other][family.entry.name]),
        )
        for family in families
        if family.entry.name in scores[_JUDGED]
    ]
