"""What tests share: the command line in a folder of its own, and small data."""

import importlib
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from sslkit.artifacts import checkpoint, manifest
from sslkit.artifacts.checkpoint import Checkpoint
from sslkit.cli.commands import app
from sslkit.domains import genome
from sslkit.files import source
from sslkit.models import transformer
from sslkit.vocab import vocabulary
from sslkit.vocab.vocabulary import Vocabulary

# Tests that were started by nohup hand on that this signal is ignored, which others ask about.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# A busy machine is no failure of a property, and a change is not judged by the luck of a draw:
# --hypothesis-profile search draws anew.
hypothesis.settings.register_profile("search", deadline=None)
hypothesis.settings.register_profile("same", deadline=None, derandomize=True)
hypothesis.settings.load_profile("same")

_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its result, where it was run with --json."""
        return json.loads(self.out)


@pytest.fixture
def sslkit(tmp_path: Path) -> Callable[..., Done]:
    """Run ``sslkit`` with the given words in ``tmp_path``: ``sslkit("probe", "--task", "x")``.

    ``check`` is the exit code that is expected; another one shows what the command said.
    """

    def run(*words: str | Path, check: int | None = 0, stdin: bytes = b"", **env: str) -> Done:
        ended = subprocess.run(
            [sys.executable, "-m", "sslkit", *map(str, words)],
            cwd=tmp_path,
            input=stdin,
            capture_output=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", **env},
            check=False,
        )
        done = Done(ended.returncode, ended.stdout.decode(), ended.stderr.decode())
        if check is not None:
            assert done.code == check, f"exit code {done.code}\n{done.out}\n{done.err}"
        return done

    return run


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """As ``sslkit``, but within this process: for tests that need no process of their own."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str | Path, check: int | None = 0) -> Done:
        result = CliRunner().invoke(app, list(map(str, words)))
        done = Done(result.exit_code, result.stdout, result.stderr)
        if check is not None and done.code != check:
            raise AssertionError(f"{done.code}: {done.out}{done.err}") from result.exception
        return done

    return run


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Public data beside the repository; tests that need it skip where it is absent."""
    folder = _ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the public data sets are not here: no folder ../shared/data")
    return folder


@pytest.fixture
def tiny_genome(tmp_path: Path) -> Path:
    """A folder ``corpus`` with two small FASTA files: 12 kb in 3 records, and 20 genes."""
    rng = np.random.default_rng(7)
    folder = tmp_path / "corpus"
    folder.mkdir()

    def letters(size: int) -> str:
        return "".join(rng.choice(list("ACGT"), size, p=[0.3, 0.2, 0.2, 0.3]))

    chromosomes = [f">chr{n}\n{letters(4000)}\n" for n in (1, 2, 3)]
    (folder / "genome.fa").write_text("".join(chromosomes))
    (folder / "genes.fa").write_text("".join(f">g{n}\n{letters(150 + n)}\n" for n in range(20)))
    return folder


@pytest.fixture
def tiny_vocab(tmp_path: Path, tiny_genome: Path) -> Path:
    """``vocab.parquet``: all 64 3-mers, counted in ``corpus``."""
    tokens = ["".join(letters) for letters in itertools.product("ACGT", repeat=3)]
    files = sorted(tiny_genome.iterdir())
    text = "".join(file.read_text() for file in files)
    counts = np.array([text.count(token) + 1 for token in tokens])
    made = manifest.make(
        "build-vocab",
        {},
        plugins={"domain": manifest.plugin("genome", genome, genome.Settings(k=3, stride=1))},
        inputs=tuple(
            manifest.Input(str(Path("corpus") / f.name), f.stat().st_size, source.digest(f))
            for f in files
        ),
    )
    path = tmp_path / "vocab.parquet"
    vocabulary.save(path, vocabulary.Vocabulary(tokens, counts), made.to_json())
    return path


@pytest.fixture
def tiny_labels(tmp_path: Path) -> Path:
    """``labels/promoter.csv`` with 80 sequences of 60 bases; TATAAT stands in the positive ones."""
    rng = np.random.default_rng(8)
    path = tmp_path / "labels" / "promoter.csv"
    path.parent.mkdir()
    rows = ["id,sequence,label"]
    for number in range(80):
        letters = rng.choice(list("ACGT"), 60)
        if number % 2:
            at = int(rng.integers(20, 35))
            letters[at : at + 6] = list("TATAAT")
        rows.append(f"s{number},{''.join(letters)},{number % 2}")
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture
def pretrained() -> Callable[..., None]:
    """Write a small encoder of 3-mers to ``pretrained/`` of a folder, as pretrain does."""

    def write(folder: Path, *, blocks: int = 2, dropout: float = 0.0, stride: int = 1) -> None:
        letters = "ACGT"
        tokens = [a + b + c for a in letters for b in letters for c in letters]
        reading = genome.Settings(k=3, stride=stride)
        domain = genome.Domain(reading, Vocabulary(tokens, np.ones(64, np.int64)))
        shape = transformer.Settings(blocks=blocks, width=16, heads=2, dropout=dropout)
        torch.manual_seed(0)
        model = transformer.Model(shape, domain.spec)
        made = manifest.make(
            "pretrain",
            {"context": 64},
            plugins={
                "domain": manifest.plugin("genome", genome, reading),
                "model": manifest.plugin("transformer", transformer, shape),
            },
        )
        held = Checkpoint(
            made, {"encoder": dict(model.state_dict())}, tuple(tokens), torch.ones(64)
        )
        checkpoint.save(folder / "pretrained" / checkpoint.NAME, held)

    return write


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install a package of plug-ins: texts of their modules by entry point, as ``domains:mine``."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)

    def write(package: str, texts: dict[str, str], values: dict[str, str] | None = None) -> None:
        info = site / f"{package}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n")
        lines = []
        for number, (point, text) in enumerate(texts.items()):
            room, _, name = point.partition(":")
            module = f"{package}_{number}"
            (site / f"{module}.py").write_text(text)
            monkeypatch.delitem(sys.modules, module, raising=False)
            value = (values or {}).get(point, "{}").format(module)
            lines.append(f"[sslkit.{room}]\n{name} = {value}\n")
        (info / "entry_points.txt").write_text("".join(lines))
        importlib.invalidate_caches()

    return write
