"""probe of labels of units: what frozen features of tokens know of residues, bases or words.

The story: records have a label for each of their units; every unit gets the vector of the token
that speaks for it, of the pretrained encoder and of the same one untrained, and one-hot columns of
itself and of its neighbours; a logistic regression learns from some units of the training records
and says the label of every unit of the test records; intervals are over records.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from sslkit import catalog
from sslkit.artifacts import likeness, manifest, tags
from sslkit.console import Console
from sslkit.contracts.domain import TokenDomain
from sslkit.contracts.encoder import Encoder
from sslkit.data import examples as labels
from sslkit.data import inherited, lineage, splits, token_labels
from sslkit.data.token_labels import Rows, Tagged
from sslkit.engine import assemble
from sslkit.engine import runtime as runtimes
from sslkit.engine.assemble import Parts
from sslkit.engine.runtime import Runtime
from sslkit.errors import DataError, UsageError
from sslkit.inference import collapse, features, per_token
from sslkit.inference.per_token import Stretch
from sslkit.inference.windows import Plan
from sslkit.probes import surroundings, units
from sslkit.stages.probe import report, token_report
from sslkit.stages.probe.options import Options
from sslkit.stages.probe.token_report import Exam, Result, Round
from sslkit.types import Array

#: Options of a probe of records that have no meaning here.
_UNUSED = {"embeddings", "pooling"}
_UNTRAINED, _PRETRAINED = "untrained", "pretrained"
#: Features of all units of some records, given by their numbers; ``row`` is a place among those.
Sight: TypeAlias = Callable[[Sequence[int]], Iterator[Stretch]]


@dataclass(frozen=True)
class _Work:
    """What is judged by what.

    Attributes:
        plan: how encoders see records.
        settings: of the task.
    """

    parts: Parts
    plan: Plan
    settings: Any
    tagged: Tagged
    runtime: Runtime

    def sights(self, seed: int) -> Iterator[tuple[str, Sight]]:
        """Features by name, floors first, the one that is judged last."""
        around = self.settings.around
        yield "unit", self._surroundings(1)
        if around > 1:
            yield f"window of {around}", self._surroundings(around)
        yield _UNTRAINED, self._encoder(assemble.untrained(self.parts, seed))
        yield _PRETRAINED, self._encoder(self.parts.encoder)

    def _surroundings(self, around: int) -> Sight:
        domain: TokenDomain = self.parts.domain

        def places(units: Sequence[Array]) -> npt.NDArray[np.float32]:
            return domain.features(units)["places"]

        def sight(rows: Sequence[int]) -> Iterator[Stretch]:
            for place, row in enumerate(rows):
                held = self.tagged.examples.units[row]
                for first, hot in surroundings.windows(places, held, around):
                    yield Stretch(place, first, hot)

        return sight

    def _encoder(self, encoder: Encoder) -> Sight:
        ready = encoder.to(self.runtime.device)

        def sight(rows: Sequence[int]) -> Iterator[Stretch]:
            held, domain = [self.tagged.examples.units[row] for row in rows], self.parts.domain
            places = per_token.step(domain)
            for stretch in per_token.vectors(ready, domain, held, self.plan, self.runtime):
                yield per_token.placed(stretch, places)

        return sight


def run(options: Options, console: Console) -> None:
    """Probe, compare, and write the report; see the command's help."""
    if strange := sorted(options.given & _UNUSED):
        raise UsageError(
            f"--{strange[0]} has no meaning for labels of units",
            why="every unit has the vector of its own token",
            do="leave it out",
        )
    runtime = runtimes.prepare(options.device, options.threads, options.precision)
    work = _work(options, runtime, console)
    described = _describe(options, work)
    out = options.out or Path("probed") / options.task
    held = report.held(out, described, force=options.force)
    if held is not None:
        report.show_again(held, out / report.NAME, console)
        return
    exam = _exam(options, work, console)
    results = [_majority(work.tagged, exam)]
    with threadpool_limits(runtime.threads):
        for name, sight in work.sights(options.seed):
            results.append(_examined(f"{name} logistic", sight, work.tagged, exam, console))
    token_report.warn(work.tagged, exam, results, console)
    found = token_report.results(options.task, work.tagged, exam, results)
    made = manifest.make(**described, results=found | {"threads": runtime.threads})
    task = catalog.load("task", options.task).Task(work.settings)
    table = out / tags.NAME
    tags.save(table, token_report.table(task, work.tagged, exam, results), made.to_json())
    report.write(out, made)
    console.say(f"wrote {out / report.NAME} and {table}")
    console.say(runtime.bytes_depend_on(options.seed))
    report.show(made, console)


def _work(options: Options, runtime: Runtime, console: Console) -> _Work:
    parts = assemble.from_checkpoint(options.checkpoint)
    console.say(parts.inherited())
    module = labels.task_module(options.task, parts.domain_name, labels.PER_TOKEN)
    pairs = catalog.parse_pairs(
        inherited.for_labels(options.pairs, options.task, parts, options.files, console)
    )
    settings = catalog.settings({options.task: module}, pairs)[options.task]
    found = token_labels.read(
        module, settings, options.files, parts.domain, options.on_error, console, options.families
    )
    examples = lineage.marked(found.examples, parts.checkpoint, parts.path, console)
    found = replace(found, examples=examples)
    asked = {
        "pooling": None,
        "layer": options.layer,
        "window": options.window,
        "batch_tokens": options.batch_tokens,
    }
    plan = features.plan_of(asked, parts.context, parts.encoder.depth)
    size = parts.domain.units(1)
    step = per_token.step(parts.domain)
    console.say(
        f"features: layer {plan.layer} of {parts.encoder.depth}, width {parts.encoder.width}, "
        f"windows of {plan.window} tokens"
        + (
            ""
            if size == 1
            else f"; a token is {size} units and the next begins {step} later: for each unit "
            "speaks the token whose middle is nearest, the earlier of two"
            + (f", with columns for each of its {step} places" if step > 1 else "")
        )
    )
    return _Work(parts, plan, settings, found, runtime)


def _describe(options: Options, work: _Work) -> dict[str, Any]:
    """All that decides the result: a manifest's fields without the results."""
    module = catalog.load("task", options.task)
    return {
        "stage": "probe",
        "settings": {
            **{name: getattr(work.plan, name) for name in ("layer", "window", "overlap")},
            "seed": options.seed,
            "folds": options.folds,
            "test_share": None if options.folds else options.test_share,
            "on_error": options.on_error,
            **lineage.not_judged(work.tagged.examples),
            "device": work.runtime.device.type,
            "precision": work.runtime.precision,
        },
        "plugins": {
            **{kind: work.parts.manifest.plugins[kind] for kind in ("domain", "model")},
            "task": manifest.plugin(options.task, module, work.settings),
        },
        "inputs": manifest.describe(work.tagged.examples.labelled.files),
        "parents": {str(work.parts.path): work.parts.sha256},
    }


def _exam(options: Options, work: _Work, console: Console) -> Exam:
    """Who is trained on and who is predicted; says how many units that are.

    Raises:
        UsageError: a test part and folds, or no test record.
        DataError: a part in which there is nothing to tell apart, or nothing known.
    """
    examples = work.tagged.examples
    if options.folds and "test" in (examples.labelled.parts or ()):
        raise UsageError(
            "the test part is given", why="--folds predicts every record", do="leave one out"
        )
    if options.folds:
        fold = splits.folds(examples.strata, examples.together, options.folds, options.seed)
        pairs = splits.rounds(fold, examples.judged)
        how = f"{options.folds}-fold cross-validation over records"
    else:
        found = labels.divide(examples, {"test": options.test_share}, options.seed, console)
        train = np.sort(np.concatenate([found.rows("train"), found.rows("valid")]))
        pairs = [(train, found.rows("test"))]
        how = (
            f"{options.test_share:.0%} of the records held out"
            if "test" in found.made
            else "test part as given"
        )
    rounds = []
    for number, (train, test) in enumerate(pairs):
        drawn = token_labels.draw(work.tagged, train, work.settings.most, options.seed + number)
        rounds.append(Round(train, test, drawn))
        _check(work.tagged, drawn, test)
        console.say(
            f"fitted to {len(drawn):,} of {work.tagged.known(train):,} known units, of "
            f"{len(drawn.units):,} of {len(train):,} training records (--set most=N)"
        )
    metrics = catalog.load("task", options.task).METRICS
    return Exam(rounds, metrics, options.seed, how)


def _check(held: Tagged, drawn: token_labels.Drawn, test: Rows) -> None:
    where = ", ".join(map(str, held.examples.labelled.files))
    if not held.known(test):
        raise DataError(
            "no label of the test part is known",
            where=where,
            why=f"it has {len(test)} records",
            do="raise --test-share, or name records with known labels with --test",
        )
    seen = {int(v) for row, at in drawn.units.items() for v in np.unique(held.tags.values[row][at])}
    if len(seen) < 2:
        raise DataError(
            f"{len(drawn)} units that were drawn to train on have {len(seen)} class(es)",
            where=where,
            why="with fewer than two there is nothing to learn",
            do="add records, or raise --set most=N",
        )


def _majority(held: Tagged, exam: Exam) -> Result:
    """The class that most known units of the training records have."""
    said: dict[int, Array] = {}
    for one in exam.rounds:
        common = int(held.counts(one.train).argmax())
        for row in one.test.tolist():
            said[row] = np.full(len(held.tags.values[row]), common)
    return Result("majority", said, ())


def _examined(name: str, sight: Sight, held: Tagged, exam: Exam, console: Console) -> Result:
    said: dict[int, Array] = {}
    chosen: list[Mapping[str, float]] = []
    count = sum(len(one.drawn.units) + len(one.test) for one in exam.rounds)
    with console.progress(name, count, "records") as progress:
        for one in exam.rounds:
            values = [held.tags.values[row][at] for row, at in one.drawn.units.items()]
            seen = _collected(sight, one.drawn, progress.advance)
            if name.startswith(_PRETRAINED):
                collapse.warn(f"units of the {_PRETRAINED} encoder", likeness.of(seen), console)
            fitted = units.fit(seen, np.concatenate(values), one.drawn.learned)
            del seen
            chosen.append({"penalty": fitted.penalty})
            rows = one.test.tolist()
            for row in rows:
                said[row] = np.empty(len(held.tags.values[row]), np.int32)
            for stretch in sight(rows):
                answer = said[rows[stretch.row]]
                stop = stretch.first + len(stretch.vectors)
                answer[stretch.first : stop] = fitted.decide(stretch.vectors)
                progress.advance(stop == len(answer))
    return Result(name, said, tuple(chosen))


def _collected(
    sight: Sight, drawn: token_labels.Drawn, advance: Callable[[float], None]
) -> units.Features:
    """Features of the units that were drawn, in their order, [units, width] float32."""
    starts = list(drawn.starts())
    held = np.empty((0, 0), np.float32)
    for stretch in sight([row for row, _, _ in starts]):
        if not held.size:
            held = np.empty((len(drawn), stretch.vectors.shape[1]), np.float32)
        _, start, wanted = starts[stretch.row]
        stop = stretch.first + len(stretch.vectors)
        low, high = np.searchsorted(wanted, [stretch.first, stop])
        held[start + low : start + high] = stretch.vectors[wanted[low:high] - stretch.first]
        advance(high == len(wanted))
    return held
