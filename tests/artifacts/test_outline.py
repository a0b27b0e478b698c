"""Checkpoints read without torch: the same manifest, shapes and tokens, and the same refusals."""

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from fuzz import attempt

from sslkit.artifacts import checkpoint, manifest, outline
from sslkit.artifacts.checkpoint import Checkpoint
from sslkit.artifacts.outline import Tensor
from sslkit.errors import DataError, SslkitError, UsageError


def write(path: Path, tokens: tuple[str, ...] = ("AC", "GT")) -> Checkpoint:
    encoder = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    half = {"w": torch.zeros(2, 3, 4, dtype=torch.bfloat16)[:, :, ::2], "scale": torch.tensor(2.0)}
    written = Checkpoint(
        manifest.make("pretrain", {"steps": 3}),
        {"encoder": dict(encoder.state_dict()), "head": half, "empty": {}},
        tokens,
        torch.arange(len(tokens)),
    )
    checkpoint.save(path, written)
    return written


@pytest.mark.parametrize("tokens", [("AC", "GT"), ("a\nb", "c"), ()])
def test_it_agrees_with_the_whole(tmp_path: Path, tokens: tuple[str, ...]) -> None:
    written = write(tmp_path / "run" / outline.NAME, tokens)
    for path in (tmp_path / "run", tmp_path / "run" / outline.NAME):
        content = outline.load(path)
        assert content.manifest == written.manifest
        assert content.tokens == tokens
        assert content.tensors == {
            part: {name: Tensor(tuple(value.shape)) for name, value in tensors.items()}
            for part, tensors in written.tensors.items()
        }
        assert content.tensors["head"]["w"].size == 12
        assert content.tensors["head"]["scale"].size == 1


def test_torch_is_not_loaded(tmp_path: Path) -> None:
    write(tmp_path / "a.pt")
    code = (
        "import sys; from pathlib import Path; from sslkit.artifacts import outline; "
        "print(len(outline.load(Path('a.pt')).tensors), 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["3", "False"]


class Malice:
    """Leaves a folder behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


def test_code_is_refused_and_not_run(tmp_path: Path) -> None:
    trace, path = tmp_path / "trace", tmp_path / "a.pt"
    torch.save({"manifest": Malice(trace)}, path)
    with pytest.raises(DataError, match="something other than tensors"):
        outline.load(path)
    path.write_bytes(pickle.dumps(Malice(trace)))
    with pytest.raises(DataError):
        outline.load(path)
    assert not trace.exists()


def test_a_changed_byte_is_never_read(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    written = write(path)
    whole = path.read_bytes()
    refused = 0
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        content = attempt(lambda: outline.load(path))
        if isinstance(content, SslkitError):
            assert (content.exit_code, content.where) == (3, str(path))
            refused += 1
            continue
        assert content.manifest == written.manifest
        assert content.tokens == ("AC", "GT")
    assert refused > len(whole) // 14


@pytest.mark.parametrize(
    "broken",
    [
        {"manifest": 3},
        {"manifest": "{}"},
        {"counts": [5, 3]},
        {"counts": torch.tensor([5, 3, 1])},
        {"tokens": "A"},
        {"tensors": {"encoder": 3}},
        {"tensors": {"encoder": {"w": [1.0]}}},
        {"tensors": {"encoder": {1: torch.zeros(1)}}},
        {"tensors": {"encoder": {"w": torch.zeros(1).expand(10**12)}}},
        {"tensors": {"encoder": {"w": torch.zeros(2, 2).to_sparse()}}},
        {"more": torch.nn.Parameter(torch.zeros(1))},
    ],
)
def test_what_no_stage_writes_is_refused(tmp_path: Path, broken: dict[str, Any]) -> None:
    path = tmp_path / "a.pt"
    write(path)
    torch.save(checkpoint.read_tensors(path) | broken, path)
    with pytest.raises(DataError) as caught:
        outline.load(path)
    assert caught.value.where == str(path)


@pytest.mark.parametrize("content", [{"w": torch.zeros(2)}, [1, 2], torch.zeros(2)])
def test_other_tensors_are_no_checkpoint(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(DataError, match="not a checkpoint of sslkit"):
        outline.load(tmp_path / "a.pt")


def test_an_absent_one_tells_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no checkpoint") as caught:
        outline.load(tmp_path)
    assert "sslkit pretrain" in caught.value.do
