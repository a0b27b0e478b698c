"""Spectra of counts against plain counting, and their pictures."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.vocab import picture
from sslkit.vocab.kmers import spectrum

counts = st.lists(st.one_of(st.integers(0, 20), st.integers(1, 2**40)), min_size=1, max_size=60)


def of(values: list[int]) -> spectrum.Spectrum:
    return spectrum.collect([np.array(values, np.int64)])


@given(counts, st.integers(1, 7))
def test_pieces_make_one_spectrum(values: list[int], size: int) -> None:
    pieces = [values[at : at + size] for at in range(0, len(values), size)]
    held = spectrum.collect(np.array(piece, np.int64) for piece in pieces)
    expected = sorted(Counter(v for v in values if v).items(), reverse=True)
    assert list(zip(held.values.tolist(), held.tokens.tolist(), strict=True)) == expected


@given(counts.filter(any), st.integers(24, 64))
def test_every_token_is_in_one_bin(values: list[int], most: int) -> None:
    bins = of(values).bins(most)
    edges = bins.edges.tolist()
    assert edges == sorted(set(edges))
    for low, high, tokens, mass in zip(
        edges[:-1], edges[1:], bins.tokens.tolist(), bins.mass.tolist(), strict=True
    ):
        inside = [value for value in values if low <= value < high]
        assert (tokens, mass) == (len(inside), sum(inside))
    assert bins.tokens.sum() == sum(value > 0 for value in values)


@given(counts.filter(any))
def test_counts_by_rank(values: list[int]) -> None:
    ordered = sorted((value for value in values if value), reverse=True)
    held = of(values)
    assert held.at(np.arange(1, len(ordered) + 1)).tolist() == ordered
    ranks = held.ranks(10_000)
    assert (ranks[0], ranks[-1]) == (1, len(ordered))
    assert len(held.ranks(5)) <= 5 or len(ranks) <= 5


def test_a_law_is_found_and_nothing_else_is_called_one() -> None:
    zipf = [round(10**7 / rank**1.2) for rank in range(1, 30_000)]
    fit = of(zipf).fit()
    assert fit is not None
    assert fit.slope == pytest.approx(-1.2, abs=0.01)
    assert fit.explained > 0.999
    assert of([1000 - n for n in range(900)]).fit() is None
    assert of([7] * 1000).fit() is None
    assert of(zipf[:50]).fit() is None


def test_the_histogram_as_text() -> None:
    assert spectrum.lines(of([1, 1, 1, 1, 2, 3, 9, 0]), 24, 8).splitlines() == [
        "COUNT    TOKENS  OF THEM  OF ALL COUNTS",
        "1             4    57.1%          22.2%  ########",
        "2 to 3        2    28.6%          27.8%  ####",
        "4 to 7        0     0.0%           0.0%",
        "8 to 15       1    14.3%          50.0%  ##",
    ]


@pytest.mark.parametrize("values", [[1], [5, 5], [*range(1, 500)], [2**45, 1]])
def test_a_picture_of_any_spectrum_has_the_same_bytes_again(values: list[int]) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    made = picture.png(of(values), "some tokens")
    assert made.startswith(b"\x89PNG")
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black"}):
        assert picture.png(of(values), "some tokens") == made
    assert picture.png(of(values), "other tokens") != made
