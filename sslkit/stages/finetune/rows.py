"""What fine-tuning trains on: labels of whole records, or of each of their units."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sslkit.console import Console
from sslkit.data import examples as labels
from sslkit.data import lineage, token_labels
from sslkit.data.examples import Examples
from sslkit.data.labelled import LabelledRows, Scale
from sslkit.data.splits import PARTS, Split
from sslkit.data.token_labels import Tagged
from sslkit.engine.assemble import Parts
from sslkit.errors import DataError, UsageError
from sslkit.inference.token_rows import TaggedRows
from sslkit.objectives import supervised, supervised_units
from sslkit.probes import sufficiency
from sslkit.stages.finetune.options import Options
from sslkit.types import Arrays

#: The objective of each: its name and its module.
OF_RECORDS = "supervised", supervised
OF_UNITS = "supervised-units", supervised_units


class Rows(Protocol):
    """Batches of labelled records."""

    @property
    def window(self) -> int:
        """Tokens that are seen at once."""
        ...

    def drawn(
        self, rows: npt.NDArray[np.int64], examples: npt.NDArray[np.int64], seed: int
    ) -> Arrays:
        """The batch of ``rows``, as their numbers in the run decide what of them is read."""
        ...

    def evaluation(self, rows: npt.NDArray[np.int64], size: int) -> Sequence[Arrays]:
        """All of ``rows``, at most ``size`` in a batch."""
        ...


@dataclass(frozen=True)
class Prepared:
    """Records that are trained on and judged.

    Attributes:
        head: settings of the objective, as task, domain and records decide them.
        scale: of a number that is predicted.
        tagged: the labels of units, where they have them.
    """

    examples: Examples
    split: Split
    rows: Rows
    head: Any
    scale: Scale
    tagged: Tagged | None = None


def of_records(
    options: Options, parts: Parts, task: tuple[ModuleType, Any], head: supervised.Settings,
    talk: Console,
) -> Prepared:  # fmt: skip
    """Records with a label each.

    Raises:
        DataError: a record that cannot be used, or an empty part.
    """
    examples = labels.read(
        *(task[0], task[1], options.files, parts.domain, options.on_error, talk),
        families=options.families,
    )
    examples = _marked(examples, options, parts, talk)
    split = _divided(examples, options.seed, talk)
    train = split.rows("train")
    sufficiency.check(
        *(examples, [train], split.rows("test"), task[0].METRICS, "name records with --test")
    )
    window = _window(options, parts, examples)
    tokens = [parts.domain.length(len(units)) for units in examples.units]
    if cut := sum(n > window for n in tokens):
        talk.warn(f"{cut} records are longer than {window} tokens; their ends are not read")
    values, classes = examples.targets.values, examples.targets.classes
    scale = Scale() if classes else Scale.of(values[train])
    rows = LabelledRows(
        domain=parts.domain,
        units=examples.units,
        target=values if classes else scale.standardised(values),
        weight=labels.weights(options.class_weights, examples, train),
        window=window,
    )
    return Prepared(examples, split, rows, _head(head, parts, examples, window, talk), scale)


def of_units(
    options: Options, parts: Parts, task: tuple[ModuleType, Any], head: supervised_units.Settings,
    talk: Console,
) -> Prepared:  # fmt: skip
    """Records with a label for each unit; training reads a window of each, anywhere in it.

    Raises:
        UsageError: class weights of another word.
        DataError: a record that cannot be used, or a part without known labels.
    """
    held = token_labels.read(
        *(task[0], task[1], options.files, parts.domain, options.on_error, talk),
        families=options.families,
    )
    examples = _marked(held.examples, options, parts, talk)
    split = _divided(examples, options.seed, talk)
    part = split.part.copy()
    # A record of which nothing is known teaches nothing; it is predicted all the same.
    unknown = np.array([not (values >= 0).any() for values in held.tags.values])
    part[unknown & (part != PARTS.index("test"))] = -1
    split = replace(split, part=part)
    for name in PARTS:
        if not held.known(split.rows(name)):
            raise _empty(examples, name, "known label")
    if np.count_nonzero(held.counts(split.rows("train"))) < 2:
        raise DataError(
            "all known labels of the training part are of one class",
            where=", ".join(map(str, examples.labelled.files)),
            why="with fewer than two there is nothing to learn",
            do="add records",
        )
    rows = TaggedRows(
        domain=parts.domain,
        units=examples.units,
        target=held.tags.values,
        weight=_class_weights(options.class_weights, held.counts(split.rows("train"))),
        window=_window(options, parts, examples),
    )
    made = replace(head, outputs=len(held.tags.classes), places=rows.places)
    return Prepared(examples, split, rows, made, Scale(), held)


def _marked(examples: Examples, options: Options, parts: Parts, talk: Console) -> Examples:
    """The records, and which of them the first weights come from."""
    if options.from_scratch:
        return examples
    return lineage.marked(examples, parts.checkpoint, parts.path, talk)


def _window(options: Options, parts: Parts, examples: Examples) -> int:
    longest = max(parts.domain.length(len(units)) for units in examples.units)
    return options.window or min(longest, 4 * parts.context)


def _divided(examples: Examples, seed: int, talk: Console) -> Split:
    """Train, valid and test parts, given or made; none of them is empty."""
    split = labels.divide(examples, labels.SHARES, seed, talk)
    for name in labels.SHARES:
        if not len(split.rows(name)):
            raise _empty(examples, name, "record")
    return split


def _empty(examples: Examples, part: str, what: str) -> DataError:
    return DataError(
        f"no {what} is left for the {part} part",
        where=", ".join(map(str, examples.labelled.files)),
        why=f"{len(examples)} records were divided",
        do=f"add records, or name a file with --{part}" if part != "train" else "add records",
    )


def _class_weights(how: str, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """The weight of each class in the loss, 1 on average over the units that are learned from."""
    if how not in labels.WEIGHTS:
        raise UsageError(f"--class-weights is {' or '.join(labels.WEIGHTS)}, not {how!r}")
    if how == "none":
        return np.ones(len(counts), np.float32)
    present = int((counts > 0).sum())
    each = counts.sum() / (present * np.maximum(counts, 1))
    return np.where(counts > 0, each, 1).astype(np.float32)


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
