"""Configuration files: their types, their tables, and what goes before what."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

Command = Callable[..., Any]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('k = "three"', "k"),
        ("k = [3]", "k"),
        ("k = {a = 3}", "k"),
        ("k = true", "k"),
        ("k = 3.0", "k"),
        ("k = 99", "k"),
        ("k = 1979-05-27", "k"),
        ("force = 'yes'", "force"),
        ("force = 1", "force"),
        ("out = 5", "out"),
        ("engine = 'strange'", "engine"),
        ("special = 'A'", "special"),
        ("special = ['A', 1]", "special"),
        ("set = 3", "set"),
        ("set = [1]", "set"),
        ("set = {k = [3]}", "set.k"),
        ("[strange]\nk = 3", "strange"),
        ("build-vocab = 3", "build-vocab"),
        ("[[build-vocab]]\nk = 3", "build-vocab"),
        ("embed = 3", "embed"),
        ("k = " + "[" * 10_000 + "]" * 10_000, "cannot be read"),
        ("k = ", "cannot be read"),
    ],
)
def test_what_is_not_of_the_type_of_its_option(
    command: Command, tmp_path: Path, tiny_genome: Path, text: str, key: str
) -> None:
    (tmp_path / "some.toml").write_text(text)
    done = command("build-vocab", "corpus", "--config", "some.toml", check=2)
    assert "some.toml" in done.err
    assert key in done.err.partition("some.toml")[2]
    assert not (tmp_path / "vocab.parquet").exists()


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("k = 3", 3),
        ("[build-vocab]\nk = 3", 3),
        ("k = 2\n[build-vocab]\nseed = 7", 2),
        ("k = 2\n[build-vocab]\nk = 3", 3),
        ("[embed]\npooling = 'max'", 6),
        ("[set]\nk = 3", 3),
        ("set = ['k=3']", 3),
        ("set = {k = 2}\n[build-vocab.set]\nk = 3", 3),
    ],
)
def test_tables(command: Command, tmp_path: Path, tiny_genome: Path, text: str, width: int) -> None:
    (tmp_path / "some.toml").write_text(text)
    command("build-vocab", "corpus", "--config", "some.toml")
    assert len(pq.read_table(tmp_path / "vocab.parquet")["token"][0].as_py()) == width


@pytest.mark.parametrize(
    "words",
    [
        ("--threads", "1000000000"),
        ("--seed", "99999999999999999999"),
        ("--min-count", "99999999999999999999"),
        ("--max-size", "-1"),
    ],
    ids=str,
)
def test_numbers_that_nothing_can_hold(
    command: Command, tiny_genome: Path, words: tuple[str]
) -> None:
    assert words[0] in command("build-vocab", "corpus", *words, check=2).err


def test_not_a_number(command: Command) -> None:
    assert "--heldout" in command("pretrain", "--heldout", "nan", check=2).err


@pytest.mark.parametrize("count", ["1000000000", "two", "-1", "4(x2)"])
def test_processors_of_slurm(
    command: Command, tiny_genome: Path, monkeypatch: pytest.MonkeyPatch, count: str
) -> None:
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", count)
    assert f"SLURM_CPUS_PER_TASK={count}" in command("build-vocab", "corpus", check=2).err
