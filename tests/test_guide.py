"""The commands of the README and of the guide run as they stand there; their links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = sorted((ROOT / "sslkit" / "guide").glob("*.md"))
#: Variables make training short; the words are those of the page.
_SHORT = {
    "SSLKIT_PRETRAIN_STEPS": "2", "SSLKIT_PRETRAIN_BATCH_TOKENS": "256",
    "SSLKIT_PRETRAIN_HELDOUT": "0.01", "SSLKIT_FINETUNE_STEPS": "2", "SSLKIT_THREADS": "1", "OMP_NUM_THREADS": "1",
}  # fmt: skip


def commands(page: Path) -> str:
    """The blocks of a page that are marked as commands of a shell."""
    return "".join(re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL))


@pytest.mark.parametrize(
    "page", [page for page in (README, *PAGES) if commands(page)], ids=lambda page: page.stem
)
def test_commands_run_in_sample_data(page: Path, tmp_path: Path) -> None:
    for folder in (ROOT / "sample_data").iterdir():
        if folder.is_dir() and not folder.name.startswith("__"):
            (tmp_path / folder.name).symlink_to(folder)
    script = f'set -euo pipefail\nsslkit() {{ "{sys.executable}" -m sslkit "$@"; }}\n'
    done = subprocess.run(
        ["bash", "-c", script + commands(page)],
        cwd=tmp_path, env=os.environ | _SHORT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    if page == README:
        written = ("pretrained/checkpoint.pt", "finetuned/promoter/predictions.parquet")
        for name in ("vocab.parquet", "embeddings.parquet", "probed/promoter/probe.json", *written):
            assert (tmp_path / name).is_file()
        assert "untrained" in done.stdout


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    paths = re.findall(r"\]\(([^)#]+)\)", text)
    paths += re.findall(r"`((?:sslkit|tests)/[\w/.-]+\.(?:py|md))`", text)
    base = {path: page.parent / path if path in re.findall(r"\]\(([^)#]+)\)", text) else ROOT / path
            for path in paths}  # fmt: skip
    assert [path for path, place in base.items() if not place.exists()] == []
    pages = re.findall(r"`sslkit guide ([\w-]+)`", text)
    assert set(pages) <= {other.stem for other in PAGES}


def test_the_readme_links_every_page() -> None:
    linked = re.findall(r"sslkit/guide/([\w-]+)\.md", README.read_text("utf-8"))
    assert sorted(linked) == [page.stem for page in PAGES]
