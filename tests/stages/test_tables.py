"""Tables mean the same in every command: columns, ids, labels, and what cannot be read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sslkit.artifacts import checkpoint, embeddings
from sslkit.vocab import vocabulary

Command = Callable[..., Any]
Pretrained = Callable[..., None]


def letters(count: int, size: int = 60, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list("ACGT"), size)) for _ in range(count)]


def written(path: Path, header: str, rows: list[list[str]], mark: str = ",") -> Path:
    path.write_text("\n".join([header, *(mark.join(row) for row in rows)]) + "\n")
    return path


def counted(path: Path) -> dict[str, int]:
    table, _ = vocabulary.load(path)
    return dict(zip(table.tokens, table.counts.tolist(), strict=True))


def kmers(sequence: str, k: int = 6) -> str:
    return " ".join(sequence[at : at + k] for at in range(len(sequence) - k + 1))


@pytest.mark.parametrize(
    ("domain", "header", "cells"),
    [
        ("molecule", "name,smiles,y", ["CCO", "c1ccccc1", "CC(=O)O"]),
        ("protein", "id,sequence,y", ["MKVLA", "GHHKL", "AAWYV"]),
        ("text", "id,text,y", ["a cat sat", "the dog", "a bird"]),
    ],
)
def test_a_vocabulary_counts_the_column_of_a_table_and_not_its_header(
    command: Command, tmp_path: Path, domain: str, header: str, cells: list[str]
) -> None:
    rows = [[f"n{n}", cell, str(n)] for n, cell in enumerate(cells)]
    written(tmp_path / "a.csv", header, rows)
    column = header.split(",")[1]
    named = ("--domain", domain, "-q")
    command("build-vocab", "a.csv", *named, "-o", "guessed.parquet")
    command("build-vocab", "a.csv", *named, "--sequence-column", column, "-o", "named.parquet")
    command("build-vocab", "a.csv", *named, "--column", column, "-o", "old.parquet")
    counts = counted(tmp_path / "guessed.parquet")
    assert counts == counted(tmp_path / "named.parquet") == counted(tmp_path / "old.parquet")
    assert not {"n", "smiles", "sequence", "id", ","} & set(counts)


def test_the_column_of_a_vocabulary_is_that_of_the_stages_behind_it(
    command: Command, tmp_path: Path
) -> None:
    first, second = letters(30, 120), letters(30, 120, seed=1)
    rows = [[f"r{n}", a, b] for n, (a, b) in enumerate(zip(first, second, strict=True))]
    written(tmp_path / "a.csv", "id,sequence,upstream", rows)
    fasta = "".join(f">{name}\n{text}\n" for name, _, text in rows)
    (tmp_path / "upstream.fa").write_text(fasta)
    command("build-vocab", "a.csv", "--domain", "genome", "--k", "3", "-q",
            "--sequence-column", "upstream")  # fmt: skip
    command("pretrain", "-q", "--steps", "2", "--window", "16", "--batch-tokens", "64",
            "--set", "transformer.blocks=1", "--set", "width=16", "--set", "heads=2")  # fmt: skip
    manifest = checkpoint.load(tmp_path / "pretrained" / checkpoint.NAME).manifest
    assert manifest.settings["sequence_column"] == "upstream"
    for name in ("a.csv", "upstream.fa"):
        command("embed", name, "-q", "-o", f"{name}.parquet")
    labels = [[*row, str(n % 2)] for n, row in enumerate(rows * 2)]
    labels = [[f"{n}", *row[1:]] for n, row in enumerate(labels)]
    written(tmp_path / "l.csv", "id,sequence,upstream,label", labels)
    words = ("probe", "--task", "promoter", "--labels", "l.csv", "-q", "--json", "--force")
    inherited = command(*words).json
    assert inherited == command(*words, "--sequence-column", "upstream").json
    assert inherited != command(*words, "--sequence-column", "sequence").json
    table, plain = (embeddings.read(tmp_path / f"{n}.parquet") for n in ("a.csv", "upstream.fa"))
    assert table.ids == plain.ids
    assert np.array_equal(table.vectors, plain.vectors)


def test_a_corpus_counted_with_skip_is_trained_on_with_skip(
    command: Command, tmp_path: Path
) -> None:
    good = [f">r{n}\n{text}\n" for n, text in enumerate(letters(30, 120))]
    (tmp_path / "a.fa").write_text("".join([*good[:9], ">bad\nACGT!\n", *good[9:]]))
    words = ("pretrain", "--steps", "2", "--window", "16", "--batch-tokens", "64",
             "--set", "transformer.blocks=1", "--set", "width=16", "--set", "heads=2")  # fmt: skip
    command("build-vocab", "a.fa", "--domain", "genome", "--k", "3", "-q", "--on-error", "skip")
    command(*words, "--on-error", "stop", check=3)
    done = command(*words)
    manifest = checkpoint.load(tmp_path / "pretrained" / checkpoint.NAME).manifest
    assert manifest.settings["on_error"] == "skip"
    assert "skip" in done.err


def test_a_table_of_a_header_alone_is_refused_everywhere(
    command: Command, tmp_path: Path, pretrained: Pretrained
) -> None:
    pretrained(tmp_path)
    (tmp_path / "a.csv").write_text("id,sequence,label\n")
    for words in (
        ("inspect", "a.csv"),
        ("build-vocab", "a.csv", "--domain", "genome"),
        ("embed", "a.csv"),
        ("finetune", "--task", "promoter", "--labels", "a.csv"),
        ("probe", "--task", "promoter", "--labels", "a.csv"),
    ):
        assert "a.csv" in command(*words, check=3).err
    written(tmp_path / "b.csv", "id,sequence,label", [["b", letters(1)[0], "1"]])
    command("embed", "a.csv", "b.csv", "-q", "--on-error", "skip")
    assert embeddings.read(tmp_path / "embeddings.parquet").ids == ["b"]
    command("embed", "a.csv", "-o", "c.parquet", "--on-error", "skip", check=3)


def test_kmers_with_blanks_are_refused_everywhere_and_blocks_are_read(
    command: Command, tmp_path: Path, pretrained: Pretrained
) -> None:
    pretrained(tmp_path)
    texts = letters(12)
    written(tmp_path / "k.csv", "sequence,label", [[kmers(t), str(n % 2)]
                                                   for n, t in enumerate(texts)])  # fmt: skip
    (tmp_path / "k.fa").write_text("".join(f">{n}\n{kmers(t)}\n" for n, t in enumerate(texts)))
    blocks = [" ".join(t[at : at + 10] for at in range(0, 60, 10)) for t in texts]
    (tmp_path / "blocks.fa").write_text("".join(f">{n}\n{t}\n" for n, t in enumerate(blocks)))
    for name in ("k.csv", "k.fa"):
        for words in (
            ("inspect", name),
            ("build-vocab", name, "--domain", "genome", "-o", "v.parquet"),
            ("embed", name),
        ):
            done = command(*words, check=3)
            assert "k-mers" in done.err
            assert "--on-error skip" not in done.err
    for stage in ("probe", "finetune"):
        command(stage, "--task", "promoter", "--labels", "k.csv", check=3)
    results = command("build-vocab", "blocks.fa", "--domain", "genome", "--json", "-q").json
    assert results["letters"] == 12 * 60


def test_guessed_ids_that_repeat_are_numbers_in_embed_and_probe_alike(
    command: Command, tmp_path: Path, pretrained: Pretrained
) -> None:
    pretrained(tmp_path)
    texts = letters(60)
    rows = [["same" if n < 2 else f"r{n}", t, "Na" if n % 2 else "K"]
            for n, t in enumerate(texts)]  # fmt: skip
    written(tmp_path / "a.csv", "name,sequence,label", rows)
    done = command("embed", "a.csv")
    assert "numbered" in done.err
    table = embeddings.read(tmp_path / "embeddings.parquet")
    assert table.ids == [str(n + 1) for n in range(60)]
    words = ("probe", "--task", "classification", "--labels", "a.csv")
    command(*words, "--embeddings", "embeddings.parquet", "-q")
    command(*words, "--id-column", "name", check=3)
    done = command("embed", "a.csv", "--id-column", "name", "-o", "named.parquet")
    assert "id of an earlier one" in done.err
    assert embeddings.read(tmp_path / "named.parquet").ids[:3] == ["same", "same", "r2"]


def test_all_that_a_table_lacks_is_told_at_once(
    command: Command, tmp_path: Path, pretrained: Pretrained
) -> None:
    pretrained(tmp_path)
    rows = [[text, "x"] for text in letters(5)]
    written(tmp_path / "a.csv", "bases,kind", rows)
    for stage in ("probe", "finetune"):
        done = command(stage, "--task", "promoter", "--labels", "a.csv", check=3)
        assert "--sequence-column" in done.err
        assert "--label-column" in done.err
        assert "bases, kind" in done.err
    outcome = command("embed", "a.csv", "--sequence-column", "bases", "--label-column", "kind")
    assert outcome.code == 0


def test_columns_have_options_where_labels_are_read(
    command: Command, tmp_path: Path, pretrained: Pretrained
) -> None:
    pretrained(tmp_path)
    rows = [[text, str(n % 2), f"k{n}"] for n, text in enumerate(letters(60))]
    written(tmp_path / "a.tsv", "bases\tkind\tkey", rows, "\t")
    words = ("probe", "--task", "promoter", "--labels", "a.tsv", "-q", "--json", "--force")
    named = ("--sequence-column", "bases", "--label-column", "kind", "--id-column", "key")
    one = command(*words, *named).json
    settings = ("sequence_column=bases", "label_column=kind", "id_column=key")
    two = command(*words, *(word for pair in settings for word in ("--set", pair))).json
    assert one == two
    ids = pq.read_table(tmp_path / "probed" / "promoter" / "predictions.parquet")["id"]
    assert set(ids.to_pylist()) <= {f"k{n}" for n in range(60)}


def test_a_table_as_r_writes_it_has_the_names_of_its_rows_as_ids(
    command: Command, tmp_path: Path, pretrained: Pretrained
) -> None:
    pretrained(tmp_path)
    rows = [[f'"g{n}"', f'"{text}"', str(n % 2)] for n, text in enumerate(letters(6))]
    written(tmp_path / "a.txt", '"sequence"\t"label"', rows, "\t")
    command("embed", "a.txt", "--label-column", "label", "-q")
    table = embeddings.read(tmp_path / "embeddings.parquet")
    assert table.ids == [f"g{n}" for n in range(6)]
    assert table.labels == ["0", "1"] * 3
    assert table.lengths.tolist() == [58] * 6


def test_bytes_and_floats_of_parquet_are_sequences_and_ids(
    command: Command, tmp_path: Path, pretrained: Pretrained
) -> None:
    pretrained(tmp_path)
    texts = letters(3)
    columns = {"id": [1.0, 2.0, 3.0], "sequence": [text.encode() for text in texts]}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    command("embed", "a.parquet", "-q")
    table = embeddings.read(tmp_path / "embeddings.parquet")
    assert table.ids == ["1", "2", "3"]
    assert table.lengths.tolist() == [58] * 3


def test_tables_without_ids_are_told_apart_by_their_names(
    command: Command, tmp_path: Path, pretrained: Pretrained
) -> None:
    pretrained(tmp_path)
    texts = letters(4)
    written(tmp_path / "a.csv", "sequence", [[text] for text in texts[:2]])
    written(tmp_path / "b.csv", "sequence", [[text] for text in texts[2:]])
    command("embed", "a.csv", "b.csv", "-q")
    table = embeddings.read(tmp_path / "embeddings.parquet")
    assert table.ids == ["a.csv:1", "a.csv:2", "b.csv:1", "b.csv:2"]
