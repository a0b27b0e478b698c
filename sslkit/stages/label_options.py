"""The options of stages that read labelled records."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sslkit.options import Common


@dataclass(frozen=True, kw_only=True)
class LabelOptions(Common):
    """Which task, where its records are, and whether look-alikes stay together."""

    task: str
    labels: list[Path] | None
    valid: list[Path] | None
    test: list[Path] | None
    families: bool

    @property
    def names_files(self) -> bool:
        """Whether any file was named."""
        return bool(self.labels or self.valid or self.test)

    @property
    def files(self) -> dict[str, Sequence[Path]]:
        """The files by part; under "" those that are to be divided, one of them by default."""
        return {
            "": self.labels or [Path("labels") / f"{self.task}.csv"],
            "valid": self.valid or [],
            "test": self.test or [],
        }
