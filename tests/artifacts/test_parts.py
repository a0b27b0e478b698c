"""Parts of a long job: what fits together is used, what is broken or foreign is not."""

import os
from pathlib import Path

import pyarrow as pa
import pytest

from sslkit.artifacts.parts import Parts, folder_of, held_identity, working
from sslkit.errors import ResourceError, UsageError


def table(*values: int) -> pa.Table:
    return pa.table({"x": pa.array(values, pa.int64())})


def values(parts: Parts) -> list[int]:
    return [value for part in parts.tables() for value in part["x"].to_pylist()]


def test_parts_are_found_again_with_their_state(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with working(out, {"a": 1}, force=False) as parts:
        assert (parts.lots, parts.state) == (0, {})
        parts.append(table(1, 2), 3, {"row": 2})
        parts.append(table(), 4, {"row": 2})
        parts.append(table(3), 9, {"row": 3})
    assert held_identity(out) == {"a": 1}
    with working(out, {"a": 1}, force=False) as parts:
        assert (parts.lots, parts.state) == (9, {"row": 3})
        assert values(parts) == [1, 2, 3]
        parts.remove()
    assert not folder_of(out).exists()


def test_the_longest_chain_of_whole_parts_is_used(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with working(out, {}, force=False) as parts:
        parts.append(table(1), 2, {})
        parts.append(table(2, 3), 5, {})
    # Another process, without locks, that had cut the same work elsewhere.
    other = Parts(tmp_path / "other")
    other.folder.mkdir()
    other.append(table(1, 2), 4, {})
    for path in other.folder.iterdir():
        path.rename(folder_of(out) / path.name)
    last = folder_of(out) / "00000002-00000005.arrow"
    assert values(Parts(folder_of(out))) == [1, 2]
    (folder_of(out) / "00000000-00000004.arrow").write_bytes(b"ARROW1 cut off")
    assert values(Parts(folder_of(out))) == [1, 2, 3]
    last.write_bytes(last.read_bytes()[:-10])
    assert values(Parts(folder_of(out))) == [1]


def test_parts_of_other_settings_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with working(out, {"layer": 1}, force=False) as parts:
        parts.append(table(1), 1, {})
    with (
        pytest.raises(UsageError, match="other settings") as told,
        working(out, {"layer": 2}, force=False),
    ):
        pass
    assert "layer was 1 and is 2" in told.value.why
    with working(out, {"layer": 2}, force=True) as parts:
        assert parts.lots == 0


def test_a_job_that_kept_nothing_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(ValueError, match="broken"), working(out, {"a": 1}, force=False):
        raise ValueError("broken")
    assert list(tmp_path.iterdir()) == []


def test_one_process_at_a_time(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with working(out, {}, force=False):
        with (
            pytest.raises(ResourceError, match="another sslkit is writing") as told,
            working(out, {}, force=True),
        ):
            pass
        assert f"process {os.getpid()}" in told.value.why
        assert folder_of(out).exists()
    with working(out, {}, force=False):
        pass
