"""Which labelled records a checkpoint knows already: they are trained on, and never judged on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sslkit.artifacts import manifest
from sslkit.artifacts.checkpoint import Checkpoint
from sslkit.console import Console
from sslkit.data.examples import Examples, Target
from sslkit.errors import UsageError


def marked(
    examples: Examples[Target], checkpoint: Checkpoint, path: Path, console: Console
) -> Examples[Target]:
    """The records, and on which of them a checkpoint was fine-tuned: they are not judged on.

    Raises:
        UsageError: it was fine-tuned on one of their files and does not say on which records.
    """
    origin = checkpoint.learned
    if not origin or examples.marks is None:
        return examples
    for entry in manifest.describe(examples.labelled.files):
        if entry.sha256 in origin.files:
            raise UsageError(
                f"{path} was fine-tuned on records of {entry.path}",
                why="it does not say on which, so that none of them can be judged fairly",
                do="fine-tune it again with this version, or take the pretrained checkpoint",
            )
    if origin.files:
        console.warn(
            f"{path}, or what it comes from, was fine-tuned on other labelled files and does not "
            "say on which records: whether some of them stand here is not known"
        )
    return known(examples, origin.holds(examples.marks), path, console)


def known(
    examples: Examples[Target], learned: npt.NDArray[np.bool_], path: Path, console: Console
) -> Examples[Target]:
    """The records, some of which what is in ``path`` was fine-tuned on; says how many."""
    if learned.any():
        console.warn(
            f"{path}, or what it comes from, was fine-tuned on {int(learned.sum())} of these "
            "records: none of them is judged on"
        )
    return replace(examples, learned=learned)


def not_judged(examples: Examples[Any]) -> dict[str, int]:
    """How many records a checkpoint was fine-tuned on, as manifests say it; empty for none."""
    count = 0 if examples.learned is None else int(examples.learned.sum())
    return {"fine_tuned_on": count} if count else {}
