"""pretrain --probe-every and --stop-when-gain-below as a user runs them."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sslkit.analysis import stopping
from sslkit.analysis.stopping import Rule
from sslkit.artifacts import checkpoint
from sslkit.data import examples as labels
from sslkit.data import splits
from sslkit.data.examples import Examples
from sslkit.engine.runlog import RunLog
from sslkit.engine.watch import evaluations
from sslkit.errors import DataError
from sslkit.stages.pretrain import online_probe
from sslkit.supervision.record import Records
from sslkit.types import Labelled, Record, Targets

Command = Callable[..., Any]

TINY = (
    "pretrain", "--set", "blocks=2", "--set", "width=16", "--set", "heads=2", "--steps", "24",
    "--window", "32", "--batch-tokens", "256", "--precision", "fp32", "--threads", "1",
    "--device", "cpu", "--set", "dropout=0.1",
)  # fmt: skip
PROBED = (*TINY, "--probe-every", "8", "--task", "promoter")


@pytest.fixture
def folder(tmp_path: Path, tiny_vocab: Path, tiny_labels: Path) -> Path:
    return tmp_path


def rows(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def without(row: dict[str, float]) -> dict[str, float]:
    """What a run logs that nobody looks at but at its end."""
    return {n: v for n, v in row.items() if not n.startswith(("probe_", "heldout", "flo"))}


def part(folder: Path, name: str, lines: slice) -> Path:
    """Some of the labelled records as a file of their own."""
    head, *body = (folder / "labels/promoter.csv").read_text().splitlines()
    (folder / name).write_text("\n".join([head, *body[lines]]) + "\n")
    return Path(name)


def test_a_probe_on_the_way_changes_nothing_of_what_is_learned(
    folder: Path, command: Command
) -> None:
    command(*TINY, "-o", "plain")
    said = command(*PROBED, "-o", "probed").err
    assert "probe of promoter every 8 steps" in said
    plain, probed = (checkpoint.load(folder / name) for name in ("plain", "probed"))
    for name, tensors in plain.tensors.items():
        for key, value in tensors.items():
            assert torch.equal(value, probed.tensors[name][key]), key
    held, looked = rows(folder / "plain"), rows(folder / "probed")
    assert [without(row) for row in held] == [without(row) for row in looked]
    assert [row["step"] for row in looked if "probe_auc" in row] == [8, 16, 24]
    assert all("heldout_loss" in row for row in looked if "probe_auc" in row)
    assert held[-1]["heldout_loss"] == looked[-1]["heldout_loss"]
    assert probed.manifest.results["probe_auc"] == looked[-1]["probe_auc"]
    assert probed.manifest.results["tokens"] == looked[-1]["tokens"]
    per_token = {round(row["flops"] / row["tokens"], 6) for row in looked if "flops" in row}
    assert len(per_token) == 1
    log = (folder / "probed/log.jsonl").read_text().splitlines()
    spent = [json.loads(line)["seconds"] for line in log]
    assert len(spent) == 3
    assert spent == sorted(spent)


def test_the_score_is_that_of_the_probe_command(folder: Path, command: Command) -> None:
    train = part(folder, "train.csv", slice(0, 40))
    valid = part(folder, "valid.csv", slice(40, 60))
    test = part(folder, "test.csv", slice(60, 80))
    command(*PROBED, "--labels", train, "--valid", valid, "--test", test)
    command("probe", "--task", "promoter", "--labels", train, "--test", valid, "--threads", "1")
    report = json.loads((folder / "probed/promoter/probe.json").read_text())["results"]
    found = {model["name"]: model["metrics"]["auc"]["value"] for model in report["models"]}
    assert rows(folder / "pretrained")[-1]["probe_auc"] == found["pretrained logistic"]


def test_test_records_decide_nothing(folder: Path, command: Command) -> None:
    """Other labels of all test records, given or made, leave every row as it was."""
    train = part(folder, "train.csv", slice(0, 60))
    test = part(folder, "test.csv", slice(60, 80))
    command(*PROBED, "--labels", train, "--test", test, "-o", "a")
    text = (folder / "test.csv").read_text()
    (folder / "test.csv").write_text(text.replace(",1\n", ",x\n").replace(",0\n", ",1\n")
                                     .replace(",x\n", ",0\n"))  # fmt: skip
    command(*PROBED, "--labels", train, "--test", test, "-o", "b")
    assert rows(folder / "a") == rows(folder / "b")


def examples(count: int, parts: list[str] | None = None) -> Records:
    generator = np.random.default_rng(3)
    values = np.arange(count) % 2
    # Some stand twice or three times.
    groups = np.where(generator.random(count) < 0.2, generator.integers(0, 5, count),
                      np.arange(count) + 5)  # fmt: skip
    names = tuple(str(n) for n in range(count))
    given = None if parts is None else tuple(parts)
    records = tuple(Record(name, "", name, row) for row, name in enumerate(names, 1))
    labelled = Labelled(records, names, given, ())
    return Examples(labelled, tuple(np.zeros(1) for _ in names), Targets(values, ("0", "1")),
                    values, splits.group_numbers(groups.tolist()))  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("given", [False, True])
def test_no_record_of_a_test_part_nor_a_copy_of_one(seed: int, given: bool) -> None:
    parts = ["test" if n % 4 == 3 else "train" for n in range(200)] if given else None
    held = examples(200, parts)
    train, valid = online_probe.divide(held, seed)
    used = np.concatenate([train, valid])
    assert len(np.unique(used)) == len(used) > 60
    assert not set(held.groups[train]) & set(held.groups[valid])
    for shares in ({"test": 0.2}, {"valid": 0.1, "test": 0.2}):
        found = splits.split(held.strata, held.groups, shares, seed, parts)
        assert not set(held.groups[used]) & set(held.groups[found.rows("test")])
    if given:
        tested = [n for n in range(200) if n % 4 == 3]
        assert not set(held.groups[used]) & set(held.groups[tested])


def test_too_few_records_are_refused() -> None:
    with pytest.raises(DataError, match="of the probe has") as error:
        online_probe.divide(examples(6), 1)
    assert "--valid" in error.value.do


def test_what_probe_and_finetune_take_for_the_test_part() -> None:
    assert labels.SHARES == {"valid": 0.1, "test": labels.TEST_SHARE}
    assert labels.TEST_SHARE == 0.2


STOPPED = (*TINY, "--steps", "60", "--probe-every", "4", "--task", "promoter")


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A probe whose score settles at .8; how many rows the rule was shown."""
    seen: list[int] = []

    def scores(self: Any, encoder: Any, runtime: Any, world: Any) -> dict[str, float]:
        count = len(evaluations(Path("stopped/metrics.jsonl"))) + 1
        return {self.metric: 0.8 - 0.3 * count**-2.0}

    decide = Rule.reason

    def reason(self: Rule, shown: Any) -> str:
        seen.append(len(shown))
        return decide(self, shown)

    monkeypatch.setattr(online_probe.Labelled, "scores", scores)
    monkeypatch.setattr(Rule, "reason", reason)
    # So few steps on random letters teach nothing.
    monkeypatch.setattr(stopping, "_has_learned", lambda row: True)
    return seen


def test_a_run_that_gains_too_little_ends_as_a_finished_one(
    folder: Path, command: Command, settled: list[int]
) -> None:
    words = (*STOPPED, "--stop-when-gain-below", "0.005", "-o", "stopped")
    done = command(*words, "--json")
    assert "stopped at step 36 of 60: twice the compute should bring" in done.err
    assert "less than 0.005" in done.err
    assert "learning rate" in done.err
    held = checkpoint.load(folder / "stopped")
    assert held.manifest.results["stopped"].startswith("twice the compute")
    assert held.manifest.results["step"] == 36
    assert held.manifest.settings["stop"] == [0.005, "probe_auc"]
    assert done.json["stopped"] == held.manifest.results["stopped"]
    assert not (folder / "stopped/state.pt").exists()
    assert len(rows(folder / "stopped")) == 36
    assert "nothing to do" in command(*words).err
    assert "stop" in command(*words[:-4], "-o", "stopped", check=2).err
    command("embed", "corpus/genes.fa", "--checkpoint", "stopped", "--threads", "1")


def test_the_decision_is_the_same_after_an_interruption(
    folder: Path, command: Command, settled: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (*STOPPED, "--stop-when-gain-below", "0.005", "-o", "stopped")
    command(*words)
    whole = [(folder / "stopped" / n).read_bytes() for n in ("metrics.jsonl", "checkpoint.pt")]
    write = RunLog.write
    for step in (30, 36):
        # The second one comes while the last row is written.
        for path in (folder / "stopped").iterdir():
            path.unlink()

        def heard(log: RunLog, row: Any, tokens: int, at: int = step) -> None:
            write(log, row, tokens)
            if row["step"] == at - 1:
                os.kill(os.getpid(), signal.SIGTERM)

        monkeypatch.setattr(RunLog, "write", heard)
        command(*words, check=75)
        monkeypatch.setattr(RunLog, "write", write)
        assert "stopped at step 36" in command(*words).err
        for name, held in zip(("metrics.jsonl", "checkpoint.pt"), whole, strict=True):
            assert (folder / "stopped" / name).read_bytes() == held


def test_interrupted_between_probes_it_ends_in_the_same_bytes(
    folder: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    command(*PROBED, "-o", "whole")
    write = RunLog.write

    def heard(log: RunLog, row: Any, tokens: int) -> None:
        write(log, row, tokens)
        if row["step"] == 10:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(RunLog, "write", heard)
    command(*PROBED, "-o", "parts", check=75)
    monkeypatch.setattr(RunLog, "write", write)
    command(*PROBED, "-o", "parts")
    for name in ("metrics.jsonl", "checkpoint.pt"):
        assert (folder / "whole" / name).read_bytes() == (folder / "parts" / name).read_bytes()


def test_too_short_a_run_for_the_rule_is_told(folder: Path, command: Command) -> None:
    said = command(*TINY, "--stop-when-gain-below", "0.01").err
    assert "waits for 9 evaluations" in said
    assert "will not stop early" in said


def test_settings_of_the_task_reach_it(folder: Path, command: Command) -> None:
    path = folder / "labels/promoter.csv"
    path.write_text(path.read_text().replace(",label", ",kind").replace(",1\n", ",yes\n"))
    refused = command(*PROBED, check=3).err
    assert "label" in refused
    command(*PROBED, "--set", "promoter.label_column=kind", "--set", "promoter.positive=yes")


@pytest.mark.parametrize(
    ("words", "code", "messages"),
    [
        (("--probe-every", "5"), 2, ["--probe-every needs labels", "--task"]),
        (("--probe-every", "0"), 2, ["--probe-every"]),
        (
            ("--probe-every", "5", "--task", "promoter", "--labels", "no.csv"),
            2,
            ["no.csv"],
        ),
        (("--probe-every", "5", "--task", "promotor"), 2, ["there is no task 'promotor'"]),
        (("--stop-when-gain-below", "-1"), 2, ["-1 is no gain", "above 0"]),
        (("--stop-when-gain-below", "0"), 2, ["0 is no gain"]),
    ],
)
def test_refusals(
    folder: Path, command: Command, words: tuple[str, ...], code: int, messages: list[str]
) -> None:
    refused = " ".join(command(*TINY, *words, check=code).err.split())
    for message in messages:
        assert message in refused
    assert not (folder / "pretrained").exists()


def test_labels_without_a_probe_are_told(folder: Path, command: Command) -> None:
    assert "with --probe-every only" in command(*TINY, "--task", "promoter").err
