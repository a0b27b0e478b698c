"""Spills are trusted only when every byte is as it was written."""

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sslkit.errors import DataError, ResourceError
from sslkit.vocab.external_sort import runs
from sslkit.vocab.external_sort.keys import KINDS, Words
from sslkit.vocab.external_sort.runs import Run

LARGE = st.sampled_from([1, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**50])


def keys(start, rows):
    return np.arange(start, start + rows, dtype=np.uint64)[None]


def chunks(pieces):
    start = 0
    for counts in pieces:
        yield keys(start, len(counts)), np.array(counts, np.int64)
        start += len(counts)


@settings(max_examples=40)
@given(pieces=st.lists(st.lists(LARGE, min_size=1, max_size=9), max_size=9))
def test_counts_of_any_size_in_the_narrowest_type(tmp_path_factory, pieces):
    stem = tmp_path_factory.mktemp("run") / "spill-000000"
    run = runs.write_run(stem, Words(1), chunks(pieces))
    counts = [count for piece in pieces for count in piece]
    assert run.rows == len(counts)
    assert run.width == next(w for w in (1, 2, 4, 8) if max(counts, default=0) < 256**w)
    if counts:
        column, found = run.read(0, len(counts) + 5, 1 << 20)
        assert found.tolist() == counts
        assert column.tolist() == keys(0, len(counts)).tolist()
        assert run.read(len(counts) - 1, 1, 1)[1].tolist() == counts[-1:]


def test_widening_long_runs_rewrites_every_count(tmp_path):
    many = np.random.default_rng(1).integers(1, 255, 200_001)
    run = runs.write_run(
        tmp_path / "a", Words(1), chunks([many.tolist(), [300], [70_000], [2**40]])
    )
    assert run.width == 8
    assert run.read(0, 1 << 20, 1 << 30)[1].tolist() == [*many.tolist(), 300, 70_000, 2**40]


def sealed(folder):
    texts = [b"a", b"bc", b"bcd" * 30]
    long = runs.write_run(
        folder / "spill-000000",
        KINDS["bytes"],
        [(pa.array(texts, pa.large_binary()), np.array([3, 1, 2**33]))],
    )
    short = runs.write_run(folder / "spill-000000", KINDS["words1"], chunks([[1, 2], [3]]))
    return runs.seal(folder / "spill-000000", [short, long], {"to": {"file": 1}})


def test_a_whole_spill_is_read_as_it_was_written(tmp_path):
    spill = sealed(tmp_path)
    assert runs.load(spill.header) == spill
    found = runs.load(spill.header).runs[1].read(0, 9, 1 << 20)
    assert found[0].to_pylist() == [b"a", b"bc", b"bcd" * 30]
    assert found[1].tolist() == [3, 1, 2**33]
    spill.remove()
    assert not list(tmp_path.iterdir())


def test_no_damaged_spill_is_trusted(tmp_path):
    spill = sealed(tmp_path)
    for path in sorted(tmp_path.iterdir()):
        whole = path.read_bytes()
        changed = bytearray(whole)
        changed[len(whole) // 2] ^= 1
        for damaged in (whole[:-1], whole + b"\0", b"", bytes(changed), None):
            if damaged is None:
                path.unlink()
            else:
                path.write_bytes(damaged)
            assert runs.load(spill.header) is None, (path.name, damaged)
        path.write_bytes(whole)
    assert runs.load(spill.header) == spill


@pytest.mark.parametrize("text", ["[]", "null", "{}", '{"check": 1}', "\udcff", '{"check": 0'])
def test_a_header_that_says_something_else(tmp_path, text):
    spill = sealed(tmp_path)
    spill.header.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert runs.load(spill.header) is None


def test_a_header_with_the_names_of_other_kinds(tmp_path):
    spill = sealed(tmp_path)
    held = json.loads(spill.header.read_text())
    del held["check"]
    held["runs"][0]["kind"] = "words9"
    spill.header.write_text(json.dumps({"check": runs.check_of(held), **held}))
    assert runs.load(spill.header) is None


def test_counts_that_cannot_be_added_up_are_refused(tmp_path):
    run = runs.write_run(tmp_path / "a", Words(1), [(keys(0, 2), np.array([2**61, 2**61]))])
    assert run.read(0, 2, 100)[1].tolist() == [2**61, 2**61]
    run.paths[-1].write_bytes(np.array([2**63 + 1, 5], np.uint64).tobytes())
    with pytest.raises(DataError, match="more tokens than can be counted"):
        run.read(0, 2, 100)
    runs.check_sum(np.array([2**62 - 600, 1]))
    with pytest.raises(DataError, match="more tokens"):
        runs.check_sum(np.full(9, 2**62))


@contextmanager
def small_disk() -> Iterator[None]:
    """No file may grow beyond 10 kB, as on a full disk: nor may what the test runner writes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_explained(tmp_path: Path) -> None:
    with small_disk(), pytest.raises(ResourceError, match="temporary file cannot") as caught:
        runs.write_run(tmp_path / "a", Words(1), chunks([[1] * 900] * 9))
    assert str(tmp_path / "a") in caught.value.where
    assert "--tmp" in caught.value.do
    assert not list(tmp_path.glob("*.json"))


def test_runs_are_open_only_while_they_are_read(tmp_path):
    made = [runs.write_run(tmp_path / str(n), Words(1), chunks([[n + 1]])) for n in range(80)]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (60, hard))
    try:
        for run in made:
            run.read(0, 1, 100)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_files_of_a_run_are_named_after_their_spill():
    run = Run(Path("x/spill-000001"), Words(2), 1, 1)
    names = [path.name for path in run.paths]
    assert names == [f"spill-000001.words2{end}" for end in (".word0", ".word1", ".counts")]
