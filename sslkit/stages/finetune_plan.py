"""What a fine-tuning run is resolved to, from its options, its checkpoint and its labels."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from sslkit import catalog
from sslkit.adapt import freeze
from sslkit.artifacts import manifest
from sslkit.console import Console
from sslkit.data.labelled import LabelledRows, Scale
from sslkit.data.splits import Split
from sslkit.engine.runtime import Runtime
from sslkit.errors import DataError
from sslkit.objectives import supervised
from sslkit.options import Common
from sslkit.stages import assemble, labels, training_plan
from sslkit.stages.assemble import Parts
from sslkit.stages.labels import Examples

_PASSES = 4
_RATE = 1e-3
_FEWEST_STEPS = 400
#: With fewer validation records chance decides which weights look best.
_FEWEST_TO_CHOOSE = 20


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
    learning_rate: float | None
    schedule: str
    optimizer: str
    weight_decay: float
    class_weights: str
    patience: int
    families: bool
    window: int | None
    precision: str
    checkpoint_every: float


@dataclass(frozen=True)
class Resolved:
    """Everything that a run was resolved to."""

    options: Options
    parts: Parts
    examples: Examples
    split: Split
    plugins: dict[str, tuple[str, ModuleType, Any]]
    scale: Scale
    rows: LabelledRows
    steps: int

    @property
    def chooses(self) -> bool:
        """Whether weights are chosen by the validation part: large enough, and one wanted."""
        few = len(self.split.rows("valid")) < _FEWEST_TO_CHOOSE
        return not few and not training_plan.samples_weights(self.plugins)


def resolve(options: Options, talk: Console) -> Resolved:
    """Checkpoint, labels and settings; everything that can be refused is refused here."""
    parts = assemble.from_checkpoint(options.checkpoint)
    talk.say(parts.inherited())
    task = labels.task_module(options.task, parts.domain_name)
    chosen = {
        "task": (options.task, task),
        "objective": ("supervised", supervised),
        "adaptation": ("freeze", freeze),
    } | training_plan.modules(options.schedule, options.optimizer)
    pairs = {"freeze.freeze": str(options.freeze)} | catalog.parse_pairs(options.set)
    settings = catalog.settings(dict(chosen.values()), pairs)
    freeze.Adaptation(settings["freeze"]).factors(parts.encoder.groups())
    files = {
        "": options.labels or [Path("labels") / f"{options.task}.csv"],
        "valid": options.valid or [],
        "test": options.test or [],
    }
    examples = labels.read(
        *(task, settings[options.task], files, parts.domain, options.on_error, talk),
        families=options.families,
    )
    split = _divided(examples, options.seed, talk)
    train = split.rows("train")
    tokens = [parts.domain.length(len(units)) for units in examples.units]
    window = options.window or min(max(tokens), 4 * parts.context)
    if cut := sum(n > window for n in tokens):
        talk.warn(f"{cut} records are longer than {window} tokens; their ends are not read")
    settings["supervised"] = _head(settings["supervised"], parts, examples, window, talk)
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
    plugins = {kind: (name, m, settings[name]) for kind, (name, m) in chosen.items()}
    rate = training_plan.rate(options.learning_rate, plugins, _RATE)
    resolved = Resolved(
        options=replace(options, learning_rate=rate),
        parts=parts,
        examples=examples,
        split=split,
        plugins=plugins,
        scale=scale,
        rows=rows,
        steps=options.steps or max(passes, _FEWEST_STEPS),
    )
    if len(split.rows("valid")) < _FEWEST_TO_CHOOSE:
        talk.say(
            f"fewer than {_FEWEST_TO_CHOOSE} validation records: too few to choose weights by, so "
            "those of the last step are kept"
        )
    return resolved


def _divided(examples: Examples, seed: int, talk: Console) -> Split:
    """Train, valid and test parts, given or made; none of them is empty."""
    split = labels.divide(examples, labels.SHARES, seed, talk)
    for name in labels.SHARES:
        if not len(split.rows(name)):
            raise DataError(
                f"no record is left for the {name} part",
                where=", ".join(map(str, examples.labelled.files)),
                why=f"{len(examples)} records were divided",
                do=f"add records, or name a file with --{name}",
            )
    return split


def _head(
    chosen: supervised.Settings, parts: Parts, examples: Examples, window: int, talk: Console
) -> supervised.Settings:
    """The head's settings as task, domain and lengths of the records decide them."""
    positions = chosen.positions
    lengths = {len(units) for units in examples.units}
    if positions is None:
        positions = window if len(lengths) == 1 else 0
        if positions:
            talk.say(
                f"all records have {lengths.pop()} letters: taken as cut around a common point, "
                "so places have weights of their own in the head (--set positions=0: they have not)"
            )
    return replace(
        chosen,
        outputs=len(examples.targets.classes) or 1,
        positions=positions,
        phases=parts.domain.phases,
    )


def identity(resolved: Resolved, runtime: Runtime) -> dict[str, Any]:
    """What decides the bytes of the result."""
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
        **({} if resolved.examples.families is None else {"families": True}),
        "seed": options.seed,
        "precision": runtime.precision,
    }
