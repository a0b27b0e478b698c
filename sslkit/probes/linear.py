"""Logistic or ridge regression on standardised features.

Minimises mean loss + penalty / 2 * |w|^2 (log loss) or mean squared error + penalty * |w|^2; the
intercept is free. The penalty is chosen by cross-validation inside the training examples.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from sslkit.errors import DataError
from sslkit.probes.training import Answer, Floats, Training, loss
from sslkit.types import Array

#: From strong to weak: weak ones are slow to fit and are left out once the loss keeps going up.
LOGISTIC_PENALTIES = tuple(float(p) for p in 10.0 ** np.arange(1, -5.5, -0.5))
RIDGE_PENALTIES = tuple(float(p) for p in 10.0 ** np.arange(3, -5.5, -0.5))
#: Where there are too few examples to choose.
_LOGISTIC_DEFAULT = 0.1
_RIDGE_DEFAULT = 1.0
#: How many weaker penalties in a row may do worse before the search ends; the loss of k-mer counts
#: has two valleys on some sets, four half-decades apart.
_PATIENCE = 5
_ITERATIONS = 500


def answer(training: Training, features: Floats) -> Answer:
    """Fit on ``training``, predict for ``features`` [examples, features].

    Raises:
        DataError: a feature that is not finite.
    """
    for name, array in (("train", training.features), ("test", features)):
        if len(bad := np.flatnonzero(~np.isfinite(array).all(axis=1))):
            raise DataError(
                f"{len(bad)} of {len(array)} {name} examples have features that are not finite",
                do="embed them again; look for NaN in the checkpoint's metrics",
            )
    if training.classes:
        return _logistic(training, features)
    return _ridge(training, features)


def _logistic(training: Training, features: Floats) -> Answer:
    penalty = _LOGISTIC_DEFAULT
    if (fold := training.inner_folds()) is not None:
        paths = [
            _LogisticPath(training.features, training.values, training.classes, fold != number)
            for number in np.unique(fold)
        ]
        penalty = _descend(paths, LOGISTIC_PENALTIES, len(training.values))
    whole = _LogisticPath(training.features, training.values, training.classes)
    return Answer(whole.predict(features, penalty), {"penalty": penalty})


def _descend(paths: Sequence["_LogisticPath"], penalties: Sequence[float], examples: int) -> float:
    """The penalty of least loss over all held-out examples."""
    best, best_loss, worse = penalties[0], np.inf, 0
    for penalty in penalties:
        found = sum(path.held_out_loss(penalty) for path in paths) / examples
        if found < best_loss:
            best, best_loss, worse = penalty, found, 0
        else:
            worse += 1
            if worse > _PATIENCE:
                break
    return best


class _LogisticPath:
    """Logistic regressions of one training set, each started where the last one ended."""

    def __init__(
        self, features: Floats, values: Array, classes: int, mask: Array | None = None
    ) -> None:
        mask = np.ones(len(values), bool) if mask is None else mask
        self._classes = classes
        self._scaler = _Scaler.of(features[mask])
        self._features = self._scaler(features[mask])
        self._values = values[mask]
        self._held_out = features[~mask], values[~mask]
        self._model = LogisticRegression(warm_start=True, max_iter=_ITERATIONS, tol=1e-4)

    def predict(self, features: Floats, penalty: float) -> Floats:
        """Probabilities [examples, classes]; 0 for a class that was never seen."""
        seen = np.unique(self._values)
        out = np.zeros((len(features), self._classes))
        if len(seen) == 1:
            out[:, seen[0]] = 1
            return out
        self._model.set_params(C=1 / (penalty * len(self._values)))
        with warnings.catch_warnings():
            # A weak penalty that is stopped early is judged by its held-out loss like any other.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._model.fit(self._features, self._values)
        out[:, self._model.classes_] = self._model.predict_proba(self._scaler(features))
        return out

    def held_out_loss(self, penalty: float) -> float:
        """Log loss summed over the examples that were masked."""
        features, values = self._held_out
        return loss(values, self.predict(features, penalty)) * len(values)


def _ridge(training: Training, features: Floats) -> Answer:
    penalty = _RIDGE_DEFAULT
    if (fold := training.inner_folds()) is not None:
        total = np.zeros(len(RIDGE_PENALTIES))
        for number in np.unique(fold):
            out, held = fold != number, fold == number
            found = _ridge_path(
                training.features[out],
                training.values[out],
                training.features[held],
                RIDGE_PENALTIES,
            )
            total += ((found - training.values[held]) ** 2).sum(axis=1)
        penalty = RIDGE_PENALTIES[int(total.argmin())]
    (predicted,) = _ridge_path(training.features, training.values, features, [penalty])
    return Answer(predicted, {"penalty": penalty})


def _ridge_path(
    features: Floats, values: Array, queries: Floats, penalties: Sequence[float]
) -> Floats:
    """Predictions for every penalty, [penalties, queries], from one decomposition."""
    scaler = _Scaler.of(features)
    x, mean = scaler(features), values.mean()
    left, singular, right = np.linalg.svd(x, full_matrices=False)
    target = left.T @ (values - mean)
    projected = scaler(queries) @ right.T
    scaled = np.stack([singular / (singular**2 + p * len(x)) * target for p in penalties])
    predicted: Floats = scaled @ projected.T + mean
    return predicted


@dataclass(frozen=True)
class _Scaler:
    """Mean 0 and deviation 1 over the training examples; a constant feature becomes 0."""

    mean: Floats
    scale: Floats

    @classmethod
    def of(cls, features: Floats) -> "_Scaler":
        mean, deviation = features.mean(axis=0), features.std(axis=0)
        # A deviation of the size of rounding would blow noise up to a feature.
        varies = deviation > 1e-6 * np.maximum(np.abs(features).max(axis=0), 1e-30)
        return cls(mean, np.divide(1, deviation, out=np.zeros_like(deviation), where=varies))

    def __call__(self, features: Floats) -> Floats:
        return (features - self.mean) * self.scale
