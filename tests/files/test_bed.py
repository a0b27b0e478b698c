"""Intervals of a reference against plain slices; parallel jobs; references as they come."""

import gzip
import multiprocessing
import os
import time
from pathlib import Path

import pytest

from sslkit.errors import DataError, UsageError
from sslkit.files import atomic, bed

CHROM = "ACGTTGCAAN" * 30 + "acgtr"


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    path = tmp_path / "ref.fa"
    lines = [CHROM[at : at + 60] for at in range(0, len(CHROM), 60)]
    path.write_text(">chr1 the one\n" + "\n".join(lines) + "\n>chr2\nGGGCC\n")
    return path


def intervals(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "some.bed"
    path.write_text(text)
    return path


def test_slices_strands_and_names(tmp_path: Path, reference: Path) -> None:
    path = intervals(
        tmp_path,
        "track name=x\n#note\nchr1\t0\t10\n\nchr1\t57\t66\tgene1\t0\t+\n"
        "chr1\t300\t305\t.\t0\t-\nchr2 0 5\n",
    )
    found = [(r.id, r.payload.decode(), r.error) for r in bed.read(path, reference)]
    assert found == [
        ("chr1:0-10", CHROM[:10], ""),
        ("gene1", CHROM[57:66], ""),
        ("chr1:300-305(-)", "yacgt", ""),
        ("chr2:0-5", "GGGCC", ""),
    ]
    assert [r.metadata["strand"] for r in bed.read(path, reference)] == [".", "+", "-", "."]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("chr1\t300\t400", "chr1 ends at 305, before 400"),
        ("chr9\t0\t10", "no sequence 'chr9'"),
        ("chr1\t10\t10", "holds no base"),
        ("chr1\t-5\t10", "whole numbers"),
        ("chr1\tx\t10", "whole numbers"),
        ("chr1\t5", "whole numbers"),
        ("chr1\t5\t9\ta\t0\tplus", "strand"),
    ],
)
def test_a_bad_interval_carries_an_error(
    tmp_path: Path, reference: Path, line: str, why: str
) -> None:
    bad, good = bed.read(intervals(tmp_path, f"{line}\nchr2\t0\t3\n"), reference)
    assert why in bad.error
    assert (bad.payload, bad.number) == (b"", 1)
    assert good.payload == b"GGG"


def test_no_interval_and_no_reference(tmp_path: Path, reference: Path) -> None:
    path = intervals(tmp_path, "#nothing\n")
    with pytest.raises(DataError, match="empty"):
        list(bed.read(path, reference))
    with pytest.raises(UsageError, match="no reference"):
        list(bed.read(path, tmp_path / "absent.fa"))


def test_index_is_made_again_when_the_reference_is_newer(tmp_path: Path, reference: Path) -> None:
    path = intervals(tmp_path, "chr2\t0\t5\n")
    list(bed.read(path, reference))
    index = tmp_path / "ref.fa.fai"
    assert index.read_text().splitlines()[1].startswith("chr2\t5\t")
    reference.write_text(">chr1\nA\n>chr2\nTTTTTTT\n")
    os.utime(index, (time.time() - 5, time.time() - 5))
    assert [r.payload for r in bed.read(path, reference)] == [b"TTTTT"]


@pytest.mark.parametrize("ending", [".gz", ""])
def test_compressed_reference(tmp_path: Path, reference: Path, ending: str) -> None:
    packed = tmp_path / f"packed.fa{ending}"
    packed.write_bytes(gzip.compress(reference.read_bytes()))
    path = intervals(tmp_path, "chr1\t57\t66\n")
    assert [r.payload.decode() for r in bed.read(path, packed)] == [CHROM[57:66]]
    assert not (tmp_path / "packed.fa.gz.fai").exists()


def test_uneven_lines_are_refused(tmp_path: Path) -> None:
    reference = tmp_path / "ref.fa"
    reference.write_text(">chr1\nACG\nACGTACGT\nAC\n")
    with pytest.raises(DataError, match="indexed") as caught:
        list(bed.read(intervals(tmp_path, "chr1\t0\t5\n"), reference))
    assert caught.value.where == str(reference)


def test_folder_that_cannot_be_written(
    tmp_path: Path, reference: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Permissions do not stop the superuser, who runs the tests in a container.
    def refuse(path: Path) -> None:
        raise atomic.ResourceError(f"{path} cannot be written")

    monkeypatch.setattr(atomic, "replacing", refuse)
    path = intervals(tmp_path, "chr2\t0\t5\n")
    assert [r.payload for r in bed.read(path, reference)] == [b"GGGCC"]
    assert not (tmp_path / "ref.fa.fai").exists()


def _read_all(paths: tuple[Path, Path]) -> list[bytes]:
    return [record.payload for record in bed.read(*paths)]


def test_parallel_jobs_do_not_corrupt_the_index(tmp_path: Path, reference: Path) -> None:
    path = intervals(tmp_path, "chr1\t57\t66\nchr2\t0\t5\n" * 20)
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        found = pool.map(_read_all, [(path, reference)] * 16, chunksize=1)
    assert all(each == [CHROM[57:66].encode(), b"GGGCC"] * 20 for each in found)
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_contigs_named_as_lines_for_a_browser(tmp_path: Path) -> None:
    reference = tmp_path / "ref.fa"
    reference.write_text(">track_1\nAACC\n>browser\nGGTT\n>caf\u00e9\nACGT\n")
    path = tmp_path / "some.bed"
    path.write_bytes(
        b"browser position chr1:1-100\ntrack\n\ttrack name=x\ntrack_1\t0\t3\n#track_1\t0\t4\n"
        b"browser\t1\t4\tcaf\xe9\nbrowser\t1\t4\tcaf\xea\r\n" + "caf\u00e9\t0\t2\n".encode()
    )
    assert [(r.id, r.payload) for r in bed.read(path, reference)] == [
        ("track_1:0-3", b"AAC"),
        ("caf\u00e9", b"GTT"),
        ("caf\u00ea", b"GTT"),
        ("caf\u00e9:0-2", b"AC"),
    ]
    assert [r.id for r in bed.intervals(path.open("rb"), path)][:2] == ["track_1:0-3", "caf\u00e9"]
