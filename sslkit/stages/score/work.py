"""Scoring lots of whole records into parts that outlive the process."""

import itertools
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from sslkit.artifacts.parts import Parts
from sslkit.console import Console, human
from sslkit.data.reading import Reading, empty_files
from sslkit.engine import assemble
from sslkit.engine.signals import Stop
from sslkit.errors import DataError, RequeueError
from sslkit.inference.scoring import Scorer, Told
from sslkit.stages.score.scorer import Wild
from sslkit.stages.score.tables import Beside, Example, Form
from sslkit.types import Record

#: Tokens that the encoder reads between two places where a run may be continued, in batches.
_LOT_BATCHES = 64
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
        RequeueError: somebody asked to stop; all whole lots were kept.
    """
    if parts.chunks:
        console.say(f"continuing {job.out}, of which some is done")
    held: list[pa.Table] = []
    row, last = parts.chunks, time.monotonic()
    seen = parts.state.get("seen", 0)

    def keep() -> None:
        parts.append(pa.concat_tables(held), row, {"seen": seen})
        held.clear()

    total = None if job.form.marginal else survey.length
    with console.progress("score", total, "tokens") as bar:
        bar.start_at(seen)

        def told(tokens: int) -> None:
            bar.advance(tokens, f"{human(row)} of {human(survey.records)} sequences")
            stop.check(f"{row} records are done")

        try:
            beside = _beside(job, lambda _: stop.check(f"{row} records are done"))
            for chunk in _lots(job, row):
                held.append(_table(job, chunk, beside, told))
                row += len(chunk)
                seen += sum(job.length(example) for example in chunk)
                if time.monotonic() - last > _KEEP_SECONDS:
                    keep()
                    last = time.monotonic()
                stop.check(f"{row} records are done")
        except RequeueError:
            if held:
                keep()
            raise
    if held:
        keep()


def _lots(job: Job, begin: int) -> Iterator[list[Example]]:
    """Whole records that are scored together; what is together depends on the records alone."""
    chunk: list[Example] = []
    reads = 0
    for example in job.examples(begin):
        chunk.append(example)
        # A record without tokens takes memory all the same.
        reads += 1 + job.scorer.reads(job.length(example))
        # The places of the wild type that differ are judged once for all records.
        if not job.form.marginal and reads >= _LOT_BATCHES * job.scorer.plan.batch_tokens:
            yield chunk
            chunk, reads = [], 0
    if chunk:
        yield chunk


def _beside(job: Job, told: Told) -> Beside | None:
    """The score of the wild type, where records are compared with one."""
    if job.wild is None or job.form.marginal:
        return None
    if job.form.energy:
        return Beside(-float(job.scorer.energies([job.wild.units], told)[0]))
    total = job.scorer.totals([job.wild.units], told)
    return Beside(float(total.log_likelihood[0]), int(total.length[0] - total.scored[0]))


def _table(job: Job, chunk: Sequence[Example], beside: Beside | None, told: Told) -> pa.Table:
    """The rows of a lot."""
    if job.form.marginal and job.wild is not None:
        return _changes(job, chunk, job.wild, told)
    units = [example.units for example in chunk]
    if job.form.energy:
        lengths = [job.length(example) for example in chunk]
        return job.form.of_energies(chunk, lengths, job.scorer.energies(units, told), beside)
    if job.form.per_token:
        scores = job.scorer.scores(units, told, detail=True, effects=job.form.effects)
        return job.form.of_tokens(chunk, scores, job.model.domain.units)
    return job.form.of_records(chunk, job.scorer.totals(units, told), beside)


def _changes(job: Job, chunk: Sequence[Example], wild: Wild, told: Told) -> pa.Table:
    """The rows of a lot in which only what differs from the wild type is judged."""
    (own,) = job.scorer.tokens([wild.units])
    places, tokens = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for example in chunk:
        (ids,) = job.scorer.tokens([wild.units if example.bad else example.units])
        places.append(np.flatnonzero(ids != own))
        tokens.append(ids[places[-1]])
    counts = np.array([len(each) for each in places[1:]], np.int64)
    place, token = np.concatenate(places), np.concatenate(tokens)
    order = place.argsort(kind="stable")
    gains = np.empty(len(place))
    gains[order] = job.scorer.changes(wild.units, place[order], token[order], told)
    row = np.repeat(np.arange(len(chunk)), counts)
    delta = np.bincount(row, gains, minlength=len(chunk)).astype(np.float64)
    delta[[example.bad for example in chunk]] = math.nan
    return job.form.of_changes(chunk, len(own), counts, delta)
