"""The whole chain on molecules, from the command line."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from sslkit.artifacts import checkpoint
from sslkit.domains import molecule

Command = Callable[..., Any]

SAMPLE = Path(__file__).parents[2] / "sample_data" / "molecule"
TINY = (
    "pretrain", "--set", "blocks=1", "--set", "width=16", "--set", "heads=2", "--steps", "6",
    "--window", "48", "--batch-tokens", "512", "--precision", "fp32", "--threads", "1",
    "--device", "cpu",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, command: Command) -> Path:
    """The sample data and a vocabulary of its corpus."""
    shutil.copytree(SAMPLE, tmp_path / "molecule")
    (next_command,) = command("inspect", "molecule/corpus.smi", "--json").json["next"]
    assert next_command == "sslkit build-vocab molecule/corpus.smi"
    command(*next_command.split()[1:])
    return tmp_path


def test_the_chain(folder: Path, command: Command) -> None:
    command(*TINY, "--objective", "mlm")
    plugin = checkpoint.load(folder / "pretrained").manifest.plugins["domain"]
    assert (plugin["name"], plugin["settings"]["canonical"]) == ("molecule", True)

    words = ("--task", "classification", "--labels", "molecule/labels.csv", "--device", "cpu")
    done = command("probe", *words)
    assert "114 families of look-alikes, each on one side" in done.err
    report = json.loads((folder / "probed/classification/probe.json").read_text())
    aucs = {m["name"]: m["metrics"]["auc"]["value"] for m in report["results"]["models"]}
    assert list(aucs) == [
        "majority", "composition logistic", "fingerprint logistic", "descriptors logistic",
        "untrained logistic", "untrained k-NN", "pretrained logistic", "pretrained k-NN",
    ]  # fmt: skip
    # Both classes have the same atoms; what stands beside what is in a fingerprint.
    assert aucs["fingerprint logistic"] > 0.9 > aucs["composition logistic"]
    assert report["settings"]["families"] is True

    tested = pq.read_table(folder / "probed/classification/predictions.parquet")["id"].to_pylist()
    domain = molecule.Domain(molecule.Settings())
    families: dict[bool, set[bytes]] = {True: set(), False: set()}
    for record in domain.read(folder / "molecule/labels.csv", "stop"):
        families[record.id in tested].add(domain.family(record))
    assert not families[True] & families[False]

    few = (folder / "molecule/labels.csv").read_text().splitlines()[:61]
    (folder / "few.csv").write_text("\n".join(few) + "\n")
    words = (*words[:2], "--labels", "few.csv", "--device", "cpu")
    again = command("probe", *words, "--no-families", "-o", "plain")
    assert "look-alikes" not in again.err
    assert "families" not in json.loads((folder / "plain/probe.json").read_text())["settings"]
    words += ("--steps", "4", "--threads", "1", "--json")
    assert "auc" in command("finetune", *words).json["metrics"]


@pytest.mark.parametrize("objective", ["contrastive", "mlm+contrastive", "clm"])
def test_objectives_of_molecules(folder: Path, command: Command, objective: str) -> None:
    command(*TINY, "--objective", objective, "--set", "randomise=true")
    plugin = checkpoint.load(folder / "pretrained").manifest.plugins["domain"]
    assert plugin["settings"]["randomise"] is True


def test_bad_rows_have_no_vector(folder: Path, command: Command) -> None:
    command(*TINY)
    rows = [("id", "smiles", "label"), ("a", "OCC", "1"), ("b", "C1CC", "0"), ("c", "", "1")]
    with (folder / "x.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([*rows, ("d", "CCO", "0")])
    done = command("embed", "x.csv", "--device", "cpu", check=3)
    assert "x.csv, record 2 (b)" in done.err
    assert "unclosed ring" in done.err
    command("embed", "x.csv", "--device", "cpu", "--on-error", "skip", "--label-column", "label")
    table = pq.read_table(folder / "embeddings.parquet")
    vectors = table["embedding"].to_pylist()
    assert [vector is None for vector in vectors] == [False, True, True, False]
    # One molecule has one vector, however it is written.
    assert vectors[0] == vectors[3]
    (folder / "y.csv").write_text("name,formula\na,C2H6O\n")
    assert "lacks a sequence column" in command("embed", "y.csv", "-o", "y.parquet", check=3).err


def test_tables_and_sdf_are_counted_as_lines_are(folder: Path, command: Command) -> None:
    lines = [line.split() for line in (folder / "molecule/corpus.smi").read_text().splitlines()]
    with (folder / "x.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("name", "smiles"), *((n, s) for s, n in lines)])
    command("build-vocab", "x.csv", "--column", "smiles", "-o", "x.parquet")
    counted = [pq.read_table(folder / n).to_pydict() for n in ("vocab.parquet", "x.parquet")]
    assert counted[0] == counted[1]


def test_blocks_from_standard_input(sslkit: Command, tmp_path: Path) -> None:
    block = "{}\n\n\n  1  0  0  0  0  0  0  0  0  0999 V2000\n"
    block += "    0.0000    0.0000    0.0000 {}   0  0\nM  END\n$$$$\n"
    text = "".join(block.format(n, atom) for n, atom in enumerate("CNOCC"))
    sslkit("build-vocab", "-", "--domain", "molecule", stdin=text.encode())
    columns = pq.read_table(tmp_path / "vocab.parquet").to_pydict()
    assert dict(zip(columns["token"], columns["count"], strict=True)) == {"C": 3, "N": 1, "O": 1}
