"""finetune: a pretrained encoder and a small head learn a task from few labels.

The story: the checkpoint gives domain and encoder; the labels are read, checked and split; early
blocks are frozen; the one loop trains until the validation loss stops falling; the test part is
predicted once and scored with intervals.
"""

import math
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from sslkit import catalog, rng
from sslkit.adapt import freeze
from sslkit.artifacts import checkpoint, manifest, predictions
from sslkit.artifacts.run import RunFolder, to_toml
from sslkit.console import Console
from sslkit.data.labelled import LabelledRows, Scale, shuffled
from sslkit.data.splits import Split
from sslkit.engine import prediction
from sslkit.engine import runtime as runtimes
from sslkit.engine.distributed import World, world
from sslkit.engine.evaluation import mean_losses
from sslkit.engine.loop import Learner, Plan, Training, Work
from sslkit.engine.optimizers import Rates
from sslkit.engine.runtime import Runtime
from sslkit.engine.signals import stopping
from sslkit.errors import DataError
from sslkit.objectives import supervised
from sslkit.options import Common
from sslkit.stages import assemble, labels
from sslkit.stages import finetune_report as report
from sslkit.stages.assemble import Parts
from sslkit.stages.labels import Examples
from sslkit.types import Arrays

_PASSES = 20
_FEWEST_STEPS = 200
_WARMUP_SHARE = 0.1
_VALID_SHARE, _TEST_SHARE = 0.1, 0.2
_EVALUATION_ROWS = 64


@dataclass(frozen=True, kw_only=True)
class Options(Common):
    """Options of finetune; the command line holds their meaning and defaults."""

    task: str
    labels: list[Path] | None
    valid: list[Path] | None
    test: list[Path] | None
    checkpoint: Path
    from_scratch: bool
    freeze: int
    steps: int | None
    batch: int
    learning_rate: float
    weight_decay: float
    class_weights: str
    patience: int
    window: int | None
    precision: str
    checkpoint_every: float


@dataclass(frozen=True)
class _Run:
    """Everything that a run was resolved to."""

    options: Options
    parts: Parts
    examples: Examples
    split: Split
    plugins: dict[str, tuple[str, ModuleType, Any]]
    scale: Scale
    rows: LabelledRows
    steps: int


def run(options: Options, console: Console) -> None:
    """Fine-tune, or continue to; see the command's help."""
    with world() as processes, stopping() as stop, ExitStack() as stack:
        talk = console if processes.leads else Console(quiet=True)
        folder = RunFolder(options.out or Path("finetuned") / options.task)
        precision = folder.settled("precision", options.precision)
        runtime = runtimes.prepare(options.device, options.threads, precision, processes)
        with stop.at_once("nothing was begun"):
            resolved = _resolve(options, talk)
        processes.share(_rows(resolved), "--batch")
        identity = _identity(resolved, runtime)
        if processes.leads:
            stack.enter_context(folder.alone(talk.warn, force=options.force))
            config = to_toml("finetune", {**vars(options), "force": None})
            folder.claim(identity, config, force=options.force)
        processes.wait()
        if folder.checkpoint.is_file():
            talk.say(f"{folder.checkpoint} is finished: nothing to do")
            report.show(checkpoint.load(folder.checkpoint).manifest, folder, talk)
            return
        learner, rates = _learner(resolved, talk)
        reached = Training(
            learner=learner,
            rates=rates,
            work=_work(resolved, processes, runtime),
            plan=_plan(resolved),
            runtime=runtime,
            world=processes,
            folder=folder,
        ).run(stop, talk)
        if processes.leads:
            _finish(resolved, learner, runtime, reached, identity, folder, talk)
        processes.wait()


def _resolve(options: Options, talk: Console) -> _Run:
    """Checkpoint, labels and settings; everything that can be refused is refused here."""
    parts = assemble.from_checkpoint(options.checkpoint)
    talk.say(parts.inherited())
    task = labels.task_module(options.task, parts.domain_name)
    chosen = {
        "task": (options.task, task),
        "objective": ("supervised", supervised),
        "adaptation": ("freeze", freeze),
    }
    pairs = {"freeze.freeze": str(options.freeze)} | catalog.parse_pairs(options.set)
    settings = catalog.settings(dict(chosen.values()), pairs)
    freeze.Adaptation(settings["freeze"]).factors(parts.encoder.groups())
    files = {
        "": options.labels or [Path("labels") / f"{options.task}.csv"],
        "valid": options.valid or [],
        "test": options.test or [],
    }
    examples = labels.read(
        task, settings[options.task], files, parts.domain, options.on_error, talk
    )
    shares = {"valid": _VALID_SHARE, "test": _TEST_SHARE}
    split = labels.divide(examples, shares, options.seed, talk)
    for name in shares:
        if not len(split.rows(name)):
            raise DataError(
                f"no record is left for the {name} part",
                where=", ".join(map(str, examples.labelled.files)),
                why=f"{len(examples)} records were divided",
                do=f"add records, or name a file with --{name}",
            )
    outputs = len(examples.targets.classes) or 1
    settings["supervised"] = replace(settings["supervised"], outputs=outputs)
    train = split.rows("train")
    tokens = [parts.domain.length(len(units)) for units in examples.units]
    window = options.window or min(max(tokens), 4 * parts.context)
    if cut := sum(n > window for n in tokens):
        talk.warn(f"{cut} records are longer than {window} tokens; their ends are not read")
    passes = math.ceil(_PASSES * len(train) / options.batch)
    values, classes = examples.targets.values, examples.targets.classes
    scale = Scale() if classes else Scale.of(values[train])
    rows = LabelledRows(
        domain=parts.domain,
        units=examples.units,
        target=values if classes else scale.standardised(values),
        weight=labels.weights(options.class_weights, examples, train),
        window=window,
    )
    return _Run(
        options=options,
        parts=parts,
        examples=examples,
        split=split,
        plugins={kind: (name, m, settings[name]) for kind, (name, m) in chosen.items()},
        scale=scale,
        rows=rows,
        steps=options.steps or max(passes, _FEWEST_STEPS),
    )


def _identity(resolved: _Run, runtime: Runtime) -> dict[str, Any]:
    options = resolved.options
    return {
        "checkpoint": resolved.parts.sha256,
        "from_scratch": options.from_scratch,
        "valid": [str(path) for path in options.valid or ()],
        "test": [str(path) for path in options.test or ()],
        "labels": {e.path: e.sha256 for e in manifest.describe(resolved.examples.labelled.files)},
        "plugins": {kind: manifest.plugin(*parts) for kind, parts in resolved.plugins.items()},
        "steps": resolved.steps,
        "batch": options.batch,
        "learning_rate": options.learning_rate,
        "weight_decay": options.weight_decay,
        "class_weights": options.class_weights,
        "patience": options.patience,
        "window": resolved.rows.window,
        "seed": options.seed,
        "precision": runtime.precision,
    }


def _learner(resolved: _Run, talk: Console) -> tuple[Learner, Rates]:
    """The encoder with a head, and the rate of each of its parameters; says what is frozen."""
    options, parts = resolved.options, resolved.parts
    encoder = parts.encoder
    if options.from_scratch:
        encoder = assemble.untrained(parts, options.seed)
        talk.say("from scratch: the same shape with fresh weights")
    groups = encoder.groups()
    adaptation = freeze.Adaptation(resolved.plugins["adaptation"][2])
    factors = adaptation.factors(groups)
    torch.manual_seed(int(rng.key(options.seed, "head") >> rng.SHIFT))
    objective = supervised.Objective(resolved.plugins["objective"][2])
    learner = Learner(encoder, objective)
    for line in assemble.moving(learner, groups, factors):
        talk.say(line)
    return learner, Rates(
        {p: f for (_, group), f in zip(groups, factors, strict=True) for p in group}
    )


def _plan(resolved: _Run) -> Plan:
    options = resolved.options
    in_pass = math.ceil(len(resolved.split.rows("train")) / options.batch)
    return Plan(
        steps=resolved.steps,
        learning_rate=options.learning_rate,
        warmup=max(1, round(_WARMUP_SHARE * resolved.steps)),
        weight_decay=options.weight_decay,
        clip=1.0,
        evaluate_every=max(10, in_pass // 2),
        seed=options.seed,
        keep_best="heldout_loss",
        patience=options.patience,
        checkpoint_seconds=options.checkpoint_every,
    )


def _rows(resolved: _Run) -> int:
    return min(resolved.options.batch, len(resolved.split.rows("train")))


def _work(resolved: _Run, processes: World, runtime: Runtime) -> Work:
    options = resolved.options
    train = resolved.split.rows("train")
    size = _rows(resolved)

    def batches(step: int) -> list[Arrays]:
        examples = np.arange(step * size, (step + 1) * size)[processes.rank :: processes.size]
        if not len(examples):
            return []
        rows = shuffled(train, examples, options.seed)
        return [resolved.rows.drawn(rows, examples, options.seed)]

    valid = resolved.rows.batches(resolved.split.rows("valid"), _EVALUATION_ROWS)
    evaluated = [batch for rows in valid for batch in resolved.rows.phases(rows)]

    def evaluate(learner: Learner) -> dict[str, float]:
        return mean_losses(learner, evaluated, processes, runtime)

    return Work(batches, evaluate)


def _predicted(resolved: _Run, learner: Learner, runtime: Runtime) -> npt.NDArray[np.float64]:
    """Probabilities [records, classes], or the number itself [records]."""
    scores = prediction.scores(learner, resolved.rows, runtime)
    if not resolved.examples.targets.classes:
        return scores[:, 0] * resolved.scale.deviation + resolved.scale.mean
    likely: npt.NDArray[np.float64] = torch.from_numpy(scores).softmax(1).numpy()
    return likely


def _finish(
    resolved: _Run,
    learner: Learner,
    runtime: Runtime,
    reached: dict[str, float],
    identity: dict[str, Any],
    folder: RunFolder,
    talk: Console,
) -> None:
    """Predict and score; write the predictions, then the checkpoint, which says all is done."""
    parts, examples, split = resolved.parts, resolved.examples, resolved.split
    predicted = _predicted(resolved, learner, runtime)
    task = resolved.plugins["task"][1]
    scored = report.score(examples, split, predicted, task, resolved.options.seed)
    made = manifest.make(
        "finetune",
        identity | {"context": parts.context} | runtime.describe(),
        plugins=parts.manifest.plugins | identity["plugins"],
        inputs=manifest.describe(examples.labelled.files),
        parents={str(parts.path): parts.sha256},
        results=reached | scored,
    )
    table = folder.path / predictions.NAME
    predictions.save(table, report.table(examples, split, predicted), made.to_json())
    assemble.write(folder, learner, made, parts.vocabulary)
    talk.say(f"wrote {folder.checkpoint} (weights of step {reached['step']}) and {table}")
    report.show(made, folder, talk)
