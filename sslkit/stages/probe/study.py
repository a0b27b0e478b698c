"""What a probe compares: labelled examples, and models that predict them."""

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
    """What one model predicted.

    Attributes:
        chosen: what was chosen on training examples in each round; None where nothing is.
        is_compared: whether reports give its difference from the model that is judged.
    """

    name: str
    predictions: Predictions
    chosen: Sequence[Mapping[str, float]] | None = ()
    is_compared: bool = True


class Study(Protocol):
    """Labelled examples and the models that are compared on them."""

    def identity(self) -> dict[str, Any]:
        """What decides the result: a manifest's settings, plugins, inputs and parents."""
        ...

    def results(self, console: Console) -> list[Result]:
        """Fit all models and predict: baselines first, and last the one that is judged."""
        ...

    def header(self, results: Sequence[Result]) -> dict[str, Any]:
        """What a report begins with: ``title``, sizes, and names of ``metrics``."""
        ...

    def notes(self) -> dict[str, Any]:
        """What a report ends with."""
        ...

    def save(self, out: Path, results: Sequence[Result], manifest_json: str) -> list[Path]:
        """Write what stands beside the report, and say which files that is."""
        ...


def refuse(options: Options, meaningless: set[str], what: str, why: str) -> None:
    """Refuse options that were given and mean nothing here.

    Raises:
        UsageError: naming the first.
    """
    if names := sorted(options.given & meaningless):
        raise UsageError(
            f"--{names[0].replace('_', '-')} has no meaning for {what}", why=why, do="leave it out"
        )
