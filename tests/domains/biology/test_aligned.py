"""Rows of alignments in their columns against slow, obvious references on strings."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit import rng
from sslkit.contracts.domain import Located
from sslkit.contracts.spec import ids, token_ids
from sslkit.domains.biology import aligned, residues
from sslkit.domains.protein import Domain, Settings
from sslkit.errors import DataError
from sslkit.types import Array
from sslkit.vocab.vocabulary import Vocabulary

TOKENS = "ACDEFGHIKLMNPQRSTVWY"
SITES = 1000
row_text = st.text(TOKENS + "UXB-", min_size=1, max_size=30).filter(lambda t: t.strip("-"))


def domain_of(**more: object) -> Domain:
    counts = np.ones(len(TOKENS), np.int64)
    return Domain(
        Settings(**{"aligned": True, "sites": SITES, **more}), Vocabulary([*TOKENS], counts)
    )


def slow_site(family: str, width: int, column: int, sites: int = SITES) -> int:
    """SplitMix64's finaliser, in integers of any size."""
    full = 2**64 - 1
    z = ((column ^ int(rng.key("family", family, width))) + 0x9E3779B97F4A7C15) & full
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & full
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & full
    return (z ^ (z >> 31)) % sites


def units_of(domain: Domain, path: Path, text: str) -> list[Array]:
    path.write_text(text)
    return [domain.encode(record) for record in domain.read(path, "stop")]


def padded(examples: list[Array]) -> tuple[Array, Array]:
    lengths = np.array([len(one) for one in examples])
    held = np.zeros((len(examples), lengths.max()), examples[0].dtype)
    for row, one in zip(held, examples, strict=True):
        row[: len(one)] = one
    return held, lengths


FORMS = {
    "fam.afa": ">x\nMK-VW\n>y\n.a-c-\n",
    "fam.fa": ">x\nMK-VW*\n>y\n-a~c--\n",
    "fam.a3m": ">x\nMK-VkvW\n>y\n-A.-llC-\n",
    "fam.v2.sto": "# STOCKHOLM 1.0\nx MK-V\ny .a..\n\nx W\ny -\n\n//\n",
}


@pytest.mark.parametrize("name", FORMS)
def test_every_kind_of_alignment_gives_the_same_columns(tmp_path: Path, name: str) -> None:
    domain = domain_of()
    first, second = units_of(domain, tmp_path / name, FORMS[name])
    assert first.dtype == domain.unit_type == np.uint32
    width = len(first)
    assert aligned.sites(first)[:5].tolist() == [slow_site("fam", width, c) for c in range(5)]
    np.testing.assert_array_equal(aligned.sites(first), aligned.sites(second))
    assert aligned.without_gaps(first).tolist() == residues.to_codes(b"MKVW").tolist()
    assert aligned.codes(first)[2] == aligned.GAP
    assert aligned.codes(second)[1] == TOKENS.index("A")


def test_a_family_is_the_name_of_its_file_to_the_first_dot() -> None:
    domain = domain_of()
    assert isinstance(domain, Located)
    names = ["a/PF00013.afa", "PF00013.align.80", "b/PF00013.sto.gz"]
    assert {domain.location(Path(name)) for name in names} == {"PF00013"}
    assert domain.location(Path(".hidden")) == ".hidden"
    assert Domain(Settings()).location(Path("PF1.afa")) == ""
    one, other = (domain.record("x", "MK-V", name, 1) for name in ("PF1.afa", "PF2.afa"))
    assert (aligned.sites(domain.encode(one)) != aligned.sites(domain.encode(other))).any()
    wider = domain.encode(domain.record("x", "MK-VA", "PF1.afa", 1))
    assert (aligned.sites(domain.encode(one)) != aligned.sites(wider)[:4]).any()
    assert domain.signature(one) == domain.signature(other)


def test_sites_are_the_same_on_all_machines() -> None:
    found = aligned.sites(aligned.encode(b"ACDE", "x/PF00013.afa", 2**15))
    assert found.tolist() == PINNED


PINNED = [7331, 11000, 15829, 20477]


@given(st.lists(row_text, min_size=1, max_size=4), st.integers(1, 2000))
def test_batch(texts: list[str], sites: int) -> None:
    domain = domain_of(sites=sites)
    records = [domain.record("x", text, "f.afa", 1) for text in texts]
    examples = [domain.encode(record) for record in records]
    made = domain.batch(*padded(examples), None)
    assert set(made) == {"tokens", "length", "sites"}
    assert ids(domain.spec, "sites").size == sites
    assert made["length"].tolist() == [len(text) for text in texts]
    assert made["sites"].min() >= 0
    assert made["sites"].max() < sites
    unknown = token_ids(domain.spec).unknown
    for text, tokens, places in zip(texts, made["tokens"], made["sites"], strict=True):
        size = len(text)
        wanted = [TOKENS.index(letter) if letter in TOKENS else unknown for letter in text]
        assert tokens[:size].tolist() == wanted
        assert (tokens[size:] == token_ids(domain.spec).pad).all()
        assert places[:size].tolist() == [slow_site("f", size, at, sites) for at in range(size)]
    plain = Domain(Settings())
    bare = [plain.record("x", text, "f.afa", 1) for text in texts]
    np.testing.assert_array_equal(
        domain.features(examples)["composition"],
        plain.features([plain.encode(one) for one in bare])["composition"],
    )
    assert [domain.signature(one) for one in records] == [plain.signature(one) for one in bare]
    widest = max(len(text) for text in texts)
    square = [domain.encode(domain.record("x", t.ljust(widest, "-"), "f", 1)) for t in texts]
    hot = domain.features(square)["places"].reshape(len(texts), widest, len(TOKENS))
    for text, row in zip(texts, hot, strict=True):
        for at, letter in enumerate(text.ljust(widest, "-")):
            assert row[at].tolist() == [float(letter == each) for each in TOKENS]


def test_a_view_keeps_gaps_and_columns() -> None:
    domain = domain_of(noise=0.5)
    units = domain.encode(domain.record("x", "MKV--WACDE" * 20, "f.afa", 1))
    draws = rng.Counter(1, 0, np.arange(1))
    found = domain.batch(units[None], np.array([200]), draws, {"view", "corrupted"})
    gaps = found["tokens"] == token_ids(domain.spec).unknown
    assert gaps.sum() == 40
    for name in ("view.tokens", "corrupted"):
        np.testing.assert_array_equal(found[name] == token_ids(domain.spec).unknown, gaps)
        assert 0.3 < (found[name] != found["tokens"]).mean() < 0.5
    np.testing.assert_array_equal(found["view.sites"], found["sites"])


@pytest.mark.parametrize(
    ("name", "text", "where", "said"),
    [
        ("a.fa", ">x\nMKV\n>y\nMK\n", "record 2 (y)", "it has 2 columns, and the first row"),
        ("a.a3m", ">x\nMKV\n>y\nMKvv\n", "record 2 (y)", "it has 2 columns, and the first row"),
        ("a.sto", "# STOCKHOLM 1.0\nx MKV\ny MK\n//\n", "row 2 (y)", "it has 2 columns"),
        (
            "a.sto",
            "# STOCKHOLM 1.0\nx MK\n//\n# STOCKHOLM 1.0\nx MKV\n//\n",
            "a.sto",
            "another one",
        ),
        ("a.fq", "@x\nMKV\n+\nIII\n", "a.fq", "it is FASTQ"),
        ("a.csv", "id,sequence\nx,MK-V\n", "a.csv", "it is a table"),
        ("a.afa", ">x\nMKV\n>y\n-.~\n", "record 2 (y)", "the sequence is empty"),
        ("a.afa", ">x\nMKV\n>y\nM7-\n", "record 2 (y)", "'7' at residue 2"),
    ],
)
def test_what_is_no_alignment_is_refused(
    tmp_path: Path, name: str, text: str, where: str, said: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError) as caught:
        list(domain_of().read(tmp_path / name, "stop"))
    assert where in (caught.value.where or "")
    assert said in (caught.value.why or "")
    assert caught.value.do


def test_bad_rows_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.afa").write_text(">x\nMKV\n>y\n---\n>z\nMK\n>w\n-K-\n")
    found = list(domain_of().read(tmp_path / "a.afa", "skip"))
    assert [bool(record.error) for record in found] == [False, True, True, False]
    assert found[3].payload == b"-K-"


def test_settings() -> None:
    with pytest.raises(ValueError, match="one residue a token"):
        Settings(aligned=True, k=2)
    with pytest.raises(ValueError, match="sites is from 1 to"):
        Settings(sites=0)
    assert Domain(Settings()).encoding == "residues"
    assert domain_of(sites=7).encoding != domain_of(sites=8).encoding
    assert ids(domain_of().spec, "sites").size == SITES
    counts = np.ones(len(TOKENS), np.int64)
    assert "sites" not in Domain(Settings(), Vocabulary([*TOKENS], counts)).spec
