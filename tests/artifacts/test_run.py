"""A run's folder: whose it is, and what becomes of another run in it."""

import errno
import fcntl
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from sslkit.artifacts.run import RunFolder, differences, to_toml
from sslkit.errors import DataError, ResourceError, UsageError
from sslkit.files import atomic, lock

MINE: dict[str, Any] = {"seed": 1, "steps": 10, "plugins": {"model": {"width": 8}}, "shape": (1, 2)}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "runs" / "one")


def fill(folder: RunFolder, *, finished: bool) -> None:
    folder.state.write_bytes(b"state")
    folder.metrics.write_text('{"step": 1}\n')
    folder.log.write_text("{}\n")
    if finished:
        folder.checkpoint.write_bytes(b"checkpoint")


def left(folder: RunFolder) -> set[str]:
    return {path.name for path in folder.path.iterdir()}


def test_a_new_run_says_whose_it_is(folder: RunFolder) -> None:
    assert folder.identity() == {}
    assert folder.claim(MINE, "[pretrain]\n", force=False) == "new"
    assert folder.identity() == {**MINE, "shape": [1, 2]}
    assert left(folder) == {"run.json", "config.toml"}
    assert folder.config.read_text() == "[pretrain]\n"


@pytest.mark.parametrize("force", [False, True])
def test_an_unfinished_run_continues_also_where_its_flags_force(
    folder: RunFolder, force: bool
) -> None:
    folder.claim(MINE, "", force=force)
    fill(folder, finished=False)
    assert folder.claim(MINE, "", force=force) == "unfinished"
    assert {"state.pt", "metrics.jsonl", "log.jsonl"} <= left(folder)


def test_a_finished_run_is_left_alone_or_begun_anew(folder: RunFolder) -> None:
    folder.claim(MINE, "", force=False)
    fill(folder, finished=True)
    assert folder.claim(MINE, "", force=False) == "finished"
    assert folder.checkpoint.is_file()
    assert folder.claim(MINE, "", force=True) == "new"
    assert left(folder) == {"run.json", "config.toml"}


@pytest.mark.parametrize("finished", [False, True])
def test_another_run_is_refused_by_what_differs(folder: RunFolder, finished: bool) -> None:
    folder.claim(MINE, "mine", force=False)
    fill(folder, finished=finished)
    other = {**MINE, "seed": 2, "plugins": {"model": {"width": 16}}}
    with pytest.raises(UsageError, match="holds another run") as told:
        folder.claim(other, "other", force=False)
    assert told.value.why == "plugins.model.width was 8 and is 16; seed was 1 and is 2"
    assert "--force" in told.value.do
    assert folder.state.read_bytes() == b"state"
    assert folder.checkpoint.is_file() == finished
    assert folder.config.read_text() == "mine"
    assert folder.claim(other, "other", force=True) == "new"
    assert folder.identity()["seed"] == 2
    assert left(folder) == {"run.json", "config.toml"}


def test_a_checkpoint_of_nobody_is_not_lost(folder: RunFolder) -> None:
    folder.path.mkdir(parents=True)
    folder.checkpoint.write_bytes(b"precious")
    for force in (False, True):
        with pytest.raises(UsageError, match="nothing says which run made it"):
            folder.claim(MINE, "", force=force)
    assert folder.checkpoint.read_bytes() == b"precious"


def test_files_of_the_user_in_the_folder_of_a_run_stay(folder: RunFolder) -> None:
    folder.claim(MINE, "", force=False)
    fill(folder, finished=True)
    (folder.samples).mkdir()
    (folder.samples / "00000007.pt").write_bytes(b"sample")
    (folder.samples / "best.pt").write_bytes(b"the user's")
    assert folder.claim(MINE, "", force=True) == "new"
    assert [path.name for path in folder.samples.iterdir()] == ["best.pt"]


def test_an_empty_folder_of_the_user_stays(tmp_path: Path) -> None:
    with RunFolder(tmp_path).alone(print):
        assert left(RunFolder(tmp_path)) == {"lock"}
    assert left(RunFolder(tmp_path)) == set()


def test_a_lost_configuration_is_written_again(folder: RunFolder) -> None:
    folder.claim(MINE, "seed = 1\n", force=False)
    folder.config.unlink()
    assert folder.claim(MINE, "seed = 1\n", force=False) == "unfinished"
    assert folder.config.read_text() == "seed = 1\n"


def test_a_damaged_identity_is_named(folder: RunFolder) -> None:
    folder.claim(MINE, "", force=False)
    (folder.path / "run.json").write_text('{"seed": ')
    with pytest.raises(DataError, match="cannot be read") as told:
        folder.claim(MINE, "", force=False)
    assert told.value.where.endswith("run.json")


def test_equal_runs_say_equal_things(folder: RunFolder, tmp_path: Path) -> None:
    other = RunFolder(tmp_path / "two")
    folder.claim(MINE, "", force=False)
    other.claim(dict(reversed(MINE.items())), "", force=False)
    held = (folder.path / "run.json").read_bytes()
    assert held == (other.path / "run.json").read_bytes()
    assert json.loads(held)["steps"] == 10


def test_differences_are_short_and_name_what_is_new() -> None:
    assert differences(MINE, MINE) == []
    assert differences({"a": 1}, {"b": 2}) == ["a was 1 and is null", "b was null and is 2"]
    (long,) = differences({"a": "x" * 500}, {"a": "y"})
    assert len(long) < 100


def test_options_become_toml_and_come_back() -> None:
    values = {
        "out": Path("a b/c"), "seed": 7, "rate": 1e-5, "force": False, "steps": None,
        "set": ("width=8", 'odd="\\é\n'), "corpus": [Path("x"), Path("y")], "name": "it's \\ \"q\"",
    }  # fmt: skip
    text = to_toml("pretrain", values)
    assert tomllib.loads(text) == {
        "pretrain": {
            "out": "a b/c", "seed": 7, "rate": 1e-5, "force": False,
            "set": ["width=8", 'odd="\\é\n'], "corpus": ["x", "y"], "name": "it's \\ \"q\"",
        }
    }  # fmt: skip


def test_a_run_that_left_nothing_is_in_nobody_s_way(folder: RunFolder) -> None:
    folder.claim(MINE, "", force=False)
    assert folder.claim({**MINE, "seed": 2}, "", force=False) == "new"
    assert folder.identity()["seed"] == 2


def test_what_was_settled_once_stays(folder: RunFolder) -> None:
    assert folder.settled("precision", "auto") == "auto"
    folder.claim({**MINE, "precision": "bf16"}, "", force=False)
    assert folder.settled("precision", "auto") == "bf16"
    assert folder.settled("precision", "fp32") == "fp32"


def test_one_process_works_in_a_folder_and_leaves_no_trace(folder: RunFolder) -> None:
    said: list[str] = []
    with folder.alone(said.append):
        other = RunFolder(folder.path).alone(said.append)
        with pytest.raises(ResourceError, match=f"another sslkit works in {folder.path}"), other:
            pytest.fail("two work in it")
        folder.claim(MINE, "", force=False)
    assert left(folder) == {"run.json", "config.toml"}
    assert not said


def test_a_finished_run_is_open_to_all_unless_it_is_begun_anew(folder: RunFolder) -> None:
    folder.claim(MINE, "", force=False)
    fill(folder, finished=True)
    before = left(folder)
    with folder.alone(pytest.fail), folder.alone(pytest.fail):
        assert left(folder) == before
    with folder.alone(pytest.fail, force=True):
        assert left(folder) == {*before, "lock"}


def test_a_folder_without_locks_is_told(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refused)
    said: list[str] = []
    with folder.alone(said.append):
        pass
    assert "knows no locks" in said[0]
    assert not folder.path.exists()


def test_what_a_killed_process_left_beside_a_checkpoint_goes(folder: RunFolder) -> None:
    folder.claim(MINE, "", force=False)
    fill(folder, finished=True)
    folder.samples.mkdir()
    for path in (folder.path, folder.samples):
        (path / ".state.pt.abcdefgh.part").touch()
    (folder.path / "lock").touch()
    (folder.path / "notes.part").touch()
    before = left(folder)
    with lock.holding(folder.path / "lock", "works here", "wait"):
        assert folder.claim(MINE, "", force=False) == "finished"
        assert left(folder) == before
    (folder.path / "lock").touch()
    assert folder.claim(MINE, "", force=False) == "finished"
    assert before - left(folder) == {"lock", "state.pt", ".state.pt.abcdefgh.part"}
    assert list(folder.samples.iterdir()) == []


def test_a_run_that_is_killed_as_it_begins_has_options_of_its_own(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.claim(MINE, "old", force=False)
    fill(folder, finished=True)
    write = atomic.write_text

    def killed(path: Path, text: str) -> None:
        if path == folder.config:
            raise KeyboardInterrupt
        write(path, text)

    monkeypatch.setattr(atomic, "write_text", killed)
    with pytest.raises(KeyboardInterrupt):
        folder.claim({"seed": 2}, "new", force=True)
    monkeypatch.undo()
    assert folder.claim({"seed": 2}, "new", force=True) == "unfinished"
    assert folder.config.read_text() == "new"


def test_threads_stay_what_they_were_and_a_change_is_noted(folder: RunFolder) -> None:
    folder.claim({"corpus": {"a/x.fa": "1"}}, "", force=False)
    assert folder.note({"threads": 4}) == []
    assert folder.threads(None, force=False) is None
    folder.state.touch()
    assert folder.claim({"corpus": {"b/x.fa": "1"}}, "", force=False) == "unfinished"
    assert folder.threads(None, force=False) == 4
    assert folder.threads(2, force=False) == 2
    assert folder.threads(None, force=True) is None
    assert folder.roundings() == {}
    assert len(folder.note({"threads": 2})) == 1
    assert folder.roundings() == {"rounding": [{"threads": 4}, {"threads": 2}]}
    with pytest.raises(UsageError):
        folder.claim({"corpus": {"b/x.fa": "2"}}, "", force=False)
