"""Marks of records that a checkpoint was fine-tuned on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sslkit.artifacts import checkpoint, learned, manifest
from sslkit.artifacts.checkpoint import Checkpoint
from sslkit.artifacts.learned import Learned
from sslkit.errors import DataError


def test_marks_are_found_again() -> None:
    names = [str(n).encode() for n in range(500)]
    marks = np.array([learned.mark(name) for name in names])
    assert len(np.unique(marks)) == 500
    some = learned.of_records(marks[::3].tolist())
    assert some.holds(marks).tolist() == [n % 3 == 0 for n in range(500)]
    assert some.joined(learned.of_records(marks[1::3].tolist())).holds(marks).sum() == 334
    assert not Learned().holds(marks).any()
    assert not Learned()


@pytest.mark.parametrize(
    "entry", [3, {}, {"records": torch.zeros(2)}, {"records": torch.zeros(2, dtype=torch.int64)}]
)
def test_a_damaged_field_is_refused(tmp_path: Path, entry: Any) -> None:
    made = manifest.make("finetune", {})
    held = Checkpoint(made, {"encoder": {}}, (), torch.zeros(0), learned.of_records([5, -7]))
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, held)
    assert checkpoint.load(path).learned.records.tolist() == [-7, 5]
    checkpoint.write_tensors(path, checkpoint.read_tensors(path) | {"learned": entry})
    with pytest.raises(DataError):
        checkpoint.load(path)
