"""Bases as numbers against slow, obvious references on strings."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.domains.biology import bases
from sslkit.files.letters import Letters

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


@given(dna)
def test_long_sequences_are_as_short_ones(text: str) -> None:
    letters = text.encode()
    spooled = Letters()
    spooled.write(letters)
    numbers = codes(text)
    both = numbers.tobytes(), bases.reverse_complement(numbers).tobytes()
    whole = bases.frequencies(numbers)
    for block in (1, 3, 1 << 20):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bases, "_BLOCK", block)
            assert bases.to_codes(letters).tolist() == numbers.tolist()
            # As it is held, from a file, and read from the other side.
            for one in (letters, spooled, other_strand(text).encode()):
                assert bases.one_strand(one) == min(both)
            np.testing.assert_array_equal(bases.frequencies(numbers), whole)


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
