"""What a watch adds to rows, and that it decides by the rows alone."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from sslkit.contracts.spec import Ids
from sslkit.engine.watch import Row, Watch, evaluations
from sslkit.models import skipgram

ENCODER = skipgram.Model(skipgram.Settings(width=4), {"tokens": Ids(("length",), 5)})


def third(rows: Sequence[Row]) -> str:
    return "three are enough" if len(rows) >= 3 else ""


def row(step: int) -> dict[str, float]:
    return {"step": step, "tokens": 10 * step, "heldout_loss": 1 / step}


def test_rows_get_what_was_asked_for() -> None:
    asked: list[nn.Module] = []

    def probe(encoder: nn.Module) -> dict[str, float]:
        asked.append(encoder)
        return {"probe_auc": 0.5}

    counted: list[float] = [2.0]
    watch = Watch(flops=counted.pop, every=4, steps=9, probe=probe)
    assert [step for step in range(1, 10) if watch.due(step)] == [4, 8]
    assert watch.look(ENCODER, row(3)) == {"flops": 60.0}
    assert watch.look(ENCODER, row(4)) == {"flops": 80.0, "probe_auc": 0.5}
    assert "probe_auc" in watch.look(ENCODER, row(9))
    assert asked == [ENCODER, ENCODER]
    assert [held["step"] for held in watch.rows] == [3, 4, 9]


def test_nothing_is_asked_for_by_default() -> None:
    watch = Watch()
    state = torch.get_rng_state()
    assert watch.look(ENCODER, row(1)) == {}
    assert not watch.due(1)
    assert not watch.reason
    assert torch.equal(torch.get_rng_state(), state)


def test_a_continued_run_decides_as_a_whole_one(tmp_path: Path) -> None:
    metrics = tmp_path / "metrics.jsonl"
    whole = Watch(decide=third)
    for step in (1, 2):
        whole.look(ENCODER, row(step))
    lines = [json.dumps(row(step)) + "\n" for step in (1, 2, 3)]
    # A step without an evaluation, a row that will be written again, and one cut off by a kill.
    metrics.write_text('{"step": 1, "loss": 2}\n' + "".join(lines) + '{"heldout_loss": 0.')
    parts = Watch(decide=third)
    parts.begin(metrics, 2)
    assert parts.rows == whole.rows
    assert parts.reason == whole.reason == ""
    for watch in (whole, parts):
        watch.look(ENCODER, row(3))
        assert watch.reason == "three are enough"
    again = Watch(decide=third)
    again.begin(metrics, 3)
    assert again.reason == "three are enough"


def test_evaluations_of_no_run(tmp_path: Path) -> None:
    assert evaluations(tmp_path / "metrics.jsonl") == []
    watch = Watch(decide=third)
    watch.begin(tmp_path / "metrics.jsonl", 0)
    assert watch.rows == []
