"""The answer that looks at nothing."""

import numpy as np

from sslkit.probes import majority
from sslkit.probes.training import Training


def test_class_frequencies_and_the_mean() -> None:
    features, groups = np.zeros((4, 1)), np.arange(4)
    found = majority.answer(Training(features, np.array([0, 2, 2, 2]), groups, 3, 1), features[:2])
    np.testing.assert_allclose(found.predicted, [[0.25, 0, 0.75]] * 2)
    found = majority.answer(Training(features, np.array([1.0, 2, 3, 6]), groups, 0, 1), features)
    np.testing.assert_allclose(found.predicted, [3.0] * 4)
