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
    """One record: its place in the input, its units, none of a bad one, and its label."""

    id: str
    row: int
    units: Array
    label: str | None
    bad: bool


@dataclass(frozen=True, slots=True)
class Beside:
    """What is known of the wild type: its score, higher for the more plausible, and how many of
    its tokens could not be judged."""

    score: float
    unjudged: int = 0


@dataclass(frozen=True)
class Form:
    """Which rows and columns a table has.

    Attributes:
        vocabulary: names of the tokens by id.
        energy: scores are energies, not likelihoods.
        per_token: a row for each token; with ``effects`` a column for each token too.
        marginal: only the difference to a wild type, place by place.
        compared: there is a wild type.
        labels: a label is kept.
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
        self, chunk: Sequence[Example], totals: Totals, beside: Beside | None
    ) -> pa.Table:
        """A row of likelihoods for each record."""
        length, scored, total = totals.length, totals.scored, totals.log_likelihood
        columns = {"log_likelihood": total, "perplexity": totals.perplexity}
        if beside is not None:
            # Of records of which less can be judged the sum says less.
            equal = length - scored == beside.unjudged
            columns["delta"] = np.where(equal, total - beside.score, math.nan)
        return self._table(chunk, length, scored, columns)

    def of_energies(
        self, chunk: Sequence[Example], length: Sequence[int], energy: Floats, beside: Beside | None
    ) -> pa.Table:
        """A row with an energy for each record."""
        columns = {"energy": energy}
        if beside is not None:
            columns["delta"] = -energy - beside.score
        return self._table(chunk, np.array(length), np.array(length), columns)

    def of_changes(
        self, chunk: Sequence[Example], length: int, changes: npt.NDArray[np.int64], delta: Floats
    ) -> pa.Table:
        """A row for each record with what its changed tokens, so many, are worth together."""
        whole = np.array([0 if example.bad else length for example in chunk])
        return self._table(chunk, whole, changes, {"delta": delta})

    def _table(
        self, chunk: Sequence[Example], length: Array, tokens: Array, columns: dict[str, Floats]
    ) -> pa.Table:
        named = _named(chunk, np.arange(len(chunk)))
        return scores.table(named | {"length": length, "tokens": tokens} | columns, self.schema)

    def of_tokens(
        self, chunk: Sequence[Example], found: Sequence[Scores], units: Callable[[int], int]
    ) -> pa.Table:
        """A row for each token, and one for a record without any."""
        size = units(1)
        names = np.array([*self.vocabulary, None], object)
        tables = []
        for number, each in enumerate(found):
            count = len(each.tokens)
            if not count:
                gaps = {name: [None] for name in self.schema.names}
                named = _named(chunk, np.array([number]))
                tables.append(scores.table(gaps | named, self.schema))
                continue
            assert each.odds is not None
            assert each.best is not None
            end = np.array([units(place + 1) for place in range(count)])
            known = np.isfinite(each.log_p)
            columns: dict[str, Any] = {
                "position": np.arange(count),
                "start": end - size,
                "end": end,
                "token": names[np.minimum(each.tokens, len(names) - 1)],
                "log_p": each.log_p,
                "log_odds": each.odds,
                "best": names[np.where(known, each.best, -1)],
            }
            if each.effects is not None:
                for token, effect in zip(self.vocabulary, each.effects.T, strict=True):
                    columns[scores.EFFECT + token] = np.ascontiguousarray(effect)
            columns |= _named(chunk, np.full(count, number))
            tables.append(scores.table(columns, self.schema))
        return pa.concat_tables(tables).combine_chunks()


def _named(chunk: Sequence[Example], which: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Who the rows belong to; ``which`` [rows] are places in the lot."""
    return {
        "id": pa.array([example.id for example in chunk], pa.string()).take(pa.array(which)),
        "row": np.array([example.row for example in chunk])[which],
        "label": pa.array([example.label for example in chunk], pa.string()).take(pa.array(which)),
    }


def summary(tables: Iterable[pa.Table]) -> dict[str, Any]:
    """What a whole table comes to: tokens judged, and means; None where there are none."""
    names = ("tokens", "log_likelihood", "log_p", "perplexity", "energy", "delta")
    totals: dict[str, float] = {}
    counts: dict[str, int] = {}
    # Cut anew before they are summed: a sum must not depend on how the rows were divided.
    for block in embeddings.recut(tables, scores.GROUP_ROWS):
        for name in set(names) & set(block.column_names):
            values = block[name].drop_null().to_numpy()
            dtype = values.dtype if name == "tokens" else np.float64
            totals[name] = totals.get(name, 0) + values.sum(dtype=dtype).item()
            counts[name] = counts.get(name, 0) + len(values)
    judged = int(totals["tokens"] if "tokens" in totals else counts.get("log_p", 0))
    results: dict[str, Any] = {"tokens": judged}
    for name in ("log_likelihood", "log_p"):
        if name in totals:
            results["perplexity"] = math.exp(min(-totals[name] / judged, 700.0)) if judged else None
    for name in ("perplexity", "energy", "delta"):
        if name in totals:
            results[f"mean_{name}"] = totals[name] / counts[name] if counts[name] else None
    return results
