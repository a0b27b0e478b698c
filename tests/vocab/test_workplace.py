"""The folder of temporary files: found again by the same work, for one process, then gone."""

import pytest

from sslkit.errors import DataError, RequeueError, ResourceError, UsageError
from sslkit.vocab.workplace import workplace


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
        pytest.raises(UsageError, match="another process"),
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
