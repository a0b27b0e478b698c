"""The Potts model against its definition in loops, and on families drawn from a known one."""

import itertools
import math

import numpy as np
import pytest
import torch

from sslkit.probes import coevolution, potts
from sslkit.probes.coevolution import GAP, STATES


def objective(held: np.ndarray, weight: np.ndarray, fields: np.ndarray, couplings: np.ndarray,
              penalty: float) -> float:  # fmt: skip
    """Ekeberg et al. 2013, eqs. 9, 12 and 14, in loops."""
    length = held.shape[1]
    total = 0.0
    for row, w in zip(held, weight / weight.sum(), strict=True):
        for r in range(length):
            energy = [
                fields[r, q] + sum(couplings[i, row[i], r, q] for i in range(length) if i != r)
                for q in range(STATES)
            ]
            total -= w * (energy[row[r]] - math.log(sum(map(math.exp, energy))))
    pairs = itertools.combinations(range(length), 2)
    squares = (fields**2).sum() + sum((couplings[i, :, j] ** 2).sum() for i, j in pairs)
    return float(total + penalty * squares)


def test_the_loss_and_its_gradient_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(1)
    length, size = 4, 4 * STATES
    held = rng.integers(0, STATES, (6, length)).astype(np.int8)
    weight = rng.uniform(0.3, 1, 6)
    fields = rng.normal(size=(length, STATES))
    free = rng.normal(size=(size, size)) * 0.3

    def symmetric(free: np.ndarray) -> np.ndarray:
        made = ((free + free.T) / 2).reshape(length, STATES, length, STATES)
        for i in range(length):
            made[i, :, i] = 0
        return made

    couplings = symmetric(free)
    parts = [torch.from_numpy(a) for a in (fields, couplings.reshape(size, size).copy())]
    hot = torch.from_numpy(coevolution.one_hot(held)).double()
    share = torch.from_numpy(weight / weight.sum())
    evaluate = potts._Evaluation(hot, share, *parts, 0.02)
    assert float(evaluate()) == pytest.approx(objective(held, weight, fields, couplings, 0.02))
    assert parts[1].grad is not None
    assert parts[0].grad is not None
    for at in [(0, 30), (25, 3), (70, 50), (5, 6)]:
        step = np.zeros_like(free)
        step[at] = 1e-4
        ends = [objective(held, weight, fields, symmetric(free + s), 0.02) for s in (step, -step)]
        assert float(parts[1].grad[at]) == pytest.approx((ends[0] - ends[1]) / 2e-4, abs=1e-5)
    up, down = fields.copy(), fields.copy()
    up[2, 5] += 1e-4
    down[2, 5] -= 1e-4
    slope = [objective(held, weight, f, couplings, 0.02) for f in (up, down)]
    assert float(parts[0].grad[2, 5]) == pytest.approx((slope[0] - slope[1]) / 2e-4, abs=1e-5)


def chain_family(seed: int) -> coevolution.States:
    """Each column copies one of another, three times in five: 0 to 4 to 2, and 1 to 5."""
    rng = np.random.default_rng(seed)
    held = rng.integers(0, 4, (1500, 7)).astype(np.int8)
    for source, target in [(0, 4), (4, 2), (1, 5)]:
        copied = rng.uniform(size=1500) < 0.6
        held[copied, target] = held[copied, source]
    return held


def test_direct_couplings_are_told_from_those_through_a_third() -> None:
    held = chain_family(2)
    model = potts.fit(held, np.ones(len(held)))
    np.testing.assert_array_equal(model.couplings, model.couplings.transpose(2, 3, 0, 1))
    found = model.strengths()
    assert (np.diag(found) == 0).all()
    order = sorted(itertools.combinations(range(7), 2), key=lambda pair: -found[pair])
    assert set(order[:3]) == {(0, 4), (2, 4), (1, 5)}
    # 0 and 2 change together by 4 alone: mutual information ranks them above what is nothing.
    nothing = np.median(found[np.triu_indices(7, 1)])
    assert found[0, 2] - nothing < 0.25 * (found[0, 4] - nothing)
    information = coevolution.mutual_information(held, np.ones(len(held)))
    assert information[0, 2] > 3 * np.median(information[np.triu_indices(7, 1)])
    assert model.iterations < 200


def test_strengths_do_not_follow_the_gauge() -> None:
    rng = np.random.default_rng(4)
    raw = rng.normal(size=(3, STATES, 3, STATES))
    raw = raw + raw.transpose(2, 3, 0, 1)
    shifted = raw + rng.normal(size=(3, STATES, 3, 1)) + rng.normal(size=(3, 1, 3, STATES))
    plain, moved = (
        potts.Potts(np.zeros((3, STATES)), r, 0.0, 1).strengths() for r in (raw, shifted)
    )
    np.testing.assert_allclose(plain, moved)
    centred = (
        raw[0, :, 1] - raw[0, :, 1].mean(0) - raw[0, :, 1].mean(1)[:, None] + raw[0, :, 1].mean()
    )
    assert plain[0, 1] == pytest.approx(np.linalg.norm(centred[:GAP, :GAP]))


def test_weights_stand_for_copies() -> None:
    held = chain_family(5)[:60]
    twice = np.concatenate([held, held[:20]])
    weight = np.ones(60)
    weight[:20] = 2
    one, two = potts.fit(held, weight), potts.fit(twice, np.ones(80))
    np.testing.assert_allclose(one.strengths(), two.strengths(), atol=0.01)
