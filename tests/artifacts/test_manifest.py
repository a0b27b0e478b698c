"""Manifests come back as they were, and name nothing that differs between equal runs."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from sslkit.artifacts import manifest
from sslkit.errors import DataError


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "a.fa"
    path.write_bytes(b">a\nAC\n")
    made = manifest.make(
        "pretrain",
        {"steps": 3, "rate": 1e-3, "name": None},
        inputs=manifest.describe([path, Path("-")], once=True),
        parents={"vocab.parquet": "00"},
        results={"loss": 2.5},
    )
    assert manifest.from_json(made.to_json(), "x") == made
    first, stdin = made.inputs
    assert (first.bytes, first.sha256) == (6, hashlib.sha256(b">a\nAC\n").hexdigest())
    assert (stdin.path, stdin.bytes, stdin.sha256) == ("-", 0, "")
    assert {"python", "torch", "sslkit"} <= set(made.libraries)


def test_equal_runs_write_equal_text() -> None:
    texts = {manifest.make("x", {"b": 1, "a": 2}).to_json() for _ in range(3)}
    texts.add(manifest.make("x", {"a": 2, "b": 1}).to_json())
    assert len(texts) == 1


def test_plug_in() -> None:
    @dataclass(frozen=True)
    class Settings:
        k: int = 6

    module = ModuleType("m")
    vars(module)["VERSION"] = 3
    assert manifest.plugin("genome", module, Settings()) == {
        "name": "genome", "version": 3, "settings": {"k": 6}
    }  # fmt: skip


def test_another_format_is_refused_with_what_to_do() -> None:
    text = json.dumps(json.loads(manifest.make("x", {}).to_json()) | {"format": 99})
    with pytest.raises(DataError, match="format 99") as caught:
        manifest.from_json(text, "old.pt")
    assert caught.value.where == "old.pt"
    assert "version of sslkit that wrote it" in caught.value.do


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 1}', '{"format": 1, "inputs": 3}'])
def test_what_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="not an artifact"):
        manifest.from_json(text, "x")
