"""Next-token modelling against loops over prefixes."""

import numpy as np
import pytest
import torch
from states import states
from torch import Tensor
from torch.nn import functional

from sslkit import rng
from sslkit.contracts.spec import Ids, Spec, token_ids
from sslkit.models import transformer
from sslkit.objectives import clm
from sslkit.types import Arrays

SIZE = 9
COUNTS = np.arange(1, SIZE + 1)
DRAWS = rng.Counter(1, 0, np.arange(4))


def spec_of(reach: int) -> Spec:
    return {"tokens": Ids(("length",), SIZE, overlap=reach)}


def batch(spec: Spec) -> Arrays:
    generator = np.random.default_rng(3)
    tokens = generator.integers(0, SIZE, (4, 10))
    length = np.array([10, 6, 1, 0])
    tokens[0, 4] = token_ids(spec).unknown
    tokens[np.arange(10) >= length[:, None]] = token_ids(spec).pad
    return {"tokens": tokens, "length": length}


def model_of(spec: Spec) -> transformer.Model:
    torch.manual_seed(1)
    shape = transformer.Settings(blocks=2, width=8, heads=2, causal=True)
    model = transformer.Model(shape, spec)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


def tensors(arrays: Arrays) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


@pytest.mark.parametrize("reach", [0, 1, 3])
def test_loss_is_that_of_a_loop_over_prefixes(reach: int) -> None:
    spec = spec_of(reach)
    model, objective = model_of(spec), clm.Objective(clm.Settings(), spec, COUNTS)
    head = objective.head(8)
    made = batch(spec)
    prepared = objective.prepare(made, DRAWS)
    with torch.no_grad():
        found = objective.losses(model, head, tensors(prepared))["clm"]
        total, terms = 0.0, 0
        for row, length in zip(made["tokens"], made["length"], strict=True):
            for place in range(length):
                if row[place] >= SIZE:
                    continue
                # Nothing else is in the batch: what comes later cannot have been seen.
                seen = torch.from_numpy(row[: max(place - reach, 0)])[None]
                state = states(model, seen, torch.tensor([seen.shape[1]]), start=True)[0, -1]
                total -= float(head(state).log_softmax(-1)[row[place]])
                terms += 1
    assert float(found) == pytest.approx(total, rel=1e-5)
    assert objective.count(prepared) == {"clm": terms}


def test_probabilities_of_all_records_add_up_to_one() -> None:
    spec = {"tokens": Ids(("length",), 3)}
    torch.manual_seed(2)
    model = transformer.Model(transformer.Settings(1, width=8, heads=2, causal=True), spec)
    objective = clm.Objective(clm.Settings(), spec)
    head = objective.head(8)
    total = 0.0
    for number in range(3**4):
        tokens = np.array([[number // 3**place % 3 for place in range(4)]])
        prepared = objective.prepare({"tokens": tokens, "length": np.array([4])}, DRAWS)
        with torch.no_grad():
            total += float(torch.exp(-objective.losses(model, head, tensors(prepared))["clm"]))
    assert total == pytest.approx(1.0, rel=1e-5)


def test_weights_of_tokens_count_in_loss_and_terms() -> None:
    spec = spec_of(0)
    model, objective = model_of(spec), clm.Objective(clm.Settings(), spec, COUNTS)
    head, made = objective.head(8), batch(spec)
    plain = objective.prepare(made, DRAWS)
    double = objective.prepare(made | {"token_weight": np.full((4, 10), 2, np.float32)}, DRAWS)
    first = np.zeros((4, 10), np.float32)
    first[:, 0] = 1
    only = objective.prepare(made | {"token_weight": first}, DRAWS)
    assert objective.count(double)["clm"] == 2 * objective.count(plain)["clm"]
    assert objective.count(only) == {"clm": 3.0}
    with torch.no_grad():
        one, two, three = (
            objective.losses(model, head, tensors(p))["clm"] for p in (plain, double, only)
        )
        nothing = torch.zeros(1, 0, dtype=torch.int64)
        state = states(model, nothing, torch.tensor([0]), start=True)[0, 0]
        alone = -head(state).log_softmax(-1)[made["tokens"][:3, 0]].sum()
    torch.testing.assert_close(two, 2 * one)
    torch.testing.assert_close(three, alone)


def test_a_fresh_head_gives_about_the_floor() -> None:
    spec = spec_of(0)
    objective = clm.Objective(clm.Settings(), spec, COUNTS)
    prepared = objective.prepare(batch(spec), DRAWS)
    share = torch.from_numpy((COUNTS + 1) / (COUNTS + 1).sum())
    wanted = functional.nll_loss(
        share.log().expand(len(prepared["targets"]), -1), torch.from_numpy(prepared["targets"])
    )
    assert objective.baseline([prepared]) == pytest.approx(float(wanted))
    rare = prepared | {"weight": (prepared["targets"] == 1).astype(np.float32)}
    assert objective.baseline([rare]) == pytest.approx(-float(share.log()[1]))
    assert np.isnan(objective.baseline([prepared | {"targets": np.array([], int), "weight": []}]))


@pytest.mark.parametrize("reach", [0, 2])
def test_overlapping_tokens_are_not_shown_to_the_one_they_overlap(reach: int) -> None:
    spec = spec_of(reach)
    objective = clm.Objective(clm.Settings(), spec)
    prepared = objective.prepare(batch(spec), DRAWS)
    # With the start, column c has seen c tokens.
    seen = (prepared["positions"] % (prepared["tokens"].shape[1] + 1)).tolist()
    assert seen[:4] == [max(place - reach, 0) for place in range(4)]
