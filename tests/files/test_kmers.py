"""Sequences written as overlapping k-mers."""

import pytest

from sslkit.files import kmers

SEQUENCE = "ACGTTGCAAGCTTACGGATC"


def cut(k: int, step: int = 1) -> list[str]:
    return [SEQUENCE[at : at + k] for at in range(0, len(SEQUENCE) - k + 1, step)]


@pytest.mark.parametrize("k", [2, 3, 6])
def test_overlapping_pieces_are_told(k: int) -> None:
    assert f"k-mers of {k} letters" in kmers.problem(cut(k))
    text = " ".join(cut(k)).encode()
    assert kmers.problem_of_text(text)
    assert kmers.problem_of_text(text[1:-1]), "cut at both ends"


@pytest.mark.parametrize(
    "pieces",
    [
        [SEQUENCE],
        cut(10, 10),
        cut(5, 5),
        ["N" * 10] * 6,
        ["AC", "CG"],
        [*cut(6), "ACGTAC"],
        ["A", "A", "A"],
        [],
    ],
)
def test_blocks_are_sequences(pieces: list[str]) -> None:
    assert not kmers.problem(pieces)
