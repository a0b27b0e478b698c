"""The rows of a table of scores: of records, of tokens, of differences to a wild type."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sslkit.artifacts import embeddings, scores
from sslkit.inference.scores import Scores, Totals
from sslkit.types import Array

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Example:
    """One record: its row in the input, its units (none of a bad record), and its label."""

    id: str
    row: int
    units: Array
    label: str | None
    bad: bool


@dataclass(frozen=True, slots=True)
class WildScore:
    """The score of the wild type, higher for the more plausible.

    Attributes:
        unscored: number of its tokens that could not be scored.
    """

    score: float
    unscored: int = 0


@dataclass(frozen=True)
class Form:
    """Which rows and columns a table has.

    Attributes:
        vocabulary: names of the tokens by id.
        energy: scores are energies, not likelihoods.
        per_token: each token has a row; with ``effects`` and a column for each token.
        marginal: rows have the difference from a wild type only, summed over changed positions.
        compared: there is a wild type.
        labels: rows have labels.
    """

    vocabulary: Sequence[str]
    energy: bool
    per_token: bool
    effects: bool
    marginal: bool
    compared: bool
    labels: bool

    @property
    def schema(self) -> pa.Schema:
        """The columns, without a manifest."""
        if self.per_token:
            return scores.per_token(self.vocabulary if self.effects else (), labels=self.labels)
        columns = ["energy"] if self.energy else ["log_likelihood", "perplexity"]
        if self.marginal:
            columns = []
        return scores.per_record([*columns, *(["delta"] * self.compared)], labels=self.labels)

    def of_records(
        self, chunk: Sequence[Example], totals: Totals, wild: WildScore | None
    ) -> pa.Table:
        """A row of likelihoods for each record."""
        length, scored, total = totals.length, totals.scored, totals.log_likelihood
        columns = {"log_likelihood": total, "perplexity": totals.perplexity}
        if wild is not None:
            # Sums over other numbers of tokens cannot be compared.
            comparable = length - scored == wild.unscored
            columns["delta"] = np.where(comparable, total - wild.score, math.nan)
        return self._table(chunk, length, scored, columns)

    def of_energies(
        self,
        chunk: Sequence[Example],
        length: Sequence[int],
        energy: Floats,
        wild: WildScore | None,
    ) -> pa.Table:
        """A row with an energy for each record."""
        columns = {"energy": energy}
        if wild is not None:
            columns["delta"] = -energy - wild.score
        return self._table(chunk, np.array(length), np.array(length), columns)

    def of_changes(
        self, chunk: Sequence[Example], length: int, changes: npt.NDArray[np.int64], delta: Floats
    ) -> pa.Table:
        """A row for each record with the number of its changed tokens and their summed score."""
        lengths = np.array([0 if example.bad else length for example in chunk])
        return self._table(chunk, lengths, changes, {"delta": delta})

    def _table(
        self, chunk: Sequence[Example], length: Array, tokens: Array, columns: dict[str, Floats]
    ) -> pa.Table:
        records = _records(chunk, np.arange(len(chunk)))
        return scores.table(records | {"length": length, "tokens": tokens} | columns, self.schema)

    def of_tokens(
        self, chunk: Sequence[Example], scored: Sequence[Scores], units: Callable[[int], int]
    ) -> pa.Table:
        """A row for each token, and a row of nulls for a record without tokens.

        Args:
            units: number of units that so many tokens cover.
        """
        size = units(1)
        names = np.array([*self.vocabulary, None], object)
        tables = []
        for number, record in enumerate(scored):
            count = len(record.tokens)
            if not count:
                nulls = {name: [None] for name in self.schema.names}
                columns = nulls | _records(chunk, np.array([number]))
                tables.append(scores.table(columns, self.schema))
                continue
            assert record.odds is not None
            assert record.best is not None
            end = np.array([units(position + 1) for position in range(count)])
            known = np.isfinite(record.log_p)
            columns = {
                "position": np.arange(count),
                "start": end - size,
                "end": end,
                "token": names[np.minimum(record.tokens, len(names) - 1)],
                "log_p": record.log_p,
                "log_odds": record.odds,
                "best": names[np.where(known, record.best, -1)],
            }
            if record.effects is not None:
                for token, effect in zip(self.vocabulary, record.effects.T, strict=True):
                    columns[scores.EFFECT + token] = np.ascontiguousarray(effect)
            columns |= _records(chunk, np.full(count, number))
            tables.append(scores.table(columns, self.schema))
        return pa.concat_tables(tables).combine_chunks()


def _records(chunk: Sequence[Example], numbers: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Columns with the record of each row; ``numbers`` [rows] count within the chunk."""
    take = pa.array(numbers)
    return {
        "id": pa.array([example.id for example in chunk], pa.string()).take(take),
        "row": np.array([example.row for example in chunk])[numbers],
        "label": pa.array([example.label for example in chunk], pa.string()).take(take),
    }


def summary(tables: Iterable[pa.Table]) -> dict[str, Any]:
    """Scored tokens of a whole table, and means of its columns; None where there are no values."""
    names = ("tokens", "log_likelihood", "log_p", "perplexity", "energy", "delta")
    totals: dict[str, float] = {}
    counts: dict[str, int] = {}
    # Cut into equal blocks first: a sum must not depend on how the rows were divided.
    for block in embeddings.recut(tables, scores.GROUP_ROWS):
        for name in set(names) & set(block.column_names):
            values = block[name].drop_null().to_numpy()
            dtype = values.dtype if name == "tokens" else np.float64
            totals[name] = totals.get(name, 0) + values.sum(dtype=dtype).item()
            counts[name] = counts.get(name, 0) + len(values)
    tokens = int(totals["tokens"] if "tokens" in totals else counts.get("log_p", 0))
    results: dict[str, Any] = {"tokens": tokens}
    for name in ("log_likelihood", "log_p"):
        if name in totals:
            results["perplexity"] = math.exp(min(-totals[name] / tokens, 700.0)) if tokens else None
    for name in ("perplexity", "energy", "delta"):
        if name in totals:
            results[f"mean_{name}"] = totals[name] / counts[name] if counts[name] else None
    return results
