"""FASTA as it comes: any line ends, odd titles, one line or many."""

import gzip
import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.errors import DataError
from sslkit.files import fasta, longest
from sslkit.types import Record


def parsed(data: bytes) -> list[tuple[str, bytes]]:
    return [(r.id, r.payload) for r in fasta.parse(io.BufferedReader(io.BytesIO(data)), Path("x"))]


@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("final", [True, False])
def test_line_ends(ends: bytes, final: bool) -> None:
    data = ends.join([b">a first > one", b"AC GT", b"", b"AC", b">b", b">c", b"GG"])
    assert parsed(data + ends * final) == [("a", b"ACGTAC"), ("b", b""), ("c", b"GG")]


def test_ids_are_first_words_and_may_repeat_or_lack() -> None:
    data = b"> 6400\nA\n>a\tb c\nC\n>a\nG\n>\nT\n"
    records = list(fasta.parse(io.BufferedReader(io.BytesIO(data)), Path("x")))
    assert [r.id for r in records] == ["6400", "a", "a", "4"]
    assert [r.number for r in records] == [1, 2, 3, 4]
    assert records[1].metadata == {"title": "b c"}


def test_byte_order_mark() -> None:
    assert parsed(b"\xef\xbb\xbf>a\nAC\n") == [("a", b"AC")]


@given(
    st.lists(
        st.tuples(
            st.text("abc>_|", min_size=1, max_size=9).map(lambda t: "x" + t),
            st.lists(st.text("ACGTN", max_size=7), max_size=5),
        ),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.integers(1, 9),
)
def test_any_border_of_a_chunk(
    entries: list[tuple[str, list[str]]], ends: bytes, chunk: int
) -> None:
    lines = [line for name, text in entries for line in (f">{name} more", *text)]
    data = ends.join(line.encode() for line in lines)
    expected = [(name, "".join(text).encode()) for name, text in entries]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fasta, "_CHUNK", chunk)
        assert parsed(data) == expected


def test_text_before_the_first_title_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.fa"
    path.write_text("ACGT\n>a\nAC\n")
    with pytest.raises(DataError, match="title line") as caught:
        list(fasta.read(path))
    assert caught.value.where == str(path)


def test_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.fa"
    path.write_text("\n\n")
    with pytest.raises(DataError, match="empty"):
        list(fasta.read(path))


def test_truncated_gz_is_refused_after_whole_records(tmp_path: Path) -> None:
    path = tmp_path / "a.fa.gz"
    whole = gzip.compress(b"".join(b">r%d\n%s\n" % (n, b"ACGT" * n) for n in range(2000)))
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="damaged or cut off") as caught:
        list(fasta.read(path))
    assert str(path) in caught.value.where


_LONG = """
import resource, sys
from pathlib import Path
from sslkit.files import fasta, longest
from sslkit.types import Record
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
(record,) = fasta.read(Path(sys.argv[1]))
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(len(record.payload), grown // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux only")
def test_a_300_mb_line_takes_little_more_than_its_own_size(tmp_path: Path) -> None:
    path = tmp_path / "long.fa"
    with path.open("wb") as stream:
        stream.write(b">long\n")
        for _ in range(300):
            stream.write(b"ACGTACGTAC" * 100_000)
    done = subprocess.run(
        [sys.executable, "-c", _LONG, str(path)], capture_output=True, text=True, check=True
    )
    bases, grown_mib = map(int, done.stdout.split())
    assert bases == 300_000_000
    assert grown_mib < 400


def test_titles_that_are_no_utf8_stay_apart() -> None:
    assert parsed(b">caf\xe9\nA\n>caf\xea\nC\n" + ">caf\u00f4\nG\n".encode()) == [
        ("caf\u00e9", b"A"), ("caf\u00ea", b"C"), ("caf\u00f4", b"G"),
    ]  # fmt: skip


@given(
    st.lists(
        st.sampled_from(
            [
                *(b">", b">a", b">b c\td", b">\xe9", b">" + b"t" * 99, b">\0", b"AC", b"acgtn*-"),
                *(b"A C", b"ACGTA CGTAC GTACG", b"", b" ", b"\t", b"x>y"),
            ]
        ),
        max_size=12,
    ),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.sampled_from([4, 8, 1 << 20]),
    st.booleans(),
)
def test_whole_chunks_are_read_as_single_bytes_are(
    lines: list[bytes], ends: bytes, most: int, spool: bool
) -> None:
    def outcome(chunk: int) -> tuple[list[Record], str]:
        stream, records = io.BufferedReader(io.BytesIO(ends.join(lines))), list[Record]()
        with pytest.MonkeyPatch.context() as patch, longest.allowing(most):
            patch.setattr(fasta, "_CHUNK", chunk)
            patch.setattr(fasta, "_LONGEST_TITLE", 50)
            patch.setattr(fasta.letters, "LONG", 6)
            try:
                for record in fasta.parse(stream, Path("x"), spool=spool):
                    records.append(replace(record, payload=record.payload[:]))
            except DataError as error:
                return records, str(error)
        return records, ""

    def plain(chunk: int) -> tuple[list[Record], str]:
        records, error = outcome(chunk)
        # Overlapping k-mers are seen in as much of a sequence as comes at once.
        return [r for r in records if "k-mers" not in r.error], error.partition("begins with")[0]

    one_by_one, at_once = plain(1), plain(1 << 20)
    known = {record.number for record in at_once[0]}
    assert [r for r in one_by_one[0] if r.number in known] == at_once[0]
    assert one_by_one[1] == at_once[1]
