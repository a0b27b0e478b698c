"""A3M of ColabFold and HH-suite, and PIR, against what they hold; counting reads the same."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.domains import protein
from sslkit.errors import DataError
from sslkit.files import dialects, fasta, sequences
from sslkit.files.columns import Columns
from sslkit.files.pieces import Pieces
from sslkit.vocab.inputs import Inputs

A3M = {
    "colabfold": (b"#4,2\t1,1\n>101\nMKVL\n>U\t2\t0.9\nMK-aL\n", ["101", "U"], ["MKVL", "MKaL"]),
    "hh-suite": (b"#A3M#\n>q\nMKVL\n", ["q"], ["MKVL"]),
    "byte 0": (b">q\nMKVL\n\0", ["q"], ["MKVL"]),
    "several": (b">q\nMKVL\n\0>r\nMKVV\n\0", ["q", "r"], ["MKVL", "MKVV"]),
    "annotation": (
        b">ss_pred PSIPRED\nCCCH\n>ss_conf\n9876\n>ss_dssp\nCC-C\n>sa_dssp\nABCD\n>aa_dssp\nMKVL\n"
        b">q\nMK\n# comment\nVL\n>aa_pred\nMK\n",
        ["q"],
        ["MKVL"],
    ),
    "mark": (b"\xef\xbb\xbf#A3M#\r\n>q\r\nMKVL\r\n", ["q"], ["MKVL"]),
}
PIR = (
    b">P1;CRAB_ANAPL\nALPHA CRYSTALLIN\n  MDIT IHNP\n LIRR *\nC;comment\nR;1-3/text\n\n"
    b">F1;5fd1\nstructureX:5fd1:1\nMK-V*\n>P1;last\n\nMKA"
)


def counted(path: Path) -> list[tuple[str, str]]:
    with Inputs(True, b"\n>", Columns(), "stop").open(path) as stream:
        found = fasta.parse(io.BufferedReader(stream), path)
        return [(r.id, r.payload.replace(b"-", b"").decode()) for r in found]


def read(path: Path) -> list[tuple[str, str]]:
    domain = protein.Domain(protein.Settings())
    return [(r.id, r.payload.decode()) for r in domain.read(path, "stop")]


@pytest.mark.parametrize("case", A3M)
def test_a3m(tmp_path: Path, case: str) -> None:
    data, names, letters = A3M[case]
    path = tmp_path / "a.a3m"
    path.write_bytes(data)
    assert read(path) == counted(path) == list(zip(names, letters, strict=True))
    assert Inputs(True, b"\n>", Columns(), "stop").mark(path) == b""
    if data.lstrip(b"\xef\xbb\xbf").startswith(b"#"):
        other = path.rename(tmp_path / "stdin")
        assert read(other) == counted(other) == list(zip(names, letters, strict=True))


def test_other_fasta_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.fa"
    path.write_bytes(b">ss_pred\nMKV\n>aa_x\nMK\n")
    assert read(path) == counted(path) == [("ss_pred", "MKV"), ("aa_x", "MK")]
    path.write_bytes(b"# a comment\n>q\nMKV\n")
    with pytest.raises(DataError):
        read(path)


def test_columns_of_a3m_as_colabfold_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "a.a3m"
    path.write_bytes(b"#4\t1\n>ss_pred\nCC\n>101\nMKVL\n>U\nMKaV-\n")
    assert [(r.id, r.payload) for r in sequences.rows(path)] == [("101", b"MKVL"), ("U", b"MKaV-")]


def test_pir(tmp_path: Path) -> None:
    path = tmp_path / "a.pir"
    path.write_bytes(PIR)
    expected = [("CRAB_ANAPL", "MDITIHNPLIRR"), ("5fd1", "MKV"), ("last", "MKA")]
    assert read(path) == counted(path) == expected
    titles = [record.metadata.get("title", "") for record in sequences.read(path)]
    assert titles == ["ALPHA CRYSTALLIN", "structureX:5fd1:1", ""]
    path.write_bytes(PIR + b"\n*\n>other\nMK\n")
    for reading in (read, counted):
        with pytest.raises(DataError) as caught:
            reading(path)
        assert caught.value.where == str(path)


@given(case=st.sampled_from([*(data for data, *_ in A3M.values()), PIR]), block=st.integers(1, 40))
def test_blocks_change_nothing(case: bytes, block: int) -> None:
    def read_all(size: int) -> bytes:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(dialects, "_BLOCK", size)
            stream = io.BufferedReader(Pieces(iter([case])))
            return dialects.plain(stream, Path("a.a3m")).read()

    assert read_all(block) == read_all(len(case))


@pytest.mark.parametrize("name", ["a.a3m", "a.afa"])
def test_rows_of_other_lengths_are_bad_where_they_are_read_and_counted(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(b">q\nMKVL\n>r\nMKV\n>s\nMK-L\n")
    found = list(protein.Domain(protein.Settings()).read(path, "skip"))
    assert [bool(record.error) for record in found] == [False, True, False]
    for reading in (read, counted):
        with pytest.raises(DataError) as caught:
            reading(path)
        assert caught.value.where == f"{path}, record 2 (r)"
    assert Inputs(True, b"\n>", Columns(), "stop").mark(path) == b""
    with Inputs(True, b"\n>", Columns(), "skip").open(path) as stream:
        assert stream.read() == b">q\n MKVL\n>r\n \n>s\n MK-L\n"
