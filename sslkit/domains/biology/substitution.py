"""Which residue takes the place of which, as related proteins have it: BLOSUM62.

Henikoff & Henikoff 1992, "Amino acid substitution matrices from protein blocks". Scores are in
half bits: ``score = 2 log2(q / (p p'))``, so that the chance of a residue in place of another is
``p' 2 ** (score / 2)``, but for a factor; ``p`` are the shares of the residues in the blocks.
"""

import numpy as np
import numpy.typing as npt

from sslkit.types import Array, Draws

#: The twenty amino acids in alphabetical order of their letters.
RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
_LOWER_HALF = """
A  4
C  0  9
D -2 -3  6
E -1 -4  2  5
F -2 -2 -3 -3  6
G  0 -3 -1 -2 -3  6
H -2 -3 -1  0 -1 -2  8
I -1 -1 -3 -3  0 -4 -3  4
K -1 -3 -1  1 -3 -2 -1 -3  5
L -1 -1 -4 -3  0 -4 -3  2 -2  4
M -1 -1 -3 -2  0 -3 -2  1 -1  2  5
N -2 -3  1  0 -3  0  1 -3  0 -3 -2  6
P -1 -3 -1 -1 -4 -2 -2 -3 -1 -3 -2 -2  7
Q -1 -3  0  2 -3 -2  0 -3  1 -2  0  0 -1  5
R -1 -3 -2  0 -3 -2  0 -3  2 -2 -1  0 -2  1  5
S  1 -1  0  0 -2  0 -1 -2  0 -2 -1  1 -1  0 -1  4
T  0 -1 -1 -1 -2 -2 -2 -1 -1 -1 -1  0 -1 -1 -1  1  5
V  0 -1 -3 -2 -1 -3 -3  3 -2  1  1 -3 -2 -2 -3 -2  0  4
W -3 -2 -4 -3  1 -2 -2 -3 -3 -2 -1 -4 -4 -2 -3 -3 -2 -3 11
Y -2 -2 -3 -2  3 -3  2 -1 -2 -1 -1 -2 -3 -1 -2 -2 -2 -1  2  7
"""
_SHARES = (
    0.074, 0.025, 0.054, 0.054, 0.047, 0.074, 0.026, 0.068, 0.058, 0.099,
    0.025, 0.045, 0.039, 0.034, 0.052, 0.057, 0.051, 0.073, 0.013, 0.034,
)  # fmt: skip


def _scores() -> npt.NDArray[np.int64]:
    rows = [[int(cell) for cell in row.split()[1:]] for row in _LOWER_HALF.strip().splitlines()]
    lower = np.array([row + [0] * (len(RESIDUES) - len(row)) for row in rows], np.int64)
    return lower + np.tril(lower, -1).T


#: Scores [20, 20], in half bits.
BLOSUM62 = _scores()


def chances() -> npt.NDArray[np.float64]:
    """How likely each residue is replaced by each other one, where it is replaced; [20, 20]."""
    weight = np.array(_SHARES) * np.exp2(BLOSUM62 / 2)
    np.fill_diagonal(weight, 0)
    found: npt.NDArray[np.float64] = weight / weight.sum(1, keepdims=True)
    return found


#: Upper ends of each residue's replacements in the row from its code to the next, [20 * 20].
_ENDS = (np.cumsum(chances(), axis=1) + np.arange(len(RESIDUES))[:, None]).ravel()


def replaced(units: Array, draws: Draws, purpose: str, share: float) -> Array:
    """About that share of the residues replaced by ones that stand for them in related proteins.

    Args:
        units: codes [rows, residues]; only those below 20 are ever replaced.
    """
    count = len(RESIDUES)
    draw = draws.uniform(purpose, units.shape[1])
    changed = (draw < share) & (units < count)
    own = units[changed].astype(np.float64)
    # What is left of the draw below the share says by which one.
    found = np.searchsorted(_ENDS, own + draw[changed] / share, side="right")
    made = units.copy()
    # Rounding must neither leave the row nor give the residue itself.
    made[changed] = np.minimum(
        found - units[changed].astype(np.int64) * count, _LAST[units[changed]]
    )
    return made


#: The last other residue of each.
_LAST = np.where(
    np.arange(len(RESIDUES)) == len(RESIDUES) - 1, len(RESIDUES) - 2, len(RESIDUES) - 1
)
