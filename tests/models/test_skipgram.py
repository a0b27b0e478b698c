"""The table: one row a class, twins in one row, the contract of encoders."""

import numpy as np
import pytest
import torch
from states import states

from sslkit.contracts.spec import Ids, token_ids
from sslkit.errors import UsageError
from sslkit.models.skipgram import Model, Settings

#: Token 1 and 4 are each other's twins, 2 is its own, 0 and 3 have none.
SPEC = {"tokens": Ids(("length",), 5, alternatives=np.array([6, 4, 2, 6, 1]))}
TOKENS = token_ids(SPEC)


def test_a_state_is_the_tokens_row_whatever_stands_around_it() -> None:
    model = Model(Settings(width=6), SPEC)
    tokens = torch.tensor([[0, 1, 2, 3], [4, 1, 5, 5]])
    vectors = states(model, tokens, torch.tensor([4, 2]))
    assert (model.depth, model.causal, model.width) == (0, True, 6)
    for row, column in np.ndindex(2, 4):
        assert torch.equal(vectors[row, column], model.table.weight[tokens[row, column]])
    assert torch.equal(states(model, tokens, torch.tensor([4, 2]), layer=0), vectors)


def test_the_state_of_the_start_stands_before_every_row() -> None:
    model = Model(Settings(width=6), SPEC)
    with torch.no_grad():
        model.table.weight[TOKENS.separator] = 1.0
    tokens, length = torch.tensor([[0, 1], [2, 5]]), torch.tensor([2, 1])
    vectors = states(model, tokens, length, start=True)
    assert vectors.shape == (2, 3, 6)
    assert (vectors[:, 0] == 1).all()
    assert torch.equal(vectors[:, 1:], states(model, tokens, length))


def test_twins_share_one_row_and_others_do_not() -> None:
    model = Model(Settings(width=6, tie_reverse_complement=True), SPEC)
    vectors = states(model, torch.arange(TOKENS.total)[None], torch.tensor([TOKENS.total]))[0]
    equal = (vectors[:, None] == vectors).all(-1)
    special = torch.arange(TOKENS.total) >= TOKENS.size
    wanted = torch.eye(TOKENS.total, dtype=torch.bool) | (special[:, None] & special)
    wanted[1, 4] = wanted[4, 1] = True
    assert torch.equal(equal, wanted)
    assert model.table.weight.shape == (4 + 4, 6)
    assert model.classes is not None
    assert model.classes.tolist() == [0, 1, 2, 3, 1]


def test_all_parameters_are_in_the_groups() -> None:
    model = Model(Settings(width=6), SPEC)
    grouped = [id(p) for _, members in model.groups() for p in members]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters())


def test_tying_needs_twins() -> None:
    with pytest.raises(UsageError, match="one form"):
        Model(Settings(tie_reverse_complement=True), {"tokens": Ids(("length",), 5)})


def test_a_width_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="width"):
        Settings(width=0)
