"""Several objectives of one encoder."""

import numpy as np
import pytest
import torch

from sslkit import rng
from sslkit.contracts.spec import Ids, token_ids
from sslkit.engine.learner import Learner
from sslkit.engine.mixture import Mixture
from sslkit.models import transformer
from sslkit.objectives import clm, mlm
from sslkit.types import Arrays

SPEC = {"tokens": Ids(("length",), 8)}
TOKENS = token_ids(SPEC)
COUNTS = np.arange(1, 9)


def parts() -> dict[str, mlm.Objective | clm.Objective]:
    return {
        "mlm": mlm.Objective(mlm.Settings(), SPEC, COUNTS),
        "clm": clm.Objective(clm.Settings(), SPEC, COUNTS),
    }


def example() -> tuple[Arrays, rng.Counter]:
    tokens = np.random.default_rng(1).integers(0, 8, (4, 12))
    return {"tokens": tokens, "length": np.array([12, 12, 7, 3])}, rng.Counter(1, 0, np.arange(4))


def test_each_part_is_what_it_is_alone() -> None:
    both = Mixture(parts())
    batch, draws = example()
    prepared = both.prepare(batch, draws)
    torch.manual_seed(1)
    learner = Learner(transformer.Model(transformer.Settings(1, 8, 2), SPEC), both)
    found = learner({name: torch.from_numpy(array) for name, array in prepared.items()})
    assert list(found) == ["mlm", "clm"]
    assert prepared["length"].sum() == 34
    for name, one in parts().items():
        alone = one.prepare(batch, draws)
        head = learner.head.get_submodule(name)
        tensors = {key: torch.from_numpy(array) for key, array in alone.items()}
        wanted = one.losses(learner.encoder, head, tensors)[name]
        torch.testing.assert_close(found[name], wanted)
        assert both.count(prepared)[name] == one.count(alone)[name]
        assert both.baselines([prepared])[name] == one.baseline([alone])


def test_the_total_is_weighted() -> None:
    learner = Learner(transformer.Model(transformer.Settings(1, 8, 2), SPEC), Mixture(parts()),
                      {"clm": 0.5})  # fmt: skip
    assert learner.total({"mlm": 2.0, "clm": 3.0}) == pytest.approx(3.5)
