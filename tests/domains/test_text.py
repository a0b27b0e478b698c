"""Rules that split text, against their patterns as another program reads them; text as records."""

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sslkit.contracts.spec import token_ids
from sslkit.domains import lines, text
from sslkit.domains.language import documents as _documents
from sslkit.errors import DataError, EmptyFileError, UsageError
from sslkit.vocab.vocabulary import Vocabulary

characters = st.sampled_from("ab7_é日\u0301 \u00a0\u2003\t\r\n\n  .,-\0\x7f🙂\ufeff")
texts = st.text(characters, max_size=40)
SPLITS = ["words", "spaces", "pieces"]


def tokens(scheme: Any, raw: str, block: int) -> list[str]:
    reader = scheme.reader("a.txt", set())
    data = raw.encode()
    fed = [reader.feed(data[at : at + block]) for at in range(0, len(data), block)]
    return [
        slices.buffer[start : start + size].tobytes().decode()
        for slices in [*fed, reader.finish()]
        for start, size in zip(slices.starts.tolist(), slices.lengths.tolist(), strict=True)
    ]


def matched(pattern: str, raw: str) -> list[str]:
    library = pytest.importorskip("tokenizers")
    split = library.pre_tokenizers.Split(library.Regex(pattern), "removed", invert=True)
    return [token for token, _ in split.pre_tokenize_str(raw)]


@pytest.mark.parametrize("split", SPLITS)
@given(texts, st.integers(1, 50))
@example("a \n b  c\n\nd \0 e", 3)
@example("  a\t b \n", 1)
def test_tokens_are_the_matches_of_the_pattern(split: Any, raw: str, block: int) -> None:
    scheme = text.counting(text.Settings(split=split), "skip")
    assert tokens(scheme, raw, block) == matched(scheme.pattern, raw.removeprefix("\ufeff"))


@given(texts, st.integers(1, 50))
def test_lines_are_the_matches_of_the_pattern(raw: str, block: int) -> None:
    scheme = lines.counting(lines.Settings(), "skip")
    assert tokens(scheme, raw, block) == matched(scheme.pattern, raw.removeprefix("\ufeff"))


@given(texts, st.integers(1, 50))
def test_pieces_lose_nothing(raw: str, block: int) -> None:
    scheme = text.counting(text.Settings(split="pieces"), "skip")
    assert "".join(tokens(scheme, raw, block)) == raw.removeprefix("\ufeff").replace("\0", "")


@given(st.lists(texts, min_size=2, max_size=2))
def test_pieces_may_be_divided_behind_every_line(parts: list[str]) -> None:
    scheme = text.counting(text.Settings(split="pieces"), "skip")
    first, second = parts[0] + "\n", parts[1].lstrip("\ufeff")
    together = tokens(scheme, first + second, 100)
    assert together == tokens(scheme, first, 100) + tokens(scheme, second, 100)
    assert scheme.divide == b"\n"


# What follows is about text as records.

prose = st.text(
    st.sampled_from("ab7é日.!?\u2026\u3002\uff1f\"')\u201d\u00bb \u00a0\t\r\n\n-"), max_size=40
)


def place_of_tokens(raw: str, split: Any) -> list[tuple[int, str]]:
    """Where each token begins, in bytes, and what it is."""
    reader = text.counting(text.Settings(split=split), "stop").reader("a.txt", set())
    fed = reader.feed(raw.encode()), reader.finish()
    found, base = [], 0
    for slices in fed:
        for start, size in zip(slices.starts.tolist(), slices.lengths.tolist(), strict=True):
            token = slices.buffer[start : start + size].tobytes().decode()
            base = raw.encode().index(token.encode(), base)
            found.append((base, token))
            base += size
    return found


def slow_breaks(raw: str) -> tuple[set[int], set[int], set[int]]:
    """Bytes behind which sentences begin, behind blank lines, and behind lines."""
    sentences, blank, lines = set(), set(), set()
    size = [len(raw[:place].encode()) for place in range(len(raw) + 1)]
    for place, one in enumerate(raw):
        if one in ".!?\u2026\u3002\uff01\uff1f":
            after = place + 1
            while raw[after : after + 1] and raw[after] in "\"')]}\u00bb\u2019\u201d\u300d":
                after += 1
            if one in "\u3002\uff01\uff1f" or (raw[after:] and raw[after] in " \t\r\n"):
                sentences.add(size[after])
        if one == "\n":
            lines.add(size[place + 1])
            if "\n" in raw[:place] and not raw[raw.rindex("\n", 0, place) : place].strip("\n\t\r "):
                blank.add(size[place + 1])
    return sentences | blank, blank, lines


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("kind", ["file", "blank", "line"])
@given(prose, st.integers(1, 50))
@example('He said "no." Then\r\n\r\nwe left... at 3.14 a.m. \n \n\nEnd', 5)
@example("a.\n\n b\n   c", 4)
def test_sentences_and_documents_begin_where_the_slow_reference_says(
    split: Any, kind: Any, raw: str, block: int
) -> None:
    domain = text.Domain(text.Settings(split=split, documents=kind))
    stream = text.Stream("a", text.RULES[split], kind, domain._encoder, "stop")
    data = raw.encode()
    fed = [stream.feed(data[at : at + block]) for at in range(0, len(data), block)]
    fed.append(stream.finish())
    units = np.concatenate([one for one, _ in fed])
    offsets = np.cumsum([0, *(len(one) for one, _ in fed)])
    opened = {int(at + o) for (_, begins), o in zip(fed, offsets, strict=False) for at in begins}
    sentences, blank, lines = slow_breaks(raw)
    ends = {"file": set(), "blank": blank, "line": lines}[kind]
    before = -1
    for number, (start, _) in enumerate(place_of_tokens(raw, split)):
        opens = number == 0 or any(before < place <= start for place in ends)
        assert (number in opened) == opens
        begins = opens or any(before < place <= start for place in sentences)
        assert bool(units[number] & text.BEGINS) == begins
        before = start
    assert len(units) == len(place_of_tokens(raw, split))


def domain_of(tokens: list[str], **changed: Any) -> text.Domain:
    counts = np.arange(len(tokens), 0, -1)
    return text.Domain(text.Settings(**changed), Vocabulary(tokens, counts))


def ids(units: Any) -> list[int]:
    return [int(unit & ~text.BEGINS) for unit in units]


@pytest.mark.parametrize("split", SPLITS)
@given(texts)
def test_units_are_the_tokens_that_were_counted(split: Any, raw: str) -> None:
    raw = raw.replace("\0", "")
    counted = tokens(text.counting(text.Settings(split=split), "stop"), raw, 1000)
    known = sorted(set(counted))[::2] or ["x"]
    domain = domain_of(known, split=split)
    record = domain.record("a", raw, "t.csv", 1)
    assert bool(record.error) == (not counted)
    found = ids(domain.encode(record))
    assert len(found) == len(counted)
    for token, unit in zip(counted, found, strict=True):
        assert unit == known.index(token) if token in known else unit >= len(known)
    # Words that are not known are still told apart.
    assert len(set(found)) == len(set(counted))


def test_a_batch_is_padded_by_length() -> None:
    domain = domain_of(["the", "cat", "sat"])
    lines = ["the cat sat. The end", "cat! the", "the"]
    units = [domain.encode(domain.record("a", line, "t", 1)) for line in lines]
    padded = np.zeros((3, 7), np.uint32)
    for row, one in zip(padded, units, strict=True):
        row[: len(one)] = one[:7]
    lengths = np.array([len(one) for one in units])
    spec = domain.spec
    made = domain.batch(padded, lengths, None, {"boundary"})
    u, p = token_ids(spec).unknown, token_ids(spec).pad
    assert made["tokens"].tolist() == [
        [0, 1, 2, u, u, p, p], [1, 0, p, p, p, p, p], [0, p, p, p, p, p, p]
    ]  # fmt: skip
    assert made["tokens"].dtype == np.int64
    assert made["length"].tolist() == [5, 2, 1]
    begins = [[c for c in range(7) if row[c]] for row in made["boundary"]]
    assert begins == [[0, 3], [0, 1], [0]]
    assert set(domain.batch(padded, lengths, None)) == {"tokens", "length"}


def test_documents_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("\ufeffone two.\n\nthree\nfour\n \n\n - \n\nfive\n")
    expected = {
        "file": [["one", "two", "three", "four", "five"]],
        "blank": [["one", "two"], ["three", "four"], ["five"]],
        "line": [["one", "two"], ["three"], ["four"], ["five"]],
    }
    known = ["one", "two", "three", "four", "five"]
    for kind, documents in expected.items():
        domain = domain_of(known, documents=kind)
        records = list(domain.read(path, "stop"))
        assert [[known[i] for i in ids(domain.encode(one))] for one in records] == documents
        assert [one.number for one in records] == list(range(1, len(documents) + 1))
        assert len({one.id for one in records}) == len(records)
        assert all(one.payload[0] & text.BEGINS for one in records)


def test_a_long_document_is_read_as_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_documents, "LONGEST", 1000)
    monkeypatch.setattr(_documents, "_BLOCK", 512)
    path = tmp_path / "a.txt.gz"
    words = [f"w{number % 50}" for number in range(5000)]
    path.write_bytes(gzip.compress(" ".join(words).encode()))
    domain = domain_of([f"w{number}" for number in range(50)])
    records = list(domain.read(path, "stop"))
    assert len(records) == 5
    assert [one.id for one in records[:2]] == ["a.txt", "a.txt:2"]
    assert [i for one in records for i in ids(one.payload)] == [n % 50 for n in range(5000)]
    assert all(len(one.payload) < 1000 + 512 for one in records)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "it holds no word"),
        (b" \n - \n", "it holds no word"),
        (b"good text\nbad \xff\xfe text", "byte 15"),
        (b"a\0b", "byte 2"),
        ("utf sixteen".encode("utf-16"), "UTF-16"),
        ("utf sixteen".encode("utf-16-be"), "UTF-16-BE"),
        ("\u4e2d\u6587\u3002 ".encode("utf-32-le"), "UTF-32-LE"),
        ("\u4e2d\u6587\u3002 a b c\n".encode("utf-16-le") * 20, "UTF-16-LE"),
    ],
)
def test_what_is_no_text(tmp_path: Path, raw: bytes, message: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(raw)
    with pytest.raises(DataError) as caught:
        list(domain_of(["a"]).read(path, "stop"))
    assert "a.txt" in str(caught.value)
    assert message in str(caught.value)


def test_bad_bytes_are_passed_over_as_they_are_where_words_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\xfftwo\0three. four")
    (record,) = domain_of(["one", "two", "three", "four"]).read(path, "skip")
    assert ids(record.payload) == [0, 1, 2, 3]
    path.write_bytes(b"")
    with pytest.raises(EmptyFileError):
        list(domain_of(["one"]).read(path, "skip"))


def test_cells_of_tables(tmp_path: Path) -> None:
    domain = domain_of(["good", "bad"])
    path = tmp_path / "reviews.csv"
    path.write_text('id,text,label\na,"Good, good\n\nbad",1\nb,!!,0\n')
    first, second = domain.read(path, "skip")
    assert ids(first.payload)[1:] == [0, 1]
    assert [bool(unit & text.BEGINS) for unit in first.payload] == [True, False, True]
    assert first.metadata["label"] == "1"
    assert second.error == "it holds no word"
    with pytest.raises(DataError, match="a record cannot be used") as caught:
        list(domain.read(path, "stop"))
    assert "reviews.csv, record 2 (b)" in str(caught.value)
    assert "byte 2" in domain.record("a", "b\0", "t.csv", 1).error
    assert domain.check(first, "stop") is first
    raw = replace(first, payload=b"good \xff")
    with pytest.raises(DataError):
        domain.check(raw, "stop")


def test_what_tells_records_apart_without_a_model() -> None:
    known = [f"w{number}" for number in range(2000)]
    domain = domain_of(known)
    cells = ["w0 w0 w1 w1500", "W0 w0 w1 w1500", "w0 w0 w1. w1500"]
    records = [domain.record("a", cell, "t", 1) for cell in cells]
    signs = [domain.signature(one) for one in records]
    assert signs[0] == signs[2] != signs[1]
    shares = domain.features([domain.encode(one) for one in records])["composition"]
    assert shares.shape == (3, 1024)
    assert shares[0, :2].tolist() == [0.5, 0.25]
    assert shares[0].sum() == 0.75
    assert shares[1].sum() == 0.5
    places = domain.features([domain.encode(one) for one in records])["places"]
    assert places.shape == (3, 64 * 4)
    assert np.flatnonzero(places[0]).tolist() == [0, 64, 129]


def test_without_a_vocabulary_words_are_known_by_their_hashes() -> None:
    domain = text.Domain(text.Settings())
    records = [domain.record("a", cell, "t", 1) for cell in ("one two one", "one two two")]
    units = [domain.encode(one) for one in records]
    shares = domain.features(units)["composition"]
    assert sorted(shares[0][shares[0] > 0].tolist()) == pytest.approx([1 / 3, 2 / 3])
    assert domain.signature(records[0]) != domain.signature(records[1])
    with pytest.raises(UsageError, match="needs a vocabulary"):
        domain.batch(units[0][None], np.array([3]), None)


def test_what_decides_the_units_decides_the_encoding() -> None:
    found = [
        domain_of(["a", "b"]), domain_of(["b", "a"]), domain_of(["ab"]),
        domain_of(["a", "b"], split="spaces"), domain_of(["a", "b"], documents="line"),
        text.Domain(text.Settings()),
    ]  # fmt: skip
    assert len({one.encoding for one in found}) == len(found)
    assert domain_of(["a", "b"]).encoding == found[0].encoding
