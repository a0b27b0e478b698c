"""Molecules as SMILES, or as graphs.

A token of SMILES is an atom (``C``, ``Cl``, ``c``), an atom in brackets with all that stands in
them (``[nH+]``), a bond, a branch, a dot, or a ring number (``1``, ``%12``, ``%(123)``). RDKit
reads every molecule and writes its canonical SMILES, so that one molecule has one row of tokens
however it was written; salts keep all their parts, and the numbers of an atom map are left out.
What RDKit refuses is a bad record. A token of a graph is an atom, as SMILES has it without what is
left and right of it, and bonds are its links; the vocabulary is that of SMILES. Units on disk are
described in ``_smiles`` and ``_graphs``.

Files are lines of SMILES, SDF and mol files, and tables with a column of SMILES.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from sslkit import rng
from sslkit.contracts.features import Features, of_sequences
from sslkit.contracts.spec import Floats, Ids
from sslkit.domains.chemistry import counts, descriptors, properties, rdkit, smiles
from sslkit.domains.chemistry.counts import Reader
from sslkit.domains.chemistry.forms import Asked, Form, Graph, Smiles
from sslkit.domains.language.tokenwise import Tokenwise
from sslkit.errors import OnError
from sslkit.files import molecules, sequences, source, table
from sslkit.files.molecules import Blocks, Cells, Entries, Entry
from sslkit.types import Array, Arrays, Draws, Record, Vocabulary
from sslkit.vocab.scheme import Reader as Counted
from sslkit.vocab.scheme import Slices, Strings
from sslkit.vocab.splitting import SplitReader

VERSION = 2
GIVES = frozenset({"tokens", "view", "links", "properties"})
ENDINGS = (*molecules.LINES, *molecules.BLOCKS)
#: Columns of tables that hold molecules, whatever else the tables hold.
COLUMNS = molecules.COLUMNS
#: Tokens that baselines know: by their shares, and by their places.
_COMPOSED, _PLACED = 1024, 64
_HEAD = 4096


@dataclass(frozen=True)
class Settings:
    """Options of the molecule domain."""

    canonical: bool = field(
        default=True,
        metadata={"help": "write each molecule as RDKit's canonical SMILES; false: as it stands"},
    )
    form: Literal["smiles", "graph"] = field(
        default="smiles",
        metadata={"help": "tokens of a SMILES in a row, or atoms that are linked by their bonds"},
    )
    randomise: bool = field(
        default=False,
        metadata={"help": "train on a SMILES that takes the atoms in an order drawn anew"},
    )
    noise: float = field(
        default=0.15,
        metadata={"help": "share of atoms hidden, and of bonds left out, in a view of a graph"},
    )

    def __post_init__(self) -> None:
        if not 0 <= self.noise < 1:
            raise ValueError(f"noise is from 0 to below 1, not {self.noise}")
        if self.form == "graph" and self.randomise:
            raise ValueError("randomise is of SMILES: a graph has no order of atoms")


def counting(settings: Settings, on_error: OnError) -> Strings:
    """How the tokens of a corpus are counted: those of canonical SMILES, or as they stand."""

    def reader(name: str, skip: Collection[int]) -> Counted[Slices]:
        del skip  # bad molecules are found where they are counted
        plain = source.plain_name(Path(name))
        # Of a table its column comes, a cell a line.
        is_table = plain.lower().endswith(table.ENDINGS)
        if settings.canonical or plain.lower().endswith(molecules.BLOCKS):

            def cut(head: bytes) -> Entries:
                return Cells() if is_table else molecules.of(plain, head)

            return Reader(name, cut, canonical=settings.canonical, on_error=on_error)
        return SplitReader(name, smiles.rule, on_error)

    return Strings(reader, whole=molecules.BLOCKS, needs_tokens=True)


class Domain(Tokenwise):
    """Molecules; implements ``contracts.domain.TokenDomain`` and ``Families``."""

    def __init__(self, settings: Settings, vocabulary: Vocabulary | None = None) -> None:
        self.settings = settings
        self.form: Form = Smiles(settings.randomise)
        if settings.form == "graph":
            self.form = Graph(settings.noise)
        self._properties = properties.Remembered(self._molecule)
        if vocabulary is not None:
            links = self.form.links
            self._spec = {
                "tokens": Ids(("length",), len(vocabulary)),
                **({"links": Ids(("length", "any"), links)} if links else {}),
                "properties": Floats(("property",), (len(properties.names()),)),
            }
            known = smiles.pack(vocabulary.tokens)
            self._order = np.argsort(known)
            self._known = known[self._order]

    def read(self, path: Path, on_error: OnError) -> Iterator[Record]:
        """The molecules of lines of SMILES, of an SDF or mol file, or of a table.

        A name that does not tell which of them it is leaves it to the first bytes.
        """
        with source.open_bytes(path) as stream:
            yield from self.parse(stream, path, on_error)

    def parse(self, stream: BufferedReader, path: Path, on_error: OnError) -> Iterator[Record]:
        """``read`` from an open stream; ``path`` is its name."""
        name, head = source.plain_name(path), stream.peek(_HEAD)[:_HEAD]
        if table.is_table(path, head, ENDINGS):
            rows = table.parse(stream, path, on_error=on_error)
            yield from sequences.of_rows(rows, path, self.record, on_error)
            return
        cut = molecules.of(name, head)
        make = partial(
            counts.molecule,
            is_block=isinstance(cut, Blocks),
            canonical=self.settings.canonical,
        )

        def record(entry: Entry) -> Record:
            bare = _of_entry(entry, str(path))
            try:
                return replace(bare, payload=self.form.check(make(entry)))
            except rdkit.NoMoleculeError as error:
                return _refused(bare, error, "skip")

        entries = molecules.read(stream, cut, path)
        yield from sequences.stopping((record(entry) for entry in entries), on_error)

    def record(self, name: str, text: str, source: str, number: int) -> Record:
        """A record from a cell of a table; a bad one carries ``error``."""
        return self.check(Record(name, text.encode(), source, number), "skip")

    def check(self, record: Record, on_error: OnError) -> Record:
        """The record with a molecule as its payload; or it carries ``error``, or stops the run."""
        if record.error or isinstance(record.payload, rdkit.Molecule):
            return record
        try:
            text = record.payload.decode("utf-8", "replace")
            made = rdkit.of_smiles(text, self.settings.canonical)
            return replace(record, payload=self.form.check(made))
        except rdkit.NoMoleculeError as error:
            return _refused(record, error, on_error)

    @property
    def encoding(self) -> str:
        """Whose SMILES they are decides the units; the vocabulary does not."""
        written = f"canonical, RDKit {rdkit.version()}" if self.settings.canonical else "as given"
        return f"{self.form.name}, {written}"

    def encode(self, record: Record) -> Array:
        """The units, one a token."""
        return self.form.encode(record.payload)

    @property
    def unit_type(self) -> np.dtype[Any]:
        """Eight bytes a token of SMILES, sixteen an atom."""
        return self.form.unit_type

    def signature(self, record: Record) -> bytes:
        """Equal for one molecule however it is written; stereoisomers and isotopes are one."""
        return rdkit.flat(record.payload.graph).encode()

    def family(self, record: Record) -> bytes:
        """Equal for molecules of one scaffold (Bemis & Murcko 1996): rings and what links them.

        One without a ring has no family but itself.
        """
        return rdkit.scaffold(record.payload.graph).encode() or self.signature(record)

    def batch(
        self, units: Array, lengths: Array, draws: Draws | None, needs: Collection[str] = ()
    ) -> Arrays:
        """Token ids and lengths of units [rows, tokens]; see ``_molecule_forms``.

        Properties are those of the molecule; a window of a longer one mostly has none.
        """
        sizes = lengths.astype(np.int64)
        made = self.form.batch(Asked(units, sizes, draws, needs, self._ids, self.tokens.mask))
        if "properties" in needs:
            rows = [row[:size] for row, size in zip(units, lengths, strict=True)]
            made["properties"] = np.stack([self._properties.of(row.tobytes()) for row in rows])
        return made

    def _molecule(self, key: bytes) -> Any:
        """RDKit's molecule of the bytes of units."""
        return self.form.molecule(np.frombuffer(key, self.form.unit_type))

    def _ids(self, tokens: Array, lengths: Array) -> npt.NDArray[np.int64]:
        """Token ids [rows, tokens] of tokens; what is behind the end of a row is padding."""
        known = self.tokens
        place = np.minimum(np.searchsorted(self._known, tokens), len(self._known) - 1)
        ids = np.where(self._known[place] == tokens, self._order[place], known.unknown)
        inside = np.arange(tokens.shape[1]) < lengths[:, None]
        return np.where(inside, ids, known.pad)

    def features(self, examples: Sequence[Array]) -> Features:
        """Shares of tokens, the token at every place, Morgan fingerprints, RDKit's descriptors.

        The last two are 0 throughout for a molecule that cannot be written back from its units.
        """
        return of_sequences(
            examples,
            self._composition,
            self._places,
            fingerprint=lambda some: descriptors.fingerprints(self._graphs(some)),
            descriptors=lambda some: descriptors.descriptors(self._graphs(some)),
        )

    def _graphs(self, examples: Sequence[Array]) -> list[Any]:
        return [self.form.molecule(units) for units in examples]

    def _composition(self, examples: Sequence[Array]) -> npt.NDArray[np.float32]:
        """Shares of the tokens with the lowest ids, [examples, 1024].

        Without a vocabulary a token's column is its hash (Weinberger et al. 2009).
        """
        found = np.zeros((len(examples), _COMPOSED), np.float32)
        for row, units in enumerate(examples):
            numbers = self._numbers(units)
            known = numbers[numbers < _COMPOSED]
            found[row] = np.bincount(known, minlength=_COMPOSED) / max(len(units), 1)
        return found

    def _places(self, examples: Sequence[Array]) -> npt.NDArray[np.float32]:
        """Which of the tokens with the lowest ids stands where, [examples, 64 x tokens]."""
        numbers = np.stack([self._numbers(units) for units in examples])
        hot = np.equal(numbers[..., None], np.arange(_PLACED))
        return hot.reshape(len(numbers), -1).astype(np.float32)

    def _numbers(self, units: Array) -> npt.NDArray[np.int64]:
        """The id of each token, above all that baselines know where it has none."""
        tokens = self.form.tokens(units)
        if self._spec is None:
            return (rng.mix(tokens) % np.uint64(_COMPOSED)).astype(np.int64)
        ids = self._ids(tokens[None], np.array([len(tokens)]))[0]
        return np.where(ids < self.tokens.size, ids, _COMPOSED)


def _of_entry(entry: Entry, path: str) -> Record:
    return Record(entry.name, b"", path, entry.number, entry.fields)


def _refused(record: Record, error: Exception, on_error: OnError) -> Record:
    bad = replace(record, payload=b"", error=str(error))
    if on_error == "stop":
        raise sequences.bad_record(bad) from error
    return bad
