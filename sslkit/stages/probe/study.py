"""The contract of a study: labelled examples, and models that are compared on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sslkit.console import Console
from sslkit.contracts.supervision import Predictions
from sslkit.errors import UsageError
from sslkit.stages.probe.options import Options


@dataclass(frozen=True)
class Result:
    """The predictions of one model.

    Attributes:
        chosen: settings chosen on the training examples of each round; None for a model without.
        is_compared: whether reports give its difference from the evaluated model.
    """

    name: str
    predictions: Predictions
    chosen: Sequence[Mapping[str, float]] | None = ()
    is_compared: bool = True


class Study(Protocol):
    """Labelled examples and the models that are compared on them."""

    def identity(self) -> dict[str, Any]:
        """All that decides the result: a manifest's settings, plugins, inputs and parents."""
        ...

    def results(self, console: Console) -> list[Result]:
        """Fit all models and predict; the evaluated model comes last, after the baselines."""
        ...

    def header(self, results: Sequence[Result]) -> dict[str, Any]:
        """First entries of the report: ``title``, sizes, and names of ``metrics``."""
        ...

    def notes(self) -> dict[str, Any]:
        """Last entries of the report."""
        ...

    def save(self, out: Path, results: Sequence[Result], manifest_json: str) -> list[Path]:
        """Write the files that accompany the report; return their paths."""
        ...


def refuse(options: Options, meaningless: set[str], what: str, why: str) -> None:
    """Refuse options that were given and have no meaning for this task.

    Args:
        what: the labels of the task, in words.

    Raises:
        UsageError: there is such an option.
    """
    if names := sorted(options.given & meaningless):
        raise UsageError(
            f"--{names[0].replace('_', '-')} has no meaning for {what}", why=why, do="leave it out"
        )
