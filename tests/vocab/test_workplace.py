"""The folder of temporary files: found again by the same work, for one process, then gone."""

import pytest

from sslkit.errors import DataError, RequeueError, ResourceError, UsageError
from sslkit.vocab.workplace import drop_others, tidy, workplace


@pytest.mark.parametrize("error", [RequeueError, ResourceError, KeyboardInterrupt])
def test_kept_for_the_same_work_when_it_can_go_on(tmp_path, error):
    def work(keep):
        with workplace(tmp_path / "tmp", {"a": 1}, keep=keep) as folder:
            (folder / "spill").touch()
            raise error("stopped")

    with pytest.raises(error):
        work(keep=True)
    with workplace(tmp_path / "tmp", {"a": 2}) as other:
        assert not (other / "spill").exists()
    with workplace(tmp_path / "tmp", {"a": 1}) as folder:
        assert (folder / "spill").exists()
    assert not list((tmp_path / "tmp").iterdir())
    with pytest.raises(error):
        work(keep=False)
    assert not list((tmp_path / "tmp").iterdir())


@pytest.mark.parametrize("error", [DataError, RuntimeError])
def test_removed_when_going_on_would_end_alike(tmp_path, error):
    with pytest.raises(error), workplace(tmp_path, "work"):
        raise error("broken")
    assert not list(tmp_path.iterdir())


def test_one_process_at_a_time(tmp_path):
    with (
        workplace(tmp_path, "work") as folder,
        pytest.raises(ResourceError, match="another sslkit counts"),
        workplace(tmp_path, "work"),
    ):
        pass
    assert not folder.exists()


def test_no_place(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ResourceError, match="no place"), workplace(tmp_path / "file", "work"):
        pass
    with workplace(tmp_path / "tmp", "work") as folder:
        pass
    folder.symlink_to(tmp_path)
    with pytest.raises(UsageError, match="somebody else"), workplace(tmp_path / "tmp", "work"):
        pass


def test_what_is_left_of_finished_work_goes_unless_somebody_is_in_it(tmp_path):
    with workplace(tmp_path, "work") as folder:
        (folder / "lane0").mkdir()
        (folder / "lane0" / "spill").touch()
        tidy(tmp_path, "work")
        assert (folder / "lane0" / "spill").exists()
    folder.mkdir()
    (folder / "lane0").mkdir()
    (folder / "lane0" / "spill").touch()
    tidy(tmp_path, "other")
    assert (folder / "lane0" / "spill").exists()
    tidy(tmp_path, "work")
    assert not list(tmp_path.iterdir())


def test_work_that_cannot_go_on_begins_with_nothing(tmp_path):
    with workplace(tmp_path, "work") as folder:
        pass
    folder.mkdir()
    (folder / "spill").touch()
    with workplace(tmp_path, "work", keep=False) as folder:
        assert [path.name for path in folder.iterdir()] == ["lock"]


def test_spills_of_another_number_of_lanes_go(tmp_path):
    for name in ("lane0-of-2", "lane1-of-2", "lane0-of-1", "order0"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "spill").touch()
    drop_others(tmp_path, "lane*", kept=["lane0-of-1"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lane0-of-1", "order0"]
