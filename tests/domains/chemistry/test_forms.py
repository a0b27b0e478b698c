"""Molecules as graphs: atoms, bonds, views and properties, and models of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from rdkit import Chem

from sslkit import rng
from sslkit.contracts.spec import floats
from sslkit.domains import molecule
from sslkit.domains.chemistry import graphs, properties, rdkit, smiles
from sslkit.types import Record
from sslkit.vocab.vocabulary import Vocabulary

#: Chirality, aromatic rings, a salt, charges, many rings, every bond that there is.
SMILES = (
    *("C", "OCC", "C[C@H](N)C(=O)O", "c1ccccc1-c1ccncc1", "[Na+].[Cl-]", "C#N", "F[P-](F)(F)F"),
    *("CC(=O)Oc1ccccc1C(=O)O", "C1CC2CCC1CC2", "O=C([O-])c1cc2ccccc2[nH]1", "C[S+]([O-])C"),
    "C[C@]12CC[C@H]3[C@@H](CC[C@@]45[C@@H](O)C4C(C#N)=C[C@]35C)[C@@H]1CC[C@@H]2O",
)
ATOMS = ["C", "O", "N", "c", "n", "[nH]", "[O-]", "[Na+]", "[Cl-]", "F", "[P-]", "[S+]"]


def domain(**values: Any) -> molecule.Domain:
    vocabulary = Vocabulary(ATOMS, np.ones(len(ATOMS), np.int64))
    return molecule.Domain(molecule.Settings(form="graph", **values), vocabulary)


def record(text: str, of: molecule.Domain | None = None) -> Record:
    found = (of or domain()).record("a", text, "f", 1)
    assert not found.error
    return found


def padded(rows: list[Any]) -> tuple[Any, Any]:
    lengths = np.array([len(row) for row in rows])
    units = np.zeros((len(rows), lengths.max() + 2), graphs.UNIT)
    for held, row in zip(units, rows, strict=True):
        held[: len(row)] = row
    return units, lengths


@pytest.mark.parametrize("text", SMILES)
def test_a_graph_is_the_molecule_but_for_what_is_left_and_right(text: str) -> None:
    form = domain().form
    graph = Chem.MolFromSmiles(text)
    units = form.encode(record(text).payload)
    assert len(units) == graph.GetNumAtoms()
    assert rdkit.flat(form.molecule(units)) == rdkit.flat(graph)


@pytest.mark.parametrize("seed", range(5))
def test_a_graph_does_not_hang_on_how_a_molecule_is_written(seed: int) -> None:
    graph = Chem.MolFromSmiles(SMILES[-1])
    order = np.random.default_rng(seed).permutation(graph.GetNumAtoms()).tolist()
    other = Chem.MolToSmiles(Chem.RenumberAtoms(graph, order), canonical=False)
    encode = domain().form.encode
    assert encode(record(other).payload).tobytes() == encode(record(SMILES[-1]).payload).tobytes()


def test_links_are_bonds_of_their_kind() -> None:
    one = domain()
    units, lengths = padded([one.encode(record(text)) for text in SMILES])
    batch = one.batch(units, lengths, None)
    assert batch["length"].tolist() == lengths.tolist()
    kinds = ["SINGLE", "DOUBLE", "TRIPLE", "AROMATIC"]
    for row, text in enumerate(SMILES):
        graph = Chem.MolFromSmiles(rdkit.flat(Chem.MolFromSmiles(text)))
        wanted = set()
        for bond in graph.GetBonds():
            a, b = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
            kind = kinds.index(str(bond.GetBondType()))
            wanted |= {(a, b, kind), (b, a, kind)}
        links = batch["links"][row]
        found = {
            (atom, int(link) // graphs.KINDS, int(link) % graphs.KINDS)
            for atom, each in enumerate(links)
            for link in each
            if link >= 0
        }
        assert found == wanted
        assert (batch["tokens"][row, lengths[row] :] == one.tokens.pad).all()


def test_atoms_are_tokens_of_the_vocabulary_of_smiles() -> None:
    one = domain()
    units, lengths = padded([one.encode(record(t)) for t in ("c1cc[nH]c1", "[Na+].BrC")])
    tokens = one.batch(units, lengths, None)["tokens"]
    assert tokens[0, :5].tolist() == [ATOMS.index(a) for a in ("c", "c", "c", "[nH]", "c")]
    assert sorted(tokens[1, :3].tolist()) == [0, ATOMS.index("[Na+]"), one.tokens.unknown]


def test_a_view_hides_atoms_and_leaves_out_bonds() -> None:
    one = domain(noise=0.25)
    text = "C" * 60 + "O" * 40
    rows = 20
    units, lengths = padded([one.encode(record(text))] * rows)
    draws = rng.Counter(1, 0, np.arange(rows))
    batch = one.batch(units, lengths, draws, {"view"})
    again = one.batch(units, lengths, draws, {"view"})
    np.testing.assert_array_equal(batch["view.tokens"], again["view.tokens"])
    inside = np.arange(units.shape[1]) < 100
    hidden = batch["view.tokens"] == one.tokens.mask
    assert not hidden[:, ~inside].any()
    np.testing.assert_array_equal(batch["view.tokens"][~hidden], batch["tokens"][~hidden])
    assert 0.2 < hidden[:, inside].mean() < 0.3
    kept = (batch["view.links"] >= 0).sum() / (batch["links"] >= 0).sum()
    assert 0.7 < kept < 0.8
    assert len({row.tobytes() for row in hidden}) == rows


def test_properties_are_what_rdkit_computes() -> None:
    for form in ("graph", "smiles"):
        tokens = sorted({t for text in SMILES for t in smiles.tokens(text)})
        held = Vocabulary(tokens, np.ones(len(tokens), np.int64))
        one = molecule.Domain(molecule.Settings(form=form), held)
        rows = [one.encode(record(text, one)) for text in SMILES]
        lengths = np.array([len(row) for row in rows])
        units = np.zeros((len(rows), lengths.max()), one.unit_type)
        for padded_row, row in zip(units, rows, strict=True):
            padded_row[: len(row)] = row
        draws = rng.Counter(1, 0, np.arange(len(rows)))
        found = one.batch(units, lengths, draws, {"properties"})["properties"]
        assert found.shape == (len(rows), *floats(one.spec, "properties").shape)
        for row, text in zip(found, SMILES, strict=True):
            graph = Chem.MolFromSmiles(text)
            flat = Chem.MolFromSmiles(rdkit.flat(graph)) if form == "graph" else graph
            np.testing.assert_allclose(row, properties.compute(flat))


def test_a_piece_of_smiles_has_no_properties() -> None:
    one = molecule.Domain(molecule.Settings(), Vocabulary(["C"], np.ones(1, np.int64)))
    units = one.encode(record("c1ccccc1", one))[:4][None]
    draws = rng.Counter(1, 0, np.arange(1))
    assert np.isnan(one.batch(units, np.array([4]), draws, {"properties"})["properties"]).all()


def test_a_graph_that_does_not_fit_is_refused() -> None:
    found = domain().record("far", "C1" + "C" * 600 + "1", "f", 1)
    assert "its graph does not fit: nodes 1 and 601 are linked and 600 apart" in found.error
    with pytest.raises(ValueError, match="a graph has no order of atoms"):
        molecule.Settings(form="graph", randomise=True)
    with pytest.raises(ValueError, match="noise is from 0"):
        molecule.Settings(noise=1)


def test_nearly_all_of_tox21_are_graphs(shared_data: Path) -> None:
    one = domain()
    path = shared_data / "molecules/moleculenet/tox21.csv"
    held = [r for r in one.read(path, "skip") if not r.error or "graph" in r.error]
    assert len(held) == 7823
    assert sum("graph" in r.error for r in held) == 0
    for each in held[:: len(held) // 200]:
        made = one.form.molecule(one.encode(each))
        assert rdkit.flat(made) == rdkit.flat(each.payload.graph)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Chains with rings at some of their ends."""
    draw = np.random.default_rng(3)
    ends = ("c1ccccc1", "C1CCCCC1", "c1ccncc1", "N", "Cl", "C#N", "[N+](=O)[O-]")
    lines = [
        f"{'CO'[draw.integers(2)]}{'C' * draw.integers(1, 9)}{ends[draw.integers(len(ends))]}\n"
        for _ in range(400)
    ]
    # Long ones too: what is held out is searched for copies of 32 atoms.
    lines += [f"{'C' * size}N{'C' * (size - 20)}O\n" for size in range(25, 40)]
    (tmp_path / "corpus.smi").write_text("".join(dict.fromkeys(lines)))
    return tmp_path / "corpus.smi"


SMALL = ("--set", "blocks=2", "--set", "width=16", "--steps", "6", "--batch-tokens", "256")


def test_graphs_are_learnt_embedded_and_probed(
    sslkit: Callable[..., Any], corpus: Path, tmp_path: Path
) -> None:
    sslkit("build-vocab", "corpus.smi", "--domain", "molecule")
    graph = ("--set", "form=graph", "--model", "mpnn")
    done = sslkit("pretrain", *graph, "--objective", "mlm+contrastive+properties", *SMALL, "--json")
    assert {"heldout_loss_mlm", "heldout_loss_contrastive", "heldout_loss_properties"} <= set(
        json.loads(done.out)
    )
    sslkit("embed", "corpus.smi")
    lines = corpus.read_text().split()
    rows = [f"{text},{int('O' in text)}" for text in lines]
    (tmp_path / "oxygens.csv").write_text("\n".join(["smiles,label", *rows]) + "\n")
    labels = ("--task", "classification", "--labels", "oxygens.csv")
    told = sslkit("probe", *labels, "--json")
    names = {model["name"] for model in json.loads(told.out)["models"]}
    assert "pretrained logistic" in names
    sslkit("finetune", *labels, "--steps", "3")


def test_what_does_not_fit_graphs_is_refused(sslkit: Callable[..., Any], corpus: Path) -> None:
    sslkit("build-vocab", "corpus.smi", "--domain", "molecule")
    said = sslkit("pretrain", "--model", "mpnn", *SMALL, check=2).err
    assert "these have none" in said
    assert "--set form=graph" in said
    graph = ("--set", "form=graph", "--model", "mpnn")
    sslkit("pretrain", *graph, "--objective", "clm", *SMALL, check=2)
    sslkit("pretrain", *graph, *SMALL)
    sslkit("score", "corpus.smi")
    assert pq.read_table(corpus.with_name("scores.parquet"))["log_likelihood"].null_count == 0
