"""Fingerprints and descriptors against RDKit asked one at a time."""

import math

import numpy as np
from rdkit import Chem
from rdkit.Chem import Descriptors, rdFingerprintGenerator

from sslkit.domains import molecule
from sslkit.domains.chemistry import descriptors, smiles

#: Gasteiger charges of the metal are not defined; the chain has a huge Ipc.
TEXTS = ("CCO", "CC(=O)Oc1ccccc1C(=O)O", "[Fe+2]", "C" * 300)


def test_features_are_what_rdkit_says() -> None:
    graphs = [Chem.MolFromSmiles(text) for text in TEXTS]
    found = {
        "fingerprint": descriptors.fingerprints(graphs),
        "descriptors": descriptors.descriptors(graphs),
    }
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    for row, graph in enumerate(graphs):
        counts = generator.GetCountFingerprint(graph).GetNonzeroElements()
        assert {n: int(found["fingerprint"][row, n]) for n in counts} == counts
        assert found["fingerprint"][row].sum() == sum(counts.values())
        for column, (name, function) in enumerate(Descriptors.descList):
            value = function(graph)
            if name == "Ipc":
                value = math.log1p(max(value, 0))
            slow = float(value) if math.isfinite(value) else 0.0
            assert found["descriptors"][row, column] == np.float32(slow)
    assert np.isfinite(found["descriptors"]).all()


def test_a_molecule_that_is_not_known_has_nothing() -> None:
    plain = molecule.Domain(molecule.Settings())
    units = [smiles.pack(["C", "O"]), smiles.pack(["[Co@OH12+3]"])]
    found = plain.features(units)
    assert list(found) == ["composition", "fingerprint", "descriptors"]
    for name in ("fingerprint", "descriptors"):
        assert found[name][0].any()
        assert not found[name][1].any()
