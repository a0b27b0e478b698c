"""Words to ids, against a dictionary."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.vocab.lookup import Lookup, hashes
from sslkit.vocab.scheme import SPARE, Slices

# Few letters and long words: many of them begin alike, and end at every place of a piece.
words = st.text("ab日", min_size=1, max_size=30)


def slices(texts: list[str]) -> Slices:
    raw = [text.encode() for text in texts]
    lengths = np.array([len(one) for one in raw], np.int64)
    buffer = np.frombuffer(b"".join(raw) + bytes(SPARE), np.uint8)
    return Slices(buffer, np.cumsum(lengths) - lengths, lengths)


@given(st.lists(words, min_size=1, max_size=30, unique=True), st.lists(words, max_size=20))
def test_ids_are_those_of_a_dictionary(tokens: list[str], others: list[str]) -> None:
    place = {token: number for number, token in enumerate(tokens)}
    asked = [*others, *tokens[::-1], *(token + "a" for token in tokens), *(t[:8] for t in tokens)]
    found = Lookup(tokens).ids(slices(asked)).tolist()
    assert found == [place.get(word, -1) for word in asked]


@pytest.mark.parametrize("size", [1, 2, 1000, 30_000])
def test_many_words(size: int) -> None:
    generator = np.random.default_rng(size)
    numbers = generator.permutation(2 * size)
    tokens = [f"w{number:x}" * (1 + number % 4) for number in numbers]
    found = Lookup(tokens[:size]).ids(slices(tokens))
    assert found[:size].tolist() == list(range(size))
    assert (found[size:] == -1).all()


def test_no_word_at_all() -> None:
    assert len(Lookup(["a"]).ids(slices([]))) == 0


@given(st.lists(words, min_size=1, max_size=30, unique=True))
def test_hashes_tell_words_apart(tokens: list[str]) -> None:
    found = hashes(slices(tokens), np.arange(len(tokens)))
    assert len(set(found.tolist())) == len(tokens)
    again = hashes(slices([*tokens, "a"]), np.arange(len(tokens))[::-1].copy())
    assert again.tolist() == found[::-1].tolist()
