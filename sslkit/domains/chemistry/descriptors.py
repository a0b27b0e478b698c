"""What chemists say of molecules without a model: fingerprints and descriptors."""

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sslkit.domains.chemistry import rdkit

Floats = npt.NDArray[np.float32]

_RADIUS, _BITS = 2, 2048
#: This one grows with the number of atoms as a power does; its logarithm is taken.
_HUGE = "Ipc"


def fingerprints(graphs: Sequence[Any]) -> Floats:
    """How often each environment of up to two bonds around an atom is there, [molecules, 2048].

    Morgan 1965; Rogers & Hahn 2010. Counts say more than bits where a property adds up over a
    molecule, as solubility does. 0 where a molecule is None.
    """
    morgan = importlib.import_module("rdkit.Chem.rdFingerprintGenerator")
    generator = morgan.GetMorganGenerator(radius=_RADIUS, fpSize=_BITS)
    counts = np.zeros((len(graphs), _BITS), np.float32)
    for row, graph in enumerate(graphs):
        if graph is not None:
            counts[row] = generator.GetCountFingerprintAsNumPy(graph)
    return counts


def descriptors(graphs: Sequence[Any]) -> Floats:
    """All that RDKit's ``Descriptors`` lists, [molecules, descriptors].

    Among them are weight, logP, polar surface and counts of groups; 0 where one is not defined for
    a molecule, or the molecule is None. Of Ipc the logarithm is taken.
    """
    listed = rdkit.descriptors()
    names = [name for name, _ in listed.descList]
    described = np.zeros((len(graphs), len(names)))
    for row, graph in enumerate(graphs):
        if graph is not None:
            values = listed.CalcMolDescriptors(graph, missingVal=np.nan, silent=True)
            described[row] = [values[name] for name in names]
    huge = names.index(_HUGE)
    described[:, huge] = np.log1p(np.maximum(described[:, huge], 0))
    limit = np.finfo(np.float32).max
    usable = np.nan_to_num(described, nan=0.0, posinf=0.0, neginf=0.0)
    return np.clip(usable, -limit, limit).astype(np.float32)
