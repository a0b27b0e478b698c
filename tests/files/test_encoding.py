"""Text of 16 and 32 bits a letter, with a mark or without, and what only has a byte 0 in it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sslkit.artifacts.manifest import Input
from sslkit.data import corpus
from sslkit.domains import genome
from sslkit.files import encoding

Command = Callable[..., Any]
NAMES = ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]
TEXTS = [">a b\nACGT\n", "id,text\n1,x\n", "\u4e2d\u6587 and more\r\n", "gr\u00f6\u00dfe\n" * 2000]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", TEXTS)
def test_wide_text(name: str, text: str) -> None:
    raw = text.encode(name)
    assert encoding.wide(raw[: encoding.HEAD]) == name.upper()
    assert encoding.wide(("\ufeff" + text).encode(name)) == name.upper()[:6]


@given(st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"])))
def test_text_of_one_byte_a_letter(text: str) -> None:
    assert encoding.wide(text.encode()) == ""
    if not text.startswith(("\u00ff\u00fe", "\u00fe\u00ff")):
        assert encoding.wide(text.encode("latin-1", "ignore")) == ""


def test_a_byte_0_alone_makes_no_wide_text() -> None:
    for raw in (
        b"one\xfftwo\0three; // \xe4",
        b"some words\0 and others",
        b"PAR1\0\0",
        b">a\nAC\0GT\n",
    ):
        assert encoding.wide(raw) == ""


FILES = {
    "a.fa": ">a\nACGTACGTTT\n",
    "a.fq": "@a\nACGTACGTTT\n+\nIIIIIIIIII\n",
    "a.csv": "id,sequence\na,ACGTACGTTT\n",
    "a.gb": "LOCUS       A  4 bp DNA\nORIGIN\n        1 acgt\n//\n",
    "a.smi": "CCO ethanol\n",
    "a.sdf": "a\n\n\n  1  0  0  0  0  0            999 V2000\n",
    "a.txt": "some words\n",
    "a.py": "x = 1\n",
    "a.lines": "one\ntwo\n",
    "a.sto": "# STOCKHOLM 1.0\na MK\n//\n",
}
DOMAINS = {".smi": "molecule", ".sdf": "molecule", ".txt": "text", ".py": "code", ".sto": "protein",
           ".lines": "lines"}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_every_reader_refuses_wide_text(tmp_path: Path, command: Command, name: str) -> None:
    path = tmp_path / name
    domain = DOMAINS.get(path.suffix, "genome")
    words = ("--column", "sequence") if path.suffix == ".csv" else ()
    for kind in NAMES:
        path.write_bytes(FILES[name].encode(kind))
        refused = command("build-vocab", name, "--domain", domain, *words, "-o", "v", check=3)
        assert kind.upper() in refused.err
        assert name in refused.err
        told = command("inspect", name, "--json", check=3).json["files"][0]
        assert kind.upper() in told["error"]["what"]


def test_a_file_of_wide_text_alone_is_passed_over_and_counted(
    tmp_path: Path, command: Command
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/good.fa").write_text(">a\nACGTACGTTTACGT\n" * 9)
    for name in ("one.fa", "two.fa"):
        (tmp_path / "src" / name).write_bytes(">a\nACGTACGTTT\n".encode("utf-16-le"))
    words = ("--domain", "genome", "--k", "3", "--threads", "1")
    command("build-vocab", "src", *words, "-o", "v.parquet", check=3)
    done = command("build-vocab", "src", *words, "-o", "v.parquet", "--on-error", "skip", "--json")
    assert (done.json["records"], done.json["empty_files"]) == (9, 2)
    domain = genome.Domain(genome.Settings(k=3))
    inputs = [Input(str(path), 1, path.name) for path in sorted((tmp_path / "src").iterdir())]
    shards = corpus.open_shards(inputs, domain, "genome 1", tmp_path / "cache", "skip", print)
    assert [len(shard.units) for shard in shards] == [9 * 14, 0, 0]
