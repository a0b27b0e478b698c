"""show: every plug-in, and artifacts in words."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from sslkit import catalog
from sslkit.artifacts import checkpoint, manifest
from sslkit.artifacts.checkpoint import Checkpoint
from sslkit.console import Console
from sslkit.errors import DataError, UsageError
from sslkit.stages.show import run as show
from sslkit.vocab import vocabulary
from sslkit.vocab.vocabulary import Vocabulary

Shown = Callable[..., str]


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Shown:
    """What ``sslkit show`` prints."""

    def run(what: str | Path | None = None, name: str | Path | None = None) -> str:
        words = [None if word is None else str(word) for word in (what, name)]
        # Made here and not before: it takes stdout as it finds it.
        show.run(show.Options(what=words[0], name=words[1]), Console())
        return capsys.readouterr().out

    return run


def described() -> manifest.Manifest:
    plugin = {"name": "genome", "version": 1, "settings": {"k": 6, "stride": 2}}
    return manifest.make(
        "pretrain",
        {"steps": 30, "data": {"window": 256}},
        plugins={"domain": plugin},
        inputs=(manifest.Input("corpus/a.fa", 12345, "ab" * 32),),
        results={"heldout_loss": 7.5},
    )


def test_all_plug_ins(shown: Shown) -> None:
    text = shown()
    for kind in catalog.FOLDERS:
        for name in catalog.names(kind):
            assert f"{name}  " in text
            assert catalog.summary(kind, name) in text
    assert shown("objective").count("\n") == 1 + len(catalog.names("objective"))


def test_one_plug_in(shown: Shown) -> None:
    text = shown("model", "transformer")
    assert text.startswith("model transformer, version ")
    (line,) = (line for line in text.splitlines() if line.startswith("blocks"))
    assert line.split()[1:3] == ["int", "12"]


def test_an_unknown_plug_in_lists_those_there_are(shown: Shown) -> None:
    with pytest.raises(UsageError) as caught:
        shown("model", "transfromer")
    assert "transformer" in caught.value.do


def test_checkpoint_from_folder_and_file(shown: Shown, tmp_path: Path) -> None:
    saved = Checkpoint(
        described(), {"encoder": {"w": torch.zeros(3, 4)}}, ("AC",), torch.tensor([1])
    )
    file = tmp_path / "pretrained" / checkpoint.NAME
    checkpoint.save(file, saved)
    text = shown("checkpoint", tmp_path / "pretrained")
    assert text == shown(file) == shown(tmp_path / "pretrained") == shown("artifact", file)
    for part in ("1 tensors, 12 numbers", "genome, version 1, k=6, stride=2", "12,345 bytes",
                 "data.window", "heldout_loss"):  # fmt: skip
        assert part in text


def test_tables(shown: Shown, tmp_path: Path) -> None:
    vocab = Vocabulary(["AC", "GT"], np.array([3, 1]))
    vocabulary.save(tmp_path / "vocab.parquet", vocab, described().to_json())
    assert "token string, id int64, count int64" in shown(tmp_path / "vocab.parquet")


def test_what_is_no_artifact_is_refused(shown: Shown, tmp_path: Path) -> None:
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "theirs.parquet")
    with pytest.raises(DataError, match="made by sslkit"):
        shown(tmp_path / "theirs.parquet")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(DataError) as caught:
        shown(tmp_path / "notes.txt")
    assert "notes.txt" in caught.value.where
    with pytest.raises(UsageError, match="no checkpoint"):
        shown(tmp_path)
    for words in (("nothing",), ("embeddings", "absent.parquet"), ("nothing", "x")):
        with pytest.raises(UsageError):
            shown(*words)


def test_the_command(sslkit: Callable[..., Any]) -> None:
    shown = json.loads(sslkit("show", "objective", "mlm", "--json").out)
    assert shown["needs"] == ["tokens"]
    assert {"name", "type", "default", "help"} == set(shown["settings"][0])
