"""Words of a text cut into ids of pieces, against a slow reference and the tokenizers library."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.types import Spelling
from sslkit.vocab import lookup
from sslkit.vocab.subwords import bpe, cutter, subwords, tokenizer, unigram
from sslkit.vocab.subwords.cutter import Cutter
from sslkit.vocab.vocabulary import Vocabulary

words = st.text(st.sampled_from("abcé日 "), min_size=1, max_size=20)
corpora = st.dictionaries(words, st.integers(1, 9), min_size=1, max_size=25)
SPECIAL = ["ab", "<mask>"]


def vocabulary(corpus: dict[str, int], module: Any, size: int, special: Sequence[str]) -> Any:
    """What is learned from a corpus, in another order than it was learned in."""
    counts = np.array(list(corpus.values()), np.int64)
    rows = [(pa.array(list(corpus)), counts)]
    method = module.learn(subwords.most_frequent(rows, module.LEARNED), size, 1, lambda: None)
    names = [subwords.spell(piece) for piece in method.pieces]
    tokens = [
        *special,
        *sorted({*names} - {*special}, key=lambda name: (sum(map(ord, name)) % 7, name)),
    ]
    ids = np.array([tokens.index(name) for name in names])
    spelling = method.spelling(ids, len(tokens), len(special))
    return Vocabulary(tokens, np.ones(len(tokens), np.int64), spelling)


def cut(made: Cutter, text: Sequence[str]) -> list[list[int]]:
    ids, bounds = made.cut(lookup.slices([word.encode() for word in text]))
    assert bounds[0] == 0
    assert bounds[-1] == len(ids)
    return [ids[start:end].tolist() for start, end in pairwise(bounds.tolist())]


def merged(word: str, held: Vocabulary) -> list[int]:
    """Byte-pair encoding as Sennrich et al. describe it, one merge after the other."""
    spelling = held.spelling
    assert spelling is not None
    if word in held.tokens[: spelling.special]:
        return [held.tokens.index(word)]
    tokens = list(held.tokens)
    parts = list(subwords.spell(word.encode()))
    ranks: dict[tuple[str, str], int] = {}
    for rank, (left, right) in enumerate(spelling.merges.tolist()):
        ranks.setdefault((tokens[left], tokens[right]), rank)
    while pairs := [pair for pair in pairwise(parts) if pair in ranks]:
        best = min(pairs, key=lambda pair: ranks[pair])
        at = next(n for n, pair in enumerate(pairwise(parts)) if pair == best)
        parts[at : at + 2] = ["".join(best)]
    return [tokens.index(part) for part in parts]


@given(corpora, st.lists(words, min_size=1, max_size=30), st.integers(258, 300))
def test_bpe_cuts_as_one_merge_after_the_other_does(
    corpus: dict[str, int], text: list[str], size: int
) -> None:
    held = vocabulary(corpus, bpe, size, SPECIAL)
    made = Cutter(held.tokens, held.spelling)
    # Words that are known by now are cut alike.
    for some in (text[:1], text, [*text, *corpus, "ab", "ab"]):
        assert cut(made, some) == [merged(word, held) for word in some]


@given(corpora, st.lists(words, min_size=1, max_size=30), st.sampled_from([bpe, unigram]))
def test_words_are_cut_as_the_library_cuts_them(
    corpus: dict[str, int], text: list[str], module: Any
) -> None:
    library = pytest.importorskip("tokenizers")
    held = vocabulary(corpus, module, 290, ["<mask>"])
    made = library.Tokenizer.from_str(tokenizer.text(held.tokens, held.spelling, r"[^\n]+"))
    ids = [made.encode(word).ids for word in text]
    assert cut(Cutter(held.tokens, held.spelling), text) == ids
    assert made.encode("\n".join(text)).ids == [one for word in ids for one in word]


def probable(word: str, held: Vocabulary) -> float:
    """The log-probability of the best of all cuts."""
    spelling = held.spelling
    assert spelling is not None
    scores = dict(zip(held.tokens, spelling.scores.tolist(), strict=True))
    spelled = subwords.spell(word.encode())
    best = [0.0]
    for end in range(1, len(spelled) + 1):
        pieces = ((start, scores.get(spelled[start:end], -np.inf)) for start in range(end))
        best.append(max(best[start] + score for start, score in pieces))
    return best[-1]


@given(corpora, st.lists(words, min_size=1, max_size=30))
def test_a_unigram_cut_is_the_most_probable_one(corpus: dict[str, int], text: list[str]) -> None:
    held = vocabulary(corpus, unigram, 280, [])
    for word, ids in zip(text, cut(Cutter(held.tokens, held.spelling), text), strict=True):
        assert "".join(held.tokens[one] for one in ids) == subwords.spell(word.encode())
        score = float(held.spelling.scores[ids].sum())
        assert score == pytest.approx(probable(word, held))


def test_special_tokens_are_whole_words_and_nothing_else() -> None:
    held = vocabulary({"abc": 5, "ab": 1, "<mask>": 3}, bpe, 262, SPECIAL)
    made = Cutter(held.tokens, held.spelling)
    assert cut(made, ["ab", "<mask>", "<mask>x"])[:2] == [[0], [1]]
    assert 1 not in cut(made, ["<mask>x"])[0]


def test_forgetting_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(4)
    text = ["".join(generator.choice(list("abcd"), 11)) for _ in range(400)]
    held = vocabulary(dict.fromkeys(text, 1), bpe, 300, SPECIAL)
    expected = cut(Cutter(held.tokens, held.spelling), text)
    assert len(cut(Cutter(held.tokens, held.spelling), [])) == 0
    monkeypatch.setattr(cutter, "_REMEMBERED", 50)
    made = Cutter(held.tokens, held.spelling)
    rest = [cut(made, text[at : at + 23]) for at in range(0, len(text), 23)]
    assert [ids for some in rest for ids in some] == expected
    assert cut(made, ["ab"]) == [[0]]


@pytest.mark.parametrize("damage", ["bytes", "merge", "range", "negative", "scores", "nan"])
def test_what_is_no_spelling_is_refused(damage: str) -> None:
    module = unigram if damage in ("scores", "nan") else bpe
    held = vocabulary({"abc": 5, "bcd": 3}, module, 260, [])
    tokens, spelling = list(held.tokens), held.spelling
    merges, scores = spelling.merges.copy(), spelling.scores.copy()
    if damage == "bytes":
        tokens[tokens.index("z")] = "zz"
    elif damage == "merge":
        merges[-1] = tokens.index("x")
    elif damage == "range":
        merges[0, 0] = len(tokens)
    elif damage == "negative":
        merges[0, 0] -= len(tokens)
    elif damage == "scores":
        scores = scores[:-1]
    else:
        scores[3] = np.nan
    with pytest.raises((LookupError, ValueError)):
        Cutter(tokens, Spelling(0, merges, scores))
