"""What RDKit knows of molecules: whether text is one, how it is written, and what it is like.

RDKit is loaded with the first molecule. What it has to say against one goes into the error and not
to the standard error stream.
"""

import importlib
import logging
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

#: A longer SMILES, or more atoms, would exhaust the stack when it is written.
_LONGEST = 10_000
_SHOWN, _PROBLEMS = 60, 2
#: Messages of RDKit that are kept of one molecule.
_MOST = 20
_TIME = re.compile(r"^\[[\d:]+\] ")
_AT = re.compile(r"mistakes around position (\d+)")
_SAYS = re.compile(r"^(?:SMILES Parse Error|Post-condition Violation): ")
_INPUT = re.compile(r" (?:for input|while parsing): .*$", re.DOTALL)


class NoMoleculeError(ValueError):
    """Text that is no molecule; says why."""


@dataclass(frozen=True, slots=True)
class Molecule:
    """A molecule.

    Attributes:
        smiles: as it is learnt from.
        graph: RDKit's own molecule.
    """

    smiles: str
    graph: Any


class _Heard(logging.Handler):
    """Keeps what RDKit complains of, for each thread."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._of = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it, of many the first ones."""
        messages = self._messages
        if len(messages) < _MOST:
            messages.append((record.levelno, _TIME.sub("", record.getMessage()).strip()))

    def clear(self) -> None:
        """Forget what this thread was told."""
        self._messages.clear()

    @property
    def reasons(self) -> list[str]:
        """Errors that this thread was told of since it last forgot, or warnings if there is none.

        What it cannot read of a mol block RDKit calls a warning.
        """
        messages = self._messages
        errors = [text for level, text in messages if level >= logging.ERROR]
        return errors or [text for _, text in messages]

    @property
    def _messages(self) -> list[tuple[int, str]]:
        messages: list[tuple[int, str]] = self._of.__dict__.setdefault("messages", [])
        return messages


_HEARD = _Heard()


@cache
def chem() -> Any:
    """``rdkit.Chem``, made silent."""
    module = importlib.import_module("rdkit.Chem")
    importlib.import_module("rdkit.rdBase").LogToPythonLogger()
    logger = logging.getLogger("rdkit")
    logger.handlers, logger.propagate = [_HEARD], False
    logger.setLevel(logging.WARNING)
    return module


@cache
def descriptors() -> Any:
    """``rdkit.Chem.Descriptors``, made silent."""
    chem()
    return importlib.import_module("rdkit.Chem.Descriptors")


def version() -> str:
    """RDKit's own; canonical SMILES may differ between two of them."""
    return str(importlib.import_module("rdkit.rdBase").rdkitVersion)


def of_smiles(text: str, canonical: bool) -> Molecule:
    """A molecule.

    Args:
        canonical: whether its SMILES is RDKit's canonical one, without numbers of an atom map, or
            ``text`` as it stands.

    Raises:
        NoMoleculeError: it is none.
    """
    text = text.strip()
    if not text:
        raise NoMoleculeError("the molecule is empty")
    if len(text) > _LONGEST:
        raise NoMoleculeError(f"its SMILES has {len(text)} letters, and {_LONGEST} are read")
    if not (text.isascii() and text.isprintable()) or " " in text:
        unknown = next(c for c in text if not (c.isascii() and c.isprintable()) or c == " ")
        raise NoMoleculeError(f"{unknown!r} at letter {text.index(unknown) + 1} is not of a SMILES")
    graph = _made(chem().MolFromSmiles, text, f"'{_short(text)}'")
    return _written(graph) if canonical else Molecule(text, graph)


def of_block(text: str) -> Molecule:
    """The molecule of a mol block, which has no other SMILES than the canonical one.

    Raises:
        NoMoleculeError: it is none.
    """
    # RDKit cuts its messages within characters of several bytes, and ends where it logs those.
    plain = text.encode("ascii", "replace").decode("ascii")
    return _written(_made(chem().MolFromMolBlock, plain, "the mol block"))


def _made(parse: Any, text: str, what: str) -> Any:
    _HEARD.clear()
    graph = parse(text)
    if graph is None:
        reasons = _HEARD.reasons
        bare = parse(text, sanitize=False)
        if bare is None:
            raise NoMoleculeError(f"RDKit cannot read {what}: {_complaint(reasons)}")
        problems = [one.Message() for one in chem().DetectChemistryProblems(bare)] or reasons
        listed = "; ".join(" ".join(one.split()) for one in problems[:_PROBLEMS])
        more = f"; and {len(problems) - _PROBLEMS} more" if len(problems) > _PROBLEMS else ""
        raise NoMoleculeError(f"RDKit refuses {what}: {listed}{more} (atoms count from 0)")
    if not graph.GetNumAtoms():
        raise NoMoleculeError("the molecule has no atom")
    if graph.GetNumAtoms() > _LONGEST:
        raise NoMoleculeError(f"it has {graph.GetNumAtoms()} atoms, and {_LONGEST} are read")
    return graph


def _complaint(reasons: Sequence[str]) -> str:
    """What is wrong with text, in RDKit's words, and where."""
    if not reasons:
        return "it does not say why"
    first = _INPUT.sub("", _SAYS.sub("", reasons[0]))
    place = next((found[1] for line in reasons if (found := _AT.search(line))), None)
    return f"{' '.join(first.split())}{f', around letter {place}' if place else ''}"


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _written(graph: Any) -> Molecule:
    """With the canonical SMILES; numbers of an atom map are no part of a molecule."""
    smiles = chem().MolToSmiles(graph)
    if ":" in smiles and any(atom.GetAtomMapNum() for atom in graph.GetAtoms()):
        for atom in graph.GetAtoms():
            atom.SetAtomMapNum(0)
        # Hydrogens with a number were kept as atoms, and are none without.
        graph = chem().MolFromSmiles(chem().MolToSmiles(graph))
        smiles = chem().MolToSmiles(graph)
    return Molecule(smiles, graph)


def flat(graph: Any) -> str:
    """The canonical SMILES without what is left and right, and without isotopes."""
    return str(chem().MolToSmiles(graph, isomericSmiles=False))


def scaffold(graph: Any) -> str:
    """The flat SMILES of rings and what links them; empty where there is no ring."""
    murcko = importlib.import_module("rdkit.Chem.Scaffolds.MurckoScaffold")
    return flat(murcko.GetScaffoldForMol(graph))


def graph_of(smiles: str | None) -> Any:
    """The molecule of a SMILES that was one, or of a piece of it; None where the piece is none."""
    return None if smiles is None else chem().MolFromSmiles(smiles)


def renumbered(graph: Any, keys: npt.NDArray[np.float32]) -> str:
    """A SMILES that takes the atoms in the order of their keys, where it has a choice.

    Args:
        keys: one for each atom, or more.
    """
    order = np.argsort(keys[: graph.GetNumAtoms()], kind="stable").tolist()
    return str(chem().MolToSmiles(chem().RenumberAtoms(graph, order), canonical=False))


def flat_bonds(graph: Any) -> tuple[str, list[tuple[int, int, str]]]:
    """The flat SMILES, and the bonds between its atoms in their order there, with their types."""
    smiles = flat(graph)
    order = list(graph.GetPropsAsDict(True, True)["_smilesAtomOutputOrder"])
    place = {atom: at for at, atom in enumerate(order)}
    ends = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in graph.GetBonds()]
    kinds = [str(bond.GetBondType()) for bond in graph.GetBonds()]
    found = zip(ends, kinds, strict=True)
    return smiles, [(place[one], place[other], kind) for (one, other), kind in found]


def of_bonds(atoms: Sequence[str], bonds: Sequence[tuple[int, int, str]]) -> Any:
    """The molecule of atoms, as SMILES has them, and of bonds by type; None where it is none."""
    held = chem().RWMol()
    for atom in atoms:
        held.AddAtom(chem().AtomFromSmiles(atom))
    for one, other, kind in bonds:
        held.AddBond(one, other, getattr(chem().BondType, kind))
    graph = held.GetMol()
    failed = chem().SanitizeMol(graph, catchErrors=True)
    return None if failed else graph
