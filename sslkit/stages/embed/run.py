"""embed: one vector for each record, from a pretrained encoder.

The records are read twice: once to check and count them, so that a bad one is found before the
long part begins, and once to embed them. What is finished is kept in parts beside the output; a
run that was stopped goes on behind the last part and ends in the same bytes.
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

#: The share of a window that it has in common with the next where nothing else is asked for.
_OVERLAP = 8
_NOT_STATED = ("seen", "empty")


@dataclass(frozen=True, kw_only=True)
class Options(RecordOptions):
    """Options of embed; the command line holds their meaning and defaults."""

    pooling: Pooling
    per_token: bool
    layer: int
    truncate: bool


@dataclass(frozen=True)
class Job:
    """The parts of one run."""

    model: assemble.Parts
    encoder: Encoder
    runtime: Runtime
    plan: Plan
    reading: Reading
    columns: pa.Schema
    out: Path

    def work(self) -> Work:
        """The part that takes long."""
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
        """Whether the encoder was fine-tuned on a record; None where it was on none."""
        origin = self.model.checkpoint.learned
        if record.error or not len(origin.records):
            return None
        mark = learned.mark(self.model.domain.signature(record))
        return bool(origin.holds(np.array([mark]))[0])

    def units(self, record: Record) -> Array:
        """What the encoder reads of a record; nothing of a bad one."""
        return np.empty(0, np.uint8) if record.error else self.model.domain.encode(record)


@dataclass
class Survey:
    """What the records hold, counted before the first of them is embedded."""

    records: int = 0
    bad: int = 0
    too_short: int = 0
    truncated: int = 0
    tokens: int = 0
    seen: int = 0
    empty: list[Path] = field(default_factory=list)

    def results(self) -> dict[str, int]:
        """What a manifest says of it."""
        counts = {name: count for name, count in vars(self).items() if name not in _NOT_STATED}
        return counts | empty_files(self.empty)


def run(options: Options, console: Console) -> None:
    """Embed records, or continue to; see the command's help."""
    out = options.out or Path(embeddings.NAME)
    destination.check(out, kinds.EMBEDDINGS, options)
    with ExitStack() as stack, stopping() as stop:
        with stop.at_once("nothing was embedded"):
            model = assemble.from_checkpoint(options.checkpoint)
            module, _ = plugins.restore("domain", model.manifest, model.path)
        own = recognition.endings(module)
        files = Files.of(options, out, kinds.EMBEDDINGS, own)
        with stop.at_once("nothing was embedded"):
            files.remark(console)
            job = _assemble(options, model, files, own, console)
            made = _describe(options, job, files)
        ignored = {"precision"} if options.precision == "auto" else set[str]()
        if not options.force and outputs.is_finished(
            job.out, made, embeddings.read_manifest, "embeddings", ignored
        ):
            console.say(f"{job.out} is finished: nothing to do")
            outputs.tidy(job.out, made, embeddings.read_manifest)
            with manifest.reading_results(job.out):
                _report(job, embeddings.read_manifest(job.out), console)
            return
        with stop.at_once("the records were being checked"):
            survey = _survey(job, console)
        parts = stack.enter_context(
            working(job.out, outputs.identity(made), console.warn, force=options.force)
        )
        _embed(job, parts, survey, stop, console)
        alike = embeddings.mean_correlation(parts.tables())
        made = replace(made, results={**survey.results(), "mean_correlation": alike})
        # Written where a killed process leaves nothing that is not cleared away later.
        embeddings.write(parts.whole, parts.tables(), job.columns, made)
        parts.publish(job.out)
        _report(job, made, console)
        console.say(job.runtime.bytes_depend_on())


def _assemble(
    options: Options,
    model: assemble.Parts,
    files: Files,
    own: tuple[str, ...],
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
    reading = Reading.of(options, files, model, own, console)
    how = f"layer {plan.layer} of {encoder.depth}"
    if model.counts_tokens:
        what = "every token" if plan.pooling is None else f"{plan.pooling} over the tokens"
        how = f"{what}, {how}, windows of {plan.window} tokens that overlap by {plan.overlap}"
    console.say(
        f"reading {files}: {how}, on {runtime.device} in {runtime.precision}, "
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
    asked = {
        **job.reading.describe(),
        "on_error": options.on_error,
        **longest.stated(),
    }
    trained = job.model.manifest.plugins
    return manifest.make(
        "embed",
        asdict(job.plan) | job.runtime.describe() | asked,
        plugins={kind: trained[kind] for kind in ("domain", "model")},
        inputs=files.describe(),
        parents={"checkpoint": job.model.sha256},
    )


def _survey(job: Job, console: Console) -> Survey:
    """Read everything once: check, count, and refuse what cannot be used."""
    found, names = Survey(), Ids()
    for record in job.reading.records(found.empty):
        found.records += 1
        names.add(record.id)
        tokens = 0 if record.error else tokens_of(job.model.domain, len(job.units(record)))
        found.bad += bool(record.error)
        found.too_short += not record.error and tokens < 1
        if tokens > 0:
            found.tokens += tokens
            found.seen += count_windows(tokens, job.plan)[1]
            found.truncated += not job.plan.reads_all(tokens)
    check_empty(found.records, found.empty, job.reading.files, console)
    size = f" of {human(found.tokens)} tokens" if job.model.counts_tokens else ""
    console.say(f"found {human(found.records)} {job.model.records}{size}")
    names.warn(console)
    if found.bad:
        console.warn(f"{found.bad} {job.model.records} cannot be used and get no vector")
    if found.too_short and job.model.counts_tokens:
        console.warn(
            f"{found.too_short} sequences are shorter than one token "
            f"({job.model.domain.units(1)} units) and get no vector"
        )
    if found.truncated:
        console.warn(f"{found.truncated} sequences are read up to token {job.plan.window} only")
    return found


def _embed(job: Job, parts: Parts, survey: Survey, stop: Stop, console: Console) -> None:
    if parts.chunks:
        console.say(f"continuing {job.out}, of which some is done")
    start = time.monotonic()
    first: Cursor | None = None
    with console.progress("embed", survey.seen, "tokens") as progress:

        def told(cursor: Cursor) -> None:
            nonlocal first
            if first is None:
                first = replace(cursor)
                progress.start_at(cursor.seen)
            rate = (cursor.row - first.row) / max(time.monotonic() - start, 1e-9)
            progress.advance(
                cursor.seen - progress.done,
                f"{human(cursor.row)} of {human(survey.records)} sequences, {human(rate)}/s",
            )

        job.work().run(parts, stop, told)


def _report(job: Job, made: Manifest, console: Console) -> None:
    counts = made.results
    without = counts["bad"] + counts["too_short"]
    left_out = {"left_out": job.reading.files.listing.counts()}
    collapse.warn(str(job.out), counts.get("mean_correlation"), console)
    console.result(
        {"embeddings": str(job.out), **counts, **left_out},
        f"wrote {job.out}: {counts['records']} sequences, {without} of them without a vector",
    )
