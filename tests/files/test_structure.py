"""Structures, written column by column and read back; public ones beside each other."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from sslkit.errors import DataError
from sslkit.files import structure

THREE = {
    "A": "ALA", "C": "CYS", "D": "ASP", "E": "GLU", "F": "PHE", "G": "GLY", "H": "HIS",
    "I": "ILE", "K": "LYS", "L": "LEU", "M": "MET", "N": "ASN", "P": "PRO", "Q": "GLN",
    "R": "ARG", "S": "SER", "T": "THR", "V": "VAL", "W": "TRP", "Y": "TYR",
}  # fmt: skip
LETTERS = "MKTAYIAKQRGISFVKSHFSRQLEERLG"


def atom(name: str, residue: str, number: str, place: tuple[float, ...], **other: str) -> str:
    """A line of a PDB file; ``number`` holds the insertion code in its last column."""
    kind, chain, alternative = (other.get(k, v) for k, v in (("kind", "ATOM"), ("chain", "A"),
                                                             ("alternative", " ")))  # fmt: skip
    x, y, z = place
    return (
        f"{kind:<6}{1:>5} {name:^4}{alternative}{residue:>3} {chain}{number:>5}   "
        f"{x:8.3f}{y:8.3f}{z:8.3f}{float(other.get('occupancy', '1')):6.2f}{20.0:6.2f}"
        f"          {name[0]:>2}\n"
    )


def chain_of(letters: str, *, chain: str = "A", first: int = 1) -> str:
    lines = ""
    for at, letter in enumerate(letters):
        lines += atom("CA", THREE[letter], f"{first + at} ", (at, 0, 0), chain=chain)
        if letter != "G":
            lines += atom("CB", THREE[letter], f"{first + at} ", (at, 1, 0), chain=chain)
    return lines


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.pdb"


def test_letters_numbers_and_places(path: Path) -> None:
    path.write_text(chain_of(LETTERS, first=7))
    found = structure.read(path)
    assert found.letters == LETTERS
    assert found.numbers == tuple((7 + at, "") for at in range(len(LETTERS)))
    expected = [(at, 0.0 if letter == "G" else 1.0, 0.0) for at, letter in enumerate(LETTERS)]
    np.testing.assert_array_equal(found.places, expected)
    assert found.where == f"{path}, chain A"


def test_insertion_codes_modified_and_unknown_residues_and_what_is_none(path: Path) -> None:
    path.write_text(
        atom("CA", "MSE", "10 ", (0, 0, 0), kind="HETATM")
        + atom("CB", "MSE", "10 ", (1, 0, 0), kind="HETATM")
        + atom("CA", "ALA", "10A", (2, 0, 0))  # no C-beta
        + atom("CA", "UNK", "11 ", (3, 0, 0))
        + atom("N", "ALA", "12 ", (4, 0, 0))  # no C-alpha
        + atom("CA", "CA", "90 ", (5, 0, 0), kind="HETATM")  # calcium
        + atom("O", "HOH", "91 ", (6, 0, 0), kind="HETATM")
    )
    found = structure.read(path)
    assert found.letters == "MAX"
    assert found.numbers == ((10, ""), (10, "A"), (11, ""))
    np.testing.assert_array_equal(found.places[0], (1, 0, 0))
    assert np.isnan(found.places[1:]).all()


def test_the_most_occupied_place_of_the_first_model(path: Path) -> None:
    def ala(x: float, share: str, which: str) -> str:
        return atom("CB", "ALA", "1 ", (x, 0, 0), occupancy=share, alternative=which)

    ca = atom("CA", "ALA", "1 ", (0, 0, 0))
    one = ca + ala(1, "0.3", "A") + ala(2, "0.7", "B")
    path.write_text(f"MODEL        1\n{one}ENDMDL\nMODEL        2\n{ca}ENDMDL\nEND\n")
    found = structure.read(path)
    assert (found.letters, found.places[0, 0]) == ("A", 2)


def test_compressed_and_mmcif_and_pdb_say_the_same(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "proteins" / "structures_biopython"
    packed = tmp_path / "a.cif.gz"
    packed.write_bytes(gzip.compress((folder / "1A8O.cif").read_bytes()))
    found = [structure.read(p) for p in (folder / "1A8O.pdb", folder / "1A8O.cif", packed)]
    for other in found[1:]:
        assert (other.letters, other.numbers) == (found[0].letters, found[0].numbers)
        np.testing.assert_array_equal(other.places, found[0].places)
    # Its first residue is a selenomethionine.
    assert (found[0].letters[:5], found[0].numbers[0]) == ("MDIRQ", (151, ""))


def test_a_chain_is_named_by_its_author(shared_data: Path) -> None:
    path = shared_data / "proteins" / "structures_biopython" / "4ZHL.cif"
    with pytest.raises(DataError, match="several chains") as several:
        structure.read(path)
    assert "U, P" in several.value.why
    assert structure.read(path, "U").where.endswith("chain U")


def test_chains_that_are_not_there(path: Path) -> None:
    water = atom("O", "HOH", "1 ", (0, 0, 0), kind="HETATM", chain="W")
    path.write_text(chain_of("MKT") + chain_of("AAA", chain="B") + water)
    with pytest.raises(DataError, match="chain 'C' is not there") as error:
        structure.read(path, "C")
    assert error.value.why == "there are A, B"
    with pytest.raises(DataError, match="chain 'W' has no residue"):
        structure.read(path, "W")
    path.write_text(water)
    with pytest.raises(DataError, match="no residue of a protein"):
        structure.read(path)


@pytest.mark.parametrize("kept", [20, 40, 53, 60])
def test_a_file_that_ends_in_the_middle_of_an_atom(path: Path, kept: int) -> None:
    whole = chain_of("MKT")
    path.write_text(whole[: whole.rindex("ATOM") + kept])
    with pytest.raises(DataError, match="cannot be parsed") as error:
        structure.read(path)
    assert str(path) in error.value.where


def test_an_mmcif_file_that_is_cut_off(shared_data: Path, tmp_path: Path) -> None:
    text = (shared_data / "proteins" / "structures_biopython" / "1A8O.cif").read_text()
    begin = text.index("ATOM   100")
    path = tmp_path / "a.cif"
    for kept in (begin - 40, begin + 30, 100):
        path.write_text(text[:kept])
        with pytest.raises(DataError, match="cannot be parsed"):
            structure.read(path)
    path.write_text(text[: begin + 30] + "\n")
    with pytest.raises(DataError, match="cannot be parsed"):
        structure.read(path)


@pytest.mark.parametrize("text", ["", "not a structure\n", ">a\nMKT\n"])
def test_what_is_no_structure(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(DataError, match=r"holds no structure|cannot be parsed"):
        structure.read(path)


def test_places_follow_a_sequence_over_gaps(path: Path) -> None:
    """The chain lacks a loop and has a tag; the sequence is a part, with one residue changed."""
    path.write_text(chain_of("HHHH" + LETTERS[:12] + LETTERS[15:]))
    chain = structure.read(path)
    sequence = LETTERS[2:9] + "W" + LETTERS[10:]
    places = structure.onto(chain, sequence, "x.fa, row 1")
    expected = [
        np.nan if 12 <= at < 15 else 4.0 + at - 3 * (at >= 15) for at in range(2, len(LETTERS))
    ]
    np.testing.assert_array_equal(places[:, 0], expected)


def test_a_chain_of_another_protein_is_refused(path: Path) -> None:
    path.write_text(chain_of(LETTERS))
    chain = structure.read(path)
    other = "GGPWCDNWCDPWGGNWPDCWNPGD"
    with pytest.raises(DataError, match="not of the protein") as error:
        structure.onto(chain, other, "x.fa, row 3 (b)")
    assert "x.fa, row 3 (b)" in error.value.where
    assert "chain A" in error.value.where
    assert "50% are wanted" in error.value.why
    sequences = ["", other, LETTERS[3:20].replace("Y", "U"), LETTERS[3:9]]
    assert structure.nearest(chain, sequences) == 2


def test_domains_of_public_families_fit_their_structures(shared_data: Path) -> None:
    folder = shared_data / "proteins" / "pfam_contacts"
    lines = (folder / "alignments" / "PF00249.align.80").read_text().split()
    rows = [line.replace("-", "") for line in lines if not line.startswith(">")]
    chain = structure.read(folder / "structures" / "1GUU_A.pdb", "A")
    at = structure.nearest(chain, rows)
    places = structure.onto(chain, rows[at], f"row {at + 1}")
    steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
    # C-betas of neighbours in a chain are 4 to 7 Angstrom apart.
    assert ((steps > 3.5) & (steps < 7.5))[~np.isnan(steps)].all()
    assert np.isnan(places).any(1).sum() <= 1


def test_remarks_that_are_no_utf8(path: Path) -> None:
    path.write_bytes(b"AUTHOR    M\xdcLLER\r\n" + chain_of(LETTERS).replace("\n", "\r\n").encode())
    assert structure.read(path).letters == LETTERS


def cif_of(letters: str, chain: str) -> str:
    return "".join(
        f"ATOM {n} C CA . {THREE[letter]} {chain} 1 {n} ? {n}.0 0.0 0.0 1.0 9.0 {n} {chain} 1\n"
        for n, letter in enumerate(letters, 1)
    )


COLUMNS = [
    "group_PDB",
    "id",
    "type_symbol",
    "label_atom_id",
    "label_alt_id",
    "label_comp_id",
    "label_asym_id",
    "label_entity_id",
    "label_seq_id",
    "pdbx_PDB_ins_code",
    "Cartn_x",
    "Cartn_y",
    "Cartn_z",
    "occupancy",
    "B_iso_or_equiv",
    "auth_seq_id",
    "auth_asym_id",
    "pdbx_PDB_model_num",
]


@pytest.mark.parametrize("ending", [".pdb", ".cif"])
def test_a_chain_that_is_damaged_is_bad_alone(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    if ending == ".pdb":
        bad = chain_of("MKV", chain="B")
        spoilt = [bad.replace("   0.000   0.000", "   zero    0.000"), bad[:45] + "\n" + bad[81:]]
        texts = [chain_of(LETTERS) + one + chain_of("AAA", chain="C") for one in spoilt]
    else:
        head = "data_x\nloop_\n" + "".join(f"_atom_site.{name}\n" for name in COLUMNS)
        bad = cif_of("MKV", "B").replace("2.0 0.0", "two 0.0")
        texts = [head + cif_of(LETTERS, "A") + bad + cif_of("AAA", "C")]
    for text in texts:
        path.write_text(text)
        assert structure.read(path, "A").letters == LETTERS
        assert structure.read(path, "C").letters == "AAA"
        with pytest.raises(DataError, match="cannot be parsed") as error:
            structure.read(path, "B")
        assert error.value.where == f"{path}, chain B"
        with pytest.raises(DataError, match="several chains"):
            structure.read(path)
        with pytest.raises(DataError, match="chain 'D' is not there"):
            structure.read(path, "D")
