"""Scoring records, chunk by chunk, into parts that outlive the process."""

import itertools
import math
import time
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from sslkit.artifacts.parts import Parts
from sslkit.console import Console, human
from sslkit.data.reading import Reading, empty_files
from sslkit.engine import assemble
from sslkit.engine.signals import Stop
from sslkit.errors import DataError, RequeueError
from sslkit.inference.scoring import Report, Scorer
from sslkit.stages.score.scorer import WildType
from sslkit.stages.score.tables import Example, Form, WildScore
from sslkit.types import Record

#: Batches of a chunk; a run may be continued after each chunk.
_CHUNK_BATCHES = 64
#: A part is written after so long: writing it costs little beside the work that it saves.
_KEEP_SECONDS = 10.0
_NO_UNITS = np.empty(0, np.uint8)
#: Fields of a survey that no manifest has.
_INTERNAL = ("reads", "empty")


@dataclass
class Survey:
    """Counts of the records, taken before the first of them is scored.

    Attributes:
        too_short: records without a token.
        length: tokens of all records.
        reads: tokens that the encoder reads to score them.
        empty: files without a record.
    """

    records: int = 0
    bad: int = 0
    too_short: int = 0
    length: int = 0
    reads: int = 0
    empty: list[Path] = field(default_factory=list)

    def results(self) -> dict[str, int]:
        """The counts for a manifest."""
        counts = {name: count for name, count in vars(self).items() if name not in _INTERNAL}
        return counts | empty_files(self.empty)


@dataclass(frozen=True)
class Job:
    """All that a run consists of."""

    model: assemble.Parts
    objective: str
    scorer: Scorer
    reading: Reading
    wild_type: WildType | None
    form: Form
    out: Path

    def length(self, example: Example) -> int:
        """How many tokens a record has."""
        return self.model.domain.length(len(example.units))

    def examples(self, begin: int = 0, empty: list[Path] | None = None) -> Iterator[Example]:
        """The records from ``begin`` on.

        Args:
            empty: gets the files without a record, where these are passed over.

        Raises:
            DataError: a record is bad, where these stop the run.
        """
        wild_type = self.wild_type if self.form.marginal else None
        records = itertools.islice(self.reading.records(empty), begin, None)
        for row, record in enumerate(records, begin):
            units = self.model.domain.encode(record) if not record.error else _NO_UNITS
            bad = bool(record.error)
            if wild_type and not bad and len(units) != len(wild_type.units):
                if self.reading.on_error == "stop":
                    raise _of_other_length(record, len(units), wild_type)
                units, bad = _NO_UNITS, True
            yield Example(record.id, row, units, self.reading.label(record), bad)


def _of_other_length(record: Record, size: int, wild_type: WildType) -> DataError:
    return DataError(
        "a variant is not as long as the wild type",
        where=record.where,
        why=f"it has {size} units, {wild_type.id} has {len(wild_type.units)}: --marginal compares "
        "position by position",
        do="leave --marginal out, or pass such records over with --on-error skip",
    )


def score(job: Job, parts: Parts, survey: Survey, stop: Stop, console: Console) -> None:
    """Add to ``parts`` the rows that they do not have yet.

    Raises:
        RequeueError: a signal came; all whole chunks are kept.
    """
    if parts.chunks:
        console.say(f"continuing {job.out}, part of which is done")
    pending: list[pa.Table] = []
    row, last = parts.chunks, time.monotonic()
    seen = parts.state.get("seen", 0)

    def keep() -> None:
        parts.append(pa.concat_tables(pending), row, {"seen": seen})
        pending.clear()

    total = None if job.form.marginal else survey.length
    with console.progress("score", total, "tokens") as progress:
        progress.start_at(seen)

        def report(tokens: int) -> None:
            progress.advance(tokens, f"{human(row)} of {human(survey.records)} sequences")
            stop.check(f"{row} records are done")

        try:
            for table, records, tokens in _tables(job, row, report):
                pending.append(table)
                row += records
                seen += tokens
                if time.monotonic() - last > _KEEP_SECONDS:
                    keep()
                    last = time.monotonic()
                stop.check(f"{row} records are done")
        except RequeueError:
            if pending:
                keep()
            raise
    if pending:
        keep()


def _tables(job: Job, begin: int, report: Report) -> Iterator[tuple[pa.Table, int, int]]:
    """Rows of records that are scored together, and the number of these records and tokens."""
    if job.form.marginal and job.wild_type is not None:
        yield from _marginals(job, begin, job.wild_type, report)
        return
    wild = _wild_score(job, job.wild_type, report) if job.wild_type is not None else None
    for chunk in _chunks(job, begin):
        tokens = sum(job.length(example) for example in chunk)
        yield _table(job, chunk, wild, report), len(chunk), tokens


def _chunks(job: Job, begin: int) -> Iterator[list[Example]]:
    """Whole records that are scored together; the chunks depend on the records alone."""
    chunk: list[Example] = []
    reads = 0
    for example in job.examples(begin):
        chunk.append(example)
        # A record without tokens takes memory all the same.
        reads += 1 + job.scorer.reads(job.length(example))
        if reads >= _CHUNK_BATCHES * job.scorer.plan.batch_tokens:
            yield chunk
            chunk, reads = [], 0
    if chunk:
        yield chunk


def _wild_score(job: Job, wild_type: WildType, report: Report) -> WildScore:
    """The score of the wild type, with which whole records are compared."""
    if job.form.energy:
        return WildScore(-float(job.scorer.energies([wild_type.units], report)[0]))
    total = job.scorer.totals([wild_type.units], report)
    return WildScore(float(total.log_likelihood[0]), int(total.length[0] - total.scored[0]))


def _table(job: Job, chunk: Sequence[Example], wild: WildScore | None, report: Report) -> pa.Table:
    """The rows of records that are scored whole."""
    units = [example.units for example in chunk]
    if job.form.energy:
        lengths = [job.length(example) for example in chunk]
        energies = job.scorer.energies(units, report)
        return job.form.of_energies(chunk, lengths, energies, wild)
    if job.form.per_token:
        scores = job.scorer.scores(units, report, detail=True, effects=job.form.effects)
        return job.form.of_tokens(chunk, scores, job.model.domain.units)
    return job.form.of_records(chunk, job.scorer.totals(units, report), wild)


def _marginals(
    job: Job, begin: int, wild_type: WildType, report: Report
) -> Iterator[tuple[pa.Table, int, int]]:
    """The rows of all records, of which only the tokens that differ from the wild type are scored.

    Each position of the wild type is scored once for all records. Of a record only its changes
    stay in memory.
    """
    (wild_tokens,) = job.scorer.tokens([wild_type.units])
    chunk: list[Example] = []
    positions, tokens, counts = array("q"), array("q"), array("q")
    for example in job.examples(begin):
        (own,) = job.scorer.tokens([wild_type.units if example.bad else example.units])
        changed = np.flatnonzero(own != wild_tokens)
        positions.frombytes(changed.tobytes())
        tokens.frombytes(own[changed].tobytes())
        counts.append(len(changed))
        chunk.append(replace(example, units=_NO_UNITS))
        report(0)
    if not chunk:
        return
    position, token, count = (
        np.frombuffer(buffer, np.int64) for buffer in (positions, tokens, counts)
    )
    order = position.argsort(kind="stable")
    gains = np.empty(len(position))
    gains[order] = job.scorer.changes(wild_type.units, position[order], token[order], report)
    delta = np.bincount(np.repeat(np.arange(len(chunk)), count), gains, minlength=len(chunk))
    bad = np.array([example.bad for example in chunk])
    table = job.form.of_changes(
        chunk, len(wild_tokens), count, np.where(bad, math.nan, delta.astype(np.float64))
    )
    yield table, len(chunk), len(wild_tokens) * int((~bad).sum())
