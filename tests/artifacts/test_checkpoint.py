"""Checkpoints: equal ones give equal bytes, and reading one runs nothing."""

import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fuzz import attempt

from sslkit.artifacts import checkpoint, manifest
from sslkit.artifacts.checkpoint import Checkpoint
from sslkit.errors import DataError, SslkitError, UsageError
from sslkit.types import Spelling


def example() -> Checkpoint:
    return Checkpoint(
        manifest.make("pretrain", {"steps": 3}),
        {"encoder": {"w": torch.arange(6.0).reshape(2, 3)}, "head": {"b": torch.zeros(2)}},
        ("AC", "GT"),
        torch.tensor([5, 3]),
    )


def test_round_trip_from_file_and_from_folder(tmp_path: Path) -> None:
    made = example()
    checkpoint.save(tmp_path / "run" / checkpoint.NAME, made)
    for path in (tmp_path / "run", tmp_path / "run" / checkpoint.NAME):
        found = checkpoint.load(path)
        assert found.manifest == made.manifest
        assert found.tokens == ("AC", "GT")
        assert torch.equal(found.counts, made.counts)
        assert list(found.tensors) == ["encoder", "head"]
        assert torch.equal(found.tensors["encoder"]["w"], made.tensors["encoder"]["w"])


def test_pieces_of_words_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    merges, scores = np.array([[0, 1], [1, 0]]), np.array([-0.5, -np.inf])
    for spelling in (
        Spelling(1, merges, np.empty(0)), Spelling(0, np.empty((0, 2), np.int64), scores),
    ):  # fmt: skip
        checkpoint.save(path, replace(example(), spelling=spelling))
        loaded = checkpoint.load(path).spelling
        assert loaded is not None
        assert loaded.special == spelling.special
        assert loaded.merges.tolist() == spelling.merges.tolist()
        assert loaded.scores.tolist() == spelling.scores.tolist()
    checkpoint.save(path, example())
    assert checkpoint.load(path).spelling is None


@pytest.mark.parametrize(
    "damage",
    [
        {"special": -1}, {"special": "1"}, {"merges": torch.zeros(4)}, {"merges": None},
        {"merges": torch.zeros(2, 3, dtype=torch.int64)}, {"scores": torch.zeros(2)},
        {"scores": torch.zeros(2, 1, dtype=torch.float64)},
    ],
)  # fmt: skip
def test_pieces_that_are_damaged_are_refused(tmp_path: Path, damage: dict[str, Any]) -> None:
    path = tmp_path / "a.pt"
    pieces = Spelling(0, np.array([[0, 1]]), np.empty(0))
    checkpoint.save(path, replace(example(), spelling=pieces))
    content = checkpoint.read_tensors(path)
    content["spelling"] |= damage
    checkpoint.write_tensors(path, content)
    with pytest.raises(DataError, match="pieces of words"):
        checkpoint.load(path)


def test_bytes_do_not_depend_on_the_name(tmp_path: Path) -> None:
    for name in ("a.pt", "longer-name.bin"):
        checkpoint.save(tmp_path / name, example())
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "longer-name.bin").read_bytes()


def test_no_vocabulary_is_none(tmp_path: Path) -> None:
    made = example()
    checkpoint.save(tmp_path / "a.pt", Checkpoint(made.manifest, made.tensors, (), made.counts[:0]))
    assert checkpoint.load(tmp_path / "a.pt").tokens == ()


def test_an_absent_one_tells_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no checkpoint") as caught:
        checkpoint.load(tmp_path)
    assert "sslkit pretrain" in caught.value.do


class Malice:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


def test_code_is_refused_and_not_run(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    path = tmp_path / "a.pt"
    torch.save({"manifest": Malice(trace)}, path)
    with pytest.raises(DataError) as caught:
        checkpoint.load(path)
    assert caught.value.where == str(path)
    assert "mkdir" in caught.value.why
    assert "weights_only" not in str(caught.value)
    path.write_bytes(pickle.dumps(Malice(trace)))
    with pytest.raises(DataError) as caught:
        checkpoint.load(path)
    assert "weights_only" not in str(caught.value)
    assert not trace.exists()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_one_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "a.pt"
    checkpoint.save(path, example())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(DataError) as caught:
        checkpoint.load(path)
    assert caught.value.where == str(path)


def test_a_changed_byte_is_never_loaded(tmp_path: Path) -> None:
    """Every byte of tensors, names and plain types; the rest of an archive says nothing."""
    path = tmp_path / "a.pt"
    checkpoint.save(path, example())
    whole = path.read_bytes()
    refused = 0
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        loaded = attempt(lambda: checkpoint.load(path))
        if isinstance(loaded, SslkitError):
            assert (loaded.exit_code, loaded.where) == (3, str(path))
            refused += 1
            continue
        assert loaded.manifest == example().manifest
        assert loaded.tokens == ("AC", "GT")
        assert torch.equal(loaded.tensors["encoder"]["w"], example().tensors["encoder"]["w"])
    tensor = whole.index(torch.arange(6.0).numpy().tobytes())
    path.write_bytes(whole[:tensor] + b"\1" + whole[tensor + 1 :])
    with pytest.raises(DataError):
        checkpoint.load(path)
    assert refused > len(whole) // 14


@pytest.mark.parametrize("held", [{"w": torch.zeros(2)}, [1, 2], torch.zeros(2)])
def test_other_tensors_are_no_checkpoint(tmp_path: Path, held: object) -> None:
    torch.save(held, tmp_path / "a.pt")
    with pytest.raises(DataError, match="not a checkpoint of sslkit"):
        checkpoint.load(tmp_path / "a.pt")


def test_another_version_is_refused(tmp_path: Path) -> None:
    made = example()
    old = manifest.Manifest("pretrain", {}, format=99)
    checkpoint.save(tmp_path / "a.pt", Checkpoint(old, made.tensors, (), made.counts[:0]))
    with pytest.raises(DataError, match="format 99"):
        checkpoint.load(tmp_path / "a.pt")


@pytest.mark.parametrize("tokens", [("\n", "a"), ("a\nb", "c"), ("", "a"), ("",), ("a", "b")])
def test_tokens_come_back_whatever_letters_they_have(
    tmp_path: Path, tokens: tuple[str, ...]
) -> None:
    made = example()
    counts = torch.arange(len(tokens)) + 1
    checkpoint.save(tmp_path / "a.pt", Checkpoint(made.manifest, made.tensors, tokens, counts))
    assert checkpoint.load(tmp_path / "a.pt").tokens == tokens


@pytest.mark.parametrize(
    "broken",
    [
        {"counts": torch.tensor([5, -3])},
        {"counts": torch.tensor([5, 3, 1])},
        {"tokens": "A"},
        {"tensors": {"encoder": 3}},
        {"tensors": {"encoder": {"w": [1.0]}}},
        {"tensors": {"encoder": {"w": torch.zeros(1).expand(10**12)}}},
        {"tensors": {"encoder": {"w": torch.zeros(2, 2).to_sparse()}}},
    ],
)
def test_fields_that_are_not_as_written_are_refused(
    tmp_path: Path, broken: dict[str, object]
) -> None:
    path = tmp_path / "a.pt"
    checkpoint.save(path, example())
    torch.save(checkpoint.read_tensors(path) | broken, path)
    with pytest.raises(DataError) as caught:
        checkpoint.load(path)
    assert caught.value.where == str(path)
