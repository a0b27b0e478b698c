"""k-mers counted range by range of their keys, in less room than they take."""

import collections

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sslkit.vocab.external_sort import buffer
from sslkit.vocab.kmers import compiled, pack, ranges
from sslkit.vocab.kmers.ranges import Ranges
from sslkit.vocab.scheme import BREAK

# Stretches of one letter and short periods, so that few keys may hold most of the counts.
unit = st.text(alphabet="ACGT", min_size=1, max_size=5)
stretch = st.builds(lambda letters, times: letters * times, unit, st.integers(1, 25))
sequence = st.lists(stretch | st.just("N"), min_size=1, max_size=8).map("".join)
OTHER = str.maketrans("ACGT", "TGCA")


def codes_of(text):
    return np.array(["ACGTN".index(letter) for letter in text], np.uint8)


def counted(texts, k, canonical):
    found = collections.Counter()
    for text in texts:
        for start in range(len(text) - k + 1):
            token = text[start : start + k]
            if "N" not in token:
                other = token[::-1].translate(OTHER)
                found[min(token, other) if canonical else token] += 1
    return found


@settings(deadline=None, max_examples=80)
@given(
    texts=st.lists(sequence, min_size=1, max_size=4),
    k=st.sampled_from([2, 13, 31]),
    canonical=st.booleans(),
    room=st.integers(140, 300),
    again=st.booleans(),
    inside=st.sampled_from([None, compiled.inside]),
    threads=st.integers(1, 3),
)
def test_every_key_once_and_in_order(texts, k, canonical, room, again, inside, threads):
    store = Ranges(k, canonical, 0, threads * room, inside, threads)
    for _ in range(1 + again):
        for text in texts:
            store.add(pack.packed(codes_of(text.ljust(k, "N"))))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ranges, "_QUICK", 0 if threads > 1 else ranges._QUICK)
            chunks = [(column[0].copy(), counts) for column, counts in store.chunks(lambda: None)]
        keys = np.concatenate([column for column, _ in chunks] + [np.empty(0, np.uint64)])
        counts = np.concatenate([held for _, held in chunks] + [np.empty(0, np.int64)])
        assert (keys[1:] > keys[:-1]).all()
        tokens = [row.tobytes().decode() for row in pack.spell(keys, k, b"ACGT")]
        assert dict(zip(tokens, counts.tolist(), strict=True)) == counted(texts, k, canonical)


def test_room_is_left_for_letters_that_are_mostly_breaks():
    store = Ranges(15, False, 1 << 16, 1000)
    codes = np.zeros(900, np.uint8)
    codes[::2] = BREAK
    while store.room() >= 1000:
        store.add(pack.packed(codes))
    assert list(store.chunks(lambda: None)) == []
    assert store.room() >= 1000


@pytest.mark.parametrize("runs", [[5], [1, 2, 9, 1], [9, 9, 1, 1, 1]])
def test_distinct_keys_in_pieces(runs, monkeypatch):
    monkeypatch.setattr(buffer, "_CHUNK", 4)
    keys = np.repeat(np.arange(len(runs), dtype=np.uint64), runs)
    chunks = list(buffer.distinct(keys))
    assert np.concatenate([column[0] for column, _ in chunks]).tolist() == list(range(len(runs)))
    assert np.concatenate([counts for _, counts in chunks]).tolist() == runs
