"""Bases as numbers against slow, obvious references on strings."""

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from sslkit.domains.biology import bases

dna = st.text("ACGTN", max_size=40)
TWINS = str.maketrans("ACGTN", "TGCAN")


def codes(text: str) -> npt.NDArray[np.uint8]:
    return bases.to_codes(text.encode())


def other_strand(text: str) -> str:
    return text.translate(TWINS)[::-1]


def test_letters_of_any_case_and_of_rna() -> None:
    assert codes("ACGTacgtUu").tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 3, 3]
    assert set(codes("RYSWKMBDHVNryn-")) == {bases.AMBIGUOUS}
    assert bases.to_letters(codes("acgurN")) == "ACGTNN"


@given(dna)
def test_reverse_complement(text: str) -> None:
    assert bases.to_letters(bases.reverse_complement(codes(text))) == other_strand(text)


@given(dna, st.integers(1, 31))
def test_kmer_codes(text: str, k: int) -> None:
    expected = []
    for at in range(len(text) - k + 1):
        window = text[at : at + k]
        expected.append(-1 if "N" in window else int("".join(map(str, codes(window))), 4))
    assert bases.kmer_codes(codes(text), k).tolist() == expected


def test_kmer_codes_of_many_rows() -> None:
    rows = np.array([codes("ACGTAC"), codes("NNACGT")])
    found = bases.kmer_codes(rows, 3)
    for row, each in zip(rows, found, strict=True):
        np.testing.assert_array_equal(each, bases.kmer_codes(row, 3))
