"""Resolving a fine-tuning run from its options, its checkpoint and its labels."""

import math
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np

from sslkit import catalog
from sslkit.artifacts import learned, manifest
from sslkit.artifacts.learned import Learned
from sslkit.console import Console
from sslkit.contracts.encoder import Encoder
from sslkit.data import examples, inherited
from sslkit.data.examples import RECORD, TOKEN, Examples
from sslkit.data.splits import Split
from sslkit.engine import adaptations, assemble, optimisation
from sslkit.engine.adaptations import Adapted
from sslkit.engine.assemble import Parts
from sslkit.engine.runtime import Runtime
from sslkit.stages.finetune import data
from sslkit.stages.finetune.data import Prepared
from sslkit.stages.finetune.options import Options
from sslkit.supervision import choice

_PASSES = 4
_RATE = 1e-3
_FEWEST_STEPS = 400
#: With fewer validation records chance decides which weights look best.
_FEWEST_TO_CHOOSE = 20


@dataclass(frozen=True)
class Resolved:
    """All that a run consists of."""

    options: Options
    parts: Parts
    prepared: Prepared
    plugins: dict[str, tuple[str, ModuleType, Any]]
    steps: int
    adapted: Adapted

    @property
    def examples(self) -> Examples[Any]:
        """The labelled records."""
        return self.prepared.examples

    @property
    def split(self) -> Split:
        """The part that each record is in."""
        return self.prepared.split

    @property
    def learned(self) -> Learned:
        """The records whose labels this run, or one before it, trained on or chose weights by."""
        rows = np.concatenate([self.split.rows("train"), self.split.rows("valid")])
        marks = self.examples.marks
        own = Learned() if marks is None else learned.of_records(marks[rows].tolist())
        return own if self.options.from_scratch else own.joined(self.parts.checkpoint.learned)

    @property
    def chooses(self) -> bool:
        """Whether the weights of the lowest validation loss are chosen.

        Not where the validation part is too small, or the optimizer samples weights.
        """
        enough = len(self.split.rows("valid")) >= _FEWEST_TO_CHOOSE
        return enough and not optimisation.samples_weights(self.plugins)


def resolve(options: Options, console: Console) -> Resolved:
    """Load the checkpoint, read the labels, and settle all settings; refuse what does not fit."""
    parts = assemble.from_checkpoint(options.checkpoint)
    console.say(parts.inherited())
    task = examples.task_module(options.task, parts.domain_name, (RECORD, TOKEN))
    objective = choice.objective(task)
    chosen = {
        "task": (options.task, task),
        "objective": (objective, catalog.load("objective", objective)),
    } | adaptations.modules(options.adapt, options.freeze)
    chosen |= optimisation.modules(options.schedule, options.optimizer)
    given = {"freeze.freeze": str(options.freeze)} if options.freeze else {}
    pairs = given | catalog.parse_pairs(
        inherited.for_labels(options.pairs, options.task, parts, options.files, console)
    )
    settings = catalog.settings(dict(chosen.values()), pairs)
    plugins = {kind: (name, m, settings[name]) for kind, (name, m) in chosen.items()}
    adapted = Adapted.of(start(options, parts), plugins, options.seed)
    supervision = choice.of(task, settings[options.task])
    prepared = data.prepare(options, parts, supervision, settings[objective], console)
    plugins["objective"] = (*chosen["objective"], prepared.head)
    passes = math.ceil(_PASSES * len(prepared.split.rows("train")) / options.batch)
    rate = optimisation.rate(options.learning_rate, plugins, _RATE)
    resolved = Resolved(
        options=replace(options, learning_rate=rate),
        parts=parts,
        prepared=prepared,
        plugins=plugins,
        steps=options.steps or max(passes, _FEWEST_STEPS),
        adapted=adapted,
    )
    if len(prepared.split.rows("valid")) < _FEWEST_TO_CHOOSE:
        console.say(
            f"fewer than {_FEWEST_TO_CHOOSE} validation records: too few to choose weights by, so "
            "those of the last step are kept"
        )
    return resolved


def start(options: Options, parts: Parts) -> Encoder:
    """The encoder that training starts from: the checkpoint's, or its shape with fresh weights."""
    return assemble.untrained(parts, options.seed) if options.from_scratch else parts.encoder


def identity(resolved: Resolved, runtime: Runtime) -> dict[str, Any]:
    """All that decides the bytes of the result."""
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
        "window": resolved.prepared.rows.window,
        **({} if resolved.examples.families is None else {"families": True}),
        "seed": options.seed,
        "precision": runtime.precision,
    }
