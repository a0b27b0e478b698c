"""Molecules: what is read, how it is written, what is refused, and what a model gets of it."""

import csv
import gzip
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem

from sslkit import rng
from sslkit.contracts.domain import Families
from sslkit.domains import molecule
from sslkit.domains.chemistry import rdkit
from sslkit.domains.chemistry import smiles as _smiles
from sslkit.errors import DataError, UsageError
from sslkit.types import Record
from sslkit.vocab.vocabulary import Vocabulary

#: Chirality, a double bond with sides, aromatic rings, a salt, isotopes, charges, many rings.
SMILES = (
    *("OCC", "C[C@H](N)C(=O)O", "F/C=C/Cl", "c1ccccc1-c1ccncc1", "[Na+].[Cl-]", "[2H]OC"),
    *("CC(=O)Oc1ccccc1C(=O)O", "C1CC2CCC1CC2", "O=C([O-])c1cc2ccccc2[nH]1", "[13CH3:7][OH:2]"),
    "C[C@]12CC[C@H]3[C@@H](CC[C@@]45[C@@H](O)C4C(C#N)=C[C@]35C)[C@@H]1CC[C@@H]2O",
)
molecules = st.sampled_from(SMILES)


def domain(tokens: Sequence[str] | None = None, **values: Any) -> molecule.Domain:
    held = None if tokens is None else Vocabulary(tokens, np.ones(len(tokens), np.int64))
    return molecule.Domain(molecule.Settings(**values), held)


def read(path: Path, **values: Any) -> list[Record]:
    return list(domain(**values).read(path, "skip"))


@given(st.lists(st.sampled_from(["C", "Cl", "[nH+]", "%12", "%(123)", "=", "(", "1", "Br", "B"])))
def test_units_are_letters_of_tokens_cut_as_they_are_counted(found: list[str]) -> None:
    smiles = "".join(found)
    counted = _smiles.rule(np.frombuffer(smiles.encode(), np.uint8), True, "")
    places = zip(counted.starts, counted.ends, strict=True)
    assert _smiles.tokens(smiles) == [smiles[start:end] for start, end in places]
    units = _smiles.pack(_smiles.tokens(smiles))
    assert units.dtype == np.uint64
    assert _smiles.unpack(units) == smiles
    slow = [int.from_bytes(token.encode(), "little") for token in _smiles.tokens(smiles)]
    assert units.tolist() == slow


def test_a_long_token_is_a_hash() -> None:
    units = _smiles.pack(["C", "[13C@@H]", "[Co@OH12+3]", "[Co@OH13+3]"])
    assert (units >> np.uint64(63)).tolist() == [0, 0, 1, 1]
    assert len(set(units.tolist())) == 4
    assert _smiles.unpack(units[:2]) == "C[13C@@H]"
    assert _smiles.unpack(units) is None


@given(molecules, st.integers(0, 1000))
def test_one_molecule_has_one_row_of_units_however_it_is_written(text: str, seed: int) -> None:
    plain = domain()
    other = Chem.MolToRandomSmilesVect(Chem.MolFromSmiles(text), 1, seed)[0]
    first, second = (plain.record("a", one, "f", 1) for one in (text, other))
    assert _smiles.unpack(plain.encode(first)) == first.payload.smiles
    assert plain.encode(first).tolist() == plain.encode(second).tolist()
    assert plain.signature(first) == plain.signature(second)
    bare = Chem.MolFromSmiles(text)
    for atom in bare.GetAtoms():
        atom.SetAtomMapNum(0)
    assert first.payload.smiles == Chem.CanonSmiles(Chem.MolToSmiles(bare))


def test_what_differs_in_stereo_or_isotopes_only_has_one_signature() -> None:
    plain = domain()

    def alike(*smiles: str) -> bool:
        return len({plain.signature(plain.record("a", s, "f", 1)) for s in smiles}) == 1

    assert alike("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O", "CC(N)C(=O)O", "[13CH3]C(N)C(=O)O")
    assert alike("F/C=C/F", "F/C=C\\F")
    assert not alike("CCO", "COC")
    assert not alike("CCN", "CC[NH3+]")


def test_a_family_has_one_scaffold() -> None:
    plain = domain()

    def family(smiles: str) -> bytes:
        return plain.family(plain.record("a", smiles, "f", 1))

    assert family("Cc1ccccc1") == family("O=C(O)c1ccccc1Cl") == b"c1ccccc1"
    assert family("C1CCC[C@H]1N") == family("[13CH3]C1CCCC1") == b"C1CCCC1"
    assert family("c1ccccc1CCc1ccncc1") != family("c1ccccc1Cc1ccncc1")
    # Those without a ring are alone, but for other ways to write them.
    assert family("CCO") == family("OCC") != family("CCN")
    assert isinstance(plain, Families)
    assert family("CCO.Cc1ccccc1") == b"c1ccccc1"


def test_as_it_stands() -> None:
    plain = domain(canonical=False)
    assert _smiles.unpack(plain.encode(plain.record("a", "OCC", "f", 1))) == "OCC"
    assert plain.encoding == "smiles, as given"
    assert "RDKit 20" in domain().encoding
    assert plain.record("a", "C1CC", "f", 1).error


REFUSED = [
    ("C1CC", "'C1CC': unclosed ring"),
    ("CC(C", "extra open parentheses, around letter 3"),
    ("CC>>C", "syntax error, around letter 3"),
    ("CN(C)(C)C", "valence for atom # 1 N, 4, is greater than permitted (atoms count from 0)"),
    ("c1cccc1", "Can't kekulize mol. Unkekulized atoms: 0 1 2 3 4"),
    ("", "the molecule is empty"),
    ("C C", "' ' at letter 2"),
    ("C\0C", "at letter 2 is not of a SMILES"),
    ("Cé", "'é' at letter 2"),
    ("C" * 20_000, "20000 letters"),
]


@pytest.mark.parametrize(("text", "why"), REFUSED)
def test_what_is_no_molecule_says_why(
    text: str, why: str, capfd: pytest.CaptureFixture[str]
) -> None:
    record = domain().record("a", text, "f.csv", 7)
    assert why in record.error
    assert record.payload == b""
    with pytest.raises(DataError) as told:
        domain().check(Record("a", text.encode(), "f.csv", 7), "stop")
    assert told.value.where == "f.csv, record 7 (a)"
    assert "[" not in record.error
    # RDKit itself is silent.
    assert capfd.readouterr().err == ""


def sdf(*smiles: str) -> str:
    def block(number: int, text: str) -> str:
        graph = Chem.MolFromSmiles(text)
        graph.SetProp("_Name", f"m{number}")
        return f"{Chem.MolToMolBlock(graph)}> <label>\n{number}\n\n$$$$\n"

    return "".join(block(number, text) for number, text in enumerate(smiles, 1))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_all_kinds_of_files_hold_the_same_molecules(tmp_path: Path, pack: Any) -> None:
    flat = [text for text in SMILES if "@" not in text and "/" not in text]
    table = "name,Canonical_SMILES\n" + "".join(f"m{n},{s}\n" for n, s in enumerate(flat, 1))
    files = {
        "a.smi": "smiles name\n" + "".join(f"{s} m{n}\n" for n, s in enumerate(flat, 1)),
        "a.sdf": sdf(*flat),
        "a.csv": table,
        "a.tsv": table.replace(",", "\t"),
        "stdin": table,
    }
    found = []
    for name, text in files.items():
        (tmp_path / name).write_bytes(pack(text.encode()))
        found.append([(r.id, r.error, r.payload.smiles) for r in read(tmp_path / name)])
    assert all(one == found[0] for one in found)
    assert found[0][0] == ("m1", "", "CCO")
    assert read(tmp_path / "a.sdf")[1].metadata == {"label": "2"}
    one = tmp_path / "one.mol"
    one.write_text(Chem.MolToMolBlock(Chem.MolFromSmiles("CCO")))
    assert [(r.id, r.payload.smiles) for r in read(one)] == [("1", "CCO")]


def test_bad_records_of_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.smi"
    path.write_text("C ok\n\nC1CC broken\nN\n")
    assert [bool(r.error) for r in read(path)] == [False, True, False]
    with pytest.raises(DataError) as told:
        list(domain().read(path, "stop"))
    assert told.value.where == f"{path}, record 2 (broken)"
    assert told.value.why.endswith("unclosed ring (line 3)")
    path = tmp_path / "a.sdf"
    good = sdf("CCO")
    ragged = good.replace("  3  2  0", "  9  2  0")
    five = good.replace(" O  ", " C  ").replace("  1  2  1  0", "  1  2  5  0")
    path.write_text(good + ragged + five + good[:80])
    errors = [r.error for r in read(path)]
    assert errors[0] == ""
    assert "cannot read the mol block" in errors[1]
    assert "no line 'M  END'" in errors[3]
    with pytest.raises(DataError, match="cannot be used") as told:
        list(domain().read(path, "stop"))
    assert told.value.where == f"{path}, record 2 (m1)"


def test_a_file_without_molecules(tmp_path: Path) -> None:
    (tmp_path / "a.smi").write_text("")
    (tmp_path / "a.sdf").write_text("\n\n")
    (tmp_path / "a.csv").write_text("name,formula\na,C2H6O\n")
    for name in ("a.smi", "a.sdf"):
        with pytest.raises(DataError, match="empty"):
            read(tmp_path / name)
    with pytest.raises(DataError, match="lacks a sequence column") as told:
        read(tmp_path / "a.csv")
    assert "name, formula" in told.value.why


def count(path: Path, on_error: Any = "stop", **values: Any) -> tuple[Counter[str], Any]:
    reader = molecule.counting(molecule.Settings(**values), on_error).reader(str(path), ())
    found: Counter[str] = Counter()
    data = path.read_bytes()
    blocks = [data[at : at + 50] for at in range(0, len(data), 50)]
    for slices in [*(reader.feed(one) for one in blocks), reader.finish()]:
        held = slices.buffer.tobytes()
        places = zip(slices.starts.tolist(), slices.lengths.tolist(), strict=True)
        found.update(held[start : start + size].decode() for start, size in places)
    return found, reader.tally


def test_what_is_counted_is_what_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.smi").write_text("\n".join(SMILES) + "\n")
    (tmp_path / "a.sdf").write_text(sdf(*SMILES))
    for name in ("a.smi", "a.sdf"):
        path, plain = tmp_path / name, domain()
        slow: Counter[str] = Counter()
        for record in read(path):
            slow.update(_smiles.tokens(_smiles.unpack(plain.encode(record)) or ""))
        assert count(path)[0] == slow
    raw, _ = count(tmp_path / "a.smi", canonical=False)
    assert raw == Counter(token for text in SMILES for token in _smiles.tokens(text))
    with (tmp_path / "a.smi").open("a") as stream:
        stream.write("C1CC broken\n")
    with pytest.raises(DataError) as told:
        count(tmp_path / "a.smi")
    assert f"record {len(SMILES) + 1} (broken)" in told.value.where
    assert count(tmp_path / "a.smi", "skip")[1] == {"bad_records": 1}


def test_tokens_of_a_vocabulary_and_others() -> None:
    held = domain(["C", "Cl", "(", "[Co@OH12+3]"])
    units = [_smiles.pack(found) for found in (["C", "Cl", "N"], ["(", "[Co@OH12+3]"])]
    padded = np.zeros((2, 3), np.uint64)
    for row, one in zip(padded, units, strict=True):
        row[: len(one)] = one
    made = held.batch(padded, np.array([3, 2]), None)
    assert made["tokens"].tolist() == [[0, 1, held.tokens.unknown], [2, 3, held.tokens.pad]]
    assert made["length"].tolist() == [3, 2]
    assert (held.units(7), held.length(7), held.phases) == (7, 7, 1)
    with pytest.raises(UsageError, match="vocabulary"):
        _ = domain().spec


def batched(held: molecule.Domain, texts: Sequence[str], wide: int = 0) -> Any:
    units = [held.encode(held.record("a", text, "f", 1)) for text in texts]
    lengths = np.array([len(one) for one in units])
    padded = np.zeros((len(units), max(wide, int(lengths.max()))), np.uint64)
    for row, one in zip(padded, units, strict=True):
        row[: len(one)] = one
    return padded, lengths


def spelled(held: molecule.Domain, ids: Any, size: int, tokens: Sequence[str]) -> str:
    assert (ids[size:] == held.tokens.pad).all()
    return "".join(tokens[number] for number in ids[:size])


#: Tokens of all the ways to write the molecules.
TOKENS = sorted(
    {
        token
        for text in SMILES
        for other in Chem.MolToRandomSmilesVect(Chem.MolFromSmiles(text.replace(":7]", "]").replace(
            ":2]", "]")), 200, 1)
        for token in _smiles.tokens(other)
    }
)  # fmt: skip


@given(st.lists(molecules, min_size=1, max_size=4), st.integers(0, 10_000), st.integers(0, 30))
def test_a_view_is_the_same_molecule(texts: list[str], step: int, wide: int) -> None:
    held = domain(TOKENS, randomise=True)
    units, lengths = batched(held, texts, wide)
    rows = np.arange(len(texts)) + 5
    made = held.batch(units, lengths, rng.Counter(1, step, rows), {"view"})
    plain = held.batch(units, lengths, None)
    for number, text in enumerate(texts):
        same = held.record("a", text, "f", 1).payload.smiles
        assert spelled(held, plain["tokens"][number], plain["length"][number], TOKENS) == same
        for prefix in ("", "view."):
            ids, size = made[f"{prefix}tokens"][number], made[f"{prefix}length"][number]
            if held.tokens.unknown not in ids:
                assert Chem.CanonSmiles(spelled(held, ids, size, TOKENS)) == same
        # A row does not hang on those beside it.
        alone = held.batch(
            units[number : number + 1, : lengths[number]], lengths[number : number + 1],
            rng.Counter(1, step, rows[number : number + 1]), {"view"},
        )  # fmt: skip
        for name, length in (("tokens", "length"), ("view.tokens", "view.length")):
            size = alone[length][0]
            assert size == made[length][number]
            assert alone[name][0, :size].tolist() == made[name][number, :size].tolist()


def test_views_differ_and_tokens_only_where_that_is_asked_for() -> None:
    text = SMILES[-1]
    for randomise in (False, True):
        held = domain(TOKENS, randomise=randomise)
        units, lengths = batched(held, [text] * 20)
        draws = rng.Counter(1, 0, np.arange(20))
        made = held.batch(units, lengths, draws, {"view"})
        assert len({tuple(row) for row in made["view.tokens"].tolist()}) > 15
        assert len({tuple(row) for row in made["tokens"].tolist()}) > (15 if randomise else 0)
        if not randomise:
            assert (made["tokens"] == held.batch(units, lengths, None)["tokens"]).all()
            assert "view.tokens" not in held.batch(units, lengths, draws)


def test_a_piece_of_a_molecule_is_its_own_view() -> None:
    held = domain(TOKENS, randomise=True)
    units, _ = batched(held, ["CC(=O)Oc1ccccc1C(=O)O"])
    cut = np.array([10])
    made = held.batch(units[:, :10], cut, rng.Counter(1, 0, np.arange(1)), {"view"})
    plain = held.batch(units[:, :10], cut, None)
    for name in ("tokens", "view.tokens"):
        assert (made[name] == plain["tokens"]).all()


def test_baselines_know_shares_and_places() -> None:
    held = domain(["C", "O"])
    units = [_smiles.pack(list("CCO")), _smiles.pack(list("NCO"))]
    shares = held.features(units)["composition"]
    assert shares[:, :2].tolist() == pytest.approx(np.array([[2 / 3, 1 / 3], [1 / 3, 1 / 3]]))
    assert not shares[:, 2:].any()
    places = held.features(units)["places"].reshape(2, 3, -1)
    assert places.argmax(2).tolist() == [[0, 0, 1], [0, 0, 1]]
    assert places[1, 0].sum() == 0
    # Without a vocabulary columns are hashes, the same for the same tokens.
    plain = domain().features(units)["composition"]
    assert np.sort(plain[0])[-2:].tolist() == pytest.approx([1 / 3, 2 / 3])
    assert plain[1].sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "column", "bad"), [("BBBP", "smiles", 11), ("tox21", "smiles", 8)]
)
def test_rows_that_rdkit_refuses(shared_data: Path, name: str, column: str, bad: int) -> None:
    path = shared_data / "molecules" / "moleculenet" / f"{name}.csv"
    if not path.is_file():
        pytest.skip(f"no {path.name} in the public data")
    with path.open(newline="") as stream:
        texts = [row[column] for row in csv.DictReader(stream)]
    rdkit.chem()
    slow = [number for number, text in enumerate(texts, 1) if Chem.MolFromSmiles(text) is None]
    records = read(path)
    assert [record.number for record in records if record.error] == slow
    assert len(slow) == bad
    assert all("valence for atom" in record.error for record in records if record.error)


ATOMS = """{title}
  x
{comment}
  2  1  0  0  0  0            999 {kind}
    0.0000    0.0000    0.0000 C   0  0
    1.5000    0.0000    0.0000 O   0  0
  1  2{bond}
{blank}M  END
{behind}$$$$
"""
PLAIN = {"title": "a", "comment": "", "kind": "V2000", "bond": "  1  0", "blank": "", "behind": ""}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"blank": "\n"}, "unexpected blank line found at line 8"),
        ({"kind": "V3000"}, "V3000 mol blocks should have 0s in the initial counts line"),
        ({"title": "\n\na"}, "Counts line too short"),
        ({"bond": "\u00ef\u00bb\u00bf1"}, "on line 7"),
        ({"comment": "\0"}, "a byte 0"),
    ],
)
@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_a_bad_mol_block_alone_is_bad_and_says_why(
    tmp_path: Path, changes: dict[str, str], why: str, encoding: str
) -> None:
    path = tmp_path / "a.sdf"
    held = [PLAIN | changes, PLAIN | {"title": "b"}]
    path.write_bytes("".join(ATOMS.format(**one) for one in held).encode(encoding))
    bad, good = molecule.Domain(molecule.Settings()).read(path, "skip")
    assert (bad.number, why in bad.error) == (1, True)
    assert (good.id, good.error, good.payload.smiles) == ("b", "", "CO")
    counted = molecule.counting(molecule.Settings(), "skip").reader(str(path), ())
    assert len(counted.feed(path.read_bytes()).starts) + len(counted.finish().starts) == 2
    assert counted.tally == {"bad_records": 1}
    with pytest.raises(DataError) as caught:
        list(molecule.Domain(molecule.Settings()).read(path, "stop"))
    assert why in caught.value.why


def test_titles_and_fields_that_are_no_utf8_stay_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.sdf"
    held = [
        PLAIN | {"title": f"caf{sign}", "behind": f"> <unit>\n{sign}\n\n"}
        for sign in "\u00e9\u00b5"
    ]
    path.write_bytes("".join(ATOMS.format(**one) for one in held).encode("latin-1"))
    found = list(molecule.Domain(molecule.Settings()).read(path, "stop"))
    assert [record.id for record in found] == ["caf\u00e9", "caf\u00b5"]
    assert [record.metadata["unit"] for record in found] == ["\u00e9", "\u00b5"]
