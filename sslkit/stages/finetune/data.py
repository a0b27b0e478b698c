"""Data of fine-tuning: labelled records, divided into parts and cut into batches."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sslkit.console import Console
from sslkit.contracts.domain import RecordDomain, counts_tokens
from sslkit.contracts.supervision import Rows, Supervision
from sslkit.data import examples as labels
from sslkit.data import lineage
from sslkit.data.examples import Examples
from sslkit.data.splits import PARTS, Split
from sslkit.engine.assemble import Parts
from sslkit.errors import DataError
from sslkit.stages.finetune.options import Options


@dataclass(frozen=True)
class Prepared:
    """Records to train on and to evaluate on.

    Attributes:
        supervision: what their labels are attached to.
        split: the part that each record is in.
        head: settings of the objective, as task, domain and records decide them.
    """

    supervision: Supervision[Any]
    examples: Examples[Any]
    split: Split
    rows: Rows
    head: Any

    def stated(self) -> dict[str, Any]:
        """What the predictions are, for the manifest of the checkpoint."""
        return self.supervision.stated(self.examples, self.rows)


def prepare(
    options: Options, parts: Parts, supervision: Supervision[Any], head: Any, console: Console
) -> Prepared:
    """Read the labels, divide the records, and prepare their batches.

    Raises:
        DataError: a record cannot be used, or a part has no labels.
    """
    examples = supervision.read(
        options.files, parts.domain, options.on_error, console, families=options.families
    )
    if not options.from_scratch:
        examples = lineage.marked(examples, parts.checkpoint, parts.path, console)
    split = _divided(supervision, examples, options.seed, console)
    train = split.rows("train")
    supervision.check(examples, [train], split.rows("test"), "name records with --test")
    window = _window(options, parts, examples)
    rows = supervision.rows(parts.domain, examples, train, window, options.class_weights)
    head = supervision.objective(head, examples, rows, console)
    return Prepared(supervision, examples, split, rows, head)


def _divided(
    supervision: Supervision[Any], examples: Examples[Any], seed: int, console: Console
) -> Split:
    """Train, valid and test parts, named by files or drawn, each with at least one label."""
    split = labels.divide(examples, labels.SHARES, seed, console)
    for remark in supervision.remarks(examples, split):
        console.warn(remark)
    part = split.part.copy()
    for name in ("train", "valid"):
        rows = split.rows(name)
        part[np.setdiff1d(rows, supervision.usable(examples, rows))] = -1
    split = replace(split, part=part)
    for name in PARTS:
        if not supervision.count(examples, split.rows(name)):
            raise DataError(
                f"no {supervision.LABELS} is left for the {name} part",
                where=examples.files,
                why=f"{len(examples)} records were divided",
                do="add records" + (f", or name a file with --{name}" if name != "train" else ""),
            )
    return split


def _window(options: Options, parts: Parts, examples: Examples[Any]) -> int | None:
    """Number of tokens that are read of a record; None where the domain counts no tokens."""
    domain: RecordDomain = parts.domain
    if not counts_tokens(domain):
        return None
    longest = max(domain.length(len(units)) for units in examples.units)
    return options.window or min(longest, 4 * parts.context)
