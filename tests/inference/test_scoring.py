"""Scores of records of any length: windows, batches, places of a wild type, energies."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sslkit.contracts.encoder import real
from sslkit.contracts.spec import token_ids
from sslkit.domains import genome
from sslkit.engine import runtime
from sslkit.inference.scoring import Scorer
from sslkit.inference.windows import Plan, windows
from sslkit.models import transformer
from sslkit.objectives import clm, mlm
from sslkit.types import Array, Batch
from sslkit.vocab.vocabulary import Vocabulary

K = 2


def scorer_of(
    module: Any = mlm, stride: int = 1, window: int = 24, batch_tokens: int = 100, **more: Any
) -> Scorer:
    tokens = [a + b for a in "ACGT" for b in "ACGT"]
    domain = genome.Domain(genome.Settings(k=K, stride=stride), Vocabulary(tokens, np.arange(16)))
    torch.manual_seed(3)
    shape = transformer.Settings(blocks=1, width=16, heads=2, causal=module.CAUSAL)
    encoder = transformer.Model(shape, domain.spec).eval()
    objective = module.Objective(module.Settings(), domain.spec, np.arange(16))
    head = objective.head(16)
    with torch.no_grad():
        for parameter in [*encoder.parameters(), *head.parameters()]:
            parameter.add_(0.2 * torch.randn_like(parameter))
    plan = Plan(None, 1, window, window // 2, batch_tokens=batch_tokens)
    fixed = runtime.Runtime(torch.device("cpu"), "fp32", 1)
    return Scorer(encoder, head, objective, domain, plan, fixed, **more)


def bases(sizes: list[int], seed: int = 1) -> list[Array]:
    generator = np.random.default_rng(seed)
    return [generator.integers(0, 4, size).astype(np.uint8) for size in sizes]


def unheard(_: int) -> None:
    pass


@pytest.mark.parametrize("module", [mlm, clm])
def test_batches_do_not_matter_and_windows_are_those_of_the_plan(module: Any) -> None:
    records = bases([30, 1, 8, 50, 0, 25, 2])
    records[0][4] = 4
    found = scorer_of(module).scores(records, unheard)
    assert [len(each.tokens) for each in found] == [29, 0, 7, 49, 0, 24, 1]
    totals = scorer_of(module).totals(records, unheard)
    assert totals.length.tolist() == [29, 0, 7, 49, 0, 24, 1]
    assert totals.scored.tolist() == [27, 0, 7, 49, 0, 24, 1]
    sums = [np.nansum(each.log_p) if len(each.tokens) else math.nan for each in found]
    np.testing.assert_allclose(totals.log_likelihood, sums, rtol=1e-6)
    single = scorer_of(module, batch_tokens=1)
    for units, mine in zip(records, found, strict=True):
        (alone,) = single.scores([units], unheard)
        np.testing.assert_allclose(mine.log_p, alone.log_p, atol=1e-5)
        # A window is a record of its own, of which the kept part counts.
        for part in windows(len(mine.tokens), single.plan, causal=module.CAUSAL):
            (seen,) = single.scores([units[part.start : part.stop + K - 1]], unheard)
            kept = seen.log_p[part.keep - part.start : part.keep_stop - part.start]
            np.testing.assert_allclose(mine.log_p[part.keep : part.keep_stop], kept, atol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("tokens", [1, 23, 24, 25, 36, 37, 100])
def test_windows_keep_every_token_once(tokens: int, causal: bool) -> None:
    plan = Plan(None, 1, 24, 12)
    cut = list(windows(tokens, plan, causal=causal))
    kept = [t for part in cut for t in range(part.keep, part.keep_stop)]
    assert kept == list(range(tokens))
    for part in cut[1:] if causal else []:
        assert part.keep - part.start >= 12


@pytest.mark.parametrize("module", [mlm, clm])
def test_details_against_the_whole_distribution(module: Any) -> None:
    held = scorer_of(module)
    (found,) = held.scores(bases([60]), unheard, detail=True, effects=True)
    (plain,) = held.scores(bases([60]), unheard)
    assert plain.odds is None
    assert plain.effects is None
    assert found.odds is not None
    assert found.best is not None
    assert found.effects is not None
    np.testing.assert_allclose(plain.log_p, found.log_p, atol=1e-6)
    whole = found.effects + found.log_p[:, None]
    np.testing.assert_allclose(np.exp(whole).sum(1), 1, atol=1e-5)
    for place, own in enumerate(found.tokens):
        assert found.effects[place, own] == 0
        others = np.delete(whole[place], own)
        assert found.odds[place] == pytest.approx(found.log_p[place] - others.max(), abs=1e-5)
        assert whole[place, found.best[place]] == pytest.approx(others.max(), abs=1e-5)
        assert found.best[place] != own


def test_changes_are_those_of_the_full_table() -> None:
    held = scorer_of()
    (record,) = bases([90])
    record[50] = 4
    (whole,) = held.scores([record], unheard, effects=True)
    assert whole.effects is not None
    place = np.array([0, 0, 7, 23, 23, 23, 48, 49, 88])
    token = np.array([3, 3, 5, 1, 2, token_ids(held.domain.spec).unknown, 9, 9, 15])
    asked = []
    found = held.changes(record, place, token, asked.append)
    wanted = [
        whole.effects[p, t] if t < 16 else math.nan for p, t in zip(place, token, strict=True)
    ]
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    # Places 49 shows an ambiguous base.
    assert np.isnan(found).tolist() == [False] * 5 + [True, False, True, False]
    assert sum(asked) == 5


@pytest.mark.parametrize("more", [{}, {"spacing": 8}, {"module": clm}])
def test_what_is_read_is_what_was_promised(
    more: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = scorer_of(**more)
    read: list[int] = []
    begin = transformer.Model._begin

    def counting(model: transformer.Model, batch: Batch) -> Any:
        read.append(int(batch["length"].sum()))
        return begin(model, batch)

    monkeypatch.setattr(transformer.Model, "_begin", counting)
    for size in (20, 26, 100):
        read.clear()
        held.scores(bases([size]), unheard)
        assert sum(read) == held.reads(size - K + 1)


class Counted:
    """An energy that is the mean id of the tokens."""

    def energies(self, encoder: nn.Module, head: nn.Module, batch: Batch) -> Tensor:
        return batch["tokens"].masked_fill(~real(batch), 0).sum(1) / batch["length"]


def test_energies_of_windows_are_weighted_with_what_they_keep() -> None:
    likely = scorer_of()
    held = Scorer(
        likely.encoder, likely.head, Counted(), likely.domain, likely.plan, likely.runtime
    )
    records = bases([20, 1, 60, 25])
    found = held.energies(records, unheard)
    assert np.isnan(found).tolist() == [False, True, False, False]
    for units, energy in zip(records, found, strict=True):
        (ids,) = held.tokens([units])
        parts = list(windows(len(ids), held.plan)) if len(ids) else []
        total = sum((p.keep_stop - p.keep) * ids[p.start : p.stop].mean() for p in parts)
        if parts:
            assert energy == pytest.approx(total / len(ids), abs=1e-5)


class _Counted:
    """Units of a long record that remember how many of them were taken at a time."""

    def __init__(self, units: Array) -> None:
        self.units = units
        self.taken = 0

    def __len__(self) -> int:
        return len(self.units)

    def __getitem__(self, part: slice) -> Array:
        self.taken += part.stop - part.start
        return self.units[part]


@pytest.mark.parametrize("module", [mlm, clm])
def test_a_long_record_is_cut_as_it_is_judged(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sslkit.inference.scoring._SORTED_BATCHES", 2)
    (units,) = bases([3000])
    scorer = scorer_of(module)
    counted: Any = _Counted(units)
    ahead: list[int] = []
    judged = 0

    def hear(tokens: int) -> None:
        nonlocal judged
        judged += tokens
        ahead.append(counted.taken - judged)

    total = scorer.totals([counted], hear)
    (whole,) = scorer.scores([units], unheard)
    assert total.log_likelihood[0] == pytest.approx(whole.log_p.sum(dtype=np.float64), rel=1e-6)
    # Two batches of 100 tokens, and the window that fills them.
    assert ahead[0] < 300
