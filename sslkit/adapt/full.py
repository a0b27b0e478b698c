"""Train all weights of the encoder at one rate."""

from dataclasses import dataclass

from sslkit.contracts import adaptation

VERSION = 1


@dataclass(frozen=True)
class Settings:
    """There is nothing to set."""


class Adaptation(adaptation.Adaptation):
    """Full fine-tuning: every weight is trained."""
