"""Which residues are in helices, in strands, or in neither? A letter for each residue.

The letters are those of DSSP (Kabsch & Sander 1983) or of the three states themselves: helix H is
H, G, I and P, strand E is E and B, and all others are coil C: C, L, T, S, and the signs - _ . ~
that stand for a blank. ``?`` and ``X`` say that nothing is known of a residue. Accuracy over the
known residues of all test records is what is called Q3.

``--set states=8`` tells helices and strands of DSSP apart. How labels are read: ``sslkit show task
tagging``. The files of FLIP (Dallago et al. 2021) as they are:

    sslkit probe --task secondary-structure --labels sampled.fasta \\
        --set sequences=sequences.fasta --set mask=mask.fasta
"""

from dataclasses import dataclass, field

from sslkit.tasks import _per_token

VERSION = 1
DOMAIN = "protein"
SUPERVISION = _per_token.SUPERVISION
KIND = _per_token.KIND
METRICS = _per_token.METRICS

_COIL = dict.fromkeys("CL-_.~", "C")
_EIGHT = {**{letter: letter for letter in "HGIPEBTS"}, **_COIL}
_THREE = {**dict.fromkeys("HGIP", "H"), **dict.fromkeys("EB", "E"), **dict.fromkeys("TS", "C"),
          **_COIL}  # fmt: skip


@dataclass(frozen=True)
class Settings(_per_token.Settings):
    """Where the labels are, how they are read, and what a probe of them does."""

    unknown: str = field(
        default="?X",
        metadata={"help": "letters that say that nothing is known: not trained on, not judged"},
    )
    states: int = field(
        default=3, metadata={"help": "3: helix, strand and coil; 8: those of DSSP, and P"}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.states not in {3, 8}:
            raise ValueError(f"states is 3 or 8, not {self.states}")


class Task(_per_token.PerToken):
    """Secondary structure; implements ``contracts.domain.PerTokenTask``."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._classes = _THREE if settings.states == 3 else _EIGHT

    def name(self, written: str) -> str | None:
        """The state that a letter stands for, small ones as capitals; None for no letter of it."""
        return self._classes.get(written.upper())
