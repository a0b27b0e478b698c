"""Weights that are kept on the way become checkpoints."""

from pathlib import Path

import pytest
import torch

from sslkit.artifacts import checkpoint, manifest, samples
from sslkit.artifacts.checkpoint import Checkpoint
from sslkit.artifacts.run import RunFolder
from sslkit.errors import DataError


def tensors(value: float) -> samples.Parts:
    return {"encoder": {"w": torch.full((2,), value)}, "head": {}}


def test_they_are_checkpoints_like_that_of_the_run(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for step in (100, 20):
        samples.keep(folder, step, tensors(step))
    made = manifest.make("pretrain", {"seed": 1}, results={"heldout_loss": 2.0})
    like = Checkpoint(made, tensors(0.0), ("A",), torch.tensor([1]))
    for _ in range(2):
        # A run that was killed here does it again.
        assert samples.finish(folder, like) == 2
        held = [(step, checkpoint.load(path)) for path, step, _ in samples.kept(folder)]
        assert [step for step, _ in held] == [20, 100]
        for step, one in held:
            assert one.tensors["encoder"]["w"].tolist() == [step, step]
            assert one.manifest.results == {"step": step}
            assert one.manifest.settings == {"seed": 1}


def test_what_is_no_sample_is_named(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert not list(samples.kept(folder))
    checkpoint.write_tensors(folder.samples / "00000007.pt", {"other": 1})
    with pytest.raises(DataError, match="not a sample"):
        list(samples.kept(folder))


def test_a_run_begun_anew_has_none_of_the_old_ones(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.claim({"seed": 1}, "", force=False)
    samples.keep(folder, 5, tensors(1.0))
    folder.picture.write_bytes(b"old")
    folder.claim({"seed": 2}, "", force=True)
    assert not folder.samples.exists()
    assert not folder.picture.exists()
