"""Hashes that know equal records and mirror images, and their count in bounded memory."""

import collections

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.data import repeats
from sslkit.data.repeats import Fingerprint, Repeats

_COMPLEMENT = bytes.maketrans(b"ACGT", b"TGCA")


def fingerprint(text: bytes, *cuts: int) -> Fingerprint:
    held = Fingerprint()
    for start, end in zip((0, *cuts), (*cuts, len(text)), strict=True):
        piece = text[start:end]
        held.add(piece, piece.translate(_COMPLEMENT))
    return held


def mirrored(text: bytes) -> bytes:
    return text.translate(_COMPLEMENT)[::-1]


texts = st.text("ACGT", max_size=60).map(str.encode)


@given(texts, st.integers(0, 60), st.integers(0, 60))
def test_pieces_do_not_matter(text: bytes, one: int, other: int) -> None:
    cuts = sorted(min(cut, len(text)) for cut in (one, other))
    whole = fingerprint(text)
    parts = fingerprint(text, *cuts)
    assert (parts.exact(), parts.either()) == (whole.exact(), whole.either())
    assert fingerprint(mirrored(text)).either() == whole.either()
    assert (fingerprint(mirrored(text)).exact() == whole.exact()) == (mirrored(text) == text)


@given(texts, texts)
def test_other_sequences_have_other_hashes(one: bytes, other: bytes) -> None:
    assert (fingerprint(one).exact() == fingerprint(other).exact()) == (one == other)
    equal = other in {one, mirrored(one)}
    assert (fingerprint(one).either() == fingerprint(other).either()) == equal


def test_zeros_in_front_and_orders_of_letters_count() -> None:
    seen = {fingerprint(text).exact() for text in (b"", b"\0", b"\0\0", b"AC", b"CA", b"\0A")}
    assert len(seen) == 6
    spread = [b"A" * at + b"C" + b"A" * (200 - at) for at in range(201)]
    assert len({fingerprint(text).exact() for text in spread}) == 201


@given(st.lists(st.integers(0, 30), max_size=80))
def test_repeats_against_a_counter(values: list[int]) -> None:
    held = Repeats(limit=64)
    for number, value in enumerate(values, 1):
        held.add(value, number)
    found = held.found()
    assert found.exact
    assert found.count == len(values) - len(set(values))
    assert held.found() == found
    if found.example is None:
        assert not found.count
    else:
        again, first = found.example
        assert values[again - 1] == values[first - 1]
        assert first == values.index(values[first - 1]) + 1
        assert again == min(n for n, v in enumerate(values, 1) if v in values[: n - 1])


def test_beyond_the_limit_the_count_is_an_estimate_and_memory_is_bounded() -> None:
    generator = np.random.default_rng(5)
    values = generator.integers(0, 2**63, 40_000, np.int64)[generator.integers(0, 40_000, 100_000)]
    held = Repeats(limit=4096)
    for number, value in enumerate(values.tolist(), 1):
        held.add(repeats.hashed(str(value).encode()), number)
    found = held.found()
    assert not found.exact
    assert found.count == pytest.approx(100_000 - len(set(values.tolist())), rel=0.1)
    assert len(held._hashes) <= 4096


def test_one_record_again_and_again_stays_exact() -> None:
    held = Repeats(limit=16)
    values = [7] * 1000 + [9]
    for number, value in enumerate(values, 1):
        held.add(value, number)
    found = held.found()
    assert found.exact
    assert found.count == sum(n - 1 for n in collections.Counter(values).values())
    assert found.example == (2, 1)
