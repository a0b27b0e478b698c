"""What build-vocab counts of a file is what other stages read of it: records, tokens, bad ones."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sslkit.domains import code, genome, molecule, protein, text
from sslkit.errors import DataError
from sslkit.files.columns import Columns
from sslkit.vocab.inputs import Inputs
from sslkit.vocab.scheme import BREAK, Kmers

SETTINGS: dict[ModuleType, Any] = {
    genome: genome.Settings(k=1, stride=1),
    protein: protein.Settings(k=1, stride=1),
    molecule: molecule.Settings(),
    text: text.Settings(),
    code: code.Settings(),
}
#: Tokens of records that were read, by domain.
TOKENS: dict[ModuleType, Callable[[Any], int]] = {
    genome: lambda units: int((units < 4).sum()),
    protein: lambda units: int((units < 22).sum()),
    molecule: len,
    text: len,
    code: len,
}


def read(module: ModuleType, path: Path, on_error: Any) -> tuple[int, int, int]:
    """Tokens, good records and bad ones."""
    domain = module.Domain(SETTINGS[module])
    good = bad = tokens = 0
    for record in domain.read(path, on_error):
        if record.error:
            bad += 1
        else:
            good, tokens = good + 1, tokens + TOKENS[module](domain.encode(record))
    return tokens, good, bad


def counted(module: ModuleType, path: Path, on_error: Any, block: int) -> tuple[int, int, int]:
    """The same as build-vocab counts it."""
    scheme = module.counting(SETTINGS[module], on_error)
    is_fasta = isinstance(scheme, Kmers) or scheme.fasta
    inputs = Inputs(is_fasta, b"\n", Columns(), on_error, has_tables=False)

    def pieces(reader: Any) -> list[Any]:
        with inputs.open(path) as stream:
            found = [reader.feed(part) for part in iter(lambda: stream.read(block), b"")]
        return [*found, reader.finish()]

    bad: set[int] = set()
    if on_error == "skip" and scheme.survey:
        pieces(scheme.survey(str(path), bad))
    reader = scheme.reader(str(path), bad)
    found = pieces(reader)
    if isinstance(scheme, Kmers):
        tokens = sum(int((np.asarray(codes) != BREAK).sum()) for codes in found)
    else:
        tokens = sum(len(slices.starts) for slices in found)
    if not tokens and not reader.tally and module is not code:
        raise DataError("build-vocab refuses a file without a token")
    return tokens, reader.tally["records"], reader.tally["bad_records"]


def outcome(found: Callable[[], tuple[int, int, int]]) -> Any:
    try:
        return found()
    except DataError:
        return "refused"


def agree(module: ModuleType, path: Path, data: bytes, block: int, has_records: bool) -> None:
    path.write_bytes(data)
    for on_error in ("stop", "skip"):
        one = outcome(partial(read, module, path, on_error))
        other = outcome(partial(counted, module, path, on_error, block))
        if not has_records and "refused" not in (one, other):
            # Readers of text count tokens, and know of records only where these are bad.
            one, other = (one[0], one[2]), (other[0], other[2])
        if on_error == "skip" and one[0] in {"r", 0} and other[0] in {"r", 0}:
            continue  # Nothing is taken of it.
        assert one == other, on_error


LETTERS = (
    "ACGT",
    "acgn",
    "A-C.",
    "GT*",
    "M",
    "mkv",
    "A1",
    "x~",
    " ",
    "\t",
    "\0",
    ">",
    "@",
    "+",
    "",
)
ENDS = ("\n", "\r\n", "\r", "\n\n")
TITLES = (">a", ">", "> b c", ">\u00e9", ">c\td", ">\0", ">P1;x", ">ss_pred", "#", "#4\t1", ";")
fasta = st.lists(st.sampled_from([*TITLES, *LETTERS, *ENDS, *ENDS]), max_size=25).map("".join)
lines = st.lists(st.sampled_from([*LETTERS, "IIII", "@a b", "@", "+", "+a"]), max_size=16)
fastq = lines.map("\n".join)
reads = st.lists(
    st.tuples(st.sampled_from(LETTERS), st.sampled_from(["IIII", "I", "II", ""])), max_size=5
).map(lambda held: "".join(f"@r t\n{seq}\n+\n{mark}\n" for seq, mark in held))
LOCUS = "LOCUS       A    {} bp    DNA\n"
genbank = st.lists(
    st.sampled_from([LOCUS.format(4), LOCUS.format(8), "LOCUS x\n", "VERSION     A.1\n", "//\n"])
    | st.sampled_from(["ORIGIN\n", "        1 acgt\n", "       5 acgt mk\n", "CONTIG x\n", "\n"]),
    max_size=14,
).map("".join)
stockholm = st.lists(
    st.sampled_from(
        ["# STOCKHOLM 1.0\n", "a AC-T\n", "b ACG\n", "b ACGT\n", "//\n", "\0", "#=GF x\n"]
    ),
    max_size=12,
).map("".join)

SEQUENCES = {
    "a.fa": fasta,
    "a.a3m": fasta,
    "a.afa": fasta,
    "a.fq": fastq,
    "b.fq": reads,
    "a.gb": genbank.map(lambda text: LOCUS.format(4) + text),
    "a.sto": stockholm.map(lambda text: "# STOCKHOLM 1.0\n" + text),
}


@pytest.mark.parametrize("name", SEQUENCES)
@pytest.mark.parametrize("module", [genome, protein])
@settings(max_examples=150, deadline=None)
@given(data=st.data(), block=st.integers(1, 40))
def test_sequences(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    module: ModuleType,
    data: st.DataObject,
    block: int,
) -> None:
    held = data.draw(SEQUENCES[name])
    raw = held.encode(data.draw(st.sampled_from(["utf-8", "latin-1"])))
    agree(module, tmp_path_factory.mktemp("same") / name, raw, block, has_records=True)


def test_proteins_that_look_like_dna(tmp_path: Path) -> None:
    for size in (49, 50, 51):
        for other in ("", "M", "acgtun", "X", "*", "-"):
            for head in ("", ">first\nMKV\n"):
                data = (
                    f"{head}>a\n{'ACGTUNacg-' * 10}"[: size + len(head) + 3 + 5]
                    + other
                    + "\n>z\nMK\n"
                )
                for block in (1, 7, 1000):
                    agree(protein, tmp_path / "a.fa", data.encode(), block, has_records=True)


SMILES = (
    "CCO",
    "c1ccccc1",
    "C(",
    "Cl",
    "smiles",
    "SMILES name",
    "a",
    "\u00e9",
    "\0",
    " ",
    "\t",
    "\n",
    "\r\n",
)
BLOCK = """a
  x

  1  0  0  0  0  0            999 V2000
    0.0000    0.0000    0.0000 {}  0  0
M  END
"""
MOL = (
    *(BLOCK.format("C "), BLOCK.format("Xx")),
    *("$$$$\n", "> <name>\n", "value\n", "\n", "M  END\n", "\u00e9\n", "\0"),
)
MARKS = ("x", " = ", "1", "'", '"', "\n", "\0", "\udcff")
OTHERS: dict[str, tuple[ModuleType, tuple[str, ...]]] = {
    "a.smi": (molecule, SMILES),
    "a.sdf": (molecule, MOL),
    "a.txt": (text, ("word ", "\u00e9", "\n", "\0", ".", "1", "\udcff", "\ufeff")),
    "a.py": (
        code,
        (
            "x",
            " = ",
            "1",
            "'",
            '"',
            "#",
            "\n",
            "\0",
            "print x",
            "(",
            "\udcff",
            "# coding: latin-1\n",
        ),
    ),
    "a.c": (code, ("x", " = ", "1", "'", '"', "//", "\n", "\0", "/*", "\udcff")),
}


@pytest.mark.parametrize("name", OTHERS)
@settings(max_examples=150, deadline=None)
@given(data=st.data(), block=st.integers(1, 40))
def test_other_files(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject, block: int
) -> None:
    module, parts = OTHERS[name]
    held = "".join(data.draw(st.lists(st.sampled_from(parts), max_size=12)))
    raw = held.encode("utf-8", "surrogateescape")
    agree(module, tmp_path_factory.mktemp("same") / name, raw, block, has_records=False)
