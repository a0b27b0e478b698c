"""What a count reads of a file, whatever its kind, its line ends and its compression."""

import bz2
import gzip
import io
import lzma
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from sslkit.errors import DataError
from sslkit.files import fastq, genbank
from sslkit.files.columns import USUAL, Columns
from sslkit.vocab import inputs
from sslkit.vocab.inputs import Inputs

ENDS = pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
letters = st.text("ACGT@+>", min_size=1, max_size=40).filter(lambda s: s[0] not in "@+>")


def content(path, *, fasta=True, column=None, on_error="stop"):
    held = Inputs(fasta, b"\n>" if fasta else b"\n", Columns(column), on_error)
    with held.open(path) as stream:
        return stream.read()


def records(data):
    """Names and letters of FASTA, as a scanner sees them: a title begins its line."""
    found = []
    for part in (b"\n" + data).split(b"\n>")[1:]:
        name, _, text = part.partition(b"\n")
        found.append((name.split()[0].decode(), b"".join(text.split()).decode()))
    return found


@given(
    reads=st.lists(letters, min_size=1, max_size=12),
    width=st.sampled_from([5, 1000]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    block=st.integers(1, 300),
    last=st.booleans(),
    mark=st.sampled_from(["", "\ufeff", "\n\n"]),
)
def test_reads_of_any_form(tmp_path_factory, reads, width, end, block, last, mark):
    lines = []
    for number, read in enumerate(reads):
        cut = [read[at : at + width] for at in range(0, len(read), width)]
        # A line of letters must not look like the one that ends them.
        cut = cut if all(part[0] not in "@+" for part in cut) else [read]
        quality = "@" * len(read)
        lines += [f"@r{number} t", *cut, "+", *([quality] if len(cut) == 1 else [quality[:5]])]
        lines += [quality[at : at + 5] for at in range(5, len(read), 5)] if len(cut) > 1 else []
    path = tmp_path_factory.mktemp("reads") / "a.fq"
    path.write_bytes((mark + end.join(lines) + end * last).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "_BLOCK", block)
        patch.setattr(inputs, "_LONG_READ", block)
        assert records(content(path)) == [(f"r{n}", read) for n, read in enumerate(reads)]


def test_errors_of_reads_name_them_as_the_file_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "_BLOCK", 50)
    monkeypatch.setattr(inputs, "_LONG_READ", 50)
    path = tmp_path / "a.fq"
    whole = b"".join(b"@r%d\nACGT\n+\nIIII\n" % n for n in range(20))
    path.write_bytes(whole + b"@bad\nACGT\n+\nIII\n@more\nA\n+\nI\n")
    with pytest.raises(DataError, match="cannot be used") as caught:
        content(path)
    assert caught.value.where == f"{path}, record 21 (bad)"
    path.write_bytes(whole + b"what\n")
    with pytest.raises(DataError, match="not in order") as caught:
        content(path)
    assert caught.value.where == f"{path}, record 21"
    path.write_bytes(whole + b"@cut\nACGT\n")
    assert records(content(path, on_error="skip"))[-1] == ("cut", "")


def test_reads_longer_than_a_block_are_held_no_longer_than_needed(tmp_path):
    reads = ["ACGT" * 300_000, "A", "C" * 900_000]
    path = tmp_path / "a.fq"
    path.write_text("".join(f"@{n}\n{r}\n+\n{'I' * len(r)}\n" for n, r in enumerate(reads)))
    assert [text for _, text in records(content(path))] == reads


GENBANK = """LOCUS       AB1    {size} bp    DNA     linear   PHG 08-JAN-2023
DEFINITION  one
ACCESSION   AB1
VERSION     AB1.2
FEATURES             Location/Qualifiers
     source          1..10
                     /note="ORIGIN // LOCUS"
ORIGIN{blanks}
        1 acgtn acgta
       11 cc
//
LOCUS       AB2    7 bp    DNA     linear   PHG 08-JAN-2023
CONTIG      join(AB1.2:1..7)
//

LOCUS       AB3 3 bp DNA
ORIGIN
        1 ttt
//
""".replace("{blanks}", 6 * " ")


@ENDS
@pytest.mark.parametrize("block", [1, 2, 3, 10, 1 << 19])
def test_genbank_in_pieces(tmp_path, monkeypatch, end, block):
    monkeypatch.setattr(genbank, "_BLOCK", block)
    path = tmp_path / "a.gb"
    path.write_bytes(GENBANK.format(size=12).replace("\n", end).encode())
    # A byte 0 makes a record bad.
    want = [("AB1.2", "acgtnacgtacc"), ("AB2", "\0"), ("AB3", "ttt")]
    assert records(content(path, on_error="skip")) == want
    with pytest.raises(DataError, match="cannot be used") as caught:
        content(path)
    assert caught.value.where == f"{path}, record 2 (AB2)"


DAMAGED = [
    (GENBANK.format(size=13), "13 letters, and it has 12", 1),
    (GENBANK.format(size=12)[:-3], "the file ends in the middle", 3),
    (GENBANK.format(size=12)[:-20], "the file ends in the middle", 3),
    (GENBANK.format(size=12)[:200], "the file ends in the middle", 1),
    (GENBANK.format(size=12).replace("//\nLOCUS", "LOCUS"), "another line begins", 1),
    (GENBANK.format(size=12).replace("CONTIG      join(AB1.2:1..7)\n//", ""), "another record", 2),
]


@pytest.mark.parametrize(("text", "why", "number"), DAMAGED)
def test_a_damaged_genbank_record_alone_is_bad(tmp_path, text, why, number):
    path = tmp_path / "a.gb"
    path.write_text(text)
    found = list(genbank.read(path))
    (bad,) = (record for record in found if record.error and record.number == number)
    assert why in bad.error
    held = records(content(path, on_error="skip"))
    assert [(r.id, bool(r.error)) for r in found] == [(name, "\0" in seq) for name, seq in held]
    first = next(record for record in found if record.error)
    with pytest.raises(DataError) as caught:
        content(path)
    assert (caught.value.where, caught.value.why) == (first.where, first.error)


def test_genbank_as_its_parser_reads_it(shared_data: Path):
    for path in [*shared_data.glob("genomes/*/*.gb"), *shared_data.glob("genomes/*/*/*.gbk")]:
        want = [(r.id, r.payload.decode().upper()) for r in genbank.read(path)]
        assert [(name, text.upper()) for name, text in records(content(path))] == want


def test_no_genbank_record_is_held_whole(tmp_path):
    """What waits for the next block stays small: in a record, and in a line without an end."""
    found = genbank._Reader()
    list(found.feed(b"LOCUS  A 9 bp\nDEFINITION " + b"x" * 10**6))
    list(found.feed(b"x" * 10**6))
    assert len(found._rest) < 1 << 16
    list(found.feed(b"\nORIGIN\n"))
    for _ in range(5):
        assert len(b"".join(found.feed(b"acgt" * 10**5))) == 4 * 10**5
        assert len(found._rest) < 10


def cells(path, **more):
    return content(path, fasta=False, column="seq", **more)


@ENDS
def test_a_column_of_a_table(tmp_path, end):
    path = tmp_path / "a.csv"
    path.write_bytes(f'id,seq,n{end}a,"x, y",1{end}b,z,2{end}'.encode())
    assert cells(path) == b"x, y\nz\n"
    assert records(content(path, column="seq")) == [("a", "x,y"), ("b", "z")]
    path.write_bytes(f"seq\tn{end}x, y\t1{end}{end}z\t".encode())
    assert cells(path) == b"x, y\nz\n"


def test_cells_stay_what_they_are(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b'id,seq\na,"AC\n>GT"\n')
    assert records(content(path, column="seq")) == [("a", "AC>GT")]
    path.write_bytes("id,seq\na,größe\n".encode("latin-1"))
    # Whether bytes that are no UTF-8 stop the run is the tokeniser's matter.
    assert cells(path) == "größe\n".encode("latin-1")


def test_rows_that_cannot_be_used(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text("id,seq\na,x\nb\nc,z\n")
    with pytest.raises(DataError, match="row of a table") as caught:
        cells(path)
    assert caught.value.where == f"{path}, row 2"
    assert cells(path, on_error="skip") == b"x\nz\n"
    monkeypatch.setattr(inputs, "LONGEST_ROW", 1000)
    for row in ("x" * 1200, '"' + "x\n" * 1200 + '"'):
        path.write_text(f"id,seq\na,{row}\n")
        with pytest.raises(DataError, match="row of a table"):
            cells(path)


@pytest.mark.parametrize("size", [1, 5000])
def test_parquet(tmp_path, size):
    texts = [f"{n} " * size for n in range(500)]
    columns = {"id": list(map(str, range(500))), "seq": texts, "more": [["list"]] * 500}
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=200)
    assert cells(path).decode().splitlines() == texts
    packed = tmp_path / "a.parquet.gz"
    packed.write_bytes(gzip.compress(path.read_bytes(), 1))
    assert cells(packed).decode().splitlines() == texts
    pq.write_table(pa.table({"seq": ["a", None, "b"]}), path)
    assert cells(path) == b"a\n\nb\n"


def test_only_what_is_counted_is_read_of_parquet(tmp_path, monkeypatch):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"seq": ["a", "b"], "large": ["x" * 1000] * 2, "id": ["1", "2"]}), path)
    asked = []
    whole = pq.ParquetFile.iter_batches
    monkeypatch.setattr(
        pq.ParquetFile,
        "iter_batches",
        lambda self, rows, columns: asked.append(columns) or whole(self, rows, columns=columns),
    )
    assert records(content(path, column="seq")) == [("1", "a"), ("2", "b")]
    assert asked == [["seq", "id"]]


def bgzip(data):
    """Blocks of gzip with their sizes in an extra field, and the empty one at the end."""
    out = io.BytesIO()
    for at in [*range(0, len(data), 1000), len(data)]:
        body = gzip.compress(data[at : at + 1000], mtime=0)
        extra = b"BC\x02\x00" + (len(body) + 8 - 1).to_bytes(2, "little")
        out.write(body[:3] + b"\x04" + body[4:10] + b"\x06\x00" + extra + body[10:])
    return out.getvalue()


@pytest.mark.parametrize("pack", [gzip.compress, bgzip, lzma.compress, bz2.compress])
def test_compressed_files_of_one_piece_or_several(tmp_path, pack):
    data = b"".join(b"word%d\n" % n for n in range(2000))
    path = tmp_path / "a.txt"
    path.write_bytes(pack(data))
    assert content(path, fasta=False) == data
    path.write_bytes(pack(data[:5000]) + pack(data[5000:]))
    assert content(path, fasta=False) == data
    path.write_bytes(pack(data)[:-20])
    with pytest.raises(DataError, match="damaged or cut off"):
        content(path, fasta=False)
    assert Inputs(False, b"\n", USUAL, "stop").mark(path) == b""


def test_zstd(tmp_path):
    data = b"".join(b"word%d\n" % n for n in range(2000))
    path = tmp_path / "a.txt"
    path.write_bytes(zstd.compress(data[:5000]) + zstd.compress(data[5000:]))
    assert content(path, fasta=False) == data


def test_what_may_be_divided(tmp_path):
    held = Inputs(True, b"\n>", USUAL, "stop")
    for text, mark in (
        (">a\nACGT\n", b"\n>"),
        ("\ufeff>a\nACGT\n", b"\n>"),
        ("@a\nACGT\n+\nIIII\n", b""),
        ("\n\ufeff@a\n", b"\n>"),
        ("\ufeff\n@a\nACGT\n+\nIIII\n", b""),
        (GENBANK, b""),
        ("", b""),
    ):
        path = tmp_path / "file"
        path.write_text(text)
        assert held.mark(path) == mark
    assert Inputs(False, b"\n", Columns("seq"), "stop").mark(path) == b""


def test_fastq_continues_numbers(tmp_path):
    stream = io.BufferedReader(io.BytesIO(b"@x\nA\n+\nI\n"))
    assert [record.number for record in fastq.parse(stream, tmp_path, 7)] == [8]
