"""Source code as records: units are the tokens that were counted, with classes and weights."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit import rng
from sslkit.contracts.spec import token_ids
from sslkit.domains import code
from sslkit.domains.source_code.python import CLASSES, NUMBER
from sslkit.errors import DataError, UsageError
from sslkit.objectives import clm, mlm
from sslkit.vocab.vocabulary import Vocabulary

MODULE = '''\
"""Docs."""
import os

def read_it(name: str, size: int = 3) -> list[str]:
    total = size + 1  # more
    return [name] * total

class Reader:
    def close(self) -> None:
        self.total = read_it("x")
'''


def counted(data: bytes, name: str, split: Any = "parts") -> list[str]:
    reader = code.counting(code.Settings(split=split), "stop").reader(name, ())
    found = reader.feed(data), reader.finish()
    return [
        one.buffer[start : start + size].tobytes().decode()
        for one in found
        for start, size in zip(one.starts.tolist(), one.lengths.tolist(), strict=True)
    ]


def domain_of(tokens: list[str], **changed: Any) -> code.Domain:
    return code.Domain(code.Settings(**changed), Vocabulary(tokens, np.arange(len(tokens), 0, -1)))


def vocabulary(text: str, split: Any = "parts") -> list[str]:
    return sorted(set(counted(text.encode(), "a.py", split)))


def batch_of(domain: code.Domain, cells: list[str], **more: Any) -> dict[str, Any]:
    units = [domain.encode(domain.record("a", cell, "t", 1)) for cell in cells]
    lengths = np.array([len(one) for one in units])
    padded = np.zeros((len(units), int(lengths.max())), np.uint32)
    for row, one in zip(padded, units, strict=True):
        row[: len(one)] = one
    return domain.batch(padded, lengths, more.pop("draws", None), **more)


@pytest.mark.parametrize("split", ["words", "parts"])
def test_units_are_the_tokens_that_were_counted(shared_data: Path, split: Any) -> None:
    for path in sorted(shared_data.glob("text_code/py_click/*.py"))[:6]:
        tokens = counted(path.read_bytes(), path.name, split)
        known = sorted(set(tokens))[::2]
        domain = domain_of(known, split=split)
        (record,) = domain.read(path, "stop")
        ids = (record.payload & code.MEANING).tolist()
        assert len(ids) == len(tokens)
        for token, unit in zip(tokens, ids, strict=True):
            assert unit == known.index(token) if token in known else unit >= len(known)
        assert len(set(ids)) == len(set(tokens))
        assert record.id == path.name


@pytest.mark.parametrize("name", ["a.c", "a.js", "a.sh", "a.pyx"])
def test_other_languages(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("int readIt = f(a_b, 12) + \"x\"; 'y'\n")
    tokens = counted(path.read_bytes(), name)
    domain = domain_of(sorted(set(tokens)))
    (record,) = domain.read(path, "stop")
    found = [sorted(set(tokens))[unit & code.MEANING] for unit in record.payload.tolist()]
    assert found == tokens
    kinds = {CLASSES[unit >> code.KINDS] for unit in record.payload.tolist()}
    assert kinds == {"name", "operator", "number", "string"}
    with pytest.raises(DataError, match="documents=function is for Python"):
        list(domain_of(["a"], documents="function").read(path, "stop"))


def test_documents_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(MODULE)
    tokens = vocabulary(MODULE)
    found = {}
    for kind in ("file", "function", "class"):
        domain = domain_of(tokens, documents=kind)
        records = list(domain.read(path, "stop"))
        assert [one.number for one in records] == list(range(1, len(records) + 1))
        found[kind] = {
            one.id: [tokens[unit & code.MEANING] for unit in one.payload.tolist()]
            for one in records
        }
    everything = found["file"]["a.py"]
    assert everything == counted(MODULE.encode(), "a.py")
    assert list(found["function"]) == ["a.py:4:read_it", "a.py:9:Reader.close"]
    assert found["function"]["a.py:4:read_it"][:5] == ["def", "read", "_it", "(", "name"]
    assert found["function"]["a.py:9:Reader.close"] == everything[-17:]
    assert list(found["class"]) == ["a.py:8:Reader"]
    assert found["class"]["a.py:8:Reader"] == everything[-20:]


def test_what_holds_no_token_is_no_record(tmp_path: Path) -> None:
    path = tmp_path / "__init__.py"
    for raw in (b"", b"# nothing\n", b"\xef\xbb\xbf"):
        path.write_bytes(raw)
        assert not list(domain_of(["a"]).read(path, "stop"))
    assert domain_of(["a"]).record("a", "# no", "t", 1).error == "it holds no token"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"x = 1\0\n", "byte 6"),
        (b"x = '\xff'\n", "not UTF-8 text"),
        (b"# coding: latin-9000\n", "unknown encoding"),
        (b"# coding: ascii\nx = '\xff'\n", "not ascii text"),
    ],
)
def test_what_is_no_text(tmp_path: Path, raw: bytes, message: str) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(raw)
    with pytest.raises(DataError, match="a record cannot be used") as caught:
        list(domain_of(["a"]).read(path, "stop"))
    assert "a.py, record 1" in str(caught.value)
    assert message in str(caught.value)
    assert "--on-error skip" in str(caught.value)
    counted = code.counting(code.Settings(), "skip").reader(str(path), ())
    units = len(counted.feed(raw).starts) + len(counted.finish().starts)
    (record,) = domain_of(["a"]).read(path, "skip")
    assert len(record.payload) == units
    assert bool(record.error) == counted.tally["bad_records"] == (b"coding" in raw)


OLD = [b"print 'a'\nexec code in names\n", b"if x\n", b"\tx = 1\n y = 0777\n", b"f(" * 5000]


@pytest.mark.parametrize("raw", OLD)
def test_python_that_does_not_parse_is_read_as_it_is_counted(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(raw)
    counted = code.counting(code.Settings(), "stop").reader(str(path), ())
    slices = [counted.feed(raw), counted.finish()]
    tokens = [
        one.buffer[start : start + size].tobytes().decode()
        for one in slices
        for start, size in zip(one.starts.tolist(), one.lengths.tolist(), strict=True)
    ]
    domain = domain_of(sorted(set(tokens)))
    (record,) = domain.read(path, "stop")
    assert (record.payload & code.MEANING).tolist() == [
        sorted(set(tokens)).index(t) for t in tokens
    ]
    assert domain.record("1", raw.decode(), "a.csv", 1).payload.tolist() == record.payload.tolist()
    functions = domain_of(sorted(set(tokens)), documents="function")
    with pytest.raises(DataError, match="a record cannot be used"):
        list(functions.read(path, "stop"))


def test_bad_bytes_of_other_languages_separate_tokens_as_where_they_are_counted(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.c"
    path.write_bytes(b"one\xfftwo\0three; // \xe4")
    domain = domain_of(["one", "two", "three", ";"])
    with pytest.raises(DataError, match="not UTF-8"):
        list(domain.read(path, "stop"))
    (record,) = domain.read(path, "skip")
    assert (record.payload & code.MEANING).tolist() == [0, 1, 2, 3]
    path.write_bytes(b"one\xff")
    with pytest.raises(DataError, match="not UTF-8"):
        list(domain.read(path, "stop"))


def test_other_encodings_and_long_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes("# coding: latin-1\r\ngröße: int = 'ä'\r\n".encode("latin-1"))
    domain = domain_of(["größe", ":", "int", "=", '"'])
    (record,) = domain.read(path, "stop")
    assert (record.payload & code.MEANING).tolist() == [0, 1, 2, 3, 4]
    assert CLASSES[record.payload[2] >> code.KINDS] == "annotation"
    path.write_text("x = [" + "1, " * 400_000 + "]; y: int = 2\n")
    domain = domain_of(["x", "=", "[", "0", ",", "]", ";", "y", ":", "int"])
    (record,) = domain.read(path, "stop")
    ids = (record.payload & code.MEANING).tolist()
    assert ids == [0, 1, 2, *[3, 4] * 400_000, 5, 6, 7, 8, 9, 1, 3]
    assert CLASSES[record.payload[-3] >> code.KINDS] == "annotation"


def test_cells_of_tables(tmp_path: Path) -> None:
    domain = domain_of(vocabulary(MODULE))
    path = tmp_path / "functions.csv"
    path.write_text('id,text,label\na,"def f(x: int):\n    pass",1\nb,# f,0\n')
    first, second = domain.read(path, "skip")
    assert first.metadata["label"] == "1"
    assert second.error == "it holds no token"
    with pytest.raises(DataError, match="a record cannot be used") as caught:
        list(domain.read(path, "stop"))
    assert "functions.csv, record 2 (b)" in str(caught.value)
    assert domain.check(first, "stop") is first
    with pytest.raises(DataError):
        domain.check(replace(first, payload=b"x = \xff"), "stop")


def test_weights_by_class() -> None:
    tokens = vocabulary(MODULE)
    plain = batch_of(domain_of(tokens), [MODULE, "x: int"])
    assert set(plain) == {"tokens", "length"}
    settings = {"annotation_weight": 4.0, "weights": "string=0.5, call = 2"}
    domain = domain_of(tokens, **settings)
    made = batch_of(domain, [MODULE, "x: int"])
    assert np.array_equal(made["tokens"], plain["tokens"])
    weight = made["token_weight"]
    assert weight.dtype == np.float32
    assert weight.shape == made["tokens"].shape
    by_token = {}
    (record,) = [domain.record("a", MODULE, "t", 1)]
    for unit, one in zip(record.payload.tolist(), weight[0].tolist(), strict=True):
        by_token.setdefault(CLASSES[unit >> code.KINDS], set()).add(one)
    expected = {name: {1.0} for name in by_token}
    expected |= {"annotation": {4.0}, "string": {0.5}, "call": {2.0}}
    assert by_token == expected
    assert weight[1, :3].tolist() == [1, 1, 4]


@pytest.mark.parametrize("objective", [mlm, clm])
def test_weights_weigh_the_terms_of_a_loss(objective: Any) -> None:
    tokens = vocabulary(MODULE)
    draws = rng.Counter(1, 1, np.arange(2))
    prepared = {}
    for name, settings in {
        "none": {}, "ones": {"weights": "string=1"}, "four": {"annotation_weight": 4.0},
    }.items():  # fmt: skip
        domain = domain_of(tokens, **settings)
        made = batch_of(domain, [MODULE, MODULE])
        held = objective.Objective(objective.Settings(), domain.spec)
        prepared[name] = held.prepare(made, draws)
    for one in ("ones", "four"):
        assert np.array_equal(prepared[one]["targets"], prepared["none"]["targets"])
    assert np.array_equal(prepared["ones"]["weight"], prepared["none"]["weight"])
    record = domain.record("a", MODULE, "t", 1)
    hints = np.tile(record.payload >> code.KINDS == NUMBER["annotation"], 2)
    if objective is mlm:
        # Positions count the start of each row as well.
        with_start = np.pad(hints.reshape(2, -1), ((0, 0), (1, 0))).reshape(-1)
        wanted = np.where(with_start[prepared["four"]["positions"]], 4, 1)
    else:
        wanted = np.where(hints, 4, 1)
    assert prepared["four"]["weight"].tolist() == wanted.tolist()
    assert 4 in wanted


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"annotation_weight": -1.0}, "annotation_weight is a number from 0 on"),
        ({"annotation_weight": float("nan")}, "annotation_weight is a number"),
        ({"weights": "strings=2"}, "no class 'strings', but operator, number"),
        ({"weights": "string"}, "weights: string is a number"),
        ({"weights": "string=x"}, "weights: string is a number"),
        ({"weights": "string=inf"}, "weights: string is a number"),
        ({"weights": "string=1,string=2"}, "the weight of string is given twice"),
        ({"weights": "annotation=1", "annotation_weight": 2.0}, "annotation is given twice"),
        ({"weights": ",".join(f"{name}=0" for name in CLASSES)}, "some class"),
    ],
)
def test_weights_that_cannot_be(settings: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        code.Settings(**settings)


def test_a_view_has_other_names_throughout() -> None:
    text = "def f(a, b_c):\n    total = a + b_c\n    return g(total, other.a, key=1) or f(a)\n"
    tokens = vocabulary(text + "w1 w2 w3 w4")
    domain = domain_of(tokens)
    draws = rng.Counter(1, 1, np.arange(3))
    made = batch_of(domain, [text, text, "g(other)"], draws=draws, needs={"view"})
    assert made["view.length"].tolist() == made["length"].tolist()
    assert made["view.tokens"][2].tolist() == made["tokens"][2].tolist()
    views = []
    for row in range(2):
        pairs = list(
            zip(made["tokens"][row].tolist(), made["view.tokens"][row].tolist(), strict=True)
        )
        renamed = {tokens[a]: tokens[b] for a, b in pairs if a != b}
        assert set(renamed) <= {"f", "a", "b", "_c", "total"}
        assert len(renamed) > 2
        assert all(new.isidentifier() for new in renamed.values())
        for place, (one, other) in enumerate(pairs):
            name = tokens[one]
            attribute = place and tokens[pairs[place - 1][0]] == "."
            if name in renamed:
                assert tokens[other] == (name if attribute else renamed[name])
        views.append(renamed)
    assert views[0] != views[1]
    again = batch_of(domain, [text, text, "g(other)"], draws=draws, needs={"view"})
    assert np.array_equal(made["view.tokens"], again["view.tokens"])


@given(st.lists(st.sampled_from(["x", "y = 1", "def f(z): return z"]), min_size=1, max_size=4))
def test_views_of_any_code(lines: list[str]) -> None:
    domain = domain_of(vocabulary("\n".join(lines)))
    draws = rng.Counter(1, 1, np.arange(1))
    made = batch_of(domain, ["\n".join(lines)], draws=draws, needs={"view"})
    assert made["view.tokens"].shape == made["tokens"].shape
    assert made["view.tokens"].max() < token_ids(domain.spec).size


def test_what_tells_records_apart_without_a_model() -> None:
    domain = domain_of([f"w{'x' * number}" for number in range(2000)])
    cells = ["w + w + wx", "w +  w + wx # no", "w + wx + w"]
    records = [domain.record("a", cell, "t", 1) for cell in cells]
    signs = [domain.signature(one) for one in records]
    assert signs[0] == signs[1] != signs[2]
    shares = domain.features([domain.encode(one) for one in records])["composition"]
    assert shares.shape == (3, 1024)
    assert shares[0, :2].tolist() == pytest.approx([0.4, 0.2])
    places = domain.features([domain.encode(one) for one in records])["places"]
    assert places.shape == (3, 64 * 5)
    assert np.flatnonzero(places[0]).tolist() == [0, 128, 257]
    unknown = code.Domain(code.Settings())
    units = [unknown.encode(unknown.record("a", cell, "t", 1)) for cell in cells]
    assert unknown.features(units)["composition"].sum() == pytest.approx(3)
    with pytest.raises(UsageError, match="needs a vocabulary"):
        unknown.batch(units[0][None], np.array([5]), None)


def test_what_decides_the_units_decides_the_encoding() -> None:
    found = [
        domain_of(["a", "b"]), domain_of(["b", "a"]), domain_of(["ab"]),
        domain_of(["a", "b"], split="words"), domain_of(["a", "b"], documents="class"),
        code.Domain(code.Settings()),
    ]  # fmt: skip
    assert len({one.encoding for one in found}) == len(found)
    assert domain_of(["a", "b"], annotation_weight=4.0).encoding == found[0].encoding
