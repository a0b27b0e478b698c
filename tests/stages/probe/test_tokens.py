"""probe of labels of units: made-up sequences whose labels depend on what stands around."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

Command = Callable[..., Any]
Pretrained = Callable[..., None]
LETTERS = "ACDEFG"
PROTEIN = ("probe", "--task", "secondary-structure", "--threads", "1", "--device", "cpu")
GENOME = ("probe", "--task", "tagging", "--threads", "1", "--device", "cpu")


def circling(draw: np.random.Generator, size: int = 48) -> tuple[str, str]:
    """Stretches that go up or down a circle of letters, and which they do.

    A letter alone says nothing, nor does any sum over the letters around: two of them do together.
    """
    letters, states, at = "", "", int(draw.integers(6))
    while len(letters) < size:
        up = int(draw.integers(2))
        for _ in range(int(draw.integers(8, 16))):
            at = (at + 2 * up - 1) % 6
            letters += LETTERS[at]
            states += "HE"[up]
    return letters[:size], states[:size]


def write_near(folder: Path, count: int = 60, more: str = "") -> Path:
    """Bases, and whether a G stands next to each or next but one: ``labels/tagging.csv``."""
    draw = np.random.default_rng(4)
    rows = []
    for _ in range(count):
        bases = "".join(
            draw.choice(list("ACGT"), int(draw.integers(20, 90)), p=[0.3, 0.3, 0.1, 0.3])
        )
        near = ["n" if "G" in bases[max(0, at - 2) : at + 3] else "f" for at in range(len(bases))]
        # What is masked is told wrongly: whoever looks at it loses.
        rows.append(f"{bases},{'?' + ''.join(near[1:])}")
    path = folder / "labels" / "tagging.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text("sequence,label\n" + "\n".join(rows) + "\n" + more)
    return path


def values(results: Any, metric: str = "accuracy") -> dict[str, float]:
    return {model["name"]: model["metrics"][metric]["value"] for model in results["models"]}


def test_an_encoder_knows_what_no_window_shows(sslkit: Command, tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    text = "".join(f">s{n}\n{circling(draw)[0]}\n" for n in range(200))
    (tmp_path / "corpus.fasta").write_text(text)
    (tmp_path / "labels").mkdir()
    rows = [f"r{n},{letters},?{states[1:]}" for n in range(80)
            for letters, states in [circling(draw)]]  # fmt: skip
    path = tmp_path / "labels" / "secondary-structure.csv"
    path.write_text("\n".join(["id,sequence,label", *rows]) + "\n")
    sslkit("build-vocab", "corpus.fasta", "--domain", "protein")
    shape = ("--model", "conv", "--set", "blocks=2", "--set", "width=32", "--window", "48")
    training = ("--steps", "60", "--batch-tokens", "1536", "--learning-rate", "5e-3")
    sslkit("pretrain", *shape, *training, "--device", "cpu", "--threads", "1")
    done = sslkit(*PROTEIN)
    assert "secondary-structure: 752 known units of 16 test records" in done.out
    assert "labels of 3,760 of 3,840 units are known" in done.err
    assert "fitted to 3,008 of 3,008 known units, of 64 of 64 training records" in done.err
    assert "pretrained logistic - window of 15 logistic, accuracy: +0." in done.err
    report = json.loads((tmp_path / "probed/secondary-structure/probe.json").read_text())
    results = report["results"]
    accuracies = values(results)
    assert list(accuracies) == [
        "majority", "unit logistic", "window of 15 logistic", "untrained logistic",
        "pretrained logistic",
    ]  # fmt: skip
    assert accuracies["window of 15 logistic"] < 0.65
    assert accuracies["pretrained logistic"] > max(0.95, accuracies["untrained logistic"])
    assert [each["baseline"] for each in results["differences"]] == list(accuracies)[:-1]
    again = sslkit(*PROTEIN, "--json", "-q")
    assert again.json == results
    assert "holds another run" in sslkit(*PROTEIN, "--seed", "2", check=2).err
    check_predictions(tmp_path, results)
    assert "model" in sslkit("show", "probed/secondary-structure/predictions.parquet").out


def check_predictions(folder: Path, results: Any) -> None:
    """The table says for every unit what the report sums up."""
    table = pq.read_table(folder / "probed/secondary-structure/predictions.parquet").to_pylist()
    given = {}
    for line in (folder / "labels/secondary-structure.csv").read_text().splitlines()[1:]:
        name, _, label = line.split(",")
        given[name] = label
    for model in results["models"]:
        rows = [row for row in table if row["model"] == model["name"]]
        assert len(rows) == results["test_records"]
        right = total = 0
        for row in rows:
            assert row["label"] == given[row["id"]]
            assert len(row["prediction"]) == len(row["label"])
            known = [(a, b) for a, b in zip(row["label"], row["prediction"], strict=True)
                     if a != "?"]  # fmt: skip
            right += sum(a == b for a, b in known)
            total += len(known)
        assert total == results["test_units"]
        assert model["metrics"]["accuracy"]["value"] == pytest.approx(right / total)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_window_knows_what_a_unit_does_not(
    command: Command, tmp_path: Path, pretrained: Pretrained, stride: int
) -> None:
    pretrained(tmp_path, stride=stride)
    write_near(tmp_path)
    done = command(*GENOME, "--json")
    assert f"the next begins {stride} later: each unit has the features of" in done.err
    accuracies = values(done.json)
    assert accuracies["window of 15 logistic"] > accuracies["unit logistic"] + 0.1
    assert accuracies["window of 15 logistic"] > 0.95
    assert accuracies["untrained logistic"] > accuracies["majority"]
    small = command(*GENOME, "--json", "--set", "around=3", "-o", "small").json
    assert accuracies["unit logistic"] < values(small)["window of 3 logistic"] < 0.95
    alone = command(*GENOME, "--json", "--set", "around=1", "-o", "alone").json
    assert [n for n in values(alone) if "window" in n] == []


def test_no_more_units_are_fitted_to_than_asked_for(
    command: Command, tmp_path: Path, pretrained: Pretrained
) -> None:
    pretrained(tmp_path)
    write_near(tmp_path)
    done = command(*GENOME, "--set", "most=300", "--json")
    assert done.json["trained_units"] == [300]
    assert "fitted to 300 of" in done.err
    assert "--set most=N" in done.err
    folds = command(*GENOME, "--folds", "3", "-o", "folds", "--json").json
    assert folds["test_records"] == 60
    assert len(folds["models"][-1]["chosen"]) == 3


def test_what_is_masked_has_no_say(
    command: Command, tmp_path: Path, pretrained: Pretrained
) -> None:
    """Masked by a FASTA of masks or by the letter: the same; and whatever stood there."""
    pretrained(tmp_path)
    path = write_near(tmp_path, 40)
    wanted = command(*GENOME, "--json").json
    rows = [line.split(",") for line in path.read_text().splitlines()[1:]]
    files: dict[str, list[str]] = {"sequences": [], "labels": [], "mask": []}
    for number, (bases, label) in enumerate(rows, 1):
        files["sequences"].append(f">{number}\n{bases}\n")
        files["labels"].append(f">{number}\n{label.replace('?', 'nf'[number % 2])}\n")
        files["mask"].append(f">{number}\n{''.join('10'[cell == '?'] for cell in label)}\n")
    for name, lines in files.items():
        (tmp_path / f"{name}.fasta").write_text("".join(lines))
    words = ("--labels", "labels.fasta", "--set", "sequences=sequences.fasta")
    masked = command(*GENOME, *words, "--set", "mask=mask.fasta", "-o", "fasta", "--json").json
    assert masked == wanted
    assert command(*GENOME, *words, "-o", "all", "--json").json != wanted
    first = pq.read_table(tmp_path / "probed/tagging/predictions.parquet")
    assert first.equals(pq.read_table(tmp_path / "fasta/predictions.parquet"))


def test_parts_are_respected_and_equal_records_stay_on_one_side(
    command: Command, tmp_path: Path, pretrained: Pretrained
) -> None:
    pretrained(tmp_path)
    path = write_near(tmp_path, 40)
    rows = path.read_text().splitlines()[1:]
    parts = ["train"] * 25 + ["valid"] * 5 + ["test"] * 10
    # A training record that equals a test record, read in the other direction.
    alternative = rows[-1].split(",")[0][::-1].translate(str.maketrans("ACGT", "TGCA"))
    lines = [f"{row},{part}" for row, part in zip(rows, parts, strict=True)]
    lines.append(f"{alternative},{'n' * len(alternative)},train")
    path.write_text("\n".join(["sequence,label,split", *lines]) + "\n")
    done = command(*GENOME, "--json")
    assert "1 dropped from train" in done.err
    assert done.json["test_records"] == 10
    assert done.json["trained_records"] == [30]
    table = pq.read_table(tmp_path / "probed/tagging/predictions.parquet").to_pydict()
    assert set(table["row"]) == set(range(30, 40))


def test_words_have_names(command: Command, tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    kinds = {"D": ["the", "a"], "N": ["cat", "tree", "house"], "V": ["sees", "likes"]}

    def sentence() -> str:
        return " ".join(str(draw.choice(kinds[kind])) for kind in "DNVDN")

    (tmp_path / "corpus.txt").write_text("".join(f"{sentence()}\n" for _ in range(200)))
    rows = "".join(f"{sentence()},D N V ? N\n" for _ in range(90))
    (tmp_path / "t.csv").write_text("sequence,label\n" + rows)
    command("build-vocab", "corpus.txt", "--domain", "text")
    shape = ("--set", "blocks=1", "--set", "width=16", "--set", "heads=2", "--window", "16")
    command("pretrain", *shape, "--steps", "2", "--batch-tokens", "256", "--device", "cpu")
    words = ("--labels", "t.csv", "--set", "separator=blank")
    results = command(*GENOME, *words, "--json").json
    assert results["classes"] == ["D", "N", "V"]
    assert values(results)["unit logistic"] == 1
    table = pq.read_table(tmp_path / "probed/tagging/predictions.parquet").to_pydict()
    assert set(table["label"]) == {"D N V ? N"}
    assert table["prediction"][-1] == "D N V D N"


BAD = [
    ((), "ACGTA,nnff\n", 3, "its label has 4 letters, and its sequence 5 units"),
    ((), "ACGZA,nnfff\n", 3, "'Z' at base 4 is not a letter of DNA or RNA"),
    ((), "AC,nn\n", 3, "it is 2 long, and one token takes 3"),
    (("--embeddings", "e.parquet"), "", 2, "--embeddings has no meaning for labels of units"),
    (("--pooling", "max"), "", 2, "--pooling has no meaning for labels of units"),
    (("--plot", "x.png"), "", 2, "--plot draws contacts"),
    (("--layer", "9"), "", 2, "there is no layer 9"),
    (("--set", "around=4"), "", 2, "around is odd and above 0, not 4"),
    (("--set", "sequences=x.fasta"), "", 2, "--set sequences is for labels in FASTA"),
    (("--set", "most=1"), "", 3, "have 1 class(es)"),
]


@pytest.mark.parametrize(("words", "row", "code", "message"), BAD)
def test_what_cannot_be_done_is_refused(
    command: Command, tmp_path: Path, pretrained: Pretrained, words: tuple[str, ...], row: str,
    code: int, message: str,
) -> None:  # fmt: skip
    pretrained(tmp_path)
    write_near(tmp_path, 40, row)
    errors = " ".join(command(*GENOME, *words, check=code).err.split())
    assert message in errors
    if row:
        assert "labels/tagging.csv, row 41" in errors
        skipped = command(*GENOME, "--on-error", "skip", "--json")
        assert "40 records, 1 skipped" in skipped.err


def test_other_commands_and_other_domains_say_where_it_belongs(
    command: Command, tmp_path: Path, pretrained: Pretrained
) -> None:
    pretrained(tmp_path)
    path = write_near(tmp_path, 40)
    errors = command(*PROTEIN, "--labels", path, check=2).err
    assert "task secondary-structure is about protein" in errors
    assert "sequence and label" in command("show", "task", "tagging").out
