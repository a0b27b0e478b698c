"""Damaged input files of every kind: commands end with a promised exit code, soon and small."""

import gzip
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzz import Children, mutate

pytestmark = pytest.mark.slow

_SEED, _CHANGES = 14, 25
_SMALL = (
    *("--steps", "1", "--set", "blocks=1", "--set", "width=16", "--set", "heads=2"),
    *("--window", "16", "--batch-tokens", "64", "--micro-tokens", "64", "--precision", "fp32"),
    *("--threads", "1", "--heldout", "0.2"),
)
NAMES = (
    *("a.fa", "a.fa.gz", "a.fq", "a.gb", "a.bed", "a.csv", "a.tsv", "a.parquet", "p.fasta"),
    *("p.sto", "p.a3m", "t.txt", "t.tsv", "c.py", "c.c", "m.smi", "m.sdf"),
)
_DNA = "ACGTTGCAAGGCTTAACCGGATATCGCGTACGATTTAGCCA"
_PROTEIN = "MKVLEEFPQRSTWYACDEFGHIKLMNPQRSTVWY"


@dataclass(frozen=True)
class Sample:
    """A sound file: its name, what it holds, and the domain that reads it."""

    name: str
    data: bytes
    domain: str
    options: tuple[str, ...] = ()


def _parquet(folder: Path) -> bytes:
    path = folder / "sound.parquet"
    pq.write_table(
        pa.table({"id": ["a", "b", "c"], "sequence": [_DNA, _DNA[::-1], _DNA * 2]}), path
    )
    return path.read_bytes()


def _genbank() -> bytes:
    letters = " ".join(_DNA[at : at + 10].lower() for at in range(0, 40, 10))
    return (
        f"LOCUS       X1 40 bp DNA linear BCT 01-JAN-2000\nDEFINITION  a.\nACCESSION   X1\n"
        f"VERSION     X1.1\nFEATURES             Location/Qualifiers\nORIGIN\n"
        f"        1 {letters}\n//\n"
    ).encode()


def _mol() -> bytes:
    return (
        b"ethanol\n  made\n\n  3  2  0  0  0  0  0  0  0  0999 V2000\n"
        b"    0.0000    0.0000    0.0000 C   0  0\n    1.0000    0.0000    0.0000 C   0  0\n"
        b"    2.0000    0.0000    0.0000 O   0  0\n  1  2  1  0\n  2  3  1  0\nM  END\n"
        b">  <logp>\n-0.3\n\n$$$$\n"
    )


def _samples(folder: Path) -> list[Sample]:
    fasta = "".join(f">s{n} of many\n{_DNA[n:]}\n{_DNA}\n" for n in range(6)).encode()
    fastq = "".join(f"@r{n} x\n{_DNA}\n+\n{'I' * len(_DNA)}\n" for n in range(5)).encode()
    proteins = "".join(f">p{n}\n{_PROTEIN[n:]}\n" for n in range(6)).encode()
    rows = "\n".join(f"p{n}         {_PROTEIN}" for n in range(4))
    table = "id,sequence,label\n" + "".join(f"x{n},{_DNA[n:]},{n % 2}\n" for n in range(8))
    text = "The cat sat on the mat. A dog saw it, and ran away!\n\nThen all was still.\n" * 6
    code = (
        "def f(a: int, b=2) -> int:\n    '''Add.'''\n    return a + b  # so\n\n\n"
        "class C:\n    x = 1\n"
    )
    pairs = "".join(f"a dog {n} runs\tein Hund {n} rennt\n" for n in range(6))
    smiles = "CCO ethanol\nc1ccccc1 benzene\nCC(=O)O acid\nN#N\nC1CCCCC1 ring\n" * 2
    return [
        Sample("a.fa", fasta, "genome"),
        Sample("a.fa.gz", gzip.compress(fasta, mtime=0), "genome"),
        Sample("a.fq", fastq, "genome"),
        Sample("a.gb", _genbank(), "genome"),
        Sample(
            "a.bed", b"s0\t1\t30\tone\t0\t+\ns1\t0\t40\n", "genome", ("--reference", "sound.fa")
        ),
        Sample("a.csv", table.encode(), "genome"),
        Sample("a.tsv", table.replace(",", "\t").encode(), "genome"),
        Sample("a.parquet", _parquet(folder), "genome"),
        Sample("p.fasta", proteins, "protein"),
        Sample("p.sto", f"# STOCKHOLM 1.0\n{rows}\n//\n".encode(), "protein"),
        Sample("p.a3m", b"#8\t1\n>a\nMKVLEEFP\n>b\nMKV-EEaFP\n", "protein"),
        Sample("t.txt", text.encode(), "text"),
        Sample("t.tsv", pairs.encode(), "text"),
        Sample("c.py", code.encode() * 3, "code"),
        Sample("c.c", b"int f(int a) { /* so */ return a + 1; }\n" * 4, "code"),
        Sample("m.smi", smiles.encode(), "molecule"),
        Sample("m.sdf", _mol() * 3, "molecule"),
    ]


def _corpora() -> dict[str, tuple[str, str]]:
    """Of each domain a file that does not repeat itself: its ending and its text."""
    rng = random.Random(_SEED)

    def drawn(letters: str | list[str], size: int, between: str = "") -> str:
        return between.join(rng.choices(letters, k=size))

    words = [drawn("abcdefgh", 4) for _ in range(60)]
    names = [drawn("uvwxyz", 5) for _ in range(60)]
    return {
        "genome": (".fa", "".join(f">g{n}\n{drawn('ACGT', 200)}\n" for n in range(30))),
        "protein": (".fasta", "".join(f">p{n}\n{drawn(_PROTEIN, 90)}\n" for n in range(40))),
        "text": (".txt", "".join(f"{drawn(words, 40, ' ')}.\n\n" for _ in range(30))),
        "code": (
            ".py",
            "".join(f"def {a}({drawn(names, 2, '_')}):\n    return 1\n" for a in names),
        ),
        "molecule": (
            ".smi",
            "".join(f"{drawn(['C', 'O', 'N', 'CC'], 9)} {n}\n" for n in range(60)),
        ),
    }


@pytest.fixture(scope="module")
def children() -> Children:
    return Children(memory=4 << 30, seconds=120)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, children: Children) -> Path:
    """A folder with a sound file of each kind, and ``DOMAIN/checkpoint.pt`` of each domain."""
    folder = tmp_path_factory.mktemp("fuzz") / "work"
    folder.mkdir()
    (folder / "sound.fa").write_bytes(_samples(folder)[0].data)
    for domain, (ending, text) in _corpora().items():
        path = folder / f"corpus{ending}"
        path.write_text(text)
        vocab = f"{domain}.parquet"
        k = ("--k", "2") if domain == "genome" else ()
        for words in (
            ("build-vocab", path, "--domain", domain, *k, "-o", vocab, "--mem", "512M"),
            ("pretrain", "--vocab", vocab, *_SMALL, "-o", domain),
        ):
            ended = children.run(words, folder)
            assert ended.code == 0, ended.err
    return folder


def _commands(sample: Sample, path: Path, mode: str) -> Mapping[str, tuple[str | Path, ...]]:
    every: dict[str, tuple[str | Path, ...]] = {
        "inspect": ("inspect", path),
        "embed": (
            *("embed", path, "--checkpoint", sample.domain, *sample.options, "-o", "e.parquet"),
            *("--on-error", mode, "--threads", "1", "--precision", "fp32", "--force"),
        ),
    }
    if not sample.options:
        every["build-vocab"] = (
            *("build-vocab", path, "--domain", sample.domain, "--on-error", mode),
            *("-o", "v.parquet", "--mem", "512M", "--threads", "1", "--force"),
        )
    if sample.name in {"a.csv", "a.tsv"}:
        every["probe"] = (
            *("probe", "--task", "classification", "--labels", path, "--checkpoint", "genome"),
            *("--on-error", mode, "--threads", "1", "--force", "--folds", "2"),
        )
    return every


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files_end_with_a_promised_code(
    name: str, trained: Path, children: Children
) -> None:
    sample = next(each for each in _samples(trained) if each.name == name)
    rng = random.Random(f"{_SEED} {sample.name}")
    path = trained / f"damaged-{sample.name}"
    for change in range(_CHANGES):
        path.write_bytes(mutate(sample.data, rng))
        mode = ("stop", "skip")[change % 2]
        for command, words in _commands(sample, path, mode).items():
            before = path.read_bytes()
            children.run(words, trained).check(f"{command} of change {change} of {name}")
            assert path.read_bytes() == before
