"""Training windows: each once an epoch, a function of seed and example, within one segment."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.data.shards import Segments, Shard
from sslkit.data.windows import Windows

Ints = npt.NDArray[np.int64]


def segments_of(lengths: list[int], gap: int = 3) -> Segments:
    """Segments in one shard whose units count up from 1, with units of nobody between them."""
    sizes = np.array(lengths)
    start = np.cumsum(sizes + gap) - sizes
    units = np.arange(1, int(start[-1] + sizes[-1]) + gap + 1, dtype=np.int32)
    shard = Shard(units, np.array([0, len(units)]), 0)
    return Segments([shard], np.zeros(len(sizes), np.int64), start, sizes)


def segment_and_start(segments: Segments, row: npt.NDArray[np.int32]) -> tuple[int, int]:
    first = int(row[0]) - 1
    number = int(np.searchsorted(segments.start, first, side="right")) - 1
    return number, first - int(segments.start[number])


lengths_of_segments = st.lists(st.integers(1, 60), min_size=1, max_size=8)


@given(lengths_of_segments, st.integers(1, 20), st.integers(0, 5))
def test_every_window_once_an_epoch(lengths: list[int], width: int, seed: int) -> None:
    segments = segments_of(lengths)
    windows = Windows(segments, width, seed)
    wanted = [max(1, length // width) for length in lengths]
    assert len(windows) == sum(wanted)
    for epoch in range(3):
        examples = np.arange(epoch * len(windows), (epoch + 1) * len(windows))
        rows, sizes = windows.rows(examples)
        seen = [0] * len(lengths)
        for row, size in zip(rows, sizes, strict=True):
            number, start = segment_and_start(segments, row)
            seen[number] += 1
            assert 1 <= size <= width
            assert start + size <= lengths[number]
            assert size == min(width, lengths[number])
            first = int(segments.start[number]) + start + 1
            assert row[:size].tolist() == list(range(first, first + int(size)))
            assert not row[size:].any()
        assert seen == wanted


@given(lengths_of_segments, st.integers(1, 20), st.lists(st.integers(0, 500), min_size=1))
def test_a_row_is_a_function_of_seed_and_example(
    lengths: list[int], width: int, examples: list[int]
) -> None:
    windows = Windows(segments_of(lengths), width, 1)
    rows, sizes = windows.rows(np.array(examples))
    for row, size, example in zip(rows, sizes, examples, strict=True):
        alone, own = Windows(segments_of(lengths), width, 1).rows(np.array([example]))
        assert np.array_equal(alone[0], row)
        assert own[0] == size


def test_epochs_and_seeds_have_orders_and_phases_of_their_own() -> None:
    segments = segments_of([500, 500])
    first = Windows(segments, 10, 1)
    found = [first.rows(np.arange(e * 100, (e + 1) * 100))[0][:, 0] for e in range(2)]
    found.append(Windows(segments, 10, 2).rows(np.arange(100))[0][:, 0])
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not np.array_equal(found[one], found[other])
        assert not np.array_equal(np.sort(found[one]), np.sort(found[other]))


@pytest.mark.parametrize("lengths", [[500], [95, 19, 10, 11], [10], [29] * 5])
def test_every_unit_is_seen_sooner_or_later(lengths: list[int]) -> None:
    segments = segments_of(lengths)
    windows = Windows(segments, 10, 1)
    rows, _ = windows.rows(np.arange(200 * len(windows)))
    seen = set(rows.ravel().tolist())
    for start, length in zip(segments.start, segments.length, strict=True):
        assert set(range(int(start) + 1, int(start + length) + 1)) <= seen


def test_evaluation_windows_are_the_same_for_every_seed_and_evenly_spread() -> None:
    segments = segments_of([100, 7, 43])
    rows, sizes = Windows(segments, 10, 1).first(100)
    again, _ = Windows(segments, 10, 2).first(100)
    assert np.array_equal(rows, again)
    assert len(rows) == 15
    assert sizes.tolist() == [10] * 10 + [7] + [10] * 4
    assert (np.diff(rows[:10, 0]) == 10).all()
    some, _ = Windows(segments, 10, 1).first(4)
    assert len(some) == 4
    assert some[0, 0] == rows[0, 0]
    assert some[-1, 0] == rows[-1, 0]


def test_an_order_takes_no_memory_of_the_size_of_the_corpus(tmp_path: Path) -> None:
    units = np.lib.format.open_memmap(tmp_path / "u.npy", "w+", np.uint8, (2**31,))
    shard = Shard(units, np.array([0, 2**31]), 0)
    whole = Segments([shard], np.zeros(1, np.int64), np.zeros(1, np.int64), np.array([2**31]))
    windows = Windows(whole, 8, 1)
    assert len(windows) == 2**28
    assert windows.rows(np.array([0, 2**28 - 1, 2**40]))[0].shape == (3, 8)
