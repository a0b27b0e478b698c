"""Merging runs against a Counter: any number of runs, any blocks, counts of any size."""

import collections

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sslkit.errors import DataError
from sslkit.vocab.external_sort import combine, merge, runs
from sslkit.vocab.external_sort.keys import Bytes, Words

counts = st.integers(1, 300) | st.sampled_from([2**32 - 1, 2**32, 2**40])
texts = st.builds(
    lambda head, tail: head + tail,
    st.sampled_from([b"", b"a" * 8, b"a" * 16, b"ab" * 20]),
    st.binary(min_size=1, max_size=2).filter(lambda text: 0 not in text),
)


def words(count):
    number = st.integers(0, 3) | st.sampled_from([2**63, 2**64 - 1])
    return st.tuples(*[number] * count)


def write(folder, kind, held):
    """A run for each dictionary from keys to counts."""
    made = []
    for number, found in enumerate(held):
        ordered = sorted(found)
        column = (
            np.array(ordered, np.uint64).reshape(-1, kind.words).T
            if isinstance(kind, Words)
            else pa.array(ordered, pa.large_binary())
        )
        amounts = np.array([found[key] for key in ordered], np.int64)
        made.append(runs.write_run(folder / f"run{number}", kind, [(column, amounts)]))
    return made


def check(folder, kind, held, memory, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merge, "SMALLEST_BLOCK", block)
        merged = list(merge.merge(write(folder, kind, held), memory))
    found = []
    for column, amounts in merged:
        names = (
            [tuple(map(int, row)) for row in column.T]
            if isinstance(kind, Words)
            else column.to_pylist()
        )
        found += zip(names, amounts.tolist(), strict=True)
    want: collections.Counter = collections.Counter()
    for one in held:
        want.update(one)
    assert found == sorted(want.items())


sizes = {"memory": st.sampled_from([0, 300, 1 << 20]), "block": st.integers(1, 9)}


@settings(max_examples=40)
@given(held=st.lists(st.dictionaries(words(1), counts, max_size=9), max_size=9), **sizes)
def test_one_word(tmp_path_factory, held, memory, block):
    check(tmp_path_factory.mktemp("merge"), Words(1), held, memory, block)


@settings(max_examples=40)
@given(held=st.lists(st.dictionaries(words(2), counts, max_size=9), max_size=9), **sizes)
def test_two_words(tmp_path_factory, held, memory, block):
    check(tmp_path_factory.mktemp("merge"), Words(2), held, memory, block)


@settings(max_examples=40)
@given(held=st.lists(st.dictionaries(texts, counts, max_size=9), max_size=9), **sizes)
def test_byte_strings(tmp_path_factory, held, memory, block):
    check(tmp_path_factory.mktemp("merge"), Bytes(), held, memory, block)


def test_sums_above_32_bits_and_none_above_what_can_be_counted(tmp_path):
    made = write(tmp_path, Words(1), [{(7,): 2**32 - 1}] * 5)
    assert [n.tolist() for _, n in merge.merge(made, 1 << 20)] == [[5 * (2**32 - 1)]]
    (tmp_path / "more").mkdir()
    made = write(tmp_path / "more", Words(1), [{(7,): 2**61}] * 5)
    with pytest.raises(DataError, match="more tokens than can be counted"):
        list(merge.merge(made, 1 << 20))


def test_what_is_loaded_is_bounded_by_bytes(tmp_path, monkeypatch):
    """Long tokens: a block is a few of them, however many rows there is room for."""
    held = [{b"%03d" % n + b"x" * 5000: 1 for n in range(0, 200, step)} for step in (1, 2, 3)]
    made = write(tmp_path, Bytes(), held)
    sizes = []
    whole = runs.Run.read

    def read(self, *arguments):
        found = whole(self, *arguments)
        sizes.append(found[0].nbytes)
        return found

    monkeypatch.setattr(runs.Run, "read", read)
    merged = [row for column, _ in merge.merge(made, 240_000) for row in column.to_pylist()]
    assert merged == sorted(held[0])
    assert max(sizes) <= 240_000 // 4 // 3 + 6000


def test_several_passes(tmp_path, monkeypatch):
    monkeypatch.setattr(merge, "fan_in", lambda _: 3)
    spills = []
    for number in range(20):
        stem = tmp_path / f"spill-{number:06d}"
        column = np.array([[number % 7, 100 + number]], np.uint64)
        run = runs.write_run(stem, Words(1), [(column, np.array([1, 2]))])
        spills.append(runs.seal(stem, [run], {}))
    calls = []
    left = combine.reduce(spills, tmp_path, 1 << 20, lambda: calls.append(1))
    assert len(left) <= 3
    assert len(calls) == 7 + 3
    _, (stream,) = combine.streams(left, 1 << 20)
    found = {int(k): int(n) for c, a in stream for k, n in zip(c[0], a, strict=True)}
    want = {n: len(range(n, 20, 7)) for n in range(7)} | {100 + n: 2 for n in range(20)}
    assert found == want
    assert all(spill.header.exists() for spill in spills)  # to go on from after a crash
