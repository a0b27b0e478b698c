"""Options of score, the objective of the checkpoint that scores, and the wild type."""

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sslkit.contracts.objective import Energy
from sslkit.contracts.spec import token_ids
from sslkit.data.reading import Files, Reading, RecordOptions
from sslkit.engine import assemble
from sslkit.engine.runtime import Runtime
from sslkit.errors import DataError, UsageError
from sslkit.files import folders, sequences
from sslkit.inference import scorers
from sslkit.inference.scoring import Scorer
from sslkit.types import Array, Record

#: The largest vocabulary whose tokens get a column each.
_MOST_EFFECTS = 256


@dataclass(frozen=True, kw_only=True)
class Options(RecordOptions):
    """Options of score; the command line explains them."""

    objective: str | None
    wild_type: Path | None
    wild_type_id: str | None
    marginal: bool
    per_position: bool
    effects: bool
    spacing: int | None


@dataclass(frozen=True)
class WildType:
    """The record that variants are compared with."""

    id: str
    units: Array

    def describe(self) -> dict[str, str]:
        """Id and hash, for a manifest."""
        return {"id": self.id, "sha256": hashlib.sha256(self.units.tobytes()).hexdigest()}


def prepare(options: Options, model: assemble.Parts, runtime: Runtime) -> tuple[str, Scorer]:
    """The name of the objective that scores, and the scorer.

    Raises:
        UsageError: no objective of the checkpoint can score, or options do not fit it.
        DataError: the checkpoint does not fit its own manifest.
    """
    name, scorer = scorers.scorer(
        model,
        runtime,
        objective=options.objective,
        window=options.window,
        overlap=options.overlap,
        batch_tokens=options.batch_tokens,
        spacing=options.spacing,
    )
    _check(options, name, scorer)
    return name, scorer


def _check(options: Options, name: str, scorer: Scorer) -> None:
    """Refuse options that do not go together, or not with the objective."""
    compared = options.wild_type is not None or options.wild_type_id is not None
    if options.marginal and not compared:
        raise UsageError("--marginal needs a wild type", do="name one with --wild-type")
    if options.per_position and compared:
        raise UsageError(
            "a row per token has no difference to a wild type",
            do="leave --per-position out, or score both without a wild type",
        )
    if options.effects and not options.per_position:
        raise UsageError("--effects is of tokens", do="add --per-position")
    if isinstance(scorer.objective, Energy):
        if options.per_position or options.marginal or options.spacing:
            raise UsageError(
                f"{name} scores whole records, not their tokens",
                do="leave --per-position, --marginal and --spacing out",
            )
        return
    if scorer.encoder.causal and (options.marginal or options.spacing):
        raise UsageError(
            f"{name} hides nothing",
            why="it gives the exact score of a record in one pass",
            do="leave --marginal and --spacing out",
        )
    tokens = token_ids(scorer.domain.spec)
    if options.spacing is not None and options.spacing < 2 * tokens.overlap + 2:
        raise UsageError(
            f"--spacing {options.spacing} hides every token at once",
            why=f"{tokens.overlap} to each side of a hidden token are hidden as well",
            do=f"give {2 * tokens.overlap + 2} or more; 16 is fast",
        )
    if options.effects and tokens.size > _MOST_EFFECTS:
        raise UsageError(
            f"--effects would write {tokens.size} columns",
            why=f"one for each token of the vocabulary, and the limit is {_MOST_EFFECTS}",
            do="write the variants of interest to a FASTA and score them with --wild-type "
            "and --marginal",
        )


def wild_type(options: Options, reading: Reading, model: assemble.Parts) -> WildType | None:
    """The record that variants are compared with; None where the options name none.

    Raises:
        UsageError: there is no such record, or more than one.
        DataError: it cannot be scored.
    """
    if options.wild_type is None:
        if options.wild_type_id is None:
            return None
        record = _named(reading.records(), options.wild_type_id, str(reading.files))
    else:
        files = Files(folders.find([options.wild_type], sequences.ENDINGS), None)
        records = Reading(files, "stop", reading.reader).records()
        record = _named(records, options.wild_type_id, str(files))
    units = model.domain.encode(record) if not record.error else None
    if units is None or model.domain.length(len(units)) < 1:
        raise DataError(
            "the wild type cannot be scored",
            where=record.where,
            why=record.error or "it is shorter than one token",
        )
    return WildType(record.id, units)


def _named(records: Iterator[Record], name: str | None, where: str) -> Record:
    """The record of that id, or without an id the only one."""
    if name is None:
        first_two = list(itertools.islice(records, 2))
        if len(first_two) != 1:
            raise UsageError(
                f"{where} holds {'more than one record' if first_two else 'no record'}",
                do="name the wild type with --wild-type-id",
            )
        return first_two[0]
    for record in records:
        if record.id == name:
            return record
    raise UsageError(f"there is no record {name!r} in {where}", do="correct --wild-type-id")
