"""Labelled records whose features are in a table of embeddings."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sslkit.artifacts import embeddings, plugins
from sslkit.artifacts.embeddings import Embeddings
from sslkit.console import Console
from sslkit.contracts.supervision import Supervision
from sslkit.data import lineage, splits
from sslkit.data.examples import Examples
from sslkit.engine import assemble
from sslkit.errors import DataError, UsageError
from sslkit.files import classes, source
from sslkit.stages.probe.features import EMBEDDINGS, Features, supervision_of
from sslkit.stages.probe.options import Options
from sslkit.supervision import record
from sslkit.supervision.record import Records
from sslkit.types import Labelled, Record, Targets


def features(options: Options, path: Path, console: Console) -> Features:
    """The embeddings of a table, with labels of its own column, or of label files joined by id.

    Baselines of the records are computed only with label files: the table has no sequences.

    Raises:
        UsageError: there are no labels.
        DataError: a record has several vectors, or an id has none.
    """
    table = embeddings.read(path)
    domain, settings = table.manifest.plugins["domain"], table.manifest.settings
    console.say(
        f"from {path}: {len(table.ids)} vectors of width {table.vectors.shape[1]}, domain "
        f"{domain['name']}, {settings['pooling']} pooling, layer {settings['layer']}"
    )
    if len(np.unique(table.rows)) < len(table.rows):
        raise DataError(
            "a probe takes one vector per record",
            where=str(path),
            why="this table has one per token",
            do="make one with sslkit embed, without --per-token",
        )
    supervision = supervision_of(options, domain["name"])
    if options.names_files:
        examples, rows = _joined(options, supervision, table, path, console)
    elif table.labels is not None:
        examples, rows = _own_labels(options, supervision, table, path, console)
    else:
        raise UsageError(
            f"{path} has no labels",
            do="make it with sslkit embed --label-column, or name label files with --labels",
        )
    if table.learned is not None:
        examples = lineage.known(examples, table.learned[rows], path, console)

    def compute() -> Iterator[tuple[str, Any]]:
        if examples.units:
            module, settings = plugins.restore("domain", table.manifest, path)
            reader = assemble.domain_of(module, settings, None, path)
            yield from supervision.baselines(reader, examples).items()
        yield EMBEDDINGS, table.vectors[rows].astype(np.float64)

    console.say("no untrained encoder to compare with: that takes --checkpoint instead")
    parents = {str(path): source.digest(path)}
    return Features(supervision, examples, compute, table.manifest.plugins, parents)


def _joined(
    options: Options, supervision: Supervision[Any], table: Embeddings, path: Path, console: Console
) -> tuple[Records, list[int]]:
    """Labelled records, and the row of each in the table."""
    module, settings = plugins.restore("domain", table.manifest, path)
    domain = assemble.domain_of(module, settings, None, path)
    examples: Records = supervision.read(
        options.files, domain, options.on_error, console, families=options.families
    )
    row_of: dict[str, int] = {}
    for row, name in enumerate(table.ids):
        if row_of.setdefault(name, row) != row:
            raise DataError(f"the id {name!r} stands twice", where=f"{path}, row {row + 1}")
    ids = examples.labelled.ids
    missing = [
        n for n, name in enumerate(ids) if name not in row_of or not table.present[row_of[name]]
    ]
    if missing:
        raise DataError(
            f"{len(missing)} labelled records have no vector",
            where=examples.labelled.where(missing[0]),
            why=f"{path} has none of that id",
            do="embed the file that the labels are about, or mend the ids",
        )
    return examples, [row_of[name] for name in ids]


def _own_labels(
    options: Options, supervision: Supervision[Any], table: Embeddings, path: Path, console: Console
) -> tuple[Records, list[int]]:
    """The rows of the table that have a vector and a label; equal vectors are duplicates."""
    missing = classes.missing(getattr(supervision.settings, "missing", ""))
    cells = ["" if cell in missing else cell or "" for cell in table.labels or ()]
    usable = [row for row, cell in enumerate(cells) if cell and table.present[row]]
    if len(usable) < len(cells) and options.on_error == "stop":
        row = next(r for r in range(len(cells)) if not (cells[r] and table.present[r]))
        raise DataError(
            "a row has no vector" if cells[row] else "a row has no label",
            where=f"{path}, row {row + 1} ({table.ids[row]})",
            why=f"{len(cells) - len(usable)} of {len(cells)} rows lack one",
            do="pass such rows over with --on-error skip"
            if usable
            else "name the column of labels where the table is made: embed --label-column",
        )
    if not usable:
        raise DataError("no row has a vector and a label", where=str(path))
    labelled = Labelled(
        records=tuple(Record(name, "", str(path), n) for n, name in enumerate(table.ids, 1)),
        labels=tuple(cells),
        parts=None,
        files=(path,),
    ).take(usable, skipped=len(cells) - len(usable))
    targets: Targets = supervision.task.Task(supervision.settings).encode_labels(labelled)
    groups = splits.group_numbers([table.vectors[row].tobytes() for row in usable])
    console.say(
        f"labels from {path}: {len(usable)} records, {labelled.skipped} skipped; equal vectors "
        "count as duplicates"
    )
    return Examples(labelled, (), targets, record.strata(targets), groups), usable
