"""What a molecule is to a model: the tokens of its SMILES, or the atoms and bonds of its graph."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sslkit.domains.chemistry import graphs as _graphs
from sslkit.domains.chemistry import rdkit
from sslkit.domains.chemistry import smiles as _smiles
from sslkit.domains.chemistry.rdkit import Molecule
from sslkit.types import Array, Arrays, Draws

#: Kinds of bonds, as RDKit names them; what is none of them is the last.
_BONDS = ("SINGLE", "DOUBLE", "TRIPLE", "AROMATIC")
#: A ring number, a bond or a branch is no atom.
_NO_ATOM = frozenset("0123456789%-=#$:/\\.()~")


@dataclass(frozen=True)
class Asked:
    """A batch that is asked for.

    Attributes:
        units: padded, [rows, tokens]; ``lengths`` [rows].
        draws, needs: as ``contracts.domain.RecordDomain.batch`` has them.
        ids: from tokens as ``_smiles`` packs them, [rows, tokens], and lengths to their ids.
        mask: the id of a token that is hidden.
    """

    units: Array
    lengths: npt.NDArray[np.int64]
    draws: Draws | None
    needs: Collection[str]
    ids: Callable[[Array, Array], npt.NDArray[np.int64]]
    mask: int


class Form(ABC):
    """Units of molecules, and batches of them."""

    #: As part of the encoding.
    name: str
    unit_type: "np.dtype[Any]"
    #: Kinds of links between tokens.
    links = 0

    def check(self, molecule: Molecule) -> Molecule:
        """A molecule that has units.

        Raises:
            NoMoleculeError: it has none.
        """
        return molecule

    @abstractmethod
    def encode(self, molecule: Molecule) -> Array:
        """The units of a molecule that was checked, one a token."""

    @abstractmethod
    def tokens(self, units: Array) -> npt.NDArray[np.uint64]:
        """The tokens of units, of any shape, as ``_smiles`` packs them."""

    @abstractmethod
    def molecule(self, units: Array) -> Any:
        """RDKit's molecule of units; None where they are a piece that is none."""

    @abstractmethod
    def batch(self, asked: Asked) -> Arrays:
        """``tokens``, ``length``, and of views and links what there are."""


class Smiles(Form):
    """The tokens of a SMILES.

    Args:
        randomise: train on a SMILES in another order of atoms.
    """

    name = "smiles"
    unit_type = np.dtype(np.uint64)

    def __init__(self, randomise: bool) -> None:
        self._randomise = randomise

    def encode(self, molecule: Molecule) -> Array:
        """See ``Form``."""
        return _smiles.pack(_smiles.tokens(molecule.smiles))

    def tokens(self, units: Array) -> npt.NDArray[np.uint64]:
        """See ``Form``."""
        return units

    def molecule(self, units: Array) -> Any:
        """See ``Form``; a token that is too long for a unit is no molecule either."""
        return rdkit.graph_of(_smiles.unpack(units))

    def batch(self, asked: Asked) -> Arrays:
        """See ``Form``.

        A view is another SMILES of the same molecule: its atoms are taken in an order that is
        drawn. What is no molecule is its own view.
        """
        draws, ids = asked.draws, asked.ids
        if draws is None or not (self._randomise or "view" in asked.needs):
            return {"tokens": ids(asked.units, asked.lengths), "length": asked.lengths}
        rows = [row[:size] for row, size in zip(asked.units, asked.lengths, strict=True)]
        graphs = [self.molecule(row) for row in rows]
        made: Arrays = {}
        for name, prefix, drawn in (("tokens", "", self._randomise), ("view", "view.", True)):
            if name == "view" and name not in asked.needs:
                continue
            keys = draws.uniform(name, asked.units.shape[1]) if drawn else None
            found = rows if keys is None else _rewritten(rows, graphs, keys)
            length = np.array([len(row) for row in found], np.int64)
            made |= {f"{prefix}tokens": ids(_padded(found), length), f"{prefix}length": length}
        return made


def _rewritten(
    rows: Sequence[Array], graphs: Sequence[Any], keys: npt.NDArray[np.float32]
) -> list[Array]:
    """Units of another SMILES of each molecule that is known; there are keys for all atoms."""
    return [
        row if graph is None else _smiles.pack(_smiles.tokens(rdkit.renumbered(graph, key)))
        for row, graph, key in zip(rows, graphs, keys, strict=True)
    ]


def _padded(rows: Sequence[Array]) -> Array:
    made = np.zeros((len(rows), max((len(row) for row in rows), default=0)), np.uint64)
    for place, row in zip(made, rows, strict=True):
        place[: len(row)] = row
    return made


class Graph(Form):
    """Atoms, each a token as the flat SMILES has it, and bonds between them.

    Args:
        noise: share of atoms that a view hides, and of bonds that it leaves out.
    """

    name = "graph"
    unit_type = _graphs.UNIT
    links = _graphs.KINDS

    def __init__(self, noise: float) -> None:
        self._noise = noise

    def check(self, molecule: Molecule) -> Molecule:
        """See ``Form``; bonds to many atoms, or to far ones, do not fit into a unit."""
        try:
            self.encode(molecule)
        except ValueError as error:
            raise rdkit.NoMoleculeError(f"its graph does not fit: {error}") from error
        return molecule

    def encode(self, molecule: Molecule) -> Array:
        """See ``Form``; what is left and right of an atom, and isotopes, are not kept."""
        smiles, bonds = rdkit.flat_bonds(molecule.graph)
        atoms = [token for token in _smiles.tokens(smiles) if token[0] not in _NO_ATOM]
        edges = [
            (one, other, _BONDS.index(kind) if kind in _BONDS else len(_BONDS))
            for one, other, kind in bonds
        ]
        return _graphs.pack(_smiles.pack(atoms), edges)

    def tokens(self, units: Array) -> npt.NDArray[np.uint64]:
        """See ``Form``."""
        return _graphs.tokens(units)

    def molecule(self, units: Array) -> Any:
        """See ``Form``."""
        atoms = [_smiles.unpack(token[None]) for token in _graphs.tokens(units)]
        if None in atoms:
            return None
        bonds = [
            (one, other, _BONDS[kind] if kind < len(_BONDS) else "DATIVE")
            for one, other, kind in _graphs.edges(units)
        ]
        return rdkit.of_bonds([str(atom) for atom in atoms], bonds)

    def batch(self, asked: Asked) -> Arrays:
        """See ``Form``.

        A view is the same graph with atoms hidden and bonds left out (You et al. 2020, GraphCL).
        """
        units, lengths, draws = asked.units, asked.lengths, asked.draws
        tokens = asked.ids(_graphs.tokens(units), lengths)
        made = {"tokens": tokens, "length": lengths, "links": _graphs.links(units, lengths)}
        if draws is not None and "view" in asked.needs:
            hidden = draws.uniform("view", units.shape[1]) < self._noise
            hidden &= np.arange(units.shape[1]) < lengths[:, None]
            kept = _graphs.thinned(units.shape, draws, "bonds", self._noise)
            made["view.tokens"] = np.where(hidden, asked.mask, tokens)
            made["view.length"] = lengths
            made["view.links"] = _graphs.links(units, lengths, kept)
        return made
