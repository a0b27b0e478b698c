"""Scoring chunks of whole records into parts that outlive the process."""

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
from sslkit.stages.score.scorer import Wild
from sslkit.stages.score.tables import Beside, Example, Form
from sslkit.types import Record

#: Tokens that the encoder reads between two places where a run may be continued, in batches.
_CHUNK_BATCHES = 64
#: A part is written when its writing costs little beside the work that it saves.
_KEEP_SECONDS = 10.0
_NOTHING = np.empty(0, np.uint8)
_NOT_STATED = ("reads", "empty")


@dataclass
class Survey:
    """What the records hold, counted before the first of them is scored.

    Attributes:
        length: tokens of all records; ``reads`` those that the encoder reads to judge them.
    """

    records: int = 0
    bad: int = 0
    too_short: int = 0
    length: int = 0
    reads: int = 0
    empty: list[Path] = field(default_factory=list)

    def results(self) -> dict[str, int]:
        """What a manifest says of it."""
        counts = {name: count for name, count in vars(self).items() if name not in _NOT_STATED}
        return counts | empty_files(self.empty)


@dataclass(frozen=True)
class Job:
    """The parts of one run."""

    model: assemble.Parts
    objective: str
    scorer: Scorer
    reading: Reading
    wild: Wild | None
    form: Form
    out: Path

    def length(self, example: Example) -> int:
        """How many tokens a record has."""
        return self.model.domain.length(len(example.units))

    def examples(self, begin: int = 0, empty: list[Path] | None = None) -> Iterator[Example]:
        """The records from ``begin`` on.

        Args:
            empty: gets the files that hold nothing, where these are passed over.

        Raises:
            DataError: a bad one, where these stop the run.
        """
        records = itertools.islice(self.reading.records(empty), begin, None)
        for row, record in enumerate(records, begin):
            units = self.model.domain.encode(record) if not record.error else _NOTHING
            bad = bool(record.error)
            if self.form.marginal and self.wild and not bad and len(units) != len(self.wild.units):
                if self.reading.on_error == "stop":
                    raise _of_other_length(record, len(units), self.wild)
                units, bad = _NOTHING, True
            yield Example(record.id, row, units, self.reading.label(record), bad)


def _of_other_length(record: Record, size: int, wild: Wild) -> DataError:
    return DataError(
        "a variant is not as long as the wild type",
        where=record.where,
        why=f"it has {size} units, {wild.id} has {len(wild.units)}: --marginal compares place by "
        "place",
        do="leave --marginal out, or pass such records over with --on-error skip",
    )


def score(job: Job, parts: Parts, survey: Survey, stop: Stop, console: Console) -> None:
    """Add to ``parts`` the rows that they do not hold yet.

    Raises:
        RequeueError: somebody asked to stop; all whole chunks were kept.
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
    with console.progress("score", total, "tokens") as bar:
        bar.start_at(seen)

        def report(tokens: int) -> None:
            bar.advance(tokens, f"{human(row)} of {human(survey.records)} sequences")
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
    """Rows of whole records that are scored together, and how many records and tokens these are."""
    if job.form.marginal and job.wild is not None:
        yield from _marginals(job, begin, job.wild, report)
        return
    baseline = _wild_score(job, job.wild, report) if job.wild is not None else None
    for chunk in _chunks(job, begin):
        tokens = sum(job.length(example) for example in chunk)
        yield _table(job, chunk, baseline, report), len(chunk), tokens


def _chunks(job: Job, begin: int) -> Iterator[list[Example]]:
    """Whole records that are scored together; which are together depends on the records alone."""
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


def _wild_score(job: Job, wild: Wild, report: Report) -> Beside:
    """The score of the wild type, with which whole records are compared."""
    if job.form.energy:
        return Beside(-float(job.scorer.energies([wild.units], report)[0]))
    total = job.scorer.totals([wild.units], report)
    return Beside(float(total.log_likelihood[0]), int(total.length[0] - total.scored[0]))


def _table(job: Job, chunk: Sequence[Example], baseline: Beside | None, report: Report) -> pa.Table:
    """The rows of records that are scored whole."""
    units = [example.units for example in chunk]
    if job.form.energy:
        lengths = [job.length(example) for example in chunk]
        energies = job.scorer.energies(units, report)
        return job.form.of_energies(chunk, lengths, energies, baseline)
    if job.form.per_token:
        scores = job.scorer.scores(units, report, detail=True, effects=job.form.effects)
        return job.form.of_tokens(chunk, scores, job.model.domain.units)
    return job.form.of_records(chunk, job.scorer.totals(units, report), baseline)


def _marginals(
    job: Job, begin: int, wild: Wild, report: Report
) -> Iterator[tuple[pa.Table, int, int]]:
    """The rows of all records, of which only what differs from the wild type is judged.

    Each position of the wild type is judged once for all records. Of a record only its changes
    stay in memory.
    """
    (wild_tokens,) = job.scorer.tokens([wild.units])
    chunk: list[Example] = []
    positions, tokens, counts = array("q"), array("q"), array("q")
    for example in job.examples(begin):
        (own,) = job.scorer.tokens([wild.units if example.bad else example.units])
        changed = np.flatnonzero(own != wild_tokens)
        positions.frombytes(changed.tobytes())
        tokens.frombytes(own[changed].tobytes())
        counts.append(len(changed))
        chunk.append(replace(example, units=_NOTHING))
        report(0)
    if not chunk:
        return
    position, token, count = (np.frombuffer(each, np.int64) for each in (positions, tokens, counts))
    order = position.argsort(kind="stable")
    gains = np.empty(len(position))
    gains[order] = job.scorer.changes(wild.units, position[order], token[order], report)
    delta = np.bincount(np.repeat(np.arange(len(chunk)), count), gains, minlength=len(chunk))
    bad = np.array([example.bad for example in chunk])
    table = job.form.of_changes(
        chunk, len(wild_tokens), count, np.where(bad, math.nan, delta.astype(np.float64))
    )
    yield table, len(chunk), len(wild_tokens) * int((~bad).sum())
