"""retrieve: how well a model finds the partner of each record, as a sentence's translation."""

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
_WAYS = ("first to second", "second to first")


@dataclass(frozen=True, kw_only=True)
class Options(Common):
    """Options of retrieve; the command line holds their meaning and defaults."""

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
        """Of tables of pairs: one side, the other one, and ids."""
        named = self.sequence_column, self.label_column, self.id_column
        return Columns(*named, needs_label=True)


def run(options: Options, console: Console) -> None:
    """Embed both sides and look one up by the other; see the command's help."""
    with stopping() as stop, stop.at_once("what is found is written at the end"):
        out = options.out or Path(NAME)
        destination.check(out, kinds.RETRIEVAL, options)
        runtime = runtimes.prepare(options.device, options.threads, options.precision)
        parts = assemble.from_checkpoint(options.checkpoint)
        console.say(parts.inherited())
        endings = retrieve_pairs.endings(options.columns, parts)
        listing = folders.find(
            options.input, endings, all_files=options.all_files, on_error=options.on_error
        )
        destination.check_corpus(out, kinds.RETRIEVAL, options.input, endings, listing.files)
        console.say(listing.summary("pairs"))
        held = retrieve_pairs.read(listing.files, options.columns, options.on_error, parts, console)
        plan = features.plan_of(vars(options), parts.context, parts.encoder.depth)
        made = _describe(listing.files, options, parts, plan, runtime)
        ignored = {"precision"} if options.precision == "auto" else set[str]()
        if not options.force and outputs.is_finished(
            out, made, _read_manifest, "retrieved pairs", ignored
        ):
            console.say(f"{out} is finished: nothing to do")
            with manifest.reading_results(out):
                results = _read_manifest(out).results
                _show(results["models"], results["pairs"], out, console)
            return
        _warn_of_known(parts, made, console)
        found = _found(held, parts, plan, runtime, options.seed, console)
        judged = {
            name: [_judged(one, options.seed) for one in both] for name, both in found.items()
        }
        made = replace(made, results={"pairs": len(held.ids), "models": judged})
        _write(out, held, found["pretrained"], made.to_json())
        _show(judged, len(held.ids), out, console)
        console.say(runtime.bytes_depend_on(options.seed))


def _describe(
    files: Sequence[Path], options: Options, parts: Parts, plan: Plan, runtime: Runtime
) -> Manifest:
    """The manifest without results: all that decides the bytes of the table."""
    return manifest.make(
        "retrieve",
        {"seed": options.seed, "pooling": plan.pooling, "layer": plan.layer,
         "window": plan.window, "on_error": options.on_error, **_named(options),
         **runtime.describe()},
        plugins={k: parts.manifest.plugins[k] for k in ("domain", "model")},
        inputs=manifest.describe(files),
        parents={"checkpoint": parts.sha256},
    )  # fmt: skip


def _named(options: Options) -> dict[str, str]:
    """The columns that were named."""
    names = ("sequence_column", "label_column", "id_column")
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def _warn_of_known(parts: Parts, made: Manifest, console: Console) -> None:
    """Warn where the pairs are those that the encoder was trained on."""
    known = {entry.sha256 for entry in parts.manifest.inputs}
    for entry in made.inputs:
        if entry.sha256 in known:
            console.warn(
                f"{parts.path} was trained on {entry.path}: what is found there says nothing of "
                "pairs that it has not seen"
            )


def _read_manifest(path: Path) -> Manifest:
    """What a table says of its making.

    Raises:
        DataError: it is damaged.
    """
    return parquet.read_manifest(path, "a table of a retrieval")[1]


def _found(
    held: Pairs, parts: Parts, plan: Plan, runtime: Runtime, seed: int, console: Console
) -> dict[str, tuple[Found, Found]]:
    """What each way to look up finds, in both directions; the pretrained encoder last."""
    found = {"shared tokens": _shared(held, parts)}
    encoders = {"untrained": assemble.untrained(parts, seed), "pretrained": parts.encoder}
    for name, encoder in encoders.items():
        ready = encoder.to(runtime.device)
        with console.progress(f"embed, {name}", 2 * len(held.ids), "records") as progress:
            first, second = (
                features.embedded(ready, parts.domain, side, plan, runtime, progress)
                for side in held.units
            )
        if name == "pretrained":
            alike = likeness.of(np.concatenate([first, second]))
            collapse.warn(f"the {name} encoder", alike, console)
            found["token by token"] = _translated(held, parts, ready, plan, runtime, console)
        found[name] = retrieval.search(first, second), retrieval.search(second, first)
    return found


def _shared(held: Pairs, parts: Parts) -> tuple[Found, Found]:
    """Names, numbers and words that both sides write alike, rare ones above all."""
    size = parts.tokens.size
    first, second = (
        retrieval.bags(side, size, retrieval.rarity(side, size)) for side in held.tokens
    )
    return retrieval.search(first, second), retrieval.search(second, first)


def _translated(
    held: Pairs, parts: Parts, encoder: Encoder, plan: Plan, runtime: Runtime, console: Console
) -> tuple[Found, Found]:
    """Every token replaced by the nearest one of the other side, as each stands by itself."""
    known = [np.unique(np.concatenate(side)) for side in held.tokens]
    with console.progress("tokens", sum(map(len, known)), "tokens") as progress:
        vectors = [
            features.embedded(encoder, parts.domain, list(ids[:, None].astype(np.uint32)), plan,
                              runtime, progress)
            for ids in known
        ]  # fmt: skip
    size, found = parts.tokens.size, []
    for here, there in ((0, 1), (1, 0)):
        other = np.zeros(size, np.int64)
        other[known[here]] = known[there][retrieval.dictionary(vectors[here], vectors[there])]
        weights = retrieval.rarity(held.tokens[there], size)
        spoken = [other[row] for row in held.tokens[here]]
        found.append(
            retrieval.search(
                retrieval.bags(spoken, size, weights),
                retrieval.bags(held.tokens[there], size, weights),
            )
        )
    return found[0], found[1]


def _judged(found: Found, seed: int) -> dict[str, dict[str, float]]:
    """Share of partners found first, and mean reciprocal rank, with intervals over pairs."""
    return {
        "top-1": asdict(intervals.of_mean(found.hits, seed)),
        "mrr": asdict(intervals.of_mean(1 / found.rank, seed)),
    }


def _write(out: Path, held: Pairs, found: tuple[Found, Found], made: str) -> None:
    """A row for each pair: where its partners stood, and which stood first."""
    ids = np.array(held.ids, object)
    columns: dict[str, Any] = {"id": pa.array(held.ids, pa.string())}
    for name, one in zip(("second", "first"), found, strict=True):
        columns[f"rank_of_{name}"] = pa.array(one.rank, pa.float64())
        columns[f"nearest_{name}"] = pa.array(ids[one.nearest], pa.string())
    table = pa.table(columns).replace_schema_metadata({manifest.METADATA_KEY: made.encode()})
    with atomic.replacing(out) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)


def _show(
    judged: Mapping[str, list[dict[str, dict[str, float]]]], pairs: int, out: Path, console: Console
) -> None:
    ways = [dict(zip(_WAYS, both, strict=True)) for both in judged.values()]
    told = dict(zip(judged, ways, strict=True))
    chance = float((1 / np.arange(1, pairs + 1)).mean())
    console.result({"pairs": pairs, "retrieval": str(out), "chance_mrr": chance, "models": told})
    if console.as_json or console.quiet:
        return
    rows = [
        [name, *(_cell(one[metric]) for one in both for metric in ("top-1", "mrr"))]
        for name, both in judged.items()
    ]
    columns = ["found by", *(f"{metric}, {way}" for way in _WAYS for metric in ("top-1", "mrr"))]
    title = f"{pairs} pairs, each partner looked up among all; chance {1 / pairs:.4f}, {chance:.4f}"
    tables.show(title, columns, rows)
    console.say(f"wrote {out}")


def _cell(held: Mapping[str, float]) -> str:
    return f"{held['value']:.3f} [{held['low']:.3f}, {held['high']:.3f}]"
