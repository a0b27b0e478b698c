"""sslkit finetune: freezing, splitting, every kind of task, to the bit, and what it refuses."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from sslkit.artifacts import checkpoint

Command = Callable[..., Any]

TINY = (
    "finetune", "--task", "promoter", "--steps", "12", "--precision", "fp32", "--threads", "1",
    "--device", "cpu",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, tiny_labels: Path, pretrained: Command) -> Path:
    pretrained(tmp_path)
    return tmp_path


def rows(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def table(run: Path) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = pq.read_table(run / "predictions.parquet").to_pydict()
    return columns


def equal(one: Path, other: Path) -> bool:
    names = ("checkpoint.pt", "metrics.jsonl", "predictions.parquet")
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


def labels(folder: Path, kinds: Callable[[int], Any], count: int = 80, seed: int = 8) -> Path:
    """A file of random sequences of 60 bases with a label by number."""
    rng = np.random.default_rng(seed)
    path = folder / "own.csv"
    lines = [f"r{n},{''.join(rng.choice(list('ACGT'), 60))},{kinds(n)}" for n in range(count)]
    path.write_text("\n".join(["id,sequence,label", *lines]) + "\n")
    return path


def test_what_it_says_and_leaves(folder: Path, command: Command) -> None:
    done = command(*TINY)
    for text in (
        "from pretrained/checkpoint.pt: genome",
        "read labels/promoter.csv: 80 records, 0 skipped; 0: 40, 1: 40",
        "split (made valid and test): train 56, valid 8, test 16",
        "wrote finetuned/promoter/checkpoint.pt",
    ):
        assert text in done.err
    for text in ("auc", "95% from", "16 test records", "seed 1"):
        assert text in done.out
    run = folder / "finetuned/promoter"
    assert {path.name for path in run.iterdir()} == {
        "checkpoint.pt", "metrics.jsonl", "config.toml", "run.json", "predictions.parquet",
    }  # fmt: skip
    manifest = checkpoint.load(run).manifest
    assert manifest.stage == "finetune"
    assert manifest.plugins["task"]["name"] == "promoter"
    assert manifest.plugins["model"]["settings"]["blocks"] == 2
    assert list(manifest.parents) == ["pretrained/checkpoint.pt"]


def test_predictions_stand_with_their_ids(folder: Path, command: Command) -> None:
    command(*TINY)
    columns = table(folder / "finetuned/promoter")
    assert columns["id"] == [f"s{n}" for n in range(80)]
    assert columns["row"] == list(range(80))
    assert columns["label"] == [str(n % 2) for n in range(80)]
    assert {part: columns["split"].count(part) for part in ("train", "valid", "test")} == {
        "train": 56, "valid": 8, "test": 16,
    }  # fmt: skip
    sums = np.add(columns["probability_0"], columns["probability_1"])
    np.testing.assert_allclose(sums, 1, rtol=1e-6)
    classes = [str(int(a < b)) for a, b in zip(columns["probability_0"], columns["probability_1"],
                                            strict=True)]  # fmt: skip
    assert columns["prediction"] == classes


def test_metrics_are_those_of_the_test_part(folder: Path, command: Command) -> None:
    result = command(*TINY, "--json").json
    columns = table(folder / "finetuned/promoter")
    test = [n for n in range(80) if columns["split"][n] == "test"]
    right = sum(columns["label"][n] == columns["prediction"][n] for n in test)
    accuracy = result["metrics"]["accuracy"]
    assert accuracy["value"] == pytest.approx(right / len(test))
    assert accuracy["low"] <= accuracy["value"] <= accuracy["high"]
    assert result["test_records"] == 16
    assert result["checkpoint"] == "finetuned/promoter/checkpoint.pt"
    again = command(*TINY, "--json")
    assert "is finished: nothing to do" in again.err
    assert again.json == result


def test_it_learns_a_motif(folder: Path, command: Command) -> None:
    labels(folder, lambda n: n % 2, 300)
    text = (folder / "own.csv").read_text().splitlines()
    for n in range(300):
        name, sequence, label = text[n + 1].split(",")
        if label == "1":
            sequence = sequence[:20] + "TATAATTATAAT" + sequence[32:]
        text[n + 1] = f"{name},{sequence},{label}"
    (folder / "own.csv").write_text("\n".join(text))
    result = command(
        *TINY, "--labels", "own.csv", "--steps", "80", "--learning-rate", "0.005", "--json"
    ).json
    assert result["metrics"]["auc"]["value"] > 0.85


def test_freezing_8_of_12_keeps_their_bits_and_counts_by_name(
    folder: Path, command: Command, pretrained: Command
) -> None:
    pretrained(folder, blocks=12)
    done = command(*TINY, "--freeze", "8", "--learning-rate", "0.01")
    before = checkpoint.load(folder / "pretrained").tensors["encoder"]
    after = checkpoint.load(folder / "finetuned/promoter").tensors["encoder"]
    stay = {name for name in before if torch.equal(before[name], after[name])}
    frozen = ("start", "table.", *(f"blocks.{n}." for n in range(8)))
    assert stay == {name for name in before if name.startswith(frozen)}
    groups = {"embeddings": ("start", "table."), "final norm": ("norm.",)}
    groups |= {f"block {n + 1}": (f"blocks.{n}.",) for n in range(12)}
    count = {
        group: sum(value.numel() for name, value in before.items() if name.startswith(starts))
        for group, starts in groups.items()
    }
    head = checkpoint.load(folder / "finetuned/promoter").tensors["head"]
    count["head"] = sum(value.numel() for value in head.values())
    still = ["embeddings", *(f"block {n}" for n in range(1, 9))]
    moving = [*(f"block {n}" for n in range(9, 13)), "final norm", "head"]
    for word, names in (("frozen", still), ("trainable", moving)):
        listed = ", ".join(f"{name} {count[name]:,}" for name in names)
        assert f"{word} {sum(count[name] for name in names):,}: {listed}" in done.err


def test_freezing_13_of_12_is_refused_and_claims_nothing(
    folder: Path, command: Command, pretrained: Command
) -> None:
    pretrained(folder, blocks=12)
    refused = command(*TINY, "--freeze", "13", check=2)
    assert "--freeze 13: the encoder has 12 blocks" in refused.err
    assert not (folder / "finetuned").exists()
    assert "trainable" in command(*TINY, "--freeze", "12", "--steps", "2").err


def test_from_scratch_starts_elsewhere_at_the_same_budget(folder: Path, command: Command) -> None:
    words = (*TINY, "--steps", "2", "--learning-rate", "1e-9")
    command(*words)
    done = command(*words, "--from-scratch", "-o", "scratch")
    assert "from scratch: the same shape with fresh weights" in done.err
    before = checkpoint.load(folder / "pretrained").tensors["encoder"]
    pretrained = checkpoint.load(folder / "finetuned/promoter").tensors["encoder"]
    fresh = checkpoint.load(folder / "scratch").tensors["encoder"]
    name = "blocks.0.qkv.weight"
    torch.testing.assert_close(pretrained[name], before[name], rtol=0, atol=1e-6)
    assert (fresh[name] - before[name]).abs().max() > 0.01
    for run in ("scratch", "finetuned/promoter"):
        assert [row["step"] for row in rows(folder / run)] == [1, 2]
    split = [table(folder / run)["split"] for run in ("scratch", "finetuned/promoter")]
    assert split[0] == split[1]


def test_rates_fall_towards_the_input(folder: Path, command: Command) -> None:
    command(*TINY, "--steps", "1", "--set", "layer_decay=0.5")
    before = checkpoint.load(folder / "pretrained").tensors["encoder"]
    after = checkpoint.load(folder / "finetuned/promoter").tensors["encoder"]
    moved = {name: float((after[name] - before[name]).abs().max()) for name in before}
    assert moved["blocks.0.up.weight"] == pytest.approx(0, abs=1e-6)  # the head was zero
    command(*TINY, "--steps", "3", "--set", "layer_decay=0.5", "-o", "b")
    after = checkpoint.load(folder / "b").tensors["encoder"]
    moved = {name: float((after[name] - before[name]).abs().mean()) for name in before}
    assert moved["blocks.1.up.weight"] > 1.4 * moved["blocks.0.up.weight"] > 0


def test_three_classes(folder: Path, command: Command) -> None:
    labels(folder, lambda n: ("low", "mid", "high")[n % 3], 90)
    words = [word if word != "promoter" else "classification" for word in TINY]
    result = command(*words, "--labels", "own.csv", "--json").json
    assert list(result["metrics"]) == ["macro_f1", "accuracy", "mcc", "auc"]
    columns = table(folder / "finetuned/classification")
    assert {"probability_high", "probability_low", "probability_mid"} <= set(columns)
    for part in ("train", "valid", "test"):
        present = [columns["label"][n] for n in range(90) if columns["split"][n] == part]
        assert set(present) == {"low", "mid", "high"}


def test_regression_answers_in_the_units_of_the_labels(folder: Path, command: Command) -> None:
    path = labels(folder, lambda n: 0, 120)
    lines = path.read_text().splitlines()
    for n in range(1, 121):
        name, sequence, _ = lines[n].split(",")
        lines[n] = f"{name},{sequence},{1000 + 10 * sequence.count('A')}"
    path.write_text("\n".join(lines))
    words = [word if word != "promoter" else "regression" for word in TINY]
    result = command(
        *words, "--labels", "own.csv", "--steps", "60", "--learning-rate", "0.005", "--json"
    ).json
    columns = table(folder / "finetuned/regression")
    assert not [name for name in columns if name.startswith("probability")]
    assert 1000 < np.mean(columns["prediction"]) < 1300
    assert result["metrics"]["spearman"]["value"] > 0.3
    assert checkpoint.load(folder / "finetuned/regression").tensors["head"]["out.weight"].shape == (
        1, 16,
    )  # fmt: skip


def test_class_weights_make_a_rare_class_count(folder: Path, command: Command) -> None:
    labels(folder, lambda n: int(n % 8 == 0), 160)
    words = (*TINY, "--labels", "own.csv", "--learning-rate", "0.003", "--json")
    command(*words, "-o", "none")
    command(*words, "-o", "balanced", "--class-weights", "balanced")
    mean = {run: np.mean(table(folder / run)["probability_1"]) for run in ("none", "balanced")}
    assert mean["none"] < mean["balanced"]
    assert 0.4 < mean["balanced"] < 0.6
    refused = command(*words, "-o", "x", "--class-weights", "some", check=2)
    assert "--class-weights is none or balanced, not 'some'" in refused.err


def test_the_best_weights_are_kept(folder: Path, command: Command) -> None:
    """Labels at random: what is learned soon hurts."""
    rng = np.random.default_rng(3)
    labels(folder, lambda n: int(rng.random() < 0.5) if n > 1 else n, count=240)
    result = command(
        *TINY, "--labels", "own.csv", "--steps", "300", "--learning-rate", "0.01",
        "--patience", "2", "--json",
    ).json  # fmt: skip
    run = folder / "finetuned/promoter"
    losses = {row["step"]: row["heldout_loss"] for row in rows(run) if "heldout_loss" in row}
    best = min(losses, key=lambda step: losses[step])
    assert result["step"] == best
    assert result["heldout_loss"] == losses[best]
    assert rows(run)[-1]["step"] < 300
    assert [*losses][-2:] == [step for step in losses if step > best]
    # The table is of the weights that were kept.
    columns = table(run)
    valid = [n for n in range(len(columns["id"])) if columns["split"][n] == "valid"]
    loss = -np.mean([np.log(columns[f"probability_{columns['label'][n]}"][n]) for n in valid])
    assert loss == pytest.approx(losses[best], rel=1e-4)


def test_too_few_validation_records_choose_nothing(folder: Path, command: Command) -> None:
    done = command(*TINY, "--steps", "60", "--learning-rate", "0.05", "--patience", "1", "--json")
    assert "fewer than 20 validation records" in done.err
    assert done.json["step"] == len(rows(folder / "finetuned/promoter")) == 60


def test_given_parts_are_used_as_they_are(folder: Path, command: Command) -> None:
    lines = (folder / "labels/promoter.csv").read_text().splitlines()
    for name, part in (("train", lines[1:61]), ("dev", lines[61:71]), ("held", lines[71:])):
        (folder / f"{name}.csv").write_text("\n".join([lines[0], *part]))
    words = (*TINY, "--labels", "train.csv", "--valid", "dev.csv", "--test", "held.csv")
    assert "split (as given): train 60, valid 10, test 10" in command(*words).err
    columns = table(folder / "finetuned/promoter")
    assert columns["split"] == ["train"] * 60 + ["valid"] * 10 + ["test"] * 10
    assert columns["row"] == [*range(60), *range(10), *range(10)]
    swapped = (*TINY, "--labels", "train.csv", "--valid", "held.csv", "--test", "dev.csv")
    assert "valid was" in command(*swapped, check=2).err


def test_duplicates_and_reverse_complements_stay_on_one_side(
    folder: Path, command: Command
) -> None:
    rng = np.random.default_rng(5)
    complement = str.maketrans("ACGT", "TGCA")
    lines = ["id,sequence,label"]
    for n in range(60):
        sequence = "".join(rng.choice(list("ACGT"), 60))
        for copy, text in enumerate(
            (sequence, sequence.lower(), sequence.translate(complement)[::-1])
        ):
            lines.append(f"r{n}-{copy},{text},{n % 2}")
    (folder / "own.csv").write_text("\n".join(lines))
    done = command(*TINY, "--labels", "own.csv")
    assert "180 records have duplicates" in done.err
    columns = table(folder / "finetuned/promoter")
    for n in range(60):
        assert len(set(columns["split"][3 * n : 3 * n + 3])) == 1
    # Where the parts are given, copies are dropped from training.
    (folder / "test.csv").write_text("\n".join([lines[0], "x" + lines[2], "x" + lines[6]]))
    done = command(*TINY, "--labels", "own.csv", "--test", "test.csv", "-o", "given")
    assert "6 dropped from train" in done.err
    columns = table(folder / "given")
    assert not {"r0-0", "r0-1", "r1-2"} & set(columns["id"])
    assert columns["split"].count("test") == 2


def test_constant_predictions_are_told(folder: Path, command: Command) -> None:
    labels(folder, lambda n: int(n % 8 == 0), 160)
    words = (*TINY, "--labels", "own.csv", "--steps", "1", "--learning-rate", "1e-6")
    done = command(*words)
    assert "all test records get the same prediction" in done.err
    assert "all test records get the same prediction" in command(*words, "-q").err


def test_a_class_that_a_part_lacks_is_told(folder: Path, command: Command) -> None:
    labels(folder, lambda n: 2 if n == 0 else n % 2, 60)
    words = (*TINY, "--task", "classification", "--labels", "own.csv")
    done = command(*words, "--json")
    assert "class 2 is missing from the valid part" in done.err
    assert "class 2 is missing from the test part" in done.err
    assert done.json["metrics"]["auc"]["value"] is not None
    assert "NaN" not in done.out


def test_parts_that_nothing_is_left_for(folder: Path, command: Command) -> None:
    labels(folder, lambda n: n % 2, 3)
    refused = command(*TINY, "--labels", "own.csv", check=3)
    assert "no record is left for the" in refused.err
    assert "own.csv" in refused.err


def test_bad_rows_stop_or_are_passed_over(folder: Path, command: Command) -> None:
    path = folder / "labels/promoter.csv"
    path.write_text(path.read_text() + "bad,MKVLEE,1\nshort,AC,0\nempty,,1\nnone,ACGTACGT,\n")
    refused = command(*TINY, check=3)
    assert "labels/promoter.csv, row 8" in refused.err
    assert "--on-error skip" in refused.err
    done = command(*TINY, "--on-error", "skip")
    assert "80 records, 4 skipped" in done.err
    assert table(folder / "finetuned/promoter")["id"] == [f"s{n}" for n in range(80)]


def test_records_longer_than_the_window_are_told(folder: Path, command: Command) -> None:
    done = command(*TINY, "--steps", "2", "--window", "20")
    assert "80 records are longer than 20 tokens; their ends are not read" in done.err


def test_same_seed_same_bytes_other_seed_other_bytes(folder: Path, command: Command) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        command(*TINY, "-o", name, "--seed", str(seed))
    assert equal(folder / "a", folder / "b")
    assert (folder / "a/checkpoint.pt").read_bytes() != (folder / "c/checkpoint.pt").read_bytes()
    command("finetune", "--config", "a/config.toml", "-o", "d")
    assert equal(folder / "a", folder / "d")


def test_another_run_is_refused_by_what_differs(
    folder: Path, command: Command, pretrained: Command
) -> None:
    command(*TINY)
    refused = command(*TINY, "--freeze", "1", "--batch", "16", check=2)
    assert "batch was 32 and is 16" in refused.err
    assert "plugins.adaptation.settings.freeze was 0 and is 1" in refused.err
    pretrained(folder, dropout=0.5)
    assert "checkpoint was" in command(*TINY, check=2).err
    command(*TINY, "--force")


def test_killed_and_continued_ends_in_the_same_bytes(
    folder: Path, command: Command, pretrained: Command
) -> None:
    pretrained(folder, dropout=0.2, stride=3)
    words = (*TINY, "--steps", "60", "--patience", "50")
    command(*words, "-o", "whole")
    parts = (*words, "-o", "parts", "--checkpoint-every", "0.05")
    run = folder / "parts"
    for after, number, code in (
        (3, signal.SIGUSR1, 75), (20, signal.SIGKILL, -9), (40, signal.SIGTERM, 75),
    ):  # fmt: skip
        with subprocess.Popen(
            [sys.executable, "-m", "sslkit", *parts],
            cwd=folder,
            stderr=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        ) as process:
            while process.poll() is None:
                metrics = run / "metrics.jsonl"
                if metrics.is_file() and metrics.read_bytes().count(b"\n") >= after:
                    break
                time.sleep(0.01)
            process.send_signal(number)
            _, errors = process.communicate()
        assert process.returncode == code, errors.decode()
        assert not (run / "checkpoint.pt").exists()
    assert "continuing parts at step" in command(*parts).err
    assert equal(folder / "whole", run)


@pytest.mark.parametrize(
    ("words", "code", "messages"),
    [
        (("--checkpoint", "nowhere"), 2, ["there is no checkpoint nowhere", "sslkit pretrain"]),
        (("--labels", "no.csv"), 2, ["no.csv"]),
        (("--task", "promotor"), 2, ["there is no task 'promotor'", "did you mean promoter?"]),
        (("--set", "freez=1"), 2, ["--set knows no 'freez'"]),
        (("--set", "pooling=sum"), 2, ["cannot be 'sum'", "mean, first, max"]),
        (("--steps", "0"), 2, ["'--steps'"]),
        (("--set", "label_column=kind"), 3, ["kind", "labels/promoter.csv"]),
    ],
)
def test_refusals(
    folder: Path, command: Command, words: tuple[str, ...], code: int, messages: list[str]
) -> None:
    refused = command(*TINY, *words, check=code)
    for message in messages:
        assert message in " ".join(refused.err.split())
    assert not (folder / "finetuned").exists()


def test_labels_of_one_class(folder: Path, command: Command) -> None:
    labels(folder, lambda n: 1)
    refused = command(*TINY, "--labels", "own.csv", check=3)
    assert "all 80 records have the label '1'" in refused.err


def test_class_weights_of_numbers(folder: Path, command: Command) -> None:
    labels(folder, lambda n: n / 7)
    words = [word if word != "promoter" else "regression" for word in TINY]
    refused = command(*words, "--labels", "own.csv", "--class-weights", "balanced", check=2)
    assert "a task without classes has no class weights" in refused.err


def test_places_count_where_all_records_are_equally_long(folder: Path, command: Command) -> None:
    """A label that one letter at one place decides: pooled tokens hardly tell it."""
    rng = np.random.default_rng(3)
    texts = ["".join(rng.choice(list("ACGT"), 30)) for _ in range(240)]
    rows = [f"r{n},{text},{int(text[11] in 'AG')}" for n, text in enumerate(texts)]
    (folder / "own.csv").write_text("\n".join(["id,sequence,label", *rows]) + "\n")
    words = ("finetune", "--task", "promoter", "--labels", "own.csv", "--steps", "150", "--json",
             "--learning-rate", "0.01", "--precision", "fp32", "--threads", "1")  # fmt: skip
    scores = {}
    for name, more in (("placed", ()), ("pooled", ("--set", "positions=0"))):
        done = command(*words, *more, "-o", name)
        scores[name] = json.loads(done.out)["metrics"]["auc"]["value"]
        assert ("all records have 30 letters" in done.err) == (name == "placed")
    assert scores["placed"] > 0.95
    assert scores["pooled"] < 0.85
