"""The genome domain against slow, obvious references on strings."""

from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit import rng
from sslkit.contracts.spec import token_ids
from sslkit.domains.biology import bases
from sslkit.domains.genome import Domain, Settings, counting
from sslkit.errors import DataError, UsageError
from sslkit.types import Record
from sslkit.vocab.vocabulary import Vocabulary

dna = st.text("ACGTN", max_size=40)
TWINS = str.maketrans("ACGTN", "TGCAN")


def codes(text: str) -> npt.NDArray[np.uint8]:
    return bases.to_codes(text.encode())


def other_strand(text: str) -> str:
    return text.translate(TWINS)[::-1]


def vocabulary(tokens: list[str]) -> Vocabulary:
    return Vocabulary(tokens, np.ones(len(tokens), np.int64))


def slow_ids(text: str, tokens: list[str], k: int, stride: int) -> list[int]:
    unknown = len(tokens) + 1
    windows = [text[at : at + k] for at in range(0, len(text) - k + 1, stride)]
    return [tokens.index(w) if w in tokens else unknown for w in windows]


class Flip:
    """Draws that reverse the rows of which it is told."""

    def __init__(self, rows: list[bool]) -> None:
        self.rows = rows

    def uniform(self, purpose: str, columns: int) -> npt.NDArray[np.float32]:
        assert (purpose, columns) == ("strand", 1)
        return np.where(np.array(self.rows)[:, None], 0.49, 0.5).astype(np.float32)


@given(
    st.lists(dna, min_size=1, max_size=4),
    st.integers(1, 5),
    st.data(),
)
def test_batch(texts: list[str], k: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, k))
    flips = [data.draw(st.booleans()) for _ in texts]
    words = st.text("ACGT", min_size=k, max_size=k)
    tokens = data.draw(st.lists(words, min_size=1, max_size=20, unique=True))
    domain = Domain(Settings(k=k, stride=stride), vocabulary(tokens))
    lengths = np.array([len(text) for text in texts])
    units = np.full((len(texts), max(int(lengths.max()), k)), bases.AMBIGUOUS, np.uint8)
    for row, text in zip(units, texts, strict=True):
        row[: len(text)] = codes(text)
    read = [other_strand(t) if flip else t for t, flip in zip(texts, flips, strict=True)]
    for draws, expected in ((None, texts), (Flip(flips), read)):
        found = domain.batch(units, lengths, draws)
        for row, length, text in zip(found["tokens"], found["length"], expected, strict=True):
            assert length == domain.length(len(text))
            assert row[:length].tolist() == slow_ids(text, tokens, k, stride)
            assert (row[length:] == token_ids(domain.spec).pad).all()


def test_a_corrupted_copy_has_bases_substituted_and_nothing_else() -> None:
    domain = Domain(Settings(k=1, noise=0.2, both_strands=False), vocabulary(list("ACGT")))
    units = np.random.default_rng(1).integers(0, 5, (50, 200)).astype(np.uint8)
    lengths = np.where(np.arange(50) % 2, 200, 120)
    draws = rng.Counter(1, 0, np.arange(50))
    found = domain.batch(units, lengths, draws, {"corrupted", "view"})
    plain = domain.batch(units, lengths, None, {"corrupted", "view"})
    assert set(plain) == {"tokens", "length"}
    clean, changed = found["tokens"], found["corrupted"]
    np.testing.assert_array_equal(clean, plain["tokens"])
    moved = clean != changed
    known = clean < 4
    assert not moved[~known].any()
    assert moved[known].mean() == pytest.approx(0.2, abs=0.02)
    # Every other base is as likely.
    steps = np.bincount((changed - clean)[moved] % 4, minlength=4)
    assert steps[0] == 0
    assert steps[1:] / steps.sum() == pytest.approx(1 / 3, abs=0.05)


def test_a_view_is_a_corrupted_copy_of_the_other_strand() -> None:
    domain = Domain(Settings(k=2, stride=1, noise=0), vocabulary(["AC", "GT", "TT"]))
    units = np.stack([codes("ACGTT"), codes("TTACC")])
    draws = rng.Counter(1, 0, np.arange(2))
    found = domain.batch(units, np.array([5, 3]), draws, {"view"})
    assert found["view.length"].tolist() == [4, 2]
    twins = domain.batch(np.stack([codes("AACGT"), codes("TAACC")]), np.array([5, 3]), draws, set())
    np.testing.assert_array_equal(found["view.tokens"], twins["tokens"])
    noisy = Domain(Settings(k=2, stride=1, noise=0.9), vocabulary(["AC", "GT", "TT"]))
    other = noisy.batch(units, np.array([5, 3]), draws, {"view"})
    assert (other["view.tokens"] != found["view.tokens"]).any()
    np.testing.assert_array_equal(other["tokens"], found["tokens"])


def test_one_strand_only_where_so_set() -> None:
    domain = Domain(Settings(k=2, both_strands=False), vocabulary(["AC", "GT"]))
    found = domain.batch(codes("ACC")[None], np.array([3]), Flip([True]))
    assert found["tokens"].tolist() == [[0, token_ids(domain.spec).unknown]]


def test_tokens_longer_than_a_table_can_serve() -> None:
    tokens = ["ACGTACGTACGTAC", "TTTTTTTTTTTTTT", "AAAAAAAAAAAAAA"]
    domain = Domain(Settings(k=14, stride=1), vocabulary(tokens))
    text = "ACGTACGTACGTACG" + "T" * 14 + "N" + "A" * 14
    found = domain.batch(codes(text)[None], np.array([len(text)]), None)["tokens"][0]
    assert found.tolist() == slow_ids(text, tokens, 14, 1)


@given(st.integers(1, 9), st.integers(0, 60), st.data())
def test_units_and_lengths(k: int, units: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, k))
    domain = Domain(Settings(k=k, stride=stride))
    assert domain.length(units) == len(range(0, units - k + 1, stride))
    assert domain.length(domain.units(units + 1)) == units + 1
    assert domain.length(domain.units(units + 1) - 1) == units


@pytest.mark.parametrize(("k", "stride"), [(6, 1), (6, 2), (6, 4), (6, 6), (5, 3), (1, 1)])
def test_reach_is_how_far_tokens_share_bases(k: int, stride: int) -> None:
    domain = Domain(Settings(k=k, stride=stride), vocabulary(["A" * k]))
    starts = range(0, 10 * k, stride)
    expected = max(n for n, start in enumerate(starts) if start < k)
    assert token_ids(domain.spec).overlap == expected


def test_settings_are_checked() -> None:
    for wrong in ({"k": 0}, {"k": 32}, {"stride": -1}, {"k": 3, "stride": 4}):
        with pytest.raises(ValueError, match="is between"):
            Settings(**wrong)


def test_a_vocabulary_of_another_k_is_refused() -> None:
    with pytest.raises(UsageError, match="5 bases, not 6") as caught:
        Domain(Settings(k=6), vocabulary(["ACGTA"]))
    assert "--k 6" in caught.value.do
    with pytest.raises(UsageError, match="needs a vocabulary"):
        _ = Domain(Settings()).spec


@given(st.lists(st.text("ACGTN", min_size=1, max_size=30), min_size=1, max_size=3))
def test_composition(texts: list[str]) -> None:
    found = Domain(Settings()).features([codes(text) for text in texts])["composition"]
    for text, row in zip(texts, found, strict=True):
        expected: list[float] = []
        for k in (1, 2, 3, 4):
            windows = (text[at : at + k] for at in range(len(text) - k + 1))
            counts = Counter(w for w in windows if "N" not in w)
            total = max(counts.total(), 1)
            every = range(4**k)
            words = ["".join("ACGT"[n // 4**p % 4] for p in range(k))[::-1] for n in every]
            expected += [counts[word] / total for word in words]
        np.testing.assert_allclose(row, expected, atol=1e-7)


@given(st.integers(1, 20).flatmap(lambda n: st.lists(st.text("ACGTN", min_size=n, max_size=n),
                                                     min_size=1, max_size=3)))  # fmt: skip
def test_places(texts: list[str]) -> None:
    found = Domain(Settings()).features([codes(text) for text in texts])["places"]
    expected = [[float(letter == base) for letter in text for base in "ACGT"] for text in texts]
    assert found.tolist() == expected


def test_signature_is_that_of_the_other_strand_too() -> None:
    domain = Domain(Settings())

    def signature(text: str) -> bytes:
        return domain.signature(Record("x", text.encode(), "", 1))

    assert signature("ACGGT") == signature("accgu") == signature(other_strand("ACGGT"))
    assert signature("ACGGT") != signature("ACGGA")


@pytest.mark.parametrize(
    ("letters", "why"),
    [
        ("", "empty"),
        ("MKVLAAGIT", "'L' at base 4 is not a letter of DNA or RNA, it looks like a protein"),
        ("ACG*", "'*' at base 4"),
        ("AC GT1", "'1' at base 5"),
        ("ACGé", "at base 4"),
    ],
)
def test_what_is_no_dna_stops_or_is_passed_over(tmp_path: Path, letters: str, why: str) -> None:
    path = tmp_path / "a.fa"
    path.write_text(f">good\nACGT\n>bad one\n{letters}\n>last\nRYN-\n", "utf-8")
    domain = Domain(Settings())
    with pytest.raises(DataError) as caught:
        list(domain.read(path, "stop"))
    assert caught.value.where == f"{path}, record 2 (bad)"
    assert why in caught.value.why
    good, bad, last = domain.read(path, "skip")
    assert (good.error, last.error, bad.payload) == ("", "", b"")
    assert why in bad.error
    assert why in domain.record("bad", letters, str(path), 2).error


def test_cells_of_tables_may_hold_white_space() -> None:
    assert Domain(Settings()).record("x", " AC\nGT ", "t.csv", 1).payload == b"ACGT"


def test_every_kind_of_file_reads_alike(tmp_path: Path) -> None:
    forms = {
        "a.fa": ">x\nACGT\n>y\nGG\n",
        "a.fq": "@x\nACGT\n+\nIIII\n@y\nGG\n+\nII\n",
        "a.csv": "id,sequence\nx,ACGT\ny,GG\n",
        "a.tsv": "seq\tname\nACGT\tx\nGG\ty\n",
    }
    for name, text in forms.items():
        (tmp_path / name).write_text(text)
        found = list(Domain(Settings()).read(tmp_path / name, "stop"))
        assert [(r.id, r.payload, r.number) for r in found] == [("x", b"ACGT", 1), ("y", b"GG", 2)]


def test_coli(shared_data: Path) -> None:
    path = shared_data / "genomes/bacteria/E.Coli/MG1655-K12.fasta.gz"
    (record,) = Domain(Settings()).read(path, "stop")
    assert len(record.payload) == 4_639_675
    assert not (codes(record.payload.decode()) == bases.AMBIGUOUS).any()


def test_ids_that_begin_with_a_blank(shared_data: Path) -> None:
    path = shared_data / "promoters/cnnprom/Ecoli_non_prom.fa"
    records = list(Domain(Settings()).read(path, "stop"))
    assert len(records) == 3000
    assert records[0].id == "6400"


@pytest.mark.parametrize("k", [2, 13])
def test_the_twin_of_a_token_is_its_reverse_complement(k: int) -> None:
    tokens = [("AC" * k)[:k], other_strand(("AC" * k)[:k]), ("TA" * k)[:k], "G" * k]
    spec = Domain(Settings(k=k), vocabulary(tokens)).spec
    alternatives = token_ids(spec).alternatives
    assert alternatives is not None
    for number, alternative in enumerate(alternatives):
        other = other_strand(tokens[number])
        assert alternative == (tokens.index(other) if other in tokens else token_ids(spec).unknown)
    assert Domain(Settings(k=k, both_strands=False), vocabulary(tokens)).tokens.alternatives is None


def test_a_title_with_a_byte_0_is_bad_where_it_is_read_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.fa"
    path.write_bytes(b">a\nACGT\n>b" + b"x" * 300 + b"\0\nACGT\n>c\nAC\0GT\n>d\nAC\n")
    records = list(Domain(Settings(k=1, stride=1)).read(path, "skip"))
    assert [bool(record.error) for record in records] == [False, True, True, False]
    for block in (1, 7, 1000):
        bad: set[int] = set()
        survey = counting(Settings(k=1), "skip").survey
        assert survey is not None
        reader, data = survey(str(path), bad), path.read_bytes()
        for at in range(0, len(data), block):
            reader.feed(data[at : at + block])
        reader.finish()
        assert bad == {2, 3}
