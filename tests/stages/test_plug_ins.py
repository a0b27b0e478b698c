"""Images, rows of tables and nodes of networks go through the stages as plug-ins of a package."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

Command = Callable[..., Any]

PLUGINS = Path(__file__).parents[1] / "plugins"
#: Modules are domains, their attributes other plug-ins.
POINTS = {
    "domains": {"toy-images": "toy_images", "toy-rows": "toy_rows", "toy-network": "toy_network"},
    "models": {"toy-conv": "toy_images:Conv", "toy-mlp": "toy_rows:Perceptron",
               "toy-sum": "toy_network:Sum"},
    "objectives": {"toy-pixels": "toy_images:Pixels", "toy-column": "toy_rows:Column"},
}  # fmt: skip
SAME = ("--threads", "1", "--precision", "fp32")


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with data of each kind, and the plug-ins installed as a package."""
    info = tmp_path / "site" / "toys-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toys\nVersion: 1\n")
    points = [
        f"[sslkit.{kind}]\n" + "".join(f"{name} = {place}\n" for name, place in named.items())
        for kind, named in POINTS.items()
    ]
    (info / "entry_points.txt").write_text("".join(points))
    monkeypatch.syspath_prepend(info.parent)
    monkeypatch.syspath_prepend(PLUGINS)
    data = tmp_path / "data"
    data.mkdir()
    draw = np.random.default_rng(1)
    _images(data, draw)
    rows = draw.normal(size=(300, 3))
    rows[:, 2] = rows[:, 0] + rows[:, 1]
    np.savetxt(data / "all.rows", np.c_[rows, np.arange(300)], fmt="%.5f")
    side = np.arange(60) // 30
    pairs = np.argwhere(np.triu(draw.random((60, 60)) < np.where(side[:, None] == side, 0.4, 0.02)))
    np.savetxt(data / "all.edges", pairs, fmt="%d")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _images(data: Path, draw: np.random.Generator) -> None:
    """Stripes along rows or columns, at any place, with noise; twice each of the first ten."""
    phase = draw.integers(0, 4, 400)
    wave = 100 * ((np.arange(8) + phase[:, None]) // 2 % 2)
    flat = draw.random(400) < 0.5
    image = np.where(flat[:, None, None], wave[:, None, :], wave[:, :, None])
    image = (image + draw.integers(0, 40, image.shape)).astype(np.uint8)
    np.save(data / "some.npy", np.concatenate([image, image[:10]]))
    lines = [
        f"i{n},{i.tobytes().hex()},{int(f)}\n"
        for n, (i, f) in enumerate(zip(image, flat, strict=True))
    ]
    (data.parent / "images.csv").write_text("id,sequence,label\n" + "".join(lines[:120]))


CHAINS = {
    "images": ("toy-images", "toy-conv", "toy-pixels", 410),
    "images, views": ("toy-images", "toy-conv", "contrastive", 410),
    "rows": ("toy-rows", "toy-mlp", "toy-column", 300),
    "network": ("toy-network", "toy-sum", "contrastive", 60),
}


@pytest.mark.parametrize("chain", CHAINS)
def test_pretrained_and_embedded(chain: str, work: Path, command: Command) -> None:
    domain, model, objective, records = CHAINS[chain]
    words = ("pretrain", "data", "--domain", domain, "--model", model, "--objective", objective)
    learned = command(*words, "--steps", "60", "--learning-rate", "1e-2", *SAME, "--json").json
    assert learned["heldout_loss"] < learned["floor_loss"]
    found = command("embed", "data", *SAME, "--json").json
    assert found["records"] == records
    table = pq.read_table(work / "embeddings.parquet")
    vectors = np.stack(table["embedding"].to_pylist())
    assert vectors.shape == (records, 16 if domain != "toy-rows" else 12)
    assert np.isfinite(vectors).all()
    if domain == "toy-images":
        np.testing.assert_array_equal(vectors[:10], vectors[400:])


def test_micro_batches_change_rounding_only_and_a_run_goes_on(work: Path, command: Command) -> None:
    words = ("pretrain", "data", "--domain", "toy-images", "--model", "toy-conv",
             "--objective", "toy-pixels", "--steps", "10", *SAME, "--json")  # fmt: skip
    whole = command(*words).json["heldout_loss"]
    parts = command(*words, "--micro-tokens", "640", "-o", "other").json["heldout_loss"]
    assert parts == pytest.approx(whole, rel=1e-5)
    assert command(*words).json["heldout_loss"] == whole


def test_a_vocabulary_is_not_asked_for(work: Path, command: Command) -> None:
    message = command("build-vocab", "data", "--domain", "toy-images", check=2).err
    assert "sslkit pretrain" in message
    images = ("pretrain", "--domain", "toy-images", "--model", "toy-conv")
    command(*images, "--objective", "contrastive", check=2)
    command(*images, "data", "--objective", "contrastive", "--window", "8", check=2)
    command(*images, "data", "--objective", "mlm", check=2)
    command(*images, "data", "--objective", "contrastive", "--steps", "2", *SAME)
    command("score", "data", check=2)
    command("embed", "data", "--per-token", check=2)


def test_a_probe_on_the_way_takes_records_without_tokens(work: Path, command: Command) -> None:
    words = ("pretrain", "data", "--domain", "toy-images", "--model", "toy-conv",
             "--objective", "contrastive", "--steps", "20", "--probe-every", "10",
             "--task", "classification", "--labels", "images.csv", *SAME, "--json")  # fmt: skip
    assert 0 <= command(*words).json["probe_macro_f1"] <= 1


@pytest.mark.parametrize("chain", ["images", "rows", "network"])
def test_fine_tuned_and_probed(chain: str, work: Path, command: Command) -> None:
    """The same plug-ins with labels, and an adaptation of another kind."""
    domain, model, objective, _ = CHAINS[chain]
    draw = np.random.default_rng(2)
    if chain == "rows":
        rows = draw.normal(size=(100, 4))
        cells = [" ".join(f"{cell:.5f}" for cell in row) for row in rows]
        labels = (rows[:, 0] > 0).astype(int)
    else:
        labels = np.arange(100) % 2
        sides = [draw.choice(30, 6, replace=False) + 30 * int(side) for side in labels]
        cells = [" ".join(map(str, near)) for near in sides]
    lines = [f"{cell},{label}\n" for cell, label in zip(cells, labels, strict=True)]
    if chain == "images":
        lines = [line.split(",", 1)[1] + "\n"
                 for line in Path("images.csv").read_text().splitlines()[1:]]  # fmt: skip
    Path("labels.csv").write_text("sequence,label\n" + "".join(lines))
    words = ("pretrain", "data", "--domain", domain, "--model", model, "--objective", objective)
    command(*words, "--steps", "20", "--learning-rate", "1e-2", *SAME)
    task = ("--task", "classification", "--labels", "labels.csv", *SAME, "--json")
    models = command("probe", *task).json["models"]
    names = [one["name"] for one in models]
    assert names[0] == "majority"
    assert names[-2:] == ["pretrained logistic", "pretrained k-NN"]
    assert len(models) == 6
    training = ("--steps", "60", "--learning-rate", "3e-2")
    for adapt in ("freeze", "full"):
        tuned = command("finetune", *task, *training, "--adapt", adapt, "-o", adapt).json
        assert tuned["metrics"]["accuracy"]["value"] > models[0]["metrics"]["accuracy"]["value"]
