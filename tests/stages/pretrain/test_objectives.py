"""Objectives named on the command line, and what is told of them."""

import math

import numpy as np
import pytest

from sslkit.contracts.spec import Ids
from sslkit.errors import DataError, UsageError
from sslkit.objectives import clm, mlm
from sslkit.stages.pretrain import objectives
from sslkit.stages.pretrain.objectives import Objectives

COUNTS = np.array([3, 1])


def chosen(names: str, **weights: float) -> Objectives:
    modules = objectives.modules(names)
    settings = {n: m.Settings(weight=weights.get(n, 1.0)) for n, m in modules.items()}
    return Objectives.of(modules, settings, {"tokens": Ids(("length",), 2)}, COUNTS)


def test_names() -> None:
    assert list(objectives.modules("mlm + clm")) == ["mlm", "clm"]
    with pytest.raises(UsageError, match="named twice"):
        objectives.modules("mlm+mlm")
    with pytest.raises(UsageError, match="there is no objective ''"):
        objectives.modules("mlm+")


def test_encoders_that_see_ahead_and_that_must_not_do_not_fit_together() -> None:
    assert objectives.causal({"mlm": mlm}) is False
    assert objectives.causal({"clm": clm}) is True
    with pytest.raises(UsageError, match="clm and mlm do not fit together"):
        objectives.causal({"mlm": mlm, "clm": clm})


def test_floors_are_weighted_and_one_without_terms_is_refused() -> None:
    alone, both = chosen("clm"), chosen("mlm+clm", clm=0.5)
    ids = {"targets": np.array([0, 0, 1]), "weight": np.ones(3)}
    baseline = -(2 * math.log(4 / 6) + math.log(2 / 6)) / 3
    assert alone.baselines([ids]) == {"floor_loss": pytest.approx(baseline)}
    batch = {f"mlm.{name}": array for name, array in ids.items()}
    batch |= {"clm.targets": np.array([1]), "clm.weight": np.ones(1)}
    assert both.baselines([batch]) == {
        "floor_loss": pytest.approx(baseline - 0.5 * math.log(2 / 6)),
        "floor_loss_mlm": pytest.approx(baseline),
        "floor_loss_clm": pytest.approx(-math.log(2 / 6)),
    }
    with pytest.raises(DataError, match="nothing that clm could be asked"):
        both.baselines([batch | {"clm.targets": np.array([], np.int64), "clm.weight": np.ones(0)}])


def test_what_a_person_reads() -> None:
    metrics = chosen("mlm").judged({"heldout_loss": 1.0}, {"floor_loss": 2.0})
    assert metrics["heldout_perplexity"] == pytest.approx(math.e)
    lines, warnings = chosen("mlm").told(metrics)
    assert lines == [
        "held-out perplexity 2.7 (1.000 nats per token), unigram 7.4 (2.000): +1.000 nats learned "
        "beyond counts"
    ]
    assert not warnings
    losses = {"heldout_loss": 3.0, "heldout_loss_mlm": 1.0, "heldout_loss_clm": 2.0}
    baselines = {"floor_loss": 3.5, "floor_loss_mlm": 2.0, "floor_loss_clm": 1.5}
    both = chosen("mlm+clm")
    assert "heldout_perplexity" not in both.judged(losses, baselines)
    lines, warnings = both.told(both.judged(losses, baselines))
    assert [line.split()[1] for line in lines] == ["mlm", "clm"]
    assert warnings == ["clm is no better than unigram: train longer, or check the data"]


def test_a_weight_is_above_zero() -> None:
    with pytest.raises(ValueError, match="weight is above 0"):
        mlm.Settings(weight=0)
