"""References by an index that is checked against the file, or made."""

import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.errors import DataError
from sslkit.files import references

LETTERS = "".join(random.Random(1).choices("ACGT", k=130))


def fasta(*records: tuple[str, str], width: int = 60, end: str = "\n") -> bytes:
    lines = []
    for title, letters in records:
        lines += [f">{title}", *(letters[at : at + width] for at in range(0, len(letters), width))]
    return (end.join(lines) + end).encode()


def stretches(path: Path) -> dict[str, bytes]:
    with references.opened(path) as found:
        return {name: found.letters(name, 0, found.length(name)) for name in found.names}


ONE, OTHER = ("chr1 x", LETTERS), ("chr2", LETTERS[::-1])
WHOLE = fasta(ONE, OTHER)
STALE = {
    "in another order": fasta(OTHER, ONE),
    "a longer title": fasta(("chr1 xyz", LETTERS), OTHER),
    "longer": fasta(ONE, ("chr2", LETTERS[::-1] + "A")),
    "shorter": fasta(ONE, ("chr2", LETTERS[::-1][:-1])),
    "one more": fasta(ONE, OTHER, ("chr3", "ACGT")),
    "one less": fasta(ONE),
    "one more before": fasta(("chr0", "ACGT"), ONE, OTHER),
    "another name": fasta(("chr9 x", LETTERS), OTHER),
    "other lines": fasta(ONE, OTHER, width=50),
    "other line ends": fasta(ONE, OTHER, end="\r\n"),
    # As many bytes as before, with a title where letters were.
    "one within": WHOLE.replace(b"\n" + LETTERS[60:120].encode(), b"\n>chr3" + b"A" * 55),
    "of another file": b"",
    "cut off": b"chr1\t130\t8",
    "twice": b"chr1\t130\t8\t60\t61\nchr1\t130\t8\t60\t61\n",
}


@pytest.mark.parametrize("case", STALE)
@pytest.mark.parametrize("age", [-60, 60])
def test_an_index_that_does_not_fit_is_left_alone_and_not_used(
    tmp_path: Path, case: str, age: int
) -> None:
    path, beside = tmp_path / "ref.fa", tmp_path / "ref.fa.fai"
    path.write_bytes(WHOLE)
    assert stretches(path) == {"chr1": LETTERS.encode(), "chr2": LETTERS[::-1].encode()}
    assert beside.read_bytes() == b"chr1\t130\t8\t60\t61\nchr2\t130\t147\t60\t61\n"
    assert references.remark(path) == ""
    if STALE[case].startswith(b">"):
        path.write_bytes(STALE[case])
    else:
        beside.write_bytes(STALE[case])
    now = path.stat().st_mtime
    os.utime(beside, (now + age, now + age))
    before = beside.read_bytes()
    expected: dict[str, bytes] = {}
    for line in path.read_bytes().split():
        if line.startswith(b">"):
            expected[name := line[1:].decode()] = b""
        elif not line.startswith(b"x"):
            expected[name] += line
    assert stretches(path) == expected
    assert beside.read_bytes() == before
    assert str(beside) in references.remark(path)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("blank", ["", "\n\n"])
@pytest.mark.parametrize("index_end", [b"\n", b"\r\n"])
def test_an_index_that_fits_is_used(
    tmp_path: Path, end: str, blank: str, index_end: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, beside = tmp_path / "ref.fa", tmp_path / "ref.fa.fai"
    path.write_bytes(fasta(ONE, ("empty", ""), OTHER, end=end) + blank.encode())
    expected = {"chr1": LETTERS.encode(), "empty": b"", "chr2": LETTERS[::-1].encode()}
    assert stretches(path) == expected
    beside.write_bytes(beside.read_bytes().replace(b"\n", index_end))
    os.utime(beside, (1, 1))
    monkeypatch.setattr(references.faidx, "build", None)
    assert stretches(path) == expected
    assert references.remark(path) == ""


def test_what_cannot_be_indexed(tmp_path: Path) -> None:
    path = tmp_path / "ref.fa"
    for data, why in (
        (b"", "empty"),
        (b"ACGT\n>a\nAC\n", "title"),
        (b">a\nAC\n>a\nGT\n", "two sequences"),
        (b">a\nAC\nACG\n", "equally long"),
        (b">a\nAC\nA\nAC\n", "equally long"),
        (b">a\nAC\n\nAC\n", "equally long"),
        (b"\n\n", "no sequence"),
    ):
        path.write_bytes(data)
        with pytest.raises(DataError) as caught:
            stretches(path)
        assert why in str(caught.value)
        assert caught.value.where == str(path)
        assert not path.with_name("ref.fa.fai").exists()


@given(
    records=st.lists(st.text("ACGT", max_size=40), min_size=1, max_size=5),
    width=st.integers(1, 12),
    end=st.sampled_from(["\n", "\r\n"]),
    mark=st.sampled_from(["", "\ufeff", "\n"]),
    last=st.booleans(),
    chunk=st.integers(1, 50),
)
def test_stretches_of_any_file(
    tmp_path_factory: pytest.TempPathFactory,
    records: list[str],
    width: int,
    end: str,
    mark: str,
    last: bool,
    chunk: int,
) -> None:
    path = tmp_path_factory.mktemp("references") / "ref.fa"
    named = [(f"r{number} t", letters) for number, letters in enumerate(records)]
    data = mark.encode() + fasta(*named, width=width, end=end)
    path.write_bytes(data if last else data.removesuffix(end.encode()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(references.faidx, "_CHUNK", chunk)
        for _ in ("made", "read"):
            with references.opened(path) as found:
                assert found.names == tuple(f"r{number}" for number in range(len(records)))
                for name, letters in zip(found.names, records, strict=True):
                    assert found.length(name) == len(letters)
                    for start in range(len(letters)):
                        whole = found.letters(name, start, len(letters))
                        assert whole == letters[start:].encode()
    assert references.remark(path) == ""


def test_all_letters_have_a_complement(tmp_path: Path) -> None:
    path = tmp_path / "ref.fa"
    path.write_text(">a\nACGTUNRYSWKMBDHVacgtunryswkmbdhv*\n")
    with references.opened(path) as found:
        expected = b"*bdhvkmwsryn" + b"aacgtBDHVKMWSRYNAACGT"
        assert found.letters("a", 0, 33, reverse=True) == expected
