"""Shards: made once by content, whole or not there, cut into segments that cover all records."""

import itertools
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.data.shards import Shard, cut, open_or_build, shard_key
from sslkit.types import Array


class Records:
    """Gives records and counts how often they were asked for."""

    def __init__(self, *records: Array | None) -> None:
        self.records = records
        self.asked = 0

    def __call__(self) -> Iterator[Array | None]:
        self.asked += 1
        yield from self.records


def units(*values: int) -> Array:
    return np.array(values, np.uint8)


def stats(folder: Path) -> dict[str, tuple[int, int]]:
    return {f.name: (f.stat().st_ino, f.stat().st_mtime_ns) for f in folder.iterdir()}


def test_records_come_back_and_bad_ones_are_counted(tmp_path: Path) -> None:
    given_ = Records(units(1, 2, 3), None, units(), units(4))
    shard = open_or_build(tmp_path / "cache", "a", given_, np.uint8, pytest.fail)
    assert shard.units.tolist() == [1, 2, 3, 4]
    assert shard.offsets.tolist() == [0, 3, 3, 4]
    assert shard.skipped == 1
    assert isinstance(shard.units, np.memmap)


def test_the_second_call_builds_nothing(tmp_path: Path) -> None:
    given_ = Records(units(1, 2), units(3))
    first = open_or_build(tmp_path, "a", given_, np.uint8, pytest.fail)
    before = stats(tmp_path)
    again = open_or_build(tmp_path, "a", given_, np.uint8, pytest.fail)
    assert given_.asked == 1
    assert stats(tmp_path) == before
    assert np.array_equal(first.units, again.units)
    assert np.array_equal(first.offsets, again.offsets)


def test_nothing_to_keep(tmp_path: Path) -> None:
    for _ in range(2):
        shard = open_or_build(tmp_path, "a", Records(None, None), np.uint8, pytest.fail)
        assert (len(shard.units), shard.offsets.tolist(), shard.skipped) == (0, [0], 2)


def test_a_key_depends_on_every_part() -> None:
    keys = [shard_key("a", "b"), shard_key("b", "a"), shard_key("ab", ""), shard_key("a", "b", "")]
    assert len(set(keys)) == 4
    assert shard_key("a", "b") == keys[0]


def test_an_error_while_building_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[Array]:
        yield units(1, 2, 3)
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        open_or_build(tmp_path, "a", broken, np.uint8, pytest.fail)
    assert list(tmp_path.iterdir()) == []


def test_units_without_their_index_are_built_again(tmp_path: Path) -> None:
    (tmp_path / "a.units").write_bytes(b"half of it")
    shard = open_or_build(tmp_path, "a", Records(units(7)), np.uint8, pytest.fail)
    assert shard.units.tolist() == [7]


@pytest.mark.parametrize("name", ["a.units", "a.index"])
def test_a_shard_that_is_cut_off_or_changed_is_built_again(tmp_path: Path, name: str) -> None:
    given_ = Records(units(*range(100)), None, units(1))
    warnings: list[str] = []
    open_or_build(tmp_path, "a", given_, np.uint8, warnings.append)
    whole = (tmp_path / name).read_bytes()
    sizes = (len(whole) - 3, len(whole) - 8, len(whole) // 2, 1, 0)
    damaged = [whole[:size] for size in sizes]
    damaged += [whole[:n] + bytes([whole[n] ^ 1]) + whole[n + 1 :] for n in range(len(whole))]
    for number, content in enumerate(damaged, start=1):
        (tmp_path / name).write_bytes(content)
        shard = open_or_build(tmp_path, "a", given_, np.uint8, warnings.append)
        assert shard.units.tolist() == [*range(100), 1]
        assert (shard.offsets.tolist(), shard.skipped) == ([0, 100, 101], 1)
        assert (tmp_path / name).read_bytes() == whole
        assert len(warnings) == number
        assert str(tmp_path / "a.units") in warnings[-1]


def test_who_has_a_shard_mapped_goes_on_with_it(tmp_path: Path) -> None:
    given_ = Records(units(1, 2, 3))
    mapped = open_or_build(tmp_path, "a", given_, np.uint8, pytest.fail)
    copy = (tmp_path / "a.units").read_bytes()
    (tmp_path / "a.index").write_bytes(b"")
    open_or_build(tmp_path, "a", given_, np.uint8, lambda text: None)
    assert mapped.units.tolist() == [1, 2, 3]
    assert (tmp_path / "a.units").read_bytes() == copy


def test_a_shard_of_another_type_is_built_again(tmp_path: Path) -> None:
    open_or_build(tmp_path, "a", Records(units(1, 2)), np.uint8, pytest.fail)
    warnings: list[str] = []
    shard = open_or_build(tmp_path, "a", Records(units(1, 2)), np.int16, warnings.append)
    assert (shard.units.tolist(), shard.units.dtype, len(warnings)) == ([1, 2], np.int16, 1)


_SLOWLY = """
    import sys, time
    from pathlib import Path
    import numpy as np
    from sslkit.data.shards import open_or_build

    def records():
        for number in range(400):
            yield np.full(50_000, number % 251, np.uint8)
            print(number, flush=True)
            time.sleep(0.002)

    open_or_build(Path(sys.argv[1]), "a", records, np.uint8, print)
    print("done", flush=True)
"""


def test_killed_while_building_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    for wait in (0.0, 0.1, 0.3):
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(_SLOWLY), str(tmp_path)],
            stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(wait)
            process.send_signal(signal.SIGKILL)
            said = process.stdout.read()
        assert b"done" not in said
        assert not (tmp_path / "a.units").exists()
        assert not (tmp_path / "a.index").exists()
    shard = open_or_build(tmp_path, "a", Records(units(1), units(2, 3)), np.uint8, pytest.fail)
    assert shard.units.tolist() == [1, 2, 3]


@given(
    st.lists(st.lists(st.integers(0, 50), max_size=6), min_size=1, max_size=3),
    st.integers(1, 12),
    st.integers(1, 5),
)
def test_segments_cover_each_record_and_cross_none(
    files: list[list[int]], longest: int, shortest: int
) -> None:
    made = []
    for number, lengths in enumerate(files):
        offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
        made.append(Shard(np.full(int(offsets[-1]), number, np.uint8), offsets, 0))
    segments = cut(made, longest, shortest)
    found = [
        (int(s), int(a), int(a + n))
        for s, a, n in zip(segments.shard, segments.start, segments.length, strict=True)
    ]
    wanted = []
    for number, shard in enumerate(made):
        for begin, end in zip(shard.offsets[:-1], shard.offsets[1:], strict=True):
            if end - begin < shortest:
                continue
            pieces = [(a, b) for s, a, b in found if s == number and begin <= a < end]
            assert pieces[0][0] == begin
            assert pieces[-1][1] == end
            assert all(a[1] == b[0] for a, b in itertools.pairwise(pieces))
            sizes = [b - a for a, b in pieces]
            assert max(sizes) <= longest
            assert max(sizes) - min(sizes) <= 1
            assert len(pieces) == -(-int(end - begin) // longest)
            wanted += [(number, a, b) for a, b in pieces]
    assert sorted(found) == sorted(wanted)
    for number in range(len(segments)):
        assert (segments.units(number) == segments.shard[number]).all()
        assert len(segments.units(number)) == segments.length[number]


def test_some_segments_by_index_or_flag() -> None:
    shard = Shard(units(*range(10)), np.array([0, 4, 10]), 0)
    segments = cut([shard], 3, 1)
    assert [segments.units(n).tolist() for n in range(len(segments))] == [
        [0, 1], [2, 3], [4, 5, 6], [7, 8, 9],
    ]  # fmt: skip
    by_index = segments.take(np.array([3, 0]))
    assert [by_index.units(n).tolist() for n in range(2)] == [[7, 8, 9], [0, 1]]
    assert len(segments.take(segments.length == 2)) == 2
