"""sslkit score, from the command line."""

import gzip
import math
import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import nn

from sslkit import catalog
from sslkit.artifacts import checkpoint, manifest, scores
from sslkit.artifacts.kinds import parts_of
from sslkit.domains import genome
from sslkit.engine.mixture import Mixture
from sslkit.engine.signals import Stop
from sslkit.inference.scoring import Scorer
from sslkit.models import transformer
from sslkit.objectives import clm, mlm, supervised
from sslkit.stages.score import tables
from sslkit.types import Weighted
from sslkit.vocab.vocabulary import Vocabulary

CONTEXT = 24
FIXED = ("--precision", "fp32", "--threads", "1")
Score = Callable[..., pa.Table]
Command = Callable[..., Any]


def letters(size: int, seed: int) -> str:
    return "".join("ACGT"[i] for i in np.random.default_rng(seed).integers(0, 4, size))


def fasta(path: Path, records: dict[str, str]) -> Path:
    path.write_text("".join(f">{name}\n{text}\n" for name, text in records.items()))
    return path


def pretrained(
    folder: Path,
    *modules: Any,
    k: int = 2,
    stride: int = 1,
    seed: int = 1,
    stage: str = "pretrain",
) -> Path:
    """A checkpoint with random weights, as pretrain writes it."""
    tokens = ["".join("ACGT"[i // 4**p % 4] for p in range(k)) for i in range(4**k)]
    vocabulary = Vocabulary(tokens, np.arange(1, 4**k + 1))
    reading = genome.Settings(k=k, stride=stride)
    domain = genome.Domain(reading, vocabulary)
    causal = clm in modules
    shape = transformer.Settings(blocks=1, width=16, heads=2, causal=causal)
    torch.manual_seed(seed)
    model = transformer.Model(shape, domain.spec)
    named = {module.__name__.rpartition(".")[2]: module for module in modules}
    entries = {
        name: module.Objective(module.Settings(), domain.spec, vocabulary.counts)
        for name, module in named.items()
    }
    head = Mixture(entries).head(16) if len(entries) > 1 else next(iter(entries.values())).head(16)
    with torch.no_grad():
        for parameter in [*model.parameters(), *head.parameters()]:
            parameter.add_(0.2 * torch.randn_like(parameter))
    kinds = ["objective", *(f"objective {name}" for name in list(named)[1:])]
    plugins = {
        "domain": manifest.plugin("genome", genome, reading),
        "model": manifest.plugin("transformer", transformer, shape),
    }
    for kind, (name, module) in zip(kinds, named.items(), strict=True):
        plugins[kind] = manifest.plugin(name, module, module.Settings())
    content = checkpoint.Checkpoint(
        manifest.make(stage, {"context": CONTEXT}, plugins=plugins),
        {"encoder": dict(model.state_dict()), "head": dict(head.state_dict())},
        tuple(tokens),
        torch.from_numpy(vocabulary.counts),
    )
    checkpoint.save(folder / checkpoint.NAME, content)
    return folder


@pytest.fixture
def score(command: Command) -> Score:
    def run(*words: str | Path) -> pa.Table:
        command("score", *words, *FIXED)
        assert not parts_of(Path(scores.NAME)).exists()
        return scores.read(Path(scores.NAME))[0]

    return run


SOME = {"a": letters(40, 1), "b": letters(3, 2), "c": letters(100, 3), "d": letters(25, 4)}


@pytest.mark.parametrize("module", [mlm, clm])
def test_a_row_a_record(tmp_path: Path, command: Command, score: Score, module: Any) -> None:
    pretrained(tmp_path / "pretrained", module)
    path = fasta(tmp_path / "v.fa", SOME)
    scored = score(path)
    assert scored.column_names == ["id", "row", "length", "tokens", "log_likelihood", "perplexity"]
    assert scored["id"].to_pylist() == list(SOME)
    assert scored["row"].to_pylist() == [0, 1, 2, 3]
    assert scored["tokens"].to_pylist() == [39, 2, 99, 24]
    mean = scored["log_likelihood"].to_numpy() / scored["tokens"].to_numpy()
    np.testing.assert_allclose(scored["perplexity"].to_numpy(), np.exp(-mean))
    done = command("score", path, *FIXED, "--force", "--json").json
    assert done["records"] == 4
    assert done["tokens"] == 164
    assert done["perplexity"] == pytest.approx(
        math.exp(-scored["log_likelihood"].to_numpy().sum() / 164)
    )
    assert done["mean_perplexity"] == pytest.approx(scored["perplexity"].to_numpy().mean())
    each = score(path, "--per-position", "--force")
    for row in range(4):
        mine = each.filter(pa.compute.equal(each["row"], row))
        total = mine["log_p"].to_numpy().astype(float).sum()
        assert total == pytest.approx(scored["log_likelihood"][row].as_py(), abs=1e-4)
        assert mine["start"].to_pylist() == list(range(len(mine)))
        text = list(SOME.values())[row]
        assert mine["token"].to_pylist() == [text[i : i + 2] for i in range(len(text) - 1)]
    assert (np.array(each["end"]) - np.array(each["start"]) == 2).all()
    wide = score(path, "--per-position", "--effects", "--force")
    effects = [name for name in wide.column_names if name.startswith(scores.EFFECT)]
    assert len(effects) == 16
    table = np.stack([wide[name].to_numpy() for name in effects], 1)
    for at, (token, best) in enumerate(
        zip(wide["token"].to_pylist(), wide["best"].to_pylist(), strict=True)
    ):
        assert table[at, effects.index(f"effect_{token}")] == 0
        odds = -table[at, effects.index(f"effect_{best}")]
        assert wide["log_odds"][at].as_py() == pytest.approx(odds, abs=1e-5)


def test_mutants_of_what_was_learned_are_less_plausible(tmp_path: Path, command: Command) -> None:
    generator = np.random.default_rng(1)
    unit = "".join(generator.choice(list("ACGT"), 17))
    copies = np.array(list(unit * 600))
    # Held-out windows must not stand in the rest to the letter.
    is_mutated = generator.random(len(copies)) < 0.03
    copies[is_mutated] = generator.choice(list("ACGT"), is_mutated.sum())
    fasta(tmp_path / "rep.fa", {"r": "".join(copies)})
    wild = unit * 4
    mutants = {}
    for at in (18, 30, 45):
        mutants[f"m{at}"] = wild[:at] + "ACGT"[("ACGT".index(wild[at]) + 1) % 4] + wild[at + 1 :]
    fasta(tmp_path / "v.fa", {"wild": wild, **mutants})
    command("build-vocab", "rep.fa", "--k", "3", "-q")
    for objective in ("mlm", "clm"):
        command(
            "pretrain", "--objective", objective, "--steps", "120", "--window", "24",
            "--batch-tokens", "768", "--learning-rate", "0.01", "--set", "blocks=1",
            "--set", "width=32", "--set", "heads=2", "--set", "both_strands=false",
            "--set", "stride=1", *FIXED, "-q", "--out", objective,
        )  # fmt: skip
        for words in ((), ("--marginal",)) if objective == "mlm" else ((),):
            command("score", "v.fa", "--checkpoint", objective, "--wild-type-id", "wild", *FIXED,
                    "--force", *words)  # fmt: skip
            table, _ = scores.read(Path(scores.NAME))
            delta = table["delta"].to_numpy()
            assert abs(delta[0]) < 1e-3
            assert (delta[1:] < -1).all(), (objective, words)
        command("score", "v.fa", "--checkpoint", objective, "--per-position", *FIXED, "--force")
        each, _ = scores.read(Path(scores.NAME))
        for name in mutants:
            mine = each.filter(pa.compute.equal(each["id"], name))
            lowest = int(mine["log_p"].to_numpy().argmin())
            assert lowest <= int(name[1:]) < lowest + 3


def substituted(text: str, at: int) -> str:
    return text[:at] + "ACGT"[("ACGT".index(text[at]) + 1) % 4] + text[at + 1 :]


def test_beside_a_wild_type(tmp_path: Path, score: Score) -> None:
    pretrained(tmp_path / "pretrained", mlm)
    wild = letters(60, 9)
    variants = {"same": wild, "one": substituted(wild, 30), "short": wild[:50]}
    variants["hole"] = wild[:20] + "N" + wild[21:]
    path = fasta(tmp_path / "v.fa", variants)
    fasta(tmp_path / "wild.fa", {"w": wild})
    fasta(tmp_path / "several.fa", {"x": letters(30, 1), "w": wild})
    table = score(path, "--wild-type", "wild.fa")
    total = table["log_likelihood"].to_numpy()
    wanted = total - total[0]
    np.testing.assert_allclose(table["delta"].to_pylist()[:3], wanted[:3], atol=1e-4)
    # Of what is ambiguous fewer tokens are judged: the sums cannot be compared.
    assert table["delta"][3].as_py() is None
    for words in (("--wild-type", "several.fa", "--wild-type-id", "w"), ("--wild-type-id", "same")):
        again = score(path, *words, "--force")
        np.testing.assert_allclose(
            again["delta"].to_pylist()[:3], table["delta"].to_pylist()[:3], atol=1e-4
        )


@pytest.mark.parametrize(("k", "stride"), [(1, 1), (2, 1), (2, 2)])
def test_marginals_are_sums_of_effects_in_the_wild_type(
    tmp_path: Path, score: Score, command: Command, k: int, stride: int
) -> None:
    pretrained(tmp_path / "pretrained", mlm, k=k, stride=stride)
    wild = letters(60, 9)
    variants = {f"v{n}": substituted(wild, n) for n in range(0, 60, 7)}
    variants |= {"same": wild, "two": substituted(substituted(wild, 3), 40)}
    variants |= {"hole": wild[:20] + "N" + wild[21:], "short": wild[:-1]}
    fasta(tmp_path / "wild.fa", {"w": wild})
    table = score("wild.fa", "--per-position", "--effects")
    rows = table.to_pylist()
    path = fasta(tmp_path / "v.fa", variants)
    words = ("score", path, "--wild-type", "wild.fa", "--marginal", "--force", *FIXED)
    done = command(*words, check=3)
    assert "v.fa, record 13 (short)" in done.err
    assert "position by position" in done.err
    done = command(*words, "--on-error", "skip", "--json")
    marginals, _ = scores.read(Path(scores.NAME))
    assert marginals.column_names == ["id", "row", "length", "tokens", "delta"]
    assert done.json["bad"] == 1
    for row in marginals.to_pylist():
        text = variants[row["id"]]
        changed = [r for r in rows if text[r["start"] : r["end"]] != r["token"]]
        if row["id"] in {"hole", "short"}:
            assert row["delta"] is None
            continue
        total = sum(r[f"effect_{text[r['start'] : r['end']]}"] for r in changed)
        assert row["tokens"] == len(changed)
        assert row["delta"] == pytest.approx(total, abs=1e-4)


def test_bad_records(tmp_path: Path, command: Command, score: Score) -> None:
    pretrained(tmp_path / "pretrained", mlm)
    (tmp_path / "v.fa").write_text(">a\nACGTACGT\n>b\nMKLVEEFF\n>c\n>d\nA\n>e\nNNNN\n>f\nACGT\n")
    done = command("score", "v.fa", *FIXED, check=3)
    assert "record 2 (b)" in done.err
    assert not Path(scores.NAME).exists()
    table = score("v.fa", "--on-error", "skip")
    assert table["id"].to_pylist() == list("abcdef")
    assert table["tokens"].to_pylist() == [7, 0, 0, 0, 0, 3]
    assert table["length"].to_pylist() == [7, 0, 0, 0, 3, 3]
    assert [v is None for v in table["perplexity"].to_pylist()] == [False, *[True] * 4, False]
    counts = scores.read_manifest(Path(scores.NAME)).results
    assert (counts["records"], counts["bad"], counts["too_short"]) == (6, 2, 1)
    each = score("v.fa", "--on-error", "skip", "--per-position", "--force")
    assert each["id"].to_pylist() == [*"a" * 7, "b", "c", "d", *"eee", *"fff"]
    assert each["token"].null_count == each["log_p"].null_count == each["best"].null_count == 6
    (tmp_path / "empty.fa").write_bytes(b"")
    (tmp_path / "cut.fa.gz").write_bytes(gzip.compress(b">a\n" + b"ACGT" * 5000, mtime=0)[:-15])
    for name in ("empty.fa", "cut.fa.gz"):
        assert name in command("score", name, "-o", "other.parquet", *FIXED, check=3).err
        assert not Path("other.parquet").exists()


def test_tables_and_their_labels(tmp_path: Path, score: Score) -> None:
    pretrained(tmp_path / "pretrained", clm)
    rows = [f"{name},{text},{n / 2}" for n, (name, text) in enumerate(SOME.items())]
    (tmp_path / "v.csv").write_text("\n".join(["who,what,fitness", *rows]) + "\n")
    plain = score(fasta(tmp_path / "v.fa", SOME))
    table = score(
        "v.csv", "--sequence-column", "what", "--id-column", "who", "--label-column", "fitness",
        "--force",
    )  # fmt: skip
    assert table["label"].to_pylist() == ["0.0", "0.5", "1.0", "1.5"]
    assert table["log_likelihood"].to_pylist() == plain["log_likelihood"].to_pylist()


class ToyEnergy:
    """Energy is the linear head over the mean state."""

    def __init__(self, settings: Any, spec: Any, counts: Any = None) -> None:
        pass

    def head(self, width: int) -> nn.Module:
        return nn.Linear(width, 1)

    def energies(self, encoder: Any, head: Any, batch: Any) -> torch.Tensor:
        states, mask = encoder(batch)
        total = states.masked_fill(~mask[..., None], 0).sum(1)
        return head(total / batch["length"][:, None])[:, 0]


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Any:
    module = SimpleNamespace(__name__="toy", VERSION=1, Settings=Weighted, Objective=ToyEnergy)
    load = catalog.load
    monkeypatch.setattr(
        catalog, "load", lambda kind, name: module if name == "toy" else load(kind, name)
    )
    return module


def test_energies(tmp_path: Path, score: Score, command: Command, toy: Any) -> None:
    pretrained(tmp_path / "pretrained", toy)
    path = fasta(tmp_path / "v.fa", SOME)
    table = score(path, "--wild-type-id", "c")
    assert table.column_names == ["id", "row", "length", "tokens", "energy", "delta"]
    energy = table["energy"].to_numpy()
    assert len(set(energy)) == 4
    # Lower energies are more plausible, and so are higher deltas.
    np.testing.assert_allclose(table["delta"].to_numpy(), energy[2] - energy, atol=1e-6)
    for words in (("--per-position",), ("--marginal", "--wild-type-id", "a"), ("--spacing", "8")):
        done = command("score", path, *words, *FIXED, "--force", check=2)
        assert "scores whole records" in done.err
    done = command("score", path, *FIXED, "--force", "--json")
    assert done.json["mean_energy"] == pytest.approx(energy.mean())


def test_the_objective_of_several(tmp_path: Path, score: Score, command: Command, toy: Any) -> None:
    pretrained(tmp_path / "pretrained", toy, mlm)
    path = fasta(tmp_path / "v.fa", SOME)
    assert "energy" in score(path).column_names
    table = score(path, "--objective", "mlm", "--force")
    assert "perplexity" in table.column_names
    done = command("score", path, "--objective", "clm", *FIXED, "--force", check=2)
    assert "there is: toy, mlm" in done.err


def test_what_cannot_score_is_refused(tmp_path: Path, command: Command) -> None:
    path = fasta(tmp_path / "v.fa", SOME)
    pretrained(tmp_path / "tuned", mlm, stage="finetune")
    done = command("score", path, "--checkpoint", "tuned", check=2)
    assert "predicts labels" in done.err
    pretrained(tmp_path / "other", supervised)
    done = command("score", path, "--checkpoint", "other", check=2)
    assert "supervised" in done.err
    assert "--objective clm or energy or mlm" in done.err
    assert not Path(scores.NAME).exists()


def test_usage_that_cannot_work(tmp_path: Path, command: Command) -> None:
    pretrained(tmp_path / "pretrained", mlm)
    pretrained(tmp_path / "causal", clm)
    pretrained(tmp_path / "wide", mlm, k=5, stride=3)
    fasta(tmp_path / "v.fa", SOME)
    fasta(tmp_path / "short.fa", {"s": "A"})
    for words, message in {
        ("--marginal",): "--wild-type",
        ("--per-position", "--wild-type-id", "a"): "no difference",
        ("--effects",): "--per-position",
        ("--spacing", "3"): "hides every token",
        ("--spacing", "8", "--checkpoint", "causal"): "one pass",
        ("--marginal", "--wild-type-id", "a", "--checkpoint", "causal"): "one pass",
        ("--per-position", "--effects", "--checkpoint", "wide"): "1024 columns",
        ("--wild-type-id", "z"): "no record 'z'",
        ("--wild-type", "v.fa"): "more than one record",
        ("--wild-type", "absent.fa"): "absent.fa",
        ("--window", "25"): "24 tokens",
        ("--overlap", "24"): "cannot overlap",
        ("-o", "pretrained"): "is a folder",
        ("--checkpoint", "nothing"): "sslkit pretrain",
    }.items():
        done = command("score", "v.fa", *words, *FIXED, check=2)
        assert message in done.err, words
    done = command("score", "v.fa", "--wild-type", "short.fa", *FIXED, check=3)
    assert "shorter than one token" in done.err


def test_hiding_several_at_once_reads_less(tmp_path: Path, score: Score) -> None:
    pretrained(tmp_path / "pretrained", mlm)
    path = fasta(tmp_path / "v.fa", SOME)
    exact = score(path)["log_likelihood"].to_numpy()
    near = score(path, "--spacing", "8", "--force")["log_likelihood"].to_numpy()
    assert not np.allclose(exact, near, atol=1e-4)
    whole = score(path, "--spacing", "24", "--force")["log_likelihood"].to_numpy()
    np.testing.assert_allclose(whole, exact, atol=1e-4)


def test_a_finished_table_is_left_alone(tmp_path: Path, score: Score, command: Command) -> None:
    pretrained(tmp_path / "pretrained", mlm)
    path = fasta(tmp_path / "v.fa", SOME)
    score(path)
    first = Path(scores.NAME).read_bytes()
    assert "nothing to do" in command("score", path, *FIXED).err
    for words, message in {
        ("--spacing", "8"): "spacing",
        ("--wild-type-id", "a"): "wild_type",
        ("--per-position",): "per_position",
    }.items():
        assert message in command("score", path, *words, *FIXED, check=2).err
    score(path, "--force")
    assert Path(scores.NAME).read_bytes() == first
    Path(scores.NAME).write_text("something else")
    assert "no table of scores" in command("score", path, *FIXED, check=2).err
    assert Path(scores.NAME).read_text() == "something else"
    command("embed", path, *FIXED, "-o", "embeddings.parquet")
    done = command("score", path, *FIXED, "-o", "embeddings.parquet", check=2)
    assert "made by sslkit embed" in done.err


@pytest.mark.parametrize("words", [(), ("--per-position",)])
def test_a_stopped_run_goes_on_and_ends_in_the_same_bytes(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    pretrained(tmp_path / "pretrained", mlm)
    sizes = [*range(1, 60, 7), 150, 2, 70, *range(5, 60, 9)]
    fasta(tmp_path / "v.fa", {f"s{n}": letters(size, n) for n, size in enumerate(sizes)})
    fixed = ("score", "v.fa", "--batch-tokens", "64", "--wild-type-id", "s2", *FIXED)
    if words:
        fixed = ("score", "v.fa", "--batch-tokens", "64", *words, *FIXED)
    command(*fixed, "-o", "whole.parquet")
    folder = parts_of(Path(scores.NAME))
    check, chunks = Stop.check, []
    for calls in (40, 160, 160):
        left = [calls]

        def stop_later(stop: Stop, state: str, left: list[int] = left) -> None:
            left[0] -= 1
            if not left[0]:
                stop.hear(signal.SIGTERM, None)
            check(stop, state)

        with monkeypatch.context() as patch:
            patch.setattr(Stop, "check", stop_later)
            done = command(*fixed, check=75)
        assert "stopped by SIGTERM" in done.err
        assert not Path(scores.NAME).exists()
        chunks.append(sorted(path.name for path in folder.glob("*.arrow")))
    assert len(chunks[-1]) >= 2
    assert "continuing" in command(*fixed).err
    assert Path(scores.NAME).read_bytes() == Path("whole.parquet").read_bytes()
    assert not folder.exists()


def test_a_signal_stops_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pretrained(tmp_path / "pretrained", mlm)
    fasta(tmp_path / "v.fa", {f"s{n}": letters(60, n) for n in range(200)})
    process = subprocess.Popen(
        [sys.executable, "-m", "sslkit", "score", "v.fa", "--batch-tokens", "32", *FIXED],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    assert any(line.startswith("every token") for line in process.stderr)
    process.send_signal(signal.SIGUSR1)
    _, errors = process.communicate()
    assert process.returncode == 75, errors
    assert "SIGUSR1" in errors
    assert not Path(scores.NAME).exists()


def test_a_summary_is_of_the_rows_and_takes_them_as_they_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scores, "GROUP_ROWS", 1000)
    values = -np.random.default_rng(4).random(40_000)
    values[::7] = math.nan
    whole = pa.table({
        "tokens": np.full(40_000, 5),
        "log_likelihood": pa.array(values, mask=np.isnan(values)),
        "energy": pa.array([None] * 40_000, pa.float64()),
    })  # fmt: skip
    taken: list[int] = []

    def copies(size: int) -> Iterator[pa.Table]:
        for start in range(0, len(whole), size):
            taken.append(pa.total_allocated_bytes())
            yield whole.take(np.arange(start, min(start + size, len(whole))))

    summary = tables.summary(copies(700))
    assert summary["tokens"] == 200_000
    assert summary["perplexity"] == pytest.approx(math.exp(-np.nansum(values) / 200_000))
    assert summary["mean_energy"] is None
    # The rows of a block and of two of the tables, 24 bytes and three bits each.
    assert max(taken) - taken[0] < 100_000
    assert tables.summary(copies(40_000)) == tables.summary(copies(999)) == summary


def test_marginals_hold_changes_and_no_variants(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    size, counts = 20_000, (1, 2, 300)  # the first loads what is imported late
    pretrained(tmp_path / "pretrained", mlm, k=1)
    wild = letters(size, 9)
    fasta(tmp_path / "wild.fa", {"w": wild})
    traced: list[int] = []

    def changes(self: Scorer, record: Any, position: Any, *_: Any) -> Any:
        traced.append(tracemalloc.get_traced_memory()[0])
        return np.zeros(len(position))

    monkeypatch.setattr(Scorer, "changes", changes)
    tracemalloc.start()
    try:
        for count in counts:
            fasta(tmp_path / f"{count}.fa", {f"v{n}": substituted(wild, n) for n in range(count)})
            words = ("--wild-type", "wild.fa", "--marginal", "--out", f"{count}.parquet", *FIXED)
            command("score", f"{count}.fa", *words)
            table, _ = scores.read(Path(f"{count}.parquet"))
            assert table["tokens"].to_pylist() == [1] * count
    finally:
        tracemalloc.stop()
    assert traced[2] - traced[1] < size * counts[2] / 4
