"""Contacts of residues: what one is, how well scores of pairs find them, and heads that know them.

Maps are symmetric, [residues, residues]; what stands on the diagonal is not looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from sslkit.probes import intervals
from sslkit.probes.intervals import Interval

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: Two residues are in contact where their C-betas are closer than so many Angstrom.
DISTANCE = 8.0
#: Closer in the sequence than the first, residues always are close in space; from the second on
#: a contact is of long range (as CASP counts).
SEPARATION, LONG_RANGE = 6, 24
#: The best scores that are judged, L/1, L/2 and L/5 of them.
PARTS = (1, 2, 5)


@dataclass(frozen=True)
class Truth:
    """What a structure says of the pairs of a sequence's residues.

    Attributes:
        contact: whether two are in contact, [L, L].
        known: whether the structure has both, [L, L].
    """

    contact: Bools
    known: Bools

    @classmethod
    def of(cls, places: Floats) -> "Truth":
        """Of places [L, 3] in Angstrom; NaN where there is none."""
        there: Bools = np.logical_and.reduce(np.isfinite(places), axis=1)
        apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
        known = there[:, None] & there
        return cls(known & (np.nan_to_num(apart, nan=np.inf) < DISTANCE), known)

    def pairs(self, separation: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Known pairs i < j that are so many residues apart at least, as two lists of places."""
        first, second = np.nonzero(np.triu(self.known, separation))
        return first, second


def names(separation: int = LONG_RANGE) -> list[str]:
    """What ``precisions`` are called, in its order."""
    kind = "long_range" if separation == LONG_RANGE else f"separation_{separation}"
    return [f"{kind}_P@L" + (f"/{part}" if part > 1 else "") for part in PARTS]


def precisions(scores: Floats, truth: Truth, separation: int = LONG_RANGE) -> dict[str, float]:
    """The share of contacts among the L, L/2 and L/5 best pairs, L the length of the sequence.

    Among equal scores the share is what a random order gives on average, so that scores that are
    all the same give the share of contacts among all pairs: chance.

    Args:
        scores: [L, L], higher for what is more likely in contact.

    Returns:
        by ``names``; NaN where no pair is so far apart.
    """
    first, second = truth.pairs(separation)
    held, contact = scores[first, second], truth.contact[first, second]
    found = {}
    for name, part in zip(names(separation), PARTS, strict=True):
        count = min(max(len(scores) // part, 1), len(held))
        if not count:
            found[name] = float("nan")
            continue
        least = np.partition(held, len(held) - count)[len(held) - count]
        above, equal = held > least, held == least
        rest = (count - int(above.sum())) * float(contact[equal].mean())
        found[name] = (float(contact[above].sum()) + rest) / count
    return found


def corrected(maps: Floats) -> Floats:
    """Maps less what two residues' own averages make likely: F_ij - F_i F_j / F.

    The average product correction of Dunn et al. 2008 (eq. 3), of off-diagonal means.

    Args:
        maps: symmetric, [..., L, L]; 0 on the diagonal of the result.
    """
    length = maps.shape[-1]
    off = ~np.eye(length, dtype=bool)
    inside = np.where(off, maps, 0.0)
    row = inside.sum(-1) / max(length - 1, 1)
    mean = row.mean(-1)[..., None, None]
    product = row[..., :, None] * row[..., None, :]
    expected = np.divide(product, mean, out=np.zeros_like(product), where=mean != 0)
    return np.asarray(np.where(off, inside - expected, 0.0))


def prepared(attention: npt.NDArray[np.floating]) -> Floats:
    """Attention maps [maps, L, L] made symmetric and corrected, as a regression takes them."""
    maps = attention.astype(np.float64)
    return corrected(maps + maps.swapaxes(-1, -2))


@dataclass(frozen=True)
class Regression:
    """Which heads look at contacts, and how much: a sparse logistic regression.

    Rao et al. 2021 (section 3.3): an L1 penalty, so that a few structures suffice. Maps are
    divided by their deviation over the training pairs, so that how strongly a model attends at
    all does not decide how strongly it is penalised.

    Attributes:
        weights: of each map as ``prepared`` gives it, [maps]; 0 for most.
        intercept: log odds where all maps are 0.
    """

    weights: Floats
    intercept: float

    @classmethod
    def fit(
        cls, maps: Sequence[Floats], truths: Sequence[Truth], strength: float, seed: int
    ) -> "Regression":
        """From some structures; their pairs at least ``SEPARATION`` apart, of equal weight.

        Args:
            maps: of each structure, [maps, L, L], as ``prepared`` gives them.
            strength: of the data against the penalty; smaller leaves fewer heads.

        Raises:
            ValueError: the structures have no contact at all, or nothing but contacts.
        """
        drawn = []
        for held, truth in zip(maps, truths, strict=True):
            first, second = truth.pairs(SEPARATION)
            drawn.append((held[:, first, second].T, truth.contact[first, second]))
        features = np.concatenate([x for x, _ in drawn])
        answers = np.concatenate([y for _, y in drawn])
        if len(set(answers.tolist())) < 2:
            raise ValueError(
                f"{len(answers)} pairs of residues, at least {SEPARATION} apart in the "
                f"sequence, hold {int(answers.sum())} contacts"
            )
        scale = features.std(0)
        scale[scale == 0] = 1.0
        model = LogisticRegression(
            l1_ratio=1.0, solver="liblinear", C=strength, random_state=seed, max_iter=1000
        )
        model.fit(features / scale, answers)
        return cls(model.coef_[0] / scale, float(model.intercept_[0]))

    def probabilities(self, maps: Floats) -> Floats:
        """How likely each pair is in contact, [L, L], of maps [maps, L, L]."""
        odds = np.tensordot(self.weights, maps, axes=1) + self.intercept
        return np.asarray(1 / (1 + np.exp(-odds)))


def over_families(values: Sequence[float], seed: int, *, signed: bool = False) -> Interval:
    """The mean over families with a 95% bootstrap interval; NaN ones are left out.

    Every method is judged on the same resamples, which follow from the seed and the number of
    families.

    Args:
        values: from 0 to 1, or differences of such from -1 to 1 where ``signed``.
    """
    defined = np.array([value for value in values if not np.isnan(value)])
    return intervals.of_mean(defined, seed, signed=signed)
