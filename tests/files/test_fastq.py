"""FASTQ with one line or several, and the damage that long downloads bring."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.errors import DataError
from sslkit.files import fastq
from sslkit.types import Record


def parsed(data: bytes) -> list[Record]:
    return list(fastq.parse(io.BufferedReader(io.BytesIO(data)), Path("reads.fq")))


@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\r"])
def test_four_lines(ends: bytes) -> None:
    records = parsed(ends.join([b"@r1 a b", b"ACGT", b"+", b"@+II", b"@r2", b"", b"+r2", b"", b""]))
    assert [(r.id, r.payload, r.metadata["quality"]) for r in records] == [
        ("r1", b"ACGT", "@+II"),
        ("r2", b"", ""),
    ]
    assert records[0].metadata["title"] == "a b"


@given(
    st.lists(
        st.text("ACGT", min_size=1, max_size=12).flatmap(
            lambda s: st.tuples(
                st.just(s), st.text("@+!IJ>", min_size=len(s), max_size=len(s)), st.integers(1, 12)
            )
        ),
        min_size=1,
        max_size=5,
    )
)
def test_lines_of_any_width(reads: list[tuple[str, str, int]]) -> None:
    lines = []
    for number, (letters, quality, width) in enumerate(reads):
        cuts = range(0, len(letters), width)
        lines += [f"@r{number}", *(letters[at : at + width] for at in cuts)]
        lines += ["+", *(quality[at : at + width] for at in cuts)]
    records = parsed("\n".join(lines).encode())
    found = [(r.payload.decode(), r.metadata["quality"], r.error) for r in records]
    assert found == [(letters, quality, "") for letters, quality, _ in reads]


@pytest.mark.parametrize("tail", ["@r2", "@r2\nACG", "@r2\nACGT\n+", "@r2\nACGT\n+\nII"])
def test_a_cut_off_last_read_is_named(tail: str) -> None:
    first, last = parsed(f"@r1\nAC\n+\nII\n{tail}".encode())
    assert (first.payload, first.error) == (b"AC", "")
    assert last.number == 2
    assert "cut off" in last.error
    assert last.payload == b""


def test_too_many_qualities_spoil_one_read_only() -> None:
    bad, good = parsed(b"@r1\nAC\n+\nIII\n@r2\nAC\n+\nII\n")
    assert "2 bases and 3 qualities" in bad.error
    assert good.payload == b"AC"


def test_lines_that_are_no_fastq_stop() -> None:
    with pytest.raises(DataError, match="not in order") as caught:
        parsed(b"@r1\nAC\n+\nII\nhello\n")
    assert caught.value.where == "reads.fq, record 2"


def test_empty() -> None:
    with pytest.raises(DataError, match="empty"):
        parsed(b"")


def test_the_id_ends_at_a_tab_and_titles_that_are_no_utf8_stay_apart() -> None:
    data = b"@r1\tRX:Z:AC\tBC:Z:A x\nAC\n+\nII\n@caf\xe9\nA\n+\nI\n@caf\xea\nA\n+\nI\n"
    records = parsed(data + "@caf\u00f4\nA\n+\nI\n".encode())
    assert [record.id for record in records] == ["r1", "caf\u00e9", "caf\u00ea", "caf\u00f4"]
    assert records[0].metadata["title"] == "RX:Z:AC BC:Z:A x"
