"""What a vocabulary of pieces holds besides: how words are spelled in them, as a column."""

import numpy as np
import pyarrow as pa

from sslkit.types import Spelling

#: Of a unigram model: the log-probability of each token; null where it is no piece.
SCORE = pa.field("score", pa.float64())
#: Of byte-pair encoding: the pairs of ids that make a token, each with its place in the order.
_MERGE = pa.struct([pa.field(name, pa.int64(), False) for name in ("rank", "left", "right")])
MERGES = pa.field("merges", pa.list_(_MERGE), nullable=False)


def field(method: str) -> pa.Field:
    """The column of a method, ``bpe`` or ``unigram``."""
    return MERGES if method == "bpe" else SCORE


def column(tokens: list[str], spelling: Spelling) -> tuple[pa.Field, pa.Array]:
    """A spelling as a column beside the tokens."""
    if len(spelling.scores):
        scores = spelling.scores
        return SCORE, pa.array(scores, SCORE.type, mask=~np.isfinite(scores))
    number = {token: place for place, token in enumerate(tokens)}
    pairs = spelling.merges
    makes = [number[tokens[left] + tokens[right]] for left, right in pairs.tolist()]
    order = np.argsort(makes, kind="stable")
    ends = np.cumsum(np.bincount(np.array(makes, np.int64), minlength=len(tokens)))
    each = [order, pairs[order, 0], pairs[order, 1]]
    rows = pa.StructArray.from_arrays(
        [pa.array(values, pa.int64()) for values in each], fields=list(MERGES.type.value_type)
    )
    offsets = pa.array(np.concatenate(([0], ends)), pa.int32())
    return MERGES, pa.ListArray.from_arrays(offsets, rows, type=MERGES.type)


def of_table(table: pa.Table, method: str, special: int) -> Spelling:
    """The spelling that a table holds.

    Raises:
        ValueError: it is none.
    """
    if method != "bpe":
        scores = table[SCORE.name].to_numpy().astype(np.float64)
        return Spelling(special, np.empty((0, 2), np.int64), np.nan_to_num(scores, nan=-np.inf))
    rows = table[MERGES.name].combine_chunks().flatten()
    rank, left, right = (rows.field(name).to_numpy() for name in ("rank", "left", "right"))
    order = np.argsort(rank)
    if not np.array_equal(rank[order], np.arange(len(order))):
        raise ValueError("the ranks of its merges are not 0, 1, 2, ...")
    return Spelling(special, np.stack((left[order], right[order]), 1), np.empty(0))
