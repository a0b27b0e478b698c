"""Damaged artifacts of every kind: commands end with a promised exit code, soon and small.

Bytes are changed where they lie, and, with right checksums around them, what manifests say.
"""

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from fuzz import Children, mutate, mutate_json
from typer.testing import CliRunner

from sslkit.artifacts import checkpoint, embeddings, manifest
from sslkit.cli.commands import app
from sslkit.engine import assemble

pytestmark = pytest.mark.slow

_SEED, _CHANGES = 14, 8
_SMALL = (
    *("--set", "blocks=1", "--set", "width=8", "--set", "heads=1", "--window", "16"),
    *("--batch-tokens", "64", "--micro-tokens", "64", "--heldout", "0.2"),
)
_SAME = ("--precision", "fp32", "--threads", "1")

PRETRAIN = ("pretrain", "--vocab", "vocab.parquet", *_SMALL, *_SAME, "--steps", "2")
EMBED = ("embed", "genes.fa", *_SAME)
SCORE = ("score", "genes.fa", *_SAME)
FINETUNE = (
    *("finetune", "--task", "classification", "--labels", "labels.csv", "--steps", "2"),
    *_SAME,
)
PROBE = ("probe", "--task", "classification", "--labels", "labels.csv", "--threads", "1")
PROBE_TABLE = (*PROBE, "--embeddings", "embeddings.parquet")
MERGE = ("merge-vocab", "part-1-of-2", "part-2-of-2", "--mem", "512M", "--threads", "1")

#: Files by name, and the commands that read each.
READERS: dict[str, list[tuple[str, ...]]] = {
    "vocab.parquet": [(*PRETRAIN, "-o", "new"), ("show", "vocab.parquet"),
                      ("build-vocab", "corpus.fa", "--k", "2", "--mem", "512M", "--plot")],
    "pretrained/checkpoint.pt": [(*EMBED, "-o", "new"), (*SCORE, "-o", "new"),
                                 (*FINETUNE, "-o", "new"), (*PROBE, "-o", "new"),
                                 ("show", "pretrained"), PRETRAIN, ("scaling", "pretrained"),
                                 (*PRETRAIN, "-o", "new", "--start-from", "pretrained")],
    "pretrained/run.json": [PRETRAIN],
    "pretrained/metrics.jsonl": [("scaling", "pretrained")],
    "unfinished/state.pt": [(*PRETRAIN, "-o", "unfinished")],
    "unfinished/run.json": [(*PRETRAIN, "-o", "unfinished")],
    "unfinished/metrics.jsonl": [(*PRETRAIN, "-o", "unfinished")],
    "finetuned/checkpoint.pt": [(*FINETUNE, "-o", "finetuned"), ("show", "finetuned"),
                                (*EMBED, "--checkpoint", "finetuned", "-o", "new")],
    "embeddings.parquet": [(*PROBE_TABLE, "-o", "new"), EMBED, ("show", "embeddings.parquet")],
    "scores.parquet": [SCORE, ("show", "scores.parquet")],
    "probed/probe.json": [(*PROBE, "-o", "probed")],
    "begun.parquet.parts/job.json": [(*EMBED, "-o", "begun.parquet")],
    "begun.parquet.parts/*.arrow": [(*EMBED, "-o", "begun.parquet")],
    "part-1-of-2/share.json": [(*MERGE, "-o", "new")],
    "part-1-of-2/counts.json": [(*MERGE, "-o", "new")],
    "part-1-of-2/counts.*.counts": [(*MERGE, "-o", "new")],
    ".sslkit/shards/*.index": [(*PRETRAIN, "-o", "new")],
    ".sslkit/shards/*.units": [(*PRETRAIN, "-o", "new")],
}  # fmt: skip

#: What is made again where it is damaged.
MADE_AGAIN = {name for name in READERS if name.endswith((".arrow", ".index", ".units"))}


class _StoppedError(Exception):
    """Ends a command before its last step."""


def _run(*words: str) -> None:
    result = CliRunner().invoke(app, list(words))
    if not isinstance(result.exception, _StoppedError):
        assert result.exit_code == 0, result.output


def _stop(*given: object) -> None:
    raise _StoppedError


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with one artifact of each kind."""
    folder = tmp_path_factory.mktemp("artifacts") / "sound"
    folder.mkdir()
    rng = random.Random(_SEED)
    records = [(f"g{n}", "".join(rng.choices("ACGT", k=120))) for n in range(24)]
    text = "".join(f">{name}\n{letters}\n" for name, letters in records)
    (folder / "corpus.fa").write_text(text)
    (folder / "genes.fa").write_text(text[: text.index(">g8")])
    rows = "".join(f"{name},{letters},{n % 2}\n" for n, (name, letters) in enumerate(records[:8]))
    rows += "".join(f"h{n},{letters[::-1]},{n % 2}\n" for n, (_, letters) in enumerate(records))
    (folder / "labels.csv").write_text("id,sequence,label\n" + rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        _run("build-vocab", "corpus.fa", "--k", "2", "--mem", "512M", "--threads", "1")
        for shard in ("1/2", "2/2"):
            _run("build-vocab", "corpus.fa", "--k", "2", "--mem", "512M", "--shard", shard)
        _run(*PRETRAIN)
        for words in (EMBED, SCORE):
            _run(*words)
        _run(*FINETUNE, "-o", "finetuned")
        _run(*PROBE, "-o", "probed")
        with pytest.MonkeyPatch.context() as stopped:
            stopped.setattr(assemble, "write", _stop)
            _run(*PRETRAIN, "-o", "unfinished", "--checkpoint-every", "0")
            stopped.setattr(embeddings, "write", _stop)
            _run(*EMBED, "-o", "begun.parquet")
        yield folder


@pytest.fixture(scope="module")
def children() -> Children:
    return Children(seconds=120)


def _restated(path: Path, change: Callable[[Any], Any]) -> None:
    """Change what an artifact says of its making, with right checksums around it."""
    if path.suffix == ".pt":
        values = checkpoint.read_tensors(path)
        if "manifest" in values:
            values["manifest"] = json.dumps(change(json.loads(values["manifest"])))
        else:
            values["position"] = change(values["position"])
        torch.save(values, path)
    elif path.suffix == ".parquet":
        table = pq.read_table(path)
        stated = change(json.loads(table.schema.metadata[manifest.METADATA_KEY]))
        metadata = {manifest.METADATA_KEY: json.dumps(stated).encode()}
        pq.write_table(table.replace_schema_metadata(metadata), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(change(json.loads(path.read_text()))))
    else:
        lines = path.read_text().splitlines()
        lines[-1] = json.dumps(change(json.loads(lines[-1])))
        path.write_text("\n".join(lines) + "\n")


def _says_something(path: Path) -> bool:
    return path.suffix in {".pt", ".parquet", ".json", ".jsonl"}


@pytest.mark.parametrize("name", READERS)
def test_commands_end_with_a_promised_code(name: str, sound: Path, children: Children) -> None:
    rng = random.Random(f"{_SEED} {name}")
    codes = set()
    for number in range(_CHANGES):
        for words in READERS[name]:
            work = sound.with_name("work")
            shutil.rmtree(work, ignore_errors=True)
            shutil.copytree(sound, work)
            path = next(work.glob(name))
            if number % 2 and _says_something(path):
                _restated(path, lambda value: mutate_json(value, rng))
            else:
                path.write_bytes(mutate(path.read_bytes(), rng))
            ended = children.run(words, work)
            ended.check(f"{' '.join(words)}: change {number} of {name}")
            codes.add(ended.code)
    assert 3 in codes or name in MADE_AGAIN
