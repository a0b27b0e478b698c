"""Finding and opening inputs."""

import bz2
import gzip
import lzma
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd

from sslkit.errors import DataError, UsageError
from sslkit.files import source


def test_folders_globs_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b.fa", "a.FA.gz", "deep/c.fa", "labels.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    assert source.find(["."], (".fa",)) == [Path("a.FA.gz"), Path("b.fa"), Path("deep/c.fa")]
    assert source.find(["*.fa", "b.fa", "labels.csv"], (".fa",)) == [
        Path("b.fa"),
        Path("labels.csv"),
    ]
    assert source.find([tmp_path / "*.csv"], ()) == [tmp_path / "labels.csv"]
    with pytest.raises(UsageError, match="no file or folder nowhere"):
        source.find(["nowhere"], (".fa",))
    with pytest.raises(UsageError, match="nothing to read"):
        source.find(["deep"], (".fq",))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress, zstd.compress])
def test_compressions_are_known_by_content(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "data"
    path.write_bytes(pack(b"one\r\ntwo\n" * 50_000))
    with source.open_bytes(path) as stream:
        assert stream.read() == b"one\r\ntwo\n" * 50_000


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstd.compress])
@pytest.mark.parametrize("keep", [0.5, 0.9])
def test_a_file_cut_off_is_damaged(
    tmp_path: Path, pack: Callable[[bytes], bytes], keep: float
) -> None:
    path = tmp_path / "data"
    whole = pack(bytes(range(256)) * 3000 + b"tail")
    path.write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(DataError, match="damaged") as caught, source.open_bytes(path) as stream:
        stream.read()
    assert caught.value.where == str(path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"), source.open_bytes(tmp_path):
        pass


def test_plain_name() -> None:
    assert source.plain_name(Path("x/a.fa.gz")) == "a.fa"
    assert source.plain_name(Path("x/a.fa")) == "a.fa"


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
                source.find([folder], (".fa",))
        finally:
            os.seteuid(user)
            (folder / closed).chmod(0o755)
        assert str(folder / closed) in told.value.why
        assert told.value.exit_code == 3
        assert len(source.find([folder], (".fa",))) == 2


def test_a_file_that_was_replaced_is_another_one_whatever_its_time_says(tmp_path: Path) -> None:
    path = tmp_path / "a.fa"
    path.write_text(">a\nACGT\n")
    before, times = source.states([path]), path.stat()
    assert source.states([path]) == before
    time.sleep(0.01)
    path.write_text(">a\nTTTT\n")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert source.states([path]) != before
