"""k-mers counted in a table, beside breaks and in any number of pieces, against slices."""

import collections

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sslkit.vocab.kmers import compiled, pack
from sslkit.vocab.kmers.dense import Table

sequence = st.text(alphabet="ACGT", max_size=40) | st.text(alphabet="ACGTN", max_size=80)
OTHER = str.maketrans("ACGT", "TGCA")


@settings(deadline=None, max_examples=80)
@given(
    texts=st.lists(sequence, max_size=4),
    k=st.integers(1, 10),
    canonical=st.booleans(),
    loops=st.booleans(),
)
def test_every_window_once(texts, k, canonical, loops):
    table = compiled.Table(k, canonical, 0) if loops and k > 4 else Table(k, canonical, 0, 100)
    found = collections.Counter()
    for text in texts:
        table.add(pack.packed(np.array(["ACGTN".index(letter) for letter in text], np.uint8)))
        for start in range(len(text) - k + 1):
            token = text[start : start + k]
            if "N" not in token:
                other = token[::-1].translate(OTHER)
                found[min(token, other) if canonical else token] += 1
    counts = {}
    for column, numbers in table.chunks(lambda: None):
        tokens = [row.tobytes().decode() for row in pack.spell(column[0], k, b"ACGT")]
        counts.update(zip(tokens, numbers.tolist(), strict=True))
    assert counts == found
    assert list(counts) == sorted(counts)
    assert list(table.chunks(lambda: None)) == []


def test_buckets_that_fill_up():
    letters = np.random.default_rng(0).integers(0, 4, 40_000, np.uint8)
    letters[10_000:20_000] = 3
    tables = [Table(11, True, 0, 50_000), compiled.Table(11, True, 0)]
    for table in tables:
        table.add(pack.packed(letters))
    plain, looped = (list(table.chunks(lambda: None)) for table in tables)
    for one, other in zip(plain, looped, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
