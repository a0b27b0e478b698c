"""Standard input and pipes by name, for commands that read once and those that read again."""

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from sslkit.artifacts import manifest
from sslkit.files import pipes, source

Command = Callable[..., Any]

SAME = ("--threads", "1", "--precision", "fp32")
TINY = ("--set", "blocks=1", "--set", "width=16", "--set", "heads=2", "--steps", "2")


@pytest.fixture
def through(tmp_path: Path) -> Callable[..., Path]:
    """A pipe by name that gives what a file holds, once."""

    def make(file: Path) -> Path:
        pipe = tmp_path / f"{file.stem}.pipe"
        pipe.unlink(missing_ok=True)
        os.mkfifo(pipe)
        threading.Thread(target=lambda: pipe.write_bytes(file.read_bytes()), daemon=True).start()
        return Path(pipe.name)

    return make


def test_what_comes_from_a_pipe_is_kept_as_long_as_a_command_runs(
    tmp_path: Path, through: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    (tmp_path / "a.fa").write_text(">a\nACGT\n")
    pipe = through(tmp_path / "a.fa")
    assert pipes.is_pipe(pipe)
    assert not pipes.is_pipe(tmp_path / "a.fa")
    with pipes.keeping():
        for _ in range(2):
            with source.open_bytes(pipe) as stream:
                assert stream.read() == b">a\nACGT\n"
        (stated,) = manifest.describe([pipe])
        assert stated == manifest.Input("a.pipe", 8, source.digest(tmp_path / "a.fa"))
    assert not list((tmp_path / "scratch").iterdir())
    assert manifest.describe([pipe], once=True)[0].sha256 == ""


def test_a_slow_pipe_is_seen_from_its_beginning(tmp_path: Path) -> None:
    pipe = tmp_path / "slow"
    os.mkfifo(pipe)

    def write() -> None:
        with pipe.open("wb", buffering=0) as stream:
            for letter in gzip.compress(b"one\n"):
                stream.write(bytes([letter]))

    threading.Thread(target=write, daemon=True).start()
    with source.open_bytes(pipe, once=True) as stream:
        assert stream.read() == b"one\n"


def test_commands_take_pipes(
    tmp_path: Path,
    tiny_genome: Path,
    tiny_labels: Path,
    command: Command,
    pretrained: Callable[..., None],
    through: Callable[..., Path],
) -> None:
    pretrained(tmp_path)
    genes = tiny_genome / "genes.fa"
    for more in ((), ("--on-error", "skip")):
        made = command(
            "build-vocab",
            through(genes),
            "--domain",
            "genome",
            "--k",
            "3",
            "--json",
            "--force",
            *more,
        ).json
        assert (made["files"], made["records"]) == (1, 20)
    # A vocabulary of a pipe names no corpus, and nobody trains on a pipe.
    command("pretrain", *TINY, check=2)
    command("pretrain", through(genes), *TINY, check=2)
    command("embed", genes, "-o", "plain.parquet", *SAME)
    command("embed", through(genes), "-o", "piped.parquet", *SAME)
    plain, piped = (pq.read_table(f"{name}.parquet").to_pydict() for name in ("plain", "piped"))
    assert plain == piped
    # The same bytes through a pipe are the same input.
    assert command("embed", through(genes), "-o", "piped.parquet", *SAME).code == 0
    (tmp_path / "places.bed").write_text("chr1\t10\t90\nchr3\t0\t70\n")
    genome = tiny_genome / "genome.fa"
    spans = command(
        "embed",
        "places.bed",
        "--reference",
        through(genome),
        "-o",
        "spans.parquet",
        "--json",
        *SAME,
    ).json
    assert (spans["records"], spans["bad"]) == (2, 0)
    trained = command(
        "finetune", "--task", "promoter", "--labels", through(tiny_labels), "--steps", "2", *SAME
    )
    assert trained.code == 0
    assert command("inspect", through(genes), "--json").json["files"][0]["records"] == 20


def test_closed_standard_input_is_said(
    tmp_path: Path, pretrained: Callable[..., None], tiny_genome: Path
) -> None:
    pretrained(tmp_path)
    for words in (["build-vocab", "-", "--domain", "genome"], ["embed", "-"]):
        ended = subprocess.run(
            ["sh", "-c", 'exec "$@" <&-', "sh", sys.executable, "-m", "sslkit", *words],
            cwd=tmp_path, capture_output=True, check=False, text=True,
        )  # fmt: skip
        assert (ended.returncode, "standard input is closed" in ended.stderr) == (2, True)
