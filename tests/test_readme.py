"""The chain of the README runs as it stands there."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_chain_runs_in_sample_data(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    (block,) = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    for folder in ("corpus", "labels"):
        shutil.copytree(ROOT / "sample_data" / folder, tmp_path / folder)
    # The words are the README's; variables only make it short.
    few = {
        f"SSLKIT_{name}": value
        for name, value in {
            "PRETRAIN_STEPS": "2", "PRETRAIN_BATCH_TOKENS": "256", "FINETUNE_STEPS": "2",
            "THREADS": "1",
        }.items()
    }  # fmt: skip
    environment = os.environ | few
    for line in block.strip().splitlines():
        name, *words = shlex.split(line)
        assert name == "sslkit"
        done = subprocess.run(
            [sys.executable, "-m", "sslkit", *words],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    made = ("pretrained/checkpoint.pt", "finetuned/promoter/predictions.parquet")
    for name in ("vocab.parquet", "embeddings.parquet", "probed/promoter/probe.json", *made):
        assert (tmp_path / name).is_file()
    assert "untrained" in done.stdout
