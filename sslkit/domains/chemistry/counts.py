"""Molecules for counting: the tokens of what a model would read of a file."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sslkit.domains.chemistry import rdkit, smiles
from sslkit.errors import DataError, OnError
from sslkit.files.molecules import Blocks, Entries, Entry
from sslkit.vocab.scheme import SPARE, Slices


def molecule(entry: Entry, *, is_block: bool, canonical: bool) -> rdkit.Molecule:
    """The molecule of an entry of a file.

    Raises:
        NoMoleculeError: it holds none; says on which line it stands.
    """
    try:
        if entry.error:
            raise rdkit.NoMoleculeError(entry.error)
        if is_block:
            return rdkit.of_block(entry.text)
        return rdkit.of_smiles(entry.text, canonical)
    except rdkit.NoMoleculeError as error:
        place = f" (line {entry.line})" if entry.line else ""
        raise rdkit.NoMoleculeError(f"{error}{place}") from error


class Reader:
    """Reads the molecules of one file; implements ``vocab.scheme.Reader``.

    Args:
        name: of the file, for messages.
        cut: from the first bytes to what cuts the file into entries.
    """

    def __init__(
        self, name: str, cut: Callable[[bytes], Entries], *, canonical: bool, on_error: OnError
    ) -> None:
        self._name, self._choose, self._on_error = name, cut, on_error
        self._canonical = canonical
        self._cut: Entries | None = None
        self.tally: Counter[str] = Counter()

    @property
    def pending(self) -> int:
        """Bytes that must be fed again."""
        return 0 if self._cut is None else self._cut.pending

    def feed(self, block: bytes) -> Slices:
        """The tokens of the molecules that are whole."""
        self._cut = self._cut or self._choose(block)
        return self._slices(self._cut.feed(block))

    def finish(self) -> Slices:
        """Those of the last one."""
        return self._slices([] if self._cut is None else self._cut.finish())

    def state(self) -> dict[str, Any]:
        """For ``restore``."""
        cut = self._cut
        held = None if cut is None else [isinstance(cut, Blocks), cut.state()]
        return {"cut": held, "tally": dict(self.tally)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue in the middle of the file."""
        if state["cut"] is not None:
            is_block, held = state["cut"]
            # What is chosen by the first bytes is blocks or lines.
            self._cut = Blocks() if is_block else self._choose(b"")
            self._cut.restore(held)
        self.tally = Counter(state["tally"])

    def _slices(self, entries: list[Entry]) -> Slices:
        found = [token for entry in entries for token in self._tokens(entry)]
        text = "".join(found).encode()
        lengths = np.array([len(token) for token in found], np.int64)
        buffer = np.concatenate([np.frombuffer(text, np.uint8), np.zeros(SPARE, np.uint8)])
        return Slices(buffer, np.cumsum(lengths) - lengths, lengths)

    def _tokens(self, entry: Entry) -> list[str]:
        try:
            made = molecule(
                entry, is_block=isinstance(self._cut, Blocks), canonical=self._canonical
            )
        except rdkit.NoMoleculeError as error:
            if self._on_error == "stop":
                raise DataError(
                    "a record cannot be used",
                    where=f"{self._name}, record {entry.number} ({entry.name})",
                    why=str(error),
                    do="mend the file, or pass such records over with --on-error skip"
                    if entry.number > 1
                    else "mend the molecule, or look whether the file holds SMILES",
                ) from error
            self.tally["bad_records"] += 1
            return []
        return smiles.tokens(made.smiles)
