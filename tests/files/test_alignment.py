"""Alignments: Stockholm, aligned FASTA and A3M."""

import gzip
import io
from pathlib import Path

import numpy as np
import pytest
from Bio import AlignIO
from hypothesis import given
from hypothesis import strategies as st

from sslkit.errors import DataError
from sslkit.files import alignment

STOCKHOLM = """# STOCKHOLM 1.0
#=GF ID  made up

one   AC.D
#=GR one SS HHHH
two   ~CED
#=GC cons  xxxx

one   kl
two   -L
#=GC cons  xx
//
"""


def rows(found: alignment.Alignment) -> list[str]:
    return [row.tobytes().decode() for row in found.letters]


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_blocks_of_stockholm_are_joined_and_gaps_are_one(tmp_path: Path) -> None:
    found = alignment.read(write(tmp_path / "a.sto", STOCKHOLM))
    assert found.names == ("one", "two")
    assert rows(found) == ["AC-DKL", "-CED-L"]
    assert found.letters.dtype == np.uint8


def test_aligned_fasta_compressed_or_not(tmp_path: Path) -> None:
    text = ">one first\nAC-\nde\n>two\n.c.DE\n"
    plain = alignment.read(write(tmp_path / "a.afa", text))
    packed = tmp_path / "a.afa.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    assert rows(plain) == rows(alignment.read(packed)) == ["AC-DE", "-C-DE"]
    assert plain.names == ("one", "two")


def test_insertions_of_a3m_belong_to_no_column(tmp_path: Path) -> None:
    found = alignment.read(write(tmp_path / "a.a3m", ">q\nACDE\n>h\nA-DxyE\n>i\nA.CD.E\n"))
    assert rows(found) == ["ACDE", "A-DE", "ACDE"]


def test_sequences_of_stockholm_have_no_gaps(tmp_path: Path) -> None:
    twice = STOCKHOLM + "# STOCKHOLM 1.0\nthree W--W\n//\n"
    found = list(alignment.parse(io.BufferedReader(io.BytesIO(twice.encode())), Path("x.sto")))
    assert [(one.id, one.payload, one.number) for one in found] == [
        ("one", b"ACDkl", 1),
        ("two", b"CEDL", 2),
        ("three", b"WW", 3),
    ]


def test_rows_of_stockholm_keep_their_gaps_where_asked() -> None:
    def parsed(text: str) -> list[bytes]:
        stream = io.BufferedReader(io.BytesIO(text.encode()))
        return [one.payload for one in alignment.parse(stream, Path("x.sto"), gaps=True)]

    assert parsed(STOCKHOLM) == [b"AC.Dkl", b"~CED-L"]
    with pytest.raises(DataError, match="several alignments") as caught:
        parsed(STOCKHOLM + "# STOCKHOLM 1.0\nthree W--W\n//\n")
    assert "behind the 2 rows" in (caught.value.why or "")


def test_columns_of_a_row() -> None:
    assert alignment.columns(b"aC.~-x", Path("a.afa.gz")) == b"AC---X"
    assert alignment.columns(b"aC.~-x", Path("a.A3M.gz")) == b"C--"
    assert alignment.columns(b"C--", Path("a.a3m")) == b"C--"


@given(st.lists(st.text("ACDEFGHIKLMNPQRSTVWY-", min_size=7, max_size=7), min_size=1, max_size=6))
def test_what_biopython_writes_is_read_back(held: list[str]) -> None:
    fasta = "".join(f">s{n}\n{row}\n" for n, row in enumerate(held))
    made = format(AlignIO.read(io.StringIO(fasta), "fasta"), "stockholm")
    blocks = alignment._blocks(io.BufferedReader(io.BytesIO(made.encode())), Path("x"))
    assert [row.letters.decode() for row in next(blocks)] == held


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.afa", ">one\nACDE\n>two\nACD\n", "it has 3 columns, and row 1 (one) has 4"),
        ("a.sto", "# STOCKHOLM 1.0\none ACD\ntwo AC\n//\n", "it has 2 columns"),
        ("a.sto", "# STOCKHOLM 1.0\none ACD\none ACD\ntwo ACD\n//\n", "row 1 (one) has 6"),
        ("a.sto", STOCKHOLM.replace("//", ""), "cut off"),
        ("a.sto", STOCKHOLM + STOCKHOLM, "another one begins behind the 2 rows"),
        ("a.sto", STOCKHOLM + "rest\n", "stands before a line # STOCKHOLM"),
        ("a.sto", STOCKHOLM.replace("//\n", STOCKHOLM), "before the last one ended"),
        ("a.sto", "# STOCKHOLM 1.0\n//\n", "no sequences"),
        ("a.sto", "# STOCKHOLM 1.0\none ACD EF\n//\n", "not a name and its letters"),
        ("a.afa", ">one\nAC1E\n", "'1' in column 3"),
        ("a.afa", "", ""),
        ("a.afa", ">one\n>two\n", ""),
        ("a.afa", "ACDE\n", "begins with 'ACDE'"),
    ],
)
def test_what_is_no_alignment_is_refused(tmp_path: Path, name: str, text: str, why: str) -> None:
    path = write(tmp_path / name, text)
    with pytest.raises(DataError) as caught:
        alignment.read(path)
    assert str(path) in caught.value.where
    assert why in (caught.value.why or "")


def test_the_row_that_is_too_short_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.afa", ">one\nACDE\n>two\nACDE\n>three\nAC\n")
    with pytest.raises(DataError, match="not equally long") as caught:
        alignment.read(path)
    assert caught.value.where == f"{path}, row 3 (three)"


def test_files_of_pfam_as_biopython_reads_them(shared_data: Path) -> None:
    for path in sorted((shared_data / "proteins/stockholm_hmmer").glob("*.sto")):
        found = alignment.read(path)
        expected = [str(one.seq) for one in AlignIO.read(path, "stockholm")]
        assert rows(found) == [one.upper().replace(".", "-") for one in expected]
    family = alignment.read(shared_data / "proteins/pfam_contacts/alignments/PF00013.align.80")
    assert family.letters.shape == (1013, 76)


def test_names_that_are_no_utf8_stay_apart() -> None:
    data = b"# STOCKHOLM 1.0\ncaf\xe9 MK-\ncaf\xea MKV\n//\n"
    found = alignment.parse(io.BufferedReader(io.BytesIO(data)), Path("x.sto"))
    assert [(r.id, r.payload) for r in found] == [("caf\u00e9", b"MK"), ("caf\u00ea", b"MKV")]


def test_a_byte_0_may_stand_where_an_alignment_ends() -> None:
    data = b"# STOCKHOLM 1.0\na MK\n//\n\0# STOCKHOLM 1.0\nb MKV\n//\n\0"
    found = alignment.parse(io.BufferedReader(io.BytesIO(data)), Path("x.sto"))
    assert [(r.id, r.payload) for r in found] == [("a", b"MK"), ("b", b"MKV")]
