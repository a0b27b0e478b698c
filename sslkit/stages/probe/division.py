"""Division of records into those trained on and those predicted: a held-out part, or folds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sslkit.console import Console
from sslkit.contracts.supervision import RowNumbers, Supervision
from sslkit.data import examples as labels
from sslkit.data import splits
from sslkit.data.examples import Examples
from sslkit.errors import UsageError
from sslkit.stages.probe.options import Options


@dataclass(frozen=True)
class Division:
    """Rounds of training and prediction; no record is predicted twice.

    Attributes:
        rounds: rows to train on and rows to predict, once for a held-out part and once per fold.
        method: how they were chosen, for people.
        is_given: whether files name the test part.
        duplicates: how equal records were treated, for people.
    """

    rounds: Sequence[tuple[RowNumbers, RowNumbers]]
    method: str
    is_given: bool
    duplicates: str

    @property
    def rows(self) -> RowNumbers:
        """The rows that are predicted, ascending."""
        return np.sort(np.concatenate([tested for _, tested in self.rounds]))


def divide(
    options: Options, supervision: Supervision[Any], examples: Examples[Any], console: Console
) -> Division:
    """Divide the records by ``--folds``, ``--test-share``, or the files that name parts.

    Raises:
        UsageError: there are both a test part and folds.
        DataError: too few records to learn from, or to evaluate on.
    """
    divided = _folds if options.folds else _held_out
    division = divided(options, supervision, examples, console)
    supervision.check(
        examples,
        [train for train, _ in division.rounds],
        division.rows,
        "name records with --test" if options.folds else "take --folds, or a larger --test-share",
    )
    return division


def _folds(
    options: Options, supervision: Supervision[Any], examples: Examples[Any], console: Console
) -> Division:
    check_folds(options, examples.labelled.parts or ())
    count = options.folds or 0
    fold = splits.folds(examples.strata, examples.together, count, options.seed)
    sizes = np.unique(examples.groups, return_counts=True)[1]
    together = int(sizes[sizes > 1].sum())
    return Division(
        rounds=splits.rounds(fold, examples.judged),
        method=f"{count}-fold cross-validation",
        is_given=False,
        duplicates=f"{together} records kept with theirs in one fold",
    )


def check_folds(options: Options, parts: Sequence[str]) -> None:
    """Refuse folds where there is a test part.

    Raises:
        UsageError: there are both.
    """
    if options.folds and "test" in parts:
        raise UsageError(
            "the test part is given", why="--folds predicts every record", do="leave one out"
        )


def _held_out(
    options: Options, supervision: Supervision[Any], examples: Examples[Any], console: Console
) -> Division:
    split = labels.divide(examples, {"test": options.test_share}, options.seed, console)
    for remark in supervision.remarks(examples, split):
        console.warn(remark)
    train = np.sort(np.concatenate([split.rows("train"), split.rows("valid")]))
    return Division(
        rounds=[(train, split.rows("test"))],
        method=f"{options.test_share:.0%}",
        is_given="test" not in split.made,
        duplicates=f"{split.together} records kept with theirs on one side, "
        f"{sum(split.dropped.values())} dropped",
    )
