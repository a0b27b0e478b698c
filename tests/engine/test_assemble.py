"""From a checkpoint to the parts of a run, and what does not fit."""

import dataclasses
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sslkit.artifacts import checkpoint, manifest
from sslkit.artifacts.checkpoint import Checkpoint
from sslkit.artifacts.run import RunFolder
from sslkit.domains import genome
from sslkit.engine import assemble
from sslkit.engine.learner import Learner
from sslkit.errors import DataError
from sslkit.files import source
from sslkit.models import transformer
from sslkit.objectives import supervised
from sslkit.vocab.vocabulary import Vocabulary

TOKENS = tuple(a + b for a in "ACGT" for b in "ACGT")
COUNTS = np.arange(16) + 3
READING = genome.Settings(k=2, stride=1)
SHAPE = transformer.Settings(blocks=2, width=8, heads=2)


def encoder(seed: int) -> transformer.Model:
    torch.manual_seed(seed)
    domain = genome.Domain(READING, Vocabulary(TOKENS, COUNTS))
    return transformer.Model(SHAPE, domain.spec)


def described() -> manifest.Manifest:
    return manifest.make(
        "pretrain",
        {"context": 77},
        plugins={
            "domain": manifest.plugin("genome", genome, READING),
            "model": manifest.plugin("transformer", transformer, SHAPE),
        },
    )


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Path]:
    """Write a checkpoint in which some fields were changed."""

    def write(**changed: Any) -> Path:
        held = Checkpoint(
            described(), {"encoder": dict(encoder(1).state_dict())}, TOKENS, torch.tensor(COUNTS)
        )
        path = tmp_path / checkpoint.NAME
        checkpoint.save(path, dataclasses.replace(held, **changed))
        return path

    return write


def test_all_comes_from_the_file(made: Callable[..., Path]) -> None:
    path = made()
    for named in (path, path.parent):
        parts = assemble.from_checkpoint(named)
        assert parts.path == path
        assert parts.sha256 == source.digest(path)
        assert parts.context == 77
        assert parts.domain_name == "genome"
        assert parts.vocabulary.tokens == TOKENS
        assert parts.vocabulary.counts.tolist() == COUNTS.tolist()
        assert parts.tokens.size == 16
        assert not parts.encoder.training
        wanted = encoder(1).state_dict()
        found = parts.encoder.state_dict()
        assert all(torch.equal(value, found[name]) for name, value in wanted.items())
    said = parts.inherited()
    for text in ("genome", "k 2", "stride 1", "width 8", "16 tokens", "context 77", str(path)):
        assert text in said


def test_untrained_has_the_shape_and_the_seed_decides(made: Callable[..., Path]) -> None:
    parts = assemble.from_checkpoint(made())
    held = [assemble.untrained(parts, seed).state_dict() for seed in (1, 1, 2)]
    assert all(torch.equal(value, held[1][name]) for name, value in held[0].items())
    assert not torch.equal(held[0]["table.own"], held[2]["table.own"])
    trained = parts.encoder.state_dict()
    assert {name: value.shape for name, value in held[0].items()} == {
        name: value.shape for name, value in trained.items()
    }
    assert not torch.equal(held[0]["table.own"], trained["table.own"])


@pytest.mark.parametrize("kind", ["domain", "model"])
def test_another_version_is_refused(made: Callable[..., Path], kind: str) -> None:
    old = described()
    plugins = {name: dict(entry) for name, entry in old.plugins.items()}
    plugins[kind]["version"] = 99
    path = made(manifest=dataclasses.replace(old, plugins=plugins))
    with pytest.raises(DataError, match="has version 1 here") as told:
        assemble.from_checkpoint(path)
    assert "version 99" in told.value.why
    assert told.value.where == str(path)


@pytest.mark.parametrize("kind", ["domain", "model"])
def test_a_plugin_that_is_not_here(made: Callable[..., Path], kind: str) -> None:
    old = described()
    plugins = {name: dict(entry) for name, entry in old.plugins.items()}
    plugins[kind]["name"] = "phlogiston"
    with pytest.raises(DataError, match=f"there is no {kind} 'phlogiston'"):
        assemble.from_checkpoint(made(manifest=dataclasses.replace(old, plugins=plugins)))


@pytest.mark.parametrize("lost", ["encoder", "table.own", "shape"])
def test_tensors_that_do_not_fit(made: Callable[..., Path], lost: str) -> None:
    tensors = {"encoder": dict(encoder(1).state_dict())}
    if lost == "encoder":
        tensors = {"other": {}}
    elif lost == "shape":
        tensors["encoder"]["norm.weight"] = torch.ones(9)
    else:
        del tensors["encoder"][lost]
    with pytest.raises(DataError, match="does not fit its own description"):
        assemble.from_checkpoint(made(tensors=tensors))


def test_what_was_written_comes_back_and_the_state_goes(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    folder.state.write_bytes(b"state")
    learner = Learner(encoder(5), supervised.Objective(supervised.Settings(outputs=3)))
    assemble.write(folder, learner.parts(), described(), Vocabulary(TOKENS, COUNTS))
    assert not folder.state.exists()
    parts = assemble.from_checkpoint(folder.path)
    assert torch.equal(parts.encoder.state_dict()["table.own"], encoder(5).table.own)
    assert set(parts.checkpoint.tensors["head"]) == {
        "norm.weight", "norm.bias", "out.weight", "out.bias",
    }  # fmt: skip


def test_plugins_may_come_from_third_parties(
    made: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    point = EntryPoint("phlogiston", "sslkit.models.transformer", "sslkit.models")
    monkeypatch.setattr(
        "sslkit.third_party.entry_points",
        lambda group: [point] if group == "sslkit.models" else [],
    )
    old = described()
    plugins = {**old.plugins, "model": {**old.plugins["model"], "name": "phlogiston"}}
    path = made(manifest=dataclasses.replace(old, plugins=plugins))
    assert assemble.from_checkpoint(path).encoder.depth == 2
