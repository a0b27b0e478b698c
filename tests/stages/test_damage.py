"""Damaged artifacts as the commands that read them meet them: made again, or refused by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

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
