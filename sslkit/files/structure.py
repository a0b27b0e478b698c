"""Protein structures, PDB and mmCIF: the residues of a chain and where their side chains begin."""

import codecs
import importlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sslkit.errors import DataError
from sslkit.files import source

ENDINGS = (".pdb", ".ent", ".cif", ".mmcif")

Floats = npt.NDArray[np.float64]

#: Share of a sequence's residues that a chain has to have in the same places. Homologues of 80%
#: identity pass; two proteins of different families, aligned as well as they can be, reach 0.25.
LEAST_IDENTITY = 0.5

#: Where the z coordinate of an atom ends, and its temperature factor, in columns of a PDB file.
_COORDINATES, _WHOLE = 54, 66
_ATOMS = ("ATOM", "HETATM")
#: Lines of a PDB file that name their chain, and the column of mmCIF that does.
_OF_CHAINS = {"ATOM  ", "HETATM", "ANISOU", "TER   "}
_CHAIN = "_atom_site.auth_asym_id"


@dataclass(frozen=True)
class Chain:
    """A chain as its file has it; residues without coordinates are not in it.

    Attributes:
        where: file and chain, as errors name them.
        letters: one for each residue; a modified one is what it was made from (MSE is M), and
            one that nobody knows is X.
        numbers: the author's number of each, and its insertion code, "" for none.
        places: of C-beta, of glycine C-alpha, in Angstrom, [residues, 3]; NaN where missing.
    """

    where: str
    letters: str
    numbers: tuple[tuple[int, str], ...]
    places: Floats


def read(path: Path, chain: str | None = None) -> Chain:
    """A chain of the first model of a file; of several places of an atom the most occupied.

    Args:
        chain: its name as the author gave it; None for the only one with residues.

    Raises:
        DataError: a file that is cut off or no structure; a chain that is damaged, is not there,
            or has no residues; several of them, and none was named.
    """
    with source.open_bytes(path) as stream:
        data = source.whole(stream, path).removeprefix(codecs.BOM_UTF8)
    text = source.decoded(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))
    is_cif = _is_cif(text)
    _check_end(path, text, is_cif)
    found, damaged = _chains(path, text, is_cif)
    if damaged and (chain in damaged or not any(found.values())):
        raise damaged.get(chain or "", next(iter(damaged.values())))
    if not any(found.values()):
        raise DataError("a structure has no residue of a protein", where=str(path))
    full = [*(name for name, residues in found.items() if residues), *damaged]
    if chain is None and len(full) > 1:
        raise DataError(
            "a structure has several chains", where=str(path),
            why=f"there are {_named(full)}", do="name the one that is meant",
        )  # fmt: skip
    name = full[0] if chain is None else chain
    if not found.get(name):
        problem = "has no residue of a protein" if name in found else "is not there"
        raise DataError(
            f"chain {name!r} {problem}", where=str(path), why=f"there are {_named(full)}",
            do="name one of these; mmCIF files are read by the author's names",
        )  # fmt: skip
    letters, residues = zip(*found[name], strict=True)
    return Chain(
        where=f"{path}, chain {name or 'without a name'}",
        letters="".join(letters),
        numbers=tuple((residue.id[1], residue.id[2].strip()) for residue in residues),
        places=np.array([_place(residue) for residue in residues]),
    )


def onto(chain: Chain, sequence: str, where: str) -> Floats:
    """The places of a sequence's residues, [residues, 3], by a pairwise alignment with a chain.

    Args:
        sequence: one-letter residues without gaps; ``where`` it is from, as errors name it.

    Raises:
        DataError: fewer than ``LEAST_IDENTITY`` of the residues stand in the chain.
    """
    places = np.full((len(sequence), 3), np.nan)
    same = 0
    blocks = _aligner().align(*map(_plain, (chain.letters, sequence)))[0].aligned
    for (begin, end), (start, stop) in zip(*blocks, strict=True):
        places[start:stop] = chain.places[begin:end]
        pairs = zip(chain.letters[begin:end], sequence[start:stop], strict=True)
        same += sum(first == second for first, second in pairs)
    if same < LEAST_IDENTITY * len(sequence):
        raise DataError(
            "a chain is not of the protein that its sequence says",
            where=f"{chain.where}; {where}",
            why=f"{same} of {len(sequence)} residues are the same ({same / len(sequence):.0%}), "
            f"and {LEAST_IDENTITY:.0%} are wanted",
            do="name another chain or structure, or an alignment that holds its sequence",
        )
    return places


def nearest(chain: Chain, sequences: list[str]) -> int:
    """Which of several sequences a chain fits best by the score of the alignment; first of equals.

    Args:
        sequences: not empty; as ``onto`` takes them.
    """
    aligner, letters = _aligner(), _plain(chain.letters)
    scores = [aligner.score(letters, _plain(s)) if s else -np.inf for s in sequences]
    return int(np.argmax(scores))


def _is_cif(text: str) -> bool:
    lines = (line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return next(lines, "").lower().startswith("data_")


def _check_end(path: Path, text: str, is_cif: bool) -> None:
    """Refuse what ends in the middle of an atom; where it ends between two, nothing tells."""
    last = text[text.rstrip("\n").rfind("\n") + 1 :]
    if not last.startswith(_ATOMS) or text.endswith("\n"):
        return
    if is_cif or len(last) < _WHOLE:
        raise _damaged(path, f"it ends in the middle of a line: {last[:30].strip()!r}")


def _chains(
    path: Path, text: str, is_cif: bool
) -> tuple[dict[str, list[tuple[str, Any]]], dict[str, DataError]]:
    """The residues of each chain by its name, and what is wrong with those that are damaged."""
    try:
        model = _model(path, text, is_cif)
        return {entry.id.strip(): _residues(entry) for entry in model}, {}
    except DataError:
        names = _chain_names(text, is_cif)
        if len(names) < 2:
            raise
        # What is wrong with one of them says nothing of the others.
        found: dict[str, list[tuple[str, Any]]] = {}
        damaged: dict[str, DataError] = {}
    for name in names:
        try:
            for entry in _model(path, text, is_cif, name):
                found[name] = _residues(entry)
        except DataError as error:
            damaged[name] = DataError(
                error.what, where=f"{path}, chain {name}", why=error.why, do=error.do
            )
    return found, damaged


def _chain_names(text: str, is_cif: bool) -> list[str]:
    if is_cif:
        names = _cif_columns(text).get(_CHAIN, [])
    else:
        names = [line[21:22].strip() for line in text.splitlines() if line.startswith(_ATOMS)]
    return list(dict.fromkeys(names))


def _cif_columns(text: str) -> dict[str, list[str]]:
    """The columns of the table of atoms; none where it cannot be read."""
    reader = importlib.import_module("Bio.PDB.MMCIF2Dict").MMCIF2Dict
    try:
        columns = dict(reader(io.StringIO(text)))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return {}
    return {name: cells for name, cells in columns.items() if name.startswith("_atom_site.")}


def _model(path: Path, text: str, is_cif: bool, chain: str | None = None) -> Any:
    """The first model, or what of it belongs to one chain.

    Raises:
        DataError: it cannot be parsed, or there is none.
    """
    # Loaded with the first such file: every command would take as long to start as it does.
    construction = importlib.import_module("Bio.PDB.PDBExceptions").PDBConstructionException
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            models = _cif_models(path, text, chain) if is_cif else _pdb_models(path, text, chain)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, construction) as error:
        # What the parsers make of damage is of all these kinds.
        why = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise _damaged(path, why) from error
    if not models:
        raise DataError(
            "a file holds no structure", where=str(path), why="it has no ATOM of PDB or mmCIF"
        )
    return models[0]


def _pdb_models(path: Path, text: str, chain: str | None) -> list[Any]:
    lines = list(enumerate(text.splitlines(), 1))
    if chain is not None:
        lines = [(n, s) for n, s in lines if s[:6] not in _OF_CHAINS or s[21:22].strip() == chain]
    for number, line in lines:
        if line.startswith(_ATOMS) and len(line) < _COORDINATES:
            raise _damaged(path, f"line {number} ends before the atom's coordinates do")
    parser = importlib.import_module("Bio.PDB").PDBParser(QUIET=True)
    return list(parser.get_structure("", io.StringIO("".join(f"{line}\n" for _, line in lines))))


def _cif_models(path: Path, text: str, chain: str | None) -> list[Any]:
    parser = importlib.import_module("Bio.PDB").MMCIFParser(QUIET=True)
    if chain is None:
        models = list(parser.get_structure("", io.StringIO(text)))
        columns = {k: v for k, v in parser._mmcif_dict.items() if k.startswith("_atom_site.")}
        if len({len(column) for column in columns.values()}) > 1:
            raise _damaged(path, "the last row of _atom_site has too few cells")
        return models
    columns = _cif_columns(text)
    rows = [row for row, name in enumerate(columns[_CHAIN]) if name == chain]
    parser._mmcif_dict = {name: [cells[row] for row in rows] for name, cells in columns.items()}
    parser._build_structure("")
    return list(parser._structure_builder.get_structure())


def _residues(entry: Any) -> list[tuple[str, Any]]:
    """Amino acids of a chain with their letters, in the order of the file."""
    names = importlib.import_module("Bio.Data.PDBData").protein_letters_3to1_extended
    found = []
    for residue in entry:
        letter = names.get(residue.resname.strip().upper())
        if letter is None and residue.id[0] == " " and "CA" in residue:
            letter = "X"
        if letter is not None and "CA" in residue:
            found.append((letter, residue))
    return found


def _place(residue: Any) -> Floats:
    name = "CA" if residue.resname.strip().upper() == "GLY" else "CB"
    if name not in residue:
        return np.full(3, np.nan)
    return np.asarray(residue[name].coord, np.float64)


def _aligner() -> Any:
    align = importlib.import_module("Bio.Align")
    return align.PairwiseAligner(
        mode="global",
        substitution_matrix=align.substitution_matrices.load("BLOSUM62"),
        open_gap_score=-11.0,
        extend_gap_score=-1.0,
        # A domain is a part of its chain, and a chain lacks loops that the crystal did not show.
        end_gap_score=0.0,
    )


def _plain(letters: str) -> str:
    """Letters that BLOSUM62 knows: U and O are rare forms of C and K, J is L or I."""
    return letters.upper().translate(str.maketrans("UOJ", "CKL"))


def _named(names: list[str]) -> str:
    return ", ".join(name or "one without a name" for name in names)


def _damaged(path: Path, why: str) -> DataError:
    return DataError(
        "a structure cannot be parsed", where=str(path), why=why,
        do="mend the file, or fetch it again",
    )  # fmt: skip
