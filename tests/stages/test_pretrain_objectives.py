"""sslkit pretrain with objectives other than mlm: what is said, kept and refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sslkit.artifacts import checkpoint
from sslkit.contracts.spec import Ids
from sslkit.errors import UsageError
from sslkit.objectives import contrastive, energy, mlm
from sslkit.stages.pretrain import objectives

Command = Callable[..., Any]

TINY = (
    "pretrain", "--domain", "genome", "--set", "blocks=1", "--set", "width=16", "--set", "heads=2",
    "--steps", "3", "--window", "32", "--batch-tokens", "256", "--precision", "fp32",
    "--threads", "1", "--device", "cpu",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, tiny_vocab: Path) -> Path:
    return tmp_path


@pytest.mark.parametrize(
    ("objective", "said"),
    [
        ("denoise", ["nats per token), copying", "nats learned beyond copying"]),
        ("contrastive", ["held-out loss", "nats per pair, chance"]),
        ("energy", ["held-out loss", "nats per record, counts 0."]),
    ],
)
def test_each_from_end_to_end(
    folder: Path, command: Command, objective: str, said: list[str]
) -> None:
    done = command(*TINY, "--objective", objective, "--json")
    for text in said:
        assert text in done.err
    assert done.json["floor_loss"] > 0
    assert ("heldout_perplexity" in done.json) is (objective == "denoise")
    held = checkpoint.load(folder / "pretrained")
    assert held.manifest.plugins["objective"]["name"] == objective
    assert held.manifest.results["heldout_loss"] == done.json["heldout_loss"]


def test_two_at_once_are_told_one_by_one(folder: Path, command: Command) -> None:
    words = ("--objective", "mlm+contrastive", "--set", "contrastive.weight=0.3", "--json")
    done = command(*TINY, *words)
    assert "held-out mlm perplexity" in done.err
    assert "held-out contrastive loss" in done.err
    found = done.json
    for what in ("heldout_loss", "floor_loss"):
        assert found[what] == pytest.approx(
            found[f"{what}_mlm"] + 0.3 * found[f"{what}_contrastive"]
        )


def test_bf16_comes_to_nearly_the_same(folder: Path, command: Command) -> None:
    for objective in ("denoise", "contrastive", "energy"):
        losses = [
            command(
                *TINY, "--objective", objective, "--precision", precision, "-o",
                f"{objective}-{precision}", "--json",
            ).json["heldout_loss"]
            for precision in ("fp32", "bf16")
        ]  # fmt: skip
        assert losses[0] == pytest.approx(losses[1], rel=0.02)


def test_how_a_step_is_cut_belongs_to_a_run_that_compares_rows(
    folder: Path, command: Command
) -> None:
    words = (*TINY, "--objective", "mlm+contrastive")
    command(*words)
    refused = command(*words, "--micro-tokens", "128", check=2)
    assert "micro_tokens was 16384 and is 128" in refused.err
    command(*TINY, "--objective", "mlm", "-o", "alone")
    again = command(*TINY, "--objective", "mlm", "-o", "alone", "--micro-tokens", "128")
    assert "nothing to do" in again.err
    settings = checkpoint.load(folder / "pretrained").manifest.settings
    assert (settings["micro_tokens"], settings["processes"]) == (16384, 1)


@pytest.mark.parametrize("words", [("--micro-tokens", "32"), ("--batch-tokens", "32")])
def test_one_row_has_nothing_to_be_compared_with(
    folder: Path, command: Command, words: tuple[str, ...]
) -> None:
    refused = command(*TINY, "--objective", "contrastive", *words, check=2)
    assert "contrastive compares the rows of a micro-batch" in refused.err
    assert "--micro-tokens" in refused.err
    assert not (folder / "pretrained").exists()


def test_a_smaller_last_micro_batch_is_no_hindrance(folder: Path, command: Command) -> None:
    done = command(*TINY, "--objective", "contrastive", "--micro-tokens", "96", "--json")
    # Three rows, three and two; all held-out batches but the last hold three.
    assert 0.9 < done.json["floor_loss"] < 1.1


def test_noise_copies_where_tokens_overlap(folder: Path, command: Command) -> None:
    words = (*TINY, "--objective", "energy", "--set", "copies=2")
    assert "one noise copy where tokens overlap" in command(*words, check=2).err
    command(*words, "--set", "stride=3")


def test_what_is_needed_where_tokens_overlap() -> None:
    apart, overlapping = {"tokens": Ids(("length",), 4)}, {"tokens": Ids(("length",), 4, overlap=1)}
    assert objectives.needs(energy, apart) == {"tokens"}
    assert objectives.needs(energy, overlapping) == {"tokens", "corrupted"}
    assert objectives.needs(mlm, overlapping) == mlm.NEEDS
    modules = {"energy": energy, "contrastive": contrastive}
    settings = {name: module.Settings() for name, module in modules.items()}
    both = objectives.Objectives.of(modules, settings, overlapping, None)
    assert both.needs == {"tokens", "corrupted", "view"}
    assert both.across_rows == ["contrastive"]


def test_a_domain_must_give_what_overlapping_tokens_need(
    folder: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sslkit.domains.genome.GIVES", frozenset({"tokens"}))
    refused = command(*TINY, "--objective", "energy", check=2)
    assert UsageError.__name__ not in refused.err
    assert "objective energy does not fit domain genome" in refused.err
    assert "it needs corrupted" in refused.err
    command(*TINY, "--objective", "energy", "--set", "stride=3")
