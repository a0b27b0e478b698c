"""The message passing encoder, against messages summed one by one, and by its symmetries."""

import numpy as np
import pytest
import torch
from states import states
from torch import Tensor
from torch.nn import functional

from sslkit.contracts.spec import Ids, ids, token_ids
from sslkit.errors import UsageError
from sslkit.models import mpnn

SPEC = {"tokens": Ids(("length",), 8), "links": Ids(("length", "any"), 3)}
TOKENS = token_ids(SPEC)
SETTINGS = mpnn.Settings(blocks=3, width=12, expansion=2)
#: Rows of edges: token, token, kind of their link.
EDGES = [[(0, 1, 0), (1, 2, 1), (2, 3, 2), (0, 3, 0)], [(0, 1, 2)], []]
LENGTH = [5, 2, 1]


def made(seed: int = 1, settings: mpnn.Settings = SETTINGS) -> mpnn.Model:
    torch.manual_seed(seed)
    model = mpnn.Model(settings, SPEC).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


def linked(edges: list[list[tuple[int, int, int]]], columns: int, most: int = 4) -> Tensor:
    links = np.full((len(edges), columns, most), -1)
    for row, each in enumerate(edges):
        used = [0] * columns
        for one, other, kind in each:
            for here, there in ((one, other), (other, one)):
                links[row, here, used[here]] = there * ids(SPEC, "links").size + kind
                used[here] += 1
    return torch.from_numpy(links)


def batch(columns: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    tokens = torch.randint(0, TOKENS.size, (3, columns), generator=torch.Generator().manual_seed(2))
    return tokens, torch.tensor(LENGTH), linked(EDGES, columns)


@torch.no_grad()
def slow(model: mpnn.Model, tokens: list[int], edges: list[tuple[int, int, int]]) -> Tensor:
    """States of one row, with the start vector, token by token."""
    states = [model.start, *model.table()[tokens]]
    for block in model.blocks:
        normed = [block.norm_mixer(state[None], None)[0] for state in states]
        value = [block.enter(state)[: model.width] for state in normed]
        gate = [block.enter(state)[model.width :] for state in normed]
        said = [sum(value[1:]) / len(tokens) ** 0.5]
        for at in range(len(tokens)):
            total = value[0].clone()
            for one, other, kind in edges:
                for here, there in ((one, other), (other, one)):
                    if here == at:
                        total += functional.silu(value[there + 1] + block.kinds.weight[kind])
            said.append(total)
        mixed = [block.out(s * functional.silu(g)) for s, g in zip(said, gate, strict=True)]
        states = [
            block.finished(x[None], m[None], None)[0] for x, m in zip(states, mixed, strict=True)
        ]
    return model.norm(torch.stack(states), None)


@torch.no_grad()
def test_states_are_messages_summed_one_by_one() -> None:
    model = made()
    tokens, length, links = batch()
    found = states(model, tokens, length, start=True, links=links)
    for row, size in enumerate(LENGTH):
        wanted = slow(model, tokens[row, :size].tolist(), EDGES[row])
        torch.testing.assert_close(found[row, : size + 1], wanted)
    torch.testing.assert_close(states(model, tokens, length, links=links), found[:, 1:])


@torch.no_grad()
def test_states_follow_their_tokens_when_these_change_places() -> None:
    model = made()
    tokens, _, _ = batch()
    order = [3, 0, 4, 1, 2]
    place = {old: new for new, old in enumerate(order)}
    moved = [[(place[a], place[b], kind) for a, b, kind in reversed(EDGES[0])]]
    length = torch.tensor([5])
    before = states(model, tokens[:1], length, links=linked(EDGES[:1], 5))[0]
    after = states(model, tokens[:1, order], length, links=linked(moved, 5))[0]
    torch.testing.assert_close(after, before[order])


@torch.no_grad()
def test_padding_has_no_influence() -> None:
    model = made()
    tokens, length, links = batch()
    wanted = states(model, tokens, length, start=True, links=links)
    wide = torch.full((3, 9), 5)
    for row, size in enumerate(LENGTH):
        wide[row, :size] = tokens[row, :size]
    found = states(model, wide, length, start=True, links=linked(EDGES, 9, most=6))
    for row, size in enumerate(LENGTH):
        torch.testing.assert_close(found[row, : size + 1], wanted[row, : size + 1])


@pytest.mark.parametrize("change", [[(0, 1, 1)], [(0, 1, 0), (0, 2, 0)], []])
@torch.no_grad()
def test_links_and_their_kinds_decide_states(change: list[tuple[int, int, int]]) -> None:
    model = made()
    tokens, length = torch.tensor([[1, 2, 3]]), torch.tensor([3])
    before = states(model, tokens, length, links=linked([[(0, 1, 0)]], 3))
    after = states(model, tokens, length, links=linked([change], 3))
    assert (before[0, 0] - after[0, 0]).abs().max() > 1e-3


def test_layers_gradients_and_empty_rows() -> None:
    model = made()
    tokens, length, links = batch()
    length = torch.tensor([5, 2, 0])
    embedded = states(model, tokens, length, layer=0, links=links)
    for row, size in enumerate(length.tolist()):
        torch.testing.assert_close(embedded[row, :size], model.table()[tokens[row, :size]])
    states(model, tokens, length, start=True, links=links).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


def test_what_has_no_links_is_refused() -> None:
    with pytest.raises(UsageError, match="these have none"):
        mpnn.Model(SETTINGS, {"tokens": Ids(("length",), 8)})
    with pytest.raises(ValueError, match="both ways"):
        mpnn.Settings(causal=True)
