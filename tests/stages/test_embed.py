"""sslkit embed, from the command line: every kind of input, resuming, refusing."""

import gzip
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from typer.testing import CliRunner, Result

from sslkit.artifacts import checkpoint, embeddings, manifest
from sslkit.artifacts.embeddings import Embeddings
from sslkit.artifacts.kinds import parts_of
from sslkit.artifacts.parts import Parts, working
from sslkit.cli.commands import app
from sslkit.domains import genome
from sslkit.models import transformer
from sslkit.vocab.vocabulary import Vocabulary

K, CONTEXT, WIDTH = 3, 24, 8
Embed = Callable[..., Embeddings]


def letters(size: int, seed: int) -> str:
    return "".join("ACGT"[i] for i in np.random.default_rng(seed).integers(0, 4, size))


def fasta(path: Path, sizes: list[int]) -> Path:
    path.write_text("".join(f">s{n}\n{letters(size, n)}\n" for n, size in enumerate(sizes)))
    return path


def pretrained(folder: Path, seed: int = 1, blocks: int = 2) -> Path:
    tokens = ["".join("ACGT"[i // 4**p % 4] for p in (2, 1, 0)) for i in range(4**K)]
    vocabulary = Vocabulary(tokens, np.ones(len(tokens), np.int64))
    reading = genome.Settings(k=K)
    domain = genome.Domain(reading, vocabulary)
    shape = transformer.Settings(blocks=blocks, width=WIDTH, heads=2)
    torch.manual_seed(seed)
    model = transformer.Model(shape, domain.spec)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(20 if parameter.ndim == 2 else 1)
    provenance = manifest.make(
        "pretrain",
        {"context": CONTEXT},
        plugins={
            "domain": manifest.plugin("genome", genome, reading),
            "model": manifest.plugin("transformer", transformer, shape),
        },
    )
    saved = checkpoint.Checkpoint(
        provenance,
        {"encoder": model.state_dict()},
        tuple(tokens),
        torch.from_numpy(vocabulary.counts),
    )
    checkpoint.save(folder / checkpoint.NAME, saved)
    return folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pretrained(tmp_path / "pretrained")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command(*words: str | Path, stdin: bytes | None = None) -> Result:
    fixed = ["embed", *map(str, words), "--precision", "fp32", "--threads", "1"]
    return CliRunner().invoke(app, fixed, input=stdin)


@pytest.fixture
def embed(folder: Path) -> Embed:
    def run(*words: str | Path, stdin: bytes | None = None) -> Embeddings:
        done = command(*words, stdin=stdin)
        assert done.exit_code == 0, done.output
        assert not parts_of(Path("embeddings.parquet")).exists()
        return embeddings.read(Path("embeddings.parquet"))

    return run


SIZES = [40, 3, 200, 25, 12]


def test_fasta_to_vectors(folder: Path, embed: Embed) -> None:
    table = embed(fasta(folder / "genes.fa", SIZES))
    assert table.ids == [f"s{n}" for n in range(5)]
    assert table.rows.tolist() == [0, 1, 2, 3, 4]
    assert table.lengths.tolist() == [size - K + 1 for size in SIZES]
    assert table.vectors.shape == (5, WIDTH)
    assert table.present.all()
    assert not table.truncated.any()
    assert table.labels is None
    assert table.starts is None
    assert table.manifest.stage == "embed"
    assert table.manifest.settings["layer"] == 2
    assert table.manifest.results["records"] == 5
    assert [one.path for one in table.manifest.inputs] == [str(folder / "genes.fa")]


def test_every_format_gives_the_same_vectors(folder: Path, embed: Embed) -> None:
    wanted = embed(fasta(folder / "a.fa", SIZES)).vectors
    texts = [letters(size, n) for n, size in enumerate(SIZES)]
    rows = [f"s{n},{text},{'xy'[n % 2]}" for n, text in enumerate(texts)]
    (folder / "a.csv").write_text("\n".join(["who,what,kind", *rows]) + "\n")
    pq.write_table(
        pa.table({"who": [f"s{n}" for n in range(5)], "what": texts, "kind": list("xyxyx")}),
        folder / "a.parquet",
    )
    (folder / "a.fq").write_text(
        "".join(f"@s{n}\n{text}\n+\n{'I' * len(text)}\n" for n, text in enumerate(texts))
    )
    (folder / "a.fa.gz").write_bytes(gzip.compress((folder / "a.fa").read_bytes()))
    (folder / "crlf.fa").write_bytes((folder / "a.fa").read_bytes().replace(b"\n", b"\r\n"))
    # The intervals stand one after the other on one chromosome.
    (folder / "reference.fa").write_text(">chr1\n" + "".join(texts) + "\n")
    ends = np.cumsum(SIZES)
    (folder / "a.bed").write_text(
        "".join(
            f"chr1\t{e - s}\t{e}\ts{n}\n" for n, (e, s) in enumerate(zip(ends, SIZES, strict=True))
        )
    )
    columns = ["--sequence-column", "what", "--id-column", "who", "--label-column", "kind"]
    (folder / "reference.fa.fai").write_text("")
    for name, words in {
        "a.csv": columns,
        "a.parquet": columns,
        "a.fq": [],
        "a.fa.gz": [],
        "crlf.fa": [],
        "a.bed": ["--reference", "reference.fa"],
    }.items():
        table = embed(name, *words, "--force")
        np.testing.assert_array_equal(table.vectors, wanted)
        assert table.ids == [f"s{n}" for n in range(5)], name
        assert table.labels == (list("xyxyx") if words == columns else None)
        if name == "a.bed":
            assert table.ends is not None
            assert table.ends.tolist() == ends.tolist()
    table = embed("-", "--force", stdin=(folder / "a.fa").read_bytes())
    np.testing.assert_array_equal(table.vectors, wanted)
    assert [one.path for one in table.manifest.inputs] == ["-"]


def test_per_token_rows_have_the_mean_of_the_record(folder: Path, embed: Embed) -> None:
    path = fasta(folder / "a.fa", [40, 2, 200, 25])
    pooled = embed(path)
    each = embed(path, "--per-token", "--force")
    assert pooled.present.tolist() == [True, False, True, True]
    for row in (0, 2, 3):
        mine = each.vectors[each.rows == row]
        assert len(mine) == pooled.lengths[row]
        size = float(np.linalg.norm(pooled.vectors[row]))
        np.testing.assert_allclose(mine.mean(0), pooled.vectors[row], atol=1e-5 * size)
    assert each.starts is not None
    assert each.ends is not None
    assert each.starts[each.rows == 2].tolist() == list(range(198))
    assert (each.ends - each.starts)[each.present].tolist() == [K] * int(each.present.sum())
    assert (~each.present).sum() == 1


def test_options_that_change_vectors(folder: Path, embed: Embed) -> None:
    path = fasta(folder / "a.fa", [100, 30])
    seen = [embed(path).vectors]
    for words in (["--pooling", "max"], ["--pooling", "first"], ["--layer", "0"],
                  ["--window", "12"], ["--overlap", "20"], ["--truncate"]):  # fmt: skip
        table = embed(path, *words, "--force")
        assert not any(np.allclose(table.vectors, other) for other in seen)
        assert table.truncated.tolist() == (
            [True] * 2 if words[-1] in {"first", "--truncate"} else [False] * 2
        )
        seen.append(table.vectors)
    same = embed(path, "--layer", "-1", "--batch-tokens", "1", "--force")
    np.testing.assert_allclose(same.vectors, seen[0], atol=1e-5 * float(np.abs(seen[0]).max()))


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b">a\nACGTACGT\n>b\nMKLVEEFF\n", "record 2 (b)"),
        (b">a\nACGTACGT\n>b\n>c\nACGTACGT\n", "record 2 (b)"),
        (b"", "bad.fa"),
        (gzip.compress(b">a\n" + b"ACGT" * 5000, mtime=0)[:-15], "bad.fa"),
    ],
)
def test_bad_input_stops_before_anything_is_written(
    folder: Path, content: bytes, where: str
) -> None:
    (folder / "bad.fa").write_bytes(content)
    done = command("bad.fa")
    assert done.exit_code == 3, done.output
    assert where in done.output
    assert not Path("embeddings.parquet").exists()


def test_bad_records_are_null_rows_where_they_are_passed_over(folder: Path, embed: Embed) -> None:
    (folder / "a.fa").write_text(">a\nACGTACGT\n>b\nMKLVEEFF\n>c\n>d\nAC\n>e\nACGTTGCA\n")
    table = embed("a.fa", "--on-error", "skip")
    assert table.ids == list("abcde")
    assert table.present.tolist() == [True, False, False, False, True]
    counts = table.manifest.results
    assert (counts["records"], counts["bad"], counts["too_short"]) == (5, 2, 1)


def test_usage_that_cannot_work(folder: Path) -> None:
    fasta(folder / "a.fa", [30])
    (folder / "a.bed").write_text("chr1\t0\t9\n")
    for words, message in {
        ("a.fa", "--layer", "3"): "there is no layer 3",
        ("a.fa", "--window", "25"): "that was 24 tokens",
        ("a.fa", "--window", "8", "--overlap", "8"): "cannot overlap",
        ("none.fa",): "there is no file",
        ("a.bed",): "--reference",
        ("a.fa", "--checkpoint", "nothing"): "sslkit pretrain",
        ("a.fa", "-o", "pretrained"): "is a folder",
    }.items():
        done = command(*words)
        assert done.exit_code == 2, done.output
        assert message in done.output
    done = command("a.fa", "--label-column", "label")
    assert done.exit_code == 3
    assert "--label-column" in done.output


def test_a_finished_table_is_left_alone(folder: Path, embed: Embed) -> None:
    path = fasta(folder / "a.fa", SIZES)
    embed(path)
    before = Path("embeddings.parquet").stat()
    done = command(path)
    assert done.exit_code == 0
    assert "nothing to do" in done.output
    assert Path("embeddings.parquet").stat().st_mtime_ns == before.st_mtime_ns
    for words, message in {
        ("--layer", "1"): "layer was 2 and is 1",
        ("--pooling", "max"): "pooling",
        ("--label-column", "x"): "label_column",
    }.items():
        done = command(path, *words)
        assert done.exit_code == 2
        assert message in done.output
    pretrained(folder / "pretrained", seed=2)
    done = command(path)
    assert done.exit_code == 2
    assert "parents.checkpoint" in done.output
    assert command(path, "--force").exit_code == 0
    Path("embeddings.parquet").write_text("something else")
    done = command(path)
    assert done.exit_code == 2
    assert "no table of embeddings" in done.output
    assert Path("embeddings.parquet").read_text() == "something else"


def test_two_jobs_for_one_output(folder: Path) -> None:
    path = fasta(folder / "a.fa", SIZES)
    columns = embeddings.schema(WIDTH, labels=False, spans=False)
    with working(Path("embeddings.parquet"), {"stage": "embed"}, print, force=False) as parts:
        parts.append(embeddings.table([], columns), 1, {})
        done = command(path)
        assert done.exit_code == 4
        assert f"process {os.getpid()}" in done.output
    done = command(path)
    assert done.exit_code == 2
    assert "unfinished run with other settings" in done.output
    assert command(path, "--force").exit_code == 0


def test_a_full_disk_keeps_what_there_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch, embed: Embed
) -> None:
    path = fasta(folder / "a.fa", SIZES)
    first = embed(path).vectors

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pq.ParquetWriter, "write_table", full)
        done = command(path, "--layer", "1", "--force")
    assert done.exit_code == 4
    assert "No space left" in done.output
    np.testing.assert_array_equal(embeddings.read(Path("embeddings.parquet")).vectors, first)
    assert command(path, "--layer", "1", "--force").exit_code == 0


def test_rows_of_short_records_wait_in_bounded_numbers(
    folder: Path, monkeypatch: pytest.MonkeyPatch, embed: Embed
) -> None:
    path = fasta(folder / "short.fa", [20] * 100)
    whole = embed(path, "--batch-tokens", "18")
    sizes: list[int] = []
    append = Parts.append

    def noting(parts: Parts, table: pa.Table, chunks: int, state: Mapping[str, Any]) -> None:
        sizes.append(len(table))
        append(parts, table, chunks, state)

    monkeypatch.setattr(Parts, "append", noting)
    monkeypatch.setattr("sslkit.inference.embedding._FEWEST_SECONDS", 1e9)
    monkeypatch.setattr("sslkit.inference.embedding._MOST_SECONDS", 1e9)
    monkeypatch.setattr("sslkit.inference.embedding._PART_BLOCKS", 20)
    again = embed(path, "--batch-tokens", "18", "--force")
    # Lots hold 16 batches of one record each.
    assert sizes == [32, 32, 32, 4]
    np.testing.assert_array_equal(again.vectors, whole.vectors)


def start(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sslkit", "embed", "genes.fa", "--batch-tokens", "128",
         "--threads", "1", "--precision", "fp32", *words],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("more", "kills"),
    [
        ([], [signal.SIGTERM, signal.SIGKILL, signal.SIGINT]),
        (["--per-token"], [signal.SIGUSR1]),
    ],
)
def test_killed_runs_end_in_the_same_bytes(
    folder: Path, more: list[str], kills: list[signal.Signals]
) -> None:
    pretrained(folder / "pretrained", blocks=6)
    draw = np.random.default_rng(3)
    # A long record among short ones: some kills fall between its windows.
    fasta(folder / "genes.fa", [*draw.integers(1, 90, 20).tolist(), 16_000, 2, 70, 70])
    start(*more, "-o", "whole.parquet").communicate()
    parts = parts_of(Path("embeddings.parquet"))
    for number in kills:
        process = start(*more)
        assert process.stderr is not None
        assert any(line.startswith("found") for line in process.stderr)
        # From here on a stop keeps what is done; before, there is nothing to keep.
        while not (parts / "job.json").exists():
            assert process.poll() is None
            time.sleep(0.001)
        time.sleep(draw.uniform(0, 0.5) if number == signal.SIGKILL else 0)
        process.send_signal(number)
        _, errors = process.communicate()
        if number != signal.SIGKILL:
            assert process.returncode == 75, errors
            assert number.name in errors
            assert list(parts.glob("*.arrow"))
    process = start(*more)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert Path("embeddings.parquet").read_bytes() == Path("whole.parquet").read_bytes()
    assert not parts.exists()
    left = {path.name for path in folder.iterdir()}
    assert left == {"pretrained", "genes.fa", "whole.parquet", "embeddings.parquet"}
