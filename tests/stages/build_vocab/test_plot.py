"""build-vocab --plot as a user runs it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def test_the_picture_and_the_histogram_follow_from_the_table(
    command: Run, tmp_path: Path, tiny_genome: Path
) -> None:
    pytest.importorskip("matplotlib")
    first = command("build-vocab", "corpus", "--k", "4", "--plot")
    picture = (tmp_path / "vocab.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert "COUNT" in first.out
    (tmp_path / "vocab.png").unlink()
    again = command("build-vocab", "corpus", "--k", "4", "--plot")
    assert "finished already" in again.err
    assert again.out == first.out
    assert (tmp_path / "vocab.png").read_bytes() == picture
    results = command("build-vocab", "corpus", "--k", "4", "--plot", "--json").json
    assert results["plot"] == "vocab.png"
    assert results["zipf"] is None
    for number in (1, 2):
        command("build-vocab", "corpus", "--k", "4", "--shard", f"{number}/2")
    merged = command("merge-vocab", "part-1-of-2", "part-2-of-2", "-o", "m.parquet", "--plot")
    assert merged.out == first.out
    assert (tmp_path / "m.png").read_bytes() == picture


def test_a_share_is_not_drawn(command: Run, tmp_path: Path, tiny_genome: Path) -> None:
    message = command("build-vocab", "corpus", "--plot", "--shard", "1/2", check=2).err
    assert "merge-vocab" in message
    assert not list(tmp_path.glob("part-*"))


def test_nothing_is_drawn_unasked(command: Run, tmp_path: Path, tiny_genome: Path) -> None:
    assert not command("build-vocab", "corpus").out
    assert not (tmp_path / "vocab.png").exists()


def test_a_missing_library_is_named_with_its_extra(
    command: Run, tiny_genome: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert "sslkit[plot]" in command("build-vocab", "corpus", "--plot", check=2).err
