"""k-mers as numbers, against letters and slices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.vocab.kmers import pack

# Runs of breaks of all lengths: single letters, and stretches longer than the rest.
stretch = st.builds(lambda letter, n: letter * n, st.sampled_from("ACGTN"), st.integers(1, 40))
sequence = st.lists(stretch, min_size=1, max_size=12).map("".join)


def codes_of(text):
    return np.array(["ACGTN".index(letter) for letter in text], np.uint8)


def other_strand(token):
    return token[::-1].translate(str.maketrans("ACGT", "TGCA"))


@given(text=sequence, k=st.integers(1, 31), canonical=st.booleans())
def test_every_window_once_whatever_the_breaks(text, k, canonical):
    held = pack.packed(codes_of(text))
    rows = [row.copy() for row in pack.Windows(k, canonical).rows(held)]
    found = np.concatenate(rows)
    kept = found[found != pack.none(k)]
    spelled = sorted(row.tobytes().decode() for row in pack.spell(kept, k, b"ACGT"))
    windows = [text[at : at + k] for at in range(len(text) - k + 1)]
    windows = [window for window in windows if "N" not in window]
    if canonical:
        windows = [min(window, other_strand(window)) for window in windows]
    assert spelled == sorted(windows)
    assert len(found) == held.letters


@pytest.mark.parametrize("k", [1, 2, 15, 31])
def test_reverse_complement_and_order(k):
    rng = np.random.default_rng(k)
    numbers = np.sort(rng.integers(0, 4**k, 200, dtype=np.uint64))
    tokens = [row.tobytes().decode() for row in pack.spell(numbers, k, b"ACGT")]
    assert tokens == sorted(tokens)
    others = pack.spell(pack.reverse_complement(numbers, k), k, b"ACGT")
    assert [row.tobytes().decode() for row in others] == [other_strand(t) for t in tokens]
