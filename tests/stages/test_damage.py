"""Damaged artifacts as the commands that read them meet them: made again, or refused by name."""

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from fuzz import attempt, mutate, mutate_json

from sslkit.artifacts import checkpoint, embeddings
from sslkit.engine import assemble
from sslkit.errors import SslkitError
from sslkit.vocab import vocabulary

Command = Callable[..., Any]

TINY = (
    "pretrain", "--set", "blocks=1", "--set", "width=8", "--set", "heads=1", "--steps", "2",
    "--window", "32", "--batch-tokens", "128", "--precision", "fp32", "--threads", "1",
    "--device", "cpu",
)  # fmt: skip


def flip(path: Path, place: int) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def test_a_damaged_shard_is_made_again_and_said_so(
    tmp_path: Path, command: Command, tiny_vocab: Path
) -> None:
    command(*TINY, "-o", "one")
    shards = sorted((tmp_path / ".sslkit/shards").iterdir())
    whole = {path: path.read_bytes() for path in shards}
    for path in shards:
        flip(path, len(whole[path]) // 2)
    done = command(*TINY, "-o", "other")
    for path in shards:
        assert path.read_bytes() == whole[path]
    for path in shards:
        assert str(path.with_suffix(".units").name) in done.err
    again = command(*TINY, "-o", "third")
    assert not any(path.stem in again.err for path in shards)
    first = (tmp_path / "one/checkpoint.pt").read_bytes()
    assert (tmp_path / "other/checkpoint.pt").read_bytes() == first


def restate(path: Path, change: Callable[[Any], Any]) -> None:
    """Change what a checkpoint says of its making, with right checksums around it."""
    values = checkpoint.read_tensors(path)
    values["manifest"] = json.dumps(change(json.loads(values["manifest"])))
    torch.save(values, path)


def setting(kind: str, name: str, value: object) -> Callable[[Any], Any]:
    def change(stated: Any) -> Any:
        stated["plugins"][kind]["settings"][name] = value
        return stated

    return change


def plugin(kind: str, name: str, value: object) -> Callable[[Any], Any]:
    def change(stated: Any) -> Any:
        stated["plugins"][kind][name] = value
        return stated

    return change


@pytest.mark.parametrize(
    "change",
    [
        setting("model", "blocks", 10**7),
        setting("model", "blocks", 10**30),
        setting("model", "blocks", -1),
        setting("model", "blocks", "2"),
        setting("model", "blocks", 2.0),
        setting("model", "blocks", True),
        setting("model", "blocks", 3),
        setting("model", "width", 10**9),
        setting("model", "width", 10**18),
        setting("model", "width", 0),
        setting("model", "heads", 10**9),
        setting("model", "heads", 0),
        setting("model", "dropout", float("nan")),
        setting("model", "dropout", "x"),
        setting("model", "other", 1),
        setting("domain", "k", 40),
        setting("domain", "k", 10**9),
        setting("domain", "k", -1),
        setting("domain", "k", None),
        setting("domain", "stride", -1),
        setting("domain", "stride", 10**9),
        plugin("model", "name", "../../secret"),
        plugin("model", "name", 3),
        plugin("model", "version", None),
        plugin("domain", "settings", []),
        lambda stated: stated | {"plugins": {}},
        lambda stated: stated | {"plugins": []},
        lambda stated: stated | {"plugins": {"model": stated["plugins"]["model"]}},
        lambda stated: stated | {"settings": {}},
        lambda stated: stated | {"settings": {"context": -1}},
        lambda stated: stated | {"settings": {"context": "64"}},
        lambda stated: stated | {"settings": {"context": 10**12}},
        lambda stated: stated | {"settings": {"context": 1.5}},
        lambda stated: stated | {"inputs": [{"path": 3, "bytes": -1, "sha256": None}]},
        lambda stated: stated | {"parents": {"a": 1}},
        lambda stated: stated | {"format": True},
        lambda stated: [stated],
    ],
)
def test_what_a_checkpoint_cannot_be_is_refused_by_name_and_soon(
    tmp_path: Path,
    command: Command,
    tiny_genome: Path,
    pretrained: Callable[[Path], None],
    change: Callable[[Any], Any],
) -> None:
    pretrained(tmp_path)
    restate(tmp_path / "pretrained/checkpoint.pt", change)
    begun = time.monotonic()
    done = command("embed", "corpus/genes.fa", "--threads", "1", "--precision", "fp32", check=3)
    assert time.monotonic() - begun < 20
    assert str(Path("pretrained/checkpoint.pt")) in done.err
    assert not (tmp_path / "embeddings.parquet").exists()


def test_a_changed_description_is_refused_or_fits(
    tmp_path: Path, pretrained: Callable[[Path], None]
) -> None:
    rng = random.Random(14)
    pretrained(tmp_path)
    path = tmp_path / "pretrained/checkpoint.pt"
    values = checkpoint.read_tensors(path)
    stated = json.loads(values["manifest"])
    codes = set()
    for _ in range(150):
        torch.save(values | {"manifest": json.dumps(mutate_json(stated, rng))}, path)
        loaded = attempt(lambda: assemble.from_checkpoint(path))
        if isinstance(loaded, SslkitError):
            assert str(path) in loaded.where
            codes.add(loaded.exit_code)
    assert codes == {3}


def test_changed_bytes_of_tables_are_refused_or_change_nothing(
    tmp_path: Path, command: Command, tiny_vocab: Path, pretrained: Callable[[Path], None]
) -> None:
    rng = random.Random(14)
    pretrained(tmp_path)
    command("embed", "corpus/genes.fa", "--threads", "1", "--precision", "fp32")
    table = tmp_path / "embeddings.parquet"

    def vectors() -> Any:
        return embeddings.read(table).vectors.tobytes()

    def rows() -> Any:
        vocab, _ = vocabulary.load(tiny_vocab)
        return list(vocab.tokens), vocab.counts.tolist()

    readers: list[tuple[Path, Callable[[], Any]]] = [(table, vectors), (tiny_vocab, rows)]
    for path, read in readers:
        whole, right = path.read_bytes(), read()
        refused = 0
        for _ in range(100):
            path.write_bytes(mutate(whole, rng))
            value = attempt(read)
            if isinstance(value, SslkitError):
                assert value.exit_code == 3
                assert str(path) in value.where
                refused += 1
            else:
                assert value == right
        assert refused > 50
        path.write_bytes(whole)
