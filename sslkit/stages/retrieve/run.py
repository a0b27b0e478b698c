"""retrieve: how well an encoder finds the partner of each record, as a sentence's translation.

    sslkit retrieve pairs.tsv --checkpoint pretrained

Each record of one side is a query, whose candidates are all records of the other side; candidates
are ranked by the cosine of embeddings, of the pretrained encoder and of the same one untrained, and
by tokens alone; the ranks of the partners give top-1 accuracy and mean reciprocal rank.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from sslkit import tables
from sslkit.analysis import retrieval
from sslkit.analysis.retrieval import Found
from sslkit.artifacts import destination, kinds, likeness, manifest, outputs, parquet
from sslkit.artifacts.manifest import Manifest
from sslkit.console import Console
from sslkit.contracts.encoder import Encoder, Pooling
from sslkit.engine import assemble
from sslkit.engine import runtime as runtimes
from sslkit.engine.assemble import Parts
from sslkit.engine.runtime import Runtime
from sslkit.engine.signals import stopping
from sslkit.files import atomic, folders
from sslkit.files.columns import Columns
from sslkit.inference import collapse, features
from sslkit.inference.windows import Plan
from sslkit.options import Common
from sslkit.probes import intervals
from sslkit.stages.retrieve import pairs as retrieve_pairs
from sslkit.stages.retrieve.pairs import Pairs

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
NAME = "retrieval.parquet"
_DIRECTIONS = ("first to second", "second to first")


@dataclass(frozen=True, kw_only=True)
class Options(Common):
    """Options of retrieve; the command line explains them."""

    input: list[Path]
    checkpoint: Path
    pooling: Pooling
    layer: int
    window: int | None
    batch_tokens: int
    precision: Literal["auto", "fp32", "bf16"]
    sequence_column: str | None
    label_column: str | None
    id_column: str | None
    all_files: bool

    @property
    def columns(self) -> Columns:
        """Columns of tables of pairs: one side, the other side, and ids."""
        names = self.sequence_column, self.label_column, self.id_column
        return Columns(*names, needs_label=True)


def run(options: Options, console: Console) -> None:
    """Embed both sides and look each up among the other; see the command's help."""
    with stopping() as stop, stop.at_once("the results are written at the end"):
        out = options.out or Path(NAME)
        destination.check(out, kinds.RETRIEVAL, options)
        runtime = runtimes.prepare(options.device, options.threads, options.precision)
        parts = assemble.from_checkpoint(options.checkpoint)
        console.say(parts.inherited())

        # ---- Data: pairs of records ----
        endings = retrieve_pairs.endings(options.columns, parts)
        listing = folders.find(
            options.input, endings, all_files=options.all_files, on_error=options.on_error
        )
        destination.check_corpus(out, kinds.RETRIEVAL, options.input, endings, listing.files)
        console.say(listing.summary("pairs"))
        pairs = retrieve_pairs.read(
            listing.files, options.columns, options.on_error, parts, console
        )

        # ---- A finished table is shown again ----
        plan = features.plan_of(vars(options), parts.context, parts.encoder.depth)
        expected = _describe(listing.files, options, parts, plan, runtime)
        if outputs.report_finished(
            out,
            expected,
            _read_manifest,
            "retrieved pairs",
            lambda finished: _show(finished, out, console),
            console,
            force=options.force,
            precision=options.precision,
        ):
            return
        _warn_of_known(parts, expected, console)

        # ---- Models: tokens alone, the untrained encoder, the pretrained one ----
        rankings = _rankings(pairs, parts, plan, runtime, options.seed, console)

        # ---- Metrics: with intervals over pairs ----
        metrics = {
            name: [_metrics(ranking, options.seed) for ranking in both]
            for name, both in rankings.items()
        }

        # ---- Output: a table of ranks ----
        final = replace(expected, results={"pairs": len(pairs.ids), "models": metrics})
        _write(out, pairs, rankings["pretrained"], final.to_json())
        _show(final, out, console)
        console.say(runtime.bytes_depend_on(options.seed))


def _describe(
    files: Sequence[Path], options: Options, parts: Parts, plan: Plan, runtime: Runtime
) -> Manifest:
    """The manifest without results: all that decides the bytes of the table."""
    columns = ("sequence_column", "label_column", "id_column")
    named = {name: value for name in columns if (value := getattr(options, name)) is not None}
    return manifest.make(
        "retrieve",
        {"seed": options.seed, "pooling": plan.pooling, "layer": plan.layer,
         "window": plan.window, "on_error": options.on_error, **named, **runtime.describe()},
        plugins={k: parts.manifest.plugins[k] for k in ("domain", "model")},
        inputs=manifest.describe(files),
        parents={"checkpoint": parts.sha256},
    )  # fmt: skip


def _warn_of_known(parts: Parts, expected: Manifest, console: Console) -> None:
    """Warn where the encoder was trained on these pairs."""
    known = {entry.sha256 for entry in parts.manifest.inputs}
    for entry in expected.inputs:
        if entry.sha256 in known:
            console.warn(
                f"{parts.path} was trained on {entry.path}: its results there do not hold for "
                "pairs that it has not seen"
            )


def _read_manifest(path: Path) -> Manifest:
    """The manifest of a table of ranks.

    Raises:
        DataError: it is damaged.
    """
    return parquet.read_manifest(path, "a table of a retrieval")[1]


def _rankings(
    pairs: Pairs, parts: Parts, plan: Plan, runtime: Runtime, seed: int, console: Console
) -> dict[str, tuple[Found, Found]]:
    """Rankings of each model in both directions; the pretrained encoder comes last."""
    rankings = {"shared tokens": _shared(pairs, parts)}
    encoders = {"untrained": assemble.untrained(parts, seed), "pretrained": parts.encoder}
    for name, on_cpu in encoders.items():
        encoder = on_cpu.to(runtime.device)
        with console.progress(f"embed, {name}", 2 * len(pairs.ids), "records") as progress:
            first, second = (
                features.embedded(encoder, parts.domain, side, plan, runtime, progress)
                for side in pairs.units
            )
        if name == "pretrained":
            alike = likeness.of(np.concatenate([first, second]))
            collapse.warn(f"the {name} encoder", alike, console)
            rankings["token by token"] = _translated(pairs, parts, encoder, plan, runtime, console)
        rankings[name] = retrieval.search(first, second), retrieval.search(second, first)
    return rankings


def _shared(pairs: Pairs, parts: Parts) -> tuple[Found, Found]:
    """Rankings by the tokens that both sides share, rare ones weighted most."""
    size = parts.tokens.size
    first, second = (
        retrieval.bags(side, size, retrieval.rarity(side, size)) for side in pairs.tokens
    )
    return retrieval.search(first, second), retrieval.search(second, first)


def _translated(
    pairs: Pairs, parts: Parts, encoder: Encoder, plan: Plan, runtime: Runtime, console: Console
) -> tuple[Found, Found]:
    """Rankings by tokens, each replaced by the nearest one of the other side, embedded alone."""
    known = [np.unique(np.concatenate(side)) for side in pairs.tokens]
    with console.progress("tokens", sum(map(len, known)), "tokens") as progress:
        vectors = [
            features.embedded(encoder, parts.domain, list(ids[:, None].astype(np.uint32)), plan,
                              runtime, progress)
            for ids in known
        ]  # fmt: skip
    size, rankings = parts.tokens.size, []
    for source, target in ((0, 1), (1, 0)):
        translation = np.zeros(size, np.int64)
        nearest = retrieval.dictionary(vectors[source], vectors[target])
        translation[known[source]] = known[target][nearest]
        weights = retrieval.rarity(pairs.tokens[target], size)
        translated = [translation[row] for row in pairs.tokens[source]]
        rankings.append(
            retrieval.search(
                retrieval.bags(translated, size, weights),
                retrieval.bags(pairs.tokens[target], size, weights),
            )
        )
    return rankings[0], rankings[1]


def _metrics(ranking: Found, seed: int) -> dict[str, dict[str, float]]:
    """Share of partners ranked first, and mean reciprocal rank, with intervals over pairs."""
    return {
        "top-1": asdict(intervals.of_mean(ranking.hits, seed)),
        "mrr": asdict(intervals.of_mean(1 / ranking.rank, seed)),
    }


def _write(out: Path, pairs: Pairs, rankings: tuple[Found, Found], manifest_json: str) -> None:
    """Write a row for each pair: the ranks of its partners, and the nearest records."""
    ids = np.array(pairs.ids, object)
    columns: dict[str, Any] = {"id": pa.array(pairs.ids, pa.string())}
    for name, ranking in zip(("second", "first"), rankings, strict=True):
        columns[f"rank_of_{name}"] = pa.array(ranking.rank, pa.float64())
        columns[f"nearest_{name}"] = pa.array(ids[ranking.nearest], pa.string())
    metadata = {manifest.METADATA_KEY: manifest_json.encode()}
    table = pa.table(columns).replace_schema_metadata(metadata)
    with atomic.replacing(out) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)


def _show(finished: Manifest, out: Path, console: Console) -> None:
    pairs: int = finished.results["pairs"]
    metrics: Mapping[str, list[dict[str, dict[str, float]]]] = finished.results["models"]
    models = {name: dict(zip(_DIRECTIONS, both, strict=True)) for name, both in metrics.items()}
    chance = float((1 / np.arange(1, pairs + 1)).mean())
    console.result({"pairs": pairs, "retrieval": str(out), "chance_mrr": chance, "models": models})
    if console.as_json or console.quiet:
        return
    rows = [
        [name, *(_cell(values[metric]) for values in both for metric in ("top-1", "mrr"))]
        for name, both in metrics.items()
    ]
    columns = [f"{metric}, {way}" for way in _DIRECTIONS for metric in ("top-1", "mrr")]
    title = f"{pairs} pairs, each partner looked up among all; chance {1 / pairs:.4f}, {chance:.4f}"
    tables.show(title, ["model", *columns], rows)
    console.say(f"wrote {out}")


def _cell(interval: Mapping[str, float]) -> str:
    return f"{interval['value']:.3f} [{interval['low']:.3f}, {interval['high']:.3f}]"
