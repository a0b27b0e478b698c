"""What RDKit computes fast of a whole molecule: what the objective ``properties`` predicts.

Its own list of counts, weights, areas and indices (``rdMolDescriptors.Properties``), and the
surface area of the atoms in bins of their contribution to log P, to molar refractivity and of their
charge (Labute 2000).
"""

from functools import cache, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from sslkit.domains import _rdkit

_BINS = ("SlogP_VSA_", "SMR_VSA_", "PEOE_VSA_")
#: Molecules whose properties are remembered: about 50 MiB of them.
_REMEMBERED = 1 << 16


@cache
def _tools() -> tuple[Any, list[Any]]:
    module = _rdkit.descriptors()
    return module.Properties(), [getattr(module, name) for name in _BINS]


@cache
def count() -> int:
    """How many there are."""
    return len(compute(_rdkit.chem().MolFromSmiles("C")))


def compute(graph: Any) -> npt.NDArray[np.float64]:
    """Those of a molecule; one that is not defined, as a charge of a strange atom, is NaN."""
    listed, bins = _tools()
    found = [*listed.ComputeProperties(graph), *(value for area in bins for value in area(graph))]
    held = np.array(found, np.float64)
    held[~np.isfinite(held)] = np.nan
    return held


class Remembered:
    """Properties of molecules that are met again and again.

    Args:
        molecule: from what is asked about to RDKit's molecule, or None.
    """

    def __init__(self, molecule: Any) -> None:
        self._molecule = molecule
        self.of = lru_cache(_REMEMBERED)(self._of)

    def _of(self, key: bytes) -> npt.NDArray[np.float64]:
        graph = self._molecule(key)
        return np.full(count(), np.nan) if graph is None else compute(graph)
