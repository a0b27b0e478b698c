"""inspect: describe files, name records that a stage would refuse, and suggest the next command.

    sslkit inspect corpus/ labels.csv

Each file is recognised by its name and its first bytes and read once, in pieces, so that memory
stays bounded however long its records are; it is described file by file; records that a stage would
refuse are named, and end the command with an error.
"""

import codecs
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sslkit import catalog
from sslkit.artifacts import manifest
from sslkit.console import Console, Progress
from sslkit.data import recognition
from sslkit.errors import DataError
from sslkit.escapes import visible
from sslkit.files import (
    alignment,
    bed,
    fasta,
    fastq,
    folders,
    genbank,
    pipes,
    sequences,
    source,
    table,
)
from sslkit.files.columns import Columns
from sslkit.stages.inspect import lines, molecules, next_command, report, tables
from sslkit.stages.inspect.records import Records
from sslkit.types import Record
from sslkit.vocab.scheme import Kmers, Strings

_HEAD = 4096
_ARTIFACT, _PAIRS, _TABLE = "artifact", "pairs", "table"
_FORMATS = {
    "fasta": "FASTA",
    "fastq": "FASTQ",
    "genbank": "GenBank",
    "bed": "BED",
    "stockholm": "Stockholm",
}

Schemes = dict[str, Kmers | Strings]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of inspect; the command line explains them."""

    input: list[Path]
    domain: str | None
    reference: Path | None
    sequence_column: str | None
    id_column: str | None
    label_column: str | None
    all_files: bool
    max_record: str

    @property
    def names(self) -> Columns:
        """The columns that were named."""
        return Columns(self.sequence_column, self.label_column, self.id_column)


def run(options: Options, console: Console) -> None:
    """Inspect files; see the command's help.

    Raises:
        UsageError: there is no such file.
        DataError: a file cannot be read, or a stage would refuse records.
    """
    # ---- Data: files that any domain, or a reader of tables or sequences, can read ----
    if options.domain:
        module = catalog.load("domain", options.domain)
        catalog.check_records(options.domain, module, "there is no file to inspect")
    schemes = _schemes(options.domain)
    endings = {end for name in schemes for end in catalog.load("domain", name).ENDINGS}
    listing = folders.find(
        options.input,
        (*sorted(endings), *sequences.ENDINGS, *table.ENDINGS),
        all_files=options.all_files,
        on_error="skip",
    )

    # ---- Description: an entry for each file ----
    entries = [_broken(path) for path in listing.left_out.get(folders.DANGLING, ())]
    for path in listing.files:
        with console.progress(f"inspect {path}", None, "letters") as progress:
            entries.append(_inspect(path, options, schemes, progress))
        console.show(report.text(entries[-1]) + "\n")

    # ---- Output: the next commands, and an error where a stage would refuse ----
    commands = next_command.commands(
        options.input, options.reference, options.names, entries, all_files=options.all_files
    )
    suggestions = "\n".join(f"next: {visible(command)}" for command in commands)
    if listing.left_out:
        console.say(str(listing))
    left_out = {reason: list(map(str, paths)) for reason, paths in listing.left_out.items()}
    console.result({"files": entries, "next": commands, "left_out": left_out}, suggestions)
    report.refuse(entries)


def _broken(path: Path) -> dict[str, Any]:
    """The entry of a link that leads nowhere."""
    error = folders.dangling([path])
    return {"file": str(path), "error": {"what": error.what, **dict(error.details())}}


def _schemes(domain: str | None) -> Schemes:
    """How tokens are counted, by domain; the domain of ``--domain`` comes first.

    Raises:
        UsageError: there is no such domain.
    """
    schemes = {}
    first = {domain: catalog.load("domain", domain)} if domain else {}
    for name, module in (first | catalog.loadable("domain")).items():
        if hasattr(module, "counting") and hasattr(module, "ENDINGS"):
            schemes[name] = module.counting(module.Settings(), "stop")
    return schemes


def _inspect(path: Path, options: Options, schemes: Schemes, progress: Progress) -> dict[str, Any]:
    """The entry of a file: its content, or the error that it gives."""
    entry: dict[str, Any] = {"file": str(path)}
    try:
        if not pipes.is_pipe(path):
            with source.reading(path), path.open("rb") as raw:
                entry["bytes"] = path.stat().st_size
                entry["compression"] = source.compression(raw.read(6)) or None
        with source.open_bytes(path, once=True) as stream:
            entry |= _content(path, stream, options, schemes, progress)
    except DataError as error:
        entry["error"] = {"what": error.what, **dict(error.details())}
    return entry


def _content(
    path: Path, stream: io.BufferedReader, options: Options, schemes: Schemes, progress: Progress
) -> dict[str, Any]:
    """Kind and statistics of an open file."""
    kind = _kind(path, stream, options, schemes)
    if kind == _ARTIFACT:
        return {"kind": kind}
    content: dict[str, Any] = {"kind": _FORMATS.get(kind, kind)}
    scheme = schemes.get(kind)
    records = _Watched(str(path), scheme is None and kind != _PAIRS, progress)
    if kind == "molecule":
        content |= molecules.inspect(stream, path, records)
    elif isinstance(scheme, Strings):
        content |= lines.inspect(stream, records, scheme)
        content["domain"] = kind
        if kind == "code" and not pipes.is_pipe(path):
            content |= lines.parsed(path, records.refused)
    elif kind == _PAIRS:
        text = schemes["text"]
        assert isinstance(text, Strings)
        content |= lines.inspect(stream, records, text)
        content |= lines.pairs(path, records.refused) | {"domain": "text"}
    elif kind == _TABLE:
        content["kind"] = "Parquet" if stream.peek(4).startswith(b"PAR1") else "table"
        content |= tables.inspect(stream, path, options.names, records, options.domain)
    else:
        _sequences(stream, path, kind, options.reference, records)
    content.setdefault("domain", options.domain or records.domain())
    content |= records.describe(content["domain"])
    return content | {"refused": records.refused.describe()}


class _Watched(Records):
    """Records that advance a progress bar."""

    def __init__(self, name: str, check_letters: bool, progress: Progress) -> None:
        super().__init__(name, check_letters=check_letters)
        self._progress = progress

    def add(self, piece: bytes) -> None:
        """Add letters to the record."""
        super().add(piece)
        self._progress.advance(len(piece))


def _kind(path: Path, stream: io.BufferedReader, options: Options, schemes: Schemes) -> str:
    """The format: fasta, fastq, genbank, stockholm, bed, table, pairs, an artifact, or a domain.

    Raises:
        DataError: an empty file, or none of these.
    """
    head = stream.peek(_HEAD)[:_HEAD].removeprefix(codecs.BOM_UTF8).lstrip()
    if not head:
        raise source.empty(path)
    if head.startswith(b"PAR1") and _is_ours(path):
        return _ARTIFACT
    columns = options.names.are_named
    may_be_pairs = options.domain in {None, "text"} and not pipes.is_pipe(path) and not columns
    if may_be_pairs and table.are_pairs(head):
        return _PAIRS
    module = catalog.load("domain", options.domain) if options.domain else None
    endings = [end for name in schemes for end in catalog.load("domain", name).ENDINGS]
    domain_endings = tuple(endings) if module is None else recognition.endings(module)
    reads_tables = module is None or hasattr(module, "Domain")
    if reads_tables and table.starts(stream, path, domain_endings, is_named=columns):
        return _TABLE
    has_signature = head.startswith((b">", b"LOCUS ", b"PAR1", alignment.SIGN))
    for domain, scheme in schemes.items():
        if scheme.fasta or options.domain not in {None, domain}:
            continue
        module = catalog.load("domain", domain)
        has_ending = source.plain_name(path).lower().endswith(module.ENDINGS)
        is_common = getattr(module, "COMMON", False)
        if options.domain or (has_ending and not (has_signature and is_common)):
            return domain
    return sequences.kind_of(stream, path, bool(options.reference), columns)


def _is_ours(path: Path) -> bool:
    """Whether a Parquet file is an artifact with a manifest."""
    if pipes.is_pipe(path):
        return False
    try:
        with pq.ParquetFile(path) as file:
            return manifest.METADATA_KEY in (file.schema_arrow.metadata or {})
    except (pa.ArrowException, OSError):
        return False


def _sequences(
    stream: io.BufferedReader, path: Path, kind: str, reference: Path | None, records: Records
) -> None:
    if kind == "fasta" and not alignment.is_named(path):
        _fasta(stream, path, records)
        return
    if kind == "bed":
        sequence = bed.parse(stream, path, reference) if reference else bed.intervals(stream, path)
    else:
        parse: dict[str, Callable[[io.BufferedReader, Path], Iterator[Record]]] = {
            "fasta": alignment.parse_fasta,
            "fastq": fastq.parse,
            "genbank": genbank.parse,
            "stockholm": alignment.parse,
        }
        sequence = parse[kind](stream, path)
    for record in sequence:
        if record.error:
            records.bad(record.id, record.error)
        elif kind == "bed" and reference is None:
            size = int(record.metadata["end"]) - int(record.metadata["start"])
            records.interval(record.id, size)
        else:
            records.begin(record.id)
            records.add(record.payload)
            records.end()


def _fasta(stream: io.BufferedReader, path: Path, records: Records) -> None:
    """Read FASTA in pieces: a chromosome may be larger than the memory."""
    for title, letters, problem in fasta.pieces(stream, path):
        if title is not None:
            name, _ = fasta.named(title, records.count + 1)
            records.begin(name, named=bool(title.strip()))
        if problem:
            records.refused.add(records.count, records.where, problem)
        if letters:
            records.add(letters)
    records.end()
    if not records.count:
        raise source.empty(path)
