"""Parts of a long job: what fits together is used, what is broken or foreign is not."""

import os
from pathlib import Path

import pyarrow as pa
import pytest

from sslkit.artifacts.kinds import parts_of
from sslkit.artifacts.parts import Parts, held_identity, tidy, working
from sslkit.errors import DataError, ResourceError, UsageError


def table(*values: int) -> pa.Table:
    return pa.table({"x": pa.array(values, pa.int64())})


def values(parts: Parts) -> list[int]:
    return [value for part in parts.tables() for value in part["x"].to_pylist()]


def test_parts_are_found_again_with_their_state(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with working(out, {"a": 1}, print, force=False) as parts:
        assert (parts.chunks, parts.state) == (0, {})
        parts.append(table(1, 2), 3, {"row": 2})
        parts.append(table(), 4, {"row": 2})
        parts.append(table(3), 9, {"row": 3})
    assert held_identity(out) == {"a": 1}
    with working(out, {"a": 1}, print, force=False) as parts:
        assert (parts.chunks, parts.state) == (9, {"row": 3})
        assert values(parts) == [1, 2, 3]
        parts.remove()
    assert not parts_of(out).exists()


def test_the_longest_chain_of_whole_parts_is_used(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with working(out, {}, print, force=False) as parts:
        parts.append(table(1), 2, {})
        parts.append(table(2, 3), 5, {})
    # Another process, without locks, that had cut the same work elsewhere.
    other = Parts(tmp_path / "other")
    other.folder.mkdir()
    other.append(table(1, 2), 4, {})
    for path in other.folder.iterdir():
        path.rename(parts_of(out) / path.name)
    last = parts_of(out) / "00000002-00000005.arrow"
    assert values(Parts(parts_of(out))) == [1, 2]
    (parts_of(out) / "00000000-00000004.arrow").write_bytes(b"ARROW1 cut off")
    assert values(Parts(parts_of(out))) == [1, 2, 3]
    last.write_bytes(last.read_bytes()[:-10])
    assert values(Parts(parts_of(out))) == [1]


def test_parts_of_other_settings_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with working(out, {"layer": 1}, print, force=False) as parts:
        parts.append(table(1), 1, {})
    with (
        pytest.raises(UsageError, match="other settings") as told,
        working(out, {"layer": 2}, print, force=False),
    ):
        pass
    assert "layer was 1 and is 2" in told.value.why
    with working(out, {"layer": 2}, print, force=True) as parts:
        assert parts.chunks == 0


def test_a_job_that_kept_nothing_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(ValueError, match="broken"), working(out, {"a": 1}, print, force=False):
        raise ValueError("broken")
    assert list(tmp_path.iterdir()) == []


def test_one_process_at_a_time(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with working(out, {}, print, force=False):
        with (
            pytest.raises(ResourceError, match="another sslkit is writing") as told,
            working(out, {}, print, force=True),
        ):
            pass
        assert f"process {os.getpid()}" in told.value.why
        assert parts_of(out).exists()
    with working(out, {}, print, force=False):
        pass


def killed(out: Path, identity: dict[str, object]) -> Path:
    """The folder as a process leaves it that is killed when its output is whole."""
    with working(out, identity, print, force=False) as parts:
        parts.append(table(1), 1, {})
    folder = parts_of(out)
    for name in ("lock", "whole.parquet", ".00000001-00000002.arrow.abcdefgh.part"):
        (folder / name).touch()
    return folder


def test_what_a_killed_process_left_of_a_written_output_goes(tmp_path: Path) -> None:
    out = tmp_path / "out"
    mine = {"inputs": ({"path": "a"},), "layer": 1}
    folder = killed(out, mine)
    tidy(out, [{"layer": 2}])
    assert (folder / "00000000-00000001.arrow").exists()
    tidy(out, [{"layer": 2}, mine])
    assert not folder.exists()
    tidy(out, [mine])
    # Killed while it was tidied: nothing but an empty folder, or a lock, is left.
    for name in ("lock", ".job.json.abcdefgh.part"):
        folder.mkdir()
        (folder / name).touch()
        tidy(out, [mine])
        assert not folder.exists()
    folder.mkdir()
    (folder / "notes.txt").touch()
    tidy(out, [mine])
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_parts_stay_while_a_process_works_with_them(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with working(out, {}, print, force=False) as parts:
        parts.append(table(1), 1, {})
        tidy(out, [{}])
        assert values(parts) == [1]
        parts.whole.write_bytes(b"table")
        parts.publish(out)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert out.read_bytes() == b"table"


def test_a_changed_byte_is_found_and_its_work_done_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with working(out, {"a": 1}, print, force=False) as parts:
        parts.append(table(1, 2), 2, {"row": 2})
        parts.append(table(3), 5, {"row": 3})
    _, second = sorted(parts_of(out).glob("*.arrow"))
    whole = second.read_bytes()
    for place in range(0, len(whole), 11):
        second.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        warnings: list[str] = []
        with working(out, {"a": 1}, warnings.append, force=False) as parts:
            assert (parts.chunks, parts.state, values(parts)) == (2, {"row": 2}, [1, 2])
        assert len(warnings) == 1
        assert str(second) in warnings[0]
    with working(out, {"a": 1}, print, force=False) as parts:
        parts.append(table(3), 5, {"row": 3})
        assert second.read_bytes() == whole
        assert values(parts) == [1, 2, 3]


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"3", b"\xff\xfe", b"[" * 100_000])
def test_parts_that_do_not_say_whose_they_are(tmp_path: Path, text: bytes) -> None:
    out = tmp_path / "out"
    with working(out, {"a": 1}, print, force=False) as parts:
        parts.append(table(1), 2, {})
    path = parts_of(out) / "job.json"
    path.write_bytes(text)
    with pytest.raises(DataError) as caught, working(out, {"a": 1}, print, force=False):
        pass
    assert caught.value.where == str(path)
    with working(out, {"a": 1}, print, force=True) as parts:
        assert parts.chunks == 0
        assert held_identity(out) == {"a": 1}
