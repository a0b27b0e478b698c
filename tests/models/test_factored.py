"""Factored attention against sums one by one, and rows of one family against rows alone."""

import math

import pytest
import torch
from states import states
from torch import Tensor

from sslkit.contracts.encoder import Attentive, states_at
from sslkit.contracts.spec import Ids, Spec, token_ids
from sslkit.errors import UsageError
from sslkit.models import factored

SPEC = {"tokens": Ids(("length",), 6), "sites": Ids(("length",), 50)}
TOKENS = token_ids(SPEC)
SETTINGS = factored.Settings(heads=3, head_width=4, site_width=5, value_width=4, width=8)
LENGTH = [6, 6, 4, 1, 6]
SITES = [[3, 9, 2, 40, 7, 7], [3, 9, 2, 40, 7, 7], [3, 9, 2, 40], [49], [0, 1, 2, 3, 4, 5]]


def made(spec: Spec = SPEC) -> factored.Model:
    torch.manual_seed(2)
    model = factored.Model(SETTINGS, spec).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


def batch(columns: int = 6, filled: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    held = torch.randint(0, TOKENS.total, (len(LENGTH), 6), generator=generator)
    tokens = torch.full((len(LENGTH), columns), TOKENS.pad)
    sites = torch.full((len(LENGTH), columns), filled)
    for row, own in enumerate(SITES):
        tokens[row, : len(own)] = held[row, : len(own)]
        sites[row, : len(own)] = torch.tensor(own)
    return tokens, torch.tensor(LENGTH), sites


def looks(model: factored.Model, head: int, sites: list[int]) -> list[list[float]]:
    """Softmax of products of queries and keys over all other columns."""
    block, width = model.block, SETTINGS.head_width
    rows = slice(head * width, (head + 1) * width)
    found = []
    for at, one in enumerate(sites):
        query = block.query.weight[rows] @ block.site_table[one]
        weight = [
            0.0
            if at == there
            else math.exp(
                float(query @ (block.key.weight[rows] @ block.site_table[other])) / math.sqrt(width)
            )
            for there, other in enumerate(sites)
        ]
        found.append([w / sum(weight) if sum(weight) else 0.0 for w in weight])
    return found


def slow(model: factored.Model, tokens: list[int], sites: list[int]) -> Tensor:
    maps = [looks(model, head, sites) for head in range(SETTINGS.heads)]
    states = [model.start]
    for at, site in enumerate(sites):
        total = model.block.profile_table[site].clone()
        for head, held in enumerate(maps):
            for there, token in enumerate(tokens):
                total += held[at][there] * model.value_table[head, token]
        states.append(model.out(total))
    return model.norm(torch.stack(states))


@torch.no_grad()
def test_states_are_sums_one_by_one() -> None:
    model = made()
    tokens, length, sites = batch()
    found = states(model, tokens, length, start=True, sites=sites)
    for row, size in enumerate(LENGTH):
        wanted = slow(model, tokens[row, :size].tolist(), SITES[row])
        torch.testing.assert_close(found[row, : size + 1], wanted)
    torch.testing.assert_close(states(model, tokens, length, sites=sites), found[:, 1:])
    torch.testing.assert_close(states(model, tokens, length, 1, sites=sites), found[:, 1:])
    places = torch.tensor([4, 0, 15])
    at = states_at(model, {"tokens": tokens, "length": length, "sites": sites}, places)
    torch.testing.assert_close(at, found.flatten(0, 1)[places])


@pytest.mark.parametrize("said", [2**26, 100])
def test_many_rows_of_a_family_are_as_each_alone(
    said: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(factored, "_SAID", said)
    model = made()
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(0, TOKENS.total, (4 * TOKENS.total, 7), generator=generator)
    length = torch.full((len(tokens),), 7)
    sites = torch.tensor([3, 9, 2, 40, 7, 11, 12]).expand(len(tokens), -1)
    aim = torch.randn(len(tokens), 7, model.width, dtype=torch.float64, generator=generator)
    gradients = []
    for size in (len(tokens), 2):
        model.zero_grad()
        parts = [slice(at, at + size) for at in range(0, len(tokens), size)]
        found = torch.cat([states(model, tokens[p], length[p], sites=sites[p]) for p in parts])
        (found * aim).sum().backward()
        gradients.append((found.detach(), [p.grad for p in model.parameters()]))
    (whole, together), (alone, apart) = gradients
    torch.testing.assert_close(whole, alone)
    for one, other in zip(together, apart, strict=True):
        torch.testing.assert_close(one, other)


@torch.no_grad()
def test_padding_has_no_influence() -> None:
    model = made()
    tokens, length, sites = batch()
    wanted = states(model, tokens, length, start=True, sites=sites)
    wide, _, wider = batch(9, filled=13)
    found = states(model, wide, length, start=True, sites=wider)
    assert torch.isfinite(found).all()
    for row, size in enumerate(LENGTH):
        torch.testing.assert_close(found[row, : size + 1], wanted[row, : size + 1])
    empty = states(model, tokens[:2], torch.tensor([6, 0]), start=True, sites=sites[:2])
    torch.testing.assert_close(empty[0], wanted[0])
    assert torch.isfinite(empty).all()


@torch.no_grad()
def test_a_token_is_told_of_all_others_and_not_of_itself() -> None:
    model = made()
    tokens, length, sites = batch()
    before = states(model, tokens, length, sites=sites)[0]
    for place in range(6):
        changed = tokens.clone()
        changed[0, place] = (changed[0, place] + 1) % TOKENS.size
        moved = (states(model, changed, length, sites=sites)[0] - before).abs().amax(-1)
        assert moved[place] == 0
        assert (moved[[at for at in range(6) if at != place]] > 1e-9).all()


@torch.no_grad()
def test_attentions_are_those_of_the_sites() -> None:
    model = made()
    assert isinstance(model, Attentive)
    tokens, length, sites = batch()
    found = model.attentions({"tokens": tokens, "length": length, "sites": sites})
    assert found.shape == (5, 1, SETTINGS.heads, 6, 6)
    for row, size in enumerate(LENGTH):
        held = found[row, 0, :, :size, :size].double()
        assert (held.diagonal(dim1=1, dim2=2) == 0).all()
        assert (held.sum(-1) <= 1 + 1e-6).all()
        for head in range(SETTINGS.heads):
            wanted = torch.tensor(looks(model, head, SITES[row]))
            torch.testing.assert_close(held[head].float(), wanted)
    others = model.attentions({"tokens": tokens.flip(1), "length": length, "sites": sites})
    torch.testing.assert_close(others[0], found[0])


def test_layers_groups_and_gradients() -> None:
    model = made()
    tokens, length, sites = batch()
    said = states(model, tokens, length, layer=0, sites=sites)
    same = tokens == tokens[0, 0]
    assert (said[same] == said[0, 0]).all(), "layer 0 is the token alone"
    held = [id(p) for _, members in model.groups() for p in members]
    assert sorted(held) == sorted(id(p) for p in model.parameters())
    assert [name for name, _ in model.groups()] == ["embeddings", "block 1", "final norm"]
    gradients = []
    for checkpointing in (False, True):
        model.zero_grad()
        model.checkpointing = checkpointing
        (states(model, tokens, length, start=True, sites=sites) ** 3).sum().backward()
        gradients.append([p.grad for p in model.parameters()])
    for (name, _), one, other in zip(model.named_parameters(), *gradients, strict=True):
        assert one is not None, name
        assert torch.equal(one, other), name
        assert one.abs().max() > 0, name


@torch.no_grad()
def test_bfloat16_agrees() -> None:
    torch.manual_seed(2)
    model = factored.Model(SETTINGS, SPEC)
    tokens = torch.randint(0, TOKENS.total, (40, 30), generator=torch.Generator().manual_seed(1))
    length, sites = torch.full((40,), 30), torch.arange(30).expand(40, -1)
    wanted = states(model, tokens, length, sites=sites)
    for rows in (slice(40), slice(3)):
        with torch.autocast("cpu", torch.bfloat16):
            found = states(model, tokens[rows], length[rows], sites=sites[rows]).float()
        off = (found - wanted[rows]).abs()
        assert off.mean() < 0.02
        assert off.max() < 0.2


def test_what_has_no_sites_is_refused() -> None:
    with pytest.raises(UsageError, match="takes columns of alignments") as caught:
        factored.Model(SETTINGS, {"tokens": Ids(("length",), 6)})
    assert "--domain protein --set aligned=true" in (caught.value.do or "")
    with pytest.raises(ValueError, match="heads is at least 1"):
        factored.Settings(heads=0)
