"""embed: one vector for each record, from a pretrained encoder.

    sslkit embed genes.fa --checkpoint pretrained --pooling mean

The records are read twice: once to check and count them, so that a bad one is refused before the
long part begins, and once to embed them. Finished rows are kept in parts beside the output; a run
that was stopped continues after the last part and ends in the same bytes.
"""

import itertools
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from sslkit.artifacts import destination, embeddings, kinds, learned, manifest, outputs, plugins
from sslkit.artifacts.manifest import Manifest
from sslkit.artifacts.parts import Parts, working
from sslkit.console import Console, human
from sslkit.contracts.domain import tokens_of
from sslkit.contracts.encoder import Encoder, Pooling
from sslkit.data import recognition
from sslkit.data.reading import Files, Ids, Reading, RecordOptions, check_empty, empty_files
from sslkit.engine import assemble
from sslkit.engine import runtime as runtimes
from sslkit.engine.runtime import Runtime
from sslkit.engine.signals import Stop, stopping
from sslkit.errors import UsageError
from sslkit.files import longest
from sslkit.inference import collapse
from sslkit.inference.embedding import Cursor, Example, Work
from sslkit.inference.encode import resolve_layer
from sslkit.inference.windows import Plan, count_windows
from sslkit.types import Array, Record

#: Without --overlap windows overlap by a window divided by this number.
_OVERLAP = 8
#: Fields of a survey that no manifest has.
_INTERNAL = ("seen", "empty")


@dataclass(frozen=True, kw_only=True)
class Options(RecordOptions):
    """Options of embed; the command line explains them."""

    pooling: Pooling
    per_token: bool
    layer: int
    truncate: bool


@dataclass(frozen=True)
class Job:
    """All that a run consists of."""

    model: assemble.Parts
    encoder: Encoder
    runtime: Runtime
    plan: Plan
    reading: Reading
    columns: pa.Schema
    out: Path

    def work(self) -> Work:
        """The embedding of all records."""
        return Work(
            self.encoder, self.model.domain, self.plan, self.runtime, self.examples, self.columns
        )

    def examples(self, begin: int) -> Iterator[Example]:
        """The records from ``begin`` on."""
        for record in itertools.islice(self.reading.records(), begin, None):
            start, end = self.reading.span(record)
            label = self.reading.label(record)
            yield Example(record.id, self.units(record), label, start, end, self.learned(record))

    def learned(self, record: Record) -> bool | None:
        """Whether the encoder was fine-tuned on a record; None where it was fine-tuned on none."""
        origin = self.model.checkpoint.learned
        if record.error or not len(origin.records):
            return None
        mark = learned.mark(self.model.domain.signature(record))
        return bool(origin.holds(np.array([mark]))[0])

    def units(self, record: Record) -> Array:
        """The units of a record that the encoder reads; none of a bad record."""
        return np.empty(0, np.uint8) if record.error else self.model.domain.encode(record)


@dataclass
class Survey:
    """Counts of the records, taken before the first of them is embedded.

    Attributes:
        too_short: records without a token.
        tokens: of all records.
        seen: tokens that the encoder reads, where windows overlap more than once.
        empty: files without a record.
    """

    records: int = 0
    bad: int = 0
    too_short: int = 0
    truncated: int = 0
    tokens: int = 0
    seen: int = 0
    empty: list[Path] = field(default_factory=list)

    def results(self) -> dict[str, int]:
        """The counts for a manifest."""
        counts = {name: count for name, count in vars(self).items() if name not in _INTERNAL}
        return counts | empty_files(self.empty)


def run(options: Options, console: Console) -> None:
    """Embed records, or continue to; see the command's help."""
    out = options.out or Path(embeddings.NAME)
    destination.check(out, kinds.EMBEDDINGS, options)
    with ExitStack() as stack, stopping() as stop:
        # ---- Data: files, read by the domain of the checkpoint ----
        with stop.at_once("nothing was embedded"):
            model = assemble.from_checkpoint(options.checkpoint)
            module, _ = plugins.restore("domain", model.manifest, model.path)
        endings = recognition.endings(module)
        files = Files.of(options, out, kinds.EMBEDDINGS, endings)

        # ---- Model: the pretrained encoder, and how it reads records ----
        with stop.at_once("nothing was embedded"):
            files.remark(console)
            job = _assemble(options, model, files, endings, console)
            expected = _describe(options, job, files)

        # ---- A finished table is reported again ----
        if outputs.report_finished(
            out,
            expected,
            embeddings.read_manifest,
            "embeddings",
            lambda finished: _report(job, finished, console),
            console,
            force=options.force,
            precision=options.precision,
        ):
            return

        # ---- Loop: all records once to check them, and once to embed them ----
        with stop.at_once("the records were being checked"):
            survey = _survey(job, console)
        identity = outputs.identity(expected)
        parts = stack.enter_context(working(out, identity, console.warn, force=options.force))
        _embed(job, parts, survey, stop, console)

        # ---- Output: one table of all parts ----
        correlation = embeddings.mean_correlation(parts.tables())
        final = replace(expected, results={**survey.results(), "mean_correlation": correlation})
        # A file in the folder of parts is removed by the next run if this one is killed.
        embeddings.write(parts.whole, parts.tables(), job.columns, final)
        parts.publish(out)
        _report(job, final, console)
        console.say(job.runtime.bytes_depend_on())


def _assemble(
    options: Options,
    model: assemble.Parts,
    files: Files,
    endings: tuple[str, ...],
    console: Console,
) -> Job:
    out = options.out or Path(embeddings.NAME)
    precision, threads = outputs.settled(out, options.precision, options.threads, options.force)
    runtime = runtimes.prepare(options.device, threads, precision)
    console.say(model.inherited())
    console.say(files.listing.summary(model.domain_name))
    encoder = model.encoder.to(runtime.device)
    plan = _plan(options, model, encoder.depth)
    spans = options.per_token or options.reference is not None
    columns = embeddings.schema(
        encoder.width,
        labels=options.label_column is not None,
        spans=spans,
        learned=len(model.checkpoint.learned.records) > 0,
    )
    reading = Reading.of(options, files, model, endings, console)
    vectors = f"layer {plan.layer} of {encoder.depth}"
    if model.counts_tokens:
        pooling = "every token" if plan.pooling is None else f"{plan.pooling} over the tokens"
        windows = f"windows of {plan.window} tokens that overlap by {plan.overlap}"
        vectors = f"{pooling}, {vectors}, {windows}"
    console.say(
        f"reading {files}: {vectors}, on {runtime.device} in {runtime.precision}, "
        f"{runtime.threads} thread(s)"
    )
    return Job(model, encoder, runtime, plan, reading, columns, out)


def _plan(options: Options, model: assemble.Parts, depth: int) -> Plan:
    if options.per_token and not model.counts_tokens:
        raise UsageError(
            f"--per-token: records of domain {model.domain_name} have no tokens", do="leave it out"
        )
    window = options.window or model.context
    if window > model.context:
        raise UsageError(
            f"windows of {window} tokens are longer than what the encoder was trained on",
            why=f"that was {model.context} tokens",
            do=f"choose --window up to {model.context}",
        )
    overlap = window // _OVERLAP if options.overlap is None else options.overlap
    return Plan(
        pooling=None if options.per_token else options.pooling,
        layer=resolve_layer(options.layer, depth),
        window=window,
        overlap=overlap,
        truncate=options.truncate,
        batch_tokens=options.batch_tokens,
    )


def _describe(options: Options, job: Job, files: Files) -> Manifest:
    """The manifest without results: all that decides the bytes of the table."""
    reading = job.reading.describe() | {"on_error": options.on_error} | longest.stated()
    plugins_of_model = job.model.manifest.plugins
    return manifest.make(
        "embed",
        asdict(job.plan) | job.runtime.describe() | reading,
        plugins={kind: plugins_of_model[kind] for kind in ("domain", "model")},
        inputs=files.describe(),
        parents={"checkpoint": job.model.sha256},
    )


def _survey(job: Job, console: Console) -> Survey:
    """Read all records once: check, count, and refuse what cannot be used."""
    survey, ids = Survey(), Ids()
    for record in job.reading.records(survey.empty):
        survey.records += 1
        ids.add(record.id)
        tokens = 0 if record.error else tokens_of(job.model.domain, len(job.units(record)))
        survey.bad += bool(record.error)
        survey.too_short += not record.error and tokens < 1
        if tokens > 0:
            survey.tokens += tokens
            survey.seen += count_windows(tokens, job.plan)[1]
            survey.truncated += not job.plan.reads_all(tokens)
    check_empty(survey.records, survey.empty, job.reading.files, console)
    size = f" of {human(survey.tokens)} tokens" if job.model.counts_tokens else ""
    console.say(f"found {human(survey.records)} {job.model.records}{size}")
    ids.warn(console)
    if survey.bad:
        console.warn(f"{survey.bad} {job.model.records} cannot be used and get no vector")
    if survey.too_short and job.model.counts_tokens:
        console.warn(
            f"{survey.too_short} sequences are shorter than one token "
            f"({job.model.domain.units(1)} units) and get no vector"
        )
    if survey.truncated:
        console.warn(f"{survey.truncated} sequences are read up to token {job.plan.window} only")
    return survey


def _embed(job: Job, parts: Parts, survey: Survey, stop: Stop, console: Console) -> None:
    if parts.chunks:
        console.say(f"continuing {job.out}, part of which is done")
    start = time.monotonic()
    first: Cursor | None = None
    with console.progress("embed", survey.seen, "tokens") as progress:

        def report(cursor: Cursor) -> None:
            nonlocal first
            if first is None:
                first = replace(cursor)
                progress.start_at(cursor.seen)
            rate = (cursor.row - first.row) / max(time.monotonic() - start, 1e-9)
            progress.advance(
                cursor.seen - progress.done,
                f"{human(cursor.row)} of {human(survey.records)} sequences, {human(rate)}/s",
            )

        job.work().run(parts, stop, report)


def _report(job: Job, finished: Manifest, console: Console) -> None:
    counts = finished.results
    missing = counts["bad"] + counts["too_short"]
    left_out = {"left_out": job.reading.files.listing.counts()}
    collapse.warn(str(job.out), counts.get("mean_correlation"), console)
    console.result(
        {"embeddings": str(job.out), **counts, **left_out},
        f"wrote {job.out}: {counts['records']} sequences, {missing} of them without a vector",
    )
