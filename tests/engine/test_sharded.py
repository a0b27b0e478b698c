"""A model dealt out to two processes that torchrun started, beside the same model alone."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from torch import nn

from sslkit.contracts.encoder import RowTable
from sslkit.engine import fsdp, sharded
from sslkit.engine.distributed import world
from sslkit.errors import UsageError

_TWO = """
    import os
    import sys
    import torch
    from torch import nn
    from torch.distributed.tensor import DTensor
    from sslkit.engine import optimizers, sharded
    from sslkit.engine.distributed import ALONE, world
    from sslkit.engine.optimizers import Rates
    from sslkit.engine.steering import Steering
    from sslkit.contracts.optimizer import Course, Moment

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            # Five rows: no two equal parts.
            self.table = nn.Embedding(5, 3)
            self.blocks = nn.ModuleList(nn.Linear(3, 3) for _ in range(2))
            self.own = nn.Parameter(torch.randn(3))

        def forward(self, rows):
            hidden = self.table(rows)
            for block in self.blocks:
                hidden = hidden + block(hidden).tanh()
            return (hidden * self.own).sum()

    def trained(here, model, steps, state=None):
        wrapped = here.wrap(model, torch.device("cpu"))
        turns = Steering().optimizers_for(model, Rates({}), 0.1, 0.01, Course(9, 1, seed=1))
        optimizer = turns.at(0)
        if state:
            model.load_state_dict(sharded.cut(state["model"], model.state_dict()))
            moments = sharded.cut_moments(state["optimizer"], optimizer.param_groups)
            optimizer.load_state_dict(moments)
        norms = []
        for step in steps:
            # One batch in even steps of the second process, two of the first.
            parts = [[0, step % 5], [1, 2]][: 1 + (step + here.rank) % 2 if here.size > 1 else 2]
            if here.size == 1:
                parts = [part for rank in (0, 1) for part in parts[: 1 + (step + rank) % 2]]
            for part, counts in here.passes(parts):
                # The mean over processes is taken of what each gives.
                (wrapped(torch.tensor(part)) * counts * here.size).backward()
            norms.append(optimizers.clip(model.parameters(), 1.0))
            optimizer.step(Moment(step, 0.0, 1.0, float))
            optimizer.zero_grad()
            with torch.no_grad():
                for part, _ in here.passes([[3]] if here.is_main_process else [], spare=[[1]]):
                    model(torch.tensor(part))
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
        return norms, sharded.whole(state)

    def flat(state):
        moments = [m for each in state["optimizer"]["state"].values() for m in each.values()]
        return torch.cat([t.flatten() for t in (*state["model"].values(), *moments)])

    with world("fsdp") as here:
        assert here.shards
        model = Model()
        norms, half = trained(here, model, range(3))
        assert all(isinstance(each, DTensor) for each in model.parameters())
        assert sum(p.to_local().numel() for p in model.parameters()) < 34
        empty = sharded.whole(model.state_dict(), keep=False)
        assert not any(each.numel() for each in empty.values())
        alone_norms, alone_half = trained(ALONE, Model(), range(3))
        torch.testing.assert_close(torch.tensor(norms), torch.tensor(alone_norms))
        torch.testing.assert_close(flat(half), flat(alone_half))
        # What two kept one continues, and the other way round.
        _, two = trained(here, Model(), range(3, 6), alone_half)
        _, one = trained(ALONE, Model(), range(3, 6), half)
        torch.testing.assert_close(flat(two), flat(one))
        assert not torch.equal(flat(two), flat(half))
        here.barrier()
        os.write(1, b"fine %d\\n" % here.rank)
"""


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    script = tmp_path / "two.py"
    script.write_text(textwrap.dedent(_TWO))
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         str(script)],
        capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split("\n")) == ["", "fine 0", "fine 1"]


def test_tables_with_sparse_gradients_are_refused() -> None:
    table = RowTable(4, 2)
    table.sparse = True
    with pytest.raises(UsageError, match="single rows") as told:
        fsdp.shard(nn.Sequential(table), torch.device("cpu"), 2)
    assert "--parallel ddp" in told.value.do


def test_one_process_keeps_what_it_has() -> None:
    with world("fsdp") as here:
        assert not here.shards
        assert list(here.passes([1, 2])) == [(1, 1.0), (2, 1.0)]
    held = {"a": torch.ones(2), "b": [torch.zeros(1), 3], "c": None}
    assert sharded.whole(held) == held
    assert sharded.cut({"a": held["a"]}, {})["a"] is held["a"]
    assert sharded.cut_moments({"squares": [1]}, []) == {"squares": [1]}


def test_no_other_way_to_share() -> None:
    with pytest.raises(UsageError, match="--parallel is ddp or fsdp, not 'dp'"), world("dp"):
        pass
