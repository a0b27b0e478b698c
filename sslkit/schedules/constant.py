"""The peak, kept to the end."""

from dataclasses import dataclass

from sslkit.schedules import _warmup

VERSION = 1


@dataclass(frozen=True)
class Settings(_warmup.Warmed):
    """Warm-up only."""


class Schedule(_warmup.Fixed):
    """The factor of the peak rate."""

    def later(self, step: int) -> float:
        """Always 1."""
        return 1.0
