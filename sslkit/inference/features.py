"""Frozen features of labelled records: from a checkpoint, or from a table of embeddings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from sslkit import catalog
from sslkit.artifacts import embeddings, manifest, plugins
from sslkit.artifacts.embeddings import Embeddings
from sslkit.console import Console, Progress
from sslkit.contracts.domain import TokenDomain
from sslkit.contracts.encoder import Encoder
from sslkit.data import examples as labels
from sslkit.data import inherited, lineage, splits
from sslkit.data.examples import Examples
from sslkit.engine import assemble
from sslkit.engine.runtime import Runtime
from sslkit.errors import DataError, OnError, UsageError
from sslkit.files import classes, source
from sslkit.inference import encode
from sslkit.inference.windows import Plan
from sslkit.types import Array, Labelled, Record, Targets

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Labels:
    """Where the labels are: the task's name, ``--set`` pairs, files by part of the split.

    Attributes:
        families: whether look-alikes are kept together.
    """

    task: str
    pairs: Sequence[str]
    files: Mapping[str, Sequence[Path]]
    on_error: OnError
    families: bool = True

    def module(self, domain: str) -> tuple[ModuleType, Any]:
        """The task and its settings.

        Raises:
            UsageError: there is none, or it is not about this domain.
        """
        module = labels.task_module(self.task, domain)
        found = catalog.settings({self.task: module}, catalog.parse_pairs(self.pairs))
        return module, found[self.task]


@dataclass(frozen=True)
class Features:
    """Labelled records and what there is to know of them.

    Attributes:
        compute: gives sets of features of all records by name, each [records, features]; the
            last is the one that is judged, those before it are baselines.
        task, plugins, parents, settings: for the manifest.
    """

    examples: Examples
    compute: Callable[[], Mapping[str, Floats]]
    task: tuple[ModuleType, Any]
    plugins: Mapping[str, Any]
    parents: Mapping[str, str]
    settings: Mapping[str, Any] = field(default_factory=dict)


def from_checkpoint(
    asked: Labels, path: Path, seed: int, plan: Mapping[str, Any], runtime: Runtime,
    console: Console,
) -> Features:  # fmt: skip
    """Composition, letters by place, the untrained encoder's embeddings, and the pretrained one's.

    Args:
        plan: fields of ``inference.windows.Plan``: pooling, layer, batch_tokens, and window, where
            None stands for the checkpoint's context.
    """
    parts = assemble.from_checkpoint(path)
    console.say(parts.inherited())
    pairs = inherited.for_labels(asked.pairs, asked.task, parts, asked.files, console)
    module, settings = replace(asked, pairs=pairs).module(parts.domain_name)
    examples = labels.read(
        *(module, settings, asked.files, parts.domain, asked.on_error, console, asked.families)
    )
    examples = lineage.marked(examples, parts.checkpoint, parts.path, console)
    encoder = parts.encoder
    chosen = plan_of(plan, parts.context, encoder.depth)

    def compute() -> Mapping[str, Floats]:
        sets = _floors(parts.domain, examples)
        for name, one in (
            ("untrained", assemble.untrained(parts, seed)),
            ("pretrained", parts.encoder),
        ):
            ready = one.to(runtime.device)
            with console.progress(f"embed, {name}", len(examples), "records") as progress:
                sets[name] = embedded(
                    ready, parts.domain, examples.units, chosen, runtime, progress
                )
        return sets

    console.say(
        f"features: {chosen.pooling} over the tokens, layer {chosen.layer} of {encoder.depth}, "
        f"width {encoder.width}, windows of {chosen.window} tokens"
    )
    return Features(
        examples,
        compute,
        (module, settings),
        {kind: parts.manifest.plugins[kind] for kind in ("domain", "model")},
        {str(parts.path): parts.sha256},
        {name: getattr(chosen, name) for name in ("pooling", "layer", "window", "overlap")},
    )


def _floors(domain: TokenDomain, examples: Examples) -> dict[str, Floats]:
    """What can be told without a model: composition, places where records are aligned, and more.

    Computed once the labels are read; what a domain describes may take seconds.
    """
    features = domain.features(examples.units)
    return {name: values.astype(np.float64) for name, values in features.items()}


def plan_of(asked: Mapping[str, Any], context: int, depth: int) -> Plan:
    """How records become vectors, as ``from_checkpoint`` is asked for it.

    Raises:
        UsageError: longer windows than the encoder knows, or a layer that it has not.
    """
    window = asked["window"] or context
    if window > context:
        raise UsageError(
            f"windows of {window} tokens are longer than what the encoder was trained on",
            do=f"choose --window up to {context}",
        )
    layer = encode.resolve_layer(asked["layer"], depth)
    return Plan(asked["pooling"], layer, window, window // 8, batch_tokens=asked["batch_tokens"])


def embedded(
    encoder: Encoder,
    domain: TokenDomain,
    units: Sequence[Array],
    plan: Plan,
    runtime: Runtime,
    progress: Progress,
) -> Floats:
    """One vector for each record, [records, width] float64; every record has a token."""
    out = np.empty((len(units), encoder.width))
    vectors = encode.embed(encoder, domain, units, plan, runtime)
    for row, vector in enumerate(vectors):
        # Records without a token were refused when the labels were read.
        out[row] = vector
        progress.advance(1)
    return out


def from_table(asked: Labels, path: Path, console: Console) -> Features:
    """The embeddings of a table: labels from its own column, or joined by id from label files.

    Composition is there only where label files bring the sequences.

    Raises:
        UsageError: neither has labels.
        DataError: more than one vector per record; an id without a vector.
    """
    held = embeddings.read(path)
    domain = held.manifest.plugins["domain"]
    console.say(
        f"from {path}: {len(held.ids)} vectors of width {held.vectors.shape[1]}, domain "
        f"{domain['name']}, {held.manifest.settings['pooling']} pooling, layer "
        f"{held.manifest.settings['layer']}"
    )
    if len(np.unique(held.rows)) < len(held.rows):
        raise DataError(
            "a probe takes one vector per record",
            where=str(path),
            why="this table has one per token",
            do="make one with sslkit embed, without --per-token",
        )
    task = asked.module(domain["name"])
    if asked.files:
        examples, places = _joined(asked, task, held, path, console)
    elif held.labels is not None:
        examples, places = _own_labels(asked, task, held, path, console)
    else:
        raise UsageError(
            f"{path} has no labels",
            do="make it with sslkit embed --label-column, or name label files with --labels",
        )

    if held.learned is not None:
        examples = lineage.known(examples, held.learned[places], path, console)

    def compute() -> Mapping[str, Floats]:
        sets: dict[str, Floats] = {}
        if examples.units:
            module, settings = plugins.restore("domain", held.manifest, path)
            sets = _floors(assemble.domain_of(module, settings, None, path), examples)
        return sets | {"embeddings": held.vectors[places].astype(np.float64)}

    console.say("no untrained encoder to compare with: that takes --checkpoint instead")
    parents = {str(path): source.digest(path)}
    return Features(examples, compute, task, held.manifest.plugins, parents)


def _joined(
    asked: Labels, task: tuple[ModuleType, Any], held: Embeddings, path: Path, console: Console
) -> tuple[Examples, list[int]]:
    """Labelled records, and the row of the table that has each one's vector."""
    module, settings = plugins.restore("domain", held.manifest, path)
    domain = assemble.domain_of(module, settings, None, path)
    examples = labels.read(*task, asked.files, domain, asked.on_error, console, asked.families)
    place: dict[str, int] = {}
    for row, name in enumerate(held.ids):
        if place.setdefault(name, row) != row:
            raise DataError(f"the id {name!r} stands twice", where=f"{path}, row {row + 1}")
    lacking = [
        row
        for row, name in enumerate(examples.labelled.ids)
        if name not in place or not held.present[place[name]]
    ]
    if lacking:
        raise DataError(
            f"{len(lacking)} labelled records have no vector",
            where=examples.labelled.where(lacking[0]),
            why=f"{path} has none of that id",
            do="embed the file that the labels are about, or mend the ids",
        )
    return examples, [place[name] for name in examples.labelled.ids]


def _own_labels(
    asked: Labels, task: tuple[ModuleType, Any], held: Embeddings, path: Path, console: Console
) -> tuple[Examples, list[int]]:
    """The rows of the table that have a vector and a label; equal vectors are duplicates."""
    marks = classes.missing(getattr(task[1], "missing", ""))
    cells = ["" if cell in marks else cell or "" for cell in held.labels or ()]
    usable = [row for row, cell in enumerate(cells) if cell and held.present[row]]
    if len(usable) < len(cells) and asked.on_error == "stop":
        row = next(r for r in range(len(cells)) if not (cells[r] and held.present[r]))
        raise DataError(
            "a row has no vector" if cells[row] else "a row has no label",
            where=f"{path}, row {row + 1} ({held.ids[row]})",
            why=f"{len(cells) - len(usable)} of {len(cells)} rows lack one",
            do="pass such rows over with --on-error skip"
            if usable
            else "name the column of labels where the table is made: embed --label-column",
        )
    if not usable:
        raise DataError("no row has a vector and a label", where=str(path))
    labelled = Labelled(
        records=tuple(Record(name, "", str(path), n) for n, name in enumerate(held.ids, 1)),
        labels=tuple(cells),
        parts=None,
        files=(path,),
    ).take(usable, skipped=len(cells) - len(usable))
    module, settings = task
    targets: Targets = module.Task(settings).encode_labels(labelled)
    classed = len(targets.classes) > 0
    strata = targets.values if classed else splits.quantile_strata(targets.values)
    groups = splits.group_numbers([held.vectors[row].tobytes() for row in usable])
    console.say(
        f"labels from {path}: {len(usable)} records, {labelled.skipped} skipped; equal vectors "
        "count as duplicates"
    )
    return Examples(labelled, (), targets, strata, groups), usable


def describe(features: Features, name: str) -> dict[str, Any]:
    """Plug-ins for the manifest, the task included."""
    module, settings = features.task
    return {**features.plugins, "task": manifest.plugin(name, module, settings)}
