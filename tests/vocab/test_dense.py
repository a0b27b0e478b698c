"""k-mers counted in a table, beside breaks and in any number of pieces, against slices."""

import collections

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sslkit.vocab import pack
from sslkit.vocab.dense import Table

sequence = st.text(alphabet="ACGT", max_size=40) | st.text(alphabet="ACGTN", max_size=80)
OTHER = str.maketrans("ACGT", "TGCA")


@settings(deadline=None, max_examples=80)
@given(texts=st.lists(sequence, max_size=4), k=st.integers(1, 10), canonical=st.booleans())
def test_every_window_once(texts, k, canonical):
    table = Table(k, canonical, 0, 100)
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
