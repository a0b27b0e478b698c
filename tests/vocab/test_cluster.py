"""Tasks of a cluster, without a cluster."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sslkit.errors import DataError, RequeueError, ResourceError, SslkitError
from sslkit.vocab import cluster
from sslkit.vocab.cluster import Outcome, Task


class Future:
    """A task that has ended."""

    def __init__(self, outcome: Outcome | Exception) -> None:
        self.status = "error" if isinstance(outcome, Exception) else "finished"
        self._outcome = outcome

    def done(self) -> bool:
        return True

    def exception(self) -> Any:
        return self._outcome

    def result(self) -> Any:
        return self._outcome


class Client:
    """Gives the outcomes that it was made with, in order of submission."""

    def __init__(self, *outcomes: Outcome | Exception) -> None:
        self.left = list(outcomes)
        self.submitted: list[Task] = []

    def submit(self, function: Callable[..., Any], task: Task, pure: bool) -> Future:
        assert function is cluster.perform
        assert not pure
        self.submitted.append(task)
        return Future(self.left.pop(0))

    def cancel(self, futures: list[Any]) -> None:
        assert isinstance(futures, list)


def task(word: str = "count", **more: Any) -> Task:
    return Task((word,), ".", "stop", **more)


def run(client: Client, *tasks: Task) -> list[Outcome]:
    return cluster.run(client, tasks, lambda: None, lambda: None)


def test_outcomes_come_in_order_and_what_was_ended_from_outside_runs_again() -> None:
    client = Client(Outcome(-9), Outcome(0, "b"), Outcome(75), Outcome(0, "a"))
    assert run(client, task("a"), task("b")) == [Outcome(0, "a"), Outcome(0, "b")]
    assert [held.words[0] for held in client.submitted] == ["a", "b", "a", "a"]


def test_a_task_is_not_tried_for_ever() -> None:
    client = Client(*[Outcome(-9)] * 9)
    with pytest.raises(SslkitError, match="-9"):
        run(client, task())
    assert 1 < len(client.submitted) < 9


def test_what_a_command_says_is_said_again() -> None:
    said = "reads 1 file\nsslkit: a file is not UTF-8 text\n  where: a.txt, byte 7\n"
    with pytest.raises(DataError, match="byte 7"):
        run(Client(Outcome(3, "", said)), task())
    with pytest.raises(ResourceError, match="full"):
        run(Client(Outcome(4, "", "sslkit: the disk is full")), task())


def test_what_goes_wrong_on_workers_is_explained() -> None:
    killed = type("KilledWorker", (Exception,), {})
    with pytest.raises(ResourceError, match="workers died"):
        run(Client(killed("tcp://w")), task())
    with pytest.raises(SslkitError, match="cannot run") as found:
        run(Client(ModuleNotFoundError("No module named 'sslkit'")), task())
    assert "install" in found.value.do


def test_the_work_can_be_ended() -> None:
    def check() -> None:
        raise RequeueError("stopped")

    with pytest.raises(RequeueError):
        cluster.run(Client(Outcome(0)), [task()], check, lambda: None)


def test_a_share_that_is_there_is_not_counted_again(tmp_path: Path) -> None:
    assert cluster.perform(task("nonsense", share=str(tmp_path))) == Outcome(0)


def test_a_share_is_counted_as_on_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("some words")
    share = tmp_path / "parts" / "part-1-of-2"
    words = ("build-vocab", "--shard=1/2", "a.txt")
    done = cluster.perform(Task(words, str(tmp_path), str(tmp_path / "stop"), str(share)))
    assert done.code == 0, done.err
    assert (share / "share.json").is_file()
    assert [path.name for path in share.parent.iterdir()] == [share.name]


def test_a_marker_ends_a_task(tmp_path: Path) -> None:
    (tmp_path / "stop").touch()
    (tmp_path / "a.txt").write_text("some words " * 10**6)
    words = ("build-vocab", "a.txt", "-o", str(tmp_path / "vocab.parquet"))
    done = cluster.perform(Task(words, str(tmp_path), str(tmp_path / "stop")))
    assert done.code in {-15, 75}


def test_the_environment_of_a_worker_decides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("some words")
    monkeypatch.setenv("SSLKIT_DOMAIN", "nonsense")
    words = ("build-vocab", "a.txt")
    assert cluster.perform(Task(words, str(tmp_path), str(tmp_path / "stop"))).code == 0
