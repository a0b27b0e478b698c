"""A probe of labelled records that pretraining takes on its way.

It is the one of ``sslkit probe``: frozen features of the last layer and a linear model, which
learns from a training part and is judged on a validation part. The test part is not looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
from threadpoolctl import threadpool_limits

from sslkit import catalog
from sslkit.artifacts import manifest
from sslkit.console import Console, Progress
from sslkit.contracts.domain import Domain, RecordDomain
from sslkit.contracts.encoder import Encoder
from sslkit.data import examples as labels
from sslkit.data import label_options, splits
from sslkit.engine.distributed import World
from sslkit.engine.runtime import Runtime
from sslkit.errors import DataError
from sslkit.inference import features
from sslkit.inference.windows import BATCH_TOKENS
from sslkit.probes import comparison, linear, metrics
from sslkit.probes.comparison import Exam, Model
from sslkit.stages.pretrain.choice import Chosen, Options
from sslkit.supervision.record import Records, Supervision
from sslkit.types import Array

#: Of the records that are left once the test part is put aside.
_VALID_SHARE = 0.2


@dataclass(frozen=True)
class Labelled:
    """The records of a probe: units of each, and who learns and who is judged.

    Attributes:
        metric: the headline of the task, as rows of metrics name it.
        window: tokens that the encoder sees at once, as in its training.
    """

    domain: RecordDomain
    units: Sequence[Array]
    exam: Exam
    metric: str
    window: int

    def scores(self, encoder: Encoder, runtime: Runtime, world: World) -> dict[str, float]:
        """The score of an encoder as it is, the same on every process; it is left unchanged."""
        asked = {"pooling": "mean", "layer": -1, "window": None, "batch_tokens": BATCH_TOKENS}
        plan = features.plan_of(asked, self.window, encoder.depth)
        # As sslkit probe does it, whatever the training runs in.
        exact = replace(runtime, precision="fp32")
        silent = Progress("probe", None, "records")
        held = features.embedded(encoder, self.domain, self.units, plan, exact, silent)
        with threadpool_limits(runtime.threads):
            found, _ = comparison.answers(Model("probe", linear.answer, held), self.exam)
        (name,) = self.exam.metrics
        score = metrics.compute([name], self.exam.values[self.exam.rows], found)[name][0]
        # Whether to stop must not hang on how one of the machines rounds.
        return world.all_reduce({self.metric: float(score) if world.is_main_process else 0.0})


def of(
    options: Options, task: str, chosen: Chosen[Domain], console: Console
) -> tuple[Labelled, dict[str, str]]:
    """The records of the probe, and the hashes of their files."""
    name, module, _ = chosen.plugins["domain"]
    catalog.check_records(name, module, "--probe-every takes them")
    domain = cast(RecordDomain, chosen.domain)
    given = {
        "": options.labels or [Path("labels") / f"{task}.csv"],
        "valid": options.valid or [],
        "test": options.test or [],
    }
    pairs = catalog.parse_pairs((*label_options.column_pairs(task, options), *options.set))
    mine = [f"{n}={v}" for n, v in pairs.items() if _is_of(task, n)]
    meaning = labels.task_module(task, name)
    settings = catalog.settings({task: meaning}, catalog.parse_pairs(mine))[task]
    examples = Supervision(meaning, settings).read(given, domain, options.on_error, console)
    train, valid = divide(examples, options.seed)
    rows = np.concatenate([train, valid])
    places = np.arange(len(rows))
    metric = meaning.METRICS[0]
    console.say(
        f"probe of {task} every {options.probe_every} steps: {len(train)} records trained on, "
        f"{metric} on {len(valid)}; {len(examples) - len(rows)} are not looked at: "
        "test records, and copies of them"
    )
    exam = Exam(
        values=examples.targets.values[rows],
        groups=examples.together[rows],
        classes=len(examples.targets.classes),
        rounds=[(places[: len(train)], places[len(train) :])],
        metrics=(metric,),
        seed=options.seed,
    )
    units = [examples.units[row] for row in rows]
    files = {entry.path: entry.sha256 for entry in manifest.describe(examples.labelled.files)}
    made = Labelled(domain, units, exam, f"probe_{metric}", options.window)
    return made, files


def _is_of(task: str, name: str) -> bool:
    return name.startswith(f"{task}.")


def divide(examples: Records, seed: int) -> tuple[splits.IntArray, splits.IntArray]:
    """The records that the probe learns from, and those it is judged on.

    A test part that is given stays out, and so do records that equal one of it. Where none is
    given, those that ``sslkit probe`` and ``sslkit finetune`` would make with the same seed and
    their usual shares stay out.

    Raises:
        DataError: too few are left.
    """
    parts, strata, groups = examples.labelled.parts, examples.strata, examples.groups
    families = examples.families
    left = np.ones(len(examples), np.bool_)
    for shares in ({"test": labels.TEST_SHARE}, labels.SHARES):
        found = splits.split(strata, groups, shares, seed, parts, families)
        left &= np.isin(found.part, [splits.PARTS.index("train"), splits.PARTS.index("valid")])
    rows = np.flatnonzero(left)
    given = None if parts is None else [parts[row] for row in rows]
    kin = None if families is None else families[rows]
    found = splits.split(strata[rows], groups[rows], {"valid": _VALID_SHARE}, seed, given, kin)
    train, valid = rows[found.rows("train")], rows[found.rows("valid")]
    classes = len(examples.targets.classes)
    for part, name in ((train, "train"), (valid, "validation")):
        held = len(np.unique(examples.targets.values[part]))
        if held < max(classes, 2):
            raise DataError(
                f"the {name} part of the probe has {len(part)} records of {held} kind(s)",
                where=", ".join(map(str, examples.labelled.files)),
                why=f"{len(examples)} records were read, and the test part is left out",
                do="add records, or name files with --valid and --test",
            )
    return train, valid
