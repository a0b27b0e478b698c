"""What RDKit computes of a whole molecule: what the objective ``properties`` predicts.

Weight, log P, polar surface, indices of shape and of charge, the surface area of the atoms in bins
of what they contribute (Labute 2000), and counts of functional groups: those of
``rdkit.Chem.Descriptors`` that take no more than half a millisecond, stay finite, and differ
between small molecules. They are listed by name, so that another release of RDKit predicts the
same ones.
"""

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from sslkit.domains.chemistry import rdkit

#: Molecules whose properties are remembered: about 100 MiB of them.
_REMEMBERED = 1 << 16
#: Name, mean and standard deviation of each over 12,000 molecules of Tox21 and QM9: what is usual,
#: so that no property counts more for its unit.
_USUAL = """
MaxAbsEStateIndex 9.1 2.9, MaxEStateIndex 9.1 2.9, MinAbsEStateIndex 0.313 0.38,
MinEStateIndex -0.483 1.3, MolWt 203 140, HeavyAtomMolWt 189 130, ExactMolWt 203 140,
NumValenceElectrons 75.8 51, MaxPartialCharge 0.204 0.16, MinPartialCharge -0.391 0.11,
MaxAbsPartialCharge 0.402 0.14, MinAbsPartialCharge 0.196 0.11, FpDensityMorgan1 1.37 0.38,
FpDensityMorgan2 2 0.49, FpDensityMorgan3 2.39 0.53, BalabanJ 2.46 0.75, BertzCT 331 350,
Chi0 10.2 6.9, Chi0n 8.12 5.5, Chi0v 8.45 5.7, Chi1 6.58 4.5, Chi1n 4.68 3.3, Chi1v 5 3.6,
Chi2n 3.65 2.7, Chi2v 4.02 3, Chi3n 2.55 2, Chi3v 2.83 2.3, Chi4n 1.72 1.6, Chi4v 1.93 1.9,
HallKierAlpha -1.03 1, Kappa1 10.1 7.7, Kappa2 4.34 4.2, Kappa3 4.13 27, LabuteASA 83.8 56,
PEOE_VSA1 9.14 9.9, PEOE_VSA10 5.17 8.1, PEOE_VSA11 2.28 4.7, PEOE_VSA12 1.54 4.2,
PEOE_VSA13 0.886 2.7, PEOE_VSA14 2.82 8.7, PEOE_VSA2 3.84 5.2, PEOE_VSA3 2.04 4.3,
PEOE_VSA4 1.41 4.4, PEOE_VSA5 1.21 3.7, PEOE_VSA6 14.7 20, PEOE_VSA7 19.3 20, PEOE_VSA8 9.71 10,
PEOE_VSA9 8.88 9.3, SMR_VSA1 10.8 12, SMR_VSA10 10.3 14, SMR_VSA2 0.676 1.9, SMR_VSA3 3.56 5.6,
SMR_VSA4 4.34 6.9, SMR_VSA5 24.1 26, SMR_VSA6 8.28 11, SMR_VSA7 18 24, SMR_VSA9 3.05 5.8,
SlogP_VSA1 3.54 5.9, SlogP_VSA10 1.83 5.1, SlogP_VSA11 1.3 3.8, SlogP_VSA12 3.13 9.8,
SlogP_VSA2 23.6 22, SlogP_VSA3 6.83 8.2, SlogP_VSA4 6.71 8.6, SlogP_VSA5 19.7 23,
SlogP_VSA6 14.6 20, SlogP_VSA7 0.482 2.3, SlogP_VSA8 1.23 4.3, TPSA 49.5 46,
EState_VSA1 6.63 16, EState_VSA10 6.02 9, EState_VSA11 0.0129 0.24, EState_VSA2 8.36 9.8,
EState_VSA3 8.82 9.5, EState_VSA4 10.8 12, EState_VSA5 9.43 15, EState_VSA6 5.9 10,
EState_VSA7 7.47 13, EState_VSA8 11.8 15, EState_VSA9 7.73 8.6, VSA_EState1 6.98 15,
VSA_EState10 0.951 3.3, VSA_EState2 9.22 13, VSA_EState3 7.63 11, VSA_EState4 1.2 2.8,
VSA_EState5 0.28 2.7, VSA_EState6 3.14 5.4, VSA_EState7 2.48 4.3, VSA_EState8 2.59 3.1,
VSA_EState9 0.174 1.8, FractionCSP3 0.57 0.33, HeavyAtomCount 13.9 9.4, NHOHCount 1.19 1.7,
NOCount 3.34 2.9, NumAliphaticCarbocycles 0.481 0.9, NumAliphaticHeterocycles 0.594 0.92,
NumAliphaticRings 1.08 1.4, NumAmideBonds 0.218 0.72, NumAromaticCarbocycles 0.427 0.79,
NumAromaticHeterocycles 0.226 0.49, NumAromaticRings 0.652 0.96, NumAtomStereoCenters 1.34 2.2,
NumBridgeheadAtoms 0.2 0.75, NumHAcceptors 2.88 2.4, NumHDonors 1.04 1.5,
NumHeteroatoms 3.8 3.3, NumHeterocycles 0.821 0.99, NumRotatableBonds 2.77 3.9,
NumSaturatedCarbocycles 0.393 0.81, NumSaturatedHeterocycles 0.487 0.84,
NumSaturatedRings 0.882 1.3, NumSpiroAtoms 0.0474 0.22,
NumUnspecifiedAtomStereoCenters 0.974 1.4, Phi 3.42 3.8, RingCount 1.73 1.4, MolLogP 1.35 2.1,
MolMR 52.7 36, fr_Al_COO 0.0716 0.32, fr_Al_OH 0.339 0.85, fr_Al_OH_noTert 0.273 0.8,
fr_ArN 0.0621 0.28, fr_Ar_COO 0.0232 0.17, fr_Ar_N 0.346 0.86, fr_Ar_NH 0.0538 0.24,
fr_Ar_OH 0.0867 0.38, fr_COO 0.0951 0.36, fr_COO2 0.0958 0.36, fr_C_O 0.626 0.96,
fr_C_O_noCOO 0.555 0.91, fr_C_S 0.00671 0.099, fr_HOCCN 0.00647 0.08, fr_Imine 0.0388 0.21,
fr_NH0 0.69 1, fr_NH1 0.358 0.77, fr_NH2 0.142 0.44, fr_N_O 0.00354 0.071,
fr_Ndealkylation1 0.0486 0.23, fr_Ndealkylation2 0.0336 0.19, fr_Nhpyrrole 0.0538 0.24,
fr_SH 0.00434 0.066, fr_aldehyde 0.06 0.25, fr_alkyl_carbamate 0.0045 0.067,
fr_alkyl_halide 0.131 0.85, fr_allylic_oxid 0.181 0.78, fr_amide 0.218 0.72,
fr_amidine 0.0214 0.15, fr_aniline 0.152 0.46, fr_aryl_methyl 0.138 0.44, fr_azo 0.00409 0.064,
fr_benzene 0.426 0.79, fr_bicyclic 0.493 1, fr_epoxide 0.044 0.22, fr_ester 0.134 0.44,
fr_ether 0.594 1, fr_furan 0.0101 0.1, fr_guanido 0.00925 0.11, fr_halogen 0.296 1.1,
fr_hdrzine 0.00516 0.072, fr_hdrzone 0.00417 0.064, fr_imidazole 0.0282 0.17,
fr_imide 0.00892 0.094, fr_ketone 0.115 0.36, fr_ketone_Topliss 0.0929 0.32,
fr_lactam 0.0106 0.1, fr_lactone 0.0242 0.18, fr_methoxy 0.107 0.4, fr_morpholine 0.0184 0.15,
fr_nitrile 0.0791 0.29, fr_nitro 0.0263 0.18, fr_nitro_arom 0.0216 0.17,
fr_nitro_arom_nonortho 0.0105 0.1, fr_nitroso 0.00262 0.051, fr_oxazole 0.00843 0.091,
fr_oxime 0.0099 0.099, fr_para_hydroxylation 0.0637 0.29, fr_phenol 0.0693 0.36,
fr_phenol_noOrthoHbond 0.0666 0.35, fr_phos_acid 0.00614 0.078, fr_phos_ester 0.00589 0.077,
fr_piperdine 0.0764 0.36, fr_piperzine 0.0138 0.12, fr_priamide 0.0246 0.16,
fr_prisulfonamd 0.00336 0.058, fr_pyridine 0.0399 0.21, fr_quatN 0.0178 0.14,
fr_sulfide 0.0192 0.16, fr_sulfonamd 0.0196 0.16, fr_sulfone 0.00368 0.061,
fr_term_acetylene 0.0562 0.24, fr_tetrazole 0.00311 0.056, fr_thiazole 0.00786 0.088,
fr_thiophene 0.00589 0.077, fr_unbrch_alkane 0.351 1.7, fr_urea 0.0167 0.13
"""


@cache
def _usual() -> tuple[list[str], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Names, means and standard deviations."""
    rows = [entry.split() for entry in _USUAL.split(",")]
    return (
        [name for name, _, _ in rows],
        np.array([float(mean) for _, mean, _ in rows]),
        np.array([float(spread) for _, _, spread in rows]),
    )


@cache
def _tools() -> list[Callable[[Any], float]]:
    """What computes each.

    Raises:
        KeyError: a release of RDKit without one of them.
    """
    known = dict(rdkit.descriptors().descList)
    return [known[name] for name in names()]


def names() -> list[str]:
    """What they are called in RDKit, in order."""
    return _usual()[0]


def compute(graph: Any) -> npt.NDArray[np.float64]:
    """Those of a molecule, in standard deviations from the mean of usual molecules.

    One that is not defined, as a charge of a strange atom, is NaN.
    """
    _, mean, spread = _usual()
    held = np.array([tool(graph) for tool in _tools()], np.float64)
    held[~np.isfinite(held)] = np.nan
    return (held - mean) / spread


class Remembered:
    """Properties of molecules that are met again and again.

    Args:
        molecule: from what is asked about to RDKit's molecule, or None.
    """

    def __init__(self, molecule: Callable[[bytes], Any]) -> None:
        self._molecule = molecule
        self.of = lru_cache(_REMEMBERED)(self._of)

    def _of(self, key: bytes) -> npt.NDArray[np.float64]:
        graph = self._molecule(key)
        return np.full(len(names()), np.nan) if graph is None else compute(graph)
