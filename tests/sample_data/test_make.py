"""The sample data: made anew to the same bytes, and of the grammar that its maker promises."""

import ast
import csv
import importlib
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from rdkit import Chem

from sslkit.domains import code, genome, protein, text
from sslkit.domains.biology import bases
from sslkit.files import alignment

SAMPLE = Path(__file__).parents[2] / "sample_data"
PROTEINS = (
    *("protein/family_1.sto", "protein/family_2.afa", "protein/family_3.a3m"),
    *("protein/wild.fasta", "protein/variants.csv"),
)
MODULES = tuple(f"code/module_{number}.py" for number in range(1, 9))
PAIRS = ("pairs/train.tsv", "pairs/test.tsv")
MOLECULES = ("molecule/corpus.smi", "molecule/labels.csv")
FILES = (
    *("corpus/genome.fa", "corpus/genes.fa", "labels/promoter.csv"),
    *(*PROTEINS, *MODULES, *PAIRS, *MOLECULES),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    subprocess.run([sys.executable, SAMPLE / "make.py", folder], check=True)
    return folder


def test_the_same_bytes(made: Path) -> None:
    for name in FILES:
        assert (made / name).read_bytes() == (SAMPLE / name).read_bytes(), name


def test_size() -> None:
    assert sum((SAMPLE / name).stat().st_size for name in FILES) < 600_000


def test_genes_stand_where_their_titles_say() -> None:
    domain = genome.Domain(genome.Settings())
    (chromosome,) = domain.read(SAMPLE / "corpus/genome.fa", "stop")
    codes = domain.encode(chromosome)
    strands = Counter[str]()
    for record in domain.read(SAMPLE / "corpus/genes.fa", "stop"):
        place, strand = record.metadata["title"].rstrip(")").split("(")
        start, end = map(int, place.partition(":")[2].split("-"))
        found = codes[start:end] if strand == "+" else bases.reverse_complement(codes[start:end])
        assert bases.to_letters(found).encode() == record.payload
        assert record.payload.startswith(b"ATG")
        strands[strand] += 1
    assert min(strands.values()) > 100


def test_labelled_rows_are_balanced_distinct_and_not_in_the_genome() -> None:
    with (SAMPLE / "labels/promoter.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert Counter(row["label"] for row in rows) == {"0": 400, "1": 400}
    assert len({row["sequence"] for row in rows}) == len({row["id"] for row in rows}) == 800
    domain = genome.Domain(genome.Settings())
    (chromosome,) = domain.read(SAMPLE / "corpus/genome.fa", "stop")
    both = chromosome.payload + b"N" + other_strand(chromosome.payload)
    for row in rows:
        # Not a third of a row either.
        assert row["sequence"][33:66].encode() not in both


def other_strand(letters: bytes) -> bytes:
    return bases.to_letters(bases.reverse_complement(bases.to_codes(letters))).encode()


def test_a_pair_shuffle_keeps_the_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(SAMPLE)
    make = importlib.import_module("make")
    draw = make.Draw("test")
    letters = draw.bases(60)
    for word in (letters, "A" * 9, "ACACACACAG"):
        found = make.pair_shuffled(draw, word)
        assert Counter(pairwise(found)) == Counter(pairwise(word))
    assert len({make.pair_shuffled(draw, letters) for _ in range(20)}) == 20


@pytest.mark.parametrize("name", PROTEINS[:3])
def test_families_have_columns_that_are_kept_and_charges_that_are_paired(name: str) -> None:
    held = alignment.read(SAMPLE / name)
    rows = [row.tobytes().decode() for row in held.letters]
    assert len(set(rows)) > 25
    assert held.letters.shape == (32, 60)
    kinds = [{letter for letter in column if letter != "-"} for column in zip(*rows, strict=True)]
    assert 10 < sum(len(kind) == 1 for kind in kinds) < 45
    for first, second in ((8, 41), (17, 53)):
        signs = {(row[first] in "KRH", row[second] in "KRH") for row in rows}
        assert signs == {(True, False), (False, True)}
    records = list(protein.Domain(protein.Settings()).read(SAMPLE / name, "stop"))
    assert {len(record.payload) for record in records} >= {57, 60}


def test_variants_are_single_substitutions_of_the_wild_type() -> None:
    domain = protein.Domain(protein.Settings())
    (wild,) = domain.read(SAMPLE / "protein/wild.fasta", "stop")
    variants = list(domain.read(SAMPLE / "protein/variants.csv", "stop"))
    assert len(variants) == 120
    for variant in variants:
        pairs = zip(wild.payload, variant.payload, strict=True)
        ((site, (old, new)),) = [(n, pair) for n, pair in enumerate(pairs, 1) if pair[0] != pair[1]]
        assert variant.id == f"{chr(old)}{site}{chr(new)}"
        assert -1.06 < float(variant.metadata["fitness"]) < 0.06


def test_annotations_follow_from_names() -> None:
    found: dict[str, set[str]] = {}
    for name in MODULES:
        tree = ast.parse((SAMPLE / name).read_text())
        compile(tree, name, "exec")
        for node in ast.walk(tree):
            if isinstance(node, ast.arg) and node.annotation is not None:
                kind = ast.unparse(node.annotation).removesuffix(" | None")
                found.setdefault(node.arg.rpartition("_")[2], set()).add(kind)
    assert len(found) > 15
    assert all(len(kinds) == 1 for kinds in found.values())


def test_python_is_a_corpus() -> None:
    domain = code.Domain(code.Settings(documents="function"))
    records = [one for name in MODULES for one in domain.read(SAMPLE / name, "stop")]
    assert len(records) == 8 * 12
    assert {int(unit >> code.KINDS) for one in records for unit in one.payload} > {10}


def test_pairs_say_the_same_in_words_of_their_own() -> None:
    domain = text.Domain(text.Settings())
    sentences: list[str] = []
    there: dict[str, set[str]] = {}
    for name in PAIRS:
        assert not any(record.error for record in domain.pairs(SAMPLE / name, "stop"))
        for line in (SAMPLE / name).read_text().splitlines():
            first, second = (side.rstrip(".").split() for side in line.split("\t"))
            assert not set(first) & set(second)
            sentences.append(" ".join(first))
            for word in set(first) - {"the", "in"}:
                there[word] = there.get(word, set(second)) & set(second)
    assert len(set(sentences)) == len(sentences) == 700
    # Some word of the second language stands beside each one of the first, always.
    assert all(there.values())
    assert 80 < len(there) <= 88


def test_a_label_of_a_molecule_says_where_its_polar_branch_stands() -> None:
    with (SAMPLE / "molecule/labels.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    # An alcohol, an amine, an acid or an amide on an aromatic ring.
    polar = "c[$([OH]),$([NH2]),$(C(=O)[OH]),$(C(=O)[NH2])]"
    near = Chem.MolFromSmarts(polar)
    for row in rows:
        graph = Chem.MolFromSmiles(row["smiles"])
        assert graph is not None
        assert graph.HasSubstructMatch(near) == (row["label"] == "1"), row
    assert [row["label"] for row in rows].count("1") == len(rows) // 2
    assert len({row["smiles"] for row in rows}) == len(rows)


def test_lines_of_molecules_are_molecules_and_no_labelled_ones() -> None:
    lines = [line.split() for line in (SAMPLE / "molecule/corpus.smi").read_text().splitlines()]
    assert all(Chem.MolFromSmiles(smiles) is not None for smiles, _ in lines)
    assert len({name for _, name in lines}) == len(lines) == 500
    text = (SAMPLE / "molecule/labels.csv").read_text()
    labelled = {line.split(",")[1] for line in text.splitlines()}
    assert not labelled & {smiles for smiles, _ in lines}
