"""Suggestions of the next command for some files, each of which runs as it is."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sslkit import catalog
from sslkit.artifacts import manifest, outline
from sslkit.data import recognition
from sslkit.errors import DataError, SslkitError
from sslkit.files import alignment, source
from sslkit.files.columns import Columns
from sslkit.types import Labelled, Record

_PRETRAINED = Path("pretrained") / outline.NAME
_VOCABULARY = Path("vocab.parquet")
_TASKS = {
    "binary": "classification",
    "multiclass": "classification",
    "regression": "regression",
    "per-token": "tagging",
}

#: What inspect states of one file.
Entry = Mapping[str, Any]


def commands(
    inputs: Sequence[Path],
    reference: Path | None,
    names: Columns,
    entries: Sequence[Entry],
    *,
    all_files: bool = False,
) -> list[str]:
    """A command line for each kind of file; none for files that cannot be used."""
    usable = [entry for entry in entries if "error" not in entry]
    corpora: dict[str, list[Entry]] = {}
    lines: list[str] = []
    for entry in usable:
        file = shlex.quote(entry["file"])
        if entry["kind"] == "artifact":
            lines.append(f"sslkit show {file}")
        elif entry["kind"] == "BED":
            genome = shlex.quote(str(reference)) if reference else "GENOME.fa"
            lines.append(f"sslkit embed {file} --reference {genome}{_skip([entry])}{_needed()}")
        elif "columns" in entry:
            lines += _of_table(entry, names)
        elif entry["domain"]:
            corpora.setdefault(entry["domain"], []).append(entry)
    of_corpora = [
        line
        for domain, corpus in corpora.items()
        for line in _of_corpus(inputs, domain, corpus, all_files)
    ]
    return of_corpora + lines


def _of_corpus(
    inputs: Sequence[Path], domain: str, entries: Sequence[Entry], all_files: bool
) -> list[str]:
    files = [Path(entry["file"]) for entry in entries]
    # A folder stands for its files, as the user named it.
    named = [next((a for a in inputs if a == file or a in file.parents), file) for file in files]
    paths = list(dict.fromkeys(named))
    every = " --all-files" if all_files and any(path.is_dir() for path in paths) else ""
    words = shlex.join(map(str, paths)) + every + _skip(entries)
    if domain == _pretrained():
        return [f"sslkit embed {words}"]
    can_train = hasattr(catalog.load("domain", domain), "Domain")
    if can_train and {str(file) for file in files} <= _counted():
        are_pairs = all("pairs" in entry for entry in entries)
        aligned = " --set documents=pair --objective mlm+align" if are_pairs else ""
        plain = f"sslkit pretrain{aligned}{_skip(entries)}"
        # Rows of alignments can be read as sequences, and in their columns.
        in_columns = f"sslkit pretrain --model factored --set aligned=true{_skip(entries)}"
        return [plain, in_columns] if _are_alignments(domain, files) else [plain]
    out = " --out other.parquet" if _VOCABULARY.exists() else ""
    return [f"sslkit build-vocab {words}{_named(paths, domain, all_files)}{out}"]


def _are_alignments(domain: str, files: Sequence[Path]) -> bool:
    endings = alignment.ENDINGS if domain == "protein" else ()
    return all(source.plain_name(file).lower().endswith(endings) for file in files)


def _named(paths: list[Path], domain: str, all_files: bool) -> str:
    """``--domain``, where it is not recognised by the names of the files."""
    try:
        name, _ = recognition.recognise(paths, None, Columns(), all_files=all_files)
    except SslkitError:
        name = ""
    return "" if name == domain else f" --domain {domain}"


def _pretrained() -> str:
    """The domain of the checkpoint in this folder; empty where none can be read."""
    try:
        if not _PRETRAINED.is_file():
            return ""
        return str(outline.load(_PRETRAINED).manifest.plugins["domain"]["name"])
    except (SslkitError, KeyError):
        return ""


def _counted() -> set[str]:
    """The files that ``vocab.parquet`` in this folder was counted from."""
    try:
        metadata = pq.read_schema(_VOCABULARY).metadata or {}
        vocabulary = manifest.from_json(metadata[manifest.METADATA_KEY].decode(), str(_VOCABULARY))
    except (OSError, pa.ArrowException, KeyError, DataError):
        return set()
    return {entry.path for entry in vocabulary.inputs}


def _of_table(entry: Entry, names: Columns) -> list[str]:
    file = shlex.quote(entry["file"])
    labels = entry.get("labels", {})
    if labels and not labels["usable"]:
        return []
    if labels and labels["kind"] in _TASKS and file != "-":
        columns = {"sequence": names.sequence, "id": names.id, "label": names.label}
        words = [f"--{k}-column {shlex.quote(v)}" for k, v in columns.items() if v]
        line = f"sslkit finetune {_task(entry)} --labels {file}"
        return [" ".join([line, *words]) + _skip([entry]) + _needed()]
    if not entry["domain"]:
        return []
    if entry["domain"] == _pretrained():
        column = f" --sequence-column {shlex.quote(names.sequence)}" if names.sequence else ""
        return [f"sslkit embed {file}{column}{_skip([entry])}"]
    column = shlex.quote(entry["sequence_column"] or "")
    out = " --out other.parquet" if _VOCABULARY.exists() else ""
    line = f"sslkit build-vocab {file} --sequence-column {column} --domain {entry['domain']}"
    return [line + _skip([entry]) + out]


def _task(entry: Entry) -> str:
    """``--task``, and the positive one of two labels where the task cannot know it."""
    labels = entry["labels"]
    if entry["domain"] != "genome" or labels["kind"] != "binary":
        return f"--task {_TASKS[labels['kind']]}"
    names = tuple(labels["classes"])
    module = catalog.load("task", "promoter")
    both = Labelled((Record("", "", "", 1), Record("", "", "", 2)), names, parts=None, files=())
    try:
        module.Task(module.Settings()).encode_labels(both)
    except SslkitError:
        return f"--task promoter --set positive={shlex.quote(names[-1])}"
    return "--task promoter"


def _skip(entries: Sequence[Entry]) -> str:
    return " --on-error skip" if any(entry["refused"]["count"] for entry in entries) else ""


def _needed() -> str:
    """A shell comment on what must be done before."""
    return "" if _PRETRAINED.is_file() else "  # after sslkit pretrain"
