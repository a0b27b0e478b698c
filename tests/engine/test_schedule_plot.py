"""The picture of a controller's trace."""

import json
import sys
from pathlib import Path

import pytest

from sslkit.artifacts.run import RunFolder
from sslkit.console import Console
from sslkit.engine import schedule_plot


def written(folder: Path, *rows: dict[str, float]) -> RunFolder:
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return RunFolder(folder)


def row(step: int, **more: float) -> dict[str, float]:
    held = {"step": step, "factor": 0.1 * step, "saturated": step % 2, "integral": 0.0}
    return {**held, "ratio": 0.2, "set_point": 0.1, **more}


def test_only_what_left_a_trace_is_drawn(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    schedule_plot.draw(folder, Console(quiet=True))
    schedule_plot.draw(written(tmp_path, {"step": 1, "loss": 2.0}), Console(quiet=True))
    assert not folder.picture.exists()
    schedule_plot.draw(written(tmp_path, *map(row, range(1, 9))), Console(quiet=True))
    assert folder.picture.read_bytes().startswith(b"\x89PNG")


def test_the_rows_of_a_second_optimizer_say_nothing(tmp_path: Path) -> None:
    folder = written(tmp_path, row(1), row(2), {"step": 3, "loss": 1.0})
    assert [r["step"] for r in schedule_plot.trace(folder.metrics)] == [1, 2]


def test_a_trace_without_ratios_is_drawn_too(tmp_path: Path) -> None:
    silent = {"step": 1, "factor": 0.5, "saturated": 0, "integral": 0.0}
    folder = written(tmp_path, silent)
    schedule_plot.draw(folder, Console(quiet=True))
    assert folder.picture.is_file()


def test_without_the_extra_it_says_where_the_trace_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    schedule_plot.draw(written(tmp_path, row(1)), Console())
    said = capsys.readouterr().err
    assert "metrics.jsonl" in said
    assert "sslkit[plot]" in said
