"""Labels of whole records: parts without a class, weights, and what a model predicts of them."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from sslkit.artifacts import predictions
from sslkit.console import Console
from sslkit.data import examples
from sslkit.data.examples import Examples
from sslkit.domains import genome
from sslkit.errors import UsageError
from sslkit.objectives import supervised
from sslkit.supervision.record import Records, Supervision
from sslkit.tasks import promoter, regression
from sslkit.types import Labelled, Record, Targets

CLASSES = Supervision(promoter, promoter.Settings())
NUMBERS = Supervision(regression, regression.Settings())


def records(values: list[float], classes: tuple[str, ...]) -> Records:
    count = len(values)
    rows = tuple(Record(f"r{n}", "", "a.csv", n + 1) for n in range(count))
    targets = Targets(np.array(values, np.int64 if classes else np.float64), classes)
    nothing = np.zeros(count, np.int64)
    units = tuple(np.zeros(4, np.uint8) for _ in rows)
    return Examples(Labelled(rows, ("",) * count, None, ()), units, targets, nothing, nothing)


def test_parts_without_a_class_are_named(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(
        "id,sequence,label\n" + "".join(f"r{n},ACGT{'ACGT'[n % 4] * (n + 1)},{int(n == 0)}\n"
                                        for n in range(20))
    )  # fmt: skip
    domain = genome.Domain(genome.Settings(k=2))
    read = CLASSES.read({"": [path]}, domain, "stop", Console(quiet=True))
    split = examples.divide(read, {"valid": 0.2, "test": 0.2}, 1, Console(quiet=True))
    assert CLASSES.remarks(read, split) == [
        "class 1 is missing from the valid part", "class 1 is missing from the test part"
    ]  # fmt: skip


def test_outputs_are_probabilities_or_numbers_of_the_labels() -> None:
    domain = genome.Domain(genome.Settings())
    pair = records([0, 1, 1], ("no", "yes"))
    rows = CLASSES.rows(domain, pair, np.arange(3), 4, "none")
    likely = CLASSES.decode(np.log([[1.0, 3.0]]), rows)
    np.testing.assert_allclose(likely, [[0.25, 0.75]])
    numbers = records([1.0, 5.0, 99.0], ())
    rows = NUMBERS.rows(domain, numbers, np.array([0, 1]), 4, "none")
    # Mean 3 and deviation 2 are those of the training part.
    assert rows.target.tolist() == [-1.0, 1.0, 48.0]
    assert NUMBERS.decode(np.array([[0.0], [1.5]]), rows).tolist() == [3.0, 6.0]


def test_weights_make_classes_count_alike() -> None:
    domain = genome.Domain(genome.Settings())
    rare = records([0, 0, 0, 1], ("no", "yes"))
    weight = CLASSES.rows(domain, rare, np.arange(4), 4, "balanced").weight
    np.testing.assert_allclose(weight, [2 / 3, 2 / 3, 2 / 3, 2])
    with pytest.raises(UsageError, match="no class weights"):
        NUMBERS.rows(domain, records([1.0, 2.0], ()), np.arange(2), 4, "balanced")
    with pytest.raises(UsageError, match="none or balanced"):
        CLASSES.rows(domain, rare, np.arange(4), 4, "heavy")


def test_places_have_weights_only_where_tokens_are_cut() -> None:
    domain, settings = genome.Domain(genome.Settings()), supervised.Settings()
    same = records([0, 1], ("no", "yes"))
    rows = CLASSES.rows(domain, same, np.arange(2), 3, "none")
    assert CLASSES.objective(settings, same, rows, Console(quiet=True)).positions == 3
    whole = CLASSES.rows(domain, same, np.arange(2), None, "none")
    assert CLASSES.objective(settings, same, whole, Console(quiet=True)).positions == 0


def test_models_stand_one_below_the_other(tmp_path: Path) -> None:
    held = records([0, 1, 1, 0], ("no", "yes"))
    right = CLASSES.predictions(held, np.arange(4), np.eye(2)[[0, 1, 1, 0]])
    wrong = CLASSES.predictions(held, np.arange(4), np.eye(2)[[1, 1, 1, 1]])
    assert wrong.is_constant
    assert not right.is_constant
    assert right.metrics(1)["accuracy"]["value"] == 1
    assert right.difference(wrong, 1)["value"] == 0.5
    some = right.of(np.array([1, 3]))
    assert some.predicted.tolist() == [[0, 1], [1, 0]]
    assert some.sizes() == {"test_records": 2}
    path = tmp_path / predictions.NAME
    models = {"a": some, "b": wrong.of(some.rows)}
    CLASSES.save(path, models, ["test"] * 2, "{}")
    table = pq.read_table(path).to_pydict()
    assert table["model"] == ["a", "a", "b", "b"]
    assert table["id"] == ["r1", "r3"] * 2
    assert table["row"] == [1, 3] * 2
    assert table["prediction"] == ["yes", "no", "yes", "yes"]
    CLASSES.save(path, {"": some}, ["valid", "test"], "{}")
    assert "model" not in pq.read_table(path).column_names
