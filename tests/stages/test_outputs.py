"""What every command leaves alone: files and folders that it did not write, and its inputs."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]

_SMALL = ("--batch-tokens", "256", "--threads", "1", "--device", "cpu")
_SHARD = ("build-vocab", "corpus", "--k", "3", "--shard", "1/1")
COMMANDS: dict[str, tuple[str, ...]] = {
    "build-vocab": ("build-vocab", "corpus", "--k", "3"),
    "build-vocab --shard": _SHARD,
    "merge-vocab": ("merge-vocab", "shared"),
    "pretrain": (
        "pretrain", "--vocab", "known.parquet", "--steps", "2", "--window", "32", *_SMALL,
        "--set", "blocks=1", "--set", "width=16", "--set", "heads=2", "--precision", "fp32",
    ),
    "embed": ("embed", "corpus/genes.fa", "--precision", "fp32", *_SMALL),
    "score": ("score", "corpus/genes.fa", "--spacing", "16", *_SMALL),
    "finetune": (
        "finetune", "--task", "promoter", "--steps", "2", "--precision", "fp32", "--threads", "1",
    ),
    "probe": ("probe", "--task", "promoter", *_SMALL),
    "slurm": ("slurm", "--", "build-vocab", "corpus"),
}  # fmt: skip
FOLDERS = {"build-vocab --shard", "pretrain", "finetune", "probe"}


def contents(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if ".sslkit" not in path.parts
    }


@pytest.fixture
def chain(
    command: Command, tiny_vocab: Path, tiny_labels: Path, pretrained: Any, tmp_path: Path
) -> Command:
    """The command line in a folder in which every command has what it reads."""
    pretrained(tmp_path)
    tiny_vocab.rename(tmp_path / "known.parquet")
    command(*_SHARD, "-o", "shared")
    return command


def words_of(name: str, *more: str) -> list[str]:
    first, *others = COMMANDS[name]
    return [first, *more, *others]


@pytest.mark.parametrize("name", COMMANDS)
def test_what_stands_there_stays(chain: Command, tmp_path: Path, name: str) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("mine")
    (tmp_path / "mine.parquet").write_text("mine")
    before = contents(tmp_path)
    for out in ("thesis", "mine.parquet", "mine.parquet/x.parquet", "-", "corpus", "shared"):
        if (name, out) == ("build-vocab --shard", "shared"):
            continue
        for force in ((), ("--force",)):
            chain(*words_of(name, "-o", out, *force), check=2)
    chain(*words_of(name, "-o", "/proc/x.parquet"), check=4)
    if name not in FOLDERS | {"slurm"}:
        for out in ("x.csv", "x.npy", "mine.txt"):
            chain(*words_of(name, "-o", out), check=2)
    assert contents(tmp_path) == before


# A model that can score takes a while to pretrain; the tests of score replace its own tables.
@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {"score"}))
def test_its_own_is_replaced_by_force(chain: Command, tmp_path: Path, name: str) -> None:
    chain(*words_of(name, "-o", "own"))
    before = contents(tmp_path)
    chain(*words_of(name, "-o", "own", "--force"))
    assert contents(tmp_path).keys() == before.keys()
    for other in COMMANDS.keys() - {name}:
        if {name, other} != {"build-vocab", "merge-vocab"}:
            chain(*words_of(other, "-o", "own", "--force"), check=2)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("pretrain", ("--start-from", "own")),
        ("pretrain", ("--start-from", "linked/checkpoint.pt")),
        ("finetune", ("--checkpoint", "own")),
        ("finetune", ("--valid", "own/predictions.parquet")),
        ("probe", ("--embeddings", "own/predictions.parquet")),
    ],
)
def test_a_run_does_not_begin_with_what_it_replaces(
    chain: Command, tmp_path: Path, name: str, more: tuple[str, ...]
) -> None:
    chain(*words_of(name, "-o", "own"))
    (tmp_path / "linked").symlink_to("own")
    before = contents(tmp_path)
    chain(*words_of(name, "-o", "own", *more, "--force"), check=2)
    assert contents(tmp_path) == before


def test_a_table_that_is_read_is_not_written(chain: Command, tmp_path: Path) -> None:
    chain("embed", "corpus/genes.fa", "-q", *_SMALL)
    os.link("embeddings.parquet", "same.parquet")
    before = contents(tmp_path)
    for out in ("embeddings.parquet", "same.parquet"):
        for stage in ("embed", "score"):
            words = (stage, "embeddings.parquet", "--sequence-column", "id", "--force")
            chain(*words, "-o", out, check=2)
    chain("build-vocab", "embeddings.parquet", "--column", "id", "-o", "same.parquet", check=2)
    assert contents(tmp_path) == before


def test_an_output_among_what_is_read(chain: Command, tmp_path: Path) -> None:
    words = ("build-vocab", "tables", "--domain", "genome", "--column", "sequence")
    (tmp_path / "tables").mkdir()
    shutil.copy("labels/promoter.csv", "tables")
    chain(*words, "-o", "tables/vocab.parquet", check=2)
    chain("merge-vocab", "shared", "-o", "shared/vocab.parquet", check=2)
    chain("embed", "corpus/*", "-o", "corpus/x.parquet", check=2)
    assert [path.name for path in (tmp_path / "tables").iterdir()] == ["promoter.csv"]
    chain(*words)
    chain("build-vocab", "corpus", "--k", "3", "-o", "corpus/vocab.parquet")


def test_a_share_with_a_file_of_the_user(chain: Command, tmp_path: Path) -> None:
    words = words_of("build-vocab --shard", "-o", "shared", "--force")
    (tmp_path / "shared" / "notes.txt").write_text("mine")
    before = contents(tmp_path)
    chain(*words, check=2)
    assert contents(tmp_path) == before
    (tmp_path / "shared" / "notes.txt").rename(tmp_path / "notes.txt")
    for name in (".shared.part", ".shared.old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "notes.txt").write_text("mine")
        chain(*words, check=2)
        (tmp_path / name / "notes.txt").rename(tmp_path / name / "counts.json")
        chain(*words)
        assert not (tmp_path / name).exists()


def test_parts_of_the_user(chain: Command, tmp_path: Path) -> None:
    (tmp_path / "embeddings.parquet.parts").mkdir()
    (tmp_path / "embeddings.parquet.parts" / "00000000-00000001.arrow").write_text("mine")
    before = contents(tmp_path)
    for force in ((), ("--force",)):
        chain("embed", "corpus/genes.fa", *_SMALL, *force, check=2)
    assert contents(tmp_path) == before


def test_pictures_and_tokenizers_of_the_user(chain: Command, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "vocab.png").write_text("mine")
    before = contents(tmp_path)
    chain(*words_of("build-vocab", "--plot", "--force"), check=2)
    chain(*words_of("merge-vocab", "--plot", "--force"), check=2)
    chain("scaling", "pretrained", "--plot", "vocab.png", check=2)
    (tmp_path / "vocab.png").unlink()
    chain(*words_of("build-vocab", "--plot"))
    drawn = (tmp_path / "vocab.png").read_bytes()
    chain(*words_of("build-vocab", "--plot"))
    chain("scaling", "pretrained", "--plot", "vocab.png", check=2)
    assert (tmp_path / "vocab.png").read_bytes() == drawn
    assert before.keys() < contents(tmp_path).keys()


def test_a_tokenizer_goes_with_its_vocabulary(command: Command, tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    beside = tmp_path / "vocab.tokenizer.json"
    beside.write_text("mine")
    (tmp_path / "a.txt").write_text("some words and some more words")
    words = ("build-vocab", "a.txt", "--subword", "bpe", "--max-size", "260")
    command(*words, "--force", check=2)
    command("build-vocab", "a.txt")
    command(*words, "--force", check=2)
    assert beside.read_text() == "mine"
    beside.unlink()
    command(*words, "--force")
    learned = beside.read_bytes()
    beside.unlink()
    command(*words)  # As after a kill between the table and the tokenizer.
    assert beside.read_bytes() == learned
    command("build-vocab", "a.txt", "--force")
    assert not beside.exists()
