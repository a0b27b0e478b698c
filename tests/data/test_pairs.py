"""Counted pairs against loops over strings."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.contracts.spec import token_ids
from sslkit.data import pairs
from sslkit.data.shards import Segments, Shard
from sslkit.domains import genome
from sslkit.domains.biology import bases
from sslkit.vocab.vocabulary import Vocabulary

OFFSETS = [(2, 3), (3, 1)]
TOKENS = ["".join(letters) for letters in itertools.product("ACGT", repeat=2)]
OTHER = str.maketrans("ACGT", "TGCA")


def segments(texts: list[str]) -> Segments:
    units = bases.to_codes("".join(texts).encode())
    length = np.array([len(text) for text in texts], np.int64)
    offsets = np.concatenate([[0], np.cumsum(length)])
    none = np.zeros(len(texts), np.int64)
    return Segments([Shard(units, offsets, 0)], none, offsets[:-1], length)


def slow(texts: list[str], tokens: list[str], stride: int, *, both: bool) -> Counter[str]:
    """Weights of ordered pairs of tokens."""
    found: Counter[str] = Counter()
    for text in texts + [t.translate(OTHER)[::-1] for t in texts if both]:
        for one, other in itertools.permutations(range(len(text) - 1), 2):
            a, b = text[one : one + 2], text[other : other + 2]
            for offset, weight in OFFSETS:
                if abs(one - other) == offset * stride and a in tokens and b in tokens:
                    found[f"{a} {b}"] += weight
    return found


@given(
    st.lists(st.text("ACGTN", min_size=2, max_size=30), min_size=1, max_size=5),
    st.sampled_from([1, 2]),
    st.booleans(),
    st.integers(3, 16),
)
def test_every_pair_is_counted_once_in_every_phase_and_form(
    texts: list[str], stride: int, both: bool, known: int
) -> None:
    tokens = TOKENS[:known]
    settings = genome.Settings(k=2, stride=stride, both_strands=both)
    domain = genome.Domain(settings, Vocabulary(tokens, np.ones(known, np.int64)))
    found = pairs.count(segments(texts), domain, np.arange(known), OFFSETS)
    wanted = slow(texts, tokens, stride, both=both)
    for (i, a), (j, b) in itertools.product(enumerate(tokens), repeat=2):
        assert found[i, j] == wanted[f"{a} {b}"], (a, b)


def test_classes_are_sums_over_their_tokens() -> None:
    texts = ["ACGTTGCAACGGTAC", "TTGACCA"]
    domain = genome.Domain(genome.Settings(k=2), Vocabulary(TOKENS, np.ones(16, np.int64)))
    each = pairs.count(segments(texts), domain, np.arange(16), OFFSETS)
    twins = token_ids(domain.spec).alternatives
    assert twins is not None
    classes = np.unique(np.minimum(np.arange(16), twins), return_inverse=True)[1]
    found = pairs.count(segments(texts), domain, classes, OFFSETS)
    for i, j in itertools.product(range(classes.max() + 1), repeat=2):
        assert found[i, j] == each[np.ix_(classes == i, classes == j)].sum()


def test_small_blocks_and_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    letters = np.random.default_rng(3).choice(list("ACGT"), (40, 50))
    texts = ["".join(row[: 10 + number]) for number, row in enumerate(letters)]
    domain = genome.Domain(genome.Settings(k=2), Vocabulary(TOKENS, np.ones(16, np.int64)))
    before = pairs.count(segments(texts), domain, np.arange(16), OFFSETS)
    monkeypatch.setattr(pairs, "_TOKENS", 1)
    monkeypatch.setattr(pairs, "_UNITS", 60)
    assert np.array_equal(before, pairs.count(segments(texts), domain, np.arange(16), OFFSETS))
