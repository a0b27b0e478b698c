"""The whole chain on proteins, from the command line: sequences in, effects of variants out."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

Command = Callable[..., Any]
RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
SMALL = ("--set", "blocks=1", "--set", "width=32", "--set", "heads=2")
TRAINED = (
    *("--window", "64", "--steps", "60", "--batch-tokens", "2048", "--learning-rate", "1e-2"),
    *("--device", "cpu", "--precision", "fp32", "--threads", "1"),
)
SITES = 24


@pytest.fixture
def family(tmp_path: Path) -> Path:
    """``family.sto``: 300 relatives; sites 0, 2, 4 ... are kept, the others vary freely."""
    draw = np.random.default_rng(5)
    ancestor = list("MKWDHCYEFRGPMKWDHCYEFRGP")
    rows = []
    for number in range(300):
        free = draw.choice(list("AILVST"), SITES)
        row = [str(free[at]) if at % 2 else ancestor[at] for at in range(SITES)]
        row[draw.integers(SITES // 2) * 2 + 1] = "-"
        rows.append(f"s{number} {''.join(row)}")
    path = tmp_path / "family.sto"
    path.write_text("# STOCKHOLM 1.0\n" + "\n".join(rows) + "\n//\n")
    return path


def test_the_family_tells_which_variants_do_harm(
    command: Command, tmp_path: Path, family: Path
) -> None:
    (next_command,) = command("inspect", "family.sto", "--json").json["next"]
    assert next_command == "sslkit build-vocab family.sto"
    results = command("build-vocab", "family.sto", "--json").json
    assert results["tokens"] == 300 * (SITES - 1)
    next_command = command("inspect", "family.sto", "--json").json["next"]
    assert next_command == [
        "sslkit pretrain",
        "sslkit pretrain --model factored --set aligned=true",
    ]
    command("pretrain", *SMALL, *TRAINED)
    wild = "".join(a if at % 2 == 0 else "L" for at, a in enumerate("MKWDHCYEFRGP" * 2))
    (tmp_path / "wild.fasta").write_text(f">wild\n{wild}\n")
    variants = [
        (f"{wild[:at]}{other}{wild[at + 1 :]}", at % 2)
        for at in range(SITES)
        for other in ("A", "V" if wild[at] != "V" else "I")
    ]
    with (tmp_path / "variants.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("sequence", "fitness"), *variants])
    words = ("--wild-type", "wild.fasta", "--label-column", "fitness", "--device", "cpu")
    command("score", "variants.csv", *words, "--marginal", "--out", "fast.parquet")
    columns = pq.read_table(tmp_path / "fast.parquet").to_pydict()
    delta, free = np.array(columns["delta"]), np.array(columns["label"], float) == 1
    # Where the family varies, every variant is more plausible than any where it does not.
    assert delta[free].min() > delta[~free].max()
    command("score", "variants.csv", *words, "--out", "slow.parquet")
    slow = np.array(pq.read_table(tmp_path / "slow.parquet")["delta"])
    assert slow[free].mean() > slow[~free].mean() + 1

    command("embed", "wild.fasta", family, "--device", "cpu")
    embedded = pq.read_table(tmp_path / "embeddings.parquet")
    assert embedded.num_rows == 301
    assert embedded["length"].to_pylist() == [SITES] + [SITES - 1] * 300


@pytest.fixture
def small(command: Command, family: Path) -> None:
    """A checkpoint that has seen little."""
    command("build-vocab", family)
    command("pretrain", *SMALL, *TRAINED, "--steps", "3")


@pytest.mark.usefixtures("small")
def test_probe_and_finetune_read_tables_of_proteins(command: Command, tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    (tmp_path / "labels").mkdir()
    with (tmp_path / "labels/regression.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("sequence", "fitness"))
        for _ in range(120):
            letters = "".join(draw.choice(list(RESIDUES), 30))
            writer.writerow((letters, letters.count("W") + letters.count("K")))
    results = command("probe", "--task", "regression", "--device", "cpu", "--json").json
    correlations = {
        model["name"]: model["metrics"]["spearman"]["value"] for model in results["models"]
    }
    # What is the sum of two shares of residues is found in them.
    assert correlations["composition ridge"] > 0.8
    assert {"places ridge", "untrained ridge", "pretrained ridge"} <= set(correlations)
    words = ("--task", "regression", "--steps", "4", "--device", "cpu", "--json")
    assert "spearman" in command("finetune", *words).json["metrics"]


@pytest.mark.usefixtures("small")
def test_a_folder_stands_for_its_proteins_whatever_their_names(
    command: Command, tmp_path: Path
) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more/a.fasta").write_text(">a\nMKVW\n")
    (tmp_path / "more/b.faa").write_text(">b\nMKVWW\n")
    for stage, out in (("score", "scores.parquet"), ("embed", "embeddings.parquet")):
        command(stage, "more", "--device", "cpu")
        assert pq.read_table(tmp_path / out)["id"].to_pylist() == ["a", "b"]
    words = ("build-vocab", "more", "--out", "other.parquet", "--json")
    assert command(*words, "--domain", "protein").json["tokens"] == 9
    assert command("inspect", "more", "--json").json["next"] == ["sslkit embed more"]
    # The names alone do not tell.
    assert "--domain" in command(*words, "--force", check=2).err


@pytest.mark.usefixtures("small")
def test_bad_records_stop_or_get_null_rows(command: Command, tmp_path: Path) -> None:
    (tmp_path / "x.fasta").write_text(">a\nMKVW\n>b\nMK7W\n>c\n---\n>d\nMXW*\n")
    refused = command("embed", "x.fasta", "--device", "cpu", check=3).err
    assert "x.fasta, record 2 (b)" in refused
    assert "'7' at residue 3 is not a letter of a protein" in refused
    command("embed", "x.fasta", "--device", "cpu", "--on-error", "skip")
    columns = pq.read_table(tmp_path / "embeddings.parquet").to_pydict()
    assert columns["id"] == ["a", "b", "c", "d"]
    assert [vector is None for vector in columns["embedding"]] == [False, True, True, False]


def test_ragged_alignments_are_refused(command: Command, tmp_path: Path) -> None:
    (tmp_path / "x.sto").write_text("# STOCKHOLM 1.0\na MK-V\nb MKV\n//\n")
    for words in (("inspect", "x.sto"), ("build-vocab", "x.sto", "--domain", "protein")):
        outcome = command(*words, check=3)
        assert "row 2 (b)" in outcome.out + outcome.err
    (tmp_path / "x.a3m").write_text(">a\nMK-V\n>b\nMKgsV-\n>c\nMKgV\n")
    outcome = command("inspect", "x.a3m", check=3)
    assert "record 3 (c)" in outcome.out + outcome.err
    assert "it has 3 columns, and the first row of the alignment has 4" in outcome.out + outcome.err


def test_variants_of_beta_lactamase(command: Command, tmp_path: Path, shared_data: Path) -> None:
    folder = shared_data / "proteins/dms_blat"
    with (folder / "data.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))[:200]
    with (tmp_path / "data.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    command("build-vocab", folder / "wt.fasta", "--domain", "protein")
    corpus = shared_data / "proteins/stockholm_hmmer/Pkinase.sto"
    command("pretrain", corpus, *SMALL, *TRAINED, "--steps", "3")
    words = ("--wild-type", folder / "wt.fasta", "--marginal", "--label-column", "log_fitness")
    results = command("score", "data.csv", *words, "--device", "cpu", "--json").json
    columns = pq.read_table(tmp_path / "scores.parquet").to_pydict()
    assert results["records"] == len(rows)
    assert np.isfinite(columns["delta"]).all()
    assert columns["label"] == [row["log_fitness"] for row in rows]


def test_an_alignment_in_its_columns(command: Command, tmp_path: Path, family: Path) -> None:
    command("build-vocab", family)
    factored = ("pretrain", "--model", "factored", *TRAINED, "--steps", "2")
    refused = command(*factored, check=2).err
    assert "these tokens have none" in refused
    assert "--domain protein --set aligned=true" in refused
    aligned = ("--set", "aligned=true", "--set", "heads=2", "--set", "sites=100")
    command(*factored, *aligned, "--objective", "clm", check=2)
    assert "one residue a token" in command(*factored, *aligned, "--set", "k=2", check=2).err
    outcome = command("plan", "--mem", "4G", "--model", "factored", *aligned, "--device", "cpu")
    assert "fits" in outcome.out
    command(*factored, *aligned, "--objective", "mlm+contrastive")
    command("embed", family, "--device", "cpu")
    embedded = pq.read_table(tmp_path / "embeddings.parquet")
    # With its gap, every row has all columns.
    assert embedded["length"].to_pylist() == [SITES] * 300
    (tmp_path / "bad.fa").write_text(">x\nMK-V\n>y\nMKV\n")
    assert (
        "record 2 (y)"
        in command("embed", "bad.fa", "--out", "x.parquet", "--device", "cpu", check=3).err
    )
    (tmp_path / "bad.csv").write_text("id,sequence\nx,MK-V\n")
    assert (
        "a file is no alignment"
        in command("embed", "bad.csv", "--out", "x.parquet", "--device", "cpu", check=3).err
    )
    command("score", family, "--device", "cpu", "--objective", "mlm", "--out", "sites.parquet")
    assert pq.read_table(tmp_path / "sites.parquet").num_rows == 300
    transformer = ("pretrain", *SMALL, *TRAINED, "--steps", "2", "--force")
    command(*transformer, "--set", "aligned=true")
    command("score", family, "--device", "cpu", "--out", "scores.parquet")
    assert pq.read_table(tmp_path / "scores.parquet").num_rows == 300
