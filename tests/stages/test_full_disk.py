"""A file that cannot be written, whichever it is: exit code 4, and nothing half written is left.

A limit on the size of files stands for a disk that is full: every write beyond it fails.
"""

import gzip
import io
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sslkit.errors import DataError, ResourceError
from sslkit.files import pipes, references, table

Command = Callable[..., Any]

_SMALL = ("--batch-tokens", "256", "--threads", "1", "--device", "cpu")
COMMANDS: dict[str, tuple[str, ...]] = {
    "build-vocab": ("build-vocab", "corpus", "--k", "3", "--tmp", "scratch"),
    "build-vocab --shard": (
        *("build-vocab", "corpus", "--k", "8", "--shard", "1/1", "--tmp", "scratch"),
    ),
    "merge-vocab": ("merge-vocab", "shared", "--tmp", "scratch"),
    "pretrain": (
        "pretrain", "--vocab", "known.parquet", "--steps", "2", "--window", "32", *_SMALL,
        "--set", "blocks=1", "--set", "width=16", "--set", "heads=2", "--precision", "fp32",
        "--shards", "shards",
    ),
    "embed": ("embed", "corpus/genes.fa", "--precision", "fp32", *_SMALL),
    "finetune": (
        "finetune", "--task", "promoter", "--steps", "2", "--precision", "fp32", "--threads", "1",
    ),
    "probe": ("probe", "--task", "promoter", *_SMALL),
    "slurm": ("slurm", "--", "build-vocab", "corpus"),
}  # fmt: skip
#: What is whole by itself, and used again.
KEPT = {"run.json", "config.toml", "metrics.jsonl", "state.pt", "predictions.parquet"}


@contextmanager
def limited(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def chain(
    command: Command, tiny_vocab: Path, tiny_labels: Path, pretrained: Any, tmp_path: Path
) -> Command:
    """The command line in a folder in which every command has what it reads."""
    pretrained(tmp_path)
    tiny_vocab.rename(tmp_path / "known.parquet")
    command("build-vocab", "corpus", "--k", "3", "--shard", "1/1", "-o", "shared")
    return command


@pytest.mark.parametrize("name", COMMANDS)
def test_every_file_that_does_not_fit(chain: Command, tmp_path: Path, name: str) -> None:
    first, *others = COMMANDS[name]
    own, codes = tmp_path / "own", []
    for size in (0, 100, 1000, 3000, 10_000, 40_000, 200_000):
        with limited(size):
            codes.append(chain(first, "-o", "own", *others, check=None).code)
        assert not list(tmp_path.rglob("*.part"))
        if codes[-1] == 0:
            break
        assert not own.is_file()
        assert {path.name for path in own.rglob("*")} <= KEPT
        for path in own.rglob("*.parquet"):
            assert pq.read_table(path).num_rows
    assert codes == [4] * (len(codes) - 1) + [0]
    assert len(codes) > 1


@pytest.mark.parametrize("name", ["build-vocab", "build-vocab --shard", "merge-vocab", "embed"])
def test_what_was_there_stays(chain: Command, tmp_path: Path, name: str) -> None:
    first, *others = COMMANDS[name]
    chain(first, "-o", "own", *others)
    own = tmp_path / "own"
    files = [own] if own.is_file() else sorted(own.iterdir())
    before = {path: path.read_bytes() for path in files}
    with limited(300):
        chain(first, "-o", "own", "--force", *others, check=4)
    assert {path: path.read_bytes() for path in files} == before


def test_temporary_copies_that_do_not_fit(
    tiny_genome: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    text = (tiny_genome / "genome.fa").read_bytes()
    reference = tmp_path / "genome.fa.gz"
    reference.write_bytes(gzip.compress(text))
    packed = tmp_path / "x.parquet.gz"
    column = pa.table({"sequence": [text.decode().replace("\n", "")[:5000]]})
    pq.write_table(column, tmp_path / "x.parquet", compression="none")
    packed.write_bytes(gzip.compress((tmp_path / "x.parquet").read_bytes()))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
    with limited(2000):
        with pytest.raises(ResourceError), pipes.keeping():
            pipes.kept(pipes.STDIN)
        with pytest.raises(ResourceError), references.opened(reference):
            pass
        with pytest.raises(ResourceError):
            list(table.read(packed))
    assert list((tmp_path / "scratch").iterdir()) == []


def test_an_input_that_is_cut_off_is_no_full_disk(tmp_path: Path) -> None:
    (tmp_path / "cut.fa.gz").write_bytes(gzip.compress(b">a\nACGT\n" * 1000)[:-20])
    with pytest.raises(DataError), references.opened(tmp_path / "cut.fa.gz"):
        pass


def test_no_index_is_put_into_a_folder_that_is_read_only(tmp_path: Path) -> None:
    folder = tmp_path / "reference"
    folder.mkdir()
    (folder / "a.fa").write_text(">a\nACGT\n")
    folder.chmod(0o555)
    with references.opened(folder / "a.fa"):
        assert [path.name for path in folder.iterdir()] == ["a.fa"]
