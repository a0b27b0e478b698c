"""sslkit pretrain: to the bit through signals and kills, by two processes, and what it refuses."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from sslkit.artifacts import checkpoint
from sslkit.engine import assemble
from sslkit.engine.runlog import RunLog

Command = Callable[..., Any]

TINY = (
    "pretrain", "--set", "blocks=2", "--set", "width=16", "--set", "heads=2", "--steps", "12",
    "--window", "32", "--batch-tokens", "256", "--precision", "fp32", "--threads", "1",
    "--device", "cpu",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, tiny_vocab: Path) -> Path:
    return tmp_path


def rows(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def left(run: Path) -> set[str]:
    return {path.name for path in run.iterdir()}


def equal(one: Path, other: Path) -> bool:
    names = ("checkpoint.pt", "metrics.jsonl")
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


def wait_for(process: "subprocess.Popen[Any]", run: Path, count: int) -> None:
    """Return when the metrics of a run hold so many rows, or its process has ended."""
    metrics = run / "metrics.jsonl"
    while process.poll() is None:
        if metrics.is_file() and metrics.read_bytes().count(b"\n") >= count:
            return
        time.sleep(0.01)


def children(number: int) -> list[int]:
    return [child.pid for child in psutil.Process(number).children()]


def interrupted(
    folder: Path, words: tuple[str, ...], run: Path, after: int, number: signal.Signals
) -> tuple[int, str]:
    """Run the command until its metrics hold so many rows, then send a signal; how it ended."""
    with subprocess.Popen(
        [sys.executable, "-m", "sslkit", *words],
        cwd=folder,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:
        wait_for(process, run, after)
        process.send_signal(number)
        assert process.stderr is not None
        said = process.stderr.read().decode()
        return process.wait(), said


@pytest.fixture
def terminated(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Make this process get a SIGTERM once so many rows of metrics are written."""

    def at(step: int) -> None:
        write = RunLog.write

        def heard(log: RunLog, row: Any, tokens: int) -> None:
            write(log, row, tokens)
            if row["step"] == step:
                monkeypatch.setattr(RunLog, "write", write)
                os.kill(os.getpid(), signal.SIGTERM)

        monkeypatch.setattr(RunLog, "write", heard)

    return at


def test_what_it_says_and_leaves(folder: Path, command: Command) -> None:
    done = command(*TINY)
    for text in (
        "read vocab.parquet: 64 tokens of domain genome",
        "corpus/genes.fa, corpus/genome.fa",
        "2 file(s), 0 records skipped",
        "for 12 steps of 256 tokens in fp32",
        "wrote pretrained/checkpoint.pt",
        "held-out perplexity",
        "nats learned beyond counts",
    ):
        assert text in done.err
    assert done.out == ""
    assert left(folder / "pretrained") == {
        "checkpoint.pt", "metrics.jsonl", "config.toml", "run.json",
    }  # fmt: skip
    held = checkpoint.load(folder / "pretrained")
    assert held.manifest.stage == "pretrain"
    assert held.manifest.settings["context"] == 32
    assert held.manifest.plugins["model"]["settings"]["blocks"] == 2
    assert held.manifest.plugins["domain"]["settings"]["k"] == 3
    assert [entry.path for entry in held.manifest.inputs] == ["corpus/genes.fa", "corpus/genome.fa"]
    assert set(held.tensors) == {"encoder", "head"}
    parts = assemble.from_checkpoint(folder / "pretrained")
    assert (parts.context, parts.encoder.depth, len(parts.vocabulary)) == (32, 2, 64)
    assert str(folder) not in (folder / "pretrained" / "checkpoint.pt").read_bytes().decode(
        "latin1"
    )


def test_a_finished_run_says_so_and_does_nothing(folder: Path, command: Command) -> None:
    first = command(*TINY, "--json")
    before = {p: p.stat().st_mtime_ns for p in (folder / "pretrained").iterdir()}
    again = command(*TINY, "--json")
    assert "is finished: nothing to do" in again.err
    assert {p: p.stat().st_mtime_ns for p in (folder / "pretrained").iterdir()} == before
    assert again.json == first.json
    assert first.json["step"] == 12
    assert first.json["heldout_loss"] == rows(folder / "pretrained")[-1]["heldout_loss"]


def test_same_seed_same_bytes_other_seed_other_bytes(folder: Path, command: Command) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        command(*TINY, "-o", name, "--seed", str(seed))
    assert equal(folder / "a", folder / "b")
    assert (folder / "a/checkpoint.pt").read_bytes() != (folder / "c/checkpoint.pt").read_bytes()
    assert rows(folder / "a") != rows(folder / "c")
    # What is held out, and hidden in it, is the same for every seed.
    unigram = {rows(folder / name)[-1]["floor_loss"] for name in "ac"}
    assert len(unigram) == 1


def test_another_run_is_refused_by_what_differs(folder: Path, command: Command) -> None:
    command(*TINY)
    refused = command(*TINY, "--seed", "2", "--set", "width=32", check=2)
    assert "seed was 1 and is 2" in refused.err
    assert "plugins.model.settings.width was 16 and is 32" in refused.err
    assert "--force" in refused.err
    command(*TINY, "--seed", "2", "--force")
    assert checkpoint.load(folder / "pretrained").manifest.settings["seed"] == 2


def test_its_configuration_repeats_it(folder: Path, command: Command) -> None:
    command(*TINY, "corpus/genome.fa", "--seed", "5", "--learning-rate", "0.003", "-o", "a")
    config = tomllib.loads((folder / "a/config.toml").read_text())["pretrain"]
    assert config["seed"] == 5
    assert config["corpus"] == ["corpus/genome.fa"]
    assert config["set"] == ["blocks=2", "width=16", "heads=2"]
    command("pretrain", "--config", "a/config.toml", "-o", "b")
    assert equal(folder / "a", folder / "b")


def test_micro_batches_change_rounding_only(folder: Path, command: Command) -> None:
    command(*TINY, "-o", "a")
    command(*TINY, "-o", "b", "--micro-tokens", "64")
    for one, other in zip(rows(folder / "a"), rows(folder / "b"), strict=True):
        assert one == pytest.approx(other, rel=1e-4)


def test_precision_stays_what_it_came_to(folder: Path, command: Command) -> None:
    """Timing decides it anew at every start; a requeued job must not be refused by chance."""
    words = [word if word != "fp32" else "auto" for word in TINY]
    command(*words)
    run = json.loads((folder / "pretrained/run.json").read_text())
    for precision in ("fp32", "bf16"):
        (folder / "pretrained/run.json").write_text(json.dumps(run | {"precision": precision}))
        assert "nothing to do" in command(*words).err


def test_killed_and_continued_ends_in_the_same_bytes(folder: Path, command: Command) -> None:
    # Dropout, and more steps than an evaluation apart.
    words = (*TINY, "--steps", "60", "--set", "dropout=0.1")
    command(*words, "-o", "whole")
    parts = (*words, "-o", "parts", "--checkpoint-every", "0.05")
    run = folder / "parts"
    code, said = interrupted(folder, parts, run, 3, signal.SIGTERM)
    assert code == 75, said
    assert "stopped by SIGTERM: step" in said
    assert "the same command line continues" in said
    assert not (run / "checkpoint.pt").exists()
    code, said = interrupted(folder, parts, run, 20, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert "continuing parts at step" in said
    assert not (run / "checkpoint.pt").exists()
    code, said = interrupted(folder, parts, run, 40, signal.SIGUSR1)
    assert code == 75, said
    assert "continuing parts at step" in command(*parts).err
    assert equal(folder / "whole", run)
    assert "state.pt" not in left(run)


def test_a_signal_while_the_corpus_is_encoded(folder: Path, command: Command) -> None:
    """It is heard at once, and what was encoded before is not encoded again."""
    with (folder / "corpus/more.fa").open("w") as stream:
        for record in range(500_000):
            stream.write(f">r{record}\n{'ACGTTGCA' * 4}\n")
    words = (*TINY, "corpus/genes.fa", "corpus/more.fa")
    shards = folder / ".sslkit/shards"
    with subprocess.Popen(
        [sys.executable, "-m", "sslkit", *words], cwd=folder, stderr=subprocess.PIPE, text=True
    ) as process:
        while process.poll() is None and not (
            list(shards.glob("*.index")) and list(shards.glob(".*.part"))
        ):
            time.sleep(0.01)
        time.sleep(0.2)
        sent = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        said = ""
        while "stopped" not in said and (line := process.stderr.readline()):
            said += line
        took = time.monotonic() - sent
        process.communicate()
    assert process.returncode == 75, said
    assert "stopped by SIGTERM: what was encoded is in .sslkit/shards" in said
    # The machine may be busy.
    assert took < 2
    (kept,) = shards.glob("*.index")
    assert {path.suffix for path in shards.iterdir()} == {".index", ".units"}
    assert not (folder / "pretrained").exists()
    before = kept.stat().st_mtime_ns
    command(*TINY, "corpus/genes.fa")
    assert kept.stat().st_mtime_ns == before


def test_two_processes_of_one_folder(folder: Path, command: Command) -> None:
    """The second one is refused; a killed one is in nobody's way."""
    words = (*TINY, "--steps", "100000", "--checkpoint-every", "0")
    run = folder / "pretrained"
    with subprocess.Popen(
        [sys.executable, "-m", "sslkit", *words], cwd=folder, stderr=subprocess.PIPE
    ) as process:
        wait_for(process, run, 2)
        for given in (words, (*TINY, "--seed", "2", "--force")):
            refused = command(*given, check=4)
            assert "another sslkit works in pretrained" in refused.err
            assert f"process {process.pid} on " in refused.err
            assert "--out" in refused.err
        assert len(rows(run)) >= 2
        process.kill()
        process.communicate()
    assert "lock" in left(run)
    command(*TINY, "--force")
    assert "lock" not in left(run)


def test_no_clipping(folder: Path, command: Command) -> None:
    for name, clip in (("none", "0"), ("wide", "1e30"), ("narrow", "0.01")):
        command(*TINY, "-o", name, "--clip", clip)
    assert rows(folder / "none") == rows(folder / "wide")
    assert rows(folder / "none") != rows(folder / "narrow")
    assert rows(folder / "none")[-1]["loss"] < rows(folder / "none")[0]["loss"]


@pytest.mark.slow
def test_kills_at_random_moments_leave_nothing_that_looks_whole(
    folder: Path, command: Command
) -> None:
    words = (*TINY, "--steps", "80", "--set", "dropout=0.1")
    command(*words, "-o", "whole")
    shutil.rmtree(folder / ".sslkit")
    parts = (*words, "-o", "parts", "--checkpoint-every", "0")
    generator = np.random.default_rng(1)
    for _ in range(12):
        with subprocess.Popen(
            [sys.executable, "-m", "sslkit", *parts], cwd=folder, stderr=subprocess.PIPE
        ) as process:
            time.sleep(generator.uniform(1.5, 6))
            process.send_signal(generator.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1]))
            process.communicate()
        if (folder / "parts/checkpoint.pt").exists():
            break
    command(*parts)
    assert equal(folder / "whole", folder / "parts")


def test_a_forced_run_that_was_stopped_continues(
    folder: Path, command: Command, terminated: Callable[[int], None]
) -> None:
    command(*TINY, "-o", "whole")
    words = (*TINY, "-o", "parts", "--force")
    terminated(5)
    assert "step 6 is kept in parts" in command(*words, check=75).err
    assert "continuing parts at step 6" in command(*words).err
    assert equal(folder / "whole", folder / "parts")


def test_a_damaged_state_is_named(
    folder: Path, command: Command, terminated: Callable[[int], None]
) -> None:
    run = folder / "pretrained"
    terminated(3)
    command(*TINY, check=75)
    (run / "state.pt").write_bytes((run / "state.pt").read_bytes()[:-100])
    refused = command(*TINY, check=3)
    assert "pretrained/state.pt" in refused.err
    assert "remove it" in refused.err


def test_a_loss_that_is_no_number_stops(folder: Path, command: Command) -> None:
    words = (*TINY, "--learning-rate", "1e30", "--clip", "1e30", "--checkpoint-every", "0")
    refused = command(*words, check=1)
    assert "the loss is not a number at step" in refused.err
    assert "lower --learning-rate" in refused.err
    assert not (folder / "pretrained/checkpoint.pt").exists()
    assert checkpoint.read_tensors(folder / "pretrained/state.pt")["position"]["step"] >= 1
    assert "holds another run" in command(*TINY, check=2).err


def test_a_full_disk_stops_and_leaves_nothing_half_written(folder: Path, command: Command) -> None:
    """The limit on the size of a file stands in for a full disk."""
    done = subprocess.run(
        ["bash", "-c", 'ulimit -f 40; exec "$0" -m sslkit "$@"', sys.executable, *TINY],
        cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 4, done.stderr
    assert "checkpoint.pt cannot be written" in done.stderr
    assert left(folder / "pretrained") <= {"metrics.jsonl", "config.toml", "run.json", "log.jsonl"}
    command(*TINY)


def torchrun(folder: Path, *words: str, timeout: int = 400) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2",
         "--master-port", str(20_000 + os.getpid() % 10_000), "-m", "sslkit", *words],
        cwd=folder, capture_output=True, text=True, check=False, timeout=timeout,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_two_processes_learn_as_one_does_and_one_ends_it(folder: Path, command: Command) -> None:
    """A signal to one of them ends both; what they kept continues in a single process."""
    words = (*TINY, "--steps", "60")
    command(*words, "-o", "one")
    run = folder / "two"
    with subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2",
         "--master-port", str(20_000 + os.getpid() % 10_000),
         "-m", "sslkit", *words, "-o", "two"],
        cwd=folder, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:  # fmt: skip
        # At the second evaluation both have said what they found.
        wait_for(process, run, 52)
        os.kill(children(process.pid)[-1], signal.SIGUSR1)
        _, said = process.communicate()
    assert process.returncode != 0
    assert "stopped by SIGUSR1: step" in said
    assert "another process was asked to stop: step" in said
    assert not (run / "checkpoint.pt").exists()
    assert "continuing two at step" in command(*words, "-o", "two").err
    for one, other in zip(rows(folder / "one"), rows(run), strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-6)


@pytest.mark.slow
def test_two_processes_end_what_they_began(folder: Path, command: Command) -> None:
    words = (*TINY, "--steps", "60", "--set", "dropout=0.1")
    done = torchrun(folder, *words, "--checkpoint-every", "0")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("wrote pretrained/checkpoint.pt") == 1
    assert checkpoint.load(folder / "pretrained").manifest.settings["processes"] == 2
    assert len(rows(folder / "pretrained")) == 60


@pytest.mark.slow
def test_torchrun_is_stopped_and_a_state_says_so(folder: Path, command: Command) -> None:
    """What a job script can tell: the exit code is torchrun's own."""
    run = folder / "pretrained"
    words = (*TINY, "--steps", "2000", "--checkpoint-every", "1000")
    with subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2",
         "--master-port", str(20_000 + os.getpid() % 10_000), "-m", "sslkit", *words],
        cwd=folder, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:  # fmt: skip
        wait_for(process, run, 3)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate()
    assert "stopped by SIGTERM: step" in said
    assert process.returncode == 1
    assert left(run) == {"state.pt", "metrics.jsonl", "config.toml", "run.json"}


def test_fewer_rows_than_processes(folder: Path) -> None:
    done = torchrun(folder, *TINY, "--batch-tokens", "32")
    assert done.returncode != 0
    assert "2 processes cannot share the 1 rows of a step" in done.stderr
    assert "--batch-tokens" in done.stderr
    assert not (folder / "pretrained").exists()


@pytest.mark.parametrize(
    ("words", "code", "messages"),
    [
        (("--vocab", "no.parquet"), 2, ["there is no vocabulary no.parquet", "build-vocab"]),
        (("--k", "5"), 3, ["tokens of 3 bases, not 5", "vocab.parquet", "build-vocab --k 5"]),
        (("--domain", "protein"), 2, ["is a vocabulary of domain genome, not protein"]),
        (("--objective", "mlmm"), 2, ["there is no objective 'mlmm'", "did you mean mlm?"]),
        (
            ("--objective", "supervised"),
            2,
            ["does not fit domain genome", "it needs phase, target"],
        ),
        (("--model", "resnet"), 2, ["there is no model 'resnet'", "transformer"]),
        (("--set", "widht=8"), 2, ["--set knows no 'widht'", "did you mean width?"]),
        (("--set", "width"), 2, ["'width' is not of the form name=value"]),
        (("--set", "width=wide"), 2, ["transformer.width wants int, not 'wide'"]),
        (("--set", "width=17"), 2, ["transformer refuses its settings", "17 is not a multiple"]),
        (("--set", "stride=4"), 2, ["genome refuses its settings", "stride is between 1 and k"]),
        (("-",), 2, ["a corpus is read more than once", "write it to a file"]),
        (("nowhere.fa",), 2, ["there is no file or folder nowhere.fa"]),
        (("--steps", "0"), 2, ["'--steps'"]),
        (("--heldout", "0.6"), 2, ["'--heldout'"]),
        (("--precision", "fp8"), 2, ["precision is auto, bf16, fp32 or fp64"]),
        (("--device", "tpu9"), 2, ["there is no device"]),
        (("--config", "no.toml"), 2, ["no.toml"]),
    ],
)
def test_refusals(
    folder: Path, command: Command, words: tuple[str, ...], code: int, messages: list[str]
) -> None:
    refused = command(*TINY, *words, check=code)
    for message in messages:
        assert message in " ".join(refused.err.split())
    assert not (folder / "pretrained").exists()


def test_a_corpus_that_is_gone(folder: Path, command: Command) -> None:
    (folder / "corpus/genes.fa").unlink()
    refused = command(*TINY, check=2).err
    assert "corpus/genes.fa" in refused
    assert "sslkit pretrain FOLDER" in refused


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (">one\nACGTACGTAC\n", 3, "too small to hold anything out"),
        (">one\n" + "ACGGTCA" * 50 + "\n>two\n" + "ACGGTCA" * 50 + "\n", 3, "nothing is left"),
        (">one\nAC\n>two\nGT\n", 3, "too small to hold anything out"),
        (">one\nMKVLEE\n", 3, "looks like a protein"),
        ("", 3, "small.fa"),
        (
            ">one\n" + "ACNGTN" * 50 + "\n>two\n" + "AGNNTCN" * 50 + "\n",
            3,
            "holds nothing that mlm",
        ),
    ],
)
def test_corpora_that_cannot_be_used(
    folder: Path, command: Command, text: str, code: int, message: str
) -> None:
    (folder / "small.fa").write_text(text)
    refused = command(*TINY, "small.fa", check=code)
    assert message in refused.err
    assert not (folder / "pretrained/checkpoint.pt").exists()


def test_bad_records_are_passed_over_and_counted(folder: Path, command: Command) -> None:
    with (folder / "corpus/genes.fa").open("a") as stream:
        stream.write(">protein\nMKVLEE\n>empty\n\n")
    refused = command(*TINY, check=3)
    assert "corpus/genes.fa, record 21 (protein)" in refused.err
    assert "2 records skipped" in command(*TINY, "--on-error", "skip").err


def test_what_is_heavy_is_loaded_where_it_is_asked_for() -> None:
    heavy = ["pandas", "scipy", "sklearn", "matplotlib", "torch.distributed.fsdp"]
    code = f"import sys, sslkit.stages.pretrain.run; print(*({{*{heavy}}} & {{*sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
