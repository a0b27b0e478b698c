"""Text and code as units of pieces: the same as the library cuts, with marks and classes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit import rng
from sslkit.contracts.spec import token_ids
from sslkit.domains import code, text
from sslkit.domains.language.documents import BEGINS, BETWEEN
from sslkit.domains.source_code.python import CLASSES
from sslkit.vocab.subwords import bpe, subwords, tokenizer
from sslkit.vocab.vocabulary import Vocabulary

CORPUS = {"kitten": 9, "sitting": 7, "mitten": 5, "été": 4, "the": 9, "_it": 3, " kit": 2}


def vocabulary(words: Sequence[str] = tuple(CORPUS), size: int = 275) -> Vocabulary:
    counts = np.array([CORPUS.get(word, 2) for word in words], np.int64)
    rows = [(pa.array(list(words)), counts)]
    method = bpe.learn(subwords.most_frequent(rows, bpe.LEARNED), size, 1, lambda: None)
    tokens = [subwords.spell(piece) for piece in method.pieces]
    spelling = method.spelling(np.arange(len(tokens)), len(tokens), 0)
    return Vocabulary(tokens, np.ones(len(tokens), np.int64), spelling)


HELD = vocabulary()


def domain_of(held: Vocabulary = HELD, **changed: Any) -> text.Domain:
    return text.Domain(text.Settings(**changed), held)


def spelled(units: Any) -> list[str]:
    return [HELD.tokens[int(unit)] for unit in units & ~BEGINS]


@pytest.mark.parametrize("split", ["words", "spaces", "pieces"])
@given(st.lists(st.sampled_from([*CORPUS, " ", ". ", "\n", "日", "kit"]), max_size=12))
def test_units_of_text_are_those_of_the_library(split: Any, parts: list[str]) -> None:
    library = pytest.importorskip("tokenizers")
    raw = "".join(parts)
    written = tokenizer.text(HELD.tokens, HELD.spelling, text.PATTERNS[split])
    record = domain_of(split=split).record("a", raw, "t.csv", 1)
    units = record.payload & ~BEGINS
    assert units.tolist() == library.Tokenizer.from_str(written).encode(raw).ids
    assert bool(record.error) == (not len(units))


def test_sentences_begin_with_the_first_piece_of_a_word() -> None:
    units = domain_of().record("a", "mitten kitten. sitting it", "t", 1).payload
    pieces = spelled(units)
    assert "".join(pieces) == "mittenkittensittingit"
    begins = np.flatnonzero(units & BEGINS).tolist()
    assert begins == [0, pieces.index("s") if "s" in pieces else pieces.index("sitting")]
    assert token_ids(domain_of().spec).size == len(HELD.tokens)


def test_documents_of_lines_and_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"{word} unseen{number}" for number, word in enumerate([*CORPUS] * 9)]
    (tmp_path / "a.txt").write_text("\n".join(lines) + "\n")
    monkeypatch.setattr("sslkit.domains.language.documents._BLOCK", 50)
    records = list(domain_of(documents="line").read(tmp_path / "a.txt", "stop"))
    texts = [b"".join(map(subwords.unspell, spelled(one.payload))).decode() for one in records]
    assert texts == [line.replace(" ", "") for line in lines]
    assert all(one.payload[0] & BEGINS for one in records)


def test_pairs_have_two_sides_of_pieces(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("the kitten\tsitting mitten\nit\tthe été sat\n")
    domain = domain_of(documents="pair")
    one, other = domain.read(path, "stop")
    sides = [["".join(spelled(side)) for side in domain.sides(r.payload)] for r in (one, other)]
    assert sides == [
        ["thekitten", "sittingmitten"],
        ["it", "the" + subwords.spell("été".encode()) + "sat"],
    ]
    assert (one.payload == BETWEEN).sum() == 1
    assert all(side[0] & BEGINS for side in domain.sides(one.payload))
    units = other.payload[None]
    draws = rng.Counter(1, 0, np.arange(1))
    batch = domain.batch(units, np.array([units.shape[1]]), draws, {"view"})
    lengths = sorted([int(batch["length"][0]), int(batch["view.length"][0])])
    assert lengths == sorted(len(side) for side in domain.sides(other.payload))


MODULE = """\
def readKitten(mitten: int) -> str:
    sitting = 7 + mitten
    return "x"
"""


def test_a_piece_of_code_has_the_class_of_its_token(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(MODULE * 3)
    counting = code.counting(code.Settings(), "stop").reader("a.py", ())
    slices = counting.feed(path.read_bytes())
    tokens = [
        slices.buffer[start : start + size].tobytes().decode()
        for start, size in zip(slices.starts, slices.lengths, strict=True)
    ]
    whole = code.Domain(code.Settings(), Vocabulary(sorted({*tokens}), np.ones(len({*tokens}))))
    (expected,) = whole.read(path, "stop")
    domain = code.Domain(code.Settings(weights="annotation=4"), HELD)
    (record,) = domain.read(path, "stop")
    ids, kinds = record.payload & code.MEANING, record.payload >> code.KINDS
    at, found = 0, []
    for token in tokens:
        size, spelling = 1, subwords.spell(token.encode())
        while "".join(HELD.tokens[n] for n in ids[at : at + size]) != spelling:
            size += 1
        assert len({*kinds[at : at + size].tolist()}) == 1
        found.append(int(kinds[at]))
        at += size
    assert at == len(ids) > len(tokens)
    assert found == (expected.payload >> code.KINDS).tolist()
    batch = domain.batch(record.payload[None], np.array([len(ids)]), None)
    annotated = kinds == CLASSES.index("annotation")
    assert batch["token_weight"][0].tolist() == np.where(annotated, 4.0, 1.0).tolist()
    functions = code.Domain(code.Settings(documents="function"), HELD)
    parts = [one.payload for one in functions.read(path, "stop")]
    assert len(parts) == 3
    assert np.concatenate(parts).tolist() == record.payload.tolist()


def test_a_view_of_code_renames_pieces_of_names_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(MODULE)
    domain = code.Domain(code.Settings(), HELD)
    (record,) = domain.read(path, "stop")
    draws = rng.Counter(3, 0, np.arange(1))
    batch = domain.batch(record.payload[None], np.array([len(record.payload)]), draws, {"view"})
    changed = batch["view.tokens"][0] != batch["tokens"][0]
    kinds = record.payload >> code.KINDS
    renamed = [CLASSES.index(name) for name in ("name", "definition", "argument", "call")]
    assert changed.any()
    assert np.isin(kinds[changed], renamed).all()
    names = {HELD.tokens[one] for one in batch["view.tokens"][0][changed]}
    assert all(subwords.unspell(name).decode().isidentifier() for name in names)


def test_what_decides_the_cut_decides_the_encoding() -> None:
    turned = type(HELD.spelling)(0, HELD.spelling.merges[::-1].copy(), HELD.spelling.scores)
    others = [
        HELD,
        Vocabulary(HELD.tokens, HELD.counts),
        Vocabulary(HELD.tokens, HELD.counts, turned),
    ]
    assert len({domain_of(one).encoding for one in others}) == len(others)
