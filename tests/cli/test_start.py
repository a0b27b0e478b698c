"""What commands load before they work: no library that they can do without."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "sample_data"
#: Libraries that take a tenth of a second or more.
HEAVY = {
    *("torch", "scipy", "sklearn", "pandas", "numba", "dask", "matplotlib", "tokenizers", "Bio"),
    "rdkit",
}


def loaded(folder: Path, *words: str | Path) -> set[str]:
    """The packages that a command loads."""
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "sslkit", *map(str, words)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    lines = [line for line in ended.stderr.split("\n") if line.startswith("import time:")]
    packages = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    assert "sslkit" in packages
    return packages & HEAVY


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        (("doctor",), set()),
        (("show",), set()),
        (("show", "objective"), set()),
        (("show", "pretrained"), set()),
        (("inspect", SAMPLES / "corpus"), set()),
        (("inspect", SAMPLES / "labels"), set()),
        (("inspect", SAMPLES / "protein", SAMPLES / "code", SAMPLES / "pairs"), set()),
        (("inspect", SAMPLES / "molecule"), {"rdkit"}),
    ],
)
def test_what_commands_that_only_look_load(
    tmp_path: Path, pretrained: Callable[..., None], words: tuple[str | Path, ...], needed: set[str]
) -> None:
    pretrained(tmp_path)
    assert loaded(tmp_path, *words) == needed
