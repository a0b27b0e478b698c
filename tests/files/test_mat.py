"""MAT-files: what scipy writes comes back, and no damage does more than be refused."""

import random
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from fuzz import attempt, mutate
from scipy import io as matlab

from sslkit.domains import physics
from sslkit.errors import SslkitError
from sslkit.files import mat

VARIABLES = {
    "x": np.linspace(-1, 1, 5),
    "tt": np.arange(4, dtype="f4")[None] / 9,
    "usol": np.arange(20.0).reshape(5, 4) / 7,
    "whole": np.arange(6, dtype="i8").reshape(2, 3),
    "small": np.arange(3, dtype="u1"),
    "flags": np.array([[True, False]]),
    "complex": np.array([[1 + 2j, 3]]),
    "none": np.zeros((0, 0)),
    "cube": np.arange(24.0).reshape(2, 3, 4),
    "one": 1.5,
}
OTHERS = {"text": "letters" * 1000, "record": {"a": 1}, "cell": np.array([1, "a"], object)}
OLD = {name: VARIABLES[name] for name in ("x", "tt", "usol", "complex", "one")}


@pytest.mark.parametrize("compressed", [False, True])
def test_numbers_are_as_scipy_reads_them(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "a.mat"
    matlab.savemat(path, VARIABLES | OTHERS, do_compression=compressed)
    assert_equal(path, set(VARIABLES))


def test_version_4(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    matlab.savemat(path, OLD | {"text": "abc"}, format="4")
    assert_equal(path, set(OLD))


def test_the_other_order_of_bytes(tmp_path: Path) -> None:
    numbers = struct.pack(">6d", *range(6))
    body = b"".join(
        (
            struct.pack(">4I", 6, 8, 6, 0),
            struct.pack(">2I2i", 5, 8, 2, 3),
            struct.pack(">HH4s", 1, 1, b"x"),
            struct.pack(">2I", 9, 48) + numbers,
        )
    )
    header = b"MATLAB 5.0".ljust(124) + struct.pack(">H", 0x0100) + b"MI"
    path = tmp_path / "a.mat"
    path.write_bytes(header + struct.pack(">2I", 14, len(body)) + body)
    assert_equal(path, {"x"})
    assert mat.read(path)["x"].tolist() == [[0, 2, 4], [1, 3, 5]]


def assert_equal(path: Path, names: set[str]) -> None:
    arrays, expected = mat.read(path), matlab.loadmat(path)
    assert set(arrays) == names
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, expected[name])
        assert array.dtype == expected[name].dtype.newbyteorder("=")
        assert array.shape == expected[name].shape


def test_version_7_3_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM" + bytes(512))
    with pytest.raises(ValueError, match=r"7\.3.*-v7"):
        mat.read(path)


def test_what_is_compressed_takes_bounded_memory(tmp_path: Path) -> None:
    """A variable of 64 GiB of zeros in 64 MB, and one that is longer than it says."""
    head = struct.pack("<4I", 6, 8, 6, 0) + struct.pack("<2I2i", 5, 8, 1 << 16, 1 << 17)
    head += struct.pack("<HH4s", 1, 1, b"x")
    for claim in (2**32 - 1, 4096):
        squeeze = zlib.compressobj()
        data = squeeze.compress(struct.pack("<2I", 14, claim) + head)
        data += b"".join(squeeze.compress(bytes(1 << 20)) for _ in range(64)) + squeeze.flush()
        header = b"MATLAB 5.0".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
        path = tmp_path / "a.mat"
        path.write_bytes(header + struct.pack("<2I", 15, len(data)) + data)
        tracemalloc.start()
        with pytest.raises(ValueError, match="variable"):
            mat.read(path)
        assert tracemalloc.get_traced_memory()[1] < 2**21
        tracemalloc.stop()


@pytest.mark.parametrize("how", [{}, {"do_compression": True}, {"format": "4"}], ids=str)
def test_damage_is_refused_or_gives_numbers(tmp_path: Path, how: dict[str, object]) -> None:
    rng = random.Random(1)
    path = tmp_path / "a.mat"
    matlab.savemat(path, OLD, **how)
    whole = path.read_bytes()
    refused = 0
    for _ in range(300):
        path.write_bytes(mutate(whole, rng))
        domain = physics.Domain(physics.Settings(reference=str(path)))
        reference = attempt(domain.reference)
        if isinstance(reference, SslkitError):
            assert reference.exit_code == 3
            assert str(path) in reference.where
            refused += 1
            continue
        assert reference is not None
        assert reference.values.shape == (len(reference.first), len(reference.second))
        assert np.isfinite(reference.values).all()
    assert refused > 150
