"""Commands of the README and of the guide run as they stand there; their links lead somewhere."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = sorted((ROOT / "sslkit" / "guide").glob("*.md"))
#: Variables make training short; the words are those of the page.
SHORT = {
    "SSLKIT_PRETRAIN_STEPS": "2", "SSLKIT_PRETRAIN_BATCH_TOKENS": "256",
    "SSLKIT_HELDOUT": "0.01", "SSLKIT_FINETUNE_STEPS": "2", "SSLKIT_THREADS": "1",
}  # fmt: skip


def commands(page: Path) -> list[str]:
    """The lines of a page that are marked as commands of a shell."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    return "".join(blocks).replace("\\\n", "").splitlines()


@pytest.mark.parametrize(
    "page", [page for page in (README, *PAGES) if commands(page)], ids=lambda page: page.stem
)
def test_commands_run_in_sample_data(
    page: Path, tmp_path: Path, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (ROOT / "sample_data").iterdir():
        if folder.is_dir() and not folder.name.startswith("__"):
            (tmp_path / folder.name).symlink_to(folder)
    for name, value in SHORT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SSLKIT_SPACING", "64")
    if page.stem == "physics":
        for name in ("SSLKIT_PRETRAIN_BATCH_TOKENS", "SSLKIT_HELDOUT"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("SSLKIT_PRETRAIN_STEPS", "20")
    if page.stem == "clusters":
        monkeypatch.delenv("SSLKIT_THREADS")
    for line in commands(page):
        words = shlex.split(line)
        if words[0] == "sslkit" and not {"&&", ">"} & {*words}:
            command(*words[1:])
        else:
            shell = f'sslkit() {{ "{sys.executable}" -m sslkit "$@"; }}\n{line}'
            subprocess.run(["bash", "-c", shell], cwd=tmp_path, env=os.environ, check=True)
    if page == README:
        written = ("pretrained/checkpoint.pt", "finetuned/promoter/predictions.parquet")
        for name in ("vocab.parquet", "embeddings.parquet", "probed/promoter/probe.json", *written):
            assert (tmp_path / name).is_file()


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    places = [page.parent / path for path in re.findall(r"\]\(([^)#]+)\)", text)]
    places += [ROOT / path for path in re.findall(r"`((?:sslkit|tests)/[\w/.-]+\.\w+)`", text)]
    assert [place for place in places if not place.exists()] == []
    pages = re.findall(r"`sslkit guide\s+([a-z-]+)`", text)
    assert {*pages} <= {other.stem for other in PAGES}


def test_the_readme_links_every_page() -> None:
    linked = re.findall(r"sslkit/guide/([\w-]+)\.md", README.read_text("utf-8"))
    assert sorted({*linked}) == [page.stem for page in PAGES]


def test_pages_are_listed_and_shown(command: Callable[..., Any]) -> None:
    assert [*command("guide", "--json").json] == [page.stem for page in PAGES]
    assert command("guide", "lines").out.strip() == PAGES[9].read_text("utf-8").strip()
    assert "lines" in command("guide", "line", check=2).err
