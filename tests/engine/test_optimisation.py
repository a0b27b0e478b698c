"""Schedules and optimizers on the command line: what fits, what is refused, what is left behind."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from sslkit.artifacts import checkpoint, samples
from sslkit.artifacts.run import RunFolder
from sslkit.contracts.spec import Ids
from sslkit.engine import optimisation
from sslkit.engine.learner import Learner
from sslkit.errors import UsageError
from sslkit.models import transformer
from sslkit.objectives import supervised

Command = Callable[..., Any]

TINY = (
    "pretrain", "--set", "blocks=1", "--set", "width=16", "--set", "heads=2", "--steps", "24",
    "--window", "32", "--batch-tokens", "256", "--precision", "fp32", "--threads", "1",
    "--device", "cpu",
)  # fmt: skip
COUNTED = (
    "pretrain", "--model", "skipgram", "--objective", "skipgram", "--set", "model.width=8",
    "--steps", "6", "--window", "32", "--batch-tokens", "256", "--threads", "1", "--device", "cpu",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, tiny_vocab: Path) -> Path:
    return tmp_path


def rows(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_the_manifest_names_what_was_chosen(folder: Path, command: Command) -> None:
    command(*TINY, "--schedule", "wsd", "--optimizer", "sgd", "--set", "wsd.decay=0.5")
    held = checkpoint.load(folder / "pretrained").manifest
    assert held.plugins["schedule"]["name"] == "wsd"
    assert held.plugins["schedule"]["settings"]["decay"] == 0.5
    assert held.plugins["optimizer"]["name"] == "sgd"
    assert held.settings["learning_rate"] == 0.05
    done = command(*TINY, check=2)
    assert "plugins.optimizer.name was" in done.err


def test_a_controller_says_what_it_held_and_is_drawn(folder: Path, command: Command) -> None:
    done = command(*TINY, "--schedule", "pi", "--set", "pi.target=0.05", "--json")
    assert done.json["set_point"] == 0.05
    assert {row["set_point"] for row in rows(folder / "pretrained")} == {0.05}
    picture = folder / "pretrained" / "schedule.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    before = picture.read_bytes()
    command(*TINY, "--schedule", "pi", "--set", "pi.target=0.05", "--force")
    assert picture.read_bytes() == before
    command(*TINY, "--force")
    assert not picture.exists()


def test_l_bfgs_takes_what_is_asked_the_same_in_every_step(folder: Path, command: Command) -> None:
    command(*COUNTED, "--optimizer", "adamw+lbfgs", "--set", "lbfgs.after=0.5")
    found = rows(folder / "pretrained")
    assert ["evaluations" in row for row in found] == [False] * 3 + [True] * 3
    assert found[-1]["loss"] < found[2]["loss"]
    held = checkpoint.load(folder / "pretrained").manifest
    assert held.plugins["optimizer lbfgs"]["settings"]["after"] == 0.5
    assert held.settings["precision"] == "fp32"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--optimizer", "lbfgs"], "every step draws another"),
        (["--optimizer", "adamw+lbfgs"], "every step draws another"),
        (["--optimizer", "adam"], "did you mean adamw?"),
        (["--schedule", "cosin"], "did you mean cosine?"),
        (["--optimizer", "adamw+sgd"], "these do: lbfgs, sgld"),
        (["--optimizer", "adamw+adamw"], "names neither one optimizer nor two different ones"),
        (["--optimizer", "lbfgs+sgld"], "finds its own rate"),
        (["--optimizer", "lbfgs", "--schedule", "pi"], "--schedule pi has nothing to do"),
        (["--optimizer", "sgld", "--set", "sgld.samples=13"], "sgld cannot keep 13 samples"),
        (["--schedule", "wsd", "--set", "wsd.decay=0.99"], "wsd cannot rise"),
        (["--schedule", "pi", "--set", "pi.target=-1"], "target is above 0"),
        (["--set", "pi.target=1"], "--set knows no 'pi.target' here"),
        (["--optimizer", "sgld", "--objective", "mlm+contrastive"], "not of 2 added up"),
    ],
)
def test_what_makes_no_sense_is_refused(
    folder: Path, command: Command, words: list[str], said: str
) -> None:
    done = command(*TINY, *words, check=2)
    assert said in " ".join(done.err.split())
    assert not (folder / "pretrained").exists()


def test_bf16_is_refused_where_losses_are_compared(folder: Path, command: Command) -> None:
    done = command(*COUNTED, "--optimizer", "lbfgs", "--precision", "bf16", check=2)
    assert "--precision fp32" in done.err


def test_the_rate_is_as_asked_or_the_optimizers_own_or_the_usual_one() -> None:
    def chosen(optimizer: str) -> Any:
        found = optimisation.modules("cosine", optimizer)
        return {kind: (name, module, module.Settings()) for kind, (name, module) in found.items()}

    assert optimisation.rate(0.3, chosen("sgd"), 1e-3) == 0.3
    assert optimisation.rate(None, chosen("sgd"), 1e-3) == 0.05
    assert optimisation.rate(None, chosen("adamw+lbfgs"), 1e-3) == 1e-3
    assert optimisation.takes_sparse(chosen("adamw"))
    assert not optimisation.takes_sparse(chosen("adamw+lbfgs"))
    with pytest.raises(UsageError):
        optimisation.modules("cosine", "adamw+lbfgs+sgld")


def test_fine_tuning_predicts_by_the_mean_over_samples(
    tmp_path: Path, pretrained: Callable[..., None], tiny_labels: Path, command: Command
) -> None:
    pretrained(tmp_path)
    words = (
        "finetune", "--task", "promoter", "--steps", "20", "--precision", "fp32", "--threads", "1",
        "--device", "cpu", "--optimizer", "sgld", "--set", "sgld.samples=3", "--learning-rate",
        "0.05", "--set", "sgld.temperature=30",
    )  # fmt: skip
    done = command(*words)
    assert "predictions are means over 3 samples of the weights" in done.err
    run = tmp_path / "finetuned" / "promoter"
    files = sorted((run / "samples").glob("*.pt"))
    assert [int(file.stem) for file in files] == [13, 16, 20]
    held = [checkpoint.load(file) for file in files]
    assert [one.manifest.results["step"] for one in held] == [13, 16, 20]
    assert held[0].manifest.plugins["optimizer"]["name"] == "sgld"
    last = checkpoint.load(run)
    assert all((last.tensors["head"][k] == v).all() for k, v in held[-1].tensors["head"].items())


def test_the_mean_is_over_what_each_sample_says(tmp_path: Path) -> None:
    learner = Learner(
        transformer.Model(
            transformer.Settings(blocks=1, width=8, heads=1), {"tokens": Ids(("length",), 5)}
        ),
        supervised.Objective(supervised.Settings(outputs=2)),
    )

    def say() -> npt.NDArray[np.float64]:
        return np.array([float(sum(p.detach().sum() for p in learner.head.parameters()))])

    folder = RunFolder(tmp_path)
    own = say()
    assert optimisation.averaged(folder, learner, say) == (own, 0)
    said = []
    for step in (4, 8):
        with torch.no_grad():
            for parameter in learner.parameters():
                parameter.add_(0.1 * step)
        samples.keep(folder, step, learner.parts())
        said.append(say())
    last = say()
    with torch.no_grad():
        learner.head.get_parameter("out.bias").add_(7.0)
    mean, count = optimisation.averaged(folder, learner, say)
    assert count == 2
    assert mean == pytest.approx((said[0] + said[1]) / 2)
    assert say() == pytest.approx(last + 14.0)


def test_shows(command: Command) -> None:
    for kind, name, setting in (("schedule", "pi", "target"), ("optimizer", "sgld", "burn_in")):
        assert name in command("show", kind).out
        assert setting in command("show", kind, name).out
