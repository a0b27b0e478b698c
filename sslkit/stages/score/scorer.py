"""What a scoring run is made of: its options, the objective of the checkpoint, a wild type."""

import hashlib
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

#: Most tokens of a vocabulary that get a column each.
_MOST_EFFECTS = 256


@dataclass(frozen=True, kw_only=True)
class Options(RecordOptions):
    """Options of score; the command line holds their meaning and defaults."""

    objective: str | None
    wild_type: Path | None
    wild_type_id: str | None
    marginal: bool
    per_position: bool
    effects: bool
    spacing: int | None


@dataclass(frozen=True)
class Wild:
    """What variants are compared with."""

    id: str
    units: Array

    def describe(self) -> dict[str, str]:
        """For a manifest."""
        return {"id": self.id, "sha256": hashlib.sha256(self.units.tobytes()).hexdigest()}


def scorer(options: Options, model: assemble.Parts, runtime: Runtime) -> tuple[str, Scorer]:
    """The objective that scores, by name, and the model as it reads.

    Raises:
        UsageError: nothing in the checkpoint can score, or not what was asked for.
        DataError: the checkpoint does not fit its own description.
    """
    name, held = scorers.scorer(
        model,
        runtime,
        objective=options.objective,
        window=options.window,
        overlap=options.overlap,
        batch_tokens=options.batch_tokens,
        spacing=options.spacing,
    )
    _check(options, name, held)
    return name, held


def _check(options: Options, name: str, held: Scorer) -> None:
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
    if isinstance(held.objective, Energy):
        if options.per_position or options.marginal or options.spacing:
            raise UsageError(
                f"{name} judges whole records, not their tokens",
                do="leave --per-position, --marginal and --spacing out",
            )
        return
    if held.encoder.causal and (options.marginal or options.spacing):
        raise UsageError(
            f"{name} hides nothing",
            why="it gives the exact score of a record in one pass",
            do="leave --marginal and --spacing out",
        )
    tokens = token_ids(held.domain.spec)
    if options.spacing is not None and options.spacing < 2 * tokens.overlap + 2:
        raise UsageError(
            f"--spacing {options.spacing} hides every token at once",
            why=f"{tokens.overlap} to each side of a hidden token are hidden as well",
            do=f"give {2 * tokens.overlap + 2} or more; 16 is fast",
        )
    if options.effects and tokens.size > _MOST_EFFECTS:
        raise UsageError(
            f"--effects would write {tokens.size} columns",
            why=f"so many tokens are in the vocabulary, and the limit is {_MOST_EFFECTS}",
            do="write the variants of interest to a FASTA and score them with --wild-type "
            "and --marginal",
        )


def wild_type(options: Options, reading: Reading, model: assemble.Parts) -> Wild | None:
    """The record that others are compared with; None where there is none.

    Raises:
        UsageError: it is not there, or it is not plain which one it is.
        DataError: it cannot be used.
    """
    if options.wild_type is None:
        if options.wild_type_id is None:
            return None
        found = _chosen(reading.records(), options.wild_type_id, str(reading.files))
    else:
        files = Files(folders.find([options.wild_type], sequences.ENDINGS), None)
        records = Reading(files, "stop", reading.reader).records()
        found = _chosen(records, options.wild_type_id, str(files))
    units = model.domain.encode(found) if not found.error else None
    if units is None or model.domain.length(len(units)) < 1:
        raise DataError(
            "the wild type cannot be scored",
            where=found.where,
            why=found.error or "it is shorter than one token",
        )
    return Wild(found.id, units)


def _chosen(records: Iterator[Record], name: str | None, where: str) -> Record:
    """The record of that name, or the only one."""
    if name is None:
        held = [record for record, _ in zip(records, range(2), strict=False)]
        if len(held) != 1:
            raise UsageError(
                f"{where} holds {'more than one record' if held else 'no record'}",
                do="name the wild type with --wild-type-id",
            )
        return held[0]
    for record in records:
        if record.id == name:
            return record
    raise UsageError(f"there is no record {name!r} in {where}", do="mend --wild-type-id")
