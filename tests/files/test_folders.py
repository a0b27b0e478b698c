"""Which files of folders are read, and what is said of the others."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sslkit.artifacts import checkpoint
from sslkit.errors import DataError, UsageError
from sslkit.files import folders

Command = Callable[..., Any]

FASTA = ">a\nACGTACGTAC\n"


def find(*arguments: Any, **options: Any) -> list[Path]:
    return list(folders.find(*arguments, **options).files)


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(FASTA)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_folders_globs_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b.fa", "a.FA.gz", "deep/c.fa", "labels.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    assert find(["."], (".fa",)) == [Path("a.FA.gz"), Path("b.fa"), Path("deep/c.fa")]
    assert find(["*.fa", "b.fa", "labels.csv"], (".fa",)) == [
        Path("b.fa"),
        Path("labels.csv"),
    ]
    assert find([tmp_path / "*.csv"], ()) == [tmp_path / "labels.csv"]
    with pytest.raises(UsageError, match="no file or folder nowhere"):
        find(["nowhere"], (".fa",))
    with pytest.raises(UsageError, match="nothing to read"):
        find(["deep"], (".fq",))


def test_links_are_followed_and_each_file_is_read_once(here: Path) -> None:
    fill(here, "corpus/a.fa", "store/b.fa", "store/sub/c.fa", "store/sub/d.fa")
    (here / "corpus" / "b.fa").symlink_to("../store/b.fa")
    (here / "corpus" / "more").symlink_to("../store/sub")
    (here / "corpus" / "latest.fa").symlink_to("a.fa")
    (here / "corpus" / "up").symlink_to("..")
    (here / "corpus" / "again").symlink_to("../store/sub")
    os.link(here / "corpus" / "a.fa", here / "corpus" / "hard.fa")
    listing = folders.find(["corpus"], (".fa",))
    assert list(map(str, listing.files)) == [
        "corpus/a.fa", "corpus/again/c.fa", "corpus/again/d.fa", "corpus/b.fa", "corpus/hard.fa",
    ]  # fmt: skip
    assert {reason: list(map(str, paths)) for reason, paths in listing.left_out.items()} == {
        folders.AGAIN: ["corpus/more", "corpus/latest.fa"],
        folders.LOOP: ["corpus/up"],
    }
    # What is named is read by that name, before or behind the folder.
    assert find(["corpus", "store/b.fa"], (".fa",))[-1] == Path("store/b.fa")
    assert Path("corpus/b.fa") not in find(["corpus", "store/b.fa"], (".fa",))
    assert find(["corpus/a.fa", "corpus/latest.fa"], (".fa",)) == [
        Path("corpus/a.fa"), Path("corpus/latest.fa"),
    ]  # fmt: skip


def test_links_in_a_circle_end(here: Path) -> None:
    fill(here, "one/a.fa", "two/b.fa")
    (here / "one" / "two").symlink_to("../two")
    (here / "two" / "one").symlink_to("../one")
    assert find(["one", "two"], (".fa",)) == [Path("one/a.fa"), Path("one/two/b.fa")]
    assert find(["**/*.fa"], (".fa",)) == [Path("one/a.fa"), Path("one/two/b.fa")]


@pytest.mark.parametrize("target", ["nowhere.fa", "b.fa"])
def test_a_link_to_nothing_is_named(here: Path, target: str) -> None:
    fill(here, "corpus/a.fa")
    (here / "corpus" / "b.fa").symlink_to(target)
    (here / "corpus" / "notes.pdf").symlink_to("nowhere")
    (here / "corpus" / ".#lock.fa").symlink_to("nowhere")
    for asked in (["corpus"], ["corpus/b.fa"], ["corpus/*.fa"]):
        with pytest.raises(DataError) as refused:
            folders.find(asked, (".fa",))
        assert (refused.value.where, refused.value.exit_code) == ("corpus/b.fa", 3)
    listing = folders.find(["corpus"], (".fa",), on_error="skip")
    assert listing.files == (Path("corpus/a.fa"),)
    assert listing.counts() == {folders.DANGLING: 1, folders.HIDDEN: 1, folders.UNKNOWN: 1}
    # What has no ending may have been a folder.
    (here / "corpus" / "b.fa").unlink()
    (here / "corpus" / "more").symlink_to("nowhere")
    with pytest.raises(DataError):
        folders.find(["corpus"], (".fa",))


def test_what_is_no_corpus_is_left_out(here: Path) -> None:
    fill(
        here, "src/a.fa", "src/build/b.fa", "src/.git/c.fa", "src/.hidden/c.fa", "src/._a.fa",
        "src/.ipynb_checkpoints/c.fa", "src/env/pyvenv.cfg", "src/env/c.fa", "src/x.fa.Z",
        "src/tagged/CACHEDIR.TAG", "src/tagged/c.fa", "src/__pycache__/c.fa", "src/README",
        "src/deep/node_modules/c.fa", "src/CVS/c.fa", "src/conda/conda-meta/x", "src/conda/c.fa",
    )  # fmt: skip
    os.mkfifo(here / "src" / "pipe.fa")
    listing = folders.find(["src"], (".fa",))
    assert listing.files == (Path("src/a.fa"), Path("src/build/b.fa"))
    assert listing.counts() == {
        folders.HIDDEN: 2, folders.VERSION_CONTROL: 2, folders.ENVIRONMENT: 3, folders.CACHE: 3,
        folders.UNKNOWN: 2, folders.NO_FILE: 1,
    }  # fmt: skip
    everything = folders.find(["src"], (".fa",), all_files=True)
    assert len(everything.files) == 12
    assert everything.counts() == {folders.UNKNOWN: 5, folders.NO_FILE: 1}
    # What is named is read, and a folder that is named as well, whatever they are called.
    assert find(["src/.git", "src/._a.fa", "src/README"], (".fa",)) == [
        Path("src/.git/c.fa"), Path("src/._a.fa"), Path("src/README"),
    ]  # fmt: skip
    assert find(["src/*.fa"], (".fa",)) == [Path("src/a.fa"), Path("src/pipe.fa")]
    with pytest.raises(UsageError, match="nothing to read") as refused:
        folders.find(["src/.hidden/.."], (".smi",))
    assert "--all-files" in refused.value.do


def test_a_glob_that_names_folders_reads_them(here: Path) -> None:
    fill(here, "data/one/a.fa", "data/two/b.fa", "data/two/.c.fa", "data/n.txt")
    assert find(["data/*o*"], (".fa",)) == [Path("data/one/a.fa"), Path("data/two/b.fa")]
    assert find(["data/**"], (".fa",)) == [
        Path("data/n.txt"), Path("data/one/a.fa"), Path("data/two/b.fa"),
    ]  # fmt: skip
    assert find(["data/two/.*.fa"], (".fa",)) == [Path("data/two/.c.fa")]


def test_commands_say_what_they_leave_out(
    here: Path, tiny_genome: Path, command: Command, pretrained: Callable[..., None]
) -> None:
    fill(tiny_genome, ".old.fa", "genes.zip")
    left_out = {folders.HIDDEN: 1, folders.UNKNOWN: 1}
    pretrained(here)
    made = command("build-vocab", "corpus", "--k", "3", "--json").json
    assert (made["files"], made["left_out"]) == (2, left_out)
    embedded = command("embed", "corpus", "--json", "--threads", "1").json
    assert (embedded["records"], embedded["left_out"]) == (23, left_out)
    assert command("inspect", "corpus", "--json").json["left_out"] == {
        folders.HIDDEN: ["corpus/.old.fa"], folders.UNKNOWN: ["corpus/genes.zip"],
    }  # fmt: skip
    everything = command("build-vocab", "corpus", "--k", "3", "--json", "--all-files", "--force")
    assert everything.json["files"] == 3
    assert command("embed", "corpus", "--all-files", "--force", "--json").json["records"] == 24
    # Training reads a folder as its vocabulary did.
    tiny = ("--set", "blocks=1", "--set", "width=16", "--set", "heads=2", "--steps", "1")
    command("pretrain", "corpus", *tiny, "--window", "32", "--threads", "1", "-o", "other")
    assert len(checkpoint.load(Path("other")).manifest.inputs) == 3


@pytest.mark.parametrize("closed", ["", "inner"])
def test_a_folder_that_may_not_be_read_is_no_empty_one(closed: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "corpus"
        (folder / "inner").mkdir(parents=True)
        (folder / "a.fa").write_text(">a\nACGT\n")
        (folder / "inner" / "b.fa").write_text(">b\nACGT\n")
        Path(name).chmod(0o755)
        (folder / closed).chmod(0)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)  # To the superuser everything is open.
        try:
            with pytest.raises(DataError, match="cannot be read") as told:
                find([folder], (".fa",))
        finally:
            os.seteuid(user)
            (folder / closed).chmod(0o755)
        assert str(folder / closed) in told.value.why
        assert told.value.exit_code == 3
        assert len(find([folder], (".fa",))) == 2
