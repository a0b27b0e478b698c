"""`import sslkit`: the numbers of the commands, from Python."""

import importlib.metadata
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sslkit
from sslkit.errors import DataError, UsageError

Run = Callable[..., Any]
PRETRAIN = (
    *("pretrain", "--steps", "3", "--set", "blocks=1", "--set", "width=16", "--set", "heads=2"),
    *("--window", "32", "--batch-tokens", "256", "--precision", "fp32", "--threads", "1", "-q"),
)
FINETUNE = ("finetune", "--steps", "6", "--precision", "fp32", "--threads", "1", "-q")


def records_of(path: Path) -> list[tuple[str, str]]:
    """Ids and letters of a FASTA file with one line of letters a record."""
    lines = path.read_text().split()
    return [(name[1:], letters) for name, letters in zip(lines[::2], lines[1::2], strict=True)]


def test_embeddings_and_scores_are_those_of_the_commands(
    command: Run, tiny_genome: Path, tiny_vocab: Path, tmp_path: Path
) -> None:
    command(*PRETRAIN)
    common = ("corpus/genes.fa", "--threads", "1", "-q")
    command("embed", *common, "--precision", "fp32")
    command("score", *common)
    model = sslkit.load("pretrained", threads=1)
    assert (model.domain, model.stage) == ("genome", "pretrain")
    records = records_of(tiny_genome / "genes.fa")
    assert len(records) == 20
    table = pd.read_parquet("embeddings.parquet")
    vectors = model.embed(records)
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, np.stack(table["embedding"]))
    few = model.embed([text for _, text in records[3:5]])
    np.testing.assert_allclose(few, vectors[3:5], atol=1e-5)
    assert not np.allclose(model.embed(records, layer=0), vectors, atol=1e-3)
    scores = model.score(pd.DataFrame(records, columns=["id", "sequence"]))
    table = pd.read_parquet("scores.parquet")
    for column in ("id", "length", "tokens", "log_likelihood", "perplexity"):
        assert scores[column].tolist() == table[column].tolist(), column
    assert np.isnan(model.embed(["A", "ACGTACGT"])).all(axis=1).tolist() == [True, False]
    with pytest.raises(UsageError) as caught:
        model.predict(records)
    assert "sslkit finetune" in caught.value.do
    with pytest.raises(UsageError):
        model.embed(records, layer=7)
    with pytest.raises(UsageError):
        sslkit.load(tmp_path / "absent")


def test_predictions_are_those_of_finetune(
    command: Run, tiny_genome: Path, tiny_vocab: Path, tiny_labels: Path
) -> None:
    command(*PRETRAIN)
    command(*FINETUNE, "--task", "promoter")
    model = sslkit.load("finetuned/promoter", threads=1)
    labelled = pd.read_csv(tiny_labels)
    predicted = model.predict(labelled)
    table = pd.read_parquet("finetuned/promoter/predictions.parquet")
    assert list(predicted) == ["id", "prediction", "probability_0", "probability_1"]
    assert table["id"].tolist() == predicted["id"].tolist()
    for column in predicted:
        assert predicted[column].tolist() == table[column].tolist(), column
    some = model.predict(labelled["sequence"][:3])
    np.testing.assert_allclose(some["probability_1"], predicted["probability_1"][:3], atol=1e-6)
    assert np.isfinite(model.embed(labelled)).all()
    with pytest.raises(DataError) as caught:
        model.predict([("short", "A")])
    assert caught.value.where == "the records given, record 1 (short)"
    with pytest.raises(UsageError):
        model.score(labelled)


def test_numbers_are_predicted_in_their_own_unit(
    command: Run, tiny_genome: Path, tiny_vocab: Path, tiny_labels: Path
) -> None:
    labelled = pd.read_csv(tiny_labels)
    labelled["label"] = 300 + 50 * labelled["sequence"].str.count("A")
    labelled.to_csv("numbers.csv", index=False)
    command(*PRETRAIN)
    command(*FINETUNE, "--task", "regression", "--labels", "numbers.csv")
    predicted = sslkit.load("finetuned/regression", threads=1).predict(labelled)
    table = pd.read_parquet("finetuned/regression/predictions.parquet")
    assert list(predicted) == ["id", "prediction"]
    assert predicted["prediction"].tolist() == table["prediction"].tolist()
    assert predicted["prediction"].between(500, 1800).all()


def test_labels_of_units_are_texts_as_long_as_their_record(
    command: Run, tiny_genome: Path, tiny_vocab: Path, tiny_labels: Path
) -> None:
    labelled = pd.read_csv(tiny_labels)
    labelled["label"] = labelled["sequence"].str.replace("[AT]", "w", regex=True)
    labelled["label"] = labelled["label"].str.replace("[CG]", "s", regex=True)
    labelled.to_csv("units.csv", index=False)
    command(*PRETRAIN)
    command(*FINETUNE, "--task", "tagging", "--labels", "units.csv")
    predicted = sslkit.load("finetuned/tagging", threads=1).predict(labelled).set_index("id")
    table = pd.read_parquet("finetuned/tagging/predictions.parquet").set_index("id")
    assert len(table) > 5
    assert predicted["prediction"][table.index].tolist() == table["prediction"].tolist()
    assert predicted["prediction"].str.len().tolist() == [60] * 80


def test_the_package_is_light_until_a_model_is_loaded() -> None:
    code = (
        "import sys, sslkit; from sslkit.errors import DataError; print(sslkit.__version__, "
        "sorted({'torch', 'numpy', 'pandas', 'typer'} & set(sys.modules)), sslkit.load.__module__)"
    )
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [importlib.metadata.version("sslkit"), "[]", "sslkit.api"]
    assert not hasattr(sslkit, "absent")
