"""The windows that compressed files ask for, as their headers say."""

import bz2
import gzip
import lzma
import os
from pathlib import Path

import pytest
from backports import zstd

from sslkit.files import window

DATA = os.urandom(3 << 20)


def with_window(log: int) -> bytes:
    options = {
        zstd.CompressionParameter.window_log: log,
        zstd.CompressionParameter.content_size_flag: 0,
    }
    made = zstd.ZstdCompressor(options=options)
    return made.compress(DATA) + made.flush()


@pytest.mark.parametrize("level", [0, 6, 9])
def test_xz_tells_its_dictionary(tmp_path: Path, level: int) -> None:
    sizes = {0: 1 << 18, 6: 1 << 23, 9: 1 << 26}
    (tmp_path / "a").write_bytes(lzma.compress(DATA, preset=level))
    assert window.memory(tmp_path / "a") == sizes[level]


@pytest.mark.parametrize("log", [18, 23, 27])
def test_zstd_tells_its_window(tmp_path: Path, log: int) -> None:
    (tmp_path / "a").write_bytes(with_window(log))
    assert window.memory(tmp_path / "a") == 1 << log


@pytest.mark.parametrize("size", [200, 1000, 100_000, 2 << 20])
def test_zstd_in_one_piece_is_its_own_window(tmp_path: Path, size: int) -> None:
    (tmp_path / "a").write_bytes(zstd.compress(DATA[:size]))
    assert window.memory(tmp_path / "a") == size


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
def test_others_take_nothing_to_speak_of(tmp_path: Path, pack: type[bytes]) -> None:
    (tmp_path / "a").write_bytes(pack(DATA[:1000]))
    assert window.memory(tmp_path / "a") == 0
    (tmp_path / "a").write_bytes(b"")
    assert window.memory(tmp_path / "a") == 0
