"""One process alone, and two that torchrun started."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from torch import nn

from sslkit.engine.distributed import ALONE, World, world
from sslkit.errors import UsageError


def test_alone_nothing_is_exchanged() -> None:
    with world() as here:
        assert here is ALONE
        assert here.is_main_process
        assert here.all_reduce({"a": 1.5, "b": 2.0}) == {"a": 1.5, "b": 2.0}
        here.barrier()
        module = nn.Linear(1, 1)
        assert here.wrap(module, torch.device("cpu")) is module


def test_a_step_that_cannot_be_shared() -> None:
    World(0, 4).share(4, "--batch")
    with pytest.raises(UsageError, match="4 processes cannot share the 3 rows of a step") as told:
        World(0, 4).share(3, "--batch")
    assert "a larger --batch, or fewer processes" in told.value.do


_MEETING = {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "localhost", "MASTER_PORT": "29999"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("WORLD_SIZE", value) for value in ("two", "0", "-1", "2.0")),
        *(("RANK", value) for value in ("one", "-1", "2", None)),
        *(("MASTER_PORT", value) for value in ("port", "0", "65536", None)),
        ("MASTER_ADDR", None),
    ],
)
def test_variables_by_which_processes_cannot_meet(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str | None
) -> None:
    for other, text in (_MEETING | {name: value}).items():
        monkeypatch.delenv(other, raising=False)
        if text is not None:
            monkeypatch.setenv(other, text)
    with pytest.raises(UsageError) as caught, world():
        pass
    assert name in str(caught.value)


_TWO = """
    import os
    import torch
    from torch import nn
    from sslkit.engine import runtime
    from sslkit.engine.distributed import world

    with world() as here:
        assert here.size == 2
        assert here.is_main_process == (here.rank == 0)
        # More digits than a float32 holds.
        assert here.all_reduce({"b": 2.0**40 + here.rank, "a": 1.0}) == {"b": 2.0**41 + 1, "a": 2.0}
        runtime._bf16_is_faster = lambda device: here.rank == 1
        assert runtime.prepare("cpu", 1, "auto", here).precision == "fp32"
        torch.manual_seed(here.rank)
        module = nn.Linear(1, 1, bias=False)
        wrapped = here.wrap(module, torch.device("cpu"))
        held = here.all_reduce({"weight": float(module.weight)})["weight"]
        assert held == 2 * float(module.weight)
        wrapped(torch.full((1, 1), 1.0 + here.rank)).sum().backward()
        assert float(module.weight.grad) == 1.5
        here.barrier()
        # At once: both processes write to the same pipe.
        os.write(1, b"fine %d\\n" % here.rank)
"""


def test_two_processes(tmp_path: Path) -> None:
    script = tmp_path / "two.py"
    script.write_text(textwrap.dedent(_TWO))
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2",
         "--master-port", str(40_000 + os.getpid() % 10_000), str(script)],
        capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split("\n")) == ["", "fine 0", "fine 1"]
