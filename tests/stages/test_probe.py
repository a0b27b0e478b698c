"""The probe stage: the command as a user runs it, honest splits, clear refusals."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from sslkit.artifacts import embeddings, manifest, predictions
from sslkit.console import Console
from sslkit.domains import genome
from sslkit.errors import DataError, UsageError
from sslkit.stages.probe import run

_K = 3


@pytest.fixture
def folder(
    tmp_path: Path,
    tiny_labels: Path,
    pretrained: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """``labels/promoter.csv`` and a small encoder in ``pretrained/``, as pretrain writes it."""
    pretrained(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _options(**changed: Any) -> run.Options:
    values: dict[str, Any] = {
        "task": "promoter", "labels": None, "valid": None, "test": None,
        "checkpoint": Path("pretrained"), "embeddings": None, "folds": None, "test_share": 0.25,
        "families": True,
        "pooling": "mean", "layer": -1, "window": None, "batch_tokens": 2048, "plot": None,
        "precision": "fp32", "threads": 1, "device": "cpu",
    }  # fmt: skip
    return run.Options(**(values | changed))


def _run(**changed: Any) -> Any:
    options = _options(**changed)
    run.run(options, Console())
    return json.loads(((options.out or Path("probed") / options.task) / "probe.json").read_text())


def _table(folder: Path, labels: list[str] | None, vectors: Any, ids: list[str]) -> Path:
    provenance = manifest.make(
        "embed",
        {"pooling": "mean", "layer": 2},
        plugins={"domain": manifest.plugin("genome", genome, genome.Settings(k=_K))},
    )
    blocks = [
        embeddings.Block(
            name, row, 58, False, vectors[row : row + 1], None if labels is None else labels[row]
        )
        for row, name in enumerate(ids)
    ]
    columns = embeddings.schema(vectors.shape[1], labels=labels is not None, spans=False)
    path = folder / "embeddings.parquet"
    embeddings.write(path, [embeddings.table(blocks, columns)], columns, provenance)
    return path


def test_the_command_as_a_user_runs_it(folder: Path, sslkit: Callable[..., Any]) -> None:
    words = ("probe", "--task", "promoter", "--threads", "1")
    first = sslkit(*words)
    for name in ("majority", "composition logistic", "untrained k-NN", "pretrained logistic"):
        assert name in first.out
    assert "16 test records (64 trained on), seed 1" in first.out
    assert "from pretrained/checkpoint.pt: genome" in first.err
    assert "there are only 16 test records" in first.err
    result = sslkit(*words, "--seed", "2", "--force", "--json", "-q").json
    assert result["models"][0]["name"] == "majority"


def test_report_and_predictions_hold_every_model_on_the_same_records(folder: Path) -> None:
    report = _run()["results"]
    names = [model["name"] for model in report["models"]]
    assert names == [
        "majority", "composition logistic", "places logistic", "untrained logistic",
        "untrained k-NN", "pretrained logistic", "pretrained k-NN",
    ]  # fmt: skip
    table, provenance = predictions.load(Path("probed/promoter/predictions.parquet"))
    assert table.models is not None
    assert len(table.ids) == len(names) * report["test_records"] == 7 * 20
    assert provenance.parents == {"pretrained/checkpoint.pt": manifest.describe(
        [Path("pretrained/checkpoint.pt")]
    )[0].sha256}  # fmt: skip
    pretrained = [row for row, name in enumerate(table.models) if name == "pretrained logistic"]
    accuracy = (table.predicted[pretrained].argmax(1) == table.labels[pretrained]).mean()
    assert report["models"][5]["metrics"]["accuracy"]["value"] == pytest.approx(accuracy)
    assert [d["baseline"] for d in report["differences"]] == names[1:4]


def test_a_finished_run_is_shown_again_and_another_one_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _run()
    first = capsys.readouterr()
    _run()
    again = capsys.readouterr()
    assert again.out == first.out
    assert "nothing to do" in again.err
    with pytest.raises(UsageError, match="holds another run") as error:
        _run(seed=2)
    assert error.value.why == "settings.seed was 1 and is 2"
    _run(seed=2, force=True)


def test_equal_runs_give_equal_bytes(folder: Path) -> None:
    for name in ("a", "b"):
        _run(out=Path(name))
    for file in ("probe.json", "predictions.parquet"):
        assert Path("a", file).read_bytes() == Path("b", file).read_bytes()


def test_folds_predict_every_record_once(folder: Path) -> None:
    report = _run(folds=4)["results"]
    assert report["test_records"] == 80
    table, _ = predictions.load(Path("probed/promoter/predictions.parquet"))
    assert sorted(table.ids[:80]) == sorted(f"s{n}" for n in range(80))
    assert "4-fold cross-validation, stratified by class" in report["title"]
    assert len(report["models"][1]["chosen"]) == 4


def test_duplicates_of_given_test_records_leave_train(folder: Path) -> None:
    lines = Path("labels/promoter.csv").read_text().splitlines()
    swap = str.maketrans("ACGT", "TGCA")
    name, letters, label = lines[1].split(",")
    test = [lines[0], f"t{name},{letters.translate(swap)[::-1]},{label}", *lines[-20:]]
    Path("test.csv").write_text("\n".join(test) + "\n")
    Path("train.csv").write_text("\n".join(lines[:-20]) + "\n")
    report = _run(labels=[Path("train.csv")], test=[Path("test.csv")])["results"]
    assert report["test_records"] == 21
    assert "(59 trained on)" in report["title"]
    assert "1 dropped" in report["title"]
    with pytest.raises(UsageError, match="test part is given"):
        _run(labels=[Path("train.csv")], test=[Path("test.csv")], folds=3, out=Path("other"))


def test_regression_gets_ridge(folder: Path) -> None:
    lines = Path("labels/promoter.csv").read_text().splitlines()
    rows = [line.split(",")[:2] for line in lines[1:]]
    text = [f"{name},{letters},{letters.count('G') / 60}" for name, letters in rows]
    Path("labels/regression.csv").write_text("\n".join(["id,sequence,label", *text]) + "\n")
    models = {m["name"]: m["metrics"] for m in _run(task="regression")["results"]["models"]}
    assert models["composition ridge"]["r2"]["value"] > 0.8
    assert models["mean"]["r2"]["value"] < 0.05
    assert models["mean"]["spearman"]["value"] is None


def test_a_table_of_embeddings_with_labels(folder: Path) -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 120)
    vectors = (generator.normal(size=(120, 4)) + labels[:, None]).astype(np.float32)
    path = _table(folder, [str(v) for v in labels], vectors, [f"r{n}" for n in range(120)])
    models = {m["name"]: m["metrics"] for m in _run(embeddings=path)["results"]["models"]}
    assert list(models) == ["majority", "embeddings logistic", "embeddings k-NN"]
    assert models["embeddings logistic"]["auc"]["value"] > 0.8


def test_a_table_of_embeddings_is_joined_by_id(folder: Path) -> None:
    generator = np.random.default_rng(0)
    ids = [f"s{n}" for n in generator.permutation(80)]
    vectors = np.array([[int(name[1:]) % 2, 1] for name in ids], np.float32)
    path = _table(folder, None, vectors, ids)
    labels = [Path("labels/promoter.csv")]
    models = {
        m["name"]: m["metrics"] for m in _run(embeddings=path, labels=labels)["results"]["models"]
    }
    assert models["embeddings logistic"]["auc"]["value"] == 1
    assert "composition logistic" in models
    with pytest.raises(UsageError, match="has no labels"):
        _run(embeddings=path)
    path = _table(folder, None, vectors[:79], ids[:79])
    with pytest.raises(DataError, match="1 labelled records have no vector") as error:
        _run(embeddings=path, labels=labels)
    assert f"({ids[79]})" in error.value.where


def test_constant_predictions_are_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = [str(int(n % 6 == 0)) for n in range(90)]
    vectors = np.random.default_rng(0).normal(size=(90, 3)).astype(np.float32)
    _run(embeddings=_table(folder, labels, vectors, [f"r{n}" for n in range(90)]))
    errors = capsys.readouterr().err
    assert "embeddings logistic gives all test records the same prediction" in errors
    assert "majority gives" not in errors
    assert "class 1 has 4 test records only" in errors


def test_bad_labels_are_refused_with_file_and_row(folder: Path, sslkit: Callable[..., Any]) -> None:
    words = ("probe", "--task", "promoter", "--labels")
    lines = Path("labels/promoter.csv").read_text().splitlines()
    Path("one.csv").write_text("\n".join([lines[0], *lines[1::2]]) + "\n")
    with pytest.raises(DataError, match="all 40 records have the label '0'") as error:
        _run(labels=[Path("one.csv")])
    assert error.value.where == "one.csv"
    with pytest.raises(UsageError, match="no file"):
        _run(labels=[Path("absent.csv")])
    Path("protein.csv").write_text("\n".join([*lines, "p1,MKLVEF,1"]) + "\n")
    done = sslkit(*words, "protein.csv", check=3)
    assert "protein.csv, row 81 (p1)" in done.err


def test_the_table_of_predictions_can_be_joined_to_the_labels(folder: Path) -> None:
    _run()
    lines = Path("labels/promoter.csv").read_text().splitlines()[1:]
    for row in pq.read_table("probed/promoter/predictions.parquet").to_pylist():
        name, _, label = lines[row["row"]].split(",")
        assert (row["id"], row["label"]) == (name, label)
