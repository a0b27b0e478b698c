"""Subwords against a slow reference, and against the library that learns from repetitions."""

import json
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.vocab.subwords import bpe, subwords, tokenizer, unigram
from sslkit.vocab.subwords.lattice import Finder, Lattice

words = st.text(st.sampled_from("abé日 "), min_size=1, max_size=14)
corpora = st.dictionaries(words, st.integers(1, 9), min_size=1, max_size=25)


def rows(corpus: dict[str, int]) -> tuple[Any, Any]:
    held = sorted(corpus.items(), key=lambda row: (-row[1], row[0].encode()))
    return pa.array([word for word, _ in held]), np.array([n for _, n in held], np.int64)


def cuts(method: subwords.Method, corpus: dict[str, int]) -> dict[str, list[bytes]]:
    tokens, counts = rows(corpus)
    pieces, places = method.cut(subwords.words_of(tokens, counts))
    found: dict[str, list[bytes]] = {word: [] for word in tokens.to_pylist()}
    for piece, place in zip(pieces.tolist(), places.tolist(), strict=True):
        found[tokens[place].as_py()].append(method.pieces[piece])
    return found


def learned(method: Any, corpus: dict[str, int], size: int, least: int = 1) -> Any:
    return method.learn(
        subwords.most_frequent([rows(corpus)], method.LEARNED), size, least, lambda: None
    )


def library() -> Any:
    return pytest.importorskip("tokenizers")


def loaded(method: subwords.Method) -> Any:
    tokens = [subwords.spell(piece) for piece in method.pieces]
    spelling = method.spelling(np.arange(len(tokens)), len(tokens), 0)
    return library().Tokenizer.from_str(tokenizer.text(tokens, spelling, r"[^\n]+"))


def test_every_byte_is_spelled_as_in_the_library() -> None:
    spelled = {subwords.spell(bytes([byte])) for byte in range(256)}
    assert spelled == set(library().pre_tokenizers.ByteLevel.alphabet())
    assert subwords.spell(b" a\n") == "ĠaĊ"
    assert subwords.unspell("ĠaĊ") == b" a\n"
    assert subwords.unspell("日") == b""


@given(corpora, st.integers(256, 290), st.integers(1, 3))
def test_merges_are_those_of_the_library_from_repetitions(
    corpus: dict[str, int], size: int, least: int
) -> None:
    parts = library()
    reference = parts.Tokenizer(parts.models.BPE())
    bytewise = parts.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    lines = parts.pre_tokenizers.Split("\n", "removed")
    reference.pre_tokenizer = parts.pre_tokenizers.Sequence([lines, bytewise])
    trainer = parts.trainers.BpeTrainer(
        vocab_size=size, min_frequency=least, show_progress=False,
        initial_alphabet=parts.pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    reference.train_from_iterator(["\n".join([w] * n) for w, n in corpus.items()], trainer)
    method = learned(bpe, corpus, size, least)
    names = [subwords.spell(piece) for piece in method.pieces]
    mine = [[names[left], names[right]] for left, right in method.merges.tolist()]
    assert mine == json.loads(reference.to_str())["model"]["merges"]


@given(corpora, st.integers(256, 300), st.sampled_from([bpe, unigram]))
def test_words_are_cut_as_the_library_cuts_them(
    corpus: dict[str, int], size: int, module: Any
) -> None:
    method = learned(module, corpus, size)
    made = loaded(method)
    for word, pieces in cuts(method, corpus | {"unheard of é": 1}).items():
        assert b"".join(pieces) == word.encode()
        assert made.encode(word).tokens == [subwords.spell(piece) for piece in pieces]
        assert made.decode(made.encode(word).ids) == word


@given(corpora, st.integers(256, 300), st.sampled_from([bpe, unigram]))
def test_counts_are_those_of_the_cut_words(corpus: dict[str, int], size: int, module: Any) -> None:
    method = learned(module, corpus, size)
    expected: Counter[bytes] = Counter()
    for word, pieces in cuts(method, corpus).items():
        expected.update({p: n * corpus[word] for p, n in Counter(pieces).items()})
    counts = subwords.count([rows(corpus)], method, lambda: None)
    assert {p: n for p, n in zip(method.pieces, counts.tolist(), strict=True) if n} == expected


def test_a_pair_is_merged_by_its_exact_count() -> None:
    # One more than the other, where a float, or 32 bits, would not tell them apart.
    corpus = {"ab": 2**53, "cd": 2**53 + 1}
    method = learned(bpe, corpus, 257)
    assert method.pieces[-1] == b"cd"
    counts = subwords.count([rows(corpus)], method, lambda: None)
    assert counts[-1] == 2**53 + 1


def best_by_trying(word: bytes, scores: dict[bytes, float]) -> float:
    found = [0.0] + [-np.inf] * len(word)
    for start in range(len(word)):
        for end in range(start + 1, len(word) + 1):
            score = scores.get(word[start:end], -np.inf)
            found[end] = max(found[end], found[start] + score)
    return found[-1]


@given(corpora, st.integers(256, 280))
def test_unigrams_are_the_most_probable_cut(corpus: dict[str, int], size: int) -> None:
    method = learned(unigram, corpus, size)
    scores = dict(zip(method.pieces, method.scores.tolist(), strict=True))
    for word, pieces in cuts(method, corpus).items():
        assert sum(scores[piece] for piece in pieces) == pytest.approx(
            best_by_trying(word.encode(), scores)
        )


def expected_by_trying(word: bytes, scores: dict[bytes, float]) -> Counter[bytes]:
    """Expected pieces of a word over all ways to cut it, one by one."""
    total, found = 0.0, Counter[bytes]()
    for chosen in range(2 ** (len(word) - 1)):
        ends = [0, *(i + 1 for i in range(len(word) - 1) if chosen >> i & 1), len(word)]
        pieces = [word[start:end] for start, end in pairwise(ends)]
        if all(piece in scores for piece in pieces):
            chance = float(np.exp(sum(scores[piece] for piece in pieces)))
            total += chance
            for piece in pieces:
                found[piece] += chance
    return Counter({piece: chance / total for piece, chance in found.items()})


def test_expected_counts_are_those_of_all_cuts() -> None:
    corpus = {"abab": 3, "aab": 5, "bababba": 2}
    tokens, counts = rows(corpus)
    pieces = [bytes([byte]) for byte in subwords.ALPHABET] + [b"ab", b"aba", b"ba"]
    scores = np.log(np.linspace(0.1, 0.5, len(pieces)))
    held = subwords.words_of(tokens, counts)
    found = Lattice(held, Finder(pieces).edges(held)).expected(scores)
    table = dict(zip(pieces, scores.tolist(), strict=True))
    slow: Counter[bytes] = Counter()
    for word, count in corpus.items():
        for piece, part in expected_by_trying(word.encode(), table).items():
            slow[piece] += count * part
    for piece, value in zip(pieces, found.tolist(), strict=True):
        assert value == pytest.approx(slow[piece])


def test_frequent_words_become_whole_pieces() -> None:
    corpus = {"the": 1000, "then": 300, "there": 200, "other": 100} | {
        f"w{n}": 1 for n in range(90)
    }
    for module in (bpe, unigram):
        method = learned(module, corpus, 256 + 12)
        assert {b"the", b"then"} <= set(method.pieces)
        assert len(method.pieces) == len(set(method.pieces)) == 256 + 12


def test_learning_takes_the_most_frequent_words_only() -> None:
    tokens, counts = rows({"bbb": 5, "aa": 9, "cc": 1})
    held = subwords.most_frequent([(tokens, counts)], 5)
    assert (held.letters.tobytes(), held.counts.tolist()) == (b"aabbb", [9, 5])
