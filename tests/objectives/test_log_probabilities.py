"""What objectives say of every token of a record, against loops over single tokens."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from states import states
from torch import Tensor

from sslkit.contracts.encoder import Encoder
from sslkit.contracts.objective import Energy, Likelihood
from sslkit.contracts.spec import Ids, Spec, token_ids
from sslkit.models import transformer
from sslkit.objectives import clm, mlm, supervised

LENGTHS = [17, 9, 3, 1, 0]


def model_of(module: Any, spec: Spec) -> tuple[Encoder, Any, Any]:
    """An encoder with lively weights, the head and the objective."""
    torch.manual_seed(3)
    shape = transformer.Settings(blocks=2, width=16, heads=2, causal=module.CAUSAL)
    encoder = transformer.Model(shape, spec).eval()
    objective = module.Objective(module.Settings(), spec, np.arange(token_ids(spec).size))
    head = objective.head(16)
    with torch.no_grad():
        for parameter in itertools.chain(encoder.parameters(), head.parameters()):
            parameter.add_(0.2 * torch.randn_like(parameter))
    return encoder, head, objective


def some(spec: Spec) -> tuple[Tensor, Tensor]:
    length = torch.tensor(LENGTHS)
    tokens = torch.randint(
        0, token_ids(spec).size, (len(length), 17), generator=torch.manual_seed(5)
    )
    tokens[0, 4] = token_ids(spec).unknown
    tokens[torch.arange(17) >= length[:, None]] = token_ids(spec).pad
    return tokens, length


def grid(parts: tuple[Encoder, Any, Any], tokens: Tensor, length: Tensor, **more: Any) -> Tensor:
    """Log probabilities [B, L, size], NaN where nothing is said."""
    encoder, head, objective = parts
    wanted = more.pop("wanted", torch.arange(tokens.shape[1]) < length[:, None])
    size = objective.tokens.size
    found = torch.full((tokens.numel(), size), math.nan)
    with torch.inference_mode():
        for places, log_p in objective.log_probabilities(
            encoder, head, {"tokens": tokens, "length": length}, wanted, **{"rows": 4} | more
        ):
            assert found[places].isnan().all()
            found[places] = log_p
    return found.view(*tokens.shape, size)


def slow_mlm(parts: tuple[Encoder, Any, Any], row: Tensor, place: int) -> Tensor:
    encoder, head, objective = parts
    shown, reach = row.clone(), objective.tokens.overlap
    for other in range(len(row)):
        if abs(other - place) <= reach:
            shown[other] = objective.tokens.mask
    with torch.inference_mode():
        state = states(encoder, shown[None], torch.tensor([len(row)]))[0, place]
        return head(state).double().log_softmax(-1)


def slow_clm(parts: tuple[Encoder, Any, Any], row: Tensor, place: int) -> Tensor:
    encoder, head, objective = parts
    before = row[: max(place - objective.tokens.overlap, 0)]
    with torch.inference_mode():
        state = states(encoder, before[None], torch.tensor([len(before)]), start=True)[0, -1]
        return head(state).double().log_softmax(-1)


@pytest.mark.parametrize("reach", [0, 1, 3])
@pytest.mark.parametrize(("module", "slow"), [(mlm, slow_mlm), (clm, slow_clm)])
def test_every_token_as_in_a_loop(reach: int, module: Any, slow: Any) -> None:
    spec = {"tokens": Ids(("length",), 11, overlap=reach)}
    parts = model_of(module, spec)
    tokens, length = some(spec)
    found = grid(parts, tokens, length)
    for row, place in itertools.product(range(len(tokens)), range(17)):
        if place >= length[row] or tokens[row, place] >= token_ids(spec).size:
            assert found[row, place].isnan().all()
            continue
        wanted = slow(parts, tokens[row, : length[row]], place)
        torch.testing.assert_close(found[row, place].double(), wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("module", [mlm, clm])
def test_passes_padding_and_neighbours_have_no_influence(module: Any) -> None:
    spec = {"tokens": Ids(("length",), 11, overlap=1)}
    parts = model_of(module, spec)
    tokens, length = some(spec)
    whole = grid(parts, tokens, length)
    close = {"atol": 1e-5, "rtol": 0.0, "equal_nan": True}
    for rows in (1, 3, 1000):
        torch.testing.assert_close(grid(parts, tokens, length, rows=rows), whole, **close)
    wider = torch.nn.functional.pad(tokens, (0, 9), value=token_ids(spec).pad)
    torch.testing.assert_close(grid(parts, wider, length)[:, :17], whole, **close)
    alone = grid(parts, tokens[1:2, :9], length[1:2])
    torch.testing.assert_close(alone[0], whole[1, :9], **close)


@pytest.mark.parametrize("module", [mlm, clm])
def test_only_what_is_wanted(module: Any) -> None:
    spec = {"tokens": Ids(("length",), 11, overlap=1)}
    parts = model_of(module, spec)
    tokens, length = some(spec)
    wanted = torch.zeros(tokens.shape, dtype=torch.bool)
    wanted[0, 3:6] = wanted[2, 0] = True
    found, whole = grid(parts, tokens, length, wanted=wanted), grid(parts, tokens, length)
    assert found.isfinite().all(-1).nonzero().tolist() == [[0, 3], [0, 5], [2, 0]]
    said = found.isfinite()
    torch.testing.assert_close(found[said], whole[said], atol=1e-5, rtol=0)


def test_hiding_several_at_once_is_exact_where_one_fits() -> None:
    spec = {"tokens": Ids(("length",), 11, overlap=1)}
    parts = model_of(mlm, spec)
    tokens, length = some(spec)
    whole = grid(parts, tokens, length)
    spaced = grid(parts, tokens, length, spacing=17)
    torch.testing.assert_close(spaced, whole, atol=1e-5, rtol=0, equal_nan=True)
    # Every fourth token at once: in a copy of the first row by hand, for those at 1, 5, 9, 13.
    encoder, head, _ = parts
    shown = tokens[0].clone()
    for place in (1, 5, 9, 13):
        shown[place - 1 : place + 2] = token_ids(spec).mask
    with torch.inference_mode():
        said = head(states(encoder, shown[None], length[:1])[0, [1, 5, 9, 13]]).log_softmax(-1)
    apart = grid(parts, tokens, length, spacing=4)
    torch.testing.assert_close(apart[0, [1, 5, 9, 13]], said, atol=1e-5, rtol=0)
    assert torch.equal(apart.isnan(), whole.isnan())


def test_probabilities_of_all_records_sum_to_one() -> None:
    spec = {"tokens": Ids(("length",), 3)}
    parts = model_of(clm, spec)
    tokens = torch.tensor(list(itertools.product(range(3), repeat=5)))
    length = torch.full((len(tokens),), 5)
    log_p = grid(parts, tokens, length).gather(-1, tokens[..., None])[..., 0]
    total = log_p.double().sum(1).exp().sum()
    assert abs(float(total) - 1) < 1e-6


@pytest.mark.parametrize("module", [mlm, clm])
def test_a_large_vocabulary_is_looked_at_in_parts(
    module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = {"tokens": Ids(("length",), 11, overlap=1)}
    parts = model_of(module, spec)
    tokens, length = some(spec)
    whole = grid(parts, tokens, length)
    monkeypatch.setattr("sslkit.objectives._heads._LOOKED_AT", 30)
    torch.testing.assert_close(
        grid(parts, tokens, length), whole, atol=1e-5, rtol=0, equal_nan=True
    )


def test_who_can_score() -> None:
    for module in (mlm, clm):
        objective = module.Objective(module.Settings(), {"tokens": Ids(("length",), 5)})
        assert isinstance(objective, Likelihood)
        assert not isinstance(objective, Energy)
    assert not isinstance(supervised.Objective(supervised.Settings()), Likelihood | Energy)
