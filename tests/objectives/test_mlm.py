"""Masked modelling: nothing leaks, all is a function of the row, the loss is the formula's."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from states import states
from torch import Tensor

from sslkit import rng
from sslkit.contracts.spec import Ids, Spec, token_ids
from sslkit.domains import genome
from sslkit.domains.biology import bases
from sslkit.models import transformer
from sslkit.objectives import mlm
from sslkit.objectives._heads import TokenHead
from sslkit.types import Arrays, Batch
from sslkit.vocab.vocabulary import Vocabulary

Ints = npt.NDArray[np.int64]


def domain_of(k: int, stride: int, missing: int = 0) -> genome.Domain:
    """All k-mers but the last ``missing`` ones, which read as unknown."""
    tokens = ["".join("ACGT"[i // 4**p % 4] for p in range(k)) for i in range(4**k - missing)]
    held = Vocabulary(tokens, np.arange(1, len(tokens) + 1))
    return genome.Domain(genome.Settings(k=k, stride=stride), held)


def objective_of(spec: Spec, **changed: Any) -> mlm.Objective:
    return mlm.Objective(mlm.Settings(**changed), spec)


def some(spec: Spec, lengths: list[int], seed: int = 0) -> Arrays:
    generator = np.random.default_rng(seed)
    length = np.array(lengths)
    tokens = generator.integers(0, token_ids(spec).size, (len(lengths), max(lengths)))
    tokens[np.arange(tokens.shape[1]) >= length[:, None]] = token_ids(spec).pad
    return {"tokens": tokens, "length": length}


def draws(rows: int, step: int = 0, first: int = 0) -> rng.Counter:
    return rng.Counter(1, step, np.arange(first, first + rows))


def grid(made: Arrays) -> tuple[npt.NDArray[np.bool_], Ints]:
    """Which tokens are targets and what they are, in the shape of the batch."""
    flags = np.zeros(made["tokens"].shape, bool)
    held = np.full(made["tokens"].shape, -1)
    places = places_of(made)
    flags.flat[places] = True
    held.flat[places] = made["targets"]
    return flags, held


def places_of(made: Arrays) -> Ints:
    """Where targets stand in the flattened tokens; positions count the start as well."""
    row, column = np.divmod(made["positions"], made["tokens"].shape[1] + 1)
    return row * made["tokens"].shape[1] + column - 1


def slow_spans(length: int, rate: float, span: int, reach: int, uniform: Ints) -> list[int]:
    """Where the spans of a row begin: one at random in each of so many equal parts."""
    count = max(1, round(rate * length / (span + 2 * reach)))
    room = max(length - span + 1, 1)
    return [min(int((i + float(uniform[i])) / count * room), room - 1) for i in range(count)]


@pytest.mark.parametrize("reach", range(6))
@pytest.mark.parametrize("span", [None, 1, 4])
def test_hiding_is_that_of_the_slow_reference(reach: int, span: int | None) -> None:
    spec = {"tokens": Ids(("length",), 50, overlap=reach)}
    batch = some(spec, [120, 77, 9, 2, 1, 0])
    batch["tokens"][0, 10:30:3] = token_ids(spec).unknown
    objective = mlm.Objective(mlm.Settings(rate=0.3, span=span), spec)
    made = objective.prepare(batch, draws(6))
    flags, held = grid(made)
    size = span or reach + 1
    uniform = draws(6).uniform("span", 120)
    for row, length in enumerate(batch["length"].tolist()):
        wanted = set()
        for start in slow_spans(length, 0.3, size, reach, uniform[row]):
            wanted |= {i for i in range(start, start + size) if i < length}
        wanted = {i for i in wanted if batch["tokens"][row, i] < token_ids(spec).size}
        assert set(np.flatnonzero(flags[row])) == wanted
        hidden = {i for t in wanted for i in range(t - reach, t + reach + 1) if 0 <= i < length}
        for i in range(120):
            before = batch["tokens"][row, i]
            assert made["tokens"][row, i] == (token_ids(spec).mask if i in hidden else before)
            if i in wanted:
                assert held[row, i] == before


def letters(size: int, seed: int) -> bytes:
    """DNA with ambiguity codes strewn in, alone and in runs."""
    generator = np.random.default_rng(seed)
    text = generator.choice(list(b"ACGTacgtu"), size).astype(np.uint8)
    text[generator.integers(0, size, size // 40)] = ord("N")
    at = int(generator.integers(0, size - 12))
    text[at : at + 12] = list(b"NNNNRYKMNNNN")
    return text.tobytes()


@pytest.mark.parametrize("stride", [1, 2, 3, 6])
@pytest.mark.parametrize("changed", [{}, {"random": 0.3}, {"span": 1}, {"rate": 0.6}])
def test_no_visible_token_shows_a_base_of_a_target(stride: int, changed: dict[str, Any]) -> None:
    k = 6
    domain = domain_of(k, stride, missing=30)
    spec = domain.spec
    assert token_ids(spec).overlap == math.ceil(k / stride) - 1
    units = np.stack([bases.to_codes(letters(200, seed)) for seed in range(12)])
    lengths = np.array([200, 200, 199, 150, 90, 31, 12, 8, 7, 6, 5, 0])
    for step in range(3):
        batch = domain.batch(units, lengths, draws(12, step))
        made = objective_of(spec, **changed).prepare(batch, draws(12, step))
        flags, _ = grid(made)
        # A random token says nothing of what stood there.
        shown = (made["tokens"] != token_ids(spec).mask) & ~flags
        shown &= np.arange(flags.shape[1]) < batch["length"][:, None]
        for row in range(12):
            hidden = {t * stride + base for t in np.flatnonzero(flags[row]) for base in range(k)}
            seen = {t * stride + base for t in np.flatnonzero(shown[row]) for base in range(k)}
            assert not hidden & seen
        assert not np.isin(
            made["targets"], [token_ids(spec).pad, token_ids(spec).unknown, token_ids(spec).mask]
        ).any()


def test_kept_and_random_spans_lie_about_no_neighbour() -> None:
    spec = {"tokens": Ids(("length",), 50, overlap=3)}
    batch = some(spec, [400] * 8)
    made = objective_of(spec, random=0.4, keep=0.4).prepare(batch, draws(8))
    flags, _ = grid(made)
    same = made["tokens"] == batch["tokens"]
    masked = made["tokens"] == token_ids(spec).mask
    assert (same | masked | flags).all()
    for row, column in zip(*np.nonzero(flags & masked), strict=True):
        near = slice(max(0, column - 3), column + 4)
        assert (masked | flags)[row, near].all()


def test_the_number_of_targets_follows_the_rate() -> None:
    for reach, rate in ((0, 0.15), (0, 0.5), (2, 0.25), (5, 0.25)):
        spec = {"tokens": Ids(("length",), 1000, overlap=reach)}
        lengths = [256, 256, 100, 64]
        made = mlm.Objective(mlm.Settings(rate=rate), spec).prepare(some(spec, lengths), draws(4))
        flags, _ = grid(made)
        span = reach + 1
        for row, length in enumerate(lengths):
            spans = max(1, round(rate * length / (span + 2 * reach)))
            # Spans of neighbouring parts overlap now and then.
            assert 0.6 * spans * span <= flags[row].sum() <= spans * span
            if span == 1:
                assert flags[row].sum() == spans
        hidden = (made["tokens"] == token_ids(spec).mask).sum() / sum(lengths)
        assert abs(hidden - rate) < 0.25 * rate + 0.01


def test_every_token_can_be_a_target() -> None:
    spec = {"tokens": Ids(("length",), 50, overlap=2)}
    total = np.zeros(40, np.int64)
    for step in range(300):
        made = objective_of(spec).prepare(some(spec, [40] * 4), draws(4, step))
        total += grid(made)[0].sum(0)
    assert total.min() > 0
    assert total[5:35].min() > 0.5 * total.mean()


@given(st.integers(0, 5), st.lists(st.integers(1, 60), min_size=1, max_size=6), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_a_row_is_hidden_alike_in_any_company(reach: int, lengths: list[int], step: int) -> None:
    spec = {"tokens": Ids(("length",), 50, overlap=reach)}
    objective = objective_of(spec, random=0.2, keep=0.2)
    together = some(spec, lengths)
    made = objective.prepare(together, draws(len(lengths), step))
    flags, held = grid(made)
    for row, length in enumerate(lengths):
        alone = {"tokens": together["tokens"][row : row + 1, :length], "length": np.array([length])}
        one = objective.prepare(alone, draws(1, step, first=row))
        own_flags, own_held = grid(one)
        assert np.array_equal(one["tokens"][0], made["tokens"][row, :length])
        assert np.array_equal(own_flags[0], flags[row, :length])
        assert np.array_equal(own_held[0], held[row, :length])
        assert not flags[row, length:].any()


def test_another_step_and_another_seed_hide_other_tokens() -> None:
    spec = {"tokens": Ids(("length",), 50)}
    batch = some(spec, [200] * 4)
    made = [
        objective_of(spec).prepare(batch, rng.Counter(seed, step, np.arange(4)))["positions"]
        for seed, step in ((1, 0), (1, 0), (1, 1), (2, 0))
    ]
    assert np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])
    assert not np.array_equal(made[0], made[3])


@pytest.mark.parametrize("reach", [0, 2])
def test_shares_of_masked_random_and_kept(reach: int) -> None:
    """Devlin et al. 2019: 80% masked, 10% random, 10% as they are, by whole spans."""
    spec = {"tokens": Ids(("length",), 10_000, overlap=reach)}
    batch = some(spec, [500] * 200)
    # Span by span where they do not overlap: a row holds one.
    objective = mlm.Objective(mlm.Settings(rate=0.002, random=0.1, keep=0.1), spec)
    fates = []
    for step in range(10):
        made = objective.prepare(batch, draws(200, step))
        flags, held = grid(made)
        for row in range(200):
            shown = made["tokens"][row][flags[row]]
            if (shown == token_ids(spec).mask).all():
                fates.append("mask")
            elif (shown == held[row][flags[row]]).all():
                fates.append("keep")
            else:
                assert not (shown == token_ids(spec).mask).any()
                fates.append("random")
    share = {name: fates.count(name) / len(fates) for name in ("mask", "random", "keep")}
    assert abs(share["mask"] - 0.8) < 0.04
    assert abs(share["random"] - 0.1) < 0.03
    assert abs(share["keep"] - 0.1) < 0.03


def test_random_tokens_come_from_the_whole_vocabulary() -> None:
    spec = {"tokens": Ids(("length",), 7)}
    made = objective_of(spec, rate=0.9, random=1.0).prepare(some(spec, [500] * 8), draws(8))
    found = np.bincount(made["tokens"].ravel(), minlength=7)
    assert len(found) == 7
    assert found.min() > 0.7 * found.mean()


def prepared(domain: genome.Domain) -> tuple[mlm.Objective, Arrays]:
    units = np.stack([bases.to_codes(letters(60, seed)) for seed in range(3)])
    batch = domain.batch(units, np.array([60, 40, 20]), None)
    objective = objective_of(domain.spec, random=0.1, keep=0.1)
    return objective, objective.prepare(batch, draws(3))


def tensors(arrays: Arrays) -> Batch:
    return {name: torch.from_numpy(value) for name, value in arrays.items()}


def test_loss_is_the_sum_of_explicit_log_softmaxes() -> None:
    domain = domain_of(3, 1)
    objective, made = prepared(domain)
    torch.manual_seed(0)
    shape = transformer.Settings(blocks=1, width=8, heads=1)
    encoder = transformer.Model(shape, domain.spec)
    head = objective.head(8)
    batch = tensors(made)
    with torch.no_grad():
        found = objective.losses(encoder, head, batch)
        hidden = states(encoder, batch["tokens"], batch["length"], start=True).reshape(-1, 8)
        wanted = 0.0
        for position, target in zip(made["positions"], made["targets"], strict=True):
            scores = head(hidden[position]).double().tolist()
            wanted -= scores[target] - math.log(sum(math.exp(score) for score in scores))
    assert list(found) == list(objective.count(made)) == ["mlm"]
    assert objective.count(made)["mlm"] == len(made["targets"]) > 0
    assert float(found["mlm"]) == pytest.approx(wanted, rel=1e-5)


def test_a_domain_weighs_tokens() -> None:
    spec = {"tokens": Ids(("length",), 20)}
    objective = objective_of(spec)
    batch = some(spec, [60, 30])
    weight = np.random.default_rng(1).random((2, 60)).astype(np.float32)
    plain = objective.prepare(batch, draws(2))
    made = objective.prepare(batch | {"token_weight": weight}, draws(2))
    np.testing.assert_array_equal(made["weight"], weight.reshape(-1)[places_of(made)])
    assert (plain["weight"] == 1).all()
    assert objective.count(made)["mlm"] == pytest.approx(float(made["weight"].sum()))
    torch.manual_seed(0)
    encoder = transformer.Model(transformer.Settings(blocks=1, width=8, heads=1), spec)
    head = objective.head(8)
    with torch.no_grad():
        found = objective.losses(encoder, head, tensors(made))["mlm"]
        given = (tensors(made)[name] for name in ("tokens", "length"))
        hidden = states(encoder, *given, start=True).reshape(-1, 8)
        each = -head(hidden[made["positions"]]).log_softmax(-1)
    wanted = sum(
        float(one) * float(losses[target])
        for one, losses, target in zip(made["weight"], each, made["targets"], strict=True)
    )
    assert float(found) == pytest.approx(wanted, rel=1e-5)


def test_a_fresh_head_says_what_the_counts_say() -> None:
    domain = domain_of(3, 1)
    counts = np.array(range(64)) ** 2
    head = TokenHead(8, token_ids(domain.spec), counts)
    for parameter in (head.table.own, head.table.shared):
        assert parameter is not None
        torch.nn.init.zeros_(parameter)
    said = head(torch.randn(5, 8)).softmax(-1)
    share = torch.from_numpy((counts + 1) / (counts + 1).sum()).float()
    torch.testing.assert_close(said, share.expand(5, -1))


def test_gradients_are_those_of_finite_differences() -> None:
    domain = domain_of(2, 1)
    objective, made = prepared(domain)
    torch.manual_seed(0)
    shape = transformer.Settings(blocks=2, width=8, heads=2)
    encoder = transformer.Model(shape, domain.spec).double()
    head = objective.head(8).double()
    held = [*encoder.parameters(), *head.parameters()]
    with torch.no_grad():
        for parameter in held:
            parameter.add_(torch.randn_like(parameter) * 0.2)
    batch = tensors(made)

    def loss() -> Tensor:
        # The objective takes the cross entropy in float32, too coarse for differences.
        whole = states(encoder, batch["tokens"], batch["length"], start=True)
        scores = head(whole.flatten(0, 1)[batch["positions"]])
        return -scores.log_softmax(-1).gather(1, batch["targets"][:, None]).sum()

    for p in held:
        p.grad = None
    objective.losses(encoder, head, batch)["mlm"].backward()
    torch.testing.assert_close(objective.losses(encoder, head, batch)["mlm"].double(), loss())
    generator = np.random.default_rng(0)
    for parameter in held:
        assert parameter.grad is not None
        for _ in range(3):
            index = tuple(int(generator.integers(size)) for size in parameter.shape)
            assert float(parameter.grad[index]) == pytest.approx(
                slope(loss, parameter, index), rel=1e-4, abs=1e-4
            )


def slope(loss: Callable[[], Tensor], parameter: Tensor, index: tuple[int, ...]) -> float:
    step = 1e-5
    values = []
    with torch.no_grad():
        for sign in (1, -1):
            parameter[index] += sign * step
            values.append(float(loss()))
            parameter[index] -= sign * step
    return (values[0] - values[1]) / (2 * step)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rate": 0.0}, "rate is between 0 and 1"),
        ({"rate": 1.0}, "rate is between 0 and 1"),
        ({"span": 0}, "span is at least 1"),
        ({"random": 0.6, "keep": 0.6}, "together at most 1"),
        ({"keep": -0.1}, "together at most 1"),
    ],
)
def test_settings_that_cannot_be(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mlm.Settings(**changed)
