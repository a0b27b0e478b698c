"""finetune and probe of a domain without tokens: small pictures, and an encoder of pixels."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from sslkit import catalog
from sslkit.artifacts import checkpoint, manifest
from sslkit.artifacts.checkpoint import Checkpoint

Command = Callable[..., Any]
PICTURE = '''"""Pictures of 4 by 4 digits, a cell of a table each."""
from dataclasses import dataclass
import numpy as np
from sslkit.contracts.spec import Floats
from sslkit.types import Record

VERSION, GIVES, ENDINGS = 1, frozenset({"pixels"}), (".pic",)

@dataclass(frozen=True)
class Settings:
    side: int = 4

class Domain:
    def __init__(self, settings, vocabulary=None):
        self.side = settings.side
        self.spec = {"pixels": Floats(("channel", "height", "width"), (1, 4, 4))}
        self.encoding = "digits"
        self.unit_type = np.dtype(np.uint8)
    def read(self, path, on_error):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            yield self.record(str(number), line, str(path), number)
    def record(self, name, text, source, number):
        problem = "" if len(text) == self.side ** 2 and text.isdigit() else "it is no picture"
        return Record(name, text, source, number, error=problem)
    def check(self, record, on_error):
        return self.record(record.id, record.payload, record.source, record.number)
    def encode(self, record):
        return np.array([int(digit) for digit in record.payload], np.uint8)
    def signature(self, record):
        return record.payload.encode()
    def batch(self, units, lengths, draws, needs=()):
        pixels = units.reshape(len(units), 1, self.side, self.side)
        return {"pixels": (pixels / 9).astype(np.float32)}
    def features(self, examples):
        return {"brightness": np.stack(examples).mean(1, keepdims=True).astype(np.float32)}
'''
ENCODER = '''"""A convolution and the mean of what it gives."""
from dataclasses import dataclass
from torch import nn
from sslkit.contracts.encoder import Encoder, States

VERSION, TAKES = 1, frozenset({"pixels"})

@dataclass(frozen=True)
class Settings:
    width: int = 16

class Model(Encoder):
    depth = 1
    def __init__(self, settings, spec):
        super().__init__()
        self.width = settings.width
        self.convolution = nn.Conv2d(1, self.width, 2)
    def groups(self):
        return [("block 1", list(self.parameters()))]
    def forward(self, batch, *, layer=None):
        states = self.convolution(batch["pixels"]).relu()
        return States(states.amax((2, 3)) if layer != 0 else batch["pixels"].flatten(1), None)
'''
COMMON = ("--threads", "1", "--device", "cpu", "--json")


@pytest.fixture
def folder(tmp_path: Path, install: Any) -> Path:
    """A checkpoint of the encoder; pictures with a bright 2 by 2 square somewhere, or without."""
    install("pictures", {"domains:picture": PICTURE, "models:pixels": ENCODER})
    domain, model = catalog.load("domain", "picture"), catalog.load("model", "pixels")
    torch.manual_seed(0)
    encoder = model.Model(model.Settings(), domain.Domain(domain.Settings()).spec)
    plugins = {
        "domain": manifest.plugin("picture", domain, domain.Settings()),
        "model": manifest.plugin("pixels", model, model.Settings()),
    }
    made = manifest.make("pretrain", {"context": 1}, plugins=plugins)
    held = Checkpoint(made, {"encoder": encoder.state_dict()}, (), torch.zeros(0))
    checkpoint.save(tmp_path / "pretrained" / checkpoint.NAME, held)
    random, rows = np.random.default_rng(1), ["id,sequence,label,bright"]
    for number in range(120):
        # Bright pixels are as many with a square as without: no sum of them knows it.
        picture = random.integers(0, 3, 16)
        row, column = random.integers(0, 3, 2)
        square = [row * 4 + column + at for at in (0, 1, 4, 5)]
        picture[square if number % 2 else [0, 2, 8, 10]] = 9
        text = "".join(map(str, picture))
        rows.append(f"p{number},{text},{'ny'[number % 2]},{picture[5] + picture[10]}")
    # One stands twice.
    rows.append(f"copy,{rows[1].split(',')[1]},n,9")
    (tmp_path / "pictures.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_pictures_are_probed_and_fine_tuned(folder: Path, command: Command) -> None:
    words = ("--task", "classification", "--labels", "pictures.csv", *COMMON)
    report = command("probe", *words).json
    values = {m["name"]: m["metrics"]["accuracy"]["value"] for m in report["models"]}
    assert list(values) == [
        "majority", "brightness logistic", "untrained logistic", "untrained k-NN",
        "pretrained logistic", "pretrained k-NN",
    ]  # fmt: skip
    assert values["pretrained logistic"] > max(0.85, values["brightness logistic"])
    folds = command("probe", *words, "--folds", "3", "-o", "folds").json
    assert folds["test_records"] == 121
    assert "duplicates: 2 records kept with theirs in one fold" in folds["title"]
    training = ("--steps", "80", "--learning-rate", "0.03")
    result = command("finetune", *words, *training).json
    assert result["metrics"]["accuracy"]["value"] > 0.85
    made = checkpoint.load(folder / "finetuned/classification").manifest
    assert made.settings["window"] is None
    assert made.plugins["objective"]["settings"]["positions"] == 0
    table = pq.read_table(folder / "finetuned/classification/predictions.parquet").to_pydict()
    assert len(table["id"]) == 121
    # A label of the whole is decided by all that is known of it, at any later stage.
    again = command("probe", *words, "--checkpoint", "finetuned/classification", "--folds", "2",
                    "-o", "again", check=None)  # fmt: skip
    assert again.json["test_records"] == table["split"].count("test")


def test_numbers_of_pictures(folder: Path, command: Command) -> None:
    words = ("--task", "regression", "--labels", "pictures.csv", "--label-column", "bright")
    report = command("probe", *words, *COMMON).json
    assert "brightness ridge" in {model["name"] for model in report["models"]}
    result = command("finetune", *words, *COMMON, "--steps", "3").json
    assert set(result["metrics"]) == {"r2", "spearman", "pearson", "rmse", "mae"}


def test_what_has_no_tokens_has_no_labels_of_units(folder: Path, command: Command) -> None:
    rows = (folder / "pictures.csv").read_text().splitlines()
    text = "\n".join(f"{row.split(',')[1]},{'nynynynynynynyny'}" for row in rows[1:])
    (folder / "units.csv").write_text(f"sequence,label\n{text}\n")
    words = ("--task", "tagging", "--labels", "units.csv", *COMMON)
    for stage in ("probe", "finetune"):
        done = command(stage, *words, check=2)
        assert "this domain does not count any" in done.err


def test_a_bad_picture_stops_or_is_passed_over(folder: Path, command: Command) -> None:
    with (folder / "pictures.csv").open("a") as stream:
        stream.write("bad,12x,n,9\n")
    words = ("--task", "classification", "--labels", "pictures.csv", *COMMON)
    done = command("finetune", *words, "--steps", "2", check=3)
    assert "row 122 (bad)" in done.err
    assert "it is no picture" in done.err
    assert "121 records, 1 skipped" in command("probe", *words, "--on-error", "skip").err
