"""The protein domain against slow, obvious references on strings."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from Bio.Align import substitution_matrices
from hypothesis import given
from hypothesis import strategies as st

from sslkit import rng
from sslkit.contracts.spec import token_ids
from sslkit.domains.biology import residues, substitution
from sslkit.domains.protein import Domain, Settings
from sslkit.errors import DataError, UsageError
from sslkit.types import Record
from sslkit.vocab.vocabulary import Vocabulary

RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
TOKENS = RESIDUES + "UO"
protein = st.text(TOKENS + "BJXZ*", max_size=40)


def vocabulary(tokens: list[str]) -> Vocabulary:
    return Vocabulary(tokens, np.ones(len(tokens), np.int64))


def slow_ids(text: str, tokens: list[str], k: int, stride: int) -> list[int]:
    unknown = len(tokens) + 1
    windows = [text[at : at + k] for at in range(0, len(text) - k + 1, stride)]
    return [tokens.index(w) if w in tokens else unknown for w in windows]


def rows(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    lengths = np.array([len(text) for text in texts])
    units = np.zeros((len(texts), max(1, int(lengths.max()))), np.uint8)
    for row, text in zip(units, texts, strict=True):
        row[: len(text)] = residues.to_codes(text.encode())
    return units, lengths


@given(st.lists(protein, min_size=1, max_size=4), st.integers(1, 7), st.data())
def test_batch(texts: list[str], k: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, k))
    words = st.text(TOKENS, min_size=k, max_size=k)
    tokens = data.draw(st.lists(words, min_size=1, max_size=20, unique=True))
    # Some that stand there.
    found = [t[at : at + k] for t in texts for at in range(len(t) - k + 1)]
    tokens = list(dict.fromkeys(tokens + [w for w in found if not set(w) & set("BJXZ*")]))
    domain = Domain(Settings(k=k, stride=stride), vocabulary(tokens))
    made = domain.batch(*rows(texts), None, {"view"})
    assert set(made) == {"tokens", "length"}
    for row, length, text in zip(made["tokens"], made["length"], texts, strict=True):
        assert length == domain.length(len(text))
        assert row[:length].tolist() == slow_ids(text, tokens, k, stride)
        assert (row[length:] == token_ids(domain.spec).pad).all()


@given(st.integers(1, 9), st.integers(0, 60), st.data())
def test_units_and_lengths(k: int, units: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, k))
    domain = Domain(Settings(k=k, stride=stride))
    assert domain.length(units) == len(range(0, units - k + 1, stride))
    assert domain.length(domain.units(units + 1)) == units + 1
    assert domain.length(domain.units(units + 1) - 1) == units


@pytest.mark.parametrize(("k", "stride"), [(1, 1), (3, 1), (4, 3), (6, 6)])
def test_reach_is_how_far_tokens_share_residues(k: int, stride: int) -> None:
    domain = Domain(Settings(k=k, stride=stride), vocabulary(["W" * k]))
    starts = range(0, 10 * k, stride)
    assert token_ids(domain.spec).overlap == max(n for n, start in enumerate(starts) if start < k)


def test_tokens_are_made_of_their_residues() -> None:
    spec = Domain(Settings(k=2), vocabulary(["AC", "CA", "OO"])).spec
    assert token_ids(spec).parts is not None
    assert token_ids(spec).parts.tolist() == [[0, 22 + 1], [1, 22], [21, 22 + 21]]
    assert token_ids(spec).alternatives is None


def test_what_is_kept_apart_and_what_is_left_out() -> None:
    domain = Domain(Settings(), vocabulary(list(TOKENS)))
    record = domain.record("x", " mk-V.B~Jxz*UO\nA* ", "t.csv", 1)
    assert record.payload == b"mkVBJxz*UOA"
    units = domain.encode(record)
    assert units.dtype == domain.unit_type
    assert len(set(units.tolist())) == 11
    ids = domain.batch(units[None], np.array([11]), None)["tokens"][0]
    unknown = token_ids(domain.spec).unknown
    assert [TOKENS[i] if i < 22 else "?" for i in ids] == list("MKV?????UOA")
    assert (ids[3:8] == unknown).all()


def test_blosum_is_the_one_of_biopython() -> None:
    given = substitution_matrices.load("BLOSUM62")
    expected = [[given[a][b] for b in RESIDUES] for a in RESIDUES]
    assert substitution.BLOSUM62.tolist() == expected


def test_a_view_has_residues_replaced_as_related_proteins_have_them() -> None:
    domain = Domain(Settings(noise=0.3), vocabulary(list(TOKENS)))
    units = np.random.default_rng(1).integers(0, 27, (400, 200)).astype(np.uint8)
    lengths = np.where(np.arange(400) % 2, 200, 120)
    found = domain.batch(units, lengths, rng.Counter(1, 0, np.arange(400)), {"corrupted", "view"})
    clean, view = found["tokens"], found["view.tokens"]
    np.testing.assert_array_equal(found["view.length"], found["length"])
    assert (found["corrupted"] != view).any()
    moved = clean != view
    assert not moved[clean >= 20].any()
    assert moved[clean < 20].mean() == pytest.approx(0.3, abs=0.01)
    chances = substitution.chances()
    for residue in range(20):
        became = np.bincount(view[moved & (clean == residue)], minlength=20)
        np.testing.assert_allclose(became / became.sum(), chances[residue], atol=0.06)
    # Valine for isoleucine, and seldom tryptophan.
    isoleucine = dict(zip(RESIDUES, chances[RESIDUES.index("I")], strict=True))
    assert isoleucine["I"] == 0
    assert max(isoleucine, key=lambda letter: isoleucine[letter]) == "V"
    assert isoleucine["W"] < 0.01


def test_without_noise_a_view_says_the_same() -> None:
    domain = Domain(Settings(noise=0), vocabulary(list(TOKENS)))
    draws = rng.Counter(1, 0, np.arange(2))
    found = domain.batch(*rows(["MKVW", "AC"]), draws, {"view"})
    np.testing.assert_array_equal(found["view.tokens"], found["tokens"])


@given(st.lists(st.text(TOKENS + "X", min_size=1, max_size=30), min_size=1, max_size=3))
def test_composition(texts: list[str]) -> None:
    found = Domain(Settings()).features([residues.to_codes(t.encode()) for t in texts])[
        "composition"
    ]
    for text, row in zip(texts, found, strict=True):
        single = Counter(letter for letter in text if letter in RESIDUES)
        pairs = Counter(a + b for a, b in pairwise(text) if {a, b} <= set(RESIDUES))
        expected = [single[a] / max(single.total(), 1) for a in RESIDUES]
        expected += [pairs[a + b] / max(pairs.total(), 1) for a in RESIDUES for b in RESIDUES]
        np.testing.assert_allclose(row, expected, atol=1e-7)


def test_places() -> None:
    units = [residues.to_codes(text) for text in (b"ACX", b"wyU")]
    found = Domain(Settings()).features(units)["places"]
    expected = [[float(a == b) for a in text for b in RESIDUES] for text in ("ACX", "WYU")]
    assert found.tolist() == expected


def test_signature_is_that_of_the_residues() -> None:
    domain = Domain(Settings())

    def signature(text: str) -> bytes:
        return domain.signature(domain.record("x", text, "", 1))

    assert signature("MKV--W") == signature("mkvw*")
    assert signature("MKVW") != signature("WVKM")


@pytest.mark.parametrize(
    ("letters", "why"),
    [
        ("", "empty"),
        ("--.-", "empty"),
        ("*", "empty"),
        ("MK7V", "'7' at residue 3 is not a letter of a protein"),
        ("MKé", "at residue 3"),
        ("ACGT" * 20, "it looks like DNA or RNA"),
    ],
)
def test_what_is_no_protein_stops_or_is_passed_over(tmp_path: Path, letters: str, why: str) -> None:
    path = tmp_path / "a.fa"
    path.write_text(f">good\nACGT\n>bad one\n{letters}\n>last\nMKX*\n", "utf-8")
    domain = Domain(Settings())
    with pytest.raises(DataError) as caught:
        list(domain.read(path, "stop"))
    assert caught.value.where == f"{path}, record 2 (bad)"
    assert why in (caught.value.why or "")
    good, bad, last = domain.read(path, "skip")
    assert (good.error, last.error, bad.payload) == ("", "", b"")
    assert why in bad.error
    assert last.payload == b"MKX"


def test_every_kind_of_file_reads_alike(tmp_path: Path) -> None:
    forms = {
        "a.faa": ">x\nMKVW\n>y\nac\n",
        "a.afa": ">x\nMK-VW\n>y\n.a-c-\n",
        "a.a3m": ">x\nMKVW\n>y\n-A-c-\n",
        "a.sto": "# STOCKHOLM 1.0\nx MK-V\ny a...\n\nx W\ny c\n//\n",
        "a.csv": "id,sequence\nx,MKVW\ny,AC\n",
        "a.tsv": "seq\tname\nMKVW\tx\nac*\ty\n",
    }
    for name, text in forms.items():
        (tmp_path / name).write_text(text)
        found = list(Domain(Settings()).read(tmp_path / name, "stop"))
        assert [(r.id, r.payload.upper(), r.number) for r in found] == [
            ("x", b"MKVW", 1),
            ("y", b"AC", 2),
        ]


def test_rows_of_an_alignment_have_as_many_columns(tmp_path: Path) -> None:
    path = tmp_path / "x.afa"
    path.write_text(">a\nMK-V\n>b\nMKV\n>c\nMKVW\n")
    with pytest.raises(DataError) as caught:
        list(Domain(Settings()).read(path, "stop"))
    assert caught.value.where == f"{path}, record 2 (b)"
    found = list(Domain(Settings()).read(path, "skip"))
    assert [bool(record.error) for record in found] == [False, True, False]
    # By its name alone it would be no alignment.
    other = path.rename(tmp_path / "x.faa")
    assert len(list(Domain(Settings()).read(other, "stop"))) == 3


def test_settings_are_checked() -> None:
    for wrong in ({"k": 0}, {"k": 32}, {"stride": -1}, {"k": 3, "stride": 4}):
        with pytest.raises(ValueError, match="is between"):
            Settings(**wrong)
    with pytest.raises(ValueError, match="below 1"):
        Settings(noise=1.0)


@pytest.mark.parametrize(
    ("k", "tokens", "told"),
    [
        (2, ["A"], "tokens of 1 residues, not 2"),
        (1, ["A", "<s>"], "tokens of 3 residues, not 1"),
        (1, ["A", "X"], "'X', which is no 1 residues"),
        (15, ["A" * 15], "up to 14 residues"),
    ],
)
def test_a_vocabulary_of_other_tokens_is_refused(k: int, tokens: list[str], told: str) -> None:
    with pytest.raises(UsageError, match="residues") as caught:
        Domain(Settings(k=k), vocabulary(tokens))
    assert told in str(caught.value)
    with pytest.raises(UsageError, match="needs a vocabulary"):
        _ = Domain(Settings()).spec


def test_records_are_checked_where_they_were_read_elsewhere() -> None:
    bad = Record("x", b"", "f", 1, error="broken")
    assert Domain(Settings()).check(bad, "skip") is bad
