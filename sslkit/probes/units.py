"""Logistic regression of classes of units, on as many of them as fit into memory.

Minimises mean log loss + penalty / 2 * |w|^2 over standardised features with a free intercept, as
``probes.linear`` does for records; features are float32 and are standardised where they stand.
The penalty is that of least loss on held-out records.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from sslkit.errors import DataError
from sslkit.types import Array

Features = npt.NDArray[np.float32]

#: From strong to weak: weak ones are slow to fit and are left out once the loss goes up.
PENALTIES = tuple(float(p) for p in 10.0 ** np.arange(0, -7, -1))
#: Where there is too little to choose by.
_DEFAULT = 1e-3
_PATIENCE = 2
_ITERATIONS = 300
_ROWS = 8192


@dataclass(frozen=True)
class Fitted:
    """A fitted model.

    Attributes:
        penalty: the one that was chosen.
    """

    mean: Features
    scale: Features
    model: LogisticRegression
    penalty: float

    def decide(self, features: Features) -> npt.NDArray[np.int64]:
        """The most probable class of each of features [units, width], [units].

        Raises:
            DataError: a feature that is not finite.
        """
        _check(features)
        found: npt.NDArray[np.int64] = self.model.predict((features - self.mean) * self.scale)
        return found


def fit(features: Features, values: Array, learned: int) -> Fitted:
    """Choose the penalty, then fit to all; ``features`` are standardised where they stand.

    Args:
        features: [units, width] float32, C-contiguous.
        values: class numbers, [units], two of them at least.
        learned: so many first units are fitted to while the penalty is chosen by those behind;
            all of them where there is nothing to choose by.

    Raises:
        DataError: a feature that is not finite.
    """
    _check(features)
    mean, scale = _standardise(features)
    model = LogisticRegression(warm_start=True, max_iter=_ITERATIONS, tol=1e-4)
    penalty = _DEFAULT
    if learned < len(values) and len(np.unique(values[:learned])) > 1:
        penalty = _chosen(model, features, values, learned)
    _fit(model, features, values, penalty)
    return Fitted(mean, scale, model, penalty)


def _chosen(model: LogisticRegression, features: Features, values: Array, learned: int) -> float:
    """The penalty of least loss on what stands behind the ``learned`` first units."""
    best, least, worse = PENALTIES[0], np.inf, 0
    for penalty in PENALTIES:
        _fit(model, features[:learned], values[:learned], penalty)
        found = _loss(model, features[learned:], values[learned:])
        if found < least:
            best, least, worse = penalty, found, 0
        else:
            worse += 1
            if worse >= _PATIENCE:
                break
    # The last fit goes on from here, and it may see a class more.
    if len(np.unique(values)) > len(model.classes_):
        del model.coef_
    return best


def _fit(model: LogisticRegression, features: Features, values: Array, penalty: float) -> None:
    model.set_params(C=1 / (penalty * len(values)))
    with warnings.catch_warnings():
        # One that is stopped early is judged by its held-out loss like any other.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features, values)


def _loss(model: LogisticRegression, features: Features, values: Array) -> float:
    """Mean log loss; a class that was never seen counts as very unlikely."""
    place = np.searchsorted(model.classes_, values)
    seen = np.isin(values, model.classes_)
    right = np.full(len(values), 1e-12)
    likely = model.predict_proba(features)
    right[seen] = likely[np.flatnonzero(seen), place[seen]]
    return float(-np.log(np.maximum(right, 1e-12)).mean())


def _standardise(features: Features) -> tuple[Features, Features]:
    """Mean 0 and deviation 1 for each column; a constant one becomes 0. Returns both."""
    blocks = [slice(at, at + _ROWS) for at in range(0, len(features), _ROWS)]
    total = np.zeros(features.shape[1])
    for block in blocks:
        total += features[block].sum(axis=0, dtype=np.float64)
    mean = (total / len(features)).astype(np.float32)
    largest = np.maximum(features.max(axis=0), -features.min(axis=0))
    squares = np.zeros(features.shape[1])
    for block in blocks:
        features[block] -= mean
        squares += (features[block].astype(np.float64) ** 2).sum(axis=0)
    deviation = np.sqrt(squares / len(features))
    # A deviation of the size of rounding would blow noise up to a feature.
    varies = deviation > 1e-6 * np.maximum(largest, 1e-30)
    scale = np.divide(1, deviation, out=np.zeros_like(deviation), where=varies)
    for block in blocks:
        features[block] *= scale.astype(np.float32)
    return mean, scale.astype(np.float32)


def _check(features: Features) -> None:
    for at in range(0, len(features), _ROWS):
        if not np.isfinite(features[at : at + _ROWS]).all():
            raise DataError(
                "there are features of units that are not finite",
                do="look for NaN in the checkpoint's metrics",
            )
