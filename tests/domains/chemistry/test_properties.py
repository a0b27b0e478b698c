"""Properties of molecules: what RDKit says, in usual units."""

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import Descriptors

from sslkit.domains.chemistry import properties

#: Small and large, charged, metals, isotopes, and what is hardly a molecule.
ODD = (
    *("C", "[H][H]", "[He]", "[Na+].[Cl-]", "[2H]O[2H]", "[Cu+2]", "[U]", "*CC*", "B1BB1"),
    *("[Pt](Cl)(Cl)(N)N", "F[P-](F)(F)(F)(F)F", "C1CC1.[K+]", "C" * 200),
)


def test_they_are_what_rdkit_computes_up_to_units() -> None:
    smiles = ("CCO", "c1ccccc1C(=O)O", "CC(N)C(=O)O", "O=[N+]([O-])c1ccc(Cl)cc1", "CCCCCCCC")
    graphs = [Chem.MolFromSmiles(text) for text in smiles]
    found = np.array([properties.compute(graph) for graph in graphs])
    known = dict(Descriptors.descList)
    for name, column in zip(properties.names(), found.T, strict=True):
        expected = np.array([known[name](graph) for graph in graphs])
        if np.ptp(expected):
            (slope, shift) = np.polyfit(expected, column, 1)
            assert slope > 0
            np.testing.assert_allclose(column, slope * expected + shift, atol=1e-6 * slope + 1e-9)


def test_drugs_are_usual() -> None:
    drugs = ("CC(=O)Oc1ccccc1C(=O)O", "CN1C=NC2=C1C(=O)N(C(=O)N2C)C", "CC(C)Cc1ccc(C(C)C(=O)O)cc1")
    found = np.array([properties.compute(Chem.MolFromSmiles(text)) for text in drugs])
    assert np.median(abs(found)) < 1
    assert abs(found[:, properties.names().index("MolLogP")]).max() < 2


@pytest.mark.parametrize("text", ODD)
def test_what_is_not_defined_is_nan_and_stops_nothing(text: str) -> None:
    found = properties.compute(Chem.MolFromSmiles(text))
    assert found.shape == (len(properties.names()),)
    assert np.isnan(found).mean() < 0.05
    assert not np.isinf(found).any()


def test_a_molecule_is_asked_about_once() -> None:
    asked = []

    def graph(key: bytes) -> object:
        asked.append(key)
        return Chem.MolFromSmiles(key.decode()) if key else None

    held = properties.Remembered(graph)
    first, again = held.of(b"CCO"), held.of(b"CCO")
    np.testing.assert_array_equal(first, again)
    assert np.isnan(held.of(b"")).all()
    assert asked == [b"CCO", b""]
