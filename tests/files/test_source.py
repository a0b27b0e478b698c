"""Opening inputs."""

import bz2
import gzip
import lzma
import os
import struct
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd

from sslkit.errors import DataError
from sslkit.files import source, window


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


def test_a_file_that_was_replaced_is_another_one_whatever_its_time_says(tmp_path: Path) -> None:
    path = tmp_path / "a.fa"
    path.write_text(">a\nACGT\n")
    before, times = source.states([path]), path.stat()
    assert source.states([path]) == before
    time.sleep(0.01)
    path.write_text(">a\nTTTT\n")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert source.states([path]) != before


def skippable(number: int, content: bytes) -> bytes:
    return struct.pack("<II", 0x184D2A50 + number, len(content)) + content


def read(path: Path, data: bytes) -> bytes:
    path.write_bytes(data)
    with source.open_bytes(path) as stream:
        return stream.read()


def test_zstandard_frames_without_content(tmp_path: Path) -> None:
    path, frame = tmp_path / "a.zst", zstd.compress(b"one\n")
    for number in (0, 5, 15):
        none = skippable(number, b"0123")
        assert read(path, none + frame + none + none + frame) == b"one\none\n"
    assert read(path, skippable(0, b"")) == b""
    with pytest.raises(DataError, match="damaged"):
        read(path, skippable(0, b"0123") + frame[:-4])


def test_the_window_stands_behind_frames_without_content(tmp_path: Path) -> None:
    options = {zstd.CompressionParameter.window_log: 23}
    frame = zstd.ZstdCompressor(options=options).compress(b"ab" * 9_000_000)
    path = tmp_path / "a.zst"
    path.write_bytes(frame)
    assert (plain := window.memory(path)) >= 1 << 23
    path.write_bytes(skippable(3, bytes(100)) + frame)
    assert window.memory(path) == plain


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_streams_behind_each_other(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path, first, second = tmp_path / "a", pack(b"one\n" * 99_999), pack(b"two\n")
    whole = b"one\n" * 99_999 + b"two\n"
    assert read(path, first + second) == whole
    assert read(path, first + bytes(8) + second + bytes(512)) == whole
    # What a plain tool would pass over is data that somebody lost.
    for rest in (b"plain text", second[:9]):
        with pytest.raises(DataError, match="damaged"):
            read(path, first + rest)


def test_archives_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.fa", ">a\nACGT\n")
    member = tmp_path / "a.fa"
    member.write_text(">a\nACGT\n")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive_of_tar:
        archive_of_tar.add(member, "a.fa")
    (tmp_path / "a.fa.Z").write_bytes(b"\x1f\x9d\x90>\xc2")
    for name, words in (("a.zip", "zip"), ("a.tar.gz", "tar xf"), ("a.fa.Z", "zcat")):
        with pytest.raises(DataError) as refused, source.open_bytes(tmp_path / name):
            pass
        assert words in refused.value.do
        assert refused.value.where == str(tmp_path / name)


def test_a_look_at_the_first_bytes_sees_them_all(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(b"".join(gzip.compress(bytes([letter])) for letter in b"id,sequence\n"))
    with source.open_bytes(path) as stream:
        assert stream.peek(12)[:12] == b"id,sequence\n"
